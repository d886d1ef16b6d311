//! The identity of a node: an Ed25519 key pair.
//!
//! Public keys that prove nothing are refused, and so are key files that others could read or have
//! put in the way. A secret key is never shown: not in a message, not in a dump of the process.

use std::fmt;
use std::io;
use std::path::Path;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use zeroize::Zeroizing;

pub use file::{Fault, IdentityError};
pub use public_key::{PublicKey, PublicKeyError};

mod file;
mod public_key;

/// Bytes of a secret key.
const SEED: usize = 32;
/// What stands before the 32 bytes of the secret in PKCS#8 (RFC 8410, section 7): version 0,
/// the algorithm Ed25519, and the lengths of both.
const PKCS8_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// A key pair. It has no `Debug` and no `Clone`; its bytes are zeroed when it is dropped.
///
/// ```compile_fail,E0277
/// fn print(what: impl std::fmt::Debug) {
///     println!("{what:?}");
/// }
/// print(fairhaul::identity::Identity::generate().unwrap());
/// ```
pub struct Identity {
    seed: Zeroizing<[u8; SEED]>,
    public: PublicKey,
}

impl Identity {
    /// A new one, from the generator of the system.
    ///
    /// # Errors
    ///
    /// If that generator gives nothing.
    pub fn generate() -> Result<Self, Unspecified> {
        let mut seed = Zeroizing::new([0; SEED]);
        rand::fill(seed.as_mut_slice())?;
        Self::from_seed(seed).ok_or(Unspecified)
    }

    /// A new one, in a new file at `path` that its owner alone can read and write.
    ///
    /// # Errors
    ///
    /// If something has that name, or the file cannot be made and brought to the disk.
    pub fn create(path: &Path) -> Result<Self, IdentityError> {
        let identity =
            Self::generate().map_err(|_| IdentityError::new(path, Fault::NoRandomness))?;
        file::create(path, &identity.to_pkcs8())?;
        Ok(identity)
    }

    /// The one in the file at `path`: PKCS#8 in PEM, as [`Identity::create`] and
    /// `openssl genpkey -algorithm ed25519` write it.
    ///
    /// # Errors
    ///
    /// If it is not a plain file that its owner alone can use, or holds anything else.
    pub fn load(path: &Path) -> Result<Self, IdentityError> {
        let seed = file::load(path)?;
        Self::from_seed(seed).ok_or_else(|| IdentityError::new(path, Fault::WeakKey))
    }

    /// The text of a key file, for who writes it where this program is not: PKCS#8 in PEM, as
    /// [`Identity::load`] reads it. The file must have mode 0600.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        file::pem(&self.to_pkcs8())
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> PublicKey {
        self.public
    }

    /// The secret in the form that TLS takes.
    pub(crate) fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        // All at once, so that no copy stays behind in a buffer that grew.
        let mut der = Zeroizing::new(Vec::with_capacity(PKCS8_HEAD.len() + SEED));
        der.extend_from_slice(&PKCS8_HEAD);
        der.extend_from_slice(self.seed.as_slice());
        der
    }

    pub(crate) fn from_seed(seed: Zeroizing<[u8; SEED]>) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).ok()?;
        let public = pair.public_key().as_ref().try_into().ok()?;
        let public = PublicKey::from_bytes(public).ok()?;
        Some(Self { seed, public })
    }
}

/// Shows the public half alone.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.public.fmt(f)
    }
}

/// Keeps this process from ever leaving an image of its memory on a disk, and other processes of
/// the same user from looking into it. To be called before a secret is read.
///
/// # Errors
///
/// What the system says.
pub fn no_core_dumps() -> io::Result<()> {
    // A handler that the system pipes images into ignores the limit, but not the flag.
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    Ok(())
}
