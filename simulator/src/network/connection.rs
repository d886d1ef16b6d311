//! Connections of the block model: the window of each pair of nodes.
//!
//! The bytes of a connection between the start of their service and their acknowledgement are at
//! most the window, or one transmission if that is larger. Within a connection the oldest enters
//! the network first, and acknowledgements are cumulative.

use std::collections::{BTreeSet, VecDeque};

use fairhaul_core::time::Time;
use fairhaul_core::units::ByteCount;

use super::NodeIndex;

/// The place of a connection in the table.
pub(super) type ConnectionIndex = u32;

/// One direction between two nodes. Kept to 64 bytes: a large swarm has hundreds of thousands,
/// and each block finds its own cold.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) from: NodeIndex,
    pub(super) to: NodeIndex,
    /// Transmissions accepted and not yet delivered.
    live: u32,
    /// Bytes admitted and not yet acknowledged.
    outstanding: u64,
    /// When bytes that have arrived are acknowledged; times never decrease.
    acks: VecDeque<(Time, u64)>,
    /// Transmissions that wait for the window; most connections never have any.
    #[allow(
        clippy::box_collection,
        reason = "three words less in a row of which there are hundreds of thousands"
    )]
    waiting: Option<Box<VecDeque<u32>>>,
    /// Whether an event wakes this connection at the first acknowledgement.
    woken: bool,
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

    /// Whether something of `bytes` may enter at `now`; if so, counts it.
    pub(super) fn admit(&mut self, bytes: ByteCount, window: ByteCount, now: Time) -> bool {
        while let Some(&(at, acked)) = self.acks.front()
            && at <= now
        {
            self.outstanding -= acked;
            self.acks.pop_front();
        }
        let after = self.outstanding.saturating_add(bytes.get());
        let fits = self.outstanding == 0 || after <= window.get();
        if fits {
            self.outstanding = after;
        }
        fits
    }

    /// Counts `bytes` as acknowledged at `at`, or with an earlier transmission's later one.
    pub(super) fn acknowledge(&mut self, bytes: ByteCount, at: Time) {
        let at = self.acks.back().map_or(at, |&(last, _)| last.max(at));
        self.acks.push_back((at, bytes.get()));
    }

    pub(super) fn wait(&mut self, slot: u32) {
        self.waiting.get_or_insert_default().push_back(slot);
    }

    pub(super) fn first_waiting(&self) -> Option<u32> {
        self.waiting.as_ref()?.front().copied()
    }

    pub(super) fn stop_waiting(&mut self) {
        if let Some(waiting) = &mut self.waiting {
            waiting.pop_front();
        }
    }

    /// When to look at what waits, if that is known and nobody has asked before.
    pub(super) fn wake_at(&mut self) -> Option<Time> {
        if self.woken || self.first_waiting().is_none() {
            return None;
        }
        let &(at, _) = self.acks.front()?;
        self.woken = true;
        Some(at)
    }

    /// The event asked for by [`Connection::wake_at`] has come.
    pub(super) fn wake(&mut self) {
        self.woken = false;
    }

    /// Forgets everything in flight. Gives what waited.
    fn reset(&mut self) -> VecDeque<u32> {
        self.outstanding = 0;
        self.acks.clear();
        self.woken = false;
        self.waiting
            .take()
            .map(|waiting| *waiting)
            .unwrap_or_default()
    }
}

/// All connections that were ever used.
#[derive(Debug, Default)]
pub(super) struct Connections {
    table: Vec<Connection>,
    /// For each connection a number that grows when it is dropped: what carries an older one has
    /// vanished. Apart from the table because it is asked for far more often.
    epochs: Vec<u32>,
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
        self.table.push(Connection {
            from,
            to,
            live: 0,
            outstanding: 0,
            acks: VecDeque::new(),
            waiting: None,
            woken: false,
        });
        index
    }

    /// The connections that begin or end at `node`, in order of their creation.
    pub(super) fn of(&self, node: NodeIndex) -> BTreeSet<ConnectionIndex> {
        let out = self.out[node.index()].iter().map(|entry| entry.1);
        out.chain(self.into[node.index()].iter().copied()).collect()
    }
}
