//! `fairlab emulate`: a scenario with real nodes.

use std::path::PathBuf;

use clap::Args;
use fairhaul_lab::emulate::Interrupt;
use fairhaul_lab::runner::{self, Emulated, Ground, Here, Job, World};
use fairhaul_lab::scenario::Scenario;

use super::{Failure, command_line, tell};

/// What `emulate` takes.
#[derive(Debug, Args)]
pub(super) struct EmulateArgs {
    /// The scenario.
    file: PathBuf,
    /// Where the result goes [default: out/NAME-emulated].
    #[arg(long)]
    out: Option<PathBuf>,
    /// Only this cell of the sweep, from 0.
    #[arg(long)]
    cell: Option<u32>,
    /// Which replication, from 0.
    #[arg(long, default_value_t = 0, conflicts_with = "replications")]
    replication: u32,
    /// Replications of each cell, from 0, instead of one.
    #[arg(long)]
    replications: Option<u32>,
    /// The engine's program [default: beside this one, else on the path].
    #[arg(long, value_name = "PATH")]
    fairhaul: Option<PathBuf>,
    /// So many times as fast: times divided, rates multiplied.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    speed: u32,
    /// Plain processes on the loopback, without links of their own; needs no rights.
    #[arg(long)]
    loopback: bool,
    /// Leave the folders of the nodes where they are.
    #[arg(long)]
    keep: bool,
    /// Where the folders of the nodes are made [default: the system's temporary folder].
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Keep the runs that an interrupted one has finished.
    #[arg(long)]
    resume: bool,
    /// Print the summary as JSON instead of the picture.
    #[arg(long)]
    json: bool,
}

pub(super) fn emulate(args: EmulateArgs) -> Result<u8, Failure> {
    let scenario = Scenario::load(&args.file)?;
    let interrupt = Interrupt::of_signals()?;
    let first = args.replication;
    let job = Job {
        out: args
            .out
            .unwrap_or_else(|| runner::default_out(&scenario, "emulated")),
        cell: args.cell,
        replications: args.replications.map_or(first..first + 1, |count| 0..count),
        resume: args.resume,
        jobs: Some(1),
        command: command_line(),
        figures: false,
        file: args.file,
        world: World::Emulated(Emulated {
            speed: args.speed,
            ground: Ground::Here(Here {
                program: args.fairhaul.unwrap_or_else(Here::default_program),
                loopback: args.loopback,
                keep: args.keep,
                work: args.work,
            }),
            interrupt,
        }),
    };
    let outcome = runner::run(&scenario, &job)?;
    tell(&outcome, &job, args.json)
}
