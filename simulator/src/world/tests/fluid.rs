//! The fluid network in whole runs: the policy's tree, whatever the chunks and blocks.

use fairhaul_config::amount::SizeLimit;
use fairhaul_core::rng::Rng;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_core::uplink::Share;

use super::{go, peer, policy, setup, transfer};
use crate::fluid_reference::oracle;
use crate::setup::{
    FaultKind, FaultSetup, GroupSetup, Latency, NetworkModel, NewRate, PeerSetup, Setup,
    SharedLinkSetup, TransferSetup,
};

const MB: u64 = 1_000_000;

/// Seconds at which each transfer of a fluid run ended; infinite if it did not.
fn ends(setup: &Setup) -> Vec<f64> {
    let record = go(setup);
    let end = |time: Option<Time>| time.map_or(f64::INFINITY, Time::as_secs_f64);
    record.transfers.iter().map(|row| end(row.end)).collect()
}

/// A source of 10 MB/s under `uplink`, and as many destinations as `bytes`.
fn star(uplink: &str, share: Share, bytes: &[u64]) -> Setup {
    let mut setup = setup(vec![peer("source", 10 * MB)]);
    setup.network = NetworkModel::Fluid;
    setup.policies = vec![policy(uplink, "none")];
    setup.policies[0].share = share;
    for (row, bytes) in (1..).zip(bytes) {
        setup.peers.push(peer("destination", 1));
        setup.transfers.push(transfer("t", row, *bytes));
    }
    setup
}

fn assert_ends(setup: &Setup, expected: &[f64], what: &str) {
    for (row, (got, expected)) in ends(setup).iter().zip(expected).enumerate() {
        let near = (got - expected).abs() <= 1e-6 * expected;
        assert!(near, "{what}: {row} ended at {got}, not {expected}");
    }
}

/// Whatever draws, between 0 and `end`.
fn below(rng: &mut Rng, end: u64) -> u64 {
    rng.below(usize::try_from(end).unwrap()) as u64
}

/// Ten peers in three regions with links between them and fifty transfers, some of one pair.
fn network(rng: &mut Rng, share: Share, uplink: &str) -> Setup {
    let mut setup = setup(Vec::new());
    setup.network = NetworkModel::Fluid;
    setup.policies = vec![policy(uplink, "none")];
    setup.policies[0].share = share;
    setup.latency = Latency {
        regions: ["a", "b", "c"].map(String::from).to_vec(),
        one_way: vec![Span::ZERO; 9],
    };
    for (from, to) in [(0, 1), (1, 2)] {
        setup.links.push(SharedLinkSetup {
            name: "sea".into(),
            capacity: Rate::new(MB + below(rng, 4 * MB)),
            both: rng.below(2) == 0,
            from: vec![from],
            to: vec![to],
        });
    }
    for weight in 1..=3 {
        setup.groups.push(GroupSetup {
            name: "group".into(),
            band: 0,
            weight: Weight::whole(weight),
            cap: (rng.below(2) == 0).then(|| Rate::new(MB + below(rng, MB))),
            floor: None,
        });
    }
    for _ in 0..10 {
        let mut draw = || Some(Rate::new(MB / 2 + below(rng, 4 * MB)));
        let (up, down) = (draw(), draw());
        setup.peers.push(PeerSetup {
            up,
            down,
            region: u32::try_from(rng.below(3)).unwrap(),
            weight: Weight::whole(1 + u32::try_from(rng.below(4)).unwrap()),
            cap: (rng.below(4) == 0).then(|| Rate::new(MB / 2)),
            upload_cap: (rng.below(4) == 0).then(|| Rate::new(2 * MB)),
            group: (rng.below(3) == 0).then(|| u32::try_from(rng.below(3)).unwrap()),
            ..peer("peer", 1)
        });
    }
    while setup.transfers.len() < 50 {
        let source = u32::try_from(rng.below(10)).unwrap();
        let destination = u32::try_from(rng.below(10)).unwrap();
        if source == destination {
            continue;
        }
        let start = Time::from_nanos(below(rng, 20_000_000_000));
        for _ in 0..=rng.below(3) {
            setup.transfers.push(TransferSetup {
                source,
                start,
                chunk: ByteCount::kib(4 << rng.below(9)),
                weight: Weight::whole(1 + u32::try_from(rng.below(4)).unwrap()),
                cap: (rng.below(5) == 0).then(|| Rate::new(MB / 4)),
                band: u8::try_from(rng.below(3)).unwrap(),
                group: (rng.below(3) == 0).then(|| u32::try_from(rng.below(3)).unwrap()),
                ..transfer("t", destination, MB + below(rng, 20 * MB))
            });
        }
    }
    setup
}

