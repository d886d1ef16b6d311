//! Reports of what is forwarded, for chokers that go by them: each node says of itself what it sent
//! on, and how much of that came from the peer that it tells.
//!
//! A report is about contents that both take part in, one message a round, and counts as a control
//! message (limit L6). What is kept for them are four numbers of each peer, and who sent
//! the chunks of a content, 65,536 at most.

use super::serve::Serve;
use super::swarm::Swarm;
use crate::id::PeerId;
use crate::message::{Forwarded, Message};
use crate::units::ByteCount;
use crate::uplink::Block;

/// What one peer says and is told.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    /// What we have forwarded and will tell it.
    untold: Forwarded,
    /// What it says that it forwarded in this round and in the last one.
    heard: [Forwarded; 2],
}

impl Reports {
    /// A round is over.
    pub(crate) const fn next_round(&mut self) {
        self.heard = [Forwarded::NOTHING, self.heard[0]];
    }

    /// What it says that it forwarded since the last round but one.
    pub(crate) const fn heard(&self) -> Forwarded {
        self.heard[0].and(self.heard[1])
    }
}

impl Serve {
    /// Whether this node says what it forwards: one of its chokers goes by what others say.
    pub(super) const fn reports(&self) -> bool {
        self.unchoke.0.reports || self.seed_rule.0.reports
    }

    /// A block leaves: all that take part in its content will be told, its receiver too.
    pub(super) fn forwards(&self, swarm: &mut Swarm, block: Block) {
        let transfer = swarm.transfers.get(block.transfer);
        let Some(transfer) = transfer.filter(|_| self.reports()) else {
            return;
        };
        let senders = transfer.senders.of(block.chunk);
        let chunk = transfer.manifest.len_of(block.chunk);
        let takes_part = swarm.peers.iter_mut().enumerate();
        for (at, state) in takes_part.filter_map(|(at, peer)| Some((at, peer.as_mut()?))) {
            if !state.remotes.has(block.transfer) {
                continue;
            }
            let own = senders.iter().filter(|(peer, _)| peer.index() == at);
            let of_yours = part(block.len, own.map(|(_, len)| *len).sum(), chunk);
            let of_others = block.len - of_yours;
            let more = Forwarded {
                of_yours,
                of_others,
            };
            state.reports.untold = state.reports.untold.and(more);
        }
    }

    /// Tells each peer what was forwarded since it was told last.
    pub(super) fn report(&self, swarm: &mut Swarm) {
        for peer in swarm.peer_ids() {
            let state = swarm.peer_mut(peer);
            let untold = state.map(|state| std::mem::take(&mut state.reports.untold));
            if let Some(untold) = untold.filter(|untold| *untold != Forwarded::NOTHING) {
                swarm.send(peer, Message::Forwarded(untold));
            }
        }
    }
}

impl Swarm {
    /// `peer` says what it forwarded. Nothing of it is ours if we never sent it anything.
    pub(super) fn hears_of_forwarding(&mut self, peer: PeerId, said: Forwarded) {
        let Some(state) = self.peer_mut(peer) else {
            return;
        };
        let was_served = state.reputation.issued() > ByteCount::ZERO;
        let said = if was_served {
            said
        } else {
            Forwarded {
                of_yours: ByteCount::ZERO,
                of_others: said.in_all(),
            }
        };
        state.reports.heard[0] = state.reports.heard[0].and(said);
    }
}

/// The part of `len` that `own` is of `all`.
fn part(len: ByteCount, own: ByteCount, all: ByteCount) -> ByteCount {
    let part = u128::from(len.get()) * u128::from(own.get()) / u128::from(all.get().max(1));
    ByteCount::new(u64::try_from(part).unwrap_or(u64::MAX)).min(len)
}
