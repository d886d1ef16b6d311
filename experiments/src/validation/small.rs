//! Completion times of small transfers: the median and the 99th percentile of a class.
//!
//! A class is small if its transfers are of at most 1 MiB in the mean and at least 20 in a run.
//! Percentiles are of all replications together, because one has too few for the 99th; the interval
//! leaves out one replication at a time.
//!
//! Source of the interval: R. G. Miller, "The jackknife: a review", Biometrika 61, 1974. A
//! replication is what is left out, because what happens inside one is not independent.

use std::collections::{BTreeMap, BTreeSet};

use super::world::{Run, Twin};
use super::{AIM_SMALL_P50_PCT, AIM_SMALL_P99_PCT, Found};
use crate::stats;

/// Mean length of the transfers of a small class at most, in bytes.
const SMALL_BYTES: f64 = 1_048_576.0;
/// Transfers of a small class in a run at least.
const SMALL_COUNT: usize = 20;

/// Completion times of a class in both worlds, a list for each replication.
type Times = Vec<[Vec<f64>; 2]>;

/// Classes of small transfers, by what the simulated runs say.
pub(super) fn small_classes(twins: &[Twin<'_>]) -> BTreeSet<String> {
    let mut classes: BTreeMap<&str, (usize, f64)> = BTreeMap::new();
    for transfer in twins.iter().flat_map(|twin| &twin.simulated.transfers) {
        let (count, bytes) = classes.entry(&transfer.class).or_default();
        *count += 1;
        *bytes += transfer.bytes;
    }
    let classes = classes.into_iter();
    let small = classes.filter(|(_, (count, bytes))| {
        *count >= SMALL_COUNT * twins.len() && *bytes <= SMALL_BYTES * *count as f64
    });
    small.map(|(class, _)| class.to_owned()).collect()
}

/// Percentiles of each class of small transfers.
pub(super) fn latency(twins: &[Twin<'_>]) -> Vec<Found> {
    let quantities = [
        ("small_p50", 500, AIM_SMALL_P50_PCT),
        ("small_p99", 990, AIM_SMALL_P99_PCT),
    ];
    let mut found = Vec::new();
    for class in small_classes(twins) {
        let times: Times = twins
            .iter()
            .map(|twin| [twin.simulated, twin.emulated].map(|run| times_of(run, &class)))
            .collect();
        for (quantity, per_mille, aim) in quantities {
            let Some([simulated, emulated]) = percentiles(&times, per_mille, None) else {
                continue;
            };
            found.push(Found {
                quantity: quantity.to_owned(),
                class: class.clone(),
                unit: "s",
                simulated: Some(simulated),
                emulated: Some(emulated),
                error: error_pct([simulated, emulated]),
                error_unit: "%",
                interval: interval(&times, per_mille),
                aim,
                n: times.len(),
                item: String::new(),
            });
        }
    }
    found
}

fn times_of(run: &Run, class: &str) -> Vec<f64> {
    let own = run
        .transfers
        .iter()
        .filter(|transfer| transfer.class == class);
    own.filter_map(|transfer| transfer.completion_s).collect()
}

/// The percentile in both worlds, over all replications but `without`; none if a world has no
/// transfer that ended.
fn percentiles(times: &Times, per_mille: usize, without: Option<usize>) -> Option<[f64; 2]> {
    let of = |world: usize| {
        let kept = times
            .iter()
            .enumerate()
            .filter(|(at, _)| Some(*at) != without);
        let pooled: Vec<f64> = kept.flat_map(|(_, times)| times[world].clone()).collect();
        stats::percentile(&pooled, per_mille).map(|found| found.value)
    };
    Some([of(0).filter(|time| *time > 0.0)?, of(1)?])
}

fn error_pct([simulated, emulated]: [f64; 2]) -> f64 {
    (emulated / simulated - 1.0) * 100.0
}

/// The jackknife over replications; none of one replication.
fn interval(times: &Times, per_mille: usize) -> Option<(f64, f64)> {
    let n = times.len();
    if n < 2 {
        return None;
    }
    let all = error_pct(percentiles(times, per_mille, None)?);
    let left_out: Option<Vec<f64>> = (0..n)
        .map(|at| percentiles(times, per_mille, Some(at)).map(error_pct))
        .collect();
    let left_out = left_out?;
    let count = n as f64;
    let mean = left_out.iter().sum::<f64>() / count;
    let squares: f64 = left_out.iter().map(|x| (x - mean) * (x - mean)).sum();
    let half = stats::t_quantile_975(n - 1) * (squares * (count - 1.0) / count).sqrt();
    Some((all - half, all + half))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Errors of 0 % and 20 % in two replications of one transfer each. The percentile of 0.99
    // of both together is the slower one, of which the error is 20 %; alone they are 0 and 20,
    // so the deviation is sqrt(200 / 2) = 10, and the half width 12.706 times that.
    #[test]
    fn the_interval_leaves_out_one_replication_at_a_time() {
        let times = vec![[vec![10.0], vec![10.0]], [vec![20.0], vec![24.0]]];
        assert_eq!(percentiles(&times, 990, None), Some([20.0, 24.0]));
        let (low, high) = interval(&times, 990).unwrap();
        assert!((low - (20.0 - 127.06)).abs() < 0.01, "{low}");
        assert!((high - (20.0 + 127.06)).abs() < 0.01, "{high}");
        assert_eq!(interval(&times[..1].to_vec(), 990), None);
    }
}
