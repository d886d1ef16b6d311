//! Writes chunks and makes them durable.
//!
//! After a failed sync every chunk that was not known to be durable counts as missing and is
//! fetched again, because the system may have dropped it and would call a second try a success.

use std::io;
use std::sync::{Arc, PoisonError};

use fairhaul_core::id::ChunkIndex;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::ByteCount;

use super::chunk_index::{Pending, Place};
use super::disk::{Disk, DiskFile, Open, Status, What, make_dirs, parent, write_full};
use super::state::SavedState;
use super::{Receiving, Store, StoreError, is_out, patiently};
use crate::content::{EntryKind, Piece};

/// A crash costs at most what was written since the last sync: this much …
const UNSYNCED_MAX: ByteCount = ByteCount::mib(64);

/// … or this long, whichever is less.
const UNSYNCED_FOR_MAX: Span = Span::from_secs(5);

/// Permission bits of directories, before the mask.
pub(crate) const DIRECTORY_MODE: u32 = 0o755;

impl Store {
    /// Writes the whole of `chunk`, which the caller has verified. It counts as kept and may be
    /// read at once; it survives a crash after the next [`Store::sync`]. A chunk that is kept
    /// already is not written again.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] if there is no space: the chunk is not kept, and may be written
    /// again later. [`StoreError::SyncFailed`] if a sync failed meanwhile, [`StoreError::Length`]
    /// for bytes that cannot be this chunk, [`StoreError::ReadOnly`] for a shared tree.
    pub fn write(&self, chunk: ChunkIndex, bytes: &[u8]) -> Result<(), StoreError> {
        let receiving = self.receiving()?;
        let len = self.tree.geometry().len_of(chunk);
        if len.get() != bytes.len() as u64 {
            return Err(StoreError::Length {
                chunk: chunk.get(),
                got: bytes.len(),
                len: len.get(),
            });
        }
        let _writer = self.naming.read().unwrap_or_else(PoisonError::into_inner);
        let epoch = {
            let book = self.book();
            if book.have.has(chunk) {
                return Ok(());
            }
            book.epoch
        };
        let mut rest = bytes;
        for piece in self.tree.pieces(chunk, ByteCount::ZERO, len) {
            // A piece is no longer than the chunk.
            let (part, after) = rest.split_at(usize::try_from(piece.len).unwrap_or(0));
            rest = after;
            self.write_piece(receiving, piece, part)?;
        }
        let mut book = self.book();
        if book.epoch != epoch {
            return Err(StoreError::SyncFailed {
                chunks: vec![chunk],
                source: io::Error::other("a sync failed while it was written"),
            });
        }
        book.keep(chunk, len.get());
        Ok(())
    }

    fn write_piece(
        &self,
        receiving: &Receiving,
        piece: Piece,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let path = self.path(piece.entry, Place::Temp);
        let failed = |source| StoreError::of("write", &path, source);
        if self.book().known[piece.entry].place == Place::Final {
            self.copy_back(receiving, piece.entry)?;
        }
        let place = {
            let known = &mut self.book().known[piece.entry];
            known.writers += 1;
            known.place
        };
        let written = self.put(receiving, piece, bytes, &path, place);
        let mut book = self.book();
        // Under the lock: the next comparison of stamps sees the time of this write.
        let seen = written.and_then(|file| file.status());
        let known = &mut book.known[piece.entry];
        known.writers -= 1;
        let status = seen.map_err(failed)?;
        known.stamp = Some(status.stamp);
        known.place = Place::Temp;
        book.pending.entry(piece.entry);
        if place == Place::Absent {
            book.pending.directory(parent(&path));
        }
        Ok(())
    }

    /// Writes a part of a file, and gives the file its length if it is new.
    fn put(
        &self,
        receiving: &Receiving,
        piece: Piece,
        bytes: &[u8],
        path: &str,
        place: Place,
    ) -> io::Result<Arc<dyn DiskFile>> {
        let length = self.book().bytes_of(piece.entry);
        // A small file is opened, written and closed; it would only push out larger ones.
        let whole = piece.len == length;
        let open = if whole {
            None
        } else {
            self.fds.get(piece.entry, true)
        };
        let file = match open {
            Some(file) => file,
            None => Arc::from(self.create(receiving, piece.entry, path)?),
        };
        if !whole {
            self.fds.put(piece.entry, Arc::clone(&file), true);
            if place == Place::Absent {
                file.set_len(length)?;
            }
        }
        write_full(file.as_ref(), bytes, piece.offset)?;
        Ok(file)
    }

