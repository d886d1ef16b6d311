//! Membership: which peers are connected, and which of them take part in which content.
//!
//! A content is announced to its audience, or to every peer. A peer is closed if its bitfield does
//! not fit the content. Announcements above the bound on contents are dropped, and are made again
//! when there is room.

use super::{Action, CLAIMS_PEER, Node};
use crate::id::{ChunkIndex, PeerId, TransferId};
use crate::message::{Join, Message};
use crate::misbehaviour::Misbehaviour;
use crate::peer::{AskedChunk, Peer, REQUESTS_MAX, Remote};
use crate::time::Time;
use crate::transfer::Transfer;
use crate::units::ByteCount;

impl Node {
    pub(super) fn connected(&mut self, peer: PeerId, outbound: bool, now: Time) {
        if self.peers.len() <= peer.index() {
            self.peers.resize_with(peer.index() + 1, || None);
        }
        let mut state = Peer::new(self.pipeline, self.asking, now);
        self.watch.meets(peer, &mut state, now);
        self.uplink.meet(peer, state.conduct.balance());
        self.peers[peer.index()] = Some(state);
        self.welcome(peer, now);
        let told = self.transfers.iter().filter(|(_, transfer)| {
            transfer
                .audience
                .map_or(outbound, |audience| audience == peer)
        });
        let told: Vec<TransferId> = told.map(|(id, _)| id).collect();
        for id in told {
            self.announce_transfer(peer, id, true, now);
        }
    }

