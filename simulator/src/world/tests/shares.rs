//! What the core gives, against what the ideal would, in whole runs.

use fairhaul_config::amount::SizeLimit;
use fairhaul_config::number::Bounded;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_core::uplink::Share;

use super::bent::{Bend, Bent, Log, SECOND};
use super::{go, peer, policy, setup, transfer};
use crate::record::{FlowName, Record, WindowRecord};
use crate::setup::{
    FaultKind, FaultSetup, GroupSetup, Latency, NetworkModel, NewRate, PeerSetup, Setup,
};
use crate::world::World;

const FAIR: [&str; 5] = ["drr", "sfq", "wf2q+", "sparse-drr", "mclock"];

/// One transfer of `bytes` from a source of `up` to each of the destinations.
fn star(up: u64, uplink: &str, share: Share, bytes: u64, destinations: Vec<PeerSetup>) -> Setup {
    let mut setup = setup(vec![peer("source", up)]);
    setup.policies = vec![policy(uplink, "none")];
    setup.policies[0].share = share;
    for (row, destination) in (1..).zip(destinations) {
        setup.peers.push(destination);
        setup.transfers.push(transfer("t", row, bytes));
    }
    setup
}

fn destinations(count: usize) -> Vec<PeerSetup> {
    vec![peer("destination", 1); count]
}

/// The windows of a transfer that it was backlogged in from end to end, the first left out:
/// there requests build up.
fn whole_windows(record: &Record, row: u32) -> impl Iterator<Item = &WindowRecord> {
    record.windows.iter().filter(move |window| {
        window.flow == FlowName::Transfer(row)
            && window.backlogged == window.window
            && window.start > Time::ZERO
    })
}

/// Bytes and entitlement in every whole window are `expected`, within `percent`.
fn assert_windows(record: &Record, expected: &[u64], percent: u64, what: &str) {
    for (row, expected) in (0..).zip(expected) {
        let mut count = 0;
        for window in whole_windows(record, row) {
            count += 1;
            let entitled = window.entitlement.get();
            assert!(
                entitled.abs_diff(*expected) <= 1,
                "{what}: {row} is entitled to {entitled}"
            );
            let got = window.bytes.get();
            assert!(
                got.abs_diff(*expected) * 100 <= *expected * percent,
                "{what}: {row} got {got} of {expected} in the window from {}",
                window.start
            );
        }
        assert!(count > 1, "{what}: {row} has {count} whole windows");
    }
}

/// O6 at 10 MB/s: a floor of 3 MB/s with weight 1, weight 2, a cap of 2 MB/s with weight 3:
/// 3, 5 and 2 MB/s in every window of 5 s, whichever fair discipline orders the uplink.
#[test]
fn floors_and_caps_clamp_the_shares_under_every_fair_discipline() {
    for uplink in FAIR {
        let mut setup = star(
            10_000_000,
            uplink,
            Share::Transfer,
            400 << 20,
            destinations(3),
        );
        for (transfer, weight) in setup.transfers.iter_mut().zip(1..) {
            transfer.weight = Weight::whole(weight);
        }
        setup.transfers[0].floor = Some(Rate::new(3_000_000));
        setup.transfers[2].cap = Some(Rate::new(2_000_000));
        setup.windows = vec![Span::from_secs(5)];
        setup.horizon = Time::ZERO + Span::from_secs(31);
        let expected = [15_000_000, 25_000_000, 10_000_000];
        assert_windows(&go(&setup), &expected, 1, uplink);
    }
}

