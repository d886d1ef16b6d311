//! The file of a secret key: PKCS#8 in PEM and nothing else, readable by its owner alone.
//!
//! Links, folders, devices, and files with any right for others are refused.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use data_encoding::BASE64;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use zeroize::Zeroizing;

use super::{PKCS8_HEAD, SEED};
use crate::durable;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";
/// Most bytes that are read: a key takes 119, and no other kind of key file that is recognised
/// needs more than its first line.
const BYTES_MAX: usize = 4096;
/// Rights that only an owner may have.
const OTHERS: u32 = 0o077;

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
#[error("key file {}: {fault}", path.display())]
pub struct IdentityError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub fault: Fault,
}

/// What is wrong with a key file.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The system refuses.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Something has that name already.
    #[error("exists already, and a key is never overwritten")]
    Exists,
    /// It is a symbolic link.
    #[error("is a symbolic link, a plain file is needed")]
    Link,
    /// It is a folder, a device or anything else.
    #[error("is not a plain file")]
    NotAFile,
    /// Others than its owner have rights.
    #[error("has mode {0:04o} and can be used by others, allowed is 0600 or 0400 (chmod 600)")]
    Open(u32),
    /// It belongs to another user, who can read it.
    #[error("belongs to user {0}, not to the one who runs this")]
    Foreign(u32),
    /// It holds nothing.
    #[error("is empty")]
    Empty,
    /// It ends before its key does.
    #[error("is truncated")]
    Truncated,
    /// It holds something else.
    #[error("holds {0}, not an Ed25519 private key in PKCS#8 (PEM)")]
    WrongType(&'static str),
    /// The key that it holds is not one that others would accept.
    #[error("holds a key that proves nothing")]
    WeakKey,
    /// The system gives no random numbers.
    #[error("cannot be made: the system gives no random numbers")]
    NoRandomness,
}

impl IdentityError {
    pub(super) fn new(path: &Path, fault: impl Into<Fault>) -> Self {
        Self {
            path: path.to_owned(),
            fault: fault.into(),
        }
    }
}

/// Writes `der` into a new file.
pub(super) fn create(path: &Path, der: &[u8]) -> Result<(), IdentityError> {
    let fail = |fault: Fault| IdentityError::new(path, fault);
    durable::create(path, pem(der).as_bytes()).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => fail(Fault::Exists),
        _ => fail(error.into()),
    })
}

/// The text of a key file.
pub(super) fn pem(der: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(format!("{BEGIN}\n{}\n{END}\n", *encoded(der)))
}

fn encoded(der: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(BASE64.encode(der))
}

/// The secret in the file at `path`.
pub(super) fn load(path: &Path) -> Result<Zeroizing<[u8; SEED]>, IdentityError> {
    let text = read(path).map_err(|fault| IdentityError::new(path, fault))?;
    secret(&text).map_err(|fault| IdentityError::new(path, fault))
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Fault> {
    // Not blocking: the open of a pipe would wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| match errno {
        Errno::LOOP => Fault::Link,
        Errno::NXIO => Fault::NotAFile,
        errno => Fault::Io(errno.into()),
    })?;
    // Of what was opened, not of what has the name by now.
    let stat = rustix::fs::fstat(&file).map_err(io::Error::from)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(Fault::NotAFile);
    }
    if stat.st_mode & OTHERS != 0 {
        return Err(Fault::Open(stat.st_mode & 0o7777));
    }
    let owner = stat.st_uid;
    if owner != rustix::process::geteuid().as_raw() && owner != 0 {
        return Err(Fault::Foreign(owner));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(BYTES_MAX));
    File::from(file)
        .take(BYTES_MAX as u64)
        .read_to_end(&mut text)?;
    Ok(text)
}

fn secret(text: &[u8]) -> Result<Zeroizing<[u8; SEED]>, Fault> {
    let Ok(text) = std::str::from_utf8(text) else {
        return Err(Fault::WrongType("binary data"));
    };
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    match lines.next() {
        None => return Err(Fault::Empty),
        Some(BEGIN) => {}
        Some(other) => return Err(not_begin(other)),
    }
    let body = lines.next().ok_or(Fault::Truncated)?;
    match lines.next() {
        Some(END) => {}
        None => return Err(Fault::Truncated),
        // The keys of every other algorithm are longer than a line.
        Some(_) => return Err(Fault::WrongType("a key of another algorithm")),
    }
    if lines.next().is_some() {
        return Err(Fault::WrongType("more than one thing"));
    }
    let der = BASE64.decode(body.as_bytes()).map(Zeroizing::new);
    let der = der.map_err(|_| Fault::WrongType("damaged base64"))?;
    let seed = der.strip_prefix(&PKCS8_HEAD[..]);
    let seed = seed.and_then(|seed| <[u8; SEED]>::try_from(seed).ok());
    let other = Fault::WrongType("a key of another algorithm or another form");
    seed.map(Zeroizing::new).ok_or(other)
}

/// What the first line of another file says that it is.
fn not_begin(line: &str) -> Fault {
    if BEGIN.starts_with(line) {
        return Fault::Truncated;
    }
    Fault::WrongType(match line {
        "-----BEGIN OPENSSH PRIVATE KEY-----" => "an OpenSSH key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----" => "an encrypted key",
        "-----BEGIN RSA PRIVATE KEY-----" => "an RSA key",
        "-----BEGIN EC PRIVATE KEY-----" => "an elliptic-curve key",
        "-----BEGIN PUBLIC KEY-----" => "a public key",
        "-----BEGIN CERTIFICATE-----" => "a certificate",
        _ => "something else",
    })
}
