//! A scenario that a program changes: other values of keys, and a peer that leaves its class.

use std::path::PathBuf;

use fairhaul_config::document::Document;
use fairhaul_config::fault::BadValue;
use fairhaul_config::tree::{Data, Item, TomlTable};
use fairhaul_simulator::setup::Setup;

use super::sweep::{Setting, name_of};
use super::{BadFile, Cell, Complete, Scenario, resolve};

/// A scenario of one cell, as it is written, whose keys a program changes.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    scenario: Scenario,
    root: TomlTable,
}

/// A class of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClassFacts {
    /// Its name.
    pub(crate) name: String,
    /// Its peers; `None` if arrivals decide.
    pub(crate) count: Option<u64>,
    /// Whether it wants a content.
    pub(crate) wants: bool,
    /// Whether its peers keep to the protocol.
    pub(crate) is_compliant: bool,
}

impl Variant {
    /// What the cell of a sweep runs.
    pub(crate) fn of(cell: &Cell) -> Self {
        Self {
            scenario: cell.scenario.clone(),
            root: cell.raw(),
        }
    }

    /// Its sections, without defaults.
    pub(crate) const fn root(&self) -> &TomlTable {
        &self.root
    }

    /// Sets a dotted key, as a sweep does.
    ///
    /// # Errors
    ///
    /// That the key leads nowhere.
    pub(crate) fn set(&mut self, key: &str, data: Data) -> Result<(), BadValue> {
        Setting::of(key, data).put(&mut self.root)
    }

    /// Replaces a section.
    pub(crate) fn set_section(&mut self, name: &str, data: Data) {
        self.root.set(name, Item { data, line: 1 });
    }

    fn complete(&self) -> Result<Complete, BadFile> {
        let file = self.scenario.0.raw.file();
        Complete::read(&Document::new(file, self.root.clone()))
    }

    /// Draws one replication, as [`Cell::resolve`].
    ///
    /// # Errors
    ///
    /// A fault of the values that were set.
    pub(crate) fn resolve(&self, replication: u32) -> Result<Setup, BadFile> {
        resolve::resolve(&self.complete()?, &self.scenario.0.inputs, replication)
    }

    /// Every class, in the order of the file.
    ///
    /// # Errors
    ///
    /// A fault of the values that were set.
    pub(crate) fn classes(&self) -> Result<Vec<ClassFacts>, BadFile> {
        let Complete { file, .. } = self.complete()?;
        let wants = |name: &str| {
            let mut leechers = file.contents.iter().flat_map(|row| row.leechers.iter());
            leechers.any(|leecher| **leecher == *name)
        };
        let classes = file.classes.iter();
        let classes = classes.map(|row| ClassFacts {
            name: row.own.name.to_string(),
            count: row.own.count.as_ref().map(|count| count.get()),
            wants: wants(&row.own.name),
            is_compliant: row.terms.behaviour.behaviour().is_compliant(),
        });
        Ok(classes.collect())
    }

    /// Makes a class `name` of one of the `count` peers of `class`, which wants the same contents.
    pub(crate) fn split(&mut self, class: &str, count: u64, name: &str) {
        for item in rows(&mut self.root, "content") {
            if let Data::Table(content) = &mut item.data
                && let Some(leechers) = content.get_mut("leechers")
            {
                join(leechers, class, name);
            }
        }
        let Some(Data::List(classes)) = self.root.get_mut("class") else {
            return;
        };
        let Some(at) = classes.iter().position(|row| name_of(row) == Some(class)) else {
            return;
        };
        let mut own = classes[at].clone();
        put(&mut own, "name", Data::Text(name.to_owned()));
        put(&mut own, "count", Data::Number("1".to_owned()));
        let rest = count.saturating_sub(1).to_string();
        put(&mut classes[at], "count", Data::Number(rest));
        classes.insert(at + 1, own);
    }

    /// Files with data that were read for it: as the scenario names them, and where they are.
    pub(crate) fn data_files(&self) -> Vec<(String, PathBuf)> {
        self.scenario.0.inputs.files()
    }
}

/// The tables of a section that may be written many times.
fn rows<'t>(root: &'t mut TomlTable, section: &str) -> &'t mut [Item] {
    match root.get_mut(section) {
        Some(Data::List(rows)) => rows,
        _ => &mut [],
    }
}

fn put(row: &mut Item, key: &str, data: Data) {
    let line = row.line;
    if let Data::Table(table) = &mut row.data {
        table.set(key, Item { data, line });
    }
}

/// Adds `name` to one or more names if `class` is one of them.
fn join(names: &mut Data, class: &str, name: &str) {
    let text = |name: &str| Item {
        data: Data::Text(name.to_owned()),
        line: 1,
    };
    match names {
        Data::Text(only) if only == class => {
            *names = Data::List(vec![text(class), text(name)]);
        }
        Data::List(all) if all.iter().any(|item| item.data.text() == Some(class)) => {
            all.push(text(name));
        }
        _ => {}
    }
}
