//! Gives received files their final names.
//!
//! Everything is synced, the state file records that names are being given, the names are given and
//! synced, and the state file is removed. After a crash in between this continues where it stopped,
//! because a file that is no longer in the temporary directory has its name. Taken names are
//! refused, unless the file there has the same bytes or overwriting was asked for; a directory is
//! never removed.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::PoisonError;

use rustix::io::Errno;

use super::chunk_index::{Book, Place};
use super::disk::{Open, What, make_dirs, parent, read_full};
use super::read::Verdict;
use super::write::{DIRECTORY_MODE, is_file_of, sync_dirs};
use super::{Receiving, Store, StoreError};
use crate::content::EntryKind;

/// Directories that are synced one by one; for more, the whole file system is synced at once.
const SYNCED_SINGLY_MAX: usize = 64;

/// Bytes compared at once.
const COMPARED: usize = 64 << 10;

impl Store {
    /// Gives the files their final names, once all chunks are written; everything is durable
    /// when this returns. Returns the paths of the content in the target directory. After an
    /// error it may be called again; after success it does nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unfinished`] while chunks are missing, [`StoreError::SyncFailed`] with
    /// chunks that have to be fetched again, [`StoreError::Exists`] if a name was taken
    /// meanwhile, [`StoreError::ReadOnly`] for a shared tree.
    pub fn finish(&self) -> Result<Vec<PathBuf>, StoreError> {
        let receiving = self.receiving()?;
        let _alone = self.naming.write().unwrap_or_else(PoisonError::into_inner);
        let _one = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        let tops = self.tops();
        let paths = tops
            .iter()
            .map(|(top, _)| receiving.into.join(top))
            .collect();
        if self.book().finished {
            return Ok(paths);
        }
        self.refuse_unfinished()?;
        self.look_again()?;
        self.refuse_unfinished()?;
        self.make_empty(receiving)?;
        if receiving.state.is_none() {
            // Nothing claims that files are in these; those that are named keep their own names.
            for passed in ["", &receiving.temp] {
                self.book().pending.directories.remove(passed);
            }
        }
        self.sync_data()?;
        self.save(receiving, true)?;
        self.fds.close_all();
        let mut touched = BTreeSet::from([String::new()]);
        for (top, entries) in tops {
            self.name_top(receiving, &top, entries, &mut touched)?;
        }
        let failed = |source| StoreError::of("sync the names in", "", source);
        if touched.len() > SYNCED_SINGLY_MAX {
            self.disk.sync_all().map_err(failed)?;
        } else {
            sync_dirs(self.disk.as_ref(), touched.iter()).map_err(failed)?;
        }
        self.remove_temp(receiving);
        if let Some(state) = &receiving.state {
            let removed = state.remove();
            removed.map_err(|source| StoreError::of("remove the state", state.name(), source))?;
        }
        self.book().finished = true;
        Ok(paths)
    }

    fn refuse_unfinished(&self) -> Result<(), StoreError> {
        let book = self.book();
        match book.have.len() - book.have.count() {
            0 => Ok(()),
            missing => Err(StoreError::Unfinished { missing }),
        }
    }

    /// Looks at every file once more. The chunks of one that does not look as it did when they
    /// were written are hashed again; those that are wrong count as missing.
    fn look_again(&self) -> Result<(), StoreError> {
        for at in 0..self.tree.entries().len() {
            let (place, bytes) = {
                let book = self.book();
                (book.known[at].place, book.bytes_of(at))
            };
            if bytes == 0 {
                continue;
            }
            let path = self.path(at, place);
            let found = self.disk.status(&path);
            let found = found.map_err(|source| StoreError::of("look at", &path, source))?;
            if found.is_some_and(|found| self.book().holds(at, &found)) {
                continue;
            }
            let is_file = found.is_some_and(|found| found.what == What::File);
            let is_sized = found.is_some_and(|found| is_file_of(&found, bytes));
            if is_file && !is_sized && place == Place::Temp {
                let sized = self
                    .disk
                    .open(&path, Open::Write(0))
                    .and_then(|it| it.set_len(bytes));
                sized.map_err(|source| StoreError::of("set the length of", &path, source))?;
            }
            self.hash_again(at);
            if !is_file {
                let mut book = self.book();
                book.known[at].place = Place::Absent;
                book.known[at].stamp = None;
            } else if !is_sized && place == Place::Final {
                // Not ours any more; one chunk that is missing has it made anew, beside it.
                let mut book = self.book();
                if let Some(chunk) = book.chunks_of(at).last() {
                    book.lose(chunk);
                }
            }
        }
        Ok(())
    }

