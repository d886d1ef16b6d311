//! Responses to requests: blocks, rejections, stored and wrong chunks.

use super::fetch::Spot;
use super::{Action, Event, Node};
use crate::id::{ChunkIndex, PeerId, TransferId};
use crate::message::Message;
use crate::misbehaviour::Misbehaviour;
use crate::time::Time;
use crate::transfer::{Begun, Progress};
use crate::units::{ByteCount, Weight};

impl Node {
    /// A part of a chunk came.
    pub(super) fn block(
        &mut self,
        peer: PeerId,
        (theirs, chunk): (TransferId, u32),
        offset: ByteCount,
        len: ByteCount,
        now: Time,
    ) -> Result<(), Misbehaviour> {
        let Some(Spot { ours, place, chunk }) = self.spot(peer, theirs, chunk)? else {
            return self.wasted(peer, len);
        };
        let late = self.peer(peer).is_some_and(|one| one.conduct.is_late());
        let transfer = self.transfers.at_mut(place);
        let (progress, vain) = transfer.block(peer, chunk, (offset, len), late)?;
        if vain > ByteCount::ZERO {
            self.wasted(peer, vain)?;
        }
        let state = self.peer_mut(peer).expect("spot found it");
        state.count_received(len, now);
        if progress != Progress::Late {
            state.answers((ours, chunk), len, now);
        }
        match progress {
            Progress::Partial => state.conduct.gives(len),
            Progress::Whole => {
                state.conduct.gives(len);
                state.finishes(ours, chunk, now);
                let begun = self.transfers.at(place).begun(peer, chunk);
                let parts = begun.map_or(Vec::new(), |begun| begun.parts.clone());
                self.actions.push_back(Action::Store {
                    transfer: ours,
                    chunk,
                    from: peer,
                    parts,
                });
            }
            Progress::Late => {
                if !self.transfers.at(place).awaits(peer, chunk) {
                    let from = peer;
                    self.actions.push_back(Action::Discard {
                        transfer: ours,
                        chunk,
                        from,
                    });
                }
                self.wasted(peer, len)?;
            }
        }
        Ok(())
    }

    /// A chunk is stored: announces it to the peers that lack it, and requests on.
    pub(super) fn stored(&mut self, id: TransferId, chunk: ChunkIndex, from: PeerId, now: Time) {
        let Some(transfer) = self.transfers.get_mut(id) else {
            return;
        };
        if transfer.had().has(chunk) {
            // Two sent it, and the other was faster: this one is owed nothing either.
            self.forget(from, (id, chunk), Some(now));
            return self.ask(from, now);
        }
        self.credit(id, chunk, from, now);
        let Some(transfer) = self.transfers.get_mut(id) else {
            return;
        };
        // A chunk of a settled transfer may still be on its way to the disk: it is not needed.
        let wanted = transfer.lacks(chunk);
        let (others, kept) = transfer.stored(chunk, now);
        let complete = wanted && transfer.is_complete();
        for (peer, ..) in &others {
            self.withdraw(*peer, id, chunk);
        }
        let kept = kept.map(|begun| (from, begun.received, begun));
        for (peer, len, begun) in others.into_iter().chain(kept) {
            self.discard(id, chunk, &begun);
            self.came_in_vain(peer, len);
        }
        self.forget(from, (id, chunk), Some(now));
        for peer in self.peer_ids() {
            self.announce(peer, id, chunk, wanted);
        }
        if complete {
            self.missing -= 1;
            self.actions.push_back(Action::Notify(Event::Complete(id)));
            if self.missing == 0 {
                // Weights and budgets are of the rule that ends here.
                for peer in self.peer_ids() {
                    self.uplink.grant(peer, Weight::ONE, None);
                }
                self.round(now);
            }
        }
        self.ask_in_turn(from, now);
    }

    /// Announces `chunk` to one peer, if it lacks it or watches which peers forward chunks. One
    /// that we `wanted` is no longer a reason to be interested.
    fn announce(&mut self, peer: PeerId, id: TransferId, chunk: ChunkIndex, wanted: bool) {
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
        if lacks || self.seed_rule.0.watches {
            self.send(
                peer,
                Message::Have {
                    transfer: id,
                    chunk: chunk.get(),
                },
            );
        }
    }

    /// A chunk that we had is gone: take it back from everybody, and fetch it `again` or not.
    pub(super) fn lost(&mut self, id: TransferId, chunk: ChunkIndex, again: bool, now: Time) {
        let Some(transfer) = self.transfers.get_mut(id) else {
            return;
        };
        if !transfer.had().has(chunk) {
            // It came whole, and is not stored after all.
            for peer in transfer.whole_of(chunk) {
                let len = self.let_go(peer, id, chunk);
                self.came_in_vain(peer, len);
            }
            return self.ask_everybody(now);
        }
        // Two may have sent it, and what the slower one sent never came to the disk.
        for peer in self.peer_ids() {
            self.forget(peer, (id, chunk), Some(now));
        }
        let transfer = self.transfers.get_mut(id).expect("looked up above");
        self.missing += usize::from(again && transfer.is_complete());
        transfer.lost(chunk, again);
        for peer in self.peer_ids() {
            let state = self.peers[peer.index()].as_mut();
            let Some(remote) = state.and_then(|state| state.remotes.get_mut(id)) else {
                continue;
            };
            remote.useful += u32::from(again && remote.has.has(chunk));
            let (transfer, position) = (id, chunk.get());
            let lost = Message::Lost {
                transfer,
                chunk: position,
            };
            self.send(peer, lost);
            // What waits of it in the uplink could not be read either.
            self.stop_serving(peer, |serving| {
                (serving.transfer, serving.chunk) == (id, chunk)
            });
            self.update_interest(peer);
        }
        self.ask_everybody(now);
    }

