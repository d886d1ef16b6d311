//! A tree against the grammar, and the defaults that it leaves out.
//!
//! Decides which keys there may be and what kind each value is; refuses unknown keys, wrong
//! kinds and names given twice. What names refer to is checked when a run is resolved.

use std::collections::BTreeMap;

use fairhaul_config::BadFile;
use fairhaul_config::fault::did_you_mean;
use fairhaul_config::text::{NAME_ALLOWED, is_name};

use super::drawn;
use super::grammar::{Field, Form, Kind, OUTPUT_FILES, Otherwise, SECTIONS, Section};
use super::reader::{At, Context, Row, join};
use super::tree::{Item, Table, Value, literal};

/// Checks every value of `root` and puts defaults where keys are missing.
pub(crate) fn complete(cx: &Context, root: &Table) -> Result<Table, BadFile> {
    let known: Vec<&str> = SECTIONS.iter().map(|section| section.name).collect();
    let top = Row {
        cx,
        path: String::new(),
        line: 1,
        table: root,
    };
    top.only(&known)?;
    let mut full = Table::default();
    for section in SECTIONS {
        if let Some(item) = complete_section(cx, section, top.get(section.name))? {
            full.set(section.name, item);
        }
    }
    Ok(full)
}

fn complete_section(
    cx: &Context,
    section: &Section,
    found: Option<At<'_>>,
) -> Result<Option<Item>, BadFile> {
    let empty = Value::Table(Table::default());
    let found = match (found, section.form) {
        (Some(found), _) => found,
        (None, Form::One | Form::Bundles) => At {
            cx,
            path: section.name.to_owned(),
            line: 1,
            value: &empty,
        },
        (None, _) => return Ok(None),
    };
    let value = match section.form {
        Form::One => Value::Table(complete_row(&section_row(section, &found)?, section)?),
        Form::Many => complete_many(section, &found)?,
        Form::Named => complete_named(section, &found)?,
        Form::Bundles => complete_bundles(section, &found)?,
        Form::Free => found.value.clone(),
    };
    Ok(Some(Item {
        value,
        line: found.line,
    }))
}

fn section_row<'a>(section: &Section, found: &At<'a>) -> Result<Row<'a>, BadFile> {
    found.row(&format!("[{}]", section.name))
}

fn complete_many(section: &Section, found: &At<'_>) -> Result<Value, BadFile> {
    let allowed = format!("[[{}]] tables", section.name);
    let mut names = BTreeMap::new();
    let mut rows = Vec::new();
    for (index, at) in found.list(&allowed)?.into_iter().enumerate() {
        let mut row = at.row(&allowed)?;
        row.path = row_path(section, &row, index);
        if let Some(at) = row.get("name") {
            let name = at.name()?;
            if let Some(line) = names.insert(name.to_owned(), at.line) {
                let what = format!("is the name of two, the first on line {line}");
                return Err(at.bad(what, "a name of its own for each"));
            }
        }
        rows.push(Item {
            value: Value::Table(complete_row(&row, section)?),
            line: row.line,
        });
    }
    Ok(Value::List(rows))
}

/// `class.small` where there is a name, else `fault[2]`: the address that a sweep uses.
fn row_path(section: &Section, row: &Row<'_>, index: usize) -> String {
    match row.table.get("name").map(|entry| &entry.item.value) {
        Some(Value::Text(name)) if is_name(name) => join(section.name, name),
        _ => format!("{}[{}]", section.name, index + 1),
    }
}

fn complete_named(section: &Section, found: &At<'_>) -> Result<Value, BadFile> {
    let all = section_row(section, found)?;
    let mut full = Table::default();
    for entry in &all.table.entries {
        let at = all.need(&entry.key)?;
        check_key_name(&at, &entry.key)?;
        let row = at.row(&format!("[{}.NAME]", section.name))?;
        let table = complete_row(&row, section)?;
        full.set(
            &entry.key,
            Item {
                value: Value::Table(table),
                line: entry.line,
            },
        );
    }
    Ok(Value::Table(full))
}

fn complete_bundles(section: &Section, found: &At<'_>) -> Result<Value, BadFile> {
    let all = section_row(section, found)?;
    let is_bundle = |key: &str, value: &Value| {
        matches!(value, Value::Table(_)) && section.fields.iter().all(|field| field.name != key)
    };
    let mut base = all.table.clone();
    base.entries
        .retain(|entry| !is_bundle(&entry.key, &entry.item.value));
    let mut full = complete_row(
        &Row {
            table: &base,
            ..all.clone()
        },
        section,
    )?;
    let base = full.clone();
    for entry in &all.table.entries {
        if !is_bundle(&entry.key, &entry.item.value) {
            continue;
        }
        let at = all.need(&entry.key)?;
        check_key_name(&at, &entry.key)?;
        if entry.key == "default" {
            return Err(at.bad("is the name of [policy] itself", "another name"));
        }
        let row = at.row("[policy.NAME]")?;
        check_row(&row, section)?;
        let mut bundle = row.table.clone();
        for inherited in &base.entries {
            if bundle.get(&inherited.key).is_none() {
                bundle.entries.push(inherited.clone());
            }
        }
        full.set(
            &entry.key,
            Item {
                value: Value::Table(bundle),
                line: entry.line,
            },
        );
    }
    Ok(Value::Table(full))
}

