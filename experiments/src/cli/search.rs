//! `fairlab search`: settings of an adversary that gain most under a policy.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::interrupt::Interrupt;
use crate::output::{Existing, OutputError};
use crate::search::{self, FINDS, SearchError, SearchJob, SearchOutcome};
use clap::Args;

use super::{CliFailure, command_line, print, print_json};

/// What `search` takes.
#[derive(Debug, Args)]
pub(super) struct SearchArgs {
    /// The scenario [default: one of thirty peers and a seed, which is built in].
    file: Option<PathBuf>,
    /// The policy that everybody follows: a choker, discipline, seed rule or picker.
    #[arg(long)]
    policy: String,
    /// The class whose peer deviates; of several peers one leaves it [default: deviant, or the
    /// first class that wants a content].
    #[arg(long)]
    class: Option<String>,
    /// The cell of the scenario's sweep, from 0.
    #[arg(long, default_value_t = 0)]
    cell: u32,
    /// Runs that may be made.
    #[arg(long, default_value_t = 2_000)]
    budget: u32,
    /// Seed of the draws of the search.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads [default: one for each core].
    #[arg(long)]
    jobs: Option<usize>,
    /// Where the result goes [default: out/search-POLICY].
    #[arg(long)]
    out: Option<PathBuf>,
    /// Replace the result that is there.
    #[arg(long)]
    force: bool,
    /// Print the finds as JSON.
    #[arg(long)]
    json: bool,
}

impl From<SearchError> for CliFailure {
    fn from(error: SearchError) -> Self {
        Self(error.exit_code(), error.to_string())
    }
}

pub(super) fn search(args: SearchArgs) -> Result<u8, CliFailure> {
    let out = args.out.unwrap_or_else(|| {
        // A hierarchy of two has a slash in its name.
        Path::new("out").join(format!("search-{}", args.policy.replace('/', "-")))
    });
    let job = SearchJob {
        file: args.file,
        cell: args.cell,
        policy: args.policy,
        class: args.class,
        budget: args.budget,
        seed: args.seed,
        jobs: args.jobs,
        out,
        existing: match args.force {
            true => Existing::Replace,
            false => Existing::Refuse,
        },
        command: command_line(),
    };
    let outcome = search::run(&job, &interrupt()?).map_err(|error| match error {
        // A search cannot be resumed.
        SearchError::Output(OutputError::Finished { path } | OutputError::Begun { path, .. }) => {
            let talk = "holds a result; --force replaces it, and another --out leaves it alone";
            CliFailure(2, format!("{}: {talk}", path.display()))
        }
        other => other.into(),
    })?;
    tell(&outcome, &job, args.json)
}

/// The first ^C ends a search with what it has; the second does not wait for runs on their way.
fn interrupt() -> Result<Interrupt, CliFailure> {
    let asked = AtomicBool::new(false);
    let interrupt = Interrupt::on_signals(move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("\nfairlab: ends when the runs on their way are done; again to end at once");
    })?;
    Ok(interrupt)
}

fn tell(outcome: &SearchOutcome, job: &SearchJob, json: bool) -> Result<u8, CliFailure> {
    if json {
        print_json(&job.out.join(FINDS))?;
    } else {
        print(&search::overview(outcome, job))?;
    }
    let (runs, out) = (outcome.runs, job.out.display());
    eprintln!(
        "{runs} runs, {} behaviours; tables and finds: {out}",
        outcome.tried
    );
    for failed in &outcome.failed {
        eprintln!(
            "run {} of {} failed: {}",
            failed.replication, failed.behaviour, failed.error
        );
    }
    if outcome.interrupted {
        let talk = format!(
            "interrupted after {runs} of {} runs; what was found is in {out}",
            job.budget
        );
        return Err(CliFailure(130, talk));
    }
    Ok(if outcome.failed.is_empty() { 0 } else { 10 })
}
