//! The free space of the disk with the node's data, measured beside the driver: a disk may stall.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::{JoinHandle, spawn_blocking};

use crate::control::api::DiskStatus;

/// Seconds from one look to the next.
const EVERY_S: u32 = 10;

/// What the last look found. There is one look at a time, however long it takes.
#[derive(Debug)]
pub(crate) struct FreeSpace {
    folder: PathBuf,
    found: Arc<Mutex<Option<DiskStatus>>>,
    look: Option<JoinHandle<()>>,
    wait_s: u32,
}

impl FreeSpace {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            found: Arc::default(),
            look: None,
            wait_s: 0,
        }
    }

    /// A second has passed.
    pub(crate) fn second(&mut self) {
        self.wait_s = self.wait_s.saturating_sub(1);
        let looks = self.look.as_ref().is_some_and(|look| !look.is_finished());
        if self.wait_s > 0 || looks {
            return;
        }
        self.wait_s = EVERY_S;
        let (folder, found) = (self.folder.clone(), Arc::clone(&self.found));
        self.look = Some(spawn_blocking(move || {
            let disk = rustix::fs::statvfs(&folder).ok().map(|disk| DiskStatus {
                folder,
                free_bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
                total_bytes: disk.f_blocks.saturating_mul(disk.f_frsize),
            });
            *found.lock().unwrap_or_else(PoisonError::into_inner) = disk;
        }));
    }

    /// What was found last.
    pub(crate) fn found(&self) -> Option<DiskStatus> {
        let found = self.found.lock();
        found.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_disk_of_a_folder_is_found_after_a_second_and_that_of_none_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut space = FreeSpace::new(folder.path().to_owned());
        assert_eq!(space.found(), None);
        space.second();
        space.look.take().unwrap().await.unwrap();
        let disk = space.found().unwrap();
        assert_eq!(disk.folder, folder.path());
        assert!(0 < disk.total_bytes && disk.free_bytes <= disk.total_bytes);
        // It is not asked again at once, and a folder that is gone is no longer reported.
        drop(folder);
        for _ in 1..EVERY_S {
            space.second();
            assert!(space.look.is_none());
        }
        space.second();
        space.look.take().unwrap().await.unwrap();
        assert_eq!(space.found(), None);
    }
}
