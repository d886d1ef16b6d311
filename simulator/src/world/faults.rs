//! Transfers that start and end, and what goes wrong on purpose.

use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::id::{GroupId, PeerId, TransferId};
use fairhaul_core::manifest::{ContentId, Manifest};
use fairhaul_core::node::Input;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::ByteCount;
use fairhaul_core::uplink::{Limit, Target};

use super::{Event, World, build, swarm};
use crate::setup::{FaultKind, TransferSetup};

impl World<'_> {
    /// The source gets the content of a transfer and tells the destination, so that the news
    /// is there when the destination asks.
    pub(super) fn offer(&mut self, row: u32) {
        let transfer = &self.setup.transfers[row as usize];
        let (source, destination) = (transfer.source, transfer.destination);
        let id = self.transfer_id(row);
        let present = |peer: u32| self.hosts[peer as usize].node.is_some();
        if !present(source) || !present(destination) || self.has(source, id) {
            return;
        }
        self.connect(destination, source);
        let manifest = geometry(transfer);
        let peer = self.hosts[source as usize].meet(destination);
        let limit = Limit {
            cap: transfer.cap,
            floor: transfer.floor,
            weight: transfer.weight,
            band: transfer.band,
            ..Limit::default()
        };
        let target = Target::Transfer(id);
        if transfer.group.is_some() {
            let group = transfer.group.map(GroupId);
            self.tell(source, Input::Group { target, group });
        }
        if limit != Limit::default() {
            self.tell(source, Input::Limit { target, limit });
        }
        self.tell(
            source,
            Input::Add {
                transfer: id,
                content: self.content_of(row),
                manifest,
                have: Bitfield::full(manifest.chunks()),
                audience: Some(peer),
            },
        );
    }

    /// The destination of a transfer asks for it.
    pub(super) fn start(&mut self, row: u32) {
        let transfer = &self.setup.transfers[row as usize];
        if self.tally.transfers[row as usize].end.is_some() {
            return;
        }
        for peer in [transfer.source, transfer.destination] {
            if self.hosts[peer as usize].node.is_none() {
                self.waiting.entry(peer).or_default().push(row);
                return;
            }
        }
        self.offer(row);
        self.connect(transfer.destination, transfer.source);
        self.trace.event(
            self.now,
            8,
            transfer.source,
            transfer.destination,
            [u64::from(row), 0],
        );
        self.tally.transfer_started(row, self.now);
        let asked = self.now + self.delay(transfer.destination, transfer.source);
        let missing = transfer
            .bytes
            .saturating_sub(self.tally.transfers[row as usize].received);
        self.ideal.begin(row, missing, asked);
        let id = self.transfer_id(row);
        if self.has(transfer.destination, id) {
            return;
        }
        let manifest = geometry(transfer);
        let peer = self.hosts[transfer.destination as usize].meet(transfer.source);
        let kept = self.swarm.kept(transfer.destination, id);
        let have = kept.unwrap_or_else(|| Bitfield::empty(manifest.chunks()));
        self.tell(
            transfer.destination,
            Input::Add {
                transfer: id,
                content: self.content_of(row),
                manifest,
                have,
                audience: Some(peer),
            },
        );
    }

    /// A finished transfer leaves the tables of its source.
    pub(super) fn forget(&mut self, row: u32) {
        let source = self.setup.transfers[row as usize].source;
        let transfer = self.transfer_id(row);
        self.tell(source, Input::Remove { transfer });
    }

    /// A core has every chunk of a content or transfer.
    /// The core need not keep a transfer.
    pub(super) fn completed(&mut self, host: u32, transfer: TransferId) -> Option<Input> {
        let contents = u32::try_from(self.setup.contents.len()).expect("checked by the lab");
        if let Some(row) = transfer.0.checked_sub(contents) {
            self.trace.event(self.now, 9, host, row, [0; 2]);
            self.tally.transfer_ended(row, self.now);
            self.ideal.end(row, self.now);
            let source = self.setup.transfers[row as usize].source;
            let known = self.now + self.delay(host, source);
            self.queue.push(known, Event::Forget(row));
            return Some(Input::Remove { transfer });
        }
        self.trace.event(self.now, 10, host, transfer.0, [0; 2]);
        if self.tally.content_completed(host, self.now)
            && let Some(linger) = self.setup.peers[host as usize].linger
        {
            self.queue
                .push(self.now.saturating_add(linger), Event::Leave(host));
        }
        None
    }

    /// A chunk is whole, of these parts; in virtual time every disk is fast and honest.
    pub(super) fn store(&mut self, host: u32, transfer: TransferId, parts: &[(PeerId, ByteCount)]) {
        for (from, len) in parts {
            let sender = self.hosts[host as usize].links[from.index()].host;
            self.tally.stored(sender, host, transfer.0, *len);
        }
    }

    pub(super) fn fault(&mut self, row: u32) {
        let fault = &self.setup.faults[row as usize];
        self.trace.event(self.now, 11, row, 0, [0; 2]);
        match fault.kind {
            FaultKind::Crash { peer } => {
                self.leave(peer);
                let cap = self.setup.peers[peer as usize].upload_cap;
                self.ideal.peer_left(peer, cap, self.now);
                if !self.comes_back(peer) {
                    self.tally.gone(self.setup, peer);
                }
            }
            FaultKind::Restart { peer } => self.join(peer),
            FaultKind::Capacity { peer, up, down } => {
                self.network
                    .set_capacity(build::place(peer), up, down, self.now);
                self.ideal.set_links(peer, up, down, self.now);
            }
            // Who is away hears nothing.
            FaultKind::UploadCap { peer, .. } if self.hosts[peer as usize].node.is_none() => {}
            FaultKind::UploadCap { peer, rate } => {
                self.ideal.set_upload_cap(peer, rate, self.now);
                let burst = self.setup.peers[peer as usize].burst;
                let limit = Limit {
                    cap: rate,
                    burst,
                    ..Limit::default()
                };
                self.tell(
                    peer,
                    Input::Limit {
                        target: Target::Node,
                        limit,
                    },
                );
            }
        }
    }

    /// Whether a peer that leaves now is planned to come back.
    pub(super) fn comes_back(&self, peer: u32) -> bool {
        self.setup
            .faults
            .iter()
            .any(|fault| fault.at >= self.now && fault.kind == FaultKind::Restart { peer })
    }

    /// The core's id for a transfer: those of contents come first.
    pub(super) fn transfer_id(&self, row: u32) -> TransferId {
        let contents = u32::try_from(self.setup.contents.len()).expect("checked by the lab");
        TransferId(contents + row)
    }

    fn content_of(&self, row: u32) -> ContentId {
        swarm::content_id(self.transfer_id(row).0)
    }

    fn has(&self, peer: u32, transfer: TransferId) -> bool {
        let node = self.hosts[peer as usize].node.as_ref();
        node.is_some_and(|node| node.had(transfer).is_some())
    }

    /// When the source of a transfer makes it known.
    pub(super) fn offer_time(&self, transfer: &TransferSetup) -> Time {
        let ahead = self.delay(transfer.source, transfer.destination) + Span::from_micros(1);
        let at = transfer.start.as_nanos().saturating_sub(ahead.as_nanos());
        Time::from_nanos(at)
    }
}

pub(super) fn geometry(transfer: &TransferSetup) -> Manifest {
    Manifest::new(transfer.bytes, transfer.chunk).expect("the lab checks geometries")
}
