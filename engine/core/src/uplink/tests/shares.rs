//! Shares of the uplink under honest requests.

use super::*;

// Three peers of weights 1, 2 and 5 on 8 MB/s for 10 s: 10, 20 and 50 MB.
#[test]
fn peers_share_by_weight_under_every_fair_discipline() {
    for discipline in FAIR {
        let mut rig = Rig::of(discipline, Share::Peer, 8 * MB);
        for (id, weight) in [(1, 1), (2, 2), (3, 5)] {
            rig.limit(peer(id), weigh(weight));
            rig.hungry(id, 0, 64 * KIB);
        }
        rig.run(Span::from_secs(10));
        let got = rig.by_peer(Time::ZERO);
        for (id, expected) in [(1, 10 * MB), (2, 20 * MB), (3, 50 * MB)] {
            assert_near(got[&id], expected, 128 * KIB);
        }
    }
}

// Peer 1 has one transfer, peer 2 three of weights 1, 1 and 2: 4 MB/s each, and within peer 2
// 1, 1 and 2 MB/s. The second and third transfer come while the first is under way.
#[test]
fn transfers_share_within_their_peer_whenever_they_come() {
    for discipline in FAIR {
        let mut rig = Rig::of(discipline, Share::Peer, 8 * MB);
        rig.limit(transfer(3), weigh(2));
        rig.hungry(1, 1, 64 * KIB);
        rig.hungry(2, 1, 64 * KIB);
        rig.run(Span::from_secs(5));
        rig.hungry(2, 2, 64 * KIB);
        rig.hungry(2, 3, 64 * KIB);
        rig.run(Span::from_secs(10));
        let got = rig.by_both(secs(5));
        assert_near(got[&(1, 1)], 40 * MB, 256 * KIB);
        assert_near(got[&(2, 1)], 10 * MB, 256 * KIB);
        assert_near(got[&(2, 2)], 10 * MB, 256 * KIB);
        assert_near(got[&(2, 3)], 20 * MB, 256 * KIB);
        assert_near(rig.by_peer(Time::ZERO)[&1], 60 * MB, 256 * KIB);
    }
}

// Shared by transfer: transfer 1 with one peer gets as much as transfer 2 with three.
#[test]
fn transfers_share_however_many_peers_each_serves() {
    for discipline in FAIR {
        let mut rig = Rig::of(discipline, Share::Transfer, 6 * MB);
        rig.hungry(1, 1, 64 * KIB);
        for id in 1..=3 {
            rig.hungry(id, 2, 64 * KIB);
        }
        rig.run(Span::from_secs(10));
        let got = rig.by_both(Time::ZERO);
        assert_near(got[&(1, 1)], 30 * MB, 256 * KIB);
        for id in 1..=3 {
            assert_near(got[&(id, 2)], 10 * MB, 256 * KIB);
        }
    }
}

// Shared by group: groups 1 (weight 1, two peers) and 2 (weight 2, one peer) and peer 9 alone
// (weight 1) on 8 MB/s: 1 + 1, 4 and 2 MB/s.
#[test]
fn groups_share_by_their_own_weight() {
    for discipline in FAIR {
        let mut rig = Rig::of(discipline, Share::Group, 8 * MB);
        rig.limit(group(2), weigh(2));
        for (id, of) in [(1, 1), (2, 1), (3, 2)] {
            rig.join(peer(id), Some(of));
        }
        for id in [1, 2, 3, 9] {
            rig.hungry(id, 0, 64 * KIB);
        }
        rig.run(Span::from_secs(10));
        let got = rig.by_peer(Time::ZERO);
        for (id, expected) in [(1, 10 * MB), (2, 10 * MB), (3, 40 * MB), (9, 20 * MB)] {
            assert_near(got[&id], expected, 256 * KIB);
        }
    }
}

