//! What a peer has beside its node where a library decides: the library, and a disk that may fill.

use std::collections::{BTreeMap, BTreeSet};

use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::id::ChunkIndex;
use fairhaul_core::library::disk_fault::{Cause, DiskFault};
use fairhaul_core::library::{Kept, Library, Prepared};
use fairhaul_core::manifest::{ContentId, Manifest};
use fairhaul_core::message::OfferVerdict;

/// The disk of every peer: folders of one peer share it.
pub(super) const DEVICE: Option<u64> = Some(1);

/// What one peer has beside its node.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// None while the peer is away, and where no delivery concerns it.
    pub(super) library: Option<Library>,
    /// Counts its processes: what an earlier one had begun never ends.
    pub(super) life: u32,
    /// Bytes that its disk can still take.
    pub(super) free: u64,
    /// What its disk has of each delivery.
    pub(super) on_disk: BTreeMap<u32, OnDisk>,
    /// Deliveries of whose manifest a chunk came from a liar.
    pub(super) wrong: BTreeSet<u32>,
}

/// A content on a disk.
#[derive(Clone, Debug, Default)]
pub(super) struct OnDisk {
    pub(super) kept: Option<Kept>,
    pub(super) has_manifest: bool,
    pub(super) written: Option<Bitfield>,
    /// It has its final names.
    pub(super) named: bool,
}

impl Desk {
    /// A chunk of a delivery reaches the disk.
    pub(super) fn write(
        &mut self,
        (row, geometry): (u32, Manifest),
        chunk: ChunkIndex,
    ) -> Result<(), DiskFault> {
        let len = geometry.len_of(chunk).get();
        if self.free < len {
            return Err(full());
        }
        self.free -= len;
        let on_disk = self.on_disk.entry(row).or_default();
        let empty = || Bitfield::empty(geometry.chunks());
        on_disk.written.get_or_insert_with(empty).insert(chunk);
        Ok(())
    }

    /// What is on disk of a delivery, which the library knows under `number`; a fault if the rest
    /// has no room.
    pub(super) fn prepare(
        &self,
        (row, geometry): (u32, Manifest),
        number: u32,
    ) -> Result<Prepared, DiskFault> {
        let content = self.library.as_ref().and_then(|one| one.get(number));
        let is_whole = content.is_some_and(|one| one.placement().role.is_whole());
        let on_disk = self.on_disk.get(&row);
        let have = match on_disk.and_then(|on_disk| on_disk.written.clone()) {
            _ if is_whole => Bitfield::full(geometry.chunks()),
            Some(written) => written,
            None => Bitfield::empty(geometry.chunks()),
        };
        let missing = geometry.bytes().saturating_sub(geometry.bytes_of(&have));
        if missing.get() > self.free {
            return Err(full());
        }
        Ok(Prepared {
            have,
            whole_in: Vec::new(),
            device: DEVICE,
        })
    }

    /// Writes down what the next process has to know.
    pub(super) fn keep(&mut self, row: u32, number: u32) {
        let content = self.library.as_ref().and_then(|one| one.get(number));
        let Some((kept, is_open)) = content.map(|one| (one.kept(), one.is_open())) else {
            return;
        };
        let on_disk = self.on_disk.entry(row).or_default();
        on_disk.kept = Some(kept);
        on_disk.has_manifest |= is_open;
    }

    /// Nothing is kept of contents that the library has forgotten. Their chunks stay.
    pub(super) fn forget_gone(&mut self) {
        let Some(library) = &self.library else {
            return;
        };
        for (row, on_disk) in &mut self.on_disk {
            if library.find(&content_id(*row)).is_none() {
                on_disk.kept = None;
            }
        }
    }
}

fn full() -> DiskFault {
    DiskFault {
        cause: Cause::Full,
        verdict: OfferVerdict::Storage,
        why: "the disk is full".into(),
    }
}

/// The identity of the content of a delivery.
pub(super) fn content_id(row: u32) -> ContentId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"delivery");
    hasher.update(&row.to_le_bytes());
    ContentId(*hasher.finalize().as_bytes())
}
