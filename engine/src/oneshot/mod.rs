//! A node for one content, made in memory: no parameter file, no list of keys, no service.
//!
//! It is the node that `fairhaul run` runs, in this process, and is asked over the same socket.
//! All that it takes part in is what its line is for, so that is all that a receiver of the line
//! can fetch from it; nobody may push to it.

use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use fairhaul_client::ask;
use fairhaul_config::text::FilePath;
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::content::line::Secret;
use crate::control::api::{ControlRequest, Failure, Nothing};
use crate::identity::{Identity, PublicKey};
use crate::node::{self, ByLine, RunOptions};
use crate::params::ParameterFile;

pub mod machine;

/// What a receiver calls the sender of its line.
pub const SENDER: &str = "sender";

/// What a receiver says to the sender once it has all of the content, verified and durable, under
/// its names.
pub const WHOLE: &str = "I have all of it";

/// What the node is made from.
pub struct OneshotPlan {
    /// What it calls itself.
    pub name: String,
    /// Where its state is kept.
    pub data: PathBuf,
    /// Who it is.
    pub identity: Identity,
    /// The file of the user's own identity, which is never sent.
    pub key: PathBuf,
    /// Where it listens.
    pub listener: TcpListener,
    /// What gives the keys of those who may come in.
    pub secret: Secret,
    /// How many of those may come in.
    pub most: usize,
    /// Whether they are told of each other.
    pub exchange: bool,
    /// The sender's key and addresses; none if this is the sender.
    pub sender: Option<(PublicKey, Vec<String>)>,
}

/// A node that runs in this process.
#[derive(Debug)]
pub struct OneShot {
    socket: PathBuf,
    node: JoinHandle<Result<(), Failure>>,
    /// Where its socket is, which goes with it.
    _folder: TempDir,
}

impl OneShot {
    /// Starts it, and waits until it can be asked.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from starting, with the exit code of that.
    pub async fn start(plan: OneshotPlan) -> Result<Self, Failure> {
        let folder = private_folder()?;
        let socket = folder.path().join("control");
        let params = params(&plan, &socket)?;
        let (ready, started) = oneshot::channel();
        let by_line = ByLine {
            identity: plan.identity,
            listener: plan.listener,
            secret: plan.secret,
            most: plan.most,
            sender: plan.sender,
        };
        let options = RunOptions {
            params,
            file: PathBuf::new(),
            record: None,
            tables: None,
            trust_first_use: false,
            by_line: Some(by_line),
        };
        let node = thread::Builder::new().name("node".to_owned());
        let node = node.spawn(move || node::run(options, ready));
        let node = node.map_err(|error| Failure::error(format!("threads: {error}")))?;
        if started.await.is_err() {
            join(node)?;
            return Err(Failure::error("the node has ended before it was ready"));
        }
        Ok(Self {
            socket,
            node,
            _folder: folder,
        })
    }

    /// Where it is asked.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Ends it: what has come is durable after that.
    ///
    /// # Errors
    ///
    /// What went wrong in it.
    pub async fn stop(self) -> Result<(), Failure> {
        // It may be ending already, as an interrupt reaches it too.
        let _: Result<Nothing, Failure> =
            ask(&self.socket, &ControlRequest::Stop(Nothing {}), |_| {}).await;
        let joined = tokio::task::spawn_blocking(|| join(self.node)).await;
        joined.map_err(|error| Failure::error(format!("threads: {error}")))?
    }
}

fn join(node: JoinHandle<Result<(), Failure>>) -> Result<(), Failure> {
    node.join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// A folder for what goes with this process, which its user alone can look into.
///
/// # Errors
///
/// If it cannot be made.
pub fn private_folder() -> Result<TempDir, Failure> {
    let made = tempfile::Builder::new().prefix("fairhaul-").tempdir();
    made.map_err(|error| {
        let at = std::env::temp_dir();
        Failure::storage(format!("{}: no folder can be made: {error}", at.display()))
    })
}

/// The parameters, which no file has.
fn params(plan: &OneshotPlan, socket: &Path) -> Result<ParameterFile, Failure> {
    let listens = plan.listener.local_addr();
    let listens = listens.map_err(|error| Failure::error(format!("listening: {error}")))?;
    let mut text = format!(
        "[node]\nname = \"{}\"\nlisten = \"{listens}\"\nexchange = {}\n",
        plan.name, plan.exchange
    );
    if let Some((key, addresses)) = &plan.sender {
        let ranges = machine::private_ranges(addresses);
        text.push_str(&format!("private-addresses = {ranges:?}\n"));
        text.push_str(&format!("[[peer]]\nname = \"{SENDER}\"\nkey = \"{key}\"\n"));
    }
    let mut params = ParameterFile::parse("parameters", &text).map_err(Failure::from)?;
    params.node.data = FilePath::new(unicode(&plan.data)?);
    params.node.key = Some(FilePath::new(unicode(&plan.key)?));
    params.control.socket = FilePath::new(unicode(socket)?);
    Ok(params)
}

fn unicode(path: &Path) -> Result<&str, Failure> {
    let bad = || Failure::storage(format!("{}: is not UTF-8", path.display()));
    path.to_str().ok_or_else(bad)
}

/// A socket that listens at `port`, or at one that the system chooses if that is 0: on this
/// machine alone, or to everybody.
///
/// # Errors
///
/// If the port is taken, or may not be used.
pub fn listen(port: u16, alone: bool) -> Result<TcpListener, Failure> {
    let ip: IpAddr = match alone {
        true => std::net::Ipv4Addr::LOCALHOST.into(),
        false => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let any = std::net::Ipv4Addr::UNSPECIFIED;
    let bound = bind((ip, port).into());
    // A machine without IPv6.
    let bound = match (bound, alone) {
        (Err(_), false) => bind((any, port).into()),
        (bound, _) => bound,
    };
    bound.map_err(|error| Failure::error(format!("port {port}: cannot listen: {error}")))
}

fn bind(at: std::net::SocketAddr) -> std::io::Result<TcpListener> {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::for_address(at), Type::STREAM, None)?;
    if at.is_ipv6() {
        // IPv4 too.
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// Callers that may wait to be accepted.
const BACKLOG: i32 = 1_024;
