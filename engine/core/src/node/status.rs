//! What shells, reports and checks may know of a node.

use super::{Missing, Node, receive_budget};
use crate::bitfield::Bitfield;
use crate::id::{PeerId, TransferId};
use crate::peer::Peer;
use crate::time::Time;
use crate::transfer::Transfer;
use crate::units::ByteCount;
use crate::uplink::{Hold, Uplink};

impl Node {
    /// Whether every transfer is complete.
    #[must_use]
    pub const fn is_seed(&self) -> bool {
        self.swarm.missing == 0
    }

    /// Which limit or turn holds the flow of `transfer` to `peer` now.
    #[must_use]
    pub fn why(&self, peer: PeerId, transfer: TransferId) -> Hold {
        self.serve.uplink.why(peer, transfer)
    }

    /// What waits to be served, and for what: for reports and checks.
    #[must_use]
    pub const fn uplink(&self) -> &Uplink {
        &self.serve.uplink
    }

    /// What we have of a transfer; none if we take no part in it.
    #[must_use]
    pub fn had(&self, transfer: TransferId) -> Option<&Bitfield> {
        self.swarm.transfers.get(transfer).map(Transfer::had)
    }

    /// Bytes that came of chunks that are not whole: what is lost with this node.
    #[must_use]
    pub fn unfinished(&self) -> ByteCount {
        let transfers = self.swarm.transfers.iter();
        let begun = transfers.flat_map(|(_, transfer)| transfer.unfinished());
        begun.map(|(_, begun)| begun.received).sum()
    }

    /// What we have of every transfer.
    #[must_use]
    pub fn holdings(&self) -> Vec<(TransferId, Bitfield)> {
        self.swarm
            .transfers
            .iter()
            .map(|(id, transfer)| (id, transfer.had().clone()))
            .collect()
    }

    /// Until when nothing should be read from `peer`, because it talked more than it may (limit
    /// L6); that time may be over. None if it never did.
    #[must_use]
    pub fn lull(&self, peer: PeerId) -> Option<Time> {
        self.swarm.peer(peer)?.reputation.lull()
    }

    /// For a report of open requests: how many chunks each peer was asked for, and whether that
    /// peer chokes us.
    pub fn waiting(&self) -> impl Iterator<Item = (PeerId, usize, bool)> {
        let peers = self.swarm.peers.iter().enumerate();
        peers.filter_map(|(at, peer)| {
            let peer = peer.as_ref().filter(|peer| !peer.asked.is_empty())?;
            Some((
                PeerId(u32::try_from(at).ok()?),
                peer.asked.len(),
                peer.chokes_us,
            ))
        })
    }

    /// Whether `peer` is connected.
    #[must_use]
    pub fn is_connected(&self, peer: PeerId) -> bool {
        self.swarm.peer(peer).is_some()
    }

    /// Whether `peer` takes part in `transfer` too.
    #[must_use]
    pub fn takes_part(&self, peer: PeerId, transfer: TransferId) -> bool {
        self.swarm.takes_part(peer, transfer)
    }

    /// Bytes of `transfer` that were asked of `peer` and are not whole here, and whether it
    /// chokes us.
    #[must_use]
    pub fn asked_of(&self, peer: PeerId, transfer: TransferId) -> (ByteCount, bool) {
        let state = self.swarm.peer(peer);
        let (Some(state), Some(content)) = (state, self.swarm.transfers.get(transfer)) else {
            return (ByteCount::ZERO, false);
        };
        let asked = state.asked.iter().filter(|ask| ask.transfer == transfer);
        let bytes = asked.map(|ask| content.manifest.len_of(ask.chunk)).sum();
        (bytes, state.chokes_us)
    }

    /// Bytes of `transfer` that `peer` has announced; `None` if it takes no part in it.
    #[must_use]
    pub fn has_of(&self, peer: PeerId, transfer: TransferId) -> Option<ByteCount> {
        let mut remotes = self.swarm.peer(peer)?.remotes.iter();
        let remote = remotes.find(|remote| remote.ours == transfer)?;
        let manifest = &self.swarm.transfers.at(remote.place).manifest;
        Some(manifest.bytes_of(&remote.has))
    }

    /// What is still to be fetched of `transfer`.
    #[must_use]
    pub fn missing(&self, transfer: TransferId) -> Missing {
        let transfer = self.swarm.transfers.get(transfer);
        transfer.map_or_else(Missing::default, Transfer::missing)
    }

    /// Bytes of chunks that are begun, or may be at any moment, and of those that wait to be
    /// stored.
    #[must_use]
    pub fn held(&self) -> ByteCount {
        receive_budget::moving(&self.swarm) + receive_budget::kept(&self.swarm)
    }

    /// Bytes of the bitfields that are kept of `peer` (limit L4).
    #[must_use]
    pub fn claimed(&self, peer: PeerId) -> ByteCount {
        ByteCount::new(self.swarm.peer(peer).map_or(0, Peer::claimed))
    }
}
