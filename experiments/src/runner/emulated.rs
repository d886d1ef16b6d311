//! Runs with real nodes: one after the other, each measured with the machine under it.
//!
//! Decides what place a run gets, on this machine or on others; refuses a scenario that real
//! nodes cannot play before the first run, and says of a result that was made on a machine too
//! busy that it is none.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fairhaul_simulator::alone::Alone;
use fairhaul_simulator::record::Record;
use fairhaul_simulator::setup::Setup;
use indicatif::ProgressBar;

use super::{Job, JobError, Run, RunFailure};
use crate::output::{EmulatedFacts, Results};
use crate::scenario::Scenario;
use fairhaul_emulate::cpu::{CpuMeter, CpuUse, TRUSTED_MAX_PCT};
use fairhaul_emulate::environment::{Environment, EnvironmentError};
use fairhaul_emulate::loopback::Loopback;
use fairhaul_emulate::machines::{Fleet, FleetError, Machines};
use fairhaul_emulate::parameters::{self, Links};
use fairhaul_emulate::player::MEETING;
use fairhaul_emulate::{EmulateError, Interrupt, Options, Speed, Unsupported, netns, play, scale};

/// Name of the metric of a run that says how busy its machine was.
pub const MACHINE_CPU: &str = "machine_cpu_pct";

/// How real nodes are run.
#[derive(Clone, Debug)]
pub struct Emulated {
    /// How many times as fast as the scenario says.
    pub speed: Speed,
    /// Where.
    pub backend: Backend,
    /// Whether it should end.
    pub interrupt: Interrupt,
}

/// Where real nodes run.
#[derive(Clone, Debug)]
pub enum Backend {
    /// On this machine.
    Here(Here),
    /// On others, by ssh.
    Machines(Arc<Fleet>),
}

/// How real nodes are run on this machine.
#[derive(Clone, Debug)]
pub struct Here {
    /// The engine's program.
    pub program: PathBuf,
    /// Plain processes on the loopback, without links.
    pub loopback: bool,
    /// Leave the folders of nodes where they are.
    pub keep: bool,
    /// Where those folders are made; none is the folder of the system for such things.
    pub work: Option<PathBuf>,
}

/// What measures the load of the machines that nodes run on.
enum Meter<'a> {
    Here(CpuMeter),
    Machines(&'a Fleet),
}

impl Here {
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

    /// Refuses what no node of this place can do.
    fn refuse(&self, setup: &Setup) -> Result<(), EmulateError> {
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

    fn place(&self, setup: &Setup) -> Result<(Box<dyn Environment>, Links), EmulateError> {
        let here = |error: EnvironmentError| EmulateError::Here(error.to_string());
        if self.loopback {
            let peers = setup.peers.len();
            let place = Loopback::new(peers, &self.program, self.work.as_deref(), self.keep);
            return Ok((Box::new(place.map_err(here)?), Links::Caps));
        }
        let options = netns::Options {
            work: self.work.clone(),
            fairhaul: Some(self.program.clone()),
            keep: self.keep,
            ..netns::Options::default()
        };
        let place = netns::Namespaces::build(setup, &options).map_err(here)?;
        Ok((Box::new(place), Links::Shaped))
    }

    /// Where the folders are that a person wanted to keep.
    fn tell_kept(&self, place: &dyn Environment, name: &str, bar: &ProgressBar) {
        if self.keep {
            bar.suspend(|| eprintln!("{name}: files of the nodes: {}", place.home(0).display()));
        }
    }
}

impl Meter<'_> {
    fn finish(self) -> CpuUse {
        match self {
            Self::Here(meter) => meter.finish(),
            Self::Machines(fleet) => fleet.end_tally(),
        }
    }
}

impl Backend {
    /// Machines for one run of `setup`, which is at the speed of the run already.
    fn place(&self, setup: &Setup) -> Result<(Box<dyn Environment>, Links), EmulateError> {
        match self {
            Self::Here(here) => here.place(setup),
            Self::Machines(fleet) => match Machines::build(fleet, setup) {
                Ok(place) => Ok((Box::new(place), Links::Caps)),
                Err(FleetError::Interrupted) => Err(EmulateError::Interrupted),
                Err(error) => Err(EmulateError::Here(error.to_string())),
            },
        }
    }

