//! Answers: what becomes of a request once it was made.
//!
//! Decides what a block is worth, when a chunk is had, lost or wanted again, and who is asked for
//! nothing more.

use super::fetch::Spot;
use super::{Action, Event, Node};
use crate::id::{ChunkIndex, PeerId, TransferId};
use crate::message::Message;
use crate::misbehaviour::Misbehaviour;
use crate::time::Time;
use crate::transfer::Progress;
use crate::units::ByteCount;

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
        let transfer = self.transfers.at_mut(place);
        let progress = transfer.block(peer, chunk, offset, len)?;
        let state = self.peer_mut(peer).expect("spot found it");
        state.count_received(len, now);
        if offset == ByteCount::ZERO && progress != Progress::Late {
            state.begins(ours, chunk, now);
        }
        match progress {
            Progress::Partial => state.conduct.gives(len),
            Progress::Whole => {
                state.conduct.gives(len);
                state.finishes(ours, chunk, now);
                self.actions.push_back(Action::Store {
                    transfer: ours,
                    chunk,
                    from: peer,
                });
            }
            Progress::Late => self.wasted(peer, len)?,
        }
        Ok(())
    }

    /// A chunk is on disk: say so to whoever lacks it, and ask on.
    pub(super) fn stored(&mut self, id: TransferId, chunk: ChunkIndex, from: PeerId, now: Time) {
        let Some(transfer) = self.transfers.get_mut(id) else {
            return;
        };
        if transfer.had().has(chunk) {
            // Two sent it, and the other was faster: this one is owed nothing either.
            self.forget(from, id, chunk, Some(now));
            return self.ask(from, now);
        }
        let others = transfer.stored(chunk, now);
        let complete = transfer.is_complete();
        for peer in others {
            self.withdraw(peer, id, chunk);
        }
        self.forget(from, id, chunk, Some(now));
        for peer in self.peer_ids() {
            self.announce(peer, id, chunk);
        }
        if complete {
            self.missing -= 1;
            self.actions.push_back(Action::Notify(Event::Complete(id)));
            if self.missing == 0 {
                self.round(now);
            }
        }
        self.ask_in_turn(from, now);
    }

    /// Tells one peer that we have `chunk`, if it lacks it or has to know who passes on what.
    fn announce(&mut self, peer: PeerId, id: TransferId, chunk: ChunkIndex) {
        let state = self.peers[peer.index()].as_mut();
        let Some(remote) = state.and_then(|state| state.remotes.get_mut(id)) else {
            return;
        };
        let lacks = !remote.has.has(chunk);
        if !lacks {
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

    /// A chunk that we had is gone: take it back from everybody and fetch it again.
    pub(super) fn lost(&mut self, id: TransferId, chunk: ChunkIndex, now: Time) {
        let Some(transfer) = self.transfers.get_mut(id) else {
            return;
        };
        if !transfer.had().has(chunk) {
            // It came whole, and is not stored after all.
            for peer in transfer.whole_of(chunk) {
                self.let_go(peer, id, chunk, now);
            }
            return;
        }
        self.missing += usize::from(transfer.is_complete());
        transfer.lost(chunk);
        for peer in self.peer_ids() {
            let state = self.peers[peer.index()].as_mut();
            let Some(remote) = state.and_then(|state| state.remotes.get_mut(id)) else {
                continue;
            };
            remote.useful += u32::from(remote.has.has(chunk));
            self.send(
                peer,
                Message::Lost {
                    transfer: id,
                    chunk: chunk.get(),
                },
            );
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
            // Whoever does not choke us refuses what it does not have. Without this it would be
            // asked again at once.
            if self.peer(peer).is_some_and(|state| !state.chokes_us) {
                self.count_broken(peer, ours, chunk, now);
                self.has_lost(peer, theirs, position)?;
            }
            self.give_up(peer, ours, chunk, now);
        }
        Ok(())
    }

    /// A chunk had the wrong hash. Whoever sent it is asked for nothing more.
    pub(super) fn rejected(&mut self, id: TransferId, chunk: ChunkIndex, from: PeerId, now: Time) {
        if let Some(state) = self.peer_mut(from) {
            state.conduct.lied = true;
        }
        self.give_up(from, id, chunk, now);
        self.end(from, Misbehaviour::WrongHash);
    }

    /// Nothing more comes of this request: the chunk is wanted again.
    pub(super) fn give_up(&mut self, peer: PeerId, id: TransferId, chunk: ChunkIndex, now: Time) {
        let transfer = self.transfers.get(id);
        let lost = transfer.map_or(ByteCount::ZERO, |one| one.received(peer, chunk));
        if lost > ByteCount::ZERO {
            if let Some(state) = self.peer_mut(peer) {
                state.conduct.loses(lost, now);
            }
            self.actions
                .push_back(Action::Notify(Event::Wasted(peer, lost)));
        }
        self.let_go(peer, id, chunk, now);
    }

    /// What `peer` was asked for is wanted again, of whoever has it, and nobody is to blame.
    fn let_go(&mut self, peer: PeerId, id: TransferId, chunk: ChunkIndex, now: Time) {
        let Some(transfer) = self.transfers.get_mut(id) else {
            return;
        };
        let released = transfer.release(peer, chunk);
        self.forget(peer, id, chunk, None);
        if released {
            self.ask_everybody(now);
        }
    }

    /// We no longer want what we asked `peer` for.
    pub(super) fn withdraw(&mut self, peer: PeerId, id: TransferId, chunk: ChunkIndex) {
        if self.peer(peer).is_some() {
            self.forget(peer, id, chunk, None);
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
    fn forget(&mut self, peer: PeerId, id: TransferId, chunk: ChunkIndex, answered: Option<Time>) {
        if let Some(state) = self.peers.get_mut(peer.index()).and_then(Option::as_mut) {
            self.asked -= usize::from(state.forget(id, chunk, answered));
        }
    }

    /// Peers that owe us and are silent are asked for nothing more; others take over.
    /// A guard looks for them by itself, and sooner.
    pub(super) fn drop_silent(&mut self, now: Time) {
        if self.watch.guard.is_some() {
            return;
        }
        for peer in self.peer_ids() {
            let state = self.peers[peer.index()].as_mut();
            let Some(state) = state.filter(|state| state.is_silent(now)) else {
                continue;
            };
            state.snubbed = true;
            for ask in state.asked.clone() {
                self.send(
                    peer,
                    Message::Cancel {
                        transfer: ask.transfer,
                        chunk: ask.chunk.get(),
                    },
                );
                self.give_up(peer, ask.transfer, ask.chunk, now);
            }
        }
    }
}
