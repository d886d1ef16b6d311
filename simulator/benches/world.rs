//! Steps of a whole simulation, checkers on: inputs handled by all cores.
//!
//! A flash crowd of 50 peers and one seed, 8 MiB in chunks of 64 KiB, tit-for-tat and rarest
//! first, in both network models. The throughput is in steps, so criterion prints steps per
//! second. `flash_crowd.rs` is the same at any size.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fairhaul_config::amount::{SizeLimit, TimeBetween};
use fairhaul_config::number::Bounded;
use fairhaul_config::policy::{ChokerName, DisciplineName, Policy, SeedRule};
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_core::uplink::Share;
use fairhaul_simulator::setup::{
    ContentSetup, Latency, LibrarySetup, NetworkModel, PeerSetup, Setup,
};
use fairhaul_simulator::world;

const LEECHERS: u32 = 50;

fn peer(row: u32) -> PeerSetup {
    PeerSetup {
        name: format!("peer.{row}"),
        class: "peer".into(),
        up: Some(Rate::new(1_250_000)),
        down: Some(Rate::new(6_250_000)),
        neighbours: 40,
        ..PeerSetup::default()
    }
}

fn setup(network: NetworkModel) -> Setup {
    Setup {
        rng_seed: 1,
        replication: 0,
        network,
        policies: vec![
            Policy {
                uplink: DisciplineName::of("drr"),
                share: Share::Peer,
                unchoke: ChokerName::of("wary-tit-for-tat"),
                seed_rule: SeedRule::of("round-robin"),
                slots: Bounded::new(4),
                rechoke: TimeBetween::new(10_000_000_000),
                block: Some(SizeLimit::At(ByteCount::kib(64))),
                ..Policy::default()
            }
            .into(),
        ],
        latency: Latency {
            regions: vec!["one".into()],
            one_way: vec![Span::from_millis(20)],
        },
        links: Vec::new(),
        groups: Vec::new(),
        peers: (0..=LEECHERS).map(peer).collect(),
        contents: vec![ContentSetup {
            name: "content".into(),
            bytes: ByteCount::mib(8),
            chunk: ByteCount::kib(64),
            seeds: vec![0],
            leechers: (1..=LEECHERS).collect(),
            start: Vec::new(),
        }],
        transfers: Vec::new(),
        faults: Vec::new(),
        library: LibrarySetup::default(),
        ideal_share: None,
        horizon: Time::ZERO + Span::from_secs(100_000),
        windows: Vec::new(),
        event_budget: 1_000_000_000,
    }
}

fn steps(c: &mut Criterion) {
    let mut group = c.benchmark_group("world");
    group.sample_size(10);
    let block = NetworkModel::Block {
        window: ByteCount::mib(4),
    };
    for (name, network) in [("block", block), ("fluid", NetworkModel::Fluid)] {
        let setup = setup(network);
        let run = || world::run(&setup, &mut |_| ()).expect("the swarm completes");
        group.throughput(Throughput::Elements(run().steps));
        group.bench_function(name, |b| b.iter(|| black_box(run())));
    }
    group.finish();
}

criterion_group!(benches, steps);
criterion_main!(benches);