/// Within a thousandth of what the slow oracle finds: what is left is the time that the first
/// requests take to build up, which is none here, and nanoseconds.
#[test]
fn random_networks_end_when_hierarchical_progressive_filling_says() {
    let mut rng = Rng::from_seed([11; 32]);
    for share in [Share::Peer, Share::Transfer, Share::Group] {
        for uplink in ["drr", "strict"] {
            for _ in 0..3 {
                let setup = network(&mut rng, share, uplink);
                let expected = oracle::completions(&setup);
                for (row, (got, expected)) in ends(&setup).iter().zip(expected).enumerate() {
                    let start = setup.transfers[row].start.as_secs_f64();
                    let (took, expected) = (got - start, expected - start);
                    assert!(
                        (took - expected).abs() <= 1e-3 * expected,
                        "{share:?} {uplink}: {row} took {took}, not {expected}"
                    );
                }
            }
        }
    }
}

/// Groups of weights 3 and 1 share 10 MB/s: 7.5 and 2.5, then the second has it all.
#[test]
fn a_group_has_its_weight_however_many_members_it_has() {
    let mut setup = star("drr", Share::Group, &[15 * MB, 15 * MB, 15 * MB]);
    for (weight, members) in [(3, 1..2), (1, 2..4)] {
        setup.groups.push(GroupSetup {
            name: "group".into(),
            weight: Weight::whole(weight),
            ..GroupSetup::default()
        });
        let group = u32::try_from(setup.groups.len() - 1).unwrap();
        for peer in &mut setup.peers[members] {
            peer.group = Some(group);
        }
    }
    // 15 MB at 7.5 MB/s; 2.5 MB each by then, 12.5 MB more at 5 MB/s.
    assert_ends(&setup, &[2.0, 4.5, 4.5], "3 : 1");
}

/// A floor of 6 MB/s for one of three; the others share the rest.
#[test]
fn a_floor_is_kept_and_the_rest_is_shared() {
    let mut setup = star("drr", Share::Peer, &[12 * MB, 4 * MB, 4 * MB]);
    setup.peers[1].floor = Some(Rate::new(6 * MB));
    assert_ends(&setup, &[2.0, 2.0, 2.0], "floor");
}

/// Four transfers of one pair and one of another: fair to the peer they have half between them,
/// fair to the transfer four fifths.
#[test]
fn several_transfers_of_a_pair_are_shared_among_as_the_policy_says() {
    // 2.5 MB each at 1.25 MB/s beside 10 MB at 5 MB/s; 4 MB each at 2 MB/s.
    for (share, many, one) in [
        (Share::Peer, 5 * MB / 2, 10 * MB),
        (Share::Transfer, 4 * MB, 4 * MB),
    ] {
        let mut setup = star("drr", share, &[many, one]);
        for _ in 0..3 {
            setup.transfers.push(transfer("t", 1, many));
        }
        assert_ends(&setup, &[2.0; 5], &format!("{share:?}"));
    }
}

/// 1 KiB chunks and 1 MiB chunks have one place each.
#[test]
fn neither_chunks_nor_blocks_change_a_share() {
    for block in [1, 256] {
        let mut setup = star("drr", Share::Peer, &[20 * MB; 4]);
        setup.policies[0].block = Some(SizeLimit::At(ByteCount::kib(block)));
        for (transfer, kib) in setup.transfers.iter_mut().zip([4, 16, 64, 1024]) {
            transfer.chunk = ByteCount::kib(kib);
        }
        assert_ends(&setup, &[8.0; 4], "chunks");
    }
}

