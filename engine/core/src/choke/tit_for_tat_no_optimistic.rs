//! Tit-for-tat without optimistic unchokes: the model in which stable matchings are known.
//!
//! Source:    A.-T. Gai, F. Mathieu, F. de Montgolfier and J. Reynier, "Stratification in P2P
//!            Networks: Application to BitTorrent", ICDCS 2007.
//! Contract:  tit-for-tat whose slots all go to the best givers. With one ranking of all peers the
//!            stable outcome is disjoint clusters of one more than the slots, of consecutive ranks.
//! Cost:      O(peers log peers) a round.
//! Drawbacks: a newcomer is served only where a slot is not earned.

use super::ChokerRow;
use super::table::BASE;
use super::tit_for_tat::TitForTat;

/// Its row.
pub(super) const ROW: ChokerRow = ChokerRow {
    name: "tit-for-tat-no-optimistic",
    about: "tit-for-tat whose slots all go to the best givers",
    rule: "The rule of tit-for-tat with all slots for the best givers and no optimistic one. A \
           slot that nobody has earned goes by the list of connections, so that a swarm can begin.",
    source: "Gai et al., Stratification in P2P Networks, 2007",
    assumed: "slots that nobody has earned are filled by the list of connections",
    slots: true,
    everybody: true,
    reacts: true,
    make: |_| Box::new(TitForTat::new(0)),
    ..BASE
};

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::choke::tests::{candidate, ids, round};
    use crate::choke::{Candidate, ChokerParams};
    use crate::rng::Rng;
    use crate::units::Rate;

    /// Twelve peers of ranks 0 to 11 on a complete graph with two slots, the better ranks giving
    /// more. In turn each peer hears from all that would rather trade with it than with one of
    /// their partners, and its choker chooses. The stable outcome is clusters of three consecutive
    /// ranks, whatever the order of the turns.
    #[test]
    fn one_ranking_leads_to_clusters_of_consecutive_ranks() {
        const PEERS: u32 = 12;
        const SLOTS: usize = 2;
        let mut rng = Rng::from_seed([5; 32]);
        let mut choker = (super::ROW.make)(&ChokerParams::default());
        let mut partners = vec![BTreeSet::<u32>::new(); PEERS as usize];
        for _ in 0..400 {
            let one = u32::try_from(rng.below(PEERS as usize)).unwrap();
            let trades = |other: u32| {
                let of = &partners[other as usize];
                of.contains(&one) || of.len() < SLOTS || of.iter().any(|worse| *worse > one)
            };
            let others = (0..PEERS).filter(|other| *other != one);
            let peers: Vec<Candidate> = others
                .map(|other| {
                    let rate = u64::from(100_000 - 1_000 * other);
                    Candidate {
                        rate_from: Rate::new(if trades(other) { rate } else { 0 }),
                        ..candidate(other, 0)
                    }
                })
                .collect();
            let chosen = ids(&choker.round(&round(&peers, SLOTS), &mut rng));
            let chosen: BTreeSet<u32> = chosen.into_iter().filter(|one| trades(*one)).collect();
            let before = std::mem::take(&mut partners[one as usize]);
            for left in before.difference(&chosen) {
                partners[*left as usize].remove(&one);
            }
            for other in &chosen {
                partners[*other as usize].insert(one);
                if partners[*other as usize].len() > SLOTS {
                    let worst = partners[*other as usize].pop_last().unwrap();
                    partners[worst as usize].remove(other);
                }
            }
            partners[one as usize] = chosen;
        }
        for one in 0..PEERS {
            let first = one / 3 * 3;
            let expected: BTreeSet<u32> = (first..first + 3).filter(|peer| *peer != one).collect();
            assert_eq!(partners[one as usize], expected, "{one}");
        }
    }
}
