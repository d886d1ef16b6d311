//! Measures how busy this machine is: nodes that wait for a processor are slower than their links.

use std::fs;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fairhaul_results::CpuUse;

/// Measures from its start to its end, in a thread of its own.
#[derive(Debug)]
pub struct CpuMeter {
    stop: Sender<()>,
    thread: JoinHandle<CpuUse>,
}

/// What is measured between two looks at a machine's sums.
#[derive(Clone, Copy, Debug)]
pub(super) struct CpuTally {
    first: Ticks,
    before: Ticks,
    worst: f64,
}

/// Sums of the kernel, in its ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ticks {
    busy: u64,
    all: u64,
}

impl CpuMeter {
    /// Starts to measure.
    #[must_use]
    pub fn start() -> Self {
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn(move || {
            let mut counters = CpuTally::new(Ticks::now());
            loop {
                let waited = stopped.recv_timeout(Duration::from_secs(1));
                let is_whole = matches!(waited, Err(RecvTimeoutError::Timeout));
                counters.add(Ticks::now(), is_whole);
                if !is_whole {
                    return counters.used();
                }
            }
        });
        Self { stop, thread }
    }

    /// Ends measuring.
    #[must_use]
    pub fn finish(self) -> CpuUse {
        drop(self.stop);
        self.thread.join().unwrap_or_default()
    }
}

impl CpuTally {
    pub(super) fn new(first: Ticks) -> Self {
        Self {
            first,
            before: first,
            worst: 0.0,
        }
    }

    /// A look, a second after the one before if it `is_whole`.
    pub(super) fn add(&mut self, now: Ticks, is_whole: bool) {
        // A piece of a second says little, unless there is nothing else.
        if is_whole || self.before == self.first {
            self.worst = self.worst.max(now.since(self.before));
        }
        self.before = now;
    }

    /// From the first look to the last.
    pub(super) fn used(&self) -> CpuUse {
        CpuUse {
            mean_pct: self.before.since(self.first),
            worst_second_pct: self.worst,
        }
    }
}

impl Ticks {
    /// None of a system without `/proc`.
    fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        Self::parse(&text).unwrap_or_default()
    }

    /// The first line: user, nice, system, idle, iowait, irq, softirq, steal, guest, guest of
    /// nice; the last two are in the first two already.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Option<Vec<u64>> = line
            .split_ascii_whitespace()
            .take(8)
            .map(|word| word.parse().ok())
            .collect();
        let ticks = ticks.filter(|ticks| ticks.len() >= 5)?;
        let all: u64 = ticks.iter().sum();
        let idle = ticks[3] + ticks[4];
        Some(Self {
            busy: all - idle,
            all,
        })
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "ticks of a run are far below 2^53, and a percentage shows two digits"
    )]
    fn since(self, before: Self) -> f64 {
        let all = self.all.saturating_sub(before.all);
        if all == 0 {
            return 0.0;
        }
        100.0 * self.busy.saturating_sub(before.busy) as f64 / all as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // 100 user, 10 nice, 40 system, 800 idle, 50 waiting for disks: 150 of 1,000 busy.
    #[test]
    fn waiting_for_a_disk_is_no_work() {
        let ticks = Ticks::parse("cpu  100 10 40 800 50 0 0 0 7 0\ncpu0 1 2 3 4\n").unwrap();
        assert_eq!(
            ticks,
            Ticks {
                busy: 150,
                all: 1_000
            }
        );
        assert!((ticks.since(Ticks::default()) - 15.0).abs() < 1e-9);
        assert_eq!(Ticks::parse("cpu0 1 2 3 4 5"), None);
        assert_eq!(Ticks::parse("cpu  1 2 x 4 5"), None);
        assert!(ticks.since(ticks).abs() < 1e-9);
    }

    #[test]
    fn a_meter_that_ends_at_once_has_an_answer() {
        let used = CpuMeter::start().finish();
        assert!((0.0..=100.0).contains(&used.mean_pct));
        assert!((0.0..=100.0).contains(&used.worst_second_pct));
    }
}