    fn start_meter(&self) -> Meter<'_> {
        match self {
            Self::Here(_) => Meter::Here(CpuMeter::start()),
            Self::Machines(fleet) => {
                fleet.begin_tally();
                Meter::Machines(fleet)
            }
        }
    }

    /// Who keeps the rates of links, in the manifest.
    fn links(&self) -> &'static str {
        match self {
            Self::Here(here) if here.loopback => "none",
            Self::Here(_) => "shaped",
            Self::Machines(_) => "caps",
        }
    }
}

impl Emulated {
    /// What stands for it in the key of a result.
    pub(super) fn key(&self) -> String {
        let links = match &self.backend {
            Backend::Here(here) if here.loopback => "loopback",
            Backend::Here(_) => "links",
            Backend::Machines(_) => "machines",
        };
        format!("emulated {links} speed {}\n", self.speed)
    }

    /// What the manifest calls the world.
    pub(super) fn world(&self) -> &'static str {
        match self.backend {
            Backend::Here(_) => "emulated",
            Backend::Machines(_) => "deployed",
        }
    }

    /// Plays one run. Everything that it needed is gone when this returns.
    fn play(
        &self,
        setup: &Setup,
        name: &str,
        bar: &ProgressBar,
    ) -> Result<(Record, CpuUse), EmulateError> {
        let (mut place, links) = self.backend.place(&scale(setup, self.speed))?;
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
                meter.get_or_insert_with(|| self.backend.start_meter());
                bar.set_message(format!("{name} at {:.0} s", progress.now.as_secs_f64()));
            } else {
                bar.set_message(format!("{name}: {}", progress.phase));
            }
        });
        let used = meter.map(Meter::finish).unwrap_or_default();
        if let Backend::Here(here) = &self.backend {
            here.tell_kept(place.as_ref(), name, bar);
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
        parameters::check(&setup).map_err(|error| JobError::Refused(error.into()))?;
        match &emulated.backend {
            Backend::Here(here) => here.refuse(&setup).map_err(JobError::Refused)?,
            Backend::Machines(fleet) => {
                fleet.seats(&setup).map_err(FleetError::from)?;
            }
        }
    }
    Ok(())
}

/// Reaches the machines that these runs need, if they are others than this one.
pub(super) fn ready(emulated: &Emulated, runs: &[&Run]) -> Result<(), JobError> {
    let Backend::Machines(fleet) = &emulated.backend else {
        return Ok(());
    };
    let setups = runs.iter().map(|run| run.cell.resolve(run.replication));
    let setups = setups.collect::<Result<Vec<Setup>, _>>()?;
    let delays = setups.iter().flat_map(|setup| &setup.latency.one_way);
    if delays.max().is_some_and(|delay| delay.as_nanos() > 0) {
        eprintln!("note: scenario.latency is not played: delays are those of the machines");
    }
    match fleet.ready(&setups) {
        Err(FleetError::Interrupted) => Err(JobError::Interrupted),
        other => Ok(other?),
    }
}

/// One run, with its record kept in `write`. Times alone are those of the simulated lone runs: on
/// real nodes each would take as long as the run itself.
pub(super) fn one(
    emulated: &Emulated,
    run: &Run,
    (alone, bar): (&Alone, &ProgressBar),
    write: impl FnOnce(&Setup, &Record, CpuUse) -> Result<(), JobError>,
) -> Result<Result<Record, RunFailure>, JobError> {
    let setup = run.cell.resolve(run.replication)?;
    match emulated.play(&setup, &run.name, bar) {
        Ok((mut record, used)) => {
            alone.measure(&setup, &mut record);
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
        links: emulated.backend.links().to_owned(),
        speed: emulated.speed,
        node_share_of_link_pct: parameters::LINK_SHARE_PCT,
        machine_cpu_pct: format!("{worst:.1}"),
        trustworthy: worst <= TRUSTED_MAX_PCT,
        world: emulated.world().to_owned(),
    }
}

/// The command that repeats one run.
pub(super) fn again(job: &Job, run: &Run) -> String {
    let (command, more) = match &job.world {
        super::World::Emulated(Emulated { backend, speed, .. }) => {
            let (command, mut more) = match backend {
                Backend::Here(here) if here.loopback => ("emulate", " --loopback".to_owned()),
                Backend::Here(_) => ("emulate", String::new()),
                Backend::Machines(fleet) => {
                    let inventory = fleet.inventory().display();
                    ("deploy", format!(" --inventory {inventory}"))
                }
            };
            if *speed != Speed::ONE {
                more.push_str(&format!(" --speed {speed}"));
            }
            (command, more)
        }
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
