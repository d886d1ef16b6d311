//! Estimates from replications: means, medians and their 95 % confidence intervals.
//!
//! Decides that one replication is one observation: what happened inside a run is never
//! pooled as if it were independent. Refuses an interval where there are too few
//! replications to have one. Uses `libm`, so that two machines give the same digits.

/// Probability on either side of an interval.
const TAIL: f64 = 0.025;

/// A mean, and how well it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Observations.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation; none of one observation.
    pub sd: Option<f64>,
    /// 95 % confidence interval of the mean, by Student's t; none of one observation.
    pub interval: Option<(f64, f64)>,
}

impl Estimate {
    /// Half the width of the interval.
    #[must_use]
    pub fn half_width(&self) -> Option<f64> {
        self.interval.map(|(low, high)| (high - low) / 2.0)
    }

    /// The same in another unit, `scale` > 0 of which make one of this.
    #[must_use]
    pub fn scaled(&self, scale: f64) -> Self {
        Self {
            n: self.n,
            mean: self.mean * scale,
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
    let mean = values.iter().sum::<f64>() / count;
    let sd = (n > 1).then(|| {
        let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
        (squares / (count - 1.0)).sqrt()
    });
    let interval = sd.map(|sd| {
        let half = t_quantile_975(n - 1) * sd / count.sqrt();
        (mean - half, mean + half)
    });
    Some(Estimate {
        n,
        mean,
        sd,
        interval,
    })
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
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let rank = (n * per_mille).div_ceil(1_000).max(1);
    let value = *sorted.get(rank - 1)?;
    // At most `k` of `n` observations are below the percentile with probability cdf[k].
    let cdf = binomial_cdf(n, per_mille as f64 / 1_000.0);
    let low = cdf.iter().rposition(|p| *p <= TAIL);
    let high = cdf.iter().position(|p| *p >= 1.0 - TAIL);
    let interval = low
        .zip(high)
        .and_then(|(low, high)| Some((*sorted.get(low)?, *sorted.get(high)?)));
    Some(Percentile { value, interval })
}

/// P(B <= k) for k in 0..=n, B the successes of `n` trials of probability `p`.
fn binomial_cdf(n: usize, p: f64) -> Vec<f64> {
    let count = n as f64;
    let mut sum = 0.0;
    (0..=n)
        .map(|k| {
            let k = k as f64;
            let ways =
                libm::lgamma(count + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(count - k + 1.0);
            let odds = xlogy(k, p) + xlogy(count - k, 1.0 - p);
            sum += libm::exp(ways + odds);
            sum
        })
        .collect()
}

/// `x ln y`, zero where `x` is.
fn xlogy(x: f64, y: f64) -> f64 {
    if x > 0.0 { x * libm::log(y) } else { 0.0 }
}

/// The 97.5 % quantile of Student's t with `freedom` >= 1 degrees of freedom; from 10,000 on
/// that of 10,000, which is the normal one to three digits.
#[must_use]
pub fn t_quantile_975(freedom: usize) -> f64 {
    let freedom = freedom.clamp(1, 10_000);
    let (mut low, mut high) = (1.9, 13.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if t_within(middle, freedom) < 1.0 - 2.0 * TAIL {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// P(|T| <= t) for Student's t with a whole number of degrees of freedom, as a finite sum.
///
/// Source: M. Abramowitz and I. A. Stegun, "Handbook of Mathematical Functions", 26.7.3 and
/// 26.7.4.
fn t_within(t: f64, freedom: usize) -> f64 {
    let nu = freedom as f64;
    let cosine = (nu / (nu + t * t)).sqrt();
    let sine = t / (nu + t * t).sqrt();
    let odd = freedom % 2 == 1;
    // Terms run over powers of the cosine: 1, 3, .. nu - 2 or 0, 2, .. nu - 2.
    let mut term = if odd { cosine } else { 1.0 };
    let mut power = if odd { 1 } else { 0 };
    let mut sum = 0.0;
    while power + 2 <= freedom {
        sum += term;
        power += 2;
        term *= cosine * cosine * (power - 1) as f64 / power as f64;
    }
    if odd {
        std::f64::consts::FRAC_2_PI * (libm::atan(t / nu.sqrt()) + sine * sum)
    } else {
        sine * sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_t_are_those_of_the_tables() {
        let rows = [
            (1, 12.706),
            (2, 4.303),
            (3, 3.182),
            (4, 2.776),
            (5, 2.571),
            (9, 2.262),
            (10, 2.228),
            (29, 2.045),
            (30, 2.042),
            (120, 1.980),
            (100_000, 1.960),
        ];
        for (freedom, want) in rows {
            let got = t_quantile_975(freedom);
            assert!((got - want).abs() < 6e-4, "{freedom}: {got}, want {want}");
        }
    }

    // 1..=5: mean 3, standard deviation sqrt(2.5), half width 2.776 sqrt(2.5 / 5) = 1.963.
    #[test]
    fn a_mean_has_the_interval_of_student() {
        let found = estimate(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert_eq!((found.n, found.mean), (5, 3.0));
        assert!((found.sd.unwrap() - 2.5_f64.sqrt()).abs() < 1e-12);
        assert!((found.half_width().unwrap() - 1.9632).abs() < 1e-3);
    }

    #[test]
    fn one_observation_has_no_interval_and_none_has_no_mean() {
        let found = estimate(&[4.0]).unwrap();
        assert_eq!((found.mean, found.sd, found.interval), (4.0, None, None));
        assert_eq!(estimate(&[]), None);
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

    // t(0.975) covers 95 %: with one degree of freedom the sum is the arc tangent alone.
    #[test]
    fn the_finite_sums_are_the_known_distributions() {
        assert!((t_within(1.0, 1) - 0.5).abs() < 1e-12);
        let two = 1.0 / 3.0_f64.sqrt();
        assert!((t_within(1.0, 2) - two).abs() < 1e-12);
    }
}
