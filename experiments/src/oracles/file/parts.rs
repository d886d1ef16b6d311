//! The keys of an `[[oracle]]`: those of every one, and those of each kind of measurement.

use fairhaul_config::amount::Exact;
use fairhaul_config::fault::{BadValue, did_you_mean};
use fairhaul_config::number::{Bounded, LongBounded};
use fairhaul_config::policy::{ChokerName, DisciplineName, PickerName, SeedRule};
use fairhaul_config::text::{Name, Prose};
use fairhaul_config::value::{Given, OneOrMore, Value, some, tagged};
use fairhaul_config::{real, value};
use fairhaul_core::units::{ByteCount, Rate};
use schemars::JsonSchema;
use serde::de::{DeserializeSeed, Error, MapAccess};
use serde::{Deserialize, Deserializer};

use super::super::Relation;
use super::super::draws::{Of, Statistic};
use super::super::index;
use super::super::server::Sizes;
use super::super::swarm::Least;
use super::super::trade::Read;

/// Most numbers of a list.
const LIST_MAX: usize = 64;

real!(pub(super) Expected, -1e15, 1e15);
real!(pub(super) Tolerance, 0.0, 1e15);
real!(pub(super) Utilisation, 0.001, 0.999);
real!(pub(super) Mean, 0.001, 1_000.0);
real!(pub(super) OfPareto, 0.001, 1e6);
real!(pub(super) Factor, 0.01, 100.0);
real!(pub(super) Point, 0.0, 1e12);

