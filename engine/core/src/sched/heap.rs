//! Flows in the order of their virtual times.
//!
//! Of two flows with the same tag the one with the smaller sequence number is first. Ties are the
//! rule where blocks and weights are equal; to break them by the number of the flow would serve
//! the same flows first for ever. A flow is in it once, however much it has queued.

use crate::id::FlowId;
use crate::indexed_heap::IndexedHeap;
use crate::sched::virtual_time::{TAG_MAX, Tag};

/// Bits of a key below its tag: the sequence number.
const SEQ_BITS: u32 = 32;

/// Flows in the order of their tags. Tag and sequence number are one number, so that a comparison
/// is one.
#[derive(Debug, Default)]
pub(super) struct FlowHeap(IndexedHeap<u128>);

impl FlowHeap {
    /// The flow with the least tag, and that tag.
    pub(super) fn first(&self) -> Option<(Tag, FlowId)> {
        let (key, flow) = self.0.first()?;
        Some((key >> SEQ_BITS, FlowId(flow)))
    }

    /// Puts `flow` where `tag` belongs, whether it was in the heap or not, and behind those
    /// with the same tag and a smaller `seq`. Sequence numbers may wrap: once in 2^32 blocks
    /// a tie is then broken the other way.
    pub(super) fn set(&mut self, flow: FlowId, tag: Tag, seq: u32) {
        let key = (tag.min(TAG_MAX) << SEQ_BITS) | u128::from(seq);
        self.0.set(flow.0, key);
    }

    /// Takes `flow` out, if it is in.
    pub(super) fn remove(&mut self, flow: FlowId) {
        self.0.remove(flow.0);
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
