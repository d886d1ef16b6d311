use fairhaul_core::rng::Rng;
use fairhaul_core::units::Weight;
use fairhaul_core::uplink::Share;

use super::clamped::clamped;
use super::*;
use crate::network::maxmin::oracle::{Demand, progressive_filling};
use crate::setup::{GroupSetup, TransferSetup};
use crate::world::tests::{peer, setup, transfer};

const NS: u64 = 1_000_000_000;

fn at(secs: u64) -> Time {
    Time::from_nanos(secs * NS)
}

/// A source with an uplink of `up` and one destination for each of `transfers`.
fn star(up: u64, share: Share, transfers: Vec<TransferSetup>) -> Setup {
    let mut setup = setup(vec![peer("source", up)]);
    setup.policies[0].share = share;
    for (row, transfer) in (1..).zip(transfers) {
        setup.peers.push(peer("destination", 1));
        setup.transfers.push(TransferSetup {
            destination: row,
            ..transfer
        });
    }
    setup
}

fn weighing(weight: u32) -> TransferSetup {
    TransferSetup {
        weight: Weight::whole(weight),
        ..transfer("t", 0, u64::MAX >> 8)
    }
}

/// What all transfers earn in ten seconds from the start, in bytes.
fn in_ten_seconds(setup: &Setup) -> Vec<u64> {
    let mut ideal = Ideal::new(setup);
    for (row, transfer) in (0..).zip(&setup.transfers) {
        ideal.begin(row, transfer.bytes, Time::ZERO);
    }
    earned(&mut ideal, setup, at(10))
}

fn earned(ideal: &mut Ideal, setup: &Setup, now: Time) -> Vec<u64> {
    let rows = 0..u32::try_from(setup.transfers.len()).unwrap();
    rows.map(|row| ideal.grant(row, now).entitlement.unwrap().get())
        .collect()
}

/// 7 MB/s among 1:2:4 for 10 s.
#[test]
fn weights_divide_an_uplink_exactly() {
    let setup = star(7_000_000, Share::Transfer, [1, 2, 4].map(weighing).to_vec());
    assert_eq!(in_ten_seconds(&setup), [10_000_000, 20_000_000, 40_000_000]);
}

/// O6: 1,000 B/s; a floor of 300 with weight 1, weight 2, a cap of 200 with weight 3: 300, 500,
/// 200, whatever carries the limits.
#[test]
fn floors_and_caps_clamp_the_shares() {
    let mut by_transfer = star(1_000, Share::Transfer, [1, 2, 3].map(weighing).to_vec());
    by_transfer.transfers[0].floor = Some(Rate::new(300));
    by_transfer.transfers[2].cap = Some(Rate::new(200));
    assert_eq!(in_ten_seconds(&by_transfer), [3_000, 5_000, 2_000]);

    let mut by_peer = star(1_000, Share::Peer, [1, 1, 1].map(weighing).to_vec());
    for (peer, weight) in by_peer.peers[1..].iter_mut().zip(1..) {
        peer.weight = Weight::whole(weight);
    }
    by_peer.peers[1].floor = Some(Rate::new(300));
    by_peer.peers[3].cap = Some(Rate::new(200));
    assert_eq!(in_ten_seconds(&by_peer), [3_000, 5_000, 2_000]);

    let mut by_group = star(1_000, Share::Group, [1, 1, 1].map(weighing).to_vec());
    for (transfer, (row, weight)) in by_group.transfers.iter_mut().zip([(0, 1), (1, 2), (2, 3)]) {
        transfer.group = Some(row);
        by_group.groups.push(GroupSetup {
            weight: Weight::whole(weight),
            ..GroupSetup::default()
        });
    }
    by_group.groups[0].floor = Some(Rate::new(300));
    by_group.groups[2].cap = Some(Rate::new(200));
    assert_eq!(in_ten_seconds(&by_group), [3_000, 5_000, 2_000]);
}

/// Floors of 900 and 600 at 1,000 B/s do not fit: three fifths and two fifths, and nothing for
/// who has none.
#[test]
fn floors_that_do_not_fit_are_kept_in_proportion() {
    let mut setup = star(1_000, Share::Transfer, [1, 1, 1].map(weighing).to_vec());
    setup.transfers[0].floor = Some(Rate::new(900));
    setup.transfers[1].floor = Some(Rate::new(600));
    assert_eq!(in_ten_seconds(&setup), [6_000, 4_000, 0]);
}

