//! Looks at the disk of an inbox, beside the driver: a disk may stall.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use fairhaul_core::library::{Disk, FolderId, OfferId};

use super::own::Own;
use crate::session::Held;

/// What was found where an inbox is.
#[derive(Debug)]
pub(crate) struct Looked {
    pub(super) folder: FolderId,
    /// Its disk, or why the inbox cannot be used.
    pub(super) disk: Result<Disk, String>,
}

impl Looked {
    /// Makes the folder if it is not there, and looks at its disk.
    pub(super) fn at(folder: FolderId, path: &Path, own: &Own) -> Self {
        let made = fs::create_dir_all(path).map_err(|error| error.to_string());
        let usable = made.and_then(|()| own.refuse_folder(path));
        let disk = rustix::fs::statvfs(path);
        let free = disk.map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        let device = device_of(path);
        Self {
            folder,
            disk: usable.map(|()| Disk { free, device }),
        }
    }
}

/// An offer that waits until its inbox was looked at.
#[derive(Debug)]
pub(super) struct WaitingOffer {
    pub(super) offer: OfferId,
    /// Length of the manifest of what is offered, in bytes.
    pub(super) manifest_bytes: u64,
    /// Its place in the books of memory.
    pub(super) held: Held,
}

/// The file system of a folder, if there is one.
pub(super) fn device_of(folder: &Path) -> Option<u64> {
    fs::metadata(folder).ok().map(|about| about.dev())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::contents::own::STATE;

    /// The inbox is made; one that is the node's own state cannot be used.
    #[test]
    fn an_inbox_is_made_and_its_disk_looked_at_unless_it_is_the_nodes_own() {
        let data = tempfile::tempdir().unwrap();
        fs::create_dir(data.path().join(STATE)).unwrap();
        let secrets = [data.path().join("key"), data.path().join("token")];
        let own = Own::new(data.path().to_owned(), secrets);
        let at = |name: &str| Looked::at(FolderId(1), &data.path().join(name), &own);
        let disk = at("in/a").disk.unwrap();
        assert!(disk.free > 0 && disk.device == device_of(data.path()));
        assert!(data.path().join("in/a").is_dir());
        assert!(at(STATE).disk.is_err());
    }
}
