//! Fetching: which peer gets the next request, and when.
//!
//! `pick` chooses the chunk; `responses` handles what comes back, `silence` what does not.

use std::collections::BTreeSet;

use super::io::{Action, Asking};
use super::paced::Paced;
use super::receive_budget::Memory;
use super::silence::Silence;
use super::swarm::Swarm;
use super::transfers::Place;
use crate::id::{ChunkIndex, PeerId, TransferId};
use crate::message::Message;
use crate::peer::{AskedChunk, Peer, Remote};
use crate::pick::Picker;
use crate::rng::Rng;
use crate::time::{Span, Time};
use crate::transfer::Pick;
use crate::units::ByteCount;

/// What is requested, of whom, and what holds requests back.
#[derive(Debug)]
pub(super) struct Fetch {
    /// Open requests.
    pub(super) asked: usize,
    pub(super) silence: Silence,
    pub(super) picker: Box<dyn Picker>,
    pub(super) pick_rng: Rng,
    pub(super) paced: Paced,
    pub(super) asking: Asking,
    pub(super) memory: Memory,
    /// The senders of parts of a wrong chunk: none of these shares a chunk with other senders.
    pub(super) apart: BTreeSet<PeerId>,
}

impl Fetch {
    /// Requests from `peer` as much as fits its pipeline, unless it is another peer's turn.
    pub(super) fn ask(&mut self, swarm: &mut Swarm, peer: PeerId, now: Time) {
        if self.paced.at().is_some() {
            return self.ask_in_turns(swarm, now);
        }
        while self.ask_one(swarm, peer, None, now).is_some()
            || self.relieve(swarm, peer, now).is_some()
        {}
    }

    /// A peer of whom we want something and ask for nothing takes over what stands in the queue
    /// of a slower one.
    pub(super) fn relieve(&mut self, swarm: &mut Swarm, peer: PeerId, now: Time) -> Option<()> {
        if !self.asking.moves {
            return None;
        }
        let state = swarm.peers.get_mut(peer.index())?.as_mut()?;
        if !state.may_be_asked() || !state.may_relieve(now) {
            return None;
        }
        let spared = swarm.left_to_others(peer, now);
        let (state, transfers, least) = (swarm.peer(peer)?, &swarm.transfers, self.asking.least);
        // What is on its way there and back stands in no queue.
        let waits = |other| {
            let away = swarm.peer(other).map_or(Span::ZERO, Peer::away);
            Span::from_nanos(least.as_nanos().saturating_add(away.as_nanos()))
        };
        let open = |remote: &&Remote| remote.useful > 0 && !spared.contains(&remote.ours);
        let stuck = |remote: &Remote| {
            let transfer = transfers.at(remote.place);
            let (chunk, other) = transfer.stuck(peer, &remote.has, waits, now)?;
            Some((remote.ours, remote.place, chunk, other))
        };
        let found = state.remotes.iter().filter(open).find_map(stuck);
        let (id, place, chunk, other) = found?;
        self.withdraw(swarm, other, id, chunk);
        let begun = swarm.transfers.at_mut(place).withdraw(other, chunk);
        swarm.discard(id, chunk, &begun);
        self.ask_one(swarm, peer, None, now)
    }

    /// Asks every peer for as much as fits its pipeline.
    pub(super) fn ask_everybody(&mut self, swarm: &mut Swarm, now: Time) {
        if swarm.missing == 0 {
            return;
        }
        let everybody = swarm.peer_ids();
        self.ask_all(swarm, everybody, now);
    }

