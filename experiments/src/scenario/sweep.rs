//! Sweeps: keys with lists of values, whose product is run.
//!
//! Decides which key of the file a swept key means: `section.key`, or `section.NAME.key`
//! where tables have names. A key without a dot is an axis of named cases, each a table of
//! such keys. Refuses keys that are not there, and sweeps of how results are made.

use fairhaul_config::BadFile;
use fairhaul_config::text::{NAME_ALLOWED, is_name};

use super::check::unknown;
use super::grammar::{Form, SECTIONS, Section};
use super::reader::{At, Context, Row, join};
use super::tree::{Item, Table, Value as TreeValue};

/// Most combinations of a sweep.
const CELLS_MAX: u128 = 10_000;

/// One list of a sweep.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) key: String,
    line: u32,
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
pub(crate) fn axes(cx: &Context, raw: &Table) -> Result<Vec<Axis>, BadFile> {
    let top = Row {
        cx,
        path: String::new(),
        line: 1,
        table: raw,
    };
    let Some(sweep) = top.get("sweep") else {
        return Ok(Vec::new());
    };
    let row = sweep.row("[sweep]")?;
    let mut axes = Vec::new();
    let mut cells = 1_u128;
    for entry in &row.table.entries {
        let at = row.need(&entry.key)?;
        let axis = axis(&at, &entry.key)?;
        cells = cells.saturating_mul(axis.values.len() as u128);
        if cells > CELLS_MAX {
            let got = format!("{cells} cells");
            return Err(at.bad_got("makes the sweep too large", &got, "at most 10000 cells"));
        }
        axes.push(axis);
    }
    // A key that leads nowhere is found here, before any cell is made.
    let mut scratch = raw.clone();
    for axis in &axes {
        for setting in axis.values.iter().flat_map(|value| &value.settings) {
            apply(cx, &mut scratch, axis, setting)?;
        }
    }
    Ok(axes)
}

fn axis(at: &At<'_>, key: &str) -> Result<Axis, BadFile> {
    let list = at.list("a list of values")?;
    let mut values: Vec<Value> = Vec::new();
    for (index, at) in list.iter().enumerate() {
        let value = if key.contains('.') {
            Value {
                label: label(at, index),
                settings: vec![Setting {
                    key: key.to_owned(),
                    item: item(at),
                }],
            }
        } else {
            case(at)?
        };
        if values.iter().any(|other| other.label == value.label) {
            return Err(at.bad_got("is in the list twice", &value.label, "each value once"));
        }
        values.push(value);
    }
    if !key.contains('.') && !is_name(key) {
        return Err(at.bad_got("is not a name", key, NAME_ALLOWED));
    }
    Ok(Axis {
        key: key.to_owned(),
        line: at.line,
        values,
    })
}

fn item(at: &At<'_>) -> Item {
    let mut item = Item {
        value: at.value.clone(),
        line: at.line,
    };
    item.set_line(at.line);
    item
}

/// A case: a table with a name and dotted keys.
fn case(at: &At<'_>) -> Result<Value, BadFile> {
    const ALLOWED: &str =
        "a table such as { name = \"small\", \"class.a.count\" = 10 }, or a dotted key";
    let row = at.row(ALLOWED)?;
    let name = case_name(&row.need("name")?)?;
    let mut settings = Vec::new();
    for entry in &row.table.entries {
        if entry.key == "name" {
            continue;
        }
        let at = row.need(&entry.key)?;
        if !entry.key.contains('.') {
            return Err(at.bad_got("is not a dotted key", &entry.key, "section.key in quotes"));
        }
        settings.push(Setting {
            key: entry.key.clone(),
            item: item(&at),
        });
    }
    Ok(Value {
        label: name,
        settings,
    })
}

/// What a case is called: a name, or that of a policy, of which one has a sign in it.
fn case_name(at: &At<'_>) -> Result<String, BadFile> {
    let text = at.text(NAME_ALLOWED)?;
    if is_name(&text.replace(['+', '/'], "_")) {
        Ok(text.to_owned())
    } else {
        at.name().map(str::to_owned)
    }
}

/// What a value is called in a table of results: no commas, no quotes.
fn label(at: &At<'_>, index: usize) -> String {
    match at.value {
        TreeValue::Text(text) if text.chars().all(|c| c.is_ascii_graphic() || c == ' ') => {
            text.replace([',', '"', '\''], "")
        }
        TreeValue::Number(text) => text.clone(),
        TreeValue::Flag(flag) => flag.to_string(),
        TreeValue::List(items) => {
            let texts: Vec<&str> = items
                .iter()
                .filter_map(|item| match &item.value {
                    TreeValue::Text(text) if is_name(text) => Some(text.as_str()),
                    _ => None,
                })
                .collect();
            if texts.len() == items.len() {
                texts.join("+")
            } else {
                format!("value-{}", index + 1)
            }
        }
        _ => format!("value-{}", index + 1),
    }
}

