//! Floors: each target gets at least its guaranteed rate, and the others pay no more than that.

use super::*;

// C = 1,000: A (floor 300, weight 1), B (weight 2), D (weight 3, cap 200): 300, 500, 200.
#[test]
fn floors_and_caps_clamp_the_shares_as_the_fluid_oracle_does() {
    for discipline in FAIR {
        let mut rig = Rig::of(discipline, Share::Peer, 10 * MB);
        rig.limit(peer(1), floor(3 * MB));
        rig.limit(peer(2), weigh(2));
        let capped = Limit {
            weight: Weight::whole(3),
            ..cap(2 * MB)
        };
        rig.limit(peer(3), capped);
        for id in 1..=3 {
            rig.hungry(id, 0, 64 * KIB);
        }
        rig.run(Span::from_secs(20));
        let got = rig.by_peer(secs(10));
        for (id, expected) in [(1, 30 * MB), (2, 50 * MB), (3, 20 * MB)] {
            assert_near(got[&id], expected, 200_000);
        }
    }
}

// A floor below the share changes nothing; a floor of a group lifts the group and is shared by
// weight within it.
#[test]
fn a_floor_is_the_larger_of_floor_and_share() {
    for discipline in FAIR {
        let mut rig = Rig::of(discipline, Share::Peer, 9 * MB);
        rig.limit(peer(1), floor(2 * MB));
        for id in 1..=3 {
            rig.hungry(id, 0, 64 * KIB);
        }
        rig.run(Span::from_secs(10));
        for (_, got) in rig.by_peer(Time::ZERO) {
            assert_near(got, 30 * MB, 200_000);
        }
    }
    let mut rig = Rig::new(Share::Peer, 10 * MB);
    rig.limit(group(1), floor(6 * MB));
    rig.limit(peer(2), weigh(2));
    for id in [1, 2] {
        rig.join(peer(id), Some(1));
    }
    for id in 1..=8 {
        rig.hungry(id, 0, 64 * KIB);
    }
    rig.run(Span::from_secs(10));
    let got = rig.by_peer(Time::ZERO);
    assert_near(got[&1], 20 * MB, 500_000);
    assert_near(got[&2], 40 * MB, 500_000);
    for id in 3..=8 {
        assert_near(got[&id], 40 * MB / 6, 500_000);
    }
}

// Shared by peer, a transfer's floor cuts across: transfer 7 gets 5 of 10 MB/s, whoever asks.
#[test]
fn a_transfers_floor_holds_across_the_peers_that_are_shared_by() {
    let mut rig = Rig::new(Share::Peer, 10 * MB);
    rig.limit(transfer(7), floor(5 * MB));
    rig.hungry(1, 7, 64 * KIB);
    for id in 1..=9 {
        rig.hungry(id, 1, 64 * KIB);
    }
    rig.run(Span::from_secs(10));
    let got = rig.by_both(Time::ZERO);
    assert_near(got[&(1, 7)], 50 * MB, 300_000);
}

// Floors of 6, 6 and 1 MB/s and a fourth peer without on 8 MB/s: of one block in 32 that goes in
// turn a quarter is the fourth's, and the others have the rest in proportion to their floors,
// 6/13, 6/13 and 1/13. (mClock keeps floors itself too, in turn, and starves who has none, as its
// authors say.)
#[test]
fn floors_that_do_not_fit_are_scaled_in_proportion_and_starve_nobody() {
    for discipline in FAIR {
        let mut rig = Rig::of(discipline, Share::Peer, 8 * MB);
        for (id, rate) in [(1, 6 * MB), (2, 6 * MB), (3, MB)] {
            rig.limit(peer(id), floor(rate));
        }
        for id in 1..=4 {
            rig.hungry(id, 0, 64 * KIB);
        }
        rig.run(Span::from_secs(10));
        let got = rig.by_peer(Time::ZERO);
        let fourth = got.get(&4).copied().unwrap_or(0);
        assert!(
            fourth >= 400_000 || discipline == "mclock",
            "{discipline}: {got:?}"
        );
        assert!(fourth <= 2_500_000, "{discipline}: {got:?}");
        for (id, part) in [(1, 6), (2, 6), (3, 1)] {
            assert_near(got[&id], (80 * MB - fourth) * part / 13, 100_000);
        }
    }
}

