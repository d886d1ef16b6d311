//! Searches the settings of an adversary for those that gain one deviant most under a policy.
//!
//! Local search with random restarts. Behaviours race by successive halving: all with one pair of
//! runs, the best third with three, the best third of those with nine. A find is shrunk to the
//! settings that its gain needs, written as a scenario, and measured again with that scenario and a
//! seed that the search has not seen; later restarts look for other settings.
//!
//! Source of the race: K. Jamieson and A. Talwalkar, "Non-stochastic Best Arm Identification and
//!                     Hyperparameter Optimization", AISTATS 2016.

use std::path::{Path, PathBuf};

use crate::interrupt::Interrupt;
use crate::output::{Existing, Facts, OutputError, ResultDir, read_manifest};
use crate::runner::{self, JobError};
use crate::scenario::{BadFile, Scenario};
use crate::stats::Estimate;

mod bench;
mod climb;
mod deviant;
mod find;
mod gain;
mod space;
mod tables;

use bench::{SearchBench, Stop};
use climb::Restart;
use deviant::DeviantBase;
use find::Finder;
use space::SearchSpace;

/// The table of what was tried.
pub const TRIED: &str = "tried.csv";

/// The table of finds.
pub const FINDS: &str = "finds.csv";

/// The scenario that is searched without one.
const BUILT_IN: &str = include_str!("../../scenarios/search.toml");

/// What messages call it.
const BUILT_IN_NAME: &str = "search.toml";

/// Runs that a search has at least: enough for a climb and a find.
const BUDGET_MIN: u32 = 250;

/// Runs that a search has at most.
const BUDGET_MAX: u32 = 10_000_000;

/// What to search, and where to put it.
#[derive(Clone, Debug)]
pub struct SearchJob {
    /// The scenario; `None` for the one that is built in.
    pub file: Option<PathBuf>,
    /// The cell of its sweep.
    pub cell: u32,
    /// The policy that everybody follows.
    pub policy: String,
    /// The class of the deviant; `None` for `deviant`, or the first that wants a content.
    pub class: Option<String>,
    /// Runs that may be made.
    pub budget: u32,
    /// Seed of the draws of the search; runs have the seed of their scenario.
    pub seed: u64,
    /// Threads; `None` takes one for each core.
    pub jobs: Option<usize>,
    /// The directory of the result.
    pub out: PathBuf,
    /// What becomes of a result that is there already.
    pub existing: Existing,
    /// The command that makes the result again.
    pub command: String,
}

/// What a search gave.
#[derive(Debug)]
pub struct SearchOutcome {
    /// The finds that were confirmed and those that were not, the greatest gain first.
    pub finds: Vec<SearchFind>,
    /// Runs that were made.
    pub runs: u32,
    /// Behaviours that were tried.
    pub tried: usize,
    /// Runs that failed.
    pub failed: Vec<FailedRun>,
    /// Whether a person ended it before its budget.
    pub interrupted: bool,
}

/// Settings that gain.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchFind {
    /// Its scenario in the directory of the result.
    pub file: String,
    /// The settings in which it departs: `view = "all", serves = "nothing"`.
    pub settings: String,
    /// The value of each setting, in the order of the table.
    pub columns: Vec<String>,
    /// Its gain over the replications of its scenario; `None` if no pair says anything.
    pub gain: Option<Estimate>,
    /// Replications in which the deviant is never done.
    pub unfinished: usize,
    /// Whether the whole interval of the gain is above one, and the deviant always done.
    pub confirmed: bool,
}

/// A run that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedRun {
    /// The behaviour.
    pub behaviour: String,
    /// The replication.
    pub replication: u32,
    /// Why.
    pub error: String,
}

/// Why a search could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The scenario.
    #[error("{0}")]
    Bad(BadFile),
    /// The result.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// Threads.
    #[error(transparent)]
    Job(#[from] JobError),
    /// An option.
    #[error("{option}: {what}; got {got}; allowed {allowed}")]
    Option {
        /// Which.
        option: &'static str,
        /// What is wrong.
        what: String,
        /// What was got.
        got: String,
        /// What is allowed.
        allowed: String,
    },
    /// An interrupted search is there, and nobody said what to do with it.
    #[error(
        "{}: holds what an interrupted search has found; --force replaces it, and another --out \
         leaves it alone",
        .0.display()
    )]
    Begun(PathBuf),
    /// The deviant that complies is never done.
    #[error(
        "{class} is never done when it complies, so that nothing can be gained; allowed a scenario \
         in which it is done before its horizon"
    )]
    NeverDone {
        /// The class.
        class: String,
    },
    /// A run in which everybody complies failed.
    #[error("replication {replication} with a deviant that complies failed: {error}")]
    Comply {
        /// Which.
        replication: u32,
        /// Why.
        error: String,
    },
}

