//! A line: what one person types so that another machine fetches a content that this one sends,
//! and the secret in it that lets that machine in.
//!
//! The secret never crosses the wire and is compared with nothing. It gives keys, one for each
//! receiver that it is used by: a receiver is known by the key that TLS has proved, as any peer
//! is, and whoever holds the secret finds that key again from the receiver's number, which is in
//! its name. What is compared are public keys.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use aws_lc_rs::error::Unspecified;
use fairhaul_core::manifest::ContentId;
use thiserror::Error;
use zeroize::Zeroizing;

use super::manifest::MANIFEST_MAX;
use super::path::shown;
use super::spelling::{BadSpelling, Spelling};
use super::ticket::{ADDRESS_MAX, BadTicket, ContentTicket, is_address};
use crate::identity::{Identity, PublicKey};

/// Most receivers of one line.
pub const RECEIVERS_MAX: u8 = 250;

/// Most addresses in a line.
pub const ADDRESSES_MAX: usize = 8;

/// Bytes of a secret: 128 bits, which nobody guesses at ten handshakes a second.
const SECRET: usize = 16;

/// Hexadecimal digits of a receiver's number at the end of its name.
const DIGITS: usize = 16;

/// Longest part of a receiver's name that is its own choice, in bytes.
const OWN_NAME_MAX: usize = 40;

const KEY: usize = 32;
const FIXED: usize = SECRET + KEY + KEY + 4 + 1 + 1;
/// Kinds of an address.
const V4: u8 = 4;
const V6: u8 = 6;
const NAME: u8 = 0;

/// The bit that says that the content is a tree.
const TREE: u8 = 1;

const SPELLING: Spelling = Spelling {
    prefix: "fhs1-",
    context: "fairhaul 1 line",
    most: FIXED + ADDRESSES_MAX * (1 + 1 + ADDRESS_MAX),
};

const RECEIVER_CONTEXT: &str = "fairhaul 1 key of a receiver of a line";
const NUMBER_CONTEXT: &str = "fairhaul 1 number of a receiver of a line";

/// What gives the keys of a line. It has no `Debug`, and is zeroed when it is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; SECRET]>);

/// What to fetch, from whom, and the right to.
#[derive(Clone)]
pub struct Line {
    /// What gives the keys.
    pub secret: Secret,
    /// The key of the sender.
    pub sender: [u8; KEY],
    /// What to fetch.
    pub content: ContentId,
    /// Bytes of its manifest, 1 to 64 MiB.
    pub manifest_bytes: u64,
    /// Whether it is a folder and not a file.
    pub is_tree: bool,
    /// For how many receivers it is, 1 to [`RECEIVERS_MAX`].
    pub receivers: u8,
    /// Where the sender listens, as `host:port`; 1 to [`ADDRESSES_MAX`].
    pub addresses: Vec<String>,
}

/// Why a text is no line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadLine {
    /// It is not written as lines are, or some of it is missing.
    #[error("line {0}")]
    Spelling(#[from] BadSpelling),
    /// A manifest of so many bytes.
    #[error("line names a manifest of {0} bytes; allowed are 1 to {MANIFEST_MAX}")]
    Manifest(u64),
    /// So many receivers.
    #[error("line is for {0} receivers; allowed are 1 to {RECEIVERS_MAX}")]
    Receivers(u8),
    /// So many addresses.
    #[error("line names {0} addresses; allowed are 1 to {ADDRESSES_MAX}")]
    Addresses(usize),
    /// An address that leads nowhere.
    #[error("line names the address \"{}\"; allowed is host:port", shown(.0))]
    Address(String),
    /// Something that this version does not know.
    #[error("line says something that this version does not know: is fairhaul older here?")]
    Unknown,
}

