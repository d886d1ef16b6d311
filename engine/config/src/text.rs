//! Texts of a file that mean something: names, addresses, paths, keys, days, times of day.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use data_encoding::{BASE64_NOPAD, HEXLOWER_PERMISSIVE};
use serde_json::json;

use crate::fault::BadValue;
use crate::value;
use crate::value::{Given, Value};

/// Longest name, in bytes.
const NAME_MAX: usize = 64;
/// Longest text for a person, in bytes.
const PROSE_MAX: usize = 4_096;
/// Longest name of a host, and of one of its labels (RFC 1035).
const HOST_MAX: (usize, usize) = (253, 63);
/// Longest path of a folder that a peer may push into, and of a part of it (limit L8).
const FOLDER_MAX: (usize, usize) = (1_024, 255);

/// What a name may be, for messages.
pub const NAME_ALLOWED: &str =
    "1 to 64 of A-Z, a-z, 0-9, \"_\", \".\", \":\" and \"-\", not starting with \"-\" or \".\"";

/// A string that is of some form.
macro_rules! text {
    ($(#[$about:meta])* $type:ident, $noun:literal, $fits:expr, $allowed:expr, $schema:expr) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $type(String);

        impl Value for $type {
            fn allowed() -> String {
                $allowed.to_owned()
            }

            fn read(given: Given<'_>) -> Result<Self, BadValue> {
                fitting(given, $noun, $fits).map(|text| Self(text.to_owned()))
            }

            fn schema() -> serde_json::Value {
                $schema
            }
        }

        value!([] $type);

        impl $type {
            /// `text`, as a default. Panics if it is of another form.
            #[must_use]
            pub fn of(text: &str) -> Self {
                Self::read(Given::Text(text)).expect("a default is of the form")
            }
        }

        impl Deref for $type {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self)
            }
        }
    };
}

text! {
    /// What a peer, a group or a node is called: no spreadsheet takes it for a formula, and no
    /// system for a folder above.
    Name,
    "a name",
    is_name,
    NAME_ALLOWED,
    json!({ "type": "string", "pattern": "^[A-Za-z0-9_:][A-Za-z0-9_.:-]{0,63}$" })
}

text! {
    /// Where a node is reached: a host and a port.
    Address,
    "an address",
    is_address,
    "host:port with a name, an IPv4 address or an IPv6 address in brackets, and a port of 1 to \
     65535",
    json!({ "type": "string" })
}

text! {
    /// A folder below the data of a node.
    Folder,
    "a folder below the data",
    is_folder,
    "a path below the data folder, such as \"inbox\": parts of 1 to 255 bytes between \"/\", 1024 \
     in all, none of them \".\" or \"..\", without \"\\\", \":\" and control characters",
    json!({ "type": "string" })
}

text! {
    /// What a person reads.
    Prose,
    "plain text",
    is_prose,
    "text of at most 4096 bytes without control characters",
    json!({ "type": "string", "maxLength": PROSE_MAX })
}

text! {
    /// A table of data beside the file.
    CsvPath,
    "a path",
    |_| true,
    "the path of a CSV file",
    json!({ "type": "string" })
}

/// A path of at most `MOST` bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath<const MOST: usize>(PathBuf);

/// An Ed25519 public key, and how it is spelt. Whether it is a point of the curve shows when
/// it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerKey {
    bytes: [u8; 32],
    text: String,
}

value!([const MOST: usize] FilePath<MOST>);
value!([] PeerKey);

/// Whether `text` may name something.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.:-".contains(&b);
    (1..=NAME_MAX).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with(['-', '.'])
}

/// The bytes of a public key in hexadecimal digits or base64; `None` if `text` is no key.
#[must_use]
pub fn key_bytes(text: &str) -> Option<[u8; 32]> {
    let bytes = if text.len() == 64 {
        HEXLOWER_PERMISSIVE.decode(text.as_bytes())
    } else {
        let digits = text.strip_suffix('=').unwrap_or(text);
        BASE64_NOPAD.decode(digits.as_bytes())
    };
    bytes.ok()?.try_into().ok()
}

