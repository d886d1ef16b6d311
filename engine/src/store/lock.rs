//! One process for each data directory.
//!
//! A lock of the kernel ends with the process that holds it, so that a kill leaves no stale lock.
//! A file system that cannot lock is refused.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::StoreError;

/// Name of the lock file in the data directory.
const NAME: &str = "lock";

/// Digits of a process id that are read from a lock file.
const PID_DIGITS_MAX: u64 = 20;

/// The right to work on a data directory; given back when dropped.
#[derive(Debug)]
pub struct DataLock {
    held: File,
}

impl DataLock {
    /// Takes the lock of the data directory `dir`, which must be there, without waiting.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] with the process that holds it, [`StoreError::NoLocks`] on a file
    /// system without locks, [`StoreError::Target`] if the lock file cannot be made.
    pub fn take(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(NAME);
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            // A planted link must not name another file. The standard library takes a bare number.
            .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
            .open(&path);
        let mut held = opened.map_err(|source| StoreError::Target {
            path: dir.to_owned(),
            source,
        })?;
        if let Err(errno) = rustix::fs::flock(&held, FlockOperation::NonBlockingLockExclusive) {
            return Err(refusal(errno, path, &mut held));
        }
        // The pid is for people; the lock holds without it, on a full disk too.
        let _ = held.set_len(0);
        let _ = write!(held, "{}", std::process::id());
        Ok(Self { held })
    }
}

/// Said, not left to the end of the file: a process that is about to become another program has
/// the file too, and would hold the lock until then.
impl Drop for DataLock {
    fn drop(&mut self) {
        let _ = rustix::fs::flock(&self.held, FlockOperation::Unlock);
    }
}

/// What it means that a lock was not given.
fn refusal(errno: Errno, path: PathBuf, file: &mut File) -> StoreError {
    if errno == Errno::WOULDBLOCK {
        let pid = holder(file);
        return StoreError::Locked { path, pid };
    }
    StoreError::NoLocks {
        path,
        source: errno.into(),
    }
}

/// The process that wrote itself into the lock file.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(PID_DIGITS_MAX).read_to_string(&mut text);
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if read.is_ok() && digits {
        text
    } else {
        "?".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// Register: P10.
    #[test]
    fn a_second_lock_is_refused_and_names_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataLock::take(dir.path()).unwrap();
        let refused = DataLock::take(dir.path()).unwrap_err().to_string();
        let told = format!("in use by process {}", std::process::id());
        assert!(refused.ends_with(&told), "{refused}");
        drop(first);
        DataLock::take(dir.path()).unwrap();
    }

    /// As between the fork and the exec of a command that another thread runs.
    #[test]
    fn a_process_that_inherited_the_file_does_not_hold_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataLock::take(dir.path()).unwrap();
        let inherited = first.held.try_clone().unwrap();
        drop(first);
        DataLock::take(dir.path()).unwrap();
        drop(inherited);
    }

    /// Register: P10.
    #[test]
    fn the_lock_of_a_killed_process_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let lock = dir.path().join(NAME);
        // Another process takes the lock, says so, and is killed while it holds it.
        let mut other = Command::new("flock")
            .arg(&lock)
            .args(["sh", "-c", "echo held; exec sleep 600"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = [0; 5];
        other
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut said)
            .unwrap();
        assert!(matches!(
            DataLock::take(dir.path()),
            Err(StoreError::Locked { .. })
        ));
        // `flock` runs the shell as a child that holds the lock as well.
        let children = format!("/proc/{0}/task/{0}/children", other.id());
        let child = std::fs::read_to_string(children).unwrap_or_default();
        other.kill().unwrap();
        other.wait().unwrap();
        let _ = Command::new("kill")
            .arg("-9")
            .args(child.split_whitespace())
            .status();
        // Which is free once the system has ended it too.
        while DataLock::take(dir.path()).is_err() {
            std::thread::yield_now();
        }
    }

    /// Register: P10.
    #[test]
    fn a_file_system_without_locks_is_refused_and_not_taken_for_a_second_process() {
        for errno in [Errno::NOLCK, Errno::OPNOTSUPP, Errno::NOSYS, Errno::INVAL] {
            let mut file = tempfile::tempfile().unwrap();
            let refused = refusal(errno, "lock".into(), &mut file);
            assert!(matches!(&refused, StoreError::NoLocks { .. }));
            assert!(
                refused
                    .to_string()
                    .contains("needs a file system with locks")
            );
        }
    }

    /// Register: P10, M4.
    #[test]
    fn a_planted_link_is_not_taken_for_the_lock_file() {
        let dir = tempfile::tempdir().unwrap();
        let outside = dir.path().join("outside");
        std::fs::write(&outside, "precious").unwrap();
        std::os::unix::fs::symlink(&outside, dir.path().join(NAME)).unwrap();
        assert!(matches!(
            DataLock::take(dir.path()),
            Err(StoreError::Target { .. })
        ));
        assert_eq!(std::fs::read_to_string(outside).unwrap(), "precious");
    }
}
