//! The neighbours of each peer, drawn before the run: real nodes read them from a file.
//!
//! Peers with a transfer between them are always neighbours; of a swarm each peer draws as many as
//! the scenario has, none that has twice its own number already, as a simulated peer does; one with
//! a view of all of it knows them all. Unlike
//! that one it draws among all who ever take part, and never again.

use std::collections::BTreeSet;

use fairhaul_simulator::behaviour::SwarmView;
use fairhaul_simulator::random::Streams;
use fairhaul_simulator::setup::Setup;

/// For each peer, the peers that it knows; both ends know each other.
pub(super) fn acquaintances(setup: &Setup) -> Vec<BTreeSet<u32>> {
    let mut known = vec![BTreeSet::new(); setup.peers.len()];
    let meet = |one: u32, other: u32, known: &mut Vec<BTreeSet<u32>>| {
        if one != other {
            known[one as usize].insert(other);
            known[other as usize].insert(one);
        }
    };
    let streams = Streams::new(setup.rng_seed, setup.replication);
    for content in &setup.contents {
        let mut members: Vec<u32> = content
            .seeds
            .iter()
            .chain(&content.leechers)
            .copied()
            .collect();
        members.sort_by_key(|row| (setup.peers[*row as usize].join, *row));
        for peer in members.clone() {
            let row = &setup.peers[peer as usize];
            let is_all = row.behaviour.view == SwarmView::All;
            let mut rng = streams.stream(&row.name, "neighbours");
            let mut open: Vec<u32> = members
                .iter()
                .copied()
                .filter(|other| {
                    let most = setup.peers[*other as usize].neighbours.saturating_mul(2);
                    let has = known[*other as usize].len();
                    *other != peer
                        && !known[peer as usize].contains(other)
                        && (is_all || u32::try_from(has).is_ok_and(|has| has < most))
                })
                .collect();
            let most = if is_all {
                usize::MAX
            } else {
                row.neighbours as usize
            };
            while !open.is_empty() && known[peer as usize].len() < most {
                let other = open.swap_remove(rng.below(open.len()));
                meet(peer, other, &mut known);
            }
        }
    }
    for transfer in &setup.transfers {
        meet(transfer.source, transfer.destination, &mut known);
    }
    known
}

#[cfg(test)]
mod tests {
    use fairhaul_core::units::ByteCount;
    use fairhaul_simulator::setup::ContentSetup;

    use super::*;
    use crate::tests::{peer, setup, transfer};

    #[test]
    fn everybody_knows_as_many_as_the_scenario_says_and_is_known_by_them() {
        let mut setup = setup((0..30).map(|row| peer(&format!("p{row}"), 1)).collect());
        for peer in &mut setup.peers {
            peer.neighbours = 5;
        }
        setup.contents = vec![ContentSetup {
            name: "c".into(),
            bytes: ByteCount::new(1),
            chunk: ByteCount::kib(16),
            seeds: vec![0],
            leechers: (1..30).collect(),
            start: Vec::new(),
        }];
        let known = acquaintances(&setup);
        assert_eq!(known, acquaintances(&setup));
        for (row, others) in (0..).zip(&known) {
            assert!((5..=10).contains(&others.len()), "{row}: {others:?}");
            assert!(
                others
                    .iter()
                    .all(|other| known[*other as usize].contains(&row))
            );
        }
    }

    #[test]
    fn the_ends_of_a_transfer_know_each_other_and_nobody_else() {
        let mut setup = setup((0..3).map(|row| peer(&format!("p{row}"), 1)).collect());
        setup.transfers = vec![transfer("t", 2, 1)];
        let known = acquaintances(&setup);
        assert_eq!(
            known,
            [BTreeSet::from([2]), BTreeSet::new(), BTreeSet::from([0])]
        );
    }
}
