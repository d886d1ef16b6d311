//! How tickets and lines are written: a prefix, then letters and digits that survive a mail, a
//! chat and a shell, with a checksum, so that a typing error is found at once.

use data_encoding::BASE32_NOPAD;
use thiserror::Error;

use super::path::shown;

/// Bytes of the checksum: one error in four thousand million is missed.
const CHECKSUM: usize = 4;

/// One kind of text that is written so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spelling {
    /// What each starts with, in lower case.
    pub(super) prefix: &'static str,
    /// What its checksum is for.
    pub(super) context: &'static str,
    /// Bytes of the longest, without the checksum, before they are letters.
    pub(super) most: usize,
}

/// Why a text is refused before anybody looks at what it says.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadSpelling {
    /// It starts otherwise.
    #[error(
        "starts with \"{}\"; one of this version starts with {allowed}",
        shown(got)
    )]
    Prefix {
        /// How it starts.
        got: String,
        /// How it should.
        allowed: &'static str,
    },
    /// So many characters, more than any has.
    #[error("has {0} characters, more than any has; is it something else?")]
    Long(usize),
    /// A character, at this place from 1, that none has.
    #[error("has \"{}\" as character {at}; allowed are a to z and 2 to 7", shown(&c.to_string()))]
    Character {
        /// The character.
        c: char,
        /// Where.
        at: usize,
    },
    /// Some of it is missing, or something is too much.
    #[error("is incomplete: was all of it copied?")]
    Cut,
    /// It is not what was printed.
    #[error("has a wrong checksum: a character is missing or mistyped")]
    Checksum,
}

impl Spelling {
    /// The text of `body`.
    pub(super) fn write(&self, body: &[u8]) -> String {
        let mut bytes = body.to_vec();
        bytes.extend(self.checksum(body));
        let letters = BASE32_NOPAD.encode(&bytes);
        format!("{}{}", self.prefix, letters.to_ascii_lowercase())
    }

    /// What `text` says; space around it and capitals are forgiven.
    pub(super) fn read(&self, text: &str) -> Result<Vec<u8>, BadSpelling> {
        let text = text.trim();
        let prefix = self.prefix.len();
        let got: String = text.chars().take(prefix).collect();
        if !got.eq_ignore_ascii_case(self.prefix) {
            let allowed = self.prefix;
            return Err(BadSpelling::Prefix { got, allowed });
        }
        let letters = &text[prefix..];
        if letters.len() > BASE32_NOPAD.encode_len(self.most + CHECKSUM) {
            return Err(BadSpelling::Long(text.chars().count()));
        }
        let bad = |c: char| !matches!(c, 'a'..='z' | 'A'..='Z' | '2'..='7');
        let mut characters = text.chars().enumerate().skip(prefix);
        if let Some((at, c)) = characters.find(|(_, c)| bad(*c)) {
            return Err(BadSpelling::Character { c, at: at + 1 });
        }
        let bytes = BASE32_NOPAD.decode(letters.to_ascii_uppercase().as_bytes());
        // Every character is allowed, so what is wrong is their number, or the bits left over.
        let bytes = bytes.map_err(|_| BadSpelling::Cut)?;
        let (body, sum) = bytes.split_last_chunk().ok_or(BadSpelling::Cut)?;
        if self.checksum(body) != *sum {
            return Err(BadSpelling::Checksum);
        }
        Ok(body.to_vec())
    }

    fn checksum(&self, body: &[u8]) -> [u8; CHECKSUM] {
        let hash = blake3::derive_key(self.context, body);
        *hash
            .first_chunk()
            .expect("a hash is longer than a checksum")
    }
}
