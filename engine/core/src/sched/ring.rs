//! A ring of flows, each linked to the next.
//!
//! There is one link for each flow, in a table by flow, and one name for the position between last
//! and first: turning the ring moves that name and nothing else.

use crate::id::FlowId;
use crate::sched::queues::row;

/// No flow.
const NONE: FlowId = FlowId(u32::MAX);

/// Flows in a circle with a first and a last; none is in it twice.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// The flow after each flow; [`NONE`] of one that is not in the ring.
    next: Vec<FlowId>,
    last: Option<FlowId>,
    len: usize,
}

impl Ring {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn first(&self) -> Option<FlowId> {
        self.last.map(|last| self.next[last.index()])
    }

    pub(super) fn contains(&self, flow: FlowId) -> bool {
        self.next
            .get(flow.index())
            .is_some_and(|next| *next != NONE)
    }

    /// Makes the first flow the last.
    #[inline]
    pub(super) fn turn(&mut self) {
        self.last = self.first();
    }

    /// Puts a flow that is not in the ring at its end.
    pub(super) fn append(&mut self, flow: FlowId) {
        let first = self.first().unwrap_or(flow);
        if let Some(last) = self.last {
            self.next[last.index()] = flow;
        }
        *row(&mut self.next, flow, NONE) = first;
        self.last = Some(flow);
        self.len += 1;
    }

    /// Takes the first flow out.
    pub(super) fn remove_first(&mut self) -> Option<FlowId> {
        let last = self.last?;
        let first = self.next[last.index()];
        if first == last {
            self.last = None;
        } else {
            self.next[last.index()] = self.next[first.index()];
        }
        self.next[first.index()] = NONE;
        self.len -= 1;
        Some(first)
    }

    /// All flows, the first one first.
    pub(super) fn iter(&self) -> impl Iterator<Item = FlowId> + Clone + '_ {
        std::iter::successors(self.first(), |flow| Some(self.next[flow.index()])).take(self.len)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_ring_agrees_with_a_list(steps in prop::collection::vec(0_u32..12, 1..100)) {
            let (mut ring, mut list) = (Ring::default(), VecDeque::new());
            for step in steps {
                match step {
                    0..=7 if !list.contains(&FlowId(step)) => {
                        ring.append(FlowId(step));
                        list.push_back(FlowId(step));
                    }
                    8..=9 => prop_assert_eq!(ring.remove_first(), list.pop_front()),
                    _ => {
                        ring.turn();
                        list.rotate_left(1.min(list.len()));
                    }
                }
                for flow in (0..12).map(FlowId) {
                    prop_assert_eq!(ring.contains(flow), list.contains(&flow));
                }
                prop_assert_eq!(ring.first(), list.front().copied());
                prop_assert_eq!(ring.len(), list.len());
                prop_assert!(ring.iter().eq(list.iter().copied()));
            }
        }
    }
}
