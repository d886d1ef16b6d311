//! A real directory, held open, and what is beneath it.
//!
//! Decides how a name is resolved: by the kernel, from the directory held, never upwards and
//! never through a symbolic link, however often the path is changed in between. Refuses to
//! open anything but regular files for data, so that a planted pipe cannot hang a reader.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::disk::{Disk, DiskFile, Open, SETTLED_S, Status, What};
use crate::content::scan::Stamp;

/// Directories that stay open between calls: enough for both ends of a rename.
const PARENTS_OPEN: usize = 4;

/// Times that the kernel may say that a path changed under its feet.
const RACES: u32 = 64;

/// What `statfs` calls a file system in memory (linux/magic.h).
const TMPFS: fs::FsWord = 0x0102_1994;

/// A directory held open.
#[derive(Debug)]
pub(crate) struct Beneath {
    root: OwnedFd,
    /// Directories used last, newest at the end.
    parents: Mutex<Vec<(String, Arc<OwnedFd>)>>,
}

/// A regular file.
#[derive(Debug)]
struct RealFile {
    file: File,
    /// Where the system cannot say what is cached: whether all of the file is in memory.
    in_memory: OnceLock<bool>,
}

impl Beneath {
    /// Holds `path`, which the user chose and which may itself lead through links.
    pub(crate) fn hold(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = fs::open(path, flags, Mode::empty())?;
        Ok(Self {
            root,
            parents: Mutex::new(Vec::new()),
        })
    }

    /// Device and inode of the directory held.
    pub(crate) fn identity(&self) -> io::Result<(u64, u64)> {
        let stat = fs::fstat(&self.root)?;
        Ok((stat.st_dev, stat.st_ino))
    }

    /// Opens `path` from the directory held.
    fn resolve(&self, path: &str, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let rules = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let path = if path.is_empty() { "." } else { path };
        let mut races = 0;
        loop {
            match fs::openat2(&self.root, path, flags | OFlags::CLOEXEC, mode, rules) {
                Err(Errno::AGAIN | Errno::INTR) if races < RACES => races += 1,
                answer => return Ok(answer?),
            }
        }
    }

    /// The directory that holds the last name of `path`, open, and that name.
    fn parent<'a>(&self, path: &'a str) -> io::Result<(Arc<OwnedFd>, &'a str)> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        if name.is_empty() || name == "." || name == ".." {
            return Err(Errno::INVAL.into());
        }
        let mut open = self.parents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = open.iter().position(|(path, _)| path == above) {
            let found = open.remove(at);
            let directory = Arc::clone(&found.1);
            open.push(found);
            return Ok((directory, name));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let directory = Arc::new(self.resolve(above, flags, Mode::empty())?);
        if open.len() == PARENTS_OPEN {
            open.remove(0);
        }
        open.push((above.to_owned(), Arc::clone(&directory)));
        Ok((directory, name))
    }

    /// Forgets open directories: after this, paths mean what they mean now.
    fn forget(&self) {
        let mut open = self.parents.lock().unwrap_or_else(PoisonError::into_inner);
        open.clear();
    }
}

impl Disk for Beneath {
    fn open(&self, path: &str, how: Open) -> io::Result<Box<dyn DiskFile>> {
        let (flags, mode) = match how {
            Open::Read => (OFlags::RDONLY, 0),
            Open::Write(mode) => (OFlags::RDWR | OFlags::CREATE, mode & 0o777),
        };
        let flags = flags | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY;
        let file = File::from(self.resolve(path, flags, Mode::from_raw_mode(mode))?);
        if how == Open::Read && !file.metadata()?.is_file() {
            return Err(Errno::INVAL.into());
        }
        Ok(Box::new(RealFile {
            file,
            in_memory: OnceLock::new(),
        }))
    }

