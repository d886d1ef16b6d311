//! Percentiles as order statistics: the value at rank `⌈n·p⌉`, never one in between.

/// Numbers in ascending order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample(Vec<f64>);

impl Sample {
    /// Sorts `values`; those that are not finite are left out.
    #[must_use]
    pub fn new(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().filter(|x| x.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        Self(sorted)
    }

    /// The values in ascending order.
    #[must_use]
    pub fn sorted(&self) -> &[f64] {
        &self.0
    }

    /// The least value that at least `per_mille`/1000 of the values do not exceed; the least
    /// of all for 0, the greatest for 1,000 and above. None of nothing.
    #[must_use]
    pub fn at_per_mille(&self, per_mille: usize) -> Option<f64> {
        let rank = (self.0.len() * per_mille).div_ceil(1_000).max(1);
        self.0.get(rank - 1).or_else(|| self.0.last()).copied()
    }

    /// Arithmetic mean; none of nothing.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        mean(&self.0)
    }
}

/// Arithmetic mean; none of nothing.
#[must_use]
#[expect(
    clippy::cast_precision_loss,
    reason = "a report shows fewer digits than an f64 holds"
)]
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Of 1..=100 the 50th percentile is 50 and the 99th is 99.
    #[test]
    fn a_percentile_is_the_value_at_its_rank() {
        let sample = Sample::new((1..=100).rev().map(f64::from));
        assert_eq!(sample.at_per_mille(500), Some(50.0));
        assert_eq!(sample.at_per_mille(990), Some(99.0));
        assert_eq!(sample.at_per_mille(999), Some(100.0));
        assert_eq!(sample.at_per_mille(0), Some(1.0));
        assert_eq!(sample.at_per_mille(1_000), Some(100.0));
        assert_eq!(sample.mean(), Some(50.5));
    }

    #[test]
    fn few_values_give_the_nearest_one_above() {
        let sample = Sample::new([4.0, 1.0, f64::NAN]);
        assert_eq!(sample.at_per_mille(500), Some(1.0));
        assert_eq!(sample.at_per_mille(501), Some(4.0));
    }

    #[test]
    fn nothing_has_no_percentile() {
        assert_eq!(Sample::new([]).at_per_mille(500), None);
    }
}
