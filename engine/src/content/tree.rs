//! A tree: its entries, and one stream of bytes made of all its files.
//!
//! The content is the concatenation of all files in the order of their paths, so that ten thousand
//! small files are a few chunks and not ten thousand. Refused are paths that [`path`] refuses,
//! trees above the limits below, and hashes that do not match the geometry.

use fairhaul_core::id::ChunkIndex;
use fairhaul_core::manifest::{CHUNKS_MAX, Manifest};
use fairhaul_core::units::ByteCount;
use thiserror::Error;

use super::manifest::MANIFEST_MAX;
use super::path::{self, BadPath};

/// Most entries of a tree: its files and empty directories.
pub(crate) const ENTRIES_MAX: usize = 1_000_000;

/// A tree holds fewer bytes than this.
pub(crate) const BYTES_BOUND: u64 = 1 << 63;

/// Longest chunk, in bytes, of a content that could have chunks so long; see
/// [`chunk_size`] for those that need longer ones.
pub(crate) const CHUNK_MAX: ByteCount = ByteCount::mib(64);

/// Shortest and longest chunk that are chosen freely. Below the first, requests cost more
/// than they order; above the second, a receiver cannot pass on what it has soon enough.
const CHUNK_CHOSEN: (u64, u64) = (64 * 1024, 1024 * 1024);

/// Chunks that a content is cut into, about, while it may be.
const CHUNKS_CHOSEN: u64 = 1_024;

/// Most chunks that are chosen: their hashes are then half of the largest manifest.
const CHUNKS_CHOSEN_MAX: u64 = 1 << 20;

/// What a chunk's hash is derived with, so that no chunk hashes to what is no chunk.
const CHUNK_CONTEXT: &str = "fairhaul 1 chunk";

/// BLAKE3 hash of a chunk.
pub type ChunkHash = [u8; 32];

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory without entries below it; others are implied by the paths in them.
    EmptyDirectory,
    /// A file.
    File {
        /// Its length in bytes.
        bytes: u64,
        /// Whether it may be executed.
        executable: bool,
    },
}

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its path, parts between `/`, relative; checked.
    pub path: Box<str>,
    /// What it is.
    pub kind: EntryKind,
}

/// A tree with the hashes of its chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    entries: Vec<TreeEntry>,
    /// Where each entry's bytes start in the stream.
    starts: Vec<u64>,
    geometry: Manifest,
    hashes: Vec<ChunkHash>,
}

/// A part of a chunk: a range of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Position of the file among the entries.
    pub entry: usize,
    /// Where in the file it starts.
    pub offset: u64,
    /// Its bytes, more than none.
    pub len: u64,
}

/// Why a manifest, or the parts of a tree, are refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadManifest {
    /// Nothing in it.
    #[error("manifest has no entry; at least one file or empty directory is needed")]
    Empty,
    /// More entries, so many, than `ENTRIES_MAX`.
    #[error("manifest has {0} entries; allowed are {ENTRIES_MAX}")]
    Entries(u64),
    /// A name, or a pair of names, that may not be.
    #[error(transparent)]
    Path(#[from] BadPath),
    /// The sum of all files reaches `BYTES_BOUND`.
    #[error("manifest has files of 2^63 bytes or more in all; fewer are allowed")]
    Bytes,
    /// More chunks than a content may have.
    #[error("manifest cuts {bytes} bytes into chunks of {chunk}; allowed are 2^24 chunks")]
    Chunks {
        /// Length of the content.
        bytes: u64,
        /// Length of a chunk.
        chunk: u64,
    },
    /// A chunk without bytes, or longer than it may be.
    #[error("manifest has chunks of {got} bytes; allowed are 1 to {allowed}")]
    Chunk {
        /// Length of a chunk.
        got: u64,
        /// The longest allowed for this length of content.
        allowed: u64,
    },
    /// Another number of hashes than there are chunks.
    #[error("manifest has {got} hashes; its files make {needed} chunks")]
    Hashes {
        /// How many there are.
        got: u64,
        /// How many there should be.
        needed: u64,
    },
    /// Longer, in bytes, than a manifest may be.
    #[error("manifest has {0} bytes; allowed are {MANIFEST_MAX}")]
    Long(u64),
    /// Another kind of file, or a version that this one does not know.
    #[error("manifest does not start as one of version 1 does")]
    Magic,
    /// It ends before it is complete: at this byte more is needed.
    #[error("manifest ends at byte {0}, before it is complete")]
    Cut(u64),
    /// An entry, at this byte, of a kind that there is not.
    #[error("manifest has an entry of kind {kind} at byte {at}; allowed are 0, 1 and 2")]
    Kind {
        /// The kind.
        kind: u8,
        /// Where.
        at: u64,
    },
}

