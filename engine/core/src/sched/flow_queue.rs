//! Flows in the order of a key, the least first, in the priority queue of the crate of that name.
//!
//! For the disciplines whose key is made of more than a tag. Those that order by a tag alone use
//! `heap`, which needs no hash and is several times faster at a million flows.

use std::cmp::Reverse;
use std::hash::{BuildHasher, Hasher};

use priority_queue::PriorityQueue;

use crate::id::FlowId;

/// Flows by key. Of equal keys the order is unspecified: a discipline that breaks ties puts what
/// breaks them into the key.
#[derive(Debug)]
pub(super) struct FlowQueue<K: Ord>(PriorityQueue<FlowId, Reverse<K>, FlowHash>);

impl<K: Ord> Default for FlowQueue<K> {
    fn default() -> Self {
        Self(PriorityQueue::with_hasher(FlowHash))
    }
}

impl<K: Ord + Copy> FlowQueue<K> {
    /// The flow with the least key, and that key.
    pub(super) fn first(&self) -> Option<(K, FlowId)> {
        self.0.peek().map(|(&flow, &Reverse(key))| (key, flow))
    }

    /// Whether no flow is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `flow` is in it.
    pub(super) fn contains(&self, flow: FlowId) -> bool {
        self.0.get(&flow).is_some()
    }

    /// Puts `flow` where `key` belongs, whether it was in it or not.
    pub(super) fn set(&mut self, flow: FlowId, key: K) {
        self.0.push(flow, Reverse(key));
    }

    /// Takes `flow` out, if it is in.
    pub(super) fn remove(&mut self, flow: FlowId) {
        self.0.remove(&flow);
    }
}

/// Hashes a flow's number, and always the same way, so that runs repeat.
#[derive(Clone, Copy, Debug, Default)]
struct FlowHash;

/// The hash of one number.
#[derive(Debug)]
struct FlowHasher(u64);

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
