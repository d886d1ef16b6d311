//! Fetching: in which contents the node is interested, and which peer gets the next request.
//!
//! `pick` chooses the chunk; `responses` handles what comes back.

use super::{Action, Node, Place};
use crate::id::{ChunkIndex, PeerId, TransferId};
use crate::message::Message;
use crate::misbehaviour::Misbehaviour;
use crate::peer::{AskedChunk, Peer, Remote};
use crate::time::{Span, Time};
use crate::transfer::{Missing, Pick, Transfer};
use crate::units::ByteCount;

/// A chunk by our names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) ours: TransferId,
    pub(super) place: Place,
    pub(super) chunk: ChunkIndex,
}

impl Node {
    /// For a report of open requests: how many chunks each peer was asked for, and whether that
    /// peer chokes us.
    pub fn waiting(&self) -> impl Iterator<Item = (PeerId, usize, bool)> {
        let peers = self.peers.iter().enumerate();
        peers.filter_map(|(at, peer)| {
            let peer = peer.as_ref().filter(|peer| !peer.asked.is_empty())?;
            Some((
                PeerId(u32::try_from(at).ok()?),
                peer.asked.len(),
                peer.chokes_us,
            ))
        })
    }

    /// Requests from `peer` as much as fits its pipeline, unless it is another peer's turn.
    pub(super) fn ask(&mut self, peer: PeerId, now: Time) {
        if self.paced.at().is_some() {
            return self.ask_in_turns(now);
        }
        while self.ask_one(peer, None, now).is_some() || self.relieve(peer, now).is_some() {}
    }

