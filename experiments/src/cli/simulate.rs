//! `fairlab run` and `fairlab sweep`: a scenario in virtual time, and what a job gave.

use std::path::{Path, PathBuf};

use crate::output::{Existing, OutputError, ResultDir};
use crate::runner::{self, Job, JobError, JobOutcome, World};
use crate::scenario::Scenario;
use crate::{oracles, terminal};
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
        return measure::measure(&args.file, &args.place, args.quick, args.json);
    }
    let scenario = Scenario::load(&args.file)?;
    let job = Job {
        existing: args.place.existing(),
        out: args.place.out.unwrap_or_else(|| default_out(&scenario)),
        cell: args.cell,
        replications: args.replication..args.replication + 1,
        shard: None,
        jobs: None,
        command: command_line(),
        figures: false,
        file: args.file,
        world: World::Simulated,
    };
    simulate(&scenario, &job, args.json)
}

pub(super) fn sweep(args: SweepArgs) -> Result<u8, CliFailure> {
    let scenario = Scenario::load(&args.file)?;
    let count = args.replications;
    let count = count.unwrap_or_else(|| scenario.plan().replications);
    let job = Job {
        existing: args.place.existing(),
        out: args.place.out.unwrap_or_else(|| default_out(&scenario)),
        cell: None,
        replications: 0..count,
        shard: args.parts.shard()?,
        jobs: args.jobs,
        command: command_line(),
        figures: true,
        file: args.file,
        world: World::Simulated,
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
    if !file.exists() {
        return Err(CliFailure(
            2,
            format!("no {DEFAULT} here: run it at the root of the repository, or `fairlab --help`"),
        ));
    }
    let scenario = Scenario::load(&file)?;
    let mut job = Job {
        existing: Existing::Resume,
        out: default_out(&scenario),
        cell: None,
        replications: 0..scenario.plan().replications,
        shard: None,
        jobs: None,
        command: format!("fairlab sweep {DEFAULT}"),
        figures: true,
        file,
        world: World::Simulated,
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

pub(super) fn default_out(scenario: &Scenario) -> PathBuf {
    Path::new("out").join(&scenario.plan().name)
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