/// 12 + 8 of 18: the second floor is below an equal share and the first above it, so they are
/// found one after the other. It is 10.8 and 7.2 whoever has them: two transfers, two peers, two
/// groups, or a transfer and a group.
#[test]
fn floors_that_do_not_fit_are_in_proportion_whoever_has_them() {
    let rates = [Some(Rate::new(1_200)), Some(Rate::new(800))];
    let star = |share| star(1_800, share, [1, 1].map(weighing).to_vec());
    let mut by_transfer = star(Share::Transfer);
    let mut by_peer = star(Share::Peer);
    let mut by_group = star(Share::Group);
    let mut mixed = star(Share::Peer);
    for (at, floor) in (0..).zip(rates) {
        by_transfer.transfers[at].floor = floor;
        by_peer.peers[at + 1].floor = floor;
        by_group.transfers[at].group = u32::try_from(at).ok();
        by_group.groups.push(GroupSetup {
            floor,
            ..GroupSetup::default()
        });
    }
    mixed.transfers[0].floor = rates[0];
    mixed.transfers[1].group = Some(0);
    mixed.groups.push(by_group.groups[1].clone());
    for setup in [by_transfer, by_peer, by_group, mixed] {
        assert_eq!(in_ten_seconds(&setup), [10_800, 7_200]);
    }
}

/// Two groups of weights 1 and 3 share 800 B/s; the second has members of weights 1 and 2, and
/// the peer of weight 2 two transfers of weights 1 and 3. A cap of 50 on the first of these
/// leaves its part to its sibling, not to the other group.
#[test]
fn a_group_is_shared_among_its_peers_and_a_peer_among_its_transfers() {
    let mut setup = star(800, Share::Group, [1, 1, 1, 3].map(weighing).to_vec());
    for weight in [1, 3] {
        setup.groups.push(GroupSetup {
            weight: Weight::whole(weight),
            ..GroupSetup::default()
        });
    }
    setup.peers[1].group = Some(0);
    setup.peers[2].group = Some(1);
    setup.peers[3].group = Some(1);
    setup.peers[3].weight = Weight::whole(2);
    setup.transfers[3].destination = 3;
    assert_eq!(in_ten_seconds(&setup), [2_000, 2_000, 1_000, 3_000]);
    setup.transfers[2].cap = Some(Rate::new(50));
    assert_eq!(in_ten_seconds(&setup), [2_000, 2_000, 500, 3_500]);
}

/// Where groups are not shared among, a group's cap bounds its members and its floor lifts
/// them: 1,000 B/s among four equals, two of which may have 300 together, then must have 700.
#[test]
fn a_group_that_is_no_class_still_bounds_and_lifts_its_members() {
    let mut setup = star(1_000, Share::Peer, [1, 1, 1, 1].map(weighing).to_vec());
    for transfer in &mut setup.transfers[..2] {
        transfer.group = Some(0);
    }
    setup.groups.push(GroupSetup {
        cap: Some(Rate::new(300)),
        ..GroupSetup::default()
    });
    assert_eq!(in_ten_seconds(&setup), [1_500, 1_500, 3_500, 3_500]);
    setup.groups[0].cap = None;
    setup.groups[0].floor = Some(Rate::new(700));
    assert_eq!(in_ten_seconds(&setup), [3_500, 3_500, 1_500, 1_500]);
}

/// Peers of equal weight at 1,000 B/s. One has two transfers, one of which has a floor of 400:
/// that counts towards its peer's 500.
#[test]
fn what_a_floor_gives_counts_towards_the_share_of_its_class() {
    let mut setup = star(1_000, Share::Peer, [1, 1, 1].map(weighing).to_vec());
    setup.transfers[1].destination = 1;
    setup.transfers[0].floor = Some(Rate::new(400));
    assert_eq!(in_ten_seconds(&setup), [4_000, 1_000, 5_000]);
}