impl SearchError {
    /// The exit code that the program documents for it.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Option { .. } | Self::Begun(_) | Self::Job(_) => 2,
            Self::Bad(_) | Self::NeverDone { .. } => 3,
            Self::Output(error) => error.exit_code(),
            Self::Comply { .. } => 10,
        }
    }
}

/// Searches until the budget is used up or a person wants it to end, and writes what was found.
///
/// Equal jobs give equal tables, whatever the number of threads.
///
/// # Errors
///
/// [`SearchError`]. Runs that fail beside it are in the outcome.
pub fn run(job: &SearchJob, interrupt: &Interrupt) -> Result<SearchOutcome, SearchError> {
    let scenario = load(job)?;
    let cell = cell(&scenario, job.cell)?;
    if !(BUDGET_MIN..=BUDGET_MAX).contains(&job.budget) {
        return Err(SearchError::Option {
            option: "--budget",
            what: "is out of range".to_owned(),
            got: job.budget.to_string(),
            allowed: format!("{BUDGET_MIN} to {BUDGET_MAX} runs"),
        });
    }
    let base = DeviantBase::new(&cell, &job.policy, job.class.as_deref())?;
    let space = SearchSpace::of(&base.accomplices);
    let pool = runner::threads(job.jobs)?;
    let dir = begin(job, &scenario)?;
    eprintln!("seed {}, at most {} runs", job.seed, job.budget);
    let bar = runner::progress_bar(job.budget as usize, 0);
    let bench = SearchBench::new((&base, &space), (interrupt, &bar, &pool), job.budget);
    let finder = Finder::new(job, &dir, scenario.plan().rng_seed);
    let searched = search(job, bench, finder);
    bar.finish_and_clear();
    let (bench, finds, interrupted) = searched?;
    let outcome = SearchOutcome {
        finds,
        runs: bench.used,
        tried: bench.tried().count(),
        failed: bench.failed.clone(),
        interrupted,
    };
    dir.write_file(TRIED, &tables::tried(&bench))?;
    dir.write_file(FINDS, &tables::finds(&space, &outcome.finds))?;
    if !interrupted {
        let finds = outcome.finds.iter().map(|find| find.file.clone());
        let data = base.variant().data_files().into_iter();
        let data = data.map(|(name, _)| find::carried(&name));
        dir.finish(&Facts {
            name: scenario.plan().name.clone(),
            plan: plan(job, &scenario),
            scenario: scenario.resolved_toml(),
            seed: Some(job.seed),
            command: job.command.clone(),
            runs: outcome.runs as usize,
            own_files: finds.chain(data).collect(),
            ..Facts::default()
        })?;
    }
    Ok(outcome)
}

/// What a person reads of a search: each find with its gain and its scenario.
#[must_use]
pub fn overview(outcome: &SearchOutcome, job: &SearchJob) -> String {
    let mut lines = vec![format!(
        "gain of deviation under {}: T(comply) / T(deviate), with 95 % intervals",
        job.policy
    )];
    lines.extend(outcome.finds.iter().map(|find| {
        let SearchFind { file, settings, .. } = find;
        let unsure = if find.confirmed {
            ""
        } else {
            ", not confirmed"
        };
        format!("  {}  {settings}  ({file}{unsure})", find::shown(find))
    }));
    if outcome.finds.is_empty() {
        lines.push("  nothing was found that surely gains".to_owned());
    }
    lines.join("\n") + "\n"
}

/// Restarts until the budget is used up.
fn search<'a>(
    job: &SearchJob,
    mut bench: SearchBench<'a>,
    mut finder: Finder<'_>,
) -> Result<(SearchBench<'a>, Vec<SearchFind>, bool), SearchError> {
    for number in 0.. {
        let before = bench.used;
        let mut restart = Restart::new(&mut bench, finder.taken());
        let found = restart.climb(job.seed, number);
        let kept = match found {
            Ok(Some(point)) => finder.keep(&mut bench, &point),
            other => other.map(drop),
        };
        match kept {
            // Nothing is left that was not tried.
            Ok(()) if bench.used == before => break,
            Ok(()) if bench.complies_in_time() => {}
            Ok(()) => {
                let class = bench.base.class.clone();
                return Err(SearchError::NeverDone { class });
            }
            Err(Stop::Budget) => break,
            Err(Stop::Interrupted) => return Ok((bench, finder.ranked(), true)),
            Err(Stop::Failed(error)) => return Err(error),
        }
    }
    Ok((bench, finder.ranked(), false))
}

