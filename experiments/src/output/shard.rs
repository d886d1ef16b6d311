//! A part of a sweep on disk: runs that one machine has made, to be put together with others.
//!
//! A part is a folder of finished runs, not of tables: which columns a table has, and in which
//! order, is known only when all runs are there. A file that is written last marks the part as
//! finished and has a digest of each run, so that what was cut short or changed on the way
//! between two machines is found before anything is merged.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use fairhaul_results::{AFTER_PARAMS, digest};

use super::directory::remove_dir_if_there;
use super::tables::RUNS;
use super::{OutputError, ResultDir, write_whole};

/// The folder of the parts of a result, beside its tables.
pub const SHARDS: &str = "shards";

/// What marks a part as finished.
const SHARD_FILE: &str = "shard.json";

/// What marks such a file as ours, with the version of its schema.
const SHARD_FORMAT: &str = "fairlab shard 1";

/// What all parts of one sweep have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardPlan {
    /// Name of the scenario.
    pub name: String,
    /// What decides the runs, as [`ResultDir::begin`] was given it: scenario, seed and build.
    pub plan: String,
    /// The scenario with every default filled in.
    pub scenario: String,
    /// The seed that the user gave.
    pub seed: u64,
    /// The baseline as `key=value`; none if the scenario names none.
    pub baseline: Option<String>,
    /// Tables that are wanted, without `.csv`.
    pub files: Vec<String>,
    /// Cells of the sweep.
    pub cells: u32,
    /// Replications of each cell.
    pub replications: u32,
    /// Parts of the sweep.
    pub of: u32,
}

/// A finished part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardManifest {
    format: String,
    /// Which part, from 1.
    pub number: u32,
    /// The command that makes the whole result on one machine.
    pub command: String,
    /// What it has in common with the other parts.
    #[serde(flatten)]
    pub plan: ShardPlan,
    /// Its runs, with a digest of the files of each.
    pub runs: BTreeMap<String, String>,
}

impl ShardManifest {
    /// The mark of the part in `path`.
    ///
    /// # Errors
    ///
    /// [`OutputError::ShardBegun`] if the part has none, [`OutputError::BadTable`] if it is not
    /// one.
    pub fn read(path: &Path) -> Result<Self, OutputError> {
        let file = ResultDir::of(path).runs_dir().join(SHARD_FILE);
        let text = fs::read_to_string(&file).map_err(|_| OutputError::ShardBegun {
            path: path.to_owned(),
            runs: ResultDir::kept_runs(path),
        })?;
        let bad = |line: usize, what: String| OutputError::BadTable {
            path: file.clone(),
            line: line as u64,
            what,
        };
        let read: Self =
            serde_json::from_str(&text).map_err(|error| bad(error.line(), error.to_string()))?;
        if read.format != SHARD_FORMAT {
            let what = format!("format {:?} is not {SHARD_FORMAT:?}", read.format);
            return Err(bad(1, what));
        }
        Ok(read)
    }

    /// Whether the part in `path` is finished.
    #[must_use]
    pub fn is_in(path: &Path) -> bool {
        ResultDir::of(path).runs_dir().join(SHARD_FILE).is_file()
    }
}

impl ResultDir {
    /// Marks the part as finished: `own` are its runs, all of which are there.
    ///
    /// # Errors
    ///
    /// [`OutputError::Io`].
    pub fn finish_shard(
        &self,
        number: u32,
        command: String,
        plan: ShardPlan,
        own: &[&str],
    ) -> Result<(), OutputError> {
        let digests = own
            .iter()
            .map(|run| Ok(((*run).to_owned(), run_digest(&self.run_dir(run))?)));
        let mark = ShardManifest {
            format: SHARD_FORMAT.to_owned(),
            number,
            command,
            plan,
            runs: digests.collect::<Result<_, OutputError>>()?,
        };
        let mut text = serde_json::to_string_pretty(&mark)
            .expect("a mark has string keys and no numbers that JSON lacks");
        text.push('\n');
        write_whole(&self.runs_dir().join(SHARD_FILE), text.as_bytes())
    }

    /// Copies a run of the part in `shard`, whose files have this digest.
    ///
    /// # Errors
    ///
    /// [`OutputError::Changed`] if they have another, [`OutputError::Io`] if one cannot be read
    /// or written.
    pub fn adopt(&self, run: &str, shard: &Path, digest: &str) -> Result<(), OutputError> {
        let from = Self::of(shard).run_dir(run);
        let part = self.runs_dir().join(format!("{run}.part"));
        remove_dir_if_there(&part)?;
        fs::create_dir_all(&part).map_err(OutputError::io(&part))?;
        for file in files_of(&from)? {
            let name = file.file_name().unwrap_or_default();
            fs::copy(&file, part.join(name)).map_err(OutputError::io(&file))?;
        }
        // The copy is looked at, not the original: it is what the tables are made of.
        if run_digest(&part)? != digest {
            return Err(OutputError::Changed { path: from });
        }
        let done = self.run_dir(run);
        remove_dir_if_there(&done)?;
        fs::rename(&part, &done).map_err(OutputError::io(&done))
    }

    /// The parts of the result in `path`: every folder among them, in the order of their names.
    ///
    /// # Errors
    ///
    /// [`OutputError::Io`] if they cannot be listed. There may be none.
    pub fn shards(path: &Path) -> Result<Vec<PathBuf>, OutputError> {
        let folder = path.join(SHARDS);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(OutputError::io(&folder)(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(OutputError::io(&folder))?.path();
            if path.is_dir() {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    /// Forgets the parts of a result that has been put together.
    ///
    /// # Errors
    ///
    /// [`OutputError::Io`].
    pub fn forget_shards(path: &Path) -> Result<(), OutputError> {
        remove_dir_if_there(&path.join(SHARDS))
    }
}

/// The digest of the trace of each run of the result in `dir`, in the order of their names.
///
/// # Errors
///
/// [`OutputError::Io`] or [`OutputError::BadTable`] if its table of runs cannot be read.
pub fn trace_digests(dir: &Path) -> Result<Vec<(String, String)>, OutputError> {
    let path = dir.join(RUNS);
    let mut reader = csv::Reader::from_path(&path).map_err(OutputError::csv(&path))?;
    let header = reader.headers().map_err(OutputError::csv(&path))?;
    let at = header.iter().position(|column| column == AFTER_PARAMS);
    let mut found = Vec::new();
    for row in reader.records() {
        let row = row.map_err(OutputError::csv(&path))?;
        let field = |at: usize| row.get(at).unwrap_or_default().to_owned();
        found.push((field(0), at.map_or_else(String::new, field)));
    }
    found.sort();
    Ok(found)
}

/// One digest for the names and bytes of all files of a run.
fn run_digest(run: &Path) -> Result<String, OutputError> {
    let mut all = blake3::Hasher::new();
    for file in files_of(run)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let own = digest(&file).map_err(OutputError::io(&file))?;
        all.update(format!("{name} {own}\n").as_bytes());
    }
    Ok(all.finalize().to_hex().to_string())
}

/// The files of a run, in the order of their names.
fn files_of(run: &Path) -> Result<Vec<PathBuf>, OutputError> {
    let entries = fs::read_dir(run).map_err(OutputError::io(run))?;
    let files: io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
    let mut files = files.map_err(OutputError::io(run))?;
    files.sort();
    Ok(files)
}
