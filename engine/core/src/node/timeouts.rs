//! Timeouts: peers that stop, drip, hoard or waste (limits L5 and L7).
//!
//! Requests to a late peer are given to another, and a peer may be closed, or asked last when it
//! reconnects. A request stays where it is while no other peer could serve it: a slow source is
//! better than none. Without a [`Guard`] there are no timeouts.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Action, Event, Node};
use crate::id::{ChunkIndex, PeerId, TransferId};
use crate::message::Message;
use crate::misbehaviour::Misbehaviour;
use crate::node::control_rate::KEEPALIVE;
use crate::peer::{AskedChunk, Conduct, Ending, Peer};
use crate::time::{Span, Time};
use crate::units::{ByteCount, Rate};

/// How often peers are looked at: a limit is overrun by this much at most.
const LOOK: Span = Span::SECOND;

/// A check that is later than this shows that this node itself was suspended: no peer is blamed.
const SLEPT: Span = Span::from_secs(5);

/// How long a peer that was slow stays last in order.
const SLOW_FOR: Span = Span::from_secs(60);

/// Identities that are not connected and whose conduct is kept.
const PAST_MAX: usize = 4_096;

/// Timeouts for peers, and bounds on what they may have waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// Bytes that one peer may have asked for and not been given (limit L5). One request of any
    /// length is always allowed.
    pub replies: ByteCount,
    /// Bytes of chunks that may be begun over all peers, less those that wait to be stored
    /// (limit L4). One chunk of any length is always allowed.
    #[serde(default = "held")]
    pub held: ByteCount,
    /// Bytes of bitfields that are kept of all peers, and of one at most [`CLAIMS_PEER`]
    /// (limit L4). One of any length is kept of each peer.
    #[serde(default = "claims")]
    pub claims: ByteCount,
    /// A peer that owes us something and sends nothing for this long: others are asked.
    pub reassign: Span,
    /// A peer is closed if for this long it sends nothing while it owes us something, or takes
    /// nothing of what it requested.
    pub stalled: Span,
    /// A peer that owes us something and sends more slowly than this ...
    pub slow: Rate,
    /// ... over this long: others are asked.
    pub slow_over: Span,
    /// A peer is pinged after this much silence.
    pub ping: Span,
    /// A peer is closed after this much silence.
    pub idle: Span,
}

impl Default for Guard {
    /// Limits L4, L5 and L7.
    fn default() -> Self {
        Self {
            replies: ByteCount::mib(16),
            held: held(),
            claims: claims(),
            reassign: Span::from_secs(20),
            stalled: Span::from_secs(60),
            slow: Rate::new(1_024),
            slow_over: Span::from_secs(30),
            ping: Span::from_secs(30),
            idle: Span::from_secs(120),
        }
    }
}

/// Limit L4. What was recorded before it could be set was made with it.
const fn held() -> ByteCount {
    ByteCount::mib(64)
}

const fn claims() -> ByteCount {
    ByteCount::mib(256)
}

/// Bytes of bitfields that are kept of one peer, for contents that we take part in too: two of the
/// longest (limit L4).
pub const CLAIMS_PEER: ByteCount = ByteCount::mib(4);

/// The guard and its memory.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) guard: Option<Guard>,
    at: Time,
    /// Peers that are connected.
    connected: usize,
    /// The conduct of those that were.
    past: BTreeMap<PeerId, Conduct>,
    /// The senders of parts of a wrong chunk: none of these shares a chunk with other senders.
    pub(super) apart: BTreeSet<PeerId>,
}

impl Watch {
    pub(super) const fn new(guard: Option<Guard>) -> Self {
        Self {
            guard,
            at: Time::ZERO,
            connected: 0,
            past: BTreeMap::new(),
            apart: BTreeSet::new(),
        }
    }

    /// When to look next.
    pub(super) fn at(&self) -> Option<Time> {
        (self.guard.is_some() && self.connected > 0).then_some(self.at)
    }

    /// A peer is connected. What it did before is not forgotten.
    pub(super) fn meets(&mut self, peer: PeerId, state: &mut Peer, now: Time) {
        if self.connected == 0 {
            self.at = now.saturating_add(LOOK);
        }
        self.connected += 1;
        if let Some(conduct) = self.past.remove(&peer) {
            state.conduct = conduct;
        }
    }

    /// Each of these sent a part of a wrong chunk. It outlives the connection, as all conduct.
    pub(super) fn part(&mut self, senders: Vec<PeerId>) {
        for peer in senders {
            if self.apart.len() == PAST_MAX {
                self.apart.pop_first();
            }
            self.apart.insert(peer);
        }
    }

    /// A peer is gone.
    pub(super) fn parts(&mut self, peer: PeerId, conduct: Conduct) {
        self.connected -= 1;
        if conduct.is_blank() {
            return;
        }
        if self.past.len() == PAST_MAX {
            self.past.pop_first();
        }
        self.past.insert(peer, conduct);
    }
}

impl Node {
    /// Looks at every peer, if it is time to.
    pub(super) fn watch(&mut self, now: Time) {
        let Some((guard, at)) = self.watch.guard.zip(self.watch.at()) else {
            return;
        };
        if now < at {
            return;
        }
        self.watch.at = now.saturating_add(LOOK);
        // While our own disk stands still, we may not have read what a peer said.
        let slept = now.since(at) >= SLEPT || self.waits_for_disk(now);
        for peer in self.peer_ids() {
            let Some(state) = self.peer_mut(peer) else {
                continue;
            };
            if slept {
                state.forgive(now);
                self.announce_waiting(peer, now);
            } else if state.ending == Ending::Open {
                self.look_at(peer, &guard, now);
            }
        }
        // A peer that is asked last may be the only one left to ask.
        self.ask_everybody(now);
    }

