//! The machines as the environment of one run.
//!
//! A node is started only once its control socket comes through to here.

use std::io::{Read, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use fairhaul_simulator::setup::Setup;

use super::agent::NoAnswer;
use super::host::{Host, ended};
use super::placement::PeerPlacement;
use super::{Fleet, FleetError};
use crate::environment::{Environment, EnvironmentError};

/// The control socket in the folder of a node.
const SOCKET: &str = "control.sock";
/// Longest path of a socket that kernels take.
const SOCKET_PATH_MAX: usize = 107;
/// How long a node may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks at whether it has.
const LOOK: Duration = Duration::from_millis(10);

/// Nodes of one run on machines of a fleet.
#[derive(Debug)]
pub struct Machines {
    nodes: Vec<Node>,
    /// The folder of the run, in that of each machine.
    run: String,
    closed: bool,
}

/// One peer's node.
#[derive(Debug)]
struct Node {
    host: Arc<Host>,
    placement: PeerPlacement,
    home: PathBuf,
    /// Its control socket, on this machine.
    control: PathBuf,
}

impl Machines {
    /// Places for the peers of `setup`. Machines that were lost in an earlier run are tried
    /// again.
    ///
    /// # Errors
    ///
    /// Which machine cannot be used.
    pub fn build(fleet: &Fleet, setup: &Setup) -> Result<Self, FleetError> {
        let placements = fleet.placements(setup)?;
        fleet.reach(
            &placements
                .iter()
                .map(|placement| placement.machine)
                .collect(),
        )?;
        let number = fleet.runs.fetch_add(1, Ordering::Relaxed);
        let run = format!("r{number}");
        let mut place = Self {
            nodes: Vec::new(),
            run,
            closed: false,
        };
        for (row, placement) in placements.into_iter().enumerate() {
            let host = Arc::clone(&fleet.hosts[placement.machine]);
            let home = host.folder().join(&place.run).join(row.to_string());
            let socket = home.join(SOCKET);
            let length = socket.as_os_str().len();
            if length > SOCKET_PATH_MAX {
                return Err(FleetError::There(format!(
                    "{}: {}: a socket's path has {length} bytes, allowed {SOCKET_PATH_MAX}; see \
                     --prefix",
                    host.label,
                    socket.display()
                )));
            }
            let control = fleet.local.join(format!("{number}-{row}"));
            let forwarded = host.forward("forward", &control, &socket);
            forwarded.map_err(|EnvironmentError(line)| FleetError::There(line))?;
            place.nodes.push(Node {
                host,
                placement,
                home,
                control,
            });
        }
        Ok(place)
    }

    fn node(&self, peer: u32) -> &Node {
        &self.nodes[peer as usize]
    }
}

impl Node {
    /// Asks its machine about it: `WORD HOME`.
    fn ask(&self, word: &str) -> Result<String, EnvironmentError> {
        let question = format!("{word} {}", self.home.display());
        let answer = self.host.ask(&question);
        answer.map_err(|error| self.host.placed(error))
    }

    fn fail(&self, what: &str) -> EnvironmentError {
        EnvironmentError(format!("{}: the node {what}", self.host.label))
    }

    /// Waits until it is `up`, or has ended.
    fn wait_until_up(&self) -> Result<(), EnvironmentError> {
        let since = Instant::now();
        loop {
            let state = self.ask("state")?;
            if state == "up" {
                return self.try_control();
            }
            if let Some(how) = state.strip_prefix("ended ") {
                return Err(self.fail(&ended(how)));
            }
            // A look was faster.
            self.host.alive(&self.home)?;
            if since.elapsed() > PATIENCE {
                let seconds = PATIENCE.as_secs();
                return Err(self.fail(&format!("does not answer after {seconds} s")));
            }
            thread::sleep(LOOK);
        }
    }

    /// Whether its control comes through: anything that it answers will do.
    fn try_control(&self) -> Result<(), EnvironmentError> {
        let answered = || -> std::io::Result<usize> {
            let mut stream = UnixStream::connect(&self.control)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
            stream.read(&mut [0; 1])
        };
        match answered() {
            Ok(1..) => Ok(()),
            // sshd closes what it does not carry.
            Ok(0) => Err(EnvironmentError(format!(
                "{}: sshd there carries no sockets; it needs AllowStreamLocalForwarding yes",
                self.host.label
            ))),
            Err(error) => Err(self.fail(&format!("does not answer through ssh: {error}"))),
        }
    }
}

impl Environment for Machines {
    fn listen(&self, peer: u32) -> SocketAddr {
        let node = self.node(peer);
        let any: IpAddr = if node.host.machine.reach().contains(':') {
            Ipv6Addr::UNSPECIFIED.into()
        } else {
            Ipv4Addr::UNSPECIFIED.into()
        };
        (any, node.placement.port).into()
    }

    fn reach(&self, from: u32, to: u32) -> String {
        let (from, to) = (self.node(from), self.node(to));
        let host = to.host.machine.reach();
        let port = to.placement.port;
        let is_v6 = host.contains(':');
        // Not every network lets a machine reach itself by its outer address.
        match (from.placement.machine == to.placement.machine, is_v6) {
            (true, false) => format!("127.0.0.1:{port}"),
            (true, true) => format!("[::1]:{port}"),
            (false, false) => format!("{host}:{port}"),
            (false, true) => format!("[{host}]:{port}"),
        }
    }

    fn home(&self, peer: u32) -> &Path {
        &self.node(peer).home
    }

    fn socket(&self, peer: u32) -> PathBuf {
        self.node(peer).home.join(SOCKET)
    }

    fn control(&self, peer: u32) -> PathBuf {
        self.node(peer).control.clone()
    }

    fn put(&mut self, peer: u32, name: &str, bytes: &mut dyn Read) -> Result<(), EnvironmentError> {
        let plain = |part| matches!(part, Component::Normal(_));
        let signs = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte);
        let is_plain = Path::new(name).components().all(plain) && name.bytes().all(signs);
        if name.is_empty() || !is_plain {
            return Err(EnvironmentError(format!(
                "{name:?} is not a path below the folder of a peer"
            )));
        }
        let node = self.node(peer);
        node.host.put(&node.home.join(name), bytes)
    }

    fn start(&mut self, peer: u32) -> Result<(), EnvironmentError> {
        let node = self.node(peer);
        node.host.forget(&node.home);
        node.ask("start")?;
        node.wait_until_up()
    }

    fn kill(&mut self, peer: u32) -> Result<(), EnvironmentError> {
        self.node(peer).ask("signal KILL").map(drop)
    }

    fn stop(&mut self, peer: u32) -> Result<(), EnvironmentError> {
        let node = self.node(peer);
        node.ask("signal TERM")?;
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            let state = node.ask("state")?;
            if state == "none" || state.starts_with("ended ") {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        node.ask("signal KILL")?;
        let seconds = PATIENCE.as_secs();
        Err(node.fail(&format!("did not stop within {seconds} s, and was killed")))
    }

    fn alive(&mut self, peer: u32) -> Result<(), EnvironmentError> {
        let node = self.node(peer);
        node.host.alive(&node.home)
    }

    fn close(&mut self) -> Result<(), EnvironmentError> {
        if std::mem::replace(&mut self.closed, true) {
            return Ok(());
        }
        let mut result = Ok(());
        let mut ended = std::collections::BTreeSet::new();
        for node in &self.nodes {
            if !node.host.is_there() {
                continue;
            }
            if ended.insert(node.placement.machine) {
                let folder = node.host.folder().join(&self.run);
                let answer = node.host.ask(&format!("end {}", folder.display()));
                // A machine that is gone was the failure of the run, or ends with the fleet.
                if let (Ok(()), Err(error @ NoAnswer::No(_))) = (&result, answer) {
                    result = Err(node.host.placed(error));
                }
            }
            let there = node.home.join(SOCKET);
            // Without it the socket stays until the fleet's folder goes.
            let _ = node.host.forward("cancel", &node.control, &there);
        }
        result
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        if let Err(EnvironmentError(line)) = self.close() {
            eprintln!("fairlab: {line}");
        }
    }
}
