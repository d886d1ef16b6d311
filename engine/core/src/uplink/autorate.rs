//! Measures the capacity of the uplink and sets the node's cap just below it, so that the queue
//! forms here and not in the network.
//!
//! The least excess of the round trip over the usual one, among all peers that are sent to, is the
//! queue that they share; what was acknowledged while there was one is the capacity. An uplink that
//! never queued is not capped, and one slow peer is not followed while others see no queue.
//!
//! Source:    delay against a target as in LEDBAT, RFC 6817; a rate from what is delivered
//!            rather than from what is lost, as in TCP Vegas (Brakmo, O'Malley and Peterson,
//!            SIGCOMM 1994); the target never below a few packets, as in CoDel, RFC 8289; a
//!            slow approach to the last rate that was too much and a fast one beyond it, as
//!            in CUBIC, RFC 9438.
//! Contract:  while there is work and no other traffic fills the link, the queue in the network
//!            exceeds the target for less than a second at a time. Of a link of 49.8 Mbit/s that
//!            is always full it used 49 (results/engine/auto), and less where the machine was
//!            busy: a long delay of all acknowledgements is taken for a queue.
//! Cost:      a map look-up for each peer and sample.
//! Drawbacks: one peer alone cannot be told from the uplink: its own bottleneck becomes the
//!            cap. Traffic that fills the same queue and ignores delay gets up to three
//!            quarters of the capacity found before, until the longer round trip counts as usual.
//! Departs:   LEDBAT steers a window of one connection; here one rate stands for them all.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::id::PeerId;
use crate::time::{Span, Time};
use crate::units::{ByteCount, Rate};

/// The queue in the network that is tolerated. A fifth of LEDBAT's most (RFC 6817, section 2.3) is
/// 20 ms; CoDel's target (RFC 8289, section 4.4) is this.
const TARGET: Span = Span::from_millis(5);
/// Packets of 1,514 bytes that may wait on a slow link, where a few of them take longer.
const PACKETS: u64 = 3 * 1_514;
/// Samples in a row above the target before it counts: a pause of the machine delays all and
/// lowers what is counted, and a queue of the network stays.
const TIMES: u32 = 4;
/// The same while the cap is not used.
const TIMES_UNUSED: u32 = 8;
/// Over which time what was acknowledged is counted.
const COUNTED: Span = Span::from_millis(250);
/// What has to be counted at least before a rate is believed.
const COUNTED_LEAST: Span = Span::from_millis(100);
/// Samples further apart than this tell nothing of the time between them.
const GAP: Span = Span::from_millis(500);
/// In which time a queue is to be drained.
const DRAIN: Span = Span::from_millis(250);
/// A usual round trip counts for one to two of these: routes change.
const USUAL: Span = Span::from_secs(15);
/// What the uplink has carried counts for one to two of these.
const CARRIED: Span = Span::from_secs(30);
/// How long the cap grows above the last rate that was too much before it grows twice as fast.
const DOUBLING: Span = Span::from_millis(500);

/// In thousandths: of the rate that was too much, what is sent after; the most that is taken
/// off it to drain a queue.
const BELOW: u64 = 960;
const DRAIN_MOST: u64 = 500;
/// In thousandths of the cap and second: growth up to the last rate that was too much, right
/// above it, and at most.
const APPROACH: u64 = 8;
const BEYOND: u64 = 5;
const BEYOND_MOST: u64 = 500;
/// In thousandths of the cap: what has to be acknowledged for it to be what binds.
const BINDING: u64 = 850;
/// The cap is at least this part of what was carried, and at least so many bytes per second.
const SHARE: u64 = 4;
const LEAST: u64 = 16 * 1024;
/// Peers whose round trips are kept, and samples of what was acknowledged.
const PEERS_MAX: usize = 4_096;
const SAMPLES_MAX: usize = 64;

/// What the connection to one peer has measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathSample {
    /// To whom.
    pub peer: PeerId,
    /// The smoothed round trip now.
    pub rtt: Span,
    /// The least one that the connection has seen.
    pub least: Span,
    /// Bytes that were acknowledged since it was made.
    pub acked: ByteCount,
}

/// The state of one uplink.
#[derive(Debug, Default)]
pub(super) struct Auto {
    cap: Option<u64>,
    paths: BTreeMap<PeerId, Path>,
    /// When, and bytes acknowledged since the sample before.
    counted: VecDeque<(Time, u64)>,
    /// What was acknowledged per second when it was last too much.
    knee: u64,
    carried: Best,
    above: u32,
    draining: bool,
    /// Nothing is judged before: what was decided last does not show yet.
    judge_at: Time,
    /// Since when the cap has been above the knee.
    beyond: Option<Time>,
    last: Option<Time>,
}

#[derive(Debug)]
struct Path {
    acked: u64,
    usual: Best,
}

/// The best value of the last one to two spans.
#[derive(Debug, Default)]
struct Best {
    before: u64,
    now: u64,
    since: Time,
}

impl Best {
    const fn new(value: u64, since: Time) -> Self {
        Self {
            before: value,
            now: value,
            since,
        }
    }

    fn push(&mut self, value: u64, span: Span, better: fn(u64, u64) -> u64, now: Time) -> u64 {
        if now.since(self.since) >= span {
            (self.before, self.now, self.since) = (self.now, value, now);
        }
        self.now = better(self.now, value);
        better(self.before, self.now)
    }
}

impl Auto {
    /// The cap that was found; `None` while no queue was ever seen.
    pub(super) fn cap(&self) -> Option<Rate> {
        self.cap.map(Rate::new)
    }

