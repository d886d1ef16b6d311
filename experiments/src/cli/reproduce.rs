//! `fairlab reproduce`: published experiments as scenarios, and what becomes of their claims.

use std::path::{Path, PathBuf};

use crate::output::OutputError;
use crate::published::{self, CLAIMS};
use crate::runner::Job;
use crate::scenario::{Experiment, Scenario};
use clap::Args;

use super::place::OutputArgs;
use super::shards::{ShardArgs, sweep_words};
use super::{CliFailure, measure, print, quoted, simulate};

/// Where the scenarios are.
const FOLDER: &str = "experiments/scenarios/published";

/// Published and provable numbers, which are measured as a whole.
const ORACLES: &str = "experiments/scenarios/oracles.toml";

/// The part of the replications that are made for a first look: one in so many.
const QUICK: u32 = 10;

/// Fewer replications have no interval.
const QUICK_LEAST: u32 = 2;

/// What `reproduce` takes.
#[derive(Debug, Args)]
pub(super) struct ReproduceArgs {
    /// An experiment by its number or its file, or all [default: a list of them]. E12 is all of
    /// its parts, such as E12.mclock; oracles are the exact numbers.
    name: Option<String>,
    #[command(flatten)]
    place: OutputArgs,
    /// Threads [default: one for each core].
    #[arg(long)]
    jobs: Option<usize>,
    /// Replications of each cell, instead of each scenario's number.
    #[arg(long)]
    replications: Option<u32>,
    /// A tenth of each scenario's replications, and two at least: a first look, with wide
    /// intervals. A later --resume without it adds the rest.
    #[arg(long, conflicts_with = "replications")]
    quick: bool,
    #[command(flatten)]
    parts: ShardArgs,
    /// Print the claims as JSON; of one experiment.
    #[arg(long)]
    json: bool,
}

/// A file and what it repeats.
type Found = (PathBuf, Scenario, Experiment);

pub(super) fn reproduce(args: ReproduceArgs) -> Result<u8, CliFailure> {
    let found = experiments(Path::new(FOLDER))?;
    let Some(name) = &args.name else {
        let line = |(file, _, experiment): &Found| {
            format!(
                "{:<10} {:<24} {}\n",
                experiment.id,
                stem(file),
                experiment.source
            )
        };
        let mut lines: String = found.iter().map(line).collect();
        if Path::new(ORACLES).exists() {
            lines += &format!("{:<10} {:<24} {ORACLES}\n", "oracles", "oracles");
        }
        return print(&lines);
    };
    if name == "oracles" {
        return measure_oracles(&args);
    }
    let chosen = |(file, _, experiment): &&Found| {
        name == "all" || is_or_has(name, &experiment.id) || stem(file) == *name
    };
    let chosen: Vec<&Found> = found.iter().filter(chosen).collect();
    if chosen.is_empty() {
        let known: Vec<String> = found.iter().map(|(file, ..)| stem(file)).collect();
        let known = known.join(", ");
        return Err(CliFailure(
            2,
            format!("no experiment {name:?}; there are: all, {known}"),
        ));
    }
    if args.json && chosen.len() > 1 {
        return Err(CliFailure(
            2,
            "--json: allowed of one experiment".to_owned(),
        ));
    }
    let mut worst = 0;
    for one in chosen {
        worst = worst.max(repeat(&args, one)?);
    }
    // Parts are of sweeps; the oracles go with what makes all of them in one place.
    if name == "all" && !args.parts.is_given() && Path::new(ORACLES).exists() {
        worst = worst.max(measure_oracles(&args)?);
    }
    Ok(worst)
}

/// Measures the oracles. They are quick and kept as a whole: resuming measures them again.
fn measure_oracles(args: &ReproduceArgs) -> Result<u8, CliFailure> {
    if args.parts.is_given() {
        let talk = "oracles are measured as a whole, without --shard and --slurm";
        return Err(CliFailure(2, talk.to_owned()));
    }
    let out = folder(args).join("oracles");
    let shown = quoted(&out.display().to_string());
    let size = if args.quick { " --quick" } else { "" };
    let command = format!("fairlab run {ORACLES} --out {shown}{size}");
    let place = OutputArgs {
        out: Some(out),
        resume: false,
        force: args.place.force || args.place.resume,
    };
    let file = Path::new(ORACLES);
    measure::measure(file, &place, args.quick, args.json, &command)
}

/// Where the results of all experiments go.
fn folder(args: &ReproduceArgs) -> &Path {
    let out = args.place.out.as_deref();
    out.unwrap_or_else(|| Path::new("out/published"))
}

/// Makes the runs of one experiment, and shows what they say of its claims.
fn repeat(args: &ReproduceArgs, (file, scenario, experiment): &Found) -> Result<u8, CliFailure> {
    let out = folder(args).join(stem(file));
    let own = scenario.plan().replications;
    let quick = args.quick.then(|| (own / QUICK).max(QUICK_LEAST).min(own));
    let count = args.replications.or(quick);
    let job = Job {
        out,
        replications: 0..count.unwrap_or(own),
        shard: args.parts.shard()?,
        jobs: args.jobs,
        ..simulate::every_cell(scenario, file.clone(), &args.place)
    };
    // A sweep of the file makes the same result, wherever this program's folder of them is.
    let command = sweep_words(&job, count)
        .into_iter()
        .map(|word| quoted(&word));
    let command = ["fairlab".to_owned()].into_iter().chain(command);
    let mut command = command.collect::<Vec<_>>().join(" ");
    if let Some(shard) = job.shard {
        command += &format!(" --shard {shard}");
    }
    let job = Job { command, ..job };
    if let Some(code) = args.parts.submit_sweep(scenario, &job, count)? {
        return Ok(code);
    }
    simulate::conclude(scenario, &job, args.json.then_some(CLAIMS), |results, _| {
        let findings = published::judge(experiment, results);
        Some(format!("{}\n", published::page(experiment, &findings)))
    })
}

/// Every experiment in the folder, in the order of its files.
fn experiments(folder: &Path) -> Result<Vec<Found>, CliFailure> {
    let entries = std::fs::read_dir(folder).map_err(OutputError::io(folder))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            files.push(path);
        }
    }
    files.sort();
    let load = |file: PathBuf| {
        let scenario = Scenario::load(&file)?;
        let Some(experiment) = scenario.experiment().cloned() else {
            let talk = format!("{}: has no [published]", file.display());
            return Err(CliFailure(3, talk));
        };
        Ok((file, scenario, experiment))
    };
    files.into_iter().map(load).collect()
}

/// Whether `name` is the number `id`, or that of the experiment that `id` is a part of.
fn is_or_has(name: &str, id: &str) -> bool {
    let whole = id.split_once('.').map_or(id, |(whole, _)| whole);
    [id, whole].iter().any(|own| own.eq_ignore_ascii_case(name))
}

fn stem(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}
