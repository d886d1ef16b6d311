//! The contents that a node takes part in: the library that decides about them, their manifests and
//! folders, and where they are kept between two runs.
//!
//! Each content is two transfers of the core: its bytes, and its manifest, which is moved like a
//! content of its own.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fairhaul_core::door::memory::Kind;
use fairhaul_core::id::{PeerId, TransferId};
use fairhaul_core::library::{
    self, Action, Content, FolderId, Library, ManifestFault, OfferId, Prepared, Stage,
};
use fairhaul_core::manifest::ContentId;
use fairhaul_core::message::{Message, Offer};
use fairhaul_core::node::Node;
use fairhaul_core::time::{Span, Time};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::Happening;
use super::content::Row;
use super::folders::Folders;
use super::inbox::{Looked, Waiting};
use super::keeper::{Keeper, Then};
use super::kept::{self, Kept, Placed, Remembered, Role};
use super::opening::{Opened, Opening, description_of};
use super::own::Own;
use super::shelf::{ManifestShelf, Shelf};
use crate::content::Tree;
use crate::content::manifest::content_id;
use crate::content::scan::Stamp;
use crate::session::{Budget, cost};
use crate::store::{OpenFiles, Store, StoreError, patiently};

/// Endings of the files that are kept for a content, the last three by its store.
static KEPT: [&str; 5] = ["json", "manifest", "state", "state.alt", "state.new"];

/// Of whom something is held that no peer can give back.
const NOBODY: PeerId = PeerId(u32::MAX);

/// All of them.
#[derive(Debug)]
pub(crate) struct Contents {
    library: Library,
    rows: BTreeMap<u32, Row>,
    folders: Folders,
    /// Offers that wait until the inbox that they go to was looked at.
    looks: BTreeMap<FolderId, Vec<Waiting>>,
    /// What the node keeps for itself on disk.
    own: Own,
    /// Files and folders that stay open.
    files: Arc<OpenFiles>,
    budget: Arc<Budget>,
    happenings: mpsc::Sender<Happening>,
    /// Where contents are kept between two runs, and by whom.
    state: PathBuf,
    keeper: Keeper,
}

impl Contents {
    /// None yet; they are kept in `state`.
    pub(super) fn new(
        (state, own): (PathBuf, Own),
        (files, budget): (Arc<OpenFiles>, Arc<Budget>),
        (happenings, patience): (mpsc::Sender<Happening>, Span),
    ) -> io::Result<Self> {
        Ok(Self {
            library: Library::new(1, patience),
            rows: BTreeMap::new(),
            folders: Folders::default(),
            looks: BTreeMap::new(),
            own,
            files,
            budget,
            happenings,
            state,
            keeper: Keeper::start()?,
        })
    }

    /// Lets a folder be filled that holds the data of the node.
    pub(super) const fn allow_above(&mut self) {
        self.own.allow_above();
    }

    /// What the library knows.
    pub(super) const fn library(&self) -> &Library {
        &self.library
    }

    /// Exactly one thing happened.
    pub(super) fn handle(&mut self, input: library::Input, node: &Node, now: Time) {
        self.library.handle(input, node, now);
    }

    /// The next thing that the library wants done.
    pub(super) fn poll(&mut self) -> Option<Action> {
        self.library.poll()
    }

    /// What the node keeps for itself.
    pub(super) const fn own(&self) -> &Own {
        &self.own
    }

    /// Closes files for descriptors that are needed elsewhere.
    pub(super) fn make_room(&self) {
        self.files.make_room();
    }

    /// The number of a folder.
    pub(super) fn folder(&mut self, path: &Path) -> FolderId {
        self.folders.number(path)
    }

    /// The path of the folder that a content fills, or has filled last.
    pub(super) fn path_of(&self, content: &Content) -> &Path {
        self.folders.path(content.placement().folder)
    }

    pub(super) fn row(&self, number: u32) -> Option<&Row> {
        self.rows.get(&number)
    }

    pub(super) fn row_mut(&mut self, number: u32) -> Option<&mut Row> {
        self.rows.get_mut(&number)
    }

