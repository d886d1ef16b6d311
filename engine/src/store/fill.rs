//! Fills a folder from others in which the same content lies.
//!
//! Whole missing files are copied by the system where it can, and then single chunks. A copy is
//! hashed like a received chunk, so a folder that was changed costs a try and nothing else.

use std::io;
use std::sync::Arc;

use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::units::ByteCount;

use super::chunk_index::Place;
use super::disk::{What, parent};
use super::write::is_file_of;
use super::{Receiving, Store, StoreError};

impl Store {
    /// Copies what is missing here from `sources`, the first that has it. Returns the chunks that
    /// are there and verified then; `progress` is told of bytes that were hashed.
    ///
    /// # Errors
    ///
    /// What writing here may fail with; [`StoreError::ReadOnly`] for a shared tree. A source that
    /// fails is passed over.
    pub fn fill(
        &self,
        sources: &[Arc<Self>],
        progress: &dyn Fn(u64),
    ) -> Result<Bitfield, StoreError> {
        let receiving = self.receiving()?;
        for source in sources {
            if self.have().is_full() {
                break;
            }
            let copied = self.copy_files(receiving, source)?;
            self.verify(&copied, progress);
            self.copy_chunks(source)?;
        }
        Ok(self.have())
    }

    /// Copies files of which nothing is here. Returns the chunks that may be there with them.
    fn copy_files(&self, receiving: &Receiving, source: &Self) -> Result<Bitfield, StoreError> {
        let mut copied = Bitfield::empty(self.tree.geometry().chunks());
        for at in 0..self.tree.entries().len() {
            let (place, bytes) = {
                let book = self.book();
                (book.known[at].place, book.bytes_of(at))
            };
            if place != Place::Absent || bytes == 0 {
                continue;
            }
            let Ok(Some(from)) = source.file(at) else {
                continue;
            };
            if !from.status().is_ok_and(|found| is_file_of(&found, bytes)) {
                continue;
            }
            let path = self.path(at, Place::Temp);
            let made: io::Result<()> = (|| {
                let to = self.create(receiving, at, &path)?;
                to.set_len(bytes)?;
                to.copy_from(from.as_ref(), bytes)
            })();
            let mut book = self.book();
            // What is there of it has to be synced, and goes on from there after an error.
            book.known[at].place = Place::Temp;
            book.pending.entry(at);
            book.pending.directory(parent(&path));
            let chunks = book.chunks_of(at);
            drop(book);
            made.map_err(|source| StoreError::of("copy to", &path, source))?;
            for chunk in chunks {
                copied.insert(chunk);
            }
        }
        Ok(copied)
    }

    /// Copies chunks that are still missing, one by one.
    fn copy_chunks(&self, source: &Self) -> Result<(), StoreError> {
        let geometry = self.tree.geometry();
        let have = self.have();
        let all = (0..geometry.chunks()).filter_map(|position| geometry.index(position));
        let mut bytes = Vec::new();
        for chunk in all.filter(|chunk| !have.has(*chunk)) {
            let len = geometry.len_of(chunk);
            bytes.resize(usize::try_from(len.get()).unwrap_or(0), 0);
            if source.read(chunk, ByteCount::ZERO, &mut bytes).is_ok() {
                self.write(chunk, &bytes)?;
            }
        }
        Ok(())
    }

    /// Whether all of a content that was received here in this run is still under its final
    /// names, as it was when it was verified. Reads no byte of any file.
    #[must_use]
    pub fn stands(&self) -> bool {
        if self.receiving.is_none() || !self.book().finished {
            return false;
        }
        (0..self.tree.entries().len()).all(|at| {
            let found = self.disk.status(&self.path(at, Place::Final));
            let Ok(Some(found)) = found else {
                return false;
            };
            let book = self.book();
            match book.bytes_of(at) {
                0 => matches!(found.what, What::File | What::Directory),
                _ => {
                    let mut chunks = book.chunks_of(at);
                    book.holds(at, &found) && chunks.all(|chunk| book.verified.has(chunk))
                }
            }
        })
    }
}
