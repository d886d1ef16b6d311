//! The frames between two nodes before there is a session: the dialler's Hello, and the acceptor's
//! Welcome or Refusal.
//!
//! Each has one encoding. Every other is refused, every frame above 1 KiB (limit L1) and every
//! version but this one; nothing that a peer sends causes a panic.
//!
//! A frame is `length: u32 | type: u8 | version: u16 | body` as in [`wire`](super), with types
//! that no session knows. A text is `length: u8 | UTF-8`, without control characters.
//!
//! | type | frame | body |
//! | --- | --- | --- |
//! | 64 | Hello | key: 32 bytes, name: text up to 64 bytes, port: `u16`, 0 for none |
//! | 65 | Welcome | name: text up to 64 bytes |
//! | 66 | Refusal | code: `u8`, text up to 128 bytes |
//!
//! The version stands before all that it could change. Who a peer is, its key proves: the key in
//! a Hello is there to be compared, and a Hello that lies ends the connection.

use std::fmt;

/// The version of the protocol that this node speaks.
pub const VERSION: u16 = 3;
/// Most bytes of a frame with its length (limit L1).
pub const GREETING_MAX: usize = 1024;
/// Most bytes of a node's name.
pub const NAME_MAX: usize = 64;
/// Most bytes of the text of a refusal.
pub const TEXT_MAX: usize = 128;

/// Bytes of a length.
const LENGTH: usize = 4;
/// Bytes of a type and a version.
const HEAD: usize = 1 + 2;
/// Bytes of a key.
const KEY: usize = 32;

const HELLO: u8 = 64;
const WELCOME: u8 = 65;
const REFUSAL: u8 = 66;

/// The first frame of a dialler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The version of the protocol that it speaks.
    pub version: u16,
    /// The key that it claims as its own.
    pub key: [u8; KEY],
    /// What it calls itself; may be empty.
    pub name: Box<str>,
    /// The port at which it can be dialled, never 0; none if it cannot.
    pub listen: Option<u16>,
}

/// The answer to a peer that is welcome. The session begins right after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The version of the protocol that the acceptor speaks.
    pub version: u16,
    /// What the acceptor calls itself; may be empty.
    pub name: Box<str>,
}

/// The answer to a peer that is not. The connection ends after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The version of the protocol that the acceptor speaks.
    pub version: u16,
    /// Why.
    pub code: RefusalCode,
    /// The same for a person.
    pub text: Box<str>,
}

/// Why a peer is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum RefusalCode {
    /// It is unknown, or has no right: which of the two is not said.
    NotWelcome = 1,
    /// It speaks another version.
    Version = 2,
    /// Its greeting is none.
    BadGreeting = 3,
    /// Its Hello names another key than the one that it has proved.
    WrongKey = 4,
    /// There is a session with it already.
    Duplicate = 5,
    /// There are as many sessions as are allowed; it may try again later.
    Busy = 6,
    /// It was banned for an offence.
    Banned = 7,
    /// The node stops; it may try again later.
    Stopping = 8,
    /// It is the node itself.
    Yourself = 9,
    /// Its name belongs to another key.
    KeyChanged = 10,
}

/// One frame of a greeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Greeting {
    /// From the dialler.
    Hello(Hello),
    /// From the acceptor.
    Welcome(Welcome),
    /// From the acceptor.
    Refusal(Refusal),
}

/// Why bytes are no greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GreetingError {
    /// A length that no greeting has.
    TooLarge(u32),
    /// A frame whose length does not match its contents.
    Length,
    /// Another type of frame.
    UnknownType(u8),
    /// Another version than [`VERSION`].
    Version(u16),
    /// A name or text above its limit.
    TextTooLong(u8),
    /// A name or text that is not UTF-8, or has control characters.
    BadText,
    /// A reason that this version does not know.
    UnknownCode(u8),
}

impl RefusalCode {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::NotWelcome,
        Self::Version,
        Self::BadGreeting,
        Self::WrongKey,
        Self::Duplicate,
        Self::Busy,
        Self::Banned,
        Self::Stopping,
        Self::Yourself,
        Self::KeyChanged,
    ];
}

impl Refusal {
    /// A refusal of this version with the text of its code.
    #[must_use]
    pub fn new(code: RefusalCode) -> Self {
        Self {
            version: VERSION,
            code,
            text: code.to_string().into(),
        }
    }

    /// The same with a text of its own, which is cut at [`TEXT_MAX`].
    #[must_use]
    pub fn because(code: RefusalCode, text: &str) -> Self {
        let mut end = text.len().min(TEXT_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        Self {
            version: VERSION,
            code,
            text: text[..end].into(),
        }
    }

    /// The refusal for a greeting that cannot be decoded.
    #[must_use]
    pub fn of_error(error: GreetingError) -> Self {
        let code = match error {
            GreetingError::Version(_) => RefusalCode::Version,
            _ => RefusalCode::BadGreeting,
        };
        Self {
            version: VERSION,
            code,
            text: error.to_string().into(),
        }
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotWelcome => "not welcome here",
            Self::Version => "another version of the protocol",
            Self::BadGreeting => "a greeting that cannot be read",
            Self::WrongKey => "another key than the one that was proved",
            Self::Duplicate => "there is a session already",
            Self::Busy => "too many sessions, try again later",
            Self::Banned => "banned for an offence",
            Self::Stopping => "the node stops, try again later",
            Self::Yourself => "this is the node itself",
            Self::KeyChanged => "the name belongs to another key",
        })
    }
}