fn load(job: &SearchJob) -> Result<Scenario, BadFile> {
    match &job.file {
        Some(file) => Scenario::load(file),
        None => Scenario::read(Path::new(BUILT_IN_NAME), BUILT_IN),
    }
}

fn cell(scenario: &Scenario, wanted: u32) -> Result<crate::scenario::Cell, SearchError> {
    let mut cells = scenario.cells();
    if wanted as usize >= cells.len() {
        let last = cells.len() - 1;
        return Err(JobError::NoCell { got: wanted, last }.into());
    }
    Ok(cells.swap_remove(wanted as usize))
}

/// What stands for everything that decides a search.
fn plan(job: &SearchJob, scenario: &Scenario) -> String {
    let SearchJob {
        cell,
        policy,
        class,
        budget,
        seed,
        ..
    } = job;
    let class = class.as_deref().unwrap_or_default();
    format!(
        "{} {}\nsearch cell {cell} policy {policy} class {class} budget {budget} seed {seed}\n{}",
        env!("CARGO_PKG_VERSION"),
        env!("FAIRHAUL_COMMIT"),
        scenario.plan_text(),
    )
}

/// Makes the directory of the result ready. What an interrupted search has left has no manifest
/// and is worth keeping all the same.
fn begin(job: &SearchJob, scenario: &Scenario) -> Result<ResultDir, SearchError> {
    let is_left = job.out.join(TRIED).exists() && read_manifest(&job.out).is_err();
    if is_left && job.existing == Existing::Refuse {
        return Err(SearchError::Begun(job.out.clone()));
    }
    let plan = plan(job, scenario);
    let dir = ResultDir::begin(&job.out, &plan, &job.command, job.existing)?;
    find::forget(dir.path())?;
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use fairhaul_config::policy::ChokerName;

    use super::*;

    fn built_in() -> Scenario {
        Scenario::read(Path::new(BUILT_IN_NAME), BUILT_IN).unwrap()
    }

    /// A policy that is added takes part without a word here.
    #[test]
    fn every_choker_can_be_searched_in_the_scenario_that_is_built_in() {
        let scenario = built_in();
        for name in ChokerName::names() {
            let base = DeviantBase::new(&scenario.cells()[0], name, None).unwrap();
            assert_eq!(base.class, "deviant");
            assert!(base.accomplices.is_empty());
            let setup = base.variant().resolve(0).unwrap();
            assert_eq!(setup.policies[0].unchoke.row().name, name);
            assert_eq!(setup.peers[base.row(&setup)].class, "deviant");
        }
    }

    /// Where a class has several peers one leaves it, and all others stay as they were.
    #[test]
    fn one_peer_leaves_its_class_to_deviate() {
        let scenario = built_in();
        let cell = &scenario.cells()[0];
        let before = DeviantBase::new(cell, "swift", None).unwrap();
        let before = before.variant().resolve(0).unwrap();
        let text = BUILT_IN.replace("\"deviant\"", "\"home\"");
        let renamed = Scenario::read(Path::new("s.toml"), &text).unwrap();
        let base = DeviantBase::new(&renamed.cells()[0], "swift", Some("other")).unwrap();
        let setup = base.variant().resolve(0).unwrap();
        assert_eq!(setup.peers.len(), before.peers.len());
        let count = |class: &str| {
            setup
                .peers
                .iter()
                .filter(|peer| peer.class == class)
                .count()
        };
        assert_eq!(
            [count("other"), count("deviant"), count("home")],
            [29, 1, 1]
        );
        let wants = &setup.contents[0].leechers;
        assert!(wants.contains(&u32::try_from(base.row(&setup)).unwrap()));
        assert_eq!(wants.len(), before.contents[0].leechers.len());
        // What the others draw hangs on their names.
        for (own, same) in setup.peers.iter().zip(&before.peers).take(30) {
            assert_eq!(
                (&own.name, own.up, own.join),
                (&same.name, same.up, same.join)
            );
        }
    }
}
