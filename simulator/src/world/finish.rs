//! The end of a run: what is left over is checked, and the record is put together.

use std::collections::BTreeMap;

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::ByteCount;
use fairhaul_core::uplink::Hold;

use super::{Event, RunError, World, rows};
use crate::baseline;
use crate::record::{FlowName, Record, WindowRecord};

/// How many of those who wait a message names.
const NAMED: usize = 5;

impl World<'_> {
    /// A window ends. Who had demand in it has a row, even if it got nothing.
    pub(super) fn window(&mut self, row: u32) {
        let window = self.setup.windows[row as usize];
        let start = Time::from_nanos(self.now.as_nanos() - window.as_nanos());
        let mut bytes = self.counters.take_window(row);
        let mut rows = BTreeMap::new();
        for (transfer, grant) in self.ideal.take_window(row as usize, self.now) {
            let flow = FlowName::Transfer(transfer);
            let got = bytes.remove(&flow).unwrap_or(ByteCount::ZERO);
            let entitlement = grant.entitlement.unwrap_or(got);
            rows.insert(flow, (got, entitlement, grant.backlogged));
        }
        for (peer, entitlement, backlogged) in
            baseline::leechers_since(self.setup, &self.counters.peers, start, self.now)
        {
            let got = bytes
                .remove(&FlowName::Peer(peer))
                .unwrap_or(ByteCount::ZERO);
            rows.insert(FlowName::Peer(peer), (got, entitlement, backlogged));
        }
        // What propagated while its flow wanted nothing more.
        for (flow, got) in bytes {
            rows.insert(flow, (got, ByteCount::ZERO, Span::ZERO));
        }
        for (flow, (bytes, entitlement, backlogged)) in rows {
            self.counters.windows.push(WindowRecord {
                window,
                start,
                flow,
                bytes,
                entitlement,
                backlogged,
            });
        }
        let next = self.now + window;
        // Windows of other lengths are all that is left if nothing more will happen.
        let others = self.setup.windows.len() - 1;
        if next <= self.setup.horizon && self.queue.len() > others {
            self.queue.push(next, Event::Window(row));
        }
    }

    /// The error of a run in which nothing more will happen: who waits for whom.
    pub(super) fn stuck(&self) -> RunError {
        let name = |row: u32| self.setup.peers[row as usize].name.as_str();
        let mut waits = Vec::new();
        for (row, transfer) in rows(&self.setup.transfers) {
            let record = &self.counters.transfers[row as usize];
            if record.start.is_some() && !self.counters.is_over(row) {
                waits.push(format!(
                    "transfer {} has {} of {} at {} from {}, {}",
                    transfer.name,
                    record.received,
                    transfer.bytes,
                    name(transfer.destination),
                    name(transfer.source),
                    self.hindrance(row),
                ));
            }
        }
        for row in self.counters.wanting() {
            let host = &self.hosts[row as usize];
            let Some(node) = &host.node else { continue };
            let asked: Vec<String> = node
                .waiting()
                .take(NAMED)
                .map(|(peer, asked, _)| {
                    format!(
                        "{asked} chunks from {}",
                        name(host.links[peer.index()].host)
                    )
                })
                .collect();
            let asked = if asked.is_empty() {
                "a chunk nobody offers".into()
            } else {
                asked.join(", ")
            };
            waits.push(format!("{} waits for {asked}", name(row)));
        }
        let more = waits.len().saturating_sub(NAMED);
        waits.truncate(NAMED);
        let mut who = waits.join("; ");
        if more > 0 {
            who.push_str(&format!("; and {more} more"));
        }
        RunError::Stuck { at: self.now, who }
    }

    /// What keeps a transfer from going on, as far as its source and the network know.
    fn hindrance(&self, row: u32) -> &'static str {
        let transfer = &self.setup.transfers[row as usize];
        let source = &self.hosts[transfer.source as usize];
        let Some(node) = &source.node else {
            return "which is away";
        };
        if self.hosts[transfer.destination as usize].node.is_none() {
            return "but is away itself";
        }
        let Some(peer) = source.id_of(transfer.destination) else {
            return "which does not know it";
        };
        match node.why(peer, self.transfer_id(row)) {
            Hold::Idle => "which it asks for nothing",
            Hold::NodeCap => "held by the cap of the source",
            Hold::GroupCap => "held by the cap of a group",
            Hold::PeerCap => "held by the cap of the peer",
            Hold::TransferCap => "held by its own cap",
            Hold::Budget => "with nothing left of what the choker granted",
            Hold::Window | Hold::Serving => "with blocks in a network that does not move",
            Hold::Turn => "waiting for its turn",
        }
    }

    pub(super) fn finish(mut self) -> Result<Record, RunError> {
        let stopped_at_horizon = !self.is_done();
        let end = self.now;
        for row in 0..self.hosts.len() {
            let row = u32::try_from(row).expect("fewer peers than u32");
            if self.hosts[row as usize].node.is_some() {
                self.counters.left(row, end);
                self.counters.peers[row as usize].left = None;
            }
        }
        self.conserved()?;
        for (row, _) in rows(&self.setup.transfers) {
            let granted = self.ideal.grant(row, end).entitlement;
            let record = &mut self.counters.transfers[row as usize];
            record.entitlement = granted.unwrap_or(record.received);
        }
        let contents = self
            .setup
            .contents
            .iter()
            .map(|content| baseline::content(self.setup, content, &self.counters.peers))
            .collect();
        Ok(Record {
            digest: self.trace.digest(),
            end,
            events: self.events,
            steps: self.steps,
            stopped_at_horizon,
            pairs: self.counters.pairs(),
            contents,
            deliveries: self.deliveries.records,
            peers: self.counters.peers,
            transfers: self.counters.transfers,
            windows: self.counters.windows,
        })
    }

    /// Bytes are conserved: what a finished transfer or peer has is what it wanted, and what
    /// was sent is what was received.
    fn conserved(&self) -> Result<(), RunError> {
        self.check_books()?;
        self.check_capacity()?;
        let differ = |what: String| Err(RunError::Conservation { what });
        for (row, transfer) in rows(&self.setup.transfers) {
            let record = &self.counters.transfers[row as usize];
            if record.end.is_some() && record.received != transfer.bytes {
                return differ(format!(
                    "transfer {} ended with {} of {}",
                    transfer.name, record.received, transfer.bytes
                ));
            }
        }
        let peers = &self.counters.peers;
        let up: ByteCount = peers
            .iter()
            .map(|peer| peer.up_as_leecher + peer.up_as_seed)
            .sum();
        let down: ByteCount = peers
            .iter()
            .map(|peer| peer.down_from_leechers + peer.down_from_seeds)
            .sum();
        if up != down {
            return differ(format!("{up} sent, {down} received"));
        }
        if let Some((host, other, why)) = self.counters.offences().first() {
            let name = |row: &u32| &self.setup.peers[*row as usize].name;
            return differ(format!("{} accuses {} of: {why}", name(host), name(other)));
        }
        Ok(())
    }
}
