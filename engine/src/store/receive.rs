//! Starts to receive a content, or resumes after a crash.
//!
//! Every chunk that the state file claims, or every chunk if there is no usable state, is hashed
//! again, in several threads. A target that is missing, full, dangerous or planted is refused
//! before anything is fetched, and so are taken names.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::id::ChunkIndex;
use fairhaul_core::units::ByteCount;

use super::chunk_index::{Book, Place};
use super::dir::Beneath;
use super::disk::{Disk, Status, What};
use super::read::Verdict;
use super::state::StateFile;
use super::write::is_file_of;
use super::{OpenFiles, Receiving, Store, StoreError};
use crate::content::{EntryKind, Tree};

/// Threads that hash what is there, at most.
const HASHERS_MAX: usize = 8;

/// Below so many bytes one thread hashes them sooner than several start.
const HASHED_ALONE_MAX: u64 = 4 << 20;

/// Permission bits of the temporary directory: nobody else sees what is not whole yet.
const TEMP_MODE: u32 = 0o700;

/// How a content is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receive {
    /// Whether files that have the names of the content's files are replaced. They stay until
    /// their replacement is whole and synced.
    pub overwrite: bool,
    /// Whether `/` or the home directory may be the target.
    pub force_dangerous_target: bool,
    /// Permission bits that files and directories may have; 0755 at most, whatever it says.
    pub mode_mask: u32,
}

impl Default for Receive {
    fn default() -> Self {
        Self {
            overwrite: false,
            force_dangerous_target: false,
            mode_mask: 0o755,
        }
    }
}

