//! Files kept open between calls.
//!
//! Decides which stay open: those used last. Refuses more than a bounded number, so that a
//! content of ten thousand files does not use up the node's descriptors.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::DiskFile;

/// Most files of one content that are open at once.
pub(crate) const OPEN_MAX: usize = 256;

/// The open files of one content, by entry.
#[derive(Debug, Default)]
pub(crate) struct Fds(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    open: BTreeMap<usize, Slot>,
    uses: u64,
}

#[derive(Debug)]
struct Slot {
    file: Arc<dyn DiskFile>,
    writable: bool,
    used: u64,
}

impl Fds {
    /// The file of `entry` if it is open, and open for writing if that is asked for.
    pub(crate) fn get(&self, entry: usize, writable: bool) -> Option<Arc<dyn DiskFile>> {
        let mut table = self.lock();
        table.uses += 1;
        let uses = table.uses;
        let slot = table.open.get_mut(&entry)?;
        if writable && !slot.writable {
            return None;
        }
        slot.used = uses;
        Some(Arc::clone(&slot.file))
    }

    /// Keeps `file` open, and closes the one that was used longest ago if there are too many.
    pub(crate) fn put(&self, entry: usize, file: Arc<dyn DiskFile>, writable: bool) {
        let mut table = self.lock();
        table.uses += 1;
        let used = table.uses;
        if table.open.len() >= OPEN_MAX && !table.open.contains_key(&entry) {
            let oldest = table.open.iter().min_by_key(|(_, slot)| slot.used);
            if let Some(oldest) = oldest.map(|(entry, _)| *entry) {
                table.open.remove(&oldest);
            }
        }
        table.open.insert(
            entry,
            Slot {
                file,
                writable,
                used,
            },
        );
    }

    /// Closes the file of `entry`.
    pub(crate) fn close(&self, entry: usize) {
        self.lock().open.remove(&entry);
    }

    /// Closes all files.
    pub(crate) fn close_all(&self) {
        self.lock().open.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
