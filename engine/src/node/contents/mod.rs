//! The contents that a node takes part in: the library that decides about them, their manifests and
//! folders, and where they are kept between two runs.
//!
//! Each content is two transfers of the core: its bytes, and its manifest, which is moved like a
//! content of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fairhaul_core::connections::memory::HeldKind;
use fairhaul_core::id::{PeerId, TransferId};
use fairhaul_core::library::{
    self, Content, FolderId, Library, LibraryAction, LibraryInput, ManifestFault, OfferId,
};
use fairhaul_core::manifest::ContentId;
use fairhaul_core::message::{Message, Offer};
use fairhaul_core::node::Node;
use fairhaul_core::time::{Span, Time};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use self::chunk_store::{ChunkStore, ManifestStore};
use self::event::DiskEvent;
use self::folders::Folders;
use self::inbox::{Looked, WaitingOffer};
use self::kept::Placed;
use self::opening::Opening;
use self::own::Own;
use self::row::Row;
use self::state_writer::Keeper;
use super::event::NodeEvent;
use crate::content::Tree;
use crate::content::manifest::content_id;
use crate::session::{Budget, Pool, cost};
use crate::store::{OpenFiles, Store, StoreError, patiently};

pub(crate) mod chunk_store;
mod disk;
pub(crate) mod event;
mod folders;
mod inbox;
mod kept;
mod opening;
pub(crate) mod own;
mod remember;
pub(crate) mod row;
pub(crate) mod state_writer;
#[cfg(test)]
mod tests;
mod write_queue;

/// Charged with memory that belongs to no peer.
const NOBODY: PeerId = PeerId(u32::MAX);

/// All of them.
#[derive(Debug)]
pub(crate) struct Contents {
    library: Library,
    rows: BTreeMap<u32, Row>,
    folders: Folders,
    /// Offers that wait until the inbox that they go to was looked at.
    looks: BTreeMap<FolderId, Vec<WaitingOffer>>,
    /// What the node keeps for itself on disk.
    own: Own,
    /// Files and folders that stay open.
    files: Arc<OpenFiles>,
    budget: Arc<Budget>,
    pool: Arc<Pool>,
    events: mpsc::Sender<NodeEvent>,
    /// The folder that carries contents to the next run, and its writer.
    state: PathBuf,
    keeper: Arc<Keeper>,
}

impl Contents {
    /// None yet; they are kept in `state`.
    pub(crate) fn new(
        (own, state): (Own, PathBuf),
        (files, keeper): (Arc<OpenFiles>, Arc<Keeper>),
        (budget, pool): (Arc<Budget>, Arc<Pool>),
        (events, patience): (mpsc::Sender<NodeEvent>, Span),
    ) -> Self {
        Self {
            library: Library::new(1, patience),
            rows: BTreeMap::new(),
            folders: Folders::default(),
            looks: BTreeMap::new(),
            own,
            files,
            budget,
            pool,
            events,
            state,
            keeper,
        }
    }

    /// What the library knows.
    pub(crate) const fn library(&self) -> &Library {
        &self.library
    }

    /// Exactly one thing happened.
    pub(crate) fn handle(&mut self, input: LibraryInput, node: &Node, now: Time) {
        self.library.handle(input, node, now);
    }

    /// The next thing that the library wants done.
    pub(crate) fn poll(&mut self) -> Option<LibraryAction> {
        self.library.poll()
    }

    /// Closes files for descriptors that are needed elsewhere.
    pub(crate) fn make_room(&self) {
        self.files.make_room();
    }

    /// The number of a folder.
    pub(crate) fn folder(&mut self, path: &Path) -> FolderId {
        self.folders.number(path)
    }

    /// The path of the folder that a content fills, or has filled last.
    pub(crate) fn path_of(&self, content: &Content) -> &Path {
        self.folders.path(content.placement().folder)
    }

