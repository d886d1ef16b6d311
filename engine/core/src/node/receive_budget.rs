//! The memory for chunks under way: how much may be requested at the same time (limit L4).
//!
//! A peer sends the chunks of a transfer one after another, so each pair of a peer and a transfer
//! with open requests counts as one chunk. Complete chunks that are not yet stored count beside it;
//! the shell stops reading when too many wait, for all requests to one peer may complete at once.
//! A pair gets at most half of what is left, so that small chunks find room beside bulk transfers.
//! While nothing is held, a chunk of any length is requested.

use super::Node;
use crate::id::{PeerId, TransferId};
use crate::peer::{AskedChunk, Remote};
use crate::time::{Span, Time};
use crate::transfer::Transfer;
use crate::units::{ByteCount, Rate};

/// A chunk that comes more slowly than this gives its place up to one that waits.
const DRIP: Rate = Rate::new(64 * 1024);

/// How long a peer that lost a place in this way stays last in order.
const LAST_FOR: Span = Span::from_secs(600);

/// Whether requests have to wait for memory.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// A pair waits: pairs with memory request nothing more until they are empty, and then queue at
    /// the end.
    pub(super) pressed: bool,
    /// A pair had to wait in this pass over all peers.
    denied: bool,
}

/// Incomplete chunks that no peer is sending now may take one part in this many of the budget.
const KEPT_PART: u64 = 4;

/// What is held now, and how much may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    /// Of chunks that come, or wait to be stored.
    now: ByteCount,
    /// Of incomplete chunks that no peer is sending now.
    kept: ByteCount,
    most: ByteCount,
}

impl Memory {
    /// A look at all peers begins.
    pub(super) const fn look(&mut self) {
        self.denied = false;
    }

    /// A pass over all peers is over: only the pairs that it denied wait.
    pub(super) const fn looked(&mut self) {
        self.pressed = self.denied;
    }

    /// Whether one more chunk of a content, of at most `len` bytes, may be asked of a peer.
    pub(super) fn admits(&mut self, held: Option<Held>, remote: &Remote, len: ByteCount) -> bool {
        let Some(held) = held else {
            return true;
        };
        if !remote.is_idle() {
            return !self.pressed;
        }
        let left = held.most.saturating_sub(held.now + held.kept);
        let fits = held.now == ByteCount::ZERO || len.get() <= left.get() / 2;
        if !fits {
            (self.pressed, self.denied) = (true, true);
        }
        fits
    }
}

impl Node {
    /// What is held, if that is bounded and may matter to what `peer` is asked for.
    pub(super) fn held_for(&self, peer: PeerId) -> Option<Held> {
        let most = self.watch.guard?.held;
        let mut remotes = self.peer(peer)?.remotes.iter();
        let matters = self.memory.pressed || remotes.any(Remote::is_idle);
        matters.then(|| Held {
            now: self.moving(),
            kept: self.kept(),
            most,
        })
    }

    /// Bytes of chunks that are begun, or may be at any moment, and of those that wait to be
    /// stored.
    #[must_use]
    pub fn held(&self) -> ByteCount {
        self.moving() + self.kept()
    }

    /// Memory of incomplete chunks that no peer is sending now.
    fn kept(&self) -> ByteCount {
        self.transfers.iter().map(|(_, one)| one.kept()).sum()
    }

    /// One more chunk of `id` is kept, of which `peer` sent the last bytes: it fits, or some are
    /// not kept any more.
    pub(super) fn keep_within(&mut self, id: TransferId, peer: PeerId) {
        let Some(guard) = self.watch.guard else {
            return;
        };
        while self.kept().get() > guard.held.get() / KEPT_PART {
            let transfer = self.transfers.get_mut(id);
            let Some((chunk, begun)) = transfer.and_then(Transfer::keep_less) else {
                return;
            };
            self.discard(id, chunk, &begun);
            self.came_in_vain(peer, begun.received);
        }
    }

    /// Bytes of chunks that come, or wait to be stored.
    fn moving(&self) -> ByteCount {
        let peers = self.peers.iter().flatten();
        let remotes = peers.flat_map(|peer| peer.remotes.iter());
        remotes.map(Remote::held).sum()
    }

    /// A chunk that `peer` sent takes no memory any more. Pairs that waited come before it.
    pub(super) fn ask_in_turn(&mut self, peer: PeerId, now: Time) {
        if !self.memory.pressed {
            return self.ask(peer, now);
        }
        let behind = move |other: &PeerId| *other > peer;
        let before = self.peer_ids().filter(move |other| !behind(other));
        self.ask_all(self.peer_ids().filter(behind).chain(before), now);
    }

    /// Requests from all of them, in this order, and finds out whether a pair still waits.
    pub(super) fn ask_all(&mut self, peers: impl Iterator<Item = PeerId>, now: Time) {
        self.memory.look();
        for peer in peers {
            if self.paced.at().is_some() {
                return self.ask_in_turns(now);
            }
            self.ask(peer, now);
        }
        self.memory.looked();
    }

    /// While others wait for memory, `peer` may not keep a partial chunk for ever: if it only
    /// drips, it is asked last from now on.
    pub(super) fn crowd_out(&mut self, peer: PeerId, patience: Span, now: Time) {
        if !self.memory.pressed || self.others(peer, now).all(|other| !other.is_useful()) {
            return;
        }
        let Some(state) = self.peer_mut(peer) else {
            return;
        };
        let late = |remote: &&Remote| {
            let needs = DRIP.time_for(remote.held());
            let until = remote.since.saturating_add(patience);
            !remote.is_idle() && now >= until.saturating_add(needs)
        };
        let late: Vec<TransferId> = state
            .remotes
            .iter()
            .filter(late)
            .map(|remote| remote.ours)
            .collect();
        if late.is_empty() {
            return;
        }
        state.conduct.put_last(now.saturating_add(LAST_FOR));
        let owed = state
            .asked
            .iter()
            .filter(|ask| !ask.whole && late.contains(&ask.transfer));
        let owed: Vec<AskedChunk> = owed.copied().collect();
        self.take_away(peer, &owed, now);
    }
}
