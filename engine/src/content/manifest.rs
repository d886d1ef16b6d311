//! A manifest: a tree as bytes, and the identities derived from them.
//!
//! Every tree has one encoding, and every other is refused. The format has no word for links and
//! devices. Decoding never holds more than the bytes that it is given justify.
//!
//! ```text
//! magic          8 bytes, "FHAUL MF"
//! version        u32, 1
//! entries        u32
//! chunk length   u64
//! each entry     kind u8 (0 empty directory, 1 file, 2 executable file),
//!                path length u16, path, and for a file its length u64
//! hashes         32 bytes each, as many as the files make chunks, and then the end
//! ```
//!
//! Numbers are little-endian. Nothing nests, nothing is optional, and every number has a fixed
//! width, so that two encodings of one tree cannot differ.

use fairhaul_core::manifest::ContentId;
use fairhaul_core::units::ByteCount;

use super::path::BadPath;
use super::tree::{BadManifest, ChunkHash, ENTRIES_MAX, EntryKind, Tree, TreeEntry, cut, lay_out};

/// Longest manifest, in bytes.
pub const MANIFEST_MAX: u64 = 64 * 1024 * 1024;

const MAGIC: [u8; 8] = *b"FHAUL MF";
const VERSION: u32 = 1;

const EMPTY_DIRECTORY: u8 = 0;
const FILE: u8 = 1;
const EXECUTABLE: u8 = 2;

/// Bytes before the first entry.
const HEAD: usize = 24;

/// Bytes of the shortest entry: kind, length, and a path of one byte.
const ENTRY_MIN: usize = 4;

/// Bytes of a hash.
const HASH: usize = size_of::<ChunkHash>();

/// What a content's identity is derived with.
const CONTENT_CONTEXT: &str = "fairhaul 1 content";

/// What the identity of a manifest that is itself moved is derived with.
const MANIFEST_CONTEXT: &str = "fairhaul 2 manifest as content";

/// The identity under which the manifest of `content`, which is said to have so many bytes, is
/// moved as a content of its own.
///
/// Nothing proves that length before the manifest is whole. It is a part of the identity, so that
/// those who were told different lengths are not members of one swarm: a geometry that one of them
/// was told wrong would make liars of the others.
#[must_use]
pub fn manifest_id(content: ContentId, bytes: u64) -> ContentId {
    derive(
        MANIFEST_CONTEXT,
        &[&content.0[..], &bytes.to_le_bytes()].concat(),
    )
}

/// The identity of the content whose manifest is `encoding`. Whoever wants that content knows
/// by it that these are the bytes, before reading them.
#[must_use]
pub fn content_id(encoding: &[u8]) -> ContentId {
    derive(CONTENT_CONTEXT, encoding)
}

impl Tree {
    /// Its only encoding. It may be longer than [`MANIFEST_MAX`], and is then no manifest that
    /// anybody takes; see `Tree::encoded_len`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let len = usize::try_from(self.encoded_len()).unwrap_or(0);
        let mut out = Vec::with_capacity(len);
        let entries = u32::try_from(self.entries().len()).expect("at most ENTRIES_MAX");
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend(entries.to_le_bytes());
        out.extend(self.geometry().chunk().get().to_le_bytes());
        for entry in self.entries() {
            encode_entry(entry, &mut out);
        }
        out.extend(self.hashes().iter().flatten());
        out
    }

    /// Bytes of [`Tree::encode`].
    #[must_use]
    pub(crate) fn encoded_len(&self) -> u64 {
        Self::encoded_len_of(self.entries(), self.geometry().chunks())
    }

    /// Bytes of the encoding of a tree of these entries in so many chunks.
    pub(super) fn encoded_len_of(entries: &[TreeEntry], chunks: u32) -> u64 {
        let entries: usize = entries.iter().map(entry_len).sum();
        (HEAD + entries + chunks as usize * HASH) as u64
    }

    /// The tree that `bytes` encode, in time in proportion to their length.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks, and where.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadManifest> {
        if bytes.len() as u64 > MANIFEST_MAX {
            return Err(BadManifest::Long(bytes.len() as u64));
        }
        let mut rest = Reader { bytes, at: 0 };
        if rest.array::<8>()? != MAGIC || u32::from_le_bytes(rest.array()?) != VERSION {
            return Err(BadManifest::Magic);
        }
        let count = u32::from_le_bytes(rest.array()?);
        let chunk = ByteCount::new(u64::from_le_bytes(rest.array()?));
        let entries = decode_entries(count, &mut rest)?;
        // The hashes are counted before they are copied: a wrong number costs nothing.
        let (_, len) = lay_out(&entries)?;
        let needed = u64::from(cut(len, chunk)?.chunks());
        let left = &bytes[rest.at..];
        let (hashes, odd) = left.as_chunks::<HASH>();
        if hashes.len() as u64 != needed || !odd.is_empty() {
            return Err(BadManifest::Hashes {
                got: hashes.len() as u64 + u64::from(!odd.is_empty()),
                needed,
            });
        }
        Self::new(entries, chunk, hashes.to_vec())
    }

    /// Its identity: nothing but its encoding decides it.
    #[must_use]
    pub fn id(&self) -> ContentId {
        content_id(&self.encode())
    }
}

