//! The interface between the store and a file system: the few operations below one directory.
//!
//! A short transfer continues where it stopped, an interrupted one is repeated, EIO gets three
//! tries. Every path is relative, with its parts separated by `/`. The tests put a disk in memory
//! behind the same interface, lose its unsynced operations and check what is left.

use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;

use crate::content::scan::Stamp;

/// Tries of a read or write that fails with EIO.
const TRIES: u32 = 3;

/// Bytes copied at once.
const COPIED: usize = 1 << 20;

/// What has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, a device, a socket, a pipe.
    Other,
}

/// Seconds after which a change of a file shows in its time, and all of it is there.
pub(crate) const SETTLED_S: i64 = 2;

/// What is known of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    /// What it is.
    pub(crate) what: What,
    /// Size, time and inode.
    pub(crate) stamp: Stamp,
    /// Bytes that it occupies on disk; less than its size if it has holes.
    pub(crate) occupied: u64,
    /// Whether no name leads to it any more.
    pub(crate) unlinked: bool,
    /// Whether it belongs to this user and no other user may write to it.
    pub(crate) private: bool,
    /// Whether its last change is over: the system notes the time of a write before the bytes
    /// arrive, so what looks unchanged right after may still change.
    pub(crate) settled: bool,
}

/// How a file is opened. No way of opening ever truncates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Open {
    /// To be read; it must be there.
    Read,
    /// To be read and written, made with these permission bits if it is not there.
    Write(u32),
}

/// A directory and everything beneath it. No path ever leads through a symbolic link.
pub(crate) trait Disk: fmt::Debug + Send + Sync {
    /// Opens a regular file.
    fn open(&self, path: &str, how: Open) -> io::Result<Box<dyn DiskFile>>;
    /// What has this name; nothing if a part of the path is missing.
    fn status(&self, path: &str) -> io::Result<Option<Status>>;
    /// Makes one directory with these permission bits; `AlreadyExists` if the name is taken.
    fn make_dir(&self, path: &str, mode: u32) -> io::Result<()>;
    /// Gives a file another name; without `replace` the name must be free.
    fn rename_file(&self, from: &str, to: &str, replace: bool) -> io::Result<()>;
    /// Gives a directory another name, which must be free.
    fn rename_dir(&self, from: &str, to: &str) -> io::Result<()>;
    /// Takes a file's name away.
    fn remove_file(&self, path: &str) -> io::Result<()>;
    /// Takes an empty directory away.
    fn remove_dir(&self, path: &str) -> io::Result<()>;
    /// Makes the names in a directory durable; the empty path is the directory held.
    fn sync_dir(&self, path: &str) -> io::Result<()>;
    /// Makes everything on this file system durable.
    fn sync_all(&self) -> io::Result<()>;
    /// Bytes that an ordinary user may still use.
    fn space(&self) -> io::Result<u64>;
}

/// An open file.
pub(crate) trait DiskFile: fmt::Debug + Send + Sync {
    /// Reads at most `buf.len()` bytes from `offset`; 0 at the end.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;
    /// As [`DiskFile::read_at`], but none where that would wait for a device, or might.
    fn read_at_hand(&self, buf: &mut [u8], offset: u64) -> io::Result<Option<usize>>;
    /// Writes at most `bytes.len()` bytes to `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Sets the length; what is added is a hole.
    fn set_len(&self, bytes: u64) -> io::Result<()>;
    /// Makes data and length durable.
    fn sync(&self) -> io::Result<()>;
    /// What is known of it.
    fn status(&self) -> io::Result<Status>;
    /// Its descriptor, where the system may copy from one file to another; none for a file that is
    /// not the system's.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
    /// Copies the first `bytes` bytes of another file, or all that it has of them.
    fn copy_from(&self, from: &dyn DiskFile, bytes: u64) -> io::Result<()>;
}

/// Copies the bytes of a file from `at` to `end` by reading and writing, or those that are there.
pub(crate) fn copy(
    to: &dyn DiskFile,
    from: &dyn DiskFile,
    (mut at, end): (u64, u64),
) -> io::Result<()> {
    let mut buf = vec![0; COPIED];
    while at < end {
        let len = usize::try_from(end - at).unwrap_or(COPIED).min(COPIED);
        if !read_full(from, &mut buf[..len], at)? {
            break;
        }
        write_full(to, &buf[..len], at)?;
        at += len as u64;
    }
    Ok(())
}

/// Fills `buf` from `offset`; false if the file ends before.
pub(crate) fn read_full(file: &dyn DiskFile, buf: &mut [u8], offset: u64) -> io::Result<bool> {
    let (mut done, mut failures) = (0, 0);
    while done < buf.len() {
        match file.read_at(&mut buf[done..], offset + done as u64) {
            Ok(0) => return Ok(false),
            Ok(read) => done += read,
            Err(error) => again(error, &mut failures)?,
        }
    }
    Ok(true)
}

