//! Who is connected, which contents move, and who takes part in which.
//!
//! Decides who is told of a content: its audience, or else everybody. Refuses a peer whose
//! bitfield does not fit the content.

use super::{Action, Node};
use crate::id::{ChunkIndex, PeerId, TransferId};
use crate::message::{Join, Message};
use crate::misbehaviour::Misbehaviour;
use crate::peer::{Peer, Remote};
use crate::time::Time;
use crate::transfer::Transfer;

impl Node {
    pub(super) fn connected(&mut self, peer: PeerId, outbound: bool, now: Time) {
        if self.peers.len() <= peer.index() {
            self.peers.resize_with(peer.index() + 1, || None);
        }
        self.peers[peer.index()] = Some(Box::new(Peer::new(self.pipeline, now)));
        self.welcome(peer);
        let told = self.transfers.iter().filter(|(_, transfer)| {
            transfer
                .audience
                .map_or(outbound, |audience| audience == peer)
        });
        for (transfer, state) in told {
            let message = Message::Join(Box::new(join(*transfer, state, true)));
            self.actions.push_back(Action::Send { peer, message });
        }
    }

    pub(super) fn disconnected(&mut self, peer: PeerId, now: Time) {
        let Some(gone) = self.peers.get_mut(peer.index()).and_then(Option::take) else {
            return;
        };
        self.uplink.purge_peer(peer);
        self.asked -= gone.asked.len();
        self.interested -= usize::from(gone.interested);
        for remote in &gone.remotes {
            if let Some(transfer) = self.transfers.get_mut(&remote.ours) {
                transfer.drop_holder(&remote.has);
            }
        }
        for ask in &gone.asked {
            if let Some(transfer) = self.transfers.get_mut(&ask.transfer) {
                transfer.release(peer, ask.chunk);
            }
        }
        if !gone.asked.is_empty() {
            self.ask_everybody(now);
        }
        self.fill_slots();
    }

    pub(super) fn add(&mut self, id: TransferId, transfer: Transfer, now: Time) {
        let (content, audience) = (transfer.content, transfer.audience);
        self.missing += usize::from(!transfer.is_complete());
        self.contents.insert(content, id);
        let before = self.transfers.insert(id, transfer);
        assert!(
            before.is_none(),
            "the shell gives each transfer an id of its own"
        );
        let told = audience.map_or_else(|| self.peer_ids(), |audience| vec![audience]);
        for peer in told {
            let Some(state) = self.peers.get_mut(peer.index()).and_then(Option::as_mut) else {
                continue;
            };
            let offer = state.take_offer(content);
            let message = join(id, &self.transfers[&id], offer.is_none());
            self.send(peer, Message::Join(Box::new(message)));
            if let Some(offer) = offer
                && let Err(why) = self.joined(peer, offer, now)
            {
                self.actions.push_back(Action::Close { peer, why });
            }
        }
    }

    pub(super) fn remove(&mut self, id: TransferId, now: Time) {
        let Some(transfer) = self.transfers.remove(&id) else {
            return;
        };
        self.missing -= usize::from(!transfer.is_complete());
        self.contents.remove(&transfer.content);
        self.uplink.purge_transfer(id);
        for peer in self.peer_ids() {
            let state = self.peer_mut(peer).expect("it is in the list of peers");
            if state.remote(id).is_none() {
                continue;
            }
            state.remotes.retain(|remote| remote.ours != id);
            let before = state.asked.len();
            state.asked.retain(|ask| ask.transfer != id);
            let dropped = before - state.asked.len();
            state.serving.retain(|serving| serving.transfer != id);
            self.asked -= dropped;
            self.send(peer, Message::Leave { transfer: id });
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
            return Ok(());
        };
        let transfer = self
            .transfers
            .get_mut(&id)
            .expect("the index names what is there");
        if transfer.audience.is_some_and(|audience| audience != peer) {
            return Ok(());
        }
        if join.have.len() != transfer.manifest.chunks() {
            return Err(Misbehaviour::BitfieldLength);
        }
        let known = self.peers[peer.index()]
            .as_mut()
            .expect("checked by the caller");
        if let Some(before) = known.remote(id) {
            transfer.drop_holder(&before.has);
        }
        transfer.add_holder(&join.have);
        let useful = join.have.count_beyond(transfer.had());
        let answer = join.reply.then(|| self::join(id, transfer, false));
        let remote = Remote::new(id, join.transfer, join.have, useful);
        known
            .set_remote(remote)
            .ok_or(Misbehaviour::TooManyContents)?;
        if let Some(answer) = answer {
            self.send(peer, Message::Join(Box::new(answer)));
        }
        self.update_interest(peer);
        self.ask(peer, now);
        Ok(())
    }

    pub(super) fn left(&mut self, peer: PeerId, theirs: TransferId, now: Time) {
        let Some(state) = self.peer_mut(peer) else {
            return;
        };
        state.drop_offer(theirs);
        let Some(ours) = state.ours(theirs) else {
            return;
        };
        let gone: Vec<ChunkIndex> = state
            .asked
            .iter()
            .filter(|ask| ask.transfer == ours)
            .map(|ask| ask.chunk)
            .collect();
        let has = state
            .remote(ours)
            .map(|remote| std::mem::take(&mut remote.has));
        state.remotes.retain(|remote| remote.ours != ours);
        state.serving.retain(|serving| serving.transfer != ours);
        if let (Some(transfer), Some(has)) = (self.transfers.get_mut(&ours), has) {
            transfer.drop_holder(&has);
        }
        for chunk in gone {
            self.give_up(peer, ours, chunk, now);
        }
        self.update_interest(peer);
    }
}

fn join(id: TransferId, transfer: &Transfer, reply: bool) -> Join {
    Join {
        content: transfer.content,
        transfer: id,
        have: transfer.had().clone(),
        reply,
    }
}
