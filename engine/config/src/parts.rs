//! Tables whose keys are those of several structs: what different tables say alike is one struct.
//!
//! serde's `flatten` does this by reading the table into values of its own, which have neither the
//! place of a fault nor the digits of a number. Here each part is read from the table itself.

use std::marker::PhantomData;

use schemars::{Schema, json_schema};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// The name by which [`read`] asks for a table in parts.
pub(crate) const NAME: &str = "$fairhaul::parts";

/// Declares a struct whose fields are structs that share the keys of one table.
#[macro_export]
macro_rules! parts {
    ($(#[$about:meta])* $vis:vis struct $type:ident { $($part:ident: $of:ty,)+ }) => {
        $(#[$about])*
        $vis struct $type { $($vis $part: $of,)+ }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                static KEYS: std::sync::OnceLock<Vec<&str>> = std::sync::OnceLock::new();
                let keys = || [$($crate::schema::keys::<$of>()),+].concat();
                let ($($part,)+) = $crate::parts::read(from, KEYS.get_or_init(keys))?;
                Ok(Self { $($part),+ })
            }
        }

        impl schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::parts::schema([$(<$of as schemars::JsonSchema>::json_schema(generator)),+])
            }
        }
    };
}

/// Reads a tuple of structs from a table that has `keys` and no others.
///
/// # Errors
///
/// A key that is not among `keys`, else the first fault of the first part that has one.
pub fn read<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
    keys: &'static [&'static str],
) -> Result<T, D::Error> {
    struct Parts<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Parts<T> {
        type Value = T;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a table")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, parts: A) -> Result<T, A::Error> {
            T::deserialize(SeqAccessDeserializer::new(parts))
        }
    }

    from.deserialize_struct(NAME, keys, Parts(PhantomData))
}

/// The schema of a table of these parts.
#[must_use]
pub fn schema<const PARTS: usize>(parts: [Schema; PARTS]) -> Schema {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for mut part in parts {
        if let Some(Value::Object(keys)) = part.remove("properties") {
            properties.extend(keys);
        }
        if let Some(Value::Array(keys)) = part.remove("required") {
            required.extend(keys);
        }
    }
    json_schema!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::Deserialize;

    use crate::document::Document;
    use crate::number::Bounded;
    use crate::schema::keys;
    use crate::text::Name;

    #[derive(Debug, Deserialize, JsonSchema)]
    struct Called {
        name: Name,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    struct Counted {
        #[serde(default)]
        count: Bounded<0, 9>,
    }

    crate::parts! {
        #[derive(Debug)]
        struct Both {
            called: Called,
            counted: Counted,
        }
    }

    fn read(text: &str) -> Result<Both, String> {
        let document = Document::parse("x.toml", text).unwrap();
        document.read().map_err(|bad| bad.to_string())
    }

    #[test]
    fn a_table_in_parts_is_read_as_one() {
        assert_eq!(keys::<Both>(), ["name", "count"]);
        let both = read("count = 3\nname = \"a\"\n").unwrap();
        assert_eq!((&*both.called.name, both.counted.count.get()), ("a", 3));
        assert_eq!(read("name = \"a\"\n").unwrap().counted.count.get(), 0);
    }

    /// The place, what is allowed and the digits are those of a table of one struct.
    #[test]
    fn a_fault_in_any_part_has_its_place() {
        for (text, said) in [
            (
                "name = \"a\"\ncount = 12\n",
                "x.toml:2:count: is out of range; got 12; allowed a whole number from 0 to 9",
            ),
            (
                "count = 1\n",
                "x.toml:1:name: is missing; got nothing; allowed 1 to 64",
            ),
            (
                "count = 10\nnaem = \"a\"\n",
                "x.toml:2:naem: unknown section, did you mean \"name\"; got naem; allowed name, count",
            ),
        ] {
            let bad = read(text).unwrap_err();
            assert!(bad.starts_with(said), "{bad}");
        }
    }
}