// Shared by peer, a group changes nothing as long as nobody limits it: weights 1 and 3 in it
// and 2 and 2 outside on 8 MB/s give 1, 3, 2 and 2 MB/s. Half of the time the group's first
// member is idle: then 0, 24/7, 16/7 and 16/7.
#[test]
fn a_group_without_limits_changes_no_share_between_peers() {
    for discipline in FAIR {
        let mut rig = Rig::of(discipline, Share::Peer, 8 * MB);
        rig.join(peer(1), Some(1));
        rig.join(peer(2), Some(1));
        for (id, weight) in [(1, 1), (2, 3), (3, 2), (4, 2)] {
            rig.limit(peer(id), weigh(weight));
            rig.hungry(id, 0, 64 * KIB);
        }
        rig.run(Span::from_secs(10));
        let got = rig.by_peer(Time::ZERO);
        for (id, expected) in [(1, 10 * MB), (2, 30 * MB), (3, 20 * MB), (4, 20 * MB)] {
            assert_near(got[&id], expected, 512 * KIB);
        }
        rig.leave(1);
        rig.run(Span::from_secs(7));
        let got = rig.by_peer(secs(10));
        assert_eq!(got.get(&1), None);
        for (id, expected) in [(2, 24 * MB), (3, 16 * MB), (4, 16 * MB)] {
            assert_near(got[&id], expected, 512 * KIB);
        }
    }
}

// A group of two kinds of requests: what its turn will cost is not known when its ticket is
// written. Peer 1 asks for 1 KiB at a time (charged 16), peer 2 for 16 KiB; peer 3 is outside.
#[test]
fn a_group_is_charged_what_its_members_cost() {
    for discipline in FAIR {
        let mut settings = settings(discipline, Share::Group);
        settings.largest = ByteCount::kib(64);
        settings.window_node = ByteCount::kib(64);
        let mut rig = Rig::with(settings, 8 * MB);
        rig.join(peer(1), Some(1));
        rig.join(peer(2), Some(1));
        rig.hungry(1, 0, 20 * KIB);
        rig.hungry(2, 0, 64 * KIB);
        rig.hungry(3, 0, 50 * KIB);
        rig.run(Span::from_secs(10));
        let got = rig.by_peer(Time::ZERO);
        assert_near(got[&1] + got[&2], got[&3], 384 * KIB);
        assert_near(got[&1], got[&2], 384 * KIB);
    }
}

// The window of one block is always refilled: 1 MB/s for 10 s is 10 MB to the byte, but for the
// block under way.
#[test]
fn the_link_is_never_idle_while_anybody_waits() {
    for row in sched::ALL {
        let mut rig = Rig::of(row.name, Share::Peer, MB);
        for id in 0..20 {
            rig.hungry(id, id % 3, 10 * KIB + u64::from(id));
        }
        rig.run(Span::from_secs(10));
        let sent: u64 = rig.by_peer(Time::ZERO).values().sum();
        assert!(sent >= 10 * MB, "{} of {}: {sent}", row.name, 10 * MB);
    }
}

#[test]
fn strict_priority_and_shortest_remaining_see_the_facts_they_order_by() {
    let mut rig = Rig::of("strict", Share::Peer, MB);
    let behind = Limit {
        band: 1,
        ..Limit::default()
    };
    rig.limit(peer(1), behind);
    rig.hungry(1, 0, 64 * KIB);
    rig.hungry(2, 0, 64 * KIB);
    rig.run(Span::from_secs(1));
    assert_eq!(rig.by_peer(Time::ZERO).get(&1), None);

    let mut rig = Rig::of("srpt", Share::Transfer, MB);
    rig.ask_for(1, 1, 256 * KIB, 10 * MB);
    rig.ask_for(2, 2, 256 * KIB, 300 * KIB);
    rig.run(Span::from_secs(1));
    let order: Vec<u32> = rig.sent.iter().map(|&(_, peer, _, _)| peer).collect();
    assert_eq!(order, [vec![2; 16], vec![1; 16]].concat());
}

