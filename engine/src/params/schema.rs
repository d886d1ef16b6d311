//! The JSON schema of a parameter file, made from the grammar.
//!
//! Decides how each kind of value looks to an editor. It allows a little more than the
//! reader does: ranges of amounts, and what hangs on other keys, the reader alone checks.

use serde_json::{Map, Value, json};

use super::grammar::{ENTRY, Field, Form, Otherwise, SECTIONS};
use super::kind::Kind;

/// The JSON schema (draft 2020-12) of a parameter file.
#[must_use]
pub fn schema() -> Value {
    let sections = SECTIONS.iter().map(|section| {
        let table = of_fields(section.fields);
        let mut value = match section.form {
            Form::One => table,
            Form::Many => json!({ "type": "array", "items": table }),
            Form::Named => json!({ "type": "object", "additionalProperties": table }),
        };
        value["description"] = json!(section.about);
        (section.name.to_owned(), value)
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fairhaul parameter file",
        "type": "object",
        "properties": sections.collect::<Map<_, _>>(),
        "required": ["node"],
        "additionalProperties": false,
    })
}

fn of_fields(fields: &[Field]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields {
        let mut value = of_kind(field.kind);
        value["description"] = json!(format!(
            "{} Allowed: {}.",
            field.about,
            field.kind.allowed()
        ));
        match field.otherwise {
            Otherwise::Needed(_) => required.push(field.name),
            Otherwise::Absent(_) => {}
            // Our defaults are strings, numbers, true, false and empty lists: alike in both.
            Otherwise::Is(text) => {
                value["default"] = serde_json::from_str(text).expect("our defaults are JSON too");
            }
        }
        properties.insert(field.name.to_owned(), value);
    }
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn of_kind(kind: Kind) -> Value {
    match kind {
        Kind::Name => json!({
            "type": "string",
            "pattern": "^[A-Za-z0-9_.:][A-Za-z0-9_.:-]{0,63}$",
        }),
        Kind::Weight => json!({ "type": "number", "minimum": 0, "maximum": 10_000 }),
        Kind::Key => json!({
            "type": "string",
            "pattern": "^([0-9A-Fa-f]{64}|[A-Za-z0-9+/]{43}=?)$",
        }),
        Kind::Clock => json!({ "type": "string", "pattern": "^[0-2][0-9]:[0-5][0-9]$" }),
        Kind::Schedule => json!({ "type": "array", "items": of_fields(&ENTRY) }),
        Kind::Discipline => {
            let one = format!("({})", kind.names().join("|").replace('+', "\\+"));
            json!({ "type": "string", "pattern": format!("^{one}(/{one})?$") })
        }
        Kind::Share | Kind::Choker | Kind::SeedRule | Kind::Picker => {
            json!({ "enum": kind.names() })
        }
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Count(most) => json!({ "type": "integer", "minimum": 1, "maximum": most }),
        Kind::Ranges => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::Address
        | Kind::Size
        | Kind::Path(_)
        | Kind::Folder
        | Kind::Limit
        | Kind::Uplink
        | Kind::Floor
        | Kind::Burst
        | Kind::Days => json!({ "type": "string" }),
    }
}
