//! Anti-leech: a seed serves those that have just begun or nearly everything.
//!
//! Source:    A. L. H. Chow, L. Golubchik and V. Misra, "Improving BitTorrent: A Simple Approach",
//!            IPTPS 2008; the seed rule `anti_leech` of libtorrent.
//! Contract:  slots go to the highest score, |have - size/2| 2000/size, where have is what the peer
//!            has or what we sent it, up to half, if that is more.
//! Cost:      O(peers log peers) a round.
//! Drawbacks: peers in the middle get nothing from seeds and have to trade.

use std::cmp::Reverse;

use super::table::BASE;
use super::{Candidate, Choker, ChokerRow, Grant, Round};
use crate::rng::Rng;

/// The score of a peer that has nothing, or all.
const MOST: u128 = 1_000;

/// Its row.
pub(super) const ROW: ChokerRow = ChokerRow {
    name: "anti-leech",
    about: "slots to those that have hardly anything or nearly everything",
    rule: "Slots go to the highest score |have - size/2| 2000/size, where have is the most of what \
           the peer says it has and of what we sent it, which counts up to half the size. Peers in \
           the middle have to trade.",
    source: "Chow, Golubchik and Misra, Improving BitTorrent, 2008; anti_leech of libtorrent",
    assumed: "ties go to the peer that waited longest, then to the lower id",
    slots: true,
    fills: true,
    make: |_| Box::new(AntiLeech),
    ..BASE
};

#[derive(Debug)]
struct AntiLeech;

/// From 0 for a peer that has half to 1,000.
fn score(peer: &Candidate) -> u128 {
    let size = u128::from(peer.of.get());
    let sent = u128::from(peer.total_sent.get()).min(size / 2);
    let have = sent.max(u128::from(peer.has.get()));
    let twice = (2 * have).abs_diff(size);
    (twice * MOST).checked_div(size).unwrap_or(MOST)
}

impl Choker for AntiLeech {
    fn round(&mut self, round: &Round<'_>, _: &mut Rng) -> Vec<Grant> {
        round.slots_by_key(|peer| (Reverse(score(peer)), Reverse(peer.waited), peer.peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choke::tests::{candidate, ids, round};
    use crate::units::ByteCount;

    /// Golden vector of a content of 1,000 bytes: score by what a peer has, and by what it was
    /// sent, which counts up to half.
    #[test]
    fn newcomers_and_those_that_are_nearly_done_score_most() {
        let peer = |id, has, sent| Candidate {
            of: ByteCount::new(1_000),
            has: ByteCount::new(has),
            total_sent: ByteCount::new(sent),
            ..candidate(id, 0)
        };
        let scores = [(0, 0), (250, 0), (500, 0), (900, 0), (0, 400), (0, 900)];
        let scores = scores.map(|(has, sent)| score(&peer(0, has, sent)));
        assert_eq!(scores, [1_000, 500, 0, 800, 200, 0]);
        let peers = [
            peer(0, 500, 0),
            peer(1, 900, 0),
            peer(2, 0, 0),
            peer(3, 300, 0),
        ];
        let mut rng = Rng::from_seed([1; 32]);
        assert_eq!(ids(&AntiLeech.round(&round(&peers, 2), &mut rng)), [1, 2]);
    }
}
