//! One content on a node: where it stands, in which folders it lies, and who waits for it.

use std::collections::VecDeque;

use super::io::{Description, FolderId, Kept, Placement, Role, Waiter};
use super::manifest_senders::ManifestSenders;
use super::places::Places;
use super::wait_timeout::Drought;
use crate::id::{PeerId, TransferId};
use crate::manifest::{ContentId, Manifest};
use crate::time::Time;
use crate::units::ByteCount;

/// Length of a chunk of a manifest: nearly every manifest is one chunk.
pub const MANIFEST_CHUNK: ByteCount = ByteCount::mib(1);

/// Lengths that the manifest of one content may be said to have: all but one are lies.
const LENGTHS_MAX: usize = 8;

/// Where a content stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its manifest is on its way.
    Describing,
    /// What is there is being verified.
    Checking,
    /// Chunks are on their way.
    Moving,
    /// It is whole, and gets its final names.
    Finishing,
    /// It is whole.
    Whole,
    /// Paused by a person, or because the disk is full or broken.
    Paused(Option<Box<str>>),
    /// It cannot go on.
    Failed(Box<str>),
}

/// One content.
#[derive(Debug)]
pub struct Content {
    pub(super) number: u32,
    pub(super) id: ContentId,
    pub(super) stage: Stage,
    pub(super) places: Places,
    pub(super) paused: bool,
    pub(super) manifest: ManifestState,
    /// The folder that is read first, and written if it is being filled; `None` if none is open.
    pub(super) reading: Option<FolderId>,
    /// Other folders that are open and in which it is whole.
    pub(super) others: Vec<FolderId>,
    /// The disk that is filled, if that is known.
    pub(super) device: Option<u64>,
    /// Whether the node takes part in its bytes.
    pub(super) joined: bool,
    pub(super) waiters: Vec<Waiter>,
    /// Peers that offered it and want to know what becomes of it.
    pub(super) offered: Vec<PeerId>,
    /// Verified bytes that are here.
    pub(super) here: u64,
    /// Chunks whose writing has not ended.
    pub(super) writing: u32,
    /// Of those, the ones that tell nothing of what is fetched now.
    pub(super) stale: u32,
    pub(super) syncing: bool,
    /// Whether it could be written to its disk, this time or in an earlier run.
    pub(super) begun: bool,
    /// Why it stood still last, until it goes on, and since when.
    pub(super) trouble: Option<Box<str>>,
    pub(super) stopped: Time,
    pub(super) started: Time,
    /// When something of it came last.
    pub(super) fed: Time,
    pub(super) drought: Drought,
}

/// The manifest of a content.
#[derive(Debug)]
pub(super) struct ManifestState {
    /// Its length, in bytes, as far as is known.
    pub(super) bytes: u64,
    /// Its description, once it was read and matches the content.
    pub(super) description: Option<Description>,
    /// Whether every chunk of it is here.
    pub(super) is_whole: bool,
    /// Counts the manifests that were fetched for this content.
    pub(super) attempt: u32,
    /// Whether the node takes part in it.
    pub(super) joined: bool,
    pub(super) senders: ManifestSenders,
    /// Other lengths that it is said to have.
    pub(super) lengths: VecDeque<u64>,
}

impl ManifestState {
    fn new(bytes: u64, description: Option<Description>) -> Self {
        Self {
            bytes,
            description,
            is_whole: description.is_some(),
            attempt: 0,
            joined: false,
            senders: ManifestSenders::default(),
            lengths: VecDeque::new(),
        }
    }

    /// How it is cut for its own transfer.
    pub(super) fn geometry(&self) -> Manifest {
        geometry_of_manifest(self.bytes)
    }

    /// Another length is known for it than the one that is being fetched.
    pub(super) fn hear_length(&mut self, bytes: u64) {
        let known = self.bytes == bytes || self.lengths.contains(&bytes);
        if !known && self.lengths.len() < LENGTHS_MAX {
            self.lengths.push_back(bytes);
        }
    }

    /// What came of it is forgotten; it is expected to be of this length.
    pub(super) fn restart(&mut self, bytes: u64) {
        self.bytes = bytes;
        self.description = None;
        self.is_whole = false;
        self.attempt += 1;
    }
}

/// How a manifest of `bytes` bytes is cut for its own transfer, at most what a manifest may have.
///
/// # Panics
///
/// For a manifest of more chunks than any content has: 2^24 of a mebibyte.
#[must_use]
pub fn geometry_of_manifest(bytes: u64) -> Manifest {
    let geometry = Manifest::new(ByteCount::new(bytes), MANIFEST_CHUNK);
    geometry.expect("a manifest has far fewer chunks than a content")
}

