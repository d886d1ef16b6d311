//! The uplink: which block of which request is sent next, and when.
//!
//! [`classify()`] assigns a request to a flow; buckets, floors and windows decide which flows may
//! be served; disciplines order those. A request is split into blocks here, so that a discipline
//! sees one block at a time. The uplink orders names of chunks and holds no data.
//!
//! Caps hold at node, group, peer and transfer at once, in true bytes and in exact integers:
//! a class whose bucket does not hold a block leaves its parent's discipline until it does.
//! A floor is kept by serving a target that is behind it out of turn; that service counts towards
//! its share, so that a target gets the larger of the two.
//!
//! Uploads that are issued and not yet sent are bounded by two windows. Without them the
//! socket's buffer would become the queue and the discipline would order nothing.
//!
//! The file is longer than others: enqueueing, dequeueing and cancelling change the same counts.

mod autorate;
mod caps;
mod class;
mod classes;
mod classify;
mod delivery_rate;
mod dequeue;
mod entity;
mod floors;
mod grants;
mod leaf;
mod limits;
mod on_link;
mod promises;
mod status;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::id::{ChunkIndex, PeerId, TransferId};
use crate::sched::{DisciplineRow, Params};
use crate::time::Time;
use crate::units::ByteCount;

pub use autorate::PathSample;
pub use classify::{Path, Share, Target, classify};
pub use limits::Limit;
pub use promises::{Over, Promises, Unkept};
pub use status::{Hold, Holder};

use autorate::Auto;
use delivery_rate::Drain;
use entity::Entities;
use floors::Floors;
use grants::Balances;
use leaf::{Pending, Served};
use limits::Meter;
use tree::{ROOT, Tree};

/// Requests that one identity may have waiting (limit L5). Beyond it a request is refused.
pub const REQUESTS_MAX: u32 = 256;
/// What a request costs at least, however short it is (limit L5).
pub const REQUEST_COST_MIN: ByteCount = ByteCount::kib(16);

/// Blocks out of turn in a row. Then one goes in turn: floors that do not fit on the link must not
/// starve targets without one.
const OUT_OF_TURN_MAX: u8 = 31;

/// Why a class is not in its parent's discipline, a bit each.
mod reason {
    /// The cap of the group on the side that is shared by.
    pub(super) const GROUP: u8 = 1;
    pub(super) const PEER: u8 = 2;
    pub(super) const TRANSFER: u8 = 4;
    pub(super) const WINDOW: u8 = 8;
    pub(super) const STALL: u8 = 16;
    /// What ends when a peer's window opens.
    pub(super) const OPENING: u8 = WINDOW | STALL;
    /// The cap of a group on the other side: a class may be held by one of each.
    pub(super) const ACROSS: u8 = 32;
    /// The cap of whom the members of an entity belong to, which is one of the above for each.
    pub(super) const CAP: u8 = 0;
}

/// What an uplink is made with.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The discipline of the root.
    pub outer: &'static DisciplineRow,
    /// The discipline of every other class that has children.
    pub inner: &'static DisciplineRow,
    /// To whom the uplink is fair.
    pub share: Share,
    /// The largest block, see [`crate::block_size::for_rate`]; caps make it smaller.
    pub largest: ByteCount,
    /// A block is issued while fewer bytes than these are in flight; at least one byte.
    pub window_node: ByteCount,
    /// The same for each peer.
    pub window_peer: ByteCount,
    /// Whether a peer's window narrows to what its connection takes in 10 ms, for a shell
    /// whose connections have queues of their own.
    pub adapt: bool,
    /// Bytes per round and unit weight, for disciplines with rounds; none to let them
    /// choose.
    pub quantum: Option<ByteCount>,
}

/// A peer asks for a chunk, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The requesting peer.
    pub peer: PeerId,
    /// Of which content.
    pub transfer: TransferId,
    /// For which chunk.
    pub chunk: ChunkIndex,
    /// Where in the chunk to begin.
    pub offset: ByteCount,
    /// Bytes to serve.
    pub len: ByteCount,
    /// Bytes of the transfer that this peer has still to get, this request included.
    pub remaining: ByteCount,
}

