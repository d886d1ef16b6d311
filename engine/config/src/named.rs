//! Tables that a person names, `[group.NAME]`, in the order of the file.

use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text::Name;

/// Tables with names, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedTables<T>(Vec<(Name, T)>);

impl<T> NamedTables<T> {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tables, in the order of the file.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Name, &T)> {
        self.0.iter().map(|(name, table)| (name, table))
    }
}

impl<T> FromIterator<(Name, T)> for NamedTables<T> {
    fn from_iter<I: IntoIterator<Item = (Name, T)>>(tables: I) -> Self {
        Self(tables.into_iter().collect())
    }
}

impl<T> Default for NamedTables<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Serialize> Serialize for NamedTables<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.iter())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for NamedTables<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Tables<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Tables<T> {
            type Value = NamedTables<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tables with names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<NamedTables<T>, A::Error> {
                std::iter::from_fn(|| all.next_entry().transpose()).collect()
            }
        }

        from.deserialize_map(Tables(PhantomData))
    }
}

impl<T: JsonSchema + DeserializeOwned> JsonSchema for NamedTables<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Named{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<T>();
        json_schema!({ "type": "object", "additionalProperties": table })
    }
}
