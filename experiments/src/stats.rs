//! Estimates from replications: means, medians and their 95 % confidence intervals.
//!
//! One replication is one observation: what happened inside a run is never pooled as if it were
//! independent. With too few replications there is no interval. `libm` gives the same digits on
//! every machine.

mod distribution;

use fairhaul_results::Sample;
use fairhaul_simulator::metrics::is_extreme;

pub use distribution::t_quantile_975;
use distribution::{binomial_cdf, t_within};

/// Probability on either side of an interval.
const TAIL: f64 = 0.025;

/// Fewest observations whose signs can tell: with six of one kind their probability is 3 %.
pub const SIGNS_MIN: usize = 6;

/// The centre of observations, and how well it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Observations.
    pub n: usize,
    /// Which centre it is.
    pub centre: Centre,
    /// Its value.
    pub value: f64,
    /// Standard deviation of the observations; none of one.
    pub sd: Option<f64>,
    /// 95 % confidence interval of the centre: by Student's t of a mean, between order statistics
    /// of a median. None of too few observations, and of observations that are all the same: they
    /// say nothing about others.
    pub interval: Option<(f64, f64)>,
}

/// Which centre an estimate is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Centre {
    /// Arithmetic mean.
    Mean,
    /// Median, of extremes: their distributions have a long tail, and with few observations
    /// Student's interval of their mean covers far less than 95 %.
    Median,
}

impl Centre {
    /// The centre by which the metric `name` of a run is summed up over replications.
    #[must_use]
    pub fn of_metric(name: &str) -> Self {
        if is_extreme(name) {
            Self::Median
        } else {
            Self::Mean
        }
    }

    /// The word for it in tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Median => "median",
        }
    }

    /// This centre of independent observations; none of nothing.
    #[must_use]
    pub fn of(self, values: &[f64]) -> Option<Estimate> {
        match self {
            Self::Mean => estimate(values),
            Self::Median => median(values),
        }
    }
}

impl Estimate {
    /// Half the width of the interval of a mean, which lies in its middle; that of a median has
    /// none.
    #[must_use]
    pub fn half_width(&self) -> Option<f64> {
        let (low, high) = self.interval.filter(|_| self.centre == Centre::Mean)?;
        Some((high - low) / 2.0)
    }

    /// Whether there are several observations and all are the same.
    #[must_use]
    pub fn is_identical(&self) -> bool {
        self.n > 1 && self.sd.is_some_and(|sd| sd <= 0.0)
    }

    /// The same in another unit, `scale` > 0 of which make one of this.
    #[must_use]
    pub fn scaled(&self, scale: f64) -> Self {
        Self {
            n: self.n,
            centre: self.centre,
            value: self.value * scale,
            sd: self.sd.map(|sd| sd * scale),
            interval: self.interval.map(|(low, high)| (low * scale, high * scale)),
        }
    }
}

/// Mean, standard deviation and interval of independent observations; none of nothing.
#[must_use]
pub fn estimate(values: &[f64]) -> Option<Estimate> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let count = n as f64;
    let mean = match all_same(values) {
        true => values[0],
        false => values.iter().sum::<f64>() / count,
    };
    let sd = sd(values, mean);
    let interval = sd.filter(|sd| *sd > 0.0).map(|sd| {
        let half = t_quantile_975(n - 1) * sd / count.sqrt();
        (mean - half, mean + half)
    });
    Some(Estimate {
        n,
        centre: Centre::Mean,
        value: mean,
        sd,
        interval,
    })
}

/// Median and interval of independent observations of an extreme; none of nothing.
#[must_use]
pub fn median(values: &[f64]) -> Option<Estimate> {
    let found = percentile(values, 500)?;
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    Some(Estimate {
        n: values.len(),
        centre: Centre::Median,
        value: found.value,
        sd: sd(values, mean),
        interval: found.interval.filter(|_| !all_same(values)),
    })
}

fn sd(values: &[f64], mean: f64) -> Option<f64> {
    if values.len() < 2 || all_same(values) {
        // A mean may be rounded: equal observations must not deviate from it.
        return (values.len() > 1).then_some(0.0);
    }
    let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
    Some((squares / (values.len() as f64 - 1.0)).sqrt())
}

fn all_same(values: &[f64]) -> bool {
    values
        .windows(2)
        .all(|pair| pair[0].total_cmp(&pair[1]).is_eq())
}

