//! Runs of a scenario, in parallel, in any order, each kept as soon as it is finished.
//!
//! Decides which runs there are and what they are called; refuses to hide a failure: it is
//! reported at once, with the command that repeats it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use fairhaul_simulator::alone::Alone;
use fairhaul_simulator::record::Record;
use fairhaul_simulator::setup::Setup;
use fairhaul_simulator::world::{self, RunError};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;

use crate::compare;
use crate::output::{Existing, Facts, OutputError, ResultDir, Results, RunRow};
use crate::report;
use crate::scenario::{BadFile, Cell, Scenario};
use fairhaul_results::CpuUse;

mod real;
mod shard;

pub use real::{MACHINE_CPU, RealError, RealNodes, default_out, distrust};
pub use shard::{SHARDS_MAX, Shard, ShardError, merge};

/// In which world a scenario is run.
#[derive(Clone, Debug)]
pub enum World {
    /// In virtual time.
    Simulated,
    /// With real nodes.
    Real(Arc<dyn RealNodes>),
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunFailure {
    /// In virtual time.
    #[error(transparent)]
    Simulated(#[from] RunError),
    /// With real nodes.
    #[error(transparent)]
    Real(#[from] RealError),
}

/// What to run, and where to put it.
#[derive(Clone, Debug)]
pub struct Job {
    /// The file, as the user named it.
    pub file: PathBuf,
    /// The directory of the result.
    pub out: PathBuf,
    /// Only this cell; none runs all.
    pub cell: Option<u32>,
    /// Which replications of each cell.
    pub replications: std::ops::Range<u32>,
    /// Only this part of the runs, into a folder of its own; none makes all, and their tables.
    pub shard: Option<Shard>,
    /// What becomes of a result that is there already.
    pub existing: Existing,
    /// Threads; none takes one for each core.
    pub jobs: Option<usize>,
    /// The command that makes the result again.
    pub command: String,
    /// Whether to draw the figures and the page as well.
    pub figures: bool,
    /// In which world.
    pub world: World,
}

impl Job {
    /// Where its runs go: the result, or the part of it that is made.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        let part = self.shard.map(|shard| shard.folder(&self.out));
        part.unwrap_or_else(|| self.out.clone())
    }
}

/// What became of a job.
#[derive(Debug)]
pub struct JobOutcome {
    /// The result, of the runs that did not fail.
    pub results: Option<Results>,
    /// Runs that failed, with their reasons.
    pub failed: Vec<(String, RunFailure)>,
    /// Runs that were there already.
    pub kept: usize,
    /// Runs that were to be made.
    pub wanted: usize,
    /// Digest of each run made now, in the order of the plan.
    pub digests: Vec<(String, String)>,
}

/// Why a job could not be done at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The scenario.
    #[error(transparent)]
    Bad(#[from] BadFile),
    /// The result.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The comparison with the baseline.
    #[error(transparent)]
    Compare(#[from] compare::CompareError),
    /// The figures.
    #[error("threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// Real nodes cannot play it, or cannot be had.
    #[error(transparent)]
    Real(RealError),
    /// A person wanted it to end. What is finished is kept.
    #[error("interrupted")]
    Interrupted,
    /// Parts of a sweep.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// More or fewer threads than make sense.
    #[error("--jobs: got {0}; allowed 1 to {JOBS_MAX}, and without it one for each core")]
    Jobs(usize),
    /// Nothing to run.
    #[error("--replications: got {0}; allowed 1 to {REPLICATIONS_MAX}")]
    Replications(u32),
    /// A cell that the sweep does not have.
    #[error("--cell: got {got}; allowed 0 to {last}")]
    NoCell {
        /// What was asked for.
        got: u32,
        /// The last one there is.
        last: usize,
    },
}

/// Threads at most.
const JOBS_MAX: usize = 1_024;

/// Replications of a cell at most.
const REPLICATIONS_MAX: u32 = 100_000;

/// Runs with the digest of each.
type Digests = Vec<(String, String)>;

/// Runs that failed, with their reasons.
type Failures = Vec<(String, RunFailure)>;

struct Run {
    name: String,
    cell: Cell,
    replication: u32,
}

/// Runs a job to its end.
///
/// # Errors
///
/// A fault of the scenario or of the disk. Runs that fail are in the outcome.
pub fn run(scenario: &Scenario, job: &Job) -> Result<JobOutcome, JobError> {
    let runs = plan(scenario, job)?;
    if let Some(shard) = job.shard {
        return shard::run(scenario, job, shard, &runs);
    }
    let key = key(scenario, job);
    if let World::Real(nodes) = &job.world {
        real::check(nodes.as_ref(), &runs)?;
    }
    if let Some(outcome) = nothing_to_do(scenario, job, &key, &runs)? {
        return Ok(outcome);
    }
    let dir = ResultDir::begin(&job.out, &key, &job.command, job.existing)?;
    let dir = dir.with_files(&scenario.plan().files);
    let todo: Vec<&Run> = runs.iter().filter(|run| !dir.is_done(&run.name)).collect();
    let kept = dir.done()?;
    eprintln!("seed {}, {} runs", scenario.plan().rng_seed, runs.len());
    if let World::Real(nodes) = &job.world {
        real::ready(nodes.as_ref(), &todo)?;
    }
    let (digests, failed) = make(scenario, job, &todo, &dir, kept.len())?;
    let mut names: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
    let mut command = job.command.clone();
    let own: BTreeSet<&str> = names.iter().copied().collect();
    let others = kept.iter().map(String::as_str);
    let others: Vec<&str> = others.filter(|name| !own.contains(name)).collect();
    let first = ResultDir::command_of(dir.path()).filter(|_| !others.is_empty());
    if let Some(first) = first {
        command = format!("{first} && {command}");
    }
    names.extend(others);
    names.sort_by_key(|name| order(name));
    let results = finish(scenario, job, dir, &names, (key, command), failed.len())?;
    Ok(JobOutcome {
        results,
        failed,
        kept: kept.len(),
        wanted: names.len(),
        digests,
    })
}

/// What stands for everything that decides the runs of a job. Runs of different builds are not
/// mixed: the manifest could not say which is of which.
fn key(scenario: &Scenario, job: &Job) -> String {
    let mut key = format!(
        "{} {}\n{}",
        env!("CARGO_PKG_VERSION"),
        env!("FAIRHAUL_COMMIT"),
        scenario.plan_text()
    );
    if let World::Real(nodes) = &job.world {
        key += &nodes.key();
    }
    key
}

/// The finished result that is there, if every run of it that a job wants is.
fn nothing_to_do(
    scenario: &Scenario,
    job: &Job,
    key: &str,
    runs: &[Run],
) -> Result<Option<JobOutcome>, JobError> {
    if job.existing != Existing::Resume {
        return Ok(None);
    }
    let Some(there) = ResultDir::finished_runs(&job.out, key)? else {
        return Ok(None);
    };
    let there: BTreeSet<String> = there.into_iter().collect();
    if runs.iter().any(|run| !there.contains(&run.name)) {
        return Ok(None);
    }
    eprintln!("nothing to do: all {} runs are there", runs.len());
    Ok(Some(JobOutcome {
        results: Some(Results::read_judged(&job.out, &scenario.resolved_toml())?),
        failed: Vec::new(),
        kept: runs.len(),
        wanted: runs.len(),
        digests: Vec::new(),
    }))
}

/// Makes runs on all threads: the digest of each, and those that failed, each in the order of
/// their names.
fn make(
    scenario: &Scenario,
    job: &Job,
    todo: &[&Run],
    dir: &ResultDir,
    kept: usize,
) -> Result<(Digests, Failures), JobError> {
    let bar = progress_bar(todo.len(), kept);
    let alone = Alone::default();
    let failed = Mutex::new(Vec::new());
    let digests = Mutex::new(Vec::new());
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(job.jobs.unwrap_or(0))
        .build()?;
    pool.install(|| {
        todo.par_iter().try_for_each(|run| -> Result<(), JobError> {
            match one(scenario, job, run, dir, (&alone, &bar))? {
                Ok(digest) => lock(&digests).push((run.name.clone(), digest)),
                Err(error) => {
                    bar.suspend(|| complain(job, run, &error));
                    lock(&failed).push((run.name.clone(), error));
                }
            }
            bar.inc(1);
            Ok(())
        })
    })?;
    bar.finish_and_clear();
    let mut failed = failed
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    failed.sort_by(|one, other| one.0.cmp(&other.0));
    let mut digests = digests
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    digests.sort();
    Ok((digests, failed))
}

/// What a run is called, and so where it stands in the tables.
fn name_of(cell: u32, replication: u32) -> String {
    format!("c{cell:04}.r{replication:04}")
}

/// Cell and replication of a run, by its name. Names alone would put r10000 before r9999.
fn order(name: &str) -> Option<(u32, u32)> {
    let (cell, replication) = name.strip_prefix('c')?.split_once(".r")?;
    Some((cell.parse().ok()?, replication.parse().ok()?))
}

fn plan(scenario: &Scenario, job: &Job) -> Result<Vec<Run>, JobError> {
    if let Some(jobs) = job.jobs.filter(|jobs| !(1..=JOBS_MAX).contains(jobs)) {
        return Err(JobError::Jobs(jobs));
    }
    if job.replications.is_empty() || job.replications.end > REPLICATIONS_MAX {
        return Err(JobError::Replications(job.replications.end));
    }
    let cells = scenario.cells();
    if let Some(got) = job.cell.filter(|cell| *cell as usize >= cells.len()) {
        return Err(JobError::NoCell {
            got,
            last: cells.len() - 1,
        });
    }
    let chosen = cells
        .into_iter()
        .filter(|cell| job.cell.is_none_or(|only| only == cell.index()));
    let runs = chosen.flat_map(|cell| {
        job.replications.clone().map(move |replication| Run {
            name: name_of(cell.index(), replication),
            cell: cell.clone(),
            replication,
        })
    });
    Ok(runs.collect())
}

fn one(
    scenario: &Scenario,
    job: &Job,
    run: &Run,
    dir: &ResultDir,
    (alone, bar): (&Alone, &ProgressBar),
) -> Result<Result<String, RunFailure>, JobError> {
    let write = |setup: &Setup, record: &Record, machine: Option<CpuUse>| {
        dir.write(&RunRow {
            run: &run.name,
            cell: &run.cell.label(),
            params: &run.cell.parameters(),
            seed: scenario.plan().rng_seed,
            replication: run.replication,
            setup,
            record,
            machine,
        })
    };
    if let World::Real(nodes) = &job.world {
        let done = real::one(nodes.as_ref(), run, (alone, bar), |setup, record, used| {
            Ok(write(setup, record, Some(used))?)
        })?;
        return Ok(done.map(|record| hex(&record.digest)));
    }
    let setup = run.cell.resolve(run.replication)?;
    let mut record = match world::run(&setup, &mut |progress| {
        bar.set_message(format!(
            "{} at {:.0} s",
            run.name,
            progress.now.as_secs_f64()
        ));
    }) {
        Ok(record) => record,
        Err(error) => return Ok(Err(error.into())),
    };
    alone.measure(&setup, &mut record);
    write(&setup, &record, None)?;
    Ok(Ok(hex(&record.digest)))
}

fn complain(job: &Job, run: &Run, error: &RunFailure) {
    eprintln!("run {} ({}) failed: {error}", run.name, run.cell.label());
    let again = real::again(job, run);
    eprintln!("  repeat it with: {again}");
}

/// Puts the tables together. A result with failed runs stays unfinished: a later `--resume`
/// runs only those.
fn finish(
    scenario: &Scenario,
    job: &Job,
    dir: ResultDir,
    names: &[&str],
    (plan, command): (String, String),
    failed: usize,
) -> Result<Option<Results>, JobError> {
    let path = dir.path().to_owned();
    if failed > 0 {
        dir.assemble(names)?;
        if failed == names.len() {
            return Ok(None);
        }
        let results = Results::read_judged(&path, &scenario.resolved_toml())?;
        compare::write_summary(&path, &results)?;
        return Ok(Some(results));
    }
    let emulated = match &job.world {
        World::Simulated => None,
        World::Real(nodes) => {
            dir.assemble(names)?;
            Some(real::facts(nodes.as_ref(), &Results::read(&path)?))
        }
    };
    let facts = Facts {
        name: scenario.plan().name.clone(),
        plan,
        emulated,
        scenario: scenario.resolved_toml(),
        seed: Some(scenario.plan().rng_seed),
        command,
        runs: names.len(),
    };
    let baseline = baseline(scenario, job);
    let (results, _) = compare::conclude(dir, names, &facts, baseline.as_deref())?;
    if job.figures {
        report::write(&path)?;
    }
    Ok(Some(results))
}

/// What the cells of a job are compared with, as `key=value`; none of a single cell.
fn baseline(scenario: &Scenario, job: &Job) -> Option<String> {
    let all_cells = job.cell.is_none() && scenario.cells().len() > 1;
    let baseline = scenario.plan().baseline.as_ref().filter(|_| all_cells);
    baseline.map(|(key, value)| format!("{key}={value}"))
}

/// Refuses to divide a job into more parts than it has runs, or into none.
///
/// # Errors
///
/// What of the job cannot be run, or that `option` asks for too many parts.
pub fn check_parts(
    scenario: &Scenario,
    job: &Job,
    (option, of): (&'static str, u32),
) -> Result<(), JobError> {
    let runs = plan(scenario, job)?.len();
    Ok(shard::check_count(option, of, runs)?)
}

/// A bar on standard error that shows only on a terminal.
///
/// # Panics
///
/// Never: its template is a constant.
#[must_use]
pub fn progress_bar(runs: usize, kept: usize) -> ProgressBar {
    let bar = ProgressBar::new(runs as u64);
    let style = ProgressStyle::with_template(
        "{spinner} {pos}/{len} runs  {wide_bar}  {elapsed} so far, {eta} to go  {msg}",
    );
    bar.set_style(style.expect("the template is a constant"));
    if kept > 0 {
        bar.println(format!("{kept} runs kept from before"));
    }
    bar.enable_steady_tick(std::time::Duration::from_millis(200));
    bar
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