/// Puts one setting into the tree of the file.
pub(crate) fn apply(
    cx: &Context,
    root: &mut Table,
    axis: &Axis,
    setting: &Setting,
) -> Result<(), BadFile> {
    let at = At {
        cx,
        path: join("sweep", &setting.key),
        line: axis.line.max(setting.item.line),
        value: &setting.item.value,
    };
    let (name, rest) = setting.key.split_once('.').expect("keys have a dot");
    let swept = |section: &&Section| !matches!(section.name, "sweep" | "replication" | "output");
    let Some(section) = SECTIONS.iter().filter(swept).find(|s| s.name == name) else {
        let names = SECTIONS.iter().filter(swept).map(|section| section.name);
        return Err(unknown(&at, "section to sweep", name, names));
    };
    let (row, key) = match rest.rsplit_once('.') {
        Some((row, key)) => (Some(row), key),
        None => (None, rest),
    };
    let fields = section.fields.iter().map(|field| field.name);
    if !fields.clone().any(|field| field == key) || key == "name" {
        return Err(unknown(
            &at,
            "key to sweep",
            key,
            fields.filter(|f| *f != "name"),
        ));
    }
    let table = row_table(&at, root, section, row)?;
    table.set(key, setting.item.clone());
    Ok(())
}

/// The table that a swept key is in.
fn row_table<'t>(
    at: &At<'_>,
    root: &'t mut Table,
    section: &Section,
    row: Option<&str>,
) -> Result<&'t mut Table, BadFile> {
    if root.get(section.name).is_none() {
        if !matches!(section.form, Form::One | Form::Bundles) {
            return Err(unknown(at, section.name, row.unwrap_or(""), []));
        }
        let item = Item {
            value: TreeValue::Table(Table::default()),
            line: at.line,
        };
        root.set(section.name, item);
    }
    let whole = matches!(section.form, Form::One | Form::Bundles) && row.is_none();
    let inner = !matches!(section.form, Form::One | Form::Free) && row.is_some();
    if !whole && !inner {
        return Err(at.bad_got(
            "does not lead to a key",
            at.path.trim_start_matches("sweep.").trim_matches('"'),
            "section.key, or section.NAME.key where tables have names",
        ));
    }
    let names = row_names(root, section.name);
    let row = row.unwrap_or("");
    let found = match &mut root.get_mut(section.name).expect("it is there").item.value {
        TreeValue::Table(table) => {
            if whole {
                Some(table)
            } else {
                let entry = table.get_mut(row);
                entry.and_then(|entry| inner_table(&mut entry.item))
            }
        }
        TreeValue::List(items) => items
            .iter_mut()
            .find(|item| name_of(item) == Some(row))
            .and_then(inner_table),
        _ => None,
    };
    found.ok_or_else(|| unknown(at, section.name, row, names.iter().map(String::as_str)))
}

fn inner_table(item: &mut Item) -> Option<&mut Table> {
    match &mut item.value {
        TreeValue::Table(table) => Some(table),
        _ => None,
    }
}

/// The names of the tables of a section.
fn row_names(root: &Table, section: &str) -> Vec<String> {
    match root.get(section).map(|entry| &entry.item.value) {
        Some(TreeValue::Table(table)) => table
            .entries
            .iter()
            .filter(|entry| matches!(entry.item.value, TreeValue::Table(_)))
            .map(|entry| entry.key.clone())
            .collect(),
        Some(TreeValue::List(items)) => {
            let names = items.iter().filter_map(name_of);
            names.map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

fn name_of(item: &Item) -> Option<&str> {
    let TreeValue::Table(table) = &item.value else {
        return None;
    };
    match &table.get("name")?.item.value {
        TreeValue::Text(name) => Some(name),
        _ => None,
    }
}

/// The axis and the value that `baseline` names.
pub(crate) fn baseline(at: &At<'_>, axes: &[Axis]) -> Result<(String, String), BadFile> {
    let wanted = at.prose()?;
    for axis in axes {
        if axis.values.iter().any(|value| value.label == wanted) {
            return Ok((axis.key.clone(), wanted.to_owned()));
        }
    }
    let labels = axes.iter().flat_map(|axis| &axis.values);
    Err(unknown(
        at,
        "value of the sweep",
        wanted,
        labels.map(|value| value.label.as_str()),
    ))
}
