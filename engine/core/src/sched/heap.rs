//! A heap of flows by virtual time, with the place of each flow kept.
//!
//! Decides ties: of two flows with the same tag the one with the smaller number is first.
//! A flow is in it once, however much it has queued. Four children to a node: half the
//! levels of a binary heap, and the children of a node lie side by side.

use crate::id::FlowId;
use crate::sched::tag::{TAG_MAX, Tag};

/// Children of a node.
const ARITY: usize = 4;
/// Bits of a key below its tag: the number of the flow.
const FLOW_BITS: u32 = 32;
/// Not in the heap.
const ABSENT: u32 = u32::MAX;

/// Flows in the order of their tags.
#[derive(Debug, Default)]
pub(super) struct FlowHeap {
    /// Tag and flow in one number, so that a comparison is one and an entry is 16 bytes.
    keys: Vec<u128>,
    /// Where each flow is in `keys`.
    place: Vec<u32>,
}

fn key(tag: Tag, flow: FlowId) -> u128 {
    (tag.min(TAG_MAX) << FLOW_BITS) | u128::from(flow.0)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the low 32 bits of a key are the flow"
)]
const fn flow_of(key: u128) -> FlowId {
    FlowId(key as u32)
}

impl FlowHeap {
    /// The flow with the least tag, and that tag.
    pub(super) fn first(&self) -> Option<(Tag, FlowId)> {
        let &key = self.keys.first()?;
        Some((key >> FLOW_BITS, flow_of(key)))
    }

    pub(super) fn contains(&self, flow: FlowId) -> bool {
        self.place
            .get(flow.index())
            .is_some_and(|&place| place != ABSENT)
    }

    /// Puts `flow` where `tag` belongs, whether it was in the heap or not.
    pub(super) fn set(&mut self, flow: FlowId, tag: Tag) {
        let index = flow.index();
        if index >= self.place.len() {
            self.place.resize(index + 1, ABSENT);
        }
        let new = key(tag, flow);
        let place = self.place[index];
        if place == ABSENT {
            self.keys.push(new);
            self.rise(self.keys.len() - 1, new);
            return;
        }
        let place = place as usize;
        if new > self.keys[place] {
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
        let last = self.keys.pop().expect("a flow is in the heap");
        if place == self.keys.len() {
            return;
        }
        if last > self.keys[place] {
            self.sink(place, last);
        } else {
            self.rise(place, last);
        }
    }

    fn put(&mut self, place: usize, key: u128) {
        self.keys[place] = key;
        self.place[flow_of(key).index()] =
            u32::try_from(place).expect("as many entries as flows, and those count in 32 bits");
    }

    fn rise(&mut self, mut place: usize, key: u128) {
        while place > 0 {
            let parent = (place - 1) / ARITY;
            let above = self.keys[parent];
            if above <= key {
                break;
            }
            self.put(place, above);
            place = parent;
        }
        self.put(place, key);
    }

    fn sink(&mut self, mut place: usize, key: u128) {
        while let Some((child, least)) = self.least_child(place) {
            if key <= least {
                break;
            }
            self.put(place, least);
            place = child;
        }
        self.put(place, key);
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
            for (flow, tag) in steps {
                if let Some(tag) = tag {
                    heap.set(FlowId(flow), tag);
                    map.insert(flow, tag);
                } else {
                    heap.remove(FlowId(flow));
                    map.remove(&flow);
                }
                let least = map.iter().map(|(&flow, &tag)| (tag, FlowId(flow))).min();
                prop_assert_eq!(heap.first(), least);
                prop_assert_eq!(heap.contains(FlowId(flow)), map.contains_key(&flow));
            }
        }
    }

    #[test]
    fn a_tag_past_the_horizon_is_last_and_nothing_wraps() {
        let mut heap = FlowHeap::default();
        heap.set(FlowId(1), u128::MAX);
        heap.set(FlowId(2), TAG_MAX - 1);
        assert_eq!(heap.first(), Some((TAG_MAX - 1, FlowId(2))));
    }
}
