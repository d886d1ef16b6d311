//! The store's index of chunks and files, in memory: kept, verified in this run, synced.
//!
//! A chunk is no longer verified once a file of it looks different from when it was hashed.

use std::collections::BTreeSet;

use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::id::ChunkIndex;
use fairhaul_core::manifest::Manifest;
use fairhaul_core::time::Time;

use super::disk::Status;
use crate::content::scan::Stamp;
use crate::content::{EntryKind, Tree};

/// Files that are synced one by one; for more, the whole file system is synced at once.
const SYNCED_SINGLY_MAX: usize = 64;

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nowhere.
    Absent,
    /// Beneath the temporary directory.
    Temp,
    /// Under its final name.
    Final,
}

/// What is known of one entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) place: Place,
    /// How the file looked when the chunks marked as verified were hashed or written.
    pub(crate) stamp: Option<Stamp>,
    /// Writes under way; while there are any, the time of change says nothing.
    pub(crate) writers: u32,
    /// Where its bytes start in the content.
    start: u64,
    bytes: u64,
}

/// What still has to reach the disk.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Chunks that count as kept but are not known to be durable.
    pub(crate) chunks: BTreeSet<ChunkIndex>,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// Files written.
    pub(crate) entries: BTreeSet<usize>,
    /// Directories with new names in them.
    pub(crate) directories: BTreeSet<String>,
    /// Too many of these to sync one by one, or not known which.
    pub(crate) many: bool,
}

/// Chunks and files of one content.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) known: Vec<Known>,
    /// Chunks kept.
    pub(crate) have: Bitfield,
    /// Chunks kept whose bytes were hashed in this run, while the stamps stay.
    pub(crate) verified: Bitfield,
    /// Chunks kept that survive a loss of power.
    pub(crate) durable: Bitfield,
    pub(crate) pending: Pending,
    /// Since when written bytes have been waiting for a sync, if one was requested.
    pub(crate) since: Option<Time>,
    /// Counts failed syncs: a write that spans one cannot be trusted.
    pub(crate) epoch: u64,
    /// Whether the state file says less than `durable`.
    pub(crate) unsaved: bool,
    /// Generation of the state file.
    pub(crate) generation: u64,
    /// Whether files may have begun to get their final names.
    pub(crate) finishing: bool,
    /// Whether all of them have.
    pub(crate) finished: bool,
    geometry: Manifest,
}

impl Pending {
    /// Notes that a file was written.
    pub(crate) fn entry(&mut self, entry: usize) {
        if !self.many {
            self.entries.insert(entry);
            self.many = self.entries.len() > SYNCED_SINGLY_MAX;
        }
    }

    /// Notes that a directory has a new name in it.
    pub(crate) fn directory(&mut self, path: &str) {
        if !self.many && !self.directories.contains(path) {
            self.directories.insert(path.to_owned());
            self.many = self.directories.len() > SYNCED_SINGLY_MAX;
        }
    }

    /// Whether there is nothing to be synced.
    pub(crate) fn is_empty(&self) -> bool {
        !self.many && self.entries.is_empty() && self.directories.is_empty()
    }
}

impl Book {
    /// Nothing kept of `tree`.
    pub(crate) fn empty(tree: &Tree) -> Self {
        let mut start = 0;
        let known = tree.entries().iter().map(|entry| {
            let bytes = match entry.kind {
                EntryKind::File { bytes, .. } => bytes,
                EntryKind::EmptyDirectory => 0,
            };
            let known = Known {
                place: Place::Absent,
                stamp: None,
                writers: 0,
                start,
                bytes,
            };
            start += bytes;
            known
        });
        let chunks = tree.geometry().chunks();
        Self {
            known: known.collect(),
            have: Bitfield::empty(chunks),
            verified: Bitfield::empty(chunks),
            durable: Bitfield::empty(chunks),
            pending: Pending::default(),
            since: None,
            epoch: 0,
            unsaved: false,
            generation: 0,
            finishing: false,
            finished: false,
            geometry: tree.geometry(),
        }
    }

    /// Length of a file; zero for a directory.
    pub(crate) fn bytes_of(&self, entry: usize) -> u64 {
        self.known[entry].bytes
    }

    /// The chunks that hold bytes of `entry`.
    pub(crate) fn chunks_of(&self, entry: usize) -> impl Iterator<Item = ChunkIndex> + use<> {
        let (known, geometry) = (self.known[entry], self.geometry);
        let chunk = geometry.chunk().get();
        let end = (known.start + known.bytes).div_ceil(chunk);
        let chunks = if known.bytes == 0 {
            0..0
        } else {
            known.start / chunk..end
        };
        chunks.filter_map(move |at| geometry.index(u32::try_from(at).ok()?))
    }

    /// Whether the file looks as it did when its chunks were verified. While this node writes
    /// to it, only its inode and length say something.
    pub(crate) fn holds(&self, entry: usize, status: &Status) -> bool {
        let known = &self.known[entry];
        let Some(stamp) = known.stamp else {
            return false;
        };
        let same_file = (stamp.inode, stamp.device) == (status.stamp.inode, status.stamp.device);
        let same_content = known.writers > 0 || stamp == status.stamp;
        same_file && same_content && status.stamp.bytes == known.bytes && !status.unlinked
    }

    /// Notes that `entry` was hashed looking like `stamp`. If it looked different before, what
    /// was known of its other chunks is known no longer.
    pub(crate) fn saw(&mut self, entry: usize, stamp: Stamp) {
        if self.known[entry].writers > 0 || self.known[entry].stamp == Some(stamp) {
            return;
        }
        if self.known[entry].stamp.is_some() {
            self.doubt(entry);
        }
        self.known[entry].stamp = Some(stamp);
    }

    /// The chunks of `entry` have to be hashed again before they are served.
    pub(crate) fn doubt(&mut self, entry: usize) {
        for chunk in self.chunks_of(entry) {
            self.verified.remove(chunk);
        }
    }

    /// `chunk` is kept and its bytes are right.
    pub(crate) fn keep(&mut self, chunk: ChunkIndex, bytes: u64) {
        self.verified.insert(chunk);
        if self.have.insert(chunk) && self.pending.chunks.insert(chunk) {
            self.pending.bytes += bytes;
        }
    }

    /// `chunk` is not kept any more.
    pub(crate) fn lose(&mut self, chunk: ChunkIndex) {
        self.have.remove(chunk);
        self.verified.remove(chunk);
        self.pending.chunks.remove(&chunk);
        if self.durable.remove(chunk) {
            self.unsaved = true;
        }
    }
}