/// Length of a chunk for a content of `bytes` bytes: a power of two, 64 KiB up to 64 MiB of
/// content, then so that there are about 1,024 chunks, 1 MiB from 1 GiB on; longer only where
/// the hashes would fill more than half of the largest manifest (above 1 TiB).
#[must_use]
pub fn chunk_size(bytes: u64) -> ByteCount {
    let (least, most) = CHUNK_CHOSEN;
    let chosen = bytes.div_ceil(CHUNKS_CHOSEN).clamp(least, most);
    let needed = bytes.div_ceil(CHUNKS_CHOSEN_MAX);
    ByteCount::new(chosen.max(needed).next_power_of_two())
}

/// The hash of a chunk, in a domain of its own. BLAKE3 binds the length in.
#[must_use]
pub fn hash_chunk(bytes: &[u8]) -> ChunkHash {
    *chunk_hasher().update(bytes).finalize().as_bytes()
}

/// The hasher of [`hash_chunk`], for bytes that come in parts.
pub(crate) fn chunk_hasher() -> blake3::Hasher {
    blake3::Hasher::new_derive_key(CHUNK_CONTEXT)
}

impl Tree {
    /// A tree of `entries` in the order of [`path::order`], cut into chunks of `chunk` bytes
    /// that hash to `hashes`.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks; for names, with the names.
    pub fn new(
        entries: Vec<TreeEntry>,
        chunk: ByteCount,
        hashes: Vec<ChunkHash>,
    ) -> Result<Self, BadManifest> {
        check_names(&entries)?;
        let (starts, bytes) = lay_out(&entries)?;
        let geometry = cut(bytes, chunk)?;
        let needed = u64::from(geometry.chunks());
        if hashes.len() as u64 != needed {
            return Err(BadManifest::Hashes {
                got: hashes.len() as u64,
                needed,
            });
        }
        Ok(Self {
            entries,
            starts,
            geometry,
            hashes,
        })
    }

    /// Its geometry, for the core.
    #[must_use]
    pub const fn geometry(&self) -> Manifest {
        self.geometry
    }

    /// Its entries, in the order of their paths.
    #[must_use]
    pub fn entries(&self) -> &[TreeEntry] {
        &self.entries
    }

    /// What each chunk must hash to, in order.
    #[must_use]
    pub fn hashes(&self) -> &[ChunkHash] {
        &self.hashes
    }

