//! A sweep on several machines: which runs each makes, and how their parts become one result.
//!
//! Runs are dealt in turn, in the order of the plan. Every machine knows the whole plan, so no
//! two need to talk, and what is put together is checked against it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{Job, JobError, JobOutcome, Run, Scenario, key, make, name_of};
use crate::compare;
use crate::output::{
    Existing, Facts, OutputError, ResultDir, SHARDS, ShardManifest, ShardPlan, read_manifest,
    trace_digests,
};
use crate::report;

/// Most parts of a sweep: as many as Slurm takes tasks of a job unless it is told otherwise.
pub const SHARDS_MAX: u32 = 1_000;

/// One part of a sweep: as many as there are parts, and which of them this is, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: u32,
    of: u32,
}

/// Why parts of a sweep were not made or not put together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// It is not the name of a part.
    #[error("--shard: got {0:?}; allowed I/N with I from 1 to N, and N from 1 to {SHARDS_MAX}")]
    NotAShard(String),
    /// More parts than runs, so that some would be empty, or none.
    #[error("{option}: got {of} parts; allowed 1 to {most}, as many as there are runs")]
    Parts {
        /// What asked for them.
        option: &'static str,
        /// Parts.
        of: u32,
        /// Most that there can be.
        most: usize,
    },
    /// Nothing to put together.
    #[error("{}: holds no parts of a sweep; `fairlab sweep --shard` makes them", .0.display())]
    None(PathBuf),
    /// Parts of different sweeps.
    #[error("{}: is no part of the same sweep as {}: {what} is another", path.display(),
        first.display())]
    Foreign {
        /// The part.
        path: PathBuf,
        /// The part that it is compared with.
        first: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// The same part twice.
    #[error("{}: is part {number} of {of}, and so is {}", path.display(), first.display())]
    Double {
        /// The part.
        path: PathBuf,
        /// The one that was there before.
        first: PathBuf,
        /// Which.
        number: u32,
        /// Of how many.
        of: u32,
    },
    /// Parts that are not there.
    #[error("{}: of {of} parts these are missing: {missing}", path.display())]
    Missing {
        /// The result.
        path: PathBuf,
        /// Their numbers.
        missing: String,
        /// Of how many.
        of: u32,
    },
    /// A part has other runs than it should.
    #[error("{}: {what} {run}", path.display())]
    Runs {
        /// The part.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
        /// With which run.
        run: String,
    },
}

impl Shard {
    /// Part `number` of `of`, from 1.
    ///
    /// # Errors
    ///
    /// [`ShardError::NotAShard`] if there is no such part.
    pub fn new(number: u32, of: u32) -> Result<Self, ShardError> {
        if number == 0 || number > of || of > SHARDS_MAX {
            return Err(ShardError::NotAShard(format!("{number}/{of}")));
        }
        Ok(Self { number, of })
    }

    /// Where it goes, of a result that goes to `out`.
    #[must_use]
    pub fn folder(self, out: &Path) -> PathBuf {
        out.join(SHARDS)
            .join(format!("{}-of-{}", self.number, self.of))
    }

