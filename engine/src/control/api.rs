//! What a command asks of a running node, and what the node answers.
//!
//! Decides the words of the control: JSON on the wire, these types at both ends. Refuses
//! members that it does not know. Rates are bytes per second and sizes bytes, in whole numbers;
//! a unit stands at the end of the name.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::params::BadFile;

pub use moves::{Moved, Moves, Stopped};
pub use status::{
    Direction, Event, FlowStatus, Happening, Hold, LimitStatus, NodeStatus, PeerStatus, Reached,
    Status, TransferState, TransferStatus,
};

mod moves;
mod status;
#[cfg(test)]
mod tests;

/// Longest line of text to a peer, in bytes.
pub const TEXT_MAX: usize = 4_096;

/// Replies of one call that may wait to be read. The last place is kept for the end.
pub const REPLIES_MAX: usize = 16;

/// A command that reaches a running node. Relative paths do not: the command line makes them
/// absolute, for the node stands in another folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Request {
    /// Offer a file or tree. Ends with [`Shared`].
    Share(Share),
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
    /// What goes on. Ends with [`Status`].
    Status(Nothing),
    /// Bytes that moved, for who measures. Ends with [`Moves`].
    Moves(Nothing),
    /// Change a cap. Ends with [`Nothing`].
    Limit(Limit),
    /// Change a weight. Ends with [`Nothing`].
    Weight(Weight),
    /// Change a floor. Ends with [`Nothing`].
    Floor(Floor),
    /// Change the band of a strict discipline. Ends with [`Nothing`].
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

/// [`Request::Share`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// The file or tree, absolute.
    pub path: PathBuf,
    /// Patterns of what to leave out, in gitignore syntax.
    #[serde(default)]
    pub ignore: Vec<String>,
    /// Length of every chunk but the last; none chooses one by the length of the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk_bytes: Option<u64>,
}

/// [`Request::Get`].
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

/// [`Request::Send`].
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

/// [`Request::Message`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// The name of the peer.
    pub peer: String,
    /// At most [`TEXT_MAX`] bytes.
    pub text: String,
}

/// [`Request::Ping`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ping {
    /// The name of the peer.
    pub peer: String,
}

/// [`Request::Limit`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Whose cap.
    pub target: Target,
    /// What is capped. Only the node's download can be.
    #[serde(default)]
    pub direction: Direction,
    /// The cap; none is unlimited.
    pub rate_bytes_s: Option<u64>,
}

/// [`Request::Weight`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weight {
    /// Whose weight.
    pub target: Target,
    /// In hundredths, 0 to 1,000,000; 0 is best effort.
    pub weight_hundredths: u32,
}

/// [`Request::Floor`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floor {
    /// Whose floor.
    pub target: Target,
    /// What it gets at least while it wants something; 0 promises nothing.
    pub rate_bytes_s: u64,
}

/// [`Request::Band`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// Whose band.
    pub target: Target,
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
pub enum Target {
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

/// How [`Request::Share`] ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// Its id in this run of the node, for [`Target::Transfer`].
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
}

/// How [`Request::Get`] ends.
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

/// How [`Request::Send`] ends: one row for each peer, in the order asked. If it failed for some
/// of them the call ends with [`Failure`] and [`Failure::PART`] instead, after a progress for
/// each.
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

/// How [`Request::Ping`] ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// Round-trip times, in microseconds, at least one.
    pub rtt_us: Vec<u64>,
}

/// How [`Request::Reload`] ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Keys whose new value is in force, as dotted paths.
    pub changed: Vec<String>,
    /// Keys whose new value waits for the next start.
    pub at_next_start: Vec<String>,
}

/// What the node says to a call: any number of progresses, then one of the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// It goes on.
    Progress(Progress),
    /// It is done, with the answer that [`Request`] names.
    Done(serde_json::Value),
    /// It failed.
    Failed(Failure),
}

