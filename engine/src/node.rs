//! The running node: what drives the core, the connections, the store and the control.
//!
//! Decides nothing yet; refuses to run.

use std::path::PathBuf;

use crate::control::api::Failure;
use crate::params::Params;

/// What a node is started with.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Its parameters, checked.
    pub params: Params,
    /// The file that they came from, to read it again.
    pub file: PathBuf,
    /// Where to write the log of inputs; none for no log.
    pub record: Option<PathBuf>,
    /// The folder for the tables of what it did; none for no tables.
    pub tables: Option<PathBuf>,
    /// Whether a peer that no parameter file names may be trusted when it first calls.
    pub trust_first_use: bool,
}

/// Runs a node until it is told to stop.
///
/// # Errors
///
/// Why it could not start, or had to stop, with the exit code of that.
pub fn run(options: RunOptions) -> Result<(), Failure> {
    let name = options.params.node().name;
    Err(Failure::error(format!(
        "the node {name} cannot run: not built"
    )))
}
