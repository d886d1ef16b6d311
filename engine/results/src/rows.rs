//! The rows of the tables of a run. Fields are columns: their names, their order, their units.
//!
//! A time is in seconds since the run began, a rate in bytes per second. `None` is an empty cell:
//! an unlimited rate, something that did not happen, or what a real run cannot know.

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{Rate, Weight};
use serde::{Serialize, Serializer};

use crate::cell;

/// What a flow, or a measured time, belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FlowKind {
    /// A peer.
    #[default]
    Peer,
    /// A transfer.
    Transfer,
}

impl FlowKind {
    /// The word for it in tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Transfer => "transfer",
        }
    }
}

/// A peer: `peers.csv`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct PeerRow<'a> {
    /// Its name.
    #[serde(serialize_with = "text")]
    pub peer: &'a str,
    /// Its class.
    #[serde(serialize_with = "text")]
    pub class: &'a str,
    /// The region that its latencies are of; empty if it has none.
    #[serde(serialize_with = "text")]
    pub region: &'a str,
    /// `compliant`, a bundle of the lab's adversaries, or `custom`; empty if unknown.
    pub behaviour: &'a str,
    /// The limit of what it sends.
    #[serde(serialize_with = "rate")]
    pub up_bytes_per_s: Option<Rate>,
    /// The limit of what it receives.
    #[serde(serialize_with = "rate")]
    pub down_bytes_per_s: Option<Rate>,
    /// Its right to a proportion.
    #[serde(serialize_with = "weight")]
    pub weight: Weight,
    /// When it was first connected.
    #[serde(serialize_with = "time")]
    pub joined_s: Option<Time>,
    /// When it left for good; none if it is there.
    #[serde(serialize_with = "time")]
    pub left_s: Option<Time>,
    /// How long it was connected in all.
    #[serde(serialize_with = "span")]
    pub present_s: Option<Span>,
    /// Whether it wanted anything.
    #[serde(serialize_with = "flag")]
    pub wanted: Option<bool>,
    /// Whether it had all of it in the end; none if it wanted nothing.
    #[serde(serialize_with = "flag")]
    pub finished: Option<bool>,
    /// When it had all that it wanted.
    #[serde(serialize_with = "time")]
    pub completed_s: Option<Time>,
    /// From joining to that.
    #[serde(serialize_with = "number")]
    pub completion_s: Option<f64>,
    /// How long the same takes with nobody else.
    #[serde(serialize_with = "span")]
    pub alone_s: Option<Span>,
    /// Completion time over the time alone.
    #[serde(serialize_with = "number")]
    pub slowdown: Option<f64>,
    /// Bytes sent while it wanted something over bytes received.
    #[serde(serialize_with = "number")]
    pub share_ratio: Option<f64>,
    /// Bytes that it sent while it wanted something.
    pub up_as_leecher_bytes: u64,
    /// Bytes that it sent when it wanted nothing.
    pub up_as_seed_bytes: u64,
    /// Bytes that it received from those who want something.
    pub down_from_leechers_bytes: u64,
    /// Bytes that it received from those who want nothing.
    pub down_from_seeds_bytes: u64,
    /// Bytes that it received for nothing.
    pub wasted_bytes: u64,
    /// The most by which a leecher had sent more than it had received.
    pub service_error_worst_bytes: Option<u64>,
}