/// How far a command is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What is done now.
    pub phase: Phase,
    /// The transfer, once there is one.
    pub transfer: Option<u32>,
    /// Bytes of this phase that are done.
    pub done_bytes: u64,
    /// Bytes of this phase in all, if that is known.
    pub total_bytes: Option<u64>,
    /// The rate over the last seconds.
    pub rate_bytes_s: u64,
    /// When it will be done at this rate, if that can be said.
    pub eta_s: Option<u64>,
    /// Who or what is being waited for, for people; none if nothing is.
    pub waiting_for: Option<String>,
}

/// What a long command is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Reading and hashing files here.
    Hashing,
    /// Waiting for a peer, or for its answer.
    #[default]
    Waiting,
    /// Moving bytes.
    Moving,
    /// Reading what is here, to see what is missing.
    Verifying,
}

/// Why a command failed, with the exit code of that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// One of the codes below.
    pub code: u8,
    /// One line: what, where, got, allowed. What came from a peer is escaped when it is shown.
    pub message: String,
}

impl Failure {
    /// Something else went wrong.
    pub const ERROR: u8 = 1;
    /// The command was not understood.
    pub const USAGE: u8 = 2;
    /// A bad file, or storage that does not work.
    pub const STORAGE: u8 = 3;
    /// A peer, or the node itself, cannot be reached.
    pub const UNREACHABLE: u8 = 4;
    /// An identity is refused.
    pub const IDENTITY: u8 = 5;
    /// Bytes are not what they should be.
    pub const INTEGRITY: u8 = 6;
    /// A part failed: of many files or peers, some.
    pub const PART: u8 = 7;
    /// Stopped by a limit that was planned.
    pub const LIMIT: u8 = 9;
    /// Interrupted by the person.
    pub const INTERRUPTED: u8 = 130;

    /// A failure with this code.
    #[must_use]
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// A failure with [`Failure::ERROR`].
    #[must_use]
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Self::ERROR, message)
    }

    /// A failure with [`Failure::USAGE`].
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Self::USAGE, message)
    }

    /// A failure with [`Failure::STORAGE`].
    #[must_use]
    pub fn storage(message: impl Into<String>) -> Self {
        Self::new(Self::STORAGE, message)
    }

    /// A failure with [`Failure::UNREACHABLE`].
    #[must_use]
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self::new(Self::UNREACHABLE, message)
    }
}

/// A parameter file that is refused, as its one line says.
impl From<BadFile> for Failure {
    fn from(bad: BadFile) -> Self {
        Self::storage(bad.to_string())
    }
}

/// A request on its way to the node, and where its replies go.
///
/// The node never waits for who reads them: see [`Call::progress`]. `reply.closed()` says when
/// nobody reads any more; a transfer goes on then.
#[derive(Debug)]
pub struct Call {
    /// What is asked.
    pub request: Request,
    /// A channel of [`REPLIES_MAX`] places.
    pub reply: mpsc::Sender<Reply>,
}

impl Call {
    /// A call, and the end that its replies come out of.
    #[must_use]
    pub fn new(request: Request) -> (Self, mpsc::Receiver<Reply>) {
        let (reply, replies) = mpsc::channel(REPLIES_MAX);
        (Self { request, reply }, replies)
    }

    /// Tells how far it is. A reader that is behind misses some of these; the last place is
    /// kept for the end, so that the end is never lost.
    pub fn progress(&self, progress: Progress) {
        if self.reply.capacity() > 1 {
            // Nobody reads any more: nobody minds.
            let _ = self.reply.try_send(Reply::Progress(progress));
        }
    }

    /// Ends it with the answer that [`Request`] names.
    pub fn done(self, answer: &impl Serialize) {
        let reply = serde_json::to_value(answer).map_or_else(
            |error| Reply::Failed(Failure::error(format!("the answer is no JSON: {error}"))),
            Reply::Done,
        );
        let _ = self.reply.try_send(reply);
    }

    /// Ends it with a failure.
    pub fn fail(self, failure: Failure) {
        let _ = self.reply.try_send(Reply::Failed(failure));
    }
}

impl fmt::Display for Target {
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

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

impl TryFrom<String> for Target {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = |name: &str| match crate::params::is_name(name) {
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
