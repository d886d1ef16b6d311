//! `fairhaul`: the node and its control.
//!
//! Decides nothing: see `cli`.

use std::process::ExitCode;

mod cli;

fn main() -> ExitCode {
    cli::main()
}
