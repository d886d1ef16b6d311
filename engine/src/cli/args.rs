//! The command line as a person types it.
//!
//! Decides the names of commands and options; refuses amounts without a unit. No option takes
//! a secret: other users of a machine can read command lines.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use fairhaul::control::api::Target;
use fairhaul_core::quantity::{self, Quantity, WeightError};

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
    /// Ctrl-C ends the waiting and leaves the transfer to the node; `fairhaul cancel ID` ends
    /// the transfer.
    Get {
        /// What `share` printed.
        ticket: String,
        /// The folder to put it in.
        #[arg(default_value = ".")]
        dir: PathBuf,
        /// Replace files that are there.
        #[arg(long)]
        overwrite: bool,
        /// Make names that are not portable, too.
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        asking: Asking,
    },
    /// Push a file or tree to peers that accept it.
    ///
    /// Ctrl-C ends the waiting and leaves the transfer to the node; `fairhaul cancel ID` ends
    /// the transfer.
    Send {
        /// The file or tree.
        path: PathBuf,
        /// Names of peers.
        #[arg(required = true, value_name = "PEER")]
        peers: Vec<String>,
        /// Leave out what fits this pattern, in gitignore syntax; may be repeated.
        #[arg(long, value_name = "PATTERN")]
        ignore: Vec<String>,
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
    Bans {
        #[command(subcommand)]
        verb: Option<BansVerb>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Transfers, rates, who waits and for what.
    Status {
        /// Every second, until interrupted.
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
    /// Change a cap of the running node.
    Limit {
        /// node, peer:NAME, group:NAME, transfer:ID, or the name of a peer or group.
        target: Target,
        /// A rate such as "20 Mbit/s", or "unlimited".
        #[arg(value_parser = cap)]
        rate: Cap,
        /// What the node receives instead of what it sends.
        #[arg(long)]
        download: bool,
        #[command(flatten)]
        node: Node,
    },
    /// Change a weight of the running node.
    Weight {
        /// peer:NAME, group:NAME, transfer:ID, or the name of a peer or group.
        target: Target,
        /// 0 (best effort) or 0.01 to 10000.
        #[arg(value_parser = hundredths)]
        weight: u32,
        #[command(flatten)]
        node: Node,
    },
    /// Change a floor of the running node.
    Floor {
        /// peer:NAME, group:NAME, transfer:ID, or the name of a peer or group.
        target: Target,
        /// A rate such as "5 MB/s", or "0 B/s".
        #[arg(value_parser = floor)]
        rate: u64,
        #[command(flatten)]
        node: Node,
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

fn hundredths(text: &str) -> Result<u32, String> {
    let weight = quantity::weight(text);
    weight.map_err(|error| format!("it {error}; allowed {}", WeightError::ALLOWED))
}
