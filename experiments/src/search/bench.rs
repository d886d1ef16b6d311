//! Measures behaviours: runs with the deviant's behaviour beside runs in which it complies, with
//! the same random numbers, within a budget of runs.

use std::collections::BTreeMap;

use fairhaul_config::BadFile;
use fairhaul_core::time::{Span, Time};
use fairhaul_simulator::setup::Setup;
use fairhaul_simulator::world;
use indicatif::ProgressBar;
use rayon::prelude::*;

use super::deviant::DeviantBase;
use super::gain::{gains, ratio_of};
use super::space::{SearchSpace, SpacePoint};
use super::{FailedRun, SearchError};
use crate::interrupt::Interrupt;
use crate::scenario::Scenario;

/// A deviant that is not done in so many times the time that it takes when it complies has lost:
/// its run ends there.
const PATIENCE: u64 = 4;

/// Why a search goes no further.
#[derive(Debug)]
pub(super) enum Stop {
    /// What is asked for costs more runs than are left.
    Budget,
    /// A person wants it to end.
    Interrupted,
    /// It cannot go on.
    Failed(SearchError),
}

impl From<BadFile> for Stop {
    fn from(fault: BadFile) -> Self {
        Self::Failed(fault.into())
    }
}

/// What is known of a behaviour.
#[derive(Clone, Debug, Default)]
pub(super) struct PointTrial {
    /// When the deviant had everything, counted from when it joined, by replication; `None` if it
    /// never had, or too late.
    pub(super) times: Vec<Option<Span>>,
    /// Runs that the search had made when the last of them was made.
    pub(super) runs_used: u32,
}

/// How a deviant's run ended.
type RunTime = Result<Option<Span>, String>;

/// Runs, and what they gave.
pub(super) struct SearchBench<'a> {
    pub(super) base: &'a DeviantBase,
    pub(super) space: &'a SearchSpace,
    pub(super) interrupt: &'a Interrupt,
    pub(super) bar: &'a ProgressBar,
    pub(super) pool: &'a rayon::ThreadPool,
    /// Runs that may be made.
    pub(super) budget: u32,
    /// Runs that were made.
    pub(super) used: u32,
    /// Runs that are kept for what comes later.
    pub(super) reserve: u32,
    /// How the deviant does when it complies, by replication.
    comply: Vec<Option<Span>>,
    trials: BTreeMap<SpacePoint, PointTrial>,
    /// Behaviours in the order in which they were first measured.
    order: Vec<SpacePoint>,
    pub(super) failed: Vec<FailedRun>,
}

