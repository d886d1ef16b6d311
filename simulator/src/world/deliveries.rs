//! Contents whose life a library decides: pushed with offers and quotas, or fetched, onto disks
//! that fill, under the same library as the engine's nodes.
//!
//! Stands for what the engine's shell does: it has the manifests and the disks. A step of a disk
//! takes [`STEP`]; a peer that crashes loses what its process had begun and keeps what its disk
//! has.

use fairhaul_core::connections::Key;
use fairhaul_core::id::{ChunkIndex, PeerId, TransferId};
use fairhaul_core::library::offers::PushGrant;
use fairhaul_core::library::wait_timeout::Standing;
use fairhaul_core::library::{
    self, Description, FolderId, Library, LibraryInput, Placement, Role, WaitOutcome, Waiter,
};
use fairhaul_core::manifest::{ContentId, Manifest};
use fairhaul_core::time::Span;
use fairhaul_core::units::ByteCount;

use super::desk::{Desk, OnDisk, content_id};
use super::{Event, World, rows};
use crate::record::DeliveryRecord;
use crate::setup::{DeliveryKind, Setup};

/// Time of one step of a disk: a look, a write, a sync, a rename.
pub(super) const STEP: Span = Span::from_millis(1);

/// Between two ticks of a library.
const TICK: Span = Span::from_secs(1);

/// For how long nobody may have what is missing before who waits is told: the engine's default.
const PATIENCE: Span = Span::from_secs(60);

/// Steps of a finish: all is durable, names are being given, names are given, the state is gone.
const FINISH_STEPS: u32 = 4;

/// The folder from which a source shares, and the one into which a destination fetches.
const SHARED: FolderId = FolderId(0);
const INBOX: FolderId = FolderId(1);

/// Something that a disk or a library of one process does at a time.
#[derive(Debug)]
pub(super) enum Job {
    /// A second has passed.
    Tick,
    /// The library hears of something.
    Say(LibraryInput),
    /// A chunk reaches the disk.
    Write {
        transfer: TransferId,
        chunk: ChunkIndex,
        from: PeerId,
        parts: Vec<(PeerId, ByteCount)>,
    },
    /// What is on disk of a content is known.
    Prepare(u32),
    /// A step of giving final names has ended.
    Finish(u32, u32),
}

/// The libraries and disks of a run.
#[derive(Debug)]
pub(super) struct Deliveries {
    /// The number of the first content in every library: no other transfer has its ids.
    first: u32,
    pub(super) desks: Vec<Desk>,
    pub(super) records: Vec<DeliveryRecord>,
}

impl Deliveries {
    pub(super) fn new(setup: &Setup) -> Self {
        let others = setup.contents.len() + setup.transfers.len();
        let others = u32::try_from(others).expect("checked by the lab");
        let desks = setup.peers.iter().map(|_| Desk {
            free: u64::MAX,
            ..Desk::default()
        });
        Self {
            first: others.div_ceil(2),
            desks: desks.collect(),
            records: vec![DeliveryRecord::default(); setup.library.deliveries.len()],
        }
    }

    /// Whether a library decides about a transfer.
    pub(super) const fn own(&self, transfer: TransferId) -> bool {
        !self.records.is_empty() && transfer.0 >= self.first * 2
    }

    /// Whether every delivery is over.
    pub(super) fn are_over(&self) -> bool {
        self.records.iter().all(|record| record.end.is_some())
    }

    pub(super) fn desk(&mut self, host: u32) -> &mut Desk {
        &mut self.desks[host as usize]
    }
}

