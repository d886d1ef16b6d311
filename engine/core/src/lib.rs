//! The deciding part of fairhaul: who is served next, at what rate, which chunk, whom to
//! unchoke.
//!
//! A state machine that is told what happened and what time it is, and answers with what
//! should be done. It never waits, reads a clock, opens a socket or touches a file. The
//! network engine and the simulator are two shells around it.

pub mod bitfield;
pub mod block_size;
pub mod choke;
pub mod door;
pub mod event_limit;
pub mod id;
pub mod indexed_heap;
pub mod library;
pub mod manifest;
pub mod message;
pub mod misbehaviour;
pub mod node;
mod peer;
pub mod pick;
pub mod quantity;
mod registry;
pub mod rng;
pub mod sched;
pub mod time;
pub mod token_bucket;
mod transfer;
pub mod units;
pub mod uplink;
pub mod wire;

pub use registry::{Named, NotRegistered, Registry};
