//! The lab: what to simulate, and from which data.
//!
//! Decides what a scenario file means; refuses files that are not clear, with one line that
//! says where and what. Runs nothing by itself: the simulator runs a resolved setup.

pub mod inputs;
pub mod scenario;
