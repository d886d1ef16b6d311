//! A TOML text that is read into a struct; what is wrong with it is reported with its line.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::de::{Error, Kind, Node};
use crate::fault::{BadFile, BadValue, quoted};
use crate::schema;
use crate::text::is_name;

/// A step from a value to one inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// To the value of a key.
    Key(String),
    /// To a member of a list, from 0.
    Row(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(at: usize) -> Self {
        Self::Row(at)
    }
}

/// A parsed TOML text.
#[derive(Debug)]
pub struct Document<'a> {
    /// The file as the user named it.
    file: &'a str,
    root: DeValue<'a>,
    lines: Lines,
}

impl<'a> Document<'a> {
    /// Parses `text`, which messages call `file`.
    ///
    /// # Errors
    ///
    /// As [`table`].
    pub fn parse(file: &'a str, text: &'a str) -> Result<Self, BadFile> {
        Ok(Self {
            file,
            root: DeValue::Table(table(file, text)?),
            lines: Lines::new(text),
        })
    }

    /// The struct that the document says.
    ///
    /// # Errors
    ///
    /// The first fault, with its place.
    pub fn read<T: DeserializeOwned + JsonSchema>(&self) -> Result<T, BadFile> {
        // The tree lives as long as this document; what is read owns its parts.
        T::deserialize(Node(&self.root)).map_err(|error| {
            let Error {
                kind,
                mut fault,
                mut steps,
            } = error;
            steps.reverse();
            if kind == Kind::Unknown && steps.len() == 1 {
                fault.what = fault.what.replacen("unknown key", "unknown section", 1);
            }
            let schema = schema::raw::<T>();
            if kind == Kind::Missing {
                // A section that is missing misses what it needs.
                while let Some(needed) = schema::first_required(&schema, &steps) {
                    steps.push(Step::Key(needed));
                }
            }
            if fault.allowed.is_none() {
                fault.allowed = schema::allowed(&schema, &steps);
            }
            self.bad(&steps, fault)
        })
    }

    /// The fault of the value at the end of `steps`. Where it says nothing of what was got, it
    /// was that value.
    #[must_use]
    pub fn bad(&self, steps: &[Step], mut fault: BadValue) -> BadFile {
        let (line, path, value) = self.place(steps);
        if fault.got.is_none() {
            fault.got = value.map(shown);
        }
        fault.at(self.file, line, &path)
    }

    /// The line of the value at the end of `steps`, from 1; of the table around it if it is
    /// not there.
    #[must_use]
    pub fn line(&self, steps: &[Step]) -> u32 {
        self.place(steps).0
    }

    /// Line, dotted path and value at the end of `steps`. A table in a list is called by its
    /// name if it has one.
    fn place(&self, steps: &[Step]) -> (u32, String, Option<&DeValue<'_>>) {
        let (mut line, mut path, mut value) = (1, String::new(), Some(&self.root));
        for step in steps {
            let inner = match (step, value) {
                (Step::Key(key), Some(DeValue::Table(table))) => entry(table, key),
                (Step::Row(at), Some(DeValue::Array(items))) => {
                    let item = items.get(*at);
                    item.map(|item| (item.span().start, item.get_ref()))
                }
                _ => None,
            };
            match step {
                Step::Key(key) => path = join(&path, key),
                Step::Row(at) => {
                    let named = inner.and_then(|(_, row)| name_of(row));
                    path = named
                        .map_or_else(|| format!("{path}[{}]", at + 1), |name| join(&path, name));
                }
            }
            line = inner.map_or(line, |(at, _)| self.lines.of(at));
            value = inner.map(|(_, value)| value);
        }
        (line, path, value)
    }
}

/// Where a key stands, and its value.
fn entry<'t>(table: &'t DeTable<'_>, key: &str) -> Option<(usize, &'t DeValue<'t>)> {
    let found = |(at, _): &(&'t Spanned<_>, _)| {
        let name: &std::borrow::Cow<'_, str> = at.get_ref();
        name == key
    };
    let (key, value) = table.iter().find(found)?;
    Some((key.span().start, value.get_ref()))
}

fn name_of<'t>(row: &'t DeValue<'_>) -> Option<&'t str> {
    let DeValue::Table(table) = row else {
        return None;
    };
    match entry(table, "name") {
        Some((_, DeValue::String(name))) if is_name(name) => Some(name),
        _ => None,
    }
}

/// Where the lines of a text end.
#[derive(Debug)]
pub struct Lines(Vec<usize>);

impl Lines {
    /// Those of `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The line of the byte at `at`, from 1.
    #[must_use]
    pub fn of(&self, at: usize) -> u32 {
        let before = self.0.partition_point(|end| *end < at);
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }
}

/// The tables of `text`, which messages call `file`.
///
/// # Errors
///
/// The first place that is not TOML, in the words of the `toml` crate.
pub fn table<'t>(file: &str, text: &'t str) -> Result<DeTable<'t>, BadFile> {
    let parsed = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        let line = Lines::new(text).of(at);
        let got = text.lines().nth(line as usize - 1).unwrap_or_default();
        let got = Some(got.trim()).filter(|got| !got.is_empty());
        let what = error.message().lines().next().unwrap_or_default();
        let got = got.unwrap_or("nothing");
        BadFile::new(file, line, "toml", what, got, "TOML 1.0")
    })?;
    Ok(parsed.into_inner())
}

/// A dotted path with one more key.
fn join(path: &str, key: &str) -> String {
    let separator = if path.is_empty() { "" } else { "." };
    let plain = !key.is_empty() && !key.contains('.');
    if plain {
        format!("{path}{separator}{key}")
    } else {
        format!("{path}{separator}\"{key}\"")
    }
}

/// What a message calls a value.
pub(crate) const fn noun(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// What a message shows of a value.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(moment) => moment.to_string(),
        DeValue::Array(_) | DeValue::Table(_) => noun(value).to_owned(),
    }
}
