//! `fairlab`: run, sweep, compare and plot scenarios.
//!
//! Decides how a command line becomes a job and what exit code its end has.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
