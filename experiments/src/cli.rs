//! The command line of `fairlab`.
//!
//! Standard output is data, standard error is talk. Exit codes: 0 done, 1 error, 2 usage,
//! 3 bad file or storage, 4 a machine cannot be reached, 5 it refuses the login, 10 some runs
//! failed, 130 interrupted.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::output::{self, OutputError};
use crate::runner::{self, Job, JobError, ShardError};
use crate::scenario::{self, Scenario};
use crate::{oracles, policies, report};
use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory as _, Parser, Subcommand};
use fairhaul_config::fault::did_you_mean;

mod arena;
mod carried;
mod compared;
mod measure;
mod place;
mod program;
mod reproduce;
mod search;
mod shards;
mod simulate;

pub use place::OutputArgs;
pub use program::beside_or_on_path;

/// Compare fairness policies for transfers, by simulation.
#[derive(Debug, Parser)]
#[command(name = "fairlab", version, about, max_term_width = 100)]
#[command(
    after_help = "Without a command: the first comparison, ten disciplines on one uplink, \
                        into out/default."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every policy: name, what it does, where it comes from, in what it departs from that and what
    /// is assumed.
    Policies {
        /// A policy: its rule in a few sentences.
        #[arg(conflicts_with = "json")]
        name: Option<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Read a scenario, and print it with every default filled in.
    Check {
        /// The scenario.
        file: PathBuf,
    },
    /// Run each cell of a scenario once, and show what came out.
    Run(simulate::RunArgs),
    /// Run every cell of a scenario with every replication.
    Sweep(simulate::SweepArgs),
    /// Put the parts of a sweep together that several machines have made with --shard.
    Merge(shards::MergeArgs),
    /// Repeat published experiments, and say which of their claims hold.
    Reproduce(reproduce::ReproduceArgs),
    /// Every policy against every adversary: what deviating gains, costs others and leaks.
    Arena(arena::ArenaArgs),
    /// Search the settings of an adversary for those that gain most under a policy.
    Search(search::SearchArgs),
    /// Run a scenario with real nodes on this machine: starts fairlab-emulate.
    #[command(disable_help_flag = true)]
    Emulate(program::Words),
    /// Run a scenario with real nodes on machines reached by ssh: starts fairlab-emulate.
    #[command(disable_help_flag = true)]
    Deploy(program::Words),
    /// Paired differences of every cell from a baseline, or of a result with real nodes
    /// from the simulated one of the same scenario, with 95 % intervals.
    Compare(compared::CompareArgs),
    /// Figures (SVG, PNG, PDF) and a page of a result.
    Report {
        /// The result.
        dir: PathBuf,
        /// Write a matplotlib script that draws from the tables instead.
        #[arg(long)]
        script: bool,
    },
    /// The JSON schema of a scenario.
    Schema,
    /// A completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// The manual page.
    Man,
    /// Write the manifest of tables that a measurement has left, or check one. Scripts call it.
    #[command(hide = true)]
    Manifest(measure::ManifestArgs),
}

/// A failure and the exit code that it has.
#[derive(Debug)]
pub struct CliFailure(pub u8, pub String);

impl From<OutputError> for CliFailure {
    fn from(error: OutputError) -> Self {
        Self(error.exit_code(), error.to_string())
    }
}

impl From<JobError> for CliFailure {
    fn from(error: JobError) -> Self {
        let code = match &error {
            JobError::NoCell { .. } | JobError::Jobs(_) | JobError::Replications(_) => 2,
            JobError::Shard(ShardError::NotAShard(_) | ShardError::Parts { .. }) => 2,
            JobError::Compare(error) => error.exit_code(),
            JobError::Output(error) => error.exit_code(),
            JobError::Threads(_) => 1,
            JobError::Interrupted => 130,
            JobError::Real(error) => error.code,
            _ => 3,
        };
        Self(code, error.to_string())
    }
}

impl From<scenario::BadFile> for CliFailure {
    fn from(error: scenario::BadFile) -> Self {
        Self(3, error.to_string())
    }
}

impl From<io::Error> for CliFailure {
    fn from(error: io::Error) -> Self {
        Self(1, format!("standard output: {error}"))
    }
}

/// Runs the command of this process and returns its exit code. A program that adds policies of its
/// own calls this afterwards, and has all of `fairlab` with them: see `examples/my_discipline.rs`.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|mut wrong| {
        let word = wrong.get(ContextKind::InvalidSubcommand);
        if let Some(ContextValue::String(file)) = word
            && Path::new(file).extension().is_some_and(|is| is == "toml")
        {
            let tip = format!("a scenario is run by `fairlab run {}`", quoted(file));
            let tip = ContextValue::StyledStrs(vec![tip.into()]);
            wrong.insert(ContextKind::Suggested, tip);
        }
        wrong.exit()
    });
    end("fairlab", run(cli))
}

