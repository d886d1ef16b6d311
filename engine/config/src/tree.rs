//! A TOML text as a tree whose every value knows its line, and the tree as TOML again.

use std::fmt::Write as _;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fault::{BadFile, quoted};

/// Keys and values in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct TomlTable {
    /// The entries.
    pub entries: Vec<Entry>,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The line of the key, from 1.
    pub line: u32,
    /// The value.
    pub item: Item,
}

/// A value and the line it starts on.
#[derive(Clone, Debug)]
pub struct Item {
    /// The value.
    pub data: Data,
    /// The line, from 1.
    pub line: u32,
}

/// What a value is. Numbers stay as they are written until something says what they count.
#[derive(Clone, Debug)]
pub enum Data {
    /// A string.
    Text(String),
    /// A number.
    Number(String),
    /// True or false.
    Flag(bool),
    /// A date or a time.
    Moment(String),
    /// A list.
    List(Vec<Item>),
    /// A table.
    Table(TomlTable),
}

impl TomlTable {
    /// The entry of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of `key`, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Data> {
        let mut entries = self.entries.iter_mut();
        let found = entries.find(|entry| entry.key == key)?;
        Some(&mut found.item.data)
    }

    /// Puts `item` under `key`, in the place of what is there.
    pub fn set(&mut self, key: &str, item: Item) {
        let entry = Entry {
            key: key.to_owned(),
            line: item.line,
            item,
        };
        match self.entries.iter_mut().find(|entry| entry.key == key) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
    }
}

impl Data {
    /// What a message calls it.
    #[must_use]
    pub const fn noun(&self) -> &'static str {
        match self {
            Self::Text(_) => "a string",
            Self::Number(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::Moment(_) => "a date",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }

    /// What a message shows of it.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Number(text) | Self::Moment(text) => text.clone(),
            Self::Flag(flag) => flag.to_string(),
            Self::List(items) if items.is_empty() => "an empty list".to_owned(),
            Self::List(_) | Self::Table(_) => self.noun().to_owned(),
        }
    }

    /// The table that it is.
    #[must_use]
    pub const fn table(&self) -> Option<&TomlTable> {
        match self {
            Self::Table(table) => Some(table),
            _ => None,
        }
    }

    /// The string that it is.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The tables of `text`, which messages call `file`.
///
/// # Errors
///
/// The first place that is not TOML, in the words of the `toml` crate.
pub fn parse(file: &str, text: &str) -> Result<TomlTable, BadFile> {
    let lines = Lines::new(text);
    let parsed = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start).min(text.len());
        let line = lines.of(at);
        let got = text.lines().nth(line as usize - 1).unwrap_or_default();
        let got = Some(got.trim()).filter(|got| !got.is_empty());
        let what = error.message().lines().next().unwrap_or_default();
        let got = got.unwrap_or("nothing");
        BadFile::new(file, line, "toml", what, got, "TOML 1.0")
    })?;
    Ok(table(parsed.get_ref(), &lines))
}

/// Where the lines of a text end.
struct Lines(Vec<usize>);

impl Lines {
    fn new(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The line of the byte at `at`, from 1.
    fn of(&self, at: usize) -> u32 {
        let before = self.0.partition_point(|end| *end < at);
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }
}

fn table(parsed: &DeTable<'_>, lines: &Lines) -> TomlTable {
    let mut entries: Vec<(&Spanned<_>, _)> = parsed.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let entries = entries.into_iter().map(|(key, value)| Entry {
        key: key.get_ref().to_string(),
        line: lines.of(key.span().start),
        item: item(value, lines),
    });
    TomlTable {
        entries: entries.collect(),
    }
}

fn item(value: &Spanned<DeValue<'_>>, lines: &Lines) -> Item {
    let data = match value.get_ref() {
        DeValue::String(text) => Data::Text(text.to_string()),
        DeValue::Integer(number) => Data::Number(number.to_string()),
        DeValue::Float(number) => Data::Number(number.to_string()),
        DeValue::Boolean(flag) => Data::Flag(*flag),
        DeValue::Datetime(moment) => Data::Moment(moment.to_string()),
        DeValue::Array(items) => Data::List(items.iter().map(|one| item(one, lines)).collect()),
        DeValue::Table(inner) => Data::Table(table(inner, lines)),
    };
    Item {
        data,
        line: lines.of(value.span().start),
    }
}

/// The sections of `root` as TOML, in their order. Equal trees give equal bytes, and reading
/// them gives the tree again. Tables inside of a section become sections of their own, except
/// inside of `inline`.
#[must_use]
pub fn write(root: &TomlTable, inline: &str) -> String {
    let mut out = String::new();
    for entry in &root.entries {
        let name = key(&entry.key);
        match &entry.item.data {
            Data::Table(table) => {
                let is_section =
                    |inner: &&Entry| entry.key != inline && inner.item.data.table().is_some();
                let (sections, keys): (Vec<_>, Vec<_>) = table.entries.iter().partition(is_section);
                if !keys.is_empty() || sections.is_empty() {
                    write_section(&mut out, format_args!("[{name}]"), keys);
                }
                for inner in sections {
                    let table = inner.item.data.table().into_iter();
                    let header = format_args!("[{name}.{}]", key(&inner.key));
                    write_section(&mut out, header, table.flat_map(|table| &table.entries));
                }
            }
            Data::List(rows) if rows.iter().all(|row| row.data.table().is_some()) => {
                for table in rows.iter().filter_map(|row| row.data.table()) {
                    write_section(&mut out, format_args!("[[{name}]]"), &table.entries);
                }
            }
            // What is in no section stands before the first of them.
            data => out.insert_str(0, &format!("{name} = {}\n", value(data))),
        }
    }
    out
}

fn write_section<'t>(
    out: &mut String,
    header: std::fmt::Arguments<'_>,
    keys: impl IntoIterator<Item = &'t Entry>,
) {
    let lines = keys
        .into_iter()
        .map(|entry| format!("{} = {}\n", key(&entry.key), value(&entry.item.data)));
    let lines: String = lines.collect();
    writeln!(out, "{header}\n{lines}").expect("a string takes everything");
}

/// A name as a TOML key.
#[must_use]
pub fn key(name: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !name.is_empty() && name.bytes().all(bare) {
        name.to_owned()
    } else {
        string(name)
    }
}

/// A value as TOML, on one line.
#[must_use]
pub fn value(data: &Data) -> String {
    match data {
        Data::Text(text) => string(text),
        Data::Number(text) | Data::Moment(text) => text.clone(),
        Data::Flag(flag) => flag.to_string(),
        Data::List(items) => {
            let items: Vec<String> = items.iter().map(|item| value(&item.data)).collect();
            format!("[{}]", items.join(", "))
        }
        Data::Table(table) => {
            let pairs = table.entries.iter();
            let pairs: Vec<String> = pairs
                .map(|entry| format!("{} = {}", key(&entry.key), value(&entry.item.data)))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    }
}

/// `text` as a basic string. The writer of the `toml` crate picks another kind of string for some
/// texts, and a later version may pick differently, which would change digests.
fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {
                write!(out, "\\u{:04X}", u32::from(c)).expect("a string takes everything");
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
