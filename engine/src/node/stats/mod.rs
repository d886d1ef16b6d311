//! Byte counters of a node: by peer, by content and by both, with rates; and the tables of a run.
//!
//! Events for clients go through [`Notifier`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use fairhaul_core::id::{PeerId, TransferId};
use fairhaul_core::library::Content;
use fairhaul_core::node::Node;
use fairhaul_core::time::Time;
use fairhaul_core::units::ByteCount;
use fairhaul_core::uplink::{Block, Limit};

use self::counts::{Counts, Flow, Traffic};
use self::free_space::FreeSpace;
use self::history::RateHistory;
use self::notifier::Notifier;
use self::records::Records;
use super::connections::links::Links;
use super::connections::peers::Peers;
use super::contents::row::Row;
use crate::control::api::{DiskStatus, Failure, History, TransferDirection};
use crate::control::metrics::PeerMetrics;

pub(crate) mod counts;
mod free_space;
mod history;
pub(crate) mod notifier;
pub(crate) mod records;
#[cfg(test)]
mod tests;

/// Counters of a node.
#[derive(Debug)]
pub(crate) struct Stats {
    notifier: Notifier,
    /// Bytes of blocks by peer, and its counters for monitoring if the parameter file lists it.
    peers: BTreeMap<PeerId, (Traffic, Option<PeerMetrics>)>,
    /// What was counted of each content.
    contents: BTreeMap<u32, Counts>,
    /// Bytes up and down by peer and content, and a second ago.
    flows: BTreeMap<(PeerId, u32), Flow>,
    /// Rates of the last hour.
    history: RateHistory,
    /// The space on the disk of the node's data.
    free_space: FreeSpace,
    /// Bytes that came twice or for nothing.
    wasted: u64,
    /// What went wrong with a content and was survived.
    troubles: BTreeMap<u32, String>,
    /// The tables of the run, if it has any.
    tables: Option<Records>,
}

impl Stats {
    /// Nothing was counted yet of a node whose data are in `folder`.
    pub(crate) fn new(notifier: Notifier, tables: Option<Records>, folder: PathBuf) -> Self {
        Self {
            notifier,
            peers: BTreeMap::new(),
            contents: BTreeMap::new(),
            flows: BTreeMap::new(),
            history: RateHistory::default(),
            free_space: FreeSpace::new(folder),
            wasted: 0,
            troubles: BTreeMap::new(),
            tables,
        }
    }

    /// Metrics, and followers of events.
    pub(crate) const fn notifier(&self) -> &Notifier {
        &self.notifier
    }

    /// The parameter file lists a peer: it is counted for monitoring by this name.
    pub(crate) fn list(&mut self, peer: PeerId, name: &str) {
        let counters = self.notifier.metrics().peer(name);
        self.peers.entry(peer).or_default().1 = Some(counters);
    }

    // ---- what moves

    /// A block is on its way to a peer.
    pub(crate) fn uploading(&mut self, block: &Block) {
        let (number, len) = (block.transfer.0 / 2, block.len.get());
        if is_data(block.transfer) {
            self.contents.entry(number).or_default().sent += len;
        }
        self.flows.entry((block.peer, number)).or_default().up += len;
    }

    /// A block has left, and `beside` bytes that belong to no block.
    pub(crate) fn sent(&mut self, peer: PeerId, len: ByteCount, beside: u64) {
        let (traffic, counters) = self.peers.entry(peer).or_default();
        traffic.up += len.get();
        if let Some(counters) = counters {
            counters.sent.inc_by(len.get() + beside);
            counters.blocks.inc();
        }
    }

    /// Bytes of blocks came, of a transfer if it is one of ours.
    pub(crate) fn received(
        &mut self,
        peer: PeerId,
        transfer: Option<TransferId>,
        bytes: u64,
        now: Time,
    ) {
        let (traffic, counters) = self.peers.entry(peer).or_default();
        traffic.down += bytes;
        if let Some(counters) = counters {
            counters.received.inc_by(bytes);
        }
        if let Some(transfer) = transfer.filter(|transfer| is_data(*transfer)) {
            let number = transfer.0 / 2;
            self.flows.entry((peer, number)).or_default().down += bytes;
            let counts = self.contents.entry(number).or_default();
            counts.first_byte.get_or_insert(now);
        }
    }

    /// A chunk was verified and written; `parts` are its senders with how many bytes each sent.
    pub(crate) fn stored(&mut self, transfer: TransferId, parts: &[(PeerId, ByteCount)]) {
        self.notifier.metrics().chunks_stored.inc();
        if !is_data(transfer) {
            return;
        }
        let number = transfer.0 / 2;
        for (peer, len) in parts {
            self.contents.entry(number).or_default().came += len.get();
            self.flows.entry((*peer, number)).or_default().stored += len.get();
        }
    }

    /// A chunk was not what it should be.
    pub(crate) fn rejected(&self) {
        self.notifier.metrics().chunks_rejected.inc();
    }

    /// Bytes came twice or for nothing.
    pub(crate) const fn wasted(&mut self, len: ByteCount) {
        self.wasted += len.get();
    }

    /// A content is fetched anew.
    pub(crate) fn restart(&mut self, number: u32) {
        self.contents.entry(number).or_default().restart();
    }

