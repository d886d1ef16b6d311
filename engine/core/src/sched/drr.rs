//! Weighted deficit round robin: byte-fair sharing at constant cost per block.
//!
//! Source:    M. Shreedhar and G. Varghese, "Efficient Fair Queuing Using Deficit Round Robin",
//!            SIGCOMM 1995.
//! Contract:  over any interval in which two flows stay backlogged, their service per unit
//!            weight differs by at most Q + Li/wi + Lj/wj, where Q is the quantum per unit
//!            weight.
//! Cost:      O(1) per block with the quantum that is chosen here. With one that is given and
//!            is less than the largest block per mean weight, O(N) per block at worst.
//! Drawbacks: latency grows with the number of active flows; a flow sends its quantum in one
//!            burst.
//! Departs:   the quantum is not a constant: at the start of a round it becomes the largest
//!            block per mean weight of the active flows, so that a flow of average weight
//!            sends one block per turn. A constant that covers the largest block at the least
//!            weight, 0.01, would let the greatest send a million blocks at once. A newly
//!            active flow starts with no credit at the end of the ring, and one that was
//!            emptied keeps its place until its next turn. Service out of turn leaves a debt,
//!            which later turns pay; it ends when nothing is backlogged.

use crate::id::FlowId;
use crate::sched::book::Price;
use crate::sched::rounds::Rounds;
use crate::sched::{Discipline, Params, Ticket};
use crate::time::Time;

/// Deficit round robin by weight.
#[derive(Debug)]
pub struct Drr(Rounds);

impl Drr {
    /// An empty ring, with a quantum as `params` say.
    #[must_use]
    pub fn new(params: &Params) -> Self {
        Self(Rounds::new(Price::Bytes(params.quantum), params.largest))
    }
}

impl Discipline for Drr {
    fn enqueue(&mut self, ticket: Ticket, _now: Time) {
        self.0.enqueue(ticket);
    }

    fn dequeue(&mut self, _now: Time) -> Option<Ticket> {
        self.0.dequeue()
    }

    fn take(&mut self, flow: FlowId, _now: Time) -> Option<Ticket> {
        self.0.book.charge(flow)
    }

    fn purge(&mut self, flow: FlowId) {
        self.0.book.purge(flow);
    }

    fn ready_at(&self, now: Time) -> Option<Time> {
        (self.0.book.backlog() > 0).then_some(now)
    }
}
