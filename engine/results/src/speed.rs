//! How many times as fast as a scenario says it is played.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use fairhaul_core::time::Span;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What files and the command line allow.
const ALLOWED: &str = "0.01 to 1000, with up to three digits behind the point";

/// Thousandths of one.
const ONE: u64 = 1_000;

/// How many times as fast: times are divided by it and rates multiplied. Below one a small machine
/// plays what it could not play in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Speed(u64);

impl Speed {
    /// As fast as the scenario says.
    pub const ONE: Self = Self(ONE);

    /// A time of the scenario as it is played.
    #[must_use]
    pub fn play(self, nanos: u64) -> u64 {
        scaled(nanos, ONE, self.0)
    }

    /// A rate of the scenario as it is played.
    #[must_use]
    pub fn rate(self, rate: u64) -> u64 {
        scaled(rate, self.0, ONE)
    }

    /// What took `played` stands for this much of the scenario.
    #[must_use]
    pub fn told(self, played: Duration) -> Span {
        let nanos = u64::try_from(played.as_nanos()).unwrap_or(u64::MAX);
        Span::from_nanos(scaled(nanos, self.0, ONE))
    }
}

impl Default for Speed {
    fn default() -> Self {
        Self::ONE
    }
}

fn scaled(value: u64, by: u64, over: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(by) / u128::from(over);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || format!("is no speed; allowed {ALLOWED}");
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > 3 {
            return Err(bad());
        }
        let whole: u64 = whole.parse().map_err(|_| bad())?;
        let part: u64 = format!("{part:0<3}").parse().map_err(|_| bad())?;
        let speed = whole.saturating_mul(ONE).saturating_add(part);
        if (ONE / 100..=1_000 * ONE).contains(&speed) {
            Ok(Self(speed))
        } else {
            Err(bad())
        }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0 as f64 / ONE as f64)
    }
}

impl Serialize for Speed {
    /// A whole number where it is one.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_multiple_of(ONE) {
            serializer.serialize_u64(self.0 / ONE)
        } else {
            serializer.serialize_f64(self.0 as f64 / ONE as f64)
        }
    }
}

impl<'de> Deserialize<'de> for Speed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        number.to_string().parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_is_a_number_with_up_to_three_digits_behind_the_point() {
        for (text, thousandths) in [("1", 1_000), ("0.25", 250), ("2.5", 2_500), ("0.010", 10)] {
            assert_eq!(text.parse(), Ok(Speed(thousandths)), "{text}");
        }
        for text in [
            "", "0", "0.009", "1000.001", "-1", "1e3", ".5", "1.", "0.1234", "1/4",
        ] {
            let error = text.parse::<Speed>().unwrap_err();
            assert!(error.ends_with(ALLOWED), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["1", "0.25", "10", "0.333"] {
            let speed: Speed = text.parse().unwrap();
            assert_eq!(speed.to_string(), text);
            let json = serde_json::to_string(&speed).unwrap();
            assert_eq!(json, text);
            assert_eq!(serde_json::from_str::<Speed>(&json).unwrap(), speed);
        }
    }

    /// 3 s at a quarter of the pace take 12 s, in which 10 bytes a second move where 40 did.
    #[test]
    fn time_and_rate_are_scaled_against_each_other() {
        let quarter: Speed = "0.25".parse().unwrap();
        let second = 1_000_000_000;
        assert_eq!(quarter.play(3 * second), 12 * second);
        assert_eq!(quarter.rate(40), 10);
        assert_eq!(quarter.told(Duration::from_secs(12)), Span::from_secs(3));
    }
}
