//! Round robin: slots go round.
//!
//! Source:    round robin over peers, a round a turn.
//! Contract:  between two turns of a peer every other waiting peer has had one.
//! Cost:      O(peers log peers) a round.
//! Drawbacks: gives as much to who gives nothing.

use std::cmp::Reverse;

use super::table::BASE;
use super::{Choker, ChokerRow, Grant, Round};
use crate::rng::Rng;

/// Its row.
pub(super) const ROW: ChokerRow = ChokerRow {
    name: "round-robin",
    about: "slots go round among all who ask, longest wait first",
    rule: "Each round the slots go to those that have waited longest; whoever holds a slot goes \
           behind whoever does not. A slot that becomes free is given at once.",
    source: "round robin over peers",
    slots: true,
    fills: true,
    finishes: true,
    make: |_| Box::new(RoundRobin),
    ..BASE
};

#[derive(Debug)]
pub(super) struct RoundRobin;

impl Choker for RoundRobin {
    fn round(&mut self, round: &Round<'_>, _: &mut Rng) -> Vec<Grant> {
        // Whoever holds a slot goes behind whoever does not.
        round.slots_by_key(|peer| (peer.unchoked, Reverse(peer.waited), peer.peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choke::tests::{candidate, chosen};
    use crate::id::PeerId;

    #[test]
    fn six_peers_and_two_slots_are_all_served_in_three_rounds() {
        let mut peers: Vec<_> = (0..6).map(|peer| candidate(peer, 0)).collect();
        let mut rng = Rng::from_seed([0; 32]);
        let mut served = Vec::new();
        for _ in 0..3 {
            let chosen = chosen(&mut RoundRobin, &peers, 2, &mut rng);
            for peer in &mut peers {
                peer.unchoked = chosen.contains(&peer.peer);
                peer.waited = if peer.unchoked { 0 } else { peer.waited + 1 };
            }
            served.extend(chosen);
        }
        served.sort();
        assert_eq!(served, (0..6).map(PeerId).collect::<Vec<_>>());
    }
}
