//! Numbers without a unit, each kind in a range of its own.

use std::fmt;

use serde::Serializer;
use serde_json::json;

use crate::fault::BadValue;
use crate::value;
use crate::value::{Given, Value};

const OUT_OF_RANGE: &str = "is out of range";

/// Whole numbers in a range.
macro_rules! whole {
    ($(#[$about:meta])* $type:ident, $int:ident, $write:ident) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $type<const LEAST: $int, const MOST: $int>($int);

        value!([const LEAST: $int, const MOST: $int] $type<LEAST, MOST>);

        impl<const LEAST: $int, const MOST: $int> $type<LEAST, MOST> {
            /// `count`, as a default. Panics outside of the range.
            #[must_use]
            pub const fn new(count: $int) -> Self {
                assert!(LEAST <= count && count <= MOST);
                Self(count)
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> $int {
                self.0
            }
        }

        impl<const MOST: $int> Default for $type<0, MOST> {
            fn default() -> Self {
                Self(0)
            }
        }

        impl<const LEAST: $int, const MOST: $int> Value for $type<LEAST, MOST> {
            fn allowed() -> String {
                format!("a whole number from {LEAST} to {MOST}")
            }

            fn read(given: Given<'_>) -> Result<Self, BadValue> {
                let Given::Number(text) = given else {
                    return Err(given.is_no("a number"));
                };
                let count = text.parse().ok();
                let count = count.filter(|count| (LEAST..=MOST).contains(count));
                count.map(Self).ok_or_else(|| {
                    let is_whole = text.parse::<i128>().is_ok();
                    BadValue::new(if is_whole { OUT_OF_RANGE } else { "is not a whole number" })
                })
            }

            fn schema() -> serde_json::Value {
                json!({ "type": "integer", "minimum": LEAST, "maximum": MOST })
            }

            fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.$write(self.0)
            }
        }

        impl<const LEAST: $int, const MOST: $int> fmt::Display for $type<LEAST, MOST> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

whole! {
    /// A whole number from `LEAST` to `MOST`.
    Bounded,
    u32,
    serialize_u32
}

whole! {
    /// A whole number from `LEAST` to `MOST`, which may be more than 32 bits hold.
    LongBounded,
    u64,
    serialize_u64
}

/// Numbers that need not be whole, each kind in a range of its own: a comment, the name of the
/// type, the least and the greatest.
#[macro_export]
macro_rules! real {
    ($(#[$about:meta])* $vis:vis $type:ident, $least:expr, $most:expr) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        $vis struct $type($vis f64);

        $crate::value!([] $type);

        impl $crate::value::Value for $type {
            fn allowed() -> String {
                format!("a number from {} to {}", $least, $most)
            }

            fn read(
                given: $crate::value::Given<'_>,
            ) -> Result<Self, $crate::fault::BadValue> {
                $crate::number::real(given, $least, $most).map(Self)
            }

            fn schema() -> serde_json::Value {
                serde_json::json!({ "type": "number", "minimum": $least, "maximum": $most })
            }

            fn write<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_f64(self.0)
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

/// The number that is meant.
///
/// # Errors
///
/// Anything but a number from `least` to `most`.
pub fn real(given: Given<'_>, least: f64, most: f64) -> Result<f64, BadValue> {
    let number = match given {
        Given::Number(text) => text.parse::<f64>().ok(),
        _ => None,
    };
    let number = number.ok_or_else(|| BadValue::new("is not a number"))?;
    // A negative zero passes the range check, but is a slip of the pen.
    let is_negative_zero = number.to_bits() == (-0.0_f64).to_bits();
    if (least..=most).contains(&number) && !is_negative_zero {
        Ok(number)
    } else {
        Err(BadValue::new(OUT_OF_RANGE))
    }
}
