//! The state file: which chunks were synced, so that a transfer resumes where it stopped.
//!
//! Of two generations the newest valid one counts. Its claims are hashed again before they count,
//! and a file that is empty, cut, flipped, too long, of another version or of another content is as
//! good as none.
//!
//! A generation is written under a third name, synced and renamed over the older of the two,
//! so the newer one is never touched while it is the best there is.

use std::io;
use std::sync::Arc;

use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::manifest::{ContentId, Manifest};

use super::disk::{Disk, Open, What, parent, read_full, write_full};

/// First bytes of a state file.
const MAGIC: &[u8; 16] = b"fairhaul state\r\n";

/// Version of the format.
const VERSION: u32 = 1;

/// Magic, version, flags, content, bytes, chunk, generation.
const HEAD: usize = 16 + 4 + 4 + 32 + 8 + 8 + 8;

/// Length of the checksum at the end.
const CHECKSUM: usize = 32;

/// Separates the checksum from every other use of the hash.
const CONTEXT: &str = "fairhaul 2026 store state v1";

/// Flag: files may have begun to get their final names.
const FINISHING: u32 = 1;

/// What a state file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedState {
    /// Counts the times it was written; the higher one counts.
    pub generation: u64,
    /// Whether files may have begun to get their final names.
    pub finishing: bool,
    /// The chunks that were synced.
    pub chunks: Bitfield,
}

/// Where a state is kept, and of what.
#[derive(Debug)]
pub(crate) struct StateFile {
    disk: Arc<dyn Disk>,
    names: [String; 2],
    fresh: String,
    content: ContentId,
    geometry: Manifest,
}

impl StateFile {
    /// The state of `content` under `name` beneath `disk`.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        name: &str,
        content: ContentId,
        geometry: Manifest,
    ) -> Self {
        Self {
            disk,
            names: [name.to_owned(), format!("{name}.alt")],
            fresh: format!("{name}.new"),
            content,
            geometry,
        }
    }

    /// Where it is kept, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.names[0]
    }

    /// The newest generation that is whole; none if there is none.
    pub(crate) fn load(&self) -> Option<SavedState> {
        let found = self.names.iter().filter_map(|name| self.load_one(name));
        found.max_by_key(|saved| saved.generation)
    }

    fn load_one(&self, name: &str) -> Option<SavedState> {
        let len = self.len();
        let status = self.disk.status(name).ok()??;
        // The length is known, so a state of a gigabyte is refused before a byte is read.
        if status.what != What::File || status.stamp.bytes != len as u64 {
            return None;
        }
        let file = self.disk.open(name, Open::Read).ok()?;
        let mut bytes = vec![0; len];
        let whole = read_full(file.as_ref(), &mut bytes, 0).ok()?;
        if whole { self.decode(&bytes) } else { None }
    }

    /// Writes `saved` over the older generation; durable when this returns.
    pub(crate) fn save(&self, saved: &SavedState) -> io::Result<()> {
        // The parity of its number says which of the two names a generation has.
        let name = &self.names[usize::from(saved.generation % 2 == 1)];
        let bytes = self.encode(saved);
        self.forget(&self.fresh)?;
        let file = self.disk.open(&self.fresh, Open::Write(0o600))?;
        write_full(file.as_ref(), &bytes, 0)?;
        file.sync()?;
        self.disk.rename_file(&self.fresh, name, true)?;
        self.disk.sync_dir(parent(name))
    }

    /// Takes the state away; durable when this returns.
    pub(crate) fn remove(&self) -> io::Result<()> {
        for name in self.names.iter().chain([&self.fresh]) {
            self.forget(name)?;
        }
        self.disk.sync_dir(parent(&self.names[0]))
    }

    fn forget(&self, name: &str) -> io::Result<()> {
        match self.disk.remove_file(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Bytes of a state of this content.
    fn len(&self) -> usize {
        HEAD + (self.geometry.chunks() as usize).div_ceil(64) * 8 + CHECKSUM
    }

    fn encode(&self, saved: &SavedState) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len());
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        let flags = if saved.finishing { FINISHING } else { 0 };
        out.extend_from_slice(&flags.to_le_bytes());
        out.extend_from_slice(&self.content.0);
        out.extend_from_slice(&self.geometry.bytes().get().to_le_bytes());
        out.extend_from_slice(&self.geometry.chunk().get().to_le_bytes());
        out.extend_from_slice(&saved.generation.to_le_bytes());
        for word in saved.chunks.words() {
            out.extend_from_slice(&word.to_le_bytes());
        }
        let sum = blake3::derive_key(CONTEXT, &out);
        out.extend_from_slice(&sum);
        out
    }

    fn decode(&self, bytes: &[u8]) -> Option<SavedState> {
        let (body, sum) = bytes.split_at_checked(self.len() - CHECKSUM)?;
        if blake3::derive_key(CONTEXT, body) != sum {
            return None;
        }
        read_state(self.content, self.geometry, body)
    }
}

/// What a state of `content` says, whose checksum was found right and cut off; none if it is of
/// another content or version, or says a thing that none of ours does.
#[must_use]
pub fn read_state(content: ContentId, geometry: Manifest, body: &[u8]) -> Option<SavedState> {
    let mut rest = body;
    let mut take = |len: usize| {
        let (head, tail) = rest.split_at_checked(len)?;
        rest = tail;
        Some(head)
    };
    let known = take(16)? == MAGIC && number32(take(4)?)? == VERSION;
    let flags = number32(take(4)?)?;
    let same = take(32)? == content.0
        && number64(take(8)?)? == geometry.bytes().get()
        && number64(take(8)?)? == geometry.chunk().get();
    if !known || !same || flags & !FINISHING != 0 {
        return None;
    }
    let generation = number64(take(8)?)?;
    let words = rest
        .chunks_exact(8)
        .map(number64)
        .collect::<Option<Vec<u64>>>()?;
    Some(SavedState {
        generation,
        finishing: flags & FINISHING != 0,
        chunks: Bitfield::from_words(words, geometry.chunks())?,
    })
}

fn number32(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn number64(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}
