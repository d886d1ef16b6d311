//! Give-to-Get: slots go round among those who pass on what they were given.
//!
//! Source:    J. J. D. Mol, J. A. Pouwelse, M. Meulpolder, D. H. J. Epema, H. J. Sips,
//!            "Give-to-Get: Free-Riding Resilient Video-on-Demand in P2P Systems", 2008.
//! Contract:  while others wait, peers that keep what they alone were given share one slot in
//!            every sixth round; in it and in the other slots, between two turns of a peer every
//!            other has had one. Nobody gets nothing: who cannot be reached by others is not to
//!            blame for keeping.
//! Cost:      O(peers log peers) a round.
//! Drawbacks: two that lie together can announce each other's chunks. A peer whose uplink is
//!            very slow passes on late, and is served less until it has.
//! Departs:   the paper ranks by how much was forwarded and asks the receivers; here what others
//!            announce is counted, of chunks that nobody else had, and is a threshold: whoever
//!            passes on at all is served alike. It orders the slots of a seed.

use std::cmp::Reverse;

use super::{Candidate, Choker};
use crate::id::PeerId;
use crate::rng::Rng;

/// Rounds from one slot for those who keep to the next.
const KEEPERS_ROUNDS: u32 = 6;

#[derive(Debug, Default)]
pub(super) struct GiveToGet {
    round: u32,
}

impl Choker for GiveToGet {
    fn unchoke(&mut self, peers: &[Candidate], slots: usize, _: &mut Rng) -> Vec<PeerId> {
        let mut order: Vec<&Candidate> = peers.iter().collect();
        order.sort_by_key(|peer| (peer.unchoked, Reverse(peer.waited), peer.peer));
        let (keepers, others): (Vec<&Candidate>, Vec<&Candidate>) =
            order.into_iter().partition(|peer| peer.keeps);
        self.round = self.round.wrapping_add(1);
        let for_keepers = match others.is_empty() {
            true => slots,
            false => usize::from(self.round.is_multiple_of(KEEPERS_ROUNDS)),
        };
        let for_keepers = for_keepers.min(keepers.len()).min(slots);
        let others = others.into_iter().take(slots - for_keepers);
        others
            .chain(keepers.into_iter().take(for_keepers))
            .map(|peer| peer.peer)
            .collect()
    }

    fn may_fill(&self, peer: &Candidate) -> bool {
        !peer.keeps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choke::{candidate, fill};

    #[test]
    fn those_who_keep_share_one_slot_in_six_rounds_by_turns() {
        let mut peers: Vec<_> = (0..5).map(|peer| candidate(peer, 0)).collect();
        peers[1].keeps = true;
        peers[3].keeps = true;
        let mut rng = Rng::from_seed([0; 32]);
        let mut served = Vec::new();
        let mut choker = GiveToGet::default();
        for round in 1..=24 {
            let chosen = choker.unchoke(&peers, 8, &mut rng);
            let others = [PeerId(0), PeerId(2), PeerId(4)];
            assert!(others.iter().all(|peer| chosen.contains(peer)));
            assert_eq!(chosen.len(), if round % 6 == 0 { 4 } else { 3 });
            served.extend(chosen.iter().copied().filter(|peer| !others.contains(peer)));
            for peer in &mut peers {
                peer.unchoked = chosen.contains(&peer.peer);
                peer.waited = if peer.unchoked { 0 } else { peer.waited + 1 };
            }
            assert!(fill(&choker, &peers, 8).is_empty());
        }
        assert_eq!(served, [1, 3, 1, 3].map(PeerId));
    }

    #[test]
    fn where_all_keep_all_are_served() {
        let mut peers: Vec<_> = (0..3).map(|peer| candidate(peer, 0)).collect();
        for peer in &mut peers {
            peer.keeps = true;
        }
        let mut rng = Rng::from_seed([0; 32]);
        let mut choker = GiveToGet::default();
        assert_eq!(choker.unchoke(&peers, 8, &mut rng).len(), 3);
        assert_eq!(fill(&choker, &peers, 8).len(), 3);
    }
}
