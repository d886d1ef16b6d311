//! Counters of a run: bytes, times, windows. Metrics are computed from them later.

use std::collections::BTreeMap;

use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::time::Time;
use fairhaul_core::units::ByteCount;

use super::rows;
use crate::record::{FlowName, PairRecord, PeerRecord, TransferRecord, WindowRecord};
use crate::setup::Setup;

/// Counts of one run.
#[derive(Debug)]
pub(super) struct Counters {
    contents: u32,
    pub(super) peers: Vec<PeerRecord>,
    pub(super) transfers: Vec<TransferRecord>,
    pub(super) windows: Vec<WindowRecord>,
    /// Contents that each peer still wants.
    wants: Vec<u32>,
    /// Peers whose work counts: they are here or will be.
    counted: Vec<bool>,
    joined_at: Vec<Option<Time>>,
    open: u64,
    started: u64,
    delivered: ByteCount,
    pairs: BTreeMap<(u32, u32), ByteCount>,
    /// What each leecher sent to other leechers and got from them.
    exchanged: Vec<(u64, u64)>,
    /// For each window length, the bytes of the flows that moved in the current window.
    current: Vec<BTreeMap<FlowName, ByteCount>>,
    closed: Vec<(u32, u32, Misbehaviour)>,
    /// Transfers that nobody wants any more.
    aborted: Vec<bool>,
    /// Source and destination of each transfer.
    ends: Vec<[u32; 2]>,
}

impl Counters {
    pub(super) fn new(setup: &Setup) -> Self {
        let mut wants = vec![0_u32; setup.peers.len()];
        for leecher in setup.contents.iter().flat_map(|content| &content.leechers) {
            wants[*leecher as usize] += 1;
        }
        let peers = wants
            .iter()
            .map(|wants| PeerRecord {
                wanted: *wants > 0,
                ..PeerRecord::default()
            })
            .collect();
        let open = wants.iter().filter(|wants| **wants > 0).count() + setup.transfers.len();
        Self {
            contents: u32::try_from(setup.contents.len()).expect("checked by the lab"),
            peers,
            transfers: vec![TransferRecord::default(); setup.transfers.len()],
            windows: Vec::new(),
            counted: vec![true; setup.peers.len()],
            joined_at: vec![None; setup.peers.len()],
            open: open as u64,
            started: 0,
            delivered: ByteCount::ZERO,
            pairs: BTreeMap::new(),
            exchanged: vec![(0, 0); setup.peers.len()],
            current: vec![BTreeMap::new(); setup.windows.len()],
            closed: Vec::new(),
            aborted: vec![false; setup.transfers.len()],
            ends: setup
                .transfers
                .iter()
                .map(|row| [row.source, row.destination])
                .collect(),
            wants,
        }
    }

    /// Peers and transfers that want something and can still get it.
    pub(super) const fn open_work(&self) -> u64 {
        self.open
    }

    /// Those of them that have begun.
    pub(super) const fn started_work(&self) -> u64 {
        self.started
    }

    pub(super) const fn delivered(&self) -> ByteCount {
        self.delivered
    }

    /// Peers present that still want something, with the number of contents.
    pub(super) fn wanting(&self) -> impl Iterator<Item = u32> {
        let present = rows(&self.joined_at).filter(|(_, joined)| joined.is_some());
        present
            .filter(|(row, _)| self.wants[*row as usize] > 0)
            .map(|(row, _)| row)
    }

    /// Connections that a core ended, and why.
    pub(super) fn offences(&self) -> &[(u32, u32, Misbehaviour)] {
        &self.closed
    }

    pub(super) fn joined(&mut self, peer: u32, now: Time) {
        let record = &mut self.peers[peer as usize];
        record.joined = record.joined.or(Some(now));
        record.left = None;
        self.joined_at[peer as usize] = Some(now);
        self.started += u64::from(self.wants[peer as usize] > 0);
    }

    pub(super) fn left(&mut self, peer: u32, now: Time) {
        let Some(joined) = self.joined_at[peer as usize].take() else {
            return;
        };
        let record = &mut self.peers[peer as usize];
        record.left = Some(now);
        record.present = record.present + (now - joined);
        self.started -= u64::from(self.wants[peer as usize] > 0);
    }

    /// A peer will never come back: what it wants is no longer waited for.
    pub(super) fn gone(&mut self, setup: &Setup, peer: u32) {
        if !std::mem::replace(&mut self.counted[peer as usize], false) {
            return;
        }
        self.open -= u64::from(self.wants[peer as usize] > 0);
        for (row, transfer) in rows(&setup.transfers) {
            let ends = [transfer.source, transfer.destination];
            let counted = |end: &u32| *end == peer || self.counted[*end as usize];
            let record = &self.transfers[row as usize];
            if ends.contains(&peer) && ends.iter().all(counted) && !self.is_over(row) {
                self.open -= 1;
                self.started -= u64::from(record.start.is_some());
            }
        }
    }

    pub(super) fn transfer_started(&mut self, row: u32, now: Time) {
        let record = &mut self.transfers[row as usize];
        if record.start.is_none() {
            record.start = Some(now);
            self.started += 1;
        }
    }

