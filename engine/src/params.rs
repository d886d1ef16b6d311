//! The parameter file of a node.
//!
//! [`Params::load`] reads and checks it. Decides which files are good, and what stands for a
//! key that is not there; refuses everything unclear with a [`BadFile`]: one line with the
//! file, the line and the key. A parameter file includes no other file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use fairhaul_core::quantity::Quantity;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub use bad::BadFile;
pub use range::AddressRange;
pub use schema::schema;
pub use template::template;
pub use typed::{
    ControlParams, Entry, GroupParams, LimitParams, NodeParams, PeerParams, PolicyParams, limit_at,
};

mod bad;
mod floors;
mod grammar;
mod kind;
mod own;
mod range;
mod row;
mod schema;
mod template;
mod typed;

use bad::{Fault, ask};
use grammar::{Form, SECTIONS, Section};
use kind::{Kind, literal, noun, quoted, shown};
pub(crate) use kind::{is_name, key_bytes};
use row::{Row, Source, join};

/// Longest parameter file. Limit L12 allows 64 MiB; nobody writes this much by hand.
const FILE_MAX: u64 = 1024 * 1024;

/// A parameter file that was checked, with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// The rows of each section, in the order of the grammar.
    sections: Vec<Vec<Row>>,
}

impl Params {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    ///
    /// The first fault, with its place.
    pub fn load(path: &Path) -> Result<Self, BadFile> {
        let file = path.display().to_string();
        let whole = |fault: Fault, line| fault.at(&file, line, "file");
        let bytes = read(path).map_err(|fault| whole(fault, 1))?;
        let text = utf8(&bytes).map_err(|(fault, line)| whole(fault, line))?;
        Self::parse(&file, text)
    }

    /// Reads and checks `text`, which messages call `file`.
    ///
    /// # Errors
    ///
    /// The first fault, with its place.
    pub fn parse(file: &str, text: &str) -> Result<Self, BadFile> {
        let source = Source::new(file, text);
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start).min(text.len());
            let line = source.line(at);
            let got = text.lines().nth(line as usize - 1).unwrap_or_default();
            let got = if got.trim().is_empty() {
                "nothing"
            } else {
                got.trim()
            };
            let what = error.message().lines().next().unwrap_or_default();
            Fault::new(what, got, "TOML 1.0").at(file, line, "toml")
        })?;
        let table = table.get_ref();
        only_sections(&source, table)?;
        let mut sections = Vec::with_capacity(SECTIONS.len());
        for section in &SECTIONS {
            sections.push(read_section(&source, section, table)?);
        }
        let params = Self { sections };
        params.check_names(&source)?;
        floors::check(&source, &params)?;
        own::check(&source, &params)?;
        Ok(params)
    }

    /// The file with every default written out. It is a parameter file again, and its own
    /// resolved file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut tables = Vec::new();
        for (section, rows) in SECTIONS.iter().zip(&self.sections) {
            for row in rows {
                let header = match section.form {
                    Form::One => format!("[{}]", section.name),
                    Form::Many => format!("[[{}]]", section.name),
                    Form::Named => format!("[{}.{}]", section.name, key(name_in(section, row))),
                };
                tables.push(format!("{header}\n{}", row.lines()));
            }
        }
        tables.join("\n")
    }

    /// The same as JSON: the sections of [`Params::to_toml`], amounts with their units.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        toml::from_str(&self.to_toml()).expect("what is written out is TOML that JSON can hold")
    }

    fn rows(&self, name: &str) -> &[Row] {
        let at = SECTIONS.iter().position(|section| section.name == name);
        &self.sections[at.expect("only sections of the grammar are asked for")]
    }

    /// Names are unique, and a group that is named exists.
    fn check_names(&self, source: &Source<'_>) -> Result<(), BadFile> {
        let groups: BTreeSet<&str> = self.group_rows().map(|(name, _)| name).collect();
        let own = self.rows("node")[0].text("name");
        let mut taken: BTreeMap<(&str, Vec<u8>), u32> = BTreeMap::new();
        for peer in self.rows("peer") {
            if peer.text("name") == own {
                let got = quoted(own.unwrap_or_default());
                let fault = Fault::new("is the name of this node", got, "another name");
                return Err(peer.bad(source, "name", fault));
            }
            for unique in ["name", "key"] {
                let text = peer.text(unique).expect("the grammar needs it");
                // A key has two spellings, and is one key.
                let same = match unique {
                    "key" => key_bytes(text).expect("a key was checked").to_vec(),
                    _ => text.as_bytes().to_vec(),
                };
                if let Some(line) = taken.insert((unique, same), peer.line) {
                    let what = format!("is taken by the peer of line {line}");
                    let allowed = format!("another {unique}");
                    return Err(peer.bad(source, unique, Fault::new(what, quoted(text), allowed)));
                }
            }
            let Some(group) = peer.text("group") else {
                continue;
            };
            if !groups.contains(group) {
                let what = ask("is an unknown group", group, groups.iter().copied());
                let listed: Vec<&str> = groups.iter().copied().collect();
                let allowed = if listed.is_empty() {
                    format!("a group with a section, such as [group.{}]", key(group))
                } else {
                    listed.join(", ")
                };
                return Err(peer.bad(source, "group", Fault::new(what, quoted(group), allowed)));
            }
        }
        Ok(())
    }

    /// The groups with their names.
    fn group_rows(&self) -> impl Iterator<Item = (&str, &Row)> {
        let section = SECTIONS.iter().find(|section| section.form == Form::Named);
        let section = section.expect("groups are the section with names");
        let rows = self.rows(section.name).iter();
        rows.map(|row| (name_in(section, row), row))
    }
}