/// Band 0 alone until it is done; within a band by weight.
#[test]
fn strict_serves_a_band_when_those_below_it_are_done() {
    let mut setup = star("strict", Share::Transfer, &[10 * MB, 20 * MB, 10 * MB]);
    setup.transfers[0].weight = Weight::ONE;
    setup.transfers[1].weight = Weight::whole(2);
    setup.transfers[2].band = 1;
    assert_ends(&setup, &[3.0, 3.0, 4.0], "strict");
}

/// Whoever waits behind a band that takes minutes is neither given up nor forgotten.
#[test]
fn strict_serves_a_band_that_waited_for_minutes_in_both_models() {
    for network in MODELS {
        let mut setup = star("strict", Share::Transfer, &[200 * MB, 2_000 * MB]);
        setup.network = network;
        setup.transfers[0].band = 1;
        let ends = ends(&setup);
        assert!((199.9..200.5).contains(&ends[1]), "{network:?}: {ends:?}");
        assert!((219.9..220.5).contains(&ends[0]), "{network:?}: {ends:?}");
    }
}

/// A band that its receivers slow down leaves the rest to the next one.
#[test]
fn strict_gives_the_next_band_what_the_first_cannot_use() {
    let mut setup = star("strict", Share::Transfer, &[10 * MB, 30 * MB]);
    setup.peers[1].down = Some(Rate::new(2 * MB));
    setup.transfers[1].band = 1;
    // 8 MB/s until 30 MB are had, at 3.75 s.
    assert_ends(&setup, &[5.0, 3.75], "strict");
}

/// Bands of peers where the policy is fair to them: who is in the second waits for the others.
#[test]
fn strict_serves_peers_by_their_bands_and_is_fair_within_one() {
    let mut setup = star("strict", Share::Peer, &[10 * MB; 3]);
    setup.peers[1].band = 1;
    assert_ends(&setup, &[3.0, 2.0, 2.0], "strict");
    // A group stands among the peers with a band of its own, not with its members'.
    setup.groups.push(GroupSetup {
        name: "late".into(),
        weight: Weight::ONE,
        band: 2,
        cap: None,
        floor: None,
    });
    setup.peers[2].group = Some(0);
    assert_ends(&setup, &[2.0, 3.0, 1.0], "a group");
}

/// The shortest first, one that comes with less left than the one in service before it.
#[test]
fn srpt_gives_the_whole_rate_to_who_is_nearest_to_the_end() {
    let mut setup = star("srpt", Share::Peer, &[30 * MB, 10 * MB, 5 * MB]);
    setup.transfers[2].start = Time::ZERO + Span::from_millis(200);
    // 10 MB: 2 MB by 0.2 s, 8 left; 5 MB first until 0.7 s; then until 1.5 s; 30 MB until 4.5 s.
    assert_ends(&setup, &[4.5, 1.5, 0.7], "srpt");
}

/// 10 MB alone until 1 s; the newcomer catches up by 2 s; then both share.
#[test]
fn las_serves_the_newcomer_until_it_is_level() {
    let mut setup = star("las", Share::Peer, &[15 * MB, 15 * MB]);
    setup.transfers[1].start = Time::ZERO + Span::SECOND;
    let (got, expected) = (ends(&setup), [3.0, 3.0]);
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() < 1e-4, "{got}");
    }
}

/// A floor of a group of which a peer may have a quarter: within that its transfers share by
/// weight.
#[test]
fn a_floor_above_what_a_limit_allows_is_shared_within_the_limit() {
    for narrow in [
        (|peer| peer.cap = Some(Rate::new(MB / 2))) as fn(&mut PeerSetup),
        |peer| peer.down = Some(Rate::new(MB / 2)),
    ] {
        let mut setup = star("drr", Share::Peer, &[20 * MB]);
        setup.transfers.push(transfer("t", 1, 12 * MB));
        setup.transfers[0].weight = Weight::whole(2);
        setup.groups.push(GroupSetup {
            floor: Some(Rate::new(2 * MB)),
            ..GroupSetup::default()
        });
        setup.peers[1].group = Some(0);
        narrow(&mut setup.peers[1]);
        assert_ends(&setup, &[60.0, 64.0], "a floor of 2 MB/s below 0.5");
    }
}

