//! The program against hostile peers: each test starts nodes as a person would, and speaks to
//! them over TLS as a peer that has gone bad, or as a stranger that has not even a key.
//!
//! Decides nothing. A test names the entries of the attack register that it shows, and checks
//! both what the node does and that the defence was counted or told.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test may fail as the test does"
)]
#![allow(
    clippy::cast_possible_truncation,
    reason = "the sizes and times of a test are small"
)]

mod budgets;
mod connections;
mod content;
mod data;
mod disk;
mod evil;
mod figures;
mod greed;
mod handshake;
mod life;
mod paths;
mod promises;
mod pushes;
mod rig;
mod secrets;
mod shares;
mod slow;
mod system;
mod wire;
