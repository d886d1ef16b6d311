//! Disk work of contents beside the driver, and the inputs of the library that follow from it:
//! chunks verified and written, folders opened, disk faults.

use std::path::PathBuf;
use std::sync::Arc;

use fairhaul_core::id::{ChunkIndex, PeerId, TransferId};
use fairhaul_core::library::disk_fault::DiskFault;
use fairhaul_core::library::{FinishFault, LibraryInput, ManifestFault, Prepared, Stage};
use fairhaul_core::node::Input;
use fairhaul_core::time::Time;
use fairhaul_core::units::ByteCount;
use tracing::warn;

use super::Contents;
use super::event::DiskEvent;
use super::inbox::Looked;
use super::opening::{Opened, description_of, verdict};
use crate::content::Tree;
use crate::node::inputs::PendingInputs;
use crate::session::Arrival;
use crate::store::{ChunkReadError, Store, StoreError, patiently};

impl Contents {
    /// Something that was done beside the driver is over.
    pub(crate) fn disk(&mut self, event: DiskEvent, inputs: &mut PendingInputs) {
        match event {
            DiskEvent::Wrote {
                transfer,
                chunk,
                from,
                parts,
                result,
            } => inputs.library(LibraryInput::Written {
                transfer,
                chunk,
                from,
                parts,
                result: result.map_err(|error| fault_of(&error)),
            }),
            DiskEvent::Looked(looked) => self.looked(looked, inputs),
            DiskEvent::Described(number, attempt, result) => {
                inputs.library(self.described(number, attempt, result));
            }
            DiskEvent::Prepared(number, result) => {
                if let Some(prepared) = self.prepared(number, result) {
                    inputs.library(prepared);
                }
            }
            DiskEvent::Finished(number, result) => inputs.library(self.finished(number, result)),
            DiskEvent::Synced(number, result) => inputs.library(LibraryInput::Synced {
                number,
                result: result.map_err(|error| fault_of(&error)),
            }),
        }
    }

    /// A manifest that came whole was read.
    fn described(
        &mut self,
        number: u32,
        attempt: u32,
        result: Result<Arc<Tree>, ManifestFault>,
    ) -> LibraryInput {
        if let (Ok(tree), Some(row)) = (&result, self.rows.get_mut(&number)) {
            row.tree.get_or_insert_with(|| Arc::clone(tree));
        }
        LibraryInput::Described {
            number,
            attempt,
            result: result.map(|tree| description_of(&tree)),
        }
    }

    /// What is on disk of a content is known.
    fn prepared(
        &mut self,
        number: u32,
        result: Result<Opened, StoreError>,
    ) -> Option<LibraryInput> {
        let result = match result {
            Ok(opened) => Ok(self.opened(number, opened)?),
            Err(error) => Err(fault_of(&error)),
        };
        Some(LibraryInput::Prepared { number, result })
    }

    /// A folder of a content was opened. Returns the input for the library.
    fn opened(&mut self, number: u32, opened: Opened) -> Option<Prepared> {
        let folder = self.library.get(number)?.placement().folder;
        let row = self.rows.get_mut(&number)?;
        if let Some(name) = opened.tree.name() {
            name.clone_into(&mut row.name);
        }
        row.settle();
        row.resumed = opened.tree.geometry().bytes_of(&opened.have).get();
        row.tree = Some(opened.tree);
        row.stores.insert(folder, opened.store);
        let mut whole_in = Vec::new();
        for (path, store) in opened.others {
            let other = self.folders.number(&path);
            // A folder that is filled again was a source too, as it lay there: what is read from it
            // and written to it from now on is the store that fills it.
            if other != folder {
                whole_in.push(other);
                row.stores.insert(other, store);
            }
        }
        Some(Prepared {
            have: opened.have,
            whole_in,
            device: opened.device,
        })
    }

    /// Closes what was opened of a content and is not read from after all.
    pub(crate) fn close_unused(&mut self, number: u32) {
        let content = self.library.get(number);
        if let (Some(content), Some(row)) = (content, self.rows.get_mut(&number)) {
            let (reading, others) = content.open();
            row.close(reading, others);
            if !content.is_open() && *content.stage() != Stage::Checking {
                row.tree = None;
            }
        }
    }

    /// A content has its final names, or not.
    fn finished(&mut self, number: u32, result: Result<Vec<PathBuf>, StoreError>) -> LibraryInput {
        let result = match result {
            Ok(names) => {
                if let Some(row) = self.rows.get_mut(&number) {
                    row.names = names;
                }
                Ok(())
            }
            Err(StoreError::Unfinished { .. }) => Err(FinishFault::Unfinished),
            Err(error) => Err(FinishFault::Disk(fault_of(&error))),
        };
        LibraryInput::Finished { number, result }
    }

    /// An inbox was looked at: what becomes of the offers that waited for that.
    fn looked(&mut self, looked: Looked, inputs: &mut PendingInputs) {
        let waiting = self.looks.remove(&looked.folder).unwrap_or_default();
        if let Err(error) = &looked.disk {
            let folder = self.folders.path(looked.folder).display();
            warn!(%folder, %error, "the inbox cannot be used");
        }
        let disk = looked.disk.ok();
        for one in waiting {
            let peer = one.held.peer();
            let has_memory = self.budget.books().admits(peer, one.manifest_bytes);
            inputs.library(LibraryInput::Looked {
                offer: one.offer,
                disk,
                has_memory,
            });
        }
    }

