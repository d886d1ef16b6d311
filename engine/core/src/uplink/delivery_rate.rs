//! Delivery rate: how fast a connection takes blocks, and the peer's window from it.
//!
//! A peer's window is what its connection takes in [`DRAIN`]. A wider one only moves the queue from
//! here, where a discipline orders it, to the socket, which sends in order of arrival; a narrower
//! one leaves a fast connection idle while it waits for the next block. Until a connection was busy
//! for [`DRAIN`] its window is the widest.

use crate::id::{PeerId, TransferId};
use crate::time::{Span, Time};
use crate::units::ByteCount;

use super::tree::NONE;
use super::{Target, Uplink};

/// How long a full window takes to drain.
const DRAIN: Span = Span::from_millis(10);
/// The least window, and the least block that it makes: a record of the encryption.
const LEAST: u64 = 16 * 1024;
/// The weight of the latest measure, as of the round trip in TCP (RFC 6298): a quarter here,
/// since there are few measures in the life of a transfer.
const SHIFT: u32 = 2;

/// What is known of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Drain {
    /// When the current measure began, and the bytes that left since.
    since: Time,
    bytes: u64,
    /// The window, in bytes.
    pub(super) window: u64,
}

impl Drain {
    pub(super) const fn new(widest: u64) -> Self {
        Self {
            since: Time::ZERO,
            bytes: 0,
            window: widest,
        }
    }

    /// The connection was idle and gets its first block.
    pub(super) const fn begin(&mut self, now: Time) {
        self.since = now;
        self.bytes = 0;
    }

    /// `len` bytes left. True if the window changed.
    fn count(&mut self, len: u64, widest: u64, now: Time) -> bool {
        self.bytes += len;
        let took = now.since(self.since);
        if took < DRAIN {
            return false;
        }
        let fits = u128::from(self.bytes) * u128::from(DRAIN.as_nanos());
        let fits = fits / u128::from(took.as_nanos());
        let fits = u64::try_from(fits).unwrap_or(widest).min(widest);
        let window = self.window - (self.window >> SHIFT) + (fits >> SHIFT);
        self.begin(now);
        let window = window.clamp(LEAST.min(widest), widest);
        let changed = window != self.window;
        self.window = window;
        changed
    }

    /// The largest block, so that at least two fit the window.
    pub(super) const fn block(&self) -> u64 {
        let half = self.window / 2;
        if half <= LEAST {
            return LEAST;
        }
        1 << half.ilog2()
    }
}

impl Uplink {
    /// `len` bytes of the peer at `slot` have left.
    pub(super) fn count_drained(&mut self, slot: u32, len: u64, now: Time) {
        let widest = self.settings.window_peer.get().max(1);
        let entity = self.entities.at_mut(slot);
        let Some(drain) = &mut entity.drain else {
            return;
        };
        let before = drain.block();
        if !drain.count(len, widest, now) || drain.block() == before {
            return;
        }
        let Target::Peer(peer) = entity.target else {
            return;
        };
        for id in self.leaves_of(peer) {
            let leaf = self.tree.leaf(id);
            let block = self.block(leaf.peer, leaf.transfer);
            self.tree.leaf_mut(id).block = block;
            self.tree.settle(id, now);
        }
    }

    /// Bytes left for `peer` beside those of blocks: heads of frames, messages, records of the
    /// encryption; some of them with a block of `transfer`. They are charged to the caps that
    /// such a block must pass, so that a cap holds at the socket.
    pub(crate) fn overhead(
        &mut self,
        peer: PeerId,
        transfer: Option<TransferId>,
        len: ByteCount,
        now: Time,
    ) {
        self.now = self.now.max(now);
        let now = self.now;
        self.node.spend(len, now);
        let peer = self.entities.find(Target::Peer(peer));
        let transfer = transfer.and_then(|id| self.entities.find(Target::Transfer(id)));
        let group_of = |slot: Option<u32>| {
            let group = self.entities.at(slot?).group;
            (group != NONE).then_some(group)
        };
        let groups = [group_of(peer), group_of(transfer)];
        let second = groups[1].filter(|_| groups[0] != groups[1]);
        for slot in [peer, transfer, groups[0], second].into_iter().flatten() {
            let meter = self.entities.at_mut(slot).meter.as_mut();
            if let Some(cap) = meter.and_then(|meter| meter.cap.as_mut()) {
                cap.spend(len, now);
                self.review(slot, now);
            }
        }
    }

    pub(super) fn leaves_of(&self, peer: PeerId) -> Vec<u32> {
        let all = (peer, TransferId(0))..=(peer, TransferId(u32::MAX));
        self.leaves.range(all).map(|(_, &id)| id).collect()
    }
}
