//! eMule's credits: a peer that gave to us waits for less time.
//!
//! Source:    the source of aMule: its credit file and upload queue.
//! Contract:  slots go to the highest score, waiting time times ratio. The ratio is 1 for a peer
//!            that gave less than 1,000,000 bytes; else the least of twice the received over the
//!            sent (10 if nothing was sent) and sqrt(received in MiB + 2), within 1 and 10. A slot
//!            is kept for 9,728,000 bytes. Credits are between two peers and never shared.
//! Cost:      O(peers log peers) a round.
//! Drawbacks: a peer that gives nothing is served too, only later.

use std::cmp::Reverse;

use super::table::BASE;
use super::{Candidate, Choker, ChokerRow, Grant, Round};
use crate::rng::Rng;

/// A peer that gave less has no credit.
const LEAST: u64 = 1_000_000;

/// Bytes after which a slot is given up: a part of eMule.
const SESSION: u64 = 9_728_000;

/// Ratios are counted in millionths, between these.
const UNIT: u128 = 1_000_000;
const RATIO_MAX: u128 = 10 * UNIT;

/// Its row.
pub(super) const ROW: ChokerRow = ChokerRow {
    name: "emule",
    about: "slots by waiting time, which counts up to ten times for a peer that gave",
    rule: "Slots go to the highest score: waiting time times ratio. The ratio is 1 below 1,000,000 \
           bytes received; else the least of 2 received / sent (10 if nothing was sent) and \
           sqrt(received in MiB + 2), at least 1 and at most 10. A slot is kept until 9,728,000 \
           bytes were sent in it.",
    source: "the source of aMule",
    departs: "files have no priorities here; every identity is verified",
    assumed: "the session of one part; slots are given with the rounds; ties go to the lower id",
    slots: true,
    make: |_| Box::new(Emule),
    ..BASE
};

#[derive(Debug)]
struct Emule;

/// By how much waiting counts, in millionths.
pub(super) fn ratio(received: u64, sent: u64) -> u128 {
    if received < LEAST {
        return UNIT;
    }
    let (received, mib) = (u128::from(received), 1 << 20);
    let by_debt = if sent == 0 {
        RATIO_MAX
    } else {
        2 * received * UNIT / u128::from(sent)
    };
    let by_size = ((received + 2 * mib) * UNIT * UNIT / mib).isqrt();
    by_debt.min(by_size).clamp(UNIT, RATIO_MAX)
}

impl Choker for Emule {
    fn round(&mut self, round: &Round<'_>, _: &mut Rng) -> Vec<Grant> {
        let score = |peer: &Candidate| {
            let waited = round.now.since(peer.since).as_nanos();
            u128::from(waited) * ratio(peer.total_received.get(), peer.total_sent.get())
        };
        let keeps = |peer: &Candidate| peer.unchoked && peer.sent_in_slot.get() < SESSION;
        round.slots_by_key(|peer| {
            // A peer whose session is used up waits from now on.
            let score = if peer.unchoked { 0 } else { score(peer) };
            (!keeps(peer), peer.unchoked, Reverse(score), peer.peer)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choke::tests::{candidate, ids, round};
    use crate::time::{Span, Time};
    use crate::units::ByteCount;

    const MIB: u64 = 1 << 20;

    /// Golden vector, from the formula: in thousandths.
    #[test]
    fn ratios_are_those_of_the_credit_file() {
        let thousandths = |(received, sent)| (ratio(received, sent) + 500) / 1_000;
        let found = [
            (999_999, 0),
            (1_000_000, 0),
            (10 * MIB, 0),
            (98 * MIB, 0),
            (200 * MIB, 100 * MIB),
            (100 * MIB, 200 * MIB),
        ];
        let found = found.map(thousandths);
        assert_eq!(found, [1_000, 1_719, 3_464, 10_000, 4_000, 1_000]);
    }

    /// Two slots at 100 s. Peer 0 has one and was sent less than a session; peer 1 had a session;
    /// 2 waits since 10 s and gave nothing; 3 since 60 s, and gave 10 MiB: 40 x 3.46 is more than
    /// 90.
    #[test]
    fn a_slot_is_kept_for_a_session_and_then_goes_to_the_highest_score() {
        let mut peers: Vec<_> = (0..4).map(|peer| candidate(peer, 0)).collect();
        peers[0].unchoked = true;
        peers[0].sent_in_slot = ByteCount::new(9_727_999);
        peers[1].unchoked = true;
        peers[1].sent_in_slot = ByteCount::new(9_728_000);
        peers[2].since = Time::ZERO + Span::from_secs(10);
        peers[3].since = Time::ZERO + Span::from_secs(60);
        peers[3].total_received = ByteCount::new(10 * MIB);
        let mut rng = Rng::from_seed([1; 32]);
        let mut served = |peers: &[Candidate]| {
            let round = Round {
                now: Time::ZERO + Span::from_secs(100),
                ..round(peers, 2)
            };
            ids(&Emule.round(&round, &mut rng))
        };
        assert_eq!(served(&peers), [0, 3]);
        peers[3].total_received = ByteCount::ZERO;
        assert_eq!(served(&peers), [0, 2]);
        // Nobody else waits: a peer whose session is used up goes on.
        assert_eq!(served(&peers[..2]), [0, 1]);
    }
}
