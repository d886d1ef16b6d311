//! The JSON schema of a scenario file, made from the grammar.
//!
//! Decides how each kind of value looks to an editor. It allows a little more than the
//! reader does: ranges of amounts are checked by the reader alone.

use serde_json::{Map, Value, json};

use super::grammar::{Field, Form, Kind, Otherwise, SECTIONS, Section};

/// The JSON schema (draft 2020-12) of a scenario file.
#[must_use]
pub fn schema() -> Value {
    let properties: Map<String, Value> = SECTIONS
        .iter()
        .map(|section| (section.name.to_owned(), of_section(section)))
        .collect();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fairlab scenario",
        "type": "object",
        "properties": properties,
        "required": ["scenario"],
        "additionalProperties": false,
    })
}

fn of_section(section: &Section) -> Value {
    let table = of_fields(section.fields);
    let mut value = match section.form {
        Form::One => table,
        Form::Many => json!({ "type": "array", "items": table, "minItems": 1 }),
        Form::Named => json!({ "type": "object", "additionalProperties": table }),
        Form::Bundles => {
            let mut bundles = table.clone();
            bundles["additionalProperties"] = table;
            bundles
        }
        Form::Free => json!({
            "type": "object",
            "additionalProperties": { "type": "array", "minItems": 1 },
        }),
    };
    value["description"] = json!(section.about);
    value
}

fn of_fields(fields: &[Field]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields {
        let mut value = of_kind(field.kind);
        value["description"] = json!(field.about);
        match field.otherwise {
            Otherwise::Needed => required.push(field.name),
            Otherwise::Absent => {}
            Otherwise::Is(text) => value["default"] = default(text),
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

/// A default as JSON: our defaults are strings, numbers and lists, which both languages
/// write alike.
fn default(text: &str) -> Value {
    serde_json::from_str(text).expect("defaults are JSON too")
}

fn of_kind(kind: Kind) -> Value {
    let text = json!({ "type": "string" });
    let drawn = json!({ "type": ["string", "object"] });
    match kind {
        Kind::Name => {
            json!({ "type": "string", "pattern": "^[A-Za-z0-9_.:][A-Za-z0-9_.:-]{0,63}$" })
        }
        Kind::Prose => json!({ "type": "string", "maxLength": 4096 }),
        Kind::Count(least, greatest) => {
            json!({ "type": "integer", "minimum": least, "maximum": greatest })
        }
        Kind::Real(least, greatest) => {
            json!({ "type": "number", "minimum": least, "maximum": greatest })
        }
        Kind::Weight => json!({ "type": "number", "minimum": 0, "maximum": 10_000 }),
        Kind::Choice(choices) => json!({ "enum": choices }),
        Kind::Policy(list) if list == super::names::PolicyList::Uplink => {
            let one = format!("({})", list.names().join("|").replace('+', "\\+"));
            json!({ "type": "string", "pattern": format!("^{one}(/{one})?$") })
        }
        Kind::Policy(list) => json!({ "enum": list.names() }),
        Kind::Names => json!({
            "type": ["string", "array"],
            "items": { "type": "string" },
        }),
        Kind::Drawn(_) | Kind::DrawnLimit | Kind::Arrival => drawn,
        Kind::Poisson => json!({ "type": "object" }),
        Kind::Access => json!({ "type": ["string", "array"] }),
        Kind::Regions => json!({ "type": ["string", "array", "object"] }),
        Kind::Spans | Kind::Files => json!({ "type": "array", "items": { "type": "string" } }),
        Kind::File
        | Kind::Amount(_)
        | Kind::Limit
        | Kind::Changed
        | Kind::Floor
        | Kind::Burst
        | Kind::Latency => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_description_and_the_schema_is_an_object() {
        let schema = schema();
        for section in SECTIONS {
            let described = &schema["properties"][section.name]["description"];
            assert!(described.is_string(), "{}", section.name);
        }
        assert_eq!(
            schema["properties"]["scenario"]["properties"]["network"]["default"],
            json!("block")
        );
    }
}
