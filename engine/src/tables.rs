//! What a node did, as tables in the lab's schema, so that the lab plots a real run like a
//! simulated one.
//!
//! Decides columns and their order, which are the lab's; what a real run cannot know, such as
//! an ideal share, stays empty. Refuses to overwrite anything. A directory without
//! `manifest.json` is an unfinished result.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use csv::Writer;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{Rate, Weight};

use value::{number, seconds, text};

mod latency;
mod result;
mod value;

use latency::Latencies;
use result::Totals;

/// Columns before the first parameter in every table.
const KEYS: [&str; 4] = ["run", "seed", "replication", "cell"];

const PEERS: [&str; 23] = [
    "peer",
    "class",
    "region",
    "behaviour",
    "up_bytes_per_s",
    "down_bytes_per_s",
    "weight",
    "joined_s",
    "left_s",
    "present_s",
    "wanted",
    "finished",
    "completed_s",
    "completion_s",
    "alone_s",
    "slowdown",
    "share_ratio",
    "up_as_leecher_bytes",
    "up_as_seed_bytes",
    "down_from_leechers_bytes",
    "down_from_seeds_bytes",
    "wasted_bytes",
    "service_error_worst_bytes",
];

const TRANSFERS: [&str; 19] = [
    "transfer",
    "class",
    "source",
    "destination",
    "group",
    "bytes",
    "weight",
    "cap_bytes_per_s",
    "floor_bytes_per_s",
    "start_s",
    "first_byte_s",
    "end_s",
    "finished",
    "completion_s",
    "alone_s",
    "slowdown",
    "received_bytes",
    "entitlement_bytes",
    "share_over_entitlement",
];

const WINDOWS: [&str; 8] = [
    "window_s",
    "start_s",
    "flow_kind",
    "flow",
    "class",
    "bytes",
    "entitlement_bytes",
    "backlogged_s",
];

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

/// What a flow, or a measured time, belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FlowKind {
    /// A peer.
    Peer,
    /// A transfer.
    Transfer,
}

/// A transfer, finished or not.
#[derive(Clone, Copy, Debug)]
pub struct TransferRow<'a> {
    /// Its name.
    pub transfer: &'a str,
    /// What it is compared with: its class.
    pub class: &'a str,
    /// The node that has it.
    pub source: &'a str,
    /// The node that wants it.
    pub destination: &'a str,
    /// The group whose limits hold for it.
    pub group: Option<&'a str>,
    /// Its length.
    pub bytes: u64,
    /// Its right to a proportion.
    pub weight: Weight,
    /// Its cap.
    pub cap: Option<Rate>,
    /// Its floor.
    pub floor: Option<Rate>,
    /// When it was asked for.
    pub start: Time,
    /// When its first byte came.
    pub first_byte: Option<Time>,
    /// When its last byte came and was verified; none if it did not.
    pub end: Option<Time>,
    /// Verified bytes that came.
    pub received: u64,
}

/// A peer, as this node saw it.
#[derive(Clone, Copy, Debug)]
pub struct PeerRow<'a> {
    /// Its name.
    pub peer: &'a str,
    /// Its class.
    pub class: &'a str,
    /// The limit of what it sends.
    pub up: Option<Rate>,
    /// The limit of what it receives.
    pub down: Option<Rate>,
    /// Its right to a proportion.
    pub weight: Weight,
    /// When it was first connected.
    pub joined: Option<Time>,
    /// When it left for good; none if it is there.
    pub left: Option<Time>,
    /// How long it was connected in all.
    pub present: Span,
    /// Whether it wanted anything.
    pub wanted: bool,
    /// When it had all that it wanted.
    pub completed: Option<Time>,
    /// Bytes that it sent while it wanted something.
    pub up_as_leecher: u64,
    /// Bytes that it sent when it wanted nothing.
    pub up_as_seed: u64,
    /// Bytes that it received from those who want something.
    pub down_from_leechers: u64,
    /// Bytes that it received from those who want nothing.
    pub down_from_seeds: u64,
    /// Bytes that it received for nothing.
    pub wasted: u64,
}

/// What a flow got in a window of time.
#[derive(Clone, Copy, Debug)]
pub struct WindowRow<'a> {
    /// Length of the window.
    pub window: Span,
    /// When it began.
    pub start: Time,
    /// What the flow is.
    pub kind: FlowKind,
    /// Its name.
    pub flow: &'a str,
    /// Its class.
    pub class: &'a str,
    /// Bytes served.
    pub bytes: u64,
    /// How much of the window it had something waiting.
    pub backlogged: Span,
}