impl Secret {
    /// A new one, from the generator of the system.
    ///
    /// # Errors
    ///
    /// If that generator gives nothing.
    pub fn generate() -> Result<Self, Unspecified> {
        let mut bytes = Zeroizing::new([0; SECRET]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// The key pair of the receiver with that number.
    #[must_use]
    pub fn receiver(&self, number: u64) -> Identity {
        let mut material = Zeroizing::new([0; SECRET + 8]);
        material[..SECRET].copy_from_slice(&*self.0);
        material[SECRET..].copy_from_slice(&number.to_le_bytes());
        let seed = blake3::derive_key(RECEIVER_CONTEXT, &*material);
        Identity::from_seed(Zeroizing::new(seed)).expect("a hash is the seed of a key")
    }

    /// The number of the receiver that `own` tells from all others: the same each time it asks.
    #[must_use]
    pub fn number(&self, own: &[u8]) -> u64 {
        let mut hasher = blake3::Hasher::new_derive_key(NUMBER_CONTEXT);
        hasher.update(&*self.0);
        hasher.update(own);
        let hash = hasher.finalize();
        let first = hash.as_bytes().first_chunk();
        u64::from_le_bytes(*first.expect("a hash is longer than a number"))
    }

    /// Whether `key` is that of the receiver called `name`.
    #[must_use]
    pub fn gave(&self, key: &PublicKey, name: &str) -> bool {
        number_in(name).is_some_and(|number| self.receiver(number).public() == *key)
    }
}

/// What the receiver with that number is called, by the name of its machine.
#[must_use]
pub fn receiver_name(machine: &str, number: u64) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || "_.-".contains(*c);
    let own = machine.trim_start_matches('-').chars();
    let own: String = own.filter(fits).take(OWN_NAME_MAX).collect();
    format!("{own}:{number:016x}")
}

/// The part of a receiver's name that people know it by.
#[must_use]
pub fn machine_in(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((machine, _)) if !machine.is_empty() => machine,
        _ => name,
    }
}

fn number_in(name: &str) -> Option<u64> {
    let (_, digits) = name.rsplit_once(':')?;
    let plain = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let fits = digits.len() == DIGITS && digits.bytes().all(plain);
    u64::from_str_radix(digits, 16).ok().filter(|_| fits)
}

impl Line {
    /// Whether a text is meant to be a line.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        let head = text.trim().get(..SPELLING.prefix.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(SPELLING.prefix))
    }

    /// The ticket of its content, without its rights.
    ///
    /// # Errors
    ///
    /// None that a line which was read or checked has.
    pub fn ticket(&self) -> Result<ContentTicket, BadTicket> {
        let peers = vec![(self.sender, self.addresses[0].clone())];
        ContentTicket::new(self.content, self.manifest_bytes, peers)
    }

    /// What is wrong with it, if it was put together by hand.
    ///
    /// # Errors
    ///
    /// A number or an address that is out of bounds.
    pub fn check(&self) -> Result<(), BadLine> {
        if !(1..=MANIFEST_MAX).contains(&self.manifest_bytes) {
            return Err(BadLine::Manifest(self.manifest_bytes));
        }
        if !(1..=RECEIVERS_MAX).contains(&self.receivers) {
            return Err(BadLine::Receivers(self.receivers));
        }
        check_addresses(&self.addresses)
    }

    fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(self.secret.0.to_vec());
        out.extend(self.sender);
        out.extend(self.content.0);
        let manifest = u32::try_from(self.manifest_bytes).expect("at most MANIFEST_MAX");
        out.extend(manifest.to_le_bytes());
        out.push(if self.is_tree { TREE } else { 0 });
        out.push(self.receivers);
        for address in &self.addresses {
            put_address(address, &mut out);
        }
        out
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, BadLine> {
        let cut = || BadLine::from(BadSpelling::Cut);
        let (secret, rest) = bytes.split_first_chunk().ok_or_else(cut)?;
        let (sender, rest) = rest.split_first_chunk().ok_or_else(cut)?;
        let (content, rest) = rest.split_first_chunk().ok_or_else(cut)?;
        let (manifest, rest) = rest.split_first_chunk().ok_or_else(cut)?;
        let ([flags, receivers], mut rest) = rest.split_first_chunk().ok_or_else(cut)?;
        if flags & !TREE != 0 {
            return Err(BadLine::Unknown);
        }
        let mut addresses = Vec::new();
        while !rest.is_empty() {
            let (address, tail) = take_address(rest)?;
            addresses.push(address);
            rest = tail;
        }
        let line = Self {
            secret: Secret(Zeroizing::new(*secret)),
            sender: *sender,
            content: ContentId(*content),
            manifest_bytes: u32::from_le_bytes(*manifest).into(),
            is_tree: flags & TREE != 0,
            receivers: *receivers,
            addresses,
        };
        line.check()?;
        Ok(line)
    }
}

