//! A file with every default written out, as a tree that reads and hashes like the file.

use schemars::JsonSchema;
use serde_json::{Map, Value};

use crate::schema::{Section, described, raw};
use crate::tree::{Data, Entry, Item, TomlTable};

/// The tables of a file with every default written out: known sections and keys in their order,
/// unknown ones after them. Nothing is refused here: wrong values stay as they are.
///
/// A section that is written once is there even if the file leaves it out. In a section with
/// tables of other names inside, each of those has what it leaves out from the section itself.
#[derive(Debug)]
pub struct Defaults {
    sections: Vec<(Section, Form, Map<String, Value>)>,
}

/// How a section is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `[name]`.
    Once,
    /// `[[name]]`.
    Many,
    /// `[name.NAME]`.
    Named,
    /// `[name]`, and `[name.NAME]` that changes some of its keys.
    Variants,
    /// `[name]`, if it is there, with keys of a person's own.
    Free,
}

impl Defaults {
    /// Those of a file that is read into a `T`; its sections, in their order.
    #[must_use]
    pub fn of<T: JsonSchema>(sections: &[Section]) -> Self {
        let schema = raw::<T>();
        let sections = sections.iter().map(|section| {
            if section.keys.is_empty() {
                return (*section, Form::Free, Map::new());
            }
            let (keys, about, _) = described(&schema, section.path);
            let form = match (
                &about["type"],
                &about["properties"],
                &about["additionalProperties"],
            ) {
                (kind, ..) if kind == "array" => Form::Many,
                (_, Value::Object(_), Value::Object(_)) => Form::Variants,
                (_, _, Value::Object(_)) => Form::Named,
                _ => Form::Once,
            };
            (*section, form, keys.clone())
        });
        Self {
            sections: sections.collect(),
        }
    }

    /// Writes the defaults into the tables of a file.
    #[must_use]
    pub fn fill(&self, root: &TomlTable) -> TomlTable {
        let mut full = TomlTable::default();
        for (section, form, keys) in &self.sections {
            let nothing = Item {
                data: Data::Table(TomlTable::default()),
                line: 1,
            };
            let (line, item) = match (root.get(section.path), form) {
                (Some(entry), _) => (entry.line, entry.item.clone()),
                (None, Form::Once | Form::Variants) => (1, nothing),
                (None, _) => continue,
            };
            let mut item = item;
            let fill = |item: &mut Item| {
                if let Data::Table(table) = &mut item.data {
                    *table = filled(section.keys, keys, table, item.line);
                }
            };
            item.line = line;
            match (form, &mut item.data) {
                (Form::Many, Data::List(rows)) => rows.iter_mut().for_each(fill),
                (Form::Named, Data::Table(table)) => table.entries.iter_mut().for_each(|entry| {
                    entry.item.line = entry.line;
                    fill(&mut entry.item);
                }),
                (Form::Once, _) => fill(&mut item),
                (Form::Variants, Data::Table(_)) => {
                    fill(&mut item);
                    inherit(section.keys, &mut item.data);
                }
                _ => {}
            }
            full.entries.push(Entry {
                key: section.path.to_owned(),
                line,
                item,
            });
        }
        let is_known = |entry: &&Entry| full.get(&entry.key).is_some();
        let unknown = root
            .entries
            .iter()
            .filter(|entry| !is_known(entry))
            .cloned();
        full.entries.extend(unknown.collect::<Vec<_>>());
        full
    }
}

/// A table with its keys in their order, those with defaults all there.
fn filled(order: &[&str], keys: &Map<String, Value>, table: &TomlTable, line: u32) -> TomlTable {
    let known = order.iter().filter_map(|name| {
        let default = || {
            Some(Entry {
                key: (*name).to_owned(),
                line,
                item: of_json(keys[*name].get("default")?, line),
            })
        };
        table.get(name).cloned().or_else(default)
    });
    let rest = table.entries.iter();
    let rest = rest.filter(|entry| !order.contains(&&*entry.key));
    TomlTable {
        entries: known.chain(rest.cloned()).collect(),
    }
}

/// Gives the tables inside of a section the keys of the section that they leave out.
fn inherit(order: &[&str], section: &mut Data) {
    let Data::Table(section) = section else {
        return;
    };
    let (own, others): (Vec<Entry>, Vec<Entry>) = std::mem::take(&mut section.entries)
        .into_iter()
        .partition(|entry| order.contains(&&*entry.key));
    section.entries.clone_from(&own);
    section.entries.extend(others.into_iter().map(|mut entry| {
        if let Data::Table(table) = &mut entry.item.data {
            let left_out = own.iter().filter(|entry| table.get(&entry.key).is_none());
            let left_out: Vec<Entry> = left_out.cloned().collect();
            table.entries.extend(left_out);
        }
        entry
    }));
}

/// A default as a value of the file.
fn of_json(value: &Value, line: u32) -> Item {
    let data = match value {
        Value::String(text) => Data::Text(text.clone()),
        Value::Bool(flag) => Data::Flag(*flag),
        Value::Array(all) => Data::List(all.iter().map(|one| of_json(one, line)).collect()),
        other => Data::Number(other.to_string()),
    };
    Item { data, line }
}