    /// All contents, with what the library knows of each.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Content, &Row)> {
        let rows = self.rows.iter();
        rows.filter_map(|(number, row)| Some((self.library.get(*number)?, row)))
    }

    /// A content and its row.
    pub(super) fn at(&self, number: u32) -> Option<(&Content, &Row)> {
        Some((self.library.get(number)?, self.rows.get(&number)?))
    }

    /// The identity under which a transfer moves.
    pub(super) fn moved_as(&self, transfer: TransferId) -> Option<ContentId> {
        let row = self.rows.get(&(transfer.0 / 2))?;
        Some(match transfer.0 % 2 {
            1 => row.description_id(),
            _ => row.id,
        })
    }

    /// Where the chunks of a transfer are.
    pub(super) fn shelf(&self, transfer: TransferId) -> Option<Shelf> {
        let row = self.rows.get(&(transfer.0 / 2))?;
        if transfer.0 % 2 == 1 {
            return Some(Shelf::Manifest(Arc::clone(&row.manifest)));
        }
        let tree = row.tree.as_ref().filter(|_| !row.open.is_empty())?;
        Some(Shelf::Files(Arc::clone(&row.open), Arc::clone(tree)))
    }

    /// The row of a content that the library is about to hear of: the one that is there, or one
    /// with this name and manifest.
    pub(super) fn expect(
        &mut self,
        id: ContentId,
        name: &str,
        manifest: ManifestShelf,
    ) -> &mut Row {
        let known = self.library.find(&id).map(Content::number);
        let number = known.unwrap_or_else(|| self.library.vacant());
        let row = || Row::new(id, name.to_owned(), manifest);
        self.rows.entry(number).or_insert_with(row)
    }

    /// Carries out what concerns manifests, folders and files alone.
    pub(super) fn carry(&mut self, action: Action) {
        match action {
            Action::New {
                number,
                content,
                manifest_bytes,
                name,
            } => {
                let name = name.unwrap_or_default();
                let row = || Row::new(content, name.into(), ManifestShelf::empty(manifest_bytes));
                self.rows.entry(number).or_insert_with(row);
            }
            Action::ForgetManifest { number, bytes } => {
                if let Some(row) = self.rows.get_mut(&number) {
                    row.manifest = Arc::new(ManifestShelf::empty(bytes));
                }
            }
            Action::Describe { number, attempt } => self.describe(number, attempt),
            Action::Prepare { number } => self.prepare(number),
            Action::Open { number } => {
                if let Some(content) = self.library.get(number)
                    && let Some(row) = self.rows.get_mut(&number)
                {
                    let (reading, others) = content.open();
                    row.open(reading, others);
                }
            }
            Action::Begin { number, is_other } => self.begin(number, is_other),
            Action::Sync { number } => self.beside(number, move |store| {
                let result = patiently(|| store.sync(), StoreError::is_out);
                Happening::Synced(number, result.map(|_| ()))
            }),
            Action::Finish { number } => self.beside(number, move |store| {
                let result = patiently(|| store.finish(), StoreError::is_out);
                Happening::Finished(number, result)
            }),
            Action::Charge {
                number,
                peer,
                bytes,
            } => {
                let peer = peer.unwrap_or(NOBODY);
                if let Some(row) = self.rows.get_mut(&number) {
                    row.held = None;
                    row.held = Some(self.budget.hold(peer, Kind::Announced, bytes));
                }
            }
            Action::Keep { number } => self.keep(number, None),
            Action::Forget { number } => self.forget(number),
            _ => {}
        }
    }

    /// Reads a manifest that came whole, beside the driver: a long one takes seconds.
    fn describe(&self, number: u32, attempt: u32) {
        let Some(row) = self.rows.get(&number) else {
            return;
        };
        let (id, shelf) = (row.id, Arc::clone(&row.manifest));
        let happenings = self.happenings.clone();
        spawn_blocking(move || {
            let bytes = shelf.bytes();
            let right = content_id(&bytes) == id;
            let unusable = |error: &dyn std::fmt::Display| error.to_string().into();
            let tree = match Tree::decode(&bytes) {
                _ if !right => Err(ManifestFault::Wrong),
                Ok(tree) => Ok(Arc::new(tree)),
                Err(error) => Err(ManifestFault::Unusable(unusable(&error))),
            };
            let _ = happenings.blocking_send(Happening::Described(number, attempt, tree));
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
        let (happenings, runtime) = (self.happenings.clone(), Handle::current());
        self.keeper.begin(Box::new(move || {
            runtime.spawn_blocking(move || {
                let result = opening.open();
                let _ = happenings.blocking_send(Happening::Prepared(number, result));
            });
        }));
    }

    /// What was opened of a content, as the library hears of it.
    pub(super) fn opened(&mut self, number: u32, opened: Opened) -> Option<Prepared> {
        let folder = self.library.get(number)?.placement().folder;
        let row = self.rows.get_mut(&number)?;
        if let Some(name) = opened.tree.name() {
            name.clone_into(&mut row.name);
        }
        row.settle();
        row.counts.resumed = opened.tree.geometry().bytes_of(&opened.have).get();
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
    pub(super) fn close_unused(&mut self, number: u32) {
        let content = self.library.get(number);
        if let (Some(content), Some(row)) = (content, self.rows.get_mut(&number)) {
            let (reading, others) = content.open();
            row.close(reading, others);
            if !content.is_open() && *content.stage() != Stage::Checking {
                row.tree = None;
            }
        }
    }

    /// Does something with the store that is filled, beside the driver.
    fn beside(&self, number: u32, what: impl FnOnce(&Store) -> Happening + Send + 'static) {
        let store = self.rows.get(&number).and_then(|row| row.open.first());
        let Some(store) = store.cloned() else {
            return;
        };
        let happenings = self.happenings.clone();
        spawn_blocking(move || {
            let _ = happenings.blocking_send(what(&store));
        });
    }

    /// An offer waits until its inbox was looked at: once for all that wait for the same.
    pub(super) fn look(&mut self, offer: OfferId, peer: PeerId, folder: FolderId, of: &Offer) {
        let bytes = cost(&Message::Offer(Box::new(of.clone())));
        let waiting = Waiting {
            offer,
            manifest_bytes: of.manifest_bytes,
            held: self.budget.hold(peer, Kind::Passing, bytes),
        };
        let is_first = !self.looks.contains_key(&folder);
        self.looks.entry(folder).or_default().push(waiting);
        if is_first {
            let (own, happenings) = (self.own.clone(), self.happenings.clone());
            let path = self.folders.path(folder).to_owned();
            spawn_blocking(move || {
                let looked = Looked::at(folder, &path, &own);
                let _ = happenings.blocking_send(Happening::Looked(looked));
            });
        }
    }

    /// The offers that waited for a look at an inbox.
    pub(super) fn looked(&mut self, folder: FolderId) -> (&Path, Vec<Waiting>) {
        let waiting = self.looks.remove(&folder).unwrap_or_default();
        (self.folders.path(folder), waiting)
    }

    fn begin(&mut self, number: u32, is_other: bool) {
        let Some(row) = self.rows.get_mut(&number) else {
            return;
        };
        row.counts.restart();
        let id = row.id;
        if is_other {
            self.forget_state(&id);
        }
    }

    /// A second has passed. The contents whose chunks have waited long enough to be made durable
    /// (P1).
    pub(super) fn second(&mut self, now: Time) -> Vec<u32> {
        for row in self.rows.values_mut() {
            row.counts.second();
        }
        let due = self.iter().filter(|(content, row)| {
            let is_moving = *content.stage() == Stage::Moving;
            is_moving && row.open.first().is_some_and(|store| store.due(now))
        });
        due.map(|(content, _)| content.number()).collect()
    }

    /// Stores that are being filled.
    pub(super) fn filled(&self) -> Vec<Arc<Store>> {
        let moving = self.iter().filter(|(one, _)| *one.stage() == Stage::Moving);
        moving
            .filter_map(|(_, row)| row.open.first().cloned())
            .collect()
    }

    /// Replaces the file at `path` soon, and does what is to happen `then`.
    pub(super) fn write(&self, path: PathBuf, text: Vec<u8>, then: Option<Then>) {
        self.keeper.write(path, text, then);
    }

    /// The file of `kind` that is kept for a content.
    fn path(&self, id: &ContentId, kind: &str) -> PathBuf {
        let name = data_encoding::HEXLOWER.encode(&id.0);
        self.state.join(name).with_extension(kind)
    }

    /// Forgets a content and what is kept of it. Its files stay.
    fn forget(&mut self, number: u32) {
        let Some(row) = self.rows.remove(&number) else {
            return;
        };
        // After what is still to be written.
        self.keeper.forget(self.path(&row.id, ""), &KEPT);
    }

    /// Forgets how far a folder was filled: another one is filled from now on. What is in the
    /// former is looked at again if its turn comes back.
    fn forget_state(&self, id: &ContentId) {
        self.keeper.forget(self.path(id, ""), &KEPT[2..]);
    }

    /// Keeps what is known of a content for the next run, soon, and does what is to happen `then`.
    pub(super) fn keep(&self, number: u32, then: Option<Then>) {
        let Some((content, row)) = self.at(number) else {
            return;
        };
        let placed = |placement: &library::Placement| {
            let folder = placement.folder;
            let stamps = row.stamps.get(&folder).map_or(&[][..], Vec::as_slice);
            Placed::of(placement, self.folders.path(folder), stamps)
        };
        let known = content.kept();
        let filled = placed(&known.placement);
        let mut kept = Kept::new(row.name.clone(), known.manifest_bytes, filled, known.paused);
        kept.places = known.whole_in.iter().map(placed).collect();
        let json = serde_json::to_vec(&kept).expect("text and numbers can be written");
        // One that is only being fetched may be another.
        let is_right = content.is_open() || *content.stage() == Stage::Checking;
        let manifest = is_right.then(|| Arc::clone(&row.manifest));
        self.keeper
            .keep(self.path(&row.id, ""), json, manifest, then);
    }

    /// What was kept by an earlier run.
    pub(super) fn kept(&self) -> io::Result<Vec<Result<Remembered, String>>> {
        kept::read(&self.state)
    }

    /// A content of an earlier run, as the library hears of it.
    pub(super) fn remember(&mut self, old: Remembered) -> library::Input {
        let Remembered { id, kept, manifest } = old;
        let tree = manifest.as_ref().and_then(|bytes| {
            let fits = content_id(bytes) == id;
            fits.then(|| Tree::decode(bytes).ok()).flatten()
        });
        let shelf = match manifest.filter(|_| tree.is_some()) {
            Some(bytes) => ManifestShelf::full(&bytes),
            None => ManifestShelf::empty(kept.manifest_bytes),
        };
        let (manifest_bytes, paused) = (kept.manifest_bytes, kept.paused);
        let name = kept.name.clone();
        let mut placements = Vec::new();
        let mut stamped = Vec::new();
        for placed in kept.into_places() {
            let placement = placed.placement(&mut self.folders);
            placements.push(placement);
            if let Role::Shared { stamps, .. } = placed.role {
                stamped.push((placement.folder, stamps));
            }
        }
        let description = tree.as_ref().map(description_of);
        let row = self.expect(id, &name, shelf);
        row.stamps.extend(stamped);
        row.tree = tree.map(Arc::new).filter(|_| !paused);
        let placement = placements.remove(0);
        library::Input::Remember {
            content: id,
            kept: library::Kept {
                manifest_bytes,
                placement,
                whole_in: placements,
                paused,
            },
            description,
        }
    }

    /// A tree that was scanned, as the library hears of it.
    pub(super) fn found(
        &mut self,
        tree: Arc<Tree>,
        root: &Path,
        stamps: Vec<Stamp>,
    ) -> library::Input {
        let (id, manifest) = (tree.id(), tree.encode());
        let folder = self.folder(root);
        let description = description_of(&tree);
        let name = tree.name().unwrap_or("tree").to_owned();
        let is_known = self.library.find(&id).is_some();
        let row = self.expect(id, &name, ManifestShelf::full(&manifest));
        row.stamps.insert(folder, stamps);
        if !is_known {
            row.tree = Some(tree);
        }
        library::Input::Found {
            content: id,
            manifest_bytes: manifest.len() as u64,
            description,
            folder,
        }
    }
}
