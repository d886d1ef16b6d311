//! Which way a metric is better, so that a comparison can say who wins.

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Less is better: times, slowdowns, errors, waste.
    Lower,
    /// More is better: indices of equality, utilisation.
    Higher,
    /// Neither: counts, bounds, ratios whose ideal is not an end of their scale.
    Neither,
}

/// Beginnings of the names of metrics, with their direction. The first that fits counts.
const DIRECTIONS: [(&str, Direction); 21] = [
    ("completion_", Direction::Lower),
    ("peer_completion_", Direction::Lower),
    ("slowdown_", Direction::Lower),
    ("peer_slowdown_", Direction::Lower),
    ("makespan_", Direction::Lower),
    ("share_error_", Direction::Lower),
    ("lag_", Direction::Lower),
    ("fair_window_", Direction::Lower),
    ("service_error_", Direction::Lower),
    ("transfers_not_finished", Direction::Lower),
    ("leechers_not_finished", Direction::Lower),
    ("wasted_", Direction::Lower),
    ("end_s", Direction::Lower),
    ("others_not_finished", Direction::Lower),
    ("others_goodput_", Direction::Higher),
    ("jain_", Direction::Higher),
    ("share_over_entitlement_min", Direction::Higher),
    ("floor_least_", Direction::Higher),
    ("received_over_asked", Direction::Higher),
    ("received_min_over_max", Direction::Higher),
    ("uplink_utilisation", Direction::Higher),
];

/// Which way the metric `name` of [`scalars`](super::scalars()) is better.
#[must_use]
pub fn direction(name: &str) -> Direction {
    DIRECTIONS
        .iter()
        .find(|(start, _)| name.starts_with(start))
        .map_or(Direction::Neither, |(_, direction)| *direction)
}

/// Parts of the names of metrics that are the least or the greatest of many in a run.
const EXTREMES: [&str; 4] = ["_worst_", "_least_", "_min", "_max"];

/// Whether the metric `name` is the worst, the least or the greatest of many in a run.
///
/// Such a number has a long tail over replications: with few of them Student's interval of its
/// mean covers far less than it says, so it gets one between order statistics or none.
#[must_use]
pub fn is_extreme(name: &str) -> bool {
    let base = name.split_once('.').map_or(name, |(base, _)| base);
    EXTREMES
        .iter()
        .any(|part| base.contains(part) && (part.ends_with('_') || base.ends_with(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_want_to_be_short_and_equality_high() {
        assert_eq!(direction("completion_p99_s.small"), Direction::Lower);
        assert_eq!(direction("jain_window_0.1s"), Direction::Higher);
        assert_eq!(direction("share_ratio_p50"), Direction::Neither);
        assert_eq!(direction("kumar_ross_s"), Direction::Neither);
        assert_eq!(direction("alone_p99_s.small"), Direction::Neither);
    }

    #[test]
    fn the_worst_and_the_least_of_a_run_are_extremes_and_percentiles_are_not() {
        for name in [
            "lag_worst_bytes",
            "floor_least_1s.gold",
            "share_over_entitlement_min.x_y",
        ] {
            assert!(is_extreme(name), "{name}");
        }
        for name in [
            "slowdown_p99",
            "completion_mean_s.worst_",
            "makespan_s",
            "x_minute",
        ] {
            assert!(!is_extreme(name), "{name}");
        }
    }
}
