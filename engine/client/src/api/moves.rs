//! Counters of moved bytes, the answer to `moves`. They never decrease while a node runs.

use serde::{Deserialize, Serialize};

/// How [`Request::Moves`](super::ControlRequest::Moves) ends: counts since the node started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moves {
    /// Bytes that came twice or for nothing.
    pub wasted_bytes: u64,
    /// A row for each transfer that is not over and peer, if bytes of it moved.
    pub moved: Vec<Moved>,
    /// What stands still because of trouble here.
    pub stopped: Vec<Stopped>,
}

/// A transfer that trouble has stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// The identity of the content: 64 hexadecimal digits.
    pub content: String,
    /// Why, for people.
    pub why: String,
}

/// Bytes of one transfer between here and one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The id of the transfer, as [`TransferStatus`](super::TransferStatus) shows it.
    pub transfer: u32,
    /// The identity of the content: 64 hexadecimal digits.
    pub content: String,
    /// The name of the peer; it may be gone.
    pub peer: String,
    /// Bytes of blocks sent to it, those of the manifest included.
    pub up_bytes: u64,
    /// Bytes of blocks of the content received from it.
    pub down_bytes: u64,
    /// Bytes of chunks from it that were verified and written.
    pub stored_bytes: u64,
}
