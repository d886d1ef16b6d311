//! The replies to a request: progress, then the answer or a failure with its exit code.

use fairhaul_config::BadFile;
use serde::{Deserialize, Serialize};

/// What the node says to a call: any number of progresses, then one of the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// It goes on.
    Progress(CommandProgress),
    /// It is done, with the answer that [`Request`](super::ControlRequest) names.
    Done(serde_json::Value),
    /// It failed.
    Failed(Failure),
}

/// How far a command is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandProgress {
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