/// Probability of observations as far from zero as these or further, if their centre were zero:
/// by Student's t of a mean, by the sign test of a median. None of fewer than two.
///
/// Source of the sign test: W. J. Conover, "Practical Nonparametric Statistics", Wiley.
#[must_use]
pub fn p_value(values: &[f64], centre: Centre) -> Option<f64> {
    let found = estimate(values).filter(|found| found.n > 1)?;
    match (centre, found.sd.filter(|sd| *sd > 0.0)) {
        (Centre::Mean, Some(sd)) => {
            let t = found.value.abs() * (found.n as f64).sqrt() / sd;
            Some((1.0 - t_within(t, (found.n - 1).clamp(1, 10_000))).max(0.0))
        }
        // Where all are the same there is no deviation to measure a mean by; signs are left.
        _ => {
            let above = values.iter().filter(|x| **x > 0.0).count();
            let below = values.iter().filter(|x| **x < 0.0).count();
            let tail = binomial_cdf(above + below, 0.5)[above.min(below)];
            Some((2.0 * tail).min(1.0))
        }
    }
}

/// The probabilities `p` as they count where one wants no error among all of them together: one
/// is significant at a level if its adjusted probability is not above it.
///
/// Source: S. Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian
///         Observations of Statistics 6, 1979.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|one, other| p[*one].total_cmp(&p[*other]));
    let mut adjusted = vec![0.0; p.len()];
    let mut least = 0.0_f64;
    for (rank, at) in order.into_iter().enumerate() {
        // Never less than a smaller one's.
        least = least.max(p[at] * (p.len() - rank) as f64).min(1.0);
        adjusted[at] = least;
    }
    adjusted
}

/// An order statistic, and how well the percentile behind it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Percentile {
    /// The value at its rank.
    pub value: f64,
    /// Interval between two order statistics that covers the percentile with at least 95 %,
    /// whatever the distribution; none of too few observations.
    pub interval: Option<(f64, f64)>,
}

/// The `per_mille`/1000 percentile of independent observations; none of nothing.
///
/// Source of the interval: W. J. Conover, "Practical Nonparametric Statistics", Wiley, the
/// binomial confidence interval for a quantile.
#[must_use]
pub fn percentile(values: &[f64], per_mille: usize) -> Option<Percentile> {
    let sample = Sample::new(values.iter().copied());
    let value = sample.at_per_mille(per_mille)?;
    let sorted = sample.sorted();
    let n = sorted.len();
    // At most `k` of `n` observations are below the percentile with probability cdf[k].
    let cdf = binomial_cdf(n, per_mille as f64 / 1_000.0);
    let low = cdf.iter().rposition(|p| *p <= TAIL);
    let high = cdf.iter().position(|p| *p >= 1.0 - TAIL);
    let interval = low
        .zip(high)
        .and_then(|(low, high)| Some((*sorted.get(low)?, *sorted.get(high)?)));
    Some(Percentile { value, interval })
}

#[cfg(test)]
mod tests {
    use super::*;

