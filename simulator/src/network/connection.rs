//! Connections of the block model: the window of each pair of nodes.
//!
//! The bytes of a connection between the start of their service and their acknowledgement are at
//! most the window, or one transmission if that is larger. The window may depend on the largest
//! transmission under way: small ones between large ones must not wait until all of those are
//! acknowledged. Within a connection the oldest enters the network first, and acknowledgements are
//! cumulative.

use std::collections::{BTreeSet, VecDeque};

use fairhaul_core::time::Time;
use fairhaul_core::units::ByteCount;

use super::NodeIndex;

/// The place of a connection in the table.
pub(super) type ConnectionIndex = u32;

/// One direction between two nodes. Kept to 64 bytes: a large swarm has hundreds of thousands,
/// and each block finds its own cold.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// Transmissions accepted and not yet delivered.
    live: u32,
    /// The largest transmission, up to 4 GiB, of those before a mark and of those behind it: all
    /// that are under way, and of those before the mark some that were.
    largest: [u32; 2],
    /// Transmissions that are acknowledged until the mark moves on to the last that was admitted.
    before_mark: u32,
    /// Bytes admitted and not yet acknowledged.
    outstanding: u64,
    /// When bytes that have arrived are acknowledged; times never decrease.
    acks: VecDeque<(Time, u64)>,
    /// Most connections never have any: a word in a row of which there are hundreds of thousands.
    waiting: Option<Box<Waiting>>,
}

/// Transmissions that wait for the window of a connection.
#[derive(Debug, Default)]
struct Waiting {
    queue: VecDeque<u32>,
    /// Whether an event wakes the connection at the first acknowledgement.
    is_woken: bool,
}

impl Connection {
    pub(super) fn add_live(&mut self) {
        self.live += 1;
    }

    pub(super) fn remove_live(&mut self) {
        self.live -= 1;
    }

    pub(super) fn take_live(&mut self) -> usize {
        std::mem::take(&mut self.live) as usize
    }

    /// The largest transmission that would be under way at `now` beside one of `bytes`.
    pub(super) fn largest_with(&mut self, bytes: ByteCount, now: Time) -> ByteCount {
        while let Some(&(at, acked)) = self.acks.front()
            && at <= now
        {
            self.outstanding -= acked;
            self.acks.pop_front();
            self.before_mark = self.before_mark.saturating_sub(1);
            if self.before_mark == 0 {
                self.largest = [self.largest[1], 0];
                self.before_mark = self.under_way();
            }
        }
        if self.outstanding == 0 {
            self.largest = [0; 2];
        }
        let [before, behind] = self.largest;
        bytes.max(ByteCount::new(before.max(behind).into()))
    }

    /// Whether something of `bytes` fits the window; if so, counts it.
    pub(super) fn admit(&mut self, bytes: ByteCount, window: ByteCount) -> bool {
        let after = self.outstanding.saturating_add(bytes.get());
        let fits = self.outstanding == 0 || after <= window.get();
        if fits {
            self.outstanding = after;
            let bytes = u32::try_from(bytes.get()).unwrap_or(u32::MAX);
            self.largest[1] = self.largest[1].max(bytes);
        }
        fits
    }

    /// Transmissions that were admitted and are not acknowledged.
    fn under_way(&self) -> u32 {
        let waiting = self
            .waiting
            .as_ref()
            .map_or(0, |waiting| waiting.queue.len());
        let count = self.live as usize - waiting + self.acks.len();
        u32::try_from(count).expect("memory ends before 2^32 transmissions")
    }

    /// Counts `bytes` as acknowledged at `at`, or with an earlier transmission's later one.
    pub(super) fn acknowledge(&mut self, bytes: ByteCount, at: Time) {
        let at = self.acks.back().map_or(at, |&(last, _)| last.max(at));
        self.acks.push_back((at, bytes.get()));
    }

    pub(super) fn wait(&mut self, slot: u32) {
        let waiting = self.waiting.get_or_insert_default();
        waiting.queue.push_back(slot);
    }

