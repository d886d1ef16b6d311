//! Why a run could not go on.

use fairhaul_core::time::Time;

use super::livelock::ROUNDS_MAX;
use crate::network::Violation;

/// A run that failed. Each names what, where and when.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Events without end at one instant.
    #[error(
        "livelock at {at}: events have caused each other {ROUNDS_MAX} times over, and neither \
         time nor a byte has moved; the last is {event}"
    )]
    Livelock {
        /// When.
        at: Time,
        /// The event that was next.
        event: String,
    },
    /// The event budget is used up.
    #[error("event budget of {budget} used up at {at}; raise [scenario] events")]
    Budget {
        /// When.
        at: Time,
        /// How many events were allowed.
        budget: u64,
    },
    /// Work is left and nothing will happen.
    #[error("stuck at {at} with work left: {who}")]
    Stuck {
        /// When.
        at: Time,
        /// Who waits for what.
        who: String,
    },
    /// The network broke a law.
    #[error("the network broke a law: {0}")]
    Network(Violation),
    /// The network reported a block that was not on its way.
    #[error("the network reported block {id} at {at}, which was not on its way")]
    Invented {
        /// When.
        at: Time,
        /// Its number.
        id: u64,
    },
    /// Bytes were lost or invented.
    #[error("bytes not conserved: {what}")]
    Conservation {
        /// Where, and the two numbers.
        what: String,
    },
    /// An uplink was idle although its core had a block for it.
    #[error("uplink of {peer} idle at {at} with a block ready")]
    Idle {
        /// Whose.
        peer: String,
        /// When.
        at: Time,
    },
}
