//! What a class draws its peers from: access links, regions, arrivals.

use std::fmt;

use fairhaul_config::amount::{CENTURY, Exact, RateLimit, TimeBetween};
use fairhaul_config::fault::{BadValue, did_you_mean};
use fairhaul_config::text::{CsvPath, Name};
use fairhaul_config::value::{Given, Value, members, tagged};
use fairhaul_config::{real, value};
use fairhaul_core::time::Span;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess};
use serde::{Deserialize, Deserializer};
use serde_json::json;

use super::values::Frequency;

real! {
    /// A part, relative to the sum of all.
    pub(crate) RelativeShare, 0.0, 1e9
}

/// A mix of access links.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    /// In a data file.
    File(CsvPath),
    /// In the file itself; one share at least is above zero.
    Mix(Vec<AccessLink>),
}

/// A kind of access link.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccessLink {
    pub(crate) share: RelativeShare,
    pub(crate) up: RateLimit,
    pub(crate) down: RateLimit,
}

/// Where the peers of a class are.
#[derive(Clone, Debug, Default)]
pub(crate) enum Regions {
    /// Every region, dealt in turn.
    #[default]
    All,
    /// These, dealt in turn.
    Dealt(Vec<Name>),
    /// Drawn from these shares, of which one at least is above zero.
    Drawn(Vec<(String, f64)>),
}

/// When the peers of a class join.
#[derive(Clone, Debug, Default)]
pub(crate) enum Arrival {
    /// All at the start.
    #[default]
    Together,
    /// One after another, memoryless.
    Poisson(Frequency),
    /// Each at a time drawn evenly from this long.
    Within(Span),
    /// At a rate that falls as `exp(-t / tau)`.
    Decay(Decay),
    /// At the times in a data file.
    Csv(CsvPath),
}

/// Arrivals that become fewer.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decay {
    /// How often at the start.
    pub(crate) initial: Frequency,
    /// The time in which they become fewer by a factor of e.
    pub(crate) tau: TimeBetween<1, { CENTURY }>,
}

const ARRIVALS: &[&str] = &["poisson", "within", "decay", "csv"];

value!([] Access);
value!([] Regions);
value!([] Arrival);

fn no_share<E: Error>() -> E {
    let fault = BadValue::new("has no share above zero");
    E::custom(fault.allowing("at least one share above zero"))
}

impl Value for Access {
    fn allowed() -> String {
        "the path of a CSV file, or a list of {share, up, down}".to_owned()
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        CsvPath::read(given).map(Self::File)
    }

    fn of_list<'de, A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        let mix: Vec<AccessLink> = members(list, Self::allowed)?;
        if mix.iter().all(|link| link.share.0 <= 0.0) {
            return Err(no_share());
        }
        Ok(Self::Mix(mix))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": ["string", "array"] })
    }
}

impl Value for Regions {
    fn allowed() -> String {
        "\"all\", a list of regions, or a table of shares".to_owned()
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        match given {
            Given::Text("all") => Ok(Self::All),
            _ => Name::read(given).map(|one| Self::Dealt(vec![one])),
        }
    }

    fn of_list<'de, A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        members(list, Self::allowed).map(Self::Dealt)
    }

    fn of_table<'de, A: MapAccess<'de>>(mut table: A) -> Result<Self, A::Error> {
        let mut shares = Vec::new();
        while let Some((name, RelativeShare(share))) = table.next_entry()? {
            shares.push((name, share));
        }
        if shares.iter().all(|(_, share)| *share <= 0.0) {
            return Err(no_share());
        }
        Ok(Self::Drawn(shares))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": ["string", "array", "object"] })
    }
}

impl Value for Arrival {
    fn allowed() -> String {
        format!(
            "\"together\", or a table with one of {}",
            ARRIVALS.join(", ")
        )
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        match given.text()? {
            "together" => Ok(Self::Together),
            other => Err(BadValue::new(did_you_mean(
                "is not a choice",
                other,
                ["together"],
            ))),
        }
    }

    fn of_table<'de, A: MapAccess<'de>>(table: A) -> Result<Self, A::Error> {
        tagged(table, ARRIVALS, Process)
    }

    fn schema() -> serde_json::Value {
        json!({ "type": ["string", "object"] })
    }
}

/// A process of arrivals, by its name.
struct Process(&'static str);

impl<'de> DeserializeSeed<'de> for Process {
    type Value = Arrival;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Arrival, D::Error> {
        Ok(match self.0 {
            "poisson" => Arrival::Poisson(Frequency::deserialize(from)?),
            "within" => Arrival::Within(Exact::deserialize(from)?.0),
            "decay" => Arrival::Decay(Decay::deserialize(from)?),
            _ => Arrival::Csv(CsvPath::deserialize(from)?),
        })
    }
}

// As a default it is written as a word; all else is only described.

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mix")
    }
}

impl fmt::Display for Regions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "all",
            Self::Dealt(_) => "dealt",
            Self::Drawn(_) => "drawn",
        })
    }
}

impl fmt::Display for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Together => "together",
            _ => "drawn",
        })
    }
}
