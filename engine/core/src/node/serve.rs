//! Serving: which requests reach the uplink.
//!
//! What follows from a choke, a request and a block that has left; `rounds` asks the choker whom to
//! serve, `uplink` decides whose turn it is.

use super::rounds::Rounds;
use super::swarm::{Spot, Swarm};
use super::transfers::Place;
use crate::choke::{Choker, ChokerRow};
use crate::id::{PeerId, TransferId};
use crate::message::Message;
use crate::misbehaviour::Misbehaviour;
use crate::peer::{Peer, Serving};
use crate::rng::Rng;
use crate::time::Time;
use crate::transfer::Transfer;
use crate::units::{ByteCount, Weight};
use crate::uplink::{Block, Request, Uplink};

/// Whom we serve, and the uplink that serves them.
#[derive(Debug)]
pub(super) struct Serve {
    pub(super) uplink: Uplink,
    /// Peers that want something of ours, and those of them that are served.
    pub(super) interested: usize,
    pub(super) granted: usize,
    pub(super) unchoke: (&'static ChokerRow, Box<dyn Choker>),
    pub(super) seed_rule: (&'static ChokerRow, Box<dyn Choker>),
    pub(super) choke_rng: Rng,
    pub(super) slots: usize,
    pub(super) rounds: Rounds,
}

impl Serve {
    /// Chokes or unchokes a peer and tells it. A choke drops the requests that wait. If the choker
    /// rewards with slots, it also drops the rest of a chunk that was begun: the receiver requests
    /// it from another peer, and the next slot holder gets the uplink at once. A seed still sends
    /// the rest of a chunk that no other peer has, because nobody else could finish it.
    pub(super) fn set_choked(&mut self, swarm: &mut Swarm, peer: PeerId, choke: bool, now: Time) {
        let Some(state) = swarm.peer_mut(peer).filter(|state| state.choked != choke) else {
            return;
        };
        state.set_choked(choke, now);
        let interested = state.interested;
        if choke {
            self.granted -= usize::from(interested);
        } else {
            self.granted += usize::from(interested);
        }
        swarm.send(
            peer,
            if choke {
                Message::Choke
            } else {
                Message::Unchoke
            },
        );
        if choke {
            self.uplink.grant(peer, Weight::ONE, None);
            let is_seed = swarm.missing == 0;
            let finishes = self.row(swarm).finishes;
            let transfers = &swarm.transfers;
            let is_out = |serving: &Serving| {
                let transfer = transfers.get(serving.transfer);
                transfer.is_none_or(|one| one.is_out(serving.chunk))
            };
            let ends = |serving: &Serving| finishes || (is_seed && !is_out(serving));
            let drops = |serving: &Serving| !(serving.started && ends(serving));
            let state = swarm.peers[peer.index()].as_mut().expect("looked up above");
            let dropped: Vec<Serving> = state
                .serving
                .extract_if(.., |serving| drops(serving))
                .collect();
            self.refuse_rest(swarm, peer, dropped);
        }
    }

    /// Drops those requests of a peer that `drops` selects.
    pub(super) fn stop_serving(
        &mut self,
        swarm: &mut Swarm,
        peer: PeerId,
        drops: impl Fn(&Serving) -> bool,
    ) {
        let Some(state) = swarm.peer_mut(peer) else {
            return;
        };
        let dropped = state.serving.extract_if(.., |serving| drops(serving));
        let dropped = dropped.collect();
        self.refuse_rest(swarm, peer, dropped);
    }

    fn refuse_rest(&mut self, swarm: &mut Swarm, peer: PeerId, dropped: Vec<Serving>) {
        for serving in dropped {
            self.uplink.cancel(peer, serving.transfer, serving.chunk);
            let (transfer, chunk) = (serving.transfer, serving.chunk.get());
            swarm.send(peer, Message::Reject { transfer, chunk });
        }
    }

    /// A peer asks for a chunk.
    pub(super) fn requested(
        &mut self,
        swarm: &mut Swarm,
        peer: PeerId,
        theirs: TransferId,
        (position, offset): (u32, ByteCount),
        now: Time,
    ) -> Result<(), Misbehaviour> {
        let Some(Spot { ours, place, chunk }) = swarm.spot(peer, theirs, position)? else {
            // We have left it, and our Leave crossed the request: it answers all open requests.
            return swarm.charge(peer, now);
        };
        let transfer = swarm.transfers.at(place);
        let len = transfer.manifest.len_of(chunk);
        if offset >= len {
            return Err(Misbehaviour::BlockLength);
        }
        let len = len - offset;
        let too_much = self.is_too_much(swarm, peer, len);
        let state = swarm.peers[peer.index()].as_mut().expect("spot found it");
        let again = state
            .serving
            .iter()
            .any(|serving| serving.transfer == ours && serving.chunk == chunk);
        if again {
            return swarm.charge(peer, now);
        }
        let remote = state.remotes.get_mut(ours).expect("spot found it");
        let request = Request {
            peer,
            transfer: ours,
            chunk,
            offset,
            len,
            remaining: transfer.lacking(&remote.has, remote.sent).max(len),
        };
        let refused = state.choked
            || too_much
            || !transfer.had().has(chunk)
            || self.uplink.request(request, now).is_err();
        if refused {
            // A peer that is rejected without a choke assumes that we lack the chunk. If it only
            // had too many requests, the next pass over peers announces the chunk again.
            if !state.choked && transfer.had().has(chunk) {
                state.refuse_for_now(ours, chunk);
            }
            let (transfer, chunk) = (ours, position);
            swarm.send(peer, Message::Reject { transfer, chunk });
            return swarm.charge(peer, now);
        }
        state.serving.push(Serving {
            transfer: ours,
            chunk,
            started: false,
        });
        if !transfer.is_out(chunk) {
            self.postpone_copies(swarm, peer, (ours, place));
        }
        Ok(())
    }

    /// Whether one more request of `len` bytes is more than `peer` may have waiting.
    pub(super) fn is_too_much(&self, swarm: &Swarm, peer: PeerId, len: ByteCount) -> bool {
        let queued = self.uplink.queued(peer);
        swarm
            .guard
            .is_some_and(|guard| guard.is_too_much(queued, len))
    }

    /// A peer no longer wants a chunk. Blocks that are on their way stay so.
    pub(super) fn cancelled(
        &mut self,
        swarm: &mut Swarm,
        peer: PeerId,
        theirs: TransferId,
        chunk: u32,
    ) -> Result<(), Misbehaviour> {
        if let Some(Spot { ours, chunk, .. }) = swarm.spot(peer, theirs, chunk)? {
            self.uplink.cancel(peer, ours, chunk);
            let state = swarm.peer_mut(peer).expect("spot found it");
            state
                .serving
                .retain(|serving| serving.transfer != ours || serving.chunk != chunk);
        }
        Ok(())
    }

    /// The uplink has given a block its turn.
    pub(super) fn started(&mut self, swarm: &mut Swarm, block: Block, now: Time) {
        self.postpone_second(swarm, block);
        self.forwards(swarm, block);
        let Some(state) = swarm.peer_mut(block.peer) else {
            return;
        };
        state.liveness.gives(block.len, now);
        state.reputation.is_issued(block.len);
        if let Some(remote) = state.remotes.get_mut(block.transfer) {
            remote.sent += block.len;
        }
        let same =
            |serving: &Serving| serving.transfer == block.transfer && serving.chunk == block.chunk;
        if block.last {
            state.serving.retain(|serving| !same(serving));
            // Forwarding is watched only where the choker uses it: only there are all chunks
            // announced to every peer.
            let transfer = swarm.transfers.get_mut(block.transfer);
            let transfer = transfer.filter(|_| self.watches_forwarding());
            let given = transfer.and_then(|one| one.gives(block.peer, block.chunk));
            if let Some(given) = given.filter(|_| self.is_shared(swarm, block)) {
                let state = swarm.peers[block.peer.index()]
                    .as_mut()
                    .expect("it was there");
                let before = state.reputation.free_rides();
                state.reputation.is_given(given);
                if !before && self.free_rides(swarm, block.peer) {
                    self.found_free_rider(swarm, block.peer, now);
                }
                self.weigh(swarm, block.peer);
            }
        } else if let Some(serving) = state.serving.iter_mut().find(|serving| same(serving)) {
            serving.started = true;
        }
    }

    /// Chunks that only we have go first: in the queue of `peer`, those that others have wait for
    /// them.
    fn postpone_copies(
        &mut self,
        swarm: &mut Swarm,
        peer: PeerId,
        (id, place): (TransferId, Place),
    ) {
        let transfer = swarm.transfers.at(place);
        let Some(state) = swarm.peers.get(peer.index()).and_then(Option::as_ref) else {
            return;
        };
        let waits = |one: &&Serving| one.transfer == id && !one.started;
        for serving in state.serving.iter().filter(waits) {
            if transfer.is_out(serving.chunk) {
                self.uplink.postpone(peer, id, serving.chunk);
            }
        }
    }

    /// The first copy of a chunk begins to leave: other requesters can soon have it from that peer.
    fn postpone_second(&mut self, swarm: &mut Swarm, block: Block) {
        let is_first = |transfer: &Transfer| !transfer.is_out(block.chunk);
        let begins = block.offset == ByteCount::ZERO;
        if !begins || !swarm.transfers.get(block.transfer).is_some_and(is_first) {
            return;
        }
        for other in swarm.peer_ids().filter(|other| *other != block.peer) {
            self.uplink.postpone(other, block.transfer, block.chunk);
        }
    }

    /// Whether a peer forwards hardly anything of what only it was given. A peer with a floor is
    /// served whatever it does.
    pub(super) fn free_rides(&self, swarm: &Swarm, peer: PeerId) -> bool {
        let state = swarm.peer(peer);
        state.is_some_and(|state| state.reputation.free_rides()) && !self.uplink.has_floor(peer)
    }

    /// Whether another peer takes part in the content of a block.
    fn is_shared(&self, swarm: &Swarm, block: Block) -> bool {
        let takes_part = |(at, peer): (usize, &Option<Peer>)| {
            let peer = peer.as_ref().filter(|_| at != block.peer.index());
            peer.is_some_and(|peer| peer.remotes.has(block.transfer))
        };
        swarm.peers.iter().enumerate().any(takes_part)
    }

    /// `peer` has become a free rider. Where that counts and others are served, it is choked at
    /// once and not at the end of the round.
    fn found_free_rider(&mut self, swarm: &mut Swarm, peer: PeerId, now: Time) {
        if !self.row(swarm).watches {
            return;
        }
        if self.others_wait(swarm) {
            self.set_choked(swarm, peer, true, now);
        } else {
            // It may have been the last peer that forwarded anything.
            self.serve_free_riders(swarm, now);
        }
    }

    /// A chunk that only `peer` got from us was announced by another peer. It is served again if it
    /// was not; once it forwards chunks again, free riders are choked.
    pub(super) fn forwarded(&mut self, swarm: &mut Swarm, peer: PeerId, len: ByteCount, now: Time) {
        let free_rode = self.free_rides(swarm, peer);
        let Some(state) = swarm.peer_mut(peer) else {
            return;
        };
        let forwarded = state.reputation.forwards();
        state.reputation.forwarded(len);
        let begins = !forwarded && state.reputation.forwards() && state.interested;
        if !self.row(swarm).watches {
            return;
        }
        self.weigh(swarm, peer);
        if free_rode && !self.free_rides(swarm, peer) {
            self.set_choked(swarm, peer, false, now);
        }
        if begins {
            for other in swarm.peer_ids() {
                if self.free_rides(swarm, other) {
                    self.set_choked(swarm, other, true, now);
                }
            }
        }
    }

    /// What `peer` holds of what we alone gave it has changed: so may its weight.
    fn weigh(&mut self, swarm: &Swarm, peer: PeerId) {
        let state = swarm.peer(peer).filter(|state| !state.choked);
        if let Some(state) = state.filter(|_| self.row(swarm).watches) {
            let held = self.unforwarded(state, peer, forwarders_that_wait(swarm));
            if let Some(weight) = self.rule(swarm).1.weigh(held) {
                self.uplink.grant(peer, weight, None);
            }
        }
    }

    /// What a choker hears as [`Candidate::unforwarded`], where `waiting` peers that forward
    /// chunks want something.
    ///
    /// [`Candidate::unforwarded`]: crate::choke::Candidate::unforwarded
    pub(super) fn unforwarded(&self, state: &Peer, peer: PeerId, waiting: usize) -> ByteCount {
        let others = waiting > usize::from(forwards_and_waits(state));
        match others && !self.uplink.has_floor(peer) {
            true => state.reputation.unforwarded(),
            false => ByteCount::ZERO,
        }
    }

    /// Free riders are served if no other peer wants anything.
    pub(super) fn serve_free_riders(&mut self, swarm: &mut Swarm, now: Time) {
        if self.interested == self.granted || self.others_wait(swarm) {
            return;
        }
        for peer in swarm.peer_ids() {
            self.set_choked(swarm, peer, false, now);
        }
    }

    /// Whether a peer that forwards chunks wants something.
    fn others_wait(&self, swarm: &Swarm) -> bool {
        swarm.peers.iter().flatten().any(forwards_and_waits)
    }

    /// The last byte of a block has left.
    pub(super) fn sent(&mut self, swarm: &mut Swarm, peer: PeerId, len: ByteCount, now: Time) {
        self.uplink.sent(peer, len, now);
        if let Some(state) = swarm.peer_mut(peer) {
            state.count_sent(len);
            state.liveness.takes(len, now);
        }
    }
}

/// Whether a peer that forwards chunks wants something.
const fn forwards_and_waits(peer: &Peer) -> bool {
    peer.interested && peer.reputation.forwards()
}

/// How many such peers there are.
pub(super) fn forwarders_that_wait(swarm: &Swarm) -> usize {
    let peers = swarm.peers.iter().flatten();
    peers.filter(|peer| forwards_and_waits(peer)).count()
}