    fn hash_again(&self, at: usize) {
        let mut whole = Vec::new();
        let chunks = self.book().chunks_of(at);
        for chunk in chunks {
            if !matches!(self.inspect(chunk, &mut whole), Ok(Verdict::Right)) {
                self.book().lose(chunk);
            }
        }
    }

    /// The first components of the tree's paths, each with its entries.
    fn tops(&self) -> Vec<(String, Range<usize>)> {
        let mut tops: Vec<(String, Range<usize>)> = Vec::new();
        for (at, entry) in self.tree.entries().iter().enumerate() {
            let top = entry.path.split('/').next().unwrap_or_default();
            match tops.last_mut() {
                Some((last, range)) if last == top => range.end = at + 1,
                _ => tops.push((top.to_owned(), at..at + 1)),
            }
        }
        tops
    }

    /// Makes the files and directories that hold no byte of any chunk.
    fn make_empty(&self, receiving: &Receiving) -> Result<(), StoreError> {
        for (at, entry) in self.tree.entries().iter().enumerate() {
            let (place, bytes) = {
                let book = self.book();
                (book.known[at].place, book.bytes_of(at))
            };
            if place != Place::Absent || bytes > 0 {
                continue;
            }
            let path = self.path(at, Place::Temp);
            let made = if entry.kind == EntryKind::EmptyDirectory {
                let mode = DIRECTORY_MODE & receiving.options.mode_mask | 0o700;
                make_dirs(self.disk.as_ref(), &path, mode).map(|made| {
                    let mut book = self.book();
                    for directory in &made {
                        book.pending.directory(parent(directory));
                    }
                    book.pending.directory(&path);
                })
            } else {
                self.create(receiving, at, &path).map(|_| ())
            };
            made.map_err(|source| StoreError::of("make", &path, source))?;
            let mut book = self.book();
            book.known[at].place = Place::Temp;
            book.pending.directory(parent(&path));
        }
        Ok(())
    }

    /// Gives the entries beneath one first component their names: with one rename if nothing
    /// has that name, else one by one.
    fn name_top(
        &self,
        receiving: &Receiving,
        top: &str,
        entries: Range<usize>,
        touched: &mut BTreeSet<String>,
    ) -> Result<(), StoreError> {
        let is_directory = &*self.tree.entries()[entries.start].path != top;
        let all = {
            let book = self.book();
            entries
                .clone()
                .all(|at| book.known[at].place == Place::Temp)
        };
        if is_directory && all {
            let from = format!("{}/{top}", receiving.temp);
            let mut book = self.book();
            match self.disk.rename_dir(&from, top) {
                Ok(()) => {
                    for at in entries {
                        book.known[at].place = Place::Final;
                    }
                    return Ok(());
                }
                Err(error) if is_taken(&error) || is_unknown(&error) => {}
                Err(source) => return Err(StoreError::of("name", top, source)),
            }
        }
        for at in entries {
            let path = &self.tree.entries()[at].path;
            if self.book().known[at].place == Place::Final {
                continue;
            }
            let above = parent(path);
            if !above.is_empty() && !touched.contains(above) {
                let mode = DIRECTORY_MODE & receiving.options.mode_mask | 0o700;
                let made = make_dirs(self.disk.as_ref(), above, mode);
                made.map_err(|source| StoreError::of("make", above, source))?;
                // All of them, made now or by a run that was killed before it synced them.
                let mut above = above;
                while !above.is_empty() && touched.insert(above.to_owned()) {
                    above = parent(above);
                }
            }
            self.name_one(receiving, at, path)?;
        }
        Ok(())
    }

