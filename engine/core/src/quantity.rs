//! Parses and formats numbers with units: bytes, rates, durations.
//!
//! Refused are a number without a unit, a sign, an exponent, and anything that is not a whole
//! number of the base unit. All arithmetic is in integers and checked.

use std::fmt;
use std::str::FromStr;

use crate::time::Span;
use crate::units::{ByteCount, Rate};

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Bytes: 1 B to 1 PB.
    Size,
    /// Bytes per second: 1 B/s to 1 Tbit/s.
    Rate,
    /// Nanoseconds: nothing to 100 years.
    Time,
}

/// Why a text is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuantityError {
    /// What it should have been.
    pub quantity: Quantity,
    /// What is wrong with it.
    pub fault: QuantityFault,
}

/// What is wrong with a text that should be a quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuantityFault {
    /// It is not a number followed by a unit.
    NotANumber,
    /// A number and no more.
    NoUnit,
    /// The unit is none of [`Quantity::units`]: this one. [`Quantity::meant`] knows some.
    UnknownUnit(Box<str>),
    /// A part of a byte or of a nanosecond.
    NotWhole,
    /// Below the least or above the greatest amount.
    OutOfRange,
}

/// Why a text is not a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightError {
    /// It is not an unsigned decimal number.
    NotANumber,
    /// It is finer than a hundredth.
    TooFine,
    /// It is above 10,000.
    OutOfRange,
}

/// A unit: its name and how many of the counted unit it is, as a fraction.
struct Unit(&'static str, u128, u128);

const SIZES: [Unit; 9] = [
    Unit("B", 1, 1),
    Unit("kB", 1_000, 1),
    Unit("MB", 1_000_000, 1),
    Unit("GB", 1_000_000_000, 1),
    Unit("TB", 1_000_000_000_000, 1),
    Unit("KiB", 1 << 10, 1),
    Unit("MiB", 1 << 20, 1),
    Unit("GiB", 1 << 30, 1),
    Unit("TiB", 1 << 40, 1),
];

const RATES: [Unit; 12] = [
    Unit("B/s", 1, 1),
    Unit("kB/s", 1_000, 1),
    Unit("MB/s", 1_000_000, 1),
    Unit("GB/s", 1_000_000_000, 1),
    Unit("KiB/s", 1 << 10, 1),
    Unit("MiB/s", 1 << 20, 1),
    Unit("GiB/s", 1 << 30, 1),
    Unit("bit/s", 1, 8),
    Unit("kbit/s", 125, 1),
    Unit("Mbit/s", 125_000, 1),
    Unit("Gbit/s", 125_000_000, 1),
    Unit("Tbit/s", 125_000_000_000, 1),
];

const TIMES: [Unit; 7] = [
    Unit("ns", 1, 1),
    Unit("us", 1_000, 1),
    Unit("ms", 1_000_000, 1),
    Unit("s", 1_000_000_000, 1),
    Unit("min", 60_000_000_000, 1),
    Unit("h", 3_600_000_000_000, 1),
    Unit("d", 86_400_000_000_000, 1),
];

/// Digits that a number may have: more cannot matter, and the products stay in `u128`.
const DIGITS_MAX: usize = 20;

impl Quantity {
    /// The least and the greatest amount, in bytes, bytes per second or nanoseconds.
    #[must_use]
    pub const fn range(self) -> (u64, u64) {
        match self {
            Self::Size => (1, 1_000_000_000_000_000),
            Self::Rate => (1, 125_000_000_000),
            Self::Time => (0, 100 * 365 * 86_400 * 1_000_000_000),
        }
    }

    /// What a person may write.
    #[must_use]
    pub const fn allowed(self) -> &'static str {
        match self {
            Self::Size => "a size of 1 B to 1 PB, such as \"64 MiB\" or \"10 MB\"",
            Self::Rate => "a rate of 1 B/s to 1 Tbit/s, such as \"20 Mbit/s\" or \"5 MB/s\"",
            Self::Time => "a time of 0 s to 36500 d, such as \"250 ms\" or \"2 h\"",
        }
    }

    /// The names of its units, smallest first within a family.
    pub fn units(self) -> impl Iterator<Item = &'static str> + Clone {
        self.table().iter().map(|unit| unit.0)
    }

    /// The unit that another common spelling of a unit stands for: `Mbps` and `Mb/s` are
    /// `Mbit/s`. None if `name` is not such a spelling.
    #[must_use]
    pub fn meant(self, name: &str) -> Option<&'static str> {
        let bits = name.replace("bps", "bit/s").replace("b/s", "bit/s");
        self.units()
            .find(|known| self == Self::Rate && *known == bits)
    }

    /// The amount that `text` means, exactly: bytes, bytes per second or nanoseconds.
    ///
    /// # Errors
    ///
    /// What is wrong with it; nothing is rounded and nothing is assumed.
    ///
    /// ```
    /// use fairhaul_core::quantity::Quantity;
    ///
    /// assert_eq!(Quantity::Rate.parse("20 Mbit/s"), Ok(2_500_000));
    /// assert!(Quantity::Rate.parse("20").is_err());
    /// ```
    pub fn parse(self, text: &str) -> Result<u64, QuantityError> {
        let error = |fault| QuantityError {
            quantity: self,
            fault,
        };
        let (number, unit) = split(text);
        let (digits, places) = decimal(number).ok_or_else(|| error(QuantityFault::NotANumber))?;
        let Unit(_, times, over) = self.unit(unit).map_err(error)?;
        let over = over * 10_u128.pow(places);
        let out_of_range = || error(QuantityFault::OutOfRange);
        let product = digits.checked_mul(*times).ok_or_else(out_of_range)?;
        let amount = u64::try_from(product / over).map_err(|_| out_of_range())?;
        let (least, greatest) = self.range();
        if product % over != 0 {
            return Err(error(QuantityFault::NotWhole));
        }
        if amount < least || amount > greatest {
            return Err(out_of_range());
        }
        Ok(amount)
    }

    /// `amount` with the unit that needs the fewest digits and no decimal point; of two such
    /// units the first of the table. [`Quantity::parse`] gives `amount` again.
    ///
    /// ```
    /// use fairhaul_core::quantity::Quantity;
    ///
    /// assert_eq!(Quantity::Rate.text(12_500_000), "100 Mbit/s");
    /// assert_eq!(Quantity::Size.text(1 << 20), "1 MiB");
    /// ```
    #[must_use]
    pub fn text(self, amount: u64) -> String {
        let amount = u128::from(amount);
        let zero = if self == Self::Time {
            "s"
        } else {
            self.table()[0].0
        };
        if amount == 0 {
            return format!("0 {zero}");
        }
        let whole = |Unit(_, times, over): &&Unit| amount * over % times == 0;
        let count = |Unit(_, times, over): &Unit| amount * over / times;
        let shortest = self
            .table()
            .iter()
            .filter(whole)
            .min_by_key(|unit| count(unit));
        let unit = shortest.expect("the first unit of each table is the one that is counted");
        format!("{} {}", count(unit), unit.0)
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Rate => "rate",
            Self::Time => "time",
        }
    }

    const fn whole(self) -> &'static str {
        match self {
            Self::Size => "bytes",
            Self::Rate => "bytes per second",
            Self::Time => "nanoseconds",
        }
    }

    const fn table(self) -> &'static [Unit] {
        match self {
            Self::Size => &SIZES,
            Self::Rate => &RATES,
            Self::Time => &TIMES,
        }
    }

    fn unit(self, name: &str) -> Result<&'static Unit, QuantityFault> {
        if let Some(unit) = self.table().iter().find(|unit| unit.0 == name) {
            return Ok(unit);
        }
        let more_digits = |b: u8| b.is_ascii_digit() || b == b',';
        Err(if name.is_empty() {
            QuantityFault::NoUnit
        } else if name.bytes().any(more_digits) {
            // An exponent, a decimal comma: what was read is not all of the number.
            QuantityFault::NotANumber
        } else {
            QuantityFault::UnknownUnit(name.into())
        })
    }
}

