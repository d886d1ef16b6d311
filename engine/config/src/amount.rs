//! Rates, sizes, times, weights and counts as a file gives them: with units and in ranges.

use std::fmt;
use std::str::FromStr;

use fairhaul_core::quantity::{Quantity, QuantityError, QuantityFault, WeightError};
use fairhaul_core::time::Span;
use fairhaul_core::units::{ByteCount, Rate, Weight};
use serde::Serializer;
use serde_json::json;

use crate::fault::{BadValue, nearest};
use crate::value;
use crate::value::{Given, Value};

/// The longest time of a file, a hundred years, in nanoseconds.
pub const CENTURY: u64 = Quantity::Time.range().1;

const UNLIMITED: &str = "unlimited";
const AUTO: &str = "auto";
const NOTHING: &str = "0 B/s";
const OUT_OF_RANGE: &str = "is out of range";

/// The most of something: an amount or `"unlimited"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Most<T> {
    /// No limit.
    #[default]
    Unlimited,
    /// At most this.
    At(T),
}

/// The most that may be sent or received.
pub type RateLimit = Most<Rate>;

/// The most bytes of something.
pub type SizeLimit = Most<ByteCount>;

/// A number with a unit.
pub trait Amount: Copy + FromStr<Err = QuantityError> {
    /// What it counts.
    const QUANTITY: Quantity;

    /// The number.
    fn count(self) -> u64;
}

impl Amount for Rate {
    const QUANTITY: Quantity = Quantity::Rate;

    fn count(self) -> u64 {
        self.get()
    }
}

impl Amount for ByteCount {
    const QUANTITY: Quantity = Quantity::Size;

    fn count(self) -> u64 {
        self.get()
    }
}

impl Amount for Span {
    const QUANTITY: Quantity = Quantity::Time;

    fn count(self) -> u64 {
        self.as_nanos()
    }
}

/// The most that a node may send: as [`RateLimit`], or found while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UploadLimit {
    /// No limit.
    #[default]
    Unlimited,
    /// At most this.
    At(Rate),
    /// What the uplink turns out to carry.
    Auto,
}

/// The least that is sent while there is demand; `"0 B/s"` guarantees nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FloorRate(pub Rate);

/// A time from `LEAST` to `MOST` nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeBetween<const LEAST: u64, const MOST: u64>(Span);

/// An amount, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exact<T>(pub T);

/// A weight as a file gives it: 0, best effort, is kept apart from the least weight, which it
/// becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileWeight(Option<Weight>);

value!([T: Amount] Most<T>);
value!([] UploadLimit);
value!([] FloorRate);
value!([const LEAST: u64, const MOST: u64] TimeBetween<LEAST, MOST>);
value!([T: Amount] Exact<T>);
value!([] FileWeight);

impl<T: Copy> Most<T> {
    /// The amount; `None` is unlimited.
    #[must_use]
    pub const fn get(self) -> Option<T> {
        match self {
            Self::Unlimited => None,
            Self::At(most) => Some(most),
        }
    }
}

impl UploadLimit {
    /// The rate that is said; `None` is unlimited or found while the node runs.
    #[must_use]
    pub const fn rate(self) -> Option<Rate> {
        match self {
            Self::Unlimited | Self::Auto => None,
            Self::At(rate) => Some(rate),
        }
    }
}

impl<const LEAST: u64, const MOST: u64> TimeBetween<LEAST, MOST> {
    /// `nanos` nanoseconds, as a default. Panics outside of the range.
    #[must_use]
    pub const fn new(nanos: u64) -> Self {
        assert!(LEAST <= nanos && nanos <= MOST);
        Self(Span::from_nanos(nanos))
    }

    /// The time of the range that is nearest to `time`.
    #[must_use]
    pub fn nearest(time: Span) -> Self {
        Self(Span::from_nanos(time.as_nanos().clamp(LEAST, MOST)))
    }

    /// The time.
    #[must_use]
    pub const fn get(self) -> Span {
        self.0
    }
}

impl FloorRate {
    /// The rate; `None` guarantees nothing.
    #[must_use]
    pub fn get(self) -> Option<Rate> {
        Some(self.0).filter(|floor| floor.get() > 0)
    }
}

impl FileWeight {
    /// The weight; best effort is [`Weight::BEST_EFFORT`].
    #[must_use]
    pub fn get(self) -> Weight {
        self.0.unwrap_or(Weight::BEST_EFFORT)
    }

    /// The weight in hundredths; best effort is 0.
    #[must_use]
    pub fn hundredths(self) -> u32 {
        self.0.map_or(0, Weight::hundredths)
    }
}

impl From<Weight> for FileWeight {
    fn from(weight: Weight) -> Self {
        Self(Some(weight))
    }
}

impl From<RateLimit> for UploadLimit {
    fn from(limit: RateLimit) -> Self {
        limit.get().map_or(Self::Unlimited, Self::At)
    }
}

