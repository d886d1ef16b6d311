//! Disciplines: whose turn it is on an uplink.
//!
//! Each discipline is one file and one row of [`ALL`]. A discipline holds sizes, never data,
//! and knows flows, never peers: what a flow is was decided before, by classification.

use std::fmt::Debug;

use crate::id::FlowId;
use crate::time::Time;
use crate::units::{ByteCount, Rate, Weight};

/// One block that waits for its turn, and the facts that a discipline may order it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The flow it belongs to. Dense: a discipline may index a table by it.
    pub flow: FlowId,
    /// The flow's right to a proportion.
    pub weight: Weight,
    /// Bytes that its turn costs.
    pub len: ByteCount,
    /// Number of the request it came from: requests that came earlier have smaller ones.
    pub arrival: u64,
    /// Bytes of its transfer that are still to be served, this block included.
    pub remaining: ByteCount,
    /// Strict priority band, 0 first.
    pub band: u8,
    /// Rate guaranteed to the flow; zero if none.
    pub floor: Rate,
    /// Rate above which the flow is not served; zero if none.
    pub cap: Rate,
}

impl Ticket {
    /// A ticket with no facts beyond its flow, weight and length.
    #[must_use]
    pub const fn new(flow: FlowId, weight: Weight, len: ByteCount) -> Self {
        Self {
            flow,
            weight,
            len,
            arrival: 0,
            remaining: len,
            band: 0,
            floor: Rate::new(0),
            cap: Rate::new(0),
        }
    }
}

/// The rule that orders flows.
pub trait Discipline: Debug + Send {
    /// Adds a block to the queue of its flow. Within a flow order is kept.
    fn enqueue(&mut self, ticket: Ticket, now: Time);

    /// The block whose turn it is. None only if nothing is backlogged, or, for a discipline
    /// that enforces caps itself, before [`Discipline::ready_at`].
    fn dequeue(&mut self, now: Time) -> Option<Ticket>;

    /// The head of `flow` out of turn, charged as if it had been its turn. This is how a
    /// floor is kept: what is served for the floor counts towards the share.
    fn take(&mut self, flow: FlowId, now: Time) -> Option<Ticket>;

    /// Forgets all that `flow` has queued. It earns no credit by coming back.
    fn purge(&mut self, flow: FlowId);

    /// When [`Discipline::dequeue`] gives a block next; none if nothing is backlogged.
    fn ready_at(&self, now: Time) -> Option<Time>;
}
