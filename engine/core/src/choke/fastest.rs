//! Fastest: a seed serves those that take most.
//!
//! Source:    the seed rule of old mainline clients of BitTorrent, and `fastest_upload` of
//!            libtorrent.
//! Contract:  slots go to the peers that were sent most in the last round; of equal ones to
//!            the one that waited longest.
//! Cost:      O(peers log peers) a round.
//! Drawbacks: a fast peer that forwards nothing is served for as long as it takes.

use std::cmp::Reverse;

use super::table::BASE;
use super::{Choker, ChokerRow, Grant, Round};
use crate::rng::Rng;

/// Its row.
pub(super) const ROW: ChokerRow = ChokerRow {
    name: "fastest",
    about: "slots to those that were sent most in the last round",
    rule: "Each round the slots go to the peers that were sent most bytes in the last round; of \
           equal ones to the one that waited longest.",
    source: "old mainline; fastest_upload of libtorrent",
    assumed: "then the lower id",
    slots: true,
    fills: true,
    make: |_| Box::new(Fastest),
    ..BASE
};

#[derive(Debug)]
struct Fastest;

impl Choker for Fastest {
    fn round(&mut self, round: &Round<'_>, _: &mut Rng) -> Vec<Grant> {
        round.slots_by_key(|peer| (Reverse(peer.sent_last), Reverse(peer.waited), peer.peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choke::tests::{candidate, ids, round};
    use crate::units::ByteCount;

    /// Golden vector: 3 took most, then 1; of 0 and 2 with nothing 2 waited longer.
    #[test]
    fn slots_go_to_those_that_took_most_and_then_to_the_longest_wait() {
        let mut peers: Vec<_> = (0..4).map(|peer| candidate(peer, 0)).collect();
        peers[3].sent_last = ByteCount::new(9);
        peers[1].sent_last = ByteCount::new(5);
        peers[2].waited = 3;
        let mut rng = Rng::from_seed([1; 32]);
        assert_eq!(ids(&Fastest.round(&round(&peers, 2), &mut rng)), [1, 3]);
        assert_eq!(ids(&Fastest.round(&round(&peers, 3), &mut rng)), [1, 2, 3]);
    }
}
