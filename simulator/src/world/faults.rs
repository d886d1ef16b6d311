//! Transfers that start and end, and what goes wrong on purpose.

use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::id::{GroupId, PeerId, TransferId};
use fairhaul_core::manifest::{ContentId, Manifest};
use fairhaul_core::node::Input;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::ByteCount;
use fairhaul_core::uplink::{Block, Limit, Target};

use super::access::Access;
use super::{Event, World, build, swarm};
use crate::network::SharedIndex;
use crate::setup::{FaultKind, NetworkModel, TransferSetup};

impl World<'_> {
    /// The source gets the content of a transfer and tells the destination, so that the news
    /// is there when the destination asks.
    pub(super) fn offer(&mut self, row: u32) {
        let transfer = &self.setup.transfers[row as usize];
        let (source, destination) = (transfer.source, transfer.destination);
        let id = self.transfer_id(row);
        let present = |peer: u32| self.hosts[peer as usize].node.is_some();
        let is_over = self.counters.is_over(row);
        if is_over || !present(source) || !present(destination) || self.has(source, id) {
            return;
        }
        self.connect(destination, source);
        let manifest = geometry(transfer);
        let peer = self.hosts[source as usize].meet(destination);
        let limit = build::told(
            self.setup.network,
            Limit {
                cap: transfer.cap,
                floor: transfer.floor,
                weight: transfer.weight,
                band: transfer.band,
                ..Limit::default()
            },
        );
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
        if self.counters.is_over(row) {
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
        self.counters.transfer_started(row, self.now);
        let asked = self.now + self.delay(transfer.destination, transfer.source);
        self.expect_rest(row, asked);
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

    /// Nothing of a transfer is on its way: what is missing is still to be sent, once the source
    /// has been asked for it.
    pub(super) fn expect_rest(&mut self, row: u32, asked: Time) {
        let received = self.counters.transfers[row as usize].received;
        let missing = self.setup.transfers[row as usize]
            .bytes
            .saturating_sub(received);
        self.unsent[row as usize] = missing.get();
        self.ideal.begin(row, missing, asked);
    }

    /// A transfer that ended leaves the tables of its source, and what a fluid still held of it
    /// the network.
    pub(super) fn forget(&mut self, row: u32) {
        let TransferSetup {
            source,
            destination,
            ..
        } = self.setup.transfers[row as usize];
        let transfer = self.transfer_id(row);
        self.tell(source, Input::Remove { transfer });
        if self.setup.network != NetworkModel::Fluid {
            return;
        }
        let (from, to) = (build::place(source), build::place(destination));
        self.network.drop_flow(from, to, transfer.0, self.now);
        if self.counters.transfers[row as usize].end.is_none() {
            let lost = self.lose_all(|flight| flight.block.transfer == transfer);
            for (Block { peer, len, .. }, has_left, then) in lost {
                if !has_left {
                    self.tell(source, Input::Sent { peer, len });
                }
                let connection = self.hosts[source as usize].links[peer.index()];
                // What was said goes on without the block: it may concern other transfers.
                for (at, message) in then {
                    self.arrive(source, connection, message, at.max(self.now));
                }
            }
        }
    }

    /// A core has every chunk of a content or transfer.
    /// The core need not keep a transfer.
    pub(super) fn completed(&mut self, host: u32, transfer: TransferId) -> Option<Input> {
        let contents = u32::try_from(self.setup.contents.len()).expect("checked by the lab");
        if let Some(row) = transfer.0.checked_sub(contents) {
            self.trace.event(self.now, 9, host, row, [0; 2]);
            self.counters.transfer_ended(row, self.now);
            self.ideal.end(row, self.now);
            let source = self.setup.transfers[row as usize].source;
            let known = self.now + self.delay(host, source);
            self.queue.push(known, Event::Forget(row));
            return Some(Input::Remove { transfer });
        }
        self.trace.event(self.now, 10, host, transfer.0, [0; 2]);
        if self.counters.content_completed(host, self.now)
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
            self.counters.stored(sender, host, transfer.0, *len);
        }
    }

    pub(super) fn fault(&mut self, row: u32) {
        let fault = &self.setup.faults[row as usize];
        self.trace.event(self.now, 11, row, 0, [0; 2]);
        match fault.kind {
            FaultKind::Crash { peer } => {
                self.go_away(peer);
                if !self.comes_back(peer) {
                    self.counters.gone(self.setup, peer);
                }
            }
            FaultKind::Restart { peer } => self.join(peer),
            FaultKind::Capacity { peer, up, down } => {
                let access = self.access[peer as usize];
                let (up, down) = (up.after(access.up), down.after(access.down));
                self.set_access(peer, Access { up, down, ..access });
            }
            FaultKind::SharedCapacity { link, capacity } => {
                let now = self.now;
                self.network.set_shared(SharedIndex(link), capacity, now);
                self.ideal.set_shared(link, capacity, now);
            }
            FaultKind::Abort { transfer } => self.abort(transfer),
            // Who is away hears nothing.
            FaultKind::UploadCap { peer, .. } if self.hosts[peer as usize].node.is_none() => {}
            FaultKind::UploadCap { peer, rate } => {
                let access = self.access[peer as usize];
                let upload_cap = rate;
                self.set_access(
                    peer,
                    Access {
                        upload_cap,
                        ..access
                    },
                );
                if self.setup.network == NetworkModel::Fluid {
                    return;
                }
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

    /// A peer is gone, and the caps that it was told while it ran.
    pub(super) fn go_away(&mut self, peer: u32) {
        self.leave(peer);
        self.stays_away(peer);
        let upload_cap = self.setup.peers[peer as usize].upload_cap;
        self.ideal.peer_left(peer, upload_cap, self.now);
        let access = self.access[peer as usize];
        self.set_access(
            peer,
            Access {
                upload_cap,
                ..access
            },
        );
    }

    /// Nobody wants a transfer any more. Its source hears of that one delay later.
    fn abort(&mut self, row: u32) {
        let transfer = &self.setup.transfers[row as usize];
        let (source, destination) = (transfer.source, transfer.destination);
        if !self.counters.transfer_aborted(row) {
            return;
        }
        self.ideal.end(row, self.now);
        let id = self.transfer_id(row);
        self.tell(destination, Input::Remove { transfer: id });
        let known = self.now + self.delay(destination, source);
        self.queue.push(known, Event::Forget(row));
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