#[test]
fn a_peer_moves_between_groups_with_what_it_has_waiting() {
    let mut rig = Rig::new(Share::Group, 6 * MB);
    for id in 1..=3 {
        rig.hungry(id, 0, 64 * KIB);
    }
    rig.join(peer(1), Some(1));
    rig.join(peer(2), Some(1));
    rig.run(Span::from_secs(4));
    rig.join(peer(2), None);
    rig.run(Span::from_secs(3));
    let first = rig.by_peer(Time::ZERO);
    let after = rig.by_peer(secs(4));
    for id in 1..=3 {
        assert_near(after[&id], 6 * MB, 128 * KIB);
    }
    assert_near(first[&3], 12 * MB + after[&3], 128 * KIB);
}

// J6: over every interval in which two peers are both backlogged, their service per unit weight
// differs by no more than their discipline claims, whatever the sizes of their requests. The
// claim is rounded down to a byte.
#[test]
fn the_claim_of_a_discipline_holds_behind_the_uplink() {
    let sizes = [16 * KIB, 20 * KIB, 64 * KIB, 3 * KIB];
    for row in sched::ALL {
        let (sched::Claim::Weighted(bound) | sched::Claim::Banded(bound)) = row.claim else {
            continue;
        };
        let mut rig = Rig::of(row.name, Share::Peer, 20 * MB);
        let weights = [1, 2, 3, 1];
        for ((id, weight), size) in (0..).zip(weights).zip(sizes) {
            rig.limit(peer(id), weigh(weight));
            rig.hungry(id, 0, size);
        }
        rig.run(Span::from_secs(1));
        let flows: Vec<_> = weights
            .map(|weight| (Weight::whole(weight), ByteCount::kib(16)))
            .into();
        let setting = sched::Setting {
            params: Params::new(ByteCount::kib(16)),
            flows: &flows,
        };
        for one in 0..4 {
            for other in 0..one {
                let (mut least, mut most, mut lead) = (0_i64, 0_i64, 0_i64);
                for &(_, to, _, len) in &rig.sent {
                    // A request of 3 KiB costs 16.
                    let cost = i64::try_from(len.max(if to == 3 { 16 * KIB } else { 0 })).unwrap();
                    let to = usize::try_from(to).unwrap();
                    // In sixths, which all weights divide.
                    let service = cost * 6 / i64::from(weights[to]);
                    lead += match () {
                        () if to == one => service,
                        () if to == other => -service,
                        () => 0,
                    };
                    (least, most) = (least.min(lead), most.max(lead));
                }
                let spread = most.abs_diff(least).div_ceil(6);
                let allowed = bound(&setting, one, other) + 1;
                assert!(spread <= allowed, "{}: {spread} of {allowed}", row.name);
            }
        }
    }
}

// A simulated swarm has half a million of these.
#[test]
fn an_idle_place_is_small() {
    assert!(
        size_of::<class::Class>() <= 160,
        "{}",
        size_of::<class::Class>()
    );
    assert!(
        size_of::<entity::Entity>() <= 96,
        "{}",
        size_of::<entity::Entity>()
    );
    assert!(size_of::<Uplink>() <= 768, "{}", size_of::<Uplink>());
}

// Transfer 1 has had 2 MB when it goes, transfer 2 has had as much. Transfer 3 comes in the
// place of transfer 1 and has had nothing: the next megabyte is all its own.
#[test]
fn a_new_transfer_does_not_inherit_what_another_has_had() {
    let mut rig = Rig::of("las", Share::Transfer, 8 * MB);
    rig.hungry(1, 1, 64 * KIB);
    rig.hungry(2, 2, 64 * KIB);
    rig.run(Span::from_millis(500));
    rig.hungry.retain(|hungry| hungry.1 != 1);
    rig.uplink.purge_transfer(TransferId(1));
    let come = rig.now;
    rig.hungry(3, 3, 64 * KIB);
    rig.run(Span::from_millis(125));
    let got = rig.by_peer(come);
    assert_near(got[&3], MB, 64 * KIB);
}