    /// The connections were looked at. `busy` if the uplink has work.
    pub(super) fn sample(&mut self, paths: &[PathSample], busy: bool, now: Time) {
        let passed = self.last.map_or(Span::ZERO, |last| now.since(last));
        self.last = Some(now);
        let seen = self.look(paths, now);
        if !busy || passed > GAP {
            self.counted.clear();
            self.above = 0;
            self.beyond = None;
            return;
        }
        let Some((delay, rtt, bytes)) = seen else {
            return;
        };
        let Some(rate) = self.count(bytes, passed, now) else {
            return;
        };
        let target = target(self.cap.unwrap_or(rate));
        self.above = if delay > target { self.above + 1 } else { 0 };
        if now < self.judge_at {
            return;
        }
        let used = self.cap.is_none_or(|cap| rate >= part(cap, BINDING));
        if self.above >= if used { TIMES } else { TIMES_UNUSED } {
            self.cut(rate, delay, rtt, now);
        } else if self.draining {
            self.drained(delay, target);
        } else if delay <= target {
            self.grow(rate, passed, now);
        }
    }

    /// The queue that all peers share and the round trip of the peer that shows it, in nanoseconds,
    /// and the bytes acknowledged in all.
    fn look(&mut self, paths: &[PathSample], now: Time) -> Option<(u64, u64, u64)> {
        let (mut least, mut bytes) = (None, 0_u64);
        for sample in paths {
            let (rtt, acked) = (sample.rtt.as_nanos(), sample.acked.get());
            let known = self.paths.get_mut(&sample.peer);
            let Some(path) = known.filter(|path| path.acked <= acked) else {
                self.meet(sample, now);
                continue;
            };
            let more = acked - path.acked;
            path.acked = acked;
            if more == 0 || rtt == 0 {
                continue;
            }
            bytes = bytes.saturating_add(more);
            let delay = rtt - path.usual.push(rtt, USUAL, u64::min, now);
            if least.is_none_or(|(shortest, _)| delay < shortest) {
                least = Some((delay, rtt));
            }
        }
        least.map(|(delay, rtt)| (delay, rtt, bytes))
    }

    /// A connection that was not there before.
    fn meet(&mut self, sample: &PathSample, now: Time) {
        if self.paths.len() >= PEERS_MAX {
            self.paths.clear();
        }
        let least = sample.least.min(sample.rtt).as_nanos();
        let path = Path {
            acked: sample.acked.get(),
            usual: Best::new(least, now),
        };
        self.paths.insert(sample.peer, path);
    }

    /// Bytes per second over the last samples; none if they are too few.
    fn count(&mut self, bytes: u64, passed: Span, now: Time) -> Option<u64> {
        self.counted.push_back((now, bytes));
        while self.counted.len() > SAMPLES_MAX
            || (self.counted.len() > 2)
                && (self.counted.front()).is_some_and(|&(at, _)| now.since(at) > COUNTED)
        {
            self.counted.pop_front();
        }
        let &(first, _) = self.counted.front()?;
        // The bytes of the first came before it.
        let span = now.since(first);
        if passed == Span::ZERO || span < COUNTED_LEAST {
            return None;
        }
        let sum = self.counted.iter().skip(1).map(|&(_, bytes)| bytes);
        let sum = u128::from(sum.fold(0, u64::saturating_add));
        let rate = sum * 1_000_000_000 / u128::from(span.as_nanos());
        Some(u64::try_from(rate).unwrap_or(u64::MAX))
    }

    /// Too much is sent: less than what was acknowledged, so that the queue drains.
    fn cut(&mut self, rate: u64, delay: u64, rtt: u64, now: Time) {
        let carried = self.carried.push(rate, CARRIED, u64::max, now);
        let drain = delay.saturating_mul(1_000) / DRAIN.as_nanos();
        let cap = part(rate, BELOW - drain.min(DRAIN_MOST));
        let cap = self.cap.map_or(cap, |before| cap.min(before));
        self.cap = Some(cap.max(carried / SHARE).max(LEAST));
        self.knee = rate;
        self.draining = true;
        self.beyond = None;
        self.above = 0;
        let wait = COUNTED.as_nanos().saturating_add(rtt);
        self.judge_at = now.saturating_add(Span::from_nanos(wait));
    }

    /// The queue is gone, or as good as that: back to just below what was too much.
    fn drained(&mut self, delay: u64, target: u64) {
        if delay <= target / 2 {
            self.draining = false;
            self.cap = self.cap.map(|cap| cap.max(part(self.knee, BELOW)));
        }
    }

    /// No queue: raises the cap a little, if it is used up.
    fn grow(&mut self, rate: u64, passed: Span, now: Time) {
        let Some(cap) = self.cap else {
            return;
        };
        if rate < part(cap, BINDING) {
            self.beyond = None;
            return;
        }
        let growth = if cap < self.knee {
            APPROACH
        } else {
            let since = *self.beyond.get_or_insert(now);
            let doublings = now.since(since).as_nanos() / DOUBLING.as_nanos();
            (BEYOND << doublings.min(16)).min(BEYOND_MOST)
        };
        let more = u128::from(cap) * u128::from(growth) * u128::from(passed.as_nanos());
        let more = more.div_ceil(1_000_000_000_000);
        let cap = u128::from(cap) + more;
        self.cap = Some(u64::try_from(cap).unwrap_or(u64::MAX));
    }
}

/// The queue that is tolerated at `rate`, in nanoseconds.
fn target(rate: u64) -> u64 {
    let packets = Rate::new(rate).time_for(ByteCount::new(PACKETS));
    TARGET.max(packets).as_nanos()
}

/// So many thousandths of `rate`.
fn part(rate: u64, thousandths: u64) -> u64 {
    let part = u128::from(rate) * u128::from(thousandths) / 1_000;
    u64::try_from(part).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
