//! The gains of pairs of runs, and how sure they are.

use fairhaul_core::time::Span;
use fairhaul_simulator::metrics::deviation::{gain_of_deviation, goodput};

use crate::stats::estimate;

/// The gain of a pair of runs with the same random numbers. The length of the content does not
/// matter: it is what the compliant peer gets in its time at one byte a second, so the goodputs are
/// in the ratio of the times to the last digit.
pub(super) fn ratio_of(comply: Option<Span>, deviate: Option<Span>) -> Option<f64> {
    let bytes = comply?.as_secs_f64();
    let goodput = |took: Option<Span>| goodput(bytes, took.map(Span::as_secs_f64));
    gain_of_deviation(goodput(comply), goodput(deviate))
}

/// The gain of each pair that says something.
pub(super) fn gains(comply: &[Option<Span>], deviate: &[Option<Span>]) -> Vec<f64> {
    let pairs = comply.iter().zip(deviate);
    pairs
        .filter_map(|(comply, deviate)| ratio_of(*comply, *deviate))
        .collect()
}

/// The mean; nothing gains nothing.
pub(super) fn mean(gains: &[f64]) -> f64 {
    estimate(gains).map_or(0.0, |found| found.value)
}

/// The least that the centre of independent observations is, with 97.5 %: the lower end of the
/// interval, the value itself where all are the same, and nothing of one.
pub(super) fn least(observations: &[f64]) -> f64 {
    let range = estimate(observations).and_then(|found| found.range());
    range.map_or(f64::NEG_INFINITY, |(low, _)| low)
}

/// One list of gains minus another, pair by pair.
pub(super) fn differences(one: &[f64], other: &[f64]) -> Vec<f64> {
    one.iter()
        .zip(other)
        .map(|(one, other)| one - other)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(times: &[u64]) -> Vec<Option<Span>> {
        let span = |secs: &u64| (*secs > 0).then(|| Span::from_secs(*secs));
        times.iter().map(span).collect()
    }

    // Four pairs: twice as fast, never done, as fast, and one that says nothing.
    #[test]
    fn a_gain_is_of_pairs_and_never_done_is_none_at_all() {
        let found = gains(&seconds(&[10, 10, 10, 0]), &seconds(&[5, 0, 10, 5]));
        assert_eq!(found, [2.0, 0.0, 1.0]);
        assert!((mean(&found) - 1.0).abs() < 1e-12);
        assert!(least(&found) < 0.0);
    }

    #[test]
    fn one_pair_proves_nothing_and_equal_pairs_prove_themselves() {
        assert!(least(&[2.0]) < f64::MIN);
        assert!(least(&[]) < f64::MIN);
        assert!((least(&[2.0, 2.0]) - 2.0).abs() < 1e-12);
        assert_eq!(differences(&[3.0, 2.0], &[1.0, 2.0]), [2.0, 0.0]);
    }
}
