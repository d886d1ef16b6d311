//! The command line of `fairlab`.
//!
//! Standard output is data, standard error is talk. Exit codes: 0 done, 1 error, 2 usage,
//! 3 bad file or storage, 4 a machine cannot be reached, 5 it refuses the login, 10 some runs
//! failed, 130 interrupted.
//!
//! Longer than other files: every command's arguments stand together, as `--help` shows them.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use fairhaul_lab::emulate::machines::FleetError;
use fairhaul_lab::emulate::stage::{RELAY, relay};
use fairhaul_lab::oracles;
use fairhaul_lab::output::OutputError;
use fairhaul_lab::runner::{self, Job, JobError, Outcome, World};
use fairhaul_lab::scenario::{self, Scenario};
use fairhaul_lab::{compare, policies, report, terminal, worlds};

mod deploy;
mod emulate;
mod real;

/// The scenario that runs when no command is given.
const DEFAULT: &str = "experiments/scenarios/default.toml";

/// Compare fairness policies for transfers, by simulation.
#[derive(Debug, Parser)]
#[command(name = "fairlab", version, about, max_term_width = 100)]
#[command(
    after_help = "Without a command: the default comparison, ten disciplines on shared \
                        uplinks, into out/default."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every policy: name, what it does, where it comes from.
    Policies {
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
    Run {
        /// The scenario, or a file of oracles.
        file: PathBuf,
        /// Where the result goes [default: out/NAME].
        #[arg(long)]
        out: Option<PathBuf>,
        /// Only this cell of the sweep, from 0.
        #[arg(long)]
        cell: Option<u32>,
        /// Which replication, from 0.
        #[arg(long, default_value_t = 0)]
        replication: u32,
        /// A tenth of the size, for a file of oracles.
        #[arg(long)]
        quick: bool,
        /// Print the summary, or the oracles, as JSON instead of the picture.
        #[arg(long)]
        json: bool,
    },
    /// Run every cell of a scenario with every replication.
    Sweep {
        /// The scenario.
        file: PathBuf,
        /// Where the result goes [default: out/NAME].
        #[arg(long)]
        out: Option<PathBuf>,
        /// Threads [default: one for each core].
        #[arg(long)]
        jobs: Option<usize>,
        /// Replications of each cell, instead of the scenario's number.
        #[arg(long)]
        replications: Option<u32>,
        /// Keep the runs that an interrupted sweep has finished.
        #[arg(long)]
        resume: bool,
        /// Print the summary as JSON instead of the picture.
        #[arg(long)]
        json: bool,
    },
    /// Run a scenario with real nodes on this machine.
    Emulate(emulate::EmulateArgs),
    /// Run a scenario with real nodes on machines that are reached by ssh.
    #[command(after_help = deploy::AFTER_HELP)]
    Deploy(deploy::DeployArgs),
    /// Paired differences of every cell from a baseline, or of a result with real nodes
    /// from the simulated one of the same scenario, with 95 % intervals.
    Compare(Compared),
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
    /// Hold packets between regions for their delay. `emulate` starts it.
    #[command(hide = true)]
    Relay {
        /// Who is where, and how far apart.
        table: PathBuf,
    },
}

/// What is compared with what.
#[derive(Debug, clap::Args)]
struct Compared {
    /// The result; the simulated one of two.
    dir: PathBuf,
    /// The emulated or deployed result of the same scenario.
    #[arg(conflicts_with = "baseline", required_unless_present = "baseline")]
    emulated: Option<PathBuf>,
    /// A value of a varied parameter, or parameter=value.
    #[arg(long)]
    baseline: Option<String>,
    /// Where the table of two worlds goes [default: EMULATED/worlds.csv].
    #[arg(long, requires = "emulated")]
    out: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// A failure and the exit code that it has.
#[derive(Debug)]
struct Failure(u8, String);

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Self {
        Self(3, error.to_string())
    }
}

impl From<JobError> for Failure {
    fn from(error: JobError) -> Self {
        let code = match error {
            JobError::NoCell { .. } | JobError::Compare(_) => 2,
            JobError::Threads(_) => 1,
            JobError::Interrupted | JobError::Machines(FleetError::Interrupted) => 130,
            JobError::Machines(FleetError::NoSeat(_)) => 2,
            JobError::Machines(FleetError::Unreachable(_)) => 4,
            JobError::Machines(FleetError::Refused(_)) => 5,
            JobError::Machines(FleetError::Here(_) | FleetError::There(_)) => 1,
            _ => 3,
        };
        Self(code, error.to_string())
    }
}

impl From<scenario::BadInput> for Failure {
    fn from(error: scenario::BadInput) -> Self {
        Self(3, error.to_string())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self(1, format!("standard output: {error}"))
    }
}

