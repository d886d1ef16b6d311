//! Sweeps: keys with lists of values, whose product is run.
//!
//! A swept key is `section.key`, or `section.NAME.key` where tables have names. A key without a dot
//! is an axis of named cases, each a table of such keys. Unknown keys are refused, and sweeps of
//! how results are made.

use fairhaul_config::BadFile;
use fairhaul_config::document::{Document, Place};
use fairhaul_config::fault::BadValue;
use fairhaul_config::schema::Section;
use fairhaul_config::text::{NAME_ALLOWED, is_name};
use fairhaul_config::tree::{Data, Entry, Item, TomlTable};

use super::file::sections;
use super::names::unknown;

/// Most combinations of a sweep.
const CELLS_MAX: u128 = 10_000;

/// One list of a sweep.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) key: String,
    pub(crate) values: Vec<Value>,
}

/// One value of an axis: what it is called and what it sets.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) label: String,
    pub(crate) settings: Vec<Setting>,
}

/// A dotted key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    key: String,
    item: Item,
}

/// Reads the axes of `[sweep]`.
pub(crate) fn axes(raw: &Document) -> Result<Vec<Axis>, BadFile> {
    let Some(sweep) = raw.root().get("sweep") else {
        return Ok(Vec::new());
    };
    let place = raw.place().key("sweep");
    let table = table(&sweep.item.data, &place, "[sweep]")?;
    let mut axes = Vec::new();
    let mut cells = 1_u128;
    // A key that leads nowhere is found here, before any cell is made.
    let mut scratch = raw.root().clone();
    for entry in &table.entries {
        let at = place.key(&entry.key);
        let axis = axis(&at, entry, &mut scratch)?;
        cells = cells.saturating_mul(axis.values.len() as u128);
        if cells > CELLS_MAX {
            let got = format!("{cells} cells");
            return Err(at.bad_got("makes the sweep too large", &got, "at most 10000 cells"));
        }
        axes.push(axis);
    }
    Ok(axes)
}

/// The table that a value is.
fn table<'t>(data: &'t Data, at: &Place<'_>, allowed: &str) -> Result<&'t TomlTable, BadFile> {
    let what = || format!("is {}, not a table", data.noun());
    data.table().ok_or_else(|| at.bad(what(), allowed))
}

fn axis(at: &Place<'_>, entry: &Entry, scratch: &mut TomlTable) -> Result<Axis, BadFile> {
    const ALLOWED: &str = "a list of values";
    let Entry { key, item, .. } = entry;
    let items = match &item.data {
        Data::List(items) if items.is_empty() => return Err(at.bad("is an empty list", ALLOWED)),
        Data::List(items) => items,
        other => return Err(at.bad(format!("is {}, not a list", other.noun()), ALLOWED)),
    };
    let mut values: Vec<Value> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let row = at.row(index);
        let value = if key.contains('.') {
            let label = label(&item.data, index);
            let settings = vec![setting(at, key, item, scratch)?];
            Value { label, settings }
        } else {
            case(&row, &item.data, scratch)?
        };
        if values.iter().any(|other| other.label == value.label) {
            return Err(row.bad_got("is in the list twice", &value.label, "each value once"));
        }
        values.push(value);
    }
    if !key.contains('.') && !is_name(key) {
        return Err(at.bad_got("is not a name", key, NAME_ALLOWED));
    }
    let key = key.clone();
    Ok(Axis { key, values })
}

/// A setting whose key, at `at`, leads to a table of `scratch`.
fn setting(
    at: &Place<'_>,
    key: &str,
    item: &Item,
    scratch: &mut TomlTable,
) -> Result<Setting, BadFile> {
    let (key, item) = (key.to_owned(), item.clone());
    let setting = Setting { key, item };
    let put = setting.put(scratch);
    put.map(|()| setting).map_err(|fault| at.refuse(fault))
}

/// A case: a table with a name and dotted keys.
fn case(at: &Place<'_>, data: &Data, scratch: &mut TomlTable) -> Result<Value, BadFile> {
    const ALLOWED: &str =
        "a table such as { name = \"small\", \"class.a.count\" = 10 }, or a dotted key";
    let table = table(data, at, ALLOWED)?;
    let label = case_name(&at.key("name"), table)?;
    let mut settings = Vec::new();
    for Entry { key, item, .. } in table.entries.iter().filter(|entry| entry.key != "name") {
        let at = at.key(key);
        if !key.contains('.') {
            return Err(at.bad_got("is not a dotted key", key, "section.key in quotes"));
        }
        settings.push(setting(&at, key, item, scratch)?);
    }
    Ok(Value { label, settings })
}

