//! One content on a node: where it stands, in which folders it lies, and what is kept of it.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fairhaul_core::id::{PeerId, TransferId};
use fairhaul_core::library::Drought;
use fairhaul_core::manifest::ContentId;
use fairhaul_core::tellers::Tellers;
use fairhaul_core::time::Time;
use serde::{Deserialize, Serialize};

use super::shelf::ManifestShelf;
use crate::content::scan::Stamp;
use crate::content::{Tree, manifest_id};
use crate::control::api::Call;
use crate::session::Held;
use crate::store::Store;

/// The form of the files that are kept; another one is not read.
pub(super) const VERSION: u32 = 1;

/// Lengths that the manifest of one content may be said to have: all but one are lies.
const LENGTHS_MAX: usize = 8;

/// One content on this node.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) number: u32,
    pub(crate) kept: Kept,
    pub(crate) id: ContentId,
    pub(crate) stage: Stage,
    pub(crate) manifest: Arc<ManifestShelf>,
    /// Where it is filled, or was last, and read first.
    pub(crate) files: Option<(Arc<Store>, Arc<Tree>)>,
    /// Other folders in which it is whole, as far as is known: it is read from them, too.
    pub(crate) others: Vec<(PathBuf, Arc<Store>)>,
    /// Wishes for it in other folders, which wait for their turn.
    pub(crate) wishes: VecDeque<Wish>,
    /// Files of its that were found changed, each told once.
    pub(crate) changed: BTreeSet<String>,
    /// For how long nobody has had what is missing.
    pub(crate) drought: Drought,
    /// Commands that wait for its end.
    pub(crate) watchers: Vec<Call>,
    /// Peers that offered it and want to know what becomes of it.
    pub(crate) offered: Vec<PeerId>,
    pub(crate) started: Time,
    /// When its first byte came this time.
    pub(crate) first_byte: Option<Time>,
    /// Verified bytes that are here, those that came this time, and a second ago.
    pub(crate) here: u64,
    pub(crate) came: u64,
    /// Bytes that were here and verified when it was taken up.
    pub(crate) resumed: u64,
    /// Bytes sent to all peers together.
    pub(crate) sent: u64,
    pub(crate) sent_before: u64,
    pub(crate) up_rate: u64,
    pub(crate) before: u64,
    pub(crate) rate: u64,
    /// Chunks whose writing has not ended.
    pub(crate) writing: u32,
    /// Of those, the ones of a manifest that is fetched again: they tell nothing of the new one.
    pub(crate) stale: u32,
    /// A file is being synced.
    pub(crate) syncing: bool,
    /// It could be written to its disk, this time or in an earlier run.
    pub(crate) begun: bool,
    /// Why it stood still last, until it goes on, and since when.
    pub(crate) trouble: Option<String>,
    pub(crate) stopped: Time,
    /// Who sent chunks of the manifest.
    pub(crate) tellers: Tellers,
    /// When something of it came last.
    pub(crate) fed: Time,
    /// Memory that it takes because a peer pushed it.
    pub(crate) held: Option<Held>,
    /// Other lengths that its manifest is said to have.
    pub(crate) lengths: VecDeque<u64>,
    /// The file system that is filled, if that is known.
    pub(crate) device: Option<u64>,
}

/// Where a content stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Its manifest is on its way.
    Describing,
    /// What is there is being verified.
    Checking,
    /// Chunks are on their way.
    Moving,
    /// It is whole, and gets its final names.
    Finishing,
    /// It is whole.
    Whole,
    /// It stands still because somebody said so, or because the disk is full or broken.
    Paused(Option<String>),
    /// It cannot go on.
    Failed(String),
}

/// What is kept of a content between two runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) version: u32,
    pub(crate) name: String,
    pub(crate) manifest_bytes: u64,
    pub(crate) role: Role,
    pub(crate) paused: bool,
    /// The key of the peer that pushed it.
    #[serde(default)]
    pub(crate) from: Option<String>,
    /// How long that peer said it was, in bytes, until its manifest says what it takes.
    #[serde(default)]
    pub(crate) offered: u64,
    /// Other folders in which it is whole.
    #[serde(default)]
    pub(crate) places: Vec<Placed>,
}

/// A folder in which a content is whole, beside the one that was filled last.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Placed {
    pub(crate) role: Role,
    /// The key of the peer that pushed it there, and how long it said that it was.
    pub(crate) from: Option<String>,
    pub(crate) offered: u64,
}

/// The wish to have a content in a folder, and who waits for it.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) place: Placed,
    pub(crate) watchers: Vec<Call>,
    pub(crate) offered: Vec<PeerId>,
}

/// Why it is here.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Role {
    /// It was here before.
    Shared {
        /// The folder that holds it.
        root: PathBuf,
        stamps: Vec<Stamp>,
    },
    /// It is fetched.
    Fetched {
        into: PathBuf,
        overwrite: bool,
        force: bool,
        /// It is whole, under its final names.
        whole: bool,
    },
}

