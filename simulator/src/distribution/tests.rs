//! Distributions against closed forms.

use super::*;
use crate::random::Streams;

fn close(got: f64, expected: f64, relative: f64) {
    assert!(
        (got - expected).abs() <= relative * expected.abs().max(1e-300),
        "got {got}, expected {expected}"
    );
}

fn of(shape: Shape) -> Distribution {
    Distribution::new(shape, 1.0).unwrap()
}

// Tables of the normal distribution: z at 0.5, 0.9, 0.975, 0.999 and far out.
#[test]
fn the_inverse_normal_agrees_with_printed_tables() {
    close(normal::quantile(0.9), 1.281_551_565_544_600_4, 1e-14);
    close(normal::quantile(0.975), 1.959_963_984_540_054, 1e-14);
    close(normal::quantile(0.999), 3.090_232_306_167_813_5, 1e-14);
    close(normal::quantile(1e-20), -9.262_340_089_798_408, 1e-14);
    assert!(normal::quantile(0.5).abs() < 1e-300);
}

#[test]
fn the_inverse_normal_inverts_the_normal() {
    for p in [
        1e-12, 1e-6, 0.01, 0.074, 0.076, 0.3, 0.5, 0.7, 0.924, 0.926, 0.99,
    ] {
        let below = 0.5 * libm::erfc(-normal::quantile(p) / libm::sqrt(2.0));
        close(below, p, 1e-12);
    }
}

// Medians in minutes: Weibull lambda (ln 2)^(1/k), log-normal exp(mu).
#[test]
fn medians_of_session_fits_are_those_of_their_closed_forms() {
    let debian = of(Shape::Weibull {
        k: 0.38,
        lambda: 42.4,
    });
    close(debian.quantile(0.5), 16.161_5, 1e-4);
    close(debian.mean(), 163.3, 1e-2);
    let knoppix = of(Shape::LogNormal {
        mu: 4.39,
        sigma: 1.61,
    });
    close(knoppix.quantile(0.5), exp(4.39), 1e-12);
    close(
        of(Shape::Exponential { mean: 2.0 }).quantile(0.5),
        2.0 * log(2.0),
        1e-12,
    );
}

// Bounded Pareto with alpha 1.5 from 1 to 1000: mean 2.905.
#[test]
fn a_bounded_pareto_has_its_mean_and_stays_between_its_ends() {
    let sizes = of(Shape::BoundedPareto {
        alpha: 1.5,
        low: 1.0,
        high: 1_000.0,
    });
    close(sizes.mean(), 2.905, 1e-3);
    close(sizes.quantile(1e-15), 1.0, 1e-12);
    close(sizes.quantile(1.0 - 1e-15), 1_000.0, 1e-3);
}

#[test]
fn the_mean_of_many_draws_is_the_mean() {
    let shapes = [
        Shape::Uniform {
            low: 10.0,
            high: 20.0,
        },
        Shape::Exponential { mean: 5.0 },
        Shape::Weibull {
            k: 1.5,
            lambda: 3.0,
        },
        Shape::LogNormal {
            mu: 1.0,
            sigma: 0.5,
        },
        Shape::Quantiles(vec![(0.0, 1.0), (0.5, 4.0), (1.0, 16.0)]),
        Shape::Empirical(vec![1.0, 2.0, 6.0]),
        Shape::Fixed(3.0),
    ];
    for shape in shapes {
        let distribution = Distribution::new(shape.clone(), 1e6).unwrap();
        let mut rng = Streams::new(3, 0).stream("mean", "test");
        let sum: u128 = (0..100_000)
            .map(|_| u128::from(distribution.sample(&mut rng)))
            .sum();
        #[allow(clippy::cast_precision_loss, reason = "a test compares to one percent")]
        let got = sum as f64 / 1e5;
        close(got, distribution.mean(), 0.01);
    }
}

// Published results hang on these numbers: a build that draws others must fail here.
#[test]
fn draws_are_the_same_in_every_build() {
    let shapes = [
        Shape::Weibull {
            k: 0.38,
            lambda: 42.4,
        },
        Shape::LogNormal {
            mu: 4.5,
            sigma: 1.55,
        },
        Shape::BoundedPareto {
            alpha: 1.5,
            low: 1.0,
            high: 1_000.0,
        },
        Shape::Exponential { mean: 1.0 },
        Shape::Quantiles(vec![(0.0, 8.0), (0.7, 165.0), (1.0, 12_000.0)]),
    ];
    let draws: Vec<u64> = shapes
        .into_iter()
        .map(|shape| {
            let mut rng = Streams::new(1, 0).stream("golden", "test");
            Distribution::new(shape, 1e12).unwrap().sample(&mut rng)
        })
        .collect();
    assert_eq!(
        draws,
        [
            127_620_484_292_334,
            299_970_037_192_681,
            2_754_606_695_453,
            1_520_024_969_123,
            527_186_202_752_139,
        ]
    );
}

#[test]
fn quantiles_are_met_at_their_points() {
    let access = of(Shape::Quantiles(vec![
        (0.0, 8.0),
        (0.7, 165.0),
        (1.0, 12_000.0),
    ]));
    close(access.quantile(0.7), 165.0, 1e-12);
    close(
        access.quantile(0.35),
        exp((log(8.0) + log(165.0)) / 2.0),
        1e-12,
    );
}

#[test]
fn parameters_without_a_distribution_are_refused() {
    let bad = [
        Shape::Fixed(f64::NAN),
        Shape::Fixed(-1.0),
        Shape::Uniform {
            low: 2.0,
            high: 1.0,
        },
        Shape::Exponential { mean: 0.0 },
        Shape::Weibull {
            k: 0.0,
            lambda: 1.0,
        },
        Shape::LogNormal {
            mu: 0.0,
            sigma: -1.0,
        },
        Shape::BoundedPareto {
            alpha: 1.0,
            low: 2.0,
            high: 1.0,
        },
        Shape::Quantiles(vec![]),
        Shape::Quantiles(vec![(0.0, 1.0)]),
        Shape::Quantiles(vec![(0.0, 2.0), (1.0, 1.0)]),
        Shape::Quantiles(vec![(0.1, 1.0), (1.0, 2.0)]),
        Shape::Quantiles(vec![(0.0, 0.0), (1.0, 1.0)]),
        Shape::Empirical(vec![]),
    ];
    for shape in bad {
        assert!(Distribution::new(shape.clone(), 1.0).is_err(), "{shape:?}");
    }
    assert!(Distribution::new(Shape::Fixed(1.0), 0.0).is_err());
}

#[test]
fn a_sample_beyond_the_integers_is_the_largest_integer() {
    assert_eq!(to_integer(1e300), u64::MAX);
    assert_eq!(to_integer(f64::INFINITY), u64::MAX);
    assert_eq!(to_integer(0.5), 1);
    assert_eq!(to_integer(0.49), 0);
}
