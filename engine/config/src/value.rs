//! Values of a file that parse themselves and say what they allow.
//!
//! A type that implements [`Value`] and is named in `value!` has serde's traits and a schema
//! from it.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use schemars::Schema;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde::{Deserialize, Deserializer, Serializer};
use serde_json::json;

use crate::fault::BadValue;
use crate::value;

/// The name by which [`read`] asks for a value with the text of a number.
pub(crate) const NAME: &str = "$fairhaul::value";

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

    /// The value that a list means; a list is no value if this says nothing else.
    ///
    /// # Errors
    ///
    /// As [`Value::read`], and those of the members.
    fn of_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        of(Given::List)
    }

    /// The value that a table means; a table is no value if this says nothing else.
    ///
    /// # Errors
    ///
    /// As [`Value::read`], and those of the keys.
    fn of_table<'de, A: MapAccess<'de>>(mut table: A) -> Result<Self, A::Error> {
        while table.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        of(Given::Table)
    }

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

    impl<'de, T: Value> Visitor<'de> for Reader<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&T::allowed())
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            of(Given::Text(text))
        }

        /// A value of another format than ours.
        fn visit_newtype_struct<D: Deserializer<'de>>(self, from: D) -> Result<T, D::Error> {
            from.deserialize_any(self)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
            of(Given::Number(&number.to_string()))
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
            of(Given::Number(&number.to_string()))
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
            of(Given::Number(&number.to_string()))
        }

        /// The text of a number.
        fn visit_bytes<E: Error>(self, text: &[u8]) -> Result<T, E> {
            of(Given::Number(str::from_utf8(text).map_err(E::custom)?))
        }

        fn visit_bool<E: Error>(self, _: bool) -> Result<T, E> {
            of(Given::Flag)
        }

        fn visit_unit<E: Error>(self) -> Result<T, E> {
            of(Given::Moment)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
            T::of_list(list)
        }

        fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<T, A::Error> {
            T::of_table(table)
        }
    }

    from.deserialize_newtype_struct(NAME, Reader(PhantomData))
}

fn of<T: Value, E: Error>(given: Given<'_>) -> Result<T, E> {
    T::read(given).map_err(|fault| {
        let allowed = fault.allowed.clone().unwrap_or_else(T::allowed);
        E::custom(fault.allowing(allowed))
    })
}

/// The members of a list, of which there is at least one.
///
/// # Errors
///
/// Those of the members; an empty list, where `allowed` is allowed.
pub fn members<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(
    mut list: A,
    allowed: impl FnOnce() -> String,
) -> Result<Vec<T>, A::Error> {
    let mut members = Vec::new();
    while let Some(member) = list.next_element()? {
        members.push(member);
    }
    if members.is_empty() {
        let fault = BadValue::new("is an empty list").allowing(allowed());
        return Err(A::Error::custom(fault));
    }
    Ok(members)
}

/// A list of 1 to `MOST` values, or the one value that stands for a list of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOrMore<T, const MOST: usize = { usize::MAX }>(Vec<T>);

impl<T, const MOST: usize> Deref for OneOrMore<T, MOST> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Value + DeserializeOwned, const MOST: usize> Value for OneOrMore<T, MOST> {
    fn allowed() -> String {
        let up_to = match MOST {
            usize::MAX => String::new(),
            most => format!(" at most {most}"),
        };
        format!("{}, or a list of{up_to} such", T::allowed())
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        T::read(given).map(|one| Self(vec![one]))
    }

    fn of_list<'de, A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        let members = members(list, Self::allowed)?;
        if members.len() > MOST {
            let fault = BadValue::new("is too long").got(format!("{} values", members.len()));
            return Err(A::Error::custom(fault.allowing(Self::allowed())));
        }
        Ok(Self(members))
    }

    fn schema() -> serde_json::Value {
        let one = T::schema();
        let many = json!({ "type": "array", "items": one, "minItems": 1 });
        json!({ "anyOf": [one, many] })
    }
}

value!([T: Value + DeserializeOwned, const MOST: usize] OneOrMore<T, MOST>);

impl<T: fmt::Display, const MOST: usize> fmt::Display for OneOrMore<T, MOST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.iter().map(T::to_string).collect();
        f.write_str(&names.join(", "))
    }
}

/// Reads a list with a member at least, for `deserialize_with`.
///
/// # Errors
///
/// Those of the members; an empty list.
pub fn some<'de, T: Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    let list = Vec::deserialize(from)?;
    if list.is_empty() {
        return Err(D::Error::custom(BadValue::new("is an empty list")));
    }
    Ok(list)
}

/// The key of a table that has one of a few keys.
struct Tag(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Tag {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<&'static str, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Tag {
    type Value = &'static str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<&'static str, E> {
        let found = self.0.iter().find(|known| **known == key);
        found.copied().ok_or_else(|| E::unknown_field(key, self.0))
    }
}

/// Reads a table with exactly one key, one of `tags`, whose value `read` reads.
///
/// # Errors
///
/// Another key, none, or more than one; those of `read`.
pub fn tagged<'de, A: MapAccess<'de>, S: DeserializeSeed<'de>>(
    mut table: A,
    tags: &'static [&'static str],
    read: impl FnOnce(&'static str) -> S,
) -> Result<S::Value, A::Error> {
    let wrong = |keys: usize| {
        let fault = BadValue::new("must have exactly one key").got(format!("{keys} keys"));
        let allowed = format!("a table with one of {}", tags.join(", "));
        A::Error::custom(fault.allowing(allowed))
    };
    let Some(tag) = table.next_key_seed(Tag(tags))? else {
        return Err(wrong(0));
    };
    let value = table.next_value_seed(read(tag))?;
    let mut keys = 1;
    while table.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
        keys += 1;
    }
    if keys > 1 {
        Err(wrong(keys))
    } else {
        Ok(value)
    }
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
