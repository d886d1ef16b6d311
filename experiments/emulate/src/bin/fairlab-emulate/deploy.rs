//! `fairlab deploy`: a scenario with real nodes on machines that are reached by ssh.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use fairhaul_emulate::machines::inventory::Inventory;
use fairhaul_emulate::machines::ssh::Login;
use fairhaul_emulate::machines::{self, Fleet};
use fairhaul_emulate::{Backend, Interrupt};
use fairhaul_lab::cli::CliFailure;
use fairhaul_lab::runner::{JobError, RealError};
use fairhaul_lab::scenario::Scenario;

use crate::real::RealArgs;

/// What `deploy --help` ends with.
pub(super) const AFTER_HELP: &str = "\
The inventory is the CSV file of deploy/: name,zone,internal_ip,external_ip,key; a row is a
machine. ssh goes to external_ip, else internal_ip, else name, and never asks anything; nodes dial
internal_ip, else external_ip, else name. A peer runs on the machine of its name if all peers have
one, else peers go to machines in order.

On each machine all is in one folder, .fairlab-NAME, of the home of who logs in. It goes with the
run, also after ^C; what a killed run left, the next one removes. An installed fairhaul is not
touched. Links are kept by the nodes' own caps, and delays are those of the machines.

Exit codes: 2 more peers than machines, or a result is there; 3 bad file, full disk or too little
room; 4 a machine cannot be reached; 5 it refuses the login, or its key is not known; 10 some runs
failed, and --resume runs those again; 130 interrupted.";

/// What `deploy` takes.
#[derive(Debug, Args)]
pub(super) struct DeployArgs {
    #[command(flatten)]
    real: RealArgs,
    /// The machines.
    #[arg(long, value_name = "CSV")]
    inventory: PathBuf,
    /// The static binary that is sent [default: target/static/fairhaul, FAIRHAUL].
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Several peers may share a machine, each with a port of its own.
    #[arg(long)]
    crowded: bool,
    /// The port of the first node of a machine, which must be open between them.
    #[arg(
        long,
        default_value_t = machines::PORT,
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    port: u16,
    /// Log in as this user.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Log in with this key.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Where sshd listens [default: what ssh takes].
    #[arg(long, value_name = "N")]
    ssh_port: Option<u16>,
    /// More options of ssh, as in ssh -o; may be repeated.
    #[arg(long, value_name = "O=V")]
    ssh_option: Vec<String>,
    /// The folder there in which the run's own is made; it has to be there [default: the home].
    #[arg(long, value_name = "DIR")]
    prefix: Option<String>,
    /// How long a machine may take to come up.
    #[arg(long, value_name = "SECONDS", default_value_t = machines::WAIT.as_secs())]
    #[arg(overrides_with = "wait")]
    wait: u64,
    /// How long it may refuse the login meanwhile: a fresh VM, until its user has been made.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait_login: u64,
    /// How long nodes go on when they no longer hear from here, before they remove themselves.
    #[arg(long, value_name = "SECONDS", default_value_t = machines::ALONE.as_secs())]
    #[arg(value_parser = clap::value_parser!(u64).range(5..=86_400))]
    alone: u64,
}

pub(super) fn deploy(args: DeployArgs) -> Result<u8, CliFailure> {
    let scenario = Scenario::load(&args.real.file)?;
    let inventory = Inventory::load(&args.inventory);
    let inventory = inventory.map_err(|error| CliFailure(3, error.to_string()))?;
    let interrupt = Interrupt::of_signals()?;
    let options = machines::MachineOptions {
        login: Login {
            user: args.user,
            key: args.key,
            port: args.ssh_port,
            options: args.ssh_option,
        },
        prefix: args
            .prefix
            .map(|prefix| prefix.trim_end_matches('/').to_owned()),
        program: args.program.unwrap_or_else(default_program),
        digest: None,
        port: args.port,
        crowded: args.crowded,
        wait: Duration::from_secs(args.wait),
        wait_login: Duration::from_secs(args.wait_login),
        alone: Duration::from_secs(args.alone),
        interrupt: interrupt.clone(),
    };
    let fleet = Fleet::new(inventory, options);
    let fleet = fleet.map_err(|error| CliFailure::from(JobError::from(RealError::from(error))))?;
    let backend = Backend::Machines(Arc::new(fleet));
    args.real.play(&scenario, "deployed", backend, interrupt)
}

/// What `scripts/static.sh` has built here or beside this program's folder, or what FAIRHAUL
/// says; the first of them if there is none.
fn default_program() -> PathBuf {
    let built = PathBuf::from("target/static/fairhaul");
    let own = std::env::current_exe().ok();
    let target = own.as_deref().and_then(Path::parent).and_then(Path::parent);
    let beside = target.map(|target| target.join("static/fairhaul"));
    let said = std::env::var_os("FAIRHAUL").map(PathBuf::from);
    let mut found = [Some(built.clone()), beside, said].into_iter().flatten();
    found.find(|path| path.is_file()).unwrap_or(built)
}
