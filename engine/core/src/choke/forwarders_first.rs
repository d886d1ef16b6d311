//! Forwarders first: a peer that forwards what it was given is served.
//!
//! Source:    this project, after J. J. D. Mol, J. A. Pouwelse, M. Meulpolder, D. H. J. Epema,
//!            H. J. Sips, "Give-to-Get: Free-Riding Resilient Video-on-Demand in P2P Systems",
//!            2008.
//! Contract:  everybody is served but peers that keep what they alone were given, while others
//!            want something that have been seen to pass on. The keepers have one slot in every
//!            sixth round, by turns: who cannot be reached by others is not to blame, and nobody
//!            gets nothing. Where nobody passes on, all are served alike. A peer that holds more
//!            than 1 MiB that it alone was given has a hundredth of its weight, but only while
//!            another peer that passes on wants something.
//! Cost:      O(peers log peers) a round.
//! Drawbacks: two that lie together can announce each other's chunks. A peer whose uplink is
//!            slow passes on late, and is served less than others that forward until it has,
//!            whatever its weight.
//! Departs:   the paper ranks by how much was forwarded and asks the receivers; here what others
//!            announce is counted, of chunks that nobody else had and others wanted, and there is
//!            no order of slots: all that forward anything are served alike. It is for seeds.

use std::cmp::Reverse;

use super::table::BASE;
use super::{Candidate, Choker, ChokerRow, Grant, Round};
use crate::rng::Rng;
use crate::units::{ByteCount, Weight};

/// Rounds from one slot for those who keep to the next.
const KEEPERS_ROUNDS: u32 = 6;

/// What a peer may hold that it alone was given, before it is served less.
const HELD_MAX: ByteCount = ByteCount::mib(1);

/// Its row.
pub(super) const ROW: ChokerRow = ChokerRow {
    name: "forwarders-first",
    about: "serve all who ask; those who pass nothing on only now and then, while others wait",
    rule: "Everybody is served but peers that keep what they alone were given, while others want \
           something that were seen to forward what they got. Those that keep share one slot in \
           every sixth round. Where nobody forwards anything all are served alike. While others \
           that forward wait, who holds more than 1 MiB that it alone was given has a hundredth \
           of its weight.",
    source: "this project, after Mol et al., Give-to-Get, 2008",
    departs: "unlike Give-to-Get it ranks nobody and has no slots; news of chunks that nobody else \
              had are the evidence, not reports of the receivers",
    fills: true,
    watches: true,
    make: |_| Box::new(ForwardersFirst::default()),
    ..BASE
};

#[derive(Debug, Default)]
pub(super) struct ForwardersFirst {
    round: u32,
}

impl Choker for ForwardersFirst {
    fn round(&mut self, round: &Round<'_>, _: &mut Rng) -> Vec<Grant> {
        self.round = self.round.wrapping_add(1);
        let (keepers, others): (Vec<&Candidate>, Vec<&Candidate>) =
            round.peers.iter().partition(|peer| peer.free_rides);
        let mut chosen: Vec<&Candidate> = others.clone();
        if others.iter().any(|peer| peer.interested && peer.forwards) {
            let wanting = keepers.into_iter().filter(|peer| peer.interested);
            let turn = wanting.min_by_key(|peer| (peer.unchoked, Reverse(peer.waited), peer.peer));
            let is_time = self.round.is_multiple_of(KEEPERS_ROUNDS);
            chosen.extend(turn.filter(|_| is_time));
        } else {
            chosen.extend(keepers);
        }
        let grant = |peer: &Candidate| Grant {
            weight: weight(peer.unforwarded),
            ..Grant::slot(peer.peer)
        };
        chosen.into_iter().map(grant).collect()
    }

    fn weigh(&self, unforwarded: ByteCount) -> Option<Weight> {
        Some(weight(unforwarded))
    }
}

fn weight(unforwarded: ByteCount) -> Weight {
    match unforwarded > HELD_MAX {
        true => Weight::BEST_EFFORT,
        false => Weight::ONE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choke::tests::{candidate, chosen};
    use crate::id::PeerId;

    #[test]
    fn those_who_keep_share_one_slot_in_six_rounds_by_turns() {
        let mut peers: Vec<_> = (0..5).map(|peer| candidate(peer, 0)).collect();
        peers[0].forwards = true;
        peers[1].free_rides = true;
        peers[3].free_rides = true;
        let mut rng = Rng::from_seed([0; 32]);
        let mut served = Vec::new();
        let mut choker = ForwardersFirst::default();
        for round in 1..=24 {
            let chosen = chosen(&mut choker, &peers, 1, &mut rng);
            let others = [PeerId(0), PeerId(2), PeerId(4)];
            assert!(others.iter().all(|peer| chosen.contains(peer)));
            assert_eq!(chosen.len(), if round % 6 == 0 { 4 } else { 3 });
            served.extend(chosen.iter().copied().filter(|peer| !others.contains(peer)));
            for peer in &mut peers {
                peer.unchoked = chosen.contains(&peer.peer);
                peer.waited = if peer.unchoked { 0 } else { peer.waited + 1 };
            }
        }
        assert_eq!(served, [1, 3, 1, 3].map(PeerId));
    }

    #[test]
    fn who_holds_what_nobody_else_has_weighs_a_hundredth_until_it_is_forwarded() {
        let mut peers: Vec<_> = (0..3).map(|peer| candidate(peer, 0)).collect();
        peers[1].unforwarded = HELD_MAX;
        peers[2].unforwarded = HELD_MAX + ByteCount::new(1);
        let round = crate::choke::tests::round(&peers, 1);
        let grants = ForwardersFirst::default().round(&round, &mut Rng::from_seed([0; 32]));
        let weights: Vec<Weight> = grants.iter().map(|grant| grant.weight).collect();
        assert_eq!(weights, [Weight::ONE, Weight::ONE, Weight::BEST_EFFORT]);
    }

    #[test]
    fn where_nobody_else_wants_anything_all_are_served() {
        let mut peers: Vec<_> = (0..3).map(|peer| candidate(peer, 0)).collect();
        peers[0].free_rides = true;
        peers[1].free_rides = true;
        peers[2].forwards = true;
        peers[2].interested = false;
        let mut rng = Rng::from_seed([0; 32]);
        assert_eq!(
            chosen(&mut ForwardersFirst::default(), &peers, 1, &mut rng).len(),
            3
        );
    }

    #[test]
    fn where_nobody_was_seen_to_pass_on_all_are_served() {
        let mut peers: Vec<_> = (0..3).map(|peer| candidate(peer, 0)).collect();
        peers[0].free_rides = true;
        let mut rng = Rng::from_seed([0; 32]);
        assert_eq!(
            chosen(&mut ForwardersFirst::default(), &peers, 1, &mut rng).len(),
            3
        );
        peers[1].forwards = true;
        assert_eq!(
            chosen(&mut ForwardersFirst::default(), &peers, 1, &mut rng).len(),
            2
        );
    }
}