impl<'a> SearchBench<'a> {
    pub(super) fn new(
        (base, space): (&'a DeviantBase, &'a SearchSpace),
        (interrupt, bar, pool): (&'a Interrupt, &'a ProgressBar, &'a rayon::ThreadPool),
        budget: u32,
    ) -> Self {
        Self {
            base,
            space,
            interrupt,
            bar,
            pool,
            budget,
            used: 0,
            reserve: 0,
            comply: Vec::new(),
            trials: BTreeMap::new(),
            order: Vec::new(),
            failed: Vec::new(),
        }
    }

    /// Runs that are left.
    pub(super) const fn left(&self) -> u32 {
        self.budget.saturating_sub(self.used)
    }

    /// What was measured, in order.
    pub(super) fn tried(&self) -> impl Iterator<Item = (&SpacePoint, &PointTrial)> {
        self.order.iter().map(|point| (point, &self.trials[point]))
    }

    /// The gain of each of the first `replications` pairs of a behaviour.
    pub(super) fn gains(&self, point: &SpacePoint, replications: usize) -> Vec<f64> {
        let times = self.trials.get(point).map_or(&[][..], |trial| &trial.times);
        let end = times.len().min(replications).min(self.comply.len());
        gains(&self.comply[..end], &times[..end])
    }

    /// Whether a scenario takes this behaviour.
    pub(super) fn is_allowed(&self, point: &SpacePoint) -> bool {
        let variant = self.base.with(self.space.behaviour(point));
        variant.resolve(0).is_ok()
    }

    /// Makes sure that there are so many replications of each of these behaviours.
    pub(super) fn measure(
        &mut self,
        points: &[SpacePoint],
        replications: usize,
    ) -> Result<(), Stop> {
        let had = |point: &SpacePoint| self.trials.get(point).map_or(0, |trial| trial.times.len());
        let compliant = self.space.compliant();
        // Who complies is measured for every pair anyway.
        let deviating = points.iter().filter(|point| **point != compliant);
        let missing = deviating.flat_map(|point| {
            let replications = had(point)..replications;
            replications.map(move |replication| (point.clone(), replication))
        });
        let missing: Vec<(SpacePoint, usize)> = missing.collect();
        let pairs = self.comply.len()..replications.max(self.comply.len());
        let cost = u32::try_from(missing.len() + pairs.len()).unwrap_or(u32::MAX);
        if cost > self.left().saturating_sub(self.reserve) {
            return Err(Stop::Budget);
        }
        self.comply(pairs)?;
        let played = self.play(&missing, |bench, (point, replication)| {
            let variant = bench.base.with(bench.space.behaviour(point));
            let mut setup = variant.resolve(number(*replication))?;
            let row = bench.base.row(&setup);
            if let Some(time) = bench.comply[*replication] {
                let nanos = time.as_nanos().saturating_mul(PATIENCE);
                let late = setup.peers[row]
                    .join
                    .saturating_add(Span::from_nanos(nanos));
                setup.horizon = setup.horizon.min(late);
            }
            Ok(run_time(&setup, row))
        })?;
        for ((point, replication), time) in missing.into_iter().zip(played) {
            let time = time.unwrap_or_else(|error| {
                self.failed.push(FailedRun {
                    behaviour: self.space.shown(&point),
                    replication: number(replication),
                    error,
                });
                None
            });
            self.keep(point, time);
        }
        Ok(())
    }

    /// Measures a deviant that complies.
    fn comply(&mut self, replications: std::ops::Range<usize>) -> Result<(), Stop> {
        let replications: Vec<usize> = replications.collect();
        let compliant = self.space.compliant();
        let played = self.play(&replications, |bench, replication| {
            let variant = bench.base.with(bench.space.behaviour(&compliant));
            let setup = variant.resolve(number(*replication))?;
            Ok(run_time(&setup, bench.base.row(&setup)))
        })?;
        for (replication, time) in replications.into_iter().zip(played) {
            let time = time.map_err(|error| {
                Stop::Failed(SearchError::Comply {
                    replication: number(replication),
                    error,
                })
            })?;
            self.comply.push(time);
            self.keep(compliant.clone(), time);
        }
        Ok(())
    }

    fn keep(&mut self, point: SpacePoint, time: Option<Span>) {
        if !self.trials.contains_key(&point) {
            self.order.push(point.clone());
        }
        let trial = self.trials.entry(point).or_default();
        trial.times.push(time);
        trial.runs_used = self.used;
    }

    /// Makes both rows of the scenario of a find: the time of the deviant that complies, and of the
    /// one that deviates, by replication.
    pub(super) fn pairs(
        &mut self,
        scenario: &Scenario,
        replications: u32,
    ) -> Result<[Vec<Option<Span>>; 2], Stop> {
        if 2 * replications > self.left() {
            return Err(Stop::Budget);
        }
        let cells = scenario.cells();
        let runs: Vec<(usize, u32)> = (0..2)
            .flat_map(|cell| (0..replications).map(move |replication| (cell, replication)))
            .collect();
        let played = self.play(&runs, |bench, (cell, replication)| {
            let setup = cells[*cell].resolve(*replication)?;
            Ok(run_time(&setup, bench.base.row(&setup)))
        })?;
        let mut found = [Vec::new(), Vec::new()];
        for ((cell, replication), time) in runs.into_iter().zip(played) {
            let time = time.unwrap_or_else(|error| {
                let behaviour = cells[cell].label();
                self.failed.push(FailedRun {
                    behaviour,
                    replication,
                    error,
                });
                None
            });
            found[cell].push(time);
        }
        Ok(found)
    }

    /// Makes runs on all threads. What they give is in their order, whatever the order of threads.
    fn play<R: Sync>(
        &mut self,
        runs: &[R],
        one: impl Fn(&Self, &R) -> Result<RunTime, BadFile> + Sync,
    ) -> Result<Vec<RunTime>, Stop> {
        let this = &*self;
        let played: Result<Vec<RunTime>, Stop> = this.pool.install(|| {
            let runs = runs.par_iter();
            runs.map(|run| {
                if this.interrupt.is_set() {
                    return Err(Stop::Interrupted);
                }
                let time = one(this, run)?;
                this.bar.inc(1);
                Ok(time)
            })
            .collect()
        });
        let played = played?;
        self.used += u32::try_from(played.len()).unwrap_or(u32::MAX);
        Ok(played)
    }

    /// Whether a deviant that complies is ever done.
    pub(super) fn complies_in_time(&self) -> bool {
        self.comply.iter().any(Option::is_some)
    }

    /// Pairs of a behaviour in which the deviant was not done, or too late.
    pub(super) fn unfinished(&self, trial: &PointTrial) -> usize {
        let pairs = self.comply.iter().zip(&trial.times);
        pairs
            .filter(|(comply, own)| ratio_of(**comply, **own) == Some(0.0))
            .count()
    }
}

/// The number of a replication.
fn number(replication: usize) -> u32 {
    u32::try_from(replication).expect("as many replications as a budget of runs has at most")
}

/// Runs a setup: how long the peer of that row took, or why the run failed.
fn run_time(setup: &Setup, row: usize) -> RunTime {
    let record = world::run(setup, &mut |_| ()).map_err(|error| error.to_string())?;
    let peer = &record.peers[row];
    let took = |(joined, done): (Time, Time)| done.since(joined);
    Ok(peer.joined.zip(peer.completed).map(took))
}
