//! What is kept of a content between two runs, as it is written down.

use std::path::{Path, PathBuf};

use fairhaul_core::door::Key;
use fairhaul_core::library::{self, Placement};
use serde::{Deserialize, Serialize};

use super::folders::Folders;
use crate::content::scan::Stamp;
use crate::identity::PublicKey;

/// The form of the files that are kept; another one is not read.
pub(super) const VERSION: u32 = 1;

/// What is kept of a content between two runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) version: u32,
    pub(super) name: String,
    pub(super) manifest_bytes: u64,
    pub(super) role: Role,
    pub(super) paused: bool,
    /// The key of the peer that pushed it.
    #[serde(default)]
    pub(super) from: Option<String>,
    /// How long that peer said it was, in bytes, until its manifest says what it takes.
    #[serde(default)]
    pub(super) offered: u64,
    /// Other folders in which it is whole.
    #[serde(default)]
    pub(super) places: Vec<Placed>,
}

/// A folder in which a content is whole, beside the one that was filled last.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Placed {
    pub(super) role: Role,
    /// The key of the peer that pushed it there, and how long it said that it was.
    pub(super) from: Option<String>,
    pub(super) offered: u64,
}

/// Why a content is in a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Role {
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

impl Role {
    /// The folder in which its files lie, or will.
    pub(super) fn folder(&self) -> &Path {
        match self {
            Self::Shared { root, .. } => root,
            Self::Fetched { into, .. } => into,
        }
    }
}

impl Placed {
    /// A placement of the library, with the path of its folder and the stamps of its files.
    pub(super) fn of(placement: &Placement, folder: &Path, stamps: &[Stamp]) -> Self {
        let role = match placement.role {
            library::Role::Shared => Role::Shared {
                root: folder.to_owned(),
                stamps: stamps.to_owned(),
            },
            library::Role::Fetched {
                overwrite,
                force,
                whole,
            } => Role::Fetched {
                into: folder.to_owned(),
                overwrite,
                force,
                whole,
            },
        };
        Self {
            role,
            from: placement.pusher.as_ref().and_then(text_of),
            offered: placement.offered,
        }
    }

    /// The same for the library.
    pub(super) fn placement(&self, folders: &mut Folders) -> Placement {
        let role = match self.role {
            Role::Shared { .. } => library::Role::Shared,
            Role::Fetched {
                overwrite,
                force,
                whole,
                ..
            } => library::Role::Fetched {
                overwrite,
                force,
                whole,
            },
        };
        Placement {
            folder: folders.number(self.role.folder()),
            role,
            pusher: self.from.as_deref().and_then(key_of),
            offered: self.offered,
        }
    }
}

impl Kept {
    pub(super) fn new(name: String, manifest_bytes: u64, filled: Placed, paused: bool) -> Self {
        Self {
            version: VERSION,
            name,
            manifest_bytes,
            role: filled.role,
            paused,
            from: filled.from,
            offered: filled.offered,
            places: Vec::new(),
        }
    }

    /// All folders, the one that was filled last first.
    pub(super) fn into_places(self) -> Vec<Placed> {
        let filled = Placed {
            role: self.role,
            from: self.from,
            offered: self.offered,
        };
        std::iter::once(filled).chain(self.places).collect()
    }
}

fn text_of(key: &Key) -> Option<String> {
    Some(PublicKey::from_bytes(*key).ok()?.to_string())
}

fn key_of(text: &str) -> Option<Key> {
    Some(*text.parse::<PublicKey>().ok()?.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(from: Option<&str>, folder: &str) -> Placed {
        Placed {
            role: Role::Fetched {
                into: folder.into(),
                overwrite: true,
                force: false,
                whole: true,
            },
            from: from.map(str::to_owned),
            offered: 7,
        }
    }

    /// What is written down of a placement says the same when it is read again, stamps included.
    #[test]
    fn a_placement_survives_being_written_down() {
        let mut folders = Folders::default();
        let key = crate::identity::Identity::generate()
            .unwrap()
            .public()
            .to_string();
        let pushed = placed(Some(&key), "/in/a");
        let shared = Placed {
            role: Role::Shared {
                root: "/shared".into(),
                stamps: Vec::new(),
            },
            from: None,
            offered: 0,
        };
        for before in [pushed, shared] {
            let text = serde_json::to_string(&before).unwrap();
            let read: Placed = serde_json::from_str(&text).unwrap();
            let placement = read.placement(&mut folders);
            let after = Placed::of(&placement, folders.path(placement.folder), &[]);
            assert_eq!((after.role, after.offered), (before.role, before.offered));
            assert_eq!(after.from, before.from);
        }
    }

    /// Earlier versions wrote neither pushers nor further folders.
    #[test]
    fn a_file_of_an_earlier_version_is_read() {
        let text = "{\"version\":1,\"name\":\"n\",\"manifest_bytes\":3,\"paused\":false,\
                    \"role\":{\"Shared\":{\"root\":\"/a\",\"stamps\":[]}}}";
        let kept: Kept = serde_json::from_str(text).unwrap();
        let places = kept.into_places();
        assert_eq!(places.len(), 1);
        assert_eq!((places[0].from.as_ref(), places[0].offered), (None, 0));
    }

    /// A key that cannot be read names nobody: the content is nobody's push.
    #[test]
    fn a_pusher_without_a_readable_key_is_nobody() {
        let mut folders = Folders::default();
        let odd = placed(Some("not a key"), "/in");
        assert_eq!(odd.placement(&mut folders).pusher, None);
    }
}
