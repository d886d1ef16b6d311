//! Real machines that are reached by ssh.
//!
//! Everything goes by the system's own ssh, one connection a machine, which never asks a person
//! anything. At its other end is a shell script, `agent.sh`, that starts, watches and ends nodes
//! and is no file there; control sockets come here through the same connection, so the player asks
//! a node there as it asks one here. All that lies on a machine lies in one folder,
//! `.fairlab-NAME`, with a marker of whose it is.
//!
//! Three things end what runs there. The script's input ends, whenever this process does and the
//! machine can notice: then it removes everything. No question comes for a while
//! ([`MachineOptions::alone`]): then its guard does, even if the script is dead. Neither could:
//! then the next run knows the folder by its marker, its nodes by their exact command lines, and
//! removes them. Nothing else is touched, least of all an installed node.
//!
//! Refused are more peers than machines, machines without the space, those on which another run
//! lives, and whatever ssh would have to ask about. Rates of links are kept by the nodes' own
//! caps; delays are those that the machines have.

mod agent;
mod copy;
mod disk_space;
mod environment;
mod host;
pub mod inventory;
pub mod placement;
pub mod ssh;

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fairhaul_simulator::setup::Setup;

use self::host::Host;
use self::inventory::Inventory;
use self::placement::{PeerPlacement, PlacementError};
use self::ssh::Login;
use super::Interrupt;
use fairhaul_results::CpuUse;

pub use self::environment::Machines;

/// The port of the first node of a machine, unless a person says: beside that of a deployed one.
pub const PORT: u16 = 7441;
/// How long a machine may take to come up, unless a person says.
pub const WAIT: Duration = Duration::from_secs(180);
/// How long nodes go on alone, unless a person says.
pub const ALONE: Duration = Duration::from_secs(60);

/// Time between two looks at a machine.
const LOOK: Duration = Duration::from_secs(1);
/// Machines that are made ready at once.
const AT_ONCE: usize = 16;
/// What a local folder of sockets is called, before the number of its process.
const LOCAL: &str = "fairlab-ssh-";
/// Longest path of that folder: a socket's may have 107 bytes, and ssh adds 17 to one of them.
const LOCAL_MAX: usize = 70;

/// Numbers the fleets of this process.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// How machines are used.
#[derive(Clone, Debug)]
pub struct MachineOptions {
    /// How to log in.
    pub login: Login,
    /// The folder there in which the run's own is made; none is the home of who logs in.
    pub prefix: Option<String>,
    /// The program of a node, which needs nothing else there.
    pub program: PathBuf,
    /// Its SHA-256 in hexadecimal, if known: a machine that has the same one is sent none.
    pub digest: Option<String>,
    /// The port of the first node of a machine.
    pub port: u16,
    /// Whether several peers may share a machine.
    pub crowded: bool,
    /// How long a machine may take to come up.
    pub wait: Duration,
    /// How long it may refuse the login meanwhile: until its user has been made.
    pub wait_login: Duration,
    /// How long nodes go on when nobody asks anything any more.
    pub alone: Duration,
    /// Whether it should end.
    pub interrupt: Interrupt,
}

/// Why machines cannot be used: one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FleetError {
    /// Something of this machine.
    #[error("{0}")]
    Here(String),
    /// A machine cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// A machine does not let us in, or is not who it was.
    #[error("{0}")]
    Refused(String),
    /// A machine has too little room.
    #[error("{0}")]
    Room(String),
    /// A machine does not do what it should.
    #[error("{0}")]
    There(String),
    /// The peers do not fit onto the machines.
    #[error(transparent)]
    PlacementError(#[from] PlacementError),
    /// A person wanted it to end.
    #[error("interrupted")]
    Interrupted,
}

/// The machines of an inventory, for the runs of one job. Nothing is done before
/// [`Fleet::ready`]; dropping it removes whatever there is.
#[derive(Debug)]
pub struct Fleet {
    inventory: Inventory,
    options: MachineOptions,
    /// The folder of sockets.
    local: PathBuf,
    name: String,
    hosts: Vec<Arc<Host>>,
    runs: AtomicU32,
    over: Arc<AtomicBool>,
    watchers: Mutex<Vec<JoinHandle<()>>>,
}

