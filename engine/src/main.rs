//! `fairhaul`: the node and its control.
//!
//! Decides how a command line becomes a job and what exit code its end has. Standard output
//! is data, standard error is talk. Exit codes: 0 done, 1 error, 2 usage, 3 bad file or
//! storage.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use fairhaul::params::{self, BadFile, Params};

/// Move files between machines fairly.
#[derive(Debug, Parser)]
#[command(
    name = "fairhaul",
    version,
    about,
    max_term_width = 100,
    arg_required_else_help = true
)]
#[command(after_help = "Exit codes: 0 done, 1 error, 2 usage, 3 bad file or storage.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A commented parameter file with its defaults.
    Init {
        /// Where to write it [default: standard output].
        file: Option<PathBuf>,
        /// Replace the file if it is there.
        #[arg(long, requires = "file")]
        force: bool,
    },
    /// Check a parameter file, and print it with every default filled in.
    Check {
        /// The parameter file.
        file: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// The JSON schema of a parameter file.
    Schema,
    /// A completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Why a command failed; each has its exit code.
#[derive(Debug)]
enum Failure {
    /// A parameter file that is refused.
    File(BadFile),
    /// A file that cannot be written.
    Storage(PathBuf, io::Error),
    /// Standard output that cannot be written.
    Output(io::Error),
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        // A reader that has seen enough, such as `head`, is no error.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(Failure::Output(error)) => {
            eprintln!("fairhaul: standard output: {error}");
            ExitCode::from(1)
        }
        // This line has a form of its own, which editors jump to.
        Err(Failure::File(bad)) => {
            eprintln!("{bad}");
            ExitCode::from(3)
        }
        Err(Failure::Storage(path, error)) => {
            let hint = match error.kind() {
                io::ErrorKind::AlreadyExists => "; --force replaces it",
                _ => "",
            };
            eprintln!("fairhaul: {}: {error}{hint}", path.display());
            ExitCode::from(3)
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Init { file: None, .. } => print(params::template().as_bytes()),
        Command::Init {
            file: Some(path),
            force,
        } => {
            let written = write(&path, &params::template(), force);
            written.map_err(|error| Failure::Storage(path, error))
        }
        Command::Check { file, json } => {
            let params = Params::load(&file).map_err(Failure::File)?;
            let text = if json {
                format!("{:#}\n", params.to_json())
            } else {
                params.to_toml()
            };
            print(text.as_bytes())
        }
        Command::Schema => print(format!("{:#}\n", params::schema()).as_bytes()),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "fairhaul", &mut script);
            print(&script)
        }
    }
}

fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    written.map_err(Failure::Output)
}

/// Writes `text` to `path`: all of it or nothing, and over another file only with `force`.
fn write(path: &Path, text: &str, force: bool) -> io::Result<()> {
    if !force {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        return fill(file, text).inspect_err(|_| drop(fs::remove_file(path)));
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&part)?;
    let written = fill(file, text).and_then(|()| fs::rename(&part, path));
    written.inspect_err(|_| drop(fs::remove_file(&part)))
}

fn fill(mut file: File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