impl fmt::Display for GreetingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(bytes) => write!(f, "greeting of {bytes} bytes, allowed is 1 KiB"),
            Self::Length => f.write_str("greeting of the wrong length"),
            Self::UnknownType(kind) => write!(f, "frame of type {kind} instead of a greeting"),
            Self::Version(theirs) => write!(f, "version {theirs}, this node speaks {VERSION}"),
            Self::TextTooLong(bytes) => write!(f, "text of {bytes} bytes in a greeting"),
            Self::BadText => f.write_str("text in a greeting that is not plain UTF-8"),
            Self::UnknownCode(code) => write!(f, "refused for the unknown reason {code}"),
        }
    }
}

impl std::error::Error for GreetingError {}

/// Appends the frame of `greeting` to `out`.
///
/// # Panics
///
/// If a text is above its limit or has control characters, or the port is 0: its sender made
/// it, so that is a bug.
pub fn encode(greeting: &Greeting, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend([0; LENGTH]);
    let mut head = |kind: u8, version: u16| {
        out.push(kind);
        out.extend(version.to_le_bytes());
    };
    match greeting {
        Greeting::Hello(hello) => {
            head(HELLO, hello.version);
            out.extend(hello.key);
            encode_text(&hello.name, NAME_MAX, out);
            assert_ne!(hello.listen, Some(0), "a port that nobody can dial");
            out.extend(hello.listen.unwrap_or(0).to_le_bytes());
        }
        Greeting::Welcome(welcome) => {
            head(WELCOME, welcome.version);
            encode_text(&welcome.name, NAME_MAX, out);
        }
        Greeting::Refusal(refusal) => {
            head(REFUSAL, refusal.version);
            out.push(refusal.code as u8);
            encode_text(&refusal.text, TEXT_MAX, out);
        }
    }
    let length = u32::try_from(out.len() - start - LENGTH).expect("every text has a limit");
    out[start..start + LENGTH].copy_from_slice(&length.to_le_bytes());
}

fn encode_text(text: &str, most: usize, out: &mut Vec<u8>) {
    assert!(text.len() <= most, "a text of {} bytes", text.len());
    assert!(
        !text.contains(char::is_control),
        "a text with control characters"
    );
    out.push(u8::try_from(text.len()).expect("every limit is below 256"));
    out.extend(text.as_bytes());
}

/// The greeting at the front of `bytes`, and how many of them it takes. None if more bytes are
/// needed: never more than [`GREETING_MAX`] in all.
///
/// # Errors
///
/// What the peer did wrong, as soon as the bytes show it.
pub fn decode(bytes: &[u8]) -> Result<Option<(Greeting, usize)>, GreetingError> {
    let Some((length, rest)) = bytes.split_first_chunk::<LENGTH>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(*length);
    let end = length as usize;
    if end > GREETING_MAX - LENGTH {
        return Err(GreetingError::TooLarge(length));
    }
    if end < HEAD {
        return Err(GreetingError::Length);
    }
    if let Some(kind) = rest.first()
        && !(HELLO..=REFUSAL).contains(kind)
    {
        return Err(GreetingError::UnknownType(*kind));
    }
    let Some(frame) = rest.get(..end) else {
        return Ok(None);
    };
    let mut fields = Fields(&frame[1..]);
    let version = fields.number()?;
    if version != VERSION {
        return Err(GreetingError::Version(version));
    }
    let greeting = match frame[0] {
        HELLO => Greeting::Hello(Hello {
            version,
            key: fields.array()?,
            name: fields.text(NAME_MAX)?,
            listen: Some(fields.number()?).filter(|port| *port != 0),
        }),
        WELCOME => Greeting::Welcome(Welcome {
            version,
            name: fields.text(NAME_MAX)?,
        }),
        _ => Greeting::Refusal(Refusal {
            version,
            code: code(fields.byte()?)?,
            text: fields.text(TEXT_MAX)?,
        }),
    };
    if !fields.0.is_empty() {
        return Err(GreetingError::Length);
    }
    Ok(Some((greeting, LENGTH + end)))
}

fn code(byte: u8) -> Result<RefusalCode, GreetingError> {
    let known = RefusalCode::ALL
        .into_iter()
        .find(|code| *code as u8 == byte);
    known.ok_or(GreetingError::UnknownCode(byte))
}

/// What is left of a frame.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], GreetingError> {
        let (front, rest) = self
            .0
            .split_at_checked(bytes)
            .ok_or(GreetingError::Length)?;
        self.0 = rest;
        Ok(front)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], GreetingError> {
        let front = self.take(N)?;
        Ok(front.try_into().expect("as many bytes as were taken"))
    }

    fn byte(&mut self) -> Result<u8, GreetingError> {
        self.array().map(|[byte]| byte)
    }

    fn number(&mut self) -> Result<u16, GreetingError> {
        self.array().map(u16::from_le_bytes)
    }

    fn text(&mut self, most: usize) -> Result<Box<str>, GreetingError> {
        let bytes = self.byte()?;
        if usize::from(bytes) > most {
            return Err(GreetingError::TextTooLong(bytes));
        }
        let text = std::str::from_utf8(self.take(bytes.into())?);
        let text = text.map_err(|_| GreetingError::BadText)?;
        if text.contains(char::is_control) {
            return Err(GreetingError::BadText);
        }
        Ok(text.into())
    }
}

#[cfg(test)]
mod tests;
