//! What chunks are read from and written to: files, or the memory that holds a manifest.
//!
//! Decides nothing. A manifest is moved as a content of its own under [`manifest_id`], so that
//! it is scheduled, limited and shared on like any other.
//!
//! [`manifest_id`]: crate::content::manifest_id

use std::sync::{Arc, Mutex};

use fairhaul_core::id::ChunkIndex;
use fairhaul_core::manifest::Manifest;
use fairhaul_core::units::ByteCount;
use fairhaul_core::uplink::Block;
use tokio::task::{JoinError, spawn_blocking};

use crate::content::{ChunkHash, Tree};
use crate::session::{HEAD, Pool};
use crate::store::{ReadError, Store, StoreError};

/// Length of a chunk of a manifest: nearly every manifest is one chunk.
const MANIFEST_CHUNK: ByteCount = ByteCount::mib(1);

/// Where the chunks of one transfer are.
#[derive(Clone, Debug)]
pub(crate) enum Shelf {
    /// On disk.
    Files(Arc<Store>, Arc<Tree>),
    /// In memory.
    Manifest(Arc<ManifestShelf>),
}

/// A manifest, whole or on its way.
#[derive(Debug)]
pub(crate) struct ManifestShelf {
    geometry: Manifest,
    bytes: Mutex<Vec<u8>>,
}

impl ManifestShelf {
    /// Room for a manifest of `len` bytes, at most what a manifest may have.
    pub(crate) fn empty(len: u64) -> Self {
        let geometry = Manifest::new(ByteCount::new(len), MANIFEST_CHUNK);
        Self {
            geometry: geometry.expect("a manifest has far fewer chunks than a content"),
            bytes: Mutex::new(Vec::new()),
        }
    }

    /// A manifest that is whole.
    pub(crate) fn full(bytes: Vec<u8>) -> Self {
        Self {
            bytes: Mutex::new(bytes.clone()),
            ..Self::empty(bytes.len() as u64)
        }
    }

    pub(crate) fn geometry(&self) -> Manifest {
        self.geometry
    }

    /// Whether all of it came.
    pub(crate) fn is_whole(&self) -> bool {
        self.bytes.lock().expect("nobody panics with it").len() as u64
            == self.geometry.bytes().get()
    }

    /// A copy of what is there.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().expect("nobody panics with it").clone()
    }

    fn range(&self, chunk: ChunkIndex, offset: ByteCount) -> usize {
        let start = u64::from(chunk.get()) * self.geometry.chunk().get() + offset.get();
        usize::try_from(start).expect("a manifest fits the memory")
    }
}

impl Shelf {
    pub(crate) fn geometry(&self) -> Manifest {
        match self {
            Self::Files(_, tree) => tree.geometry(),
            Self::Manifest(shelf) => shelf.geometry,
        }
    }

    /// Fills `out` with the bytes of `chunk` from `offset` on.
    pub(crate) fn read(
        &self,
        chunk: ChunkIndex,
        offset: ByteCount,
        out: &mut [u8],
    ) -> Result<(), ReadError> {
        match self {
            Self::Files(store, _) => store.read(chunk, offset, out),
            Self::Manifest(shelf) => {
                let bytes = shelf.bytes.lock().expect("nobody panics with it");
                let from = shelf.range(chunk, offset);
                let there = bytes.get(from..from + out.len());
                out.copy_from_slice(there.ok_or_else(|| ReadError::Absent(chunk.get()))?);
                Ok(())
            }
        }
    }

    /// Fills `out` as [`Shelf::read`] does if nothing has to be waited for; whether it did.
    fn read_at_hand(&self, chunk: ChunkIndex, offset: ByteCount, out: &mut [u8]) -> bool {
        match self {
            Self::Files(store, _) => store.read_at_hand(chunk, offset, out),
            Self::Manifest(_) => self.read(chunk, offset, out).is_ok(),
        }
    }

    /// The bytes of a block behind room for its head, in a buffer of `pool`. What is in memory is
    /// copied at once: a thread that may wait would be woken, and wake this one again, for less.
    pub(crate) async fn read_block(
        self,
        block: Block,
        pool: Arc<Pool>,
    ) -> Result<Result<Vec<u8>, ReadError>, JoinError> {
        let (chunk, offset) = (block.chunk, block.offset);
        let len = usize::try_from(block.len.get()).expect("a block is at most 256 KiB");
        let mut buffer = pool.take(HEAD + len);
        // Old bytes are as good as zeros: all of them are read over or nothing is sent.
        buffer.resize((HEAD + len).max(buffer.len()), 0);
        buffer.truncate(HEAD + len);
        if self.read_at_hand(chunk, offset, &mut buffer[HEAD..]) {
            return Ok(Ok(buffer));
        }
        let reading = spawn_blocking(move || {
            self.read(chunk, offset, &mut buffer[HEAD..])?;
            Ok(buffer)
        });
        reading.await
    }

    /// Whether a chunk with this hash is the right one. A manifest is judged when it is whole.
    pub(crate) fn expects(&self, chunk: ChunkIndex, hash: &ChunkHash) -> bool {
        match self {
            Self::Files(_, tree) => tree.hashes().get(chunk.index()) == Some(hash),
            Self::Manifest(_) => true,
        }
    }

    /// Keeps a chunk that was verified.
    pub(crate) fn write(&self, chunk: ChunkIndex, bytes: &[u8]) -> Result<(), StoreError> {
        match self {
            Self::Files(store, _) => store.write(chunk, bytes),
            Self::Manifest(shelf) => {
                let from = shelf.range(chunk, ByteCount::ZERO);
                let mut kept = shelf.bytes.lock().expect("nobody panics with it");
                if kept.len() < from + bytes.len() {
                    kept.resize(from + bytes.len(), 0);
                }
                kept[from..from + bytes.len()].copy_from_slice(bytes);
                Ok(())
            }
        }
    }
}
