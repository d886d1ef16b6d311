//! The gain of deviation: how many times sooner a peer is done than if it complied.

use fairhaul_core::time::Span;

use crate::stats::{Centre, Estimate};

/// The gain of a pair of runs with the same random numbers, T(comply) / T(deviate). A deviant that
/// is never done gains 0; a pair whose compliant peer is never done says nothing.
pub(super) fn ratio_of(comply: Option<Span>, deviate: Option<Span>) -> Option<f64> {
    let comply = comply?;
    let Some(deviate) = deviate.filter(|span| span.as_nanos() > 0) else {
        return Some(0.0);
    };
    Some(comply.as_secs_f64() / deviate.as_secs_f64())
}

/// The gain of each pair that says something.
pub(super) fn gains(comply: &[Option<Span>], deviate: &[Option<Span>]) -> Vec<f64> {
    let pairs = comply.iter().zip(deviate);
    pairs
        .filter_map(|(comply, deviate)| ratio_of(*comply, *deviate))
        .collect()
}

/// The mean of gains, with its 95 % interval; `None` of nothing.
pub(super) fn estimate(gains: &[f64]) -> Option<Estimate> {
    Centre::Mean.of(gains)
}

/// The mean; nothing gains nothing.
pub(super) fn mean(gains: &[f64]) -> f64 {
    estimate(gains).map_or(0.0, |found| found.value)
}

/// The least that the centre of independent observations is, with 97.5 %: the lower end of the
/// interval, the value itself where all are the same, and nothing of one.
pub(super) fn least(observations: &[f64]) -> f64 {
    let Some(found) = estimate(observations) else {
        return f64::NEG_INFINITY;
    };
    let same = found.is_identical().then_some((found.value, found.value));
    let interval = found.interval.or(same);
    interval.map_or(f64::NEG_INFINITY, |(low, _)| low)
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
