//! Sweeps on several machines: parts of one, the script that submits them, and their merge.

use std::path::{Path, PathBuf};

use crate::runner::{self, Job, JobOutcome, Shard};
use crate::scenario::Scenario;
use clap::Args;

use super::{CliFailure, print, quoted, simulate};

/// Which part of the runs.
#[derive(Debug, Default, Args)]
pub(super) struct ShardArgs {
    /// Only part I of N of the runs, into OUT/shards; `fairlab merge OUT` makes one result of all.
    #[arg(long, value_name = "I/N", conflicts_with = "slurm")]
    shard: Option<String>,
    /// Run nothing: print a script that submits N parts to Slurm, and their merge behind them.
    #[arg(long, value_name = "N")]
    slurm: Option<u32>,
}

/// What `merge` takes.
#[derive(Debug, Args)]
pub(super) struct MergeArgs {
    /// The result: what was given to the parts as --out.
    dir: PathBuf,
    /// Replace the result that is there.
    #[arg(long)]
    force: bool,
    /// Print the summary as JSON instead of the picture.
    #[arg(long)]
    json: bool,
}

impl ShardArgs {
    /// The part that is asked for; none makes all runs.
    pub(super) fn shard(&self) -> Result<Option<Shard>, CliFailure> {
        let named = self.shard.as_deref().map(str::parse::<Shard>);
        named
            .transpose()
            .map_err(|error| CliFailure(2, error.to_string()))
    }

    /// Prints the script that submits a sweep, with so many replications if it is not the
    /// scenario's number; none if nobody wants it.
    pub(super) fn submit_sweep(
        &self,
        scenario: &Scenario,
        job: &Job,
        replications: Option<u32>,
    ) -> Result<Option<u8>, CliFailure> {
        let Some(parts) = self.slurm else {
            return Ok(None);
        };
        let command = sweep_words(job, replications);
        runner::check_parts(scenario, job, ("--slurm", parts))?;
        let program = std::env::current_exe()?;
        let script = script(&program, &scenario.plan().name, parts, (&command, &job.out));
        print(&script).map(Some)
    }
}

/// The words behind `fairlab` that make all runs of a job, with so many replications if it is not
/// the scenario's number.
pub(super) fn sweep_words(job: &Job, replications: Option<u32>) -> Vec<String> {
    let mut words = vec!["sweep".to_owned(), job.file.display().to_string()];
    words.extend(["--out".to_owned(), job.out.display().to_string()]);
    if let Some(count) = replications {
        words.extend(["--replications".to_owned(), count.to_string()]);
    }
    words
}

/// Puts the parts of a sweep together.
pub(super) fn merge(args: &MergeArgs) -> Result<u8, CliFailure> {
    let outcome = runner::merge(&args.dir, args.force)?;
    simulate::tell_result(&outcome, &args.dir, true, args.json)
}

/// What is said of a part that is finished.
pub(super) fn tell(outcome: &JobOutcome, job: &Job, shard: Shard) {
    let folder = shard.folder(&job.out);
    eprintln!(
        "part {shard}: {} runs in {}",
        outcome.wanted,
        folder.display()
    );
    let out = quoted(&job.out.display().to_string());
    eprintln!("when all parts are there: fairlab merge {out}");
}

/// A script for a shell: an array job of all parts, and a job that merges them if all went well.
///
/// How many parts there are stands in it: Slurm's own count of tasks is another one when only
/// some are submitted again.
fn script(program: &Path, name: &str, parts: u32, (command, out): (&[String], &Path)) -> String {
    let program = quoted(&program.display().to_string());
    let words: Vec<String> = command.iter().map(|word| quoted(word)).collect();
    let (words, out) = (words.join(" "), quoted(&out.display().to_string()));
    format!(
        r#"#!/bin/sh
# Submits {name} to Slurm in {parts} parts, and the merge of all behind them. Run it in the folder
# that it was printed in, on a file system that all nodes see. Options of sbatch are taken from its
# environment, such as SBATCH_PARTITION and SBATCH_TIMELIMIT. A part that failed is submitted again
# by the first job with --array=NUMBER; it keeps the runs that it has.
set -eu
FAIRLAB=${{FAIRLAB:-{program}}}
export FAIRLAB
parts=$(sbatch --parsable --job-name={name} --array=1-{parts} <<'PART'
#!/bin/sh
exec "$FAIRLAB" {words} \
  --jobs "${{SLURM_CPUS_PER_TASK:-1}}" --shard "$SLURM_ARRAY_TASK_ID/{parts}" --resume
PART
)
merge=$(sbatch --parsable --job-name={name}-merge --dependency="afterok:$parts" \
  --kill-on-invalid-dep=yes <<'MERGE'
#!/bin/sh
exec "$FAIRLAB" merge {out}
MERGE
)
echo "parts: $parts, merge: $merge"
"#
    )
}
