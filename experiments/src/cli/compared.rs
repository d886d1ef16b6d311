//! `fairlab compare`: the cells of a result with each other, or two worlds.

use std::path::{Path, PathBuf};

use crate::{compare, terminal, validation};
use clap::Args;

use super::{CliFailure, print, print_json};

/// What is compared with what.
#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// The result; the simulated one of two.
    dir: PathBuf,
    /// The emulated or deployed result of the same scenario.
    #[arg(conflicts_with = "baseline")]
    emulated: Option<PathBuf>,
    /// A value of a varied parameter, or parameter=value [default: what the scenario says].
    #[arg(long)]
    baseline: Option<String>,
    /// Where the table of two worlds goes [default: EMULATED/worlds.csv].
    #[arg(long, requires = "emulated")]
    out: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn compare(args: &CompareArgs) -> Result<u8, CliFailure> {
    match &args.emulated {
        Some(emulated) => two_worlds(&args.dir, emulated, args.out.as_deref(), args.json),
        None => differences(&args.dir, args.baseline.as_deref(), args.json),
    }
}

fn differences(dir: &Path, baseline: Option<&str>, json: bool) -> Result<u8, CliFailure> {
    let (results, comparison) = compare::compare_result(dir, baseline)
        .map_err(|error| CliFailure(error.exit_code(), error.to_string()))?;
    if json {
        return print_json(&dir.join("paired.csv"));
    }
    print(&terminal::differences(
        &results,
        &comparison,
        terminal::Style::of_stdout(),
    ))
}

/// How far an emulated result is from the simulated one of the same scenario.
fn two_worlds(
    dir: &Path,
    emulated: &Path,
    out: Option<&Path>,
    json: bool,
) -> Result<u8, CliFailure> {
    let failure = |error: validation::WorldsError| CliFailure(error.exit_code(), error.to_string());
    let found = validation::compare_worlds(dir, emulated).map_err(failure)?;
    let table = validation::write_table(&found, emulated, out).map_err(failure)?;
    for warning in &found.warnings {
        eprintln!("fairlab: warning: {warning}");
    }
    if json {
        print_json(&table)?;
    } else {
        print(&terminal::worlds(&found, terminal::Style::of_stdout()))?;
    }
    eprintln!("table: {}", table.display());
    Ok(0)
}
