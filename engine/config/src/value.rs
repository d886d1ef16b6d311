//! Values of a file that parse themselves and say what they allow.
//!
//! A type that implements [`Value`] and is named in `value!` has serde's traits and a schema
//! from it.

use std::fmt;
use std::marker::PhantomData;

use schemars::Schema;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, Serializer};
use serde_json::json;

use crate::fault::BadValue;

/// What a file has for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given<'a> {
    /// A string.
    Text(&'a str),
    /// A number, as it is written.
    Number(&'a str),
    /// True or false.
    Flag,
    /// A date or a time.
    Moment,
    /// A list.
    List,
    /// A table.
    Table,
}

/// A value of a file: what it allows, and how it is read and written.
pub trait Value: Sized + fmt::Display {
    /// What a person may write.
    fn allowed() -> String;

    /// The value that is meant.
    ///
    /// # Errors
    ///
    /// What is wrong with it. What is allowed need only be said if it differs from
    /// [`Value::allowed`].
    fn read(given: Given<'_>) -> Result<Self, BadValue>;

    /// Its JSON schema; any string if it says nothing else.
    #[must_use]
    fn schema() -> serde_json::Value {
        json!({ "type": "string" })
    }

    /// Writes it; as a string if it says nothing else.
    ///
    /// # Errors
    ///
    /// Those of the format.
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'a> Given<'a> {
    /// The string that it is.
    ///
    /// # Errors
    ///
    /// Anything else.
    pub fn text(self) -> Result<&'a str, BadValue> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(other.is_no("a string")),
        }
    }

    /// The fault of a value of another kind than `wanted`.
    #[must_use]
    pub fn is_no(self, wanted: &str) -> BadValue {
        let noun = match self {
            Self::Text(_) => "a string",
            Self::Number(_) => "a number",
            Self::Flag => "true or false",
            Self::Moment => "a date",
            Self::List => "a list",
            Self::Table => "a table",
        };
        BadValue::new(format!("is {noun}, not {wanted}"))
    }
}

/// Reads a [`Value`].
///
/// # Errors
///
/// As [`Value::read`].
pub fn read<'de, T: Value, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    struct Reader<T>(PhantomData<T>);

    impl<T: Value> Reader<T> {
        fn of<E: Error>(self, given: Given<'_>) -> Result<T, E> {
            T::read(given).map_err(|fault| {
                let allowed = fault.allowed.clone().unwrap_or_else(T::allowed);
                E::custom(fault.allowing(allowed))
            })
        }
    }

    impl<'de, T: Value> Visitor<'de> for Reader<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&T::allowed())
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            self.of(Given::Text(text))
        }

        /// The text of a number.
        fn visit_bytes<E: Error>(self, text: &[u8]) -> Result<T, E> {
            let text = str::from_utf8(text).map_err(E::custom)?;
            self.of(Given::Number(text))
        }

        fn visit_bool<E: Error>(self, _: bool) -> Result<T, E> {
            self.of(Given::Flag)
        }

        fn visit_unit<E: Error>(self) -> Result<T, E> {
            self.of(Given::Moment)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<T, A::Error> {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            self.of(Given::List)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut table: A) -> Result<T, A::Error> {
            while table.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            self.of(Given::Table)
        }
    }

    from.deserialize_bytes(Reader(PhantomData))
}

/// The schema of a [`Value`], with what it allows.
#[must_use]
pub fn schema<T: Value>() -> Schema {
    let mut schema = T::schema();
    schema["allowed"] = json!(T::allowed());
    Schema::try_from(schema).expect("the schema of a value is an object")
}

/// Gives a type that is a value of a file serde's traits and a schema; the brackets hold its
/// parameters.
#[macro_export]
macro_rules! value {
    ([$($parameters:tt)*] $type:ty) => {
        impl<'de, $($parameters)*> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                $crate::value::read(from)
            }
        }

        impl<$($parameters)*> serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                $crate::value::Value::write(self, to)
            }
        }

        impl<$($parameters)*> schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $crate::value::schema::<Self>()
            }
        }
    };
}
