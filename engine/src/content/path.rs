//! Relative paths that may exist in a tree, and how any name is shown to a person.
//!
//! A name is allowed only if every operating system that fairhaul may meet can hold it and treats
//! it as the same name, whatever system wrote the manifest. Names that leave the chosen directory,
//! that a terminal would act on, or that two systems would read as two things are refused; a name
//! is never repaired.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Write as _;

use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;

/// Longest component of a path, in bytes.
pub(crate) const COMPONENT_MAX: usize = 255;

/// Longest path, in bytes.
pub const PATH_MAX: usize = 1_024;

/// Most components of a path.
pub const DEPTH_MAX: usize = 64;

/// Characters of a name that a message shows at most.
const SHOWN_MAX: usize = 256;

/// Names that Windows takes for devices, whatever their ending and case. Each `#` stands for a
/// digit, `¹`, `²` and `³` among them.
/// <https://learn.microsoft.com/windows/win32/fileio/naming-a-file>
const DEVICES: [&str; 8] = [
    "CON", "PRN", "AUX", "NUL", "COM#", "LPT#", "CONIN$", "CONOUT$",
];

/// Printable characters that some file system takes for something else.
const NOT_PORTABLE: [char; 8] = ['\\', ':', '*', '?', '"', '<', '>', '|'];

/// The characters that Unicode gives no shape of their own (general category Cf): they join,
/// hide, tag, or turn the direction of what follows. Unicode 16, in order.
const FORMAT: [(char, char); 21] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{180e}', '\u{180e}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{2064}'),
    ('\u{2066}', '\u{206f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{fff9}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0001}', '\u{e0001}'),
    ('\u{e0020}', '\u{e007f}'),
];

/// Why a path, or a pair of paths, may not exist.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadPath {
    /// Nothing between two slashes, before the first or after the last.
    #[error("path \"{}\" has an empty component; allowed is a relative path like a/b", shown(.0))]
    Empty(String),
    /// `.` or `..`.
    #[error("path \"{}\" has the component \"{}\"; it may not climb or stand still", shown(.0), shown(.1))]
    Dots(String, String),
    /// A component, of so many bytes, that is too long.
    #[error("path \"{}\" has a component of {} bytes; allowed are {COMPONENT_MAX}", shown(.0), .1)]
    LongComponent(String, usize),
    /// A path, of so many bytes, that is too long.
    #[error("path \"{}\" has {} bytes; allowed are {PATH_MAX}", shown(.0), .1)]
    Long(String, usize),
    /// A path, of so many components, that is too deep.
    #[error("path \"{}\" has {} components; allowed are {DEPTH_MAX}", shown(.0), .1)]
    Deep(String, usize),
    /// A character that not every system can hold, or that nobody can see.
    #[error("path \"{}\" has the character U+{:04X}, which is not portable", shown(.0), u32::from(*.1))]
    Character(String, char),
    /// A component that ends in a dot or a space, which Windows drops.
    #[error("path \"{}\" has a component that ends in a dot or a space", shown(.0))]
    Ending(String),
    /// A component that Windows takes for a device.
    #[error("path \"{}\" has the component \"{}\", a device on Windows", shown(.0), shown(.1))]
    Device(String, String),
    /// Bytes that are not UTF-8, here escaped.
    #[error("path \"{0}\" is not UTF-8")]
    NotUtf8(String),
    /// The same path twice.
    #[error("path \"{}\" is there twice", shown(.0))]
    Twice(String),
    /// Two paths of which the second should stand first.
    #[error("path \"{}\" stands before \"{}\"; allowed is the order of their components", shown(.0), shown(.1))]
    Order(String, String),
    /// Two paths that some system takes for one: they differ in case or composition only.
    #[error("paths \"{}\" and \"{}\" are one name where case or accents are folded", shown(.0), shown(.1))]
    Twins(String, String),
    /// Something that has other entries below it, though it is a file or an empty directory.
    #[error("path \"{}\" has \"{}\" below it, but is no directory that could", shown(.0), shown(.1))]
    Below(String, String),
}

/// Checks one relative path, components between `/`.
///
/// # Errors
///
/// The first fault found; its message is one line and escapes the path.
pub fn check(path: &str) -> Result<(), BadPath> {
    if path.len() > PATH_MAX {
        return Err(BadPath::Long(path.to_owned(), path.len()));
    }
    let depth = path.split('/').count();
    if depth > DEPTH_MAX {
        return Err(BadPath::Deep(path.to_owned(), depth));
    }
    path.split('/').try_for_each(|part| component(path, part))
}

/// Checks a path that a system gave as bytes.
///
/// # Errors
///
/// As [`check`], and bytes that are not UTF-8.
pub fn check_bytes(path: &[u8]) -> Result<&str, BadPath> {
    let text = std::str::from_utf8(path).map_err(|_| BadPath::NotUtf8(shown_bytes(path)))?;
    check(text)?;
    Ok(text)
}

