//! What a node did, as tables in the schema of `fairhaul-results`: the lab plots a real run like a
//! simulated one.
//!
//! What a real run cannot know, such as an ideal share, stays empty. A directory without
//! `manifest.json` is an unfinished result.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use fairhaul_core::time::{Span, Time};
use fairhaul_results::{HLOG_HEADER, Keys, Latencies, Table};

pub use fairhaul_results::{FlowKind, PeerRow, TransferRow, WindowRow};

mod result;

use result::Totals;

/// What every row of a run carries, and what its manifest says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunKeys {
    /// The run's name: letters, digits, `_`, `-` and `.`, not starting with `.`.
    pub run: String,
    /// What runs with the same parameters are called.
    pub cell: String,
    /// The first number of the run's seed; 0 if it has none that a person gave.
    pub seed: u64,
    /// Which repetition, from 0.
    pub replication: u32,
    /// Parameters to tell runs apart by, such as `policy.uplink` and `drr`.
    pub params: Vec<(String, String)>,
    /// The command that was given.
    pub command: String,
    /// The parameter file as it was in force.
    pub parameters: String,
    /// The commit that the program was built from; empty if unknown.
    pub commit: String,
}

/// The tables of one run, while it goes on. Takes memory only for what the sums need: eight
/// bytes a finished transfer, and a histogram a class.
#[derive(Debug)]
pub struct Tables {
    dir: PathBuf,
    run: RunKeys,
    peers: Table<File>,
    transfers: Table<File>,
    windows: Table<File>,
    latencies: Latencies,
    totals: Totals,
}

impl Tables {
    /// Starts the tables of `run` in `dir`, which must be empty or not be there.
    ///
    /// # Errors
    ///
    /// A directory with something in it, a run's name that cannot be one, or what the file
    /// system says.
    pub fn create(dir: &Path, run: &RunKeys) -> io::Result<Self> {
        if !is_run_name(&run.run) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a run's name has letters, digits, '_', '-' and '.', not first",
            ));
        }
        fs::create_dir_all(dir)?;
        if fs::read_dir(dir)?.next().is_some() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let file = |name| new_file(&dir.join(name));
        let keys = run.keys();
        Ok(Self {
            dir: dir.to_owned(),
            run: run.clone(),
            peers: Table::begin::<PeerRow<'_>>(file("peers.csv")?, &keys)?,
            transfers: Table::begin::<TransferRow<'_>>(file("transfers.csv")?, &keys)?,
            windows: Table::begin::<WindowRow<'_>>(file("windows.csv")?, &keys)?,
            latencies: Latencies::default(),
            totals: Totals::default(),
        })
    }

    /// Notes a transfer, once it has ended or the run does. Whether and how fast it finished
    /// follows from its start and end.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn transfer(&mut self, row: TransferRow<'_>) -> io::Result<()> {
        let took = row.end_s.zip(row.start_s);
        let took = took.map(|(end, start)| end.since(start));
        self.totals.add(row.class, row.bytes, took);
        let row = TransferRow {
            finished: Some(row.end_s.is_some()),
            completion_s: took.map(Span::as_secs_f64),
            ..row
        };
        Ok(self.transfers.put(&row)?)
    }

    /// Notes a peer, once it has left or the run ends. Whether and how fast it finished, and its
    /// share ratio, follow from the rest.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn peer(&mut self, row: PeerRow<'_>) -> io::Result<()> {
        let wanted = row.wanted == Some(true);
        let took = row.completed_s.zip(row.joined_s).filter(|_| wanted);
        let row = PeerRow {
            finished: wanted.then_some(row.completed_s.is_some()),
            completion_s: took.map(|(end, start)| end.since(start).as_secs_f64()),
            share_ratio: share_ratio(&row).filter(|_| wanted),
            ..row
        };
        Ok(self.peers.put(&row)?)
    }

    /// Notes what a flow got in a window.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn window(&mut self, row: &WindowRow<'_>) -> io::Result<()> {
        Ok(self.windows.put(row)?)
    }

    /// Notes how long something took from its request to its last byte.
    pub fn latency(&mut self, kind: FlowKind, class: &str, took: Span) {
        self.latencies.add(kind, class, took);
    }

    /// Ends the run at `end`: writes latencies, the row of the run with `digest`, the digest of
    /// its actions if they were recorded, and the manifest last.
    ///
    /// # Errors
    ///
    /// What the file system says; the result is then unfinished.
    pub fn finish(mut self, end: Time, digest: Option<&str>) -> io::Result<()> {
        for table in [&mut self.peers, &mut self.transfers, &mut self.windows] {
            table.flush()?;
        }
        let file = |name: &str| new_file(&self.dir.join(name));
        let keys = self.run.keys();
        self.latencies.write_csv(file("latency.csv")?, &keys)?;
        let mut log = HLOG_HEADER.as_bytes().to_vec();
        self.latencies.write_hlog(&mut log, keys.run, end)?;
        io::Write::write_all(&mut file("latency.hlog")?, &log)?;
        self.totals.write(file("runs.csv")?, &keys, end, digest)?;
        result::write_manifest(&self.dir, &self.run)
    }
}

impl RunKeys {
    fn keys(&self) -> Keys<'_> {
        Keys {
            run: &self.run,
            cell: &self.cell,
            seed: self.seed,
            replication: self.replication,
            params: &self.params,
        }
    }
}

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

fn is_run_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !name.is_empty() && !name.starts_with(['.', '-']) && name.chars().all(allowed)
}

/// Bytes sent while it wanted something over bytes received.
#[expect(
    clippy::cast_precision_loss,
    reason = "a report shows fewer digits than an f64 holds"
)]
fn share_ratio(row: &PeerRow<'_>) -> Option<f64> {
    let seeds = row.down_from_seeds_bytes;
    let down = row.down_from_leechers_bytes.saturating_add(seeds);
    (down > 0).then(|| row.up_as_leecher_bytes as f64 / down as f64)
}

#[cfg(test)]
mod tests;