    pub(super) fn first_waiting(&self) -> Option<u32> {
        self.waiting.as_ref()?.queue.front().copied()
    }

    pub(super) fn stop_waiting(&mut self) {
        if let Some(waiting) = &mut self.waiting {
            waiting.queue.pop_front();
        }
    }

    /// When to look at what waits, if that is known and nobody has asked before.
    pub(super) fn wake_at(&mut self) -> Option<Time> {
        let waiting = self.waiting.as_mut()?;
        if waiting.is_woken || waiting.queue.is_empty() {
            return None;
        }
        let &(at, _) = self.acks.front()?;
        waiting.is_woken = true;
        Some(at)
    }

    /// The event asked for by [`Connection::wake_at`] has come.
    pub(super) fn wake(&mut self) {
        if let Some(waiting) = &mut self.waiting {
            waiting.is_woken = false;
        }
    }

    /// Forgets everything in flight. Gives what waited.
    fn reset(&mut self) -> VecDeque<u32> {
        let waiting = self.waiting.take();
        *self = Self::default();
        waiting.map(|waiting| waiting.queue).unwrap_or_default()
    }
}

/// All connections that were ever used.
#[derive(Debug, Default)]
pub(super) struct Connections {
    table: Vec<Connection>,
    /// For each connection a number that grows when it is dropped: what carries an older one has
    /// vanished. Apart from the table because it is asked for far more often.
    epochs: Vec<u32>,
    /// For each connection its sender and its receiver, which few ask for.
    ends: Vec<(NodeIndex, NodeIndex)>,
    /// For each node its connections, in order of the receiver.
    out: Vec<Vec<(NodeIndex, ConnectionIndex)>>,
    /// For each node the connections that end there.
    into: Vec<BTreeSet<ConnectionIndex>>,
}

impl Connections {
    pub(super) fn add_node(&mut self) {
        self.out.push(Vec::new());
        self.into.push(BTreeSet::new());
    }

    pub(super) fn get(&self, index: ConnectionIndex) -> &Connection {
        &self.table[index as usize]
    }

    pub(super) fn epoch(&self, index: ConnectionIndex) -> u32 {
        self.epochs[index as usize]
    }

    pub(super) fn ends(&self, index: ConnectionIndex) -> (NodeIndex, NodeIndex) {
        self.ends[index as usize]
    }

    /// Forgets everything in flight on a connection. Gives what waited for its window.
    pub(super) fn reset(&mut self, index: ConnectionIndex) -> VecDeque<u32> {
        let epoch = &mut self.epochs[index as usize];
        *epoch = epoch.wrapping_add(1);
        self.table[index as usize].reset()
    }

    pub(super) fn get_mut(&mut self, index: ConnectionIndex) -> &mut Connection {
        &mut self.table[index as usize]
    }

    pub(super) fn find(&self, from: NodeIndex, to: NodeIndex) -> Option<ConnectionIndex> {
        let mine = &self.out[from.index()];
        let place = mine.binary_search_by_key(&to, |entry| entry.0);
        place.ok().map(|place| mine[place].1)
    }

    pub(super) fn find_or_add(&mut self, from: NodeIndex, to: NodeIndex) -> ConnectionIndex {
        let mine = &mut self.out[from.index()];
        let place = match mine.binary_search_by_key(&to, |entry| entry.0) {
            Ok(place) => return mine[place].1,
            Err(place) => place,
        };
        let index = u32::try_from(self.table.len()).expect("fewer than 2^32 connections");
        mine.insert(place, (to, index));
        self.into[to.index()].insert(index);
        self.epochs.push(0);
        self.ends.push((from, to));
        self.table.push(Connection::default());
        index
    }

    /// The connections that begin or end at `node`, in order of their creation.
    pub(super) fn of(&self, node: NodeIndex) -> BTreeSet<ConnectionIndex> {
        let out = self.out[node.index()].iter().map(|entry| entry.1);
        out.chain(self.into[node.index()].iter().copied()).collect()
    }
}
