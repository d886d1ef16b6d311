//! Other programs of the project, found beside this one or on the path.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;

use super::CliFailure;

/// The program that has real nodes.
const EMULATE: &str = "fairlab-emulate";

/// Words that another program reads.
#[derive(Debug, Args)]
pub(super) struct Words {
    /// What fairlab-emulate takes; --help shows it.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    _words: Vec<OsString>,
}

/// The program `name` beside this one, else the first on the path; if there is none, where it
/// would be beside this one.
#[must_use]
pub fn beside_or_on_path(name: &str) -> PathBuf {
    let beside = std::env::current_exe().ok();
    let beside = beside.and_then(|this| Some(this.parent()?.join(name)));
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&folders).map(|folder| folder.join(name));
    let mut places = beside.clone().into_iter().chain(on_path);
    let found = places.find(|path| path.is_file());
    found.or(beside).unwrap_or_else(|| PathBuf::from(name))
}

/// Becomes the program that has real nodes, with the words of this process: signals, output and
/// exit code are its own. Returns only if it cannot, with why `command` fails.
pub(super) fn become_emulate(command: &str) -> CliFailure {
    let program = beside_or_on_path(EMULATE);
    let error = Command::new(&program)
        .args(std::env::args_os().skip(1))
        .exec();
    let path = program.display();
    CliFailure(
        1,
        match error.kind() {
            io::ErrorKind::NotFound => format!(
                "{command}: no {path}, which has real nodes; `cargo install --path \
                 experiments/emulate` makes it, or `cargo build --release -p fairhaul-emulate`"
            ),
            _ => format!("{command}: {path}: {error}"),
        },
    )
}