/// Fills `buf` from `offset` with what is in memory; false if not all of it is, or the file ends
/// or fails: who may wait finds out which.
pub(crate) fn read_full_at_hand(file: &dyn DiskFile, buf: &mut [u8], offset: u64) -> bool {
    let mut done = 0;
    while done < buf.len() {
        match file.read_at_hand(&mut buf[done..], offset + done as u64) {
            Ok(Some(read)) if read > 0 => done += read,
            _ => return false,
        }
    }
    true
}

/// Writes all of `bytes` at `offset`.
pub(crate) fn write_full(file: &dyn DiskFile, bytes: &[u8], offset: u64) -> io::Result<()> {
    let (mut done, mut failures) = (0, 0);
    while done < bytes.len() {
        match file.write_at(&bytes[done..], offset + done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => done += written,
            Err(error) => again(error, &mut failures)?,
        }
    }
    Ok(())
}

/// Whether to try again: always after an interruption, twice after EIO.
fn again(error: io::Error, failures: &mut u32) -> io::Result<()> {
    if error.kind() == io::ErrorKind::Interrupted {
        return Ok(());
    }
    *failures += 1;
    let broken = rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::IO);
    if broken && *failures < TRIES {
        return Ok(());
    }
    Err(error)
}

/// The directory of `path`; empty for a name in the directory held.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Makes the directory `path` and those above it, where they are missing. Returns those made.
pub(crate) fn make_dirs(disk: &dyn Disk, path: &str, mode: u32) -> io::Result<Vec<String>> {
    let mut made = Vec::new();
    let ends = path.match_indices('/').map(|(at, _)| at);
    for end in ends.chain(std::iter::once(path.len())) {
        if end == 0 {
            continue;
        }
        match disk.make_dir(&path[..end], mode) {
            Ok(()) => made.push(path[..end].to_owned()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use rustix::io::Errno;

    use super::*;

    /// A file that answers from a list.
    #[derive(Debug)]
    struct Scripted(Mutex<Vec<Result<usize, Errno>>>);

    impl Scripted {
        fn new(mut answers: Vec<Result<usize, Errno>>) -> Self {
            answers.reverse();
            Self(Mutex::new(answers))
        }

        fn next(&self, len: usize) -> io::Result<usize> {
            let answer = self.0.lock().unwrap().pop().unwrap();
            Ok(answer?.min(len))
        }
    }

    impl DiskFile for Scripted {
        fn read_at(&self, buf: &mut [u8], _offset: u64) -> io::Result<usize> {
            self.next(buf.len())
        }

        fn read_at_hand(&self, buf: &mut [u8], _offset: u64) -> io::Result<Option<usize>> {
            match self.next(buf.len()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                answer => answer.map(Some),
            }
        }

        fn write_at(&self, bytes: &[u8], _offset: u64) -> io::Result<usize> {
            self.next(bytes.len())
        }

        fn set_len(&self, _bytes: u64) -> io::Result<()> {
            Ok(())
        }

        fn sync(&self) -> io::Result<()> {
            Ok(())
        }

        fn status(&self) -> io::Result<Status> {
            Err(Errno::IO.into())
        }

        fn copy_from(&self, from: &dyn DiskFile, bytes: u64) -> io::Result<()> {
            copy(self, from, (0, bytes))
        }
    }

    /// Register: P6.
    #[test]
    fn short_and_interrupted_writes_go_on_where_they_stopped() {
        let file = Scripted::new(vec![Ok(3), Err(Errno::INTR), Ok(1), Ok(100)]);
        write_full(&file, &[0; 9], 0).unwrap();
        let file = Scripted::new(vec![Ok(3), Err(Errno::INTR), Ok(100)]);
        assert!(read_full(&file, &mut [0; 9], 0).unwrap());
    }

    /// Register: P6.
    #[test]
    fn a_disk_that_breaks_is_asked_three_times_and_no_more() {
        let twice = Scripted::new(vec![Err(Errno::IO), Err(Errno::IO), Ok(100)]);
        write_full(&twice, &[0; 9], 0).unwrap();
        let thrice = Scripted::new(vec![Err(Errno::IO), Err(Errno::IO), Err(Errno::IO), Ok(9)]);
        let error = read_full(&thrice, &mut [0; 9], 0).unwrap_err();
        assert_eq!(Errno::from_io_error(&error), Some(Errno::IO));
        let full = Scripted::new(vec![Err(Errno::NOSPC), Ok(9)]);
        assert!(write_full(&full, &[0; 9], 0).is_err());
    }

    #[test]
    fn what_is_not_all_at_hand_is_left_to_who_may_wait() {
        let all = Scripted::new(vec![Ok(3), Ok(100)]);
        assert!(read_full_at_hand(&all, &mut [0; 9], 0));
        for last in [Ok(0), Err(Errno::AGAIN), Err(Errno::IO)] {
            let part = Scripted::new(vec![Ok(3), last, Ok(100)]);
            assert!(!read_full_at_hand(&part, &mut [0; 9], 0));
        }
    }

    #[test]
    fn a_file_that_ends_early_is_told_apart_from_one_that_fails() {
        let short = Scripted::new(vec![Ok(3), Ok(0)]);
        assert!(!read_full(&short, &mut [0; 9], 0).unwrap());
    }
}
