//! Distributions, sampled by the inverse of their distribution functions.
//!
//! All functions are those of `libm`, so that every machine draws the same. A sample is rounded
//! to an integer at once: nanoseconds, bytes, bytes per second.

use fairhaul_core::rng::Rng;
use libm::{exp, log, pow, tgamma};

use crate::random::uniform;

mod normal;

/// The form of a distribution. Values are in the unit of the [`Distribution`] around it.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// Always the same.
    Fixed(f64),
    /// Equally likely between two ends.
    Uniform {
        /// The least value.
        low: f64,
        /// The greatest value.
        high: f64,
    },
    /// Memoryless.
    Exponential {
        /// Mean, above 0.
        mean: f64,
    },
    /// `1 - exp(-(x / lambda)^k)`.
    Weibull {
        /// Shape, above 0.
        k: f64,
        /// Scale, above 0.
        lambda: f64,
    },
    /// The exponential of a normal.
    LogNormal {
        /// Mean of the logarithm.
        mu: f64,
        /// Standard deviation of the logarithm, at least 0.
        sigma: f64,
    },
    /// Pareto cut at both ends: `(1 - (low / x)^alpha) / (1 - (low / high)^alpha)`.
    BoundedPareto {
        /// Tail index, above 0.
        alpha: f64,
        /// The least value, above 0.
        low: f64,
        /// The greatest value, above `low`.
        high: f64,
    },
    /// Points `(probability, value)`, straight lines in the logarithm of the value between
    /// them. Probabilities rise from 0 to 1, values are above 0 and never fall.
    Quantiles(Vec<(f64, f64)>),
    /// One of these values, each as likely as another.
    Empirical(Vec<f64>),
}

/// A distribution of a quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    shape: Shape,
    scale: f64,
}

impl Distribution {
    /// `shape`, whose values count in units of `scale` (nanoseconds, bytes, bytes per second).
    ///
    /// # Errors
    ///
    /// What would be allowed, if the parameters are not those of a distribution.
    pub fn new(shape: Shape, scale: f64) -> Result<Self, &'static str> {
        if !(scale.is_finite() && scale > 0.0) {
            return Err("a unit above zero");
        }
        check(&shape)?;
        Ok(Self { shape, scale })
    }

    /// The value below which a draw falls with probability `p`.
    #[must_use]
    pub fn quantile(&self, p: f64) -> f64 {
        self.scale * quantile(&self.shape, p)
    }

    /// The mean, in the unit of a sample.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.scale * mean(&self.shape)
    }

    /// One draw, rounded to the nearest integer; the largest integer if it does not fit.
    pub fn sample(&self, rng: &mut Rng) -> u64 {
        to_integer(self.quantile(uniform(rng)))
    }
}

/// `value` rounded to the nearest integer, within the integers that there are.
#[must_use]
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, which is what is wanted"
)]
pub fn to_integer(value: f64) -> u64 {
    libm::round(value) as u64
}

fn check(shape: &Shape) -> Result<(), &'static str> {
    let above_zero = |x: f64| x.is_finite() && x > 0.0;
    let fine = match shape {
        Shape::Fixed(value) => value.is_finite() && *value >= 0.0,
        Shape::Uniform { low, high } => *low >= 0.0 && high.is_finite() && low <= high,
        Shape::Exponential { mean } => above_zero(*mean),
        Shape::Weibull { k, lambda } => above_zero(*k) && above_zero(*lambda),
        Shape::LogNormal { mu, sigma } => mu.is_finite() && sigma.is_finite() && *sigma >= 0.0,
        Shape::BoundedPareto { alpha, low, high } => {
            above_zero(*alpha) && above_zero(*low) && above_zero(*high) && low < high
        }
        Shape::Quantiles(points) => return check_quantiles(points),
        Shape::Empirical(values) => {
            !values.is_empty() && values.iter().all(|v| v.is_finite() && *v >= 0.0)
        }
    };
    if fine {
        Ok(())
    } else {
        Err(match shape {
            Shape::Fixed(_) => "a finite value, not negative",
            Shape::Uniform { .. } => "finite ends, the first not above the second",
            Shape::Exponential { .. } => "a mean above zero",
            Shape::Weibull { .. } => "k and lambda above zero",
            Shape::LogNormal { .. } => "a finite mu, and sigma not negative",
            Shape::BoundedPareto { .. } => "alpha and low above zero, low below high",
            Shape::Quantiles(_) | Shape::Empirical(_) => "a list of finite values",
        })
    }
}

