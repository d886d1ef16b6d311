//! Blocks on the link: tells the disciplines when each has left.
//!
//! A connection sends its blocks in the order in which they were issued, so one queue for each
//! peer says which block the bytes that have left belong to. Each block is reported exactly once:
//! when its last byte has left, or before that when its connection ends, when its connection
//! stalls and so gives the link to others, or when its class is removed. A lost report would leave
//! a flow backlogged for ever.

use std::collections::VecDeque;

use super::Uplink;
use super::leaf::Served;
use super::tree::NONE;

/// The blocks of one peer that were issued and have not left, in their order. Made with the first
/// of them: a peer without requests has none.
#[derive(Debug, Default)]
pub(super) struct OnLink(VecDeque<Flying>);

/// One of them, or the rest of it.
#[derive(Clone, Copy, Debug)]
struct Flying {
    /// Bytes that have not left.
    len: u64,
    /// The leaf that it came from, or [`NONE`] once the disciplines were told that it left.
    leaf: u32,
    /// Disciplines that chose it: those of the classes above the leaf, the root's first.
    depth: u8,
}

impl OnLink {
    pub(super) fn push(&mut self, served: &Served) {
        self.0.push_back(Flying {
            len: served.len,
            leaf: served.leaf,
            depth: served.depth,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The first block, if all of it is among the next `len` bytes that leave; those are fewer
    /// by it then. If not, what has left of it is forgotten.
    fn pop(&mut self, len: &mut u64) -> Option<Flying> {
        let first = self.0.front_mut()?;
        let left = first.len.min(*len);
        *len -= left;
        first.len -= left;
        if first.len > 0 {
            return None;
        }
        self.0.pop_front()
    }
}

impl Uplink {
    /// `len` bytes of the blocks of the peer at `slot` have left.
    pub(super) fn leave_link(&mut self, slot: u32, mut len: u64) {
        let next = |uplink: &mut Self, len: &mut u64| {
            let on_link = uplink.entities.at_mut(slot).on_link.as_mut();
            on_link.and_then(|blocks| blocks.pop(len))
        };
        while let Some(block) = next(self, &mut len) {
            self.tell_left(block);
        }
    }

    /// The link has nothing more of the peer at `slot`, or nothing of its `leaf` if one is named:
    /// the disciplines are told now. Blocks that have not left still count as in flight.
    pub(super) fn vacate_link(&mut self, slot: u32, leaf: Option<u32>) {
        let Some(mut blocks) = self.entities.at_mut(slot).on_link.take() else {
            return;
        };
        for block in &mut blocks.0 {
            if leaf.is_none_or(|leaf| leaf == block.leaf) {
                self.tell_left(*block);
                block.leaf = NONE;
            }
        }
        self.entities.at_mut(slot).on_link = Some(blocks);
    }

    fn tell_left(&mut self, block: Flying) {
        if block.leaf != NONE {
            self.tree.sent(block.leaf, block.depth);
        }
    }
}
