//! Results on disk: long tables with one schema, and a manifest that says how to make them
//! again.
//!
//! Decides the files, their columns and their order; refuses to overwrite what is not a
//! result, to leave half a table behind, and to let the order of threads show in a file.
//! A directory without `manifest.json` is an unfinished result.

mod alone;
mod directory;
mod json;
mod manifest;
mod results;
mod shard;
mod tables;
mod unpack;

use std::io;
use std::path::{Path, PathBuf};

use fairhaul_results::Keys;
use fairhaul_simulator::record::Record;
use fairhaul_simulator::setup::Setup;

pub(crate) use directory::OVERVIEW;
pub use directory::{Existing, ResultDir};
pub use fairhaul_results::{
    CpuUse, EmulatedFacts, Machine, Made, ResultManifest, number, seconds, text,
};
pub use json::table_as_json;
pub use manifest::{
    Facts, check_digests, made_here, named_baseline, read_manifest, refresh_digests, write_measured,
};
pub use results::{Axis, CellRuns, Results, RunValues};
pub use shard::{SHARDS, ShardManifest, ShardPlan, trace_digests};

/// One finished run and the keys that every one of its rows carries.
#[derive(Clone, Copy, Debug)]
pub struct RunRow<'a> {
    /// Its name, unique in the result: letters, digits, `_`, `-`, `.`, not starting with `.`.
    pub run: &'a str,
    /// What the cell of the sweep is called; replications of a cell share it.
    pub cell: &'a str,
    /// Name and value of every parameter, the same names in the same order for all runs.
    pub params: &'a [(String, String)],
    /// The seed that the user gave.
    pub seed: u64,
    /// Which replication, from 0.
    pub replication: u32,
    /// What the run was given.
    pub setup: &'a Setup,
    /// What it gave back.
    pub record: &'a Record,
    /// How busy the machine was under real nodes; none of a simulated run.
    pub machine: Option<CpuUse>,
}

impl<'a> RunRow<'a> {
    /// What every row of the run begins with.
    pub(crate) const fn keys(&self) -> Keys<'a> {
        Keys {
            run: self.run,
            cell: self.cell,
            seed: self.seed,
            replication: self.replication,
            params: self.params,
        }
    }
}

/// Why a result could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The path holds something else, or is not a directory.
    #[error("{}: exists and is not a result of fairlab; give another --out", path.display())]
    NotAResult {
        /// The path.
        path: PathBuf,
    },
    /// A finished result is there, and nobody said what to do with it.
    #[error(
        "{}: holds a finished result; --resume keeps its runs and makes those that are missing, \
         --force replaces it, and another --out leaves it alone",
        path.display()
    )]
    Finished {
        /// The path.
        path: PathBuf,
    },
    /// Runs of an interrupted command are there, and nobody said what to do with them.
    #[error(
        "{}: holds {runs} finished runs of a command that did not end; --resume keeps them and \
         goes on, --force starts again, and another --out leaves them alone",
        path.display()
    )]
    Begun {
        /// The path.
        path: PathBuf,
        /// Runs that are finished.
        runs: usize,
    },
    /// What is to be resumed was made from another plan.
    #[error(
        "{}: holds runs of another scenario, seed or build; --force replaces them, and another \
         --out leaves them alone",
        path.display()
    )]
    OtherPlan {
        /// The path.
        path: PathBuf,
    },
    /// A run's name cannot be a file name.
    #[error("run {name:?}: allowed are letters, digits, '_', '-' and '.', not first")]
    BadRunName {
        /// The name.
        name: String,
    },
    /// A table does not have the columns or values that it should.
    #[error("{}:{line}: {what}", path.display())]
    BadTable {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// A file changed after its result was finished.
    #[error("{}: is not what the manifest has the digest of", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A part of a sweep that did not end.
    #[error(
        "{}: a part with {runs} finished runs that did not end; its command goes on with --resume",
        path.display()
    )]
    ShardBegun {
        /// The part.
        path: PathBuf,
        /// Runs that are finished.
        runs: usize,
    },
    /// The directory has no finished result, or not all of its tables.
    #[error("{}: no {file}; is this the directory of a finished result?", path.display())]
    Unfinished {
        /// The directory.
        path: PathBuf,
        /// The file that is not there.
        file: &'static str,
    },
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl OutputError {
    /// The exit code that the program documents for it: 2 for usage, 3 for files.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Finished { .. } | Self::Begun { .. } | Self::OtherPlan { .. } => 2,
            _ => 3,
        }
    }

    /// Attaches the path to what the file system said.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// Attaches the path to what the CSV reader or writer said.
    pub(crate) fn csv(path: &Path) -> impl FnOnce(csv::Error) -> Self + '_ {
        move |error| {
            let line = error.position().map_or(0, csv::Position::line);
            match error.into_kind() {
                csv::ErrorKind::Io(source) => Self::Io {
                    path: path.to_owned(),
                    source,
                },
                kind => Self::BadTable {
                    path: path.to_owned(),
                    line,
                    what: format!("not a table: {kind:?}"),
                },
            }
        }
    }
}

/// As [`fairhaul_results::write_whole`].
///
/// # Errors
///
/// [`OutputError::Io`] if the file system refuses.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    fairhaul_results::write_whole(path, bytes).map_err(OutputError::io(path))
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
