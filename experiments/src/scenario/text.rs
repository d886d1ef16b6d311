//! A tree written as TOML again.
//!
//! Decides nothing: equal trees give equal bytes, and reading them gives the tree again.

use std::fmt::Write as _;

use super::tree::{Table, Value};

/// Writes the sections of `root`, in their order.
pub(crate) fn write(root: &Table) -> String {
    let mut out = String::new();
    for entry in &root.entries {
        match &entry.item.value {
            Value::Table(table) => write_table(&mut out, &key(&entry.key), table),
            Value::List(rows) => {
                for row in rows {
                    if let Value::Table(table) = &row.value {
                        write_line(&mut out, format_args!("[[{}]]", key(&entry.key)));
                        write_keys(&mut out, table);
                    }
                }
            }
            _ => {}
        }
    }
    out
}

/// A table: its keys first, then the tables in it that are bundles or groups.
fn write_table(out: &mut String, path: &str, table: &Table) {
    let nested = path != "sweep";
    let (tables, keys): (Vec<_>, Vec<_>) = table
        .entries
        .iter()
        .cloned()
        .partition(|entry| nested && matches!(entry.item.value, Value::Table(_)));
    if !keys.is_empty() || tables.is_empty() {
        write_line(out, format_args!("[{path}]"));
        write_keys(out, &Table { entries: keys });
    }
    for entry in tables {
        if let Value::Table(table) = &entry.item.value {
            write_line(out, format_args!("[{path}.{}]", key(&entry.key)));
            write_keys(out, table);
        }
    }
}

fn write_keys(out: &mut String, table: &Table) {
    for entry in &table.entries {
        let value = value(&entry.item.value);
        write_line(out, format_args!("{} = {value}", key(&entry.key)));
    }
    out.push('\n');
}

fn write_line(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("a string takes everything");
}

fn key(name: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !name.is_empty() && name.bytes().all(bare) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

fn value(value_of: &Value) -> String {
    match value_of {
        Value::Text(text) => quoted(text),
        Value::Number(text) | Value::Moment(text) => text.clone(),
        Value::Flag(flag) => flag.to_string(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| value(&item.value)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(table) => {
            let pairs = table.entries.iter();
            let pairs: Vec<String> = pairs
                .map(|entry| format!("{} = {}", key(&entry.key), value(&entry.item.value)))
                .collect();
            format!("{{ {} }}", pairs.join(", "))
        }
    }
}

fn quoted(text: &str) -> String {
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
