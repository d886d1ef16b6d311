//! Chunks on disk.
//!
//! Decides when a chunk counts as kept; refuses every path out of the chosen directory.
