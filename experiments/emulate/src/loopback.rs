//! The simplest environment: plain processes at addresses of this machine's own loopback.
//!
//! Nothing is shaped, so nodes keep their links' rates by their own caps, see
//! [`Links::Caps`](super::parameters::Links). Needs no rights. Processes are killed and the folder
//! is removed when it is dropped.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::environment::{Environment, EnvironmentError};
use super::mask;
use super::process::{Process, SOCKET};

/// Addresses that it has: 127.77.0.1 to 127.77.249.250.
pub const PEERS_MAX: usize = 250 * 250;

/// Numbers the places of this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Processes on this machine.
#[derive(Debug)]
pub struct Loopback {
    program: PathBuf,
    work: PathBuf,
    keep: bool,
    /// Keeps the port of all peers, at an address that none of them has: no other place of this
    /// kind takes it, and nothing else listens at these addresses.
    port: TcpListener,
    homes: Vec<PathBuf>,
    processes: Vec<Process>,
    closed: bool,
}

impl Loopback {
    /// Room for `peers` nodes, each a process of `program`, in a new folder below `work`, or
    /// below the folder of the system for such things. With `keep` it is not removed.
    ///
    /// # Errors
    ///
    /// More peers than addresses, no program, or no folder.
    pub fn new(
        peers: usize,
        program: &Path,
        work: Option<&Path>,
        keep: bool,
    ) -> Result<Self, EnvironmentError> {
        if peers > PEERS_MAX {
            return Err(EnvironmentError(format!(
                "the loopback: {peers} peers; allowed {PEERS_MAX}"
            )));
        }
        if !program.is_file() {
            let program = program.display();
            return Err(EnvironmentError(format!(
                "{program}: no such program; --fairhaul says where the engine is"
            )));
        }
        let port = TcpListener::bind((Ipv4Addr::new(127, 77, 250, 1), 0));
        let port = port.map_err(|error| EnvironmentError(format!("127.77.250.1: {error}")))?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let parent = work.map_or_else(std::env::temp_dir, Path::to_owned);
        let parent = std::path::absolute(&parent).unwrap_or(parent);
        let work = parent.join(format!("fairlab-{}-{number}", std::process::id()));
        let made = fs::create_dir_all(&parent)
            .and_then(|()| fs::DirBuilder::new().mode(0o700).create(&work));
        made.map_err(|error| EnvironmentError(format!("{}: {error}", work.display())))?;
        let homes: Vec<PathBuf> = (0..peers).map(|row| work.join(row.to_string())).collect();
        Ok(Self {
            program: program.to_owned(),
            processes: homes.iter().map(|home| Process::new(home)).collect(),
            homes,
            port,
            work,
            keep,
            closed: false,
        })
    }

    /// The folder of everything.
    #[must_use]
    pub fn work(&self) -> &Path {
        &self.work
    }

    /// The process of a peer, if it runs.
    #[must_use]
    pub fn process(&self, peer: u32) -> Option<u32> {
        self.processes[peer as usize].id()
    }
}

impl Environment for Loopback {
    fn listen(&self, peer: u32) -> SocketAddr {
        let part = |number: u32| u8::try_from(number).expect("peers are at most 250 * 250");
        let host = Ipv4Addr::new(127, 77, part(peer / 250), part(peer % 250 + 1));
        let kept = self.port.local_addr().expect("a listener has an address");
        (host, kept.port()).into()
    }

    fn home(&self, peer: u32) -> &Path {
        &self.homes[peer as usize]
    }

    fn socket(&self, peer: u32) -> PathBuf {
        self.homes[peer as usize].join(SOCKET)
    }

    fn put(&mut self, peer: u32, name: &str, bytes: &mut dyn Read) -> Result<(), EnvironmentError> {
        let path = self.homes[peer as usize].join(name);
        let mut written = 0;
        let put = || -> io::Result<()> {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&path)?;
            let mut buffer = vec![0; 1 << 16];
            loop {
                let len = bytes.read(&mut buffer)?;
                if len == 0 {
                    return Ok(());
                }
                file.write_all(&buffer[..len])?;
                written += len;
            }
        };
        let result = { put }();
        result.map_err(|error| {
            let path = path.display();
            EnvironmentError(format!("{path}: {error}, after {written} bytes"))
        })
    }

    fn start(&mut self, peer: u32) -> Result<(), EnvironmentError> {
        let home = &self.homes[peer as usize];
        let mut command = Command::new(mask::program(&self.program, home)?);
        command.args(["run", "-c"]).arg(home.join("node.toml"));
        // A ^C of the terminal is for the player: it ends the nodes in its own order.
        let spawn = |mut command: Command| command.process_group(0).spawn();
        self.processes[peer as usize].start(command, spawn)
    }

    fn kill(&mut self, peer: u32) -> Result<(), EnvironmentError> {
        self.processes[peer as usize].kill();
        Ok(())
    }

    fn stop(&mut self, peer: u32) -> Result<(), EnvironmentError> {
        self.processes[peer as usize].stop()
    }

    fn alive(&mut self, peer: u32) -> Result<(), EnvironmentError> {
        self.processes[peer as usize].alive()
    }

    fn close(&mut self) -> Result<(), EnvironmentError> {
        self.processes.iter_mut().for_each(Process::kill);
        if !self.keep && !std::mem::replace(&mut self.closed, true) {
            let removed = fs::remove_dir_all(&self.work);
            let fail = |error| EnvironmentError(format!("{}: {error}", self.work.display()));
            return removed.map_err(fail);
        }
        Ok(())
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        // Whoever wanted to know of a failure has called `close`.
        let _ = self.close();
    }
}
