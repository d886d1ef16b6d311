//! Whole runs on loopback, with the engine that stands beside the tests.

use std::path::PathBuf;

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_simulator::record::Record;
use fairhaul_simulator::setup::{
    Behaviour, ContentSetup, FaultKind, FaultSetup, Latency, NetworkModel, PeerSetup, PolicySetup,
    Setup, TransferSetup,
};

use super::loopback::Loopback;
use super::parameters::Links;
use super::place::{Place, PlaceError};
use super::{EmulateError, Interrupt, Options, play};

/// The engine's program; none if only the lab was built.
fn engine() -> Option<PathBuf> {
    let test = std::env::current_exe().unwrap();
    let program = test.parent()?.parent()?.join("fairhaul");
    if !program.is_file() {
        println!("skipped: no {}; cargo build --workspace", program.display());
        return None;
    }
    Some(program)
}

fn peer(name: &str, up: u64) -> PeerSetup {
    PeerSetup {
        name: name.into(),
        class: "peer".into(),
        region: 0,
        up: Some(Rate::new(up)),
        down: None,
        upload_cap: None,
        burst: None,
        download_cap: None,
        join: Time::ZERO,
        leave: None,
        linger: None,
        policy: 0,
        group: None,
        weight: Weight::ONE,
        cap: None,
        floor: None,
        neighbours: 40,
        behaviour: Behaviour::Compliant,
    }
}

fn transfer(name: &str, destination: u32, bytes: u64) -> TransferSetup {
    TransferSetup {
        name: name.into(),
        class: "bulk".into(),
        source: 0,
        destination,
        bytes: ByteCount::new(bytes),
        chunk: ByteCount::kib(64),
        start: Time::ZERO,
        weight: Weight::ONE,
        cap: None,
        floor: None,
        group: None,
        band: 0,
    }
}

fn setup(peers: Vec<PeerSetup>) -> Setup {
    Setup {
        rng_seed: 1,
        replication: 0,
        network: NetworkModel::Block {
            window: ByteCount::mib(1),
        },
        policies: vec![PolicySetup {
            uplink: "drr".into(),
            share: "transfer".into(),
            unchoke: "tit-for-tat".into(),
            seed_rule: "even".into(),
            picker: "rarest-first".into(),
            slots: 4,
            rechoke: Span::from_secs(2),
            block: None,
            quantum: None,
            pipeline: None,
        }],
        latency: Latency::default(),
        links: Vec::new(),
        groups: Vec::new(),
        peers,
        contents: Vec::new(),
        transfers: Vec::new(),
        faults: Vec::new(),
        horizon: Time::ZERO + Span::from_secs(60),
        windows: vec![Span::from_millis(500)],
        event_budget: 1_000_000,
    }
}

fn at(millis: u64) -> Time {
    Time::ZERO + Span::from_millis(millis)
}

fn options(speed: u32) -> Options {
    Options {
        speed,
        links: Links::Caps,
        interrupt: Interrupt::default(),
    }
}

fn run(setup: &Setup, speed: u32) -> Option<Result<Record, EmulateError>> {
    let engine = engine()?;
    let mut place = Loopback::new(setup.peers.len(), &engine, None, false).unwrap();
    let work = place.work().to_owned();
    let result = play(setup, &mut place, &options(speed), &mut |_| {});
    place.close().unwrap();
    assert!(!work.exists());
    Some(result)
}

fn secs(time: Time) -> f64 {
    time.since(Time::ZERO).as_secs_f64()
}

/// 4 MB/s, of which a node uses 98 %; 3 MB with weight 3 and 3 MB with weight 1: the first is
/// done after 4 MB, 1.02 s, the second after 6 MB, 1.53 s. In the first half of a second the
/// first gets three quarters.
#[test]
fn two_transfers_share_an_uplink_by_weight() {
    let mut setup = setup(vec![peer("source", 4_000_000), peer("a", 4_000_000), peer("b", 4_000_000)]);
    setup.transfers = vec![transfer("heavy", 1, 3_000_000), transfer("light", 2, 3_000_000)];
    setup.transfers[0].weight = Weight::whole(3);
    let Some(record) = run(&setup, 1) else { return };
    let record = record.unwrap();
    let ends: Vec<f64> = record.transfers.iter().map(|row| secs(row.end.unwrap())).collect();
    assert!((0.9..1.6).contains(&ends[0]), "{ends:?}");
    assert!((1.4..2.6).contains(&ends[1]), "{ends:?}");
    for row in &record.transfers {
        assert_eq!(row.received, ByteCount::new(3_000_000));
        assert!(row.start.unwrap() <= row.first_byte.unwrap());
        assert!(row.first_byte.unwrap() < row.end.unwrap());
        assert!(row.entitlement > ByteCount::new(2_000_000), "{row:?}");
    }
    let first: Vec<u64> = record
        .windows
        .iter()
        .filter(|row| row.start == Time::ZERO)
        .map(|row| row.bytes.get())
        .collect();
    let share = first[0] as f64 / (first[0] + first[1]) as f64;
    assert!((0.6..0.85).contains(&share), "{first:?}");
    let sent: u64 = record.pairs.iter().map(|pair| pair.bytes.get()).sum();
    assert_eq!(sent, 6_000_000);
}
