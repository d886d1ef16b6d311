//! A ticket: the line that tells another person what to fetch and from whom.
//!
//! It proves nothing: whoever holds a ticket still has to be let in. One that lets its holder in
//! is a [line](super::line).

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use fairhaul_core::manifest::ContentId;
use thiserror::Error;

use super::manifest::{MANIFEST_MAX, content_id};
use super::path::shown;
use super::spelling::{BadSpelling, Spelling};

/// Most peers in a ticket.
pub const PEERS_MAX: usize = 8;

/// Longest address of a peer, in bytes.
pub const ADDRESS_MAX: usize = 255;

/// Longest manifest that rides in a ticket, in bytes: that of a file or two. Who has it need not
/// fetch it, which for a small file is half of the waiting.
pub(crate) const INSIDE_MAX: usize = 256;

/// Bytes of a content's identity and of a peer's key.
const KEY: usize = 32;

const SPELLING: Spelling = Spelling {
    prefix: "fh1-",
    context: "fairhaul 1 ticket",
    most: KEY + 4 + 1 + PEERS_MAX * (KEY + 1 + ADDRESS_MAX) + INSIDE_MAX,
};

/// What to fetch, and who has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentTicket {
    content: ContentId,
    manifest_bytes: u64,
    peers: Vec<([u8; 32], String)>,
    manifest: Vec<u8>,
}

/// Why a text, or the parts of a ticket, are refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadTicket {
    /// It is not written as tickets are, or some of it is missing.
    #[error("ticket {0}")]
    Spelling(#[from] BadSpelling),
    /// A manifest of so many bytes.
    #[error("ticket names a manifest of {0} bytes; allowed are 1 to {MANIFEST_MAX}")]
    Manifest(u64),
    /// Its manifest belongs to another content.
    #[error("ticket has a manifest inside that is not the one of its content")]
    Foreign,
    /// So many peers.
    #[error("ticket names {0} peers; allowed are {PEERS_MAX}")]
    Peers(usize),
    /// An address that leads nowhere.
    #[error("ticket names the address \"{}\"; allowed is host:port", shown(.0))]
    Address(String),
}

impl ContentTicket {
    /// A ticket for `content`, whose manifest has `manifest_bytes` bytes, from `peers`: their
    /// keys, and where they listen as `host:port`.
    ///
    /// # Errors
    ///
    /// A manifest of no bytes or more than 64 MiB, more than [`PEERS_MAX`] peers, or an address
    /// that is none.
    pub fn new(
        content: ContentId,
        manifest_bytes: u64,
        peers: Vec<([u8; 32], String)>,
    ) -> Result<Self, BadTicket> {
        if manifest_bytes == 0 || manifest_bytes > MANIFEST_MAX {
            return Err(BadTicket::Manifest(manifest_bytes));
        }
        if peers.len() > PEERS_MAX {
            return Err(BadTicket::Peers(peers.len()));
        }
        if let Some((_, address)) = peers.iter().find(|(_, address)| !is_address(address)) {
            return Err(BadTicket::Address(address.clone()));
        }
        Ok(Self {
            content,
            manifest_bytes,
            peers,
            manifest: Vec::new(),
        })
    }

    /// The same with the manifest inside, if `encoding` is the manifest of its content and at
    /// most [`INSIDE_MAX`] bytes; else as it was.
    #[must_use]
    pub(crate) fn with_manifest(mut self, encoding: &[u8]) -> Self {
        if encoding.len() <= INSIDE_MAX && self.is_manifest(encoding) {
            self.manifest = encoding.to_vec();
        }
        self
    }

    fn is_manifest(&self, encoding: &[u8]) -> bool {
        encoding.len() as u64 == self.manifest_bytes && content_id(encoding) == self.content
    }

    /// The manifest, verified, if it is inside.
    #[must_use]
    pub fn manifest(&self) -> Option<&[u8]> {
        (!self.manifest.is_empty()).then_some(&self.manifest)
    }

    /// What to fetch.
    #[must_use]
    pub const fn content(&self) -> ContentId {
        self.content
    }

    /// Bytes of its manifest, 1 to 64 MiB.
    #[must_use]
    pub const fn manifest_bytes(&self) -> u64 {
        self.manifest_bytes
    }

    /// Who has it: key, and address as `host:port`. At most [`PEERS_MAX`].
    #[must_use]
    pub fn peers(&self) -> &[([u8; 32], String)] {
        &self.peers
    }

    fn to_bytes(&self) -> Vec<u8> {
        let manifest = u32::try_from(self.manifest_bytes).expect("at most MANIFEST_MAX");
        let mut out = self.content.0.to_vec();
        out.extend(manifest.to_le_bytes());
        out.push(u8::try_from(self.peers.len()).expect("at most PEERS_MAX"));
        for (key, address) in &self.peers {
            out.extend(key);
            out.push(u8::try_from(address.len()).expect("at most ADDRESS_MAX"));
            out.extend(address.as_bytes());
        }
        out.extend(&self.manifest);
        out
    }

    /// What is wrong here another program wrote.
    fn from_bytes(body: &[u8]) -> Result<Self, BadTicket> {
        let (content, rest) = body.split_first_chunk().ok_or(BadSpelling::Cut)?;
        let (manifest, rest) = rest.split_first_chunk().ok_or(BadSpelling::Cut)?;
        let ([count], mut rest) = rest.split_first_chunk().ok_or(BadSpelling::Cut)?;
        let count = usize::from(*count);
        if count > PEERS_MAX {
            return Err(BadTicket::Peers(count));
        }
        let mut peers = Vec::with_capacity(count);
        for _ in 0..count {
            let (key, tail) = rest.split_first_chunk::<KEY>().ok_or(BadSpelling::Cut)?;
            let ([len], tail) = tail.split_first_chunk().ok_or(BadSpelling::Cut)?;
            let (address, tail) = tail
                .split_at_checked(usize::from(*len))
                .ok_or(BadSpelling::Cut)?;
            peers.push((*key, String::from_utf8_lossy(address).into_owned()));
            rest = tail;
        }
        let mut ticket = Self::new(
            ContentId(*content),
            u32::from_le_bytes(*manifest).into(),
            peers,
        )?;
        if rest.is_empty() {
            return Ok(ticket);
        }
        if rest.len() as u64 != ticket.manifest_bytes || rest.len() > INSIDE_MAX {
            return Err(BadSpelling::Cut.into());
        }
        if !ticket.is_manifest(rest) {
            return Err(BadTicket::Foreign);
        }
        ticket.manifest = rest.to_vec();
        Ok(ticket)
    }
}

impl fmt::Display for ContentTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&SPELLING.write(&self.to_bytes()))
    }
}

impl FromStr for ContentTicket {
    type Err = BadTicket;

    /// Reads a ticket; space around it and capitals are forgiven.
    fn from_str(text: &str) -> Result<Self, BadTicket> {
        Self::from_bytes(&SPELLING.read(text)?)
    }
}

/// Whether a text is `host:port`, with a name, an IPv4 address, or an IPv6 address in brackets.
pub(super) fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse::<u16>().is_ok_and(|port| port > 0);
    let inside = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host = inside.map_or_else(
        || {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            !host.is_empty() && host.bytes().all(plain)
        },
        |host| host.parse::<Ipv6Addr>().is_ok(),
    );
    text.len() <= ADDRESS_MAX && digits && port && host
}

#[cfg(test)]
mod tests;