/// The next bytes to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Block {
    /// To whom.
    pub peer: PeerId,
    /// Of which content.
    pub transfer: TransferId,
    /// Of which chunk.
    pub chunk: ChunkIndex,
    /// Where in the request it starts.
    pub offset: ByteCount,
    /// Its bytes.
    pub len: ByteCount,
    /// It ends the request.
    pub last: bool,
}

/// A peer has [`REQUESTS_MAX`] requests waiting and sent one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overload;

impl std::fmt::Display for Overload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "more than {REQUESTS_MAX} requests of a peer are waiting")
    }
}

impl std::error::Error for Overload {}

/// The queue in front of a node's uplink.
#[derive(Debug)]
pub struct Uplink {
    settings: Settings,
    tree: Tree,
    entities: Entities,
    leaves: BTreeMap<(PeerId, TransferId), u32>,
    node: Meter,
    /// The configured limit of the node, whatever cap was found below it.
    told: Option<Box<Limit>>,
    auto: Option<Box<Auto>>,
    /// Caps that hold members back, by the time of the next release.
    wakes: BTreeSet<(Time, u32)>,
    /// Caps that hold some of their members back, though not all.
    partial: BTreeSet<u32>,
    floors: Floors,
    /// Bytes that came from a peer and were verified, less those issued for it, where a discipline
    /// goes by that.
    balances: Option<Box<Balances>>,
    /// Blocks served out of turn since the last one in turn.
    out_of_turn: u8,
    arrivals: u64,
    requests: u64,
    in_flight: u64,
    now: Time,
}

