//! Round robin with a quota: a slot goes on when a peer had its pieces and its minute.
//!
//! Source:    the seed rule `round_robin` of libtorrent, and its setting `seeding_piece_quota`.
//! Contract:  slots are kept, but whoever was sent more than 20 chunks in its slot and has had it
//!            for more than a minute goes last; then those that take faster come first, then those
//!            that were served longest ago.
//! Cost:      O(peers log peers) a round.
//! Drawbacks: gives as much to a peer that forwards nothing.

use std::cmp::Reverse;

use super::table::BASE;
use super::{Candidate, Choker, ChokerRow, Grant, Round};
use crate::rng::Rng;
use crate::time::Span;
use crate::units::Rate;

/// Chunks of a slot.
const QUOTA: u64 = 20;

/// The least time of a slot.
const LEAST: Span = Span::from_secs(60);

/// Its row.
pub(super) const ROW: ChokerRow = ChokerRow {
    name: "round-robin-quota",
    about: "slots go on after 20 chunks and a minute; faster takers first",
    rule: "A slot is kept until more than 20 chunks were sent in it and it is older than a \
           minute: then its peer goes last. Before that, those that take faster come first, \
           where a choked peer takes nothing, and of equal ones whoever was served longest ago.",
    source: "the seed rule round_robin of libtorrent, with seeding_piece_quota",
    assumed: "then the lower id; a piece is a chunk",
    slots: true,
    fills: true,
    finishes: true,
    make: |_| Box::new(RoundRobinQuota),
    ..BASE
};

#[derive(Debug)]
struct RoundRobinQuota;

impl Choker for RoundRobinQuota {
    fn round(&mut self, round: &Round<'_>, _: &mut Rng) -> Vec<Grant> {
        let is_done = |peer: &Candidate| {
            let quota = peer.chunk.get().saturating_mul(QUOTA);
            let had = peer.unchoked && peer.sent_in_slot.get() > quota;
            had && round.now.since(peer.since) > LEAST
        };
        let rate = |peer: &Candidate| {
            if peer.unchoked {
                peer.rate_to
            } else {
                Rate::new(0)
            }
        };
        round.slots_by_key(|peer| {
            let waited = Reverse(peer.waited);
            (is_done(peer), Reverse(rate(peer)), waited, peer.peer)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choke::tests::{candidate, ids, round};
    use crate::time::Time;
    use crate::units::ByteCount;

    /// Golden vector with chunks of 100 at 61 s: 0 and 1 have slots since the start. 0 was sent
    /// 2,001, more than its quota; 1 is at its quota and keeps its slot. 2 waits longer than 3.
    #[test]
    fn a_slot_goes_on_after_its_quota_and_its_minute() {
        let mut peers: Vec<_> = (0..4).map(|peer| candidate(peer, 0)).collect();
        for (peer, sent) in [(0, 2_001), (1, 2_000)] {
            peers[peer].unchoked = true;
            peers[peer].chunk = ByteCount::new(100);
            peers[peer].sent_in_slot = ByteCount::new(sent);
            peers[peer].rate_to = Rate::new(10);
        }
        peers[2].waited = 7;
        let mut rng = Rng::from_seed([1; 32]);
        let mut at = |secs| {
            let round = Round {
                now: Time::ZERO + Span::from_secs(secs),
                ..round(&peers, 2)
            };
            ids(&RoundRobinQuota.round(&round, &mut rng))
        };
        assert_eq!(at(60), [0, 1]);
        assert_eq!(at(61), [1, 2]);
    }
}
