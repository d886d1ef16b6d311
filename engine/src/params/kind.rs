//! What a value of a parameter file may be.
//!
//! Decides what each kind of text or number means; refuses the rest with what is allowed.
//! Names of policies come from the tables of the core.

mod text;

use std::fmt;

use fairhaul_core::quantity::{self, Quantity, QuantityError, QuantityFault, WeightError};
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_core::{choke, pick, sched, time::Span};
use toml::de::DeValue;

use super::bad::{Fault, ask, nearest};
use super::range::AddressRange;
use super::row::Row;
pub(crate) use text::{days, is_name, key_bytes, minutes};
use text::{is_address, is_folder};

/// Least and most depth of a bucket in time, in nanoseconds.
const BURST: (u64, u64) = (1_000_000, 3_600_000_000_000);
/// Most ranges of addresses in a list.
const RANGES_MAX: usize = 64;
pub(crate) const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const UNLIMITED: &str = "unlimited";
const AUTO: &str = "auto";

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Name,
    Address,
    /// A path of at most so many bytes.
    Path(usize),
    Folder,
    Key,
    Weight,
    Limit,
    /// A limit of the node that may be found by itself.
    Uplink,
    Floor,
    Burst,
    Discipline,
    Share,
    Choker,
    SeedRule,
    Picker,
    Days,
    Clock,
    Schedule,
    /// True or false.
    Flag,
    /// A whole number from 1 to this.
    Count(u32),
    Size,
    Ranges,
}

/// A value that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    /// None is best effort.
    Weight(Option<Weight>),
    /// None is unlimited.
    Limit(Option<Rate>),
    /// A limit that is found while the node runs.
    Auto,
    Floor(Rate),
    Span(Span),
    Entries(Vec<Row>),
    Flag(bool),
    Count(u32),
    /// None is unlimited.
    Size(Option<ByteCount>),
    Ranges(Vec<AddressRange>),
}

impl Kind {
    /// What a person may write.
    pub(crate) fn allowed(self) -> String {
        let text = match self {
            Self::Name => {
                "1 to 64 of A-Z, a-z, 0-9, \"_\", \".\", \":\" and \"-\", not starting with \"-\""
            }
            Self::Address => {
                "host:port with a name, an IPv4 address or an IPv6 address in brackets, and a \
                 port of 1 to 65535"
            }
            Self::Path(most) => {
                return format!("a path of 1 to {most} bytes without control characters");
            }
            Self::Folder => {
                "a path below the data folder, such as \"inbox\": parts of 1 to 255 bytes \
                 between \"/\", 1024 in all, none of them \".\" or \"..\", without \"\\\", \":\" \
                 and control characters"
            }
            Self::Key => {
                "an Ed25519 public key: 64 hexadecimal digits, or 43 of A-Z, a-z, 0-9, \"+\" and \
                 \"/\" (base64) with or without a \"=\" after them"
            }
            Self::Weight => WeightError::ALLOWED,
            Self::Limit => return format!("{}, or \"unlimited\"", Quantity::Rate.allowed()),
            Self::Uplink => {
                let rate = Quantity::Rate.allowed();
                return format!("{rate}, or \"unlimited\", or \"auto\"");
            }
            Self::Floor => return format!("{}, or \"0 B/s\"", Quantity::Rate.allowed()),
            Self::Burst => "a time of 1 ms to 1 h, such as \"250 ms\"",
            Self::Days => {
                "days such as \"mon-fri\" or \"mon,wed,sat-sun\": mon, tue, wed, thu, fri, sat, \
                 sun, each at most once"
            }
            Self::Clock => "a time of day from \"00:00\" to \"24:00\"",
            Self::Schedule => {
                "a list of tables such as { days = \"mon-fri\", from = \"08:00\", to = \"18:00\", \
                 upload = \"20 Mbit/s\" }"
            }
            Self::Flag => "true or false",
            Self::Count(most) => return format!("a whole number from 1 to {most}"),
            Self::Size => return format!("{}, or \"unlimited\"", Quantity::Size.allowed()),
            Self::Ranges => {
                "a list of at most 64 ranges such as \"10.0.0.0/8\" or \"fd00::/8\": an address \
                 and how many of its first bits count, the other bits 0"
            }
            Self::Discipline => {
                return format!("{}, or two of them as outer/inner", self.names().join(", "));
            }
            Self::Share | Self::Choker | Self::SeedRule | Self::Picker => {
                return self.names().join(", ");
            }
        };
        text.to_owned()
    }

