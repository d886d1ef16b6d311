//! The contents that a node takes part in, and where they are kept between two runs.
//!
//! Decides nothing about service. Each content is two transfers of the core: its bytes, and
//! its manifest, which is moved like a content of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fairhaul_core::id::TransferId;
use fairhaul_core::manifest::ContentId;
use fairhaul_core::time::Time;

use super::content::{Content, Kept, VERSION};
use super::keeper::{Keeper, Then};
use super::shelf::{ManifestShelf, Shelf};
use crate::content::manifest_id;

/// All of them, by number.
#[derive(Debug)]
pub(crate) struct Contents {
    rows: BTreeMap<u32, Content>,
    numbers: BTreeMap<ContentId, u32>,
    /// The same by the identity under which the manifest moves.
    descriptions: BTreeMap<ContentId, u32>,
    next: u32,
    /// Where they are kept between two runs, and by whom.
    folder: PathBuf,
    keeper: Keeper,
}

impl Contents {
    /// None yet; they are kept in `folder`.
    pub(crate) fn new(folder: PathBuf) -> io::Result<Self> {
        Ok(Self {
            rows: BTreeMap::new(),
            numbers: BTreeMap::new(),
            descriptions: BTreeMap::new(),
            next: 1,
            folder,
            keeper: Keeper::start()?,
        })
    }

    /// The manifest of a content is fetched anew, of `bytes` bytes.
    pub(crate) fn describe_as(&mut self, number: u32, bytes: u64) {
        let Some(content) = self.rows.get_mut(&number) else {
            return;
        };
        self.descriptions.remove(&content.description_id());
        content.manifest = Arc::new(ManifestShelf::empty(bytes));
        content.kept.manifest_bytes = bytes;
        self.descriptions.insert(content.description_id(), number);
    }

    /// Takes a new one up. Its number, which is new too.
    pub(crate) fn add(
        &mut self,
        id: ContentId,
        kept: Kept,
        manifest: ManifestShelf,
        now: Time,
    ) -> &mut Content {
        let number = self.next;
        self.next += 1;
        self.numbers.insert(id, number);
        let bytes = manifest.geometry().bytes().get();
        self.descriptions.insert(manifest_id(id, bytes), number);
        let content = Content::new(number, id, kept, manifest, now);
        self.rows.entry(number).or_insert(content)
    }

    /// The content with this identity.
    pub(crate) fn find(&self, id: &ContentId) -> Option<&Content> {
        self.rows.get(self.numbers.get(id)?)
    }

    /// The core's transfer of a content, or of a manifest, by its identity.
    pub(crate) fn transfer_of(&self, id: &ContentId) -> Option<TransferId> {
        let data = self.numbers.get(id).map(|number| TransferId(number * 2));
        let description = self.descriptions.get(id);
        data.or_else(|| description.map(|number| TransferId(number * 2 + 1)))
    }

    pub(crate) fn at(&self, number: u32) -> Option<&Content> {
        self.rows.get(&number)
    }

    pub(crate) fn at_mut(&mut self, number: u32) -> Option<&mut Content> {
        self.rows.get_mut(&number)
    }

    /// The content of a transfer, and whether the transfer is its manifest.
    pub(crate) fn of(&self, transfer: TransferId) -> Option<(&Content, bool)> {
        Some((self.at(transfer.0 / 2)?, transfer.0 % 2 == 1))
    }

    /// The identity under which a transfer moves.
    pub(crate) fn moved_as(&self, transfer: TransferId) -> Option<ContentId> {
        let (content, is_manifest) = self.of(transfer)?;
        Some(if is_manifest {
            content.description_id()
        } else {
            content.id
        })
    }

    pub(crate) fn of_mut(&mut self, transfer: TransferId) -> Option<(&mut Content, bool)> {
        Some((self.at_mut(transfer.0 / 2)?, transfer.0 % 2 == 1))
    }

    /// Where the chunks of a transfer are.
    pub(crate) fn shelf(&self, transfer: TransferId) -> Option<Shelf> {
        let (content, is_manifest) = self.of(transfer)?;
        if is_manifest {
            return Some(Shelf::Manifest(Arc::clone(&content.manifest)));
        }
        let (_, tree) = content.files.as_ref()?;
        Some(Shelf::Files(content.stores().into(), Arc::clone(tree)))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Content> {
        self.rows.values()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Content> {
        self.rows.values_mut()
    }

    /// Replaces the file at `path` soon, and does what is to happen `then`.
    pub(super) fn write(&self, path: PathBuf, text: Vec<u8>, then: Option<Then>) {
        self.keeper.write(path, text, then);
    }

    /// Forgets a content and what is kept of it. Its files stay.
    pub(crate) fn remove(&mut self, number: u32) -> Option<Content> {
        let content = self.rows.remove(&number)?;
        self.numbers.remove(&content.id);
        self.descriptions.remove(&content.description_id());
        // The rest goes after what is still to be written.
        self.forget_state(&content.id);
        self.keeper.forget(self.path(&content.id, ""));
        Some(content)
    }

    /// The file of `kind` that is kept for a content.
    pub(crate) fn path(&self, id: &ContentId, kind: &str) -> PathBuf {
        let name = data_encoding::HEXLOWER.encode(&id.0);
        self.folder.join(name).with_extension(kind)
    }

    /// Forgets how far a folder was filled: another one is filled from now on. What is in the
    /// former is looked at again if its turn comes back.
    pub(crate) fn forget_state(&self, id: &ContentId) {
        for kind in ["state", "state.alt", "state.new"] {
            // What is not there need not go.
            let _ = fs::remove_file(self.path(id, kind));
        }
    }

    /// Keeps what is known of a content for the next run, soon.
    pub(crate) fn keep(&self, content: &Content) {
        let json = serde_json::to_vec(&content.kept);
        let json = json.expect("text and numbers can be written");
        let whole = content.files.is_some();
        let manifest = whole.then(|| Arc::clone(&content.manifest));
        let base = self.path(&content.id, "");
        self.keeper.keep(base, json, manifest);
    }

    /// What was kept by an earlier run: identity, what is known, and the manifest if it was
    /// there. Files that cannot be read are reported by name and left alone.
    pub(crate) fn kept(&self) -> io::Result<Vec<Result<Remembered, String>>> {
        let mut all = Vec::new();
        let mut names: Vec<PathBuf> = fs::read_dir(&self.folder)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
            .collect();
        names.sort();
        for path in names {
            all.push(remember(&path).map_err(|why| format!("{}: {why}", path.display())));
        }
        Ok(all)
    }
}

/// A content of an earlier run.
pub(crate) struct Remembered {
    pub(crate) id: ContentId,
    pub(crate) kept: Kept,
    pub(crate) manifest: Option<Vec<u8>>,
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