impl Content {
    pub(super) fn new(
        (number, id): (u32, ContentId),
        placement: Placement,
        (manifest_bytes, description): (u64, Option<Description>),
        now: Time,
    ) -> Self {
        Self {
            number,
            id,
            stage: Stage::Describing,
            places: Places::new(placement),
            paused: false,
            manifest: ManifestState::new(manifest_bytes, description),
            reading: None,
            others: Vec::new(),
            device: None,
            joined: false,
            waiters: Vec::new(),
            offered: Vec::new(),
            here: 0,
            writing: 0,
            stale: 0,
            syncing: false,
            begun: false,
            trouble: None,
            stopped: now,
            started: now,
            fed: now,
            drought: Drought::default(),
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Its identity.
    #[must_use]
    pub const fn id(&self) -> ContentId {
        self.id
    }

    /// Where it stands.
    #[must_use]
    pub const fn stage(&self) -> &Stage {
        &self.stage
    }

    /// The node's id for its bytes.
    #[must_use]
    pub const fn data(&self) -> TransferId {
        TransferId(self.number * 2)
    }

    /// The node's id for its manifest.
    #[must_use]
    pub(crate) const fn manifest_transfer(&self) -> TransferId {
        TransferId(self.number * 2 + 1)
    }

    /// Its length in bytes; zero until its folder was opened.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let description = self.manifest.description.filter(|_| self.is_open());
        description.map_or(0, |known| known.geometry.bytes().get())
    }

    /// Whether it was fetched here and, as far as is known, has one chunk. To fetch that again
    /// costs less than to make sure that the content is remembered after a loss of power.
    #[must_use]
    pub fn is_soon_fetched_again(&self) -> bool {
        let filled = &self.places.filled;
        let alone = self.places.whole.is_empty() && filled.pusher.is_none() && self.is_fetch();
        let known = self.manifest.description;
        alone && known.is_none_or(|known| known.geometry.chunks() <= 1)
    }

    /// Verified bytes that are here.
    #[must_use]
    pub const fn here(&self) -> u64 {
        self.here
    }

    /// When it was last begun.
    #[must_use]
    pub const fn started(&self) -> Time {
        self.started
    }

    /// Whether it is fetched, and not shared as it was found.
    #[must_use]
    pub const fn is_fetch(&self) -> bool {
        matches!(self.places.filled.role, Role::Fetched { .. })
    }

    /// The folder that is filled, or was filled last.
    #[must_use]
    pub const fn placement(&self) -> &Placement {
        &self.places.filled
    }

    /// What the next run has to know of it.
    #[must_use]
    pub fn kept(&self) -> Kept {
        Kept {
            manifest_bytes: self.manifest.bytes,
            placement: self.places.filled,
            whole_in: self.places.whole.clone(),
            paused: self.paused,
        }
    }

    /// Whether a person has paused it.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether it is read from a folder.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.reading.is_some()
    }

    /// The folders that are open: the one that is read first, if it is read at all, and the others
    /// in which it is whole.
    #[must_use]
    pub fn open(&self) -> (Option<FolderId>, &[FolderId]) {
        (self.reading, &self.others)
    }

    /// The waiters for it.
    #[must_use]
    pub fn waiters(&self) -> &[Waiter] {
        &self.waiters
    }

    /// Bytes of it that are still to come.
    pub(super) fn lacking(&self) -> u64 {
        let bytes = self.bytes().max(self.places.filled.offered);
        bytes.saturating_sub(self.here)
    }

    /// Whether a peer pushed it and it is not whole.
    pub(super) const fn is_coming_push(&self) -> bool {
        self.places.filled.pusher.is_some()
            && !matches!(self.stage, Stage::Whole | Stage::Finishing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crowd of peers that each name another length does not grow what is kept.
    #[test]
    fn other_lengths_of_a_manifest_are_kept_once_each_and_eight_of_them() {
        let mut manifest = ManifestState::new(100, None);
        for bytes in [100, 7, 7, 8] {
            manifest.hear_length(bytes);
        }
        assert_eq!(manifest.lengths, [7, 8]);
        (1_000..1_100).for_each(|bytes| manifest.hear_length(bytes));
        assert_eq!(manifest.lengths.len(), 8);
        for attempt in 1..4 {
            manifest.restart(7);
            assert_eq!((manifest.attempt, manifest.bytes), (attempt, 7));
        }
    }
}
