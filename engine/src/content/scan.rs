//! Scans a path on disk into a tree: its files, and the hashes of their chunks.
//!
//! A tree holds plain files and empty directories, named as they are on disk from the last
//! component of the given path on. Names that are not portable are refused, and files that change
//! while they are read; links below the given path are not followed, and what was left out is
//! reported.

use std::fmt;
use std::fs::Metadata;
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use fairhaul_core::units::ByteCount;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::manifest::MANIFEST_MAX;
use super::path::{BadPath, shown_bytes};
use super::tree::{self, BadManifest, EntryKind, Tree, TreeEntry, chunk_size};

mod hash;
mod walk;

/// A file of patterns in gitignore's syntax, in any directory of a tree.
pub(crate) const IGNORE_FILE: &str = ".fairhaulignore";

/// Never set.
static NEVER: AtomicBool = AtomicBool::new(false);

/// How to scan.
#[derive(Clone)]
pub struct Options<'a> {
    /// Patterns in gitignore's syntax, relative to the scanned directory; `!` takes back.
    pub ignore: Vec<String>,
    /// Whether names that are not portable are left out and reported, not refused.
    pub skip_unportable: bool,
    /// Length of a chunk; none takes [`chunk_size`].
    pub chunk: Option<ByteCount>,
    /// Threads that hash; none takes as many as there are cores.
    pub threads: Option<NonZeroUsize>,
    /// Told of bytes hashed since it was last told, from any of the threads.
    pub progress: &'a (dyn Fn(u64) + Sync),
    /// Ends the scan soon after it is set.
    pub cancel: &'a AtomicBool,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Scanned {
    /// The tree.
    pub tree: Tree,
    /// What each entry was when it was read, in the order of the entries.
    pub stamps: Vec<Stamp>,
    /// The directory in which the paths of the tree lie, absolute and without links.
    pub base: PathBuf,
    /// What was left out, in the order of the walk; not what a pattern names.
    pub skipped: Vec<Skipped>,
}

/// What tells that a file is still the one that was hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stamp {
    /// Its length; zero for a directory.
    pub bytes: u64,
    /// When it was last written: seconds since 1970.
    pub mtime_s: i64,
    /// And nanoseconds.
    pub mtime_ns: u32,
    /// Its number in its file system.
    pub inode: u64,
    /// Its file system.
    pub device: u64,
}

/// Something on disk that is not in the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where it is.
    pub path: PathBuf,
    /// Why.
    pub why: Why,
}

/// Why something was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// A symbolic link: it may lead anywhere.
    Symlink,
    /// A device, socket or fifo.
    Special,
    /// Its name, and [`Options::skip_unportable`] is set. Everything below it is left out too.
    Name(BadPath),
}

/// Why there is no tree.
#[derive(Debug, Error)]
pub enum ScanError {
    /// The system refused.
    #[error("cannot {what} {}: {source}", display(path))]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A name that is not portable.
    #[error("cannot share {}: {source}", display(path))]
    Name {
        /// Where.
        path: PathBuf,
        /// What is wrong with it.
        source: BadPath,
    },
    /// Neither a file nor a directory, or one without a name.
    #[error("cannot share {}: it is no file or directory with a name", display(.0))]
    NotContent(PathBuf),
    /// It is not what it was when the scan began.
    #[error("{} changed while it was read", display(.0))]
    Changed(PathBuf),
    /// A pattern that means nothing; in a file of patterns, with its place.
    #[error("bad ignore pattern: {0}")]
    Pattern(String),
    /// The tree breaks a rule of manifests.
    #[error("cannot share {}: {source}", display(path))]
    Manifest {
        /// What was scanned.
        path: PathBuf,
        /// The rule.
        source: BadManifest,
    },
    /// [`Options::cancel`] was set.
    #[error("the scan was cancelled")]
    Cancelled,
}

/// Reads the file or directory at `root`. A link there is followed, and the tree is called
/// what the link leads to.
///
/// # Errors
///
/// Whatever cannot be read, named or trusted to stay; the first of it.
pub(crate) fn scan(root: &Path, options: &Options<'_>) -> Result<Scanned, ScanError> {
    let found = walk::walk(root, options)?;
    let refuse = |source| ScanError::Manifest {
        path: root.to_owned(),
        source,
    };
    // Every rule is checked before the first byte is hashed: that may take hours.
    tree::check_names(&found.entries).map_err(refuse)?;
    let (starts, bytes) = tree::lay_out(&found.entries).map_err(refuse)?;
    let chunk = options.chunk.unwrap_or_else(|| chunk_size(bytes));
    let geometry = tree::cut(bytes, chunk).map_err(refuse)?;
    let long = Tree::encoded_len_of(&found.entries, geometry.chunks());
    if long > MANIFEST_MAX {
        return Err(refuse(BadManifest::Long(long)));
    }
    let hashes = hash::Job {
        base: &found.base,
        entries: &found.entries,
        stamps: &found.stamps,
        starts: &starts,
        geometry,
        options,
    }
    .run()?;
    let tree = Tree::new(found.entries, chunk, hashes).map_err(refuse)?;
    Ok(Scanned {
        tree,
        stamps: found.stamps,
        base: found.base,
        skipped: found.skipped,
    })
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            ignore: Vec::new(),
            skip_unportable: false,
            chunk: None,
            threads: None,
            progress: &|_| {},
            cancel: &NEVER,
        }
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("ignore", &self.ignore)
            .field("skip_unportable", &self.skip_unportable)
            .field("chunk", &self.chunk)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl Stamp {
    /// The stamp of what `metadata` describes.
    #[must_use]
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            bytes: if metadata.is_dir() { 0 } else { metadata.len() },
            mtime_s: metadata.mtime(),
            // Below a thousand million by definition.
            mtime_ns: u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
            inode: metadata.ino(),
            device: metadata.dev(),
        }
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = display(&self.path);
        match &self.why {
            Why::Symlink => write!(f, "left out {path}: a symbolic link"),
            Why::Special => write!(f, "left out {path}: neither a file nor a directory"),
            Why::Name(why) => write!(f, "left out {path}: {why}"),
        }
    }
}

/// A path on disk as it may be shown.
fn display(path: &Path) -> String {
    shown_bytes(path.as_os_str().as_encoded_bytes())
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ScanError {
    let path = path.to_owned();
    move |source| ScanError::Io { what, path, source }
}

#[cfg(test)]
mod tests;
