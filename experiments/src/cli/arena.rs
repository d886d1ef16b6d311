//! `fairlab arena`: every policy against every adversary, as a sweep of one scenario.

use std::path::{Path, PathBuf};

use crate::deviation::{DEVIATIONS, Deviations};
use crate::runner::Job;
use crate::scenario::{COMPLIANT, LoadError, Scenario, SweepPart, axis_of};
use crate::terminal;
use clap::Args;

use super::place::OutputArgs;
use super::shards::ShardArgs;
use super::{CliFailure, simulate};

/// The scenario of the arena.
const ARENA: &str = "experiments/scenarios/arena.toml";

/// Replications of a quick look: as few as have an interval.
const QUICK_REPLICATIONS: u32 = 2;

/// A quick look moves one byte of so many.
const QUICK_PART: u64 = 4;

/// What `arena` takes.
#[derive(Debug, Args)]
pub(super) struct ArenaArgs {
    /// Another scenario that measures a deviation [default: experiments/scenarios/arena.toml].
    pub(super) file: Option<PathBuf>,
    #[command(flatten)]
    place: OutputArgs,
    /// Only these policies [default: all].
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    policies: Vec<String>,
    /// Only these adversaries [default: all].
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    adversaries: Vec<String>,
    /// Replications of each cell, instead of the scenario's number.
    #[arg(long)]
    replications: Option<u32>,
    /// A quarter of each content, two replications, and of whatever else varies one value.
    #[arg(long)]
    quick: bool,
    /// Threads [default: one for each core].
    #[arg(long)]
    jobs: Option<usize>,
    #[command(flatten)]
    parts: ShardArgs,
    /// Print the metrics of each cell as JSON instead of the table.
    #[arg(long)]
    json: bool,
}

pub(super) fn arena(args: &ArenaArgs) -> Result<u8, CliFailure> {
    let file = args.file.clone().unwrap_or_else(|| PathBuf::from(ARENA));
    let scenario = load(args, &file)?;
    let usual = match args.quick {
        true => QUICK_REPLICATIONS,
        false => scenario.plan().replications,
    };
    let count = args.replications.unwrap_or(usual);
    let job = Job {
        replications: 0..count,
        shard: args.parts.shard()?,
        jobs: args.jobs,
        ..simulate::every_cell(&scenario, file, &args.place)
    };
    if let Some(code) = args.parts.submit(&scenario, &job, &words(args, &job))? {
        return Ok(code);
    }
    let table = args.json.then_some(DEVIATIONS);
    simulate::conclude(&scenario, &job, table, |results, scenario| {
        let found = Deviations::of(results, scenario)?;
        Some(terminal::deviations(results, &found))
    })
}

/// The scenario, with the policies and adversaries that are asked for.
fn load(args: &ArenaArgs, file: &Path) -> Result<Scenario, CliFailure> {
    let whole = Scenario::load(file)?;
    let Some(class) = whole.deviants() else {
        let talk = format!("{}: has no [deviation], so nobody deviates", file.display());
        return Err(CliFailure(3, talk));
    };
    let behaviour = axis_of(class);
    let axes = whole.axes();
    let Some(policy) = axes.iter().find(|axis| is_policy(axis)) else {
        let talk = format!("{}: has no axis of policies in its [sweep]", file.display());
        return Err(CliFailure(3, talk));
    };
    let mut part = SweepPart::default();
    let named = [
        ("--policies", *policy, args.policies.clone()),
        (
            "--adversaries",
            behaviour.as_str(),
            args.adversaries.clone(),
        ),
    ];
    for (option, axis, mut wanted) in named {
        if wanted.is_empty() {
            continue;
        }
        // What the others are compared with is always there, and nobody's adversary.
        let known = whole.values(axis).into_iter();
        let known: Vec<&str> = known
            .filter(|known| axis != behaviour || *known != COMPLIANT)
            .collect();
        if let Some(name) = wanted.iter().find(|name| !known.contains(&name.as_str())) {
            let known = known.join(", ");
            let talk = format!("{option}: has no such value; got {name:?}; allowed {known}");
            return Err(CliFailure(2, talk));
        }
        if axis == behaviour {
            wanted.push(COMPLIANT.to_owned());
        }
        part.values.push((axis.to_owned(), wanted));
    }
    if args.quick {
        let others = axes
            .iter()
            .filter(|axis| !is_policy(axis) && **axis != behaviour);
        for axis in others {
            let first = whole.values(axis).into_iter().take(1).map(str::to_owned);
            part.values.push(((*axis).to_owned(), first.collect()));
        }
        for (content, bytes) in whole.contents() {
            let key = format!("content.{content}.bytes");
            part.settings
                .push((key, format!("{} B", bytes.div_ceil(QUICK_PART))));
        }
    }
    Scenario::load_part(file, &part).map_err(|error| match error {
        LoadError::File(error) => error.into(),
        LoadError::Part(_) => CliFailure(2, error.to_string()),
    })
}

fn is_policy(axis: &str) -> bool {
    axis == "policy" || axis.starts_with("policy.")
}

/// The words behind `fairlab` that make all runs of a job.
fn words(args: &ArenaArgs, job: &Job) -> Vec<String> {
    let mut words = vec!["arena".to_owned(), job.file.display().to_string()];
    words.extend(["--out".to_owned(), job.out.display().to_string()]);
    for (option, names) in [
        ("--policies", &args.policies),
        ("--adversaries", &args.adversaries),
    ] {
        if !names.is_empty() {
            words.extend([option.to_owned(), names.join(",")]);
        }
    }
    if let Some(count) = args.replications {
        words.extend(["--replications".to_owned(), count.to_string()]);
    }
    words.extend(args.quick.then(|| "--quick".to_owned()));
    words
}
