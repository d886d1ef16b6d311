//! Runs with real nodes: what a program that has such nodes gives to the runner.
//!
//! The lab itself has none: `fairhaul-emulate` does, and builds on the lab.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use fairhaul_results::{CpuUse, EmulatedFacts, TRUSTED_MAX_PCT};
use fairhaul_simulator::alone::Alone;
use fairhaul_simulator::record::Record;
use fairhaul_simulator::setup::Setup;
use indicatif::ProgressBar;

use super::{Job, JobError, Run, RunFailure};
use crate::output::Results;
use crate::scenario::Scenario;

/// Name of the metric of a run that says how busy its machine was.
pub const MACHINE_CPU: &str = "machine_cpu_pct";

/// Real nodes on which scenarios are played: the world beside virtual time.
pub trait RealNodes: Debug + Send + Sync {
    /// What the manifest says of them; how busy the machine was is filled in by the runner.
    fn facts(&self) -> EmulatedFacts;

    /// A line that stands for them in the plan of a result: runs of different places or speeds
    /// are not mixed.
    fn key(&self) -> String;

    /// The command of the lab that plays on them, such as `emulate`, and the options behind the
    /// scenario that it needs to do so again.
    fn command(&self) -> (&'static str, String);

    /// Refuses a setup that they cannot play, before the first run.
    ///
    /// # Errors
    ///
    /// What of it, and what is allowed.
    fn check(&self, setup: &Setup) -> Result<(), RealError>;

    /// Makes ready for these setups: reaches machines, sends programs.
    ///
    /// # Errors
    ///
    /// Which machine cannot be used, and why.
    fn ready(&self, setups: &[Setup]) -> Result<(), RealError>;

    /// Plays one run, called `name`. Everything that it needed is gone when this returns.
    ///
    /// # Errors
    ///
    /// Why it could not be played.
    fn play(
        &self,
        setup: &Setup,
        name: &str,
        bar: &ProgressBar,
    ) -> Result<(Record, CpuUse), RealError>;
}

/// Why real nodes did not do something: one line, and the exit code that a program has for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RealError {
    /// The exit code.
    pub code: u8,
    /// The line.
    pub message: String,
}

impl RealError {
    /// The exit code of a person's interruption.
    pub const INTERRUPTED: u8 = 130;

    /// An error with this exit code.
    #[must_use]
    pub fn new(code: u8, error: impl ToString) -> Self {
        Self {
            code,
            message: error.to_string(),
        }
    }

    /// Whether a person ended it.
    #[must_use]
    pub const fn is_interruption(&self) -> bool {
        self.code == Self::INTERRUPTED
    }
}

impl From<RealError> for JobError {
    fn from(error: RealError) -> Self {
        if error.is_interruption() {
            Self::Interrupted
        } else {
            Self::Real(error)
        }
    }
}

/// Refuses a plan that real nodes cannot play.
pub(super) fn check(nodes: &dyn RealNodes, runs: &[Run]) -> Result<(), JobError> {
    for run in runs {
        nodes.check(&run.cell.resolve(run.replication)?)?;
    }
    Ok(())
}

/// Makes ready for these runs.
pub(super) fn ready(nodes: &dyn RealNodes, runs: &[&Run]) -> Result<(), JobError> {
    let setups = runs.iter().map(|run| run.cell.resolve(run.replication));
    let setups = setups.collect::<Result<Vec<Setup>, _>>()?;
    Ok(nodes.ready(&setups)?)
}

/// One run, with its record kept in `write`. Times alone are those of the simulated lone runs: on
/// real nodes each would take as long as the run itself.
pub(super) fn one(
    nodes: &dyn RealNodes,
    run: &Run,
    (alone, bar): (&Alone, &ProgressBar),
    write: impl FnOnce(&Setup, &Record, CpuUse) -> Result<(), JobError>,
) -> Result<Result<Record, RunFailure>, JobError> {
    let setup = run.cell.resolve(run.replication)?;
    match nodes.play(&setup, &run.name, bar) {
        Ok((mut record, used)) => {
            alone.measure(&setup, &mut record);
            write(&setup, &record, used)?;
            if !used.is_trustworthy() {
                bar.suspend(|| eprintln!("{}", warning(&run.name, used.mean_pct)));
            }
            Ok(Ok(record))
        }
        Err(error) if error.is_interruption() => Err(JobError::Interrupted),
        Err(error) => Ok(Err(RunFailure::Real(error))),
    }
}

/// What a person is told of a run that cannot be trusted.
fn warning(run: &str, pct: f64) -> String {
    format!(
        "warning: {run}: the machine was {pct:.0} % busy, above {TRUSTED_MAX_PCT:.0} %; not \
         trustworthy"
    )
}

/// The line of a result that cannot be trusted; none of one that can, or was simulated.
#[must_use]
pub fn distrust(results: &Results) -> Option<String> {
    let worst = busiest(results)?;
    (worst > TRUSTED_MAX_PCT).then(|| {
        format!(
            "NOT TRUSTWORTHY: the machine was up to {worst:.0} % busy; allowed {TRUSTED_MAX_PCT:.0} %"
        )
    })
}

/// How busy the machine was in the worst run.
fn busiest(results: &Results) -> Option<f64> {
    let metric = results.metric(MACHINE_CPU)?;
    let values = results.cells.iter().flat_map(|cell| cell.values(metric));
    values.reduce(f64::max)
}

/// What the manifest says of how a result came about.
pub(super) fn facts(nodes: &dyn RealNodes, results: &Results) -> EmulatedFacts {
    let worst = busiest(results).unwrap_or(0.0);
    EmulatedFacts {
        machine_cpu_pct: format!("{worst:.1}"),
        trustworthy: worst <= TRUSTED_MAX_PCT,
        ..nodes.facts()
    }
}

/// The command that repeats one run.
pub(super) fn again(job: &Job, run: &Run) -> String {
    let (command, more) = match &job.world {
        super::World::Real(nodes) => nodes.command(),
        super::World::Simulated => ("run", String::new()),
    };
    let file: &Path = &job.file;
    format!(
        "fairlab {command} {} --cell {} --replication {}{more}",
        file.display(),
        run.cell.index(),
        run.replication
    )
}

/// Where a result of `world` (`emulated`, `deployed`) goes if nobody says.
#[must_use]
pub fn default_out(scenario: &Scenario, world: &str) -> PathBuf {
    Path::new("out").join(format!("{}-{world}", scenario.plan().name))
}
