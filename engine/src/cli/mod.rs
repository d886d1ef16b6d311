//! The command line: from arguments to a job, and from its end to an exit code.
//!
//! Standard output is data, standard error is talk.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser as _;
use fairhaul::control::api::Failure;
use fairhaul::identity::{IdentityError, no_core_dumps};
use fairhaul::node::{self, RunOptions};
use fairhaul::params::{ParameterFile, template};
use fairhaul::printable::Printable;
use fairhaul_config::BadFile;
use tokio::sync::oneshot;

mod args;
mod calls;
mod doctor;
mod files;
mod group;
mod log;
mod page;
mod progress;
mod prompt;
mod receivers;
mod render;
mod requests;
mod typed_line;
mod watch;

use args::{Cli, Command};

/// The environment variable that names the socket of the node.
const SOCKET: &str = "FAIRHAUL_SOCKET";

/// Why a command ended early.
#[derive(Debug)]
enum End {
    /// It failed.
    Failed(Failure),
    /// A parameter file is refused. The line of that has a form of its own, which editors jump
    /// to.
    File(BadFile),
    /// Standard output cannot be written.
    Output(io::Error),
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<IdentityError> for End {
    fn from(error: IdentityError) -> Self {
        Self::Failed(Failure::new(Failure::IDENTITY, error.to_string()))
    }
}

/// Does what the command line says.
pub(crate) fn main() -> ExitCode {
    let Err(end) = run(Cli::parse().command) else {
        return ExitCode::SUCCESS;
    };
    match end {
        // A reader that has seen enough, such as `head`, is no error.
        End::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        End::Output(error) => {
            eprintln!("fairhaul: standard output: {error}");
            ExitCode::from(Failure::ERROR)
        }
        End::File(bad) => {
            eprintln!("{bad}");
            ExitCode::from(Failure::STORAGE)
        }
        End::Failed(failure) => {
            // The message may carry what a peer said, or a name that it made.
            eprintln!("fairhaul: {}", Printable(&failure.message, usize::MAX));
            ExitCode::from(failure.code)
        }
    }
}

fn run(command: Command) -> Result<(), End> {
    match command {
        Command::Init {
            file: Some(folder),
            force,
            peers,
            prefix,
        } if !peers.is_empty() => group::init(&folder, &peers, prefix.as_deref(), force),
        Command::Init { file, force, .. } => files::init(file.as_deref(), force),
        Command::Check { file, json } => files::check(&file, json),
        Command::Identity(identity) => files::identity(&identity),
        Command::Replay { file, json } => files::replay(&file, json),
        Command::Schema => files::schema(),
        Command::Completions { shell } => files::completions(shell),
        Command::Man { dir } => files::man(dir.as_deref()),
        Command::Doctor { config, json } => doctor::run(config.as_deref(), json),
        Command::Run(run) => {
            // Before the first secret is read.
            no_core_dumps().map_err(|error| Failure::error(format!("core dumps: {error}")))?;
            let params = load(&run.config)?;
            log::start();
            let (ready, started) = oneshot::channel();
            page::say_when(started, &params);
            let options = RunOptions {
                params,
                file: run.config,
                record: run.record,
                tables: run.tables,
                trust_first_use: run.trust_first_use,
                by_line: None,
            };
            Ok(node::run(options, ready)?)
        }
        other => calls::run(other),
    }
}

fn load(file: &Path) -> Result<ParameterFile, End> {
    ParameterFile::load(file).map_err(End::File)
}

/// What holds where no parameter file says otherwise.
fn defaults() -> ParameterFile {
    ParameterFile::parse("defaults", &template()).expect("the file that init prints is a good one")
}

/// Where the node listens for commands.
fn socket(node: &args::Node) -> Result<PathBuf, End> {
    if let Some(socket) = &node.socket {
        return Ok(socket.clone());
    }
    if let Some(file) = &node.config {
        return Ok(load(file)?.control.socket.to_path_buf());
    }
    let given = std::env::var_os(SOCKET).filter(|path| !path.is_empty());
    Ok(given.map_or_else(|| defaults().control.socket.to_path_buf(), PathBuf::from))
}

/// `path` from the root: the node stands in another folder.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::storage(format!("{}: {error}", path.display())))
}

fn print(bytes: &[u8]) -> Result<(), End> {
    let mut out = io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    written.map_err(End::Output)
}
