//! Responses to requests: blocks, rejections and wrong chunks, and requests that are given up.

use super::fetch::Fetch;
use super::guard::PAST_MAX;
use super::io::Action;
use super::receive_budget::keep_within;
use super::swarm::{Spot, Swarm};
use crate::id::{ChunkIndex, PeerId, TransferId};
use crate::message::Message;
use crate::misbehaviour::Misbehaviour;
use crate::time::Time;
use crate::transfer::{Begun, Progress};
use crate::units::ByteCount;

impl Fetch {
    /// A part of a chunk came.
    pub(super) fn block(
        &mut self,
        swarm: &mut Swarm,
        peer: PeerId,
        (theirs, chunk): (TransferId, u32),
        offset: ByteCount,
        len: ByteCount,
        now: Time,
    ) -> Result<(), Misbehaviour> {
        let Some(Spot { ours, place, chunk }) = swarm.spot(peer, theirs, chunk)? else {
            return swarm.wasted(peer, len);
        };
        let late = swarm.peer(peer).is_some_and(|one| one.reputation.is_late());
        let transfer = swarm.transfers.at_mut(place);
        let (progress, vain) = transfer.block(peer, chunk, (offset, len), late)?;
        if vain > ByteCount::ZERO {
            swarm.wasted(peer, vain)?;
        }
        let state = swarm.peer_mut(peer).expect("spot found it");
        state.count_received(len, now);
        if progress != Progress::Late {
            state.answers((ours, chunk), len, now);
        }
        match progress {
            Progress::Partial => state.reputation.gives(len),
            Progress::Whole => {
                state.reputation.gives(len);
                state.finishes(ours, chunk, now);
                let begun = swarm.transfers.at(place).begun(peer, chunk);
                let parts = begun.map_or(Vec::new(), |begun| begun.parts.clone());
                swarm.actions.push_back(Action::Store {
                    transfer: ours,
                    chunk,
                    from: peer,
                    parts,
                });
            }
            Progress::Late => {
                if !swarm.transfers.at(place).awaits(peer, chunk) {
                    let from = peer;
                    swarm.actions.push_back(Action::Discard {
                        transfer: ours,
                        chunk,
                        from,
                    });
                }
                swarm.wasted(peer, len)?;
            }
        }
        Ok(())
    }

    /// The peer will not send what we asked for.
    pub(super) fn refused(
        &mut self,
        swarm: &mut Swarm,
        peer: PeerId,
        theirs: TransferId,
        chunk: u32,
        now: Time,
    ) -> Result<(), Misbehaviour> {
        let position = chunk;
        if let Some(Spot { ours, chunk, .. }) = swarm.spot(peer, theirs, chunk)? {
            // A peer that does not choke us rejects only chunks that it lacks. Without this it
            // would be asked again at once. It broke a promise unless it had taken that back
            // before.
            let state = swarm.peer_mut(peer).filter(|state| !state.chokes_us);
            let remote = state.and_then(|state| state.remotes.get_mut(ours));
            if let Some(claimed) = remote.map(|remote| remote.has.has(chunk)) {
                if claimed {
                    swarm.count_broken(peer, ours, chunk, now);
                }
                swarm.has_lost(peer, theirs, position)?;
            }
            self.give_up(swarm, peer, ours, chunk, now);
        }
        Ok(())
    }

    /// A chunk had the wrong hash. A peer that sent all of it is asked for nothing more. If several
    /// peers sent parts, any of them may be wrong: none is blamed, and each sends whole chunks from
    /// now on.
    pub(super) fn rejected(
        &mut self,
        swarm: &mut Swarm,
        id: TransferId,
        chunk: ChunkIndex,
        from: PeerId,
        now: Time,
    ) {
        let Some(transfer) = swarm.transfers.get_mut(id) else {
            return;
        };
        let senders = transfer.begun(from, chunk).map(Begun::senders);
        let senders = senders.unwrap_or_default();
        let several = senders.len() > 1;
        if several {
            transfer.was_wrong(chunk);
            self.keep_apart(senders);
        } else if let Some(state) = swarm.peer_mut(from) {
            state.reputation.sent_bad_hash = true;
        }
        let len = self.let_go(swarm, from, id, chunk);
        swarm.came_in_vain(from, len);
        self.ask_everybody(swarm, now);
        if !several {
            swarm.end(from, Misbehaviour::WrongHash);
        }
    }

