//! Real nodes under a scenario: the second world, and the third.
//!
//! Decides nothing about transfers: the nodes do, as they would for anybody. A [`Place`] gives
//! each peer of a scenario a machine; the director plays the scenario's times on it and writes
//! down what happened, in the same record that a simulated run gives.

pub mod place;
pub mod stage;