/// Sources of 1,000 and 2,000 B/s to one downlink of 900, which both share, and one transfer
/// more from the first: 450 and 450 there, 550 here.
#[test]
fn a_downlink_is_shared_and_what_it_leaves_goes_to_others() {
    let mut setup = star(1_000, Share::Transfer, [1, 1].map(weighing).to_vec());
    setup.peers.push(peer("other source", 2_000));
    setup.peers[1].down = Some(Rate::new(900));
    setup.transfers.push(TransferSetup {
        source: 3,
        destination: 1,
        ..weighing(1)
    });
    assert_eq!(in_ten_seconds(&setup), [4_500, 5_500, 4_500]);
}

/// Three transfers of one uplink of 600 B/s: the second comes at 2 s, the third at 4 s, the
/// first ends at 6 s; at 8 s the link is cut to a third.
#[test]
fn entitlements_follow_who_is_backlogged_and_what_changes() {
    let setup = star(600, Share::Transfer, [1, 1, 1].map(weighing).to_vec());
    let mut ideal = Ideal::new(&setup);
    let much = ByteCount::mib(1);
    ideal.begin(0, much, Time::ZERO);
    ideal.begin(1, much, at(2));
    ideal.begin(2, much, at(4));
    ideal.sent(0, much, at(6));
    ideal.set_links(0, NewRate::At(Rate::new(200)), NewRate::Keep, at(8));
    assert_eq!(earned(&mut ideal, &setup, at(10)), [2_200, 1_800, 1_200]);
    ideal.peer_left(3, None, at(10));
    assert_eq!(earned(&mut ideal, &setup, at(11)), [2_200, 2_000, 1_200]);
    assert_eq!(ideal.grant(2, at(11)).backlogged, Span::from_secs(6));
}

#[test]
fn who_nothing_limits_is_entitled_to_what_it_gets() {
    let mut setup = star(1, Share::Transfer, vec![weighing(1)]);
    setup.peers[0].up = None;
    let mut ideal = Ideal::new(&setup);
    ideal.begin(0, ByteCount::mib(1), Time::ZERO);
    assert_eq!(ideal.grant(0, at(1)).entitlement, None);
}

/// Without classes and floors the rates are those of the exact oracle of the fluid model, as
/// transfers come and go, among five peers that all send to each other.
#[test]
fn rates_are_those_of_progressive_filling() {
    let mut rng = Rng::from_seed([7; 32]);
    for _ in 0..200 {
        let mut setup = setup(Vec::new());
        setup.policies[0].share = Share::Transfer;
        for _ in 0..5 {
            let mut draw = || Some(Rate::new(1_000 + rng.below(9_000) as u64));
            setup.peers.push(crate::setup::PeerSetup {
                up: draw(),
                down: draw(),
                ..peer("peer", 1)
            });
        }
        let mut peer = || u32::try_from(rng.below(5)).unwrap();
        let ends: Vec<_> = (0..30).map(|_| [peer(), peer()]).collect();
        for [source, destination] in ends.into_iter().filter(|[from, to]| from != to) {
            setup.transfers.push(TransferSetup {
                source,
                destination,
                ..weighing(1 + u32::try_from(rng.below(9)).unwrap())
            });
        }
        agrees_with_the_oracle(&setup, &mut rng);
    }
}

fn agrees_with_the_oracle(setup: &Setup, rng: &mut Rng) {
    let mut ideal = Ideal::new(setup);
    let mut now = Time::ZERO;
    let mut active = BTreeSet::new();
    let capacities: Vec<_> = setup
        .peers
        .iter()
        .flat_map(|row| [row.up, row.down])
        .collect();
    for _ in 0..20 {
        let row = u32::try_from(rng.below(setup.transfers.len())).unwrap();
        if active.remove(&row) {
            ideal.end(row, now);
        } else {
            active.insert(row);
            ideal.begin(row, ByteCount::mib(1), now);
        }
        now = now + Span::SECOND;
        ideal.advance(now);
        let demands: Vec<_> = active
            .iter()
            .map(|row| {
                let transfer = &setup.transfers[*row as usize];
                let links = [2 * transfer.source, 2 * transfer.destination + 1];
                Demand {
                    links: links.map(|link| link as usize).to_vec(),
                    weight: transfer.weight,
                }
            })
            .collect();
        let levels = progressive_filling(&capacities, &demands);
        for ((row, level), demand) in active.iter().zip(levels).zip(&demands) {
            let weight = f64::from(demand.weight.hundredths());
            let expected = level.unwrap() as f64 * weight / 2_f64.powi(40);
            let rate = ideal.sharing.rate(*row).unwrap();
            assert!(
                (rate - expected).abs() < 1e-6 * expected,
                "{rate} {expected}"
            );
        }
    }
}