impl Content {
    /// One of which nothing is here yet but its name, and its manifest perhaps.
    pub(super) fn new(
        number: u32,
        id: ContentId,
        kept: Kept,
        manifest: ManifestShelf,
        now: Time,
    ) -> Self {
        Self {
            number,
            kept,
            id,
            stage: Stage::Describing,
            manifest: Arc::new(manifest),
            files: None,
            others: Vec::new(),
            wishes: VecDeque::new(),
            changed: BTreeSet::new(),
            drought: Drought::default(),
            watchers: Vec::new(),
            offered: Vec::new(),
            started: now,
            first_byte: None,
            here: 0,
            came: 0,
            resumed: 0,
            sent: 0,
            sent_before: 0,
            up_rate: 0,
            before: 0,
            rate: 0,
            writing: 0,
            stale: 0,
            syncing: false,
            begun: false,
            trouble: None,
            stopped: now,
            tellers: Tellers::default(),
            fed: now,
            held: None,
            lengths: VecDeque::new(),
            device: None,
        }
    }

    /// The core's id for its bytes.
    pub(crate) const fn data(&self) -> TransferId {
        TransferId(self.number * 2)
    }

    /// The core's id for its manifest.
    pub(crate) const fn description(&self) -> TransferId {
        TransferId(self.number * 2 + 1)
    }

    /// The identity under which its manifest moves.
    pub(crate) fn description_id(&self) -> ContentId {
        manifest_id(self.id, self.manifest.geometry().bytes().get())
    }

    /// Somebody says that its manifest has another length than the one that is being fetched.
    pub(crate) fn hear_length(&mut self, bytes: u64) {
        let known = self.manifest.geometry().bytes().get() == bytes;
        if !known && !self.lengths.contains(&bytes) && self.lengths.len() < LENGTHS_MAX {
            self.lengths.push_back(bytes);
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.files
            .as_ref()
            .map_or(0, |(_, tree)| tree.geometry().bytes().get())
    }

    /// Bytes of it that are still to come.
    pub(crate) fn lacking(&self) -> u64 {
        self.bytes()
            .max(self.kept.offered)
            .saturating_sub(self.here)
    }

    /// Whether a peer pushed it and it is not whole.
    pub(crate) fn is_coming_push(&self) -> bool {
        self.kept.from.is_some() && !matches!(self.stage, Stage::Whole | Stage::Finishing)
    }

    pub(crate) fn is_fetch(&self) -> bool {
        matches!(self.kept.role, Role::Fetched { .. })
    }

    /// The stores that it is read from, the one that was filled last first.
    pub(crate) fn stores(&self) -> Vec<Arc<Store>> {
        let first = self.files.iter().map(|(store, _)| store);
        let others = self.others.iter().map(|(_, store)| store);
        first.chain(others).cloned().collect()
    }

    /// Whether it is read from folders in which it is whole only, and not from the one that is to
    /// be filled.
    pub(crate) fn is_served_from_others(&self) -> bool {
        let read = self.files.as_ref().map(|(store, _)| store);
        let mut others = self.others.iter().map(|(_, store)| store);
        read.is_some_and(|read| others.any(|other| Arc::ptr_eq(read, other)))
    }

    /// Whether it is in that folder, or on its way to it.
    pub(crate) fn goes_to(&self, folder: &Path) -> bool {
        let waiting = self.wishes.iter().map(|wish| &wish.place.role);
        let whole = self.kept.places.iter().map(|place| &place.role);
        let mut all = waiting.chain(whole).chain([&self.kept.role]);
        all.any(|role| role.folder() == folder)
    }

    /// Bytes that the peer with that key has pushed of it, in all folders together.
    pub(crate) fn charged_to(&self, key: &str) -> u64 {
        let last = (&self.kept.from, self.kept.offered);
        let others = self.kept.places.iter();
        let others = others.map(|place| (&place.from, place.offered));
        let waiting = self.wishes.iter();
        let waiting = waiting.map(|wish| (&wish.place.from, wish.place.offered));
        let all = std::iter::once(last).chain(others).chain(waiting);
        let pushed = all.filter(|(from, _)| from.as_deref() == Some(key));
        // What is not described yet counts with what was offered, everything else with what its
        // manifest says that it takes.
        let bytes = pushed.map(|(_, offered)| offered.saturating_add(self.kept.manifest_bytes));
        bytes.fold(0, u64::saturating_add)
    }
}

impl Role {
    /// The folder in which its files lie, or will.
    pub(crate) fn folder(&self) -> &Path {
        match self {
            Self::Shared { root, .. } => root,
            Self::Fetched { into, .. } => into,
        }
    }

    /// Whether all of it is there, as far as is known.
    pub(crate) const fn is_whole(&self) -> bool {
        matches!(
            self,
            Self::Shared { .. } | Self::Fetched { whole: true, .. }
        )
    }
}

impl Wish {
    /// That it be in the folder `into`, for nobody yet.
    pub(crate) const fn new(into: PathBuf, overwrite: bool, force: bool) -> Self {
        let role = Role::Fetched {
            into,
            overwrite,
            force,
            whole: false,
        };
        Self {
            place: Placed {
                role,
                from: None,
                offered: 0,
            },
            watchers: Vec::new(),
            offered: Vec::new(),
        }
    }
}

impl Kept {
    pub(crate) fn new(name: String, manifest_bytes: u64, role: Role) -> Self {
        Self {
            version: VERSION,
            name,
            manifest_bytes,
            role,
            paused: false,
            from: None,
            offered: 0,
            places: Vec::new(),
        }
    }
}
