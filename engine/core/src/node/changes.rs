//! Changes: what a peer, a content or a chunk that comes or goes means for fetching and serving.
//!
//! A peer is closed if its bitfield does not fit the content.
//!
//! Longer than other files: each of these events concerns both sides.

use super::Node;
use super::announce::{join, strays};
use super::io::{Action, Event};
use super::swarm::Spot;
use crate::id::{ChunkIndex, PeerId, TransferId};
use crate::message::{Join, Message};
use crate::misbehaviour::Misbehaviour;
use crate::peer::{AskedChunk, Peer, Remote};
use crate::time::Time;
use crate::transfer::Transfer;
use crate::units::Weight;

impl Node {
    pub(super) fn connected(&mut self, peer: PeerId, outbound: bool, now: Time) {
        if self.swarm.peers.len() <= peer.index() {
            self.swarm.peers.resize_with(peer.index() + 1, || None);
        }
        let mut state = Peer::new(self.pipeline, self.fetch.asking, now);
        self.timeouts.meets(peer, &mut state, now);
        self.serve.uplink.meet(peer, state.reputation.balance());
        self.swarm.peers[peer.index()] = Some(state);
        self.serve.welcome(&mut self.swarm, peer, now);
        let told = self.swarm.transfers.iter().filter(|(_, transfer)| {
            transfer
                .audience
                .map_or(outbound, |audience| audience == peer)
        });
        let told: Vec<TransferId> = told.map(|(id, _)| id).collect();
        for id in told {
            self.swarm.announce_transfer(peer, id, true, now);
        }
    }

    pub(super) fn disconnected(&mut self, peer: PeerId, now: Time) {
        let gone = self.swarm.peers.get_mut(peer.index());
        let Some(gone) = gone.and_then(Option::take) else {
            return;
        };
        self.serve.uplink.purge_peer(peer);
        self.fetch.asked -= gone.asked.len();
        self.serve.interested -= usize::from(gone.interested);
        self.serve.granted -= usize::from(gone.is_granted());
        let was_unchoked = !gone.choked;
        for remote in gone.remotes.iter() {
            self.swarm
                .transfers
                .at_mut(remote.place)
                .drop_holder(&remote.has);
        }
        self.timeouts.parts(peer, gone.reputation);
        for ask in &gone.asked {
            self.fetch.paced.give_back(ask);
            let transfer = self.swarm.transfers.get_mut(ask.transfer);
            let begun = transfer.and_then(|one| one.release(peer, ask.chunk));
            if let Some(begun) = begun {
                self.fetch
                    .keep(&mut self.swarm, peer, ask.transfer, (ask.chunk, begun), now);
            }
        }
        if !gone.asked.is_empty() {
            self.fetch.ask_everybody(&mut self.swarm, now);
        }
        // What was kept of it may leave room for what others had to wait with.
        for other in self.swarm.peer_ids() {
            self.swarm.take_up(other);
        }
        if self.serve.row(&self.swarm).reacts && was_unchoked {
            self.serve.decide(&mut self.swarm, false, now);
        }
        self.serve.fill_slots(&mut self.swarm, now);
    }

    pub(super) fn add(&mut self, id: TransferId, transfer: Transfer, now: Time) {
        let (content, audience) = (transfer.content, transfer.audience);
        self.swarm.missing += usize::from(!transfer.is_complete());
        self.swarm.contents.insert(content, id);
        let place = self.swarm.transfers.insert(id, transfer);
        for peer in self.swarm.peer_ids() {
            if audience.is_some_and(|audience| audience != peer) {
                continue;
            }
            let Some(state) = self.swarm.peer_mut(peer) else {
                continue;
            };
            let offer = state.take_offer(content);
            // Peers get our Haves only once we take part, so their bitfield may be old; a full one
            // cannot be.
            let is_complete = |offer: &Join| offer.have.is_full();
            let reply = !offer.as_ref().is_some_and(is_complete);
            if offer.is_some() {
                let message = join(id, self.swarm.transfers.at(place), reply);
                self.swarm.send(peer, Message::Join(Box::new(message)));
            } else {
                self.swarm.announce_transfer(peer, id, reply, now);
            }
            if let Some(offer) = offer {
                let done = self.joined(peer, offer, now);
                self.swarm.judge(peer, done);
            }
        }
    }

    /// Nothing more of a transfer is fetched. It is joined anew: what was asked of it, or waits for
    /// the disk, is of no use any more, and peers see what there is.
    pub(super) fn settle(&mut self, id: TransferId, now: Time) {
        let wants = self
            .swarm
            .transfers
            .get(id)
            .filter(|one| !one.is_complete());
        let Some(settled) = wants.map(Transfer::settled) else {
            return;
        };
        self.remove(id, now);
        self.add(id, settled, now);
    }

