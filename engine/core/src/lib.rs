//! Who is served next, at what rate and with which chunk: the deciding part of fairhaul.
//!
//! A [`Node`] takes part in any number of swarms. It is a state machine: told what happened
//! ([`Input`]) and what time it is, it answers with what should be done ([`Action`]). It never
//! waits, reads a clock, opens a socket or touches a file, and it moves the names of chunks, never
//! their bytes. The network engine and the simulator are two programs around it, with this loop:
//!
//! ```text
//!             ┌────────────── wait ◄─────────────┐
//!             │  for the network, the disk, or   │
//!             │  until node.deadline(now)        │
//!             ▼                                  │
//!   node.handle(input, now)                      │
//!   exactly one thing happened                   │
//!             │                                  │
//!             ▼                                  │
//!   while let Some(action) = node.poll()         │
//!   send, upload, store, close, notify ──────────┘
//! ```
//!
//! `examples/two_nodes.rs` is that loop in full, with two nodes.
//!
//! The most reusable part is the [`Uplink`]: requests of many go in, the next block comes out,
//! under weights, caps and floors of a node, its groups, its peers and its transfers, in the order
//! of a [`Discipline`]. It stands alone in `examples/uplink.rs`, and here:
//!
//! ```
//! use fairhaul_core::{
//!     ByteCount, DISCIPLINES, Limit, Manifest, PeerId, Request, Share, Target, Time, TransferId,
//!     Uplink, UplinkSettings, Weight,
//! };
//!
//! let drr = DISCIPLINES.find("drr").ok_or("no such discipline")?;
//! let block = ByteCount::kib(16);
//! let mut uplink = Uplink::new(UplinkSettings {
//!     outer: drr,
//!     inner: drr,
//!     share: Share::Peer,
//!     largest: block,
//!     window_node: ByteCount::MAX,
//!     window_peer: ByteCount::MAX,
//!     adapt: false,
//!     quantum: None,
//! });
//! // Peer 1 has three times the right of peer 0; both ask for a chunk of eight blocks.
//! let heavy = Limit { weight: Weight::whole(3), ..Limit::default() };
//! uplink.set_limit(Target::Peer(PeerId(1)), heavy, Time::ZERO);
//! let len = ByteCount::kib(128);
//! let chunk = Manifest::new(len, len)?.index(0).ok_or("no chunk")?;
//! for peer in [PeerId(0), PeerId(1)] {
//!     let (transfer, offset, remaining) = (TransferId(0), ByteCount::ZERO, len);
//!     uplink.request(Request { peer, transfer, chunk, offset, len, remaining }, Time::ZERO)?;
//! }
//! let first: Vec<u32> = std::iter::from_fn(|| uplink.next(Time::ZERO))
//!     .take(8)
//!     .map(|block| block.peer.0)
//!     .collect();
//! assert_eq!(first.iter().filter(|peer| **peer == 1).count(), 6, "{first:?}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Policies are rows of three tables, [`DISCIPLINES`], [`CHOKERS`] and [`PICKERS`]; a program adds
//! its own with [`Registry::register`]. Anything that decides an order is an integer, and every
//! draw comes from a seeded [`Rng`]: the same inputs give the same actions.
//!
//! Names that are not on this page are public for the engine and the simulator of this project;
//! they may change without notice.

#[doc(hidden)]
pub mod bitfield;
#[doc(hidden)]
pub mod block_size;
#[doc(hidden)]
pub mod choke;
#[doc(hidden)]
pub mod connections;
#[doc(hidden)]
pub mod event_limit;
#[doc(hidden)]
pub mod id;
#[doc(hidden)]
pub mod indexed_heap;
#[doc(hidden)]
pub mod library;
#[doc(hidden)]
pub mod manifest;
#[doc(hidden)]
pub mod message;
#[doc(hidden)]
pub mod misbehaviour;
#[doc(hidden)]
pub mod node;
mod peer;
#[doc(hidden)]
pub mod pick;
#[doc(hidden)]
pub mod quantity;
mod registry;
#[doc(hidden)]
pub mod rng;
#[doc(hidden)]
pub mod sched;
#[doc(hidden)]
pub mod time;
#[doc(hidden)]
pub mod token_bucket;
mod transfer;
#[doc(hidden)]
pub mod units;
#[doc(hidden)]
pub mod uplink;
#[doc(hidden)]
pub mod wire;

pub use bitfield::Bitfield;
pub use choke::{CHOKERS, Candidate, Choker, ChokerParams, ChokerRow, Grant, Round};
pub use id::{ChunkIndex, FlowId, GroupId, PeerId, TransferId};
pub use manifest::{ContentId, Manifest, ManifestError};
pub use message::Message;
pub use misbehaviour::Misbehaviour;
pub use node::{Action, Asking, Config, Event, Guard, Input, Node};
pub use pick::{Choices, PICKERS, Picker, PickerRow};
pub use registry::{Named, NotRegistered, Registry};
pub use rng::Rng;
pub use sched::{Claim, DISCIPLINES, Delay, Discipline, DisciplineRow, Params, Ticket};
pub use time::{Span, Time};
pub use token_bucket::TokenBucket;
pub use units::{ByteCount, Rate, Weight};
pub use uplink::{
    Block, Hold, Limit, Overload, PathSample, Request, Settings as UplinkSettings, Share, Target,
    Uplink,
};
