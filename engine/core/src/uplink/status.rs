//! What holds a flow back: the answer to "why is this slow?", the widest limit first.

use crate::id::{PeerId, TransferId};
use crate::units::ByteCount;

use super::tree::ROOT;
use super::{Target, Uplink, reason};

/// What holds a peer's requests for a transfer now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Nothing: bytes are on their way to the peer, and its next turn comes.
    Serving,
    /// Others have their turn.
    Turn,
    /// The cap of the whole uplink.
    NodeCap,
    /// The cap of a group, its own or its transfer's.
    GroupCap,
    /// The cap of the peer.
    PeerCap,
    /// The cap of the transfer.
    TransferCap,
    /// The choker: what it granted the peer is used up until its next decision.
    Budget,
    /// Enough is in flight to the peer: the network is the limit.
    Window,
    /// It has asked for nothing.
    Idle,
}

/// A line of the status: one peer's requests for one transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The requesting peer.
    pub peer: PeerId,
    /// Of which content.
    pub transfer: TransferId,
    /// Bytes that wait.
    pub queued: ByteCount,
    /// What they wait for.
    pub hold: Hold,
}

impl Uplink {
    /// Whether a request waits whose blocks were not all issued.
    #[must_use]
    pub const fn is_backlogged(&self) -> bool {
        self.requests > 0
    }

    /// Whether a request waits, or a block is in flight.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        self.requests > 0 || self.in_flight > 0
    }

    /// What holds the requests of `peer` for `transfer`, as of the last input.
    #[must_use]
    pub fn why(&self, peer: PeerId, transfer: TransferId) -> Hold {
        let in_flight = self.entities.find(Target::Peer(peer));
        let in_flight = in_flight.map_or(0, |slot| self.entities.at(slot).in_flight);
        let idle = if in_flight > 0 {
            Hold::Serving
        } else {
            Hold::Idle
        };
        let Some(&id) = self.leaves.get(&(peer, transfer)) else {
            return idle;
        };
        if self.tree.leaf(id).queue.is_empty() {
            return idle;
        }
        let reasons = self.reasons(id);
        // A peer's window that several classes wait for holds them as a cap would.
        let meter = self.entities.find(Target::Peer(peer));
        let meter = meter.and_then(|slot| self.entities.at(slot).meter.as_ref());
        let of_peer = match meter.map(|meter| (meter.budget, meter.limit.cap)) {
            Some((Some(0), _)) => Hold::Budget,
            Some((_, Some(_))) => Hold::PeerCap,
            _ => Hold::Window,
        };
        let held = [
            (reason::GROUP | reason::ACROSS, Hold::GroupCap),
            (reason::PEER, of_peer),
            (reason::TRANSFER, Hold::TransferCap),
            (reason::WINDOW, Hold::Window),
            (reason::STALL, Hold::Window),
        ];
        if self.node.ready_at(self.now) > self.now {
            return Hold::NodeCap;
        }
        if let Some(&(_, hold)) = held.iter().find(|(reason, _)| reasons & reason != 0) {
            return hold;
        }
        if in_flight > 0 {
            Hold::Serving
        } else {
            Hold::Turn
        }
    }

    /// The requests in the queue, by peer and transfer.
    pub fn holders(&self) -> impl Iterator<Item = Holder> + '_ {
        self.leaves.iter().map(|(&(peer, transfer), &id)| Holder {
            peer,
            transfer,
            queued: self.tree.leaf(id).queued(),
            hold: self.why(peer, transfer),
        })
    }

    /// The reasons that hold `id` or a class above it.
    pub(super) fn reasons(&self, mut id: u32) -> u8 {
        let mut reasons = 0;
        while id != ROOT {
            reasons |= self.tree.class(id).held;
            id = self.tree.class(id).parent;
        }
        reasons
    }
}
