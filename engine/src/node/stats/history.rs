//! Rates of the last hour, one sample a second, for clients that look at the node later.
//!
//! Limit: [`SECONDS`] samples of the node and of [`PEERS_MAX`] peers, 16 bytes each: 1 MB at most.

use std::collections::{BTreeMap, VecDeque};

use fairhaul_core::id::PeerId;
use fairhaul_core::time::Time;

use crate::control::api::{self, PeerRates, RateSeries};

/// Samples that are kept: an hour of them.
const SECONDS: usize = 3_600;
/// Peers whose own rates are kept. Of more, those with which bytes moved last.
const PEERS_MAX: usize = 16;

const NANOS: u64 = 1_000_000_000;

/// Bytes up and down.
type Moved = (u64, u64);

/// Rates of the node and of its peers.
#[derive(Debug, Default)]
pub(crate) struct RateHistory {
    /// Seconds that have been sampled since the start, those that are no longer kept among them.
    sampled: u64,
    node: VecDeque<Moved>,
    peers: BTreeMap<PeerId, Series>,
}

/// Rates of a peer. Its last sample is of the same second as the last one of the node.
#[derive(Debug, Default)]
struct Series {
    samples: VecDeque<Moved>,
    /// The last second in which bytes moved.
    active_s: u64,
}

impl RateHistory {
    /// Bytes that moved with each peer since the last call, which was about a second ago.
    pub(crate) fn sample(&mut self, now: Time, moved: impl Iterator<Item = (PeerId, Moved)>) {
        // To the nearest second, for a tick comes a moment early or late.
        let second = (now.as_nanos() + NANOS / 2) / NANOS;
        // Ticks that a busy machine has left out come as one: its bytes are those of all of them.
        let missed = second.saturating_sub(self.sampled);
        let seconds = missed.max(u64::from(self.node.is_empty()));
        self.sampled += seconds;
        let mut all = (0, 0);
        let mut active = BTreeMap::new();
        for (peer, (up, down)) in moved.filter(|(_, moved)| *moved != (0, 0)) {
            all = (all.0 + up, all.1 + down);
            active.insert(peer, (up, down));
        }
        push(&mut self.node, seconds, all);
        for (peer, series) in &mut self.peers {
            let moved = active.remove(peer).unwrap_or_default();
            push(&mut series.samples, seconds, moved);
            if moved != (0, 0) {
                series.active_s = self.sampled;
            }
        }
        let sampled = self.sampled;
        self.peers
            .retain(|_, series| sampled - series.active_s < SECONDS as u64);
        for (peer, moved) in active {
            self.admit(peer, seconds, moved);
        }
    }

    /// Bytes move with a peer that has no series.
    fn admit(&mut self, peer: PeerId, seconds: u64, moved: Moved) {
        if self.peers.len() >= PEERS_MAX {
            let oldest = self.peers.iter().min_by_key(|(_, series)| series.active_s);
            let silent = oldest.filter(|(_, series)| series.active_s < self.sampled);
            let Some(silent) = silent.map(|(&peer, _)| peer) else {
                // All of them are as busy: those that were here first stay.
                return;
            };
            self.peers.remove(&silent);
        }
        let mut series = Series {
            samples: VecDeque::new(),
            active_s: self.sampled,
        };
        push(&mut series.samples, seconds.max(1), moved);
        self.peers.insert(peer, series);
    }

    /// What is kept from the second `since_s` on.
    pub(crate) fn since(&self, since_s: u64, name: impl Fn(PeerId) -> String) -> api::History {
        let first = self.sampled - self.node.len() as u64;
        let from_s = since_s.clamp(first, self.sampled);
        let wanted = usize::try_from(self.sampled - from_s).unwrap_or(usize::MAX);
        let peer = |(&peer, series): (&PeerId, &Series)| PeerRates {
            peer: name(peer),
            rates: last(&series.samples, wanted),
        };
        api::History {
            from_s,
            node: last(&self.node, wanted),
            peers: self.peers.iter().map(peer).collect(),
        }
    }
}

/// Adds as many seconds, over which `moved` is spread. Without one it belongs to the last.
fn push(samples: &mut VecDeque<Moved>, seconds: u64, moved: Moved) {
    if seconds == 0 {
        if let Some(last) = samples.back_mut() {
            *last = (last.0 + moved.0, last.1 + moved.1);
        }
        return;
    }
    let each = (moved.0 / seconds, moved.1 / seconds);
    let rest = (moved.0 % seconds, moved.1 % seconds);
    let kept = usize::try_from(seconds).map_or(SECONDS, |seconds| seconds.min(SECONDS));
    samples.extend(std::iter::repeat_n(each, kept));
    if let Some(last) = samples.back_mut() {
        *last = (last.0 + rest.0, last.1 + rest.1);
    }
    samples.drain(..samples.len().saturating_sub(SECONDS));
}

