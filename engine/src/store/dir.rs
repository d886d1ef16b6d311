//! A real directory, and what is beneath it.
//!
//! Names are resolved by the kernel, from the directory held, never upwards and never through a
//! symbolic link, however often the path is changed in between. Nothing but regular files is
//! opened for data, so that a planted pipe cannot hang a reader. Directories are among the files
//! that the node keeps open together: one that was closed for others is opened again by its path,
//! and has to be the same one.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::disk::{Disk, DiskFile, Open, SETTLED_S, Status, What, copy};
use super::fds::{Fds, OpenFiles};
use crate::content::scan::Stamp;

/// Times that the kernel may say that a path changed under its feet.
const RACES: u32 = 64;

/// What `statfs` calls a file system in memory (linux/magic.h).
const TMPFS: fs::FsWord = 0x0102_1994;

/// The directory held, in the table of open ones.
const ROOT: &str = "";

/// A directory that is held.
#[derive(Debug)]
pub(crate) struct Beneath {
    path: PathBuf,
    /// Its device and inode.
    identity: (u64, u64),
    /// Those of its directories that are open.
    open: Fds,
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
    pub(crate) fn hold(path: &Path, files: &Arc<OpenFiles>) -> io::Result<Self> {
        let open = Fds::of(files);
        let root = open.with_room(|| open_root(path))?;
        let identity = identity_of(&root)?;
        open.put_folder(ROOT, Arc::new(root));
        Ok(Self {
            path: std::path::absolute(path)?,
            identity,
            open,
        })
    }

    /// The directory held, open.
    fn root(&self) -> io::Result<Arc<OwnedFd>> {
        if let Some(root) = self.open.folder(ROOT) {
            return Ok(root);
        }
        let root = self.open.with_room(|| open_root(&self.path))?;
        // Another one under its path is not the one that was chosen.
        if identity_of(&root)? != self.identity {
            return Err(Errno::NOENT.into());
        }
        let root = Arc::new(root);
        self.open.put_folder(ROOT, Arc::clone(&root));
        Ok(root)
    }

    /// Opens `path` from the directory held.
    fn resolve(&self, path: &str, flags: OFlags, mode: Mode) -> io::Result<OwnedFd> {
        let rules = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let path = if path.is_empty() { "." } else { path };
        let root = self.root()?;
        let mut races = 0;
        let open = || fs::openat2(&root, path, flags | OFlags::CLOEXEC, mode, rules);
        loop {
            match self.open.with_room(open) {
                Err(Errno::AGAIN | Errno::INTR) if races < RACES => races += 1,
                answer => return Ok(answer?),
            }
        }
    }

    /// The directory that holds the last name of `path`, open, and that name.
    fn parent<'a>(&self, path: &'a str) -> io::Result<(Arc<OwnedFd>, &'a str)> {
        let (above, name) = path.rsplit_once('/').unwrap_or((ROOT, path));
        if name.is_empty() || name == "." || name == ".." {
            return Err(Errno::INVAL.into());
        }
        if above == ROOT {
            return Ok((self.root()?, name));
        }
        if let Some(directory) = self.open.folder(above) {
            return Ok((directory, name));
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let directory = Arc::new(self.resolve(above, flags, Mode::empty())?);
        self.open.put_folder(above, Arc::clone(&directory));
        Ok((directory, name))
    }
}

fn open_root(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    fs::open(path, flags, Mode::empty())
}

fn identity_of(directory: &OwnedFd) -> io::Result<(u64, u64)> {
    let stat = fs::fstat(directory)?;
    Ok((stat.st_dev, stat.st_ino))
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
        // After this, paths mean what they mean then.
        self.open.close_all();
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
        // After this, paths mean what they mean then.
        self.open.close_all();
        Ok(fs::unlinkat(directory, name, AtFlags::REMOVEDIR)?)
    }

    fn sync_dir(&self, path: &str) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        Ok(fs::fsync(self.resolve(path, flags, Mode::empty())?)?)
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(fs::syncfs(self.root()?)?)
    }

    fn space(&self) -> io::Result<u64> {
        let found = fs::fstatvfs(self.root()?)?;
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

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.file.as_fd())
    }

    /// In the system, which shares the blocks where the file system can (reflink).
    fn copy_from(&self, from: &dyn DiskFile, bytes: u64) -> io::Result<()> {
        let mut at = 0;
        while let Some(source) = from.descriptor().filter(|_| at < bytes) {
            let (mut read, mut written) = (at, at);
            let rest = usize::try_from(bytes - at).unwrap_or(usize::MAX);
            let (source, target) = ((source, &mut read), (&self.file, &mut written));
            match fs::copy_file_range(source.0, Some(source.1), target.0, Some(target.1), rest) {
                Ok(0) => return Ok(()),
                Ok(copied) => at += copied as u64,
                Err(Errno::INTR) => {}
                // Two file systems, or one that does not know the call.
                Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => break,
                Err(error) => return Err(error.into()),
            }
        }
        copy(self, from, (at, bytes))
    }
}

/// Whether a change noted at this second, by the clock that notes changes, is long enough ago.
fn is_settled(changed_s: i64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX));
    changed_s < now.saturating_sub(SETTLED_S)
}

/// The user of this process, who does not change: a file is looked at for each of its chunks.
fn own_uid() -> u32 {
    static OWN: OnceLock<u32> = OnceLock::new();
    *OWN.get_or_init(|| rustix::process::geteuid().as_raw())
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
        private: stat.st_uid == own_uid() && !others_write,
        settled: is_settled(stat.st_ctime),
    }
}
