//! The state that fetching and serving share: peers, contents, and what is to be done.
//!
//! A peer is known by its id, a content by ours and, at each peer, by the peer's.

use std::collections::{BTreeMap, VecDeque};

use super::guard::Guard;
use super::io::{Action, Event};
use super::transfers::{Place, Transfers};
use crate::id::{ChunkIndex, PeerId, TransferId};
use crate::manifest::ContentId;
use crate::message::Message;
use crate::misbehaviour::Misbehaviour;
use crate::peer::{Ending, Peer};
use crate::time::{Span, Time};
use crate::transfer::Begun;
use crate::units::ByteCount;

/// A chunk by our names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    pub(super) ours: TransferId,
    pub(super) place: Place,
    pub(super) chunk: ChunkIndex,
}

/// Peers that are connected, contents that we take part in, and actions that nobody has taken yet.
#[derive(Debug)]
pub(super) struct Swarm {
    pub(super) transfers: Transfers,
    pub(super) contents: BTreeMap<ContentId, TransferId>,
    /// By id; the place of one that is not connected is empty.
    pub(super) peers: Vec<Option<Peer>>,
    pub(super) actions: VecDeque<Action>,
    /// Transfers that are not complete.
    pub(super) missing: usize,
    pub(super) guard: Option<Guard>,
}

impl Swarm {
    /// Nobody, and nothing.
    pub(super) fn new(guard: Option<Guard>) -> Self {
        Self {
            transfers: Transfers::default(),
            contents: BTreeMap::new(),
            peers: Vec::new(),
            actions: VecDeque::new(),
            missing: 0,
            guard,
        }
    }

    pub(super) fn peer(&self, peer: PeerId) -> Option<&Peer> {
        self.peers.get(peer.index())?.as_ref()
    }

    pub(super) fn peer_mut(&mut self, peer: PeerId) -> Option<&mut Peer> {
        self.peers.get_mut(peer.index())?.as_mut()
    }

    /// Every id that a connected peer may have; some have none.
    pub(super) fn peer_ids(&self) -> impl Iterator<Item = PeerId> + use<> {
        (0..u32::try_from(self.peers.len()).expect("ids are u32")).map(PeerId)
    }

    pub(super) fn send(&mut self, peer: PeerId, message: Message) {
        if let Some(state) = self.peer_mut(peer) {
            state.reputation.heard(&message);
        }
        self.actions.push_back(Action::Send { peer, message });
    }

    /// Our names for what the peer calls `theirs` and `chunk`; none if we take no part in it.
    pub(super) fn spot(
        &self,
        peer: PeerId,
        theirs: TransferId,
        chunk: u32,
    ) -> Result<Option<Spot>, Misbehaviour> {
        let known = self.peer(peer).and_then(|peer| peer.remotes.named(theirs));
        let Some(remote) = known else {
            return Ok(None);
        };
        let manifest = &self.transfers.at(remote.place).manifest;
        let chunk = manifest.index(chunk);
        Ok(Some(Spot {
            ours: remote.ours,
            place: remote.place,
            chunk: chunk.ok_or(Misbehaviour::ChunkOutOfRange)?,
        }))
    }

    /// Whether `peer` takes part in `transfer` too.
    pub(super) fn takes_part(&self, peer: PeerId, transfer: TransferId) -> bool {
        let state = self.peer(peer);
        state.is_some_and(|state| state.remotes.iter().any(|remote| remote.ours == transfer))
    }

    /// Tells `peer` whether we want something of it, if that changed.
    pub(super) fn update_interest(&mut self, peer: PeerId) {
        let Some(state) = self.peer_mut(peer) else {
            return;
        };
        let useful = state.is_useful();
        if state.we_are_interested != useful {
            state.we_are_interested = useful;
            self.send(
                peer,
                if useful {
                    Message::Interested
                } else {
                    Message::NotInterested
                },
            );
        }
    }