/// Floors of 12 and 8 Mbit/s on a link of 24 that becomes one of 18 Mbit/s at 3 s: 10.8 and 7.2,
/// entitled and served, whether transfers, peers or groups have them.
#[test]
fn floors_on_a_link_that_shrinks_are_scaled_in_proportion() {
    let floors = [1_500_000, 1_000_000].map(|floor| Some(Rate::new(floor)));
    for (uplink, share) in FAIR.into_iter().flat_map(|uplink| {
        let shares = [Share::Transfer, Share::Peer, Share::Group];
        shares.into_iter().map(move |share| (uplink, share))
    }) {
        let mut setup = star(3_000_000, uplink, share, 100 << 20, destinations(2));
        for (at, floor) in (0..).zip(floors) {
            match share {
                Share::Transfer => setup.transfers[at].floor = floor,
                Share::Peer => setup.peers[at + 1].floor = floor,
                _ => {
                    setup.peers[at + 1].group = u32::try_from(at).ok();
                    setup.groups.push(GroupSetup {
                        name: "group".into(),
                        floor,
                        ..GroupSetup::default()
                    });
                }
            }
        }
        setup.faults = vec![FaultSetup {
            at: Time::ZERO + Span::from_secs(3),
            kind: FaultKind::Capacity {
                peer: 0,
                up: NewRate::At(Rate::new(2_250_000)),
                down: NewRate::Keep,
            },
        }];
        setup.windows = vec![Span::from_secs(5)];
        setup.horizon = Time::ZERO + Span::from_secs(31);
        let what = format!("{uplink} by {share:?}");
        assert_windows(&go(&setup), &[6_750_000, 4_500_000], 1, &what);
    }
}

/// A request of 1 KiB is charged 4 KiB where blocks are no larger, so of two equals the one with
/// tiny chunks gets a fifth of the bytes of 1 MB/s. That is what it is entitled to.
#[test]
fn tiny_chunks_are_entitled_to_what_the_rule_gives_them() {
    for uplink in FAIR {
        for share in [Share::Transfer, Share::Peer] {
            let mut setup = star(1_000_000, uplink, share, 30 << 20, destinations(2));
            setup.policies[0].block = Some(SizeLimit::At(ByteCount::kib(4)));
            setup.transfers[0].chunk = ByteCount::kib(1);
            setup.windows = vec![Span::from_secs(5)];
            setup.horizon = Time::ZERO + Span::from_secs(21);
            let what = format!("{uplink} by {share:?}");
            assert_windows(&go(&setup), &[1_000_000, 4_000_000], 2, &what);
        }
    }
}

/// Groups of weights 1 and 3 share 8 MB/s; the second has peers of weights 1 and 2.
#[test]
fn groups_share_by_weight_and_their_peers_below_them() {
    for uplink in FAIR {
        let mut setup = star(8_000_000, uplink, Share::Group, 300 << 20, destinations(3));
        for weight in [1, 3] {
            setup.groups.push(GroupSetup {
                name: "group".into(),
                weight: Weight::whole(weight),
                ..GroupSetup::default()
            });
        }
        for (peer, (group, weight)) in setup.peers[1..].iter_mut().zip([(0, 1), (1, 1), (1, 2)]) {
            peer.group = Some(group);
            peer.weight = Weight::whole(weight);
        }
        setup.windows = vec![Span::from_secs(6)];
        setup.horizon = Time::ZERO + Span::from_secs(31);
        let expected = [12_000_000, 12_000_000, 24_000_000];
        assert_windows(&go(&setup), &expected, 1, uplink);
    }
}

/// Strict priority gives the second band nothing, be it that of a transfer or of a peer: it has
/// rows of its own all the same, with what it would be entitled to.
#[test]
fn a_starved_flow_has_windows_without_bytes() {
    for share in [Share::Transfer, Share::Peer] {
        let mut setup = star(1_000_000, "strict", share, 20 << 20, destinations(2));
        match share {
            Share::Transfer => setup.transfers[1].band = 1,
            _ => setup.peers[setup.transfers[1].destination as usize].band = 1,
        }
        setup.windows = vec![Span::SECOND];
        setup.horizon = Time::ZERO + Span::from_secs(5);
        let record = go(&setup);
        let starved: Vec<_> = whole_windows(&record, 1).collect();
        assert_eq!(starved.len(), 4, "{share:?}");
        for window in starved {
            assert_eq!(window.bytes, ByteCount::ZERO, "{share:?}");
            assert!(window.entitlement.get().abs_diff(500_000) <= 1);
        }
        assert_eq!(record.transfers[1].received, ByteCount::ZERO, "{share:?}");
        assert!(record.transfers[1].entitlement.get().abs_diff(2_500_000) <= 1);
    }
}