fn check_quantiles(points: &[(f64, f64)]) -> Result<(), &'static str> {
    let ends = (points.first(), points.last());
    let (Some(first), Some(last)) = ends else {
        return Err("at least two points");
    };
    let starts = first.0.abs() < f64::EPSILON && (last.0 - 1.0).abs() < f64::EPSILON;
    if points.len() < 2 || !starts {
        return Err("probabilities from 0 to 1");
    }
    if !points.iter().all(|(_, v)| v.is_finite() && *v > 0.0) {
        return Err("values above zero");
    }
    let rises = points
        .windows(2)
        .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1);
    if rises {
        Ok(())
    } else {
        Err("probabilities that rise and values that never fall")
    }
}

fn quantile(shape: &Shape, p: f64) -> f64 {
    match shape {
        Shape::Fixed(value) => *value,
        Shape::Uniform { low, high } => low + (high - low) * p,
        Shape::Exponential { mean } => -mean * libm::log1p(-p),
        Shape::Weibull { k, lambda } => lambda * pow(-libm::log1p(-p), 1.0 / k),
        Shape::LogNormal { mu, sigma } => exp(mu + sigma * normal::quantile(p)),
        Shape::BoundedPareto { alpha, low, high } => {
            low / pow(1.0 - p * (1.0 - pow(low / high, *alpha)), 1.0 / alpha)
        }
        Shape::Quantiles(points) => interpolate(points, p),
        Shape::Empirical(values) => {
            let at = usize::try_from(to_integer(libm::floor(p * count(values.len()))))
                .unwrap_or(usize::MAX);
            values[at.min(values.len() - 1)]
        }
    }
}

/// A length as a float, to divide by.
#[allow(
    clippy::cast_precision_loss,
    reason = "tables have far fewer than 2^53 rows"
)]
fn count(len: usize) -> f64 {
    len as f64
}

fn interpolate(points: &[(f64, f64)], p: f64) -> f64 {
    let after = points
        .partition_point(|(q, _)| *q <= p)
        .clamp(1, points.len() - 1);
    let ((p0, v0), (p1, v1)) = (points[after - 1], points[after]);
    let part = (p - p0) / (p1 - p0);
    exp(log(v0) + part * (log(v1) - log(v0)))
}

fn mean(shape: &Shape) -> f64 {
    match shape {
        Shape::Fixed(value) => *value,
        Shape::Uniform { low, high } => low + (high - low) / 2.0,
        Shape::Exponential { mean } => *mean,
        Shape::Weibull { k, lambda } => lambda * tgamma(1.0 + 1.0 / k),
        Shape::LogNormal { mu, sigma } => exp(mu + sigma * sigma / 2.0),
        Shape::BoundedPareto { alpha, low, high } => pareto_mean(*alpha, *low, *high),
        Shape::Quantiles(points) => points
            .windows(2)
            .map(|pair| (pair[1].0 - pair[0].0) * logarithmic_mean(pair[0].1, pair[1].1))
            .sum(),
        Shape::Empirical(values) => values.iter().sum::<f64>() / count(values.len()),
    }
}

fn pareto_mean(alpha: f64, low: f64, high: f64) -> f64 {
    let tail = pow(low / high, alpha);
    if (alpha - 1.0).abs() < 1e-9 {
        return low * log(high / low) / (1.0 - tail);
    }
    pow(low, alpha) * alpha / (alpha - 1.0) * (pow(low, 1.0 - alpha) - pow(high, 1.0 - alpha))
        / (1.0 - tail)
}

/// Mean of a value whose logarithm is uniform between those of `low` and `high`.
fn logarithmic_mean(low: f64, high: f64) -> f64 {
    let ratio = log(high / low);
    if ratio < 1e-9 {
        low
    } else {
        (high - low) / ratio
    }
}

#[cfg(test)]
mod tests;
