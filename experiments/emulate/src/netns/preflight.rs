//! Checks, before anything is made, whether this machine can carry a scenario.
//!
//! Checked are the user, the tools, the number of addresses, memory and disk. The one line of a
//! refusal names what is missing, or the estimate.

use std::path::Path;

use fairhaul_core::time::Span;
use fairhaul_simulator::setup::Setup;

use super::plan::PEERS_MAX;
use super::tools::{failed, find};
use crate::environment::EnvironmentError;

/// Memory of one node with its namespace. An idle node holds 10 MiB, a namespace with its cable
/// less than 1 MiB; the rest is for chunks and sockets of a node at work.
pub const NODE_MEMORY: u64 = 16 << 20;

/// What every node may put on disk beside contents: key, log, state.
const NODE_DISK: u64 = 1 << 20;

/// A file system in memory, as the kernel calls it in `statfs`.
const TMPFS: i64 = 0x0102_1994;

/// What a scenario asks of one machine, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResourceNeeds {
    /// How many peers.
    pub peers: u64,
    /// Memory of all nodes.
    pub memory: u64,
    /// Contents of all who will hold them.
    pub disk: u64,
}

/// What there is of it, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Memory that is available.
    pub memory: u64,
    /// Free disk where the nodes' folders go.
    pub disk: u64,
    /// Whether that disk is memory.
    pub in_memory: bool,
}

impl ResourceNeeds {
    /// The estimate of a scenario. Contents count once for everyone who has or wants them.
    #[must_use]
    pub fn of(setup: &Setup) -> Self {
        let peers = setup.peers.len() as u64;
        let swarms = setup.contents.iter().map(|content| {
            let holders = (content.seeds.len() + content.leechers.len()) as u64;
            content.bytes.get().saturating_mul(holders)
        });
        let transfers = setup
            .transfers
            .iter()
            .map(|transfer| transfer.bytes.get().saturating_mul(2));
        let contents = swarms.chain(transfers).fold(0, u64::saturating_add);
        Self {
            peers,
            memory: peers.saturating_mul(NODE_MEMORY),
            disk: contents.saturating_add(peers.saturating_mul(NODE_DISK)),
        }
    }

    /// Whether it fits.
    ///
    /// # Errors
    ///
    /// What does not, with both numbers.
    pub fn fits(&self, room: &Room) -> Result<(), EnvironmentError> {
        let Self { peers, .. } = self;
        if *peers > u64::from(PEERS_MAX) {
            return Err(failed(format!(
                "{peers} peers are more than the {PEERS_MAX} addresses of one machine"
            )));
        }
        let memory = self
            .memory
            .saturating_add(if room.in_memory { self.disk } else { 0 });
        for (what, need, have) in [
            ("memory", memory, room.memory),
            ("disk", self.disk, room.disk),
        ] {
            if need > have {
                return Err(failed(format!(
                    "{peers} peers need about {} of {what}, there are {}",
                    size(need),
                    size(have)
                )));
            }
        }
        Ok(())
    }
}

impl Room {
    /// What there is now, for nodes whose folders lie in `folder`.
    ///
    /// # Errors
    ///
    /// If the machine does not say.
    pub fn of(folder: &Path) -> Result<Self, EnvironmentError> {
        let text = std::fs::read_to_string("/proc/meminfo")
            .map_err(|error| failed(format!("/proc/meminfo: {error}")))?;
        let memory =
            available(&text).ok_or_else(|| failed("/proc/meminfo: no line MemAvailable in kB"))?;
        let disk = rustix::fs::statfs(folder)
            .map_err(|error| failed(format!("{}: {error}", folder.display())))?;
        let block = u64::try_from(disk.f_bsize).unwrap_or(0);
        Ok(Self {
            memory,
            disk: disk.f_bavail.saturating_mul(block),
            in_memory: disk.f_type == TMPFS,
        })
    }
}

/// Bytes of memory that could be had without hurting anybody.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Whole units, rounded up: an estimate has no more digits.
fn size(bytes: u64) -> String {
    let (unit, name) = if bytes >= 1 << 30 {
        (1 << 30, "GiB")
    } else {
        (1 << 20, "MiB")
    };
    format!("{} {name}", bytes.div_ceil(unit))
}

/// Whether some pair of peers is apart.
pub(super) fn has_delay(setup: &Setup) -> bool {
    setup
        .latency
        .one_way
        .iter()
        .any(|delay| *delay > Span::ZERO)
}

/// Whether this process may do what a stage does, and has the tools.
///
/// # Errors
///
/// The first thing that is missing.
pub(super) fn check_machine(relay: bool, congestion: &str) -> Result<(), EnvironmentError> {
    if !rustix::process::geteuid().is_root() {
        return Err(failed(
            "emulate needs root: network namespaces and traffic shaping; run it with sudo",
        ));
    }
    for (tool, package) in [
        ("ip", "iproute2"),
        ("tc", "iproute2"),
        ("nsenter", "util-linux"),
    ] {
        if find(tool).is_none() {
            return Err(failed(format!(
                "emulate needs the program {tool} (package {package}), which is not in PATH"
            )));
        }
    }
    if relay && !Path::new("/dev/net/tun").exists() {
        return Err(failed(
            "emulate needs /dev/net/tun, for the delays of this scenario; load the module tun",
        ));
    }
    let file = "/proc/sys/net/ipv4/tcp_available_congestion_control";
    let known =
        std::fs::read_to_string(file).map_err(|error| failed(format!("{file}: {error}")))?;
    if !known.split_whitespace().any(|name| name == congestion) {
        return Err(failed(format!(
            "congestion control {congestion:?} is not one of this kernel's: {}",
            known.trim()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room {
        memory: 22 << 30,
        disk: 100 << 30,
        in_memory: false,
    };

    fn estimate(peers: u64, disk: u64) -> ResourceNeeds {
        ResourceNeeds {
            peers,
            memory: peers * NODE_MEMORY,
            disk,
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_both_numbers() {
        let told = |estimate: ResourceNeeds, room: &Room| estimate.fits(room).unwrap_err().0;
        assert_eq!(
            told(estimate(20_000, 0), &ROOM),
            "20000 peers need about 313 GiB of memory, there are 22 GiB"
        );
        assert_eq!(
            told(estimate(9, 101 << 30), &ROOM),
            "9 peers need about 101 GiB of disk, there are 100 GiB"
        );
        assert_eq!(
            told(estimate(70_000, 0), &ROOM),
            "70000 peers are more than the 63500 addresses of one machine"
        );
        assert_eq!(estimate(9, 50 << 30).fits(&ROOM), Ok(()));
    }

    #[test]
    fn a_disk_in_memory_counts_as_memory() {
        let room = Room {
            in_memory: true,
            ..ROOM
        };
        assert_eq!(
            estimate(9, 50 << 30).fits(&room).unwrap_err().0,
            "9 peers need about 51 GiB of memory, there are 22 GiB"
        );
    }

    #[test]
    fn the_kernels_line_of_available_memory_is_read_in_bytes() {
        assert_eq!(
            available("MemFree: 1 kB\nMemAvailable:   2048 kB\n"),
            Some(2 << 20)
        );
        assert_eq!(available("MemFree: 1 kB\n"), None);
        assert_eq!(available("MemAvailable: x kB\n"), None);
        assert!(Room::of(Path::new("/")).unwrap().memory > 0);
    }
}