// Floors of 12 and 8 on a link of 24, which keeps both, becomes one of 10 and then 24 again: 12
// and 12, then 6 and 4, then 12 and 12. Nothing that was missed meanwhile is made up for beyond
// a quarter of a second. The third peer cannot be served all the while: it neither slows
// the floors of the others down, nor has it anything to make up for afterwards.
#[test]
fn floors_are_scaled_while_a_link_is_too_slow_and_kept_again_after() {
    for discipline in FAIR {
        let mut rig = Rig::of(discipline, Share::Peer, 24 * MB);
        for (id, rate) in [(1, 12 * MB), (2, 8 * MB)] {
            rig.limit(peer(id), floor(rate));
            rig.hungry(id, 0, 64 * KIB);
        }
        let stuck = Limit {
            cap: Some(Rate::new(0)),
            ..floor(4 * MB)
        };
        rig.limit(peer(3), stuck);
        rig.hungry(3, 0, 64 * KIB);
        rig.run(Span::from_secs(10));
        rig.link = Rate::new(10 * MB);
        rig.run(Span::from_secs(10));
        let slow = rig.by_peer(secs(10));
        rig.link = Rate::new(24 * MB);
        rig.run(Span::from_secs(10));
        let (all, after) = (rig.by_peer(Time::ZERO), rig.by_peer(secs(20)));
        assert_near(all[&1] - slow[&1] - after[&1], 120 * MB, MB);
        assert_near(slow[&1], 60 * MB, MB);
        assert_near(slow[&2], 40 * MB, MB);
        // And what its floor earns in a quarter of a second, or under mClock, which keeps floors
        // too, in a second more.
        let missed = if discipline == "mclock" { 15 } else { 3 };
        assert_near(after[&1], (120 + missed) * MB, MB);
    }
}

// Served from its floor for ten seconds, a peer has not run up a debt: when the others change,
// it gets what it would have got anyway. (mClock keeps floors itself too, and by its definition
// counts what it serves for them against the share.)
#[test]
fn a_floor_leaves_no_debt_that_a_newcomer_would_profit_from() {
    for discipline in FAIR.into_iter().filter(|&name| name != "mclock") {
        let mut rig = Rig::of(discipline, Share::Peer, 10 * MB);
        rig.limit(peer(1), floor(MB));
        rig.limit(peer(2), weigh(99));
        rig.hungry(1, 0, 64 * KIB);
        rig.hungry(2, 0, 64 * KIB);
        rig.run(Span::from_secs(10));
        rig.leave(2);
        rig.hungry(3, 0, 64 * KIB);
        rig.run(Span::from_secs(4));
        let got = rig.by_peer(secs(10));
        assert_near(got[&1], 20 * MB, 500_000);
    }
}

// The same for a floor: half of 20 MB/s for transfer 1, which ten peers ask for besides another.
#[test]
fn a_floor_that_cuts_across_many_is_shared_too() {
    for discipline in FAIR {
        let mut rig = Rig::of(discipline, Share::Peer, 20 * MB);
        rig.limit(transfer(1), floor(10 * MB));
        for id in 0..40 {
            rig.hungry(id, 2, 64 * KIB);
        }
        for id in 0..10 {
            rig.hungry(id, 1, 64 * KIB);
        }
        rig.run(Span::from_secs(20));
        let got = rig.by_both(Time::ZERO);
        for id in 0..10 {
            assert_near(got[&(id, 1)], 20 * MB, 300_000);
            // In turn 40 peers share what is left, 3/7 of all, and these ten in halves.
            assert_near(got[&(id, 2)], 20 * 20 * MB * 4 / 7 / 40 / 2, 100_000);
        }
    }
}

// Alone it is served ten times its floor, or eighty times, for ten seconds. When others come, all
// of whom are served before it, it has paid for a twentieth of a second or two blocks: every second
// keeps its floor but for that, and for a block that the end of the second cuts off.
#[test]
fn who_was_served_more_than_its_floor_has_it_in_every_second_after() {
    let block = 16 * KIB;
    for discipline in FAIR.into_iter().chain(["strict", "srpt", "fifo", "las"]) {
        for rate in [MB, 8 * block] {
            let mut rig = Rig::of(discipline, Share::Peer, 10 * MB);
            rig.limit(peer(1), floor(rate));
            rig.limit(peer(2), weigh(999));
            rig.hungry(1, 0, 64 * KIB);
            rig.run(Span::from_secs(10));
            rig.hungry(2, 0, 64 * KIB);
            let least = rate - (rate / 20).max(2 * block) - block;
            for second in 10..14 {
                rig.run(Span::from_secs(1));
                let got = rig.by_peer(secs(second));
                let got = got.get(&1).copied().unwrap_or(0);
                assert!(
                    got >= least,
                    "{discipline}, second {second}: {got} of {rate}"
                );
            }
        }
    }
}
