//! What the structs of a file say of its keys: the JSON schema, a commented template and a
//! reference page.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::value::Error as NoValue;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};
use serde_json::{Map, Value, json};

use crate::document::Step;

/// Widest line of a comment, in bytes.
const WIDTH: usize = 96;

/// What a table of a file is called and which keys it has, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// The dotted path to it.
    pub path: &'static str,
    /// Its keys.
    pub keys: &'static [&'static str],
}

impl Section {
    /// The table at `path`, which is read into a `T`.
    #[must_use]
    pub fn of<T: DeserializeOwned>(path: &'static str) -> Self {
        let keys = keys::<T>();
        Self { path, keys }
    }

    /// The table at `path`, whose keys are a person's own.
    #[must_use]
    pub const fn free(path: &'static str) -> Self {
        Self { path, keys: &[] }
    }
}

/// The keys of a struct, in its order.
#[must_use]
pub fn keys<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    struct Keys<'a>(&'a mut &'static [&'static str]);

    impl<'de> Deserializer<'de> for Keys<'_> {
        type Error = NoValue;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, NoValue> {
            Err(NoValue::custom("only keys are asked for"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            keys: &'static [&'static str],
            visitor: V,
        ) -> Result<V::Value, NoValue> {
            *self.0 = keys;
            self.deserialize_any(visitor)
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
            option unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier
            ignored_any
        }
    }

    let mut keys: &[&str] = &[];
    let read = T::deserialize(Keys(&mut keys));
    assert!(read.is_err() && !keys.is_empty(), "a section is a struct");
    keys
}

/// The JSON schema (draft 2020-12) of a file. It allows a little more than the reader does:
/// ranges of amounts, and what hangs on other keys, the reader alone checks.
#[must_use]
pub fn schema<T: JsonSchema>(title: &str) -> Value {
    let mut schema = raw::<T>();
    schema["title"] = json!(title);
    // How a section is written is seen from its type.
    let sections = schema["properties"].as_object_mut().into_iter().flatten();
    for section in sections.filter_map(|(_, section)| section.as_object_mut()) {
        section.remove("allowed");
    }
    say_allowed(&mut schema);
    schema
}

/// The schema with what a value allows under `allowed`.
pub(crate) fn raw<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|all| all.inline_subschemas = true);
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    tidy(&mut schema);
    schema
}

/// Takes out `null`, which TOML has not, and what Rust alone knows.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Array(all) => all.iter_mut().for_each(tidy),
        Value::Object(object) => {
            if let Some(Value::Array(mut any)) = object.remove("anyOf") {
                any.retain(|one| *one != json!({ "type": "null" }));
                match (any.len(), any.pop()) {
                    (1, Some(Value::Object(one))) => {
                        for (key, value) in one {
                            object.entry(key).or_insert(value);
                        }
                    }
                    (_, Some(last)) => {
                        any.push(last);
                        object.insert("anyOf".to_owned(), Value::Array(any));
                    }
                    _ => {}
                }
            }
            object.remove("format");
            // The keys of a table have defaults of their own.
            object.retain(|key, value| key != "default" || !(value.is_null() || value.is_object()));
            for key in ["type", "enum"] {
                let Some(Value::Array(all)) = object.get_mut(key) else {
                    continue;
                };
                all.retain(|one| !one.is_null() && *one != "null");
                if key == "type" && all.len() == 1 {
                    object[key] = all.remove(0);
                }
            }
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            if let Some(words) = words(object).map(|words| words.join(", ")) {
                object.entry("allowed").or_insert(json!(words));
            }
            object.values_mut().for_each(tidy);
        }
        _ => {}
    }
}

/// The words that a choice allows: plain ones, or ones with a comment each.
fn words(object: &Map<String, Value>) -> Option<Vec<&str>> {
    if let Some(Value::Array(words)) = object.get("enum") {
        return words.iter().map(Value::as_str).collect();
    }
    let Some(Value::Array(each)) = object.get("oneOf") else {
        return None;
    };
    each.iter().map(|one| one.get("const")?.as_str()).collect()
}

/// Puts what a value allows behind its description.
fn say_allowed(schema: &mut Value) {
    match schema {
        Value::Array(all) => all.iter_mut().for_each(say_allowed),
        Value::Object(object) => {
            if let Some(Value::String(allowed)) = object.remove("allowed") {
                let about = object.get("description").and_then(Value::as_str);
                let about = about.map_or_else(String::new, |about| format!("{about} "));
                object.insert(
                    "description".to_owned(),
                    json!(format!("{about}Allowed: {allowed}.")),
                );
            }
            object.values_mut().for_each(say_allowed);
        }
        _ => {}
    }
}

fn step<'s>(schema: &'s Value, step: &Step) -> Option<&'s Value> {
    match step {
        Step::Row(_) => schema.get("items"),
        Step::Key(key) => {
            let own = schema.get("properties").and_then(|keys| keys.get(key));
            own.or_else(|| schema.get("additionalProperties"))
        }
    }
}

