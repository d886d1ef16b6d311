//! The times at which the peers of a class join, from the streams of the class and its peers; the
//! first peers join first.

use fairhaul_core::time::Time;
use fairhaul_simulator::distribution::to_integer;
use fairhaul_simulator::random::{Streams, uniform};

use super::super::class::{Arrival, Decay};
use super::super::random::float;
use super::super::values::Frequency;
use crate::datasets::points::Points;

/// The instants at which peers join: at most `count`, and none after `horizon` where
/// arrivals end by themselves. `times` is what the data file holds, if one is named.
pub(super) fn joins(
    (arrival, times): (&Arrival, Option<&Points>),
    class: &str,
    start: Time,
    count: Option<u64>,
    horizon: Time,
    streams: Streams,
) -> Vec<Time> {
    let limit = count.unwrap_or(u64::MAX);
    let listed = |count: u64| usize::try_from(count).expect("the census bounds it");
    match arrival {
        Arrival::Together => vec![start; listed(limit)],
        Arrival::Within(within) => (1..=limit)
            .map(|index| {
                let mut rng = streams.stream(&format!("{class}.{index}"), "arrival");
                later(start, float(within.as_nanos()) * uniform(&mut rng))
            })
            .collect(),
        Arrival::Poisson(Frequency { gap }) => {
            let mut rng = streams.stream(class, "arrival");
            let mut offset = 0.0;
            let next = std::iter::from_fn(|| {
                offset -= gap * libm_ln(uniform(&mut rng));
                Some(later(start, offset))
            });
            next.take_while(|join| *join < horizon)
                .take(listed(limit))
                .collect()
        }
        Arrival::Decay(Decay { initial, tau }) => {
            let (gap, tau) = (initial.gap, float(tau.get().as_nanos()));
            // A process with rate (1/gap) exp(-t/tau): unit-rate arrivals s, where s is the
            // expected number until t, so t = -tau ln(1 - s gap / tau); none beyond tau / gap.
            let mut rng = streams.stream(class, "arrival");
            let mut expected = 0.0;
            let next = std::iter::from_fn(|| {
                expected -= libm_ln(uniform(&mut rng));
                let left = 1.0 - expected * gap / tau;
                (left > 0.0).then(|| later(start, -tau * libm_ln(left)))
            });
            next.take_while(|join| *join < horizon)
                .take(listed(limit))
                .collect()
        }
        Arrival::Csv(_) => match times {
            Some(Points::Arrivals(times)) => times
                .iter()
                .take(listed(limit))
                .map(|nanos| Time::from_nanos(start.as_nanos().saturating_add(*nanos)))
                .collect(),
            _ => unreachable!("the kind says what was read"),
        },
    }
}

/// `start` plus `nanos` nanoseconds, rounded.
pub(super) fn later(start: Time, nanos: f64) -> Time {
    Time::from_nanos(start.as_nanos().saturating_add(to_integer(nanos)))
}

/// The logarithm that every machine computes alike.
pub(super) fn libm_ln(x: f64) -> f64 {
    libm::log(x)
}
