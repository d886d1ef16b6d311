//! Indices of inequality over a set of non-negative numbers.
//!
//! Every index forgets which flow got what, so none of them is ever reported alone. All give `None`
//! for an empty set and for a set of zeros.

use fairhaul_results::mean;

/// Jain's index `(Σx)² / (n Σx²)`, from 1/n (one takes all) to 1 (all equal).
///
/// Source: R. Jain, D. Chiu and W. Hawe, "A Quantitative Measure of Fairness and
/// Discrimination for Resource Allocation in Shared Computer Systems", DEC-TR-301, 1984.
#[must_use]
pub fn jain(values: &[f64]) -> Option<f64> {
    let sum: f64 = values.iter().sum();
    let squares: f64 = values.iter().map(|x| x * x).sum();
    (squares > 0.0).then(|| sum * sum / (values.len() as f64 * squares))
}

/// Gini coefficient, from 0 (all equal) to 1 - 1/n (one has all).
#[must_use]
pub fn gini(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let sum: f64 = sorted.iter().sum();
    let ranked: f64 = sorted
        .iter()
        .enumerate()
        .map(|(rank, x)| (2.0 * (rank as f64 + 1.0) - n - 1.0) * x)
        .sum();
    (sum > 0.0).then(|| ranked / (n * sum))
}

/// Atkinson's index with aversion `epsilon` > 0, from 0 (all equal) to 1.
///
/// Source: A. B. Atkinson, "On the Measurement of Inequality", J. Economic Theory 2, 1970.
#[must_use]
pub fn atkinson(values: &[f64], epsilon: f64) -> Option<f64> {
    let mean = mean(values).filter(|mean| *mean > 0.0)?;
    let n = values.len() as f64;
    let power = 1.0 - epsilon;
    let representative = if power.abs() < 1e-12 {
        libm::exp(values.iter().map(|x| libm::log(*x)).sum::<f64>() / n)
    } else {
        let inner = values.iter().map(|x| libm::pow(*x, power)).sum::<f64>() / n;
        libm::pow(inner, 1.0 / power)
    };
    Some(1.0 - representative / mean)
}

/// Smallest over largest, from 0 (someone starves) to 1.
#[must_use]
pub fn min_over_max(values: &[f64]) -> Option<f64> {
    let least = values.iter().copied().min_by(f64::total_cmp)?;
    let most = values.iter().copied().max_by(f64::total_cmp)?;
    (most > 0.0).then(|| least / most)
}

/// Shannon entropy of the shares over its maximum `ln n`, from 0 (one has all) to 1; 1 for a
/// single value.
#[must_use]
pub fn entropy(values: &[f64]) -> Option<f64> {
    let sum: f64 = values.iter().sum();
    if sum <= 0.0 {
        return None;
    }
    if values.len() == 1 {
        return Some(1.0);
    }
    let nats: f64 = values
        .iter()
        .filter(|x| **x > 0.0)
        .map(|x| -(x / sum) * libm::log(x / sum))
        .sum();
    Some(nats / libm::log(values.len() as f64))
}

/// Population standard deviation over the mean; Jain's index is `1 / (1 + cv²)`.
#[must_use]
pub fn coefficient_of_variation(values: &[f64]) -> Option<f64> {
    let mean = mean(values).filter(|mean| *mean > 0.0)?;
    let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
    Some((squares / values.len() as f64).sqrt() / mean)
}

/// Harm done to something of which more is better (a rate): `(alone - shared) / alone`.
///
/// Source: R. Ware, M. K. Mukerjee, S. Seshan and J. Sherry, "Beyond Jain's Fairness Index:
/// Setting the Bar for the Deployment of Congestion Control Algorithms", HotNets 2019.
#[must_use]
pub fn harm_if_more_is_better(alone: f64, shared: f64) -> Option<f64> {
    (alone > 0.0).then(|| (alone - shared) / alone)
}

/// Harm done to something of which less is better (a time): `(shared - alone) / shared`.
/// Source as for [`harm_if_more_is_better`].
#[must_use]
pub fn harm_if_less_is_better(alone: f64, shared: f64) -> Option<f64> {
    (shared > 0.0).then(|| (shared - alone) / shared)
}

/// Largest part of the best total that proportional fairness among `n` >= 1 equals can cost:
/// `1 - (2√n - 1) / n`.
///
/// Source: D. Bertsimas, V. F. Farias and N. Trichakis, "The Price of Fairness", Operations
/// Research 59, 2011.
#[must_use]
pub fn price_of_proportional_fairness(n: u32) -> f64 {
    let n = f64::from(n);
    1.0 - (2.0 * n.sqrt() - 1.0) / n
}

