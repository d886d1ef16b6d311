//! The options of a node: those of `fairhaul run`, and of the two commands that move one content.

use std::path::PathBuf;

use crate::content::line::Secret;
use crate::identity::{Identity, PublicKey};
use crate::params::ParameterFile;

/// The options of `fairhaul run`.
#[derive(Debug)]
pub struct RunOptions {
    /// The parameter file, checked.
    pub params: ParameterFile,
    /// Where it is, for reading it again.
    pub file: PathBuf,
    /// Where the log of inputs goes; none if there is none.
    pub record: Option<PathBuf>,
    /// The folder of the tables; none if there are none.
    pub tables: Option<PathBuf>,
    /// Whether keys that the file does not list are trusted when they first call.
    pub trust_first_use: bool,
    /// More options, if it moves one content by a line.
    pub by_line: Option<ByLine>,
}

/// The options of a node that sends or fetches one content by a line, and no other content.
pub struct ByLine {
    /// Its identity: there is no file of its key.
    pub identity: Identity,
    /// Where it listens.
    pub listener: std::net::TcpListener,
    /// What gives the keys that may come in although no file lists them.
    pub secret: Secret,
    /// How many of those may.
    pub most: usize,
    /// Whom it calls: the key of the sender, which its file lists, and the sender's addresses.
    /// None if it is the sender.
    pub sender: Option<(PublicKey, Vec<String>)>,
}

/// Shows no secret.
impl std::fmt::Debug for ByLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ByLine {{ {}, most: {}, .. }}", self.identity, self.most)
    }
}