    pub(super) fn transfer_ended(&mut self, row: u32, now: Time) {
        let record = &mut self.transfers[row as usize];
        if record.end.is_none() {
            record.end = Some(now);
            self.open -= 1;
            self.started -= 1;
        }
    }

    /// Nobody wants a transfer any more. False if it had ended before.
    pub(super) fn transfer_aborted(&mut self, row: u32) -> bool {
        let is_over = self.is_over(row);
        if !is_over {
            let record = &self.transfers[row as usize];
            self.aborted[row as usize] = true;
            // One whose ends are gone for good counts no longer.
            if self.counts(row) {
                self.open -= 1;
                self.started -= u64::from(record.start.is_some());
            }
        }
        !is_over
    }

    /// Whether a transfer is waited for: both its ends are here or will be.
    fn counts(&self, row: u32) -> bool {
        let [source, destination] = self.ends[row as usize];
        self.counted[source as usize] && self.counted[destination as usize]
    }

    /// Whether a transfer has all it wanted, or nobody wants it any more.
    pub(super) fn is_over(&self, row: u32) -> bool {
        self.aborted[row as usize] || self.transfers[row as usize].end.is_some()
    }

    /// Transfers from or to a peer that have begun and not ended.
    pub(super) fn unfinished_of(&self, setup: &Setup, peer: u32) -> Vec<u32> {
        let concerned = rows(&setup.transfers).filter(|(row, transfer)| {
            let record = &self.transfers[*row as usize];
            let begun = record.start.is_some() && !self.is_over(*row);
            begun && [transfer.source, transfer.destination].contains(&peer)
        });
        concerned.map(|(row, _)| row).collect()
    }

    /// A peer has all of one more content.
    pub(super) fn content_completed(&mut self, peer: u32, now: Time) -> bool {
        self.wants[peer as usize] -= 1;
        let all = self.wants[peer as usize] == 0;
        if all {
            self.peers[peer as usize].completed = Some(now);
            self.open -= 1;
            self.started -= 1;
        }
        all
    }

    pub(super) fn is_leecher(&self, peer: u32) -> bool {
        self.wants[peer as usize] > 0
    }

    /// The row of an explicit transfer by its id in the cores; none for a content.
    pub(super) fn row_of(&self, transfer: u32) -> Option<u32> {
        let row = transfer.checked_sub(self.contents);
        row.filter(|row| (*row as usize) < self.transfers.len())
    }

    /// A block arrived, for a transfer or a peer of a swarm.
    pub(super) fn delivered_block(&mut self, to: u32, transfer: u32, len: ByteCount, now: Time) {
        self.delivered += len;
        let flow = match self.row_of(transfer) {
            Some(row) => {
                let record = &mut self.transfers[row as usize];
                record.first_byte = record.first_byte.or(Some(now));
                FlowName::Transfer(row)
            }
            None => FlowName::Peer(to),
        };
        for window in &mut self.current {
            *window.entry(flow).or_default() += len;
        }
    }

    /// A verified chunk of a content or transfer.
    pub(super) fn stored(&mut self, from: u32, to: u32, transfer: u32, len: ByteCount) {
        *self.pairs.entry((from, to)).or_default() += len;
        if let Some(row) = self.row_of(transfer) {
            self.transfers[row as usize].received += len;
        }
        let (gives, takes) = (self.is_leecher(from), self.is_leecher(to));
        let sender = &mut self.peers[from as usize];
        let up = if gives {
            &mut sender.up_as_leecher
        } else {
            &mut sender.up_as_seed
        };
        *up += len;
        let receiver = &mut self.peers[to as usize];
        let down = if gives {
            &mut receiver.down_from_leechers
        } else {
            &mut receiver.down_from_seeds
        };
        *down += len;
        if gives && takes {
            self.exchanged[from as usize].0 += len.get();
            self.exchanged[to as usize].1 += len.get();
            for peer in [from, to] {
                let (sent, received) = self.exchanged[peer as usize];
                let error = ByteCount::new(sent.saturating_sub(received));
                let record = &mut self.peers[peer as usize];
                record.worst_service_error = record.worst_service_error.max(error);
            }
        }
    }

    pub(super) fn wasted(&mut self, peer: u32, bytes: ByteCount) {
        self.peers[peer as usize].wasted += bytes;
    }

    pub(super) fn closed(&mut self, host: u32, other: u32, why: Misbehaviour) {
        self.closed.push((host, other, why));
    }

    /// Bytes of the flows that moved in the window that ends, of one length.
    pub(super) fn take_window(&mut self, length: u32) -> BTreeMap<FlowName, ByteCount> {
        std::mem::take(&mut self.current[length as usize])
    }

    /// All verified bytes, by pair.
    pub(super) fn pairs(&self) -> Vec<PairRecord> {
        let pairs = self.pairs.iter();
        pairs
            .map(|((sender, receiver), bytes)| PairRecord {
                sender: *sender,
                receiver: *receiver,
                bytes: *bytes,
            })
            .collect()
    }
}
