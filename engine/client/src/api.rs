//! Requests to a running node and its answers: JSON on the wire, these types at both ends.
//!
//! Unknown members are refused. Rates are bytes per second and sizes bytes, in whole numbers; a
//! unit stands at the end of the name.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use call::{CommandProgress, Failure, Phase, Reply};
pub use history::{History, HistorySince, PeerRates, RateSeries};
pub use moves::{Moved, Moves, Stopped};
pub use status::{
    BanStatus, DiskStatus, EventKind, EventRecord, FlowStatus, GroupStatus, HoldReason,
    LimitStatus, NodeStatus, PeerStatus, Reached, Status, TransferDirection, TransferState,
    TransferStatus,
};

mod call;
mod history;
mod moves;
mod status;
#[cfg(test)]
mod tests;

/// Longest line of text to a peer, in bytes.
pub const TEXT_MAX: usize = 4_096;

/// A command that reaches a running node. Relative paths do not: the command line makes them
/// absolute, for the node stands in another folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum ControlRequest {
    /// Offer a file or tree. Ends with [`Shared`].
    Share(ShareRequest),
    /// Fetch a content. Ends with [`Got`].
    Get(Get),
    /// Push to peers. Ends with [`Sent`].
    Send(Send),
    /// A line of text to a peer. Ends with [`Nothing`] when the peer has it.
    Message(Text),
    /// The round-trip time to a peer. Ends with [`Pong`].
    Ping(Ping),
    /// Who is known. Ends with a list of [`PeerStatus`].
    Peers(Nothing),
    /// Who is banned, for what and until when. Ends with a list of [`BanStatus`].
    Bans(Nothing),
    /// Lift bans. Ends with [`Lifted`].
    Lift(Lift),
    /// What goes on. Ends with [`Status`].
    Status(Nothing),
    /// Rates of the last hour. Ends with [`History`].
    History(HistorySince),
    /// Bytes that moved, for who measures. Ends with [`Moves`].
    Moves(Nothing),
    /// What holds for a target. Ends with [`InForce`].
    InForce(InForceRequest),
    /// Change a cap. Ends with [`InForce`].
    Limit(LimitRequest),
    /// Change a weight. Ends with [`InForce`].
    Weight(WeightRequest),
    /// Change a floor. Ends with [`InForce`].
    Floor(Floor),
    /// Change the band of a strict discipline. Ends with [`InForce`].
    Band(Band),
    /// Stop moving a transfer, and keep what is there. Ends with [`Nothing`].
    Pause(Transfer),
    /// Move it again. Ends with [`Nothing`].
    Resume(Transfer),
    /// End a transfer; what arrived is kept for a later one. Ends with [`Nothing`].
    Cancel(Transfer),
    /// Read the parameter file again; one with an error changes nothing. Ends with
    /// [`Reloaded`].
    Reload(Nothing),
    /// Stop the node. Ends with [`Nothing`] before it stops.
    Stop(Nothing),
}

/// No members: the body of a command without choices, and the answer of one that is just done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// [`ControlRequest::Share`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareRequest {
    /// The file or tree, absolute.
    pub path: PathBuf,
    /// Patterns of what to leave out, in gitignore syntax.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// Length of every chunk but the last; none chooses one by the length of the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_bytes: Option<u64>,
}

/// [`ControlRequest::Get`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// What [`Shared`] gave.
    pub ticket: String,
    /// The folder to put it in, absolute.
    pub dir: PathBuf,
    /// Whether files that are there may be replaced.
    #[serde(default)]
    pub overwrite: bool,
    /// Whether names that are not portable may be made.
    #[serde(default)]
    pub force: bool,
}

/// [`ControlRequest::Send`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// The file or tree, absolute.
    pub path: PathBuf,
    /// Names of peers, at least one.
    pub peers: Vec<String>,
    /// Patterns of what to leave out, in gitignore syntax.
    #[serde(default)]
    pub ignore: Vec<String>,
}

/// [`ControlRequest::Message`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// The name of the peer.
    pub peer: String,
    /// At most [`TEXT_MAX`] bytes.
    pub text: String,
}

/// [`ControlRequest::Ping`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ping {
    /// The name of the peer.
    pub peer: String,
}

/// [`ControlRequest::Lift`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lift {
    /// A public key, the name of a peer, or `all`.
    pub whose: String,
}

/// How [`ControlRequest::Lift`] ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifted {
    /// Keys that were banned and are no longer, as 64 hexadecimal digits each.
    pub keys: Vec<String>,
}

/// [`ControlRequest::InForce`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InForceRequest {
    /// Whose cap, weight and floor.
    pub target: LimitTarget,
}

/// [`ControlRequest::Limit`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitRequest {
    /// Whose cap.
    pub target: LimitTarget,
    /// What is capped. Only the node's download can be.
    #[serde(default)]
    pub direction: TransferDirection,
    /// The cap; none is unlimited.
    pub rate_bytes_s: Option<u64>,
}

/// [`ControlRequest::Weight`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightRequest {
    /// Whose weight.
    pub target: LimitTarget,
    /// In hundredths, 0 to 1,000,000; 0 is best effort.
    pub weight_hundredths: u32,
}