fn check_key_name(at: &At<'_>, key: &str) -> Result<(), BadFile> {
    if is_name(key) {
        Ok(())
    } else {
        Err(at.bad_got("is not a name", key, NAME_ALLOWED))
    }
}

fn complete_row(row: &Row<'_>, section: &Section) -> Result<Table, BadFile> {
    check_row(row, section)?;
    let mut full = Table::default();
    for field in section.fields {
        if let Some(entry) = row.table.get(field.name) {
            full.entries.push(entry.clone());
            continue;
        }
        match field.otherwise {
            Otherwise::Needed => {
                row.need(field.name)?;
            }
            Otherwise::Absent => {}
            Otherwise::Is(text) => full.set(field.name, literal(text, row.line)),
        }
    }
    Ok(full)
}

fn check_row(row: &Row<'_>, section: &Section) -> Result<(), BadFile> {
    let known: Vec<&str> = section.fields.iter().map(|field| field.name).collect();
    row.only(&known)?;
    for field in section.fields {
        if let Some(at) = row.get(field.name) {
            check_value(&at, field)?;
        }
    }
    Ok(())
}

fn check_value(at: &At<'_>, field: &Field) -> Result<(), BadFile> {
    match field.kind {
        Kind::Name => at.name().map(drop),
        Kind::Prose => at.prose().map(drop),
        Kind::File => at.text("the path of a CSV file").map(drop),
        Kind::Count(least, greatest) => at.count(least, greatest).map(drop),
        Kind::Real(least, greatest) => at.real(least, greatest).map(drop),
        Kind::Amount(quantity) => at.amount(quantity).map(drop),
        Kind::Limit => at.limit().map(drop),
        Kind::Changed => at.changed().map(drop),
        Kind::Floor => at.floor().map(drop),
        Kind::Burst => drawn::burst(at).map(drop),
        Kind::Weight => at.weight().map(drop),
        Kind::Choice(choices) => at.choice(choices).map(drop),
        Kind::Policy(list) => at.policy(list).map(drop),
        Kind::Names => at
            .one_or_more("a name or a list of names")?
            .iter()
            .try_for_each(|name| name.name().map(drop)),
        Kind::Drawn(quantity) => drawn::drawn(at, quantity).map(drop),
        Kind::DrawnLimit => drawn::drawn_limit(at).map(drop),
        Kind::Access => drawn::access(at).map(drop),
        Kind::Regions => drawn::regions(at).map(drop),
        Kind::Latency => at.text("a time or the path of a CSV file").map(drop),
        Kind::Arrival => drawn::arrival(at).map(drop),
        Kind::Poisson => drawn::poisson(at).map(drop),
        Kind::Spans => spans(at).map(drop),
        Kind::Files => files(at).map(drop),
    }
}

/// A list of times above zero; the empty list is allowed and means none.
pub(crate) fn spans(at: &At<'_>) -> Result<Vec<u64>, BadFile> {
    const ALLOWED: &str = "a list of times above zero, such as [\"100 ms\", \"1 s\"]";
    if matches!(at.value, Value::List(items) if items.is_empty()) {
        return Ok(Vec::new());
    }
    at.list(ALLOWED)?
        .iter()
        .map(|at| match at.amount(super::quantity::Quantity::Time)? {
            0 => Err(at.bad("is out of range", ALLOWED)),
            span => Ok(span),
        })
        .collect()
}

/// A list of tables of results.
pub(crate) fn files(at: &At<'_>) -> Result<Vec<String>, BadFile> {
    at.list(&OUTPUT_FILES.join(", "))?
        .iter()
        .map(|at| at.choice(OUTPUT_FILES).map(str::to_owned))
        .collect()
}

/// The fault of a reference to nothing.
pub(crate) fn unknown<'n>(
    at: &At<'_>,
    noun: &str,
    name: &str,
    names: impl IntoIterator<Item = &'n str> + Clone,
) -> BadFile {
    /// Names that a message lists at most.
    const SHOWN: usize = 12;
    let what = did_you_mean(format!("is an unknown {noun}"), name, names.clone());
    let total = names.clone().into_iter().count();
    let mut allowed = names.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
    if total > SHOWN {
        allowed.push_str(", ...");
    }
    if total == 0 {
        allowed = format!("none: there is no {noun}");
    }
    at.bad_got(what, &format!("\"{name}\""), allowed)
}
