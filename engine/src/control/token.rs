//! The token that HTTP requests need.
//!
//! Its file is a regular file of this user that no other user can read. There is no default token:
//! a missing file is created with 32 random bytes. The token itself is not kept in memory: its hash
//! is enough to compare.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::durable;

/// Random bytes of a token that we make.
const BYTES: usize = 32;
/// Least and most letters of a token that a person has chosen.
const LETTERS: (u64, u64) = (16, 1_024);

/// What a token must hash to.
#[derive(Clone)]
pub(crate) struct Token(blake3::Hash);

impl Token {
    /// Reads the token in the file at `path`, which is made if it is missing.
    ///
    /// # Errors
    ///
    /// The file cannot be read or made, others can read it, or it holds no token.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        match read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make(path)?;
                read(path)
            }
            other => other,
        }
    }

    /// Whether `got` is the token. Takes as long for a near miss as for a far one.
    pub(crate) fn is(&self, got: &str) -> bool {
        // Equality of these hashes is in constant time, whatever the length of what was got.
        blake3::hash(got.as_bytes()) == self.0
    }
}

/// Never what it must hash to.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

fn read(path: &Path) -> io::Result<Token> {
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK))
        .open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("is not a regular file"));
    }
    let others = about.mode() & 0o077;
    if others != 0 {
        let mode = about.mode() & 0o777;
        let text = format!("can be read by others; got mode {mode:03o}; allowed 600");
        return Err(io::Error::other(text));
    }
    // A token longer than allowed is seen to be so, and not read to its end.
    let mut text = Zeroizing::new(String::new());
    let most = LETTERS.1 + 2;
    (&mut file).take(most).read_to_string(&mut text)?;
    let token = text.trim_end_matches(['\r', '\n']);
    let plain = token
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b));
    let fits = (LETTERS.0..=LETTERS.1).contains(&(token.len() as u64));
    if !plain || !fits {
        let allowed = "allowed 16 to 1024 of A-Z, a-z, 0-9, \"-\", \"_\", \".\" and \"~\"";
        let text = format!("holds no token; got {} bytes; {allowed}", token.len());
        return Err(io::Error::other(text));
    }
    Ok(Token(blake3::hash(token.as_bytes())))
}

/// Makes the file with mode 0600 whatever the mask of the process, and over nothing.
fn make(path: &Path) -> io::Result<()> {
    let mut bytes = Zeroizing::new([0; BYTES]);
    aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| io::Error::other("no random bytes"))?;
    let mut line = Zeroizing::new(BASE64URL_NOPAD.encode(&*bytes));
    line.push('\n');
    durable::create(path, line.as_bytes())
}

fn flags(flags: OFlags) -> i32 {
    i32::from_ne_bytes(flags.bits().to_ne_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use tempfile::TempDir;

    use super::*;

    /// Register: O1.
    #[test]
    fn a_missing_file_is_made_with_a_token_of_its_own_that_only_we_can_read() {
        let folder = TempDir::new().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let token = Token::open(&one).unwrap();
        assert_eq!(fs::metadata(&one).unwrap().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&one).unwrap();
        assert_eq!(text.trim_end().len(), 43);
        assert!(token.is(text.trim_end()));
        assert!(
            Token::open(&one).unwrap().is(text.trim_end()),
            "and it stays"
        );
        assert!(!Token::open(&two).unwrap().is(text.trim_end()));
    }

    /// Register: O1.
    #[test]
    fn only_the_whole_token_is_the_token() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("token");
        let token = Token::open(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let text = text.trim_end();
        for wrong in [
            "",
            &text[1..],
            &text[..42],
            &format!("{text}A"),
            &text.to_lowercase(),
        ] {
            assert!(!token.is(wrong), "{wrong}");
        }
    }

    /// Register: O1, H14.
    #[test]
    fn a_file_that_others_can_read_or_that_is_no_token_is_refused() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("token");
        let refused = || Token::open(&path).unwrap_err().to_string();
        fs::write(&path, "0123456789abcdef\n").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert_eq!(
            refused(),
            "can be read by others; got mode 640; allowed 600"
        );
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let token = Token::open(&path).unwrap();
        assert!(token.is("0123456789abcdef"));
        assert_eq!(format!("{token:?}"), "Token(..)");
        for bad in ["", "short", "0123456789abcde f", &"x".repeat(1_025)] {
            fs::write(&path, bad).unwrap();
            assert!(refused().starts_with("holds no token; got "), "{bad}");
        }
        let other = folder.path().join("other");
        fs::rename(&path, &other).unwrap();
        symlink(&other, &path).unwrap();
        assert!(Token::open(&path).is_err(), "a link is not followed");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(Token::open(&path).is_err());
    }
}