/// The name in the path of a row of a section with names.
fn name_in<'a>(section: &Section, row: &'a Row) -> &'a str {
    row.path[section.name.len() + 1..].trim_matches('"')
}

/// A name as a TOML key.
fn key(name: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if name.bytes().all(bare) {
        name.to_owned()
    } else {
        literal(name)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Fault> {
    let refused = |error: std::io::Error| {
        let allowed = "a regular file that can be read";
        Fault::new("cannot be opened", error.kind().to_string(), allowed)
    };
    let about = fs::metadata(path).map_err(refused)?;
    if !about.is_file() {
        let allowed = "a regular file that can be read";
        return Err(Fault::new("is not a file", "a folder or device", allowed));
    }
    if about.len() > FILE_MAX {
        let allowed = format!("at most {}", Quantity::Size.text(FILE_MAX));
        return Err(Fault::new(
            "is too large",
            format!("{} B", about.len()),
            allowed,
        ));
    }
    fs::read(path).map_err(refused)
}

/// The text of a file, without the mark that some editors put first; else the fault and its
/// line.
fn utf8(bytes: &[u8]) -> Result<&str, (Fault, u32)> {
    let line = |at: usize| {
        let before = bytes[..at].iter().filter(|byte| **byte == b'\n').count();
        u32::try_from(before + 1).expect("a file has at most a mebibyte")
    };
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let got = format!("byte 0x{:02x}", bytes[at]);
        (Fault::new("is not UTF-8", got, "UTF-8 text"), line(at))
    })?;
    if let Some(at) = text.find('\0') {
        return Err((Fault::new("has a NUL byte", "NUL", "UTF-8 text"), line(at)));
    }
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn only_sections(source: &Source<'_>, table: &DeTable<'_>) -> Result<(), BadFile> {
    let names = || SECTIONS.iter().map(|section| section.name);
    let unknown = table
        .keys()
        .filter(|key| !names().any(|name| name == key.get_ref()));
    let Some(first) = unknown.min_by_key(|key| key.span().start) else {
        return Ok(());
    };
    let name = first.get_ref();
    let what = ask("unknown section", name, names());
    let listed: Vec<&str> = names().collect();
    let fault = Fault::new(what, name.to_string(), listed.join(", "));
    Err(fault.at(
        source.file,
        source.line(first.span().start),
        &join("", name),
    ))
}

/// The rows of a section; one that is written once is there even if the file has none.
fn read_section(
    source: &Source<'_>,
    section: &Section,
    table: &DeTable<'_>,
) -> Result<Vec<Row>, BadFile> {
    let name = section.name.to_owned();
    let found = table.iter().find(|(key, _)| key.get_ref() == section.name);
    let Some((key, value)) = found else {
        return match section.form {
            Form::One => Ok(vec![Row::read(
                source,
                name,
                1,
                &DeTable::new(),
                section.fields,
            )?]),
            Form::Many | Form::Named => Ok(Vec::new()),
        };
    };
    let line = source.line(key.span().start);
    let wrong = |value: &DeValue<'_>, line, path: &str| {
        let allowed = match section.form {
            Form::One => format!("[{}], once", section.name),
            Form::Many => format!("[[{}]], once for each", section.name),
            Form::Named => format!("[{}.NAME], once for each name", section.name),
        };
        let what = format!("is {}", noun(value));
        Fault::new(what, shown(value), allowed).at(source.file, line, path)
    };
    match (section.form, value.get_ref()) {
        (Form::One, DeValue::Table(table)) => {
            Ok(vec![Row::read(source, name, line, table, section.fields)?])
        }
        (Form::Many, DeValue::Array(rows)) => {
            let rows = rows.iter().enumerate().map(|(index, row)| {
                let line = source.line(row.span().start);
                let DeValue::Table(table) = row.get_ref() else {
                    return Err(wrong(
                        row.get_ref(),
                        line,
                        &format!("{name}[{}]", index + 1),
                    ));
                };
                let path = path_of(section, index, table);
                Row::read(source, path, line, table, section.fields)
            });
            rows.collect()
        }
        (Form::Named, DeValue::Table(table)) => {
            let mut rows: Vec<_> = table.iter().collect();
            rows.sort_by_key(|(key, _)| key.span().start);
            let rows = rows.into_iter();
            rows.map(|(key, row)| read_named(source, section, key, row, &wrong))
                .collect()
        }
        (_, other) => Err(wrong(other, line, section.name)),
    }
}

fn read_named(
    source: &Source<'_>,
    section: &Section,
    key: &Spanned<std::borrow::Cow<'_, str>>,
    row: &Spanned<DeValue<'_>>,
    wrong: &dyn Fn(&DeValue<'_>, u32, &str) -> BadFile,
) -> Result<Row, BadFile> {
    let name = key.get_ref();
    let path = join(section.name, name);
    let line = source.line(key.span().start);
    let DeValue::Table(table) = row.get_ref() else {
        return Err(wrong(row.get_ref(), line, &path));
    };
    if !is_name(name) {
        let fault = Fault::new("is not a name", quoted(name), Kind::Name.allowed());
        return Err(fault.at(source.file, line, &path));
    }
    Row::read(source, path, line, table, section.fields)
}

/// The path of the row at `index`: by its name if that is one.
fn path_of(section: &Section, index: usize, table: &DeTable<'_>) -> String {
    let name = table.iter().find(|(key, _)| key.get_ref() == "name");
    match name.map(|(_, value)| value.get_ref()) {
        Some(DeValue::String(name)) if is_name(name) => join(section.name, name),
        _ => format!("{}[{}]", section.name, index + 1),
    }
}
