//! How far the fluid network is from the block network, and from an exact solver.
//!
//! `agreement [CASES]` prints a CSV: for each fair discipline and each key of `share` the greatest
//! difference of a share and of a completion time between the two networks over `CASES` random
//! uplinks, and the greatest difference of a completion time between the fluid network and
//! hierarchical progressive filling over as many random networks. What misses its aim stays in the
//! table; the exact solver must be met. Both networks run the same cores and requests.

#![allow(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::error::Error;
use std::process::ExitCode;

use fairhaul_config::amount::TimeBetween;
use fairhaul_config::number::Bounded;
use fairhaul_config::policy::{ChokerName, DisciplineName, Policy, SeedRule};
use fairhaul_core::rng::Rng;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_core::uplink::Share;
use fairhaul_simulator::fluid_reference::oracle;
use fairhaul_simulator::record::{FlowName, Record};
use fairhaul_simulator::setup::{
    GroupSetup, Latency, NetworkModel, PeerSetup, Setup, SharedLinkSetup, TransferSetup,
};
use fairhaul_simulator::world;

const MB: u64 = 1_000_000;
const FAIR: [&str; 5] = ["drr", "sparse-drr", "sfq", "wf2q+", "mclock"];
const SHARES: [(Share, &str); 3] = [
    (Share::Peer, "peer"),
    (Share::Group, "group"),
    (Share::Transfer, "transfer"),
];
/// Shares are taken over this long.
const WINDOW: Span = Span::from_secs(20);
/// The largest block of the uplinks drawn here.
const BLOCK: f64 = 32_768.0;
/// Greatest differences allowed, in percent.
const SHARE_MAX: f64 = 2.0;
const COMPLETION_MAX: f64 = 3.0;
const EXACT_MAX: f64 = 1.0;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let cases = match std::env::args().nth(1) {
        Some(text) => text.parse()?,
        None => 10,
    };
    println!("against,uplink,share,cases,transfers,share_worst_pct,completion_worst_pct,holds");
    let mut is_exact = true;
    for uplink in FAIR {
        for (share, name) in SHARES {
            let mut worst = [0.0_f64; 2];
            let mut transfers = 0;
            for case in 0..cases {
                let setup = random_uplink(&mut stream(case, 1), uplink, share);
                transfers += setup.transfers.len();
                let here = against_blocks(&setup)?;
                worst = [worst[0].max(here[0]), worst[1].max(here[1])];
            }
            let holds = worst[0] <= SHARE_MAX && worst[1] <= COMPLETION_MAX;
            let [shares, ends] = worst;
            println!("block,{uplink},{name},{cases},{transfers},{shares:.3},{ends:.3},{holds}");
        }
    }
    for uplink in ["drr", "strict"] {
        for (share, name) in SHARES {
            let (mut worst, mut transfers) = (0.0_f64, 0);
            for case in 0..cases {
                let setup = random_network(&mut stream(case, 2), uplink, share);
                transfers += setup.transfers.len();
                worst = worst.max(against_solver(&setup)?);
            }
            let holds = worst <= EXACT_MAX;
            is_exact &= holds;
            println!("solver,{uplink},{name},{cases},{transfers},,{worst:.4},{holds}");
        }
    }
    Ok(if is_exact {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The draws of one case: the same for every discipline.
fn stream(case: u8, kind: u8) -> Rng {
    let mut seed = [0; 32];
    (seed[0], seed[1]) = (case, kind);
    Rng::from_seed(seed)
}

/// The greatest difference of a share and of a completion time, in percent.
fn against_blocks(setup: &Setup) -> Result<[f64; 2], Box<dyn Error>> {
    let with = |network| Setup {
        network,
        windows: vec![WINDOW],
        ..setup.clone()
    };
    let block = NetworkModel::Block {
        window: ByteCount::mib(1),
    };
    let (fluid, block) = (
        world::run(&with(NetworkModel::Fluid), &mut |_| ())?,
        world::run(&with(block), &mut |_| ())?,
    );
    let shares = worst(
        &near(&shares(setup, &fluid), &shares(setup, &block)),
        &shares(setup, &block),
    );
    Ok([shares, worst(&took(setup, &fluid), &took(setup, &block))])
}

/// The greatest difference of a completion time, in percent.
fn against_solver(setup: &Setup) -> Result<f64, Box<dyn Error>> {
    let record = world::run(setup, &mut |_| ())?;
    let ends = oracle::completions(setup);
    let starts = setup.transfers.iter().map(|row| row.start.as_secs_f64());
    let exact: Vec<f64> = ends
        .iter()
        .zip(starts)
        .map(|(end, start)| end - start)
        .collect();
    Ok(worst(&took(setup, &record), &exact))
}

/// Bytes of each transfer in the second window: in the first requests build up, and in none has
/// anybody ended.
fn shares(setup: &Setup, record: &Record) -> Vec<f64> {
    let mut shares = vec![0.0; setup.transfers.len()];
    for window in &record.windows {
        if let FlowName::Transfer(row) = window.flow
            && window.start == Time::ZERO + WINDOW
        {
            shares[row as usize] = window.bytes.get() as f64;
        }
    }
    shares
}

/// `one`, a block nearer to `other`: which of two windows a block falls into is no share.
fn near(one: &[f64], other: &[f64]) -> Vec<f64> {
    let pairs = one.iter().zip(other);
    pairs
        .map(|(one, other)| one + (other - one).clamp(-BLOCK, BLOCK))
        .collect()
}

/// Seconds that each transfer took; infinite if it did not end.
fn took(setup: &Setup, record: &Record) -> Vec<f64> {
    let rows = record.transfers.iter().zip(&setup.transfers);
    rows.map(|(row, transfer)| {
        let end = row.end.map_or(f64::INFINITY, Time::as_secs_f64);
        end - transfer.start.as_secs_f64()
    })
    .collect()
}

fn worst(one: &[f64], other: &[f64]) -> f64 {
    let differences = one
        .iter()
        .zip(other)
        .map(|(one, other)| (one / other - 1.0).abs());
    differences.fold(0.0, |worst, next| {
        if next > worst || next.is_nan() {
            next
        } else {
            worst
        }
    }) * 100.0
}

/// One uplink of 5 to 15 MB/s and four to twelve peers, 0 to 60 ms away, with one to three
/// transfers each, none of which can end within 40 s. Weights differ; some peers and groups have
/// a floor or a cap, some peers a narrow downlink.
fn random_uplink(rng: &mut Rng, uplink: &str, share: Share) -> Setup {
    let up = (5 + below(rng, 11)) * MB;
    let mut setup = empty(uplink, share);
    setup.latency = Latency {
        regions: ["here", "near", "far"].map(String::from).to_vec(),
        one_way: [0, 10, 30, 10, 0, 20, 30, 20, 0]
            .map(Span::from_millis)
            .to_vec(),
    };
    for group in 0..3 {
        setup.groups.push(GroupSetup {
            name: format!("group.{group}"),
            band: 0,
            weight: Weight::whole(1 + small(rng, 4)),
            cap: (below(rng, 3) == 0).then(|| Rate::new(up / 6)),
            floor: (group == 0).then(|| Rate::new(up / 8)),
        });
    }
    setup.peers.push(peer("source".into(), Some(up)));
    let peers = 4 + small(rng, 9);
    for row in 1..=peers {
        let group = (below(rng, 2) == 0).then(|| small(rng, 3));
        let row = PeerSetup {
            region: small(rng, 3),
            weight: Weight::whole(1 + small(rng, 4)),
            down: Some(Rate::new(if below(rng, 4) == 0 { up / 20 } else { 4 * up })),
            cap: (below(rng, 5) == 0).then(|| Rate::new(up / 25)),
            floor: (below(rng, 8) == 0).then(|| Rate::new(up / 50)),
            group,
            ..peer(format!("peer.{row}"), None)
        };
        setup.peers.push(row);
    }
    for destination in 1..=peers {
        for _ in 0..=below(rng, 3) {
            let row = TransferSetup {
                destination,
                weight: Weight::whole(1 + small(rng, 4)),
                group: setup.peers[destination as usize].group,
                chunk: ByteCount::kib(64 << below(rng, 3)),
                ..transfer(up * 40 + below(rng, up * 8))
            };
            setup.transfers.push(row);
        }
    }
    setup
}

/// Ten peers in three regions with two links between them, and fifty transfers or a few more that
/// start within 20 s, up to three of one pair, in chunks of 4 KiB to 1 MiB.
fn random_network(rng: &mut Rng, uplink: &str, share: Share) -> Setup {
    let mut setup = empty(uplink, share);
    setup.network = NetworkModel::Fluid;
    setup.latency = Latency {
        regions: ["a", "b", "c"].map(String::from).to_vec(),
        one_way: vec![Span::ZERO; 9],
    };
    for (from, to) in [(0, 1), (1, 2)] {
        setup.links.push(SharedLinkSetup {
            name: format!("link.{from}"),
            capacity: Rate::new(MB + below(rng, 4 * MB)),
            both: below(rng, 2) == 0,
            from: vec![from],
            to: vec![to],
        });
    }
    for row in 0..10 {
        let row = PeerSetup {
            region: small(rng, 3),
            down: Some(Rate::new(MB / 2 + below(rng, 4 * MB))),
            weight: Weight::whole(1 + small(rng, 4)),
            cap: (below(rng, 4) == 0).then(|| Rate::new(MB / 2)),
            upload_cap: (below(rng, 4) == 0).then(|| Rate::new(2 * MB)),
            ..peer(format!("peer.{row}"), Some(MB / 2 + below(rng, 4 * MB)))
        };
        setup.peers.push(row);
    }
    while setup.transfers.len() < 50 {
        let (source, destination) = (small(rng, 10), small(rng, 10));
        if source == destination {
            continue;
        }
        let start = Time::from_nanos(below(rng, 20_000_000_000));
        for _ in 0..=below(rng, 3) {
            let row = TransferSetup {
                source,
                destination,
                start,
                chunk: ByteCount::kib(4 << below(rng, 9)),
                weight: Weight::whole(1 + small(rng, 4)),
                cap: (below(rng, 5) == 0).then(|| Rate::new(MB / 4)),
                band: u8::try_from(below(rng, 3)).expect("below three"),
                ..transfer(MB + below(rng, 20 * MB))
            };
            setup.transfers.push(row);
        }
    }
    setup
}

fn below(rng: &mut Rng, end: u64) -> u64 {
    let end = usize::try_from(end).expect("this machine has 64 bits");
    rng.below(end) as u64
}

fn small(rng: &mut Rng, end: u64) -> u32 {
    u32::try_from(below(rng, end)).expect("asked for below a few")
}

fn empty(uplink: &str, share: Share) -> Setup {
    Setup {
        rng_seed: 1,
        network: NetworkModel::Fluid,
        policies: vec![
            Policy {
                uplink: DisciplineName::of(uplink),
                share,
                unchoke: ChokerName::of("none"),
                seed_rule: SeedRule::of("even"),
                slots: Bounded::new(4),
                rechoke: TimeBetween::new(10_000_000_000),
                block: None,
                ..Policy::default()
            }
            .into(),
        ],
        horizon: Time::ZERO + Span::from_secs(1_000_000),
        event_budget: 1_000_000_000,
        ..Setup::default()
    }
}

fn peer(name: String, up: Option<u64>) -> PeerSetup {
    PeerSetup {
        name,
        class: "peer".into(),
        up: up.map(Rate::new),
        neighbours: 40,
        ..PeerSetup::default()
    }
}

fn transfer(bytes: u64) -> TransferSetup {
    TransferSetup {
        name: "transfer".into(),
        class: "transfer".into(),
        bytes: ByteCount::new(bytes),
        chunk: ByteCount::kib(256),
        ..TransferSetup::default()
    }
}
