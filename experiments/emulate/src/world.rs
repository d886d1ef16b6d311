//! Runs with real nodes: one after the other, each with the load of the machine under it.
//!
//! A scenario that real nodes cannot play is refused before the first run, and a result that was
//! made on a machine too busy counts as none.

use std::path::PathBuf;
use std::sync::Arc;

use fairhaul_lab::runner::{RealError, RealNodes};
use fairhaul_results::{CpuUse, EmulatedFacts};
use fairhaul_simulator::record::Record;
use fairhaul_simulator::setup::Setup;
use indicatif::ProgressBar;

use crate::cpu::CpuMeter;
use crate::environment::{Environment, EnvironmentError};
use crate::loopback::Loopback;
use crate::machines::{Fleet, FleetError, Machines};
use crate::parameters::{self, Links};
use crate::player::MEETING;
use crate::{EmulateError, Interrupt, ReplayOptions, Speed, Unsupported, netns, play, scale};

/// The exit code of a scenario that real nodes cannot play.
const BAD_FILE: u8 = 3;

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
    Here(LocalMachine),
    /// On others, by ssh.
    Machines(Arc<Fleet>),
}

/// How real nodes are run on this machine.
#[derive(Clone, Debug)]
pub struct LocalMachine {
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

impl LocalMachine {
    /// The engine's program if nobody says: beside this one, else on the path.
    #[must_use]
    pub fn default_program() -> PathBuf {
        fairhaul_lab::cli::beside_or_on_path("fairhaul")
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
        let options = netns::StageOptions {
            work: self.work.clone(),
            fairhaul: Some(self.program.clone()),
            keep: self.keep,
            ..netns::StageOptions::default()
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
    fn played(
        &self,
        setup: &Setup,
        name: &str,
        bar: &ProgressBar,
    ) -> Result<(Record, CpuUse), EmulateError> {
        let (mut place, links) = self.backend.place(&scale(setup, self.speed))?;
        let options = ReplayOptions {
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

impl RealNodes for Emulated {
    fn facts(&self) -> EmulatedFacts {
        let world = match self.backend {
            Backend::Here(_) => "emulated",
            Backend::Machines(_) => "deployed",
        };
        EmulatedFacts {
            world: world.to_owned(),
            links: self.backend.links().to_owned(),
            speed: self.speed,
            node_share_of_link_pct: parameters::LINK_SHARE_PCT,
            ..EmulatedFacts::default()
        }
    }

    fn key(&self) -> String {
        let links = match &self.backend {
            Backend::Here(here) if here.loopback => "loopback",
            Backend::Here(_) => "links",
            Backend::Machines(_) => "machines",
        };
        format!("emulated {links} speed {}\n", self.speed)
    }

    fn command(&self) -> (&'static str, String) {
        let (command, mut more) = match &self.backend {
            Backend::Here(here) if here.loopback => ("emulate", " --loopback".to_owned()),
            Backend::Here(_) => ("emulate", String::new()),
            Backend::Machines(fleet) => {
                let inventory = fleet.inventory().display();
                ("deploy", format!(" --inventory {inventory}"))
            }
        };
        if self.speed != Speed::ONE {
            more.push_str(&format!(" --speed {}", self.speed));
        }
        (command, more)
    }

    fn check(&self, setup: &Setup) -> Result<(), RealError> {
        parameters::check(setup, matches!(self.backend, Backend::Here(_)))
            .map_err(|error| RealError::new(BAD_FILE, EmulateError::from(error)))?;
        match &self.backend {
            Backend::Here(here) => here
                .refuse(setup)
                .map_err(|error| RealError::new(BAD_FILE, error)),
            Backend::Machines(fleet) => match fleet.placements(setup) {
                Ok(_) => Ok(()),
                Err(error) => Err(FleetError::from(error).into()),
            },
        }
    }

    fn ready(&self, setups: &[Setup]) -> Result<(), RealError> {
        let Backend::Machines(fleet) = &self.backend else {
            return Ok(());
        };
        let delays = setups.iter().flat_map(|setup| &setup.latency.one_way);
        if delays.max().is_some_and(|delay| delay.as_nanos() > 0) {
            eprintln!("note: scenario.latency is not played: delays are those of the machines");
        }
        Ok(fleet.ready(setups)?)
    }

    fn play(
        &self,
        setup: &Setup,
        name: &str,
        bar: &ProgressBar,
    ) -> Result<(Record, CpuUse), RealError> {
        Ok(self.played(setup, name, bar)?)
    }
}

impl From<EmulateError> for RealError {
    fn from(error: EmulateError) -> Self {
        let code = match &error {
            EmulateError::Interrupted => Self::INTERRUPTED,
            _ => 1,
        };
        Self::new(code, error)
    }
}

impl From<FleetError> for RealError {
    fn from(error: FleetError) -> Self {
        let code = match &error {
            FleetError::Interrupted => Self::INTERRUPTED,
            FleetError::PlacementError(_) => 2,
            FleetError::Room(_) => 3,
            FleetError::Unreachable(_) => 4,
            FleetError::Refused(_) => 5,
            FleetError::Here(_) | FleetError::There(_) => 1,
        };
        Self::new(code, error)
    }
}