impl PeerKey {
    /// Its bytes, which both spellings have in common.
    #[must_use]
    pub const fn bytes(&self) -> [u8; 32] {
        self.bytes
    }
}

impl Address {
    /// Where a node listens if its file does not say.
    #[must_use]
    pub fn any() -> Self {
        Self::of("0.0.0.0:7440")
    }
}

impl Default for Prose {
    fn default() -> Self {
        Self::of("")
    }
}

impl<const MOST: usize> FilePath<MOST> {
    /// A default.
    #[must_use]
    pub fn new(path: &str) -> Self {
        Self(PathBuf::from(path))
    }

    /// Makes it the path that it is from `folder`, unless it is absolute.
    ///
    /// # Errors
    ///
    /// If that is longer than any such path.
    pub(crate) fn stand_in(&mut self, folder: &Path) -> Result<(), BadValue> {
        if self.0.is_absolute() {
            return Ok(());
        }
        let path = folder.join(&self.0);
        let length = path.as_os_str().len();
        if length > MOST {
            let what = format!("is a path of {length} bytes from the folder of the file");
            return Err(BadValue::new(what).allowing(Self::allowed()));
        }
        self.0 = path;
        Ok(())
    }
}

impl<const MOST: usize> Deref for FilePath<MOST> {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

/// The string that is given, if `fits`; it is to be `noun`.
fn fitting<'a>(
    given: Given<'a>,
    noun: &str,
    fits: impl Fn(&str) -> bool,
) -> Result<&'a str, BadValue> {
    let text = given.text()?;
    if fits(text) {
        Ok(text)
    } else {
        Err(BadValue::new(format!("is not {noun}")))
    }
}

impl<const MOST: usize> Value for FilePath<MOST> {
    fn allowed() -> String {
        format!("a path of 1 to {MOST} bytes without control characters")
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        let fits = |text: &str| {
            (1..=MOST).contains(&text.len()) && !text.contains(|c: char| c.is_control())
        };
        fitting(given, "a path", fits).map(|text| Self(PathBuf::from(text)))
    }
}

impl<const MOST: usize> fmt::Display for FilePath<MOST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl Value for PeerKey {
    fn allowed() -> String {
        "an Ed25519 public key: 64 hexadecimal digits, or 43 of A-Z, a-z, 0-9, \"+\" and \"/\" \
         (base64) with or without a \"=\" after them"
            .to_owned()
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        let text = given.text()?;
        let bytes = key_bytes(text).ok_or_else(|| BadValue::new("is not a public key"))?;
        let text = text.to_owned();
        Ok(Self { bytes, text })
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "string", "pattern": "^([0-9A-Fa-f]{64}|[A-Za-z0-9+/]{43}=?)$" })
    }
}

impl fmt::Display for PeerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_prose(text: &str) -> bool {
    let control = |c: char| c.is_control() && c != '\n';
    text.len() <= PROSE_MAX && !text.contains(control)
}

fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    // A sign or a leading zero is another spelling of a port, and nobody's intention.
    let plain = port.bytes().all(|b| b.is_ascii_digit()) && !port.starts_with('0');
    plain && port.parse::<u16>().is_ok() && is_host(host)
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']');
        return inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok());
    }
    let label = |label: &str| {
        let mut letters = label.bytes();
        (1..=HOST_MAX.1).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && letters.all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    // What looks like an IPv4 address is one: a name never ends in a number.
    let last = host.rsplit('.').next().unwrap_or(host);
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    host.len() <= HOST_MAX.0 && host.split('.').all(label)
}

fn is_folder(text: &str) -> bool {
    let part = |part: &str| {
        (1..=FOLDER_MAX.1).contains(&part.len())
            && part != "."
            && part != ".."
            && !part.contains(|c: char| c == '\\' || c == ':' || c.is_control())
    };
    text.len() <= FOLDER_MAX.0 && text.split('/').all(part)
}