    /// Whether a chunk has waited for our disk for long and none has come since.
    fn waits_for_disk(&self, now: Time) -> bool {
        let peers = self.peers.iter().flatten();
        let mut remotes = peers.flat_map(|peer| peer.remotes.iter());
        remotes.any(|remote| remote.waits_for_disk(SLEPT, now))
    }

    fn look_at(&mut self, peer: PeerId, guard: &Guard, now: Time) {
        let Some(state) = self.peer_mut(peer) else {
            return;
        };
        let owing = state.owing(now);
        let owes = |span: Span| owing.is_some_and(|owing| owing >= span);
        // A peer that owes us something and answers our pings is served behind others at its
        // source, for as long as that source's policy says: closing it would bring nothing sooner.
        let dead = state.pulse.is_silent(guard.stalled, now);
        if (owes(guard.stalled) && dead) || state.pulse.is_stuck(guard.stalled, now) {
            return self.end(peer, Misbehaviour::Stalled);
        }
        if state.pulse.is_silent(guard.idle, now) {
            return self.end(peer, Misbehaviour::Silent);
        }
        let slow = (guard.slow, guard.slow_over);
        let is_slow = state.pulse.is_slow(owing.is_some(), slow, now);
        let snub = owes(guard.reassign) && !state.snubbed;
        if snub {
            state.snub(now);
            state.conduct.breaks_promise(now);
        } else if is_slow {
            state.conduct.put_last(now.saturating_add(SLOW_FOR));
        }
        if state.is_alive() {
            state.unsnub(guard.reassign, now);
        }
        let silent = state.snubbed;
        if state.pulse.wants_ping(guard.ping, now) {
            self.send(peer, Message::Ping(KEEPALIVE));
        }
        if silent || is_slow {
            self.reassign(peer, now);
        }
        self.crowd_out(peer, guard.stalled, now);
        self.announce_waiting(peer, now);
    }

    /// The peer is to be closed. Under a guard it gets no more requests and its messages are
    /// dropped: the rest of the same read is not worth an offence each.
    pub(super) fn end(&mut self, peer: PeerId, why: Misbehaviour) {
        let guarded = self.watch.guard.is_some();
        if let Some(state) = self.peer_mut(peer).filter(|_| guarded) {
            state.ending = Ending::Over;
        }
        self.actions.push_back(Action::Close { peer, why });
    }

    /// Asks others for what `peer` owes, where others have it.
    pub(super) fn reassign(&mut self, peer: PeerId, now: Time) {
        let owed: Vec<AskedChunk> = self
            .peer(peer)
            .into_iter()
            .flat_map(|state| state.asked.iter().filter(|ask| !ask.whole))
            .copied()
            .collect();
        let owed: Vec<AskedChunk> = owed
            .into_iter()
            .filter(|ask| self.has_another(peer, ask.transfer, ask.chunk, now))
            .collect();
        self.take_away(peer, &owed, now);
    }

    /// No longer asks `peer` for these.
    pub(super) fn take_away(&mut self, peer: PeerId, owed: &[AskedChunk], now: Time) {
        for &AskedChunk {
            transfer, chunk, ..
        } in owed
        {
            let message = Message::Cancel {
                transfer,
                chunk: chunk.get(),
            };
            self.send(peer, message);
            self.give_up(peer, transfer, chunk, now);
        }
    }

    /// Whether a peer other than `peer` would serve `chunk`.
    fn has_another(
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

    /// Transfers of which `peer` is asked for nothing, because it is last in order and others
    /// have something of them.
    pub(super) fn left_to_others(&self, peer: PeerId, now: Time) -> Vec<TransferId> {
        let is_last = |state: &Peer| self.watch.guard.is_some() && state.conduct.is_last(now);
        if !self.peer(peer).is_some_and(is_last) {
            return Vec::new();
        }
        let useful = self.others(peer, now).flat_map(|other| {
            let remotes = other.remotes.iter();
            remotes.filter(|remote| remote.useful > 0)
        });
        useful.map(|remote| remote.ours).collect()
    }

    /// Peers other than `peer` that serve us and are not last in order.
    pub(super) fn others(&self, peer: PeerId, now: Time) -> impl Iterator<Item = &Peer> {
        let peers = self.peers.iter().enumerate();
        peers.filter_map(move |(at, other)| {
            let other = other.as_ref().filter(|_| at != peer.index())?;
            let serves = other.may_be_asked() && !other.conduct.is_last(now);
            serves.then_some(other)
        })
    }

    /// Whether one more request of `len` bytes is more than `peer` may have waiting.
    pub(super) fn is_too_much(&self, peer: PeerId, len: ByteCount) -> bool {
        let queued = self.uplink.queued(peer);
        self.watch
            .guard
            .is_some_and(|guard| guard.is_too_much(queued, len))
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
            state.conduct.breaks_promise(now);
        }
    }

    /// `peer` sent bytes that were not requested.
    pub(super) fn wasted(&mut self, peer: PeerId, len: ByteCount) -> Result<(), Misbehaviour> {
        self.actions
            .push_back(Action::Notify(Event::Wasted(peer, len)));
        let guarded = self.watch.guard.is_some();
        let state = self.peer_mut(peer).filter(|_| guarded);
        state.map_or(Ok(()), |state| state.conduct.wastes(len))
    }
}

impl Guard {
    /// Whether `len` bytes are more than may wait beside the `queued` ones.
    pub(super) fn is_too_much(&self, queued: ByteCount, len: ByteCount) -> bool {
        queued > ByteCount::ZERO && queued.saturating_add(len) > self.replies
    }
}
