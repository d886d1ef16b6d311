//! How busy the machine is.
//!
//! Decides what share of all cores was busy while something ran, in all and in the worst second:
//! on a machine without time to spare the nodes measure the machine and not the policy. Refuses
//! a kernel that does not count.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::tools::failed;
use crate::emulate::place::PlaceError;

/// How often the meter looks.
const EVERY: Duration = Duration::from_secs(1);

/// Shares of all cores that were busy, each from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CpuUse {
    /// From start to stop.
    pub mean: f64,
    /// In the worst second. The last one counts if it is at least half a second long.
    pub worst: f64,
}

/// A meter of the machine's processors that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct CpuMeter {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<CpuUse>,
}

impl CpuMeter {
    /// Begins to measure.
    ///
    /// # Errors
    ///
    /// If the kernel does not say how busy it is.
    pub fn start() -> Result<Self, PlaceError> {
        let first = sample().ok_or_else(|| failed("/proc/stat: no line of processor times"))?;
        let (stop, stopped) = mpsc::channel();
        let thread = std::thread::spawn(move || measure(first, &stopped));
        Ok(Self { stop, thread })
    }

    /// What was measured since the start.
    #[must_use]
    pub fn stop(self) -> CpuUse {
        drop(self.stop);
        self.thread.join().unwrap_or_default()
    }
}

fn measure(first: Times, stopped: &mpsc::Receiver<()>) -> CpuUse {
    let mut before = first;
    let mut worst = 0.0_f64;
    loop {
        let last = stopped.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout);
        let now = sample().unwrap_or(before);
        if !last || now.all - before.all >= seconds_to_ticks(first.cores) / 2 {
            worst = worst.max(now.busy_since(before));
        }
        if last {
            let mean = now.busy_since(first);
            // A run shorter than one look has no worst second but itself.
            return CpuUse {
                mean,
                worst: worst.max(mean),
            };
        }
        before = now;
    }
}

/// What one second is on all cores together: 100 ticks each, on every Linux that has a
/// user-visible clock.
fn seconds_to_ticks(cores: u64) -> u64 {
    100 * cores
}

/// Ticks of all cores since the machine began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    all: u64,
    idle: u64,
    cores: u64,
}

impl Times {
    #[allow(clippy::cast_precision_loss, reason = "a share of a report")]
    fn busy_since(self, before: Self) -> f64 {
        let all = self.all.saturating_sub(before.all);
        if all == 0 {
            return 0.0;
        }
        let idle = self.idle.saturating_sub(before.idle).min(all);
        (all - idle) as f64 / all as f64
    }
}

fn sample() -> Option<Times> {
    parse(&std::fs::read_to_string("/proc/stat").ok()?)
}

/// The first line: user, nice, system, idle, wait for disks, interrupts, soft interrupts, stolen.
/// Time stolen by a host is busy: the nodes did not have it. Guests are in user already.
fn parse(text: &str) -> Option<Times> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .take(8)
        .map(str::parse)
        .collect::<Result<_, _>>()
        .ok()?;
    let is_core = |line: &&str| {
        line.strip_prefix("cpu")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let cores = text.lines().filter(is_core).count() as u64;
    Some(Times {
        all: ticks.iter().sum(),
        idle: ticks.get(3)? + ticks.get(4)?,
        cores: cores.max(1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_what_is_neither_idle_nor_waiting() {
        let before = parse("cpu  100 0 50 800 50 0 0 0 7 7\ncpu0 1\ncpu1 1\nintr 1\n").unwrap();
        let after = parse("cpu  130 5 60 840 60 2 3 10 9 9\ncpu0 1\ncpu1 1\nintr 1\n").unwrap();
        assert_eq!(before.cores, 2);
        // 110 ticks, 50 of them idle or waiting.
        let share = after.busy_since(before);
        assert!((share - 60.0 / 110.0).abs() < 1e-9, "{share}");
        assert!(before.busy_since(before).abs() < 1e-9);
    }

    #[test]
    fn a_kernel_that_does_not_count_is_none() {
        assert_eq!(parse("intr 1\n"), None);
        assert_eq!(parse("cpu  1 2\n"), None);
        assert_eq!(parse("cpu  1 2 x 4 5 6 7 8\n"), None);
    }

    #[test]
    fn a_loop_that_never_waits_is_seen() {
        let meter = CpuMeter::start().unwrap();
        let begun = std::time::Instant::now();
        let mut n = 0_u64;
        while begun.elapsed() < Duration::from_millis(300) {
            n = std::hint::black_box(n + 1);
        }
        let cores = std::thread::available_parallelism().unwrap().get();
        let used = meter.stop();
        let least = 0.5 / f64::from(u32::try_from(cores).unwrap());
        assert!(used.mean > least && used.mean <= 1.0, "{used:?}");
        assert!(used.worst >= used.mean && used.worst <= 1.0, "{used:?}");
    }
}
