//! The lab: what to simulate, from which data, what comes out of it, and how that is compared
//! and shown.
//!
//! Decides what a scenario file means; refuses files that are not clear, with one line that
//! says where and what. The simulator runs a resolved setup.

pub mod cli;
pub mod compare;
pub mod datasets;
pub mod interrupt;
pub mod oracles;
pub mod output;
pub mod policies;
pub mod report;
pub mod runner;
pub mod scenario;
pub mod stats;
pub mod terminal;
pub mod validation;
