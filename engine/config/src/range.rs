//! Ranges of addresses, as `10.0.0.0/8`.

use std::fmt;
use std::ops::Deref;

use fairhaul_core::connections::address_range::{BadRange, Range};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::fault::BadValue;
use crate::value;
use crate::value::{Given, Value};

const SUCH_AS: &str = "such as \"10.0.0.0/8\" or \"fd00::/8\": an address and how many of its first \
                       bits count, the other bits 0";

/// Most ranges of a list.
const RANGES_MAX: usize = 64;

/// An address and how many of its first bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange(Range);

impl AddressRange {
    /// The range.
    #[must_use]
    pub const fn get(self) -> Range {
        self.0
    }
}

impl Value for AddressRange {
    fn allowed() -> String {
        format!("a range {SUCH_AS}")
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        let range = given.text()?.parse();
        range
            .map(Self)
            .map_err(|bad: BadRange| BadValue::new(bad.to_string()))
    }
}

value!([] AddressRange);

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A list of at most 64 ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct AddressRanges(Vec<AddressRange>);

impl Deref for AddressRanges {
    type Target = [AddressRange];

    fn deref(&self) -> &[AddressRange] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for AddressRanges {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let ranges = Vec::deserialize(from)?;
        if ranges.len() > RANGES_MAX {
            let got = format!("{} ranges", ranges.len());
            return Err(D::Error::custom(BadValue::new("is too long").got(got)));
        }
        Ok(Self(ranges))
    }
}

impl JsonSchema for AddressRanges {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "AddressRanges".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let range = generator.subschema_for::<AddressRange>();
        let allowed = format!("a list of at most {RANGES_MAX} ranges {SUCH_AS}");
        json_schema!({
            "type": "array", "items": range, "maxItems": RANGES_MAX, "allowed": allowed,
        })
    }
}
