//! The shell's side of a content: its manifest, its open folders and how its files looked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use fairhaul_core::library::FolderId;
use fairhaul_core::manifest::ContentId;

use super::chunk_store::ManifestStore;
use super::write_queue::WriteQueue;
use crate::content::scan::Stamp;
use crate::content::{Tree, manifest_id};
use crate::session::Held;
use crate::store::Store;

/// Files of one content whose changes are logged.
const CHANGED_MAX: usize = 1_000;

/// One content on this node, beside what the library knows of it.
#[derive(Debug)]
pub(crate) struct Row {
    pub(super) id: ContentId,
    pub(super) name: String,
    pub(super) manifest: Arc<ManifestStore>,
    /// The tree in its manifest, while that is being read or a folder is open.
    pub(super) tree: Option<Arc<Tree>>,
    /// Stores of its folders, those that are open and one that was just prepared.
    pub(super) stores: BTreeMap<FolderId, Arc<Store>>,
    /// Those that it is read from, in this order; the first is written if one is being filled.
    pub(super) open: Arc<[Arc<Store>]>,
    /// Its chunks on their way to the disk.
    pub(super) writes: Arc<WriteQueue>,
    /// How its files looked when they were scanned, by folder.
    pub(super) stamps: BTreeMap<FolderId, Vec<Stamp>>,
    /// Its final names, once it has them.
    pub(super) names: Vec<PathBuf>,
    /// Memory that its manifest takes because a peer pushed it.
    pub(super) held: Option<Held>,
    /// Files of it that were found changed, each reported once.
    changed: BTreeSet<String>,
    /// Bytes that were here and verified when it was taken up.
    pub(super) resumed: u64,
}

impl Row {
    pub(super) fn new(id: ContentId, name: String, manifest: ManifestStore) -> Self {
        Self {
            id,
            name,
            manifest: Arc::new(manifest),
            tree: None,
            stores: BTreeMap::new(),
            open: Arc::default(),
            writes: Arc::default(),
            stamps: BTreeMap::new(),
            names: Vec::new(),
            held: None,
            changed: BTreeSet::new(),
            resumed: 0,
        }
    }

    /// What people call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Length of its manifest, in bytes.
    pub(crate) fn manifest_bytes(&self) -> u64 {
        self.manifest.geometry().bytes().get()
    }

    /// Its manifest, as far as it came.
    pub(crate) fn manifest(&self) -> Vec<u8> {
        self.manifest.bytes()
    }

    /// The tree in its manifest, while that is being read or a folder is open.
    pub(crate) fn tree(&self) -> Option<&Tree> {
        self.tree.as_deref()
    }

    /// Its final names, once it has them.
    pub(crate) fn names(&self) -> &[PathBuf] {
        &self.names
    }

    /// Bytes that were here and verified when it was taken up.
    pub(crate) const fn resumed(&self) -> u64 {
        self.resumed
    }

    /// The identity under which its manifest moves.
    pub(super) fn description_id(&self) -> ContentId {
        manifest_id(self.id, self.manifest.geometry().bytes().get())
    }

    /// Whether a changed file is to be reported: one line a file, however many chunks it has.
    pub(super) fn is_news(&mut self, file: &str) -> bool {
        self.changed.len() < CHANGED_MAX && self.changed.insert(file.to_owned())
    }

    /// Its files were checked: earlier changes are reported again.
    pub(super) fn settle(&mut self) {
        self.changed.clear();
    }

    /// Reads it from these folders from now on, of which the first may be written; the stores of
    /// all others but `kept` are closed.
    pub(super) fn open(&mut self, reading: Option<FolderId>, kept: &[FolderId]) {
        let others = kept.iter().filter(|one| Some(**one) != reading);
        let order = reading.iter().chain(others.filter(|_| reading.is_some()));
        let stores = order.filter_map(|folder| self.stores.get(folder));
        self.open = stores.cloned().collect();
        self.close(reading, kept);
        if reading.is_none() {
            self.tree = None;
        }
    }

    /// Closes the stores of all folders but these.
    pub(super) fn close(&mut self, reading: Option<FolderId>, kept: &[FolderId]) {
        let is_kept = |folder: &FolderId| Some(*folder) == reading || kept.contains(folder);
        self.stores.retain(|folder, _| is_kept(folder));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_told_once_and_again_after_its_files_were_looked_at() {
        let id = ContentId([1; 32]);
        let mut row = Row::new(id, "a".to_owned(), ManifestStore::empty(1));
        assert!(row.is_news("f") && !row.is_news("f"));
        row.settle();
        assert!(row.is_news("f"));
        for number in 0..2 * CHANGED_MAX {
            row.is_news(&number.to_string());
        }
        assert!(
            !row.is_news("one more"),
            "what is told of one content is bounded"
        );
    }
}
