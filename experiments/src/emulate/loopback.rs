//! The simplest place: plain processes at addresses of this machine's own loopback.
//!
//! Decides nothing about rates: nothing is shaped, so nodes keep their links' rates by their
//! own caps, see [`Links::Caps`](super::parameters::Links). Needs no rights. Processes are
//! killed and the folder is removed when it is dropped.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek as _, SeekFrom, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fairhaul_core::units::Rate;
use rustix::process::{Pid, Signal, kill_process};

use super::place::{Place, PlaceError};

/// Addresses that it has: 127.77.0.1 to 127.77.249.250.
pub const PEERS_MAX: usize = 250 * 250;
/// How long a process may take until its control answers, and until it has stopped.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pause between two looks at whether it has.
const LOOK: Duration = Duration::from_millis(5);
/// Bytes of the end of a log in which its last line is looked for.
const TAIL: u64 = 4_096;

/// Numbers the places of this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Processes on this machine.
#[derive(Debug)]
pub struct Loopback {
    program: PathBuf,
    work: PathBuf,
    keep: bool,
    port: u16,
    homes: Vec<PathBuf>,
    running: Vec<Option<Child>>,
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
    ) -> Result<Self, PlaceError> {
        if peers > PEERS_MAX {
            return Err(PlaceError(format!(
                "the loopback: {peers} peers; allowed {PEERS_MAX}"
            )));
        }
        if !program.is_file() {
            let program = program.display();
            return Err(PlaceError(format!(
                "{program}: no such program; --fairhaul says where the engine is"
            )));
        }
        let listener = TcpListener::bind((Ipv4Addr::new(127, 77, 0, 1), 0));
        let port = listener.and_then(|listener| listener.local_addr());
        let port = port.map_err(|error| PlaceError(format!("127.77.0.1: {error}")))?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let parent = work.map_or_else(std::env::temp_dir, Path::to_owned);
        let parent = std::path::absolute(&parent).unwrap_or(parent);
        let work = parent.join(format!("fairlab-{}-{number}", std::process::id()));
        let made = fs::create_dir_all(&parent)
            .and_then(|()| fs::DirBuilder::new().mode(0o700).create(&work));
        made.map_err(|error| PlaceError(format!("{}: {error}", work.display())))?;
        Ok(Self {
            program: program.to_owned(),
            homes: (0..peers).map(|row| work.join(row.to_string())).collect(),
            running: (0..peers).map(|_| None).collect(),
            port: port.port(),
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
        let child = self.running[peer as usize].as_ref();
        child.map(Child::id)
    }

    fn log(&self, peer: u32) -> PathBuf {
        self.homes[peer as usize].join("node.log")
    }

    /// How a process ended, and the last that it said.
    fn ended(&self, peer: u32, status: ExitStatus) -> PlaceError {
        let last = last_line(&self.log(peer));
        let last = last.unwrap_or_else(|| "it said nothing".to_owned());
        PlaceError(format!("the node ended with {status}; {last}"))
    }

    fn wait_for_control(&mut self, peer: u32) -> Result<(), PlaceError> {
        let socket = self.control(peer);
        let since = Instant::now();
        loop {
            if UnixStream::connect(&socket).is_ok() {
                return Ok(());
            }
            self.alive(peer)?;
            if since.elapsed() > PATIENCE {
                let last = last_line(&self.log(peer)).unwrap_or_default();
                return Err(PlaceError(format!(
                    "the node does not answer after {} s; {last}",
                    PATIENCE.as_secs()
                )));
            }
            thread::sleep(LOOK);
        }
    }
}

impl Place for Loopback {
    fn listen(&self, peer: u32) -> SocketAddr {
        let part = |number: u32| u8::try_from(number).expect("peers are at most 250 * 250");
        let host = Ipv4Addr::new(127, 77, part(peer / 250), part(peer % 250 + 1));
        (host, self.port).into()
    }

    fn reach(&self, _from: u32, to: u32) -> String {
        self.listen(to).to_string()
    }

    fn home(&self, peer: u32) -> &Path {
        &self.homes[peer as usize]
    }

    fn socket(&self, peer: u32) -> PathBuf {
        self.homes[peer as usize].join("control")
    }

    fn control(&self, peer: u32) -> PathBuf {
        self.socket(peer)
    }

    fn put(&mut self, peer: u32, name: &str, bytes: &mut dyn Read) -> Result<(), PlaceError> {
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
            PlaceError(format!("{path}: {error}, after {written} bytes"))
        })
    }

    fn start(&mut self, peer: u32) -> Result<(), PlaceError> {
        let home = self.homes[peer as usize].clone();
        let fail = |error: io::Error| PlaceError(format!("{}: {error}", home.display()));
        let log = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(self.log(peer))
            .map_err(fail)?;
        let child = Command::new(&self.program)
            .args(["run", "-c"])
            .arg(home.join("node.toml"))
            .current_dir(&home)
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(fail)?)
            .stderr(log)
            // A ^C of the terminal is for the director: it ends the nodes in its own order.
            .process_group(0)
            .spawn()
            .map_err(|error| PlaceError(format!("{}: {error}", self.program.display())))?;
        self.running[peer as usize] = Some(child);
        self.wait_for_control(peer)
    }

    fn kill(&mut self, peer: u32) -> Result<(), PlaceError> {
        let Some(mut child) = self.running[peer as usize].take() else {
            return Ok(());
        };
        child
            .kill()
            .and_then(|()| child.wait().map(drop))
            .map_err(|error| PlaceError(format!("process {}: {error}", child.id())))
    }

    fn stop(&mut self, peer: u32) -> Result<(), PlaceError> {
        let Some(child) = self.running[peer as usize].as_mut() else {
            return Ok(());
        };
        let id = child.id();
        let fail = |error: &dyn std::fmt::Display| PlaceError(format!("process {id}: {error}"));
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM).map_err(|error| fail(&error))?;
        }
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if child.try_wait().map_err(|error| fail(&error))?.is_some() {
                self.running[peer as usize] = None;
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        self.kill(peer)?;
        Err(fail(&format!(
            "did not stop within {} s, and was killed",
            PATIENCE.as_secs()
        )))
    }

    fn alive(&mut self, peer: u32) -> Result<(), PlaceError> {
        let Some(child) = self.running[peer as usize].as_mut() else {
            return Err(PlaceError("the node does not run".to_owned()));
        };
        match child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => {
                self.running[peer as usize] = None;
                Err(self.ended(peer, status))
            }
            Err(error) => Err(PlaceError(format!("process {}: {error}", child.id()))),
        }
    }

    fn set_rates(
        &mut self,
        _peer: u32,
        _up: Option<Rate>,
        _down: Option<Rate>,
    ) -> Result<bool, PlaceError> {
        Ok(false)
    }

    fn close(&mut self) -> Result<(), PlaceError> {
        let peers = 0..u32::try_from(self.running.len()).expect("peers are at most 250 * 250");
        let mut result = Ok(());
        for peer in peers {
            let killed = self.kill(peer);
            result = result.and(killed);
        }
        if !self.keep && !std::mem::replace(&mut self.closed, true) {
            let removed = fs::remove_dir_all(&self.work);
            let fail = |error| PlaceError(format!("{}: {error}", self.work.display()));
            let removed = removed.map_err(fail);
            result = result.and(removed);
        }
        result
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        // Whoever wanted to know of a failure has called `close`.
        let _ = self.close();
    }
}

/// The last line of a file that is not blank.
fn last_line(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    let len = file.metadata().ok()?.len();
    file.seek(SeekFrom::Start(len.saturating_sub(TAIL))).ok()?;
    let mut text = Vec::new();
    file.read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().rfind(|line| !line.trim().is_empty())?;
    Some(line.trim().to_owned())
}
