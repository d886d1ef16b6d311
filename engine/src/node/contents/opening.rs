//! Opens a content beside the driver: verifies its folder, copies what is missing from other
//! folders in which it is whole, and leaves only the rest to be fetched.

use std::path::PathBuf;
use std::sync::Arc;

use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::library::{Description, quota};
use fairhaul_core::message::OfferVerdict;

use super::chunk_store::ManifestStore;
use super::inbox::device_of;
use super::kept::Role;
use super::own::Own;
use crate::content::scan::Stamp;
use crate::content::{EntryKind, Tree};
use crate::store::{OpenFiles, Receive, Store, StoreError, patiently};

/// What is opened.
pub(super) struct Opening {
    pub(super) role: Role,
    /// Folders in which it is whole.
    pub(super) places: Vec<Role>,
    /// The store that is read first now, if one is, and those of other folders in which it is
    /// whole.
    pub(super) last: Option<Arc<Store>>,
    pub(super) others: Vec<(PathBuf, Arc<Store>)>,
    pub(super) state: PathBuf,
    /// The tree in its manifest, if that was read already.
    pub(super) tree: Option<Arc<Tree>>,
    pub(super) manifest: Arc<ManifestStore>,
    /// What all stores of the node keep open together.
    pub(super) files: Arc<OpenFiles>,
    /// What is never served.
    pub(super) own: Own,
}

/// A content that was opened.
pub(crate) struct Opened {
    pub(super) store: Arc<Store>,
    pub(super) tree: Arc<Tree>,
    /// What is there, and verified.
    pub(super) have: Bitfield,
    /// Other folders in which it is whole.
    pub(super) others: Vec<(PathBuf, Arc<Store>)>,
    /// The file system of the folder.
    pub(super) device: Option<u64>,
}

impl Opening {
    pub(super) fn open(self) -> Result<Opened, StoreError> {
        let read = || Arc::new(Tree::decode(&self.manifest.bytes()).expect("it was read before"));
        let tree = self.tree.clone().unwrap_or_else(read);
        let mut others = self.others.clone();
        for place in &self.places {
            let folder = place.folder();
            if others.iter().all(|(known, _)| known != folder) {
                // One that cannot be opened now is no source, and stays in the books.
                let served = patiently(|| self.serve(place, &tree), StoreError::is_out);
                others.extend(served.ok().map(|one| (folder.to_owned(), Arc::new(one))));
            }
        }
        let fill = || self.fill(&tree, &others);
        let (store, have) = patiently(fill, StoreError::is_out)?;
        Ok(Opened {
            device: device_of(self.role.folder()),
            store,
            tree,
            have,
            others,
        })
    }

    fn fill(
        &self,
        tree: &Arc<Tree>,
        others: &[(PathBuf, Arc<Store>)],
    ) -> Result<(Arc<Store>, Bitfield), StoreError> {
        let chunks = tree.geometry().chunks();
        let Role::Fetched {
            into,
            overwrite,
            force,
            whole: false,
        } = &self.role
        else {
            let store = self.serve(&self.role, tree)?;
            return Ok((Arc::new(store), Bitfield::full(chunks)));
        };
        let last = self.last.as_ref();
        if let Some(last) = last.filter(|last| last.is_at(into) && last.stands()) {
            return Ok((Arc::clone(last), Bitfield::full(chunks)));
        }
        let options = Receive {
            overwrite: *overwrite,
            force_dangerous_target: *force,
            ..Receive::default()
        };
        let progress = |_| {};
        let tree = Arc::clone(tree);
        let (store, have) =
            Store::receive(tree, into, &self.state, options, &self.files, &progress)?;
        if have.is_full() {
            return Ok((Arc::new(store), have));
        }
        // The store that was read last comes last: its files may have been taken away.
        let others = others.iter().map(|(_, store)| store);
        let sources: Vec<Arc<Store>> = others.chain(last).cloned().collect();
        let have = store.fill(&sources, &progress)?;
        Ok((Arc::new(store), have))
    }

    /// The content as it lies in a folder: each of its chunks is verified before it is given.
    fn serve(&self, role: &Role, tree: &Arc<Tree>) -> Result<Store, StoreError> {
        match role {
            Role::Shared { root, stamps } => {
                let refused = self.own.refuse_kept(root, tree);
                refused.map_err(StoreError::Own)?;
                Store::share(Arc::clone(tree), root, stamps, &self.files)
            }
            Role::Fetched { into, .. } => {
                let unknown = unknown(tree);
                Store::share(Arc::clone(tree), into, &unknown, &self.files)
            }
        }
    }
}

/// Stamps that no file has.
fn unknown(tree: &Tree) -> Vec<Stamp> {
    let none = Stamp {
        bytes: u64::MAX,
        mtime_s: 0,
        mtime_ns: 0,
        inode: 0,
        device: 0,
    };
    vec![none; tree.entries().len()]
}

/// The description of a content for the library.
pub(crate) fn description_of(tree: &Tree) -> Description {
    let lens = tree.entries().iter().map(|entry| match entry.kind {
        EntryKind::File { bytes, .. } => bytes,
        EntryKind::EmptyDirectory => 0,
    });
    Description {
        geometry: tree.geometry(),
        space: quota::space(lens),
    }
}

/// The verdict for a pushed content that cannot be stored.
pub(super) const fn verdict(error: &StoreError) -> OfferVerdict {
    match error {
        StoreError::Exists { .. } => OfferVerdict::Exists,
        StoreError::Space { .. } | StoreError::Full { .. } | StoreError::Target { .. } => {
            OfferVerdict::Storage
        }
        _ => OfferVerdict::Failed,
    }
}
