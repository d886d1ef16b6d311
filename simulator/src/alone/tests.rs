use fairhaul_config::amount::SizeLimit;
use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::rng::Rng;
use fairhaul_core::sched;
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_core::uplink::Share;

use super::*;
use crate::metrics::{peer_slowdown, slowdown};
use crate::random::Streams;
use crate::setup::{GroupSetup, NetworkModel, NewRate};
use crate::world::tests::{peer, policy, setup, transfer};

/// A run, with the times alone.
fn measured(setup: &Setup) -> Record {
    let run = world::run(setup, &mut |_| ());
    let mut record = run.unwrap_or_else(|error| panic!("{error}: {setup:?}"));
    Alone::default().measure(setup, &mut record);
    record
}

fn seconds(secs: u64) -> Time {
    Time::ZERO + Span::from_secs(secs)
}

/// Three regions, a link that two of them share, and one transfer of a random size under random
/// caps, weights, floors and faults, with an idle bystander.
fn one_transfer(draws: &mut Rng, discipline: &str) -> Setup {
    let mut below = |most: usize| draws.below(most) as u64;
    let mut rate = |least: u64| Rate::new(least + 1_000 * below(2_000));
    let mut found = setup(vec![
        peer("idle", 1_000),
        peer("from", 1_000),
        peer("to", 1_000),
    ]);
    for row in [1, 2] {
        found.peers[row].up = Some(rate(100_000));
        found.peers[row].down = Some(rate(200_000));
        found.peers[row].region = u32::try_from(row).unwrap();
    }
    found.peers[1].upload_cap = Some(rate(150_000));
    let capped = rate(0).get().is_multiple_of(2_000);
    found.peers[2].cap = capped.then(|| rate(120_000));
    found.groups = vec![GroupSetup {
        name: "all".into(),
        cap: capped.then(|| rate(300_000)),
        floor: Some(Rate::new(10_000)),
        ..GroupSetup::default()
    }];
    found.links = vec![SharedLinkSetup {
        name: "sea".into(),
        capacity: rate(80_000),
        both: false,
        from: vec![1],
        to: Vec::new(),
    }];
    found.latency = Latency {
        regions: ["a", "b", "c"].map(str::to_owned).to_vec(),
        one_way: (0..9).map(|_| Span::from_micros(below(90_000))).collect(),
    };
    found.policies = vec![policy(discipline, "none")];
    found.policies[0].share = [Share::Peer, Share::Group, Share::Transfer][draws.below(3)];
    found.policies[0].block = [None, Some(SizeLimit::At(ByteCount::kib(16)))][draws.below(2)];
    let window = 65_536 << draws.below(6);
    found.network = match draws.below(2) {
        0 => NetworkModel::Fluid,
        _ => NetworkModel::Block {
            window: ByteCount::new(window),
        },
    };
    found.transfers = vec![TransferSetup {
        source: 1,
        chunk: ByteCount::kib(4 << draws.below(7)),
        start: Time::from_nanos(draws.below(3) as u64 * 1_234_567_891),
        weight: Weight::whole(3),
        floor: Some(Rate::new(5_000)),
        group: [None, Some(0)][draws.below(2)],
        ..transfer("t", 2, 1 + draws.below(3_000_000) as u64)
    }];
    found.faults = (0..draws.below(3) as u64)
        .map(|turn| FaultSetup {
            at: Time::from_nanos((1 + turn) * 777_777_777),
            kind: FaultKind::Capacity {
                peer: u32::try_from(draws.below(3)).expect("below 3"),
                up: NewRate::At(Rate::new(50_000 + 1_000 * draws.below(500) as u64)),
                down: NewRate::Unlimited,
            },
        })
        .collect();
    found
}

#[test]
fn a_transfer_that_is_alone_has_a_slowdown_of_exactly_one() {
    let mut draws = Streams::new(11, 0).stream("alone", "law");
    for turn in 0..20 {
        for row in sched::ALL {
            let setup = one_transfer(&mut draws, row.name);
            let record = measured(&setup);
            let found = slowdown(&record.transfers[0]);
            assert_eq!(found, Some(1.0), "{turn}, {}: {setup:?}", row.name);
        }
    }
}

// The source crashes and comes back: that belongs to its link, so it is no slowdown.
#[test]
fn what_happens_to_its_own_ends_happens_to_a_transfer_alone_too() {
    let mut setup = setup(vec![
        peer("bystander", 9),
        peer("from", 1_000_000),
        peer("to", 9),
    ]);
    setup.transfers = vec![TransferSetup {
        source: 1,
        ..transfer("t", 2, 10_000_000)
    }];
    let fault = |at, kind| FaultSetup {
        at: seconds(at),
        kind,
    };
    setup.faults = vec![
        fault(1, FaultKind::Crash { peer: 1 }),
        fault(2, FaultKind::Crash { peer: 0 }),
        fault(5, FaultKind::Restart { peer: 1 }),
    ];
    let record = measured(&setup);
    assert!(record.transfers[0].alone.unwrap() > Span::from_secs(13));
    assert_eq!(slowdown(&record.transfers[0]), Some(1.0));
}

