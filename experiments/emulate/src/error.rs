//! Why a run with real nodes could not be done.

use fairhaul_client::api::Failure;

use super::environment::EnvironmentError;

/// Something of a scenario that real nodes cannot do: found before anything is started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {what}; got {got}; allowed {allowed}")]
pub struct Unsupported {
    /// The key of the scenario, such as `transfer.small.group`.
    pub key: String,
    /// What is wrong with it in this world.
    pub what: &'static str,
    /// What the scenario says.
    pub got: String,
    /// What it may say.
    pub allowed: &'static str,
}

/// Why a run with real nodes failed. Each is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmulateError {
    /// The scenario asks for what real nodes do not have.
    #[error("real nodes cannot do this: {0}")]
    Unsupported(#[from] Unsupported),
    /// The parameter file of a peer would be refused.
    #[error("parameter file of {peer}: {why}")]
    Parameters {
        /// Whose.
        peer: String,
        /// What the node would say.
        why: String,
    },
    /// A machine could not do something.
    #[error("{peer}: {error}")]
    Environment {
        /// Whose machine.
        peer: String,
        /// What it said.
        error: EnvironmentError,
    },
    /// A process ended that nobody had told to.
    #[error("{peer} died {when}: {last}")]
    Died {
        /// Who.
        peer: String,
        /// When, in scenario time.
        when: String,
        /// The last that it said.
        last: String,
    },
    /// A node did not do what it was asked.
    #[error("{peer}: {doing}: {failure}")]
    Node {
        /// Who.
        peer: String,
        /// What it was asked.
        doing: String,
        /// Its answer.
        failure: Failure,
    },
    /// Nodes did not find each other.
    #[error("not connected after {seconds} s: {who}")]
    NotConnected {
        /// How long was waited.
        seconds: u64,
        /// Who misses whom, a few of them.
        who: String,
    },
    /// Something of this process failed.
    #[error("{0}")]
    Here(String),
    /// A person wanted it to end.
    #[error("interrupted")]
    Interrupted,
}
