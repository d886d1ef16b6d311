//! BitTyrant as published: the best return on what is offered, and no more than is needed for it.
//!
//! Source:    M. Piatek, T. Isdal, T. Anderson, A. Krishnamurthy and A. Venkataramani, "Do
//!            Incentives Build Robustness in BitTorrent?", NSDI 2007, and the authors' source.
//! Contract:  of each peer the rate u that it is offered and the rate d that comes back are kept.
//!            Peers are served by d/u falling while the sum of u is below the uplink, each for u
//!            times the period. A peer that was served and chokes us is offered 1.2 u; one that
//!            reciprocates and has not choked us for 30 s is offered 0.9 u, once in 30 s.
//! Cost:      O(peers log peers) a round.
//! Drawbacks: there are no optimistic slots: without altruism of others nothing starts. Announced
//!            rates can be forged.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::table::BASE;
use super::{Candidate, Choker, ChokerParams, ChokerRow, Grant, Round};
use crate::id::PeerId;
use crate::rng::Rng;
use crate::time::{Span, Time};
use crate::units::{ByteCount, Rate};

/// The first offer to a peer: 3 KB/s.
const FIRST: u64 = 3 * KB;

/// Bytes in a kilobyte.
const KB: u64 = 1_024;

/// A peer that has not choked us for so long is offered less, once in so long.
const STEADY: Span = Span::from_secs(30);

/// How many more than these must be unchoked for their mean to be the first offer.
const MEAN_OF: usize = 2;

/// The usual slots of a client of that uplink: below so many KB/s that many.
const USUAL: [(u64, u64); 7] = [
    (11, 2),
    (35, 3),
    (80, 4),
    (200, 5),
    (350, 6),
    (600, 7),
    (900, 8),
];

/// The usual slots of a client whose uplink is faster.
const USUAL_MOST: u64 = 9;

/// Its row.
pub(super) const ROW: ChokerRow = ChokerRow {
    name: "bittyrant",
    about: "the best return on what is offered, peer by peer, as BitTyrant was published",
    rule: "Of each peer the offer u and the return d are kept. Who was served and chokes us is \
           offered 1.2 u; who reciprocates and has not choked us for 30 s is offered 0.9 u, at \
           most once in 30 s. An unknown u is the mean over the unchoked if they are more than \
           two, else 3 KB/s; an unknown d is the announced rate over the usual slots of that \
           rate. By d/u falling, while the sum of u is below the uplink: first those of whom we \
           want something with d/u of at least one or unknown, then the others of whom we want \
           something, then the rest, longest unmeasured first. Each is sent at most u times the \
           period.",
    source: "Piatek et al., Do Incentives Build Robustness in BitTorrent?, 2007, and the authors' \
             source",
    assumed: "1 KB is 1,024 B; the smoothed return is the mean of the last one and the rate over \
              the last round; of a peer whose return is unknown d/u counts as one; the \
              neighbourhood is as large as the swarm gives",
    everybody: true,
    make: |params| {
        Box::new(BitTyrant {
            params: *params,
            offers: BTreeMap::new(),
        })
    },
    ..BASE
};

/// What is known of a peer.
#[derive(Clone, Copy, Debug, Default)]
struct Offer {
    /// The rate to offer.
    up: Option<u64>,
    /// The rate that came back.
    down: Option<u64>,
    /// When the return was measured last.
    measured: Option<Time>,
    /// When the offer was made less last.
    lowered: Option<Time>,
}

#[derive(Debug)]
struct BitTyrant {
    params: ChokerParams,
    offers: BTreeMap<PeerId, Offer>,
}

/// A peer as a pass sees it.
#[derive(Clone, Copy, Debug)]
struct Bid {
    peer: PeerId,
    up: u64,
    /// The return, measured or guessed; none if nothing is known.
    down: Option<u64>,
    wanted: bool,
    snubbed: bool,
    measured: Option<Time>,
}

impl Bid {
    /// Whether it returns what it is offered, as far as is known.
    fn is_worth_it(&self) -> bool {
        self.down.is_none_or(|down| down >= self.up)
    }

    /// d/u in 2^-32; a peer of which nothing is known is taken to return what it is offered.
    fn ratio(&self) -> u128 {
        let down = self.down.unwrap_or(self.up);
        (u128::from(down) << 32) / u128::from(self.up)
    }
}

