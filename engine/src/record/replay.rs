//! Replays a log through a fresh core, and checks that the same inputs give the same actions.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use fairhaul_core::node::{Input, Node};
use fairhaul_core::time::Time;
use thiserror::Error;

use super::validate::Ledger;
use super::{Digest, FORMAT, Line, NodeSetup};
use crate::content::path::{shown, shown_bytes};

/// Longest line, in bytes: the bitfield of the largest content in decimal digits, and room.
const LINE_MAX: u64 = 16 * 1024 * 1024;

/// What a replay gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Inputs that the core was told.
    pub inputs: u64,
    /// Actions that it answered.
    pub actions: u64,
    /// The digest of all actions.
    pub digest: String,
    /// The digest that was recorded; none if the log was cut before its end.
    pub recorded: Option<String>,
}

/// Why a log cannot be replayed.
#[derive(Debug, Error)]
pub enum BadLog {
    /// The file system refused.
    #[error("{}: {source}", shown_bytes(path.as_os_str().as_encoded_bytes()))]
    Io {
        /// The log.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// A line that no shell wrote.
    #[error("{}:{line}: {what}", shown_bytes(path.as_os_str().as_encoded_bytes()))]
    Line {
        /// The log.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
}

impl Replayed {
    /// Whether the core did again what it did when the log was written; none if the log does
    /// not say.
    #[must_use]
    pub fn is_same(&self) -> Option<bool> {
        self.recorded
            .as_ref()
            .map(|recorded| *recorded == self.digest)
    }
}

/// Runs the log at `path` through a fresh core.
///
/// # Errors
///
/// A file that cannot be read, or a line, named by its number, that no shell wrote.
pub fn replay(path: &Path) -> Result<Replayed, BadLog> {
    let mut lines = Lines::open(path)?;
    let mut run = match lines.next()? {
        Some(Line::Start { format, at, setup }) if format == FORMAT => {
            Run::new(&setup, at).map_err(|what| lines.bad(what))?
        }
        _ => return Err(lines.bad(format!("it does not start as \"{FORMAT}\""))),
    };
    let mut recorded = None;
    while let Some(line) = lines.next()? {
        match line {
            Line::Input { at, what } if recorded.is_none() => {
                let told = run.tell(what.into_owned(), at);
                run = told.map_err(|what| lines.bad(what))?;
            }
            Line::End { digest } if recorded.is_none() => recorded = Some(digest.into_owned()),
            _ => return Err(lines.bad("nothing may follow the end, nor start anew".to_owned())),
        }
    }
    Ok(Replayed {
        inputs: run.inputs,
        actions: run.actions,
        digest: run.digest.hex(),
        recorded,
    })
}

/// A core that is told what a log says.
struct Run {
    node: Node,
    ledger: Ledger,
    digest: Digest,
    inputs: u64,
    actions: u64,
}

impl Run {
    fn new(setup: &NodeSetup, now: Time) -> Result<Self, String> {
        let ledger = Ledger::new(now).map_err(|why| why.to_string())?;
        let config = setup.config().map_err(|why| why.to_string())?;
        Ok(Self {
            node: Node::new(config, now),
            ledger,
            digest: Digest::new(),
            inputs: 0,
            actions: 0,
        })
    }

    fn tell(mut self, input: Input, now: Time) -> Result<Self, String> {
        let checked = self.ledger.check(&input, now);
        self.ledger = checked.map_err(|why| why.to_string())?;
        self.inputs += 1;
        self.digest.input();
        self.node.handle(input, now);
        while let Some(action) = self.node.poll() {
            self.actions += 1;
            self.digest.action(&action);
        }
        Ok(self)
    }
}

/// The lines of a log, one at a time.
struct Lines<'a> {
    path: &'a Path,
    reader: BufReader<File>,
    number: u64,
    text: Vec<u8>,
}

impl<'a> Lines<'a> {
    fn open(path: &'a Path) -> Result<Self, BadLog> {
        let file = File::open(path).map_err(io_error(path))?;
        Ok(Self {
            path,
            reader: BufReader::new(file),
            number: 0,
            text: Vec::new(),
        })
    }

    /// The next line; none at the end, or where the last line was cut.
    fn next(&mut self) -> Result<Option<Line<'static>>, BadLog> {
        self.text.clear();
        self.number += 1;
        let mut part = (&mut self.reader).take(LINE_MAX);
        let read = part.read_until(b'\n', &mut self.text);
        read.map_err(io_error(self.path))?;
        let is_whole = self.text.ends_with(b"\n");
        if !is_whole && self.text.len() as u64 == LINE_MAX {
            return Err(self.bad(format!("a line is longer than {LINE_MAX} bytes")));
        }
        match serde_json::from_slice(&self.text) {
            Ok(line) => Ok(Some(line)),
            Err(_) if !is_whole => Ok(None),
            Err(why) => Err(self.bad(shown(&why.to_string()))),
        }
    }

    fn bad(&self, what: String) -> BadLog {
        BadLog::Line {
            path: self.path.to_owned(),
            line: self.number,
            what,
        }
    }
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> BadLog {
    let path = path.to_owned();
    move |source| BadLog::Io { path, source }
}
