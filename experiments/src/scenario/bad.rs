//! How bad input is reported: one line with the place, what is wrong, what was got and what
//! is allowed.

use std::error::Error;
use std::fmt;

/// Longest piece of bad input that a message repeats, in characters.
const GOT_MAX: usize = 100;

/// The key of a fault of a file as a whole: it is not there, not a file, too large.
pub(crate) const WHOLE_FILE: &str = "file";

/// One fault in a file that the user gave. The program ends with code 3.
///
/// Shown as `file:line:key: what; got X; allowed Y`, always on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadInput(Box<Parts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    file: String,
    line: u32,
    key: String,
    what: String,
    got: String,
    allowed: String,
}

impl BadInput {
    pub(crate) fn new(
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
            key: quote(key),
            what: what.into(),
            got: quote(got),
            allowed: allowed.into(),
        }))
    }

    /// The fault of a file as a whole, at the place that names the file; others stay.
    pub(crate) fn named_by(self, file: &str, line: u32, key: &str) -> Self {
        if self.0.key != WHOLE_FILE {
            return self;
        }
        let got = format!("\"{}\": {}", self.0.file, self.0.got);
        Self::new(file, line, key, self.0.what, &got, self.0.allowed)
    }

    /// The same fault with another hint.
    pub(crate) fn allowing(&self, allowed: String) -> Self {
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
    pub fn line(&self) -> u32 {
        self.0.line
    }

    /// The key of a scenario, or the column of a table.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0.key
    }
}

impl fmt::Display for BadInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts {
            file,
            line,
            key,
            what,
            got,
            allowed,
        } = &*self.0;
        write!(
            f,
            "{file}:{line}:{key}: {what}; got {got}; allowed {allowed}"
        )
    }
}

impl Error for BadInput {}

/// `text` on one line, without control characters, cut to a length that fits a message.
fn quote(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(GOT_MAX)
        .flat_map(|c| {
            if (c.is_ascii() && !c.is_control()) || c.is_alphanumeric() {
                vec![c]
            } else {
                c.escape_unicode().collect()
            }
        })
        .collect();
    if text.chars().nth(GOT_MAX).is_some() {
        shown.push_str("...");
    }
    shown
}

/// The name among `names` that `name` most likely meant; none if none is near.
pub(crate) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer names than this are not misspelt, and the distance costs their product.
    const NAME_MAX: usize = 64;
    if name.len() > NAME_MAX {
        return None;
    }
    let wanted = name.to_lowercase();
    names
        .into_iter()
        .filter(|other| other.len() <= NAME_MAX)
        .filter_map(|other| {
            let lower = other.to_lowercase();
            let distance = strsim::damerau_levenshtein(&wanted, &lower);
            let near = distance * 2 <= other.len().max(2) && distance <= 3;
            // Of a name that was cut short all letters are right, however many are missing.
            let cut = wanted.len() >= 3 && lower.starts_with(&wanted);
            (near || cut).then_some((distance, other))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// `what`, with a question after it if a name is near.
pub(crate) fn with_nearest<'a>(
    what: &str,
    name: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> String {
    match nearest(name, names) {
        Some(near) => format!("{what}, did you mean {near:?}"),
        None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_was_got() {
        let bad = BadInput::new("a.toml", 3, "peer.a\n", "is odd", "x\ny\u{1b}[0m", "fewer");
        assert_eq!(
            bad.to_string(),
            "a.toml:3:peer.a\\u{a}: is odd; got x\\u{a}y\\u{1b}[0m; allowed fewer"
        );
    }

    #[test]
    fn a_long_value_is_cut() {
        let bad = BadInput::new("a", 1, "k", "is long", &"x".repeat(101), "less");
        assert!(
            bad.to_string()
                .contains(&format!("got {}...;", "x".repeat(100)))
        );
    }

    /// Register: I3.
    #[test]
    fn the_nearest_name_ignores_case_and_forgives_two_letters() {
        assert_eq!(nearest("conut", ["count", "name"]), Some("count"));
        assert_eq!(nearest("DRR", ["drr", "fifo"]), Some("drr"));
        assert_eq!(
            nearest("rarest", ["random", "rarest-first"]),
            Some("rarest-first")
        );
        assert_eq!(nearest("banana", ["drr", "fifo"]), None);
    }
}