    /// A second has passed, and so many bytes are held for peers.
    pub(crate) fn second(&mut self, held: u64, now: Time) {
        for (traffic, _) in self.peers.values_mut() {
            traffic.second();
        }
        let moved = self.peers.iter().map(|(peer, of)| (*peer, of.0.rate));
        self.history.sample(now, moved);
        self.free_space.second();
        for flow in self.flows.values_mut() {
            flow.second();
        }
        for counts in self.contents.values_mut() {
            counts.second();
        }
        let held = i64::try_from(held).unwrap_or(i64::MAX);
        self.notifier.metrics().held_bytes.set(held);
    }

    // ---- what was counted

    /// Bytes of blocks from and to a peer.
    pub(crate) fn traffic(&self, peer: PeerId) -> Traffic {
        self.peers
            .get(&peer)
            .map_or_else(Traffic::default, |of| of.0)
    }

    /// The same for all peers together.
    pub(crate) fn total(&self) -> Traffic {
        let mut total = Traffic::default();
        for (traffic, _) in self.peers.values() {
            total.up += traffic.up;
            total.down += traffic.down;
            total.rate.0 += traffic.rate.0;
            total.rate.1 += traffic.rate.1;
        }
        total
    }

    /// What was counted of a content.
    pub(crate) fn counts(&self, number: u32) -> Counts {
        self.contents.get(&number).copied().unwrap_or_default()
    }

    /// Bytes per second up and down over the last second.
    pub(crate) fn rates(&self, peer: PeerId, number: u32) -> (u64, u64) {
        self.flows.get(&(peer, number)).map_or((0, 0), Flow::rate)
    }

    /// Bytes up and down by peer and content since the node started.
    pub(crate) fn flows(&self) -> impl Iterator<Item = (PeerId, u32, Flow)> {
        let flows = self.flows.iter();
        flows.map(|(&(peer, number), &flow)| (peer, number, flow))
    }

    /// Rates of the last hour, from the second `since_s` on.
    pub(crate) fn history(&self, since_s: u64, name: impl Fn(PeerId) -> String) -> History {
        self.history.since(since_s, name)
    }

    /// The disk of the node's data, if it was looked at.
    pub(crate) fn disk(&self) -> Option<DiskStatus> {
        self.free_space.found()
    }

    /// Bytes that came twice or for nothing.
    pub(crate) const fn wasted_bytes(&self) -> u64 {
        self.wasted
    }

    // ---- how contents end

    /// A content that was fetched is whole.
    pub(crate) fn complete(&mut self, number: u32, name: String, bytes: u64) {
        self.troubles.remove(&number);
        let down = TransferDirection::Down;
        self.notifier.complete(number, name, down, bytes);
    }

    /// Something went wrong with a content and was survived.
    pub(crate) fn trouble(&mut self, number: u32, what: String) {
        self.troubles.insert(number, what);
    }

    /// What went wrong with a content last.
    pub(crate) fn trouble_of(&self, number: u32) -> Option<String> {
        self.troubles.get(&number).cloned()
    }

    /// A content is gone: what was counted of it is forgotten.
    pub(crate) fn forget(&mut self, number: u32) {
        self.flows.retain(|(_, of), _| *of != number);
        self.troubles.remove(&number);
        self.contents.remove(&number);
    }

    // ---- tables

    /// A second has passed: one row for each flow that moved or waits.
    pub(crate) fn note_windows(&mut self, peers: &Peers, links: &Links, core: &Node, now: Time) {
        let Some(records) = &mut self.tables else {
            return;
        };
        let waits = |peer| core.uplink().queued(peer).get() > 0;
        let flows = links.iter().map(|(peer, _)| {
            let traffic = self
                .peers
                .get(&peer)
                .map_or_else(Traffic::default, |of| of.0);
            (peers.at(peer), traffic.rate.0, waits(peer))
        });
        let result = records.windows(flows, now);
        self.tables_failed(result);
    }

    /// A content that was fetched under this limit is whole.
    pub(crate) fn note_transfer(
        &mut self,
        (content, row): (&Content, &Row),
        limit: Limit,
        peers: &Peers,
        now: Time,
    ) {
        let number = content.number();
        let counts = self.counts(number);
        let Some(records) = &mut self.tables else {
            return;
        };
        let sent = |((peer, of), flow): (&(PeerId, u32), &Flow)| {
            (*of == number && flow.down > 0).then_some(*peer)
        };
        let mut senders = self.flows.iter().filter_map(sent);
        let source = match (senders.next(), senders.next()) {
            (Some(one), None) => peers.at(one).name.as_str(),
            _ => row.name(),
        };
        let result = records.transfer((content, row), source, (limit, counts.came), now);
        self.tables_failed(result);
    }

    /// The node stops: one row for each peer, and the sums.
    pub(crate) fn end_tables(
        &mut self,
        peers: &Peers,
        links: &Links,
        digest: Option<&str>,
        now: Time,
    ) -> Result<(), Failure> {
        let Some(records) = self.tables.take() else {
            return Ok(());
        };
        let met = peers.iter().filter(|(_, row)| row.joined.is_some());
        let met = met.map(|(peer, row)| {
            let since = links.get(peer).map(|link| link.since);
            (row, since, self.traffic(peer))
        });
        let result = records.end(met, digest, now);
        result.map_err(|error| Failure::storage(format!("tables: {error}")))
    }

    fn tables_failed(&mut self, result: std::io::Result<()>) {
        if let Err(error) = result {
            tracing::error!(%error, "the tables end here");
            self.tables = None;
        }
    }
}

/// Whether a transfer is the bytes of a content, and not its manifest.
const fn is_data(transfer: TransferId) -> bool {
    transfer.0.is_multiple_of(2)
}
