//! Probabilities of the binomial distribution and of Student's t.

use super::TAIL;

/// P(B <= k) for k in 0..=n, B the successes of `n` trials of probability `p`.
pub(super) fn binomial_cdf(n: usize, p: f64) -> Vec<f64> {
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
pub(super) fn t_within(t: f64, freedom: usize) -> f64 {
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

    // t(0.975) covers 95 %: with one degree of freedom the sum is the arc tangent alone.
    #[test]
    fn the_finite_sums_are_the_known_distributions() {
        assert!((t_within(1.0, 1) - 0.5).abs() < 1e-12);
        let two = 1.0 / 3.0_f64.sqrt();
        assert!((t_within(1.0, 2) - two).abs() < 1e-12);
    }
}