/// A transfer, finished or not: `transfers.csv`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct TransferRow<'a> {
    /// Its name.
    #[serde(serialize_with = "text")]
    pub transfer: &'a str,
    /// What it is compared with: its class.
    #[serde(serialize_with = "text")]
    pub class: &'a str,
    /// The node that has it.
    #[serde(serialize_with = "text")]
    pub source: &'a str,
    /// The node that wants it.
    #[serde(serialize_with = "text")]
    pub destination: &'a str,
    /// The group whose limits hold for it; empty if there is none.
    #[serde(serialize_with = "text")]
    pub group: &'a str,
    /// Its length.
    pub bytes: u64,
    /// Its right to a proportion.
    #[serde(serialize_with = "weight")]
    pub weight: Weight,
    /// Its cap.
    #[serde(serialize_with = "rate")]
    pub cap_bytes_per_s: Option<Rate>,
    /// Its floor.
    #[serde(serialize_with = "rate")]
    pub floor_bytes_per_s: Option<Rate>,
    /// When it was asked for.
    #[serde(serialize_with = "time")]
    pub start_s: Option<Time>,
    /// When its first byte came.
    #[serde(serialize_with = "time")]
    pub first_byte_s: Option<Time>,
    /// When its last byte came and was verified; none if it did not.
    #[serde(serialize_with = "time")]
    pub end_s: Option<Time>,
    /// Whether it did.
    #[serde(serialize_with = "flag")]
    pub finished: Option<bool>,
    /// From start to end.
    #[serde(serialize_with = "number")]
    pub completion_s: Option<f64>,
    /// How long the same takes with nobody else.
    #[serde(serialize_with = "span")]
    pub alone_s: Option<Span>,
    /// Completion time over the time alone.
    #[serde(serialize_with = "number")]
    pub slowdown: Option<f64>,
    /// Verified bytes that came.
    pub received_bytes: u64,
    /// What it was entitled to while it went on.
    pub entitlement_bytes: Option<u64>,
    /// Bytes that came over bytes that it was entitled to.
    #[serde(serialize_with = "number")]
    pub share_over_entitlement: Option<f64>,
}

/// What a flow got in a window of time: `windows.csv`.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct WindowRow<'a> {
    /// Length of the window.
    #[serde(serialize_with = "a_span")]
    pub window_s: Span,
    /// When it began.
    #[serde(serialize_with = "a_time")]
    pub start_s: Time,
    /// What the flow is.
    pub flow_kind: FlowKind,
    /// Its name.
    #[serde(serialize_with = "text")]
    pub flow: &'a str,
    /// Its class.
    #[serde(serialize_with = "text")]
    pub class: &'a str,
    /// Bytes served.
    pub bytes: u64,
    /// What it was entitled to.
    pub entitlement_bytes: Option<u64>,
    /// How much of the window it had something waiting.
    #[serde(serialize_with = "a_span")]
    pub backlogged_s: Span,
}

/// Bytes from one peer to another: `pairs.csv`.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct PairRow<'a> {
    /// Who sent them.
    #[serde(serialize_with = "text")]
    pub sender: &'a str,
    /// Who received them.
    #[serde(serialize_with = "text")]
    pub receiver: &'a str,
    /// How many.
    pub bytes: u64,
}

/// A percentile of the times from request to last byte: `latency.csv`.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct LatencyRow<'a> {
    /// What was measured.
    pub kind: FlowKind,
    /// Its class.
    #[serde(serialize_with = "text")]
    pub class: &'a str,
    /// Which percentile, 0 to 100.
    pub percentile: &'a str,
    /// The time, to three significant digits.
    #[serde(serialize_with = "a_span")]
    pub latency_s: Span,
    /// Times that were measured.
    pub count: u64,
}

fn text<S: Serializer>(value: &str, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&cell::text(value))
}

fn number<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&cell::number(*value))
}

fn rate<S: Serializer>(value: &Option<Rate>, to: S) -> Result<S::Ok, S::Error> {
    value.map(Rate::get).serialize(to)
}

fn weight<S: Serializer>(value: &Weight, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

fn time<S: Serializer>(value: &Option<Time>, to: S) -> Result<S::Ok, S::Error> {
    span(&value.map(|time| time.since(Time::ZERO)), to)
}

fn span<S: Serializer>(value: &Option<Span>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&cell::seconds(*value))
}

fn a_time<S: Serializer>(value: &Time, to: S) -> Result<S::Ok, S::Error> {
    time(&Some(*value), to)
}

fn a_span<S: Serializer>(value: &Span, to: S) -> Result<S::Ok, S::Error> {
    span(&Some(*value), to)
}

fn flag<S: Serializer>(value: &Option<bool>, to: S) -> Result<S::Ok, S::Error> {
    value.map(u8::from).serialize(to)
}