impl Uplink {
    /// An idle uplink without limits.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self::salted(settings, None)
    }

    /// The same of a node with a number of its own, see [`Params::salt`].
    pub(crate) fn salted(settings: Settings, salt: Option<u64>) -> Self {
        let params = Params {
            largest: settings.largest,
            quantum: settings.quantum,
            salt,
        };
        let least = REQUEST_COST_MIN.min(settings.largest);
        Self {
            settings,
            tree: Tree::new(settings.outer, settings.inner, params, least.get()),
            entities: Entities::default(),
            leaves: BTreeMap::new(),
            node: Meter::new(settings.largest),
            told: None,
            auto: None,
            wakes: BTreeSet::new(),
            partial: BTreeSet::new(),
            floors: Floors::default(),
            balances: None,
            out_of_turn: 0,
            arrivals: 0,
            requests: 0,
            in_flight: 0,
            now: Time::ZERO,
        }
    }

    /// Queues a request behind those that the peer has sent for the same transfer.
    ///
    /// # Errors
    ///
    /// [`Overload`] if the peer has [`REQUESTS_MAX`] requests waiting.
    pub fn request(&mut self, request: Request, now: Time) -> Result<(), Overload> {
        self.now = self.now.max(now);
        let id = self.leaf(request.peer, request.transfer);
        let leaf = self.tree.leaf_mut(id);
        let (peer, transfer) = (leaf.peer, leaf.transfer);
        if self.entities.at(peer).requests >= REQUESTS_MAX {
            return Err(Overload);
        }
        let was_idle = leaf.queue.is_empty();
        leaf.remaining = request.remaining.get();
        leaf.queue.push_back(Pending {
            chunk: request.chunk,
            len: (request.offset + request.len).get(),
            offset: request.offset.get(),
            asked: request.len.get(),
            arrival: self.arrivals,
        });
        self.arrivals += 1;
        self.count(peer, transfer, request.len.get());
        if was_idle {
            self.level(id);
        }
        self.has_more(id);
        Ok(())
    }

    /// The leaf `id` has more to send than before: the classes above it hear of it, and so do the
    /// limits that hold it, for they wake only those that had something when they last looked.
    fn has_more(&mut self, id: u32) {
        self.tree.settle(id, self.now);
        self.ask_for_grants(id);
    }

    /// Forgets the first request of `peer` for `chunk`, or what is left of it: blocks that
    /// were issued stay issued. False if there is none.
    pub fn cancel(&mut self, peer: PeerId, transfer: TransferId, chunk: ChunkIndex) -> bool {
        let Some(&id) = self.leaves.get(&(peer, transfer)) else {
            return false;
        };
        let leaf = self.tree.leaf_mut(id);
        let Some(place) = leaf.queue.iter().position(|pending| pending.chunk == chunk) else {
            return false;
        };
        let pending = leaf.queue.remove(place).expect("it was found there");
        let (peer, transfer) = (leaf.peer, leaf.transfer);
        self.discount(peer, transfer, pending.len - pending.offset, 1);
        self.tree.settle(id, self.now);
        if self.tree.leaf(id).queue.is_empty() {
            self.look_again(self.entities.concerned(peer, transfer));
        }
        true
    }

    /// The request of `peer` for `chunk` goes behind its others of that transfer, unless it was
    /// begun. The peer loses no turn by that.
    pub(crate) fn postpone(&mut self, peer: PeerId, transfer: TransferId, chunk: ChunkIndex) {
        let Some(&id) = self.leaves.get(&(peer, transfer)) else {
            return;
        };
        let leaf = self.tree.leaf_mut(id);
        let mut queue = leaf.queue.iter();
        let Some(place) = queue.position(|one| one.chunk == chunk && one.offset == 0) else {
            return;
        };
        let mut pending = leaf.queue.remove(place).expect("it was found there");
        pending.arrival = self.arrivals;
        self.arrivals += 1;
        leaf.queue.push_back(pending);
        self.tree.settle(id, self.now);
    }

    /// The next block to send, if one may go out at `now`.
    pub fn next(&mut self, now: Time) -> Option<Block> {
        self.now = self.now.max(now);
        let now = self.now;
        self.wake(now);
        if self.is_window_full() || self.node.ready_at(now) > now {
            return None;
        }
        self.look_at_woken();
        let first = self.first(now);
        let mut served = self.tree.serve(first, now);
        while served.is_none() && (self.grant_to_all() || self.look_at_woken()) {
            served = self.tree.serve(ROOT, now);
        }
        let served = served?;
        let leaf = self.tree.leaf(served.leaf);
        let (peer, transfer) = (leaf.peer, leaf.transfer);
        self.account(peer, transfer, &served, now);
        Some(Block {
            peer: peer_of(self.entities.at(peer).target),
            transfer: transfer_of(self.entities.at(transfer).target),
            chunk: served.chunk,
            offset: ByteCount::new(served.offset),
            len: ByteCount::new(served.len),
            last: served.last,
        })
    }

    /// `len` bytes of the blocks issued for `peer` have left.
    pub fn sent(&mut self, peer: PeerId, len: ByteCount, now: Time) {
        self.now = self.now.max(now);
        let Some(slot) = self.entities.find(Target::Peer(peer)) else {
            return;
        };
        let entity = self.entities.at_mut(slot);
        let stalled = std::mem::take(&mut entity.is_stalled);
        if stalled {
            self.in_flight += entity.in_flight;
        }
        // What a purge has given back is not given back again.
        let len = len.get().min(entity.in_flight);
        entity.in_flight -= len;
        self.in_flight -= len;
        self.count_drained(slot, len, now);
        let widest = window(self.settings.window_peer);
        let entity = self.entities.at_mut(slot);
        if entity.is_full && entity.in_flight < entity.window(widest) {
            entity.is_full = false;
            self.reopen(slot, reason::WINDOW);
        }
        if stalled {
            self.reopen(slot, reason::STALL);
        }
        // After the release: a class that waited for nothing but this window has never been idle.
        self.leave_link(slot, len);
        self.entities.forget(slot);
    }

    /// The connection of `peer` takes no more for now, through no fault of this uplink. Until
    /// its next [`Self::sent`] it is asked for nothing and what it holds is not counted in the
    /// node's window: a slow receiver does not hold up the others.
    pub fn stalled(&mut self, peer: PeerId, now: Time) {
        self.now = self.now.max(now);
        let Some(slot) = self.entities.find(Target::Peer(peer)) else {
            return;
        };
        let entity = self.entities.at_mut(slot);
        if !entity.is_stalled && entity.in_flight > 0 {
            entity.is_stalled = true;
            self.in_flight -= entity.in_flight;
            self.hold(slot, reason::STALL);
            self.vacate_link(slot, None);
        }
    }

    /// When to ask [`Self::next`] again; none if nothing can go out before another input.
    ///
    /// It may be early, when only peers with a full window wait for a cap; never late.
    #[must_use]
    pub fn ready_at(&self, now: Time) -> Option<Time> {
        if self.requests == 0 || self.is_window_full() {
            return None;
        }
        let now = now.max(self.now);
        let wake = self.wakes.first().map(|&(time, _)| time);
        let turn = (self.tree.is_ready() || !self.partial.is_empty()).then_some(now);
        let at = match (wake, turn) {
            (Some(wake), Some(turn)) => wake.min(turn),
            (one, other) => one.or(other)?,
        };
        let at = at.max(self.node.ready_at(now));
        (at < Time::MAX).then_some(at)
    }

    /// Bytes that `peer` has asked for and that were not issued yet.
    #[must_use]
    pub fn queued(&self, peer: PeerId) -> ByteCount {
        let slot = self.entities.find(Target::Peer(peer));
        ByteCount::new(slot.map_or(0, |slot| self.entities.at(slot).queued))
    }

    fn is_window_full(&self) -> bool {
        self.in_flight >= window(self.settings.window_node)
    }

    /// Charges a block to all whom it concerns.
    fn account(&mut self, peer: u32, transfer: u32, served: &Served, now: Time) {
        self.node.spend(ByteCount::new(served.len), now);
        self.in_flight += served.len;
        self.discount(peer, transfer, served.len, u32::from(served.last));
        for slot in self.entities.concerned(peer, transfer).slots() {
            self.count_service(slot, served);
            if self.entities.at(slot).meter.is_some() {
                self.pay_floor(slot, served, now);
                self.pay_cap(slot, served, now);
            }
        }
        self.count_exchange(peer, served.len);
        let widest = window(self.settings.window_peer);
        let adapt = self.settings.adapt;
        let entity = self.entities.at_mut(peer);
        if adapt && entity.in_flight == 0 {
            let drain = entity
                .drain
                .get_or_insert_with(|| Box::new(Drain::new(widest)));
            drain.begin(now);
        }
        entity.in_flight += served.len;
        entity.on_link.get_or_insert_default().push(served);
        if !entity.is_full && entity.in_flight >= entity.window(widest) {
            entity.is_full = true;
            self.hold(peer, reason::WINDOW);
        }
    }

    /// One request more, of `len` bytes.
    fn count(&mut self, peer: u32, transfer: u32, len: u64) {
        self.requests += 1;
        let now = self.now;
        for slot in self.entities.concerned(peer, transfer).slots() {
            let entity = self.entities.at_mut(slot);
            entity.requests += 1;
            entity.queued += len;
            if entity.requests > 1 {
                continue;
            }
            if let Some(meter) = &mut entity.meter {
                meter.begin(now);
                self.expect_floor(slot);
            }
        }
    }

    /// `requests` fewer, and `len` bytes.
    fn discount(&mut self, peer: u32, transfer: u32, len: u64, requests: u32) {
        self.requests -= u64::from(requests);
        for slot in self.entities.concerned(peer, transfer).slots() {
            let entity = self.entities.at_mut(slot);
            entity.queued -= len;
            entity.requests -= requests;
            if requests > 0 && entity.requests == 0 {
                self.expect_floor(slot);
            }
        }
    }
}

/// A window of at least a byte: one of zero would never open.
fn window(bytes: ByteCount) -> u64 {
    bytes.get().max(1)
}

fn peer_of(target: Target) -> PeerId {
    match target {
        Target::Peer(peer) => peer,
        other => unreachable!("a leaf's peer is a peer, not {other:?}"),
    }
}

fn transfer_of(target: Target) -> TransferId {
    match target {
        Target::Transfer(transfer) => transfer,
        other => unreachable!("a leaf's transfer is a transfer, not {other:?}"),
    }
}