impl Store {
    /// Receives `tree` into the directory `into`, or goes on where an earlier run stopped. The
    /// progress is kept in the file `state` and beside it in `state.alt` and `state.new`.
    /// What stays open of it is among `files`, which the contents of a node share.
    /// Returns the chunks that are there and verified; `progress` is told how many bytes of
    /// them were hashed so far.
    ///
    /// The caller holds the [`DataLock`](super::DataLock) of its data directory: two stores on
    /// one target at a time are not told apart.
    ///
    /// # Errors
    ///
    /// Everything that can be known before data arrives: [`StoreError::Target`],
    /// [`StoreError::Dangerous`], [`StoreError::Space`], [`StoreError::Exists`],
    /// [`StoreError::Crossed`], [`StoreError::Planted`].
    pub fn receive(
        tree: Arc<Tree>,
        into: &Path,
        state: &Path,
        options: Receive,
        files: &Arc<OpenFiles>,
        progress: &dyn Fn(u64),
    ) -> Result<(Self, Bitfield), StoreError> {
        let target = |path: &Path, source| StoreError::Target {
            path: path.to_owned(),
            source,
        };
        let disk = Beneath::hold(into, files).map_err(|source| target(into, source))?;
        if !options.force_dangerous_target {
            refuse_dangerous(into, std::env::home_dir().as_deref())?;
        }
        let name = state.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| target(state, rustix::io::Errno::INVAL.into()))?;
        let above = match state.parent() {
            Some(above) if above != Path::new("") => above,
            _ => Path::new("."),
        };
        let kept = Beneath::hold(above, files).map_err(|source| target(above, source))?;
        let state = StateFile::new(Arc::new(kept), name, tree.id(), tree.geometry());
        let disk = Arc::new(disk);
        let (temp, within) = (temp_name(&tree), Arc::clone(&disk));
        let started = Self::receive_on(tree, disk, into, state, options, (files, progress));
        if started.is_err() {
            // It goes if nothing has come into it.
            let _ = within.remove_dir(&temp);
        }
        started.map_err(|error| match error {
            StoreError::Space {
                needed, available, ..
            } => StoreError::Space {
                path: into.to_owned(),
                needed,
                available,
            },
            other => other,
        })
    }

    pub(super) fn receive_on(
        tree: Arc<Tree>,
        disk: Arc<dyn Disk>,
        into: &Path,
        state: StateFile,
        options: Receive,
        (files, progress): (&Arc<OpenFiles>, &dyn Fn(u64)),
    ) -> Result<(Self, Bitfield), StoreError> {
        let options = Receive {
            mode_mask: options.mode_mask & 0o755,
            ..options
        };
        let temp = temp_name(&tree);
        let resumed = hold_temp(disk.as_ref(), &temp, into)?;
        let state = (tree.geometry().chunks() > 1).then_some(state);
        let saved = state.as_ref().and_then(StateFile::load);
        let mut book = Book::empty(&tree);
        book.pending.directory("");
        // The state is written before anything is fetched: it shows whether it can be.
        let has_state = state.is_some();
        book.unsaved = has_state;
        let claimed = saved.map(|saved| {
            book.generation = saved.generation;
            book.finishing = saved.finishing;
            saved.chunks
        });
        let receiving = Receiving {
            into: into.to_owned(),
            temp,
            state,
            options,
        };
        let store = Self::over(tree, disk, Some(receiving), book, files);
        let needed = store.locate(resumed)?;
        let available = store
            .disk
            .space()
            .map_err(|source| StoreError::of("look at", "", source))?;
        if needed > available {
            return Err(StoreError::Space {
                path: into.to_owned(),
                needed,
                available,
            });
        }
        if let Some(claimed) = store.claimed(claimed) {
            store.verify(&claimed, progress);
        }
        store.refuse_foreign()?;
        // What an earlier run left may have been read from memory, and its directories may be
        // known there only: nobody knows yet what of it has reached the disk.
        let left = store
            .book()
            .known
            .iter()
            .any(|known| known.place != Place::Absent);
        store.book().pending.many |= resumed || left;
        if has_state {
            store.sync()?;
        }
        let have = store.have();
        Ok((store, have))
    }

    /// Finds each entry, and returns how many bytes are still to be written.
    fn locate(&self, resumed: bool) -> Result<u64, StoreError> {
        let mut needed = 0_u64;
        let mut top = ("", false);
        for entry in 0..self.tree.entries().len() {
            let path = &self.tree.entries()[entry].path;
            let first = path.split('/').next().unwrap_or_default();
            if first != top.0 {
                top = (first, self.look(first)?.is_some());
            }
            let temp = if resumed {
                self.look(&self.path(entry, Place::Temp))?
            } else {
                None
            };
            let named = if top.1 { self.look(path)? } else { None };
            let (place, bytes) = self.place(entry, temp, named)?;
            self.book().known[entry].place = place;
            needed = needed.saturating_add(bytes);
        }
        Ok(needed)
    }

    /// Where an entry is, of which these are found, and how many bytes it still takes.
    fn place(
        &self,
        entry: usize,
        temp: Option<Status>,
        named: Option<Status>,
    ) -> Result<(Place, u64), StoreError> {
        let receiving = self.receiving()?;
        let path = &self.tree.entries()[entry].path;
        let bytes = self.book().bytes_of(entry);
        let is_directory = self.tree.entries()[entry].kind == EntryKind::EmptyDirectory;
        let fits = |status: &Status| match is_directory {
            true => status.what == What::Directory,
            false => is_file_of(status, bytes),
        };
        let taken = || StoreError::Exists {
            path: path.to_string(),
        };
        if let Some(named) = &named {
            let mine = temp.is_none() && fits(named);
            let replaceable = named.what != What::Directory && !is_directory;
            let merged = is_directory && named.what == What::Directory;
            let may = receiving.options.overwrite || self.book().finishing;
            if !(mine || merged || replaceable && may) {
                return Err(taken());
            }
        }
        let Some(temp) = temp else {
            return Ok(match named {
                Some(named) if fits(&named) => (Place::Final, 0),
                _ => (Place::Absent, bytes),
            });
        };
        let path = self.path(entry, Place::Temp);
        let wanted = if is_directory {
            What::Directory
        } else {
            What::File
        };
        if temp.what != wanted {
            return Err(StoreError::Planted { path });
        }
        if !fits(&temp) {
            // Its length had not reached the disk. What it lacks is hashed and found missing.
            let file = self.create(receiving, entry, &path);
            let sized = file.and_then(|file| file.set_len(bytes));
            sized.map_err(|source| StoreError::of("set the length of", &path, source))?;
        }
        Ok((Place::Temp, bytes.saturating_sub(temp.occupied)))
    }

    fn look(&self, path: &str) -> Result<Option<Status>, StoreError> {
        let found = self.disk.status(path);
        found.map_err(|source| StoreError::of("look at", path, source))
    }

    /// The chunks that may be there: those that the state claims, or all without a state, and
    /// all of files that are there; none if no file is. A process that was killed has left more
    /// than its state says, and reading what was never written costs no disk.
    fn claimed(&self, saved: Option<Bitfield>) -> Option<Bitfield> {
        let book = self.book();
        if book.known.iter().all(|known| known.place == Place::Absent) {
            return None;
        }
        let mut claimed = saved.unwrap_or_else(|| Bitfield::full(book.have.len()));
        for entry in 0..book.known.len() {
            if book.known[entry].place != Place::Absent {
                for chunk in book.chunks_of(entry) {
                    claimed.insert(chunk);
                }
            }
        }
        Some(claimed)
    }

    /// Hashes the chunks of `claimed` and keeps those that are right.
    pub(super) fn verify(&self, claimed: &Bitfield, progress: &dyn Fn(u64)) {
        let chunks: Vec<ChunkIndex> = claimed.iter().collect();
        let geometry = self.tree.geometry();
        let bytes: u64 = chunks
            .iter()
            .map(|chunk| geometry.len_of(*chunk).get())
            .sum();
        let check = |chunk: ChunkIndex, whole: &mut Vec<u8>| {
            let len = geometry.len_of(chunk).get();
            // A chunk that cannot be read is fetched again, whatever the reason.
            if matches!(self.inspect(chunk, whole), Ok(Verdict::Right)) {
                self.book().keep(chunk, len);
            }
            len
        };
        let mut done = 0;
        if bytes <= HASHED_ALONE_MAX {
            let mut whole = Vec::new();
            for chunk in chunks {
                done += check(chunk, &mut whole);
                progress(done);
            }
            return;
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let (next, (tell, told)) = (AtomicUsize::new(0), mpsc::channel());
        std::thread::scope(|scope| {
            for _ in 0..threads.min(HASHERS_MAX) {
                let (tell, next, chunks, check) = (tell.clone(), &next, &chunks, &check);
                scope.spawn(move || {
                    let mut whole = Vec::new();
                    while let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                        // The other end outlives this thread.
                        let _ = tell.send(check(*chunk, &mut whole));
                    }
                });
            }
            drop(tell);
            for len in told {
                done += len;
                progress(done);
            }
        });
    }

    /// Refuses files that have final names of this content and are not known to be of it.
    fn refuse_foreign(&self) -> Result<(), StoreError> {
        let receiving = self.receiving()?;
        let book = self.book();
        if receiving.options.overwrite || book.finishing {
            return Ok(());
        }
        for (entry, known) in book.known.iter().enumerate() {
            // Of a chunk that it shares with a file that is not there nothing is known yet. When
            // that comes, the file is compared before any name is given.
            let unknown = |chunk: ChunkIndex| {
                let len = self.tree.geometry().len_of(chunk);
                let mut pieces = self.tree.pieces(chunk, ByteCount::ZERO, len);
                pieces.any(|piece| book.known[piece.entry].place == Place::Absent)
            };
            let mut chunks = book.chunks_of(entry);
            let whole = chunks.all(|chunk| book.have.has(chunk) || unknown(chunk));
            if known.place == Place::Final && !whole {
                let path = self.tree.entries()[entry].path.to_string();
                return Err(StoreError::Exists { path });
            }
        }
        Ok(())
    }
}

