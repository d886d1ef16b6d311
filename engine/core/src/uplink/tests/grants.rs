//! What the choker granted: weights beside those of files, budgets to the byte, and what comes
//! back.

use super::*;
use crate::sched::Claim;

/// Bytes that went to each of two peers who always want more, one of them with a budget.
fn run_with_budget(budget: u64, transfers: u32, discipline: &str) -> (u64, u64) {
    let mut rig = Rig::of(discipline, Share::Peer, 10 * MB);
    let budget = ByteCount::new(budget);
    rig.uplink.grant(PeerId(1), Weight::ONE, Some(budget));
    for of_peer in 0..transfers {
        rig.hungry(1, of_peer, 64 * KIB);
    }
    rig.hungry(2, 0, 64 * KIB);
    rig.run(Span::from_secs(1));
    let went = rig.by_peer(Time::ZERO);
    (went.get(&1).copied().unwrap_or(0), went[&2])
}

/// Whatever the budget, the transfers that share it and the discipline, it is used up to the byte
/// and not a byte more, and the rest of the link is not lost.
#[test]
fn a_budget_is_used_up_to_the_byte_and_holds_nobody_else() {
    for row in sched::ALL {
        for budget in [0, 1, 1_000, 16 * KIB, 100_003, MB] {
            for transfers in [1, 3] {
                let (budgeted, free) = run_with_budget(budget, transfers, row.name);
                assert!(budgeted <= budget, "{}: {budgeted} of {budget}", row.name);
                // A rule whose aim is not to share may let the other go first all the time.
                if !matches!(row.claim, Claim::None | Claim::Exchange) {
                    assert_eq!(budgeted, budget, "{} with {transfers}", row.name);
                }
                let all = budgeted + free;
                assert!(all >= 10 * MB - 128 * KIB, "{}: {all} in all", row.name);
            }
        }
    }
}

#[test]
fn a_new_budget_lets_the_peer_go_on_and_none_ends_the_count() {
    let mut rig = Rig::new(Share::Peer, 10 * MB);
    let grant = |rig: &mut Rig, budget: Option<u64>| {
        let budget = budget.map(ByteCount::new);
        rig.uplink.grant(PeerId(1), Weight::ONE, budget);
    };
    grant(&mut rig, Some(50_000));
    rig.hungry(1, 0, 64 * KIB);
    rig.run(Span::from_millis(100));
    assert_eq!(rig.by_peer(Time::ZERO)[&1], 50_000);
    assert_eq!(rig.uplink.why(PeerId(1), TransferId(0)), Hold::Budget);
    assert_eq!(rig.uplink.ready_at(rig.now), None);
    grant(&mut rig, Some(7));
    rig.run(Span::from_millis(100));
    assert_eq!(rig.by_peer(Time::ZERO)[&1], 50_007);
    grant(&mut rig, None);
    let from = rig.now;
    rig.run(Span::from_millis(100));
    assert_near(rig.by_peer(from)[&1], MB, 64 * KIB);
    // Nothing is left behind for a peer of which no file says anything.
    assert_eq!(rig.uplink.granted(PeerId(1)), Weight::ONE);
}

/// A cap of a file goes on to hold beside a budget, and after it.
#[test]
fn a_cap_holds_beside_a_budget() {
    let mut rig = Rig::new(Share::Peer, 10 * MB);
    rig.limit(peer(1), cap(MB));
    rig.uplink
        .grant(PeerId(1), Weight::ONE, Some(ByteCount::new(300_000)));
    rig.hungry(1, 0, 64 * KIB);
    rig.run(Span::from_millis(200));
    assert_near(rig.by_peer(Time::ZERO)[&1], 200_000, 32 * KIB);
    rig.run(Span::from_secs(1));
    assert_eq!(rig.by_peer(Time::ZERO)[&1], 300_000);
    rig.uplink.grant(PeerId(1), Weight::ONE, None);
    let from = rig.now;
    rig.run(Span::from_secs(1));
    assert_near(rig.by_peer(from)[&1], MB, 32 * KIB);
}

/// Weights of a file 1 : 1 and granted 3 : 1; then file 2 : 1 beside that, 6 : 1.
#[test]
fn a_granted_weight_multiplies_that_of_the_file() {
    for (file, expected) in [(1, 3), (2, 6)] {
        let mut rig = Rig::new(Share::Peer, 14 * MB);
        rig.uplink.grant(PeerId(1), Weight::whole(3), None);
        if file > 1 {
            rig.limit(peer(1), weigh(file));
        }
        rig.hungry(1, 0, 64 * KIB);
        rig.hungry(2, 0, 64 * KIB);
        rig.run(Span::from_secs(2));
        let went = rig.by_peer(Time::ZERO);
        assert_near(went[&1], went[&2] * expected, 512 * KIB);
    }
}

/// What came back counts for FairTorrent from the first request on, and outlives a class that goes
/// with its transfer; a peer that is gone is forgotten.
#[test]
fn what_came_back_is_known_to_a_flow_that_is_new() {
    let mut rig = Rig::of("fairtorrent", Share::Peer, 10 * MB);
    rig.uplink.received(PeerId(2), ByteCount::new(3 * MB));
    rig.hungry(1, 0, 64 * KIB);
    rig.hungry(2, 0, 64 * KIB);
    rig.run(Span::from_millis(200));
    let went = rig.by_peer(Time::ZERO);
    assert!(went.get(&1).copied().unwrap_or(0) <= 64 * KIB, "{went:?}");
    rig.hungry.clear();
    rig.uplink.purge_transfer(TransferId(0));
    let from = rig.now;
    rig.hungry(1, 5, 64 * KIB);
    rig.hungry(2, 5, 64 * KIB);
    rig.run(Span::from_millis(50));
    let went = rig.by_peer(from);
    assert!(went.get(&1).copied().unwrap_or(0) <= 64 * KIB, "{went:?}");
}