    /// Opens a file of the temporary directory for writing, and makes it and the directories
    /// above it where they are missing.
    pub(super) fn create(
        &self,
        receiving: &Receiving,
        entry: usize,
        path: &str,
    ) -> io::Result<Box<dyn DiskFile>> {
        let mode = match self.tree.entries()[entry].kind {
            EntryKind::File {
                executable: true, ..
            } => 0o755,
            _ => 0o644,
        };
        let how = Open::Write(mode & receiving.options.mode_mask);
        match self.disk.open(path, how) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            answer => return answer,
        }
        let mode = DIRECTORY_MODE & receiving.options.mode_mask | 0o700;
        let made = make_dirs(self.disk.as_ref(), parent(path), mode)?;
        let mut book = self.book();
        for directory in &made {
            book.pending.directory(parent(directory));
        }
        drop(book);
        self.disk.open(path, how)
    }

    /// Copies a file that has its final name to the temporary directory, because a chunk of it
    /// is wrong and nothing is ever written to a final name.
    fn copy_back(&self, receiving: &Receiving, entry: usize) -> Result<(), StoreError> {
        let _one = self.copying.lock().unwrap_or_else(PoisonError::into_inner);
        if self.book().known[entry].place != Place::Final {
            return Ok(());
        }
        let path = self.path(entry, Place::Temp);
        let copied = (|| {
            let from = self
                .disk
                .open(&self.path(entry, Place::Final), Open::Read)?;
            let to = self.create(receiving, entry, &path)?;
            let length = self.book().bytes_of(entry);
            // What is missing at the end stays a hole, and its chunks stay wrong.
            to.copy_from(from.as_ref(), length)?;
            to.set_len(length)
        })();
        copied.map_err(|source| StoreError::of("copy back", &path, source))?;
        self.fds.close(entry);
        let mut book = self.book();
        book.known[entry].place = Place::Temp;
        book.known[entry].stamp = None;
        book.doubt(entry);
        book.pending.many = true;
        Ok(())
    }

    /// Whether so much or so old work waits for a [`Store::sync`] that it is worth one: more
    /// than 64 MiB, or any for 5 s. Ask at least once a second while chunks arrive.
    pub fn due(&self, now: Time) -> bool {
        let mut book = self.book();
        if book.pending.bytes == 0 {
            book.since = None;
            return false;
        }
        let since = *book.since.get_or_insert(now);
        book.pending.bytes >= UNSYNCED_MAX.get() || now.since(since) >= UNSYNCED_FOR_MAX
    }

    /// Makes durable what was written until now, data first, then the state file. Returns how
    /// many chunks of this content survive a loss of power from now on.
    ///
    /// # Errors
    ///
    /// [`StoreError::SyncFailed`] with the chunks that count as missing again: announce that
    /// and fetch them anew. Any other error leaves the chunks kept and the state file as it
    /// was; the same call may be made again.
    pub fn sync(&self) -> Result<u32, StoreError> {
        let receiving = self.receiving()?;
        let _one = self.syncing.lock().unwrap_or_else(PoisonError::into_inner);
        self.sync_data()?;
        self.save(receiving, false)?;
        Ok(self.book().durable.count())
    }

    /// Makes data and names durable; the caller holds `syncing`.
    pub(super) fn sync_data(&self) -> Result<(), StoreError> {
        let pending = {
            let mut book = self.book();
            book.since = None;
            std::mem::take(&mut book.pending)
        };
        let flushed = self.flush(&pending);
        let mut book = self.book();
        if let Err(source) = flushed {
            let later = std::mem::take(&mut book.pending);
            let chunks: Vec<ChunkIndex> = pending.chunks.union(&later.chunks).copied().collect();
            for chunk in &chunks {
                book.lose(*chunk);
            }
            book.epoch += 1;
            // Names made since the last sync are still to be made durable.
            book.pending.many = true;
            drop(book);
            self.fds.close_all();
            return Err(StoreError::SyncFailed { chunks, source });
        }
        for chunk in pending.chunks {
            // It may have been found wrong meanwhile.
            if book.have.has(chunk) && book.durable.insert(chunk) {
                book.unsaved = true;
            }
        }
        Ok(())
    }

    fn flush(&self, pending: &Pending) -> io::Result<()> {
        if pending.is_empty() {
            return Ok(());
        }
        if pending.many {
            return self.disk.sync_all();
        }
        for entry in &pending.entries {
            let file = match self.fds.get(*entry, false) {
                Some(file) => file,
                None => {
                    let path = self.path(*entry, Place::Temp);
                    // Without this a want of descriptors would count as a sync that failed.
                    Arc::from(patiently(|| self.disk.open(&path, Open::Read), is_out)?)
                }
            };
            file.sync()?;
        }
        sync_dirs(self.disk.as_ref(), pending.directories.iter())
    }

    /// Writes the state file, if there is one, and if it says less than it could.
    pub(super) fn save(&self, receiving: &Receiving, finishing: bool) -> Result<(), StoreError> {
        let Some(state) = &receiving.state else {
            return Ok(());
        };
        let saved = {
            let book = self.book();
            if !book.unsaved && book.finishing == finishing | book.finishing {
                return Ok(());
            }
            SavedState {
                generation: book.generation.saturating_add(1),
                finishing: finishing | book.finishing,
                chunks: book.durable.clone(),
            }
        };
        let name = state.name();
        let written = state.save(&saved);
        written.map_err(|source| StoreError::of("write the state", name, source))?;
        let mut book = self.book();
        book.unsaved = book.durable != saved.chunks;
        book.generation = saved.generation;
        book.finishing = saved.finishing;
        Ok(())
    }

    pub(super) fn receiving(&self) -> Result<&Receiving, StoreError> {
        self.receiving.as_ref().ok_or(StoreError::ReadOnly)
    }
}

/// Makes the names in each of `directories` durable; one that is gone has none.
pub(super) fn sync_dirs<'a>(
    disk: &dyn Disk,
    directories: impl Iterator<Item = &'a String>,
) -> io::Result<()> {
    for directory in directories {
        match patiently(|| disk.sync_dir(directory), is_out) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Whether this is a regular file of `bytes` bytes.
pub(super) fn is_file_of(status: &Status, bytes: u64) -> bool {
    status.what == What::File && status.stamp.bytes == bytes
}
