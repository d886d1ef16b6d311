//! A heap of flows by virtual time, with the place of each flow kept.
//!
//! Decides ties: of two flows with the same tag the one with the smaller sequence number is
//! first. Ties are the rule where blocks and weights are equal; to break them by the number of
//! the flow would serve the same flows first for ever. A flow is in it once, however much it
//! has queued. Four children to a node: half the levels of a binary heap, and the children of
//! a node lie side by side.

use crate::id::FlowId;
use crate::sched::tag::{TAG_MAX, Tag};

/// Children of a node.
const ARITY: usize = 4;
/// Bits of a key below its tag: the sequence number.
const SEQ_BITS: u32 = 32;
/// Not in the heap.
const ABSENT: u32 = u32::MAX;

/// Flows in the order of their tags.
#[derive(Debug, Default)]
pub(super) struct FlowHeap {
    /// Tag and sequence number in one number, so that a comparison is one.
    keys: Vec<u128>,
    /// The flow of each key.
    flows: Vec<FlowId>,
    /// Where each flow is in `keys`.
    place: Vec<u32>,
}

/// A flow and its key, on the way to their place.
#[derive(Clone, Copy)]
struct Entry {
    key: u128,
    flow: FlowId,
}

impl FlowHeap {
    /// The flow with the least tag, and that tag.
    pub(super) fn first(&self) -> Option<(Tag, FlowId)> {
        let &key = self.keys.first()?;
        Some((key >> SEQ_BITS, self.flows[0]))
    }

    fn contains(&self, flow: FlowId) -> bool {
        self.place
            .get(flow.index())
            .is_some_and(|&place| place != ABSENT)
    }

    /// Puts `flow` where `tag` belongs, whether it was in the heap or not, and behind those
    /// with the same tag and a smaller `seq`. Sequence numbers may wrap: once in 2^32 blocks
    /// a tie is then broken the other way.
    pub(super) fn set(&mut self, flow: FlowId, tag: Tag, seq: u32) {
        let index = flow.index();
        if index >= self.place.len() {
            self.place.resize(index + 1, ABSENT);
        }
        let key = (tag.min(TAG_MAX) << SEQ_BITS) | u128::from(seq);
        let new = Entry { key, flow };
        let place = self.place[index];
        if place == ABSENT {
            self.keys.push(key);
            self.flows.push(flow);
            self.rise(self.keys.len() - 1, new);
            return;
        }
        let place = place as usize;
        if key > self.keys[place] {
            self.sink(place, new);
        } else {
            self.rise(place, new);
        }
    }

    /// Takes `flow` out, if it is in.
    pub(super) fn remove(&mut self, flow: FlowId) {
        if !self.contains(flow) {
            return;
        }
        let place = self.place[flow.index()] as usize;
        self.place[flow.index()] = ABSENT;
        let last = Entry {
            key: self.keys.pop().expect("a flow is in the heap"),
            flow: self.flows.pop().expect("as many flows as keys"),
        };
        if place == self.keys.len() {
            return;
        }
        if last.key > self.keys[place] {
            self.sink(place, last);
        } else {
            self.rise(place, last);
        }
    }

    fn put(&mut self, place: usize, entry: Entry) {
        self.keys[place] = entry.key;
        self.flows[place] = entry.flow;
        self.place[entry.flow.index()] =
            u32::try_from(place).expect("as many entries as flows, and those count in 32 bits");
    }

    /// Moves what is at `from` to `to`, where nothing is that is still needed.
    fn shift(&mut self, from: usize, to: usize) {
        let (key, flow) = (self.keys[from], self.flows[from]);
        self.put(to, Entry { key, flow });
    }

    fn rise(&mut self, mut place: usize, entry: Entry) {
        while place > 0 {
            let parent = (place - 1) / ARITY;
            if self.keys[parent] <= entry.key {
                break;
            }
            self.shift(parent, place);
            place = parent;
        }
        self.put(place, entry);
    }

    fn sink(&mut self, mut place: usize, entry: Entry) {
        while let Some((child, least)) = self.least_child(place) {
            if entry.key <= least {
                break;
            }
            self.shift(child, place);
            place = child;
        }
        self.put(place, entry);
    }

    /// The child of `place` with the least key, and that key.
    fn least_child(&self, place: usize) -> Option<(usize, u128)> {
        let first = place * ARITY + 1;
        let children = self.keys.get(first..)?;
        let Some(&[a, b, c, d]) = children.first_chunk() else {
            let keys = children.iter().copied();
            return (first..).zip(keys).min_by_key(|&(_, key)| key);
        };
        // Two and two, and then the winners: which child is least is anybody's guess, and
        // selections without a jump cannot be guessed wrongly.
        let left = if b < a { (first + 1, b) } else { (first, a) };
        let right = if d < c {
            (first + 3, d)
        } else {
            (first + 2, c)
        };
        Some(if right.1 < left.1 { right } else { left })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_heap_agrees_with_a_sorted_map(
            steps in prop::collection::vec((0_u32..20, prop::option::of(0_u128..50)), 1..200)
        ) {
            let (mut heap, mut map) = (FlowHeap::default(), BTreeMap::new());
            for ((flow, tag), seq) in steps.into_iter().zip(0..) {
                if let Some(tag) = tag {
                    heap.set(FlowId(flow), tag, seq);
                    map.insert(flow, (tag, seq));
                } else {
                    heap.remove(FlowId(flow));
                    map.remove(&flow);
                }
                let least = map.iter().min_by_key(|&(_, key)| key);
                let least = least.map(|(&flow, &(tag, _))| (tag, FlowId(flow)));
                prop_assert_eq!(heap.first(), least);
            }
        }
    }

    #[test]
    fn a_tag_past_the_horizon_is_last_and_nothing_wraps() {
        let mut heap = FlowHeap::default();
        heap.set(FlowId(1), u128::MAX, 0);
        heap.set(FlowId(2), TAG_MAX - 1, 1);
        assert_eq!(heap.first(), Some((TAG_MAX - 1, FlowId(2))));
    }
}