    pub(super) fn remove(&mut self, id: TransferId, now: Time) {
        let Some(transfer) = self.swarm.transfers.remove(id) else {
            return;
        };
        self.swarm.missing -= usize::from(!transfer.is_complete());
        self.swarm.contents.remove(&transfer.content);
        self.serve.uplink.purge_transfer(id);
        for (chunk, begun) in transfer.unfinished() {
            self.swarm.discard(id, chunk, begun);
            if let Some(peer) = begun.last() {
                self.swarm.came_in_vain(peer, begun.received);
            }
        }
        for peer in self.swarm.peer_ids() {
            let Some(state) = self.swarm.peers[peer.index()].as_mut() else {
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
            state.reputation.may_be_late(late.sum());
            state.reputation.may_stray(strays(&transfer));
            state.serving.retain(|serving| serving.transfer != id);
            self.fetch.asked -= gone.len();
            for ask in &gone {
                self.fetch.paced.give_back(ask);
            }
            self.swarm.send(peer, Message::Leave { transfer: id });
            self.swarm.name(peer, theirs, None);
            self.swarm.take_up(peer);
            self.swarm.update_interest(peer);
        }
        self.fetch.ask_everybody(&mut self.swarm, now);
    }

    pub(super) fn joined(
        &mut self,
        peer: PeerId,
        join: Join,
        now: Time,
    ) -> Result<(), Misbehaviour> {
        let known = self.swarm.contents.get(&join.content).copied();
        let Some(id) = known else {
            let state = self.swarm.peer_mut(peer).expect("checked by the caller");
            state.keep_offer(join);
            self.swarm.keep_fewer_offers(peer);
            return Ok(());
        };
        let place = self.swarm.transfers.place(id);
        let place = place.expect("the index names what is there");
        let transfer = self.swarm.transfers.at_mut(place);
        if transfer.audience.is_some_and(|audience| audience != peer) {
            return Ok(());
        }
        if join.have.len() != transfer.manifest.chunks() {
            return Err(Misbehaviour::BitfieldLength);
        }
        let has_place = self.swarm.has_place_for(peer, id);
        let transfer = self.swarm.transfers.at_mut(place);
        let known = self.swarm.peers[peer.index()]
            .as_mut()
            .expect("checked by the caller");
        if let Some(before) = known.remotes.get_mut(id) {
            transfer.drop_holder(&before.has);
        }
        let useful = transfer.count_useful(&join.have);
        let answer = join
            .reply
            .then(|| super::announce::join(id, transfer, false));
        let chunk = transfer.manifest.chunk();
        if !has_place {
            // The newest has to wait. Both sides forget that they met in it, so that neither asks
            // for what the other will not give.
            known.waiting.insert(id);
            known.reputation.may_stray(strays(transfer));
            self.swarm.send(peer, Message::Leave { transfer: id });
            return Ok(());
        }
        let before = known.remotes.get_mut(id).map(|before| before.theirs);
        let remote = Remote::new((id, place), join.transfer, join.have, (useful, chunk));
        known.set_remote(remote);
        let remote = known.remotes.get_mut(id).expect("it was set");
        transfer.add_holder(&remote.has);
        if before != Some(join.transfer) {
            if let Some(before) = before {
                self.swarm.name(peer, before, None);
            }
            self.swarm.name(peer, join.transfer, Some(id));
        }
        if let Some(answer) = answer {
            self.swarm.send(peer, Message::Join(Box::new(answer)));
        }
        self.swarm.update_interest(peer);
        self.fetch.ask(&mut self.swarm, peer, now);
        Ok(())
    }

    pub(super) fn left(&mut self, peer: PeerId, theirs: TransferId, now: Time) {
        let Some(state) = self.swarm.peer_mut(peer) else {
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
            self.serve.uplink.cancel(peer, ours, serving.chunk);
        }
        self.swarm
            .transfers
            .at_mut(remote.place)
            .drop_holder(&remote.has);
        for chunk in gone {
            self.fetch.give_up(&mut self.swarm, peer, ours, chunk, now);
        }
        self.swarm.name(peer, theirs, None);
        self.swarm.take_up(peer);
        self.swarm.update_interest(peer);
    }

    /// The peer has one more chunk.
    pub(super) fn have(
        &mut self,
        peer: PeerId,
        theirs: TransferId,
        chunk: u32,
        now: Time,
    ) -> Result<(), Misbehaviour> {
        let Some(Spot { ours, place, chunk }) = self.swarm.spot(peer, theirs, chunk)? else {
            return self.swarm.charge(peer, now);
        };
        let transfer = self.swarm.transfers.at_mut(place);
        let state = self.swarm.peers[peer.index()]
            .as_mut()
            .expect("spot found it");
        let remote = state.remotes.get_mut(ours).expect("spot found it");
        if !remote.has.insert(chunk) {
            return self.swarm.charge(peer, now);
        }
        let len = transfer.manifest.len_of(chunk);
        transfer.count_holder(chunk, true);
        let passed_on = transfer.appears(peer, chunk);
        let lacks = transfer.lacks(chunk);
        remote.useful += u32::from(lacks);
        let useful = remote.useful;
        state.count_announced(len);
        if !lacks {
            if let Some((giver, len)) = passed_on {
                self.serve.forwarded(&mut self.swarm, giver, len, now);
            }
            return Ok(());
        }
        if useful == 1 {
            self.swarm.update_interest(peer);
        }
        let left = self
            .fetch
            .take_back(&mut self.swarm, peer, (ours, place), chunk, now);
        self.fetch.ask(&mut self.swarm, peer, now);
        if let Some(left) = left {
            self.fetch.ask(&mut self.swarm, left, now);
        }
        Ok(())
    }

    /// A chunk is stored: announces it to the peers that lack it, and requests on.
    pub(super) fn stored(&mut self, id: TransferId, chunk: ChunkIndex, from: PeerId, now: Time) {
        let Some(transfer) = self.swarm.transfers.get_mut(id) else {
            return;
        };
        if transfer.had().has(chunk) {
            // Two sent it, and the other was faster: this one is owed nothing either.
            self.fetch
                .forget(&mut self.swarm, from, (id, chunk), Some(now));
            return self.fetch.ask(&mut self.swarm, from, now);
        }
        self.serve.credit(&mut self.swarm, id, chunk, from, now);
        let Some(transfer) = self.swarm.transfers.get_mut(id) else {
            return;
        };
        // A chunk of a settled transfer may still be on its way to the disk: it is not needed.
        let wanted = transfer.lacks(chunk);
        let (others, kept) = transfer.stored(chunk, now);
        let complete = wanted && transfer.is_complete();
        for (peer, ..) in &others {
            self.fetch.withdraw(&mut self.swarm, *peer, id, chunk);
        }
        let kept = kept.map(|begun| (from, begun.received, begun));
        for (peer, len, begun) in others.into_iter().chain(kept) {
            self.swarm.discard(id, chunk, &begun);
            self.swarm.came_in_vain(peer, len);
        }
        self.fetch
            .forget(&mut self.swarm, from, (id, chunk), Some(now));
        let watches = self.serve.watches_forwarding();
        for peer in self.swarm.peer_ids() {
            self.swarm.announce(peer, (id, chunk), wanted, watches);
        }
        if complete {
            self.swarm.missing -= 1;
            self.swarm
                .actions
                .push_back(Action::Notify(Event::Complete(id)));
            if self.swarm.missing == 0 {
                // Weights and budgets are of the rule that ends here.
                for peer in self.swarm.peer_ids() {
                    self.serve.uplink.grant(peer, Weight::ONE, None);
                }
                self.round(now);
            }
        }
        self.fetch.ask_in_turn(&mut self.swarm, from, now);
    }

    /// A chunk that we had is gone: take it back from everybody, and fetch it `again` or not.
    pub(super) fn lost(&mut self, id: TransferId, chunk: ChunkIndex, again: bool, now: Time) {
        let Some(transfer) = self.swarm.transfers.get_mut(id) else {
            return;
        };
        if !transfer.had().has(chunk) {
            // It came whole, and is not stored after all.
            for peer in transfer.whole_of(chunk) {
                let len = self.fetch.let_go(&mut self.swarm, peer, id, chunk);
                self.swarm.came_in_vain(peer, len);
            }
            return self.fetch.ask_everybody(&mut self.swarm, now);
        }
        // Two may have sent it, and what the slower one sent never came to the disk.
        for peer in self.swarm.peer_ids() {
            self.fetch
                .forget(&mut self.swarm, peer, (id, chunk), Some(now));
        }
        let transfer = self.swarm.transfers.get_mut(id).expect("looked up above");
        self.swarm.missing += usize::from(again && transfer.is_complete());
        transfer.lost(chunk, again);
        for peer in self.swarm.peer_ids() {
            let state = self.swarm.peers[peer.index()].as_mut();
            let Some(remote) = state.and_then(|state| state.remotes.get_mut(id)) else {
                continue;
            };
            remote.useful += u32::from(again && remote.has.has(chunk));
            let (transfer, position) = (id, chunk.get());
            let lost = Message::Lost {
                transfer,
                chunk: position,
            };
            self.swarm.send(peer, lost);
            // What waits of it in the uplink could not be read either.
            self.serve.stop_serving(&mut self.swarm, peer, |serving| {
                (serving.transfer, serving.chunk) == (id, chunk)
            });
            self.swarm.update_interest(peer);
        }
        self.fetch.ask_everybody(&mut self.swarm, now);
    }
}
