//! The control of a running node: commands over a local socket and HTTP.
//!
//! Decides who may say what; refuses everything without the right.

pub mod api;
pub mod ask;
mod guard;
mod listen;
mod lobby;
pub mod metrics;
pub mod serve;
#[cfg(test)]
mod tests;
mod token;