    /// The peer has a chunk no longer.
    pub(super) fn has_lost(
        &mut self,
        peer: PeerId,
        theirs: TransferId,
        chunk: u32,
    ) -> Result<(), Misbehaviour> {
        let Some(Spot { ours, place, chunk }) = self.spot(peer, theirs, chunk)? else {
            return Ok(());
        };
        let transfer = self.transfers.at_mut(place);
        let state = self.peers[peer.index()].as_mut().expect("spot found it");
        let remote = state.remotes.get_mut(ours).expect("spot found it");
        if remote.has.remove(chunk) {
            transfer.count_holder(chunk, false);
            remote.useful -= u32::from(transfer.lacks(chunk));
            self.update_interest(peer);
        }
        Ok(())
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

    /// `peer` sent bytes that were not requested.
    pub(super) fn wasted(&mut self, peer: PeerId, len: ByteCount) -> Result<(), Misbehaviour> {
        self.actions
            .push_back(Action::Notify(Event::Wasted(peer, len)));
        let guarded = self.guard.is_some();
        let state = self.peer_mut(peer).filter(|_| guarded);
        state.map_or(Ok(()), |state| state.reputation.unrequested(len))
    }

    /// `peer` refuses what it claimed to have and was asked for, while it does not choke us.
    pub(super) fn count_broken(
        &mut self,
        peer: PeerId,
        transfer: TransferId,
        chunk: ChunkIndex,
        now: Time,
    ) {
        let Some(state) = self.peer_mut(peer) else {
            return;
        };
        let mut asked = state.asked.iter();
        if asked.any(|ask| ask.transfer == transfer && ask.chunk == chunk) {
            state.reputation.breaks_promise(now);
        }
    }

    /// The peer is to be closed. Under a guard it gets no more requests and its messages are
    /// dropped: the rest of the same read is not worth an offence each.
    pub(super) fn end(&mut self, peer: PeerId, why: Misbehaviour) {
        let guarded = self.guard.is_some();
        if let Some(state) = self.peer_mut(peer).filter(|_| guarded) {
            state.ending = Ending::Over;
        }
        self.actions.push_back(Action::Close { peer, why });
    }

    /// Peers other than `peer` that serve us and are not last in order.
    pub(super) fn others(&self, peer: PeerId, now: Time) -> impl Iterator<Item = &Peer> {
        let peers = self.peers.iter().enumerate();
        peers.filter_map(move |(at, other)| {
            let other = other.as_ref().filter(|_| at != peer.index())?;
            let serves = other.may_be_asked() && !other.reputation.is_last(now);
            serves.then_some(other)
        })
    }

    /// Transfers of which `peer` is asked for nothing, because it is last in order and others
    /// have something of them.
    pub(super) fn left_to_others(&self, peer: PeerId, now: Time) -> Vec<TransferId> {
        let is_last = |state: &Peer| self.guard.is_some() && state.reputation.is_last(now);
        if !self.peer(peer).is_some_and(is_last) {
            return Vec::new();
        }
        let useful = self.others(peer, now).flat_map(|other| {
            let remotes = other.remotes.iter();
            remotes.filter(|remote| remote.useful > 0)
        });
        useful.map(|remote| remote.ours).collect()
    }

    /// Whether a peer other than `peer` would serve `chunk`.
    pub(super) fn has_another(
        &self,
        peer: PeerId,
        transfer: TransferId,
        chunk: ChunkIndex,
        now: Time,
    ) -> bool {
        self.others(peer, now).any(|other| {
            let mut remotes = other.remotes.iter();
            remotes.any(|remote| remote.ours == transfer && remote.has.has(chunk))
        })
    }

    /// Whether a chunk has waited for our disk longer than this and none has come since.
    pub(super) fn waits_for_disk(&self, longest: Span, now: Time) -> bool {
        let peers = self.peers.iter().flatten();
        let mut remotes = peers.flat_map(|peer| peer.remotes.iter());
        remotes.any(|remote| remote.waits_for_disk(longest, now))
    }
}