/// [`ControlRequest::Floor`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// Whose floor.
    pub target: LimitTarget,
    /// What it gets at least while it wants something; 0 promises nothing.
    pub rate_bytes_s: u64,
}

/// [`ControlRequest::Band`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// Whose band.
    pub target: LimitTarget,
    /// 0 is served first; other disciplines than strict ones do not ask.
    pub band: u8,
}

/// The body of pause, resume and cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// Its id, as [`TransferStatus`] shows it.
    pub id: u32,
}

/// Whom a limit, a weight or a floor is about: `node`, `peer:NAME`, `group:NAME`,
/// `transfer:ID`, or a name alone, which means the peer of that name, else the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum LimitTarget {
    /// The whole uplink.
    Node,
    /// The peer of that name.
    Peer(String),
    /// The group of that name.
    Group(String),
    /// The transfer with that id.
    Transfer(u32),
    /// The peer of that name, else the group; the node looks.
    Named(String),
}

/// How [`ControlRequest::InForce`], [`ControlRequest::Limit`], [`ControlRequest::Weight`],
/// [`ControlRequest::Floor`] and [`ControlRequest::Band`] end: the limits in force for their
/// target now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// Whom it is about.
    pub target: LimitTarget,
    /// The cap of what is sent; none is unlimited.
    pub limit_bytes_s: Option<u64>,
    /// The cap of what the node receives; none is unlimited, and for any other target.
    pub download_bytes_s: Option<u64>,
    /// What it gets at least; 0 promises nothing.
    pub floor_bytes_s: u64,
    /// Its weight, in hundredths.
    pub weight_hundredths: u32,
}

/// How [`ControlRequest::Share`] ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// Its id in this run of the node, for [`LimitTarget::Transfer`].
    #[serde(default)]
    pub transfer: u32,
    /// What `fairhaul get` takes: a line of printable ASCII.
    pub ticket: String,
    /// The identity of the content: 64 hexadecimal digits.
    pub content: String,
    /// The name of the file or tree.
    pub name: String,
    /// Bytes of all files.
    pub bytes: u64,
    /// Number of files.
    pub files: u64,
    /// Links, special files and names that cannot be sent, with what is below them: how many.
    #[serde(default)]
    pub left_out_entries: u64,
    /// The first [`LEFT_OUT_MAX`] of those, each with its path and why.
    #[serde(default)]
    pub left_out: Vec<String>,
}

/// How many entries that are left out a [`Shared`] names.
pub const LEFT_OUT_MAX: usize = 10;

/// How [`ControlRequest::Get`] ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Got {
    /// Where it is.
    pub path: PathBuf,
    /// The identity of the content: 64 hexadecimal digits.
    pub content: String,
    /// Bytes of all files.
    pub bytes: u64,
    /// Number of files.
    pub files: u64,
    /// Bytes that were here before, and verified.
    pub resumed_bytes: u64,
    /// From the request to the first byte of the content; none if none came this time.
    #[serde(default)]
    pub first_byte_seconds: Option<f64>,
    /// From the request to the last byte.
    pub seconds: f64,
}

/// How [`ControlRequest::Send`] ends: one row for each peer, in the order of the request. If it
/// failed for some of them the call ends with [`Failure`] and [`Failure::PART`] instead, after a
/// progress for each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// The identity of the content: 64 hexadecimal digits.
    pub content: String,
    /// Bytes of all files.
    pub bytes: u64,
    /// Peers that have all of it now.
    pub peers: Vec<String>,
    /// From the request to the last byte.
    pub seconds: f64,
}

/// How [`ControlRequest::Ping`] ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// Round-trip times, in microseconds, at least one.
    pub rtt_us: Vec<u64>,
}

/// How [`ControlRequest::Reload`] ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Keys whose new value is in force, as dotted paths.
    pub changed: Vec<String>,
    /// Keys whose new value waits for the next start.
    pub at_next_start: Vec<String>,
}

impl fmt::Display for LimitTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node => f.write_str("node"),
            Self::Peer(name) => write!(f, "peer:{name}"),
            Self::Group(name) => write!(f, "group:{name}"),
            Self::Transfer(id) => write!(f, "transfer:{id}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

impl From<LimitTarget> for String {
    fn from(target: LimitTarget) -> Self {
        target.to_string()
    }
}

impl TryFrom<String> for LimitTarget {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for LimitTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = |name: &str| match fairhaul_config::text::is_name(name) {
            true => Ok(name.to_owned()),
            false => Err(format!("{name:?} is not a name")),
        };
        Ok(match text.split_once(':') {
            Some(("peer", peer)) => Self::Peer(name(peer)?),
            Some(("group", group)) => Self::Group(name(group)?),
            Some(("transfer", id)) => {
                let id = id
                    .parse()
                    .map_err(|_| format!("{id:?} is no id of a transfer"));
                Self::Transfer(id?)
            }
            _ if text == "node" => Self::Node,
            _ => Self::Named(name(text)?),
        })
    }
}
