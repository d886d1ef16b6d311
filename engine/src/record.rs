//! The log of what happened to a core, and its replay.
//!
//! Decides nothing: what was recorded gives the same actions again.