    /// Asks `peer` for one chunk, of the content `only` if one is named.
    pub(super) fn ask_one(
        &mut self,
        swarm: &mut Swarm,
        peer: PeerId,
        only: Option<TransferId>,
        now: Time,
    ) -> Option<()> {
        let spared = swarm.left_to_others(peer, now);
        let guard = swarm.guard;
        let held = self.memory.held_for(swarm, peer);
        let apart = &self.apart;
        let mixes = |one: PeerId| !apart.contains(&one);
        let state = swarm.peers.get_mut(peer.index())?.as_mut()?;
        if !state.may_be_asked() || !state.has_room() {
            return None;
        }
        let owed = guard.map(|guard| (guard, state.owed()));
        if !self.paced.admits(now) {
            return None;
        }
        let (picker, rng) = (self.picker.as_mut(), &mut self.pick_rng);
        let (transfers, memory) = (&mut swarm.transfers, &mut self.memory);
        let turn = state.last_asked.filter(|_| memory.pressed);
        let choose = |remote: &Remote| {
            let transfer = transfers.at_mut(remote.place);
            let largest = transfer.manifest.chunk();
            if !memory.admits(held, remote, largest) {
                return None;
            }
            // More would be refused by a peer that keeps to the same limit.
            if owed.is_some_and(|(guard, owed)| guard.is_too_much(owed, largest)) {
                return None;
            }
            let pick = transfer.ask((peer, &remote.has), mixes, (picker, rng), now)?;
            let rest = transfer.manifest.len_of(pick.chunk) - pick.offset;
            Some((remote.ours, remote.place, pick, rest))
        };
        let open = |remote: &&Remote| {
            let named = only.is_none_or(|only| remote.ours == only);
            named && remote.has_room() && !spared.contains(&remote.ours)
        };
        let found = state.remotes.after(turn).filter(open).find_map(choose);
        let (transfer, place, Pick { chunk, offset, of }, len) = found?;
        if let Some(remote) = state.remotes.get_mut(transfer) {
            let turns = (&mut transfers.at_mut(place).turns, &mut remote.turns);
            self.paced.spend(turns, len, now);
        }
        state.ask(AskedChunk {
            transfer,
            chunk,
            len,
            came: ByteCount::ZERO,
            at: now,
            whole: false,
        });
        self.asked += 1;
        self.silence.may_change();
        if let Some(of) = of {
            swarm.actions.push_back(Action::Resume {
                peer,
                transfer,
                chunk,
                of,
            });
        }
        let message = Message::Request {
            transfer,
            chunk: chunk.get(),
            offset,
        };
        swarm.actions.push_back(Action::Send { peer, message });
        Some(())
    }

    /// The peer chokes us, or no longer. What it drops, it rejects by name.
    pub(super) fn choked(&mut self, swarm: &mut Swarm, peer: PeerId, chokes_us: bool, now: Time) {
        if let Some(state) = swarm.peer_mut(peer) {
            state.set_chokes_us(chokes_us, now);
        }
        self.ask(swarm, peer, now);
    }

    /// `peer` now has a chunk that waits in another peer's queue: the chunk is wanted again, and
    /// will be requested from a peer with room. Returns the peer whose queue it was in.
    pub(super) fn take_back(
        &mut self,
        swarm: &mut Swarm,
        peer: PeerId,
        (id, place): (TransferId, Place),
        chunk: ChunkIndex,
        now: Time,
    ) -> Option<PeerId> {
        let state = swarm.peer(peer)?;
        if !self.asking.moves || !state.may_be_asked() {
            return None;
        }
        let waited = Span::from_nanos(self.asking.least.as_nanos() / 2);
        let other = swarm.transfers.at(place).waiting_at(chunk, waited, now)?;
        if other == peer {
            return None;
        }
        self.withdraw(swarm, other, id, chunk);
        let begun = swarm.transfers.at_mut(place).withdraw(other, chunk);
        swarm.discard(id, chunk, &begun);
        Some(other)
    }

    /// Sends waiting requests, in turns, as far as the cap admits them.
    pub(super) fn ask_in_turns(&mut self, swarm: &mut Swarm, now: Time) {
        loop {
            if !self.paced.admits(now) {
                return;
            }
            self.memory.look();
            let turns = self.paced.order(swarm);
            let mut asked = turns.into_iter();
            if !asked.any(|(_, peer, id)| self.ask_one(swarm, peer, Some(id), now).is_some()) {
                break;
            }
        }
        // No request waits: each peer has a full pipeline, or nothing more to send.
        self.memory.looked();
        for peer in swarm.peer_ids() {
            while self.relieve(swarm, peer, now).is_some() {}
        }
    }

    /// A chunk that `peer` sent takes no memory any more. Pairs that waited come before it.
    pub(super) fn ask_in_turn(&mut self, swarm: &mut Swarm, peer: PeerId, now: Time) {
        if !self.memory.pressed {
            return self.ask(swarm, peer, now);
        }
        let behind = move |other: &PeerId| *other > peer;
        let before = swarm.peer_ids().filter(move |other| !behind(other));
        let turns = swarm.peer_ids().filter(behind).chain(before);
        self.ask_all(swarm, turns, now);
    }

    /// Requests from all of them, in this order, and finds out whether a pair still waits.
    pub(super) fn ask_all(
        &mut self,
        swarm: &mut Swarm,
        peers: impl Iterator<Item = PeerId>,
        now: Time,
    ) {
        self.memory.look();
        for peer in peers {
            if self.paced.at().is_some() {
                return self.ask_in_turns(swarm, now);
            }
            self.ask(swarm, peer, now);
        }
        self.memory.looked();
    }
}