/// Checks the paths of a whole tree against each other: their order, and that no system takes
/// two of them for one. Each must have passed [`check`]. Takes time in proportion to
/// `n log n` and memory in proportion to the paths.
///
/// # Errors
///
/// The first pair that may not be together, with both names.
pub(crate) fn check_all<'a>(paths: impl Iterator<Item = &'a str> + Clone) -> Result<(), BadPath> {
    for (before, path) in paths.clone().zip(paths.clone().skip(1)) {
        match order(before, path) {
            Ordering::Less => {}
            Ordering::Equal => return Err(BadPath::Twice(path.to_owned())),
            Ordering::Greater => {
                return Err(BadPath::Order(before.to_owned(), path.to_owned()));
            }
        }
    }
    let mut folded: Vec<(Cow<'a, str>, &'a str)> = paths.map(|path| (fold(path), path)).collect();
    folded.sort_by(|a, b| order(&a.0, &b.0));
    for pair in folded.windows(2) {
        let [(first_key, first), (second_key, second)] = pair else {
            continue;
        };
        pair_may_be(first_key, first, second_key, second)?;
    }
    Ok(())
}

/// The order of paths in a tree: by components, and the bytes of each.
#[must_use]
pub fn order(a: &str, b: &str) -> Ordering {
    // The slash counts as the least byte, so that a directory stays together: no name that
    // passed `check` holds a byte as small.
    let least = |byte: u8| if byte == b'/' { 0 } else { byte };
    a.bytes().map(least).cmp(b.bytes().map(least))
}

/// `text` as it may be shown: what a terminal would act on or nobody can see is escaped, and
/// the rest is cut after 256 characters.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut out = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == SHOWN_MAX {
            out.push('…');
            break;
        }
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            c if is_hidden(c) => {
                write!(out, "\\u{{{:x}}}", u32::from(c)).expect("a String takes what is written");
            }
            c => out.push(c),
        }
    }
    out
}

/// `bytes` as [`shown`], and what is not UTF-8 as `\xNN`.
#[must_use]
pub(crate) fn shown_bytes(bytes: &[u8]) -> String {
    let mut out = String::new();
    // A character is at most four bytes, so nothing is cut here that `shown` would show.
    let cut = &bytes[..bytes.len().min(4 * SHOWN_MAX)];
    for piece in cut.utf8_chunks() {
        out.push_str(&shown(piece.valid()));
        for byte in piece.invalid() {
            write!(out, "\\x{byte:02x}").expect("a String takes what is written");
        }
    }
    out
}

fn component(path: &str, part: &str) -> Result<(), BadPath> {
    if part.is_empty() {
        return Err(BadPath::Empty(path.to_owned()));
    }
    if part == "." || part == ".." {
        return Err(BadPath::Dots(path.to_owned(), part.to_owned()));
    }
    if part.len() > COMPONENT_MAX {
        return Err(BadPath::LongComponent(path.to_owned(), part.len()));
    }
    let bad = |c: &char| is_hidden(*c) || NOT_PORTABLE.contains(c);
    if let Some(c) = part.chars().find(bad) {
        return Err(BadPath::Character(path.to_owned(), c));
    }
    if part.ends_with(['.', ' ']) {
        return Err(BadPath::Ending(path.to_owned()));
    }
    if is_device(part) {
        return Err(BadPath::Device(path.to_owned(), part.to_owned()));
    }
    Ok(())
}

/// Whether a character acts instead of showing: controls, separators of lines, format
/// characters, and the code points that are none.
fn is_hidden(c: char) -> bool {
    let code = u32::from(c);
    let none = (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe;
    let line = matches!(c, '\u{2028}' | '\u{2029}');
    c.is_control()
        || none
        || line
        || FORMAT
            .iter()
            .any(|(first, last)| (*first..=*last).contains(&c))
}

/// Whether Windows takes `part` for a device: it looks at what stands before the first dot,
/// without the spaces at its end.
fn is_device(part: &str) -> bool {
    let stem = part.split('.').next().unwrap_or(part).trim_end_matches(' ');
    DEVICES.iter().any(|device| {
        stem.chars().count() == device.chars().count()
            && stem
                .chars()
                .zip(device.chars())
                .all(|(got, name)| match name {
                    '#' => got.is_ascii_digit() || matches!(got, '¹' | '²' | '³'),
                    name => got.eq_ignore_ascii_case(&name),
                })
    })
}

/// The key under which some file system may look `path` up: decomposed, without case, and
/// decomposed again (canonical caseless matching, Unicode 16 section 3.13, D145).
fn fold(path: &str) -> Cow<'_, str> {
    if path.is_ascii() {
        let upper = path.bytes().any(|byte| byte.is_ascii_uppercase());
        return if upper {
            Cow::Owned(path.to_ascii_lowercase())
        } else {
            Cow::Borrowed(path)
        };
    }
    let mut folded = String::with_capacity(path.len());
    for c in path.nfd() {
        // The dotless i is a letter of its own on every file system that folds case.
        if c == 'ı' {
            folded.push(c);
        } else {
            folded.extend(c.to_uppercase().flat_map(char::to_lowercase));
        }
    }
    Cow::Owned(folded.nfd().collect())
}

/// Whether two paths that are neighbours in the order of their keys may be in one tree. All
/// paths with the same folded directory are neighbours, so it is enough to look at pairs.
fn pair_may_be(key_a: &str, a: &str, key_b: &str, b: &str) -> Result<(), BadPath> {
    let keys = key_a.split('/').zip(key_b.split('/'));
    let names = a.split('/').zip(b.split('/'));
    for ((part_a, part_b), (name_a, name_b)) in keys.zip(names) {
        if part_a != part_b {
            return Ok(());
        }
        if name_a != name_b {
            return Err(BadPath::Twins(a.to_owned(), b.to_owned()));
        }
    }
    Err(BadPath::Below(a.to_owned(), b.to_owned()))
}

#[cfg(test)]
mod tests;
