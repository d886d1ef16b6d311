//! The queue of one peer for one transfer: its requests, cut into blocks.

use std::collections::VecDeque;

use crate::id::ChunkIndex;
use crate::units::ByteCount;

use super::class::Facts;

/// A request that waits, or the rest of one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) chunk: ChunkIndex,
    /// Where the request ends.
    pub(super) len: u64,
    /// What is to be served next.
    pub(super) offset: u64,
    /// Bytes that it asked for.
    pub(super) asked: u64,
    pub(super) arrival: u64,
}

/// The queue of one peer for one transfer.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) peer: u32,
    pub(super) transfer: u32,
    /// Bytes in its blocks.
    pub(super) block: u64,
    /// Bytes of the transfer still to be served to the peer.
    pub(super) remaining: u64,
    pub(super) queue: VecDeque<Pending>,
}

/// What was served, and what it cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Served {
    pub(super) leaf: u32,
    /// Disciplines that chose it.
    pub(super) depth: u8,
    pub(super) chunk: ChunkIndex,
    pub(super) offset: u64,
    pub(super) len: u64,
    pub(super) last: bool,
    pub(super) facts: Facts,
}

impl Leaf {
    /// A queue with nothing in it.
    pub(super) const fn new(peer: u32, transfer: u32, block: u64) -> Self {
        Self {
            peer,
            transfer,
            block,
            remaining: 0,
            queue: VecDeque::new(),
        }
    }

    /// Bytes that wait.
    pub(super) fn queued(&self) -> ByteCount {
        let rests = self
            .queue
            .iter()
            .map(|pending| pending.len - pending.offset);
        ByteCount::new(rests.sum())
    }

    /// Blocks that it could serve, counted up to two.
    pub(super) fn blocks_ahead(&self) -> u32 {
        match self.queue.front() {
            None => 0,
            Some(head) if self.queue.len() == 1 && head.len - head.offset <= self.block => 1,
            Some(_) => 2,
        }
    }

    /// Length and facts of the block after `skip` others, 0 or 1.
    pub(super) fn block(&self, skip: u8, least: u64) -> Option<(u64, Facts)> {
        let mut at = *self.queue.front()?;
        let mut waiting = self.queue.len();
        if skip > 0 {
            if at.len - at.offset > self.block {
                at.offset += self.block;
            } else {
                at = *self.queue.get(1)?;
                waiting -= 1;
            }
        }
        let rest = at.len - at.offset;
        let len = rest.min(self.block);
        // A request costs at least `least`; its last block pays what the others did not.
        let unpaid = if len == rest {
            least.saturating_sub(at.asked)
        } else {
            0
        };
        let facts = Facts {
            cost: len + unpaid,
            arrival: at.arrival,
            remaining: self.remaining,
            waiting: u32::try_from(waiting).unwrap_or(u32::MAX),
        };
        Some((len, facts))
    }

    /// Takes the first block out of the queue. `id` is the class of this leaf, `depth` the
    /// number of disciplines above it.
    pub(super) fn serve(&mut self, id: u32, depth: u8, least: u64) -> Served {
        let (len, facts) = self.block(0, least).expect("a posted leaf has a block");
        let head = self.queue.front_mut().expect("it has a block");
        let (chunk, offset) = (head.chunk, head.offset);
        head.offset += len;
        let last = head.offset == head.len;
        if last {
            self.queue.pop_front();
        }
        self.remaining = self.remaining.saturating_sub(len);
        Served {
            leaf: id,
            depth,
            chunk,
            offset,
            len,
            last,
            facts,
        }
    }
}
