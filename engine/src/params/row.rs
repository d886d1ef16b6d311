//! A table of a parameter file: checked, with its defaults.
//!
//! Decides nothing about meaning; refuses keys that the grammar does not know, and keys that
//! are not there but must be.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::bad::{BadFile, Fault, ask};
use super::grammar::{ENTRY, Field, Otherwise};
use super::kind::{Kind, Value, noun, quoted, shown};

/// The file as the user named it, and where its lines end.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub(crate) file: &'a str,
    ends: Vec<usize>,
}

/// The checked keys of one table, in the order of the grammar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The dotted path to it, and its line.
    pub(crate) path: String,
    pub(crate) line: u32,
    cells: Vec<Cell>,
}

/// A key, where it stands, and its value if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cell {
    name: &'static str,
    line: u32,
    value: Option<Value>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(file: &'a str, text: &str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at).collect();
        Self { file, ends }
    }

    /// The line of the byte at `at`, from 1.
    pub(crate) fn line(&self, at: usize) -> u32 {
        let before = self.ends.partition_point(|end| *end < at);
        u32::try_from(before + 1).expect("a file has fewer than 2^32 bytes")
    }
}

impl Row {
    /// Checks `table`, which stands at `path` and on `line`, against `fields`.
    pub(crate) fn read(
        source: &Source<'_>,
        path: String,
        line: u32,
        table: &DeTable<'_>,
        fields: &'static [Field],
    ) -> Result<Self, BadFile> {
        let mut given: Vec<_> = table.iter().collect();
        given.sort_by_key(|(key, _)| key.span().start);
        let names = || fields.iter().map(|field| field.name);
        for (key, _) in &given {
            let name = key.get_ref();
            if !names().any(|known| known == name) {
                let listed: Vec<&str> = names().collect();
                let what = ask("unknown key", name, names());
                let fault = Fault::new(what, name.to_string(), listed.join(", "));
                let line = source.line(key.span().start);
                return Err(fault.at(source.file, line, &join(&path, name)));
            }
        }
        let mut cells = Vec::with_capacity(fields.len());
        for field in fields {
            let found = given.iter().find(|(key, _)| key.get_ref() == field.name);
            let at = found.map_or(line, |(key, _)| source.line(key.span().start));
            let path = join(&path, field.name);
            let value = match (found, field.otherwise) {
                (Some((_, value)), _) if field.kind == Kind::Schedule => {
                    Some(Value::Entries(schedule(source, &path, at, value)?))
                }
                (Some((_, value)), _) => {
                    let read = field.kind.read(value.get_ref());
                    Some(read.map_err(|fault| fault.at(source.file, at, &path))?)
                }
                (None, Otherwise::Is(default)) => Some(of_default(field.kind, default)),
                (None, Otherwise::Absent(_)) => None,
                (None, Otherwise::Needed(_)) => {
                    let fault = Fault::new("is missing", "nothing", field.kind.allowed());
                    return Err(fault.at(source.file, at, &path));
                }
            };
            cells.push(Cell {
                name: field.name,
                line: at,
                value,
            });
        }
        Ok(Self { path, line, cells })
    }

    /// The value of `key`, which the grammar has; none if the file and the grammar say none.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.cell(key).value.as_ref()
    }

    /// The text of `key`, which the grammar calls one.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)? {
            Value::Text(text) => Some(text),
            other => unreachable!("{key} is {other:?}, not a text"),
        }
    }

    /// The fault of the value of `key`.
    pub(crate) fn bad(&self, source: &Source<'_>, key: &str, fault: Fault) -> BadFile {
        fault.at(source.file, self.cell(key).line, &join(&self.path, key))
    }

    fn cell(&self, key: &str) -> &Cell {
        let cell = self.cells.iter().find(|cell| cell.name == key);
        cell.expect("only keys of the grammar are asked for")
    }

    /// Its keys in TOML, one on each line.
    pub(crate) fn lines(&self) -> String {
        self.pairs().map(|pair| pair + "\n").collect()
    }

    /// Its keys in TOML, on one line.
    pub(crate) fn inline(&self) -> String {
        let pairs: Vec<String> = self.pairs().collect();
        format!("{{ {} }}", pairs.join(", "))
    }

    fn pairs(&self) -> impl Iterator<Item = String> {
        let cells = self.cells.iter();
        cells.filter_map(|Cell { name, value, .. }| {
            let value = value.as_ref()?;
            Some(format!("{name} = {value}"))
        })
    }
}

/// The entries of a schedule.
fn schedule(
    source: &Source<'_>,
    path: &str,
    line: u32,
    value: &Spanned<DeValue<'_>>,
) -> Result<Vec<Row>, BadFile> {
    let wrong = |value: &DeValue<'_>, wanted: &str| {
        let what = format!("is {}, not {wanted}", noun(value));
        Fault::new(what, shown(value), Kind::Schedule.allowed())
    };
    let DeValue::Array(entries) = value.get_ref() else {
        return Err(wrong(value.get_ref(), "a list").at(source.file, line, path));
    };
    let mut rows = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let path = format!("{path}[{}]", index + 1);
        let line = source.line(entry.span().start);
        let DeValue::Table(table) = entry.get_ref() else {
            return Err(wrong(entry.get_ref(), "a table").at(source.file, line, &path));
        };
        let row = Row::read(source, path, line, table, &ENTRY)?;
        check_entry(source, &row)?;
        rows.push(row);
    }
    Ok(rows)
}

/// An entry says something, and lasts.
fn check_entry(source: &Source<'_>, row: &Row) -> Result<(), BadFile> {
    let (from, to) = (row.text("from"), row.text("to"));
    if from == Some("24:00") {
        let allowed = "a time of day from \"00:00\" to \"23:59\"";
        let fault = Fault::new("is the end of a day", "\"24:00\"", allowed);
        return Err(row.bad(source, "from", fault));
    }
    if from == to {
        let got = quoted(to.unwrap_or_default());
        let allowed = "another time than \"from\"; a whole day is \"00:00\" to \"24:00\"";
        let fault = Fault::new("is when the entry begins", got, allowed);
        return Err(row.bad(source, "to", fault));
    }
    if row.get("upload").is_none() && row.get("download").is_none() {
        let fault = Fault::new("limits nothing", "neither", "upload, download or both");
        return Err(fault.at(source.file, row.line, &row.path));
    }
    Ok(())
}

fn of_default(kind: Kind, text: &str) -> Value {
    let value = DeValue::parse(text).expect("the grammar's defaults are TOML");
    if kind == Kind::Schedule {
        return Value::Entries(Vec::new());
    }
    let read = kind.read(value.get_ref());
    read.expect("the grammar's defaults are values of their kind")
}

/// A dotted path with one more key.
pub(crate) fn join(path: &str, key: &str) -> String {
    let separator = if path.is_empty() { "" } else { "." };
    let plain = !key.is_empty() && !key.contains('.');
    if plain {
        format!("{path}{separator}{key}")
    } else {
        format!("{path}{separator}\"{key}\"")
    }
}
