//! The network of emulated runs: a namespace for each peer, on this machine.
//!
//! One network namespace for each peer, one in the middle, a cable between the two, shaped in
//! both directions; packets between regions pass a relay that holds them for the delay. A machine
//! without the rights, the tools or the memory is refused before anything is made.

mod child_processes;
mod cleanup;
mod environment;
mod plan;
mod preflight;
pub mod relay;
mod tools;
mod veth;

use std::fs::DirBuilder;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use fairhaul_core::units::Rate;
use fairhaul_simulator::setup::Setup;

pub use self::cleanup::{Removed, leftovers};
pub use self::plan::{PEERS_MAX, PORT};
pub use self::preflight::{NODE_MEMORY, ResourceNeeds, Room};
pub use self::relay::RelayCost;
pub use self::veth::{FRAME, RELAY};

use self::child_processes::ChildProcesses;
use self::tools::failed;
use self::veth::Direction;
use super::environment::EnvironmentError;
use super::process::{self, Process};

/// The longest path of a socket that the kernel takes.
const SOCKET_PATH_MAX: usize = 107;

/// How a stage is built.
#[derive(Clone, Debug)]
pub struct StageOptions {
    /// Where the work folder goes; none is TMPDIR, else /tmp.
    pub work: Option<PathBuf>,
    /// The program of a node; none is `fairhaul` beside this program, else in PATH.
    pub fairhaul: Option<PathBuf>,
    /// The program with the command `relay`; none is this one.
    pub lab: Option<PathBuf>,
    /// TCP's congestion control between peers.
    pub congestion: String,
    /// Probability that the relay loses a packet, from 0 to 1. Above 0 there is always a relay.
    pub loss: f64,
    /// Keep the work folder when it ends.
    pub keep: bool,
}

impl Default for StageOptions {
    fn default() -> Self {
        Self {
            work: None,
            fairhaul: None,
            lab: None,
            congestion: "cubic".to_owned(),
            loss: 0.0,
            keep: false,
        }
    }
}

/// Network namespaces for the peers of one run. A process has at most one at a time.
#[derive(Debug)]
pub struct Namespaces {
    pid: u32,
    folder: PathBuf,
    keep: bool,
    fairhaul: PathBuf,
    peers: Vec<Peer>,
    relay: Option<RelayProcess>,
    children: ChildProcesses,
    closed: bool,
}

/// One peer's machine.
#[derive(Debug)]
struct Peer {
    namespace: String,
    address: Ipv4Addr,
    home: PathBuf,
    up: Option<Rate>,
    down: Option<Rate>,
    process: Process,
}

