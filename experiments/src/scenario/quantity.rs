//! Numbers with units, read exactly.
//!
//! Decides how many bytes, bytes per second or nanoseconds a text means; refuses a number
//! without a unit, a sign, an exponent, and anything that is not a whole number of the unit
//! that runs count in. All arithmetic is in integers and checked.

use super::bad::{nearest, with_nearest};

/// Why a text is not a quantity, and what would be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) what: String,
    pub(crate) allowed: String,
}

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// Bytes: 1 B to 1 PB.
    Size,
    /// Bytes per second: 1 B/s to 1 Tbit/s.
    Rate,
    /// Nanoseconds: nothing to 100 years.
    Time,
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
    /// The least and the greatest amount.
    pub(crate) const fn range(self) -> (u64, u64) {
        match self {
            Self::Size => (1, 1_000_000_000_000_000),
            Self::Rate => (1, 125_000_000_000),
            Self::Time => (0, 100 * 365 * 86_400 * 1_000_000_000),
        }
    }

    /// What a person may write.
    pub(crate) const fn allowed(self) -> &'static str {
        match self {
            Self::Size => "a size of 1 B to 1 PB, such as \"64 MiB\" or \"10 MB\"",
            Self::Rate => "a rate of 1 B/s to 1 Tbit/s, such as \"20 Mbit/s\" or \"5 MB/s\"",
            Self::Time => "a time of 0 s to 36500 d, such as \"250 ms\" or \"2 h\"",
        }
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

    fn units(self) -> &'static [Unit] {
        match self {
            Self::Size => &SIZES,
            Self::Rate => &RATES,
            Self::Time => &TIMES,
        }
    }

    fn fault(self, what: impl Into<String>) -> Fault {
        Fault {
            what: what.into(),
            allowed: self.allowed().to_owned(),
        }
    }

    /// The amount that `text` means, exactly.
    pub(crate) fn parse(self, text: &str) -> Result<u64, Fault> {
        let (number, unit) = split(text);
        let Some((digits, places)) = decimal(number) else {
            return Err(self.fault(format!("is not a {}", self.noun())));
        };
        let Unit(_, times, over) = self.unit(unit)?;
        let over = over * 10_u128.pow(places);
        let product = digits
            .checked_mul(*times)
            .ok_or_else(|| self.fault("is out of range"))?;
        let amount = u64::try_from(product / over).map_err(|_| self.fault("is out of range"))?;
        let (least, greatest) = self.range();
        if product % over != 0 {
            return Err(self.fault(format!("is not a whole number of {}", self.whole())));
        }
        if amount < least || amount > greatest {
            return Err(self.fault("is out of range"));
        }
        Ok(amount)
    }

    fn unit(self, name: &str) -> Result<&'static Unit, Fault> {
        let units = self.units();
        if let Some(unit) = units.iter().find(|unit| unit.0 == name) {
            return Ok(unit);
        }
        let names = || units.iter().map(|unit| unit.0);
        let listed = names().collect::<Vec<_>>().join(", ");
        let more_digits = |b: u8| b.is_ascii_digit() || b == b',';
        let what = if name.is_empty() {
            "has no unit".to_owned()
        } else if name.bytes().any(more_digits) {
            // An exponent, a decimal comma: what was read is not all of the number.
            return Err(self.fault(format!("is not a {}", self.noun())));
        } else {
            let bits = name.replace("bps", "bit/s").replace("b/s", "bit/s");
            let meant = names().find(|known| self == Self::Rate && *known == bits);
            match meant.or_else(|| nearest(name, names())) {
                Some(near) => format!("has an unknown unit, did you mean {near:?}"),
                None => "has an unknown unit".to_owned(),
            }
        };
        Err(Fault {
            what,
            allowed: format!("a number and one of {listed}"),
        })
    }
}

/// A frequency such as `2 /s`, as the mean gap between two events in nanoseconds.
pub(crate) fn mean_gap(text: &str) -> Result<f64, Fault> {
    let fault = |what: String| Fault {
        what,
        allowed: "events per time from 0.000001 /d to 1000000 /s, such as \"2 /s\" or \"30 /min\""
            .to_owned(),
    };
    let (number, unit) = split(text);
    let Some(number) = decimal(number).and_then(|_| number.parse::<f64>().ok()) else {
        return Err(fault("is not a frequency".to_owned()));
    };
    let per = match unit {
        "/s" => 1e9,
        "/min" => 60e9,
        "/h" => 3_600e9,
        "/d" => 86_400e9,
        "" => return Err(fault("has no unit".to_owned())),
        other => {
            let names = ["/s", "/min", "/h", "/d"];
            return Err(fault(with_nearest("has an unknown unit", other, names)));
        }
    };
    let gap = per / number;
    if (1e3..=86_400e15).contains(&gap) {
        Ok(gap)
    } else {
        Err(fault("is out of range".to_owned()))
    }
}

