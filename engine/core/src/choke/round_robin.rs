//! Round robin: slots go round.
//!
//! Source:    round robin over peers, a round a turn.
//! Contract:  between two turns of a peer every other waiting peer has had one.
//! Cost:      O(peers log peers) a round.
//! Drawbacks: gives as much to who gives nothing.

use std::cmp::Reverse;

use super::{Candidate, Choker};
use crate::id::PeerId;
use crate::rng::Rng;

#[derive(Debug)]
pub(super) struct RoundRobin;

impl Choker for RoundRobin {
    fn unchoke(&mut self, peers: &[Candidate], slots: usize, _: &mut Rng) -> Vec<PeerId> {
        let mut order: Vec<&Candidate> = peers.iter().collect();
        // Whoever holds a slot goes behind whoever does not.
        order.sort_by_key(|peer| (peer.unchoked, Reverse(peer.waited), peer.peer));
        order.iter().take(slots).map(|peer| peer.peer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choke::candidate;

    #[test]
    fn six_peers_and_two_slots_are_all_served_in_three_rounds() {
        let mut peers: Vec<_> = (0..6).map(|peer| candidate(peer, 0)).collect();
        let mut rng = Rng::from_seed([0; 32]);
        let mut served = Vec::new();
        for _ in 0..3 {
            let chosen = RoundRobin.unchoke(&peers, 2, &mut rng);
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