/// A name out of a list.
macro_rules! one_of {
    ($type:ident, $names:expr) => {
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(super) struct $type(pub(super) String);

        value!([] $type);

        impl Value for $type {
            fn allowed() -> String {
                $names.join(", ")
            }

            fn read(given: Given<'_>) -> Result<Self, BadValue> {
                let text = given.text()?;
                if $names.contains(&text) {
                    return Ok(Self(text.to_owned()));
                }
                Err(BadValue::new(did_you_mean("is not a choice", text, $names)))
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

one_of!(Discipline, DisciplineName::names());
one_of!(Index, index::NAMES);

/// What every `[[oracle]]` says.
#[derive(Deserialize, JsonSchema)]
pub(super) struct Row {
    pub(super) id: Name,
    pub(super) what: Prose,
    #[serde(default)]
    pub(super) about: Prose,
    pub(super) unit: Prose,
    pub(super) expected: OneOrMore<Expected, LIST_MAX>,
    #[serde(default)]
    pub(super) relation: Relation,
    pub(super) tolerance: Tolerance,
    pub(super) kind: Kind,
}

/// What is measured.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    GoldenOrder,
    Spread,
    SpreadOfBound,
    MaxDelay,
    MclockClamp,
    NodeShares,
    MeanResponse,
    MeanSlowdown,
    Draws,
    KumarRoss,
    Mundinger,
    FlashCrowd,
    Growth,
    TradeFluid,
    TradeNodes,
    ProportionalResponse,
    Balance,
    Matching,
    Index,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct OrderPart {
    pub(super) discipline: Discipline,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct SpreadPart {
    pub(super) discipline: Discipline,
    /// In bytes.
    pub(super) quantum: Option<LongBounded<1, { 1 << 40 }>>,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct DelayPart {
    pub(super) discipline: Discipline,
    pub(super) weight: Bounded<1, 1_000>,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct SharesPart {
    pub(super) discipline: Discipline,
    pub(super) floors: OneOrMore<Bounded<0, 1_000>, LIST_MAX>,
    pub(super) weights: OneOrMore<Bounded<1, 1_000>, LIST_MAX>,
    pub(super) caps: OneOrMore<Bounded<0, 1_000>, LIST_MAX>,
}

/// A queue.
#[derive(Deserialize, JsonSchema)]
pub(super) struct QueuePart {
    pub(super) load: Utilisation,
    pub(super) sizes: Sizes,
    pub(super) jobs: Bounded<100, 10_000_000>,
    pub(super) replications: Bounded<1, 10_000>,
}

/// How a queue is served.
#[derive(Deserialize, JsonSchema)]
pub(super) struct ServerPart {
    pub(super) discipline: Discipline,
    pub(super) margin: Bounded<0, { u32::MAX }>,
    pub(super) blocks: Bounded<1, 10_000>,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct DrawsPart {
    pub(super) of: Of,
    pub(super) statistic: Statistic,
}

/// A flash crowd.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct CrowdPart {
    pub(super) seed_up: Exact<Rate>,
    pub(super) bytes: Exact<ByteCount>,
    pub(super) chunk: Exact<ByteCount>,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct ClassesPart {
    #[serde(deserialize_with = "some")]
    #[schemars(extend("allowed" = "a list of { count = N, up = \"RATE\" }"))]
    pub(super) classes: Vec<ClassPart>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClassPart {
    pub(super) count: Bounded<1, 10_000>,
    pub(super) up: Exact<Rate>,
}

/// What the nodes of a swarm do.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct RulesPart {
    pub(super) discipline: Discipline,
    pub(super) picker: PickerName,
    pub(super) unchoke: ChokerName,
    pub(super) seed_rule: SeedRule,
    pub(super) slots: Bounded<1, 10_000>,
    pub(super) pipeline: Bounded<1, 10_000>,
    pub(super) block: Exact<ByteCount>,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct LeastPart {
    pub(super) least: Least,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct RunsPart {
    pub(super) replications: Bounded<1, 1_000>,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct MundingerPart {
    pub(super) peers: Bounded<1, 1_000_000>,
    pub(super) chunks: Bounded<1, 1_000_000>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) struct GrowthPart {
    pub(super) load: Factor,
    pub(super) chunks: Bounded<1, 10_000>,
    pub(super) peer_up: Factor,
    pub(super) length: Bounded<10, 1_000_000>,
}

/// Peers that trade.
#[derive(Deserialize, JsonSchema)]
pub(super) struct TradePart {
    pub(super) rounds: Bounded<2, 10_000>,
    pub(super) read: Read,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct FluidPart {
    pub(super) regular: Bounded<1, 1_000>,
    pub(super) drawn: Bounded<1, 1_000>,
    pub(super) memory: Bounded<1, 1_000>,
    pub(super) phase: RoundPhase,
}

/// Whether all peers hold their rounds at once.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RoundPhase {
    Together,
    Apart,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct ChunkPart {
    pub(super) chunk: Exact<ByteCount>,
}

/// Peers that answer in proportion what they got.
#[derive(Deserialize, JsonSchema)]
pub(super) struct ResponsePart {
    pub(super) rounds: Bounded<0, 1_000>,
}

/// Equal peers that always have data for each other.
#[derive(Deserialize, JsonSchema)]
pub(super) struct BalancePart {
    pub(super) discipline: Discipline,
    pub(super) peers: Bounded<2, 10_000>,
    pub(super) neighbours: Bounded<1, 10_000>,
    pub(super) rounds: Bounded<1, 10_000>,
}

/// Peers of one ranking that choose partners.
#[derive(Deserialize, JsonSchema)]
pub(super) struct MatchingPart {
    pub(super) unchoke: ChokerName,
    pub(super) peers: Bounded<2, 100>,
    pub(super) slots: Bounded<1, 20>,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct IndexPart {
    pub(super) index: Index,
    pub(super) values: OneOrMore<Point, LIST_MAX>,
}

const SIZES: &[&str] = &["exponential", "bounded-pareto"];

value!([] Sizes);

impl Value for Sizes {
    fn allowed() -> String {
        format!("a table with one of {}", SIZES.join(", "))
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        Err(given.is_no("a table"))
    }

    fn of_table<'de, A: MapAccess<'de>>(table: A) -> Result<Self, A::Error> {
        tagged(table, SIZES, Family)
    }
}

impl std::fmt::Display for Sizes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

/// The parameters of a distribution, by its name.
pub(super) struct Family(&'static str);

impl<'de> DeserializeSeed<'de> for Family {
    type Value = Sizes;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Sizes, D::Error> {
        let sizes = if self.0 == "exponential" {
            Sizes::Exponential(Mean::deserialize(from)?.0)
        } else {
            let numbers = <[OfPareto; 3]>::deserialize(from)?;
            let [alpha, low, high] = numbers.map(|number| number.0);
            Sizes::BoundedPareto(alpha, low, high)
        };
        let checked = sizes
            .check()
            .map_err(|why| D::Error::custom(BadValue::new("is no distribution").allowing(why)));
        checked.map(|()| sizes)
    }
}
