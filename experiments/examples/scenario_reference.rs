//! Prints the reference page of the scenario file, `docs/reference/scenario-file.md`.

#![allow(clippy::print_stdout, reason = "what it prints is the page")]

fn main() {
    print!("{}", fairhaul_lab::scenario::reference());
}
