//! The local socket of the control, for the node's user alone.
//!
//! It has mode 0600 from its first moment, whatever the mask of the process. A socket on which
//! another process answers is not replaced, nor anything that is no socket.

use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::{fs, fs::DirBuilder};

use rustix::fs::Mode;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

/// Callers that may wait to be accepted.
const BACKLOG: i32 = 64;

/// A path that a socket was bound to. Dropping it takes the name away; that must be done while
/// the socket lives, for then its inode can be nobody else's.
#[derive(Debug)]
pub(crate) struct Bound {
    path: PathBuf,
    /// Device and inode: what is there may be another's by then.
    place: (u64, u64),
}

/// Why there is no local socket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    /// Somebody answers on it.
    #[error("another node answers there")]
    Taken,
    /// Something else has its name.
    #[error("is not a socket")]
    NoSocket,
    /// It cannot be made.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Listens at `path`. Its folder is made if it is missing. Must be called within a runtime.
pub(crate) fn listen(path: &Path) -> Result<(UnixListener, Bound), SocketError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        // A folder that others can enter is a person's choice to make.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    clear(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // On Linux the file gets the mode that the socket has before it gets its name, so there is
    // no moment at which others could connect.
    let own = Mode::RUSR | Mode::WUSR;
    rustix::fs::fchmod(&socket, own).map_err(io::Error::from)?;
    socket.bind(&SockAddr::unix(path)?)?;
    rustix::fs::chmod(path, own).map_err(io::Error::from)?;
    let about = fs::symlink_metadata(path)?;
    let bound = Bound {
        path: path.to_owned(),
        place: (about.dev(), about.ino()),
    };
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let listener = UnixListener::from_std(socket.into())?;
    Ok((listener, bound))
}

/// Removes a socket that a node has left behind when it was killed.
fn clear(path: &Path) -> Result<(), SocketError> {
    let about = match fs::symlink_metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if !about.file_type().is_socket() {
        return Err(SocketError::NoSocket);
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(SocketError::Taken),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Ok(fs::remove_file(path)?)
        }
        Err(error) => Err(error.into()),
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let still = fs::symlink_metadata(&self.path)
            .is_ok_and(|about| (about.dev(), about.ino()) == self.place);
        if still {
            drop(fs::remove_file(&self.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// Register: O1.
    #[tokio::test]
    async fn the_socket_is_ours_alone_from_its_first_moment() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("new").join("control.sock");
        let (_listener, bound) = listen(&path).unwrap();
        let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        drop(bound);
        assert!(!path.exists(), "and it goes with the node");
    }

    /// Register: O1.
    #[test]
    fn the_mode_holds_before_any_change_after_the_name_is_given() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("s");
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR).unwrap();
        socket.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_living_one_is_not() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("control.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "left behind");
        let (listener, bound) = listen(&path).unwrap();
        assert!(matches!(listen(&path), Err(SocketError::Taken)));
        assert!(path.exists());
        // Somebody took the name away, and another node has it now: it stays when we go.
        fs::remove_file(&path).unwrap();
        let _other = listen(&path).unwrap();
        drop(bound);
        assert!(path.exists());
        drop(listener);
    }

    #[tokio::test]
    async fn what_is_no_socket_is_left_alone() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("control.sock");
        fs::write(&path, "mine").unwrap();
        assert!(matches!(listen(&path), Err(SocketError::NoSocket)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }
}