    // 1..=5: mean 3, standard deviation sqrt(2.5), half width 2.776 sqrt(2.5 / 5) = 1.963.
    #[test]
    fn a_mean_has_the_interval_of_student() {
        let found = estimate(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert_eq!((found.n, found.value), (5, 3.0));
        assert!((found.sd.unwrap() - 2.5_f64.sqrt()).abs() < 1e-12);
        assert!((found.half_width().unwrap() - 1.9632).abs() < 1e-3);
    }

    #[test]
    fn one_observation_has_no_interval_and_none_has_no_mean() {
        let found = estimate(&[4.0]).unwrap();
        assert_eq!((found.value, found.sd, found.interval), (4.0, None, None));
        assert_eq!(estimate(&[]), None);
    }

    // The sum of ten times 0.1 is not 1, so a mean computed from it would deviate from all ten.
    #[test]
    fn equal_observations_are_identical_and_have_no_interval() {
        for found in [estimate(&[0.1; 10]), median(&[0.1; 10])] {
            let found = found.unwrap();
            assert!(found.is_identical());
            assert_eq!(
                (found.value, found.sd, found.interval),
                (0.1, Some(0.0), None)
            );
        }
        assert_eq!(p_value(&[0.1; 10], Centre::Mean), Some(2.0 / 1024.0));
        assert_eq!(p_value(&[0.0; 10], Centre::Mean), Some(1.0));
        assert!(!estimate(&[0.1]).unwrap().is_identical());
    }

    // t = 2.776 with four degrees of freedom is the 97.5 % quantile: 5 % on both sides. Ten signs
    // of one kind have probability 2 / 1024, five 2 / 32.
    #[test]
    fn probabilities_are_those_of_the_tables() {
        let four = [1.0, 2.0, 3.0, 4.0, 5.0].map(|x| x - 3.0 + 1.9632);
        assert!((p_value(&four, Centre::Mean).unwrap() - 0.05).abs() < 1e-4);
        let signs: Vec<f64> = (1..=10).map(f64::from).collect();
        assert!((p_value(&signs, Centre::Median).unwrap() - 2.0 / 1024.0).abs() < 1e-12);
        assert!((p_value(&signs[..5], Centre::Median).unwrap() - 0.0625).abs() < 1e-12);
        assert!(p_value(&[-1.0, 1.0, 2.0], Centre::Median).unwrap() > 0.99);
    }

    // The example of four: 0.005, 0.01, 0.03 and 0.04 become 0.02, 0.03, 0.06 and 0.06.
    #[test]
    fn holm_steps_down_from_the_smallest() {
        let found = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (got, want) in found.into_iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((got - want).abs() < 1e-12, "{got}, want {want}");
        }
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    // Draws of a lognormal distribution with a long tail, as worst errors have: the interval of
    // Student covers its mean in fewer than nine of ten cases, that between order statistics its
    // median in at least 95 of a hundred, and five observations have none.
    #[test]
    fn an_extreme_gets_an_interval_that_covers() {
        let mut draws = fairhaul_simulator::random::Streams::new(5, 0).stream("extremes", "test");
        let mut normal = || {
            let sum: f64 = (0..12)
                .map(|_| fairhaul_simulator::random::uniform(&mut draws))
                .sum();
            libm::exp(1.5 * (sum - 6.0))
        };
        let (mut mean_covered, mut median_covered) = (0, 0);
        for _ in 0..1_000 {
            let values: Vec<f64> = (0..10).map(|_| normal()).collect();
            let covers = |found: Estimate, truth: f64| {
                let (low, high) = found.interval.unwrap();
                u32::from((low..=high).contains(&truth))
            };
            mean_covered += covers(estimate(&values).unwrap(), libm::exp(1.125));
            median_covered += covers(median(&values).unwrap(), 1.0);
            assert_eq!(median(&values[..5]).unwrap().interval, None);
        }
        assert!(mean_covered < 900, "{mean_covered}");
        assert!(median_covered >= 950, "{median_covered}");
    }

    // The rank is rounded up: 2.5 of five is the third, 28.5 of thirty the twenty-ninth.
    #[test]
    fn a_percentile_is_the_least_value_that_so_many_are_not_above() {
        let first = |n: u32| (1..=n).map(f64::from).collect::<Vec<_>>();
        for (n, per_mille, want) in [
            (5, 500, 3.0),
            (30, 950, 29.0),
            (30, 990, 30.0),
            (100, 990, 99.0),
            (101, 990, 100.0),
            (1, 10, 1.0),
        ] {
            let found = percentile(&first(n), per_mille).unwrap();
            assert!(found.value.total_cmp(&want).is_eq(), "{per_mille} of {n}");
        }
    }

    // The median of 30 lies between the 10th and the 21st value with 95.7 %.
    #[test]
    fn the_median_of_thirty_lies_between_the_tenth_and_the_twenty_first() {
        let values: Vec<f64> = (1..=30).map(f64::from).collect();
        let found = percentile(&values, 500).unwrap();
        let want = Percentile {
            value: 15.0,
            interval: Some((10.0, 21.0)),
        };
        assert_eq!(found, want);
    }

    // With 5 values even the whole range covers the median with only 93.75 %, with 6 it is
    // 96.9 %. The 99th percentile of 30 values is not bounded from above.
    #[test]
    fn too_few_observations_have_no_interval() {
        let five: Vec<f64> = (1..=5).map(f64::from).collect();
        assert_eq!(percentile(&five, 500).unwrap().interval, None);
        let six: Vec<f64> = (1..=6).map(f64::from).collect();
        assert_eq!(percentile(&six, 500).unwrap().interval, Some((1.0, 6.0)));
        let thirty: Vec<f64> = (1..=30).map(f64::from).collect();
        assert_eq!(percentile(&thirty, 990).unwrap().interval, None);
        assert_eq!(percentile(&[], 500), None);
    }
}
