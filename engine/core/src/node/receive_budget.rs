//! The memory for chunks under way: how much may be requested at the same time (limit L4).
//!
//! A peer sends the chunks of a transfer one after another, so each pair of a peer and a transfer
//! with open requests counts as one chunk. Complete chunks that are not yet stored count beside it;
//! the shell stops reading when too many wait, for all requests to one peer may complete at once.
//! A pair gets at most half of what is left, so that small chunks find room beside bulk transfers.
//! While nothing is held, a chunk of any length is requested.

use super::swarm::Swarm;
use crate::id::{PeerId, TransferId};
use crate::peer::Remote;
use crate::time::Span;
use crate::transfer::Transfer;
use crate::units::{ByteCount, Rate};

/// A chunk that comes more slowly than this gives its place up to one that waits.
pub(super) const DRIP: Rate = Rate::new(64 * 1024);

/// How long a peer that lost a place in this way stays last in order.
pub(super) const LAST_FOR: Span = Span::from_secs(600);

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

    /// What is held, if that is bounded and may matter to what `peer` is asked for.
    pub(super) fn held_for(&self, swarm: &Swarm, peer: PeerId) -> Option<Held> {
        let most = swarm.guard?.held;
        let mut remotes = swarm.peer(peer)?.remotes.iter();
        let matters = self.pressed || remotes.any(Remote::is_idle);
        matters.then(|| Held {
            now: moving(swarm),
            kept: kept(swarm),
            most,
        })
    }
}

/// Memory of incomplete chunks that no peer is sending now.
pub(super) fn kept(swarm: &Swarm) -> ByteCount {
    swarm.transfers.iter().map(|(_, one)| one.kept()).sum()
}

/// One more chunk of `id` is kept, of which `peer` sent the last bytes: it fits, or some are
/// not kept any more.
pub(super) fn keep_within(swarm: &mut Swarm, id: TransferId, peer: PeerId) {
    let Some(guard) = swarm.guard else {
        return;
    };
    while kept(swarm).get() > guard.held.get() / KEPT_PART {
        let transfer = swarm.transfers.get_mut(id);
        let Some((chunk, begun)) = transfer.and_then(Transfer::keep_less) else {
            return;
        };
        swarm.discard(id, chunk, &begun);
        swarm.came_in_vain(peer, begun.received);
    }
}

/// Bytes of chunks that come, or wait to be stored.
pub(super) fn moving(swarm: &Swarm) -> ByteCount {
    let peers = swarm.peers.iter().flatten();
    let remotes = peers.flat_map(|peer| peer.remotes.iter());
    remotes.map(Remote::held).sum()
}