    /// Whether the run at this place of the plan is one of its own.
    const fn has(self, place: usize) -> bool {
        place % self.of as usize == self.number as usize - 1
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let bad = || ShardError::NotAShard(text.to_owned());
        let number = |part: &str| part.parse().map_err(|_| bad());
        let (own, of) = text.split_once('/').ok_or_else(bad)?;
        let shard = Self::new(number(own)?, number(of)?).map_err(|_| bad())?;
        // One spelling for each, as it stands in commands.
        Some(shard)
            .filter(|shard| shard.to_string() == text)
            .ok_or_else(bad)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// Refuses more parts than runs, and none.
pub(super) fn check_count(option: &'static str, of: u32, runs: usize) -> Result<(), ShardError> {
    let most = runs.min(SHARDS_MAX as usize);
    if (1..=most).contains(&(of as usize)) {
        return Ok(());
    }
    Err(ShardError::Parts { option, of, most })
}

/// Makes the runs of one part, and marks it as finished if none failed.
pub(super) fn run(
    scenario: &Scenario,
    job: &Job,
    shard: Shard,
    all: &[Run],
) -> Result<JobOutcome, JobError> {
    check_count("--shard", shard.of, all.len())?;
    let places = all.iter().enumerate();
    let own: Vec<&Run> = places
        .filter(|(place, _)| shard.has(*place))
        .map(|(_, run)| run)
        .collect();
    let key = key(scenario, job);
    if let Some(outcome) = nothing_to_do(job, &key, &own)? {
        return Ok(outcome);
    }
    let dir = ResultDir::begin(&job.folder(), &key, &job.command, job.existing)?;
    let dir = dir.with_files(&scenario.plan().files);
    let (done, todo): (Vec<&Run>, Vec<&Run>) =
        own.iter().copied().partition(|run| dir.is_done(&run.name));
    let (seed, total) = (scenario.plan().rng_seed, all.len());
    eprintln!("seed {seed}, part {shard}: {} of {total} runs", own.len());
    let (digests, failed) = make(scenario, job, &todo, &dir, done.len())?;
    if failed.is_empty() {
        let names: Vec<&str> = own.iter().map(|run| run.name.as_str()).collect();
        let plan = common(scenario, job, key, shard.of);
        // On one machine it would have been the same command without the part.
        let command = job.command.replace(&format!(" --shard {shard}"), "");
        let command = command.replace(&format!(" --shard={shard}"), "");
        dir.finish_shard(shard.number, command, plan, &names)?;
    }
    Ok(JobOutcome {
        results: None,
        failed,
        kept: done.len(),
        wanted: own.len(),
        digests,
    })
}

/// The runs of a part that are in the whole result already; a result without them is not added
/// to by a part.
fn nothing_to_do(job: &Job, key: &str, own: &[&Run]) -> Result<Option<JobOutcome>, JobError> {
    if job.existing == Existing::Replace || read_manifest(&job.out).is_err() {
        return Ok(None);
    }
    let there = ResultDir::finished_runs(&job.out, key)?.unwrap_or_default();
    let there: BTreeSet<&str> = there.iter().map(String::as_str).collect();
    let has_all = own.iter().all(|run| there.contains(run.name.as_str()));
    if job.existing == Existing::Refuse || !has_all {
        let path = job.out.clone();
        return Err(OutputError::Finished { path }.into());
    }
    eprintln!("nothing to do: all {} runs are there", own.len());
    Ok(Some(JobOutcome {
        results: None,
        failed: Vec::new(),
        kept: own.len(),
        wanted: own.len(),
        digests: Vec::new(),
    }))
}

/// What the parts of a job have in common.
fn common(scenario: &Scenario, job: &Job, plan: String, of: u32) -> ShardPlan {
    let own = scenario.plan();
    let cells = scenario.cells().len();
    ShardPlan {
        name: own.name.clone(),
        plan,
        scenario: scenario.resolved_toml(),
        seed: own.rng_seed,
        baseline: super::baseline(scenario, job),
        files: own.files.clone(),
        cells: u32::try_from(cells).expect("sweeps have at most 10,000 cells"),
        replications: job.replications.end,
        of,
    }
}

/// Puts the parts in `out` together into the result that one machine would have made, and forgets
/// them.
///
/// # Errors
///
/// [`JobError::Shard`] if parts are foreign, missing or there twice; [`OutputError::Finished`] if
/// a finished result is there, unless `force`. The parts are there after each of these.
pub fn merge(out: &Path, force: bool) -> Result<JobOutcome, JobError> {
    let shards = read(out)?;
    let (_, first) = shards.first().ok_or_else(|| ShardError::None(out.into()))?;
    if !force && read_manifest(out).is_ok() {
        return Err(OutputError::Finished { path: out.into() }.into());
    }
    let plan = &first.plan;
    let names = check(out, &shards)?;
    let existing = match force {
        true => Existing::Replace,
        // What an earlier merge has copied before it was cut short.
        false => Existing::Resume,
    };
    let dir = ResultDir::begin(out, &plan.plan, &first.command, existing)?;
    let dir = dir.with_files(&plan.files);
    for (path, shard) in &shards {
        for (run, digest) in &shard.runs {
            dir.adopt(run, path, digest)?;
        }
    }
    let facts = Facts {
        name: plan.name.clone(),
        plan: plan.plan.clone(),
        scenario: plan.scenario.clone(),
        seed: Some(plan.seed),
        command: first.command.clone(),
        runs: names.len(),
        emulated: None,
    };
    let (results, _) = compare::conclude(dir, &names, &facts, plan.baseline.as_deref())?;
    report::write(out)?;
    ResultDir::forget_shards(out)?;
    Ok(JobOutcome {
        results: Some(results),
        failed: Vec::new(),
        kept: 0,
        wanted: names.len(),
        digests: trace_digests(out)?,
    })
}

type Found = (PathBuf, ShardManifest);

/// The parts in `out`, each of the same sweep as the first and none twice.
fn read(out: &Path) -> Result<Vec<Found>, JobError> {
    let mut found: Vec<Found> = Vec::new();
    for path in ResultDir::shards(out)? {
        let shard = ShardManifest::read(&path)?;
        if let Some((first, known)) = found.first()
            && let Some(what) = difference(&known.plan, &shard.plan)
        {
            let first = first.clone();
            return Err(ShardError::Foreign { path, first, what }.into());
        }
        let (number, of) = (shard.number, shard.plan.of);
        if let Some((first, _)) = found.iter().find(|(_, known)| known.number == number) {
            let first = first.clone();
            return Err(ShardError::Double {
                path,
                first,
                number,
                of,
            }
            .into());
        }
        found.push((path, shard));
    }
    found.sort_by_key(|(_, shard)| shard.number);
    Ok(found)
}

/// What tells the sweeps of two parts apart; none of the same.
fn difference(one: &ShardPlan, other: &ShardPlan) -> Option<&'static str> {
    // The plan is scenario, seed and build together, so the seed comes before it.
    let parts = [
        ("the name of the scenario", one.name == other.name),
        ("the seed", one.seed == other.seed),
        ("the scenario", one.scenario == other.scenario),
        ("the build", one.plan == other.plan),
        ("the number of parts", one.of == other.of),
        (
            "the number of replications",
            one.replications == other.replications,
        ),
    ];
    let differs = parts.iter().find(|(_, same)| !same).map(|(what, _)| *what);
    differs.or_else(|| (one != other).then_some("the plan"))
}

/// Holds the parts to the plan: the names of all runs, in its order.
fn check(out: &Path, shards: &[Found]) -> Result<Vec<String>, JobError> {
    let Some((_, ShardManifest { plan, .. })) = shards.first() else {
        return Ok(Vec::new());
    };
    let numbers: BTreeSet<u32> = shards.iter().map(|(_, shard)| shard.number).collect();
    let missing = (1..=plan.of).filter(|number| !numbers.contains(number));
    let missing: Vec<String> = missing.map(|number| number.to_string()).collect();
    if !missing.is_empty() {
        return Err(ShardError::Missing {
            path: out.to_owned(),
            missing: missing.join(", "),
            of: plan.of,
        }
        .into());
    }
    let cells = (0..plan.cells).flat_map(|cell| {
        let replications = 0..plan.replications;
        replications.map(move |replication| name_of(cell, replication))
    });
    let names: Vec<String> = cells.collect();
    let runs = |path: &Path, what, run: &str| ShardError::Runs {
        path: path.to_owned(),
        what,
        run: run.to_owned(),
    };
    let numbered = names.iter().enumerate();
    let places: BTreeMap<&str, usize> = numbered.map(|(place, name)| (&**name, place)).collect();
    for (path, shard) in shards {
        let own = Shard::new(shard.number, plan.of)?;
        for run in shard.runs.keys() {
            match places.get(run.as_str()) {
                Some(place) if own.has(*place) => {}
                Some(_) => return Err(runs(path, "has the run of another part,", run).into()),
                None => return Err(runs(path, "has a run that is not planned,", run).into()),
            }
        }
        let lacks =
            |name: &&String| own.has(places[name.as_str()]) && !shard.runs.contains_key(*name);
        if let Some(name) = names.iter().find(lacks) {
            return Err(runs(path, "lacks the run", name).into());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_is_in_one_part_and_parts_differ_by_one_run_at_most() {
        for of in 1..9 {
            let parts: Vec<Vec<usize>> = (1..=of)
                .map(|number| {
                    let shard = Shard::new(number, of).unwrap();
                    (0..50).filter(|place| shard.has(*place)).collect()
                })
                .collect();
            let mut all: Vec<usize> = parts.iter().flatten().copied().collect();
            all.sort_unstable();
            assert_eq!(all, (0..50).collect::<Vec<_>>());
            let sizes = || parts.iter().map(Vec::len);
            assert!(sizes().max().unwrap() - sizes().min().unwrap() <= 1, "{of}");
        }
    }

    #[test]
    fn a_part_is_named_by_its_number_and_how_many_there_are() {
        let shard: Shard = "2/8".parse().unwrap();
        assert_eq!(shard.to_string(), "2/8");
        assert_eq!(shard.folder(Path::new("o")), Path::new("o/shards/2-of-8"));
        for bad in [
            "", "2", "/", "0/8", "9/8", "1/0", "1/1001", "+1/8", "1/8/2", " 1/8", "01/8", "a/b",
        ] {
            let refused = bad.parse::<Shard>();
            assert_eq!(refused, Err(ShardError::NotAShard(bad.to_owned())), "{bad}");
        }
    }
}