/// The tables of one run, while it goes on. Takes memory only for what the sums need: eight
/// bytes a finished transfer, and a histogram a class.
#[derive(Debug)]
pub struct Tables {
    dir: PathBuf,
    run: RunKeys,
    peers: Writer<BufWriter<File>>,
    transfers: Writer<BufWriter<File>>,
    windows: Writer<BufWriter<File>>,
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
        let table = |name: &str, columns: &[&str]| {
            let mut out = Writer::from_writer(BufWriter::new(new_file(&dir.join(name))?));
            out.write_record(header(run, columns))?;
            Ok::<_, io::Error>(out)
        };
        Ok(Self {
            dir: dir.to_owned(),
            run: run.clone(),
            peers: table("peers.csv", &PEERS)?,
            transfers: table("transfers.csv", &TRANSFERS)?,
            windows: table("windows.csv", &WINDOWS)?,
            latencies: Latencies::default(),
            totals: Totals::default(),
        })
    }

    /// Notes a transfer, once it has ended or the run does.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn transfer(&mut self, row: &TransferRow<'_>) -> io::Result<()> {
        let took = row.end.map(|end| end.since(row.start));
        self.totals.add(row.class, row.bytes, took);
        let own: [String; TRANSFERS.len()] = [
            text(row.transfer),
            text(row.class),
            text(row.source),
            text(row.destination),
            row.group.map(text).unwrap_or_default(),
            row.bytes.to_string(),
            row.weight.to_string(),
            rate(row.cap),
            rate(row.floor),
            at(Some(row.start)),
            at(row.first_byte),
            at(row.end),
            flag(row.end.is_some()),
            number(took.map(Span::as_secs_f64)),
            String::new(),
            String::new(),
            row.received.to_string(),
            String::new(),
            String::new(),
        ];
        put(&mut self.transfers, &self.run, own)
    }

    /// Notes a peer, once it has left or the run ends.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn peer(&mut self, row: &PeerRow<'_>) -> io::Result<()> {
        let took = row.completed.zip(row.joined);
        let took = took.map(|(end, start)| end.since(start).as_secs_f64());
        let own: [String; PEERS.len()] = [
            text(row.peer),
            text(row.class),
            String::new(),
            String::new(),
            rate(row.up),
            rate(row.down),
            row.weight.to_string(),
            at(row.joined),
            at(row.left),
            seconds(Some(row.present)),
            flag(row.wanted),
            if row.wanted {
                flag(row.completed.is_some())
            } else {
                String::new()
            },
            at(row.completed),
            number(took.filter(|_| row.wanted)),
            String::new(),
            String::new(),
            number(share_ratio(row)),
            row.up_as_leecher.to_string(),
            row.up_as_seed.to_string(),
            row.down_from_leechers.to_string(),
            row.down_from_seeds.to_string(),
            row.wasted.to_string(),
            String::new(),
        ];
        put(&mut self.peers, &self.run, own)
    }

    /// Notes what a flow got in a window.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn window(&mut self, row: &WindowRow<'_>) -> io::Result<()> {
        let own: [String; WINDOWS.len()] = [
            seconds(Some(row.window)),
            at(Some(row.start)),
            row.kind.word().to_owned(),
            text(row.flow),
            text(row.class),
            row.bytes.to_string(),
            String::new(),
            seconds(Some(row.backlogged)),
        ];
        put(&mut self.windows, &self.run, own)
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
        let path = |name: &str| self.dir.join(name);
        self.latencies.write_csv(&path("latency.csv"), &self.run)?;
        self.latencies
            .write_log(&path("latency.hlog"), &self.run, end)?;
        self.totals
            .write(&path("runs.csv"), &self.run, end, digest)?;
        result::write_manifest(&self.dir, &self.run)
    }
}

impl FlowKind {
    /// The word for it in tables.
    const fn word(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Transfer => "transfer",
        }
    }
}

/// Names of the keys and the parameters, then `columns`.
fn header(run: &RunKeys, columns: &[&str]) -> Vec<String> {
    let params = run.params.iter().map(|(name, _)| text(name));
    let keys = KEYS.into_iter().map(str::to_owned);
    let columns = columns.iter().map(|column| (*column).to_owned());
    keys.chain(params).chain(columns).collect()
}

/// Writes one row: the keys and the row's own values.
fn put<W: io::Write>(
    out: &mut Writer<W>,
    run: &RunKeys,
    own: impl IntoIterator<Item = String>,
) -> io::Result<()> {
    let keys = [
        run.run.clone(),
        run.seed.to_string(),
        run.replication.to_string(),
        text(&run.cell),
    ];
    let params = run.params.iter().map(|(_, value)| text(value));
    out.write_record(keys.into_iter().chain(params).chain(own))?;
    Ok(())
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
    let down = row.down_from_leechers.saturating_add(row.down_from_seeds);
    (row.wanted && down > 0).then(|| row.up_as_leecher as f64 / down as f64)
}

fn rate(rate: Option<Rate>) -> String {
    rate.map_or_else(String::new, |rate| rate.get().to_string())
}

fn at(time: Option<Time>) -> String {
    seconds(time.map(|time| time.since(Time::ZERO)))
}

fn flag(yes: bool) -> String {
    u8::from(yes).to_string()
}

#[cfg(test)]
mod tests;