    fn status(&self, path: &str) -> io::Result<Option<Status>> {
        let found = self.parent(path).and_then(|(directory, name)| {
            Ok(fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?)
        });
        match found {
            Ok(stat) => Ok(Some(status_of(&stat))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn make_dir(&self, path: &str, mode: u32) -> io::Result<()> {
        let (directory, name) = self.parent(path)?;
        Ok(fs::mkdirat(directory, name, Mode::from_raw_mode(mode))?)
    }

    fn rename_file(&self, from: &str, to: &str, replace: bool) -> io::Result<()> {
        let ((old, from), (new, to)) = (self.parent(from)?, self.parent(to)?);
        if replace {
            return Ok(fs::renameat(old, from, new, to)?);
        }
        match fs::renameat_with(&old, from, &new, to, RenameFlags::NOREPLACE) {
            // The file system does not know the flag; a second name is as careful.
            Err(Errno::INVAL | Errno::NOSYS) => {
                fs::linkat(&old, from, &new, to, AtFlags::empty())?;
                Ok(fs::unlinkat(old, from, AtFlags::empty())?)
            }
            answer => Ok(answer?),
        }
    }

    fn rename_dir(&self, from: &str, to: &str) -> io::Result<()> {
        let ((old, from), (new, to)) = (self.parent(from)?, self.parent(to)?);
        self.forget();
        Ok(fs::renameat_with(
            old,
            from,
            new,
            to,
            RenameFlags::NOREPLACE,
        )?)
    }

    fn remove_file(&self, path: &str) -> io::Result<()> {
        let (directory, name) = self.parent(path)?;
        Ok(fs::unlinkat(directory, name, AtFlags::empty())?)
    }

    fn remove_dir(&self, path: &str) -> io::Result<()> {
        let (directory, name) = self.parent(path)?;
        self.forget();
        Ok(fs::unlinkat(directory, name, AtFlags::REMOVEDIR)?)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        Ok(fs::fsync(self.resolve(path, flags, Mode::empty())?)?)
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(fs::syncfs(&self.root)?)
    }

    fn space(&self) -> io::Result<u64> {
        let found = fs::fstatvfs(&self.root)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

impl DiskFile for RealFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buf, offset)
    }

    fn read_at_hand(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        match self.in_memory.get() {
            Some(true) => return self.file.read_at(buf, offset).map(Some),
            Some(false) => return Ok(None),
            None => {}
        }
        let mut bufs = [IoSliceMut::new(buf)];
        match preadv2(&self.file, &mut bufs, offset, ReadWriteFlags::NOWAIT) {
            Ok(read) => Ok(Some(read)),
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            // Neither tmpfs nor old systems know the question.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                let in_memory = fs::fstatfs(&self.file)?.f_type == TMPFS;
                if *self.in_memory.get_or_init(|| in_memory) {
                    return self.file.read_at(buf, offset).map(Some);
                }
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.file.write_at(bytes, offset)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn status(&self) -> io::Result<Status> {
        Ok(status_of(&fs::fstat(self.file.as_fd())?))
    }
}

/// Whether a change noted at this second, by the clock that notes changes, is long enough ago.
fn is_settled(changed_s: i64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    changed_s < now.saturating_sub(SETTLED_S)
}

fn status_of(stat: &fs::Stat) -> Status {
    let what = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => What::File,
        FileType::Directory => What::Directory,
        _ => What::Other,
    };
    let others_write = stat.st_mode & 0o022 != 0;
    Status {
        what,
        stamp: Stamp {
            bytes: u64::try_from(stat.st_size).unwrap_or(0),
            mtime_s: stat.st_mtime,
            // Below a thousand million by definition.
            mtime_ns: u32::try_from(stat.st_mtime_nsec).unwrap_or(0),
            inode: stat.st_ino,
            device: stat.st_dev,
        },
        occupied: u64::try_from(stat.st_blocks)
            .unwrap_or(0)
            .saturating_mul(512),
        unlinked: stat.st_nlink == 0,
        private: stat.st_uid == rustix::process::geteuid().as_raw() && !others_write,
        settled: is_settled(stat.st_ctime),
    }
}
