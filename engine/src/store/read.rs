//! Reads chunks to serve them.
//!
//! If a chunk was hashed in this run and its files have the size, time and inode that they had
//! then, looked at after the bytes were read, that is enough. Otherwise the whole chunk is read and
//! hashed first. Bytes that do not match the hash are never served, so that a rotten disk or a
//! changed file costs a chunk and never the node's name with its peers.

use std::io;
use std::sync::Arc;

use fairhaul_core::id::ChunkIndex;
use fairhaul_core::units::ByteCount;

use super::chunk_index::Place;
use super::disk::{DiskFile, Open, read_full, read_full_at_hand};
use super::{ChunkReadError, Store};

/// What hashing a chunk showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its bytes are right.
    Right,
    /// They are not, or not there; the entry is the first that looks different.
    Wrong(usize),
}

impl Store {
    /// Fills `buf` with the bytes of `chunk` from `offset` on. They are those that were hashed:
    /// a chunk not yet verified in this run, or whose files look different since, is hashed
    /// whole before.
    ///
    /// # Errors
    ///
    /// In each case the chunk is to be withdrawn. [`ChunkReadError::Absent`] if it is not kept,
    /// [`ChunkReadError::Changed`] if its bytes are no longer right (it counts as missing from then
    /// on), [`ChunkReadError::Io`] if the disk fails, [`ChunkReadError::Range`] for bytes that it
    /// does not have.
    pub fn read(
        &self,
        chunk: ChunkIndex,
        offset: ByteCount,
        buf: &mut [u8],
    ) -> Result<(), ChunkReadError> {
        let len = self.tree.geometry().len_of(chunk).get();
        let end = offset.get().checked_add(buf.len() as u64);
        if end.is_none_or(|end| end > len) {
            return Err(ChunkReadError::Range {
                chunk: chunk.get(),
                len,
                offset: offset.get(),
                got: buf.len(),
            });
        }
        let verified = {
            let book = self.book();
            if !book.have.has(chunk) {
                return Err(ChunkReadError::Absent(chunk.get()));
            }
            book.verified.has(chunk)
        };
        let read = self.read_checked(chunk, offset, buf, verified);
        if read.is_err() {
            // Nobody gets to send what was read before the doubt arose.
            buf.fill(0);
        }
        read
    }

    /// As [`Store::read`], but only what needs no waiting for a disk: whether `buf` was filled.
    /// If not, what is in it means nothing, and [`Store::read`] says why.
    ///
    /// The names that are looked up are those of open files, which the system has in memory.
    pub(crate) fn read_at_hand(
        &self,
        chunk: ChunkIndex,
        offset: ByteCount,
        buf: &mut [u8],
    ) -> bool {
        let len = ByteCount::new(buf.len() as u64);
        let end = offset.get().checked_add(len.get());
        if end.is_none_or(|end| end > self.tree.geometry().len_of(chunk).get()) {
            return false;
        }
        {
            let book = self.book();
            if !(book.have.has(chunk) && book.verified.has(chunk)) {
                return false;
            }
        }
        // None is read before all are open: small files often are not.
        let pieces = self.tree.pieces(chunk, offset, len);
        let open = pieces.map(|piece| Some((piece, self.fds.get(piece.entry, false)?)));
        let Some(open) = open.collect::<Option<Vec<_>>>() else {
            return false;
        };
        let mut rest = buf;
        open.iter().all(|(piece, file)| {
            let whole = std::mem::take(&mut rest);
            // A piece is no longer than the buffer.
            let (part, after) = whole.split_at_mut(usize::try_from(piece.len).unwrap_or(0));
            rest = after;
            let starts = offset == ByteCount::ZERO;
            read_full_at_hand(file.as_ref(), part, piece.offset)
                && matches!(
                    self.is_as_known((chunk, piece.entry), file.as_ref(), starts),
                    Ok(true)
                )
        })
    }

    fn read_checked(
        &self,
        chunk: ChunkIndex,
        offset: ByteCount,
        buf: &mut [u8],
        verified: bool,
    ) -> Result<(), ChunkReadError> {
        if verified && self.read_known(chunk, offset, buf)? {
            return Ok(());
        }
        let mut whole = Vec::new();
        match self.inspect(chunk, &mut whole)? {
            Verdict::Right => {
                // In range: `end <= len`, which is the length of a vector.
                let start = usize::try_from(offset.get()).unwrap_or(usize::MAX);
                buf.copy_from_slice(&whole[start..start + buf.len()]);
                Ok(())
            }
            Verdict::Wrong(entry) => {
                self.book().lose(chunk);
                Err(ChunkReadError::Changed {
                    chunk: chunk.get(),
                    path: self.tree.entries()[entry].path.to_string(),
                })
            }
        }
    }