impl Fleet {
    /// The machines of `inventory`, none of which is touched yet.
    ///
    /// # Errors
    ///
    /// No program, no ssh, or no folder for the sockets.
    pub fn new(inventory: Inventory, mut options: MachineOptions) -> Result<Self, FleetError> {
        if !options.program.is_file() {
            return Err(FleetError::Here(format!(
                "no static binary at {}: scripts/static.sh builds it, --program names another",
                options.program.display()
            )));
        }
        if let Err(error) = Command::new("ssh").arg("-V").output() {
            return Err(FleetError::Here(format!(
                "needs the program ssh, which cannot be run: {error}"
            )));
        }
        options.digest = options.digest.or_else(|| digest(&options.program));
        let parent = std::env::temp_dir();
        remove_dead(&parent);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let pid = std::process::id();
        let local = parent.join(format!("{LOCAL}{pid}-{number}"));
        if local.as_os_str().len() > LOCAL_MAX {
            return Err(FleetError::Here(format!(
                "{}: its path has {} bytes; allowed {LOCAL_MAX}; set TMPDIR to a shorter one",
                local.display(),
                local.as_os_str().len()
            )));
        }
        // What is there has the number of this process, so it is of a dead one.
        let _ = fs::remove_dir_all(&local);
        let made = DirBuilder::new().mode(0o700).create(&local);
        made.map_err(|error| FleetError::Here(format!("{}: {error}", local.display())))?;
        let rows = (0..).zip(&inventory.machines);
        let hosts = rows.map(|(row, machine): (usize, _)| {
            let label = inventory.at(machine);
            let socket = local.join(format!("m{row}"));
            Arc::new(Host::new(machine.clone(), label, socket))
        });
        let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let nanos = nanos.map_or(0, |since| since.as_nanos() & 0xffff_ffff);
        Ok(Self {
            hosts: hosts.collect(),
            inventory,
            options,
            local,
            name: format!("{pid}-{number}-{nanos:08x}"),
            runs: AtomicU32::new(0),
            over: Arc::default(),
            watchers: Mutex::default(),
        })
    }

    /// Where each peer of `setup` runs.
    ///
    /// # Errors
    ///
    /// More peers than machines or ports.
    pub fn placements(&self, setup: &Setup) -> Result<Vec<PeerPlacement>, PlacementError> {
        let peers: Vec<&str> = setup.peers.iter().map(|peer| peer.name.as_str()).collect();
        let machines = self.inventory.machines.iter();
        let machines: Vec<&str> = machines.map(|machine| machine.name.as_str()).collect();
        placement::assign(&peers, &machines, self.options.port, self.options.crowded)
    }

    /// Reaches every machine that one of `setups` needs, brings the program there, and looks at
    /// the room for it. Waits for machines that come up late.
    ///
    /// # Errors
    ///
    /// The first machine that cannot be used.
    pub fn ready(&self, setups: &[Setup]) -> Result<(), FleetError> {
        let program = fs::metadata(&self.options.program).map_or(0, |meta| meta.len());
        let mut needs = vec![0_u64; self.hosts.len()];
        for setup in setups {
            let placements = self.placements(setup)?;
            let run = disk_space::needs(setup, &placements, self.hosts.len(), program);
            for (need, run) in needs.iter_mut().zip(run) {
                *need = (*need).max(run);
            }
        }
        let used: BTreeSet<usize> = (0..needs.len()).filter(|row| needs[*row] > 0).collect();
        self.reach(&used)?;
        for row in used {
            let host = &self.hosts[row];
            if let Some(why) = disk_space::refusal(needs[row].saturating_sub(program), host.free()?)
            {
                return Err(FleetError::Room(format!("{}: {why}", host.label)));
            }
        }
        Ok(())
    }

