//! Give-to-Get: a peer is served for what it forwards to others, not for what it gives back.
//!
//! Source:    the choker of Tribler; J. J. D. Mol, J. A. Pouwelse, M. Meulpolder, D. H. J. Epema,
//!            H. J. Sips, "Give-to-Get: Free-Riding Resilient Video-on-Demand in P2P Systems",
//!            2008.
//! Contract:  all slots but one go to interested peers, in the order of two rates that they report:
//!            bytes forwarded that came from us, and among equals all bytes forwarded. The last
//!            slot is optimistic, by the list of connections of tit-for-tat. A seed does the same.
//! Cost:      O(peers log peers) a round; a message of 21 bytes for each peer and round.
//! Drawbacks: nothing is promised beside a peer that lies. A report is taken at its word, so one
//!            that forwards nothing and says the greatest number is served first by everybody that
//!            ever sent it a block. A peer of another policy reports nothing and ranks last.
//! Departs:   a report once a round, where the program sends one every 4 s; in bytes, not by chunk.

use super::connection_list::ConnectionList;
use super::table::BASE;
use super::{Choker, ChokerRow, Grant, Round};
use crate::rng::Rng;

/// Its row.
pub(super) const ROW: ChokerRow = ChokerRow {
    name: "give-to-get",
    about: "those that say they forwarded most of what we gave them, and one by the order of the \
            connections",
    rule: "Each peer says once a round what it forwarded to others of contents that both share, \
           and how much of that came from the peer that it tells. Every 10 s, and when an unchoked \
           peer changes its interest or leaves: the interested peers are sorted by the rate of \
           forwarded bytes that came from us, then by the rate of all forwarded bytes, both over \
           the last two rounds, and the best of all slots but one are chosen. The last slot goes \
           by the list of connections as in tit-for-tat. A seed does the same. Reports are taken \
           at their word: nothing is promised beside a peer that lies.",
    source: "the choker of Tribler; Mol et al., Give-to-Get, 2008",
    departs: "reports go out once a round and in bytes, where the program sends the parts of \
              chunks every 4 s; peers that report nothing rank last, where the program ranks them \
              by rate for slots of their own",
    assumed: "the paper, of which the abstract was read, may ask the receivers; in the program \
              each peer reports about itself",
    slots: true,
    reports: true,
    everybody: true,
    reacts: true,
    make: |_| Box::new(GiveToGet::default()),
    ..BASE
};

#[derive(Debug, Default)]
struct GiveToGet {
    list: ConnectionList,
}

impl Choker for GiveToGet {
    fn round(&mut self, round: &Round<'_>, rng: &mut Rng) -> Vec<Grant> {
        self.list.choose(round, (round.slots, 1), rng, |peer| {
            let score = (peer.forwards_ours, peer.forwards_all);
            peer.interested.then_some(score)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choke::Candidate;
    use crate::choke::tests::{candidate, ids, round};
    use crate::time::Time;
    use crate::units::Rate;

    fn forwarder(peer: u32, (ours, all): (u64, u64)) -> Candidate {
        Candidate {
            forwards_ours: Rate::new(ours),
            forwards_all: Rate::new(all),
            ..candidate(peer, 0)
        }
    }

    fn listed(order: &[u32]) -> GiveToGet {
        GiveToGet {
            list: ConnectionList::of(order, Time::ZERO),
        }
    }

    /// Golden vector, slots 2 + 1, list 5 0 4 2 1 3. 3 forwarded most of ours, of 1 and 2, which
    /// forwarded as much of ours, 2 forwarded more in all; what 4 forwarded is not ours, and it
    /// gave us most. 5 forwarded most and wants nothing: it is unchoked as the head of the list and
    /// does not count. 0 forwarded nothing and is the optimistic one.
    #[test]
    fn what_came_from_us_counts_first_and_then_all_that_was_forwarded() {
        let scores = [(0, 0), (10, 20), (10, 30), (11, 11), (0, 99), (50, 50)];
        let mut peers: Vec<_> = (0..).zip(scores).map(|(at, s)| forwarder(at, s)).collect();
        peers[4].rate_from = Rate::new(1_000_000);
        peers[5].interested = false;
        let mut rng = Rng::from_seed([1; 32]);
        let grants = listed(&[5, 0, 4, 2, 1, 3]).round(&round(&peers, 3), &mut rng);
        assert_eq!(ids(&grants), [0, 2, 3, 5]);
        // A seed does the same.
        let seeding = Round {
            seeding: true,
            ..round(&peers, 3)
        };
        let grants = listed(&[5, 0, 4, 2, 1, 3]).round(&seeding, &mut rng);
        assert_eq!(ids(&grants), [0, 2, 3, 5]);
    }

    /// In a new swarm nobody has forwarded anything, so the list alone decides.
    #[test]
    fn ties_go_by_the_list() {
        let peers: Vec<_> = (0..5).map(|peer| candidate(peer, 0)).collect();
        let mut rng = Rng::from_seed([1; 32]);
        let grants = listed(&[3, 1, 0, 2, 4]).round(&round(&peers, 3), &mut rng);
        assert_eq!(ids(&grants), [0, 1, 3]);
    }
}