/// What a case is called: a name, or that of a policy, of which one has a sign in it.
fn case_name(at: &Place<'_>, table: &TomlTable) -> Result<String, BadFile> {
    let Some(entry) = table.get("name") else {
        return Err(at.missing(NAME_ALLOWED));
    };
    let Some(text) = entry.item.data.text() else {
        let what = format!("is {}, not a string", entry.item.data.noun());
        return Err(at.bad(what, NAME_ALLOWED));
    };
    if is_name(&text.replace(['+', '/'], "_")) {
        Ok(text.to_owned())
    } else {
        Err(at.bad("is not a name", NAME_ALLOWED))
    }
}

/// What a value is called in a table of results: no commas, no quotes.
fn label(data: &Data, index: usize) -> String {
    match data {
        Data::Text(text) if text.chars().all(|c| c.is_ascii_graphic() || c == ' ') => {
            text.replace([',', '"', '\''], "")
        }
        Data::Number(text) => text.clone(),
        Data::Flag(flag) => flag.to_string(),
        Data::List(items) => {
            let names = items.iter().map(|item| item.data.text());
            let names: Option<Vec<&str>> = names.map(|name| name.filter(|n| is_name(n))).collect();
            names.map_or_else(|| format!("value-{}", index + 1), |names| names.join("+"))
        }
        _ => format!("value-{}", index + 1),
    }
}

impl Setting {
    /// Puts it into the tables of a file.
    pub(crate) fn put(&self, root: &mut TomlTable) -> Result<(), BadValue> {
        let (name, rest) = self.key.split_once('.').expect("keys have a dot");
        let sections = sections();
        let fixed = ["sweep", "published", "claim", "replication", "output"];
        let swept = |section: &&Section| !fixed.contains(&section.path);
        let Some(section) = sections.iter().filter(swept).find(|s| s.path == name) else {
            let names = sections.iter().filter(swept).map(|section| section.path);
            return Err(unknown("section to sweep", name, names));
        };
        let (row, key) = match rest.rsplit_once('.') {
            Some((row, key)) => (Some(row), key),
            None => (None, rest),
        };
        let keys = section.keys.iter().copied().filter(|key| *key != "name");
        if !keys.clone().any(|known| known == key) {
            return Err(unknown("key to sweep", key, keys));
        }
        self.table(root, section.path, row)?
            .set(key, self.item.clone());
        Ok(())
    }

    /// The table that it is put into.
    fn table<'t>(
        &self,
        root: &'t mut TomlTable,
        section: &str,
        row: Option<&str>,
    ) -> Result<&'t mut TomlTable, BadValue> {
        let once = matches!(section, "scenario" | "policy");
        if root.get(section).is_none() {
            if !once {
                return Err(unknown(section, row.unwrap_or(""), []));
            }
            let (line, data) = (self.item.line, Data::Table(TomlTable::default()));
            root.set(section, Item { data, line });
        }
        let leads_to_the_whole = once && row.is_none();
        let leads_inside = section != "scenario" && row.is_some();
        if !leads_to_the_whole && !leads_inside {
            let fault = BadValue::new("does not lead to a key").got(&*self.key);
            return Err(fault.allowing("section.key, or section.NAME.key where tables have names"));
        }
        let names = row_names(root, section);
        let found = match (root.get_mut(section), row) {
            (Some(Data::Table(table)), None) => Some(table),
            (Some(Data::Table(table)), Some(row)) => table.get_mut(row).and_then(inner_table),
            (Some(Data::List(items)), Some(row)) => {
                let named = items.iter_mut().find(|item| name_of(item) == Some(row));
                named.and_then(|item| inner_table(&mut item.data))
            }
            _ => None,
        };
        let names = names.iter().map(String::as_str);
        found.ok_or_else(|| unknown(section, row.unwrap_or(""), names))
    }
}

const fn inner_table(data: &mut Data) -> Option<&mut TomlTable> {
    match data {
        Data::Table(table) => Some(table),
        _ => None,
    }
}

/// The names of the tables of a section.
fn row_names(root: &TomlTable, section: &str) -> Vec<String> {
    match root.get(section).map(|entry| &entry.item.data) {
        Some(Data::Table(table)) => {
            let tables = table.entries.iter();
            let tables = tables.filter(|entry| entry.item.data.table().is_some());
            tables.map(|entry| entry.key.clone()).collect()
        }
        Some(Data::List(items)) => {
            let names = items.iter().filter_map(name_of);
            names.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

fn name_of(item: &Item) -> Option<&str> {
    item.data.table()?.get("name")?.item.data.text()
}

/// The axis and the value that `baseline` names.
pub(crate) fn baseline(
    at: &Place<'_>,
    wanted: &str,
    axes: &[Axis],
) -> Result<(String, String), BadFile> {
    let named = |axis: &&Axis| axis.values.iter().any(|value| value.label == wanted);
    if let Some(axis) = axes.iter().find(named) {
        return Ok((axis.key.clone(), wanted.to_owned()));
    }
    let labels = axes.iter().flat_map(|axis| &axis.values);
    let labels = labels.map(|value| value.label.as_str());
    Err(at.refuse(unknown("value of the sweep", wanted, labels)))
}