    /// Each of these sent a part of a wrong chunk: none of them shares a chunk with other senders.
    /// It outlives the connection, as the reputation does.
    pub(super) fn keep_apart(&mut self, senders: Vec<PeerId>) {
        for peer in senders {
            if self.apart.len() == PAST_MAX {
                self.apart.pop_first();
            }
            self.apart.insert(peer);
        }
    }

    /// Closes a request that will not be answered further. The chunk is wanted again, and its
    /// first bytes are kept until another peer sends the rest.
    pub(super) fn give_up(
        &mut self,
        swarm: &mut Swarm,
        peer: PeerId,
        id: TransferId,
        chunk: ChunkIndex,
        now: Time,
    ) {
        let Some(transfer) = swarm.transfers.get_mut(id) else {
            return;
        };
        let begun = transfer.release(peer, chunk);
        self.forget(swarm, peer, (id, chunk), None);
        let Some(begun) = begun else {
            return;
        };
        self.keep(swarm, peer, id, (chunk, begun), now);
        self.ask_everybody(swarm, now);
    }

    /// Keeps the first bytes of a chunk that `peer` does not finish, if there is a place for them.
    pub(super) fn keep(
        &mut self,
        swarm: &mut Swarm,
        peer: PeerId,
        id: TransferId,
        (chunk, begun): (ChunkIndex, Begun),
        now: Time,
    ) {
        let Some(transfer) = swarm.transfers.get_mut(id) else {
            return;
        };
        let Some((gone, begun)) = transfer.keep(chunk, begun) else {
            return keep_within(swarm, id, peer);
        };
        let len = begun.received;
        if !transfer.keeps(gone)
            && let Some(state) = swarm.peer_mut(peer).filter(|_| gone == chunk)
        {
            state.reputation.loses(len, now);
        }
        swarm.discard(id, gone, &begun);
        swarm.came_in_vain(peer, len);
    }

    /// What `peer` was asked for is wanted again, from its beginning. Returns how much of it is
    /// lost.
    pub(super) fn let_go(
        &mut self,
        swarm: &mut Swarm,
        peer: PeerId,
        id: TransferId,
        chunk: ChunkIndex,
    ) -> ByteCount {
        let transfer = swarm.transfers.get_mut(id);
        let begun = transfer.and_then(|one| one.release(peer, chunk));
        self.forget(swarm, peer, (id, chunk), None);
        begun.map_or(ByteCount::ZERO, |begun| begun.received)
    }

    /// We no longer want what we asked `peer` for.
    pub(super) fn withdraw(
        &mut self,
        swarm: &mut Swarm,
        peer: PeerId,
        id: TransferId,
        chunk: ChunkIndex,
    ) {
        if swarm.peer(peer).is_some() {
            self.forget(swarm, peer, (id, chunk), None);
            swarm.send(
                peer,
                Message::Cancel {
                    transfer: id,
                    chunk: chunk.get(),
                },
            );
        }
    }

    /// `peer` owes us that chunk no longer, which it gave at the time that is said, or did not.
    pub(super) fn forget(
        &mut self,
        swarm: &mut Swarm,
        peer: PeerId,
        (id, chunk): (TransferId, ChunkIndex),
        answered: Option<Time>,
    ) {
        let state = swarm.peer_mut(peer);
        let Some(ask) = state.and_then(|state| state.forget(id, chunk, answered)) else {
            return;
        };
        self.asked -= 1;
        self.silence.may_change();
        self.paced.give_back(&ask);
    }
}
