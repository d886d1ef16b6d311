//! The node and its control: the shell around `fairhaul-core` that does the input and output.
//!
//! Decides nothing about who is served; refuses parameter files that are unclear.

pub mod params;
