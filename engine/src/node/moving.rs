//! Contents that come and go: offered, fetched, finished, paused, resumed.
//!
//! Decides what happens to a content next; which chunk moves is the core's. A content that is
//! fetched goes from its manifest to a check of what is there, to its chunks, to its final
//! names; each step that touches the disk runs beside the driver.

use std::path::PathBuf;
use std::sync::Arc;

use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::id::{ChunkIndex, PeerId, TransferId};
use fairhaul_core::manifest::ContentId;
use fairhaul_core::message::Verdict;
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::node::Input;
use fairhaul_core::units::ByteCount;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::Happening;
use super::content::{Content, Kept, Role, Stage};
use super::contents::Remembered;
use super::host::Host;
use super::placing::{Opening, Prepared};
use super::pushing::READ_MANIFEST;
use super::shelf::ManifestShelf;
use crate::content::Tree;
use crate::content::manifest::content_id;
use crate::control::api::{Direction, Failure, Got};
use crate::store::{StoreError, patiently};

impl Host {
    /// Takes part in the manifest of a content, and in its bytes if they are at hand.
    pub(super) fn join(&mut self, number: u32, have: Option<Bitfield>) {
        let Some(content) = self.contents.at(number) else {
            return;
        };
        let (description, geometry) = (content.description(), content.manifest.geometry());
        let id = content.description_id();
        let whole = content.manifest.is_whole();
        if self.core.had(description).is_none() {
            let chunks = geometry.chunks();
            let have = if whole {
                Bitfield::full(chunks)
            } else {
                Bitfield::empty(chunks)
            };
            self.take_part(description, id, geometry, have, None);
        }
        let Some(content) = self.contents.at(number) else {
            return;
        };
        let is_told = self.core.had(content.data()).is_some();
        if let (Some((_, tree)), Some(have)) = (&content.files, have.filter(|_| !is_told)) {
            let (transfer, id, geometry) = (content.data(), content.id, tree.geometry());
            self.take_part(transfer, id, geometry, have, None);
        }
    }

    fn take_part(
        &mut self,
        transfer: TransferId,
        content: ContentId,
        manifest: fairhaul_core::manifest::Manifest,
        have: Bitfield,
        audience: Option<PeerId>,
    ) {
        for (_, link) in self.peers.linked() {
            link.learn(content, manifest);
        }
        self.tell(Input::Add {
            transfer,
            content,
            manifest,
            have,
            audience,
        });
    }

    /// Starts to fetch a content that is not known yet, whose manifest is perhaps. Its number.
    pub(super) fn fetch(&mut self, id: ContentId, kept: Kept, manifest: Option<&[u8]>) -> u32 {
        let tree = manifest.and_then(|bytes| Some((bytes, Tree::decode(bytes).ok()?)));
        let shelf = match &tree {
            Some((bytes, _)) => ManifestShelf::full(bytes),
            None => ManifestShelf::empty(kept.manifest_bytes),
        };
        let content = self.contents.add(id, kept, shelf, self.clock.now());
        let number = content.number;
        let name = content.kept.name.clone();
        self.watch.started(number, name, Direction::Down);
        self.keep(number);
        match tree {
            Some((_, tree)) => self.prepare(number, Arc::new(tree)),
            None => self.join(number, None),
        }
        number
    }

    /// Takes up again what an earlier run left.
    pub(super) fn remember(&mut self, old: Remembered) {
        let Remembered { id, kept, manifest } = old;
        let tree = manifest.as_ref().and_then(|bytes| {
            let fits = content_id(bytes) == id;
            fits.then(|| Tree::decode(bytes).ok()).flatten()
        });
        let shelf = match manifest.filter(|_| tree.is_some()) {
            Some(bytes) => ManifestShelf::full(&bytes),
            None => ManifestShelf::empty(kept.manifest_bytes),
        };
        let (paused, begun) = (kept.paused, matches!(kept.role, Role::Fetched { .. }));
        let content = self.contents.add(id, kept, shelf, self.clock.now());
        content.begun = begun;
        let number = content.number;
        self.hold_manifest(number, if tree.is_some() { READ_MANIFEST } else { 1 });
        let Some(content) = self.contents.at_mut(number) else {
            return;
        };
        if paused {
            content.stage = Stage::Paused(None);
            return;
        }
        match tree {
            Some(tree) => self.prepare(number, Arc::new(tree)),
            None => self.join(number, None),
        }
    }

    /// The core has every chunk of a transfer.
    pub(super) fn completed(&mut self, transfer: TransferId) {
        let Some((content, is_manifest)) = self.contents.of(transfer) else {
            return;
        };
        let number = content.number;
        if is_manifest {
            self.described(number);
        } else {
            self.finish(number);
        }
    }

