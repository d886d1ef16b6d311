//! `fairlab run` of a file of oracles, and manifests of what scripts have measured.

use std::path::{Path, PathBuf};

use crate::oracles;
use crate::output::{self, Facts, ResultDir};
use crate::runner;
use clap::Args;

use super::place::OutputArgs;
use super::{CliFailure, command_line, print, print_json};

/// The table of oracles.
const TABLE: &str = "oracle.csv";

/// What `manifest` takes.
#[derive(Debug, Args)]
pub(super) struct ManifestArgs {
    /// The folder with the tables.
    dir: PathBuf,
    /// What was measured.
    #[arg(long, required_unless_present = "check")]
    name: Option<String>,
    /// The command that measures again what is new here.
    #[arg(long, required_unless_present = "check")]
    command: Option<String>,
    /// The commit that was measured [default: of this program].
    #[arg(long)]
    commit: Option<String>,
    /// Conditions of what is new here.
    #[arg(long, default_value = "")]
    note: String,
    /// Only tell whether the files that are there are those that the manifest is of.
    #[arg(long, conflicts_with_all = ["name", "command", "commit", "note"])]
    check: bool,
}

pub(super) fn manifest(args: ManifestArgs) -> Result<u8, CliFailure> {
    let (Some(name), Some(command)) = (args.name, args.command) else {
        output::check_digests(&args.dir)?;
        return Ok(0);
    };
    let mut now = output::made_here(command);
    now.commit = args.commit.unwrap_or(now.commit);
    now.note = args.note;
    output::write_measured(&args.dir, &name, &now)?;
    Ok(0)
}

/// Measures what a file of oracles says, and shows expected, got, tolerance and pass.
pub(super) fn measure(
    file: &Path,
    place: &OutputArgs,
    quick: bool,
    json: bool,
) -> Result<u8, CliFailure> {
    let suite = oracles::load(file)?;
    if place.resume {
        let talk = "--resume: oracles are measured all at once; --force measures them again";
        return Err(CliFailure(2, talk.to_owned()));
    }
    let out = place.out.clone();
    let out = out.unwrap_or_else(|| Path::new("out").join(suite.name()));
    let text = std::fs::read_to_string(file)
        .map_err(|error| CliFailure(3, format!("{}: {error}", file.display())))?;
    let dir = ResultDir::begin(&out, &text, &command_line(), place.existing())?;
    let size = if quick {
        oracles::Size::Quick
    } else {
        oracles::Size::Full
    };
    let bar = runner::progress_bar(0, 0);
    let verdicts = suite.run(size, &mut |progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
    });
    bar.finish_and_clear();
    let path = out.join(TABLE);
    let mut table = Vec::new();
    oracles::write_csv(&verdicts, &mut table)
        .map_err(|error| CliFailure(3, format!("{}: {error}", path.display())))?;
    dir.write_file(TABLE, &table)?;
    dir.finish(&Facts {
        name: suite.name().to_owned(),
        plan: text.clone(),
        scenario: text,
        command: command_line(),
        runs: verdicts.len(),
        ..Facts::default()
    })?;
    if json {
        print_json(&path)?;
    } else {
        print(&oracles::table(&verdicts))?;
    }
    eprintln!("table and manifest: {}", out.display());
    let failed = verdicts.iter().filter(|verdict| !verdict.pass).count();
    if failed > 0 {
        eprintln!("{failed} of {} oracles failed", verdicts.len());
        return Ok(10);
    }
    Ok(0)
}
