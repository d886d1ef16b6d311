//! A serde deserializer over a parsed TOML document whose errors know their place.
//!
//! Beside `toml`'s own it gives keys in the order of the file, hands numbers to value types as
//! they are written, and keeps an error in parts: which key, what is wrong, what is allowed.

use std::fmt;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, IntoDeserializer as _, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::forward_to_deserialize_any;

use crate::document::Step;
use crate::fault::{BadValue, did_you_mean, quoted};
use crate::parts;
use crate::tree::{Data, Entry, Item, TomlTable};
use crate::value;

/// A fault and the way to it from where the deserializer stands.
#[derive(Debug)]
pub(crate) struct Error {
    pub(crate) kind: Kind,
    pub(crate) fault: BadValue,
    /// The steps to the value, the last one first.
    pub(crate) steps: Vec<Step>,
}

/// What a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A value.
    Value,
    /// A key that is not there.
    Missing,
    /// A key that is not known.
    Unknown,
}

impl Error {
    fn new(kind: Kind, fault: BadValue) -> Self {
        Self {
            kind,
            fault,
            steps: Vec::new(),
        }
    }

    fn within(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Kind::Value, BadValue::decode(&format!("{message:#}")))
    }

    fn invalid_type(got: Unexpected<'_>, _: &dyn de::Expected) -> Self {
        let noun = match got {
            Unexpected::Bool(_) => "true or false",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
            Unexpected::Str(_) => "a string",
            Unexpected::Unit => "a date",
            Unexpected::Seq => "a list",
            _ => "a table",
        };
        Self::new(Kind::Value, BadValue::new(format!("is {noun}")))
    }

    fn unknown_field(name: &str, known: &'static [&'static str]) -> Self {
        let what = did_you_mean("unknown key", name, known.iter().copied());
        let fault = BadValue::new(what).got(name).allowing(known.join(", "));
        Self::new(Kind::Unknown, fault)
    }

    fn unknown_variant(name: &str, known: &'static [&'static str]) -> Self {
        let what = did_you_mean("is not a choice", name, known.iter().copied());
        Self::new(Kind::Value, BadValue::new(what).allowing(known.join(", ")))
    }

    fn missing_field(name: &'static str) -> Self {
        let fault = BadValue::new("is missing").got("nothing");
        Self::new(Kind::Missing, fault).within(Step::Key(name.to_owned()))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fault.fmt(f)
    }
}

impl std::error::Error for Error {}

/// A value of the document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'de> {
    data: &'de Data,
    /// It is a table of which a struct takes its own keys, and the others are those of others.
    is_part: bool,
}

impl<'de> Node<'de> {
    pub(crate) const fn of(data: &'de Data) -> Self {
        let is_part = false;
        Self { data, is_part }
    }

    pub(crate) const fn part(data: &'de Data) -> Self {
        let is_part = true;
        Self { data, is_part }
    }

    fn is_no<T>(self, wanted: &str) -> Result<T, Error> {
        let what = format!("is {}, not {wanted}", self.data.noun());
        Err(Error::new(Kind::Value, BadValue::new(what)))
    }
}

impl<'de> Deserializer<'de> for Node<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.data {
            Data::Text(text) => visitor.visit_borrowed_str(text),
            // What counts asks for the text of a number; for all else that it is one will do.
            Data::Number(text) => visitor.visit_f64(text.parse().unwrap_or(f64::NAN)),
            Data::Flag(flag) => visitor.visit_bool(*flag),
            Data::Moment(_) => visitor.visit_unit(),
            Data::List(items) => visitor.visit_seq(Items { items, next: 0 }),
            Data::Table(table) => visitor.visit_map(Entries::of(table, None)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    /// A value type gets the text of a number, as it is written.
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.data {
            _ if name != value::NAME => visitor.visit_newtype_struct(self),
            Data::Number(text) => visitor.visit_bytes(text.as_bytes()),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.data {
            Data::List(items) => visitor.visit_seq(Items { items, next: 0 }),
            _ => self.is_no("a list"),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        match self.data {
            Data::List(items) if items.len() != len => {
                let words = ["none", "one", "two", "three"];
                let len = words
                    .get(len)
                    .map_or_else(|| len.to_string(), ToString::to_string);
                let fault = BadValue::new(format!("is not a list of {len}"));
                let got = format!("{} values", items.len());
                Err(Error::new(Kind::Value, fault.got(got)))
            }
            _ => self.deserialize_seq(visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.data {
            Data::Table(table) => visitor.visit_map(Entries::of(table, None)),
            _ => self.is_no("a table"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Data::Table(table) = self.data else {
            return self.is_no("a table");
        };
        if name == parts::NAME {
            let mut entries = table.entries.iter();
            let other = entries.find(|entry| !keys.contains(&&*entry.key));
            match other.filter(|_| !self.is_part) {
                Some(Entry { key, .. }) => Err(wrong_key(key)(de::Error::unknown_field(key, keys))),
                None => visitor.visit_seq(Parts(self.data)),
            }
        } else {
            let keys = Some(keys).filter(|_| self.is_part);
            visitor.visit_map(Entries::of(table, keys))
        }
    }

    /// One of a few words.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.data {
            Data::Text(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            _ => self.is_no("a string"),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct tuple_struct identifier ignored_any
    }
}

/// The members of a list.
struct Items<'de> {
    items: &'de [Item],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(item) = self.items.get(self.next) else {
            return Ok(None);
        };
        let at = self.next;
        self.next += 1;
        let read = seed.deserialize(Node::of(&item.data));
        read.map(Some).map_err(|error| error.within(Step::Row(at)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// A table that is read part by part.
struct Parts<'de>(&'de Data);

impl<'de> SeqAccess<'de> for Parts<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        part: T,
    ) -> Result<Option<T::Value>, Error> {
        part.deserialize(Node::part(self.0)).map(Some)
    }
}

/// The keys and values of a table, in the order of the file.
struct Entries<'de> {
    entries: std::slice::Iter<'de, Entry>,
    /// The keys that are meant; every one if nothing is said.
    keys: Option<&'static [&'static str]>,
    entry: Option<&'de Entry>,
}

impl<'de> Entries<'de> {
    fn of(table: &'de TomlTable, keys: Option<&'static [&'static str]>) -> Self {
        Self {
            entries: table.entries.iter(),
            keys,
            entry: None,
        }
    }
}

fn key_step(key: &str) -> impl FnOnce(Error) -> Error {
    move |error| error.within(Step::Key(key.to_owned()))
}

/// It is the key that is at fault, not its value.
fn wrong_key(key: &str) -> impl FnOnce(Error) -> Error {
    move |mut error| {
        error.fault.got.get_or_insert_with(|| quoted(key));
        error.within(Step::Key(key.to_owned()))
    }
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let is_meant = |entry: &&Entry| self.keys.is_none_or(|keys| keys.contains(&&*entry.key));
        self.entry = self.entries.find(is_meant);
        let Some(Entry { key, .. }) = self.entry else {
            return Ok(None);
        };
        let read = seed.deserialize(BorrowedStrDeserializer::new(key));
        read.map(Some).map_err(wrong_key(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let entry = self.entry.expect("a value is asked for after its key");
        let read = seed.deserialize(Node::of(&entry.item.data));
        read.map_err(key_step(&entry.key))
    }
}