    /// A manifest is whole: is it the right one?
    fn described(&mut self, number: u32) {
        let Some(content) = self.contents.at_mut(number) else {
            return;
        };
        if content.files.is_some() || content.stage != Stage::Describing {
            return;
        }
        let (id, shelf) = (content.id, Arc::clone(&content.manifest));
        let happenings = self.happenings.clone();
        // A long one takes seconds.
        spawn_blocking(move || {
            let bytes = shelf.bytes();
            let right = content_id(&bytes) == id;
            let tree = right.then(|| Tree::decode(&bytes));
            let tree = tree.map(|tree| tree.map(Arc::new).map_err(|error| error.to_string()));
            let _ = happenings.blocking_send(Happening::Described(number, shelf, tree));
        });
    }

    /// A manifest that is whole was read: none is not the right one.
    pub(super) fn read(
        &mut self,
        number: u32,
        shelf: &Arc<ManifestShelf>,
        tree: Option<Result<Arc<Tree>, String>>,
    ) {
        let now = self.clock.now();
        let Some(content) = self.contents.at_mut(number) else {
            return;
        };
        let same = Arc::ptr_eq(&content.manifest, shelf);
        if !same || content.files.is_some() || content.stage != Stage::Describing {
            return;
        }
        match tree {
            Some(Ok(tree)) => return self.admit(number, tree),
            Some(Err(why)) => {
                return self.fail(number, Failure::INTEGRITY, Verdict::Failed, &why);
            }
            None => {}
        }
        let wrong = content.tellers.wrong(now);
        warn!(
            content = number,
            blamed = wrong.blame.is_some(),
            "a manifest is not what was asked for"
        );
        if let Some(teller) = wrong.blame {
            self.blame(teller, Misbehaviour::WrongHash);
        }
        self.describe_again(number, wrong.ask);
    }

    /// Fetches a manifest from its beginning, from one peer or from everybody.
    fn describe_again(&mut self, number: u32, audience: Option<PeerId>) {
        let Some(content) = self.contents.at_mut(number) else {
            return;
        };
        content.stale = content.writing;
        // Whoever sent a wrong one may have said a wrong length, too: others have their turn.
        let last = content.manifest.geometry().bytes().get();
        let bytes = content.lengths.pop_front().unwrap_or(last);
        if bytes != last {
            content.lengths.push_back(last);
        }
        self.contents.describe_as(number, bytes);
        let Some(content) = self.contents.at(number) else {
            return;
        };
        let (transfer, id) = (content.description(), content.description_id());
        let geometry = content.manifest.geometry();
        let audience = audience.filter(|_| bytes == last);
        self.keep(number);
        self.tell(Input::Remove { transfer });
        let have = Bitfield::empty(geometry.chunks());
        self.take_part(transfer, id, geometry, have, audience);
    }

    /// Asks everybody again for manifests that were asked of one peer in vain.
    pub(super) fn review_manifests(&mut self) {
        let now = self.clock.now();
        let peers = &self.peers;
        let here = |peer| peers.link(peer).is_some();
        let mut again = Vec::new();
        for content in self.contents.iter_mut() {
            if content.stage != Stage::Describing {
                continue;
            }
            // Where another length is known, one that nobody who is here has is not waited for.
            let missing = self.core.missing(content.description());
            let nobody = missing.coming + missing.held == 0 && !content.lengths.is_empty();
            if content.tellers.gives_up(here, now) || nobody && content.writing == 0 {
                again.push(content.number);
            }
        }
        for number in again {
            self.describe_again(number, None);
        }
    }

    /// Finds out what is there already, beside the driver, and copies what is missing from other
    /// folders in which the content is whole.
    pub(super) fn prepare(&mut self, number: u32, tree: Arc<Tree>) {
        let Some(content) = self.contents.at_mut(number) else {
            return;
        };
        content.stage = Stage::Checking;
        let opening = Opening {
            role: content.kept.role.clone(),
            places: content
                .kept
                .places
                .iter()
                .map(|one| one.role.clone())
                .collect(),
            last: content.files.as_ref().map(|(store, _)| Arc::clone(store)),
            others: content.others.clone(),
            state: PathBuf::new(),
            tree,
            files: Arc::clone(&self.files),
            own: self.own.clone(),
        };
        let id = content.id;
        let state = self.contents.path(&id, "state");
        let opening = Opening { state, ..opening };
        let happenings = self.happenings.clone();
        spawn_blocking(move || {
            let result = opening.open();
            let _ = happenings.blocking_send(Happening::Prepared(number, result));
        });
    }