/// Floors of 12 and 8 MB/s on a link that has 10: 6 and 4, whether they are of peers or transfers.
#[test]
fn floors_that_do_not_fit_are_scaled_in_proportion_also_above_the_link() {
    for of_peers in [true, false] {
        let mut setup = star("drr", Share::Peer, &[60 * MB, 40 * MB]);
        for (row, floor) in [12, 8].into_iter().enumerate() {
            let floor = Some(Rate::new(floor * MB));
            match of_peers {
                true => setup.peers[row + 1].floor = floor,
                false => setup.transfers[row].floor = floor,
            }
        }
        assert_ends(&setup, &[10.0, 10.0], "floors");
    }
}

/// A transfer of 15 MB has 5 MB left after a second, when one of 7.5 MB is asked for. What was sent
/// no longer counts as left, although a receiver does not announce chunks to their sender.
#[test]
fn srpt_counts_what_is_left_and_not_what_there_was() {
    for model in MODELS {
        let mut setup = star("srpt", Share::Peer, &[15 * MB, 75 * MB / 10]);
        setup.network = model;
        for (transfer, millis) in setup.transfers.iter_mut().zip([0, 1_000]) {
            transfer.chunk = ByteCount::kib(256);
            transfer.start = Time::ZERO + Span::from_millis(millis);
        }
        for (got, expected) in ends(&setup).iter().zip([1.5, 2.25]) {
            assert!((got - expected).abs() < 0.1, "{model:?}: {got}");
        }
    }
}

/// Ends under least attained service by the rule itself: those served least share `rate`, in bytes
/// per second, until one of them ends, they reach the next, or one comes.
fn least_attained(rate: f64, jobs: &[(f64, f64)]) -> Vec<f64> {
    let (mut now, mut had) = (0.0, vec![0.0; jobs.len()]);
    let mut ends = vec![f64::INFINITY; jobs.len()];
    loop {
        let waits = |at: &usize| ends[*at].is_infinite() && jobs[*at].0 <= now;
        let active: Vec<usize> = (0..jobs.len()).filter(waits).collect();
        let arrivals = jobs.iter().map(|job| job.0).filter(|start| *start > now);
        let arrival = arrivals.fold(f64::INFINITY, f64::min);
        let least = active
            .iter()
            .map(|at| had[*at])
            .fold(f64::INFINITY, f64::min);
        let (first, later): (Vec<usize>, Vec<usize>) =
            active.iter().partition(|at| had[**at] - least < 1e-3);
        if first.is_empty() {
            if arrival.is_infinite() {
                return ends;
            }
            now = arrival;
            continue;
        }
        let each = rate / first.len() as f64;
        let next = later.iter().map(|at| had[*at] - least);
        let ended = first.iter().map(|at| jobs[*at].1 - had[*at]);
        let bytes = next.chain(ended).fold(f64::INFINITY, f64::min);
        let span = (bytes / each).min(arrival - now);
        now += span;
        for at in first {
            had[at] += span * each;
            if jobs[at].1 - had[at] < 1e-3 {
                ends[at] = now;
            }
        }
    }
}

