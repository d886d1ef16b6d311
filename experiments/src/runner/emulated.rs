//! Runs with real nodes: one after the other, each measured with the machine under it.
//!
//! Decides what place a run gets; refuses a scenario that real nodes cannot play before the
//! first run, and says of a result that was made on a machine too busy that it is none.

use std::path::{Path, PathBuf};

use fairhaul_simulator::record::Record;
use fairhaul_simulator::setup::Setup;
use indicatif::ProgressBar;

use super::{Job, JobError, Run, RunFailure};
use crate::emulate::cpu::{CpuMeter, CpuUse, TRUSTED_MAX_PCT};
use crate::emulate::director::MEETING;
use crate::emulate::loopback::Loopback;
use crate::emulate::parameters::{self, Links};
use crate::emulate::place::{Place, PlaceError};
use crate::emulate::{EmulateError, Interrupt, Options, Unsupported, play, scale, stage};
use crate::output::{EmulatedFacts, Results};
use crate::scenario::Scenario;

/// Name of the metric of a run that says how busy its machine was.
pub const MACHINE_CPU: &str = "machine_cpu_pct";

/// How real nodes are run.
#[derive(Clone, Debug)]
pub struct Emulated {
    /// The engine's program.
    pub program: PathBuf,
    /// How many times as fast as the scenario says.
    pub speed: u32,
    /// Plain processes on the loopback, without links.
    pub loopback: bool,
    /// Leave the folders of nodes where they are.
    pub keep: bool,
    /// Where those folders are made; none is the folder of the system for such things.
    pub work: Option<PathBuf>,
    /// Whether it should end.
    pub interrupt: Interrupt,
}

impl Emulated {
    /// The engine's program if nobody says: beside this one, else on the path.
    #[must_use]
    pub fn default_program() -> PathBuf {
        let name = "fairhaul";
        let beside = std::env::current_exe().ok();
        let beside = beside.and_then(|this| Some(this.parent()?.join(name)));
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let on_path = std::env::split_paths(&folders).map(|folder| folder.join(name));
        let mut places = beside.clone().into_iter().chain(on_path);
        let found = places.find(|path| path.is_file());
        found.or(beside).unwrap_or_else(|| PathBuf::from(name))
    }

    /// What stands for it in the key of a result, and in its manifest.
    pub(super) fn key(&self) -> String {
        let links = if self.loopback { "loopback" } else { "links" };
        format!("emulated {links} speed {}\n", self.speed.max(1))
    }

    /// Refuses what no node, or no node of this place, can do.
    fn refuse(&self, setup: &Setup) -> Result<(), EmulateError> {
        parameters::check(setup)?;
        if !self.loopback {
            return Ok(());
        }
        let delay = setup.latency.one_way.iter().max();
        if let Some(delay) = delay.filter(|delay| delay.as_nanos() > 0) {
            return Err(EmulateError::Unsupported(Unsupported {
                key: "scenario.latency".to_owned(),
                what: "is a delay, and the loopback has none",
                got: format!("{:.3} ms", delay.as_secs_f64() * 1e3),
                allowed: "0 ms, or a run without --loopback",
            }));
        }
        Ok(())
    }

    /// Machines for one run of `setup`, which is at the speed of the run already.
    fn place(&self, setup: &Setup) -> Result<(Box<dyn Place>, Links), EmulateError> {
        let here = |error: PlaceError| EmulateError::Here(error.to_string());
        if self.loopback {
            let peers = setup.peers.len();
            let place = Loopback::new(peers, &self.program, self.work.as_deref(), self.keep);
            return Ok((Box::new(place.map_err(here)?), Links::Caps));
        }
        let options = stage::Options {
            work: self.work.clone(),
            fairhaul: Some(self.program.clone()),
            keep: self.keep,
            ..stage::Options::default()
        };
        let place = stage::Namespaces::build(setup, &options).map_err(here)?;
        Ok((Box::new(place), Links::Shaped))
    }

    /// Plays one run. Everything that it needed is gone when this returns.
    fn play(
        &self,
        setup: &Setup,
        name: &str,
        bar: &ProgressBar,
    ) -> Result<(Record, CpuUse), EmulateError> {
        let (mut place, links) = self.place(&scale(setup, self.speed))?;
        let options = Options {
            speed: self.speed,
            links,
            meeting: MEETING,
            interrupt: self.interrupt.clone(),
        };
        let mut meter = None;
        let played = play(setup, place.as_mut(), &options, &mut |progress| {
            if progress.phase.is_empty() {
                // What was written and hashed before the clock started is no part of it.
                meter.get_or_insert_with(CpuMeter::start);
                bar.set_message(format!("{name} at {:.0} s", progress.now.as_secs_f64()));
            } else {
                bar.set_message(format!("{name}: {}", progress.phase));
            }
        });
        let used = meter.map(CpuMeter::finish).unwrap_or_default();
        if self.keep {
            bar.suspend(|| eprintln!("{name}: files of the nodes: {}", place.home(0).display()));
        }
        let closed = place.close();
        let record = played?;
        closed.map_err(|error| EmulateError::Here(error.to_string()))?;
        Ok((record, used))
    }
}

/// Refuses a plan that real nodes cannot play.
pub(super) fn check(emulated: &Emulated, runs: &[Run]) -> Result<(), JobError> {
    for run in runs {
        let setup = run.cell.resolve(run.replication)?;
        emulated.refuse(&setup).map_err(JobError::Refused)?;
    }
    Ok(())
}

/// One run, with its record kept in `write`.
pub(super) fn one(
    emulated: &Emulated,
    run: &Run,
    bar: &ProgressBar,
    write: impl FnOnce(&Setup, &Record, CpuUse) -> Result<(), JobError>,
) -> Result<Result<Record, RunFailure>, JobError> {
    let setup = run.cell.resolve(run.replication)?;
    match emulated.play(&setup, &run.name, bar) {
        Ok((record, used)) => {
            write(&setup, &record, used)?;
            if !used.is_trustworthy() {
                bar.suspend(|| eprintln!("{}", warning(&run.name, used.mean_pct)));
            }
            Ok(Ok(record))
        }
        Err(EmulateError::Interrupted) => Err(JobError::Interrupted),
        Err(error) => Ok(Err(RunFailure::Emulated(error))),
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
pub(super) fn facts(emulated: &Emulated, results: &Results) -> EmulatedFacts {
    let worst = busiest(results).unwrap_or(0.0);
    EmulatedFacts {
        links: if emulated.loopback { "none" } else { "shaped" }.to_owned(),
        speed: emulated.speed.max(1),
        node_share_of_link_pct: parameters::LINK_SHARE_PCT,
        machine_cpu_pct: format!("{worst:.1}"),
        trustworthy: worst <= TRUSTED_MAX_PCT,
    }
}

/// The command that repeats one run.
pub(super) fn again(job: &Job, run: &Run) -> String {
    let loopback = match &job.world {
        super::World::Emulated(emulated) if emulated.loopback => " --loopback",
        _ => "",
    };
    let file: &Path = &job.file;
    format!(
        "fairlab emulate {} --cell {} --replication {}{loopback}",
        file.display(),
        run.cell.index(),
        run.replication
    )
}

/// Where a result goes if nobody says.
#[must_use]
pub fn default_out(scenario: &Scenario) -> PathBuf {
    Path::new("out").join(format!("{}-emulated", scenario.plan().name))
}
