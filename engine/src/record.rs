//! The log of a core's inputs, and its replay.
//!
//! A replay gives the same actions again, or the log was changed, or the core was. A log that no
//! shell could have written is refused by file and line; one that was cut in its last line is good
//! up to there.
//!
//! A log is text, one JSON value a line: the setup, then each input with its time, then the digest
//! of all actions. It holds the messages of peers, and the seed of the node's draws, so only its
//! owner may read it.

use std::borrow::Cow;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, IntoInnerError, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use fairhaul_core::node::{Action, Input};
use fairhaul_core::time::Time;
use serde::{Deserialize, Serialize};

mod aside;
mod replay;
mod setup;
mod validate;

use aside::Aside;
pub use replay::{BadLog, Replayed, replay};
pub use setup::{BadSetup, NodeSetup};

/// What every log of this version says first.
const FORMAT: &str = "fairhaul record 2";

/// What the digest of actions is derived with.
const CONTEXT: &str = "fairhaul 1 record";

/// One line of a log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
#[expect(
    clippy::large_enum_variant,
    reason = "one line is held at a time, and the largest comes once"
)]
enum Line<'a> {
    /// The first: what the node was made with.
    Start {
        format: Cow<'a, str>,
        at: Time,
        setup: Cow<'a, NodeSetup>,
    },
    /// One thing that happened.
    Input { at: Time, what: Cow<'a, Input> },
    /// The last: what came of it.
    End { digest: Cow<'a, str> },
}

/// A log that is being written.
#[derive(Debug)]
pub struct Recorder {
    out: BufWriter<Aside>,
    digest: Digest,
    line: Vec<u8>,
}

impl Recorder {
    /// Starts a log at `path`, which must not be there, of a node that is made with `setup` at
    /// `now`. Only its owner may read it.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn create(path: &Path, setup: &NodeSetup, now: Time) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        let mut this = Self {
            out: BufWriter::with_capacity(aside::PART, Aside::new(file)?),
            digest: Digest::new(),
            line: Vec::new(),
        };
        this.write(&Line::Start {
            format: FORMAT.into(),
            at: now,
            setup: Cow::Borrowed(setup),
        })?;
        Ok(this)
    }

    /// Notes what the core is about to be told. It must be told in this order.
    ///
    /// # Errors
    ///
    /// What the file system says, or has said since; the log is then good up to some input before.
    pub fn input(&mut self, input: &Input, now: Time) -> io::Result<()> {
        self.digest.input();
        self.write(&Line::Input {
            at: now,
            what: Cow::Borrowed(input),
        })
    }

    /// Notes what the core answered to the last input.
    pub fn action(&mut self, action: &Action) {
        self.digest.action(action);
    }

    /// Ends the log. Gives the digest of all actions, which is its last line.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn finish(mut self) -> io::Result<String> {
        let digest = self.digest.hex();
        self.write(&Line::End {
            digest: digest.as_str().into(),
        })?;
        let aside = self.out.into_inner().map_err(IntoInnerError::into_error)?;
        aside.finish()?;
        Ok(digest)
    }

    fn write(&mut self, line: &Line<'_>) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, line)?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }
}

/// The running digest of all actions, and of which input each came from.
#[derive(Debug)]
struct Digest {
    hasher: blake3::Hasher,
    text: Vec<u8>,
}

impl Digest {
    fn new() -> Self {
        Self {
            hasher: blake3::Hasher::new_derive_key(CONTEXT),
            text: Vec::new(),
        }
    }

    fn input(&mut self) {
        self.hasher.update(b"\n");
    }

    fn action(&mut self, action: &Action) {
        self.text.clear();
        serde_json::to_writer(&mut self.text, action)
            .expect("an action has string keys, and memory takes what is written");
        self.hasher.update(&self.text);
        self.hasher.update(b";");
    }

    fn hex(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }
}

#[cfg(test)]
mod tests;
