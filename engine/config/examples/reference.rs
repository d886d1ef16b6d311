//! Prints the reference page of the parameter file, `docs/reference/parameter-file.md`.

#![allow(clippy::print_stdout, reason = "what it prints is the page")]

fn main() {
    print!("{}", fairhaul_config::params::reference());
}
