//! Where a result goes, what becomes of one that is there, and how to go on after ^C.

use std::path::{Path, PathBuf};

use crate::interrupt::Interrupt;
use crate::output::{Existing, ResultDir};
use crate::runner::Job;
use clap::Args;

use super::CliFailure;

/// Where a result goes.
#[derive(Debug, Default, Args)]
pub struct OutputArgs {
    /// Where the result goes [default: out/NAME; real nodes: out/NAME-emulated, -deployed].
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Keep the runs that are there, finished or interrupted, and make those that are missing.
    #[arg(long, conflicts_with = "force")]
    pub resume: bool,
    /// Replace the result that is there.
    #[arg(long)]
    pub force: bool,
}

impl OutputArgs {
    /// What becomes of a result that is there.
    #[must_use]
    pub fn existing(&self) -> Existing {
        match (self.resume, self.force) {
            (true, _) => Existing::Resume,
            (_, true) => Existing::Replace,
            (false, false) => Existing::Refuse,
        }
    }
}

/// What a person is told whose command was cut short.
pub(super) fn how_to_go_on(out: &Path, command: &str) -> String {
    match ResultDir::kept_runs(out) {
        0 => format!("interrupted before the first run was finished; again: {command}"),
        kept => format!(
            "interrupted; {kept} finished runs are kept in {}; to go on: {command} --resume",
            out.display()
        ),
    }
}

/// Ends the program at ^C with how to go on. A run that is finished is whole on disk at once,
/// so nothing else has to be waited for.
pub(super) fn end_at_signals(job: &Job) -> Result<(), CliFailure> {
    let (out, command) = (job.folder(), job.command.clone());
    Interrupt::on_signals(move || {
        // The progress bar leaves its line unfinished.
        eprintln!("\nfairlab: {}", how_to_go_on(&out, &command));
        std::process::exit(130);
    })?;
    Ok(())
}
