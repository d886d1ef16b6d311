//! The end of a run: what is left over is checked, and the record is put together.

use std::collections::BTreeMap;

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_core::uplink::Hold;

use super::{Event, RunError, World, rows};
use crate::bounds::{self, Access};
use crate::record::{ContentRecord, FlowName, Record, WindowRecord};
use crate::setup::ContentSetup;

/// How many of those who wait a message names.
const NAMED: usize = 5;

impl World<'_> {
    /// A window ends. Who had demand in it has a row, even if it got nothing.
    pub(super) fn window(&mut self, row: u32) {
        let window = self.setup.windows[row as usize];
        let start = Time::from_nanos(self.now.as_nanos() - window.as_nanos());
        let mut bytes = self.tally.take_window(row);
        let mut rows = BTreeMap::new();
        for (transfer, grant) in self.ideal.take_window(row as usize, self.now) {
            let flow = FlowName::Transfer(transfer);
            let got = bytes.remove(&flow).unwrap_or(ByteCount::ZERO);
            let entitlement = grant.entitlement.unwrap_or(got);
            rows.insert(flow, (got, entitlement, grant.backlogged));
        }
        for (peer, entitlement, backlogged) in self.leechers_since(start) {
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
            self.tally.windows.push(WindowRecord {
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

    /// Peers that wanted a content between `start` and now: what equal service would have
    /// given them, and for how long they wanted it.
    ///
    /// Equal service is the content in the least time in which the last peer can have it
    /// (Kumar and Ross); where no bound applies the entitlement is zero.
    fn leechers_since(&self, start: Time) -> Vec<(u32, ByteCount, Span)> {
        let ideal = self.setup.contents.first().and_then(|content| {
            let (least, _) = self.bounds(content);
            least
                .filter(|span| *span > Span::ZERO)
                .map(|span| (content.bytes, span))
        });
        let wanted = rows(&self.tally.peers).filter(|(_, peer)| peer.wanted);
        wanted
            .filter_map(|(row, peer)| {
                let from = peer.joined?.max(start);
                let until = peer.completed.or(peer.left).unwrap_or(self.now);
                let backlogged = until.since(from);
                let share = ideal.map_or(0, |(bytes, least)| {
                    let product = u128::from(bytes.get()) * u128::from(backlogged.as_nanos());
                    product / u128::from(least.as_nanos())
                });
                let share = ByteCount::new(u64::try_from(share).unwrap_or(u64::MAX));
                (backlogged > Span::ZERO).then_some((row, share, backlogged))
            })
            .collect()
    }

    /// The error of a run in which nothing more will happen: who waits for whom.
    pub(super) fn stuck(&self) -> RunError {
        let name = |row: u32| self.setup.peers[row as usize].name.as_str();
        let mut waits = Vec::new();
        for (row, transfer) in rows(&self.setup.transfers) {
            let record = &self.tally.transfers[row as usize];
            if record.start.is_some() && record.end.is_none() {
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
        for row in self.tally.wanting() {
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
                self.tally.left(row, end);
                self.tally.peers[row as usize].left = None;
            }
        }
        self.conserved()?;
        for (row, _) in rows(&self.setup.transfers) {
            let granted = self.ideal.grant(row, end).entitlement;
            let record = &mut self.tally.transfers[row as usize];
            record.entitlement = granted.unwrap_or(record.received);
        }
        let contents = self
            .setup
            .contents
            .iter()
            .map(|content| self.content(content))
            .collect();
        for (row, _) in rows(&self.setup.peers) {
            self.tally.peers[row as usize].alone = self.alone_in_swarm(row);
        }
        Ok(Record {
            digest: self.trace.digest(),
            end,
            events: self.events,
            steps: self.steps,
            stopped_at_horizon,
            pairs: self.tally.pairs(),
            contents,
            peers: self.tally.peers,
            transfers: self.tally.transfers,
            windows: self.tally.windows,
        })
    }

    /// Bytes are conserved: what a finished transfer or peer has is what it wanted, and what
    /// was sent is what was received.
    fn conserved(&self) -> Result<(), RunError> {
        self.check_books()?;
        self.check_capacity()?;
        let differ = |what: String| Err(RunError::Conservation { what });
        for (row, transfer) in rows(&self.setup.transfers) {
            let record = &self.tally.transfers[row as usize];
            if record.end.is_some() && record.received != transfer.bytes {
                return differ(format!(
                    "transfer {} ended with {} of {}",
                    transfer.name, record.received, transfer.bytes
                ));
            }
        }
        let peers = &self.tally.peers;
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
        if let Some((host, other, why)) = self.tally.offences().first() {
            let name = |row: &u32| &self.setup.peers[*row as usize].name;
            return differ(format!("{} accuses {} of: {why}", name(host), name(other)));
        }
        Ok(())
    }

    fn content(&self, content: &ContentSetup) -> ContentRecord {
        let peers = |rows: &[u32]| -> Vec<_> {
            rows.iter()
                .map(|row| &self.tally.peers[*row as usize])
                .collect()
        };
        let leechers = peers(&content.leechers);
        let joined = leechers.iter().filter_map(|peer| peer.joined);
        let completed = leechers.iter().filter_map(|peer| peer.completed);
        let all = completed.clone().count() == leechers.len();
        let makespan = match (joined.clone().min(), completed.clone().max()) {
            (Some(first), Some(last)) if all => Some(last.since(first)),
            _ => None,
        };
        let (kumar_ross, mundinger) = self.bounds(content);
        ContentRecord {
            makespan,
            leechers: count(joined),
            completed: count(completed),
            kumar_ross,
            mundinger,
        }
    }

    /// What no policy can beat, where the theorems apply: everybody joins together and stays
    /// to the end, and the seeds are there from the start.
    fn bounds(&self, content: &ContentSetup) -> (Option<Span>, Option<Span>) {
        let peer = |row: &u32| &self.setup.peers[*row as usize];
        let all = || content.seeds.iter().chain(&content.leechers).map(peer);
        let together = all().all(|peer| peer.leave.is_none() && peer.linger.is_none())
            && content
                .leechers
                .windows(2)
                .all(|pair| peer(&pair[0]).join == peer(&pair[1]).join)
            && content.seeds.iter().all(|seed| {
                content
                    .leechers
                    .first()
                    .is_none_or(|first| peer(seed).join <= peer(first).join)
            });
        if !together || !self.setup.faults.is_empty() || self.setup.contents.len() != 1 {
            return (None, None);
        }
        let up = |row: &u32| peer(row).up.map(Rate::get);
        let seeds: Option<u64> = content.seeds.iter().map(up).sum();
        let access: Vec<Access> = content
            .leechers
            .iter()
            .map(|row| Access {
                up: peer(row).up,
                down: peer(row).down,
            })
            .collect();
        let kumar_ross = bounds::kumar_ross(content.bytes, seeds.map(Rate::new), &access);
        let rate = content.seeds.first().and_then(|seed| peer(seed).up);
        let equal = content.seeds.len() == 1
            && all().all(|peer| peer.up == rate && peer.down.is_none_or(|down| Some(down) >= rate));
        let chunks = content.bytes.get().div_ceil(content.chunk.get());
        let mundinger = match (rate, u32::try_from(chunks)) {
            (Some(rate), Ok(chunks)) if equal => {
                bounds::mundinger(content.bytes, chunks, count(access.iter()), rate)
            }
            _ => None,
        };
        (kumar_ross, mundinger)
    }

    /// Time in which a peer would have everything it wants, if only it were served: its own
    /// downlink or the seeds' uplinks, whichever is narrower.
    fn alone_in_swarm(&self, row: u32) -> Option<Span> {
        let wanted = self
            .setup
            .contents
            .iter()
            .filter(|content| content.leechers.contains(&row));
        let mut alone: Option<Span> = None;
        for content in wanted {
            let up = |seed: &u32| self.setup.peers[*seed as usize].up;
            let seeds: Option<u64> = content
                .seeds
                .iter()
                .map(|seed| up(seed).map(|rate| rate.get()))
                .sum();
            let down = self.setup.peers[row as usize].down.map(|rate| rate.get());
            let narrowest = [seeds, down].into_iter().flatten().min();
            let time = narrowest.map_or(Span::ZERO, |rate| Rate::new(rate).time_for(content.bytes));
            alone = Some(alone.map_or(time, |before| before + time));
        }
        alone
    }
}

fn count<T>(things: impl Iterator<Item = T>) -> u32 {
    u32::try_from(things.count()).expect("fewer peers than u32")
}
