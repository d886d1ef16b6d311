//! `fairlab`: run, sweep, compare and plot scenarios.

use std::process::ExitCode;

fn main() -> ExitCode {
    fairhaul_lab::cli::main()
}
