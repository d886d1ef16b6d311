//! Values that only scenarios have: depths of buckets, delays, frequencies, new capacities.

use std::fmt;

use fairhaul_config::amount::{self, Exact, RateLimit};
use fairhaul_config::fault::{BadValue, did_you_mean};
use fairhaul_config::value::{Given, Value};
use fairhaul_config::{real, value};
use fairhaul_core::quantity;
use fairhaul_core::time::Span;
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_simulator::setup::NewRate;

real! {
    /// The offered part of an uplink.
    pub(crate) Load, 0.000_001, 10.0
}

real! {
    /// A part of the result that others are compared with.
    pub(crate) PartOfBaseline, 0.0, 1.0
}

/// Depth of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Burst {
    /// Bytes.
    Size(ByteCount),
    /// How long the bucket fills at its rate.
    Time(Span),
}

/// Where delays come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LatencySource {
    /// A round trip between any two peers.
    RoundTrip(Span),
    /// A matrix of regions in a data file.
    Matrix(String),
}

/// Events per time, as the mean gap between two in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Frequency {
    /// Mean gap.
    pub(crate) gap: f64,
}

/// What the rate of a link becomes; at zero nothing moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewCapacity(pub(crate) NewRate);

value!([] Burst);
value!([] LatencySource);
value!([] Frequency);
value!([] NewCapacity);

const BURST: &str = "a size such as \"64 KiB\" or a time such as \"250 ms\"";

impl Value for Burst {
    fn allowed() -> String {
        BURST.to_owned()
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        let text = given.text()?;
        let size = text.parse().map(Self::Size);
        match size.or_else(|_| text.parse().map(Self::Time)) {
            Ok(Self::Time(Span::ZERO)) => Err(BadValue::new("is out of range")),
            Ok(burst) => Ok(burst),
            Err(error) => {
                let what = amount::fault(text, &error, &[]).what;
                Err(BadValue::new(what.replace("time", "size or time")))
            }
        }
    }
}

impl fmt::Display for Burst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size(bytes) => Exact(*bytes).fmt(f),
            Self::Time(span) => Exact(*span).fmt(f),
        }
    }
}

impl Value for LatencySource {
    fn allowed() -> String {
        "a time or the path of a CSV file".to_owned()
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        let text = given.text()?;
        let is_number = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        if !is_number || text.ends_with(".csv") {
            return Ok(Self::Matrix(text.to_owned()));
        }
        let span = text.parse();
        span.map(Self::RoundTrip)
            .map_err(|error| amount::fault(text, &error, &[]).allowing(error.allowed()))
    }
}

impl fmt::Display for LatencySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoundTrip(span) => Exact(*span).fmt(f),
            Self::Matrix(path) => f.write_str(path),
        }
    }
}

impl Value for Frequency {
    fn allowed() -> String {
        "events per time from 0.000001 /d to 1000000 /s, such as \"2 /s\" or \"30 /min\"".to_owned()
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        let text = match given {
            Given::Number(text) => text,
            other => other.text()?,
        };
        let (number, unit) = quantity::split(text);
        let number = quantity::decimal(number).and_then(|_| number.parse::<f64>().ok());
        let number = number.ok_or_else(|| BadValue::new("is not a frequency"))?;
        let per = match unit {
            "/s" => 1e9,
            "/min" => 60e9,
            "/h" => 3_600e9,
            "/d" => 86_400e9,
            "" => return Err(BadValue::new("has no unit")),
            other => {
                let names = ["/s", "/min", "/h", "/d"];
                return Err(BadValue::new(did_you_mean(
                    "has an unknown unit",
                    other,
                    names,
                )));
            }
        };
        let gap = per / number;
        if (1e3..=86_400e15).contains(&gap) {
            Ok(Self { gap })
        } else {
            Err(BadValue::new("is out of range"))
        }
    }
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} /s", 1e9 / self.gap)
    }
}

impl Value for NewCapacity {
    fn allowed() -> String {
        format!("{}, or \"0 B/s\"", RateLimit::allowed())
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        if given == Given::Text("0 B/s") {
            return Ok(Self(NewRate::At(Rate::new(0))));
        }
        RateLimit::read(given).map(|rate| Self(rate.get().into()))
    }
}

impl fmt::Display for NewCapacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.after(None) {
            None => RateLimit::Unlimited.fmt(f),
            Some(rate) => Exact(rate).fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frequency_becomes_a_gap() {
        let gap = |text| Frequency::read(Given::Text(text)).map(|found| found.gap.to_bits());
        assert_eq!(gap("2 /s"), Ok(5e8_f64.to_bits()));
        assert!(gap("0 /s").is_err());
        assert!(gap("2").is_err());
    }

    #[test]
    fn a_depth_is_a_size_or_a_time_above_zero() {
        let read = |text| Burst::read(Given::Text(text));
        assert_eq!(read("64 KiB"), Ok(Burst::Size(ByteCount::kib(64))));
        assert_eq!(read("250 ms"), Ok(Burst::Time(Span::from_millis(250))));
        assert!(read("0 s").is_err());
        let said = read("5 sex").unwrap_err().what;
        assert_eq!(said, "has an unknown unit");
    }
}