#[derive(Debug)]
struct RelayProcess {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Namespaces {
    /// Removes what dead runs left, and builds the network of a scenario. No node runs yet.
    ///
    /// # Errors
    ///
    /// What is missing or does not fit, before anything is made; what failed on the way, after
    /// everything was removed again.
    pub fn build(setup: &Setup, options: &StageOptions) -> Result<Self, EnvironmentError> {
        let relayed = preflight::has_delay(setup) || options.loss > 0.0;
        preflight::check_machine(relayed, &options.congestion)?;
        let fairhaul = tools::program(options.fairhaul.as_deref())?;
        let base = base(options)?;
        let removed = leftovers(&base)?;
        if !removed.is_empty() {
            eprintln!("fairlab: {removed}");
        }
        ResourceNeeds::of(setup).fits(&Room::of(&base)?)?;
        let pid = std::process::id();
        let folder = base.join(plan::folder(pid));
        make_folder(&folder).map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                failed(format!(
                    "{}: this process has a stage already",
                    folder.display()
                ))
            } else {
                failed(format!("{}: {error}", folder.display()))
            }
        })?;
        // From here on dropping it removes whatever there is.
        let mut stage = Self {
            pid,
            folder,
            keep: options.keep,
            fairhaul,
            peers: Vec::new(),
            relay: None,
            children: ChildProcesses::new(),
            closed: false,
        };
        stage.furnish(setup)?;
        stage.wire(&options.congestion)?;
        if relayed {
            stage.relay = Some(stage.start_relay(setup, options)?);
        }
        Ok(stage)
    }

    /// What the relay has carried and cost so far; none without one.
    ///
    /// # Errors
    ///
    /// If the relay has ended: then packets no longer pass.
    pub fn relay_cost(&mut self) -> Result<Option<RelayCost>, EnvironmentError> {
        let Some(relay) = &mut self.relay else {
            return Ok(None);
        };
        let input = relay
            .input
            .as_mut()
            .ok_or_else(|| failed("the relay has ended"))?;
        input
            .write_all(b"\n")
            .map_err(|error| failed(format!("the relay has ended: {error}")))?;
        let line = relay.line()?;
        serde_json::from_str(&line)
            .map(Some)
            .map_err(|error| failed(format!("the relay said {line:?}: {error}")))
    }

    /// A command on the machine of `peer`; its words are to follow.
    ///
    /// # Panics
    ///
    /// If there is no such peer.
    #[must_use]
    pub fn inside(&self, peer: u32, program: &str) -> Command {
        let mut command = child_processes::enter(&self.peer(peer).namespace);
        command.arg(program);
        command
    }

    fn peer(&self, peer: u32) -> &Peer {
        &self.peers[peer as usize]
    }

    /// Signs the folder and makes the peers' homes.
    fn furnish(&mut self, setup: &Setup) -> Result<(), EnvironmentError> {
        let bad = |path: &Path, error: &io::Error| failed(format!("{}: {error}", path.display()));
        cleanup::sign(&self.folder).map_err(|error| bad(&self.folder, &error))?;
        for (row, peer) in (0_u32..).zip(&setup.peers) {
            let home = self.folder.join(row.to_string());
            make_folder(&home).map_err(|error| bad(&home, &error))?;
            let length = home.join(process::SOCKET).as_os_str().len();
            if length > SOCKET_PATH_MAX {
                return Err(failed(format!(
                    "{}: a socket there has {length} bytes in its path, allowed {SOCKET_PATH_MAX}; \
                     choose a shorter work folder",
                    home.display()
                )));
            }
            self.peers.push(Peer {
                namespace: plan::namespace(self.pid, row),
                address: plan::address(row).expect("the estimate has counted the addresses"),
                process: Process::new(&home),
                home,
                up: peer.up,
                down: peer.down,
            });
        }
        Ok(())
    }

    /// Makes namespaces, cables and shapers.
    fn wire(&self, congestion: &str) -> Result<(), EnvironmentError> {
        let hub = plan::hub(self.pid);
        let names = self.peers.iter().map(|peer| &peer.namespace);
        let add: String = names
            .chain([&hub])
            .map(|name| format!("netns add {name}\n"))
            .collect();
        tools::ip(None, &add)?;
        tools::settings(
            &hub,
            &[
                ("net/ipv4/ip_forward", "1"),
                ("net/ipv4/conf/all/rp_filter", "0"),
                ("net/ipv4/conf/default/rp_filter", "0"),
                ("net/ipv4/conf/all/send_redirects", "0"),
                ("net/ipv4/conf/default/send_redirects", "0"),
                ("net/ipv6/conf/default/disable_ipv6?", "1"),
            ],
        )?;
        let addresses: Vec<Ipv4Addr> = self.peers.iter().map(|peer| peer.address).collect();
        tools::ip(Some(&hub), &veth::lay(self.pid, &addresses))?;
        let mut down = String::new();
        for (row, peer) in (0_u32..).zip(&self.peers) {
            tools::ip(
                Some(&peer.namespace),
                &veth::connect(peer.address, congestion),
            )?;
            let shape = |direction, rate: Option<Rate>| {
                rate.map_or_else(String::new, |rate| {
                    veth::shape(&veth::device(row, direction), rate)
                })
            };
            tools::tc(&peer.namespace, &shape(Direction::Up, peer.up))?;
            down.push_str(&shape(Direction::Down, peer.down));
        }
        tools::tc(&hub, &down)
    }

    /// Starts the relay in the hub and sends everything through it.
    fn start_relay(
        &self,
        setup: &Setup,
        options: &StageOptions,
    ) -> Result<RelayProcess, EnvironmentError> {
        let hub = plan::hub(self.pid);
        tools::ip(Some(&hub), &veth::detour())?;
        let table = self.folder.join("relay.table");
        std::fs::write(&table, relay::DelayTable::of(setup, options.loss).text())
            .map_err(|error| failed(format!("{}: {error}", table.display())))?;
        let lab = options.lab.clone().map_or_else(std::env::current_exe, Ok);
        let lab = lab.map_err(|error| failed(format!("the path of this program: {error}")))?;
        let mut command = self.children.command(&hub, &lab);
        command
            .arg("relay")
            .arg(&table)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = self
            .children
            .spawn(command)
            .map_err(|error| failed(format!("relay {}: {error}", lab.display())))?;
        let input = child.stdin.take();
        let output = child.stdout.take().expect("standard output is piped");
        let mut relay = RelayProcess {
            child,
            input,
            output: BufReader::new(output),
        };
        let line = relay.line()?;
        if line != relay::READY {
            return Err(failed(format!("{}: not a relay: {line:?}", lab.display())));
        }
        Ok(relay)
    }

    /// Shapes one direction of a link anew.
    fn reshape(
        &mut self,
        row: u32,
        direction: Direction,
        rate: Option<Rate>,
    ) -> Result<(), EnvironmentError> {
        let hub = plan::hub(self.pid);
        let peer = &mut self.peers[row as usize];
        let (namespace, now) = match direction {
            Direction::Up => (peer.namespace.as_str(), &mut peer.up),
            Direction::Down => (hub.as_str(), &mut peer.down),
        };
        let device = veth::device(row, direction);
        match rate {
            Some(rate) => tools::tc(namespace, &veth::shape(&device, rate))?,
            None if now.is_some() => tools::tc(namespace, &veth::unshape(&device))?,
            None => {}
        }
        *now = rate;
        Ok(())
    }

    fn tear_down(&mut self) -> Result<(), EnvironmentError> {
        if std::mem::replace(&mut self.closed, true) {
            return Ok(());
        }
        drop(self.relay.take());
        for peer in &mut self.peers {
            peer.process.kill();
        }
        let spaces: Vec<String> = self
            .peers
            .iter()
            .map(|peer| peer.namespace.clone())
            .chain([plan::hub(self.pid)])
            .filter(|name| Path::new(tools::NAMED).join(name).exists())
            .collect();
        // Whatever a node or a caller has started there would keep its namespace alive.
        let killed = spaces
            .iter()
            .try_for_each(|name| cleanup::kill_inside(name).map(drop));
        // Forced: one that fails keeps none of the others.
        let script: String = spaces
            .iter()
            .map(|name| format!("netns del {name}\n"))
            .collect();
        let deleted = tools::run("ip", &["-force", "-batch", "-"], &script).map(drop);
        let gone = if self.keep {
            Ok(())
        } else {
            std::fs::remove_dir_all(&self.folder)
                .map_err(|error| failed(format!("{}: {error}", self.folder.display())))
        };
        killed.and(deleted).and(gone)
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        if let Err(error) = self.tear_down() {
            eprintln!("fairlab: {error}");
        }
    }
}

impl RelayProcess {
    /// The next line that it says.
    fn line(&mut self) -> Result<String, EnvironmentError> {
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(0) => Err(failed("the relay has ended; what it said stands above")),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) => Err(failed(format!("the relay: {error}"))),
        }
    }
}

impl Drop for RelayProcess {
    fn drop(&mut self) {
        // What it still holds is for nobody. Both fail only if it has ended already.
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the work folder goes, absolute.
fn base(options: &StageOptions) -> Result<PathBuf, EnvironmentError> {
    let base = options.work.clone().unwrap_or_else(std::env::temp_dir);
    base.canonicalize()
        .map_err(|error| failed(format!("{}: {error}", base.display())))
}

/// A folder that was not there, for this user alone.
fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}