/// Name of the temporary directory of a content.
pub(super) fn temp_name(tree: &Tree) -> String {
    let id = tree.id().0;
    format!(".fairhaul-{}", data_encoding::HEXLOWER.encode(&id[..8]))
}

/// Makes the temporary directory; true if it was there.
fn hold_temp(disk: &dyn Disk, temp: &str, into: &Path) -> Result<bool, StoreError> {
    match disk.make_dir(temp, TEMP_MODE) {
        Ok(()) => return Ok(false),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(source) => {
            let of = StoreError::of("make", temp, source);
            return Err(match of {
                StoreError::Io { source, .. } => StoreError::Target {
                    path: into.to_owned(),
                    source,
                },
                other => other,
            });
        }
    }
    let found = disk
        .status(temp)
        .map_err(|source| StoreError::of("look at", temp, source))?;
    match found {
        Some(status) if status.what == What::Directory && status.private => Ok(true),
        _ => Err(StoreError::Planted {
            path: temp.to_owned(),
        }),
    }
}

/// Refuses `/` and the home directory as targets, by whatever path they are named.
fn refuse_dangerous(into: &Path, home: Option<&Path>) -> Result<(), StoreError> {
    let identity = |path: &Path| {
        let stat = rustix::fs::stat(path).ok()?;
        Some((stat.st_dev, stat.st_ino))
    };
    let here = identity(into);
    let same = |path: &Path| here.is_none() || identity(path) == here;
    let which = if same(Path::new("/")) {
        "the root directory"
    } else if home.is_some_and(same) {
        "the home directory"
    } else {
        return Ok(());
    };
    Err(StoreError::Dangerous {
        path: into.to_owned(),
        which,
    })
}