impl FromStr for ByteCount {
    type Err = QuantityError;

    /// A number and a unit of [`Quantity::Size`].
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Quantity::Size.parse(text).map(Self::new)
    }
}

impl FromStr for Rate {
    type Err = QuantityError;

    /// A number and a unit of [`Quantity::Rate`].
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Quantity::Rate.parse(text).map(Self::new)
    }
}

impl FromStr for Span {
    type Err = QuantityError;

    /// A number and a unit of [`Quantity::Time`].
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Quantity::Time.parse(text).map(Self::from_nanos)
    }
}

impl QuantityError {
    /// What a person may write instead.
    #[must_use]
    pub fn allowed(&self) -> String {
        match self.fault {
            QuantityFault::NoUnit | QuantityFault::UnknownUnit(_) => {
                let names: Vec<&str> = self.quantity.units().collect();
                format!("a number and one of {}", names.join(", "))
            }
            _ => self.quantity.allowed().to_owned(),
        }
    }
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            QuantityFault::NotANumber => write!(f, "is not a {}", self.quantity.noun()),
            QuantityFault::NoUnit => f.write_str("has no unit"),
            QuantityFault::UnknownUnit(_) => f.write_str("has an unknown unit"),
            QuantityFault::NotWhole => {
                write!(f, "is not a whole number of {}", self.quantity.whole())
            }
            QuantityFault::OutOfRange => f.write_str("is out of range"),
        }
    }
}

impl std::error::Error for QuantityError {}

impl WeightError {
    /// What a person may write instead.
    pub const ALLOWED: &'static str = "0 (best effort) or 0.01 to 10000 with at most two decimals";
}

impl fmt::Display for WeightError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotANumber => "is not a weight",
            Self::TooFine => "has more than two decimals",
            Self::OutOfRange => "is out of range",
        })
    }
}

impl std::error::Error for WeightError {}

/// A weight in hundredths, at most 1,000,000, from the text of a number. 0 is best effort
/// and stays 0.
///
/// # Errors
///
/// Anything but 0 or 0.01 to 10,000 with at most two decimals.
pub fn weight(text: &str) -> Result<u32, WeightError> {
    let (digits, places) = decimal(text).ok_or(WeightError::NotANumber)?;
    let over = 10_u128.pow(places);
    if digits * 100 % over != 0 {
        return Err(WeightError::TooFine);
    }
    match u32::try_from(digits * 100 / over) {
        Ok(hundredths) if hundredths <= 1_000_000 => Ok(hundredths),
        _ => Err(WeightError::OutOfRange),
    }
}

/// `text` cut where its number ends, both parts without blanks around them.
#[must_use]
pub fn split(text: &str) -> (&str, &str) {
    let text = text.trim_matches(' ');
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-')))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number.trim_matches(' '), unit.trim_matches(' '))
}

/// Digits and decimal places of an unsigned decimal number without exponent; none if `text`
/// is no such number, or has more than 20 digits.
#[must_use]
pub fn decimal(text: &str) -> Option<(u128, u32)> {
    let (whole, part) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let digits = whole.len() + part.len();
    let all_digits = whole
        .bytes()
        .chain(part.bytes())
        .all(|b| b.is_ascii_digit());
    if whole.is_empty() || !all_digits || digits > DIGITS_MAX {
        return None;
    }
    let number = format!("{whole}{part}").parse().ok()?;
    Some((number, u32::try_from(part.len()).ok()?))
}

#[cfg(test)]
mod tests;