/// Four levels that are reached one after the other, and as many as a source has at random. Jobs
/// are milliseconds and megabytes.
#[test]
fn las_agrees_with_its_rule_however_many_levels_are_reached() {
    let agrees = |jobs: &[(u32, u32)]| {
        let bytes: Vec<u64> = jobs.iter().map(|job| u64::from(job.1) * MB).collect();
        let mut setup = star("las", Share::Peer, &bytes);
        for (transfer, job) in setup.transfers.iter_mut().zip(jobs) {
            transfer.start = Time::ZERO + Span::from_millis(job.0.into());
        }
        let mega = |bytes: u32| f64::from(bytes) * MB as f64;
        let exact = jobs.iter().map(|job| (f64::from(job.0) / 1e3, mega(job.1)));
        let expected = least_attained(mega(10), &exact.collect::<Vec<_>>());
        for (got, expected) in ends(&setup).iter().zip(&expected) {
            let near = (got - expected).abs() < 1e-3;
            assert!(near, "{jobs:?}: {got}, not {expected}");
        }
    };
    agrees(&[(0, 8), (500, 8), (1_000, 3), (2_000, 5)]);
    let mut rng = Rng::from_seed([11; 32]);
    let mut draw = |end| u32::try_from(below(&mut rng, end)).unwrap();
    for _ in 0..40 {
        let count = 2 + draw(13);
        let jobs: Vec<_> = (0..count).map(|_| (draw(5_000), 1 + draw(20))).collect();
        agrees(&jobs);
    }
}

/// Each request in its turn: one after the other if they come in order and are one chunk.
#[test]
fn fifo_serves_requests_in_the_order_in_which_they_came() {
    let mut setup = star("fifo", Share::Peer, &[10 * MB; 3]);
    for (transfer, millis) in setup.transfers.iter_mut().zip([2, 1, 0]) {
        transfer.chunk = ByteCount::mib(64);
        transfer.start = Time::ZERO + Span::from_millis(millis);
    }
    assert_ends(&setup, &[3.0, 2.0, 1.0], "fifo");
}

/// The peers share; within the first the band decides.
#[test]
fn the_inner_discipline_orders_what_the_outer_one_gives() {
    let mut setup = star("drr/strict", Share::Peer, &[10 * MB, 10 * MB]);
    setup.transfers.push(TransferSetup {
        band: 1,
        ..transfer("t", 1, 10 * MB)
    });
    // 5 MB/s each until 2 s; then all to the band that waited.
    assert_ends(&setup, &[2.0, 2.0, 3.0], "drr/strict");
}

/// 1 s at 10 MB/s, 2 s of nothing, 1 s at 5 MB/s; the downlink stays as it is.
#[test]
fn a_link_can_stand_still_and_one_direction_change_alone() {
    for model in MODELS {
        let mut setup = star("drr", Share::Peer, &[15 * MB]);
        setup.network = model;
        setup.peers[1].down = Some(Rate::new(10 * MB));
        let change = |secs, up| FaultSetup {
            at: Time::ZERO + Span::from_secs(secs),
            kind: FaultKind::Capacity {
                peer: 0,
                up,
                down: NewRate::Keep,
            },
        };
        let at = |rate| NewRate::At(Rate::new(rate));
        setup.faults = vec![change(1, at(0)), change(3, at(5 * MB))];
        let end = ends(&setup)[0];
        assert!((3.99..4.03).contains(&end), "{model:?}: {end}");
        setup.faults[1] = change(3, NewRate::Unlimited);
        let end = ends(&setup)[0];
        // The downlink holds all the while.
        assert!((3.49..3.53).contains(&end), "{model:?}: {end}");
    }
}

/// Half of 10 MB by the time at which a link stops for good: the run ends without an error.
#[test]
fn a_link_that_the_scenario_stops_for_good_leaves_a_transfer_unfinished() {
    for model in MODELS {
        let mut setup = two_ways(false);
        setup.network = model;
        setup.transfers.truncate(1);
        setup.faults = vec![FaultSetup {
            at: Time::ZERO + Span::from_millis(500),
            kind: FaultKind::SharedCapacity {
                link: 0,
                capacity: Some(Rate::new(0)),
            },
        }];
        let record = go(&setup);
        let transfer = &record.transfers[0];
        assert_eq!(transfer.end, None, "{model:?}");
        assert!(
            (4..=5).contains(&(transfer.received.get() / MB)),
            "{model:?}"
        );
    }
}

/// With a window of 26 ms at 10 MB/s, so that who comes first is not far ahead.
const MODELS: [NetworkModel; 2] = [
    NetworkModel::Fluid,
    NetworkModel::Block {
        window: ByteCount::kib(256),
    },
];

