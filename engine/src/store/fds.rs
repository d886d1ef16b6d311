//! Files and folders that stay open between two uses, of all contents of a node together.
//!
//! Those used last stay open. Their number is bounded for the whole node, whatever it shares:
//! with a bound for each content, four trees would take every descriptor that a process usually
//! has. Where the system has none left, half of them are closed and the caller tries again.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use rustix::io::Errno;

use super::disk::DiskFile;

/// How often a caller that may wait asks for a descriptor, and how long it waits in between: in
/// five seconds something is closed, or nothing will be.
const TRIES: u32 = 100;
const PAUSE: Duration = Duration::from_millis(50);

/// All of them. There is one for each node.
#[derive(Debug)]
pub struct OpenFiles {
    most: usize,
    owners: AtomicU64,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    open: BTreeMap<(u64, Name), Slot>,
    /// By use, the oldest first.
    order: BTreeMap<u64, (u64, Name)>,
    uses: u64,
}

/// What its owner calls it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Entry(usize),
    Folder(String),
}

#[derive(Debug)]
struct Slot {
    opened: Opened,
    used: u64,
}

#[derive(Clone, Debug)]
enum Opened {
    File {
        file: Arc<dyn DiskFile>,
        writable: bool,
    },
    Folder(Arc<OwnedFd>),
}

/// Those of one owner: the files of a content, by entry, or the folders of a disk, by path.
#[derive(Debug)]
pub(crate) struct Fds {
    files: Arc<OpenFiles>,
    owner: u64,
}

impl OpenFiles {
    /// At most so many, and one at least.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most: most.max(1),
            owners: AtomicU64::default(),
            table: Mutex::default(),
        })
    }

    /// Closes half of them: descriptors are needed for something else.
    pub(crate) fn make_room(&self) {
        let mut table = self.lock();
        let half = table.open.len().div_ceil(2);
        for _ in 0..half {
            table.close_oldest();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn get(&mut self, key: &(u64, Name)) -> Option<Opened> {
        self.uses += 1;
        let uses = self.uses;
        let slot = self.open.get_mut(key)?;
        self.order.remove(&slot.used);
        slot.used = uses;
        self.order.insert(uses, key.clone());
        Some(slot.opened.clone())
    }

    fn put(&mut self, key: (u64, Name), opened: Opened, most: usize) {
        self.close(&key);
        while self.open.len() >= most {
            self.close_oldest();
        }
        self.uses += 1;
        let used = self.uses;
        self.order.insert(used, key.clone());
        self.open.insert(key, Slot { opened, used });
    }

    fn close(&mut self, key: &(u64, Name)) {
        if let Some(slot) = self.open.remove(key) {
            self.order.remove(&slot.used);
        }
    }

    fn close_oldest(&mut self) {
        if let Some((_, key)) = self.order.pop_first() {
            self.open.remove(&key);
        }
    }
}

impl Fds {
    /// A part of `files` for a new owner.
    pub(crate) fn of(files: &Arc<OpenFiles>) -> Self {
        Self {
            owner: files.owners.fetch_add(1, Ordering::Relaxed),
            files: Arc::clone(files),
        }
    }

    /// The file of `entry` if it is open, and open for writing if that is asked for.
    pub(crate) fn get(&self, entry: usize, writable: bool) -> Option<Arc<dyn DiskFile>> {
        match self.files.lock().get(&(self.owner, Name::Entry(entry)))? {
            Opened::File {
                file,
                writable: may,
            } if may || !writable => Some(file),
            _ => None,
        }
    }

    /// Keeps `file` open, and closes the one that was used longest ago if there are too many.
    pub(crate) fn put(&self, entry: usize, file: Arc<dyn DiskFile>, writable: bool) {
        let key = (self.owner, Name::Entry(entry));
        let opened = Opened::File { file, writable };
        self.files.lock().put(key, opened, self.files.most);
    }

    /// Closes the file of `entry`.
    pub(crate) fn close(&self, entry: usize) {
        self.files.lock().close(&(self.owner, Name::Entry(entry)));
    }

    /// The folder at `path` if it is open.
    pub(crate) fn folder(&self, path: &str) -> Option<Arc<OwnedFd>> {
        let key = (self.owner, Name::Folder(path.to_owned()));
        match self.files.lock().get(&key)? {
            Opened::Folder(folder) => Some(folder),
            Opened::File { .. } => None,
        }
    }

    /// Keeps the folder at `path` open.
    pub(crate) fn put_folder(&self, path: &str, folder: Arc<OwnedFd>) {
        let key = (self.owner, Name::Folder(path.to_owned()));
        let opened = Opened::Folder(folder);
        self.files.lock().put(key, opened, self.files.most);
    }

    /// Closes all of this owner.
    pub(crate) fn close_all(&self) {
        let mut table = self.files.lock();
        let from = (self.owner, Name::Entry(0));
        let to = (self.owner + 1, Name::Entry(0));
        let gone: Vec<_> = table
            .open
            .range(from..to)
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            table.close(&key);
        }
    }

    /// Opens something with `open`. Where no descriptor is left, room is made for it.
    pub(crate) fn with_room<T>(
        &self,
        mut open: impl FnMut() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let first = open();
        if !matches!(first, Err(Errno::MFILE | Errno::NFILE)) {
            return first;
        }
        self.files.make_room();
        open()
    }
}

