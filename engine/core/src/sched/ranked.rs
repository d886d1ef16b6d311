//! Flows in a priority queue by a rank of their first block.
//!
//! The shape of the disciplines whose rule is a rank function and no more (A. Sivaraman et al.,
//! "Programmable Packet Scheduling at Line Rate", SIGCOMM 2016). Of equal ranks the block that was
//! enqueued earlier is first. One entry per flow, so order within a flow is kept whatever the ranks
//! say.

use std::fmt::Debug;

use crate::id::FlowId;
use crate::sched::flow_queue::FlowQueue;
use crate::sched::queues::Queues;
use crate::sched::{Discipline, Ticket};
use crate::time::Time;
use crate::units::ByteCount;

/// What a discipline says about a block: the least key is first.
pub(super) trait Rank: Debug + Send {
    /// Its place among the first blocks of other flows.
    type Key: Ord + Copy + Debug + Send;

    /// The key of a block that has become first of its flow; `joins` if the flow had nothing
    /// queued before.
    fn key(&mut self, head: &Ticket, joins: bool) -> Self::Key;

    /// A block was served, in its turn or out of it.
    fn charge(&mut self, _served: &Ticket, _in_turn: bool) {}

    /// A block has left the link.
    fn sent(&mut self) {}

    /// Nothing is queued, after a block has left the link or a flow was purged.
    fn idle(&mut self) {}

    /// Verified bytes came from the peer that the flow goes to.
    fn received(&mut self, _flow: FlowId, _len: ByteCount) {}

    /// A flow is new here, but its peer is not.
    fn meets(&mut self, _flow: FlowId, _balance: i64) {}

    /// Whether the node wants nothing itself. The number of flows whose keys change by that: those
    /// below it.
    fn seeds(&mut self, _seeding: bool) -> usize {
        0
    }

    /// A flow is gone for good: its number may come back as another flow's.
    fn forget(&mut self, _flow: FlowId) {}
}

/// A discipline made of a rank.
#[derive(Debug)]
pub(super) struct Ranked<R: Rank> {
    rank: R,
    queues: Queues<u64>,
    order: FlowQueue<(R::Key, u64)>,
    /// Number of the next block.
    seq: u64,
}

impl<R: Rank> Ranked<R> {
    pub(super) fn new(rank: R) -> Self {
        Self {
            rank,
            queues: Queues::default(),
            order: FlowQueue::default(),
            seq: 0,
        }
    }

    fn serve(&mut self, flow: FlowId, in_turn: bool) -> Option<Ticket> {
        let served = self.queues.pop(flow)?;
        self.rank.charge(&served, in_turn);
        if let Some((head, seq)) = self.queues.head(flow) {
            let key = self.rank.key(head, false);
            self.order.set(flow, (key, *seq));
        } else {
            self.order.remove(flow);
        }
        Some(served)
    }

    /// The key of a flow has changed while its first block stayed the same.
    fn reorder(&mut self, flow: FlowId) {
        if let Some((head, seq)) = self.queues.head(flow) {
            let key = self.rank.key(head, false);
            self.order.set(flow, (key, *seq));
        }
    }

    fn look_whether_idle(&mut self) {
        if self.queues.len() == 0 {
            self.rank.idle();
        }
    }
}

impl<R: Rank> Discipline for Ranked<R> {
    fn enqueue(&mut self, ticket: Ticket, _now: Time) {
        let seq = self.seq;
        self.seq += 1;
        if self.queues.push(ticket, seq) {
            let key = self.rank.key(&ticket, true);
            self.order.set(ticket.flow, (key, seq));
        }
    }

    fn dequeue(&mut self, _now: Time) -> Option<Ticket> {
        let (_, flow) = self.order.first()?;
        self.serve(flow, true)
    }

    fn take(&mut self, flow: FlowId, _now: Time) -> Option<Ticket> {
        self.serve(flow, false)
    }

    fn sent(&mut self, _flow: FlowId) {
        self.rank.sent();
        self.look_whether_idle();
    }

    fn received(&mut self, flow: FlowId, len: ByteCount) {
        self.rank.received(flow, len);
        self.reorder(flow);
    }

    fn meets(&mut self, flow: FlowId, balance: i64) {
        self.rank.meets(flow, balance);
        self.reorder(flow);
    }

    fn seeds(&mut self, seeding: bool) {
        let flows = self.rank.seeds(seeding);
        for flow in 0..u32::try_from(flows).expect("flows are numbered by u32") {
            self.reorder(FlowId(flow));
        }
    }

    fn purge(&mut self, flow: FlowId) {
        if self.queues.clear(flow) {
            self.order.remove(flow);
        }
        self.look_whether_idle();
    }

    fn retire(&mut self, flow: FlowId) {
        self.purge(flow);
        self.rank.forget(flow);
    }

    fn ready_at(&self, now: Time) -> Option<Time> {
        (self.queues.len() > 0).then_some(now)
    }
}
