//! A finished result, read back for a comparison from the tables of its runs.
//!
//! A table without the columns that are needed is refused, or with something else than a number
//! where one belongs. A table that the scenario did not keep has no rows.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use csv::{Reader, StringRecord};

use super::CPU;
use crate::output::{CellRuns, OutputError, ResultManifest, Results, read_manifest};

/// A flow counts in a window if it was backlogged for at least this part of it: what is
/// missing is the first round trip of a flow that starts with the window.
const WHOLE: f64 = 0.99;

/// A result.
#[derive(Debug)]
pub(super) struct World {
    pub(super) path: PathBuf,
    pub(super) manifest: ResultManifest,
    pub(super) results: Results,
    runs: BTreeMap<String, Run>,
}

/// What the tables say of a run.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) cpu_pct: Option<f64>,
    pub(super) peers: Vec<Peer>,
    pub(super) transfers: Vec<Transfer>,
    pub(super) windows: Vec<Window>,
}

/// A peer that wanted something.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) class: String,
    /// When it had everything.
    pub(super) completed_s: Option<f64>,
    /// How long that took.
    pub(super) completion_s: Option<f64>,
}

/// A transfer.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) name: String,
    pub(super) class: String,
    pub(super) bytes: f64,
    pub(super) completion_s: Option<f64>,
}

/// A flow in a window.
#[derive(Debug)]
pub(super) struct Window {
    /// Length of the window in seconds, as the table has it.
    pub(super) length: String,
    /// Start of the window in seconds, as the table has it.
    pub(super) start: String,
    /// Whether the flow is what a peer of a swarm gets.
    pub(super) of_peer: bool,
    pub(super) flow: String,
    pub(super) class: String,
    pub(super) bytes: f64,
    /// Whether it had demand from end to end.
    pub(super) whole: bool,
}

/// The same replication of the same cell in both worlds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Twin<'a> {
    pub(super) replication: u32,
    pub(super) simulated: &'a Run,
    pub(super) emulated: &'a Run,
}

impl World {
    /// Reads the finished result in `dir`.
    pub(super) fn read(dir: &Path) -> Result<Self, OutputError> {
        let manifest = read_manifest(dir)?;
        let results = Results::read(dir)?;
        let cpu = results.metric(CPU);
        let runs = results.cells.iter().flat_map(|cell| &cell.runs);
        let runs = runs.map(|run| {
            let cpu_pct = cpu.and_then(|at| run.values.get(at).copied().flatten());
            let found = Run {
                cpu_pct,
                ..Run::default()
            };
            (run.run.clone(), found)
        });
        let mut this = Self {
            path: dir.to_owned(),
            manifest,
            runs: runs.collect(),
            results,
        };
        this.read_peers()?;
        this.read_transfers()?;
        this.read_windows()?;
        Ok(this)
    }

    fn read_peers(&mut self) -> Result<(), OutputError> {
        let columns = ["class", "wanted", "completed_s", "completion_s"];
        self.each_row("peers.csv", columns, |run, [class, wanted, at, took]| {
            if wanted == "1" {
                run.peers.push(Peer {
                    class: class.to_owned(),
                    completed_s: optional(at)?,
                    completion_s: optional(took)?,
                });
            }
            Ok(())
        })
    }

    fn read_transfers(&mut self) -> Result<(), OutputError> {
        let columns = ["transfer", "class", "bytes", "completion_s"];
        self.each_row(
            "transfers.csv",
            columns,
            |run, [name, class, bytes, took]| {
                run.transfers.push(Transfer {
                    name: name.to_owned(),
                    class: class.to_owned(),
                    bytes: needed(bytes)?,
                    completion_s: optional(took)?,
                });
                Ok(())
            },
        )
    }

    fn read_windows(&mut self) -> Result<(), OutputError> {
        let columns = [
            "window_s",
            "start_s",
            "flow_kind",
            "flow",
            "class",
            "bytes",
            "backlogged_s",
        ];
        self.each_row("windows.csv", columns, |run, fields| {
            let [length, start, kind, flow, class, bytes, backlogged] = fields;
            run.windows.push(Window {
                length: length.to_owned(),
                start: start.to_owned(),
                of_peer: kind == "peer",
                flow: flow.to_owned(),
                class: class.to_owned(),
                bytes: needed(bytes)?,
                whole: needed(backlogged)? >= WHOLE * needed(length)?,
            });
            Ok(())
        })
    }

    /// Gives `take` the named columns of each row of a table, with the run that the row is of.
    fn each_row<const N: usize>(
        &mut self,
        file: &str,
        columns: [&str; N],
        mut take: impl FnMut(&mut Run, [&str; N]) -> Result<(), String>,
    ) -> Result<(), OutputError> {
        let path = self.path.join(file);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(OutputError::io(&path)(error)),
        };
        let bad = |line: u64, what: String| OutputError::BadTable {
            path: path.clone(),
            line,
            what,
        };
        let mut reader = Reader::from_reader(bytes.as_slice());
        let header = reader.headers().cloned().map_err(OutputError::csv(&path))?;
        let place = |name: &str| {
            let found = header.iter().position(|column| column == name);
            found.ok_or_else(|| bad(1, format!("no column {name}")))
        };
        let key = place("run")?;
        let mut places = [0; N];
        for (at, name) in places.iter_mut().zip(columns) {
            *at = place(name)?;
        }
        for row in reader.records() {
            let row: StringRecord = row.map_err(OutputError::csv(&path))?;
            let line = row.position().map_or(0, csv::Position::line);
            let name = row.get(key).unwrap_or_default();
            let run = self.runs.get_mut(name);
            let run = run.ok_or_else(|| bad(line, format!("run {name:?} is not in runs.csv")))?;
            let fields = places.map(|at| row.get(at).unwrap_or_default());
            take(run, fields).map_err(|what| bad(line, what))?;
        }
        Ok(())
    }
}

/// Replications of `cell` that both worlds have, in their order.
pub(super) fn twins<'a>(sim: &'a World, emu: &'a World, cell: &CellRuns) -> Vec<Twin<'a>> {
    let mut others = emu.results.cells.iter();
    let other = others.find(|other| other.cell == cell.cell && other.params == cell.params);
    let Some(other) = other else {
        return Vec::new();
    };
    let mut twins: Vec<Twin<'a>> = cell
        .runs
        .iter()
        .filter_map(|run| {
            let mut others = other.runs.iter();
            let twin = others.find(|twin| twin.replication == run.replication)?;
            Some(Twin {
                replication: run.replication,
                simulated: sim.runs.get(&run.run)?,
                emulated: emu.runs.get(&twin.run)?,
            })
        })
        .collect();
    twins.sort_by_key(|twin| twin.replication);
    twins
}

fn optional(field: &str) -> Result<Option<f64>, String> {
    if field.is_empty() {
        return Ok(None);
    }
    needed(field).map(Some)
}

fn needed(field: &str) -> Result<f64, String> {
    let value: Option<f64> = field.parse().ok();
    let value = value.filter(|value| value.is_finite());
    value.ok_or_else(|| format!("{field:?} is not a number"))
}