/// Largest part of the best total that max-min fairness among `n` >= 1 equals can cost:
/// `1 - 4n / (n + 1)²`. Source as for [`price_of_proportional_fairness`].
#[must_use]
pub fn price_of_max_min(n: u32) -> f64 {
    let n = f64::from(n);
    1.0 - 4.0 * n / ((n + 1.0) * (n + 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: [f64; 5] = [1.0, 2.0, 3.0, 4.0, 10.0];

    #[track_caller]
    fn near(got: Option<f64>, want: f64, tolerance: f64) {
        let got = got.expect("the index exists");
        assert!((got - want).abs() <= tolerance, "got {got}, want {want}");
    }

    #[test]
    fn the_check_vector_gives_the_published_values() {
        near(jain(&CHECK), 0.6154, 5e-5);
        near(gini(&CHECK), 0.400, 1e-12);
        near(atkinson(&CHECK, 0.5), 0.1335, 5e-5);
        near(atkinson(&CHECK, 1.0), 0.2519, 5e-5);
        near(atkinson(&CHECK, 2.0), 0.4275, 5e-5);
        near(min_over_max(&CHECK), 0.100, 1e-12);
        near(entropy(&CHECK), 0.8283, 5e-5);
        near(coefficient_of_variation(&CHECK), 0.7906, 5e-5);
    }

    // Ten of which four are served equally: 4/10. Ten to ninety and ninety to ten: 0.61.
    #[test]
    fn jain_of_k_served_of_n_is_k_over_n_and_forgets_who() {
        let mut served = [0.0; 10];
        served[..4].fill(7.5);
        near(jain(&served), 0.4, 1e-12);
        near(jain(&[10.0, 90.0]), 0.6098, 5e-5);
        assert_eq!(jain(&[10.0, 90.0]), jain(&[90.0, 10.0]));
    }

    #[test]
    fn jain_and_the_coefficient_of_variation_say_the_same() {
        let cv = coefficient_of_variation(&CHECK).unwrap();
        near(jain(&CHECK), 1.0 / (1.0 + cv * cv), 1e-12);
    }

    #[test]
    fn equal_values_are_fair_by_every_index() {
        let equal = [3.0; 6];
        near(jain(&equal), 1.0, 1e-12);
        near(gini(&equal), 0.0, 1e-12);
        near(atkinson(&equal, 1.0), 0.0, 1e-12);
        near(min_over_max(&equal), 1.0, 1e-12);
        near(entropy(&equal), 1.0, 1e-12);
        near(coefficient_of_variation(&equal), 0.0, 1e-12);
    }

    #[test]
    fn nothing_and_zeros_have_no_index() {
        for values in [&[][..], &[0.0, 0.0][..]] {
            assert_eq!(jain(values), None);
            assert_eq!(gini(values), None);
            assert_eq!(atkinson(values, 1.0), None);
            assert_eq!(min_over_max(values), None);
            assert_eq!(entropy(values), None);
            assert_eq!(coefficient_of_variation(values), None);
        }
    }

    #[test]
    fn one_that_starves_is_total_for_an_aversion_of_one_or_more() {
        near(atkinson(&[0.0, 1.0], 1.0), 1.0, 1e-12);
        near(atkinson(&[0.0, 1.0], 2.0), 1.0, 1e-12);
    }

    // Alone 10 MB/s, beside another 4: harm 0.6. Alone 2 s, beside another 8 s: harm 0.75.
    #[test]
    fn harm_is_the_part_that_the_other_took() {
        near(harm_if_more_is_better(10.0, 4.0), 0.6, 1e-12);
        near(harm_if_less_is_better(2.0, 8.0), 0.75, 1e-12);
        assert_eq!(harm_if_more_is_better(0.0, 1.0), None);
    }

    #[test]
    fn the_price_of_fairness_gives_the_published_values() {
        let rows = [
            (2, 0.086, 0.111),
            (4, 0.250, 0.360),
            (9, 0.444, 0.640),
            (16, 0.563, 0.779),
            (100, 0.810, 0.961),
        ];
        for (n, proportional, max_min) in rows {
            near(Some(price_of_proportional_fairness(n)), proportional, 6e-4);
            near(Some(price_of_max_min(n)), max_min, 6e-4);
        }
    }
}