/// Runs the command and returns its exit code.
pub(super) fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => ExitCode::from(code),
        // A reader that has seen enough, such as `head`, is no error.
        Err(Failure(1, talk)) if talk.contains("Broken pipe") => ExitCode::SUCCESS,
        Err(Failure(code, talk)) => {
            eprintln!("fairlab: {talk}");
            ExitCode::from(code)
        }
    }
}

fn run(cli: Cli) -> Result<u8, Failure> {
    match cli.command {
        None => first_look(),
        Some(Command::Policies { json }) => print(&policies::list(json)),
        Some(Command::Check { file }) => check(&file),
        Some(Command::Run {
            file,
            out,
            cell,
            replication,
            quick,
            json,
        }) => {
            if oracles::is_oracle_file(&file) {
                return measure(&file, out, quick, json);
            }
            let scenario = Scenario::load(&file)?;
            let job = Job {
                out: out.unwrap_or_else(|| default_out(&scenario)),
                cell,
                replications: replication..replication + 1,
                resume: false,
                jobs: None,
                command: command_line(),
                figures: false,
                file,
                world: World::Simulated,
            };
            let outcome = runner::run(&scenario, &job)?;
            tell(&outcome, &job, json)
        }
        Some(Command::Sweep {
            file,
            out,
            jobs,
            replications,
            resume,
            json,
        }) => {
            let scenario = Scenario::load(&file)?;
            let count = replications.unwrap_or_else(|| scenario.plan().replications);
            let job = Job {
                out: out.unwrap_or_else(|| default_out(&scenario)),
                cell: None,
                replications: 0..count,
                resume,
                jobs,
                command: command_line(),
                figures: true,
                file,
                world: World::Simulated,
            };
            let outcome = runner::run(&scenario, &job)?;
            tell(&outcome, &job, json)
        }
        Some(Command::Emulate(args)) => emulate::emulate(args),
        Some(Command::Deploy(args)) => deploy::deploy(args),
        Some(Command::Compare(compared)) => compare(&compared),
        Some(Command::Report { dir, script }) => draw(&dir, script),
        Some(Command::Schema) => print(&format!("{:#}\n", scenario::schema())),
        Some(Command::Completions { shell }) => completions(shell),
        Some(Command::Man) => man(),
        Some(Command::Relay { table }) => relay::run(&table, RELAY)
            .map(|()| 0)
            .map_err(|error| Failure(1, format!("relay: {error}"))),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<u8, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "fairlab", &mut text);
    write(&text)
}

fn man() -> Result<u8, Failure> {
    let mut text = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut text)?;
    write(&text)
}

/// A scenario with its defaults; of a file of oracles what it is about.
fn check(file: &Path) -> Result<u8, Failure> {
    if oracles::is_oracle_file(file) {
        let suite = oracles::load(file)?;
        return print(&format!("{}: {}\n", suite.name(), suite.about()));
    }
    print(&Scenario::load(file)?.resolved_toml())
}

/// The default comparison.
fn first_look() -> Result<u8, Failure> {
    let file = PathBuf::from(DEFAULT);
    if !file.exists() {
        return Err(Failure(
            2,
            format!("no {DEFAULT} here: run it at the root of the repository, or `fairlab --help`"),
        ));
    }
    let scenario = Scenario::load(&file)?;
    let job = Job {
        out: default_out(&scenario),
        cell: None,
        replications: 0..scenario.plan().replications,
        resume: false,
        jobs: None,
        command: format!("fairlab sweep {DEFAULT}"),
        figures: true,
        file,
        world: World::Simulated,
    };
    let outcome = runner::run(&scenario, &job)?;
    tell(&outcome, &job, false)
}

fn default_out(scenario: &Scenario) -> PathBuf {
    Path::new("out").join(&scenario.plan().name)
}