/// What is wrong with the addresses of a line that is still to be made.
///
/// # Errors
///
/// Their number, or one that leads nowhere.
pub fn check_addresses(addresses: &[String]) -> Result<(), BadLine> {
    if !(1..=ADDRESSES_MAX).contains(&addresses.len()) {
        return Err(BadLine::Addresses(addresses.len()));
    }
    match addresses.iter().find(|one| !is_address(one)) {
        Some(bad) => Err(BadLine::Address(bad.clone())),
        None => Ok(()),
    }
}

/// Appends `address`, an IP address in as few bytes as it has.
fn put_address(address: &str, out: &mut Vec<u8>) {
    let (host, port) = address.rsplit_once(':').expect("it was checked");
    let port: u16 = port.parse().expect("it was checked");
    let inside = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = inside.parse::<Ipv4Addr>() {
        out.push(V4);
        out.extend(ip.octets());
    } else if let Ok(ip) = inside.parse::<Ipv6Addr>() {
        out.push(V6);
        out.extend(ip.octets());
    } else {
        out.push(NAME);
        out.push(u8::try_from(host.len()).expect("at most ADDRESS_MAX"));
        out.extend(host.as_bytes());
    }
    out.extend(port.to_le_bytes());
}

fn take_address(bytes: &[u8]) -> Result<(String, &[u8]), BadLine> {
    let cut = || BadLine::from(BadSpelling::Cut);
    let ([kind], rest) = bytes.split_first_chunk().ok_or_else(cut)?;
    let (host, rest) = match *kind {
        V4 => {
            let (ip, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
            (Ipv4Addr::from(*ip).to_string(), rest)
        }
        V6 => {
            let (ip, rest) = rest.split_first_chunk::<16>().ok_or_else(cut)?;
            (format!("[{}]", Ipv6Addr::from(*ip)), rest)
        }
        NAME => {
            let ([len], rest) = rest.split_first_chunk().ok_or_else(cut)?;
            let (name, rest) = rest.split_at_checked(usize::from(*len)).ok_or_else(cut)?;
            (String::from_utf8_lossy(name).into_owned(), rest)
        }
        _ => return Err(BadLine::Unknown),
    };
    let (port, rest) = rest.split_first_chunk().ok_or_else(cut)?;
    Ok((format!("{host}:{}", u16::from_le_bytes(*port)), rest))
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&SPELLING.write(&self.to_bytes()))
    }
}

impl FromStr for Line {
    type Err = BadLine;

    /// Reads a line; space around it and capitals are forgiven.
    fn from_str(text: &str) -> Result<Self, BadLine> {
        Self::from_bytes(&Zeroizing::new(SPELLING.read(text)?))
    }
}

