//! Scenarios on real nodes, of this machine and of others.
//!
//! An [`Environment`] gives each peer of a scenario a machine; the player plays the scenario's
//! times on it and writes down what happened, in the same record that a simulated run gives.
//! Transfers are the nodes' own business.
//!
//! [`Environment`]: environment::Environment

mod assemble;
pub mod contents;
mod control_client;
pub mod cpu;
pub mod environment;
mod error;
mod item;
pub mod loopback;
pub mod machines;
pub mod mask;
pub mod netns;
mod observations;
pub mod parameters;
pub mod player;
mod process;
mod scale;
#[cfg(test)]
mod tests;
mod topology;
mod world;

pub use error::{EmulateError, Unsupported};
pub use world::{Backend, Emulated, LocalMachine};

pub use fairhaul_lab::interrupt::Interrupt;
pub use fairhaul_results::Speed;
pub use player::{ReplayOptions, ReplayProgress, play};
pub use scale::scale;
