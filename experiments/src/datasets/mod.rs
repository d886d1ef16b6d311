//! Data files beside a scenario: which are read, how, and how much of them.
//!
//! A path starts at the folder of the scenario file, and each file is read once. Only regular files
//! within the limits are read. A data file names no other file, so there are no cycles.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::scenario::BadFile;

pub(crate) mod access;
pub(crate) mod latency;
pub(crate) mod points;
pub(crate) mod table;
pub(crate) mod trace;

/// Most bytes of a scenario. As a tree it takes some hundred times its size; a population is
/// a class or a data file, not a table for each peer.
pub const SCENARIO_BYTES_MAX: u64 = 1024 * 1024;

/// Most bytes of a data file.
pub const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Most rows of a data file.
pub const ROWS_MAX: u64 = 1_000_000;

/// Most bytes of a line of a data file.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// The data files of one scenario, each read once.
#[derive(Debug)]
pub(crate) struct Inputs {
    folder: PathBuf,
    loaded: Mutex<BTreeMap<String, Loaded>>,
}

/// What a data file holds, by what it was read for.
#[derive(Clone, Debug)]
enum Loaded {
    Latency(Arc<latency::Matrix>),
    Access(Arc<Vec<access::Link>>),
    Points(Arc<points::Points>),
    Trace(Arc<trace::Trace>),
}

impl Inputs {
    /// Files are looked for in the folder of `scenario`.
    pub(crate) fn beside(scenario: &Path) -> Self {
        Self {
            folder: scenario.parent().map(Path::to_path_buf).unwrap_or_default(),
            loaded: Mutex::new(BTreeMap::new()),
        }
    }

    /// Path and BLAKE3 of each file that was read, in the order of paths.
    pub(crate) fn hashes(&self) -> Vec<(String, String)> {
        let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let mut paths: Vec<&str> = loaded
            .keys()
            .filter_map(|key| key.split_once(' ').map(|(_, path)| path))
            .collect();
        paths.sort_unstable();
        paths.dedup();
        paths
            .into_iter()
            .map(|path| {
                // The file was read a moment ago; one that is gone since has no hash.
                let mut hasher = blake3::Hasher::new();
                let read = File::open(self.folder.join(path))
                    .and_then(|file| hasher.update_reader(file.take(FILE_BYTES_MAX)).map(drop));
                let hash = match read {
                    Ok(()) => hasher.finalize().to_string(),
                    Err(_) => "gone".to_owned(),
                };
                (path.to_owned(), hash)
            })
            .collect()
    }

    fn once(
        &self,
        key: String,
        read: impl FnOnce() -> Result<Loaded, BadFile>,
    ) -> Result<Loaded, BadFile> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = loaded.get(&key) {
            return Ok(found.clone());
        }
        let found = read()?;
        loaded.insert(key, found.clone());
        Ok(found)
    }

    /// A matrix of delays between regions.
    pub(crate) fn latency(&self, path: &str) -> Result<Arc<latency::Matrix>, BadFile> {
        let read = || latency::read(&self.folder, path).map(|m| Loaded::Latency(Arc::new(m)));
        match self.once(format!("latency {path}"), read)? {
            Loaded::Latency(matrix) => Ok(matrix),
            _ => unreachable!("the key says what was read"),
        }
    }

    /// A mix of access links.
    pub(crate) fn access(&self, path: &str) -> Result<Arc<Vec<access::Link>>, BadFile> {
        let read = || access::read(&self.folder, path).map(|m| Loaded::Access(Arc::new(m)));
        match self.once(format!("access {path}"), read)? {
            Loaded::Access(mix) => Ok(mix),
            _ => unreachable!("the key says what was read"),
        }
    }

    /// Quantiles, fits or times.
    pub(crate) fn points(
        &self,
        path: &str,
        kind: points::Kind,
    ) -> Result<Arc<points::Points>, BadFile> {
        let read = || points::read(&self.folder, path, kind).map(|p| Loaded::Points(Arc::new(p)));
        match self.once(format!("{kind:?} {path}"), read)? {
            Loaded::Points(points) => Ok(points),
            _ => unreachable!("the key says what was read"),
        }
    }

    /// A trace of arrivals.
    pub(crate) fn trace(&self, path: &str) -> Result<Arc<trace::Trace>, BadFile> {
        let read = || trace::read(&self.folder, path).map(|t| Loaded::Trace(Arc::new(t)));
        match self.once(format!("trace {path}"), read)? {
            Loaded::Trace(trace) => Ok(trace),
            _ => unreachable!("the key says what was read"),
        }
    }
}

/// Reads a scenario file, or one of oracles.
///
/// # Errors
///
/// As [`fairhaul_config::file::read_text`].
pub(crate) fn read_text(path: &Path) -> Result<String, BadFile> {
    fairhaul_config::file::read_text(path, SCENARIO_BYTES_MAX)
}
