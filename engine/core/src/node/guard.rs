//! What a node asks of its peers: how soon they answer, and how much of theirs may wait (limits L4,
//! L5 and L7).

use serde::{Deserialize, Serialize};

use crate::time::Span;
use crate::units::{ByteCount, Rate};

/// Identities that are not connected and whose reputation is kept.
pub(super) const PAST_MAX: usize = 4_096;

/// Timeouts for peers, and bounds on what they may have waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// Bytes that one peer may have asked for and not been given (limit L5). One request of any
    /// length is always allowed.
    pub replies: ByteCount,
    /// Bytes of chunks that may be begun over all peers, less those that wait to be stored
    /// (limit L4). One chunk of any length is always allowed.
    #[serde(default = "held")]
    pub held: ByteCount,
    /// Bytes of bitfields that are kept of all peers, and of one at most [`CLAIMS_PEER`]
    /// (limit L4). One of any length is kept of each peer.
    #[serde(default = "claims")]
    pub claims: ByteCount,
    /// A peer that owes us something and sends nothing for this long: others are asked.
    pub reassign: Span,
    /// A peer is closed if for this long it sends nothing while it owes us something, or takes
    /// nothing of what it requested.
    pub stalled: Span,
    /// A peer that owes us something and sends more slowly than this ...
    pub slow: Rate,
    /// ... over this long: others are asked.
    pub slow_over: Span,
    /// A peer is pinged after this much silence.
    pub ping: Span,
    /// A peer is closed after this much silence.
    pub idle: Span,
}

impl Default for Guard {
    /// Limits L4, L5 and L7.
    fn default() -> Self {
        Self {
            replies: ByteCount::mib(16),
            held: held(),
            claims: claims(),
            reassign: Span::from_secs(20),
            stalled: Span::from_secs(60),
            slow: Rate::new(1_024),
            slow_over: Span::from_secs(30),
            ping: Span::from_secs(30),
            idle: Span::from_secs(120),
        }
    }
}

/// Limit L4. What was recorded before it could be set was made with it.
const fn held() -> ByteCount {
    ByteCount::mib(64)
}

const fn claims() -> ByteCount {
    ByteCount::mib(256)
}

/// Bytes of bitfields that are kept of one peer, for contents that we take part in too: two of the
/// longest (limit L4).
pub const CLAIMS_PEER: ByteCount = ByteCount::mib(4);

impl Guard {
    /// Whether `len` bytes are more than may wait beside the `queued` ones.
    pub(super) fn is_too_much(&self, queued: ByteCount, len: ByteCount) -> bool {
        queued > ByteCount::ZERO && queued.saturating_add(len) > self.replies
    }
}
