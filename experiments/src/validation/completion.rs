//! Completion times: transfers by their name, peers of a swarm by their rank in their class.
//!
//! Transfers that did not end in both worlds are not paired: their number is a quantity of its own.

use std::collections::BTreeMap;

use super::small::small_classes;
use super::world::{Peer, Twin};
use super::{AIM_COMPLETION_PCT, Found};
use crate::stats;

/// A completion time in both worlds.
#[derive(Clone, Debug)]
struct Pair {
    item: String,
    replication: u32,
    simulated: f64,
    emulated: f64,
}

impl Pair {
    fn error_pct(&self) -> f64 {
        (self.emulated / self.simulated - 1.0) * 100.0
    }
}

/// Of each class of transfers that are not small, each transfer with itself.
pub(super) fn transfers(twins: &[Twin<'_>]) -> Vec<Found> {
    let small = small_classes(twins);
    let mut classes: BTreeMap<&str, Vec<Pair>> = BTreeMap::new();
    for twin in twins {
        let others: BTreeMap<&str, f64> = twin
            .emulated
            .transfers
            .iter()
            .filter_map(|transfer| Some((transfer.name.as_str(), transfer.completion_s?)))
            .collect();
        for transfer in &twin.simulated.transfers {
            if small.contains(&transfer.class) {
                continue;
            }
            let other = others.get(transfer.name.as_str()).copied();
            let pair = pair(
                &transfer.name,
                twin.replication,
                transfer.completion_s,
                other,
            );
            classes.entry(&transfer.class).or_default().extend(pair);
        }
    }
    let classes = classes.iter();
    classes
        .flat_map(|(class, pairs)| errors(class, pairs))
        .collect()
}

/// Of each class of a swarm, the sorted completion times of its peers, and when the last peer
/// of all had everything.
pub(super) fn swarm(twins: &[Twin<'_>]) -> Vec<Found> {
    let mut classes: BTreeMap<&str, Vec<Pair>> = BTreeMap::new();
    let mut last = Vec::new();
    for twin in twins {
        let (own, other) = (
            by_class(&twin.simulated.peers),
            by_class(&twin.emulated.peers),
        );
        for (class, own) in own {
            let other = other.get(class).map_or(&[][..], Vec::as_slice);
            let pairs = ranks(&own, other, twin.replication);
            classes.entry(class).or_default().extend(pairs);
        }
        let ends = [&twin.simulated.peers, &twin.emulated.peers].map(|peers| {
            let times = peers.iter().filter_map(|peer| peer.completed_s);
            times.max_by(f64::total_cmp)
        });
        last.extend(pair("", twin.replication, ends[0], ends[1]));
    }
    let classes = classes.iter();
    let mut found: Vec<Found> = classes
        .flat_map(|(class, pairs)| errors(class, pairs))
        .collect();
    found.extend(mean_error("makespan", "", &last));
    found
}

fn pair(item: &str, replication: u32, sim: Option<f64>, emu: Option<f64>) -> Option<Pair> {
    Some(Pair {
        item: item.to_owned(),
        replication,
        simulated: sim.filter(|time| *time > 0.0)?,
        emulated: emu?,
    })
}

/// Sorted completion times of each class.
fn by_class(peers: &[Peer]) -> BTreeMap<&str, Vec<f64>> {
    let mut classes: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for peer in peers {
        let times = classes.entry(&peer.class).or_default();
        times.extend(peer.completion_s);
    }
    for times in classes.values_mut() {
        times.sort_by(f64::total_cmp);
    }
    classes
}

/// The same quantiles of two sorted lists, as many as the shorter one has: rank by rank if
/// they are equally long.
fn ranks(own: &[f64], other: &[f64], replication: u32) -> Vec<Pair> {
    let count = own.len().min(other.len());
    let ranks = 0..count;
    let pairs = ranks.filter_map(|at| {
        let part = (at as f64 + 0.5) / count as f64;
        let item = format!("rank {} of {count}", at + 1);
        let times = [own, other].map(|times| quantile(times, part));
        pair(&item, replication, times[0], times[1])
    });
    pairs.collect()
}

/// The quantile at `part` (0 to 1) of a sorted list, whose values are in the middle of equal
/// parts of it, on straight lines between them.
fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = (part * sorted.len() as f64 - 0.5).clamp(0.0, last as f64);
    let below = (0..=last).rev().find(|index| *index as f64 <= at)?;
    let above = (below + 1).min(last);
    let rest = at - below as f64;
    Some(sorted[below] + (sorted[above] - sorted[below]) * rest)
}

/// Mean, mean size and worst of the errors of a class.
fn errors(class: &str, pairs: &[Pair]) -> Vec<Found> {
    let Some(mean) = mean_error("completion", class, pairs) else {
        return Vec::new();
    };
    let items = means_of_items(pairs);
    let sizes: Vec<f64> = items.iter().map(|item| item.error_pct().abs()).collect();
    let mean_size = sizes.iter().sum::<f64>() / sizes.len() as f64;
    let worst = items
        .iter()
        .max_by(|one, two| one.error_pct().abs().total_cmp(&two.error_pct().abs()))
        .expect("a class with a mean has an item");
    let size = Found {
        quantity: "completion_abs".to_owned(),
        simulated: None,
        emulated: None,
        error: mean_size,
        interval: None,
        ..mean.clone()
    };
    let worst = Found {
        quantity: "completion_worst".to_owned(),
        simulated: Some(worst.simulated),
        emulated: Some(worst.emulated),
        error: worst.error_pct(),
        interval: None,
        item: worst.item.clone(),
        ..mean.clone()
    };
    vec![mean, size, worst]
}

/// Means of each item over replications, in the order of their names.
fn means_of_items(pairs: &[Pair]) -> Vec<Pair> {
    let mut items: BTreeMap<&str, Vec<&Pair>> = BTreeMap::new();
    for pair in pairs {
        items.entry(&pair.item).or_default().push(pair);
    }
    let means = items.into_iter().map(|(item, pairs)| Pair {
        item: item.to_owned(),
        replication: 0,
        simulated: mean(pairs.iter().map(|pair| pair.simulated)),
        emulated: mean(pairs.iter().map(|pair| pair.emulated)),
    });
    means.collect()
}

/// The mean error of each replication, and the estimate from these; none of nothing.
fn mean_error(quantity: &str, class: &str, pairs: &[Pair]) -> Option<Found> {
    let mut replications: BTreeMap<u32, Vec<&Pair>> = BTreeMap::new();
    for pair in pairs {
        replications.entry(pair.replication).or_default().push(pair);
    }
    let errors: Vec<f64> = replications
        .values()
        .map(|pairs| mean(pairs.iter().map(|pair| pair.error_pct())))
        .collect();
    let error = stats::estimate(&errors)?;
    Some(Found {
        quantity: quantity.to_owned(),
        class: class.to_owned(),
        unit: "s",
        simulated: Some(mean(pairs.iter().map(|pair| pair.simulated))),
        emulated: Some(mean(pairs.iter().map(|pair| pair.emulated))),
        error: error.value,
        error_unit: "%",
        interval: error.interval,
        aim: AIM_COMPLETION_PCT,
        n: error.n,
        item: String::new(),
    })
}

/// Of at least one value.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

#[cfg(test)]
mod tests {
    use super::*;

    // Two values lie at 1/4 and 3/4 of the list: half-way between them is the median, and
    // there is nothing outside.
    #[test]
    fn quantiles_lie_on_straight_lines_between_the_values() {
        let values = [10.0, 20.0];
        for (part, want) in [
            (0.1, 10.0),
            (0.25, 10.0),
            (0.5, 15.0),
            (0.75, 20.0),
            (1.0, 20.0),
        ] {
            assert_eq!(quantile(&values, part), Some(want));
        }
        assert_eq!(quantile(&[], 0.5), None);
    }

    // Three against two: the two quantiles are at 1/4 and 3/4, which of three values are the
    // points between the first and second and between the second and third.
    #[test]
    fn lists_of_different_lengths_are_compared_at_the_same_quantiles() {
        let pairs = ranks(&[10.0, 20.0, 30.0], &[12.5, 27.5], 0);
        let errors: Vec<f64> = pairs.iter().map(Pair::error_pct).collect();
        assert_eq!(errors, [0.0, 0.0]);
        assert_eq!(pairs[1].item, "rank 2 of 2");
    }

    #[test]
    fn nobody_is_compared_with_a_peer_that_never_ended() {
        assert!(ranks(&[10.0], &[], 0).is_empty());
        assert!(errors("x", &[]).is_empty());
    }
}
