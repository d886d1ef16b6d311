//! The command line as a person types it.
//!
//! Amounts have units. No option takes a secret: other users of a machine can read command lines.
//! The line of `get` is one, for few receivers and for a while; it can be read from standard input
//! instead.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use fairhaul::content::line::RECEIVERS_MAX;
use fairhaul::control::api::LimitTarget;
use fairhaul_core::quantity::{self, Quantity, WeightError};

use super::group::{Member, member};

/// What every help ends with.
const CODES: &str = "Exit codes: 0 done, 1 error, 2 usage, 3 bad file or storage, \
                     4 peer or node unreachable, 5 identity refused, 6 integrity, 7 part failed, \
                     9 stopped by a planned limit, 130 interrupted.";

/// Move files between machines fairly.
#[derive(Debug, Parser)]
#[command(
    name = "fairhaul",
    version,
    about,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = CODES
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where the running node is.
#[derive(Clone, Debug, Args)]
pub(crate) struct Node {
    /// The socket of the node [default: that of the parameter file, else of the environment
    /// variable FAIRHAUL_SOCKET, else /run/fairhaul/control.sock].
    #[arg(long, value_name = "PATH")]
    pub(crate) socket: Option<PathBuf>,
    /// The parameter file of the node.
    #[arg(short, long, value_name = "FILE", conflicts_with = "socket")]
    pub(crate) config: Option<PathBuf>,
}

