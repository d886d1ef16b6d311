//! Announcements: which of our contents and chunks each peer is told of.
//!
//! A content is announced to its audience, or to every peer. Announcements above the bound on
//! contents are dropped, and are made again when there is room.

use super::guard::CLAIMS_PEER;
use super::io::Action;
use super::swarm::Swarm;
use crate::id::{ChunkIndex, PeerId, TransferId};
use crate::message::{Join, Message};
use crate::peer::{Peer, REQUESTS_MAX};
use crate::time::Time;
use crate::transfer::Transfer;

impl Swarm {
    /// Announces a chunk to one peer: if the peer lacks it, or if our seed rule `watches` which
    /// peers forward chunks. One that we `wanted` is no longer a reason to be interested.
    pub(super) fn announce(
        &mut self,
        peer: PeerId,
        (id, chunk): (TransferId, ChunkIndex),
        wanted: bool,
        watches: bool,
    ) {
        let state = self.peers[peer.index()].as_mut();
        let Some(remote) = state.and_then(|state| state.remotes.get_mut(id)) else {
            return;
        };
        let lacks = !remote.has.has(chunk);
        if !lacks && wanted {
            remote.useful -= 1;
            if remote.useful == 0 {
                self.update_interest(peer);
            }
        }
        if lacks || watches {
            self.send(
                peer,
                Message::Have {
                    transfer: id,
                    chunk: chunk.get(),
                },
            );
        }
    }

    /// Announces a transfer to `peer`: at once if we want something of it, and else no faster than
    /// any peer accepts it, so that many contents are no flood.
    pub(super) fn announce_transfer(
        &mut self,
        peer: PeerId,
        id: TransferId,
        reply: bool,
        now: Time,
    ) {
        let guarded = self.guard.is_some();
        let state = self.peers.get_mut(peer.index()).and_then(Option::as_mut);
        let (Some(transfer), Some(state)) = (self.transfers.get(id), state) else {
            return;
        };
        if guarded && transfer.is_complete() && !state.may_announce(id, now) {
            return;
        }
        let message = join(id, transfer, reply);
        self.send(peer, Message::Join(Box::new(message)));
    }

    /// Tells `peer` of transfers that had to wait, and of chunks that it was refused although we
    /// have them.
    pub(super) fn announce_waiting(&mut self, peer: PeerId, now: Time) {
        let refused = self.peer_mut(peer).map(Peer::take_refused);
        for (id, chunk) in refused.unwrap_or_default() {
            let has = |one: &Transfer| one.had().has(chunk);
            if self.takes_part(peer, id) && self.transfers.get(id).is_some_and(has) {
                let (transfer, chunk) = (id, chunk.get());
                self.send(peer, Message::Have { transfer, chunk });
            }
        }
        while let Some(id) = self
            .peer_mut(peer)
            .and_then(|state| state.take_unannounced(now))
        {
            if let Some(transfer) = self.transfers.get(id) {
                let message = join(id, transfer, true);
                self.send(peer, Message::Join(Box::new(message)));
            }
        }
    }

    pub(super) fn name(&mut self, peer: PeerId, theirs: TransferId, transfer: Option<TransferId>) {
        self.actions.push_back(Action::Name {
            peer,
            theirs,
            transfer,
        });
    }

    /// Whether there is room for `peer`'s state of our transfer `id`: one more content, and its
    /// bitfield.
    pub(super) fn has_place_for(&self, peer: PeerId, id: TransferId) -> bool {
        let (Some(state), Some(transfer)) = (self.peer(peer), self.transfers.get(id)) else {
            return false;
        };
        let Some(guard) = self.guard else {
            return state.has_place_for(id);
        };
        // One that it names again takes no more than before.
        let more = size_of_val(transfer.had().words()) as u64;
        let all = self.peers.iter().flatten();
        let all: u64 = all.map(|one| one.remotes.bytes()).sum();
        let fits =
            state.remotes.bytes() + more <= CLAIMS_PEER.get() && all + more <= guard.claims.get();
        let first = state.remotes.is_empty();
        state.remotes.has(id) || (state.has_place_for(id) && (first || fits))
    }

    /// Forgets what `peer` announced, the oldest first, until there is room for the bitfields of
    /// all. It is asked again once we take part.
    pub(super) fn keep_fewer_offers(&mut self, peer: PeerId) {
        let Some(guard) = self.guard else {
            return;
        };
        let all: u64 = self.peers.iter().flatten().map(Peer::claimed).sum();
        if let Some(state) = self.peer_mut(peer) {
            state.forget_oldest_offers(all.saturating_sub(guard.claims.get()));
        }
    }

    /// There is room for one more content that `peer` takes part in: the first of those that had
    /// to wait. If it takes part in it no longer, it does not answer.
    pub(super) fn take_up(&mut self, peer: PeerId) {
        let waiting = self.peer(peer).and_then(|state| state.waiting.first());
        let waiting = waiting.copied();
        // A Join without room for the answer would only cost control messages.
        let Some(id) = waiting.filter(|id| self.has_place_for(peer, *id)) else {
            return;
        };
        if let Some(state) = self.peer_mut(peer) {
            state.waiting.remove(&id);
        }
        if let Some(transfer) = self.transfers.get(id) {
            let message = join(id, transfer, true);
            self.send(peer, Message::Join(Box::new(message)));
        }
    }
}

/// Messages about a transfer that may still come before the peer gets our Leave: a Have of each
/// chunk, its open requests, and its interest and choke.
pub(super) fn strays(transfer: &Transfer) -> u64 {
    let chunks = u64::from(transfer.manifest.chunks());
    chunks.saturating_mul(2) + 2 * REQUESTS_MAX as u64 + 4
}

pub(super) fn join(id: TransferId, transfer: &Transfer, reply: bool) -> Join {
    Join {
        content: transfer.content,
        transfer: id,
        have: transfer.had().clone(),
        reply,
    }
}
