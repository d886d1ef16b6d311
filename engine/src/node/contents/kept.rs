//! The state of a content between two runs, as it is written to disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fairhaul_core::connections::Key;
use fairhaul_core::library::{self, Placement};
use fairhaul_core::manifest::ContentId;
use serde::{Deserialize, Serialize};

use super::folders::Folders;
use crate::content::scan::Stamp;
use crate::identity::PublicKey;

/// The form of the files that are kept; another one is not read.
const VERSION: u32 = 1;

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
    /// The length that peer offered, in bytes, until the manifest is known.
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

/// A content of an earlier run.
#[derive(Debug)]
pub(crate) struct Remembered {
    pub(super) id: ContentId,
    pub(super) kept: Kept,
    pub(super) manifest: Option<Vec<u8>>,
}

/// What was kept in `folder` by an earlier run. Files that cannot be read are reported by name and
/// left alone.
pub(super) fn read(folder: &Path) -> io::Result<Vec<Result<Remembered, String>>> {
    let mut names: Vec<PathBuf> = fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
        .collect();
    names.sort();
    let read = |path: &PathBuf| remember(path).map_err(|why| format!("{}: {why}", path.display()));
    Ok(names.iter().map(read).collect())
}

fn remember(path: &Path) -> Result<Remembered, String> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let id = stem.and_then(|stem| data_encoding::HEXLOWER.decode(stem.as_bytes()).ok());
    let id = id.and_then(|id| <[u8; 32]>::try_from(id).ok());
    let id = ContentId(id.ok_or("is not named after a content")?);
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let kept: Kept = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if kept.version != VERSION {
        return Err(format!("has version {}, not {VERSION}", kept.version));
    }
    let manifest = fs::read(path.with_extension("manifest")).ok();
    Ok(Remembered { id, kept, manifest })
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

    /// A placement is the same after writing and reading, stamps included.
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

    /// Of four files one is read; the others are reported, each with its name, and left alone.
    #[test]
    fn files_that_cannot_be_read_are_told_by_name_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let good = "{\"version\":1,\"name\":\"n\",\"manifest_bytes\":3,\"paused\":false,\
                    \"role\":{\"Shared\":{\"root\":\"/a\",\"stamps\":[]}}}";
        let later = good.replace(":1,", ":2,");
        let name = |letter: &str| format!("{}.json", letter.repeat(64));
        for (name, text) in [
            (name("a"), good),
            (name("b"), &later),
            (name("c"), "{"),
            ("odd.json".to_owned(), good),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let read = read(folder.path()).unwrap();
        assert_eq!(read.len(), 4);
        assert_eq!(
            read[0].as_ref().map(|kept| kept.id),
            Ok(ContentId([0xaa; 32]))
        );
        for (at, what) in [(1, "version 2"), (2, "EOF"), (3, "odd.json")] {
            let why = read[at].as_ref().expect_err("it is refused");
            assert!(why.contains(what), "{why}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
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

    /// A key that cannot be parsed is no key: the content is no push.
    #[test]
    fn a_pusher_without_a_readable_key_is_nobody() {
        let mut folders = Folders::default();
        let odd = placed(Some("not a key"), "/in");
        assert_eq!(odd.placement(&mut folders).pusher, None);
    }
}
