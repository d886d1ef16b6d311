//! `fairlab emulate`: a scenario with real nodes.

use std::path::PathBuf;

use clap::Args;
use fairhaul_emulate::{Backend, Interrupt, LocalMachine};
use fairhaul_lab::cli::CliFailure;
use fairhaul_lab::scenario::Scenario;

use crate::real::RealArgs;

/// What `emulate` takes.
#[derive(Debug, Args)]
pub(super) struct EmulateArgs {
    #[command(flatten)]
    real: RealArgs,
    /// The engine's program [default: beside this one, else on the path].
    #[arg(long, value_name = "PATH")]
    fairhaul: Option<PathBuf>,
    /// Plain processes on the loopback, without links of their own; needs no rights.
    #[arg(long)]
    loopback: bool,
    /// Leave the folders of the nodes where they are.
    #[arg(long)]
    keep: bool,
    /// Where the folders of the nodes are made [default: the system's temporary folder].
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

pub(super) fn emulate(args: EmulateArgs) -> Result<u8, CliFailure> {
    let scenario = Scenario::load(&args.real.file)?;
    let interrupt = Interrupt::of_signals()?;
    let here = LocalMachine {
        program: args.fairhaul.unwrap_or_else(LocalMachine::default_program),
        loopback: args.loopback,
        keep: args.keep,
        work: args.work,
    };
    let backend = Backend::Here(here);
    args.real.play(&scenario, "emulated", backend, interrupt)
}