    /// A chunk is whole: it is verified, and written if it is right. If it is not, or came without
    /// its bytes, returns the input for the core.
    pub(crate) fn store(
        &mut self,
        (transfer, chunk): (TransferId, ChunkIndex),
        (from, parts): (PeerId, Vec<(PeerId, ByteCount)>),
        arrival: Option<Arrival>,
        inputs: &mut PendingInputs,
    ) -> Option<Input> {
        let chunk_store = self.chunk_store(transfer);
        let writes = self
            .rows
            .get(&(transfer.0 / 2))
            .map(|row| Arc::clone(&row.writes));
        let (Some(chunk_store), Some(writes), Some(arrival)) = (chunk_store, writes, arrival)
        else {
            // Without its bytes, or a store for them, it is fetched again; no peer is blamed.
            warn!(
                transfer = transfer.0,
                chunk = chunk.get(),
                "a chunk came without its bytes"
            );
            return Some(Input::Lost { transfer, chunk });
        };
        if !chunk_store.expects(chunk, &arrival.hash) {
            self.pool.put(arrival.bytes);
            return Some(Input::Rejected {
                transfer,
                chunk,
                from,
            });
        }
        let senders = parts.iter().map(|(peer, _)| *peer).collect();
        inputs.library(LibraryInput::Writing { transfer, senders });
        let (pool, events) = (Arc::clone(&self.pool), self.events.clone());
        writes.push(move || {
            let write = || chunk_store.write(chunk, &arrival.bytes);
            let result = patiently(write, StoreError::is_out);
            pool.put(arrival.bytes);
            drop(arrival.held);
            let wrote = DiskEvent::Wrote {
                transfer,
                chunk,
                from,
                parts,
                result,
            };
            // If the node has ended, nothing counts chunks any more.
            let _ = events.blocking_send(wrote.into());
        });
        None
    }

    /// A chunk that we have cannot be read, or is no longer what it was. Whether it is fetched
    /// again: only into a folder that is being filled, for the files in the others are not this
    /// node's.
    pub(crate) fn fetches_again(&self, transfer: TransferId) -> bool {
        let content = self.library.of(transfer);
        content
            .is_none_or(|(content, is_manifest)| is_manifest || *content.stage() == Stage::Moving)
    }

    /// A file of a content could not be read. Returns the line for status clients, once for each
    /// file.
    pub(crate) fn changed(&mut self, transfer: TransferId, why: &ChunkReadError) -> Option<String> {
        let file = match why {
            ChunkReadError::Changed { path, .. } | ChunkReadError::Io { path, .. } => path.as_str(),
            // It was reported when the chunk was found missing.
            ChunkReadError::Absent(_) | ChunkReadError::Range { .. } => return None,
        };
        self.library.of(transfer)?;
        let row = self.rows.get_mut(&(transfer.0 / 2))?;
        if file.is_empty() || !row.is_news(file) {
            return None;
        }
        warn!(content = %row.name, %why, "chunks are withdrawn");
        Some(why.to_string())
    }

    /// A second has passed: chunks that have waited long enough are to be made durable (P1).
    pub(crate) fn second(&self, inputs: &mut PendingInputs, now: Time) {
        for (number, _) in self.moving().filter(|(_, store)| store.due(now)) {
            inputs.library(LibraryInput::SyncDue { number });
        }
    }

    /// Stores that are being filled, by the number of their content.
    fn moving(&self) -> impl Iterator<Item = (u32, &Arc<Store>)> {
        let moving = self.iter().filter(|(one, _)| *one.stage() == Stage::Moving);
        moving.filter_map(|(one, row)| Some((one.number(), row.open.first()?)))
    }

    /// Stores that are being filled.
    pub(crate) fn filled(&self) -> Vec<Arc<Store>> {
        self.moving().map(|(_, store)| Arc::clone(store)).collect()
    }
}

/// The disk fault for an error of the store.
fn fault_of(error: &StoreError) -> DiskFault {
    DiskFault {
        cause: error.cause(),
        verdict: verdict(error),
        why: error.to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use fairhaul_core::library::disk_fault::Cause;
    use fairhaul_core::message::OfferVerdict;

    use super::*;

    /// The pushing peer is told the kind of fault; a person gets the message of the system.
    #[test]
    fn a_fault_of_a_disk_keeps_its_cause_and_its_words() {
        let exists = StoreError::Exists {
            path: "a".to_owned(),
        };
        let fault = fault_of(&exists);
        let expected = (Cause::InTheWay, OfferVerdict::Exists);
        assert_eq!((fault.cause, fault.verdict), expected);
        assert_eq!(*fault.why, exists.to_string());
        let space = StoreError::Space {
            path: "a".into(),
            needed: 2,
            available: 1,
        };
        let fault = fault_of(&space);
        assert_eq!(
            (fault.cause, fault.verdict),
            (Cause::Full, OfferVerdict::Storage)
        );
    }
}
