//! Contents that a test makes up: bytes, manifest and identity.

use fairhaul::content::manifest::content_id;
use fairhaul::content::tree::{EntryKind, TreeEntry, chunk_size, hash_chunk};
use fairhaul::content::{Tree, manifest_id};
use fairhaul_core::manifest::{ContentId, Manifest};
use fairhaul_core::message::Offer;
use fairhaul_core::units::ByteCount;

/// Bytes of a chunk of what is made up here: each goes into one block.
pub(crate) const CHUNK: usize = 64 * 1024;

/// One content.
#[derive(Clone)]
pub(crate) struct Content {
    pub(crate) id: ContentId,
    pub(crate) manifest: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
    chunk: usize,
}

impl Content {
    /// One file of `len` bytes that hang on `seed`.
    pub(crate) fn file(name: &str, len: usize, seed: u8) -> Self {
        Self::cut(name, len, seed, CHUNK)
    }

    pub(crate) fn cut(name: &str, len: usize, seed: u8, chunk: usize) -> Self {
        let bytes = noise(len, seed);
        let hashes = bytes.chunks(chunk).map(hash_chunk).collect();
        let entry = TreeEntry {
            path: name.into(),
            kind: EntryKind::File {
                bytes: len as u64,
                executable: false,
            },
        };
        let tree = Tree::new(vec![entry], ByteCount::new(chunk as u64), hashes).unwrap();
        let manifest = tree.encode();
        Self {
            id: tree.id(),
            manifest,
            bytes,
            chunk,
        }
    }

    /// Whatever calls itself a manifest; it has no bytes to send.
    pub(crate) fn of_manifest(manifest: Vec<u8>) -> Self {
        Self {
            id: content_id(&manifest),
            manifest,
            bytes: Vec::new(),
            chunk: CHUNK,
        }
    }

    pub(crate) fn manifest_id(&self) -> ContentId {
        manifest_id(self.id, self.manifest.len() as u64)
    }

    /// Chunks of its manifest, or of itself.
    pub(crate) fn chunks(&self, is_manifest: bool) -> u32 {
        let (bytes, chunk) = if is_manifest {
            (&self.manifest, 1024 * 1024)
        } else {
            (&self.bytes, self.chunk as u64)
        };
        let bytes = ByteCount::new(bytes.len() as u64);
        Manifest::new(bytes, ByteCount::new(chunk))
            .unwrap()
            .chunks()
    }

    pub(crate) fn chunk(&self, is_manifest: bool, chunk: u32) -> Vec<u8> {
        let (bytes, size) = if is_manifest {
            (&self.manifest, 1024 * 1024)
        } else {
            (&self.bytes, self.chunk)
        };
        let at = chunk as usize * size;
        bytes[at..bytes.len().min(at + size)].to_vec()
    }

    pub(crate) fn offer(&self) -> Offer {
        Offer {
            content: self.id,
            manifest_bytes: self.manifest.len() as u64,
            bytes: self.bytes.len() as u64,
            name: "offered".into(),
        }
    }
}

/// Bytes that compress to nothing and hang on `seed` alone.
pub(crate) fn noise(len: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let key = [seed; 32];
    blake3::Hasher::new_keyed(&key)
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

/// Chunks of a file of `len` bytes that a node shares.
pub(crate) fn shared_chunks(len: u64) -> u32 {
    let geometry = Manifest::new(ByteCount::new(len), chunk_size(len));
    geometry.unwrap().chunks()
}