impl World<'_> {
    /// Plans deliveries and what becomes of disks.
    pub(super) fn plan_deliveries(&mut self) {
        for (row, delivery) in rows(&self.setup.library.deliveries) {
            self.queue.push(delivery.at, Event::Deliver(row));
        }
        for (row, disk) in rows(&self.setup.library.disks) {
            self.queue.push(disk.at, Event::DiskSpace(row));
        }
    }

    /// The disk of a peer can take so many bytes from now on.
    pub(super) fn disk_space(&mut self, row: u32) {
        let disk = &self.setup.library.disks[row as usize];
        self.deliveries.desk(disk.peer).free = disk.free.get();
    }

    /// A process of a peer begins: it remembers what its disk has.
    pub(super) fn open_desk(&mut self, host: u32) {
        let concerns = |row: &u32| self.roles_of(*row).contains(&host);
        let deliveries = 0..u32::try_from(self.setup.library.deliveries.len()).expect("few");
        if !deliveries.clone().any(|row| concerns(&row)) {
            return;
        }
        let first = self.deliveries.first;
        let desk = self.deliveries.desk(host);
        desk.life += 1;
        desk.library = Some(Library::new(first, PATIENCE));
        desk.wrong.clear();
        for row in deliveries {
            let on_disk = self.deliveries.desk(host).on_disk.get(&row).cloned();
            let Some(OnDisk {
                kept: Some(kept),
                has_manifest,
                ..
            }) = on_disk
            else {
                continue;
            };
            self.library(
                host,
                LibraryInput::Remember {
                    content: content_id(row),
                    kept,
                    description: has_manifest.then(|| self.description(row)),
                },
            );
        }
        self.later(host, TICK, Job::Tick);
        for row in 0..u32::try_from(self.setup.library.deliveries.len()).expect("few") {
            let has_begun = self.setup.library.deliveries[row as usize].at < self.now;
            if has_begun && self.roles_of(row).contains(&host) {
                self.meet_for(row);
            }
        }
    }

    /// A process of a peer has ended.
    pub(super) fn close_desk(&mut self, host: u32) {
        self.deliveries.desk(host).library = None;
    }

    /// The peers that a delivery concerns, its destination first.
    fn roles_of(&self, row: u32) -> Vec<u32> {
        let delivery = &self.setup.library.deliveries[row as usize];
        let mut all = vec![delivery.destination];
        all.extend(&delivery.sources);
        all
    }

    /// Those of a delivery that are here connect, and its destination hears what may be pushed.
    fn meet_for(&mut self, row: u32) {
        let delivery = &self.setup.library.deliveries[row as usize];
        let (destination, kind) = (delivery.destination, delivery.kind);
        for source in delivery.sources.clone() {
            let here = [source, destination].map(|one| self.hosts[one as usize].node.is_some());
            if here != [true; 2] {
                continue;
            }
            let peer = self.hosts[destination as usize].meet(source);
            if let DeliveryKind::Push { quota } = kind {
                let (key, folder) = (key_of(source), Some(INBOX));
                let quota = quota.map(ByteCount::get);
                let grant = Some(PushGrant { folder, quota });
                self.library(destination, LibraryInput::Grant { peer, key, grant });
            }
            self.connect(destination, source);
        }
    }

    /// A delivery begins: its sources have it, and it is pushed or fetched.
    pub(super) fn deliver(&mut self, row: u32) {
        let delivery = self.setup.library.deliveries[row as usize].clone();
        let (content, description) = (content_id(row), self.description(row));
        let manifest_bytes = delivery.manifest_bytes.get();
        let waiter = Waiter(u64::from(row));
        for source in &delivery.sources {
            self.library(
                *source,
                LibraryInput::Found {
                    content,
                    manifest_bytes,
                    description,
                    folder: SHARED,
                },
            );
        }
        self.meet_for(row);
        if let DeliveryKind::Push { .. } = delivery.kind {
            let source = delivery.sources[0];
            let peers = vec![self.hosts[source as usize].meet(delivery.destination)];
            let library = self.deliveries.desk(source).library.as_ref();
            let number = library.and_then(|library| Some(library.find(&content)?.number()));
            if let Some(number) = number {
                let push = LibraryInput::Push {
                    number,
                    peers,
                    waiter,
                };
                self.library(source, push);
            }
            return;
        }
        let placement = Placement {
            folder: INBOX,
            role: Role::fetched(false, false),
            pusher: None,
            offered: 0,
        };
        let get = LibraryInput::Get {
            content,
            manifest_bytes,
            description: None,
            placement,
            waiter,
        };
        self.library(delivery.destination, get);
    }

    /// Something that a process of `host` had begun ends, if that process still runs.
    pub(super) fn job(&mut self, host: u32, life: u32, job: Job) {
        let desk = self.deliveries.desk(host);
        if desk.library.is_none() || desk.life != life {
            return;
        }
        self.trace.event(self.now, 12, host, life, [0; 2]);
        match job {
            Job::Tick => self.tick_library(host),
            Job::Say(input) => self.library(host, input),
            Job::Write {
                transfer,
                chunk,
                from,
                parts,
            } => {
                let row = self.delivery_of(host, transfer.0 / 2);
                let geometry = row.map(|row| (row, self.description(row).geometry));
                let is_data = transfer.0.is_multiple_of(2);
                let result = match geometry.filter(|_| is_data) {
                    Some(of) => self.deliveries.desk(host).write(of, chunk),
                    None => Ok(()),
                };
                self.library(
                    host,
                    LibraryInput::Written {
                        transfer,
                        chunk,
                        from,
                        parts,
                        result,
                    },
                );
            }
            Job::Prepare(number) => {
                let Some(row) = self.delivery_of(host, number) else {
                    return;
                };
                let geometry = self.description(row).geometry;
                let result = self.deliveries.desk(host).prepare((row, geometry), number);
                self.library(host, LibraryInput::Prepared { number, result });
            }
            Job::Finish(number, step) if step < FINISH_STEPS => {
                if step == FINISH_STEPS - 1
                    && let Some(row) = self.delivery_of(host, number)
                {
                    self.deliveries
                        .desk(host)
                        .on_disk
                        .entry(row)
                        .or_default()
                        .named = true;
                }
                self.later(host, STEP, Job::Finish(number, step + 1));
            }
            Job::Finish(number, _) => {
                let result = Ok(());
                self.library(host, LibraryInput::Finished { number, result });
            }
        }
    }

    /// A second has passed for a library.
    fn tick_library(&mut self, host: u32) {
        let links = self.hosts[host as usize].links.iter();
        let peers = (0..).map(PeerId).zip(links);
        let stands = |up| {
            if up {
                Standing::Connected
            } else {
                Standing::Away
            }
        };
        let standings = peers.map(|(peer, link)| (peer, stands(link.up)));
        let standings = standings.collect();
        self.library(host, LibraryInput::Tick { standings });
        self.later(host, TICK, Job::Tick);
    }

    pub(super) fn later(&mut self, host: u32, after: Span, job: Job) {
        let life = self.deliveries.desk(host).life;
        let at = self.now.saturating_add(after);
        self.queue.push(at, Event::Desk(host, life, Box::new(job)));
    }

    /// The delivery that a library knows under a number.
    pub(super) fn delivery_of(&self, host: u32, number: u32) -> Option<u32> {
        let library = self.deliveries.desks[host as usize].library.as_ref()?;
        let id = library.get(number)?.id();
        let all = 0..u32::try_from(self.setup.library.deliveries.len()).expect("few");
        all.into_iter().find(|row| content_id(*row) == id)
    }

    pub(super) fn description(&self, row: u32) -> Description {
        let delivery = &self.setup.library.deliveries[row as usize];
        let geometry = Manifest::new(delivery.bytes, delivery.chunk);
        Description {
            geometry: geometry.expect("the lab checks geometries"),
            space: library::quota::space([delivery.bytes.get()]),
        }
    }

    /// The identity under which a transfer of a library moves.
    pub(super) fn moved_as(
        &self,
        host: u32,
        transfer: TransferId,
        geometry: Manifest,
    ) -> Option<ContentId> {
        let row = self.delivery_of(host, transfer.0 / 2)?;
        let content = content_id(row);
        if transfer.0.is_multiple_of(2) {
            return Some(content);
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&content.0);
        hasher.update(&geometry.bytes().get().to_le_bytes());
        Some(ContentId(*hasher.finalize().as_bytes()))
    }

    pub(super) fn end_delivery(&mut self, waiter: Waiter, outcome: WaitOutcome) {
        let row = usize::try_from(waiter.0).expect("a row of the setup");
        let record = &mut self.deliveries.records[row];
        if let WaitOutcome::Pushed { recipients, .. } = &outcome {
            record.verdict = recipients.first().and_then(|one| one.verdict);
        }
        record.end.get_or_insert(self.now);
        record.outcome = Some(outcome);
    }

    /// What a node noticed of a transfer of its library, or of an offer.
    pub(super) fn library_hears(&mut self, host: u32, input: LibraryInput) {
        self.later(host, Span::ZERO, Job::Say(input));
    }

    /// A connection of a host is up, or down.
    pub(super) fn library_links(&mut self, host: u32, peer: PeerId, up: bool) {
        self.library(
            host,
            match up {
                true => LibraryInput::Connected { peer },
                false => LibraryInput::Disconnected { peer },
            },
        );
    }
}

fn key_of(host: u32) -> Key {
    *blake3::hash(&host.to_le_bytes()).as_bytes()
}