// Two transfers of 1 MB at 1 MB/s to two peers: each takes 1 s alone and 2 s together, whatever
// the other's link does meanwhile. The one in between is unfinished and has no time alone.
#[test]
fn others_are_what_slowdown_is_made_of() {
    let mut setup = setup(vec![
        peer("from", 1_000_000),
        peer("one", 9),
        peer("other", 9),
    ]);
    setup.transfers = vec![
        transfer("first", 1, 1_000_000),
        TransferSetup {
            start: seconds(90),
            ..transfer("late", 1, 100_000_000)
        },
        transfer("second", 2, 1_000_000),
    ];
    setup.faults = vec![FaultSetup {
        at: seconds(1),
        kind: FaultKind::Capacity {
            peer: 2,
            up: NewRate::Unlimited,
            down: NewRate::At(Rate::new(10_000_000)),
        },
    }];
    setup.horizon = seconds(100);
    let record = measured(&setup);
    for row in [0, 2] {
        let found = slowdown(&record.transfers[row]).unwrap();
        assert!((1.9..2.01).contains(&found), "{found}");
        let alone = record.transfers[row].alone.unwrap().as_secs_f64();
        assert!((1.0..1.01).contains(&alone), "{alone}");
    }
    assert_eq!(record.transfers[1].alone, None);
}

// Twelve transfers at random times in one run: what is found for each, moved to the beginning
// and shared with its equals, is what a run of it at its own time takes.
#[test]
fn a_time_alone_does_not_depend_on_when_it_was_measured() {
    let mut draws = Streams::new(12, 0).stream("alone", "shift");
    let mut all = one_transfer(&mut draws, "drr");
    all.faults.clear();
    let pattern = all.transfers[0].clone();
    all.transfers = (0..12)
        .map(|turn| TransferSetup {
            start: Time::from_nanos(draws.below(20) as u64 * 987_654_321),
            bytes: ByteCount::new(200_000 + 1_000 * (turn % 3)),
            ..pattern.clone()
        })
        .collect();
    let alone = Alone::default();
    let mut record = world::run(&all, &mut |_| ()).unwrap();
    alone.measure(&all, &mut record);
    assert!(alone.lock().len() < 12, "equals were not found again");
    for (row, transfer) in all.transfers.iter().enumerate() {
        let only = Setup {
            transfers: vec![transfer.clone()],
            ..all.clone()
        };
        let single = &world::run(&only, &mut |_| ()).unwrap().transfers[0];
        let took = single.end.unwrap().since(single.start.unwrap());
        assert_eq!(record.transfers[row].alone, Some(took), "{row}");
    }
}

// A leecher alone with a seed of 1 MB/s needs 10 s for 10 MB, and is its own measure. Forty
// leechers of 1 MB/s each help each other beyond what the seed has.
#[test]
fn a_peer_alone_with_the_seeds_has_a_slowdown_of_exactly_one() {
    for unchoke in ["none", "wary-tit-for-tat"] {
        let mut setup = setup(vec![peer("seed", 1_000_000), peer("leecher", 1_000_000)]);
        setup.policies = vec![policy("drr", unchoke)];
        setup.contents = vec![ContentSetup {
            name: "content".into(),
            bytes: ByteCount::new(10_000_000),
            chunk: ByteCount::kib(256),
            seeds: vec![0],
            leechers: vec![1],
            start: Vec::new(),
        }];
        let record = measured(&setup);
        assert_eq!(peer_slowdown(&record.peers[1]), Some(1.0), "{unchoke}");
        assert_eq!(record.peers[0].alone, None);
    }
}

// The second of two leechers begins with half of 10 MB: 5 s of the seed of 1 MB/s are left to it.
#[test]
fn what_a_peer_held_before_it_holds_alone_too() {
    let mut setup = setup(vec![
        peer("seed", 1_000_000),
        peer("one", 1_000_000),
        peer("other", 1_000_000),
    ]);
    let half = Bitfield::from_words(vec![(1 << 20) - 1], 40).unwrap();
    setup.contents = vec![ContentSetup {
        name: "content".into(),
        bytes: ByteCount::new(10_000_000),
        chunk: ByteCount::new(250_000),
        seeds: vec![0],
        leechers: vec![1, 2],
        start: vec![Bitfield::empty(40), half],
    }];
    let record = measured(&setup);
    let alone = |row: usize| record.peers[row].alone.unwrap().as_secs_f64();
    assert!((10.0..10.1).contains(&alone(1)), "{}", alone(1));
    assert!((5.0..5.1).contains(&alone(2)), "{}", alone(2));
}
