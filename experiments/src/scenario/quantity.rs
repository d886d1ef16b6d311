//! Numbers with units, with the words of a message when they are none.
//!
//! Decides nothing about amounts: the core reads them. Adds the unit that was most likely
//! meant, and frequencies, which only the drawing of random numbers knows.

use fairhaul_core::quantity::{self, QuantityError, QuantityFault, WeightError};

pub(crate) use fairhaul_core::quantity::Quantity;

use super::bad::{nearest, with_nearest};

/// Why a text is not a quantity, and what would be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) what: String,
    pub(crate) allowed: String,
}

impl From<QuantityError> for Fault {
    fn from(error: QuantityError) -> Self {
        let near = match &error.fault {
            QuantityFault::UnknownUnit(name) => {
                let meant = error.quantity.meant(name);
                meant.or_else(|| nearest(name, error.quantity.units()))
            }
            _ => None,
        };
        Self {
            what: match near {
                Some(near) => format!("{error}, did you mean {near:?}"),
                None => error.to_string(),
            },
            allowed: error.allowed(),
        }
    }
}

/// A weight in hundredths, from the text of a number. 0 is best effort and stays 0.
pub(crate) fn weight(text: &str) -> Result<u32, Fault> {
    quantity::weight(text).map_err(|error| Fault {
        what: error.to_string(),
        allowed: WeightError::ALLOWED.to_owned(),
    })
}

/// A frequency such as `2 /s`, as the mean gap between two events in nanoseconds.
pub(crate) fn mean_gap(text: &str) -> Result<f64, Fault> {
    let fault = |what: String| Fault {
        what,
        allowed: "events per time from 0.000001 /d to 1000000 /s, such as \"2 /s\" or \"30 /min\""
            .to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn what(quantity: Quantity, text: &str) -> String {
        Fault::from(quantity.parse(text).unwrap_err()).what
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
