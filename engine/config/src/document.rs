//! A TOML text that is read into a struct; what is wrong with it is reported with its line.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::de::{Error, Kind, Node};
use crate::fault::{BadFile, BadValue, did_you_mean};
use crate::schema;
use crate::text::is_name;
use crate::tree::{self, Data, Entry, TomlTable};

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
#[derive(Clone, Debug)]
pub struct Document {
    /// The file as the user named it.
    file: String,
    root: Data,
}

impl Document {
    /// Parses `text`, which messages call `file`.
    ///
    /// # Errors
    ///
    /// As [`tree::parse`].
    pub fn parse(file: &str, text: &str) -> Result<Self, BadFile> {
        Ok(Self::new(file, tree::parse(file, text)?))
    }

    /// The document of a tree; messages call it `file`.
    #[must_use]
    pub fn new(file: &str, root: TomlTable) -> Self {
        Self {
            file: file.to_owned(),
            root: Data::Table(root),
        }
    }

    /// Its tables.
    ///
    /// # Panics
    ///
    /// Never: a document is a table.
    #[must_use]
    pub fn root(&self) -> &TomlTable {
        self.root.table().expect("a document is a table")
    }

    /// The file, as the user named it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The struct that the document says.
    ///
    /// # Errors
    ///
    /// The first fault, with its place.
    pub fn read<T: DeserializeOwned + JsonSchema>(&self) -> Result<T, BadFile> {
        // The tree lives as long as this document; what is read owns its parts.
        T::deserialize(Node::of(&self.root)).map_err(|error| self.fault::<T>(&[], error))
    }

    /// The fault of a `T` at the end of `from`, as a message tells it.
    fn fault<T: JsonSchema>(&self, from: &[Step], error: Error) -> BadFile {
        let Error {
            kind,
            mut fault,
            mut steps,
        } = error;
        steps.reverse();
        if kind == Kind::Unknown && from.len() + steps.len() == 1 {
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
        self.bad(&[from, &steps].concat(), fault)
    }

    /// The fault of the value at the end of `steps`. Where it says nothing of what was got, it
    /// was that value.
    #[must_use]
    pub fn bad(&self, steps: &[Step], mut fault: BadValue) -> BadFile {
        let (line, path, value) = self.find(steps);
        if fault.got.is_none() {
            fault.got = value.map(Data::shown);
        }
        fault.at(&self.file, line, &path)
    }

    /// The line of the value at the end of `steps`, from 1; of the table around it if it is
    /// not there.
    #[must_use]
    pub fn line(&self, steps: &[Step]) -> u32 {
        self.find(steps).0
    }

    /// The place of the whole document.
    #[must_use]
    pub const fn place(&self) -> Place<'_> {
        Place {
            document: self,
            steps: Vec::new(),
        }
    }

    /// Line, dotted path and value at the end of `steps`. A table in a list is called by its
    /// name if it has one.
    fn find(&self, steps: &[Step]) -> (u32, String, Option<&Data>) {
        let (mut line, mut path, mut value) = (1, String::new(), Some(&self.root));
        for step in steps {
            let inner = match (step, value) {
                (Step::Key(key), Some(Data::Table(table))) => {
                    let entry = table.get(key);
                    entry.map(|entry| (entry.line, &entry.item.data))
                }
                (Step::Row(at), Some(Data::List(items))) => {
                    items.get(*at).map(|item| (item.line, &item.data))
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
            line = inner.map_or(line, |(at, _)| at);
            value = inner.map(|(_, value)| value);
        }
        (line, path, value)
    }
}

/// A place in a document, for messages about what is there.
#[derive(Clone, Debug)]
pub struct Place<'d> {
    document: &'d Document,
    steps: Vec<Step>,
}

impl Place<'_> {
    /// The place of the value of `key` in the table that is here.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.then(key.into())
    }

    /// The place of a member of the list that is here, from 0. A value that stands for a list of
    /// one is its own member.
    #[must_use]
    pub fn row(&self, at: usize) -> Self {
        match self.document.find(&self.steps).2 {
            Some(Data::List(_)) => self.then(at.into()),
            _ => self.clone(),
        }
    }

    fn then(&self, step: Step) -> Self {
        let mut place = self.clone();
        place.steps.push(step);
        place
    }

    /// Reads a part of the table that is here into a struct: the keys of that struct. The others
    /// are those of another part.
    ///
    /// # Errors
    ///
    /// The first fault of the part, with its place.
    pub fn part<T: DeserializeOwned + JsonSchema>(&self) -> Result<T, BadFile> {
        let found = self.document.find(&self.steps).2;
        let Some(data) = found.filter(|data| data.table().is_some()) else {
            let noun = found.map_or("nothing", Data::noun);
            return Err(self.bad(format!("is {noun}, not a table"), "a table"));
        };
        let read = T::deserialize(Node::part(data));
        read.map_err(|error| self.document.fault::<T>(&self.steps, error))
    }

    /// Refuses a key of the table that is here and is not in `known`.
    ///
    /// # Errors
    ///
    /// The first such key.
    pub fn only(&self, known: &[&str]) -> Result<(), BadFile> {
        let table = self.document.find(&self.steps).2.and_then(Data::table);
        let mut entries = table.into_iter().flat_map(|table| &table.entries);
        let unknown = entries.find(|entry| !known.contains(&&*entry.key));
        unknown.map_or(Ok(()), |Entry { key, .. }| {
            let what = did_you_mean("unknown key", key, known.iter().copied());
            Err(self.key(key).bad_got(what, key, known.join(", ")))
        })
    }

    /// The fault of the value that is here.
    pub fn bad(&self, what: impl Into<String>, allowed: impl Into<String>) -> BadFile {
        self.refuse(BadValue::new(what).allowing(allowed))
    }

    /// The fault of a part of the value that is here.
    pub fn bad_got(
        &self,
        what: impl Into<String>,
        got: &str,
        allowed: impl Into<String>,
    ) -> BadFile {
        self.refuse(BadValue::new(what).got(got).allowing(allowed))
    }

    /// This fault of the value that is here.
    #[must_use]
    pub fn refuse(&self, fault: BadValue) -> BadFile {
        self.document.bad(&self.steps, fault)
    }

    /// The fault of a value that is not here.
    pub fn missing(&self, allowed: impl Into<String>) -> BadFile {
        self.bad_got("is missing", "nothing", allowed)
    }

    /// What reading a data file gave. A file that cannot be opened is a fault of the value that
    /// is here; a fault inside of it has a place of its own.
    ///
    /// # Errors
    ///
    /// That of `result`.
    pub fn opened<T>(&self, result: Result<T, BadFile>) -> Result<T, BadFile> {
        result.map_err(|bad| {
            let (line, path, _) = self.document.find(&self.steps);
            bad.named_by(&self.document.file, line, &path)
        })
    }

    /// The line of the value that is here, from 1.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.document.line(&self.steps)
    }

    /// What a message shows of the value that is here.
    #[must_use]
    pub fn shown(&self) -> String {
        let value = self.document.find(&self.steps).2;
        value.map_or_else(|| "nothing".to_owned(), Data::shown)
    }
}

fn name_of(row: &Data) -> Option<&str> {
    let name = row.table()?.get("name")?.item.data.text();
    name.filter(|name| is_name(name))
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