fn derive(context: &str, bytes: &[u8]) -> ContentId {
    ContentId(blake3::derive_key(context, bytes))
}

fn entry_len(entry: &TreeEntry) -> usize {
    let number = match entry.kind {
        EntryKind::EmptyDirectory => 0,
        EntryKind::File { .. } => 8,
    };
    3 + entry.path.len() + number
}

fn encode_entry(entry: &TreeEntry, out: &mut Vec<u8>) {
    let (kind, bytes) = match entry.kind {
        EntryKind::EmptyDirectory => (EMPTY_DIRECTORY, None),
        EntryKind::File {
            bytes,
            executable: false,
        } => (FILE, Some(bytes)),
        EntryKind::File {
            bytes,
            executable: true,
        } => (EXECUTABLE, Some(bytes)),
    };
    let len = u16::try_from(entry.path.len()).expect("a checked path has at most PATH_MAX bytes");
    out.push(kind);
    out.extend(len.to_le_bytes());
    out.extend(entry.path.as_bytes());
    out.extend(bytes.into_iter().flat_map(u64::to_le_bytes));
}

fn decode_entries(count: u32, rest: &mut Reader<'_>) -> Result<Vec<TreeEntry>, BadManifest> {
    let count = count as usize;
    if count > ENTRIES_MAX {
        return Err(BadManifest::Entries(count as u64));
    }
    if count > rest.left() / ENTRY_MIN {
        return Err(BadManifest::Cut(rest.bytes.len() as u64));
    }
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        entries.push(decode_entry(rest)?);
    }
    Ok(entries)
}

fn decode_entry(rest: &mut Reader<'_>) -> Result<TreeEntry, BadManifest> {
    let at = rest.at as u64;
    let [kind] = rest.array()?;
    if kind > EXECUTABLE {
        return Err(BadManifest::Kind { kind, at });
    }
    let len = usize::from(u16::from_le_bytes(rest.array()?));
    let path = rest.take(len)?;
    let path =
        std::str::from_utf8(path).map_err(|_| BadPath::NotUtf8(super::path::shown_bytes(path)))?;
    let kind = match kind {
        EMPTY_DIRECTORY => EntryKind::EmptyDirectory,
        kind => EntryKind::File {
            bytes: u64::from_le_bytes(rest.array()?),
            executable: kind == EXECUTABLE,
        },
    };
    Ok(TreeEntry {
        path: path.into(),
        kind,
    })
}

/// What is still to be read.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    const fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], BadManifest> {
        if len > self.left() {
            return Err(BadManifest::Cut(self.bytes.len() as u64));
        }
        let taken = &self.bytes[self.at..self.at + len];
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadManifest> {
        let taken = self.take(N)?;
        Ok(taken.try_into().expect("take gives as many as asked for"))
    }
}

#[cfg(test)]
mod tests;
