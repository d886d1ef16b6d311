//! Where nodes run: what a scenario asks of the machines under it.

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use fairhaul_core::units::Rate;

/// Machines for the peers of one run. A peer is a row of the setup's peers.
///
/// Whoever implements it gives back everything when it is dropped: processes, namespaces,
/// files; [`Environment::close`] is the same with an answer.
pub trait Environment {
    /// Where `peer` listens, on its own machine.
    fn listen(&self, peer: u32) -> SocketAddr;

    /// Where `from` dials to reach `to`; `host:port`. Where it listens, if nothing else is said.
    fn reach(&self, _from: u32, to: u32) -> String {
        self.listen(to).to_string()
    }

    /// The folder of `peer` on its machine, absolute: the parameter file `node.toml`, the key
    /// `identity.key`, `data`, `files` and `out` lie in it.
    fn home(&self, peer: u32) -> &Path;

    /// Path of the control socket as the parameter file of `peer` has to name it.
    fn socket(&self, peer: u32) -> PathBuf;

    /// Path at which this process reaches the control socket of `peer`. The same, if nothing else
    /// is said.
    fn control(&self, peer: u32) -> PathBuf {
        self.socket(peer)
    }

    /// Writes a file below the folder of `peer`, with mode 0600. Folders are made.
    ///
    /// # Errors
    ///
    /// If the machine is full, away or refuses.
    fn put(&mut self, peer: u32, name: &str, bytes: &mut dyn Read) -> Result<(), EnvironmentError>;

    /// Runs `fairhaul run -c HOME/node.toml` for `peer`, or what plays an adversary if HOME has a
    /// mask, and returns when its control answers or it has failed.
    ///
    /// # Errors
    ///
    /// What the process said when it failed.
    fn start(&mut self, peer: u32) -> Result<(), EnvironmentError>;

    /// Kills the process of `peer` without a word (SIGKILL). What it holds stays on its disk.
    ///
    /// # Errors
    ///
    /// If the machine cannot be told.
    fn kill(&mut self, peer: u32) -> Result<(), EnvironmentError>;

    /// Asks the process of `peer` to stop (SIGTERM), and waits until it has.
    ///
    /// # Errors
    ///
    /// If the machine cannot be told.
    fn stop(&mut self, peer: u32) -> Result<(), EnvironmentError>;

    /// Whether the process of `peer` runs; what it last said if it ended without being told.
    ///
    /// # Errors
    ///
    /// How it ended.
    fn alive(&mut self, peer: u32) -> Result<(), EnvironmentError>;

    /// Changes the links of `peer`; none is unlimited. False if this place cannot, as if nothing
    /// else is said.
    ///
    /// # Errors
    ///
    /// What the kernel's tools said.
    fn set_rates(
        &mut self,
        _peer: u32,
        _up: Option<Rate>,
        _down: Option<Rate>,
    ) -> Result<bool, EnvironmentError> {
        Ok(false)
    }

    /// Ends all processes and removes everything.
    ///
    /// # Errors
    ///
    /// What could not be removed.
    fn close(&mut self) -> Result<(), EnvironmentError>;
}

/// What a machine could not do: one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EnvironmentError(pub String);
