//! The places of a content: the folders that it is wanted in, one after another.
//!
//! `fairhaul_core::library` decides which is next. What is wanted in a folder is verified there,
//! copied from other folders in which it is whole, and fetched only where none has it.

use std::path::PathBuf;
use std::sync::Arc;

use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::id::PeerId;
use fairhaul_core::library::{self, Filling, Next, Wished};
use fairhaul_core::message::Verdict;
use fairhaul_core::node::Input;

use super::content::{Content, Placed, Role, Stage, Wish};
use super::host::Host;
use super::offers::device_of;
use super::own::Own;
use crate::content::Tree;
use crate::content::scan::Stamp;
use crate::store::{OpenFiles, Receive, Store, StoreError, patiently};

/// What is opened beside the driver.
pub(super) struct Opening {
    pub(super) role: Role,
    /// Folders in which it is whole.
    pub(super) places: Vec<Role>,
    /// The store of the folder that was filled last, and those of the others, if they are open.
    pub(super) last: Option<Arc<Store>>,
    pub(super) others: Vec<(PathBuf, Arc<Store>)>,
    pub(super) state: PathBuf,
    pub(super) tree: Arc<Tree>,
    /// What all stores of the node keep open together.
    pub(super) files: Arc<OpenFiles>,
    /// What is never served.
    pub(super) own: Own,
}

/// A content that was opened.
pub(crate) struct Prepared {
    pub(super) store: Arc<Store>,
    pub(super) tree: Arc<Tree>,
    /// What is there, and verified.
    pub(super) have: Bitfield,
    pub(super) others: Vec<(PathBuf, Arc<Store>)>,
    /// The file system of the folder.
    pub(super) device: Option<u64>,
}

impl Opening {
    pub(super) fn open(mut self) -> Result<Prepared, StoreError> {
        for place in &self.places {
            let folder = place.folder();
            if self.others.iter().all(|(known, _)| known != folder) {
                // One that cannot be opened now is no source, and stays in the books.
                let served = patiently(|| self.serve(place), StoreError::is_out);
                if let Ok(store) = served {
                    self.others.push((folder.to_owned(), Arc::new(store)));
                }
            }
        }
        let (store, have) = patiently(|| self.fill(), StoreError::is_out)?;
        Ok(Prepared {
            device: device_of(self.role.folder()),
            store,
            tree: self.tree,
            have,
            others: self.others,
        })
    }

    fn fill(&self) -> Result<(Arc<Store>, Bitfield), StoreError> {
        let chunks = self.tree.geometry().chunks();
        let Role::Fetched {
            into,
            overwrite,
            force,
            whole: false,
        } = &self.role
        else {
            let store = self.serve(&self.role)?;
            return Ok((Arc::new(store), Bitfield::full(chunks)));
        };
        if let Some(last) = self
            .last
            .as_ref()
            .filter(|last| last.is_at(into) && last.stands())
        {
            return Ok((Arc::clone(last), Bitfield::full(chunks)));
        }
        let options = Receive {
            overwrite: *overwrite,
            force_dangerous_target: *force,
            ..Receive::default()
        };
        let progress = |_| {};
        let tree = Arc::clone(&self.tree);
        let (store, have) =
            Store::receive(tree, into, &self.state, options, &self.files, &progress)?;
        if have.is_full() {
            return Ok((Arc::new(store), have));
        }
        let others = self.others.iter().map(|(_, store)| store);
        let sources: Vec<Arc<Store>> = others.chain(&self.last).cloned().collect();
        let have = store.fill(&sources, &progress)?;
        Ok((Arc::new(store), have))
    }

