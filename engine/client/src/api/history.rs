//! Rates of the last hour, the answer to `history`.
//!
//! A second is counted from the start of the node, so a reader asks for those that it lacks.

use serde::{Deserialize, Serialize};

/// [`Request::History`](super::ControlRequest::History).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistorySince {
    /// The first second that is wanted; 0 asks for all that is kept.
    #[serde(default)]
    pub since_s: u64,
}

/// How [`Request::History`](super::ControlRequest::History) ends: one sample a second, the last one of
/// the second that has just ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The second of the first sample; later than was asked for if that is no longer kept.
    pub from_s: u64,
    /// All peers together.
    pub node: RateSeries,
    /// Peers with which bytes moved in the last hour, by name; at most 16, those of latest.
    pub peers: Vec<PeerRates>,
}

/// Bytes of each second, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateSeries {
    /// Sent.
    pub up_bytes_s: Vec<u64>,
    /// Received.
    pub down_bytes_s: Vec<u64>,
}

/// The same of one peer, of as many seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerRates {
    /// The name of the peer.
    pub peer: String,
    /// What moved to and from it.
    #[serde(flatten)]
    pub rates: RateSeries,
}
