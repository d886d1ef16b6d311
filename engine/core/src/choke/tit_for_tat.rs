//! Tit-for-tat with optimistic unchoke, as in the reference client of BitTorrent.
//!
//! Source:    the choker of the reference client by B. Cohen; B. Cohen, "Incentives Build
//!            Robustness in BitTorrent", 2003.
//! Contract:  of the peers that are interested, do not snub us and gave at least 1,000 B/s, the
//!            best all but one of the slots by the rate from them. Then the list of connections is
//!            walked in order: who is chosen is unchoked, and others while fewer than all slots
//!            are taken or no interested one of them was found. A seed goes by the rate to them.
//! Cost:      O(peers log peers) a round.
//! Drawbacks: a peer that gives a little more than the last chosen gets as much as the first, and
//!            one that gives nothing is unchoked optimistically like any other.

use super::connection_list::ConnectionList;
use super::table::BASE;
use super::{Candidate, Choker, ChokerRow, Grant, Round};
use crate::rng::Rng;
use crate::units::Rate;

/// Who gives less has not earned a slot.
const LEAST: Rate = Rate::new(1_000);

/// Its row.
pub(super) const ROW: ChokerRow = ChokerRow {
    name: "tit-for-tat",
    about: "the best givers, and one by the order of the connections",
    rule: "Every 10 s, and when an unchoked peer changes its interest or leaves: the interested \
           peers that do not snub us and gave at least 1,000 B/s are sorted by the rate from them \
           over the last two rounds, and the best of all slots but one are chosen. The list of \
           connections is walked in order; the chosen are unchoked, and others while fewer than \
           all slots are taken or no interested one of them was found. A connection is inserted \
           at the head with 3/(n+3), elsewhere with 1/(n+3); every 30 s the first choked and \
           interested one after the head becomes the head. A seed goes by the rate to them, \
           without a least rate.",
    source: "the choker of the reference client by B. Cohen; Incentives Build Robustness in \
             BitTorrent, 2003",
    assumed: "new connections enter the list with the next choice",
    slots: true,
    everybody: true,
    reacts: true,
    make: |_| Box::new(TitForTat::new(1)),
    ..BASE
};

/// The reference choker with a number of optimistic slots.
#[derive(Debug)]
pub(super) struct TitForTat {
    list: ConnectionList,
    optimistic: usize,
}

impl TitForTat {
    pub(super) fn new(optimistic: usize) -> Self {
        Self {
            list: ConnectionList::default(),
            optimistic,
        }
    }

    /// Whom to serve with that many slots.
    pub(super) fn unchoke(&mut self, round: &Round<'_>, slots: usize, rng: &mut Rng) -> Vec<Grant> {
        let score = |peer: &Candidate| {
            let rate = if round.seeding {
                peer.rate_to
            } else {
                peer.rate_from
            };
            let earns = round.seeding || rate >= LEAST;
            (peer.interested && !peer.snubbed && earns).then_some(rate)
        };
        self.list
            .choose(round, (slots, self.optimistic), rng, score)
    }
}

impl Choker for TitForTat {
    fn round(&mut self, round: &Round<'_>, rng: &mut Rng) -> Vec<Grant> {
        self.unchoke(round, round.slots, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choke::tests::{candidate, ids, round};
    use crate::time::Time;

    fn giver(peer: u32, rate: u64) -> Candidate {
        Candidate {
            rate_from: Rate::new(rate),
            ..candidate(peer, rate * 20)
        }
    }

    fn listed(order: &[u32]) -> TitForTat {
        TitForTat {
            list: ConnectionList::of(order, Time::ZERO),
            optimistic: 1,
        }
    }

    /// Golden vector of the list rule: list 5 3 0 1 2 4 6, slots 3 + 1. 0, 1 and 2 gave most, 4 is
    /// just below the least rate, 5 is not interested. 5 is unchoked and does not count, 3 is the
    /// optimistic one, 4 and 6 are choked.
    #[test]
    fn the_walk_unchokes_the_best_and_the_first_interested_one_in_the_list() {
        let mut peers: Vec<_> = [5_000, 4_000, 1_000, 0, 999, 0, 0]
            .into_iter()
            .zip(0..)
            .map(|(rate, peer)| giver(peer, rate))
            .collect();
        peers[5].interested = false;
        let mut rng = Rng::from_seed([1; 32]);
        let grants = listed(&[5, 3, 0, 1, 2, 4, 6]).round(&round(&peers, 4), &mut rng);
        assert_eq!(ids(&grants), [0, 1, 2, 3, 5]);
        // With 2 below the least rate there is room for one more of the list: 3, then 2.
        peers[2].rate_from = Rate::new(999);
        let grants = listed(&[5, 3, 0, 1, 2, 4, 6]).round(&round(&peers, 4), &mut rng);
        assert_eq!(ids(&grants), [0, 1, 2, 3, 5]);
        // The optimistic one behind the others is found though all slots are taken before it.
        peers[2].rate_from = Rate::new(1_000);
        let grants = listed(&[0, 1, 2, 5, 4, 3, 6]).round(&round(&peers, 4), &mut rng);
        assert_eq!(ids(&grants), [0, 1, 2, 4, 5]);
    }

    #[test]
    fn ties_go_by_the_list_and_a_snubber_is_served_only_by_it() {
        let mut peers: Vec<_> = (0..5).map(|peer| giver(peer, 2_000)).collect();
        peers[4].rate_from = Rate::new(9_000);
        peers[4].snubbed = true;
        let mut rng = Rng::from_seed([1; 32]);
        let grants = listed(&[3, 1, 0, 2, 4]).round(&round(&peers, 3), &mut rng);
        assert_eq!(ids(&grants), [0, 1, 3]);
        let grants = listed(&[4, 3, 1, 0, 2]).round(&round(&peers, 3), &mut rng);
        assert_eq!(ids(&grants), [1, 3, 4]);
    }

    #[test]
    fn a_seed_goes_by_the_rate_to_them() {
        let mut peers: Vec<_> = (0..4).map(|peer| giver(peer, 2_000)).collect();
        peers[3].rate_to = Rate::new(10);
        peers[2].rate_to = Rate::new(9);
        let seeding = Round {
            seeding: true,
            ..round(&peers, 3)
        };
        let mut rng = Rng::from_seed([1; 32]);
        let grants = listed(&[0, 1, 2, 3]).round(&seeding, &mut rng);
        assert_eq!(ids(&grants), [0, 2, 3]);
    }
}