impl BitTyrant {
    /// Brings offers and returns up to date with what the last round gave.
    fn learn(&mut self, round: &Round<'_>) {
        round.forget_others(&mut self.offers);
        let seconds = u128::from(round.period.as_nanos().max(1));
        let over = |bytes: ByteCount| {
            let rate = u128::from(bytes.get()) * u128::from(Span::SECOND.as_nanos()) / seconds;
            u64::try_from(rate).unwrap_or(u64::MAX)
        };
        let first = self.first_offer(round.peers);
        for peer in round.peers {
            let offer = self.offers.entry(peer.peer).or_default();
            let served = peer.unchoked && peer.sent_last > ByteCount::ZERO;
            if !peer.chokes_us && peer.wanted {
                let rate = over(peer.received_last);
                offer.down = Some(offer.down.map_or(rate, |before| before.midpoint(rate)));
                offer.measured = Some(round.now);
            }
            let up = offer.up.get_or_insert(first);
            if served && peer.chokes_us {
                *up = (*up).saturating_mul(12).div_ceil(10);
            }
            let ago = |at: Option<Time>| at.map(|at| round.now.since(at));
            let is_steady = ago(peer.choked_us_at).is_none_or(|ago| ago > STEADY);
            let may_lower = ago(offer.lowered).is_none_or(|ago| ago >= STEADY);
            if served && !peer.chokes_us && is_steady && may_lower {
                *up = (*up * 9 / 10).max(1);
                offer.lowered = Some(round.now);
            }
        }
    }

    /// What a peer is offered of which nothing is known: the mean over those that are unchoked.
    fn first_offer(&self, peers: &[Candidate]) -> u64 {
        if let Some(first) = self.params.first_offer {
            return first.get().max(1);
        }
        let unchoked = peers.iter().filter(|peer| peer.unchoked);
        let known = unchoked.filter_map(|peer| self.offers.get(&peer.peer)?.up);
        let known: Vec<u64> = known.collect();
        if known.len() > MEAN_OF {
            let sum: u128 = known.iter().map(|up| u128::from(*up)).sum();
            let mean = sum / known.len() as u128;
            return u64::try_from(mean).unwrap_or(u64::MAX).max(1);
        }
        FIRST
    }

    fn bid(&self, peer: &Candidate) -> Bid {
        let offer = self.offers.get(&peer.peer).copied().unwrap_or_default();
        let announced = peer.announced.get();
        let guessed = (announced > 0).then(|| announced / usual_slots(peer.announced));
        Bid {
            peer: peer.peer,
            up: offer.up.unwrap_or(FIRST),
            down: offer.down.or(guessed),
            wanted: peer.wanted,
            snubbed: peer.snubbed,
            measured: offer.measured,
        }
    }
}

/// Slots that a client which downloads at `rate` is expected to have.
fn usual_slots(rate: Rate) -> u64 {
    let below = USUAL.iter().find(|(most, _)| rate.get() < most * KB);
    below.map_or(USUAL_MOST, |(_, slots)| *slots)
}

