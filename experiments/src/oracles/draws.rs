//! The draws of a queue against the distributions that they are drawn from.
//!
//! A queue in order of arrival is known exactly once its jobs are drawn, so what it measures
//! says nothing about the draws. These do: moments, how far the empirical distribution is from
//! the one that was asked for, and whether a draw tells of the next one.
//!
//! Sources: A. N. Kolmogorov, "Sulla determinazione empirica di una legge di distribuzione",
//! 1933; D. E. Knuth, "The Art of Computer Programming", Volume 2, section 3.3.1.

use schemars::JsonSchema;
use serde::Deserialize;

use super::server::{Job, SMALLEST, Server, Sizes, in_units};

/// What is measured of draws, in the order of [`Draws::measure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Statistic {
    Mean,
    SecondMoment,
    KolmogorovSmirnov,
    SerialCorrelation,
}

/// The draws of all replications of a queue, taken together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draws {
    /// The queue whose jobs are drawn.
    pub(super) server: Server,
    /// Which of its draws.
    pub(super) of: Of,
    /// Replications.
    pub(super) runs: u32,
}

/// What is drawn for each job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Of {
    /// The time since the job before.
    Gaps,
    /// The size.
    Sizes,
}

impl Draws {
    /// The jobs of each replication.
    pub(super) fn jobs(&self) -> Vec<Vec<Job>> {
        (0..self.runs).map(|run| self.server.draw(run)).collect()
    }

    /// Mean and second moment over what they should be; the largest distance of the two
    /// distribution functions, and the correlation of neighbours, both times the root of the
    /// number of draws.
    pub(super) fn measure(&self, jobs: &[Vec<Job>]) -> Vec<f64> {
        let sizes = self.server.sizes;
        match self.of {
            Of::Gaps => {
                let pairs = jobs.iter().flat_map(|jobs| jobs.windows(2));
                let gaps = pairs.map(|pair| in_units(pair[1].at - pair[0].at));
                let law = Sizes::Exponential(sizes.moment(1.0) / self.server.load);
                statistics(gaps.collect(), law, 0.0)
            }
            Of::Sizes => {
                let sizes_of = jobs.iter().flatten();
                let drawn = sizes_of.map(|job| self.server.work(job.bytes));
                statistics(drawn.collect(), sizes, 1.0 / SMALLEST as f64)
            }
        }
    }
}

/// The statistics of draws that should be of `law`. Draws below `raised` were raised to it: there
/// the two distributions differ by that, and are not compared.
fn statistics(mut values: Vec<f64>, law: Sizes, raised: f64) -> Vec<f64> {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let square = values.iter().map(|value| value * value).sum::<f64>() / count;
    let pairs = values.windows(2);
    let together: f64 = pairs.map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
    let correlation = together / count / (square - mean * mean);
    values.sort_unstable_by(f64::total_cmp);
    let places = values.iter().enumerate();
    // A unit of work is a whole number of bytes, so what was raised may be off by the last bit.
    let compared = places.filter(|(_, value)| **value > raised * 1.001);
    let apart = compared.map(|(place, value)| {
        let at = law.below(*value);
        let (before, after) = (place as f64 / count, (place + 1) as f64 / count);
        (at - before).abs().max((at - after).abs())
    });
    let distance = apart.fold(0.0, f64::max);
    let root = libm::sqrt(count);
    vec![
        mean / law.moment(1.0),
        square / law.moment(2.0),
        distance * root,
        correlation * root,
    ]
}

impl Sizes {
    /// The part of the sizes that are at most `value`.
    fn below(self, value: f64) -> f64 {
        match self {
            Self::Exponential(mean) => 1.0 - libm::exp(-value / mean),
            Self::BoundedPareto(alpha, low, high) => {
                let part = 1.0 - libm::pow(low / value.clamp(low, high), alpha);
                part / (1.0 - libm::pow(low / high, alpha))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The quantiles of `law` at 1/2n, 3/2n, .. by bisection: draws without any luck.
    fn quantiles(law: Sizes, count: u32) -> Vec<f64> {
        let quantile = |place: u32| {
            let part = (f64::from(place) + 0.5) / f64::from(count);
            let (mut low, mut high) = (0.0, 2_000.0);
            for _ in 0..80 {
                let middle = (low + high) / 2.0;
                if law.below(middle) < part {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            low
        };
        (0..count).map(quantile).collect()
    }

    // In ascending order, so that neighbours resemble each other as much as they can.
    #[test]
    fn draws_of_the_law_itself_have_its_moments_and_no_distance() {
        for law in [
            Sizes::Exponential(2.0),
            Sizes::BoundedPareto(1.5, 1.0, 1_000.0),
        ] {
            let found = statistics(quantiles(law, 10_000), law, 0.0);
            assert!((found[0] - 1.0).abs() < 0.01, "{law:?}: {found:?}");
            assert!((found[1] - 1.0).abs() < 0.1, "{law:?}: {found:?}");
            assert!(found[2] < 0.01, "{law:?}: {found:?}");
            assert!(found[3] > 50.0, "{law:?}: {found:?}");
        }
    }

    // 0 and 2 alike often have the mean and the second moment of an exponential of mean 1.
    #[test]
    fn another_law_of_the_same_moments_is_told_by_its_distance() {
        let two = (0..10_000_u32).map(|place| f64::from(place / 2 % 2) * 2.0);
        let found = statistics(two.collect(), Sizes::Exponential(1.0), 0.0);
        assert!((found[0] - 1.0).abs() < 1e-9 && (found[1] - 1.0).abs() < 1e-9);
        assert!(found[2] > 30.0, "{found:?}");
    }
}