/// Destinations 0, 40 and 120 ms away share 6 MB/s, 2,000 bytes a millisecond each.
fn star_with_delays(network: NetworkModel, bytes: u64) -> Setup {
    let mut setup = star(6_000_000, "drr", Share::Transfer, bytes, destinations(3));
    setup.network = network;
    setup.latency = Latency {
        regions: ["here", "near", "far"].map(String::from).to_vec(),
        one_way: [0, 40, 120, 40, 0, 80, 120, 80, 0]
            .map(Span::from_millis)
            .to_vec(),
    };
    for (peer, region) in setup.peers[1..].iter_mut().zip(0..) {
        peer.region = region;
    }
    setup
}

const NETWORKS: [NetworkModel; 2] = [
    NetworkModel::Block {
        window: ByteCount::mib(4),
    },
    NetworkModel::Fluid,
];

/// Every one is entitled to what it gets, within its share of the longest round trip: so long
/// the far one has not enough requests at the source to use its share, and the near ones have
/// it. The number of requests is fixed: one that adapts takes two round trips to begin.
#[test]
fn delays_do_not_distort_entitlements_by_more_than_a_round_trip() {
    for network in NETWORKS {
        let mut setup = star_with_delays(network, 12_000_000);
        setup.policies[0].pipeline = Some(Bounded::new(64));
        for (row, transfer) in go(&setup).transfers.iter().enumerate() {
            let (got, entitled) = (transfer.received.get(), transfer.entitlement.get());
            assert!(
                got.abs_diff(entitled) <= 2_000 * 240,
                "{network:?}: {row} got {got} and was entitled to {entitled}"
            );
        }
    }
}

/// Requests that adapt to how long they wait count the waiting beyond the round trip: the far
/// one keeps its share.
#[test]
fn whoever_is_far_away_keeps_its_share() {
    for network in NETWORKS {
        let mut setup = star_with_delays(network, 120_000_000);
        setup.windows = vec![Span::from_secs(5)];
        setup.horizon = Time::ZERO + Span::from_secs(41);
        let expected = [10_000_000; 3];
        assert_windows(&go(&setup), &expected, 1, "delays");
    }
}

/// A run in which equal transfers share equally has no share error at all worth the name.
#[test]
fn ideal_scheduling_has_hardly_any_share_error() {
    let setup = star(1_000_000, "drr", Share::Transfer, 4 << 20, destinations(8));
    let record = go(&setup);
    let sum: u64 = record
        .transfers
        .iter()
        .map(|row| row.entitlement.get())
        .sum();
    let all = 8_u64 << 22;
    assert!(sum.abs_diff(all) < all / 100, "{sum} of {all}");
    for transfer in &record.transfers {
        let entitled = transfer.entitlement.get();
        let mib = 4 << 20;
        assert!(entitled.abs_diff(mib) < mib / 50, "{entitled}");
    }
}

/// What left the source: times and lengths.
fn sent(setup: &Setup) -> Vec<(Time, u64)> {
    let mut world = World::new(setup).unwrap();
    let log = Log::default();
    Bent::bend(&mut world.network, Bend::Straight, log.clone());
    world.go(&mut |_| ()).unwrap();
    world.finish().unwrap();
    let log = log.lock().unwrap();
    log.clone()
}

/// In every interval between two blocks, at most the burst and what the rate allows have left.
/// A block in hand is issued before it leaves, and three of them may be.
fn assert_capped(log: &[(Time, u64)], rate: u64, burst: u64) {
    let block = log.iter().map(|(_, len)| *len).max().unwrap();
    let units = |bytes: u64| u128::from(bytes) * SECOND;
    let room = units(burst + 3 * block);
    let (mut level, mut last) = (0_u128, Time::ZERO);
    for &(at, len) in log {
        let drained = u128::from(rate) * u128::from(at.since(last).as_nanos());
        level = level.saturating_sub(drained) + units(len);
        last = at;
        assert!(
            level <= room,
            "{} too many at {at}",
            (level - room) / SECOND
        );
    }
}

