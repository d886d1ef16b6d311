//! Chunks on disk.
//!
//! A chunk counts as kept when its bytes were hashed in this run and the files that hold them look
//! as they did then. Paths out of the chosen directory are refused, and names of files that are not
//! the store's; a file gets its final name only when it is whole and synced.
//!
//! Received data lies beneath `.fairhaul-` and half of the content's id in the target
//! directory, in the shape of the tree, until the last chunk is there. Then it is synced, the
//! state file records that names are being given, files get their names, and the state file goes.
//! So a crash at any point leaves either the temporary directory and what was synced of it, or
//! whole files. What a state file claims is hashed again before it counts. A content of one chunk
//! has none: it is there or it is fetched again.
//!
//! Everything here blocks and may be called from many threads at once. Calls for different
//! chunks run beside each other; locks are held for bookkeeping and renames only.

mod chunk_index;
mod dir;
mod disk;
mod error;
mod fds;
mod fill;
mod finish;
mod lock;
mod read;
mod receive;
mod state;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use fairhaul_core::bitfield::Bitfield;

pub(crate) use disk::SETTLED_S;
pub use error::{ChunkReadError, StoreError};
pub use fds::OpenFiles;
pub(crate) use fds::{is_out, patiently};
pub use lock::DataLock;
pub use receive::Receive;
pub use state::{SavedState, read_state};

use chunk_index::{Book, Place};
use dir::Beneath;
use disk::Disk;
use fds::Fds;
use state::StateFile;

use crate::content::Tree;
use crate::content::scan::Stamp;

/// One content on this node's disk: served in place, or being received and served.
#[derive(Debug)]
pub struct Store {
    tree: Arc<Tree>,
    disk: Arc<dyn Disk>,
    receiving: Option<Receiving>,
    fds: Fds,
    book: Mutex<Book>,
    /// Writers share it, the one that gives final names has it alone.
    naming: RwLock<()>,
    /// One sync at a time.
    syncing: Mutex<()>,
    /// One file at a time is copied back.
    copying: Mutex<()>,
}

/// What only a content that is received has.
#[derive(Debug)]
struct Receiving {
    /// The target directory, for the names given back.
    into: PathBuf,
    /// Name of the temporary directory in it.
    temp: String,
    /// None of a content of one chunk at most: what is there of it is hashed again instead.
    state: Option<StateFile>,
    options: Receive,
}

impl Store {
    /// Serves a tree that is there, in place. `root` is the directory that holds the first
    /// component of its paths, `stamps` what the scan that hashed it noted of each entry.
    /// Chunks count as verified as long as the files look like their stamps. What stays open of
    /// it is among `files`, which the contents of a node share.
    ///
    /// # Errors
    ///
    /// [`StoreError::Target`] if `root` cannot be opened as a directory, [`StoreError::Stamps`]
    /// if there is not one stamp for each entry.
    pub fn share(
        tree: Arc<Tree>,
        root: &Path,
        stamps: &[Stamp],
        files: &Arc<OpenFiles>,
    ) -> Result<Self, StoreError> {
        let disk = Beneath::hold(root, files).map_err(|source| StoreError::Target {
            path: root.to_owned(),
            source,
        })?;
        Self::share_on(tree, Arc::new(disk), stamps, files)
    }

    fn share_on(
        tree: Arc<Tree>,
        disk: Arc<dyn Disk>,
        stamps: &[Stamp],
        files: &Arc<OpenFiles>,
    ) -> Result<Self, StoreError> {
        if stamps.len() != tree.entries().len() {
            return Err(StoreError::Stamps {
                entries: tree.entries().len(),
                stamps: stamps.len(),
            });
        }
        let mut book = Book::empty(&tree);
        for (known, stamp) in book.known.iter_mut().zip(stamps) {
            known.place = Place::Final;
            known.stamp = Some(*stamp);
        }
        book.have = Bitfield::full(tree.geometry().chunks());
        book.verified = book.have.clone();
        Ok(Self::over(tree, disk, None, book, files))
    }

    fn over(
        tree: Arc<Tree>,
        disk: Arc<dyn Disk>,
        receiving: Option<Receiving>,
        book: Book,
        files: &Arc<OpenFiles>,
    ) -> Self {
        Self {
            tree,
            disk,
            receiving,
            fds: Fds::of(files),
            book: Mutex::new(book),
            naming: RwLock::new(()),
            syncing: Mutex::new(()),
            copying: Mutex::new(()),
        }
    }

    /// The tree.
    #[must_use]
    pub const fn tree(&self) -> &Arc<Tree> {
        &self.tree
    }

    /// Whether it receives into that directory.
    pub(crate) fn is_at(&self, folder: &Path) -> bool {
        let receiving = self.receiving.as_ref();
        receiving.is_some_and(|receiving| receiving.into == folder)
    }

    /// The chunks that are kept now.
    #[must_use]
    pub fn have(&self) -> Bitfield {
        self.book().have.clone()
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // A thread that panicked left a book of plain values; at worst a chunk is hashed again.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path of `entry` at `place`, from the directory held.
    fn path(&self, entry: usize, place: Place) -> String {
        let path = &self.tree.entries()[entry].path;
        match &self.receiving {
            Some(receiving) if place != Place::Final => format!("{}/{path}", receiving.temp),
            _ => path.to_string(),
        }
    }
}
