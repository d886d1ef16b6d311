//! Silence without a guard: whose requests are asked of another, and when nothing is left to plan.
//!
//! A [`super::Guard`] looks for silent peers by itself, and sooner: see `watch`.

use super::Node;
use crate::peer::{Peer, SNUB_AFTER};
use crate::time::Time;

/// Which of those that owe us something were found silent, so that a node whose sources have all
/// stopped plans nothing more by itself. Without a [`super::Guard`] alone.
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

impl Node {
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
    pub(super) fn drop_silent(&mut self, now: Time) {
        if self.watch.guard.is_some() {
            return;
        }
        for peer in self.peer_ids() {
            let Some(state) = self.peers[peer.index()].as_mut() else {
                continue;
            };
            if state.is_silent(now) {
                state.snub(now);
                self.reassign(peer, now);
            } else {
                state.unsnub(SNUB_AFTER, now);
            }
        }
        let waits = |state: &Peer| state.snubbed && state.asked.is_empty();
        let owes = |state: &Peer| !state.snubbed && !state.asked.is_empty();
        let mut peers = self.peers.iter().flatten();
        self.silence = if peers.clone().all(|state| !state.snubbed) {
            Silence::Nobody
        } else if peers.any(|state| owes(state) || waits(state)) {
            Silence::Some
        } else {
            Silence::All
        };
    }
}