/// A node of 10 MB/s caps itself at 1 MB/s with a burst of 256 KiB, under both networks.
#[test]
fn a_node_keeps_its_own_cap_in_every_window() {
    for network in [
        NetworkModel::Block {
            window: ByteCount::mib(4),
        },
        NetworkModel::Fluid,
    ] {
        let mut setup = star(10_000_000, "drr", Share::Peer, 3 << 20, destinations(3));
        setup.network = network;
        setup.peers[0].upload_cap = Some(Rate::new(1_000_000));
        setup.peers[0].burst = Some(ByteCount::kib(256));
        let log = sent(&setup);
        assert_capped(&log, 1_000_000, 256 << 10);
        let last = log.last().unwrap().0.as_secs_f64();
        assert!(
            (9.1..9.6).contains(&last),
            "9 MiB less the burst take {last}"
        );
    }
}

/// The cap falls from 2 MB/s to 100 kB/s at 2 s and rises to 1 MB/s at 12 s. Debt is carried:
/// at no change does a bucket fill, so each part keeps its own rate.
#[test]
fn a_cap_that_changes_carries_its_debt() {
    let mut setup = star(10_000_000, "drr", Share::Peer, 10 << 20, destinations(1));
    let burst = 64 << 10;
    setup.peers[0].upload_cap = Some(Rate::new(2_000_000));
    setup.peers[0].burst = Some(ByteCount::new(burst));
    let change = |seconds, rate| FaultSetup {
        at: Time::ZERO + Span::from_secs(seconds),
        kind: FaultKind::UploadCap {
            peer: 0,
            rate: Some(Rate::new(rate)),
        },
    };
    setup.faults = vec![change(2, 100_000), change(12, 1_000_000)];
    let log = sent(&setup);
    let between = |from: u64, to: u64| -> u64 {
        let seconds = |at: Time| at.as_nanos() / 1_000_000_000;
        let part = log
            .iter()
            .filter(|(at, _)| (from..to).contains(&seconds(*at)));
        part.map(|(_, len)| *len).sum()
    };
    let slack = 3 * (16 << 10);
    for (from, to, rate) in [(1, 2, 2_000_000), (2, 12, 100_000), (12, 16, 1_000_000)] {
        let (got, allowed) = (between(from, to), rate * (to - from));
        assert!(
            got.abs_diff(allowed) <= slack,
            "{got} of {allowed} from {from} s to {to} s"
        );
    }
    let ideal = go(&setup).transfers[0].clone();
    let (got, entitled) = (ideal.received.get(), ideal.entitlement.get());
    assert!(
        got.abs_diff(entitled) <= burst + slack,
        "{got} of {entitled}"
    );
}

/// Two leechers of a swarm that has a bound: equal service entitles each to the content in the
/// least time, and a leecher that gets nothing yet has a row.
#[test]
fn leechers_are_entitled_to_equal_service() {
    let mut setup = super::swarm(2, 8 << 20);
    setup.windows = vec![Span::SECOND];
    let record = go(&setup);
    let least = record.contents[0].kumar_ross.unwrap();
    let expected = (8_u128 << 20) * SECOND / u128::from(least.as_nanos());
    let rows: Vec<_> = record
        .windows
        .iter()
        .filter(|row| row.backlogged == Span::SECOND)
        .collect();
    assert!(rows.len() >= 10, "{}", rows.len());
    for row in rows {
        assert_eq!(u128::from(row.entitlement.get()), expected);
        assert!(matches!(row.flow, FlowName::Peer(1 | 2)));
    }
}

/// The last, partial window is left out, and a finished run does not wait for it.
#[test]
fn windows_do_not_keep_a_finished_run() {
    let mut setup = star(
        1_000_000,
        "drr",
        Share::Transfer,
        2_500_000,
        destinations(1),
    );
    setup.windows = vec![Span::SECOND, Span::from_secs(60)];
    let record = go(&setup);
    assert!(record.end < Time::ZERO + Span::from_millis(2_600));
    assert_eq!(record.windows.len(), 2);
    assert_eq!(record.transfers[0].received, ByteCount::new(2_500_000));
}