    /// Announces a transfer to `peer`: at once if we want something of it, and else no faster than
    /// any peer accepts it, so that many contents are no flood.
    fn announce_transfer(&mut self, peer: PeerId, id: TransferId, reply: bool, now: Time) {
        let guarded = self.watch.guard.is_some();
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

    pub(super) fn disconnected(&mut self, peer: PeerId, now: Time) {
        let Some(gone) = self.peers.get_mut(peer.index()).and_then(Option::take) else {
            return;
        };
        self.uplink.purge_peer(peer);
        self.asked -= gone.asked.len();
        self.interested -= usize::from(gone.interested);
        self.granted -= usize::from(gone.is_granted());
        let was_unchoked = !gone.choked;
        for remote in gone.remotes.iter() {
            self.transfers.at_mut(remote.place).drop_holder(&remote.has);
        }
        self.watch.parts(peer, gone.conduct);
        for ask in &gone.asked {
            self.paced.give_back(ask);
            let transfer = self.transfers.get_mut(ask.transfer);
            let begun = transfer.and_then(|one| one.release(peer, ask.chunk));
            if let Some(begun) = begun {
                self.keep(peer, ask.transfer, (ask.chunk, begun), now);
            }
        }
        if !gone.asked.is_empty() {
            self.ask_everybody(now);
        }
        // What was kept of it may leave room for what others had to wait with.
        for other in self.peer_ids() {
            self.take_up(other);
        }
        if self.row().reacts && was_unchoked {
            self.decide(false, now);
        }
        self.fill_slots(now);
    }

    pub(super) fn add(&mut self, id: TransferId, transfer: Transfer, now: Time) {
        let (content, audience) = (transfer.content, transfer.audience);
        self.missing += usize::from(!transfer.is_complete());
        self.contents.insert(content, id);
        let place = self.transfers.insert(id, transfer);
        for peer in self.peer_ids() {
            if audience.is_some_and(|audience| audience != peer) {
                continue;
            }
            let Some(state) = self.peers.get_mut(peer.index()).and_then(Option::as_mut) else {
                continue;
            };
            let offer = state.take_offer(content);
            // Peers get our Haves only once we take part, so their bitfield may be old; a full one
            // cannot be.
            let is_complete = |offer: &Join| offer.have.is_full();
            let reply = !offer.as_ref().is_some_and(is_complete);
            if offer.is_some() {
                let message = join(id, self.transfers.at(place), reply);
                self.send(peer, Message::Join(Box::new(message)));
            } else {
                self.announce_transfer(peer, id, reply, now);
            }
            if let Some(offer) = offer {
                let done = self.joined(peer, offer, now);
                self.judge(peer, done);
            }
        }
    }

    /// Nothing more of a transfer is fetched. It is joined anew: what was asked of it, or waits for
    /// the disk, is of no use any more, and peers see what there is.
    pub(super) fn settle(&mut self, id: TransferId, now: Time) {
        let wants = self.transfers.get(id).filter(|one| !one.is_complete());
        let Some(settled) = wants.map(Transfer::settled) else {
            return;
        };
        self.remove(id, now);
        self.add(id, settled, now);
    }

    pub(super) fn remove(&mut self, id: TransferId, now: Time) {
        let Some(transfer) = self.transfers.remove(id) else {
            return;
        };
        self.missing -= usize::from(!transfer.is_complete());
        self.contents.remove(&transfer.content);
        self.uplink.purge_transfer(id);
        for (chunk, begun) in transfer.unfinished() {
            self.discard(id, chunk, begun);
            if let Some(peer) = begun.last() {
                self.came_in_vain(peer, begun.received);
            }
        }
        for peer in self.peer_ids() {
            let Some(state) = self.peers[peer.index()].as_mut() else {
                continue;
            };
            state.waiting.remove(&id);
            state.unannounced.remove(&id);
            let Some(remote) = state.remotes.remove(id) else {
                continue;
            };
            let theirs = remote.theirs;
            let gone = state.asked.extract_if(.., |ask| ask.transfer == id);
            let gone: Vec<AskedChunk> = gone.collect();
            let late = gone.iter().map(|ask| ask.len);
            state.conduct.may_be_late(late.sum());
            state.conduct.may_stray(strays(&transfer));
            state.serving.retain(|serving| serving.transfer != id);
            self.asked -= gone.len();
            for ask in &gone {
                self.paced.give_back(ask);
            }
            self.send(peer, Message::Leave { transfer: id });
            self.name(peer, theirs, None);
            self.take_up(peer);
            self.update_interest(peer);
        }
        self.ask_everybody(now);
    }

    pub(super) fn joined(
        &mut self,
        peer: PeerId,
        join: Join,
        now: Time,
    ) -> Result<(), Misbehaviour> {
        let known = self.contents.get(&join.content).copied();
        let Some(id) = known else {
            let state = self.peer_mut(peer).expect("checked by the caller");
            state.keep_offer(join);
            self.keep_fewer_offers(peer);
            return Ok(());
        };
        let place = self.transfers.place(id);
        let place = place.expect("the index names what is there");
        let transfer = self.transfers.at_mut(place);
        if transfer.audience.is_some_and(|audience| audience != peer) {
            return Ok(());
        }
        if join.have.len() != transfer.manifest.chunks() {
            return Err(Misbehaviour::BitfieldLength);
        }
        let has_place = self.has_place_for(peer, id);
        let transfer = self.transfers.at_mut(place);
        let known = self.peers[peer.index()]
            .as_mut()
            .expect("checked by the caller");
        if let Some(before) = known.remotes.get_mut(id) {
            transfer.drop_holder(&before.has);
        }
        let useful = transfer.count_useful(&join.have);
        let answer = join.reply.then(|| self::join(id, transfer, false));
        let chunk = transfer.manifest.chunk();
        if !has_place {
            // The newest has to wait. Both sides forget that they met in it, so that neither asks
            // for what the other will not give.
            known.waiting.insert(id);
            known.conduct.may_stray(strays(transfer));
            self.send(peer, Message::Leave { transfer: id });
            return Ok(());
        }
        let before = known.remotes.get_mut(id).map(|before| before.theirs);
        let remote = Remote::new((id, place), join.transfer, join.have, (useful, chunk));
        known.set_remote(remote);
        let remote = known.remotes.get_mut(id).expect("it was set");
        transfer.add_holder(&remote.has);
        if before != Some(join.transfer) {
            if let Some(before) = before {
                self.name(peer, before, None);
            }
            self.name(peer, join.transfer, Some(id));
        }
        if let Some(answer) = answer {
            self.send(peer, Message::Join(Box::new(answer)));
        }
        self.update_interest(peer);
        self.ask(peer, now);
        Ok(())
    }

    fn name(&mut self, peer: PeerId, theirs: TransferId, transfer: Option<TransferId>) {
        self.actions.push_back(Action::Name {
            peer,
            theirs,
            transfer,
        });
    }

    /// Whether there is room for `peer`'s state of our transfer `id`: one more content, and its
    /// bitfield.
    fn has_place_for(&self, peer: PeerId, id: TransferId) -> bool {
        let (Some(state), Some(transfer)) = (self.peer(peer), self.transfers.get(id)) else {
            return false;
        };
        let Some(guard) = self.watch.guard else {
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
    fn keep_fewer_offers(&mut self, peer: PeerId) {
        let Some(guard) = self.watch.guard else {
            return;
        };
        let all: u64 = self.peers.iter().flatten().map(Peer::claimed).sum();
        if let Some(state) = self.peer_mut(peer) {
            state.forget_oldest_offers(all.saturating_sub(guard.claims.get()));
        }
    }

    /// Bytes of the bitfields that are kept of `peer` (limit L4).
    #[must_use]
    pub fn claimed(&self, peer: PeerId) -> ByteCount {
        ByteCount::new(self.peer(peer).map_or(0, Peer::claimed))
    }

    /// There is room for one more content that `peer` takes part in: the first of those that had
    /// to wait. If it takes part in it no longer, it does not answer.
    fn take_up(&mut self, peer: PeerId) {
        let waiting = self.peer(peer).and_then(|state| state.waiting.first());
        let waiting = waiting.copied();
        // A Join without room for the answer would only cost control messages.
        let Some(id) = waiting.filter(|id| self.has_place_for(peer, *id)) else {
            return;
        };
        if let Some(state) = self.peers.get_mut(peer.index()).and_then(Option::as_mut) {
            state.waiting.remove(&id);
        }
        if let Some(transfer) = self.transfers.get(id) {
            let message = join(id, transfer, true);
            self.send(peer, Message::Join(Box::new(message)));
        }
    }

    pub(super) fn left(&mut self, peer: PeerId, theirs: TransferId, now: Time) {
        let Some(state) = self.peer_mut(peer) else {
            return;
        };
        state.drop_offer(theirs);
        let Some(ours) = state.remotes.named(theirs).map(|remote| remote.ours) else {
            return;
        };
        let gone: Vec<ChunkIndex> = state
            .asked
            .iter()
            .filter(|ask| ask.transfer == ours)
            .map(|ask| ask.chunk)
            .collect();
        let remote = state.remotes.remove(ours).expect("it was found above");
        let waiting = state.serving.extract_if(.., |one| one.transfer == ours);
        for serving in waiting.collect::<Vec<_>>() {
            // These requests are closed, and the peer may reconnect and request again.
            self.uplink.cancel(peer, ours, serving.chunk);
        }
        self.transfers.at_mut(remote.place).drop_holder(&remote.has);
        for chunk in gone {
            self.give_up(peer, ours, chunk, now);
        }
        self.name(peer, theirs, None);
        self.take_up(peer);
        self.update_interest(peer);
    }
}

/// Messages about a transfer that may still come before the peer gets our Leave: a Have of each
/// chunk, its open requests, and its interest and choke.
fn strays(transfer: &Transfer) -> u64 {
    let chunks = u64::from(transfer.manifest.chunks());
    chunks.saturating_mul(2) + 2 * REQUESTS_MAX as u64 + 4
}

fn join(id: TransferId, transfer: &Transfer, reply: bool) -> Join {
    Join {
        content: transfer.content,
        transfer: id,
        have: transfer.had().clone(),
        reply,
    }
}
