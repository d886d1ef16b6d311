//! A TOML file as a tree whose every value knows its line.
//!
//! Decides nothing about meaning; refuses what is not TOML. Order is that of the file.

use fairhaul_config::BadFile;
use fairhaul_config::document::{self, Lines};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and the line it starts on.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) value: Value,
    pub(crate) line: u32,
}

/// What a value is. Numbers stay text until something says what they count.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    Number(String),
    Flag(bool),
    Moment(String),
    List(Vec<Item>),
    Table(Table),
}

/// Keys and values in the order of the file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) entries: Vec<Entry>,
}

/// A key, the line of the key, and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: u32,
    pub(crate) item: Item,
}

impl Table {
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.entries.iter_mut().find(|entry| entry.key == key)
    }

    /// Puts `item` under `key`, in the place of what is there.
    pub(crate) fn set(&mut self, key: &str, item: Item) {
        if let Some(entry) = self.get_mut(key) {
            entry.line = item.line;
            entry.item = item;
        } else {
            self.entries.push(Entry {
                key: key.to_owned(),
                line: item.line,
                item,
            });
        }
    }
}

impl Value {
    /// What a message calls it.
    pub(crate) const fn kind(&self) -> &'static str {
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
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Text(text) => format!("\"{text}\""),
            Self::Number(text) | Self::Moment(text) => text.clone(),
            Self::Flag(flag) => flag.to_string(),
            Self::List(items) if items.is_empty() => "an empty list".to_owned(),
            Self::List(_) | Self::Table(_) => self.kind().to_owned(),
        }
    }
}

/// Reads `text` as TOML.
///
/// # Errors
///
/// One line in the words of the TOML reader, at the place it names.
pub(crate) fn parse(file: &str, text: &str) -> Result<Table, BadFile> {
    let table = document::table(file, text)?;
    Ok(from_table(&table, &Lines::new(text)))
}

/// Reads one value, which stands on `line`.
pub(crate) fn literal(text: &str, line: u32) -> Item {
    let parsed = DeValue::parse(text).expect("defaults are written by us in TOML");
    let lines = Lines::new("");
    let mut item = from_value(&parsed, &lines);
    item.set_line(line);
    item
}

impl Item {
    /// Says that this value and all inside stand on `line`.
    pub(crate) fn set_line(&mut self, line: u32) {
        self.line = line;
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.set_line(line)),
            Value::Table(table) => {
                for entry in &mut table.entries {
                    entry.line = line;
                    entry.item.set_line(line);
                }
            }
            _ => {}
        }
    }
}

fn from_table(table: &DeTable<'_>, lines: &Lines) -> Table {
    let mut rows: Vec<(usize, Entry)> = table
        .iter()
        .map(|(key, value)| {
            let at = key.span().start;
            let entry = Entry {
                key: key.get_ref().to_string(),
                line: lines.of(at),
                item: from_value(value, lines),
            };
            (at, entry)
        })
        .collect();
    rows.sort_by_key(|(at, _)| *at);
    Table {
        entries: rows.into_iter().map(|(_, entry)| entry).collect(),
    }
}

fn from_value(value: &Spanned<DeValue<'_>>, lines: &Lines) -> Item {
    let line = lines.of(value.span().start);
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => {
            Value::Number(number.as_str().to_owned())
        }
        DeValue::Integer(number) => Value::Number(
            i128::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| number.to_string(), |n| n.to_string()),
        ),
        DeValue::Float(number) => Value::Number(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Value::Flag(*flag),
        DeValue::Datetime(moment) => Value::Moment(moment.to_string()),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| from_value(item, lines)).collect())
        }
        DeValue::Table(table) => Value::Table(from_table(table, lines)),
    };
    Item { value, line }
}