    /// The names that it may be; none if it is not one of a few names.
    pub(crate) fn names(self) -> Vec<&'static str> {
        match self {
            Self::Discipline => sched::ALL.iter().map(|row| row.name).collect(),
            Self::Share => vec!["peer", "group", "transfer"],
            // A node that never serves is for experiments.
            Self::Choker => choke::ALL
                .iter()
                .map(|row| row.name)
                .filter(|name| *name != "refuse")
                .collect(),
            Self::SeedRule => choke::SEED_RULES.iter().map(|(name, _)| *name).collect(),
            Self::Picker => pick::ALL.iter().map(|row| row.name).collect(),
            _ => Vec::new(),
        }
    }

    /// The value that is meant. A schedule is read by who knows the lines of its entries.
    ///
    /// # Errors
    ///
    /// Everything else, with what is allowed.
    pub(crate) fn read(self, value: &DeValue<'_>) -> Result<Value, Fault> {
        let fault = |what: String| Fault::new(what, shown(value), self.allowed());
        let number = match value {
            DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str()),
            DeValue::Float(number) => Some(number.as_str()),
            _ => None,
        };
        match (self, value) {
            (Self::Flag, DeValue::Boolean(flag)) => return Ok(Value::Flag(*flag)),
            (Self::Flag, _) => return Err(fault(format!("is {}", noun(value)))),
            (Self::Ranges, DeValue::Array(ranges)) => {
                return self.ranges(ranges.iter().map(|range| range.get_ref()));
            }
            (Self::Ranges, _) => return Err(fault(format!("is {}, not a list", noun(value)))),
            (Self::Count(most), DeValue::Integer(_) | DeValue::Float(_)) => {
                let count = number.and_then(|number| number.parse().ok());
                let count = count.filter(|count| (1..=most).contains(count));
                return count
                    .map(Value::Count)
                    .ok_or_else(|| fault("is not such a number".to_owned()));
            }
            (Self::Count(_), _) => {
                return Err(fault(format!("is {}, not a number", noun(value))));
            }
            _ => {}
        }
        if self == Self::Weight {
            let hundredths = quantity::weight(number.unwrap_or_default());
            let hundredths = hundredths.map_err(|error| fault(error.to_string()))?;
            return Ok(Value::Weight(Weight::from_hundredths(hundredths)));
        }
        let is_amount = matches!(
            self,
            Self::Limit | Self::Uplink | Self::Floor | Self::Burst | Self::Size
        );
        if is_amount && number.is_some() {
            return Err(fault("has no unit".to_owned()));
        }
        let DeValue::String(text) = value else {
            return Err(fault(format!("is {}, not a string", noun(value))));
        };
        let fine = match self {
            _ if is_amount => return self.amount(text),
            Self::Name => is_name(text),
            Self::Address => is_address(text),
            Self::Path(most) => {
                (1..=most).contains(&text.len()) && !text.contains(char::is_control)
            }
            Self::Folder => is_folder(text),
            Self::Key => key_bytes(text).is_some(),
            Self::Days => return days(text).map(|_| Value::Text(text.to_string())),
            Self::Clock => minutes(text).is_some(),
            _ => return self.named(text),
        };
        if fine {
            Ok(Value::Text(text.to_string()))
        } else {
            Err(fault(format!("is not {}", self.noun())))
        }
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::Name => "a name",
            Self::Address => "an address",
            Self::Path(_) => "a path",
            Self::Folder => "a folder below the data",
            Self::Key => "a public key",
            _ => "a time of day",
        }
    }

    fn amount(self, text: &str) -> Result<Value, Fault> {
        if self == Self::Uplink && text == AUTO {
            return Ok(Value::Auto);
        }
        if matches!(self, Self::Limit | Self::Uplink) && text == UNLIMITED {
            return Ok(Value::Limit(None));
        }
        if self == Self::Size && text == UNLIMITED {
            return Ok(Value::Size(None));
        }
        if self == Self::Floor && text == "0 B/s" {
            return Ok(Value::Floor(Rate::new(0)));
        }
        let of = match self {
            Self::Burst => Quantity::Time,
            Self::Size => Quantity::Size,
            _ => Quantity::Rate,
        };
        let refuse = |error: QuantityError| self.not_an_amount(text, &error);
        let amount = of.parse(text).map_err(refuse)?;
        if self == Self::Burst && !(BURST.0..=BURST.1).contains(&amount) {
            let fault = QuantityFault::OutOfRange;
            return Err(refuse(QuantityError {
                quantity: of,
                fault,
            }));
        }
        Ok(match self {
            Self::Burst => Value::Span(Span::from_nanos(amount)),
            Self::Floor => Value::Floor(Rate::new(amount)),
            Self::Size => Value::Size(Some(ByteCount::new(amount))),
            _ => Value::Limit(Some(Rate::new(amount))),
        })
    }

    fn not_an_amount(self, text: &str, error: &QuantityError) -> Fault {
        let near = match &error.fault {
            QuantityFault::UnknownUnit(unit) => {
                let meant = error.quantity.meant(unit);
                meant.or_else(|| nearest(unit, error.quantity.units()))
            }
            QuantityFault::NotANumber if matches!(self, Self::Limit | Self::Size) => {
                nearest(text, [UNLIMITED])
            }
            QuantityFault::NotANumber if self == Self::Uplink => nearest(text, [UNLIMITED, AUTO]),
            _ => None,
        };
        let what = match near {
            Some(near) => format!("{error}, did you mean {near:?}"),
            None => error.to_string(),
        };
        let allowed = match error.fault {
            QuantityFault::NoUnit | QuantityFault::UnknownUnit(_) => error.allowed(),
            _ => self.allowed(),
        };
        Fault::new(what, quoted(text), allowed)
    }

    /// A list of ranges of addresses.
    fn ranges<'a>(
        self,
        values: impl ExactSizeIterator<Item = &'a DeValue<'a>>,
    ) -> Result<Value, Fault> {
        if values.len() > RANGES_MAX {
            let got = format!("{} ranges", values.len());
            return Err(Fault::new("is too long", got, self.allowed()));
        }
        let mut ranges = Vec::with_capacity(values.len());
        for value in values {
            let range = match value {
                DeValue::String(text) => text.parse(),
                other => Err(format!("has {}, not a string", noun(other))),
            };
            ranges.push(range.map_err(|what| Fault::new(what, shown(value), self.allowed()))?);
        }
        Ok(Value::Ranges(ranges))
    }

    /// One of a few names; a discipline may be two of them.
    fn named(self, text: &str) -> Result<Value, Fault> {
        let names = self.names();
        let unknown = |name: &&str| !names.contains(name);
        let wrong = match text.split_once('/') {
            Some((outer, inner)) if self == Self::Discipline => {
                [outer, inner].into_iter().find(unknown)
            }
            _ => Some(text).filter(unknown),
        };
        let Some(wrong) = wrong else {
            return Ok(Value::Text(text.to_owned()));
        };
        let what = match self {
            Self::Share => "is not a choice",
            _ => "is an unknown policy",
        };
        let what = ask(what, wrong, names.iter().copied());
        Err(Fault::new(what, quoted(text), self.allowed()))
    }
}