    /// Connects machines that are not.
    fn reach(&self, rows: &BTreeSet<usize>) -> Result<(), FleetError> {
        let away: Vec<&Arc<Host>> = rows
            .iter()
            .map(|row| &self.hosts[*row])
            .filter(|host| !host.is_there())
            .collect();
        let stop = AtomicBool::new(false);
        let reach = |host: &Host| {
            let reached = host.reach(&self.name, &self.options, &stop);
            stop.fetch_or(reached.is_err(), Ordering::Relaxed);
            reached
        };
        for group in away.chunks(AT_ONCE) {
            let reached: Vec<Result<(), FleetError>> = thread::scope(|scope| {
                let threads: Vec<_> = group
                    .iter()
                    .map(|host| scope.spawn(|| reach(host)))
                    .collect();
                let joined = threads.into_iter().map(|thread| {
                    let panicked = |_| Err(FleetError::Here("a thread has panicked".to_owned()));
                    thread.join().unwrap_or_else(panicked)
                });
                joined.collect()
            });
            // The one that failed, before those who were told not to wait any more.
            let failed = reached.into_iter().filter_map(Result::err);
            let first = failed.min_by_key(|error| *error == FleetError::Interrupted);
            if let Some(error) = first {
                return Err(error);
            }
            for host in group {
                self.watch(host);
            }
        }
        Ok(())
    }

    /// Looks at a machine until it is lost.
    fn watch(&self, host: &Arc<Host>) {
        let (host, over) = (Arc::clone(host), Arc::clone(&self.over));
        let watcher = thread::spawn(move || {
            while !over.load(Ordering::Relaxed) && host.is_there() {
                host.look();
                thread::park_timeout(LOOK);
            }
        });
        let mut watchers = self.watchers.lock().unwrap_or_else(PoisonError::into_inner);
        watchers.push(watcher);
    }

    /// From now on the load of the machines is measured.
    pub fn begin_tally(&self) {
        for host in &self.hosts {
            host.begin_tally();
        }
    }

    /// The load of the busiest machine since.
    #[must_use]
    pub fn end_tally(&self) -> CpuUse {
        let all = self.hosts.iter().filter_map(|host| host.end_tally());
        let busier = |one: CpuUse, other: CpuUse| CpuUse {
            mean_pct: one.mean_pct.max(other.mean_pct),
            worst_second_pct: one.worst_second_pct.max(other.worst_second_pct),
        };
        all.fold(CpuUse::default(), busier)
    }

    /// The file of the inventory.
    #[must_use]
    pub fn inventory(&self) -> &Path {
        &self.inventory.path
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // All at once, so that many machines take no longer than one.
        for host in &self.hosts {
            host.leave();
        }
        let watchers = self.watchers.get_mut();
        for watcher in watchers.unwrap_or_else(PoisonError::into_inner).drain(..) {
            watcher.thread().unpark();
            // It only looks; a panic of it was told by the standard library.
            let _ = watcher.join();
        }
        for host in &self.hosts {
            host.part();
        }
        let _ = fs::remove_dir_all(&self.local);
    }
}

impl MachineOptions {
    fn look_at_interrupt(&self) -> Result<(), FleetError> {
        if self.interrupt.is_set() {
            return Err(FleetError::Interrupted);
        }
        Ok(())
    }
}

/// The SHA-256 of a file, as the system's tool has it: the machines have the same one.
fn digest(file: &Path) -> Option<String> {
    let output = Command::new("sha256sum")
        .arg("--")
        .arg(file)
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let word = text.split_whitespace().next()?;
    let is_digest = word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_digest.then(|| word.to_owned())
}

/// Removes the folders of sockets whose processes are gone.
fn remove_dead(parent: &Path) {
    let own = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(LOCAL));
        let pid = pid.and_then(|rest| rest.split_once('-'));
        let pid = pid.and_then(|(pid, _)| pid.parse::<u32>().ok());
        let meta: io::Result<fs::Metadata> = entry.path().symlink_metadata();
        let is_ours = meta.is_ok_and(|meta| meta.is_dir() && meta.uid() == own);
        let is_dead = pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists());
        if is_ours && is_dead {
            // It holds sockets that nobody listens on; left, it harms nobody.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
