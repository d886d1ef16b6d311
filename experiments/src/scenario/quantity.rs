//! Numbers with units, with the words of a message when they are none.
//!
//! Decides nothing about amounts: the core reads them. Adds the unit that was most likely
//! meant, and frequencies, which only the drawing of random numbers knows.

use fairhaul_config::amount;
use fairhaul_config::fault::{BadValue, did_you_mean};
use fairhaul_core::quantity::{self, QuantityError};

pub(crate) use fairhaul_core::quantity::Quantity;

/// Why `text` is not a quantity, and what would be.
pub(crate) fn fault(text: &str, error: &QuantityError) -> BadValue {
    amount::fault(text, error, &[]).allowing(error.allowed())
}

/// A frequency such as `2 /s`, as the mean gap between two events in nanoseconds.
pub(crate) fn mean_gap(text: &str) -> Result<f64, BadValue> {
    let fault = |what: String| {
        BadValue::new(what).allowing(
            "events per time from 0.000001 /d to 1000000 /s, such as \"2 /s\" or \"30 /min\"",
        )
    };
    let (number, unit) = quantity::split(text);
    let Some(number) = quantity::decimal(number).and_then(|_| number.parse::<f64>().ok()) else {
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
            return Err(fault(did_you_mean("has an unknown unit", other, names)));
        }
    };
    let gap = per / number;
    if (1e3..=86_400e15).contains(&gap) {
        Ok(gap)
    } else {
        Err(fault("is out of range".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(quantity: Quantity, text: &str) -> String {
        fault(text, &quantity.parse(text).unwrap_err()).what
    }

    #[test]
    fn a_misspelt_unit_gets_the_nearest() {
        assert_eq!(
            what(Quantity::Rate, "20 Mbps"),
            "has an unknown unit, did you mean \"Mbit/s\""
        );
        assert_eq!(
            what(Quantity::Size, "20 mib"),
            "has an unknown unit, did you mean \"MiB\""
        );
        assert_eq!(what(Quantity::Size, "20 bananas"), "has an unknown unit");
    }

    #[test]
    fn a_frequency_becomes_a_gap() {
        assert_eq!(mean_gap("2 /s").map(f64::to_bits), Ok(5e8_f64.to_bits()));
        assert!(mean_gap("0 /s").is_err());
        assert!(mean_gap("2").is_err());
    }
}
