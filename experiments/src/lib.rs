//! The lab: what a run is, what comes out of it, and how that is compared and shown.

pub mod compare;
pub mod output;
pub mod report;
pub mod stats;
pub mod terminal;
