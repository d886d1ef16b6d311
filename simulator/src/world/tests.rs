mod adversaries;
mod bent;
mod checks;
mod chokers;
mod deliveries;
mod fluid;
mod hierarchy;
mod honest;
mod shares;

use fairhaul_config::amount::{SizeLimit, TimeBetween};
use fairhaul_config::number::Bounded;
use fairhaul_config::policy::{ChokerName, DisciplineName, Policy, SeedRule};
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_core::uplink::Share;

use super::{RunError, run};
use crate::record::Record;
use crate::setup::{
    ContentSetup, FaultKind, FaultSetup, Latency, LibrarySetup, NetworkModel, PeerSetup,
    PolicySetup, Setup, TransferSetup,
};

pub(crate) fn policy(uplink: &str, unchoke: &str) -> PolicySetup {
    let policy = Policy {
        uplink: DisciplineName::of(uplink),
        share: Share::Peer,
        unchoke: ChokerName::of(unchoke),
        seed_rule: SeedRule::of("even"),
        slots: Bounded::new(4),
        rechoke: TimeBetween::new(10_000_000_000),
        block: Some(SizeLimit::At(ByteCount::kib(16))),
        ..Policy::default()
    };
    policy.into()
}

pub(crate) fn peer(name: &str, up: u64) -> PeerSetup {
    PeerSetup {
        name: name.into(),
        class: "peer".into(),
        up: Some(Rate::new(up)),
        neighbours: 40,
        ..PeerSetup::default()
    }
}

pub(crate) fn transfer(name: &str, destination: u32, bytes: u64) -> TransferSetup {
    TransferSetup {
        name: name.into(),
        class: "bulk".into(),
        source: 0,
        destination,
        bytes: ByteCount::new(bytes),
        chunk: ByteCount::kib(256),
        start: Time::ZERO,
        weight: Weight::ONE,
        cap: None,
        floor: None,
        group: None,
        band: 0,
    }
}

pub(crate) fn setup(peers: Vec<PeerSetup>) -> Setup {
    Setup {
        rng_seed: 1,
        replication: 0,
        network: NetworkModel::Block {
            window: ByteCount::mib(4),
        },
        policies: vec![policy("drr", "none")],
        latency: Latency::default(),
        links: Vec::new(),
        groups: Vec::new(),
        peers,
        contents: Vec::new(),
        transfers: Vec::new(),
        faults: Vec::new(),
        library: LibrarySetup::default(),
        ideal_share: None,
        horizon: Time::ZERO + Span::from_secs(1_000_000),
        windows: Vec::new(),
        event_budget: 1_000_000_000,
    }
}

/// A seed and `leechers` others, all with uplinks of 1 MB/s.
fn swarm(leechers: u32, bytes: u64) -> Setup {
    let peers = (0..=leechers)
        .map(|row| peer(&format!("peer.{row}"), 1_000_000))
        .collect();
    let content = ContentSetup {
        name: "content".into(),
        bytes: ByteCount::new(bytes),
        chunk: ByteCount::kib(256),
        seeds: vec![0],
        leechers: (1..=leechers).collect(),
        start: Vec::new(),
    };
    Setup {
        contents: vec![content],
        ..setup(peers)
    }
}

pub(super) fn go(setup: &Setup) -> Record {
    run(setup, &mut |_| ()).unwrap()
}

fn secs(time: Option<Time>) -> f64 {
    time.unwrap().as_secs_f64()
}

/// One uplink of 1 MB/s, one transfer of 10 MB, no delay: 10 s and the time of one block.
#[test]
fn a_transfer_alone_takes_its_bytes_over_the_rate() {
    for network in [
        NetworkModel::Block {
            window: ByteCount::mib(4),
        },
        NetworkModel::Fluid,
    ] {
        let mut setup = setup(vec![peer("a", 1_000_000), peer("b", 1_000_000)]);
        setup.network = network;
        setup.transfers = vec![transfer("t", 1, 10_000_000)];
        let record = go(&setup);
        let took = secs(record.transfers[0].end);
        assert!((10.0..10.02).contains(&took), "{network:?}: {took}");
    }
}

/// One uplink of 7 MB/s and three transfers with weights 1, 2, 4: in the first second they
/// get 1, 2 and 4 MB, within a block each and what a chunk in flight hides.
#[test]
fn weights_share_an_uplink() {
    let peers = ["a", "b", "c", "d"]
        .map(|name| peer(name, 7_000_000))
        .to_vec();
    for uplink in ["drr", "sfq", "wf2q+", "sparse-drr"] {
        let mut setup = setup(peers.clone());
        setup.policies = vec![policy(uplink, "none")];
        setup.windows = vec![Span::SECOND];
        setup.transfers = [1, 2, 4]
            .iter()
            .zip(1..)
            .map(|(weight, peer)| TransferSetup {
                weight: Weight::whole(*weight),
                ..transfer("t", peer, 100_000_000)
            })
            .collect();
        setup.policies[0].share = Share::Transfer;
        setup.horizon = Time::ZERO + Span::from_secs(4);
        let record = go(&setup);
        for (weight, row) in [1.0, 2.0, 4.0].iter().zip(0..) {
            let flow = crate::record::FlowName::Transfer(row);
            let window = record
                .windows
                .iter()
                .find(|window| window.flow == flow && window.start > Time::ZERO);
            let got = window.unwrap().bytes.get();
            #[allow(clippy::cast_precision_loss, reason = "a test with wide tolerance")]
            let share = got as f64 / 1e6;
            assert!(
                (share - weight).abs() < 0.1,
                "{uplink}: {share} for weight {weight}"
            );
        }
    }
}

