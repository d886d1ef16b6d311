//! `fairlab run` and `fairlab sweep`: a scenario in virtual time, and what a job gave.

use std::path::{Path, PathBuf};

use crate::output::{Existing, OutputError, ResultDir, Results, read_manifest};
use crate::runner::{self, Job, JobError, JobOutcome, World};
use crate::scenario::{Experiment, Scenario};
use crate::{oracles, published, terminal};
use clap::Args;

use super::place::{OutputArgs, end_at_signals};
use super::shards::ShardArgs;
use super::{CliFailure, command_line, measure, print, print_json, shards};

/// The scenario that runs when no command is given.
const DEFAULT: &str = "experiments/scenarios/default.toml";

/// What `run` takes.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The scenario, or a file of oracles.
    file: PathBuf,
    #[command(flatten)]
    place: OutputArgs,
    /// Only this cell of the sweep, from 0.
    #[arg(long)]
    cell: Option<u32>,
    /// Which replication, from 0.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(..100_000))]
    replication: u32,
    /// A tenth of the size, for a file of oracles.
    #[arg(long)]
    quick: bool,
    /// Print the summary, or the oracles, as JSON instead of the picture.
    #[arg(long)]
    json: bool,
}

/// What `sweep` takes.
#[derive(Debug, Args)]
pub(super) struct SweepArgs {
    /// The scenario.
    file: PathBuf,
    #[command(flatten)]
    place: OutputArgs,
    /// Threads [default: one for each core].
    #[arg(long)]
    jobs: Option<usize>,
    /// Replications of each cell, instead of the scenario's number.
    #[arg(long)]
    replications: Option<u32>,
    #[command(flatten)]
    parts: ShardArgs,
    /// Print the summary as JSON instead of the picture.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: RunArgs) -> Result<u8, CliFailure> {
    if oracles::is_oracle_file(&args.file) {
        let command = command_line();
        return measure::measure(&args.file, &args.place, args.quick, args.json, &command);
    }
    let scenario = Scenario::load(&args.file)?;
    let job = Job {
        cell: args.cell,
        replications: args.replication..args.replication + 1,
        figures: false,
        ..every_cell(&scenario, args.file, &args.place)
    };
    simulate(&scenario, &job, args.json)
}

pub(super) fn sweep(args: SweepArgs) -> Result<u8, CliFailure> {
    let scenario = Scenario::load(&args.file)?;
    let count = args.replications;
    let count = count.unwrap_or_else(|| scenario.plan().replications);
    let job = Job {
        replications: 0..count,
        shard: args.parts.shard()?,
        jobs: args.jobs,
        ..every_cell(&scenario, args.file, &args.place)
    };
    match args
        .parts
        .submit_sweep(&scenario, &job, args.replications)?
    {
        Some(code) => Ok(code),
        None => simulate(&scenario, &job, args.json),
    }
}

/// The default comparison. A second time it shows what the first has made; what an earlier build
/// of it has made is made again.
pub(super) fn first_look() -> Result<u8, CliFailure> {
    let file = PathBuf::from(DEFAULT);
    let scenario = Scenario::load(&file)?;
    let mut job = Job {
        existing: Existing::Resume,
        command: format!("fairlab sweep {DEFAULT}"),
        ..every_cell(&scenario, file, &OutputArgs::default())
    };
    let own = ResultDir::command_of(&job.out).is_some_and(|command| command == job.command);
    end_at_signals(&job)?;
    let outcome = match runner::run(&scenario, &job) {
        Err(JobError::Output(OutputError::OtherPlan { .. })) if own => {
            job.existing = Existing::Replace;
            runner::run(&scenario, &job)
        }
        other => other,
    };
    tell(&outcome?, &job, false)
}

fn simulate(scenario: &Scenario, job: &Job, json: bool) -> Result<u8, CliFailure> {
    end_at_signals(job)?;
    let outcome = runner::run(scenario, job)?;
    tell(&outcome, job, json)
}

/// Runs a job to its end and shows what `text` makes of the result, or the file `table` of it as
/// JSON; a part, or a job of which runs failed, is told of as it is of any.
pub(super) fn conclude(
    scenario: &Scenario,
    job: &Job,
    table: Option<&str>,
    text: impl FnOnce(&Results, &str) -> Option<String>,
) -> Result<u8, CliFailure> {
    end_at_signals(job)?;
    let outcome = runner::run(scenario, job)?;
    if job.shard.is_some() || !outcome.failed.is_empty() {
        return tell(&outcome, job, false);
    }
    if let Some(table) = table {
        return print_json(&job.out.join(table));
    }
    eprintln!("tables, figures and manifest: {}", job.out.display());
    let manifest = read_manifest(&job.out)?;
    let results = Results::read_judged(&job.out, &manifest.scenario)?;
    text(&results, &manifest.scenario).map_or(Ok(0), |text| print(&text))
}

/// Every cell of a scenario in virtual time, with its own number of replications, to where `place`
/// says.
pub(super) fn every_cell(scenario: &Scenario, file: PathBuf, place: &OutputArgs) -> Job {
    let usual = || Path::new("out").join(&scenario.plan().name);
    Job {
        existing: place.existing(),
        out: place.out.clone().unwrap_or_else(usual),
        cell: None,
        replications: 0..scenario.plan().replications,
        shard: None,
        jobs: None,
        command: command_line(),
        figures: true,
        file,
        world: World::Simulated,
    }
}

/// One digest for all events of all runs; a sweep that was resumed has made only some of them.
fn tell_digest(outcome: &JobOutcome) {
    if outcome.kept > 0 {
        return;
    }
    let mut all = blake3::Hasher::new();
    for (run, digest) in &outcome.digests {
        all.update(format!("{run} {digest}\n").as_bytes());
    }
    eprintln!("digest: {}", all.finalize().to_hex());
}

/// What became of the claims of a scenario that has some; an unfinished result shows none.
fn tell_claims(results: &Results, out: &Path) -> Result<(), CliFailure> {
    let scenario = read_manifest(out).map(|manifest| manifest.scenario);
    if let Some(experiment) = scenario.ok().and_then(|text| Experiment::of_text(&text)) {
        let findings = published::judge(&experiment, results);
        print(&format!("\n{}", published::page(&experiment, &findings)))?;
    }
    Ok(())
}

/// What came out of a job.
pub(super) fn tell(outcome: &JobOutcome, job: &Job, json: bool) -> Result<u8, CliFailure> {
    if let Some(shard) = job.shard.filter(|_| outcome.failed.is_empty()) {
        shards::tell(outcome, job, shard);
        return Ok(0);
    }
    tell_result(outcome, &job.out, job.figures, json)
}

/// What came out of a result in `out`.
pub(super) fn tell_result(
    outcome: &JobOutcome,
    out: &Path,
    figures: bool,
    json: bool,
) -> Result<u8, CliFailure> {
    if let Some(results) = &outcome.results {
        if json {
            print_json(&out.join("summary.csv"))?;
        } else {
            print(&terminal::overview(results, terminal::Style::of_stdout()))?;
            tell_claims(results, out)?;
        }
    }
    if outcome.failed.is_empty() {
        let out = out.display();
        eprintln!("tables and manifest: {out}");
        if figures {
            eprintln!("figures: {out}/figures, page: {out}/report.html");
        } else {
            eprintln!("figures: fairlab report {out}");
        }
        tell_digest(outcome);
        return Ok(0);
    }
    eprintln!(
        "{} of {} runs failed: {}",
        outcome.failed.len(),
        outcome.wanted,
        outcome
            .failed
            .iter()
            .map(|(run, _)| run.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    );
    Ok(10)
}
