//! The node's own files, and the folders that may not be shared or filled because of them.
//!
//! A file or a folder is known by its number in its file system, whatever it is called: links of
//! either kind and mounts of the same folder elsewhere are other names for one thing.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::content::Tree;
use crate::content::path::shown;
use crate::content::scan::Scanned;

/// The folder of the node's own state in its data.
pub(crate) const STATE: &str = "contents";

/// Device and number of a file or a folder.
type Id = (u64, u64);

/// Where a node keeps its own files.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    /// The folder of its data. Its inboxes are folders in it; files in it are its own.
    data: PathBuf,
    /// Its key and its token, wherever they are.
    secrets: [PathBuf; 2],
    /// Whether a folder that holds the data may be filled.
    above: bool,
}

impl Own {
    pub(crate) const fn new(data: PathBuf, secrets: [PathBuf; 2]) -> Self {
        Self {
            data,
            secrets,
            above: false,
        }
    }

    /// Lets a folder be filled that holds the data. For a node whose data lies in the home
    /// directory into which a person fetches: the maker of a content cannot know of it.
    pub(crate) const fn allow_above(&mut self) {
        self.above = true;
    }

    /// Refuses a folder in which the node keeps its own state, or that holds it: what is written
    /// there would be taken for state at the next start, and what is read there for a content.
    pub(crate) fn refuse_folder(&self, folder: &Path) -> Result<(), String> {
        let folder = fs::canonicalize(folder).map_err(|error| error.to_string())?;
        let data = fs::canonicalize(&self.data).map_err(|error| error.to_string())?;
        let state = id_of(&data.join(STATE)).map_err(|error| error.to_string())?;
        let own = id_of(&folder).map_err(|error| error.to_string())?;
        let is = |id: Id| move |one: &Path| id_of(one).is_ok_and(|found| found == id);
        let depth = if self.above { 1 } else { usize::MAX };
        if data.ancestors().take(depth).any(is(own)) || folder.ancestors().any(is(state)) {
            let folder = folder.display().to_string();
            let folder = shown(&folder);
            return Err(format!("{folder} is where this node keeps its own state"));
        }
        Ok(())
    }

    /// Refuses to share what is at `path` if that is, or holds, what the node keeps for itself.
    pub(crate) fn refuse_share(&self, path: &Path) -> Result<(), String> {
        let about = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
        if about.is_dir() {
            return self.refuse_folder(path);
        }
        match self.files().contains(&id(&about)) {
            true => Err(told(path)),
            false => Ok(()),
        }
    }

    /// Refuses a tree in which a scan found one of the node's own files.
    pub(crate) fn refuse_scanned(&self, scanned: &Scanned) -> Result<(), String> {
        let own = self.files();
        let entries = scanned.tree.entries().iter().zip(&scanned.stamps);
        let mut found = entries.filter(|(_, stamp)| own.contains(&(stamp.device, stamp.inode)));
        match found.next() {
            Some((entry, _)) => Err(told(&scanned.base.join(&*entry.path))),
            None => Ok(()),
        }
    }

    /// Refuses a tree that was shared by an earlier run, if one of the node's own files lies where
    /// an entry of it does.
    pub(crate) fn refuse_kept(&self, root: &Path, tree: &Tree) -> Result<(), String> {
        let own = self.files();
        let is_own = |path: &Path| id_of(path).is_ok_and(|id| own.contains(&id));
        let mut paths = tree.entries().iter().map(|entry| root.join(&*entry.path));
        paths
            .find(|path| is_own(path))
            .map_or(Ok(()), |path| Err(told(&path)))
    }

    /// What it keeps now. What cannot be looked at cannot be read by a share either.
    fn files(&self) -> BTreeSet<Id> {
        let secrets = self.secrets.iter();
        let secrets = secrets.filter_map(|path| fs::metadata(path).ok());
        let folders = [self.data.clone(), self.data.join(STATE)];
        let entries = folders
            .iter()
            .filter_map(|folder| fs::read_dir(folder).ok());
        let entries = entries.flatten().flatten();
        let about = entries.filter_map(|entry| fs::metadata(entry.path()).ok());
        about
            .chain(secrets)
            .filter(Metadata::is_file)
            .map(|about| id(&about))
            .collect()
    }
}

fn told(path: &Path) -> String {
    let path = path.display().to_string();
    format!(
        "{} is what this node keeps for itself; it is not shared",
        shown(&path)
    )
}

fn id(about: &Metadata) -> Id {
    (about.dev(), about.ino())
}

fn id_of(path: &Path) -> io::Result<Id> {
    Ok(id(&fs::metadata(path)?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A node with its key beside its data, an inbox and a file of state.
    fn node() -> (tempfile::TempDir, Own) {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["home/data/contents", "home/data/in", "other"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        for name in [
            "home/key",
            "home/data/token",
            "home/data/in/f",
            "other/f",
            "other/token",
        ] {
            fs::write(at(name), name).unwrap();
        }
        let own = Own::new(at("home/data"), [at("home/key"), at("other/token")]);
        (folder, own)
    }

    /// Register: M4, M14.
    #[test]
    fn folders_of_the_state_are_refused_by_whatever_name() {
        let (folder, own) = node();
        let at = |name: &str| folder.path().join(name);
        symlink(at("home"), at("link")).unwrap();
        symlink(at("home/data/contents"), at("other/link")).unwrap();
        for name in [
            "home",
            "home/data",
            "home/data/contents",
            "link",
            "link/data/../data",
            "other/link",
            ".",
        ] {
            let refused = own.refuse_folder(&at(name)).unwrap_err();
            assert!(refused.contains("its own state"), "{name}: {refused}");
            assert_eq!(refused.lines().count(), 1);
            assert!(own.refuse_share(&at(name)).is_err(), "{name}");
        }
        for name in ["home/data/in", "other", "link/data/in"] {
            assert_eq!(own.refuse_folder(&at(name)), Ok(()), "{name}");
            assert_eq!(own.refuse_share(&at(name)), Ok(()), "{name}");
        }
    }

    /// Register: H14, M4.
    #[test]
    fn files_of_the_node_are_refused_by_whatever_name() {
        let (folder, own) = node();
        let at = |name: &str| folder.path().join(name);
        symlink(at("home/key"), at("other/link")).unwrap();
        fs::hard_link(at("home/key"), at("other/hard")).unwrap();
        for name in [
            "home/key",
            "home/data/token",
            "other/link",
            "other/hard",
            "other/token",
        ] {
            let refused = own.refuse_share(&at(name)).unwrap_err();
            assert!(refused.contains("keeps for itself"), "{name}: {refused}");
        }
        for name in ["home/data/in/f", "other/f"] {
            assert_eq!(own.refuse_share(&at(name)), Ok(()), "{name}");
        }
    }
}
