//! The status of a node: the answers to `status` and `peers`, and the stream of events.
//!
//! Names, texts and reasons from a peer are passed on as they came: whoever displays them escapes
//! them.

use std::path::PathBuf;

use fairhaul_core::uplink;
use serde::{Deserialize, Serialize};

/// What goes on in a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The node itself.
    pub node: NodeStatus,
    /// Every transfer that is not over, by id.
    pub transfers: Vec<TransferStatus>,
    /// The limits in force.
    pub limits: LimitStatus,
    /// The groups of the parameter file, by name.
    #[serde(default)]
    pub groups: Vec<GroupStatus>,
}

/// The node itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// Its public key, as parameter files have it.
    pub key: String,
    /// The version of the program.
    pub version: String,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// Where it listens.
    pub listen: String,
    /// The discipline of the uplink, as `outer/inner`.
    pub uplink: String,
    /// To whom the uplink is fair: peer, group or transfer.
    pub share: String,
    /// Peers that are connected.
    pub connected: u32,
    /// Sent over the last seconds.
    pub up_bytes_s: u64,
    /// Received over the last seconds.
    pub down_bytes_s: u64,
    /// Sent since it started.
    pub up_bytes: u64,
    /// Received since it started.
    pub down_bytes: u64,
    /// The disk of its data, as it was a few seconds ago; none until it was looked at.
    #[serde(default)]
    pub disk: Option<DiskStatus>,
}

/// A disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskStatus {
    /// The folder that was looked at, absolute.
    pub folder: PathBuf,
    /// Bytes that the user of the node may still write there.
    pub free_bytes: u64,
    /// Bytes of the whole disk.
    pub total_bytes: u64,
}

/// One group of the parameter file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupStatus {
    /// Its name.
    pub name: String,
    /// Its weight, in hundredths.
    pub weight_hundredths: u32,
    /// The cap of its members together; none is unlimited.
    pub limit_bytes_s: Option<u64>,
    /// What its members get at least together.
    pub floor_bytes_s: u64,
}

/// The limits of the whole node now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitStatus {
    /// The cap of what it sends; none is unlimited.
    pub up_bytes_s: Option<u64>,
    /// The cap of what it receives; none is unlimited.
    pub down_bytes_s: Option<u64>,
    /// Whether these are of an entry of the timetable.
    pub scheduled: bool,
}

/// One transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferStatus {
    /// Its id in this run of the node.
    pub id: u32,
    /// The name of the file or tree.
    pub name: String,
    /// The identity of the content: 64 hexadecimal digits.
    pub content: String,
    /// Whether it comes or goes; what was fetched and is served on still comes until it is
    /// whole.
    pub direction: TransferDirection,
    /// How it stands.
    pub state: TransferState,
    /// Whether a person has paused it.
    pub paused: bool,
    /// Bytes of the content.
    pub bytes: u64,
    /// Bytes of it that are here and verified.
    pub done_bytes: u64,
    /// Bytes of it sent to all peers together.
    pub sent_bytes: u64,
    /// Over the last seconds, in its direction.
    pub rate_bytes_s: u64,
    /// When it will be done at this rate, if that can be said.
    pub eta_s: Option<u64>,
    /// Its weight among transfers, in hundredths.
    pub weight_hundredths: u32,
    /// Its cap; none is unlimited.
    pub limit_bytes_s: Option<u64>,
    /// What it gets at least.
    pub floor_bytes_s: u64,
    /// Why it cannot go on, for people; none if it can.
    pub trouble: Option<String>,
    /// The peers that take part.
    pub peers: Vec<FlowStatus>,
}

/// Where bytes go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferDirection {
    /// From here to peers.
    #[default]
    Up,
    /// From peers to here.
    Down,
}

/// How a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferState {
    /// Files are read and hashed.
    Hashing,
    /// What is here is verified.
    Verifying,
    /// It wants chunks.
    Fetching,
    /// It is whole, and served to who wants it.
    Serving,
    /// It is stopped by trouble, and goes on when that is cured.
    Stopped,
}

/// One peer's part of a transfer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowStatus {
    /// The name of the peer.
    pub peer: String,
    /// Sent to it over the last seconds, of this transfer.
    pub up_bytes_s: u64,
    /// Received from it over the last seconds, of this transfer.
    pub down_bytes_s: u64,
    /// Bytes that it asked for and that wait here.
    pub queued_bytes: u64,
    /// Bytes that we asked it for and that have not come.
    pub asked_bytes: u64,
    /// Bytes of the transfer that it says it has.
    #[serde(default)]
    pub has_bytes: u64,
    /// Which limit or turn holds what waits.
    pub hold: HoldReason,
    /// Who or what this flow waits for, for people; none if nothing.
    pub waiting_for: Option<String>,
    /// What holds it and whom it waits for, in the words of `fairhaul status`.
    #[serde(default)]
    pub held_by: String,
}

/// What holds a flow now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldReason {
    /// Nothing: bytes are on their way.
    Serving,
    /// Others have their turn.
    Turn,
    /// The cap of the node.
    NodeCap,
    /// The cap of a group.
    GroupCap,
    /// The cap of the peer.
    PeerCap,
    /// The cap of the transfer.
    TransferCap,
    /// What it was granted until the next round is used up.
    Budget,
    /// The network: enough is in flight.
    Window,
    /// It is choked until a round grants it a slot.
    Choked,
    /// It chokes us.
    ChokedByPeer,
    /// The cap of what we receive.
    DownloadCap,
    /// A person has paused the transfer.
    Paused,
    /// Nothing is asked for.
    Idle,
}