/// Shows no secret.
impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (content, addresses) = (&self.content, &self.addresses);
        write!(f, "Line {{ {content:?} from {addresses:?}, .. }}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn example() -> Line {
        let addresses = ["192.0.2.7:40123", "[2001:db8::1]:40123", "vm-1:7440"];
        Line {
            secret: Secret(Zeroizing::new([5; SECRET])),
            sender: [1; 32],
            content: ContentId([7; 32]),
            manifest_bytes: 1_000,
            is_tree: true,
            receivers: 3,
            addresses: addresses.map(str::to_owned).to_vec(),
        }
    }

    #[test]
    fn a_line_comes_back_from_its_letters() {
        let text = example().to_string();
        assert!(Line::is_one(&text) && !text.contains(char::is_whitespace));
        let again: Line = format!(" {}\n", text.to_uppercase()).parse().unwrap();
        assert_eq!(again.to_bytes(), example().to_bytes());
        assert_eq!(again.addresses, example().addresses);
        assert!(!format!("{again:?}").contains("5, 5"), "no secret is shown");
    }

    #[test]
    fn each_mistyped_character_of_a_line_is_found() {
        let text = example().to_string();
        for at in SPELLING.prefix.len()..text.len() {
            let mut other = text.clone().into_bytes();
            other[at] = if other[at] == b'a' { b'b' } else { b'a' };
            let other = String::from_utf8(other).unwrap();
            assert!(other.parse::<Line>().is_err(), "{other}");
        }
    }

    #[test]
    fn bounds_hold_when_another_program_made_the_line() {
        let bad = |change: fn(&mut Line)| {
            let mut line = example();
            change(&mut line);
            Line::from_bytes(&line.to_bytes()).unwrap_err()
        };
        assert_eq!(bad(|line| line.manifest_bytes = 0), BadLine::Manifest(0));
        assert_eq!(bad(|line| line.receivers = 0), BadLine::Receivers(0));
        assert_eq!(bad(|line| line.receivers = 251), BadLine::Receivers(251));
        assert_eq!(bad(|line| line.addresses.clear()), BadLine::Addresses(0));
        let many = |line: &mut Line| line.addresses = vec!["a:1".to_owned(); 9];
        assert_eq!(bad(many), BadLine::Addresses(9));
        let zero = |line: &mut Line| line.addresses[0] = "a:0".to_owned();
        assert_eq!(bad(zero), BadLine::Address("a:0".into()));
        let mut unknown = example().to_bytes();
        unknown[SECRET + KEY + KEY + 4] = 2;
        assert_eq!(Line::from_bytes(&unknown).unwrap_err(), BadLine::Unknown);
        let bytes = example().to_bytes();
        let whole = (0..bytes.len()).filter(|end| Line::from_bytes(&bytes[..*end]).is_ok());
        // It may end behind an address, and nowhere else; the checksum is for the rest.
        assert_eq!(whole.count(), 2);
    }

    /// Whoever holds the secret finds the key of a receiver from its name, and no other key.
    #[test]
    fn a_receiver_is_known_by_the_key_that_the_secret_gives_for_its_number() {
        let secret = example().secret;
        let number = secret.number(b"this machine");
        assert_eq!(number, secret.number(b"this machine"), "the same each time");
        assert_ne!(number, secret.number(b"another machine"));
        let name = receiver_name("vm-2", number);
        let key = secret.receiver(number).public();
        assert!(fairhaul_config::text::is_name(&name), "{name}");
        assert!(secret.gave(&key, &name));
        assert_eq!(machine_in(&name), "vm-2");
        assert!(!secret.gave(&key, &receiver_name("vm-2", number ^ 1)));
        let other = Secret(Zeroizing::new([6; SECRET]));
        assert!(!other.gave(&key, &name), "of another line");
        for bad in ["", "vm-2", "vm-2:", ":+00000000000001", "vm-2:0000"] {
            assert!(!secret.gave(&key, bad), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_in_one_line(
            text in "(fhs1-)?([a-z2-7]{0,200}|\\PC{0,20}|.{0,20})",
        ) {
            if let Err(why) = text.parse::<Line>() {
                prop_assert!(!why.to_string().contains(char::is_control));
            }
        }

        #[test]
        fn any_bytes_are_a_line_that_comes_back_or_refused(
            head: [u8; 32],
            receivers in 0..=255_u8,
            tail in proptest::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut bytes = [head; 3].concat();
            bytes.truncate(SECRET + KEY + KEY);
            bytes.extend([1, 0, 0, 0, 0, receivers]);
            bytes.extend(tail);
            if let Ok(line) = Line::from_bytes(&bytes) {
                let again = Line::from_bytes(&line.to_bytes()).unwrap();
                prop_assert_eq!(again.addresses, line.addresses);
            }
        }
    }
}
