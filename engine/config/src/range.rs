//! Ranges of addresses, as `10.0.0.0/8`.

use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;

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
pub struct AddressRange {
    base: IpAddr,
    bits: u32,
}

impl AddressRange {
    /// Whether `address` is in it. An IPv4 address that is written as an IPv6 one
    /// (`::ffff:10.0.0.1`) counts as the IPv4 address that it is.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (own, width) = number(self.base);
        let (other, other_width) = number(address.to_canonical());
        let outside = width - self.bits;
        // A shift by the whole width of a number is not defined: such a range holds all.
        let same = |shift: u32| own.checked_shr(shift) == other.checked_shr(shift);
        width == other_width && same(outside)
    }
}

/// The address as a number, and how many bits it has.
fn number(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    }
}

impl Value for AddressRange {
    fn allowed() -> String {
        format!("a range {SUCH_AS}")
    }

    /// Bits behind the prefix are refused: they are mostly a slip of who wrote it.
    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        let parts = given.text()?.split_once('/');
        let parsed = parts.and_then(|(base, bits)| {
            let plain = bits.bytes().all(|b| b.is_ascii_digit());
            let plain = plain && (bits == "0" || !bits.starts_with('0'));
            let bits = bits.parse().ok().filter(|_| plain)?;
            Some((base.parse::<IpAddr>().ok()?, bits))
        });
        let Some((base, bits)) = parsed else {
            return Err(BadValue::new("is not a range"));
        };
        let (own, width) = number(base);
        if bits > width {
            return Err(BadValue::new(format!(
                "is a range of {bits} bits of {width}"
            )));
        }
        let behind = u128::MAX.checked_shr(128 - width + bits).unwrap_or(0);
        if own & behind != 0 {
            return Err(BadValue::new("has bits behind its prefix"));
        }
        Ok(Self { base, bits })
    }
}

value!([] AddressRange);

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> AddressRange {
        AddressRange::read(Given::Text(text)).unwrap()
    }

    fn holds(text: &str, address: &str) -> bool {
        range(text).contains(address.parse().unwrap())
    }

    /// Register: X2.
    #[test]
    fn a_range_holds_what_shares_its_prefix_and_nothing_else() {
        assert!(holds("10.0.0.0/8", "10.255.255.255"));
        assert!(!holds("10.0.0.0/8", "11.0.0.0"));
        assert!(holds("192.168.1.7/32", "192.168.1.7"));
        assert!(!holds("192.168.1.7/32", "192.168.1.6"));
        assert!(holds("fd00::/8", "fdff::1"));
        assert!(!holds("fd00::/8", "fe80::1"));
        assert!(holds("::1/128", "::1"));
    }

    /// Register: X2.
    #[test]
    fn a_family_is_never_in_a_range_of_the_other_however_it_is_written() {
        assert!(holds("0.0.0.0/0", "8.8.8.8"));
        assert!(!holds("0.0.0.0/0", "::1"));
        assert!(holds("::/0", "::1"));
        assert!(!holds("::/0", "8.8.8.8"));
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(!holds("::/0", "::ffff:10.1.2.3"));
    }

    #[test]
    fn what_is_no_range_is_refused_and_what_is_shows_itself_again() {
        for text in ["10.0.0.0/8", "0.0.0.0/0", "::/0", "fd00::/8", "::1/128"] {
            assert_eq!(range(text).to_string(), text);
        }
        let bad = [
            "10.0.0.0",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "::/129",
            "fd00::1/64",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "example/8",
            "",
        ];
        for text in bad {
            assert!(AddressRange::read(Given::Text(text)).is_err(), "{text}");
        }
    }
}
