//! `fairlab reproduce`: published experiments as scenarios, and what becomes of their claims.

use std::path::{Path, PathBuf};

use crate::output::{Results, read_manifest};
use crate::published::{self, CLAIMS};
use crate::runner::{self, Job, World};
use crate::scenario::{Experiment, Scenario};
use clap::Args;

use super::place::{OutputArgs, end_at_signals};
use super::shards::{ShardArgs, sweep_words};
use super::{CliFailure, print, print_json, quoted};

/// Where the scenarios are.
const FOLDER: &str = "experiments/scenarios/published";

/// What `reproduce` takes.
#[derive(Debug, Args)]
pub(super) struct ReproduceArgs {
    /// An experiment by its number or its file, or all [default: a list of them].
    name: Option<String>,
    #[command(flatten)]
    place: OutputArgs,
    /// Threads [default: one for each core].
    #[arg(long)]
    jobs: Option<usize>,
    /// Replications of each cell, instead of each scenario's number.
    #[arg(long)]
    replications: Option<u32>,
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
                "{:<4} {:<24} {}\n",
                experiment.id,
                stem(file),
                experiment.source
            )
        };
        return print(&found.iter().map(line).collect::<String>());
    };
    let chosen = |(file, _, experiment): &&Found| {
        name == "all" || experiment.id.eq_ignore_ascii_case(name) || stem(file) == *name
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
    Ok(worst)
}

/// Makes the runs of one experiment, and shows what they say of its claims.
fn repeat(args: &ReproduceArgs, (file, scenario, experiment): &Found) -> Result<u8, CliFailure> {
    let out = args.place.out.as_deref();
    let out = out
        .unwrap_or_else(|| Path::new("out/published"))
        .join(stem(file));
    let count = args.replications;
    let job = Job {
        existing: args.place.existing(),
        out,
        cell: None,
        replications: 0..count.unwrap_or_else(|| scenario.plan().replications),
        shard: args.parts.shard()?,
        jobs: args.jobs,
        command: String::new(),
        figures: true,
        file: file.clone(),
        world: World::Simulated,
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
    end_at_signals(&job)?;
    let outcome = runner::run(scenario, &job)?;
    if job.shard.is_some() || !outcome.failed.is_empty() {
        return super::simulate::tell(&outcome, &job, false);
    }
    if args.json {
        return print_json(&job.out.join(CLAIMS));
    }
    eprintln!("tables, figures and manifest: {}", job.out.display());
    let manifest = read_manifest(&job.out)?;
    let results = Results::read_judged(&job.out, &manifest.scenario)?;
    let findings = published::judge(experiment, &results);
    print(&format!("{}\n", published::page(experiment, &findings)))
}

/// Every experiment in the folder, in the order of its files.
fn experiments(folder: &Path) -> Result<Vec<Found>, CliFailure> {
    let shown = folder.display();
    let missing = |_| {
        let talk = format!("no {shown} here: run it at the root of the repository");
        CliFailure(2, talk)
    };
    let entries = std::fs::read_dir(folder).map_err(missing)?;
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

fn stem(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}
