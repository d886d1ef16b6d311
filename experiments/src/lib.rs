//! The lab: scenario files and their data, runs, results, and how they are compared and shown.
//!
//! An unclear file is refused with one line that says where and what. The simulator runs a resolved
//! setup.

pub mod cli;
pub mod compare;
pub mod datasets;
pub mod interrupt;
pub mod oracles;
pub mod output;
pub mod policies;
pub mod published;
pub mod report;
pub mod runner;
pub mod scenario;
pub mod stats;
pub mod terminal;
pub mod validation;