    /// A peer of whom we want something and ask for nothing takes over what stands in the queue
    /// of a slower one.
    pub(super) fn relieve(&mut self, peer: PeerId, now: Time) -> Option<()> {
        if !self.asking.moves {
            return None;
        }
        let state = self.peers.get_mut(peer.index())?.as_mut()?;
        if !state.may_be_asked() || !state.may_relieve(now) {
            return None;
        }
        let spared = self.left_to_others(peer, now);
        let (state, transfers, least) = (self.peer(peer)?, &self.transfers, self.asking.least);
        // What is on its way there and back stands in no queue.
        let waits = |other| {
            let away = self.peer(other).map_or(Span::ZERO, Peer::away);
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
        self.withdraw(other, id, chunk);
        let begun = self.transfers.at_mut(place).withdraw(other, chunk);
        self.discard(id, chunk, &begun);
        self.ask_one(peer, None, now)
    }

    /// Asks every peer for as much as fits its pipeline.
    pub(super) fn ask_everybody(&mut self, now: Time) {
        if self.missing == 0 {
            return;
        }
        self.ask_all(self.peer_ids(), now);
    }

    /// Asks `peer` for one chunk, of the content `only` if one is named.
    pub(super) fn ask_one(
        &mut self,
        peer: PeerId,
        only: Option<TransferId>,
        now: Time,
    ) -> Option<()> {
        let spared = self.left_to_others(peer, now);
        let guard = self.watch.guard;
        let held = self.held_for(peer);
        let apart = &self.watch.apart;
        let mixes = |one: PeerId| !apart.contains(&one);
        let state = self.peers.get_mut(peer.index())?.as_mut()?;
        if !state.may_be_asked() || !state.has_room() {
            return None;
        }
        let owed = guard.map(|guard| (guard, state.owed()));
        if !self.paced.admits(now) {
            return None;
        }
        let (picker, rng) = (self.picker.as_mut(), &mut self.pick_rng);
        let (transfers, memory) = (&mut self.transfers, &mut self.memory);
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
            self.actions.push_back(Action::Resume {
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
        self.actions.push_back(Action::Send { peer, message });
        Some(())
    }

    /// Whether `peer` is connected.
    #[must_use]
    pub fn is_connected(&self, peer: PeerId) -> bool {
        self.peer(peer).is_some()
    }

    /// Whether `peer` takes part in `transfer` too.
    #[must_use]
    pub fn takes_part(&self, peer: PeerId, transfer: TransferId) -> bool {
        let state = self.peer(peer);
        state.is_some_and(|state| state.remotes.iter().any(|remote| remote.ours == transfer))
    }

    /// Bytes of `transfer` that were asked of `peer` and are not whole here, and whether it
    /// chokes us.
    #[must_use]
    pub fn asked_of(&self, peer: PeerId, transfer: TransferId) -> (ByteCount, bool) {
        let state = self.peer(peer);
        let (Some(state), Some(content)) = (state, self.transfers.get(transfer)) else {
            return (ByteCount::ZERO, false);
        };
        let asked = state.asked.iter().filter(|ask| ask.transfer == transfer);
        let bytes = asked.map(|ask| content.manifest.len_of(ask.chunk)).sum();
        (bytes, state.chokes_us)
    }

    /// Bytes of `transfer` that `peer` has announced; `None` if it takes no part in it.
    #[must_use]
    pub fn has_of(&self, peer: PeerId, transfer: TransferId) -> Option<ByteCount> {
        let mut remotes = self.peer(peer)?.remotes.iter();
        let remote = remotes.find(|remote| remote.ours == transfer)?;
        let manifest = &self.transfers.at(remote.place).manifest;
        Some(manifest.bytes_of(&remote.has))
    }

    /// What is still to be fetched of `transfer`.
    #[must_use]
    pub fn missing(&self, transfer: TransferId) -> Missing {
        let transfer = self.transfers.get(transfer);
        transfer.map_or_else(Missing::default, Transfer::missing)
    }

    /// Tells `peer` whether we want something of it, if that changed.
    pub(super) fn update_interest(&mut self, peer: PeerId) {
        let Some(state) = self.peer_mut(peer) else {
            return;
        };
        let useful = state.is_useful();
        if state.we_are_interested != useful {
            state.we_are_interested = useful;
            self.send(
                peer,
                if useful {
                    Message::Interested
                } else {
                    Message::NotInterested
                },
            );
        }
    }

    /// The peer chokes us, or no longer. What it drops, it rejects by name.
    pub(super) fn choked(&mut self, peer: PeerId, chokes_us: bool, now: Time) {
        if let Some(state) = self.peer_mut(peer) {
            state.set_chokes_us(chokes_us, now);
        }
        self.ask(peer, now);
    }

    /// The peer has one more chunk.
    pub(super) fn have(
        &mut self,
        peer: PeerId,
        theirs: TransferId,
        chunk: u32,
        now: Time,
    ) -> Result<(), Misbehaviour> {
        let Some(Spot { ours, place, chunk }) = self.spot(peer, theirs, chunk)? else {
            return self.charge(peer, now);
        };
        let transfer = self.transfers.at_mut(place);
        let state = self.peers[peer.index()].as_mut().expect("spot found it");
        let remote = state.remotes.get_mut(ours).expect("spot found it");
        if !remote.has.insert(chunk) {
            return self.charge(peer, now);
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
                self.passes_on(giver, len, now);
            }
            return Ok(());
        }
        if useful == 1 {
            self.update_interest(peer);
        }
        let left = self.take_back(peer, (ours, place), chunk, now);
        self.ask(peer, now);
        if let Some(left) = left {
            self.ask(left, now);
        }
        Ok(())
    }

    /// `peer` now has a chunk that waits in another peer's queue: the chunk is wanted again, and
    /// will be requested from a peer with room. Returns the peer whose queue it was in.
    fn take_back(
        &mut self,
        peer: PeerId,
        (id, place): (TransferId, Place),
        chunk: ChunkIndex,
        now: Time,
    ) -> Option<PeerId> {
        let state = self.peer(peer)?;
        if !self.asking.moves || !state.may_be_asked() {
            return None;
        }
        let waited = Span::from_nanos(self.asking.least.as_nanos() / 2);
        let other = self.transfers.at(place).waiting_at(chunk, waited, now)?;
        if other == peer {
            return None;
        }
        self.withdraw(other, id, chunk);
        let begun = self.transfers.at_mut(place).withdraw(other, chunk);
        self.discard(id, chunk, &begun);
        Some(other)
    }

    /// The peer has a chunk no longer.
    pub(super) fn has_lost(
        &mut self,
        peer: PeerId,
        theirs: TransferId,
        chunk: u32,
    ) -> Result<(), Misbehaviour> {
        let Some(Spot { ours, place, chunk }) = self.spot(peer, theirs, chunk)? else {
            return Ok(());
        };
        let transfer = self.transfers.at_mut(place);
        let state = self.peers[peer.index()].as_mut().expect("spot found it");
        let remote = state.remotes.get_mut(ours).expect("spot found it");
        if remote.has.remove(chunk) {
            transfer.count_holder(chunk, false);
            remote.useful -= u32::from(transfer.lacks(chunk));
            self.update_interest(peer);
        }
        Ok(())
    }

    /// Our names for what the peer calls `theirs` and `chunk`; none if we take no part in it.
    pub(super) fn spot(
        &self,
        peer: PeerId,
        theirs: TransferId,
        chunk: u32,
    ) -> Result<Option<Spot>, Misbehaviour> {
        let known = self.peer(peer).and_then(|peer| peer.remotes.named(theirs));
        let Some(remote) = known else {
            return Ok(None);
        };
        let manifest = &self.transfers.at(remote.place).manifest;
        let chunk = manifest.index(chunk);
        Ok(Some(Spot {
            ours: remote.ours,
            place: remote.place,
            chunk: chunk.ok_or(Misbehaviour::ChunkOutOfRange)?,
        }))
    }
}
