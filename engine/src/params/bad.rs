//! How a bad parameter file is reported: one line with the place, what is wrong, what was
//! got and what is allowed.

use std::error::Error;
use std::fmt;

use crate::printable::Printable;

/// Characters of the file that a message repeats at most.
const SHOWN_MAX: usize = 100;

/// Names longer than this, in bytes, are not misspelt.
const NEAR_MAX: usize = 64;

/// The first fault of a parameter file, as `file:line:key: what; got X; allowed Y`.
///
/// Always one line of printable characters, whatever the file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFile {
    file: String,
    line: u32,
    key: String,
    fault: Box<Fault>,
}

/// What is wrong with a value, without its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) what: String,
    pub(crate) got: String,
    pub(crate) allowed: String,
}

impl Fault {
    pub(crate) fn new(
        what: impl Into<String>,
        got: impl Into<String>,
        allowed: impl Into<String>,
    ) -> Self {
        Self {
            what: what.into(),
            got: got.into(),
            allowed: allowed.into(),
        }
    }

    /// At its place.
    pub(crate) fn at(self, file: &str, line: u32, key: &str) -> BadFile {
        BadFile {
            file: file.to_owned(),
            line,
            key: key.to_owned(),
            fault: Box::new(self),
        }
    }
}

impl BadFile {
    /// The line, from 1.
    #[must_use]
    pub const fn line(&self) -> u32 {
        self.line
    }

    /// The dotted key; `file` for a file that cannot be read at all, `toml` for one that is
    /// no TOML.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { what, got, allowed } = &*self.fault;
        write!(
            f,
            "{}:{}:{}: {what}; got {}; allowed {allowed}",
            Printable(&self.file, usize::MAX),
            self.line,
            Printable(&self.key, SHOWN_MAX),
            Printable(got, SHOWN_MAX),
        )
    }
}

impl Error for BadFile {}

/// The one of `names` that `name` was most likely meant to be, if any is near: up to three
/// letters wrong but no more than half of them, or cut short.
pub(crate) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > NEAR_MAX {
        return None;
    }
    let name = name.to_lowercase();
    let scored = names.into_iter().map(|known| {
        let lower = known.to_lowercase();
        let wrong = strsim::damerau_levenshtein(&name, &lower);
        let cut_short = name.len() > 2 && lower.starts_with(&name);
        (
            wrong,
            cut_short || wrong <= (known.len() / 2).clamp(1, 3),
            known,
        )
    });
    let near = scored.filter(|(_, near, _)| *near);
    near.min_by_key(|(wrong, _, _)| *wrong)
        .map(|(_, _, known)| known)
}

/// `what`, and the name that was most likely meant.
pub(crate) fn ask<'a>(
    what: impl fmt::Display,
    name: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> String {
    nearest(name, names).map_or_else(
        || what.to_string(),
        |near| format!("{what}, did you mean {near:?}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_printable_line_whatever_the_file_holds() {
        let got = format!("a\nb\u{1b}[0m\u{202e}é{}", "x".repeat(200));
        let bad = Fault::new("is odd", got, "less").at("n.toml", 3, "peer.a\r");
        let shown = format!("a\\u{{a}}b\\u{{1b}}[0m\\u{{202e}}é{}...", "x".repeat(91));
        assert_eq!(
            bad.to_string(),
            format!("n.toml:3:peer.a\\u{{d}}: is odd; got {shown}; allowed less")
        );
    }

    #[test]
    fn a_near_name_is_offered_and_a_far_one_is_not() {
        assert_eq!(nearest("uplaod", ["upload", "download"]), Some("upload"));
        assert_eq!(
            nearest("rarest", ["random", "rarest-first"]),
            Some("rarest-first")
        );
        assert_eq!(nearest("banana", ["drr", "fifo"]), None);
        assert_eq!(nearest(&"d".repeat(65), ["d"]), None);
    }
}