/// The last samples, as many as are wanted; what came before the first of them is zero.
fn last(samples: &VecDeque<Moved>, wanted: usize) -> RateSeries {
    let before = wanted.saturating_sub(samples.len());
    let skipped = samples.len().saturating_sub(wanted);
    let zeros = std::iter::repeat_n((0, 0), before);
    let (up_bytes_s, down_bytes_s) = zeros.chain(samples.iter().skip(skipped).copied()).unzip();
    RateSeries {
        up_bytes_s,
        down_bytes_s,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: PeerId = PeerId(0);
    const B: PeerId = PeerId(1);

    fn at(millis: u64) -> Time {
        Time::from_nanos(millis * 1_000_000)
    }

    fn name(peer: PeerId) -> String {
        format!("p{}", peer.0)
    }

    fn up(rates: &RateSeries) -> &[u64] {
        &rates.up_bytes_s
    }

    /// Three seconds; b comes in the second of them.
    #[test]
    fn what_moved_is_there_by_second_and_by_peer_and_a_late_peer_has_zeros_before() {
        let mut history = RateHistory::default();
        history.sample(at(1_000), [(A, (5, 1))].into_iter());
        history.sample(at(2_002), [(A, (6, 0)), (B, (7, 2))].into_iter());
        history.sample(at(2_999), [(B, (8, 0))].into_iter());
        let all = history.since(0, name);
        assert_eq!((all.from_s, up(&all.node)), (0, &[5, 13, 8][..]));
        assert_eq!(all.node.down_bytes_s, [1, 2, 0]);
        let names: Vec<&str> = all.peers.iter().map(|peer| peer.peer.as_str()).collect();
        assert_eq!(names, ["p0", "p1"]);
        assert_eq!(up(&all.peers[0].rates), [5, 6, 0]);
        assert_eq!(up(&all.peers[1].rates), [0, 7, 8]);
        let rest = history.since(2, name);
        assert_eq!((rest.from_s, up(&rest.node)), (2, &[8][..]));
        assert_eq!(up(&rest.peers[1].rates), [8]);
        for future in [3, 4, u64::MAX] {
            let none = history.since(future, name);
            assert_eq!((none.from_s, up(&none.node)), (3, &[][..]), "{future}");
        }
    }

    /// A machine that stood still for four seconds moved its bytes in four seconds.
    #[test]
    fn a_late_tick_is_as_many_seconds_as_have_passed_and_an_early_one_none() {
        let mut history = RateHistory::default();
        history.sample(at(0), [].into_iter());
        history.sample(at(5_000), [(A, (10, 0))].into_iter());
        history.sample(at(5_400), [(A, (3, 0))].into_iter());
        let all = history.since(0, name);
        assert_eq!(up(&all.node), [0, 2, 2, 2, 7]);
        assert_eq!(up(&all.peers[0].rates), [0, 2, 2, 2, 7]);
    }

    /// However long a node runs, an hour is kept, of all of it together no more than was said.
    #[test]
    fn an_hour_is_kept_and_no_byte_of_it_is_lost_or_made() {
        let mut history = RateHistory::default();
        for second in 1..=5_000 {
            history.sample(at(second * 1_000), [(A, (second, 0))].into_iter());
        }
        let all = history.since(0, name);
        assert_eq!((all.from_s, all.node.up_bytes_s.len()), (1_400, SECONDS));
        assert_eq!(all.node, all.peers[0].rates);
        assert_eq!(up(&all.node)[0], 1_401);
        assert_eq!(
            up(&all.node).iter().sum::<u64>(),
            (1_401..=5_000).sum::<u64>()
        );
        // A week asleep.
        history.sample(at(700_000_000), [(A, (1, 0))].into_iter());
        assert_eq!(history.since(0, name).node.up_bytes_s.len(), SECONDS);
        assert_eq!(history.node.len(), SECONDS);
    }

    /// A hundred peers one after the other, then a hundred at once.
    #[test]
    fn peers_that_moved_something_last_are_kept_and_no_more_than_sixteen() {
        let mut history = RateHistory::default();
        for second in 1..=100_u32 {
            let at = at(u64::from(second) * 1_000);
            history.sample(at, [(PeerId(second), (9, 9))].into_iter());
            assert!(history.peers.len() <= PEERS_MAX);
        }
        let kept: Vec<u32> = history.peers.keys().map(|peer| peer.0).collect();
        assert_eq!(kept, (85..=100).collect::<Vec<_>>());
        let crowd = (200..300).map(|peer| (PeerId(peer), (1, 0)));
        history.sample(at(101_000), crowd.clone());
        let kept: Vec<u32> = history.peers.keys().map(|peer| peer.0).collect();
        history.sample(at(102_000), crowd.rev());
        let still: Vec<u32> = history.peers.keys().map(|peer| peer.0).collect();
        assert_eq!(
            (kept.len(), &kept),
            (PEERS_MAX, &still),
            "nobody is thrown out in turns"
        );
        // All of them count for the node.
        assert_eq!(up(&history.since(100, name).node), [100, 100]);
        history.sample(at(102_000 + 3_600_000), [].into_iter());
        assert!(history.peers.is_empty(), "an hour of zeros is no history");
    }
}