impl Default for Exact<Span> {
    fn default() -> Self {
        Self(Span::ZERO)
    }
}

impl Default for FileWeight {
    fn default() -> Self {
        Self(Some(Weight::ONE))
    }
}

/// The amount that is meant. `words` stand for amounts too, and were not what is given.
fn amount<T: Amount>(given: Given<'_>, words: &[&str]) -> Result<T, BadValue> {
    if let Given::Number(_) = given {
        return Err(BadValue::new("has no unit"));
    }
    let text = given.text()?;
    text.parse().map_err(|error| fault(text, &error, words))
}

/// The fault of a text that is no amount, with the unit or the one of `words` that was most
/// likely meant.
#[must_use]
pub fn fault(text: &str, error: &QuantityError, words: &[&str]) -> BadValue {
    let near = match &error.fault {
        QuantityFault::UnknownUnit(unit) => {
            let meant = error.quantity.meant(unit);
            meant.or_else(|| nearest(unit, error.quantity.units()))
        }
        QuantityFault::NotANumber => nearest(text, words.iter().copied()),
        _ => None,
    };
    let fault = BadValue::new(match near {
        Some(near) => format!("{error}, did you mean {near:?}"),
        None => error.to_string(),
    });
    match error.fault {
        QuantityFault::NoUnit | QuantityFault::UnknownUnit(_) => fault.allowing(error.allowed()),
        _ => fault,
    }
}

/// Writes `amount` with its shortest unit.
fn write<T: Amount>(f: &mut fmt::Formatter<'_>, amount: T) -> fmt::Result {
    f.write_str(&T::QUANTITY.text(amount.count()))
}

impl<T: Amount> Value for Most<T> {
    fn allowed() -> String {
        format!("{}, or \"{UNLIMITED}\"", T::QUANTITY.allowed())
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        match given {
            Given::Text(UNLIMITED) => Ok(Self::Unlimited),
            _ => amount(given, &[UNLIMITED]).map(Self::At),
        }
    }
}

impl<T: Amount> fmt::Display for Most<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str(UNLIMITED),
            Self::At(most) => write(f, *most),
        }
    }
}

impl Value for UploadLimit {
    fn allowed() -> String {
        format!("{}, or \"{AUTO}\"", RateLimit::allowed())
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        match given {
            Given::Text(UNLIMITED) => Ok(Self::Unlimited),
            Given::Text(AUTO) => Ok(Self::Auto),
            _ => amount(given, &[UNLIMITED, AUTO]).map(Self::At),
        }
    }
}

impl fmt::Display for UploadLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.write_str(UNLIMITED),
            Self::Auto => f.write_str(AUTO),
            Self::At(rate) => write(f, *rate),
        }
    }
}

impl Value for FloorRate {
    fn allowed() -> String {
        format!("{}, or \"{NOTHING}\"", Quantity::Rate.allowed())
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        match given {
            Given::Text(NOTHING) => Ok(Self(Rate::new(0))),
            _ => amount(given, &[]).map(Self),
        }
    }
}

impl fmt::Display for FloorRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0)
    }
}

impl<const LEAST: u64, const MOST: u64> Value for TimeBetween<LEAST, MOST> {
    fn allowed() -> String {
        let [least, most] = [LEAST, MOST].map(|nanos| Quantity::Time.text(nanos));
        format!("a time of {least} to {most}, such as \"250 ms\"")
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        let time: Span = amount(given, &[])?;
        if (LEAST..=MOST).contains(&time.as_nanos()) {
            Ok(Self(time))
        } else {
            Err(BadValue::new(OUT_OF_RANGE))
        }
    }
}

impl<const LEAST: u64, const MOST: u64> fmt::Display for TimeBetween<LEAST, MOST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0)
    }
}

impl<T: Amount> Value for Exact<T> {
    fn allowed() -> String {
        T::QUANTITY.allowed().to_owned()
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        amount(given, &[]).map(Self)
    }
}

impl<T: Amount> fmt::Display for Exact<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0)
    }
}

impl Value for FileWeight {
    fn allowed() -> String {
        WeightError::ALLOWED.to_owned()
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        let Given::Number(text) = given else {
            return Err(BadValue::new(WeightError::NotANumber.to_string()));
        };
        let hundredths = fairhaul_core::quantity::weight(text);
        let hundredths = hundredths.map_err(|error| BadValue::new(error.to_string()))?;
        Ok(Self(Weight::from_hundredths(hundredths)))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": "number", "minimum": 0, "maximum": 10_000 })
    }

    /// A whole weight as an integer, any other as a float.
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let hundredths = self.0.map_or(0, Weight::hundredths);
        match hundredths % 100 {
            0 => to.serialize_u32(hundredths / 100),
            _ => to.serialize_f64(f64::from(hundredths) / 100.0),
        }
    }
}

impl fmt::Display for FileWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("0"),
            Some(weight) => weight.fmt(f),
        }
    }
}