    /// What is there is known: fetch the rest.
    pub(super) fn prepared(&mut self, number: u32, result: Result<Prepared, StoreError>) {
        let Some(content) = self.contents.at_mut(number) else {
            return;
        };
        if content.stage != Stage::Checking {
            // It was paused meanwhile: what is there is looked at again when it goes on.
            return;
        }
        let Prepared {
            store,
            tree,
            have,
            others,
            device,
        } = match result {
            Ok(ready) => ready,
            Err(error) => return self.stop_for(number, &error),
        };
        (content.begun, content.trouble) = (true, None);
        content.device = device;
        if let Some(name) = tree.name() {
            name.clone_into(&mut content.kept.name);
        }
        content.here = held(&tree, &have);
        content.resumed = content.here;
        content.files = Some((store, tree));
        content.others = others;
        content.changed.clear();
        let is_whole = have.is_full();
        let fetched_whole = content.kept.role.is_whole();
        content.stage = if fetched_whole {
            content.settle_places();
            Stage::Whole
        } else {
            Stage::Moving
        };
        let transfer = content.data();
        self.keep(number);
        // Where it was served from other folders all the while, nobody notices.
        if self.core.had(transfer).is_some_and(|had| *had != have) {
            self.tell(Input::Remove { transfer });
        }
        self.join(number, Some(have));
        if is_whole && !fetched_whole {
            self.finish(number);
        } else if fetched_whole {
            self.push();
        }
    }

    /// A chunk was written, or could not be.
    pub(super) fn wrote(
        &mut self,
        (transfer, chunk): (TransferId, ChunkIndex),
        from: PeerId,
        parts: &[(PeerId, ByteCount)],
        result: Result<(), StoreError>,
    ) {
        let Some((content, is_manifest)) = self.contents.of_mut(transfer) else {
            return;
        };
        let number = content.number;
        content.writing -= 1;
        if content.stale > 0 {
            content.stale -= 1;
            return;
        }
        match result {
            Ok(()) => {
                if !is_manifest {
                    let len: ByteCount = parts.iter().map(|(_, len)| *len).sum();
                    content.here += len.get();
                    content.came += len.get();
                    for (peer, len) in parts {
                        self.watch.stored(*peer, number, len.get());
                    }
                }
                self.watch.metrics.chunks_stored.inc();
                self.tell(Input::Stored {
                    transfer,
                    chunk,
                    from,
                });
            }
            Err(error) => self.stop_for(number, &error),
        }
    }

    /// Every chunk is there: sync, and give the files their names.
    fn finish(&mut self, number: u32) {
        let Some(content) = self.contents.at_mut(number) else {
            return;
        };
        let Some((store, _)) = content.files.clone().filter(|_| content.is_fetch()) else {
            return;
        };
        if matches!(content.stage, Stage::Finishing | Stage::Whole) {
            return;
        }
        content.stage = Stage::Finishing;
        let happenings = self.happenings.clone();
        spawn_blocking(move || {
            let result = patiently(|| store.finish(), StoreError::is_out);
            let _ = happenings.blocking_send(Happening::Finished(number, result));
        });
    }

    pub(super) fn finished(&mut self, number: u32, result: Result<Vec<PathBuf>, StoreError>) {
        let Some(content) = self.contents.at_mut(number) else {
            return;
        };
        match result {
            Ok(paths) => {
                content.stage = Stage::Whole;
                if let Role::Fetched { whole, .. } = &mut content.kept.role {
                    *whole = true;
                }
                content.settle_places();
                let took = self.clock.now().since(content.started);
                let got = got(content, &paths, took.as_secs_f64());
                let (name, bytes) = (content.kept.name.clone(), content.bytes());
                for call in std::mem::take(&mut content.watchers) {
                    call.done(&got);
                }
                info!(%name, bytes, seconds = got.seconds, "complete");
                self.keep(number);
                self.note_transfer(number);
                self.watch.complete(number, name, Direction::Down, bytes);
                self.judge(number, Verdict::Done);
                self.go_on(number, true);
            }
            // A file was changed under its temporary name: what is missing comes again.
            Err(StoreError::Unfinished { .. }) => self.step_back(number),
            Err(error) => self.stop_for(number, &error),
        }
    }

    /// Chunks are durable, or have to come again because the disk would not say so.
    pub(super) fn synced(&mut self, number: u32, result: Result<u32, StoreError>) {
        let Some(content) = self.contents.at_mut(number) else {
            return;
        };
        content.syncing = false;
        if let Err(error) = result {
            self.stop_for(number, &error);
        }
    }

    /// Writes down what the next run has to know of a content.
    pub(super) fn keep(&mut self, number: u32) {
        if let Some(content) = self.contents.at(number) {
            self.contents.keep(content);
        }
    }
}

/// Bytes of a content that are in the chunks of `have`.
fn held(tree: &Tree, have: &Bitfield) -> u64 {
    let geometry = tree.geometry();
    let lens = have.iter().map(|chunk| geometry.len_of(chunk));
    lens.sum::<ByteCount>().get()
}

fn got(content: &Content, paths: &[PathBuf], seconds: f64) -> Got {
    let tree = content.files.as_ref().map(|(_, tree)| tree);
    let path = match paths {
        [path] => path.clone(),
        _ => content.kept.role.folder().to_owned(),
    };
    Got {
        path,
        content: data_encoding::HEXLOWER.encode(&content.id.0),
        bytes: content.bytes(),
        files: tree.map_or(0, |tree| tree.files() as u64),
        resumed_bytes: content.resumed,
        first_byte_seconds: content
            .first_byte
            .map(|at| at.since(content.started).as_secs_f64()),
        seconds,
    }
}
