//! `fairlab emulate` and `fairlab deploy`: scenarios on real nodes. `fairlab` starts this program.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fairhaul_emulate::netns::{RELAY, relay};
use fairhaul_lab::cli::{CliFailure, end};

mod deploy;
mod emulate;
mod real;

/// Play scenarios on real nodes.
#[derive(Debug, Parser)]
#[command(name = "fairlab", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario with real nodes on this machine.
    Emulate(emulate::EmulateArgs),
    /// Run a scenario with real nodes on machines that are reached by ssh.
    #[command(after_help = deploy::AFTER_HELP)]
    Deploy(deploy::DeployArgs),
    /// Hold packets between regions for their delay. `emulate` starts it.
    #[command(hide = true)]
    Relay {
        /// Who is where, and how far apart.
        table: PathBuf,
    },
}

fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Emulate(args) => emulate::emulate(args),
        Command::Deploy(args) => deploy::deploy(args),
        Command::Relay { table } => relay::run(&table, RELAY)
            .map(|()| 0)
            .map_err(|error| CliFailure(1, format!("relay: {error}"))),
    };
    end("fairlab", ended)
}