/// Two peers on either side of a link of 10 MB/s, each the source of 10 MB.
fn two_ways(both: bool) -> Setup {
    let mut setup = setup(vec![peer("a", 100 * MB), peer("b", 100 * MB)]);
    setup.latency = Latency {
        regions: ["a", "b"].map(String::from).to_vec(),
        one_way: vec![Span::ZERO; 4],
    };
    setup.peers[1].region = 1;
    setup.links.push(SharedLinkSetup {
        name: "sea".into(),
        capacity: Rate::new(10 * MB),
        both,
        from: vec![0],
        to: vec![1],
    });
    setup.transfers = vec![
        transfer("there", 1, 10 * MB),
        TransferSetup {
            source: 1,
            ..transfer("back", 0, 10 * MB)
        },
    ];
    setup
}

#[test]
fn a_link_that_both_directions_share_carries_its_capacity_in_all() {
    for model in MODELS {
        let mut setup = two_ways(true);
        setup.network = model;
        for end in ends(&setup) {
            assert!((1.9..2.02).contains(&end), "{model:?}: {end}");
        }
        let mut setup = two_ways(false);
        setup.network = model;
        let ends = ends(&setup);
        assert!((0.99..1.02).contains(&ends[0]), "{model:?}: {ends:?}");
        assert!(ends[1] < 0.2, "{model:?}: {ends:?}");
    }
}

/// 0.5 s at 10 MB/s, half a second of nothing, then at 5 MB/s.
#[test]
fn a_shared_link_fails_and_comes_back() {
    for model in MODELS {
        let mut setup = two_ways(false);
        setup.network = model;
        let change = |millis, rate| FaultSetup {
            at: Time::ZERO + Span::from_millis(millis),
            kind: FaultKind::SharedCapacity {
                link: 0,
                capacity: Some(Rate::new(rate)),
            },
        };
        setup.faults = vec![change(500, 0), change(1_000, 5 * MB)];
        let end = ends(&setup)[0];
        assert!((1.99..2.03).contains(&end), "{model:?}: {end}");
    }
}

/// At 1 s nobody wants the first of two any more: the other has all from then on. One that has
/// not begun never does, and the run ends with the last that somebody wants.
#[test]
fn what_is_aborted_leaves_the_link_to_the_others() {
    for model in MODELS {
        let mut setup = star("drr", Share::Peer, &[30 * MB, 15 * MB, MB]);
        setup.network = model;
        setup.transfers[2].start = Time::ZERO + Span::from_secs(2);
        let abort = |transfer| FaultSetup {
            at: Time::ZERO + Span::SECOND,
            kind: FaultKind::Abort { transfer },
        };
        setup.faults = vec![abort(0), abort(2)];
        let record = go(&setup);
        let (first, last) = (&record.transfers[0], &record.transfers[2]);
        assert_eq!(
            (first.end, last.start, last.end),
            (None, None, None),
            "{model:?}"
        );
        assert!((4..=5).contains(&(first.received.get() / MB)), "{model:?}");
        let end = record.transfers[1].end.unwrap().as_secs_f64();
        assert!((1.99..2.06).contains(&end), "{model:?}: {end}");
    }
}

/// A receiver of 450 kB/s at an uplink of 9 MB/s that another one fills: 10 MB in 22.2 s, half a
/// round trip to ask and one to arrive, whatever the distance.
#[test]
fn a_narrow_receiver_far_away_is_served_at_its_own_rate() {
    for millis in [0, 10, 30] {
        for model in MODELS {
            let mut setup = star("drr", Share::Peer, &[10 * MB, 200 * MB]);
            setup.network = model;
            setup.latency = Latency {
                regions: ["here", "far"].map(String::from).to_vec(),
                one_way: [0, millis, millis, 0].map(Span::from_millis).to_vec(),
            };
            setup.peers[1].region = 1;
            setup.peers[1].down = Some(Rate::new(450_000));
            setup.peers[2].down = Some(Rate::new(40 * MB));
            let took = ends(&setup)[0];
            assert!((22.2..22.4).contains(&took), "{model:?} {millis}: {took}");
        }
    }
}
