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
const DIRECTIONS: [(&str, Direction); 16] = [
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
    ("jain_", Direction::Higher),
    ("share_over_entitlement_min", Direction::Higher),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_want_to_be_short_and_equality_high() {
        assert_eq!(direction("completion_p99_s.small"), Direction::Lower);
        assert_eq!(direction("jain_window_0.1s"), Direction::Higher);
        assert_eq!(direction("share_ratio_p50"), Direction::Neither);
        assert_eq!(direction("kumar_ross_s"), Direction::Neither);
    }
}
