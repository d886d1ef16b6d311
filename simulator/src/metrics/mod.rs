//! Metrics: pure functions from a [`Setup`](crate::setup::Setup) and a
//! [`Record`](crate::record::Record) to numbers of fairness, delay and efficiency.
//!
//! A number that does not exist is `None`, never 0. Floats are allowed here because nothing in a
//! run depends on them. Logarithms and powers come from `libm`, so that two machines give the same
//! digits.

mod classes;
mod clustering;
mod direction;
mod indices;
mod scalars;
mod swarm;
mod transfers;
mod windowed;

#[cfg(test)]
pub(crate) mod fixture;

pub use fairhaul_results::{Sample, mean};

pub use direction::{Direction, direction, is_extreme};
pub use indices::{
    atkinson, coefficient_of_variation, entropy, gini, harm_if_less_is_better,
    harm_if_more_is_better, jain, min_over_max, price_of_max_min, price_of_proportional_fairness,
};
pub use scalars::{Scalar, scalars};
pub use swarm::{peer_completion_s, peer_slowdown, share_ratio};
pub use transfers::{completion_s, over_entitlement, slowdown};
pub use windowed::{WindowedJain, fair_from, windowed_jain, worst_lag};