/// The value in TOML.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&literal(text)),
            Self::Weight(None) => f.write_str("0"),
            Self::Weight(Some(weight)) => write!(f, "{weight}"),
            Self::Auto => write!(f, "\"{AUTO}\""),
            Self::Limit(None) => write!(f, "\"{UNLIMITED}\""),
            Self::Limit(Some(rate)) | Self::Floor(rate) => {
                write!(f, "\"{}\"", Quantity::Rate.text(rate.get()))
            }
            Self::Span(span) => write!(f, "\"{}\"", Quantity::Time.text(span.as_nanos())),
            Self::Entries(rows) => {
                let rows: Vec<String> = rows.iter().map(Row::inline).collect();
                write!(f, "[{}]", rows.join(", "))
            }
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Size(None) => write!(f, "\"{UNLIMITED}\""),
            Self::Size(Some(size)) => write!(f, "\"{}\"", Quantity::Size.text(size.get())),
            Self::Ranges(ranges) => {
                let ranges: Vec<String> = ranges.iter().map(|r| format!("\"{r}\"")).collect();
                write!(f, "[{}]", ranges.join(", "))
            }
        }
    }
}

/// `text` as a TOML string.
pub(crate) fn literal(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// `text` as a message shows it, which escapes it too.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// What a message calls a value.
pub(crate) const fn noun(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// What a message shows of a value.
pub(crate) fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(moment) => moment.to_string(),
        DeValue::Array(_) | DeValue::Table(_) => noun(value).to_owned(),
    }
}