/// What is allowed at the end of `steps`: what the value says, else the table around it.
pub(crate) fn allowed(schema: &Value, steps: &[Step]) -> Option<String> {
    let said = |schema: &Value| Some(schema.get("allowed")?.as_str()?.to_owned());
    let mut found = said(schema);
    let mut here = schema;
    for at in steps {
        // Inside of a table of its own kind, such as a distribution, the key says it.
        let Some(inner) = step(here, at) else {
            break;
        };
        here = inner;
        found = said(here).or(found);
    }
    found
}

/// The first key that a table at the end of `steps` must have.
pub(crate) fn first_required(schema: &Value, steps: &[Step]) -> Option<String> {
    let here = steps.iter().try_fold(schema, step)?;
    let first = here.get("required")?.get(0)?;
    first.as_str().map(str::to_owned)
}

/// The keys of a section, and how a person writes it.
pub(crate) fn described<'s>(
    schema: &'s Value,
    path: &str,
) -> (&'s Map<String, Value>, &'s Value, String) {
    let mut here = schema;
    for key in path.split('.') {
        here = &here["properties"][key];
    }
    let (table, header) = match here["type"].as_str() {
        Some("array") => (&here["items"], format!("[[{path}]]")),
        _ if here["additionalProperties"].is_object() => {
            let whole = here.get("properties").map(|_| format!("[{path}]` and `"));
            let header = format!("{}[{path}.NAME]", whole.unwrap_or_default());
            (&here["additionalProperties"], header)
        }
        _ => (here, format!("[{path}]")),
    };
    let keys = table["properties"].as_object();
    (keys.expect("a section has keys"), here, header)
}

/// What is written for a key: its default, else its example, and which of the two it is.
fn written(key: &Value) -> (String, bool) {
    let is_default = key.get("default").is_some();
    let value = key.get("default").or_else(|| key["examples"].get(0));
    let value = value.expect("a key has a default or an example");
    let value: toml::Value = serde_json::from_value(value.clone()).expect("TOML can hold it");
    (value.to_string(), is_default)
}

fn text<'s>(schema: &'s Value, key: &str) -> &'s str {
    schema[key].as_str().unwrap_or_default()
}

/// A commented file: it passes the check as it is, and also with every example put in force
/// by taking the `#` away where no blank follows it. `head` is what it says first.
#[must_use]
pub fn template<T: JsonSchema>(head: &str, sections: &[Section]) -> String {
    let schema = raw::<T>();
    let mut out = String::new();
    comment(&mut out, head);
    for section in sections
        .iter()
        .filter(|section| !section.path.contains('.'))
    {
        let (keys, about, header) = described(&schema, section.path);
        let once = about["type"] == "object" && about.get("properties").is_some();
        let required = about["required"].as_array();
        let is_required =
            |name: &str| required.is_some_and(|names| names.iter().any(|one| one == name));
        out.push('\n');
        comment(&mut out, text(about, "description"));
        let mark = if once { "" } else { "#" };
        out.push_str(&format!("{mark}{}\n", header.replace("NAME", "lab")));
        for name in section.keys {
            let key = &keys[*name];
            let (about, allowed) = (text(key, "description"), text(key, "allowed"));
            comment(&mut out, &format!("{about} Allowed: {allowed}."));
            let (value, is_default) = written(key);
            let in_force = once && (is_default || is_required(name));
            let mark = if in_force { "" } else { "#" };
            out.push_str(&format!("{mark}{name} = {value}\n"));
        }
    }
    out
}

/// Adds `text` as lines of comment.
fn comment(out: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line.truncate(1);
        }
        line.push(' ');
        line.push_str(word);
    }
    out.push_str(&line);
    out.push('\n');
}

/// A page in Markdown with a table of keys for each section. `head` is what it says first.
#[must_use]
pub fn reference<T: JsonSchema>(head: &str, sections: &[Section]) -> String {
    let schema = raw::<T>();
    let mut out = format!("{head}\n");
    for section in sections.iter().filter(|section| !section.keys.is_empty()) {
        let (keys, about, header) = described(&schema, section.path);
        let about = text(about, "description");
        out.push_str(&format!("\n## `{header}`\n\n{about}\n\n"));
        out.push_str("| key | meaning | allowed | default |\n| --- | --- | --- | --- |\n");
        for name in section.keys {
            let key = &keys[*name];
            let cell = |text: &str| text.replace('|', "\\|");
            let default = match written(key) {
                (value, true) => format!("`{}`", cell(&value)),
                (value, false) => format!("none; e.g. `{}`", cell(&value)),
            };
            let [about, allowed] = ["description", "allowed"].map(|part| cell(text(key, part)));
            out.push_str(&format!("| `{name}` | {about} | {allowed} | {default} |\n"));
        }
    }
    out
}