/// The exit code of a command of `program`; a failure is said on standard error.
#[must_use]
pub fn end(program: &str, ended: Result<u8, CliFailure>) -> ExitCode {
    match ended {
        Ok(code) => ExitCode::from(code),
        // A reader that has seen enough, such as `head`, is no error.
        Err(CliFailure(1, talk)) if talk.contains("Broken pipe") => ExitCode::SUCCESS,
        Err(CliFailure(code, talk)) => {
            eprintln!("{program}: {talk}");
            ExitCode::from(code)
        }
    }
}

/// Runs a job and shows what came out of it; a person who ends it is told how to go on.
///
/// # Errors
///
/// As [`runner::run`].
pub fn play(scenario: &Scenario, job: &Job, json: bool) -> Result<u8, CliFailure> {
    let outcome = match runner::run(scenario, job) {
        Err(JobError::Interrupted) => {
            return Err(CliFailure(130, place::how_to_go_on(&job.out, &job.command)));
        }
        other => other?,
    };
    simulate::tell(&outcome, job, json)
}

fn run(cli: Cli) -> Result<u8, CliFailure> {
    let own = match &cli.command {
        None | Some(Command::Reproduce(_)) => true,
        Some(Command::Arena(args)) => args.file.is_none(),
        _ => false,
    };
    if own || std::env::args_os().any(|word| carried::has(Path::new(&word))) {
        carried::lay_out()?;
    }
    match cli.command {
        None => simulate::first_look(),
        Some(Command::Policies { name: None, json }) => print(&policies::list(json)),
        Some(Command::Policies {
            name: Some(name), ..
        }) => explain(&name),
        Some(Command::Check { file }) => check(&file),
        Some(Command::Run(args)) => simulate::run(args),
        Some(Command::Sweep(args)) => simulate::sweep(args),
        Some(Command::Reproduce(args)) => reproduce::reproduce(args),
        Some(Command::Arena(args)) => arena::arena(&args),
        Some(Command::Search(args)) => search::search(args),
        Some(Command::Merge(args)) => shards::merge(&args),
        Some(Command::Emulate(_)) => Err(program::become_emulate("emulate")),
        Some(Command::Deploy(_)) => Err(program::become_emulate("deploy")),
        Some(Command::Compare(args)) => compared::compare(&args),
        Some(Command::Report { dir, script }) => draw(&dir, script),
        Some(Command::Schema) => print(&format!("{:#}\n", scenario::schema())),
        Some(Command::Completions { shell }) => completions(shell),
        Some(Command::Man) => man(),
        Some(Command::Manifest(args)) => measure::manifest(args),
    }
}

fn explain(name: &str) -> Result<u8, CliFailure> {
    let Some(text) = policies::explain(name) else {
        let what = did_you_mean("is an unknown policy", name, policies::names());
        let allowed = policies::names().join(", ");
        let line = format!("policies: {what}; got \"{name}\"; allowed {allowed}");
        return Err(CliFailure(2, line));
    };
    print(&text)
}

fn completions(shell: clap_complete::Shell) -> Result<u8, CliFailure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "fairlab", &mut text);
    write(&text)
}

fn man() -> Result<u8, CliFailure> {
    let mut text = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut text)?;
    write(&text)
}

/// A scenario with its defaults; of a file of oracles what it is about.
fn check(file: &Path) -> Result<u8, CliFailure> {
    if oracles::is_oracle_file(file) {
        let suite = oracles::load(file)?;
        return print(&format!("{}: {}\n", suite.name(), suite.about()));
    }
    let scenario = Scenario::load(file)?;
    for note in scenario::notes::of(&scenario)? {
        eprintln!("note: {note}");
    }
    print(&scenario.resolved_toml())
}

/// The command that makes the result again, whatever the path of this program is, and whatever
/// was there when it was typed.
#[must_use]
pub fn command_line() -> String {
    let words = std::env::args().skip(1);
    let words = words.filter(|word| word != "--resume" && word != "--force");
    let quoted = words.map(|word| quoted(&word));
    ["fairlab".to_owned()]
        .into_iter()
        .chain(quoted)
        .collect::<Vec<_>>()
        .join(" ")
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn draw(dir: &Path, script: bool) -> Result<u8, CliFailure> {
    let written = if script {
        vec![report::write_script(dir)?]
    } else {
        report::write(dir)?
    };
    let lines: String = written
        .iter()
        .map(|path| format!("{}\n", path.display()))
        .collect();
    print(&lines)
}

/// Prints a table of a result as JSON.
fn print_json(table: &Path) -> Result<u8, CliFailure> {
    print(&format!("{:#}\n", output::table_as_json(table)?))
}

fn print(text: &str) -> Result<u8, CliFailure> {
    write(text.as_bytes())
}

fn write(text: &[u8]) -> Result<u8, CliFailure> {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    out.flush()?;
    Ok(0)
}
