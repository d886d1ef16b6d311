//! The geometry of a content: its length and how it is cut into chunks.
//!
//! Only a manifest makes a valid [`ChunkIndex`]. It has no empty chunks, and no more chunks than a
//! bitfield message can carry.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::bitfield::Bitfield;
use crate::id::ChunkIndex;
use crate::units::ByteCount;

/// Most chunks of one content.
pub const CHUNKS_MAX: u32 = 1 << 24;

/// A content's identity: the root hash of its manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ContentId(pub [u8; 32]);

/// Length of a content and of its chunks. Every chunk but the last is `chunk` bytes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Lengths")]
pub struct Manifest {
    bytes: ByteCount,
    chunk: ByteCount,
}

/// A geometry as it is written down: a reader checks it before it is one.
#[derive(Deserialize)]
struct Lengths {
    bytes: ByteCount,
    chunk: ByteCount,
}

/// Why a geometry is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestError {
    /// A chunk of no bytes.
    EmptyChunk,
    /// More than [`CHUNKS_MAX`] chunks.
    TooManyChunks,
}

impl Manifest {
    /// A content of `bytes` bytes in chunks of `chunk` bytes.
    ///
    /// # Errors
    ///
    /// A chunk length of zero, or more than [`CHUNKS_MAX`] chunks.
    pub fn new(bytes: ByteCount, chunk: ByteCount) -> Result<Self, ManifestError> {
        if chunk == ByteCount::ZERO {
            return Err(ManifestError::EmptyChunk);
        }
        if bytes.get().div_ceil(chunk.get()) > u64::from(CHUNKS_MAX) {
            return Err(ManifestError::TooManyChunks);
        }
        Ok(Self { bytes, chunk })
    }

    /// Length of the content.
    #[must_use]
    pub const fn bytes(&self) -> ByteCount {
        self.bytes
    }

    /// Length of every chunk but the last.
    #[must_use]
    pub const fn chunk(&self) -> ByteCount {
        self.chunk
    }

    /// How many chunks it has; zero for an empty content.
    #[must_use]
    pub fn chunks(&self) -> u32 {
        u32::try_from(self.bytes.get().div_ceil(self.chunk.get())).expect("checked in new")
    }

    /// The chunk at `position`; none beyond the last.
    #[must_use]
    pub fn index(&self, position: u32) -> Option<ChunkIndex> {
        (position < self.chunks()).then_some(ChunkIndex(position))
    }

    /// Length of the chunks of `set` together.
    #[must_use]
    pub fn bytes_of(&self, set: &Bitfield) -> ByteCount {
        let last = self.chunks().checked_sub(1).map(ChunkIndex);
        let short = last.filter(|last| set.has(*last));
        let lacks = short.map_or(0, |last| self.chunk.get() - self.len_of(last).get());
        let whole = u64::from(set.count()).saturating_mul(self.chunk.get());
        ByteCount::new(whole.saturating_sub(lacks))
    }

    /// Length of `chunk`.
    #[must_use]
    pub fn len_of(&self, chunk: ChunkIndex) -> ByteCount {
        let start = u64::from(chunk.get()) * self.chunk.get();
        ByteCount::new((self.bytes.get() - start).min(self.chunk.get()))
    }
}

impl TryFrom<Lengths> for Manifest {
    type Error = ManifestError;

    fn try_from(lengths: Lengths) -> Result<Self, ManifestError> {
        Self::new(lengths.bytes, lengths.chunk)
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyChunk => write!(f, "a chunk has no bytes"),
            Self::TooManyChunks => write!(f, "more than {CHUNKS_MAX} chunks"),
        }
    }
}

impl std::error::Error for ManifestError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_chunk_holds_what_is_left() {
        let manifest = Manifest::new(ByteCount::new(10), ByteCount::new(4)).unwrap();
        let lens: Vec<u64> = (0..manifest.chunks())
            .map(|at| manifest.len_of(manifest.index(at).unwrap()).get())
            .collect();
        assert_eq!(lens, [4, 4, 2]);
        let mut set = Bitfield::full(3);
        assert_eq!(manifest.bytes_of(&set).get(), 10);
        set.remove(ChunkIndex(0));
        assert_eq!(manifest.bytes_of(&set).get(), 6);
        set.remove(ChunkIndex(2));
        assert_eq!(manifest.bytes_of(&set).get(), 4);
        assert_eq!(manifest.index(3), None);
    }

    #[test]
    fn empty_chunks_and_too_many_are_refused() {
        let refused = Manifest::new(ByteCount::new(1), ByteCount::ZERO);
        assert_eq!(refused, Err(ManifestError::EmptyChunk));
        let most = u64::from(CHUNKS_MAX);
        assert!(Manifest::new(ByteCount::new(most), ByteCount::new(1)).is_ok());
        let refused = Manifest::new(ByteCount::new(most + 1), ByteCount::new(1));
        assert_eq!(refused, Err(ManifestError::TooManyChunks));
    }
}
