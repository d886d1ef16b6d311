//! Delay between regions: a process that holds each packet for its time.
//!
//! The kernel of the machine may have no delay of its own, so the hub hands what peers send to
//! one TUN device, and this process writes it back one delay later, from where the hub routes it
//! on. TCP thus sees the true round trip. `delay_queue` holds the packets.
//!
//! Its protocol is its standard streams: it prints `ready`, answers each line of input with what it
//! has cost so far, as JSON, and ends with its input, so it never outlives the lab.

mod delay_queue;
mod table;

use std::io::{self, Write as _};
use std::num::NonZeroU64;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::Instant;

use hdrhistogram::Histogram;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tun_rs::{DeviceBuilder, SyncDevice};

use self::delay_queue::Hold;
pub use self::table::{BadTable, DelayTable};

/// Larger than any packet of a device with the usual frame.
const PACKET_MAX: usize = 65_536;

/// Packets read before those that are due are written.
const READ_AT_ONCE: usize = 32;

/// What a relay says when it is ready.
pub(super) const READY: &str = "ready";

/// What a relay has carried, and what that has cost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RelayCost {
    /// Packets that it let through.
    pub packets: u64,
    /// Their bytes, with IPv4 headers.
    pub bytes: u64,
    /// Packets lost by the draw.
    pub lost: u64,
    /// Packets that it had no room for, or that were not between two peers.
    pub refused: u64,
    /// Packets that the device did not take back.
    pub failed: u64,
    /// How much later than due the median packet left, in microseconds.
    pub late_p50_us: f64,
    /// The same of the 99th percentile.
    pub late_p99_us: f64,
    /// The same of the worst packet.
    pub late_max_us: f64,
    /// Processor time of the process, in seconds.
    pub cpu_s: f64,
    /// Time since it began, in seconds.
    pub elapsed_s: f64,
}

/// What ends a relay before its input does.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The table cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Which file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The table is not clear.
    #[error("{path}: {source}")]
    Table {
        /// Which file.
        path: String,
        /// Where and why.
        source: BadTable,
    },
    /// The device cannot be opened or waited for.
    #[error("device {device}: {source}")]
    Device {
        /// Its name.
        device: String,
        /// Why.
        source: io::Error,
    },
    /// Whoever started it cannot be talked to.
    #[error("standard output: {0}")]
    Output(io::Error),
}

/// Relays between the peers of the table at `table` through the TUN device `device`, until
/// standard input ends.
///
/// # Errors
///
/// If the table or the device is not as it should be.
pub fn run(table: &Path, device: &str) -> Result<(), RelayError> {
    let path = table.display().to_string();
    let text = std::fs::read_to_string(table).map_err(|source| RelayError::Read {
        path: path.clone(),
        source,
    })?;
    let table = DelayTable::read(&text).map_err(|source| RelayError::Table { path, source })?;
    let bad = |source: io::Error| RelayError::Device {
        device: device.to_owned(),
        source,
    };
    let tun = DeviceBuilder::new()
        .name(device)
        .inherit_enable_state()
        .build_sync()
        .map_err(bad)?;
    tun.set_nonblocking(true).map_err(bad)?;
    // Both make the timer exact and are refused to those who may not: then it is late, and its
    // numbers say so.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    let _ = rustix::process::setpriority_process(None, -15);
    say(READY)?;
    let mut relay = Relay::new(Hold::new(table), tun);
    while relay.turn().map_err(bad)? {
        if relay.asked {
            relay.asked = false;
            let cost = serde_json::to_string(&relay.cost()).expect("numbers are JSON");
            say(&cost)?;
        }
    }
    Ok(())
}

fn say(line: &str) -> Result<(), RelayError> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(RelayError::Output)
}

struct Relay {
    hold: Hold,
    tun: SyncDevice,
    begun: Instant,
    late: Histogram<u64>,
    failed: u64,
    buffer: Vec<u8>,
    /// Whether somebody wants to know the cost.
    asked: bool,
}

impl Relay {
    fn new(hold: Hold, tun: SyncDevice) -> Self {
        Self {
            hold,
            tun,
            begun: Instant::now(),
            late: Histogram::new_with_bounds(1, 60_000_000_000, 2)
                .expect("bounds and digits are within what a histogram allows"),
            failed: 0,
            buffer: vec![0; PACKET_MAX],
            asked: false,
        }
    }

    /// Nanoseconds since it began.
    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Writes what is due, waits, and reads. False when the input has ended.
    fn turn(&mut self) -> io::Result<bool> {
        self.write();
        let wait = self.hold.next().map(|due| {
            let left = due.saturating_sub(self.now());
            Timespec {
                tv_sec: i64::try_from(left / 1_000_000_000).unwrap_or(i64::MAX),
                tv_nsec: i64::try_from(left % 1_000_000_000).unwrap_or(0),
            }
        });
        let input = io::stdin();
        let mut both = [
            PollFd::from_borrowed_fd(self.tun.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(input.as_fd(), PollFlags::IN),
        ];
        match poll(&mut both, wait.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [packets, words] = both.map(|fd| !fd.revents().is_empty());
        if packets {
            self.read()?;
        }
        if words {
            let mut line = [0; 64];
            let count = rustix::io::read(&input, &mut line)?;
            self.asked |= line[..count].contains(&b'\n');
            return Ok(count > 0);
        }
        Ok(true)
    }

    fn read(&mut self) -> io::Result<()> {
        for _ in 0..READ_AT_ONCE {
            match self.tun.recv(&mut self.buffer) {
                Ok(count) => {
                    let now = self.now();
                    self.hold.take(&self.buffer[..count], now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn write(&mut self) {
        let mut now = self.now();
        while let Some((due, packet)) = self.hold.pop(now) {
            self.late.saturating_record(now.saturating_sub(due).max(1));
            // A packet that does not fit is lost, as on any network; TCP sends it again.
            if self.tun.send(&packet).is_err() {
                self.failed += 1;
            }
            self.hold.recycle(packet);
            now = self.now();
        }
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "microseconds and seconds of a report"
    )]
    fn cost(&self) -> RelayCost {
        let counts = self.hold.counts();
        let late = |quantile: f64| self.late.value_at_quantile(quantile) as f64 / 1000.0;
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        RelayCost {
            packets: counts.packets,
            bytes: counts.bytes,
            lost: counts.lost,
            refused: counts.refused,
            failed: self.failed,
            late_p50_us: late(0.5),
            late_p99_us: late(0.99),
            late_max_us: self.late.max() as f64 / 1000.0,
            cpu_s: cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9,
            elapsed_s: self.begun.elapsed().as_secs_f64(),
        }
    }
}
