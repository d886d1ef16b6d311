//! Errors between a node and its disk.
//!
//! Told apart are a full disk, which a transfer waits out; a failed sync, which takes chunks back;
//! and a name in the way, which only a person can clear. There is no catch-all: any other error
//! keeps the system's message and the path that it is about.

use std::io;
use std::path::PathBuf;

use fairhaul_core::id::ChunkIndex;
use fairhaul_core::library::disk_fault::Cause;

use super::is_out;

/// Why the store could not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No space or quota is left. The transfer pauses; what is synced stays, and the same call
    /// may be made again once there is space.
    #[error("no space left to {what} {path}")]
    Full {
        /// What was being done.
        what: &'static str,
        /// To which path, relative to the directory that the store holds.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The content cannot fit, known before it starts.
    #[error("{path} has {available} bytes free, the content needs {needed}")]
    Space {
        /// The target directory.
        path: PathBuf,
        /// Bytes still to be written.
        needed: u64,
        /// Bytes that an ordinary user may still use there.
        available: u64,
    },
    /// The target cannot be used at all: missing, no directory, or not writable.
    #[error("target {path}: {source}; needed is a directory that can be written to")]
    Target {
        /// The target directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The target is `/` or the home directory, and nobody insisted.
    #[error("target {path} is {which}; name a directory in it, or force it")]
    Dangerous {
        /// The target directory.
        path: PathBuf,
        /// Which of the two.
        which: &'static str,
    },
    /// It is one of the node's own files, or a folder of those.
    #[error("{0}")]
    Own(String),
    /// Something that is not part of this transfer has the name that an entry needs.
    #[error(
        "{path} exists already; it stays as it is unless overwriting is asked for (--overwrite)"
    )]
    Exists {
        /// The path in the way, relative to the target directory.
        path: String,
    },
    /// A symbolic link or a mount lies on the way to an entry.
    #[error("{path} leads through a symbolic link or a mount; nothing is written through one")]
    Crossed {
        /// The path, relative to the directory that the store holds.
        path: String,
    },
    /// The temporary directory belongs to somebody else, or others may write to it.
    #[error("{path} is not a directory of this user alone; move it away")]
    Planted {
        /// The temporary directory's name in the target directory.
        path: String,
    },
    /// Data did not reach the disk. The chunks are unmarked: fetch them again.
    #[error("{} chunks did not reach the disk: {source}", chunks.len())]
    SyncFailed {
        /// Chunks that no longer count as kept.
        chunks: Vec<ChunkIndex>,
        /// What the system said.
        source: io::Error,
    },
    /// A chunk of the wrong length was handed over.
    #[error("chunk {chunk} has {got} bytes, its length is {len}")]
    Length {
        /// The chunk's position.
        chunk: u32,
        /// Bytes handed over.
        got: usize,
        /// Bytes it has.
        len: u64,
    },
    /// Chunks are still missing, so nothing gets its final name.
    #[error("{missing} chunks are still missing")]
    Unfinished {
        /// How many.
        missing: u32,
    },
    /// A shared tree is only read.
    #[error("a shared tree is served as it is and never written")]
    ReadOnly,
    /// Stamps and entries do not fit each other.
    #[error("the tree has {entries} entries, the scan {stamps} stamps")]
    Stamps {
        /// Entries of the tree.
        entries: usize,
        /// Stamps handed over.
        stamps: usize,
    },
    /// Another process works on the data directory.
    #[error("{path} is in use by process {pid}")]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it, as it wrote itself down; `?` if it has not yet.
        pid: String,
    },
    /// The file system of the data directory cannot lock.
    #[error(
        "{path} cannot be locked ({source}); the data directory needs a file system with locks"
    )]
    NoLocks {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else that the system refused.
    #[error("cannot {what} {path}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// To which path.
        path: String,
        /// What the system said.
        source: io::Error,
    },
}

/// Why bytes of a chunk cannot be served. The chunk is to be withdrawn in every case.
#[derive(Debug, thiserror::Error)]
pub enum ChunkReadError {
    /// The chunk is not there: never written, or unmarked since.
    #[error("chunk {0} is not kept")]
    Absent(u32),
    /// The bytes on disk no longer fit the chunk's hash. It counts as missing from now on.
    #[error("chunk {chunk} no longer fits its hash; {path} was changed")]
    Changed {
        /// The chunk's position.
        chunk: u32,
        /// The first file of the chunk that looks different, or the first file of the chunk.
        path: String,
    },
    /// The range asked for is not inside the chunk.
    #[error("chunk {chunk} has {len} bytes, asked for are {got} from {offset}")]
    Range {
        /// The chunk's position.
        chunk: u32,
        /// Its length.
        len: u64,
        /// First byte asked for.
        offset: u64,
        /// Bytes asked for.
        got: usize,
    },
    /// The disk failed, three times over if it said EIO.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file, relative to the directory that the store holds.
        path: String,
        /// What the system said.
        source: io::Error,
    },
}

impl StoreError {
    /// The error for `source` while doing `what` to `path`.
    pub(crate) fn of(what: &'static str, path: &str, source: io::Error) -> Self {
        let path = path.to_owned();
        if is_full(&source) {
            return Self::Full { what, path, source };
        }
        match rustix::io::Errno::from_io_error(&source) {
            Some(rustix::io::Errno::LOOP | rustix::io::Errno::XDEV) => Self::Crossed { path },
            Some(rustix::io::Errno::EXIST | rustix::io::Errno::NOTDIR) => Self::Exists { path },
            _ => Self::Io { what, path, source },
        }
    }

    /// What kind of trouble it is, for who decides whether to go on.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self {
            Self::Space { .. } => Cause::Full,
            _ if self.is_full() => Cause::Full,
            Self::Target { .. } | Self::SyncFailed { .. } | Self::Io { .. } => Cause::Disk,
            _ => Cause::InTheWay,
        }
    }

    /// Whether the system had no descriptor left, so that the same call may be made again.
    pub(crate) fn is_out(&self) -> bool {
        match self {
            Self::Target { source, .. }
            | Self::SyncFailed { source, .. }
            | Self::Io { source, .. } => is_out(source),
            _ => false,
        }
    }

    /// Whether the cause is a full disk or quota, so that waiting may cure it.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Full { .. } => true,
            Self::SyncFailed { source, .. } => is_full(source),
            _ => false,
        }
    }
}

impl ChunkReadError {
    /// Whether the system had no descriptor left, so that the chunk may be read again.
    pub(crate) fn is_out(&self) -> bool {
        matches!(self, Self::Io { source, .. } if is_out(source))
    }
}

/// Whether the system ran out of space or quota.
fn is_full(source: &io::Error) -> bool {
    matches!(
        rustix::io::Errno::from_io_error(source),
        Some(rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT)
    )
}
