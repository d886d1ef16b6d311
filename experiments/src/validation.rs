//! One scenario in two worlds: how far the emulated result is from the simulated one.
//!
//! Decides what is paired and what an error is. Refuses results of different scenarios or
//! seeds, and results that share no run: a difference between those says nothing about the
//! worlds. Never hides that a machine was too busy to be believed: that is a warning beside
//! the numbers, and a column in the table.
//!
//! Runs are paired by the name of their cell and their replication: both worlds draw the
//! same numbers for the same replication. What is compared in a cell:
//!
//! | quantity | of | error |
//! | --- | --- | --- |
//! | `completion` | transfers that are not small, each with itself; peers of a swarm | mean of emulated / simulated - 1 |
//! | `completion_abs` | the same | mean of its size, over items |
//! | `completion_worst` | the same | of the item that is farthest off, and its name |
//! | `makespan` | the last peer of a swarm that completes | emulated / simulated - 1 |
//! | `small_p50`, `small_p99` | completion times of a class of small transfers, pooled | emulated / simulated - 1 |
//! | `share` | a class among the flows that are backlogged | emulated - simulated, points |
//! | `share_abs_WINDOW`, `share_worst_WINDOW` | each flow in each window of a length | mean and largest size, points |
//! | `finished` | peers or transfers that end | emulated - simulated in the replication that is farthest off |
//!
//! Peers of one class of a swarm are exchangeable: nothing but chance tells which of them is
//! first, and chance differs between the worlds. So they are not compared by name. Their
//! completion times are sorted within the class, and the first is compared with the first,
//! the median with the median, the last with the last; shares of a swarm are those of
//! classes. Transfers have an identity (a source, a size, a weight), and are compared by it.
//!
//! An interval is of 95 % over replications, of which each is one observation; one
//! replication has none. A verdict goes by the error itself: the interval says how far to
//! believe it.

mod completion;
mod finished;
mod plan;
mod shares;
mod small;
mod table;
mod world;

use std::path::{Path, PathBuf};

use crate::output::{EmulatedFacts, OutputError, refresh_digests, write_whole};
use fairhaul_results::Speed;

use world::{Twin, World};

/// Name of the table in the directory of the emulated result.
pub const TABLE: &str = "worlds.csv";

/// Aim for completion times: error in percent.
pub const AIM_COMPLETION_PCT: f64 = 5.0;
/// Aim for shares: error in percentage points.
pub const AIM_SHARE_POINTS: f64 = 2.0;
/// Aim for the median of small transfers: error in percent.
pub const AIM_SMALL_P50_PCT: f64 = 15.0;
/// Aim for the 99th percentile of small transfers: error in percent.
pub const AIM_SMALL_P99_PCT: f64 = 30.0;
/// Above this use of all its cores, in percent, what a machine emulates is not to be trusted.
pub const BUSY_PCT: f64 = 80.0;

/// What the manifest of a simulated result calls its world.
const SIMULATED: &str = "simulated";

/// Column of the table of runs with the use of all cores while a run went on, in percent.
const CPU: &str = "machine_cpu_pct";

/// Two results of one scenario, compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Worlds {
    /// What the manifest calls the world of real nodes: `emulated` or `deployed`.
    pub world: String,
    /// Name of the scenario.
    pub scenario: String,
    /// What was compared, by cell in the order of the simulated result.
    pub rows: Vec<Row>,
    /// What a reader has to know before believing the rows: a line each.
    pub warnings: Vec<String>,
}

/// A quantity of a cell in both worlds.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Name of the cell.
    pub cell: String,
    /// What the cell is called beside the others of its result.
    pub label: String,
    /// The most that the machine was used in an emulated run of the cell, in percent.
    pub cpu_pct: Option<f64>,
    /// What was found.
    pub found: Found,
}

/// What a quantity is in both worlds, and how far they are apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Which quantity; the module says what each means.
    pub quantity: String,
    /// Class of the peers or transfers; empty where it is about all.
    pub class: String,
    /// Unit of `simulated` and `emulated`.
    pub unit: &'static str,
    /// Mean of the simulated runs; none where one number says nothing.
    pub simulated: Option<f64>,
    /// Mean of the emulated runs; none where one number says nothing.
    pub emulated: Option<f64>,
    /// How far emulated is from simulated, in `error_unit`.
    pub error: f64,
    /// Unit of the error: `%`, `points` or `count`.
    pub error_unit: &'static str,
    /// 95 % interval of the error over replications.
    pub interval: Option<(f64, f64)>,
    /// The size of the error that is aimed for.
    pub aim: f64,
    /// Replications that have it in both worlds.
    pub n: usize,
    /// The transfer, rank or flow that the row is about, if it is about one.
    pub item: String,
}

impl Found {
    /// Whether the error is no larger than the aim.
    #[must_use]
    pub fn within(&self) -> bool {
        self.error.abs() <= self.aim
    }

    /// The word for it in tables.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        if self.within() { "within" } else { "outside" }
    }
}