    /// All contents, with what the library knows of each.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Content, &Row)> {
        let rows = self.rows.iter();
        rows.filter_map(|(number, row)| Some((self.library.get(*number)?, row)))
    }

    /// A content and its row.
    pub(crate) fn at(&self, number: u32) -> Option<(&Content, &Row)> {
        Some((self.library.get(number)?, self.rows.get(&number)?))
    }

    /// The identity under which a transfer moves.
    pub(crate) fn moved_as(&self, transfer: TransferId) -> Option<ContentId> {
        let row = self.rows.get(&(transfer.0 / 2))?;
        Some(match transfer.0 % 2 {
            1 => row.description_id(),
            _ => row.id,
        })
    }

    /// Where the chunks of a transfer are.
    pub(crate) fn chunk_store(&self, transfer: TransferId) -> Option<ChunkStore> {
        let row = self.rows.get(&(transfer.0 / 2))?;
        if transfer.0 % 2 == 1 {
            return Some(ChunkStore::Manifest(Arc::clone(&row.manifest)));
        }
        let tree = row.tree.as_ref().filter(|_| !row.open.is_empty())?;
        Some(ChunkStore::Files(Arc::clone(&row.open), Arc::clone(tree)))
    }

    /// The row of a content that the library is about to get: the present one, or a new one with
    /// this name and manifest.
    pub(super) fn expect(
        &mut self,
        id: ContentId,
        name: &str,
        manifest: ManifestStore,
    ) -> &mut Row {
        let known = self.library.find(&id).map(Content::number);
        let number = known.unwrap_or_else(|| self.library.vacant());
        let row = || Row::new(id, name.to_owned(), manifest);
        self.rows.entry(number).or_insert_with(row)
    }

    /// Carries out what concerns manifests, folders and files alone.
    pub(crate) fn carry(&mut self, action: LibraryAction) {
        match action {
            LibraryAction::New {
                number,
                content,
                manifest_bytes,
                name,
            } => {
                let name = name.unwrap_or_default();
                let row = || Row::new(content, name.into(), ManifestStore::empty(manifest_bytes));
                self.rows.entry(number).or_insert_with(row);
            }
            LibraryAction::ForgetManifest { number, bytes } => {
                if let Some(row) = self.rows.get_mut(&number) {
                    row.manifest = Arc::new(ManifestStore::empty(bytes));
                }
            }
            LibraryAction::Look {
                offer,
                peer,
                folder,
                of,
            } => self.look(offer, peer, folder, &of),
            LibraryAction::Describe { number, attempt } => self.describe(number, attempt),
            LibraryAction::Prepare { number } => self.prepare(number),
            LibraryAction::Open { number } => {
                if let Some(content) = self.library.get(number)
                    && let Some(row) = self.rows.get_mut(&number)
                {
                    let (reading, others) = content.open();
                    row.open(reading, others);
                }
            }
            LibraryAction::Begin { number, is_other } => self.begin(number, is_other),
            LibraryAction::Sync { number } => self.beside(number, move |store| {
                let result = patiently(|| store.sync(), StoreError::is_out);
                DiskEvent::Synced(number, result.map(|_| ()))
            }),
            LibraryAction::Finish { number } => self.beside(number, move |store| {
                let result = patiently(|| store.finish(), StoreError::is_out);
                DiskEvent::Finished(number, result)
            }),
            LibraryAction::Charge {
                number,
                peer,
                bytes,
            } => {
                let peer = peer.unwrap_or(NOBODY);
                if let Some(row) = self.rows.get_mut(&number) {
                    row.held = None;
                    row.held = Some(self.budget.hold(peer, HeldKind::Announced, bytes));
                }
            }
            LibraryAction::Keep { number } => self.keep(number, None),
            LibraryAction::Forget { number } => self.forget(number),
            _ => {}
        }
    }

    /// Reads a manifest that came whole, beside the driver: a long one takes seconds.
    fn describe(&self, number: u32, attempt: u32) {
        let Some(row) = self.rows.get(&number) else {
            return;
        };
        let (id, chunk_store) = (row.id, Arc::clone(&row.manifest));
        let events = self.events.clone();
        spawn_blocking(move || {
            let bytes = chunk_store.bytes();
            let right = content_id(&bytes) == id;
            let unusable = |error: &dyn std::fmt::Display| error.to_string().into();
            let tree = match Tree::decode(&bytes) {
                _ if !right => Err(ManifestFault::Wrong),
                Ok(tree) => Ok(Arc::new(tree)),
                Err(error) => Err(ManifestFault::Unusable(unusable(&error))),
            };
            let _ = events.blocking_send(DiskEvent::Described(number, attempt, tree).into());
        });
    }

    /// Opens the folders of a content, beside the driver.
    fn prepare(&self, number: u32) {
        let Some((content, row)) = self.at(number) else {
            return;
        };
        let role = |placement: &library::Placement| {
            let folder = placement.folder;
            let stamps = row.stamps.get(&folder).map_or(&[][..], Vec::as_slice);
            Placed::of(placement, self.folders.path(folder), stamps).role
        };
        let (reading, others) = content.open();
        let others = others.iter().filter_map(|folder| {
            let store = Arc::clone(row.stores.get(folder)?);
            Some((self.folders.path(*folder).to_owned(), store))
        });
        let kept = content.kept();
        let opening = Opening {
            role: role(&kept.placement),
            places: kept.whole_in.iter().map(role).collect(),
            last: reading.and_then(|folder| row.stores.get(&folder).cloned()),
            others: others.collect(),
            state: self.path(&row.id, "state"),
            tree: row.tree.clone(),
            manifest: Arc::clone(&row.manifest),
            files: Arc::clone(&self.files),
            own: self.own.clone(),
        };
        let (events, runtime) = (self.events.clone(), Handle::current());
        self.keeper.begin(Box::new(move || {
            runtime.spawn_blocking(move || {
                let result = opening.open();
                let _ = events.blocking_send(DiskEvent::Prepared(number, result).into());
            });
        }));
    }

    /// Does something with the store that is filled, beside the driver.
    fn beside(&self, number: u32, what: impl FnOnce(&Store) -> DiskEvent + Send + 'static) {
        let store = self.rows.get(&number).and_then(|row| row.open.first());
        let Some(store) = store.cloned() else {
            return;
        };
        let events = self.events.clone();
        spawn_blocking(move || {
            let _ = events.blocking_send(what(&store).into());
        });
    }

    /// An offer waits until its inbox was looked at: once for all that wait for the same.
    fn look(&mut self, offer: OfferId, peer: PeerId, folder: FolderId, of: &Offer) {
        let bytes = cost(&Message::Offer(Box::new(of.clone())));
        let waiting = WaitingOffer {
            offer,
            manifest_bytes: of.manifest_bytes,
            held: self.budget.hold(peer, HeldKind::Passing, bytes),
        };
        let is_first = !self.looks.contains_key(&folder);
        self.looks.entry(folder).or_default().push(waiting);
        if is_first {
            let (own, events) = (self.own.clone(), self.events.clone());
            let path = self.folders.path(folder).to_owned();
            spawn_blocking(move || {
                let looked = Looked::at(folder, &path, &own);
                let _ = events.blocking_send(DiskEvent::Looked(looked).into());
            });
        }
    }

    /// A folder is filled anew. Of the one before nothing is kept if it `is_other`.
    fn begin(&self, number: u32, is_other: bool) {
        if let Some(row) = self.rows.get(&number).filter(|_| is_other) {
            self.forget_state(&row.id);
        }
    }
}
