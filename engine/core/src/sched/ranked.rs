//! Flows in a priority queue by a rank of their first block.
//!
//! The shape of the disciplines whose rule is a rank function and no more (A. Sivaraman et
//! al., "Programmable Packet Scheduling at Line Rate", SIGCOMM 2016). Decides ties: the block
//! that was enqueued earlier is first. One entry per flow, so order within a flow is kept
//! whatever the ranks say.

use std::cmp::Reverse;
use std::fmt::Debug;
use std::hash::{BuildHasher, Hasher};

use priority_queue::PriorityQueue;

use crate::id::FlowId;
use crate::sched::Ticket;
use crate::sched::queues::Queues;

/// What a discipline says about a block: the least key is first.
pub(super) trait Rank: Debug + Send {
    /// Its place among the first blocks of other flows.
    type Key: Ord + Copy + Debug + Send;

    /// The key of a block that has become first of its flow; `joins` if the flow had nothing
    /// queued before.
    fn key(&mut self, head: &Ticket, joins: bool) -> Self::Key;

    /// A block was served, in its turn or out of it.
    fn charge(&mut self, served: &Ticket, in_turn: bool);

    /// The flow's number will be given to somebody else.
    fn forget(&mut self, _flow: FlowId) {}
}

/// The queue of flows that several disciplines share.
pub(super) type FlowQueue<P> = PriorityQueue<FlowId, P, FlowHash>;

/// A discipline made of a rank.
#[derive(Debug)]
pub(super) struct Ranked<R: Rank> {
    rank: R,
    queues: Queues<u64>,
    order: FlowQueue<Reverse<(R::Key, u64)>>,
    /// Number of the next block.
    seq: u64,
}

impl<R: Rank> Ranked<R> {
    pub(super) fn new(rank: R) -> Self {
        Self {
            rank,
            queues: Queues::new(),
            order: FlowQueue::with_hasher(FlowHash),
            seq: 0,
        }
    }

    pub(super) fn enqueue(&mut self, ticket: Ticket) {
        let seq = self.seq;
        self.seq += 1;
        if self.queues.push(ticket, seq) {
            let key = self.rank.key(&ticket, true);
            self.order.push(ticket.flow, Reverse((key, seq)));
        }
    }

    pub(super) fn dequeue(&mut self) -> Option<Ticket> {
        let (&flow, _) = self.order.peek()?;
        self.serve(flow, true)
    }

    pub(super) fn take(&mut self, flow: FlowId) -> Option<Ticket> {
        self.serve(flow, false)
    }

    pub(super) fn purge(&mut self, flow: FlowId) {
        if self.queues.clear(flow) {
            self.order.remove(&flow);
        }
    }

    pub(super) fn forget(&mut self, flow: FlowId) {
        self.purge(flow);
        self.rank.forget(flow);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.queues.len() == 0
    }

    fn serve(&mut self, flow: FlowId, in_turn: bool) -> Option<Ticket> {
        let served = self.queues.pop(flow)?;
        self.rank.charge(&served, in_turn);
        if let Some((head, seq)) = self.queues.head(flow) {
            let key = self.rank.key(head, false);
            self.order.change_priority(&flow, Reverse((key, *seq)));
        } else {
            self.order.remove(&flow);
        }
        Some(served)
    }
}

/// Hashes a flow's number, and always the same way, so that runs repeat.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FlowHash;

/// The hash of one number.
#[derive(Debug)]
pub(super) struct FlowHasher(u64);

impl BuildHasher for FlowHash {
    type Hasher = FlowHasher;

    fn build_hasher(&self) -> FlowHasher {
        FlowHasher(0)
    }
}

impl Hasher for FlowHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        // Fibonacci hashing: 2^64 over the golden ratio. The table reads both ends of the
        // hash, and only the upper end of the product is mixed, hence the fold.
        let mixed = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_hash_alike_in_every_run_and_apart_from_each_other() {
        let hash = |flow| FlowHash.hash_one(FlowId(flow));
        assert_eq!(hash(1), hash(1));
        let mut hashes: Vec<_> = (0..1_000).map(hash).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 1_000);
    }
}