/// Why two results cannot be compared: one line.
#[derive(Debug, thiserror::Error)]
pub enum WorldsError {
    /// They are of different scenarios.
    #[error("{} and {}: of different scenarios: {what}", simulated.display(), emulated.display())]
    OtherScenario {
        /// The first result.
        simulated: PathBuf,
        /// The second result.
        emulated: PathBuf,
        /// Where they differ.
        what: String,
    },
    /// No cell has a replication in both.
    #[error("{} and {}: no run of the same cell and replication in both", simulated.display(), emulated.display())]
    NothingShared {
        /// The first result.
        simulated: PathBuf,
        /// The second result.
        emulated: PathBuf,
    },
    /// The worlds are the wrong way round, or the same.
    #[error("{}: a result of the {got} world; allowed here is one of the {allowed} world", path.display())]
    WrongWorld {
        /// The result.
        path: PathBuf,
        /// Its world.
        got: String,
        /// What belongs there.
        allowed: &'static str,
    },
    /// A result could not be read, or the table not written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl WorldsError {
    /// The exit code that the program documents for it: 2 for usage, 3 for files.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::OtherScenario { .. } | Self::NothingShared { .. } | Self::WrongWorld { .. } => 2,
            Self::Output(_) => 3,
        }
    }
}

/// Compares the finished result in `emulated` with the one in `simulated`.
///
/// # Errors
///
/// [`WorldsError`].
pub fn compare_worlds(simulated: &Path, emulated: &Path) -> Result<Worlds, WorldsError> {
    let [sim, emu] = [World::read(simulated)?, World::read(emulated)?];
    check_worlds(&sim, &emu)?;
    let scenario =
        plan::same(&sim.manifest, &emu.manifest).map_err(|what| WorldsError::OtherScenario {
            simulated: simulated.to_owned(),
            emulated: emulated.to_owned(),
            what,
        })?;
    let mut rows = Vec::new();
    let emulated_facts = emu.manifest.emulated.as_ref();
    let mut warnings = emulated_facts.map_or_else(Vec::new, doubts);
    let mut shared = false;
    for cell in &sim.results.cells {
        let twins = world::twins(&sim, &emu, cell);
        if twins.is_empty() {
            continue;
        }
        shared = true;
        let cpu_pct = twins.iter().filter_map(|twin| twin.emulated.cpu_pct);
        let cpu_pct = cpu_pct.max_by(f64::total_cmp);
        warnings.extend(too_busy(&cell.cell, cpu_pct));
        if shares::is_blind(&twins) {
            warnings.push(format!(
                "cell {}: no window in which the same flows are backlogged in both worlds",
                cell.cell
            ));
        }
        rows.extend(found(&twins).into_iter().map(|found| Row {
            cell: cell.cell.clone(),
            label: sim.results.label(cell),
            cpu_pct,
            found,
        }));
    }
    if !shared {
        return Err(WorldsError::NothingShared {
            simulated: simulated.to_owned(),
            emulated: emulated.to_owned(),
        });
    }
    Ok(Worlds {
        world: emu.manifest.world,
        scenario,
        rows,
        warnings,
    })
}

/// Writes the table of `worlds` to `out`, or into the directory of the emulated result, whose
/// manifest then has its digest. Returns where it is.
///
/// # Errors
///
/// [`WorldsError::Output`].
pub fn write_table(
    worlds: &Worlds,
    emulated: &Path,
    out: Option<&Path>,
) -> Result<PathBuf, WorldsError> {
    let bytes = table::bytes(worlds);
    if let Some(out) = out {
        write_whole(out, &bytes)?;
        return Ok(out.to_owned());
    }
    let path = emulated.join(TABLE);
    write_whole(&path, &bytes)?;
    refresh_digests(emulated)?;
    Ok(path)
}

fn found(twins: &[Twin<'_>]) -> Vec<Found> {
    let mut found = completion::transfers(twins);
    found.extend(completion::swarm(twins));
    found.extend(small::latency(twins));
    found.extend(shares::shares(twins));
    found.extend(finished::finished(twins));
    found
}

/// The first result is simulated, the second is not.
fn check_worlds(sim: &World, emu: &World) -> Result<(), WorldsError> {
    let wrong = |world: &World, allowed| {
        Err(WorldsError::WrongWorld {
            path: world.path.clone(),
            got: world.manifest.world.clone(),
            allowed,
        })
    };
    if sim.manifest.world != SIMULATED {
        return wrong(sim, SIMULATED);
    }
    if emu.manifest.world == SIMULATED {
        return wrong(emu, "emulated");
    }
    Ok(())
}

/// What the manifest of the emulated result says against it.
fn doubts(facts: &EmulatedFacts) -> Vec<String> {
    let mut doubts = Vec::new();
    if facts.links == "none" {
        doubts.push("the links were not shaped: nothing kept their rates".to_owned());
    }
    if facts.links == "caps" {
        doubts.push(
            "the links' rates were kept by the nodes' own caps; delays were the machines'"
                .to_owned(),
        );
    }
    if facts.speed != Speed::ONE {
        doubts.push(format!("time went {} times as fast", facts.speed));
    }
    if !facts.trustworthy {
        doubts.push(format!(
            "the result is marked as not trustworthy: the machine was used to {} %",
            facts.machine_cpu_pct
        ));
    }
    doubts
}

fn too_busy(cell: &str, cpu_pct: Option<f64>) -> Option<String> {
    let used = cpu_pct.filter(|used| *used > BUSY_PCT)?;
    Some(format!(
        "cell {cell}: the machine was used to {used:.0} %, above {BUSY_PCT:.0} %: \
         what it emulated is not to be trusted"
    ))
}

#[cfg(test)]
mod tests;