/// The command as it can be typed again, whatever the path of this program is.
fn command_line() -> String {
    let words = std::env::args().skip(1);
    let quoted = words.map(|word| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:,+".contains(c);
        if word.chars().all(plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    ["fairlab".to_owned()]
        .into_iter()
        .chain(quoted)
        .collect::<Vec<_>>()
        .join(" ")
}

/// One digest for all events of all runs; a sweep that was resumed has made only some of them.
fn tell_digest(outcome: &Outcome) {
    if outcome.kept > 0 {
        return;
    }
    let mut all = blake3::Hasher::new();
    for (run, digest) in &outcome.digests {
        all.update(format!("{run} {digest}\n").as_bytes());
    }
    eprintln!("digest: {}", all.finalize().to_hex());
}

/// What came out of a job.
fn tell(outcome: &Outcome, job: &Job, json: bool) -> Result<u8, Failure> {
    if let Some(results) = &outcome.results {
        if json {
            print(&table_as_json(&job.out.join("summary.csv"))?)?;
        } else {
            print(&terminal::overview(results, terminal::Style::of_stdout()))?;
        }
    }
    if outcome.failed.is_empty() {
        let out = job.out.display();
        eprintln!("tables and manifest: {out}");
        if job.figures {
            eprintln!("figures: {out}/figures, page: {out}/report.html");
        } else {
            eprintln!("figures: fairlab report {out}");
        }
        tell_digest(outcome);
        return Ok(0);
    }
    eprintln!(
        "{} of {} runs failed: {}",
        outcome.failed.len(),
        outcome.failed.len() + outcome.digests.len() + outcome.kept,
        outcome
            .failed
            .iter()
            .map(|(run, _)| run.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    );
    Ok(10)
}

/// Measures what a file of oracles says, and shows expected, got, tolerance and pass.
fn measure(file: &Path, out: Option<PathBuf>, quick: bool, json: bool) -> Result<u8, Failure> {
    let suite = oracles::load(file)?;
    let out = out.unwrap_or_else(|| Path::new("out").join(suite.name()));
    std::fs::create_dir_all(&out).map_err(|error| at(&out, &error))?;
    let size = if quick {
        oracles::Size::Quick
    } else {
        oracles::Size::Full
    };
    let bar = runner::progress_bar(0, 0);
    let verdicts = suite.run(size, &mut |progress| {
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
    });
    bar.finish_and_clear();
    let path = out.join("oracle.csv");
    let table = std::fs::File::create(&path).map_err(|error| at(&path, &error))?;
    oracles::write_csv(&verdicts, table)
        .map_err(|error| Failure(3, format!("{}: {error}", path.display())))?;
    if json {
        print(&table_as_json(&path)?)?;
    } else {
        print(&oracles::table(&verdicts))?;
    }
    eprintln!("table: {}", path.display());
    let failed = verdicts.iter().filter(|verdict| !verdict.pass).count();
    if failed > 0 {
        eprintln!("{failed} of {} oracles failed", verdicts.len());
        return Ok(10);
    }
    Ok(0)
}

fn at(path: &Path, error: &io::Error) -> Failure {
    Failure(3, format!("{}: {error}", path.display()))
}

/// The cells of a result with each other, or two worlds.
fn compare(compared: &Compared) -> Result<u8, Failure> {
    let Compared { dir, json, .. } = compared;
    match (&compared.emulated, &compared.baseline) {
        (Some(emulated), _) => two_worlds(dir, emulated, compared.out.as_deref(), *json),
        (None, Some(baseline)) => differences(dir, baseline, *json),
        (None, None) => unreachable!("the parser asks for one of them"),
    }
}

fn differences(dir: &Path, baseline: &str, json: bool) -> Result<u8, Failure> {
    let (results, comparison) = compare::compare_result(dir, baseline)
        .map_err(|error| Failure(error.exit_code(), error.to_string()))?;
    if json {
        return print(&table_as_json(&dir.join("paired.csv"))?);
    }
    print(&terminal::differences(
        &results,
        &comparison,
        terminal::Style::of_stdout(),
    ))
}

/// How far an emulated result is from the simulated one of the same scenario.
fn two_worlds(dir: &Path, emulated: &Path, out: Option<&Path>, json: bool) -> Result<u8, Failure> {
    let failure = |error: worlds::WorldsError| Failure(error.exit_code(), error.to_string());
    let found = worlds::compare_worlds(dir, emulated).map_err(failure)?;
    let table = worlds::write_table(&found, emulated, out).map_err(failure)?;
    for warning in &found.warnings {
        eprintln!("fairlab: warning: {warning}");
    }
    if json {
        print(&table_as_json(&table)?)?;
    } else {
        print(&terminal::worlds(&found, terminal::Style::of_stdout()))?;
    }
    eprintln!("table: {}", table.display());
    Ok(0)
}

fn draw(dir: &Path, script: bool) -> Result<u8, Failure> {
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

/// A table of a result as an array of objects. Cells stay text: a reader of JSON loses no
/// digit, and a missing value stays empty.
fn table_as_json(path: &Path) -> Result<String, Failure> {
    let bad = |error: csv::Error| Failure(3, format!("{}: {error}", path.display()));
    let mut reader = csv::Reader::from_path(path).map_err(bad)?;
    let header = reader.headers().map_err(bad)?.clone();
    let mut rows = Vec::new();
    for row in reader.records() {
        let row = row.map_err(bad)?;
        let cells = header
            .iter()
            .zip(&row)
            .map(|(name, cell)| (name.to_owned(), cell.into()));
        rows.push(serde_json::Value::Object(cells.collect()));
    }
    Ok(format!("{:#}\n", serde_json::Value::Array(rows)))
}

fn print(text: &str) -> Result<u8, Failure> {
    write(text.as_bytes())
}

fn write(text: &[u8]) -> Result<u8, Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    out.flush()?;
    Ok(0)
}
