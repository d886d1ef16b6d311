//! The deciding part of fairhaul: who is served next, at what rate, which chunk, whom to
//! unchoke.
//!
//! A state machine that is told what happened and what time it is, and answers with what
//! should be done. It never waits, reads a clock, opens a socket or touches a file. The
//! network engine and the simulator are two shells around it.

pub mod block_size;
pub mod event_limit;
pub mod id;
pub mod rng;
pub mod sched;
pub mod time;
pub mod token_bucket;
pub mod units;
pub mod uplink;
