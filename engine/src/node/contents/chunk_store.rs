//! Where chunks are read and written: files, or the memory that holds a manifest.
//!
//! A manifest is moved as a content of its own under [`manifest_id`], so that it is scheduled,
//! limited and forwarded like any other.
//!
//! [`manifest_id`]: crate::content::manifest_id

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use fairhaul_core::id::ChunkIndex;
use fairhaul_core::library::{MANIFEST_CHUNK, geometry_of_manifest};
use fairhaul_core::manifest::Manifest;
use fairhaul_core::units::ByteCount;
use fairhaul_core::uplink::Block;
use tokio::task::{JoinError, spawn_blocking};

use crate::content::{ChunkHash, Tree};
use crate::session::{HEAD, Pool};
use crate::store::{ChunkReadError, Store, StoreError, patiently};

/// Where the chunks of one transfer are.
#[derive(Clone, Debug)]
pub(crate) enum ChunkStore {
    /// On disk: at the place that was filled last, and at others where the same content lies.
    Files(Arc<[Arc<Store>]>, Arc<Tree>),
    /// In memory.
    Manifest(Arc<ManifestStore>),
}

/// A manifest, whole or on its way. It takes as much memory as has come of it, whichever chunks
/// those are.
#[derive(Debug)]
pub(crate) struct ManifestStore {
    geometry: Manifest,
    chunks: Mutex<BTreeMap<ChunkIndex, Vec<u8>>>,
}

impl ManifestStore {
    /// Room for a manifest of `len` bytes, at most what a manifest may have.
    pub(crate) fn empty(len: u64) -> Self {
        Self {
            geometry: geometry_of_manifest(len),
            chunks: Mutex::default(),
        }
    }

    /// A manifest that is whole.
    pub(crate) fn full(bytes: &[u8]) -> Self {
        let chunk_store = Self::empty(bytes.len() as u64);
        let len = usize::try_from(MANIFEST_CHUNK.get()).expect("a mebibyte");
        let chunks = (0..).map_while(|at| chunk_store.geometry.index(at));
        let chunks = chunks.zip(bytes.chunks(len).map(<[u8]>::to_vec));
        Self {
            chunks: Mutex::new(chunks.collect()),
            ..chunk_store
        }
    }

    pub(crate) fn geometry(&self) -> Manifest {
        self.geometry
    }

    /// A copy of what is there; what is missing in between is left out.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let chunks = self.chunks();
        let parts: Vec<&[u8]> = chunks.values().map(Vec::as_slice).collect();
        parts.concat()
    }

    fn chunks(&self) -> MutexGuard<'_, BTreeMap<ChunkIndex, Vec<u8>>> {
        self.chunks.lock().expect("nobody panics with it")
    }
}

impl ChunkStore {
    pub(crate) fn geometry(&self) -> Manifest {
        match self {
            Self::Files(_, tree) => tree.geometry(),
            Self::Manifest(chunk_store) => chunk_store.geometry,
        }
    }

    /// Fills `out` with the bytes of `chunk` from `offset` on.
    pub(crate) fn read(
        &self,
        chunk: ChunkIndex,
        offset: ByteCount,
        out: &mut [u8],
    ) -> Result<(), ChunkReadError> {
        match self {
            Self::Files(stores, _) => {
                let (first, others) = stores.split_first().expect("a content lies somewhere");
                let read = first.read(chunk, offset, out);
                let mut others = others.iter();
                if read.is_err() && others.any(|other| other.read(chunk, offset, out).is_ok()) {
                    return Ok(());
                }
                read
            }
            Self::Manifest(chunk_store) => {
                let chunks = chunk_store.chunks();
                let from = usize::try_from(offset.get()).unwrap_or(usize::MAX);
                let to = from.saturating_add(out.len());
                let there = chunks.get(&chunk).and_then(|bytes| bytes.get(from..to));
                out.copy_from_slice(there.ok_or_else(|| ChunkReadError::Absent(chunk.get()))?);
                Ok(())
            }
        }
    }

    /// Fills `out` as [`ChunkStore::read`] does if nothing has to be waited for; whether it did.
    fn read_at_hand(&self, chunk: ChunkIndex, offset: ByteCount, out: &mut [u8]) -> bool {
        match self {
            Self::Files(stores, _) => stores[0].read_at_hand(chunk, offset, out),
            Self::Manifest(_) => self.read(chunk, offset, out).is_ok(),
        }
    }

    /// The bytes of a block behind room for its head, in a buffer of `pool`. What is in memory is
    /// copied at once: a thread that may wait would be woken, and wake this one again, for less.
    pub(crate) async fn read_block(
        self,
        block: Block,
        pool: Arc<Pool>,
    ) -> Result<Result<Vec<u8>, ChunkReadError>, JoinError> {
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
            let mut read = || self.read(chunk, offset, &mut buffer[HEAD..]);
            patiently(&mut read, ChunkReadError::is_out)?;
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
            Self::Files(stores, _) => stores[0].write(chunk, bytes),
            Self::Manifest(chunk_store) => {
                chunk_store.chunks().insert(chunk, bytes.to_vec());
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl ManifestStore {
        /// Whether all of it came.
        fn is_whole(&self) -> bool {
            self.chunks().len() == self.geometry.chunks() as usize
        }
    }

    /// Of 64 MiB the last chunk comes, and no other.
    ///
    /// Limit: L4, L8.
    #[test]
    fn a_manifest_takes_what_has_come_of_it() {
        let len = 64 * MANIFEST_CHUNK.get();
        let empty = Arc::new(ManifestStore::empty(len));
        let chunk_store = ChunkStore::Manifest(Arc::clone(&empty));
        let last = chunk_store.geometry().index(63).unwrap();
        chunk_store.write(last, &[7; 100]).unwrap();
        let held: usize = empty.chunks().values().map(Vec::capacity).sum();
        assert_eq!((held, empty.is_whole()), (100, false));
    }

    #[test]
    fn chunks_in_any_order_make_the_manifest_and_are_read_again() {
        let bytes: Vec<u8> = (0..2_500_000_u32).map(|at| (at % 251) as u8).collect();
        let full = ManifestStore::full(&bytes);
        assert!(full.is_whole() && full.bytes() == bytes);
        let empty = Arc::new(ManifestStore::empty(bytes.len() as u64));
        let chunk_store = ChunkStore::Manifest(Arc::clone(&empty));
        let geometry = chunk_store.geometry();
        for chunk in [2, 0, 1].map(|at| geometry.index(at).unwrap()) {
            let mut part = vec![0; usize::try_from(geometry.len_of(chunk).get()).unwrap()];
            let full = ChunkStore::Manifest(Arc::new(ManifestStore::full(&bytes)));
            assert!(chunk_store.read(chunk, ByteCount::ZERO, &mut part).is_err());
            full.read(chunk, ByteCount::ZERO, &mut part).unwrap();
            chunk_store.write(chunk, &part).unwrap();
        }
        assert!(empty.is_whole() && empty.bytes() == bytes);
        let mut some = [0; 10];
        let chunk = geometry.index(1).unwrap();
        chunk_store
            .read(chunk, ByteCount::new(5), &mut some)
            .unwrap();
        assert_eq!(some, bytes[1_048_581..1_048_591]);
        let end = ByteCount::new(1_048_570);
        assert!(chunk_store.read(chunk, end, &mut some).is_err());
    }
}