    /// Its bytes: the sum of its files.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.geometry.bytes().get()
    }

    /// How many files it has.
    #[must_use]
    pub fn files(&self) -> usize {
        let is_file = |entry: &&TreeEntry| matches!(entry.kind, EntryKind::File { .. });
        self.entries.iter().filter(is_file).count()
    }

    /// What it is called: the first component of every path, if they share it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        let first = |entry: &'_ TreeEntry| entry.path.find('/').unwrap_or(entry.path.len());
        let (front, back) = (self.entries.first()?, self.entries.last()?);
        let name = &front.path[..first(front)];
        // In their order, the paths between the first and the last share what these two do.
        (name == &back.path[..first(back)]).then_some(name)
    }

    /// Whether `bytes` are `chunk`, in length and hash.
    #[must_use]
    pub(crate) fn verify(&self, chunk: ChunkIndex, bytes: &[u8]) -> bool {
        let expected = self.hashes.get(chunk.index());
        expected.is_some_and(|expected| {
            self.geometry.len_of(chunk).get() == bytes.len() as u64
                && hash_chunk(bytes) == *expected
        })
    }

    /// The files and ranges that hold `len` bytes of `chunk` from `offset` on, in order; what
    /// lies beyond the end of the content is left out.
    pub fn pieces(
        &self,
        chunk: ChunkIndex,
        offset: ByteCount,
        len: ByteCount,
    ) -> impl Iterator<Item = Piece> + '_ {
        let at = u64::from(chunk.get()).saturating_mul(self.geometry.chunk().get());
        let at = at.saturating_add(offset.get());
        pieces(&self.entries, &self.starts, at, len.get())
    }
}

/// The ranges of the files that hold `len` bytes of the stream from `at` on.
pub(super) fn pieces<'a>(
    entries: &'a [TreeEntry],
    starts: &'a [u64],
    mut at: u64,
    len: u64,
) -> impl Iterator<Item = Piece> + 'a {
    let end = at.saturating_add(len);
    // The last entry that starts at or before `at`; empty ones after it are skipped below.
    let first = starts.partition_point(|start| *start <= at);
    let mut entry = first.saturating_sub(1);
    std::iter::from_fn(move || {
        while at < end {
            let (start, bytes) = (*starts.get(entry)?, bytes_of(entries.get(entry)?));
            let stop = start.saturating_add(bytes).min(end);
            let piece = Piece {
                entry,
                offset: at.saturating_sub(start),
                len: stop.saturating_sub(at),
            };
            entry += 1;
            if piece.len > 0 {
                at = stop;
                return Some(piece);
            }
        }
        None
    })
}

/// Where each entry's bytes start in the stream, and its length.
pub(super) fn lay_out(entries: &[TreeEntry]) -> Result<(Vec<u64>, u64), BadManifest> {
    let mut starts = Vec::with_capacity(entries.len());
    let mut at = 0_u64;
    for entry in entries {
        starts.push(at);
        at = at
            .checked_add(bytes_of(entry))
            .filter(|sum| *sum < BYTES_BOUND)
            .ok_or(BadManifest::Bytes)?;
    }
    Ok((starts, at))
}

/// The geometry of `bytes` bytes in chunks of `chunk`.
pub(super) fn cut(bytes: u64, chunk: ByteCount) -> Result<Manifest, BadManifest> {
    // Whoever receives a chunk cannot check or pass on a part of it, so a stranger may not
    // make it longer than the content asks for.
    let allowed = CHUNK_MAX.max(chunk_size(bytes));
    if chunk == ByteCount::ZERO || chunk > allowed {
        return Err(BadManifest::Chunk {
            got: chunk.get(),
            allowed: allowed.get(),
        });
    }
    debug_assert!(CHUNKS_CHOSEN_MAX <= u64::from(CHUNKS_MAX));
    Manifest::new(ByteCount::new(bytes), chunk).map_err(|_| BadManifest::Chunks {
        bytes,
        chunk: chunk.get(),
    })
}

const fn bytes_of(entry: &TreeEntry) -> u64 {
    match entry.kind {
        EntryKind::File { bytes, .. } => bytes,
        EntryKind::EmptyDirectory => 0,
    }
}

/// Checks the entries' number, names and order.
pub(super) fn check_names(entries: &[TreeEntry]) -> Result<(), BadManifest> {
    if entries.is_empty() {
        return Err(BadManifest::Empty);
    }
    if entries.len() > ENTRIES_MAX {
        return Err(BadManifest::Entries(entries.len() as u64));
    }
    let paths = entries.iter().map(|entry| &*entry.path);
    paths.clone().try_for_each(path::check)?;
    path::check_all(paths)?;
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
