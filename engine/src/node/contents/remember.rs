//! Contents of earlier runs and contents that were just scanned: how they enter the library, and
//! which of their state is kept for the next run.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fairhaul_core::library;
use fairhaul_core::library::{Content, LibraryInput, Placement, Stage, Waiter};
use fairhaul_core::manifest::ContentId;

use super::Contents;
use super::chunk_store::ManifestStore;
use super::kept::{self, Kept, Placed, Remembered, Role};
use super::opening::description_of;
use super::state_writer::Then;
use crate::content::Tree;
use crate::content::manifest::content_id;
use crate::content::scan::Stamp;
use crate::content::ticket::ContentTicket;
use crate::control::api;

/// Endings of the files that are kept for a content, the last three by its store.
static KEPT: [&str; 5] = ["json", "manifest", "state", "state.alt", "state.new"];

impl Contents {
    /// The file of `kind` that is kept for a content.
    pub(super) fn path(&self, id: &ContentId, kind: &str) -> PathBuf {
        let name = data_encoding::HEXLOWER.encode(&id.0);
        self.state.join(name).with_extension(kind)
    }

    /// Forgets a content and what is kept of it. Its files stay.
    pub(super) fn forget(&mut self, number: u32) {
        let Some(row) = self.rows.remove(&number) else {
            return;
        };
        // After what is still to be written.
        self.keeper.forget(self.path(&row.id, ""), &KEPT);
    }

    /// Forgets how far a folder was filled: another one is filled from now on. What is in the
    /// former is looked at again if its turn comes back.
    pub(super) fn forget_state(&self, id: &ContentId) {
        self.keeper.forget(self.path(id, ""), &KEPT[2..]);
    }

    /// Has the state of a content written for the next run, and then runs `then`.
    pub(crate) fn keep(&self, number: u32, then: Option<Then>) {
        let Some((content, row)) = self.at(number) else {
            return;
        };
        let placed = |placement: &Placement| {
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
        let is_durable = then.is_some() || !content.is_soon_fetched_again();
        let base = self.path(&row.id, "");
        self.keeper.keep(base, (json, is_durable), manifest, then);
    }

    /// What was kept by an earlier run.
    pub(crate) fn kept(&self) -> io::Result<Vec<Result<Remembered, String>>> {
        kept::read(&self.state)
    }

    /// A content of an earlier run. Returns the input for the library.
    pub(crate) fn remember(&mut self, old: Remembered) -> LibraryInput {
        let Remembered { id, kept, manifest } = old;
        let tree = manifest.as_ref().and_then(|bytes| {
            let fits = content_id(bytes) == id;
            fits.then(|| Tree::decode(bytes).ok()).flatten()
        });
        let chunk_store = match manifest.filter(|_| tree.is_some()) {
            Some(bytes) => ManifestStore::full(&bytes),
            None => ManifestStore::empty(kept.manifest_bytes),
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
        let row = self.expect(id, &name, chunk_store);
        row.stamps.extend(stamped);
        row.tree = tree.map(Arc::new).filter(|_| !paused);
        let placement = placements.remove(0);
        LibraryInput::Remember {
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

    /// A tree that was scanned. Returns its number and the input for the library.
    pub(crate) fn found(
        &mut self,
        tree: Arc<Tree>,
        root: &Path,
        stamps: Vec<Stamp>,
    ) -> (u32, LibraryInput) {
        let (id, manifest) = (tree.id(), tree.encode());
        let folder = self.folder(root);
        let description = description_of(&tree);
        let name = tree.name().unwrap_or("tree").to_owned();
        let known = self.library.find(&id).map(Content::number);
        let number = known.unwrap_or_else(|| self.library.vacant());
        let row = self.expect(id, &name, ManifestStore::full(&manifest));
        row.stamps.insert(folder, stamps);
        if known.is_none() {
            row.tree = Some(tree);
        }
        let found = LibraryInput::Found {
            content: id,
            manifest_bytes: manifest.len() as u64,
            description,
            folder,
        };
        (number, found)
    }
    /// The content of a ticket is to be fetched into a folder. Returns the input for the library.
    pub(crate) fn asked_for(
        &mut self,
        ticket: &ContentTicket,
        get: &api::Get,
        waiter: Waiter,
    ) -> LibraryInput {
        let id = ticket.content();
        let is_known = self.library.find(&id).is_some();
        let tree = ticket
            .manifest()
            .filter(|_| !is_known)
            .and_then(|bytes| Some((bytes, Tree::decode(bytes).ok()?)));
        if !is_known {
            let name = data_encoding::HEXLOWER.encode(&id.0[..6]);
            let chunk_store = match &tree {
                Some((bytes, _)) => ManifestStore::full(bytes),
                None => ManifestStore::empty(ticket.manifest_bytes()),
            };
            self.expect(id, &name, chunk_store);
        }
        let placement = Placement {
            folder: self.folder(&get.dir),
            role: library::Role::fetched(get.overwrite, get.force),
            pusher: None,
            offered: 0,
        };
        LibraryInput::Get {
            content: id,
            manifest_bytes: ticket.manifest_bytes(),
            description: tree.map(|(_, tree)| description_of(&tree)),
            placement,
            waiter,
        }
    }
}
