//! Silence: requests that a peer does not answer, or answers too slowly, are asked of others.
//!
//! With a [`super::Guard`], `timeouts` looks for such peers each second; without, each round does.

use super::fetch::Fetch;
use super::receive_budget::{DRIP, LAST_FOR};
use super::swarm::Swarm;
use crate::id::{PeerId, TransferId};
use crate::message::Message;
use crate::peer::{AskedChunk, Peer, Remote, SNUB_AFTER};
use crate::time::{Span, Time};

/// Which of those that owe us something were found silent, so that a node whose sources have all
/// stopped plans nothing more by itself. Used without a [`super::Guard`] only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Silence {
    #[default]
    Nobody,
    /// Others are waited for, or a silent one is to be asked again.
    Some,
    All,
}

impl Silence {
    /// A request was made or closed.
    pub(super) const fn may_change(&mut self) {
        if matches!(self, Self::All) {
            *self = Self::Some;
        }
    }
}

impl Fetch {
    /// Whether a peer with open requests is checked in the next round.
    pub(super) const fn awaits(&self) -> bool {
        match self.silence {
            Silence::Nobody => self.asked > 0,
            Silence::Some => true,
            Silence::All => false,
        }
    }

    /// Peers that owe us something and send nothing are asked for nothing more for a while, and
    /// others for what they owe. A guard looks for them by itself, and sooner.
    pub(super) fn drop_silent(&mut self, swarm: &mut Swarm, now: Time) {
        if swarm.guard.is_some() {
            return;
        }
        for peer in swarm.peer_ids() {
            let Some(state) = swarm.peers[peer.index()].as_mut() else {
                continue;
            };
            if state.is_silent(now) {
                state.snub(now);
                self.reassign(swarm, peer, now);
            } else {
                state.unsnub(SNUB_AFTER, now);
            }
        }
        let waits = |state: &Peer| state.snubbed && state.asked.is_empty();
        let owes = |state: &Peer| !state.snubbed && !state.asked.is_empty();
        let mut peers = swarm.peers.iter().flatten();
        self.silence = if peers.clone().all(|state| !state.snubbed) {
            Silence::Nobody
        } else if peers.any(|state| owes(state) || waits(state)) {
            Silence::Some
        } else {
            Silence::All
        };
    }

    /// Asks others for what `peer` owes, where others have it.
    pub(super) fn reassign(&mut self, swarm: &mut Swarm, peer: PeerId, now: Time) {
        let owed: Vec<AskedChunk> = swarm
            .peer(peer)
            .into_iter()
            .flat_map(|state| state.asked.iter().filter(|ask| !ask.whole))
            .copied()
            .collect();
        let owed: Vec<AskedChunk> = owed
            .into_iter()
            .filter(|ask| swarm.has_another(peer, ask.transfer, ask.chunk, now))
            .collect();
        self.take_away(swarm, peer, &owed, now);
    }

    /// No longer asks `peer` for these.
    pub(super) fn take_away(
        &mut self,
        swarm: &mut Swarm,
        peer: PeerId,
        owed: &[AskedChunk],
        now: Time,
    ) {
        for &AskedChunk {
            transfer, chunk, ..
        } in owed
        {
            let message = Message::Cancel {
                transfer,
                chunk: chunk.get(),
            };
            swarm.send(peer, message);
            self.give_up(swarm, peer, transfer, chunk, now);
        }
    }

    /// While others wait for memory, `peer` may not keep a partial chunk for ever: if it only
    /// drips, it is asked last from now on.
    pub(super) fn crowd_out(&mut self, swarm: &mut Swarm, peer: PeerId, patience: Span, now: Time) {
        if !self.memory.pressed || swarm.others(peer, now).all(|other| !other.is_useful()) {
            return;
        }
        let Some(state) = swarm.peer_mut(peer) else {
            return;
        };
        let late = |remote: &&Remote| {
            let needs = DRIP.time_for(remote.held());
            let until = remote.since.saturating_add(patience);
            !remote.is_idle() && now >= until.saturating_add(needs)
        };
        let late: Vec<TransferId> = state
            .remotes
            .iter()
            .filter(late)
            .map(|remote| remote.ours)
            .collect();
        if late.is_empty() {
            return;
        }
        state.reputation.put_last(now.saturating_add(LAST_FOR));
        let owed = state
            .asked
            .iter()
            .filter(|ask| !ask.whole && late.contains(&ask.transfer));
        let owed: Vec<AskedChunk> = owed.copied().collect();
        self.take_away(swarm, peer, &owed, now);
    }
}