    /// Reads bytes of a verified chunk; false if a file does not look as it did.
    fn read_known(
        &self,
        chunk: ChunkIndex,
        offset: ByteCount,
        buf: &mut [u8],
    ) -> Result<bool, ChunkReadError> {
        let len = ByteCount::new(buf.len() as u64);
        let mut rest = buf;
        for piece in self.tree.pieces(chunk, offset, len) {
            // A piece is no longer than the buffer.
            let (part, after) = rest.split_at_mut(usize::try_from(piece.len).unwrap_or(0));
            rest = after;
            // Once for each chunk, whether the name still leads to the open file.
            let starts = offset == ByteCount::ZERO;
            let read = self.read_piece((chunk, piece.entry), piece.offset, part, starts);
            if !read.map_err(|source| self.broken(piece.entry, source))? {
                self.fds.close(piece.entry);
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn read_piece(
        &self,
        (chunk, entry): (ChunkIndex, usize),
        offset: u64,
        buf: &mut [u8],
        by_name: bool,
    ) -> io::Result<bool> {
        let Some(file) = self.file(entry)? else {
            return Ok(false);
        };
        if !read_full(file.as_ref(), buf, offset)? {
            return Ok(false);
        }
        self.is_as_known((chunk, entry), file.as_ref(), by_name)
    }

    /// Whether a file from which bytes of `chunk` were read looks as it did when they were
    /// verified, and, if asked for, whether its name still leads to it.
    fn is_as_known(
        &self,
        (chunk, entry): (ChunkIndex, usize),
        file: &dyn DiskFile,
        by_name: bool,
    ) -> io::Result<bool> {
        // Looked at after the bytes were read: what changed before that shows.
        let status = file.status()?;
        if by_name && !self.is_named(entry, status.stamp.inode)? {
            return Ok(false);
        }
        let book = self.book();
        // Another reader may have hashed another chunk of a file that was changed meanwhile: the
        // file looks as known then, and this chunk is in doubt.
        if !book.verified.has(chunk) {
            return Ok(false);
        }
        if book.holds(entry, &status) {
            return Ok(true);
        }
        // A write of our own may have ended between the look and the lock.
        Ok(book.holds(entry, &file.status()?))
    }

    /// Whether the name of `entry` leads to the file with this inode.
    fn is_named(&self, entry: usize, inode: u64) -> io::Result<bool> {
        let mut place = self.book().known[entry].place;
        loop {
            let named = self.disk.status(&self.path(entry, place))?;
            if named.is_some_and(|named| named.stamp.inode == inode) {
                return Ok(true);
            }
            let now = self.book().known[entry].place;
            if now == place {
                return Ok(false);
            }
            place = now;
        }
    }

    /// The file of `entry`, open for reading; none if it is gone or no file any more.
    pub(super) fn file(&self, entry: usize) -> io::Result<Option<Arc<dyn DiskFile>>> {
        if let Some(file) = self.fds.get(entry, false) {
            return Ok(Some(file));
        }
        let mut place = self.book().known[entry].place;
        loop {
            if place == Place::Absent {
                return Ok(None);
            }
            match self.disk.open(&self.path(entry, place), Open::Read) {
                Ok(file) => {
                    let file: Arc<dyn DiskFile> = Arc::from(file);
                    self.fds.put(entry, Arc::clone(&file), false);
                    return Ok(Some(file));
                }
                Err(error) if is_gone(&error) => {}
                Err(error) => return Err(error),
            }
            // It may just have got its final name.
            let now = self.book().known[entry].place;
            if now == place {
                return Ok(None);
            }
            place = now;
        }
    }

    /// Reads all of `chunk` into `whole` and hashes it. If it is right and its files stood
    /// still meanwhile and for a while before, it counts as verified from then on.
    pub(crate) fn inspect(
        &self,
        chunk: ChunkIndex,
        whole: &mut Vec<u8>,
    ) -> Result<Verdict, ChunkReadError> {
        let len = self.tree.geometry().len_of(chunk);
        whole.resize(usize::try_from(len.get()).unwrap_or(usize::MAX), 0);
        let (mut at, mut seen, mut still) = (0, Vec::new(), true);
        let mut suspect = None;
        for piece in self.tree.pieces(chunk, ByteCount::ZERO, len) {
            let failed = |source| self.broken(piece.entry, source);
            // Not through a file opened before: the name may lead elsewhere by now.
            self.fds.close(piece.entry);
            let Some(file) = self.file(piece.entry).map_err(failed)? else {
                return Ok(Verdict::Wrong(piece.entry));
            };
            let before = file.status().map_err(failed)?;
            let end = at + usize::try_from(piece.len).unwrap_or(usize::MAX);
            let read = read_full(file.as_ref(), &mut whole[at..end], piece.offset);
            if !read.map_err(failed)? {
                return Ok(Verdict::Wrong(piece.entry));
            }
            at = end;
            let after = file.status().map_err(failed)?;
            still &= before.stamp == after.stamp && after.settled;
            if suspect.is_none() && !self.book().holds(piece.entry, &after) {
                suspect = Some(piece.entry);
            }
            seen.push((piece.entry, after.stamp));
        }
        if !self.tree.verify(chunk, whole) {
            let first = seen.first().map_or(0, |(entry, _)| *entry);
            return Ok(Verdict::Wrong(suspect.unwrap_or(first)));
        }
        let mut book = self.book();
        for (entry, stamp) in seen {
            book.saw(entry, stamp);
        }
        if still {
            book.verified.insert(chunk);
        }
        Ok(Verdict::Right)
    }

    fn broken(&self, entry: usize, source: io::Error) -> ChunkReadError {
        ChunkReadError::Io {
            path: self.tree.entries()[entry].path.to_string(),
            source,
        }
    }
}

/// Whether an error of opening means that another thing has the name now, or none.
fn is_gone(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    matches!(
        errno,
        Some(
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ISDIR | Errno::INVAL | Errno::NXIO
        )
    )
}