/// How the answer is printed, and of which node.
#[derive(Clone, Debug, Args)]
pub(crate) struct Asking {
    #[command(flatten)]
    pub(crate) node: Node,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// A commented parameter file with its defaults, or all files of a group.
    ///
    /// With --peers it makes FOLDER/NAME/identity.key and FOLDER/NAME/node.toml for each peer, in
    /// which every other one is listed, and prints their public keys. Keys that are there stay.
    /// What FOLDER/settings.toml and FOLDER/NAME/settings.toml say is added.
    Init {
        /// Where to write it [default: standard output]; with --peers, a folder.
        #[arg(value_name = "FILE|FOLDER")]
        file: Option<PathBuf>,
        /// Replace parameter files that are there.
        #[arg(long, requires = "file")]
        force: bool,
        /// The peers, and where each is reached.
        #[arg(long, requires = "file", value_name = "NAME=HOST:PORT,...", value_delimiter = ',',
              value_parser = member)]
        peers: Vec<Member>,
        /// Have data, key and socket of each where the service has them, below this folder; "/"
        /// is the system itself [default: beside each parameter file].
        #[arg(long, requires = "peers", value_name = "PREFIX")]
        prefix: Option<String>,
    },
    /// Check a parameter file, and print it with every default filled in.
    Check {
        /// The parameter file.
        file: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// The key pair of a node; prints its public key.
    Identity(Identity),
    /// Run the node: it sends and receives until it is stopped.
    Run(Run),
    /// Offer a file or tree; prints its ticket.
    Share {
        /// The file or tree.
        path: PathBuf,
        /// Leave out what fits this pattern, in gitignore syntax; may be repeated.
        #[arg(long, value_name = "PATTERN")]
        ignore: Vec<String>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Fetch a content from every peer that has it.
    ///
    /// With a line of `fairhaul send PATH` no node has to run, here or there; the same command
    /// goes on with what came before. With a ticket of `fairhaul share` the node fetches: Ctrl-C
    /// ends the waiting then, and `fairhaul cancel ID` the transfer.
    Get {
        /// What `send` or `share` printed; "-" reads it from standard input, for other users of a
        /// machine can read command lines.
        #[arg(value_name = "LINE|TICKET")]
        ticket: String,
        /// The folder to put it in; with a line, "-" is standard output.
        #[arg(default_value = ".")]
        dir: PathBuf,
        /// Replace files that are there.
        #[arg(long)]
        overwrite: bool,
        /// Make names that are not portable, too.
        #[arg(long)]
        force: bool,
        /// With a line for several receivers, the port at which the others reach this one
        /// [default: one that is free].
        #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
        port: Option<u16>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Send a file or tree to whoever types the line that is printed, or push it to peers.
    ///
    /// Without a PEER no node has to run, here or there: it prints the command to type on the
    /// other machine, and serves until that has all of it. Ctrl-C revokes the line. With peers
    /// the node pushes to those that accept it: Ctrl-C ends the waiting then, and `fairhaul
    /// cancel ID` the transfer.
    Send {
        /// The file or tree; without a PEER, "-" is standard input.
        path: PathBuf,
        /// Names of peers of the running node.
        #[arg(value_name = "PEER")]
        peers: Vec<String>,
        /// Leave out what fits this pattern, in gitignore syntax; may be repeated.
        #[arg(long, value_name = "PATTERN")]
        ignore: Vec<String>,
        #[command(flatten)]
        line: LineOptions,
        #[command(flatten)]
        asking: Asking,
    },
    /// A line of text to a peer; it shows in `fairhaul events` there.
    Message {
        /// The name of the peer.
        peer: String,
        /// At most 4096 bytes.
        text: String,
        #[command(flatten)]
        node: Node,
    },
    /// Round-trip times to a peer.
    Ping {
        /// The name of the peer.
        peer: String,
        #[command(flatten)]
        asking: Asking,
    },
    /// Who is known, how, their addresses and keys.
    Peers {
        #[command(flatten)]
        asking: Asking,
    },
    /// Who is banned, for what and until when; or lifts bans.
    ///
    /// A peer is banned for a day that sends wrong bytes or breaks the protocol in a way that no
    /// fault of a network, disk or clock explains.
    #[command(args_conflicts_with_subcommands = true)]
    Bans {
        #[command(subcommand)]
        verb: Option<BansVerb>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Transfers, rates, who waits and for what.
    ///
    /// With --watch the peers as well, with what holds each of them now.
    Status {
        /// Every second, until q or Ctrl-C; without a terminal, one after another.
        #[arg(long)]
        watch: bool,
        #[command(flatten)]
        asking: Asking,
    },
    /// What happens, as it happens: texts, peers, transfers; until interrupted.
    Events {
        #[command(flatten)]
        asking: Asking,
    },
    /// Change a cap of the running node, or show what is in force.
    Limit {
        /// node, peer:NAME, group:NAME, transfer:ID, or the name of a peer or group.
        target: LimitTarget,
        /// A rate such as "20 Mbit/s", or "unlimited"; without it nothing changes.
        #[arg(value_parser = cap)]
        rate: Option<Cap>,
        /// What the node receives instead of what it sends.
        #[arg(long, requires = "rate")]
        download: bool,
        #[command(flatten)]
        asking: Asking,
    },
    /// Change a weight of the running node, or show what is in force.
    Weight {
        /// peer:NAME, group:NAME, transfer:ID, or the name of a peer or group.
        target: LimitTarget,
        /// 0.01 to 10000, or 0 (best effort: 0.01); without it nothing changes.
        #[arg(value_parser = hundredths)]
        weight: Option<u32>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Change a floor of the running node, or show what is in force.
    Floor {
        /// peer:NAME, group:NAME, transfer:ID, or the name of a peer or group.
        target: LimitTarget,
        /// A rate such as "5 MB/s", or "0 B/s"; without it nothing changes.
        #[arg(value_parser = floor)]
        rate: Option<u64>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Stop moving a transfer; what is there stays.
    Pause(Id),
    /// Move a paused transfer again.
    Resume(Id),
    /// End a transfer; what arrived stays for a later one.
    Cancel(Id),
    /// Read the parameter file again; one with an error changes nothing.
    Reload {
        #[command(flatten)]
        asking: Asking,
    },
    /// Stop the node.
    Stop {
        #[command(flatten)]
        node: Node,
    },
    /// Whether this machine is fit for a node: clock, limits, ports, keys, names.
    Doctor {
        /// The parameter file of the node; without one the machine alone is looked at.
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run a log of inputs, as `run --record` writes it, through the core again.
    ///
    /// Prints the digest of what the core did; code 6 if it is not the one of the log.
    Replay {
        /// The log.
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
    /// The manual page.
    Man {
        /// A folder for a page of each command [default: the main page, to standard output].
        dir: Option<PathBuf>,
    },
}

/// `send` without a peer.
#[derive(Clone, Debug, Args)]
#[group(conflicts_with = "peers")]
pub(crate) struct LineOptions {
    /// How many machines may fetch by the line.
    #[arg(long = "for", value_name = "N", default_value_t = 1, conflicts_with = "peers",
          value_parser = clap::value_parser!(u8).range(1..=i64::from(RECEIVERS_MAX)))]
    pub(crate) receivers: u8,
    /// Serve for so long from now, such as "30 min", also after all have it.
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "peers")]
    pub(crate) keep: Option<Duration>,
    /// The port to listen at [default: one that is free].
    #[arg(long, value_name = "PORT", conflicts_with = "peers",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// Where the other machines reach this one, with or without a port, instead of the addresses
    /// that it finds; may be repeated.
    #[arg(long = "address", value_name = "HOST[:PORT]", conflicts_with = "peers")]
    pub(crate) addresses: Vec<String>,
}

/// A file or tree that is sent by a line.
#[derive(Debug)]
pub(crate) struct SendLine {
    pub(crate) path: PathBuf,
    pub(crate) ignore: Vec<String>,
    pub(crate) options: LineOptions,
    pub(crate) json: bool,
}

/// A line by which something is fetched.
#[derive(Debug)]
pub(crate) struct GetLine {
    pub(crate) line: String,
    pub(crate) dir: PathBuf,
    pub(crate) overwrite: bool,
    pub(crate) force: bool,
    pub(crate) port: Option<u16>,
    pub(crate) json: bool,
}

/// `identity`.
#[derive(Debug, Args)]
pub(crate) struct Identity {
    /// What to do: make a key pair, or show the one that is there.
    #[arg(value_enum, default_value = "show")]
    pub(crate) verb: IdentityVerb,
    /// The parameter file of the node.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The key file [default: that of the parameter file, else of a bare one].
    #[arg(long, value_name = "PATH", conflicts_with = "config")]
    pub(crate) file: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The verbs of `identity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum IdentityVerb {
    /// Make a key pair; one that is there is never replaced.
    New,
    /// Show the public key.
    Show,
}

/// The verbs of `bans`.
#[derive(Debug, Subcommand)]
pub(crate) enum BansVerb {
    /// Lift a ban, or all; prints the keys that may come in again.
    Lift {
        /// The key or the name of a peer, or "all".
        #[arg(value_name = "KEY|all")]
        whose: String,
        #[command(flatten)]
        asking: Asking,
    },
}

/// `run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The parameter file.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Write a log of inputs that can be replayed.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Write tables of what the node did into this folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) tables: Option<PathBuf>,
    /// Trust a peer that no parameter file names when it first calls.
    #[arg(long)]
    pub(crate) trust_first_use: bool,
}

/// A transfer.
#[derive(Debug, Args)]
pub(crate) struct Id {
    /// Its id, as `status` shows it.
    pub(crate) id: u32,
    #[command(flatten)]
    pub(crate) node: Node,
}

/// Bytes per second; none is unlimited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cap(pub(crate) Option<u64>);

fn cap(text: &str) -> Result<Cap, String> {
    if text == "unlimited" {
        return Ok(Cap(None));
    }
    let rate = rate(text).map_err(|error| format!("{error}, or \"unlimited\""))?;
    Ok(Cap(Some(rate)))
}

fn floor(text: &str) -> Result<u64, String> {
    if text == "0 B/s" {
        return Ok(0);
    }
    rate(text).map_err(|error| format!("{error}, or \"0 B/s\""))
}

fn rate(text: &str) -> Result<u64, String> {
    let rate = Quantity::Rate.parse(text);
    rate.map_err(|error| format!("it {error}; allowed {}", error.allowed()))
}

fn time(text: &str) -> Result<Duration, String> {
    let time = Quantity::Time.parse(text).map(Duration::from_nanos);
    time.map_err(|error| format!("it {error}; allowed {}", error.allowed()))
}

fn hundredths(text: &str) -> Result<u32, String> {
    let weight = quantity::weight(text);
    weight.map_err(|error| format!("it {error}; allowed {}", WeightError::ALLOWED))
}