    /// Gives one file or empty directory its name.
    fn name_one(&self, receiving: &Receiving, at: usize, path: &str) -> Result<(), StoreError> {
        let from = self.path(at, Place::Temp);
        let failed = |source| StoreError::of("name", path, source);
        let is_directory = self.tree.entries()[at].kind == EntryKind::EmptyDirectory;
        // Under the lock, so that a reader finds the file at one place or the other.
        let rename = |book: &mut Book, replace| {
            let renamed = if is_directory {
                self.disk.rename_dir(&from, path)
            } else {
                self.disk.rename_file(&from, path, replace)
            };
            if renamed.is_ok() {
                book.known[at].place = Place::Final;
            }
            renamed
        };
        let first = rename(&mut self.book(), false);
        match first {
            Ok(()) => return Ok(()),
            Err(error) if is_taken(&error) || is_directory && is_unknown(&error) => {}
            Err(source) => return Err(failed(source)),
        }
        if self.is_same(at, path).map_err(failed)? {
            let mut book = self.book();
            book.known[at].place = Place::Final;
            book.known[at].stamp = None;
            book.doubt(at);
            let dropped = if is_directory {
                self.disk.remove_dir(&from)
            } else {
                self.disk.remove_file(&from)
            };
            return dropped.map_err(failed);
        }
        let exists = || StoreError::Exists {
            path: path.to_owned(),
        };
        if is_directory || !receiving.options.overwrite {
            return Err(exists());
        }
        let second = rename(&mut self.book(), true);
        second.map_err(|source| {
            if is_taken(&source) {
                exists()
            } else {
                failed(source)
            }
        })
    }

    /// Whether what has the name is what would get it.
    fn is_same(&self, at: usize, path: &str) -> io::Result<bool> {
        let Some(named) = self.disk.status(path)? else {
            return Ok(false);
        };
        if self.tree.entries()[at].kind == EntryKind::EmptyDirectory {
            return Ok(named.what == What::Directory);
        }
        let length = self.book().bytes_of(at);
        if named.what != What::File || named.stamp.bytes != length {
            return Ok(false);
        }
        let ours = self.disk.open(&self.path(at, Place::Temp), Open::Read)?;
        let theirs = self.disk.open(path, Open::Read)?;
        let (mut a, mut b) = (vec![0; COMPARED], vec![0; COMPARED]);
        let mut done = 0;
        while done < length {
            let len = usize::try_from(length - done)
                .unwrap_or(COMPARED)
                .min(COMPARED);
            let whole = read_full(ours.as_ref(), &mut a[..len], done)?
                && read_full(theirs.as_ref(), &mut b[..len], done)?;
            if !whole || a[..len] != b[..len] {
                return Ok(false);
            }
            done += len as u64;
        }
        // Equal bytes that are only in memory could still be lost, and ours are dropped.
        theirs.sync()?;
        Ok(true)
    }

    /// Takes the empty directories away. What somebody else put there keeps its directory.
    fn remove_temp(&self, receiving: &Receiving) {
        let mut directories = BTreeSet::from([receiving.temp.clone()]);
        for entry in self.tree.entries() {
            let mut above = parent(&entry.path);
            while !above.is_empty() && directories.insert(format!("{}/{above}", receiving.temp)) {
                above = parent(above);
            }
        }
        for directory in directories.iter().rev() {
            // Gone with its parent's rename, or not empty: both are as they should be.
            let _ = self.disk.remove_dir(directory);
        }
    }
}

/// Whether something has the name.
fn is_taken(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(
        errno,
        Some(Errno::EXIST | Errno::NOTEMPTY | Errno::ISDIR | Errno::NOTDIR)
    )
}

/// Whether the file system does not know how to rename without replacing.
fn is_unknown(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::INVAL | Errno::NOSYS)
    )
}
