//! Bitswap as in its white paper: the more a peer owes, the less likely it is served.
//!
//! Source:    J. Benet, "IPFS: Content Addressed, Versioned, P2P File System", 2014. Specified and
//!            never shipped.
//! Contract:  with r = sent / (received + 1) a peer is served with probability
//!            1 - 1/(1 + e^(6 - 3r)); one that is refused is ignored for 10 s.
//! Cost:      O(peers) a round.
//! Drawbacks: a peer that owes nothing is served, and so is every new identity.

use std::collections::BTreeMap;

use super::table::BASE;
use super::{Candidate, Choker, ChokerRow, Grant, Round};
use crate::id::PeerId;
use crate::rng::Rng;
use crate::time::{Span, Time};

/// How long a peer that was refused is ignored.
const IGNORED: Span = Span::from_secs(10);

/// Binary places of a probability and of a debt ratio.
const PLACES: u32 = 32;
const ONE: u128 = 1 << PLACES;

/// e in those places.
const E: u128 = 11_674_931_555;

/// Debt ratios beyond this make no difference in 32 places.
const RATIO_MAX: u128 = 16;

/// Its row.
pub(super) const ROW: ChokerRow = ChokerRow {
    name: "bitswap-paper",
    about: "a peer is served with a probability that falls with its debt ratio",
    rule: "With r = sent / (received + 1) a peer that asks is served with probability \
           1 - 1/(1 + e^(6 - 3r)): 0.953 at r = 1, 0.5 at 2, 0.047 at 3. Who is refused is \
           ignored for 10 s.",
    source: "Benet, IPFS: Content Addressed, Versioned, P2P File System, 2014",
    assumed: "a peer is drawn for with each round, and what is decided holds until the next",
    everybody: true,
    make: |_| Box::new(BitswapPaper::default()),
    ..BASE
};

#[derive(Debug, Default)]
struct BitswapPaper {
    refused: BTreeMap<PeerId, Time>,
}

/// The probability of serving a peer, in 2^-32: integers, so that every machine draws the same.
pub(super) fn probability(sent: u64, received: u64) -> u128 {
    let ratio = (u128::from(sent) << PLACES) / (u128::from(received) + 1);
    let ratio = ratio.min(RATIO_MAX * ONE);
    // 1 - 1/(1 + e^x) = e^x / (1 + e^x), and with -x it is 1 / (1 + e^-x).
    let (power, grows) = match (6 * ONE).checked_sub(3 * ratio) {
        Some(power) => (power, true),
        None => (3 * ratio - 6 * ONE, false),
    };
    let exponential = exponential(power);
    let numerator = if grows { exponential } else { ONE };
    numerator * ONE / (ONE + exponential)
}

/// e to the power of `power`, both in 2^-32: the whole part by multiplication, the rest by the
/// series.
fn exponential(power: u128) -> u128 {
    let whole = power >> PLACES;
    let rest = power & (ONE - 1);
    let mut result = ONE;
    let mut term = ONE;
    for place in 1..16 {
        term = ((term * rest) >> PLACES) / place;
        result += term;
    }
    for _ in 0..whole {
        result = (result * E) >> PLACES;
    }
    result
}

impl Choker for BitswapPaper {
    fn round(&mut self, round: &Round<'_>, rng: &mut Rng) -> Vec<Grant> {
        round.forget_others(&mut self.refused);
        let mut serves = |peer: &Candidate| {
            let at = self.refused.get(&peer.peer);
            if at.is_some_and(|at| round.now.since(*at) < IGNORED) {
                return false;
            }
            let draw = u128::from(rng.next_u64() >> PLACES);
            let served = draw < probability(peer.total_sent.get(), peer.total_received.get());
            if served {
                self.refused.remove(&peer.peer);
            } else {
                self.refused.insert(peer.peer, round.now);
            }
            served
        };
        let interested = round.peers.iter().filter(|peer| peer.interested);
        let served = interested.filter(|peer| serves(peer));
        served.map(|peer| Grant::slot(peer.peer)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choke::tests::{candidate, round};
    use crate::units::ByteCount;

    /// Golden vector of the white paper's function.
    #[test]
    fn the_probability_falls_with_the_debt_ratio() {
        let ten_thousandths = |sent: u64| {
            // Of 999,999 received: r is the sent over a million.
            let found = probability(sent, 999_999);
            u64::try_from((found * 10_000 + ONE / 2) >> PLACES).unwrap()
        };
        let found = [
            0,
            1_000_000,
            1_500_000,
            2_000_000,
            2_500_000,
            3_000_000,
            1 << 60,
        ];
        let found = found.map(ten_thousandths);
        assert_eq!(found, [9_975, 9_526, 8_176, 5_000, 1_824, 474, 0]);
        assert_eq!(probability(u64::MAX, 0) >> 8, 0);
    }

    /// A peer with r = 2 is served every second time that it is drawn for; once refused it is
    /// ignored until 10 s are over.
    #[test]
    fn whoever_is_refused_is_ignored_for_ten_seconds() {
        let mut peer = candidate(0, 0);
        peer.total_sent = ByteCount::new(2_000_000);
        peer.total_received = ByteCount::new(999_999);
        let peers = [peer];
        let mut rng = Rng::from_seed([7; 32]);
        let mut paper = BitswapPaper::default();
        let mut served = 0;
        let mut ignored_until = 0;
        for secs in 0..4_000 {
            let at = Round {
                now: Time::ZERO + Span::from_secs(secs),
                ..round(&peers, 4)
            };
            let now = !paper.round(&at, &mut rng).is_empty();
            assert!(!now || secs >= ignored_until, "{secs}");
            if now {
                served += 1;
            } else if secs >= ignored_until {
                ignored_until = secs + 10;
            }
        }
        // A refusal costs ten seconds and a service one: one second in eleven.
        assert!((250..500).contains(&served), "{served}");
    }
}
