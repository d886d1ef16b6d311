//! Chunks: what a chunk that appears, is stored or is lost means for fetching and serving.

use super::Node;
use super::io::{Action, Event};
use super::swarm::Spot;
use crate::id::{ChunkIndex, PeerId, TransferId};
use crate::message::Message;
use crate::misbehaviour::Misbehaviour;
use crate::time::Time;
use crate::units::Weight;

impl Node {
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