    /// The peer will not send what we asked for.
    pub(super) fn refused(
        &mut self,
        peer: PeerId,
        theirs: TransferId,
        chunk: u32,
        now: Time,
    ) -> Result<(), Misbehaviour> {
        let position = chunk;
        if let Some(Spot { ours, chunk, .. }) = self.spot(peer, theirs, chunk)? {
            // A peer that does not choke us rejects only chunks that it lacks. Without this it
            // would be asked again at once. It broke a promise unless it had taken that back
            // before.
            let state = self.peer_mut(peer).filter(|state| !state.chokes_us);
            let remote = state.and_then(|state| state.remotes.get_mut(ours));
            if let Some(claimed) = remote.map(|remote| remote.has.has(chunk)) {
                if claimed {
                    self.count_broken(peer, ours, chunk, now);
                }
                self.has_lost(peer, theirs, position)?;
            }
            self.give_up(peer, ours, chunk, now);
        }
        Ok(())
    }

    /// A chunk had the wrong hash. A peer that sent all of it is asked for nothing more. If several
    /// peers sent parts, any of them may be wrong: none is blamed, and each sends whole chunks from
    /// now on.
    pub(super) fn rejected(&mut self, id: TransferId, chunk: ChunkIndex, from: PeerId, now: Time) {
        let Some(transfer) = self.transfers.get_mut(id) else {
            return;
        };
        let senders = transfer.begun(from, chunk).map(Begun::senders);
        let senders = senders.unwrap_or_default();
        let several = senders.len() > 1;
        if several {
            transfer.was_wrong(chunk);
            self.watch.part(senders);
        } else if let Some(state) = self.peer_mut(from) {
            state.conduct.lied = true;
        }
        let len = self.let_go(from, id, chunk);
        self.came_in_vain(from, len);
        self.ask_everybody(now);
        if !several {
            self.end(from, Misbehaviour::WrongHash);
        }
    }

    /// Closes a request that will not be answered further. The chunk is wanted again, and its
    /// first bytes are kept until another peer sends the rest.
    pub(super) fn give_up(&mut self, peer: PeerId, id: TransferId, chunk: ChunkIndex, now: Time) {
        let Some(transfer) = self.transfers.get_mut(id) else {
            return;
        };
        let begun = transfer.release(peer, chunk);
        self.forget(peer, (id, chunk), None);
        let Some(begun) = begun else {
            return;
        };
        self.keep(peer, id, (chunk, begun), now);
        self.ask_everybody(now);
    }

    /// Keeps the first bytes of a chunk that `peer` does not finish, if there is a place for them.
    pub(super) fn keep(
        &mut self,
        peer: PeerId,
        id: TransferId,
        (chunk, begun): (ChunkIndex, Begun),
        now: Time,
    ) {
        let Some(transfer) = self.transfers.get_mut(id) else {
            return;
        };
        let Some((gone, begun)) = transfer.keep(chunk, begun) else {
            return self.keep_within(id, peer);
        };
        let len = begun.received;
        if !transfer.keeps(gone)
            && let Some(state) = self.peer_mut(peer).filter(|_| gone == chunk)
        {
            state.conduct.loses(len, now);
        }
        self.discard(id, gone, &begun);
        self.came_in_vain(peer, len);
    }

    /// What came of a chunk is of no use any more, unless its last bytes are those of another
    /// beginning too: of two from one peer the longer is kept.
    pub(super) fn discard(&mut self, transfer: TransferId, chunk: ChunkIndex, begun: &Begun) {
        let Some(from) = begun.last() else {
            return;
        };
        let known = self.transfers.get(transfer);
        if known.is_none_or(|known| !known.awaits(from, chunk)) {
            self.actions.push_back(Action::Discard {
                transfer,
                chunk,
                from,
            });
        }
    }

    pub(super) fn came_in_vain(&mut self, peer: PeerId, len: ByteCount) {
        if len > ByteCount::ZERO {
            let wasted = Event::Wasted(peer, len);
            self.actions.push_back(Action::Notify(wasted));
        }
    }

    /// What `peer` was asked for is wanted again, from its beginning. Returns how much of it is
    /// lost.
    fn let_go(&mut self, peer: PeerId, id: TransferId, chunk: ChunkIndex) -> ByteCount {
        let transfer = self.transfers.get_mut(id);
        let begun = transfer.and_then(|one| one.release(peer, chunk));
        self.forget(peer, (id, chunk), None);
        begun.map_or(ByteCount::ZERO, |begun| begun.received)
    }

    /// We no longer want what we asked `peer` for.
    pub(super) fn withdraw(&mut self, peer: PeerId, id: TransferId, chunk: ChunkIndex) {
        if self.peer(peer).is_some() {
            self.forget(peer, (id, chunk), None);
            self.send(
                peer,
                Message::Cancel {
                    transfer: id,
                    chunk: chunk.get(),
                },
            );
        }
    }

    /// `peer` owes us that chunk no longer, which it gave at the time that is said, or did not.
    fn forget(
        &mut self,
        peer: PeerId,
        (id, chunk): (TransferId, ChunkIndex),
        answered: Option<Time>,
    ) {
        let state = self.peers.get_mut(peer.index()).and_then(Option::as_mut);
        let Some(ask) = state.and_then(|state| state.forget(id, chunk, answered)) else {
            return;
        };
        self.asked -= 1;
        self.silence.may_change();
        self.paced.give_back(&ask);
    }
}