/// One uplink, up to three groups, two to eight peers with one to three transfers each; weights,
/// caps and floors of all that are classes of the tree, and floors that fit.
fn tree_with_floors(rng: &mut Rng, share: Share) -> Setup {
    let up = 1_000_000;
    let mut below = |end: usize| rng.below(end) as u64;
    let mut setup = setup(vec![peer("source", up)]);
    setup.policies[0].share = share;
    let peers = 2 + u32::try_from(below(7)).unwrap();
    // Floors take nine tenths of the link at most, and no cap is below the floors beneath it.
    let mut left = up * 9 / 10;
    let mut floor = |below: &mut dyn FnMut(usize) -> u64| {
        let rate = (below(3) == 0).then(|| left * (1 + below(3)) / 8);
        left -= rate.unwrap_or(0);
        rate.map(Rate::new)
    };
    let cap = |below: &mut dyn FnMut(usize) -> u64| {
        (below(3) == 0).then(|| Rate::new(up * 9 / 10 + 1_000 * below(100)))
    };
    let narrow = |below: &mut dyn FnMut(usize) -> u64, floor: Option<Rate>| {
        let least = floor.map_or(0, Rate::get);
        (below(3) == 0).then(|| Rate::new(least + 1_000 * (1 + below(200))))
    };
    let weight =
        |below: &mut dyn FnMut(usize) -> u64| Weight::whole(1 + u32::try_from(below(5)).unwrap());
    if share == Share::Group {
        for _ in 0..1 + below(3) {
            setup.groups.push(GroupSetup {
                weight: weight(&mut below),
                floor: floor(&mut below),
                cap: cap(&mut below),
                ..GroupSetup::default()
            });
        }
    }
    for row in 1..=peers {
        let group = u32::try_from(below(setup.groups.len() + 1)).unwrap();
        let mut row = crate::setup::PeerSetup {
            group: (group > 0).then(|| group - 1),
            weight: weight(&mut below),
            ..peer(&format!("peer.{row}"), 1)
        };
        if share != Share::Transfer {
            row.floor = floor(&mut below);
            row.cap = cap(&mut below);
        }
        setup.peers.push(row);
    }
    for destination in 1..=peers {
        for _ in 0..1 + below(3) {
            // Under `share = "group"` the floor of a transfer is paid by the group and not by its
            // peer.
            let floor = floor(&mut below).filter(|_| share != Share::Group);
            setup.transfers.push(TransferSetup {
                destination,
                weight: weight(&mut below),
                floor,
                cap: narrow(&mut below, floor),
                ..transfer("t", destination, u64::MAX >> 8)
            });
        }
    }
    setup
}

/// A floor of a class, of its members, of both; below caps and beside them.
#[test]
fn floors_at_every_level_of_a_tree_clamp_its_shares() {
    let mut rng = Rng::from_seed([8; 32]);
    let mut bound = 0;
    for case in 0..1_500 {
        let share = [Share::Peer, Share::Group, Share::Transfer][case % 3];
        let setup = tree_with_floors(&mut rng, share);
        let expected = clamped(&setup, 0);
        let mut ideal = Ideal::new(&setup);
        for (row, transfer) in (0..).zip(&setup.transfers) {
            ideal.begin(row, transfer.bytes, Time::ZERO);
        }
        ideal.advance(at(1));
        for (row, expected) in (0..).zip(&expected) {
            let rate = ideal.sharing.rate(row).unwrap();
            assert!(
                (rate - expected).abs() <= 1e-6 * expected + 1e-3,
                "{case}, {share:?}: {row} has {rate}, not {expected} of {expected:?}: {setup:?}"
            );
        }
        let floors = setup.transfers.iter().filter_map(|transfer| transfer.floor);
        let kept = floors.filter(|floor| expected.contains(&(floor.get() as f64)));
        bound += kept.count();
    }
    assert!(bound > 500, "{bound} floors of transfers bind");
}
