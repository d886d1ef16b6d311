//! `[[content]]`, `[[transfer]]`, `[[workload]]`, `[[fault]]`: what is moved, and what goes wrong.

use fairhaul_config::amount::{Exact, FileWeight, FloorRate, RateLimit};
use fairhaul_config::number::{Bounded, LongBounded};
use fairhaul_config::parts;
use fairhaul_config::text::{CsvPath, Name};
use fairhaul_core::time::Span;
use fairhaul_core::units::ByteCount;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::random::Drawn;
use super::super::values::{Frequency, Load, NewCapacity};
use super::{Band, Names, Size, Time};

/// `[[content]]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Content {
    /// Name of the content.
    #[schemars(example = &"film")]
    pub(crate) name: Name,
    /// Its length.
    #[schemars(example = &"256 MiB")]
    pub(crate) bytes: Size,
    /// Length of every chunk but the last.
    #[serde(default = "chunk")]
    pub(crate) chunk: Size,
    /// Peers and classes that hold it when they join.
    #[schemars(example = &"server")]
    pub(crate) seeds: Names,
    /// Peers and classes that want it when they join.
    #[schemars(example = &"client")]
    pub(crate) leechers: Names,
}

parts! {
    /// `[[transfer]]`.
    #[derive(Clone, Debug)]
    pub(crate) struct Transfer {
        ends: Ends,
        own: TransferOwn,
        terms: FlowTerms,
    }
}

parts! {
    /// `[[workload]]`.
    #[derive(Clone, Debug)]
    pub(crate) struct Workload {
        ends: Ends,
        own: WorkloadOwn,
        terms: FlowTerms,
    }
}

/// What transfers are called, and between whom they are.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct Ends {
    /// Name; NAME.1, NAME.2 and so on if there are several.
    #[schemars(example = &"backup")]
    pub(crate) name: Name,
    /// Class they are reported under; without one, the name.
    #[schemars(example = &"backup")]
    pub(crate) class: Option<Name>,
    /// Peers and classes that have it: one transfer, or arrivals of its own, from each.
    #[schemars(example = &"server")]
    pub(crate) source: Names,
    /// Peers and classes that want it: one transfer to each, or to one that is drawn for each
    /// arrival.
    #[schemars(example = &"client")]
    pub(crate) destination: Names,
}

/// What only listed transfers say.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct TransferOwn {
    /// Its length.
    #[schemars(example = &"100 MB")]
    pub(crate) bytes: Drawn<ByteCount>,
    /// Transfers for each pair.
    #[serde(default = "once")]
    pub(crate) count: Bounded<1, 1_000_000>,
    /// When the destination asks for it.
    #[serde(default)]
    pub(crate) start: Drawn<Span>,
}

/// What only transfers that arrive say.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct WorkloadOwn {
    /// Arrivals at each source.
    #[schemars(extend("examples" = [{ "poisson": "2 /s" }]))]
    #[schemars(extend("allowed" = "{ poisson = FREQUENCY }"))]
    pub(crate) arrivals: Option<Poisson>,
    /// Arrivals at each source, as the offered part of its uplink.
    #[schemars(example = 0.5)]
    pub(crate) load: Option<Load>,
    /// Arrivals from a CSV file: time_s, bytes and more.
    #[schemars(example = &"trace.csv")]
    pub(crate) trace: Option<CsvPath>,
    /// Length of each transfer; needed without a trace.
    #[schemars(example = &"1 MB")]
    pub(crate) sizes: Option<Drawn<ByteCount>>,
    /// Arrivals at each source at most.
    #[schemars(example = 1_000)]
    pub(crate) count: Option<LongBounded<1, { u64::MAX }>>,
    /// When arrivals begin; added to the times of a trace.
    pub(crate) start: Time,
    /// When arrivals end; without one, with the run.
    #[schemars(example = &"10 min")]
    pub(crate) until: Option<Time>,
}

/// On which terms transfers are served.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct FlowTerms {
    /// Length of every chunk but the last.
    pub(crate) chunk: Size,
    /// Right of each to a proportion at its source.
    pub(crate) weight: FileWeight,
    /// Rate at which a source serves each at most.
    pub(crate) cap: RateLimit,
    /// Rate at which a source serves each at least while it has demand.
    pub(crate) floor: FloorRate,
    /// Group they belong to.
    #[schemars(example = &"gold")]
    pub(crate) group: Option<Name>,
    /// Strict priority band, 0 first.
    pub(crate) band: Band,
}

/// Arrivals without memory.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Poisson {
    /// How often.
    pub(crate) poisson: Frequency,
}

/// `[[fault]]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    /// When.
    #[schemars(example = &"1 min")]
    pub(crate) at: Time,
    /// What changes.
    #[schemars(example = &"crash")]
    pub(crate) kind: Change,
    /// crash, restart, capacity, upload: peers and classes it happens to.
    #[schemars(example = &"server")]
    pub(crate) peer: Option<Names>,
    /// capacity: the new uplink; 0 B/s: nothing moves; without one, as before.
    #[schemars(example = &"1 Mbit/s")]
    pub(crate) up: Option<NewCapacity>,
    /// capacity: the new downlink; 0 B/s: nothing moves; without one, as before.
    #[schemars(example = &"1 Mbit/s")]
    pub(crate) down: Option<NewCapacity>,
    /// upload: the new rate that the node keeps.
    #[schemars(example = &"1 Mbit/s")]
    pub(crate) upload: Option<RateLimit>,
    /// link: the `[[link]]` that changes, or several.
    #[schemars(example = &"sea")]
    pub(crate) link: Option<Names>,
    /// link: its new capacity; 0 B/s: nothing moves.
    #[schemars(example = &"1 Mbit/s")]
    pub(crate) capacity: Option<NewCapacity>,
    /// abort: transfers that nobody wants any more, by name; NAME is NAME.1, NAME.2 and so on.
    #[schemars(example = &"backup")]
    pub(crate) transfer: Option<Names>,
}

/// What changes in a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Change {
    Crash,
    Restart,
    Capacity,
    Upload,
    Link,
    Abort,
}

const fn once() -> Bounded<1, 1_000_000> {
    Bounded::new(1)
}

const fn chunk() -> Size {
    Exact(ByteCount::kib(256))
}

impl Default for FlowTerms {
    fn default() -> Self {
        Self {
            chunk: chunk(),
            weight: FileWeight::default(),
            cap: RateLimit::default(),
            floor: FloorRate::default(),
            group: None,
            band: Band::default(),
        }
    }
}