/// One peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Its name here.
    pub name: String,
    /// Its public key, as parameter files have it.
    pub key: String,
    /// Where it is, or was last; none if that is not known.
    pub address: Option<String>,
    /// Whether it is connected.
    pub connected: bool,
    /// When it connected, in milliseconds since 1970 (UTC); none if it is not.
    pub since_unix_ms: Option<u64>,
    /// How it is connected, or is known.
    pub how: Reached,
    /// The round-trip time, in microseconds, if it was measured.
    pub rtt_us: Option<u64>,
    /// Sent over the last seconds.
    pub up_bytes_s: u64,
    /// Received over the last seconds.
    pub down_bytes_s: u64,
    /// Sent since the node started.
    pub up_bytes: u64,
    /// Received since the node started.
    pub down_bytes: u64,
    /// Its weight, in hundredths.
    pub weight_hundredths: u32,
    /// Its cap; none is unlimited.
    pub limit_bytes_s: Option<u64>,
    /// What it gets at least.
    pub floor_bytes_s: u64,
    /// The group that it is in.
    pub group: Option<String>,
    /// Why it is not connected, for people; none if it is, or was never tried.
    pub trouble: Option<String>,
    /// Its ban by this node; none if it is welcome.
    #[serde(default)]
    pub ban: Option<BanStatus>,
}

/// A ban of an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanStatus {
    /// The public key: 64 hexadecimal digits.
    pub key: String,
    /// The name of the peer with that key; none if no peer has it.
    pub peer: Option<String>,
    /// What it did, for people.
    pub reason: String,
    /// When it was banned, in milliseconds since 1970 (UTC), if the node has run since.
    pub since_unix_ms: u64,
    /// When the ban ends, in milliseconds since 1970 (UTC), if the node runs until then: the time
    /// for which it does not run does not count.
    pub until_unix_ms: u64,
    /// Seconds that are left of it.
    pub left_s: u64,
}

/// How a peer is connected, or is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reached {
    /// We called it.
    Dialled,
    /// It called us.
    Accepted,
    /// The parameter file names it; it is not connected.
    Listed,
    /// Another peer told of its address; it is not connected.
    Told,
}

/// Something that happened, for who follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// When, in milliseconds since 1970 (UTC).
    pub unix_ms: u64,
    /// What.
    #[serde(flatten)]
    pub what: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// A line of text from a peer.
    Text {
        /// The name of the peer.
        peer: String,
        /// The text, as it came.
        text: String,
    },
    /// A transfer has begun.
    Started {
        /// Its id.
        transfer: u32,
        /// The name of the file or tree.
        name: String,
        /// Whether it comes or goes.
        direction: TransferDirection,
    },
    /// A transfer is whole here, or a push is whole there.
    Complete {
        /// Its id.
        transfer: u32,
        /// The name of the file or tree.
        name: String,
        /// Whether it came or went.
        direction: TransferDirection,
        /// Bytes of the content.
        bytes: u64,
    },
    /// A transfer cannot go on, or is over before it is whole.
    Failed {
        /// Its id.
        transfer: u32,
        /// The name of the file or tree.
        name: String,
        /// Why.
        reason: String,
    },
    /// A peer is connected.
    Connected {
        /// The name of the peer.
        peer: String,
        /// How.
        how: Reached,
    },
    /// A peer is no longer connected.
    Lost {
        /// The name of the peer.
        peer: String,
        /// Why.
        reason: String,
    },
    /// Somebody was refused.
    Refused {
        /// The address that called.
        from: String,
        /// Why.
        reason: String,
    },
    /// This reader was behind, and missed some.
    Missed {
        /// How many.
        events: u64,
    },
}

impl From<uplink::Hold> for HoldReason {
    fn from(hold: uplink::Hold) -> Self {
        match hold {
            uplink::Hold::Serving => Self::Serving,
            uplink::Hold::Turn => Self::Turn,
            uplink::Hold::NodeCap => Self::NodeCap,
            uplink::Hold::GroupCap => Self::GroupCap,
            uplink::Hold::PeerCap => Self::PeerCap,
            uplink::Hold::TransferCap => Self::TransferCap,
            uplink::Hold::Budget => Self::Budget,
            uplink::Hold::Window => Self::Window,
            uplink::Hold::Idle => Self::Idle,
        }
    }
}

impl HoldReason {
    /// What a person reads.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Serving => "moving",
            Self::Turn => "others have their turn",
            Self::NodeCap => "the limit of the node",
            Self::GroupCap => "the limit of the group",
            Self::PeerCap => "the limit of the peer",
            Self::TransferCap => "the limit of the transfer",
            Self::Budget => "its budget of this round",
            Self::Window => "the network",
            Self::Choked => "choked until the next round",
            Self::ChokedByPeer => "the peer chokes us",
            Self::DownloadCap => "the limit of what we receive",
            Self::Paused => "paused",
            Self::Idle => "nothing asked for",
        }
    }
}