    /// The content as it lies in a folder: each of its chunks is verified before it is given.
    fn serve(&self, role: &Role) -> Result<Store, StoreError> {
        let tree = Arc::clone(&self.tree);
        match role {
            Role::Shared { root, stamps } => {
                let refused = self.own.refuse_kept(root, &tree);
                refused.map_err(StoreError::Own)?;
                Store::share(tree, root, stamps, &self.files)
            }
            Role::Fetched { into, .. } => {
                let unknown = unknown(&tree);
                Store::share(tree, into, &unknown, &self.files)
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

impl Content {
    fn filling(&self) -> Filling {
        match &self.stage {
            Stage::Describing | Stage::Checking | Stage::Moving | Stage::Finishing => {
                Filling::UnderWay
            }
            Stage::Paused(_) | Stage::Failed(_) => Filling::Stopped,
            Stage::Whole => Filling::Whole,
        }
    }

    /// Its folder is whole: whatever was known of that folder before is known no longer.
    pub(super) fn settle_places(&mut self) {
        let folder = self.kept.role.folder();
        self.kept.places.retain(|one| one.role.folder() != folder);
        self.others.retain(|(other, _)| other != folder);
    }

    /// Its folder is another from now on. What it is in already stays one of its places.
    fn turn_to(&mut self, place: Placed) {
        let same = self.kept.role.folder() == place.role.folder();
        let old = Placed {
            role: std::mem::replace(&mut self.kept.role, place.role),
            from: self.kept.from.clone(),
            offered: self.kept.offered,
        };
        // Who has brought it to that folder is charged for it, whoever brings it again.
        if !(same && old.from.is_some()) {
            (self.kept.from, self.kept.offered) = (place.from, place.offered);
        }
        if old.role.is_whole() {
            if let Some((store, _)) = self.files.as_ref().filter(|_| !same) {
                let folder = old.role.folder().to_owned();
                self.others.push((folder, Arc::clone(store)));
            }
            self.kept.places.push(old);
        } else if !self.watchers.is_empty() || !self.offered.is_empty() {
            // Somebody waits for the folder that stands still: its turn comes again.
            let (watchers, offered) = (&mut self.watchers, &mut self.offered);
            self.wishes.push_back(Wish {
                place: old,
                watchers: std::mem::take(watchers),
                offered: std::mem::take(offered),
            });
        }
        self.kept.paused = false;
        self.begun = false;
        self.came = 0;
        self.before = 0;
        self.first_byte = None;
    }
}

impl Host {
    /// Somebody wants a content that is known in a folder, and says how long its manifest is.
    pub(super) fn place(&mut self, number: u32, wish: Wish, manifest_bytes: u64) {
        let now = self.clock.now();
        let Some(content) = self.contents.at_mut(number) else {
            return;
        };
        if content.files.is_none() && !content.manifest.is_whole() {
            content.hear_length(manifest_bytes);
        }
        let same = content.kept.role.folder() == wish.place.role.folder() && content.is_fetch();
        // What a person has paused goes on for a person only.
        let filling = match content.filling() {
            Filling::Stopped if content.kept.paused && wish.watchers.is_empty() => {
                Filling::UnderWay
            }
            filling => filling,
        };
        match library::wish(filling, same) {
            Wished::Join => {
                widen(&mut content.kept.role, &wish.place.role);
                content.watchers.extend(wish.watchers);
                join(&mut content.offered, wish.offered);
                content.fed = now;
            }
            Wished::Wait => {
                let folder = wish.place.role.folder();
                let mut waiting = content.wishes.iter_mut();
                let known = waiting.find(|known| known.place.role.folder() == folder);
                if let Some(known) = known {
                    widen(&mut known.place.role, &wish.place.role);
                    known.watchers.extend(wish.watchers);
                    join(&mut known.offered, wish.offered);
                } else {
                    content.wishes.push_back(wish);
                }
            }
            Wished::Begin => self.begin(number, wish),
        }
    }

    /// A folder is filled from now on.
    fn begin(&mut self, number: u32, wish: Wish) {
        let now = self.clock.now();
        let Some(content) = self.contents.at_mut(number) else {
            return;
        };
        if content.writing > 0 || content.syncing {
            // What was on its way to the disk when it was stopped ends soon.
            content.wishes.push_front(wish);
            content.kept.paused = false;
            let transfer = content.data();
            if content.stage != Stage::Whole {
                self.tell(Input::Remove { transfer });
            }
            return;
        }
        let id = content.id;
        let same = content.kept.role.folder() == wish.place.role.folder();
        content.turn_to(wish.place);
        content.watchers.extend(wish.watchers);
        join(&mut content.offered, wish.offered);
        (content.started, content.fed) = (now, now);
        if !same {
            self.contents.forget_state(&id);
        }
        self.keep(number);
        self.take_up(number);
    }

    /// A content that is known lies in `root`, too, as a scan has found: it is served from there
    /// from now on.
    pub(super) fn lies_in(&mut self, number: u32, root: PathBuf, stamps: Vec<Stamp>) {
        let Some(content) = self.contents.at_mut(number) else {
            return;
        };
        let place = Placed {
            role: Role::Shared { root, stamps },
            from: None,
            offered: 0,
        };
        if content.filling() == Filling::UnderWay {
            content.kept.places.push(place);
            return self.keep(number);
        }
        content.turn_to(place);
        self.keep(number);
        self.take_up(number);
    }

    /// The folder of a content is whole, or has failed: what comes next. False if nothing does.
    pub(super) fn go_on(&mut self, number: u32, is_whole: bool) -> bool {
        let Some(content) = self.contents.at_mut(number) else {
            return false;
        };
        let (waiting, whole) = (content.wishes.len(), content.kept.places.len());
        match library::next(is_whole, waiting, whole) {
            Next::Fill => {
                let wish = content.wishes.pop_front().expect("somebody waits");
                self.begin(number, wish);
            }
            Next::Serve if is_whole => {}
            Next::Serve => self.serve_from_another(number),
            Next::Fail => return false,
        }
        true
    }

    /// Wishes whose turn came while something was still being written.
    pub(super) fn review_wishes(&mut self) {
        let ready = |content: &&Content| {
            let idle = content.filling() != Filling::UnderWay && !content.kept.paused;
            !content.wishes.is_empty() && idle && content.writing == 0 && !content.syncing
        };
        let ready = self.contents.iter().filter(ready);
        let ready: Vec<u32> = ready.map(|content| content.number).collect();
        for number in ready {
            self.go_on(number, true);
        }
    }

    /// The folder that was to be filled could not be: the content is served from another again.
    fn serve_from_another(&mut self, number: u32) {
        let Some(content) = self.contents.at_mut(number) else {
            return;
        };
        let Some(place) = content.kept.places.pop() else {
            return;
        };
        let folder = place.role.folder().to_owned();
        content.kept.role = place.role;
        (content.kept.from, content.kept.offered) = (place.from, place.offered);
        let mut others = content.others.extract_if(.., |(other, _)| *other == folder);
        let store = others.next().map(|(_, store)| store);
        drop(others);
        if let (Some(store), Some((files, _))) = (store, &mut content.files) {
            *files = store;
        }
        content.stage = Stage::Whole;
        content.begun = true;
        let (transfer, served) = (content.data(), content.files.is_some());
        self.keep(number);
        let had = self.core.had(transfer);
        if had.is_some_and(|had| !had.is_full()) {
            self.tell(Input::Remove { transfer });
        } else if had.is_some() && served {
            return;
        }
        self.take_up(number);
    }
}

/// Peers that wait for the same, each once.
fn join(offered: &mut Vec<PeerId>, more: Vec<PeerId>) {
    for peer in more {
        if !offered.contains(&peer) {
            offered.push(peer);
        }
    }
}

/// A second wish for the same folder may ask for more.
fn widen(role: &mut Role, other: &Role) {
    let (
        Role::Fetched {
            overwrite, force, ..
        },
        Role::Fetched {
            overwrite: also,
            force: insists,
            ..
        },
    ) = (role, other)
    else {
        return;
    };
    *overwrite |= also;
    *force |= insists;
}

/// What a peer that pushed a content is told when it cannot be stored.
pub(super) const fn verdict(error: &StoreError) -> Verdict {
    match error {
        StoreError::Exists { .. } => Verdict::Exists,
        StoreError::Space { .. } | StoreError::Full { .. } | StoreError::Target { .. } => {
            Verdict::Storage
        }
        _ => Verdict::Failed,
    }
}