/// A slow receiver shares an uplink with a fast one: the fast one gets all that is left.
#[test]
fn a_slow_receiver_does_not_hold_up_the_others() {
    let mut setup = setup(vec![
        peer("a", 10_000_000),
        peer("slow", 1),
        peer("fast", 1),
    ]);
    setup.peers[1].down = Some(Rate::new(1_000_000));
    setup.transfers = vec![
        transfer("slow", 1, 10_000_000),
        transfer("fast", 2, 81_000_000),
    ];
    let record = go(&setup);
    let (slow, fast) = (secs(record.transfers[0].end), secs(record.transfers[1].end));
    assert!((9.9..10.6).contains(&slow), "{slow}");
    assert!((8.9..9.8).contains(&fast), "{fast}");
}

// Slots go round every second 50 ms away from a slow seed, and who is complete leaves. A refusal
// that is heard before the choke that it follows, or after the next unchoke, says that its sender
// has lost the chunk: then the last ones wait for a chunk that nobody offers.
#[test]
fn no_refusal_is_heard_before_the_choke_that_it_follows() {
    for seed in 0..20 {
        let mut setup = swarm(8, 2_000_000);
        setup.rng_seed = seed;
        setup.latency = Latency {
            regions: vec!["one".into()],
            one_way: vec![Span::from_millis(50)],
        };
        setup.contents[0].chunk = ByteCount::kib(64);
        setup.policies[0] = Policy {
            seed_rule: SeedRule::of("round-robin"),
            slots: Bounded::new(2),
            rechoke: TimeBetween::new(1_000_000_000),
            ..policy("drr", "wary-tit-for-tat").policy
        }
        .into();
        for peer in &mut setup.peers[1..] {
            peer.linger = Some(Span::ZERO);
        }
        setup.peers[0].up = Some(Rate::new(30_000));
        let record = run(&setup, &mut |_| {}).unwrap();
        assert!(
            record.peers[1..]
                .iter()
                .all(|peer| peer.completed.is_some())
        );
    }
}

/// Sixteen equal peers and a seed: no policy beats the bounds, and a good one comes close.
#[test]
fn a_swarm_of_equals_comes_close_to_the_bound() {
    for network in [
        NetworkModel::Block {
            window: ByteCount::mib(4),
        },
        NetworkModel::Fluid,
    ] {
        let mut setup = swarm(16, 64 << 20);
        setup.network = network;
        setup.policies[0].unchoke = ChokerName::of("wary-tit-for-tat");
        setup.policies[0].seed_rule = SeedRule::of("round-robin");
        let record = go(&setup);
        let content = &record.contents[0];
        let (took, bound) = (content.makespan.unwrap(), content.mundinger.unwrap());
        assert!(took >= bound, "{took} beats {bound}");
        assert!(took >= content.kumar_ross.unwrap());
        let ratio = took.as_secs_f64() / bound.as_secs_f64();
        assert!(ratio < 1.2, "{network:?}: {ratio} times the bound");
    }
}

/// Register: I8.
#[test]
fn the_same_setup_has_the_same_digest_and_another_seed_another() {
    let setup = Setup {
        policies: vec![policy("drr", "wary-tit-for-tat")],
        ..swarm(20, 8 << 20)
    };
    let digest = go(&setup).digest;
    assert_eq!(go(&setup).digest, digest);
    assert_ne!(
        go(&Setup {
            rng_seed: 2,
            ..setup.clone()
        })
        .digest,
        digest
    );
    assert_ne!(
        go(&Setup {
            replication: 1,
            ..setup
        })
        .digest,
        digest
    );
}

/// The only source of a transfer is gone for good: nobody waits for it, and the rest goes on.
#[test]
fn a_transfer_whose_source_is_gone_does_not_keep_the_run() {
    let mut setup = setup(vec![
        peer("a", 1_000_000),
        peer("b", 1),
        peer("c", 1_000_000),
    ]);
    setup.transfers = vec![
        transfer("lost", 1, 10_000_000),
        TransferSetup {
            source: 2,
            ..transfer("kept", 1, 5_000_000)
        },
    ];
    let at = Time::ZERO + Span::SECOND;
    setup.faults = vec![FaultSetup {
        at,
        kind: FaultKind::Crash { peer: 0 },
    }];
    let record = go(&setup);
    assert_eq!(record.transfers[0].end, None);
    assert!((4.9..5.1).contains(&secs(record.transfers[1].end)));
}

/// A crash for 10 s in the middle of a 10 s transfer: it resumes, and loses at most what was
/// in flight.
#[test]
fn a_transfer_resumes_after_a_crash() {
    for crashed in [0, 1] {
        let mut setup = setup(vec![peer("a", 1_000_000), peer("b", 1_000_000)]);
        setup.transfers = vec![transfer("t", 1, 10_000_000)];
        let at = |secs| Time::ZERO + Span::from_secs(secs);
        setup.faults = vec![
            FaultSetup {
                at: at(5),
                kind: FaultKind::Crash { peer: crashed },
            },
            FaultSetup {
                at: at(15),
                kind: FaultKind::Restart { peer: crashed },
            },
        ];
        let took = secs(go(&setup).transfers[0].end);
        assert!((20.0..21.5).contains(&took), "{took}");
    }
}

/// A leecher joins a swarm whose only seed has left: it says so, loudly.
#[test]
fn work_that_nobody_can_do_is_an_error_that_names_who_waits() {
    let mut setup = swarm(2, 1 << 20);
    setup.faults = vec![FaultSetup {
        at: Time::ZERO,
        kind: FaultKind::Crash { peer: 0 },
    }];
    let error = run(&setup, &mut |_| ()).unwrap_err();
    assert!(matches!(error, RunError::Stuck { .. }), "{error}");
    assert!(error.to_string().contains("peer.1"), "{error}");
}