impl Choker for BitTyrant {
    fn round(&mut self, round: &Round<'_>, _: &mut Rng) -> Vec<Grant> {
        self.learn(round);
        let interested = round.peers.iter().filter(|peer| peer.interested);
        let mut bids: Vec<Bid> = interested.map(|peer| self.bid(peer)).collect();
        bids.sort_by_key(|bid| (Reverse(bid.ratio()), bid.peer));
        let active = |bid: &&Bid| bid.wanted && !bid.snubbed;
        let first = bids.iter().filter(active).filter(|bid| bid.is_worth_it());
        let second = bids.iter().filter(active).filter(|bid| !bid.is_worth_it());
        let mut rest: Vec<&Bid> = bids.iter().filter(|bid| !active(bid)).collect();
        rest.sort_by_key(|bid| (bid.measured, bid.peer));
        let capacity = round.capacity.map_or(u64::MAX, Rate::get);
        let mut sum = 0_u64;
        let mut grants = Vec::new();
        for bid in first.chain(second).chain(rest) {
            if sum >= capacity {
                break;
            }
            sum = sum.saturating_add(bid.up);
            let budget = Rate::new(bid.up).bytes_in(round.period);
            grants.push(Grant::of(bid.peer, budget));
        }
        grants
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choke::tests::{candidate, ids, round};

    fn at(secs: u64) -> Time {
        Time::ZERO + Span::from_secs(secs)
    }

    fn tyrant() -> BitTyrant {
        BitTyrant {
            params: ChokerParams::default(),
            offers: BTreeMap::new(),
        }
    }

    fn asked(tyrant: &mut BitTyrant, peers: &[Candidate], secs: u64, capacity: u64) -> Vec<Grant> {
        let round = Round {
            now: at(secs),
            capacity: Some(Rate::new(capacity)),
            ..round(peers, 4)
        };
        tyrant.round(&round, &mut Rng::from_seed([1; 32]))
    }

    /// Golden vector of one peer: 3 KB/s first, 1.2 times that whenever it took and chokes us, 0.9
    /// once it has not choked us for more than 30 s, and not again for 30 s.
    #[test]
    fn an_offer_grows_while_it_is_refused_and_shrinks_while_it_is_returned() {
        let mut tyrant = tyrant();
        let mut peer = candidate(0, 0);
        peer.wanted = true;
        let mut offer = |peer: Candidate, secs| {
            let grants = asked(&mut tyrant, &[peer], secs, 100_000);
            grants[0].budget.unwrap().get() / 10
        };
        assert_eq!(offer(peer, 0), 3_072);
        peer.unchoked = true;
        peer.sent_last = ByteCount::new(30_000);
        assert_eq!(offer(peer, 10), 3_687);
        assert_eq!(offer(peer, 20), 4_425);
        // It unchokes us, having choked us at 25 s.
        peer.chokes_us = false;
        peer.choked_us_at = Some(at(25));
        peer.received_last = ByteCount::new(50_000);
        for secs in [30, 40, 50] {
            assert_eq!(offer(peer, secs), 4_425, "{secs}");
        }
        assert_eq!(offer(peer, 60), 3_982);
        for secs in [70, 80] {
            assert_eq!(offer(peer, secs), 3_982, "{secs}");
        }
        assert_eq!(offer(peer, 90), 3_583);
    }

    /// Golden vector of the passes. Returns over offers of 3 KB/s: peer 0 gives 6,000 B/s, 1 gives
    /// 30,000, 2 gives 1,000, 3 announces 22 KiB/s, so 3 slots of 7,509 B/s each; 4 has nothing
    /// that we want, 5 snubs us.
    #[test]
    fn the_passes_go_by_return_over_offer_while_the_uplink_lasts() {
        let mut peers: Vec<_> = (0..6).map(|peer| candidate(peer, 0)).collect();
        for (peer, rate) in [(0, 6_000), (1, 30_000), (2, 1_000), (5, 90_000)] {
            peers[peer].chokes_us = false;
            peers[peer].received_last = ByteCount::new(rate * 10);
            peers[peer].wanted = true;
        }
        peers[3].wanted = true;
        peers[3].announced = Rate::new(22 * 1_024);
        peers[5].snubbed = true;
        let order = |capacity| {
            let grants = asked(&mut tyrant(), &peers, 0, capacity);
            grants.iter().map(|grant| grant.peer.0).collect::<Vec<_>>()
        };
        assert_eq!(order(1_000_000), [1, 3, 0, 2, 4, 5]);
        // The sum of u is below 7,000 until three are served.
        assert_eq!(order(7_000), [1, 3, 0]);
        assert_eq!(order(6_144), [1, 3]);
    }

    #[test]
    fn an_unknown_offer_is_the_mean_of_more_than_two_that_are_served() {
        let mut tyrant = tyrant();
        let mut peers: Vec<_> = (0..4).map(|peer| candidate(peer, 0)).collect();
        for (peer, up) in [(0, 1_000), (1, 2_000), (2, 6_000)] {
            tyrant.offers.insert(
                PeerId(peer),
                Offer {
                    up: Some(up),
                    ..Offer::default()
                },
            );
            peers[peer as usize].unchoked = true;
        }
        assert_eq!(tyrant.first_offer(&peers), 3_000);
        peers[2].unchoked = false;
        assert_eq!(tyrant.first_offer(&peers), FIRST);
        tyrant.params.first_offer = Some(Rate::new(7_000));
        assert_eq!(tyrant.first_offer(&peers), 7_000);
        assert_eq!(ids(&asked(&mut tyrant, &peers, 0, 1)).len(), 1);
    }

    #[test]
    fn usual_slots_are_those_of_the_table() {
        let slots = |kilobytes: u64| usual_slots(Rate::new(kilobytes * KB));
        let found = [
            10, 11, 34, 35, 79, 80, 199, 200, 349, 350, 599, 600, 899, 900,
        ]
        .map(slots);
        assert_eq!(found, [2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9]);
    }
}
