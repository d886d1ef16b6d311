//! A tree: its entries, and one stream of bytes made of all its files.
//!
//! Decides where a chunk lies in the files. The content is the concatenation of all files in
//! the order of their paths, so that ten thousand small files are a few chunks and not ten
//! thousand.

use fairhaul_core::id::ChunkIndex;
use fairhaul_core::manifest::Manifest;
use fairhaul_core::units::ByteCount;

/// BLAKE3 hash of a chunk.
pub type ChunkHash = [u8; 32];

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
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
pub struct Entry {
    /// Its path, parts between `/`, relative; checked.
    pub path: Box<str>,
    /// What it is.
    pub kind: Kind,
}

/// A tree with the hashes of its chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    entries: Vec<Entry>,
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

impl Tree {
    /// Its geometry, for the core.
    #[must_use]
    pub const fn geometry(&self) -> Manifest {
        self.geometry
    }

    /// Its entries, in the order of their paths.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The files and ranges that hold `len` bytes of `chunk` from `offset` on, in order.
    pub fn pieces(
        &self,
        chunk: ChunkIndex,
        offset: ByteCount,
        len: ByteCount,
    ) -> impl Iterator<Item = Piece> + '_ {
        let mut at = u64::from(chunk.get()) * self.geometry.chunk().get() + offset.get();
        let end = at + len.get();
        // The last entry that starts at or before `at`; empty ones before it are skipped below.
        let mut entry = self
            .starts
            .partition_point(|start| *start <= at)
            .saturating_sub(1);
        std::iter::from_fn(move || {
            while at < end {
                let start = self.starts[entry];
                let bytes = match self.entries[entry].kind {
                    Kind::File { bytes, .. } => bytes,
                    Kind::EmptyDirectory => 0,
                };
                let stop = (start + bytes).min(end);
                let piece = Piece {
                    entry,
                    offset: at - start,
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
}