impl Drop for Fds {
    fn drop(&mut self) {
        self.close_all();
    }
}

/// Whether the system had no descriptor left.
pub(crate) fn is_out(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE))
}

/// Does `work`, which takes descriptors, on a thread that may wait: while there are none it is
/// tried again, for a few seconds.
pub(crate) fn patiently<T, E>(
    mut work: impl FnMut() -> Result<T, E>,
    is_out: impl Fn(&E) -> bool,
) -> Result<T, E> {
    for _ in 1..TRIES {
        match work() {
            Err(error) if is_out(&error) => sleep(PAUSE),
            done => return done,
        }
    }
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl OpenFiles {
        /// How many there are.
        pub(crate) fn count(&self) -> usize {
            self.lock().open.len()
        }
    }

    fn folder() -> Arc<OwnedFd> {
        Arc::new(tempfile::tempfile().unwrap().into())
    }

    /// Three contents of many folders: no more of them are open than the node has places, and
    /// those that were used last.
    ///
    /// Register: C3. Limit: L3.
    #[test]
    fn all_contents_together_keep_no_more_open_than_the_node_has_places() {
        let files = OpenFiles::new(10);
        let owners = [0; 3].map(|_| Fds::of(&files));
        for number in 0..100 {
            for owner in &owners {
                owner.put_folder(&number.to_string(), folder());
            }
            assert!(files.count() <= 10);
        }
        assert!(owners.iter().all(|owner| owner.folder("99").is_some()));
        assert!(owners[0].folder("95").is_none());
        // One that is used stays, whatever else comes.
        for number in 0..100 {
            assert!(owners[1].folder("99").is_some(), "{number}");
            owners[2].put_folder(&number.to_string(), folder());
        }
        let [first, ..] = owners;
        first.put_folder("mine", folder());
        let before = files.count();
        drop(first);
        assert!(files.count() < before, "what it had open goes with it");
    }

    #[test]
    fn under_pressure_half_of_them_are_closed_and_it_is_tried_again() {
        let files = OpenFiles::new(8);
        let fds = Fds::of(&files);
        for number in 0..8 {
            fds.put_folder(&number.to_string(), folder());
        }
        let mut answers = vec![Ok(7), Err(Errno::MFILE)];
        assert_eq!(fds.with_room(|| answers.pop().unwrap()), Ok(7));
        assert_eq!(files.count(), 4);
        assert!(fds.folder("7").is_some() && fds.folder("0").is_none());
        assert_eq!(
            fds.with_room(|| Err::<(), _>(Errno::NOENT)),
            Err(Errno::NOENT)
        );
        assert_eq!(files.count(), 4, "nothing else closes any");
    }
}
