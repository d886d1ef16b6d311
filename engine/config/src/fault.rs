//! How a bad file is reported: one line with the place, what is wrong, what was got and what
//! is allowed.

use std::error::Error;
use std::fmt;

use crate::printable::Printable;

/// Characters of the file that a message repeats at most.
const SHOWN_MAX: usize = 100;

/// Names longer than this, in bytes, are not misspelt; the distance costs their product.
const NEAR_MAX: usize = 64;

/// The key of a fault of a file as a whole: it is not there, not a file, too large.
pub(crate) const WHOLE_FILE: &str = "file";

/// Stands between the parts of a fault on its way through serde, which carries text alone.
const SEPARATOR: char = '\u{1f}';

/// The first fault of a file, as `file:line:key: what; got X; allowed Y`.
///
/// Always one line of printable characters, whatever the file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFile(Box<Parts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    file: String,
    line: u32,
    key: String,
    what: String,
    got: String,
    allowed: String,
}

/// What is wrong with a value, without its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadValue {
    /// What is wrong, as the rest of a sentence about the key.
    pub what: String,
    /// What was got; `None` for the whole value of the key.
    pub got: Option<String>,
    /// What is allowed instead; `None` for what the schema says of the key.
    pub allowed: Option<String>,
}

impl BadValue {
    /// The fault of a whole value of which the schema says what is allowed.
    pub fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            got: None,
            allowed: None,
        }
    }

    /// With what was got.
    #[must_use]
    pub fn got(self, got: impl Into<String>) -> Self {
        Self {
            got: Some(got.into()),
            ..self
        }
    }

    /// With what is allowed.
    #[must_use]
    pub fn allowing(self, allowed: impl Into<String>) -> Self {
        Self {
            allowed: Some(allowed.into()),
            ..self
        }
    }

    /// At its place. Without its own words, nothing was got and nothing is allowed.
    #[must_use]
    pub fn at(self, file: &str, line: u32, key: &str) -> BadFile {
        let got = self.got.as_deref().unwrap_or("nothing");
        let allowed = self.allowed.unwrap_or_else(|| "nothing".to_owned());
        BadFile::new(file, line, key, self.what, got, allowed)
    }

    /// The fault that [`BadValue`]'s alternate form, `{:#}`, was written from; any other text is
    /// what is wrong.
    pub(crate) fn decode(text: &str) -> Self {
        let mut parts = text.splitn(3, SEPARATOR).map(str::to_owned);
        let what = parts.next().unwrap_or_default();
        let [allowed, got] = [parts.next(), parts.next()];
        let said = |part: Option<String>| part.filter(|part| !part.is_empty());
        Self {
            what,
            got: said(got),
            allowed: said(allowed),
        }
    }
}

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [got, allowed] = [&self.got, &self.allowed].map(|part| part.as_deref());
        if f.alternate() {
            // What was got comes last: it alone may hold a separator of its own.
            let [got, allowed] = [got, allowed].map(Option::unwrap_or_default);
            return write!(f, "{}{SEPARATOR}{allowed}{SEPARATOR}{got}", self.what);
        }
        f.write_str(&self.what)?;
        got.map_or(Ok(()), |got| write!(f, "; got {got}"))?;
        allowed.map_or(Ok(()), |allowed| write!(f, "; allowed {allowed}"))
    }
}

impl BadFile {
    /// The fault `what` of `key` on `line` of `file`.
    pub fn new(
        file: &str,
        line: u32,
        key: &str,
        what: impl Into<String>,
        got: &str,
        allowed: impl Into<String>,
    ) -> Self {
        Self(Box::new(Parts {
            file: file.to_owned(),
            line,
            key: key.to_owned(),
            what: what.into(),
            got: got.to_owned(),
            allowed: allowed.into(),
        }))
    }

    /// The fault of a file as a whole, at the place that names the file; others stay.
    #[must_use]
    pub(crate) fn named_by(self, file: &str, line: u32, key: &str) -> Self {
        if self.0.key != WHOLE_FILE {
            return self;
        }
        let got = format!("\"{}\": {}", self.0.file, self.0.got);
        Self::new(file, line, key, self.0.what, &got, self.0.allowed)
    }

    /// The same fault with another hint.
    #[must_use]
    pub fn allowing(&self, allowed: String) -> Self {
        let mut parts = self.0.clone();
        parts.allowed = allowed;
        Self(parts)
    }

    /// The file, as the user named it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.0.file
    }

    /// The line, from 1.
    #[must_use]
    pub const fn line(&self) -> u32 {
        self.0.line
    }

    /// The dotted key; `file` for a file that cannot be read at all, `toml` for one that is
    /// no TOML.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0.key
    }
}

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = &*self.0;
        write!(
            f,
            "{}:{}:{}: {}; got {}; allowed {}",
            Printable(&parts.file, usize::MAX),
            parts.line,
            Printable(&parts.key, SHOWN_MAX),
            parts.what,
            Printable(&parts.got, SHOWN_MAX),
            parts.allowed,
        )
    }
}

impl Error for BadFile {}

/// The one of `names` that `name` was most likely meant to be, if any is near: up to three
/// letters wrong but no more than half of them, or cut short.
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > NEAR_MAX {
        return None;
    }
    let name = name.to_lowercase();
    let scored = names.into_iter().filter_map(|known| {
        let lower = known.to_lowercase();
        let wrong = strsim::damerau_levenshtein(&name, &lower);
        // Of a name that was cut short all letters are right, however many are missing.
        let cut_short = name.len() > 2 && lower.starts_with(&name);
        let near = cut_short || wrong <= (known.len() / 2).clamp(1, 3);
        near.then_some((wrong, known))
    });
    let near = scored.min_by_key(|(wrong, _)| *wrong);
    near.map(|(_, known)| known)
}

/// `what`, and the name that was most likely meant.
pub fn did_you_mean<'a>(
    what: impl fmt::Display,
    name: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> String {
    nearest(name, names).map_or_else(
        || what.to_string(),
        |near| format!("{what}, did you mean {near:?}"),
    )
}

/// `text` as a message shows it, which escapes it too.
#[must_use]
pub fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_printable_line_whatever_the_file_holds() {
        let got = format!("a\nb\u{1b}[0m\u{202e}é{}", "x".repeat(200));
        let fault = BadValue::new("is odd").got(got).allowing("less");
        let shown = format!("a\\u{{a}}b\\u{{1b}}[0m\\u{{202e}}é{}...", "x".repeat(91));
        assert_eq!(
            fault.at("n.toml", 3, "peer.a\r").to_string(),
            format!("n.toml:3:peer.a\\u{{d}}: is odd; got {shown}; allowed less")
        );
    }

    #[test]
    fn a_fault_survives_its_way_through_serde_whatever_was_got() {
        for fault in [
            BadValue::new("is odd"),
            BadValue::new("is odd").allowing("less"),
            BadValue::new("is odd").got("a\u{1f}b; allowed c"),
            BadValue::new("is odd").got("a").allowing("less"),
        ] {
            assert_eq!(BadValue::decode(&format!("{fault:#}")), fault);
        }
    }

    #[test]
    fn a_near_name_is_offered_and_a_far_one_is_not() {
        assert_eq!(nearest("uplaod", ["upload", "download"]), Some("upload"));
        assert_eq!(
            nearest("rarest", ["random", "rarest-first"]),
            Some("rarest-first")
        );
        assert_eq!(nearest("DRR", ["drr", "fifo"]), Some("drr"));
        assert_eq!(nearest("banana", ["drr", "fifo"]), None);
        assert_eq!(nearest(&"d".repeat(65), ["d"]), None);
    }
}