/// A weight in hundredths, from the text of a TOML number. 0 is best effort and stays 0.
pub(crate) fn weight(text: &str) -> Result<u32, Fault> {
    let fault = |what: &str| Fault {
        what: what.to_owned(),
        allowed: "0 (best effort) or 0.01 to 10000 with at most two decimals".to_owned(),
    };
    let (digits, places) = decimal(text).ok_or_else(|| fault("is not a weight"))?;
    let over = 10_u128.pow(places);
    if digits * 100 % over != 0 {
        return Err(fault("has more than two decimals"));
    }
    match u32::try_from(digits * 100 / over) {
        Ok(hundredths) if hundredths <= 1_000_000 => Ok(hundredths),
        _ => Err(fault("is out of range")),
    }
}

/// `text` cut where its number ends, both parts without blanks around them.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim_matches(' ');
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '+' | '-')))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number.trim_matches(' '), unit.trim_matches(' '))
}

/// Digits and decimal places of an unsigned decimal number without exponent.
fn decimal(text: &str) -> Option<(u128, u32)> {
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
mod tests {
    use super::*;

    #[test]
    fn decimal_and_binary_units_are_kept_apart() {
        assert_eq!(Quantity::Size.parse("1 MB"), Ok(1_000_000));
        assert_eq!(Quantity::Size.parse("1 MiB"), Ok(1_048_576));
        assert_eq!(Quantity::Rate.parse("20 Mbit/s"), Ok(2_500_000));
        assert_eq!(Quantity::Rate.parse("5.8Mbit/s"), Ok(725_000));
        assert_eq!(Quantity::Time.parse("0.25 ms"), Ok(250_000));
    }

    #[test]
    fn the_borders_are_allowed_and_a_step_beyond_is_not() {
        assert_eq!(Quantity::Rate.parse("1 Tbit/s"), Ok(125_000_000_000));
        assert!(Quantity::Rate.parse("125000000001 B/s").is_err());
        assert_eq!(Quantity::Rate.parse("1 B/s"), Ok(1));
        assert!(Quantity::Rate.parse("0 B/s").is_err());
        assert_eq!(
            Quantity::Time.parse("36500 d"),
            Ok(3_153_600_000_000_000_000)
        );
        assert!(Quantity::Time.parse("36501 d").is_err());
        assert!(Quantity::Size.parse("18446744073709551616 B").is_err());
        assert!(Quantity::Size.parse("99999999999999999999 TiB").is_err());
    }

    #[test]
    fn signs_exponents_and_words_are_no_numbers() {
        for text in [
            "-1 B", "+1 B", "1e3 B", "NaN B", "inf", "", " ", ".5 B", "1. B", "1,5 B",
        ] {
            assert!(Quantity::Size.parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_part_of_a_byte_is_refused() {
        let fault = Quantity::Rate.parse("1 bit/s").unwrap_err();
        assert_eq!(fault.what, "is not a whole number of bytes per second");
    }

    #[test]
    fn a_misspelt_unit_gets_the_nearest() {
        let fault = Quantity::Rate.parse("20 Mbps").unwrap_err();
        assert_eq!(fault.what, "has an unknown unit, did you mean \"Mbit/s\"");
        let fault = Quantity::Size.parse("20 mib").unwrap_err();
        assert_eq!(fault.what, "has an unknown unit, did you mean \"MiB\"");
    }

    #[test]
    fn a_frequency_becomes_a_gap() {
        assert_eq!(mean_gap("2 /s").map(f64::to_bits), Ok(5e8_f64.to_bits()));
        assert!(mean_gap("0 /s").is_err());
        assert!(mean_gap("2").is_err());
    }

    #[test]
    fn a_weight_has_two_decimals_at_most() {
        assert_eq!(weight("0.01"), Ok(1));
        assert_eq!(weight("10000"), Ok(1_000_000));
        assert_eq!(weight("0"), Ok(0));
        assert!(weight("0.001").is_err());
        assert!(weight("10000.01").is_err());
        assert!(weight("nan").is_err());
    }
}
