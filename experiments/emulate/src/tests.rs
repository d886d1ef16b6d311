//! Whole runs on loopback, with the engine that stands beside the tests.
//!
//! What is counted is held to what must hold on any machine: every byte is there, and nothing is
//! faster than caps allow. How close real nodes come to the simulated ones is measured by
//! `scripts/worlds.sh`, and stands in `results/worlds`.

use std::path::PathBuf;
use std::time::Duration;

use fairhaul_config::amount::{SizeLimit, TimeBetween};
use fairhaul_config::number::Bounded;
use fairhaul_config::policy::{DisciplineName, Policy, SeedRule};
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_core::uplink::Share;
use fairhaul_simulator::behaviour::{Behaviour, Bundle};
use fairhaul_simulator::record::Record;
use fairhaul_simulator::setup::{
    ContentSetup, FaultKind, FaultSetup, Latency, LibrarySetup, NetworkModel, PeerSetup, Setup,
    TransferSetup,
};

use super::environment::{Environment, EnvironmentError};
use super::loopback::Loopback;
use super::parameters::Links;
use super::{EmulateError, Interrupt, ReplayOptions, mask, play};

/// The engine's program; none if only the lab was built.
fn engine() -> Option<PathBuf> {
    let test = std::env::current_exe().unwrap();
    let program = test.parent()?.parent()?.join("fairhaul");
    if !program.is_file() {
        eprintln!("skipped: no {}; cargo build --workspace", program.display());
        return None;
    }
    Some(program)
}

pub(super) fn peer(name: &str, up: u64) -> PeerSetup {
    PeerSetup {
        name: name.into(),
        class: "peer".into(),
        up: Some(Rate::new(up)),
        neighbours: 40,
        ..PeerSetup::default()
    }
}

pub(super) fn transfer(name: &str, destination: u32, bytes: u64) -> TransferSetup {
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

pub(super) fn setup(peers: Vec<PeerSetup>) -> Setup {
    Setup {
        rng_seed: 1,
        replication: 0,
        network: NetworkModel::Block {
            window: ByteCount::mib(1),
        },
        policies: vec![
            Policy {
                share: Share::Transfer,
                seed_rule: SeedRule::of("even"),
                slots: Bounded::new(4),
                rechoke: TimeBetween::new(2_000_000_000),
                ..Policy::default()
            }
            .into(),
        ],
        latency: Latency::default(),
        links: Vec::new(),
        groups: Vec::new(),
        peers,
        contents: Vec::new(),
        transfers: Vec::new(),
        faults: Vec::new(),
        library: LibrarySetup::default(),
        ideal_share: None,
        horizon: Time::ZERO + Span::from_secs(60),
        windows: vec![Span::from_millis(500)],
        event_budget: 1_000_000,
    }
}

pub(super) fn at(millis: u64) -> Time {
    Time::ZERO + Span::from_millis(millis)
}

fn options(speed: &str) -> ReplayOptions {
    ReplayOptions {
        speed: speed.parse().unwrap(),
        links: Links::Caps,
        meeting: Duration::from_secs(30),
        interrupt: Interrupt::default(),
    }
}

fn run(setup: &Setup, speed: &str) -> Option<Result<Record, EmulateError>> {
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

/// 4 MB/s, of which a node uses 98 %, and a quarter of a second saved up: the 3 MB of either
/// transfer take half a second at least, and all 6 MB 1.25 s.
#[test]
fn two_transfers_of_different_weight_end_with_every_byte_counted() {
    let mut setup = setup(vec![
        peer("source", 4_000_000),
        peer("a", 4_000_000),
        peer("b", 4_000_000),
    ]);
    setup.transfers = vec![
        transfer("heavy", 1, 3_000_000),
        transfer("light", 2, 3_000_000),
    ];
    setup.transfers[0].weight = Weight::whole(3);
    let Some(record) = run(&setup, "1") else {
        return;
    };
    let record = record.unwrap();
    let ends: Vec<f64> = record
        .transfers
        .iter()
        .map(|row| secs(row.end.unwrap()))
        .collect();
    assert!(ends[0].min(ends[1]) >= 0.5, "{ends:?}");
    assert!(ends[0].max(ends[1]) >= 1.25, "{ends:?}");
    for row in &record.transfers {
        assert_eq!(row.received, ByteCount::new(3_000_000));
        assert!(row.start.unwrap() <= row.first_byte.unwrap());
        assert!(row.first_byte.unwrap() < row.end.unwrap());
    }
    // One of the two waited all the time, so both together are entitled to all of it.
    let entitled = record.transfers.iter().map(|row| row.entitlement.get());
    assert!(entitled.sum::<u64>() > 4_000_000, "{:?}", record.transfers);
    assert!(!record.windows.is_empty());
    let sent: u64 = record.pairs.iter().map(|pair| pair.bytes.get()).sum();
    assert_eq!(sent, 6_000_000);
}

/// Two transfers of bands 1 and 0, 4 MB at 4 MB/s with a quarter of a second saved up: the last
/// byte comes after three quarters of a second at the earliest.
#[test]
fn a_strict_node_serves_both_of_its_bands() {
    let mut setup = setup(vec![peer("source", 4_000_000), peer("a", 1), peer("b", 1)]);
    setup.policies[0].uplink = DisciplineName::of("strict");
    setup.policies[0].block = Some(SizeLimit::At(ByteCount::kib(4)));
    setup.transfers = vec![
        transfer("late", 1, 2_000_000),
        transfer("early", 2, 2_000_000),
    ];
    setup.transfers[0].band = 1;
    setup.peers[1].band = 2;
    let Some(record) = run(&setup, "1") else {
        return;
    };
    let rows = record.unwrap().transfers;
    let took = |row: usize| secs(rows[row].end.unwrap());
    assert!(took(0).max(took(1)) >= 0.75, "{rows:?}");
    for row in &rows {
        assert_eq!(row.received, ByteCount::new(2_000_000));
    }
}

/// The destination is killed in the middle and comes back, then the source: the transfer goes
/// on from what is on disk.
#[test]
fn a_transfer_survives_the_death_of_either_end() {
    let mut setup = setup(vec![peer("source", 2_000_000), peer("sink", 2_000_000)]);
    setup.transfers = vec![transfer("t", 1, 6_000_000)];
    let fault = |millis, kind| FaultSetup {
        at: at(millis),
        kind,
    };
    setup.faults = vec![
        fault(1_000, FaultKind::Crash { peer: 1 }),
        fault(1_300, FaultKind::Restart { peer: 1 }),
        fault(2_000, FaultKind::Crash { peer: 0 }),
        fault(2_300, FaultKind::Restart { peer: 0 }),
    ];
    let Some(record) = run(&setup, "1") else {
        return;
    };
    let record = record.unwrap();
    let row = &record.transfers[0];
    assert_eq!(row.received, ByteCount::new(6_000_000));
    assert!(secs(row.end.unwrap()) > 3.0, "{row:?}");
    // What was on its way at a death comes again, but not what was on disk.
    let moved: u64 = record.pairs.iter().map(|pair| pair.bytes.get()).sum();
    assert!(moved < 8_000_000, "{moved}");
    for peer in &record.peers {
        assert_eq!(peer.left, None);
        assert!(peer.present < record.end.since(Time::ZERO));
    }
}

/// 2 MB at 4 MB/s from one to three: no less than 2 MB x 3 / 16 MB/s and the seed's own half
/// second. One comes later and leaves when it has been there for a while.
#[test]
fn a_swarm_of_four_ends_with_everybody_served() {
    let mut setup = setup(
        (0..4)
            .map(|row| peer(&format!("peer.{row}"), 4_000_000))
            .collect(),
    );
    setup.peers[3].join = at(300);
    setup.peers[3].linger = Some(Span::from_millis(200));
    setup.contents = vec![ContentSetup {
        name: "content".into(),
        bytes: ByteCount::new(2_000_000),
        chunk: ByteCount::kib(64),
        seeds: vec![0],
        leechers: vec![1, 2, 3],
        start: Vec::new(),
    }];
    let Some(record) = run(&setup, "1") else {
        return;
    };
    let record = record.unwrap();
    assert_eq!(record.contents[0].completed, 3);
    assert!(record.contents[0].makespan.unwrap() > Span::from_millis(500));
    let moved: u64 = record.pairs.iter().map(|pair| pair.bytes.get()).sum();
    assert_eq!(moved, 6_000_000);
    let up: ByteCount = record
        .peers
        .iter()
        .map(|p| p.up_as_leecher + p.up_as_seed)
        .sum();
    assert_eq!(up, ByteCount::new(6_000_000));
    assert!(record.peers[3].joined.unwrap() >= at(300));
    // Who plays a run does not measure what it takes alone.
    assert!(record.peers.iter().all(|peer| peer.alone.is_none()));
    assert!(!record.windows.is_empty());
}

/// A bitthief and an under-reporter beside two who comply: everybody has everything, because there
/// is a seed, and nobody a byte of the one that gives nothing.
#[test]
fn adversaries_play_on_real_connections() {
    let named = |name| Bundle::find(name).unwrap().behaviour();
    let others = [named("bitthief"), named("under-reporter")];
    let Some(record) = beside_two(others) else {
        return;
    };
    let thief = &record.peers[3];
    assert_eq!(thief.up_as_leecher + thief.up_as_seed, ByteCount::ZERO);
}

/// Two that vouch for each other, of which one comes and goes, give nothing, and get everything all
/// the same.
#[test]
fn colluders_that_rejoin_play_on_real_connections() {
    let colluder = |rejoins| Behaviour {
        colludes: Some("deviant".to_owned()),
        rejoins,
        ..Bundle::find("colluders").unwrap().behaviour()
    };
    let others = [colluder(None), colluder(Some(Span::from_secs(2)))];
    let Some(record) = beside_two(others) else {
        return;
    };
    for peer in &record.peers[3..] {
        assert_eq!(peer.up_as_leecher + peer.up_as_seed, ByteCount::ZERO);
    }
}

/// Two free riders that others know under several keys: one after the other, and four at once.
#[test]
fn those_with_several_identities_play_on_real_connections() {
    let named = |name| Bundle::find(name).unwrap().behaviour();
    let Some(record) = beside_two([named("whitewasher"), named("sybil")]) else {
        return;
    };
    for peer in &record.peers[3..] {
        assert_eq!(peer.up_as_leecher + peer.up_as_seed, ByteCount::ZERO);
    }
}

/// One serves before rounds alone; the other takes 1 MB/s with a quarter of a second saved up, so
/// that its 2 MB take a second and a half at least.
#[test]
fn those_that_let_others_wait_play_on_real_connections() {
    let slow = Behaviour {
        drains: Some(Rate::new(1_000_000)),
        ..Behaviour::default()
    };
    let oscillator = Bundle::find("oscillator").unwrap().behaviour();
    let Some(record) = beside_two([oscillator, slow]) else {
        return;
    };
    let end = record.peers[4].completed.unwrap();
    assert!(secs(end) >= 1.5, "{end:?}");
}

/// What two adversaries do beside a seed and two who comply, until everybody has a content of
/// 2 MB; `None` where they cannot be played.
fn beside_two(adversaries: [Behaviour; 2]) -> Option<Record> {
    let program = engine()?.with_file_name(mask::PROGRAM);
    if !program.is_file() {
        eprintln!("skipped: no {}; cargo build --workspace", program.display());
        return None;
    }
    let names = ["seed", "a", "b", "first", "second"];
    let mut setup = setup(names.map(|name| peer(name, 4_000_000)).to_vec());
    for (peer, behaviour) in setup.peers[3..].iter_mut().zip(adversaries) {
        peer.behaviour = behaviour;
        peer.class = "deviant".to_owned();
    }
    setup.contents = vec![ContentSetup {
        name: "content".into(),
        bytes: ByteCount::new(2_000_000),
        chunk: ByteCount::kib(64),
        seeds: vec![0],
        leechers: vec![1, 2, 3, 4],
        start: Vec::new(),
    }];
    let record = run(&setup, "1")?.unwrap();
    assert_eq!(record.contents[0].completed, 4);
    let got: u64 = record.pairs.iter().map(|pair| pair.bytes.get()).sum();
    assert_eq!(got, 8_000_000);
    Some(record)
}

/// A second of a transfer of ten, four times as fast: it ends at the horizon in a quarter.
#[test]
fn a_run_ends_at_its_horizon_at_any_speed() {
    let mut setup = setup(vec![peer("source", 1_000_000), peer("sink", 1_000_000)]);
    setup.transfers = vec![transfer("t", 1, 20_000_000)];
    setup.horizon = at(4_000);
    let Some(record) = run(&setup, "4") else {
        return;
    };
    let record = record.unwrap();
    assert!(record.stopped_at_horizon);
    assert_eq!(record.end, at(4_000));
    assert_eq!(record.transfers[0].end, None);
    let received = record.transfers[0].received.get();
    assert!(received < 4_500_000, "{received}");
}

/// A place in which the process of a peer dies when it is looked at for the third time, and
/// another name may stand for every address.
struct Fatal {
    inner: Loopback,
    victim: u32,
    looks: u32,
    name: Option<&'static str>,
}

impl Environment for Fatal {
    fn listen(&self, peer: u32) -> std::net::SocketAddr {
        self.inner.listen(peer)
    }
    fn reach(&self, from: u32, to: u32) -> String {
        let name = self.name.map(str::to_owned);
        name.unwrap_or_else(|| self.inner.reach(from, to))
    }
    fn home(&self, peer: u32) -> &std::path::Path {
        self.inner.home(peer)
    }
    fn socket(&self, peer: u32) -> PathBuf {
        self.inner.socket(peer)
    }
    fn control(&self, peer: u32) -> PathBuf {
        self.inner.control(peer)
    }
    fn put(
        &mut self,
        peer: u32,
        name: &str,
        bytes: &mut dyn std::io::Read,
    ) -> Result<(), EnvironmentError> {
        self.inner.put(peer, name, bytes)
    }
    fn start(&mut self, peer: u32) -> Result<(), EnvironmentError> {
        self.inner.start(peer)
    }
    fn kill(&mut self, peer: u32) -> Result<(), EnvironmentError> {
        self.inner.kill(peer)
    }
    fn stop(&mut self, peer: u32) -> Result<(), EnvironmentError> {
        self.inner.stop(peer)
    }
    fn alive(&mut self, peer: u32) -> Result<(), EnvironmentError> {
        self.looks += u32::from(peer == self.victim);
        if self.looks == 3
            && peer == self.victim
            && let Some(process) = self.inner.process(peer)
        {
            let process = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
            rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
        }
        self.inner.alive(peer)
    }
    fn set_rates(
        &mut self,
        peer: u32,
        up: Option<Rate>,
        down: Option<Rate>,
    ) -> Result<bool, EnvironmentError> {
        self.inner.set_rates(peer, up, down)
    }
    fn close(&mut self) -> Result<(), EnvironmentError> {
        self.inner.close()
    }
}

#[test]
fn a_peer_that_dies_without_being_told_ends_the_run_by_its_name() {
    let Some(engine) = engine() else { return };
    let mut setup = setup(vec![peer("source", 100_000), peer("sink", 100_000)]);
    setup.transfers = vec![transfer("t", 1, 20_000_000)];
    let inner = Loopback::new(2, &engine, None, false).unwrap();
    let work = inner.work().to_owned();
    let mut place = Fatal {
        inner,
        victim: 1,
        looks: 0,
        name: None,
    };
    let error = play(&setup, &mut place, &options("1"), &mut |_| {}).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, EmulateError::Died { .. }), "{text}");
    assert!(
        text.starts_with("sink died at ") && text.contains("signal: 9"),
        "{text}"
    );
    assert!(!text.contains('\n'));
    drop(place);
    assert!(!work.exists());
}

#[test]
fn a_name_that_does_not_resolve_is_told_before_the_clock_starts() {
    let Some(engine) = engine() else { return };
    let mut setup = setup(vec![peer("source", 100_000), peer("sink", 100_000)]);
    setup.transfers = vec![transfer("t", 1, 20_000)];
    let mut place = Fatal {
        inner: Loopback::new(2, &engine, None, false).unwrap(),
        victim: 9,
        looks: 0,
        name: Some("no-such-host.invalid:7440"),
    };
    let options = ReplayOptions {
        meeting: Duration::from_secs(2),
        ..options("1")
    };
    let error = play(&setup, &mut place, &options, &mut |_| {}).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, EmulateError::NotConnected { .. }), "{text}");
    assert!(
        text.starts_with("not connected after 2 s: source and sink at "),
        "{text}"
    );
    assert!(text.contains("no-such-host.invalid"), "{text}");
}

#[test]
fn a_node_that_does_not_start_is_told_with_its_last_line() {
    let setup = setup(vec![peer("only", 100_000)]);
    let program = PathBuf::from("/bin/false");
    let mut place = Loopback::new(1, &program, None, false).unwrap();
    let error = play(&setup, &mut place, &options("1"), &mut |_| {}).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("only: /"), "{text}");
    assert!(
        text.ends_with("/0: the node ended, exit status: 1"),
        "{text}"
    );
    let missing = Loopback::new(1, &PathBuf::from("/no/such/engine"), None, false);
    let text = missing.unwrap_err().to_string();
    assert!(
        text.starts_with("/no/such/engine: no such program"),
        "{text}"
    );
}

#[test]
fn who_interrupts_a_run_gets_everything_back() {
    let Some(engine) = engine() else { return };
    let mut setup = setup(vec![peer("source", 100_000), peer("sink", 100_000)]);
    setup.transfers = vec![transfer("t", 1, 20_000_000)];
    let mut place = Loopback::new(2, &engine, None, false).unwrap();
    let work = place.work().to_owned();
    let options = options("1");
    let result = play(&setup, &mut place, &options, &mut |progress| {
        if progress.phase.is_empty() {
            options.interrupt.set();
        }
    });
    assert_eq!(result.unwrap_err(), EmulateError::Interrupted);
    let processes: Vec<u32> = (0..2).filter_map(|peer| place.process(peer)).collect();
    assert_eq!(processes.len(), 2);
    place.close().unwrap();
    assert!(!work.exists());
    for process in processes {
        assert!(!std::path::Path::new(&format!("/proc/{process}")).exists());
    }
}

/// A device that takes nothing stands for a disk that is full.
#[test]
fn a_full_disk_is_one_line() {
    let program = PathBuf::from("/bin/true");
    let mut place = Loopback::new(1, &program, None, false).unwrap();
    place.put(0, "node.toml", &mut b"x".as_slice()).unwrap();
    std::os::unix::fs::symlink("/dev/full", place.home(0).join("content")).unwrap();
    let error = place.put(0, "content", &mut [0_u8; 10].as_slice());
    let text = error.unwrap_err().to_string();
    assert!(text.contains("No space left on device"), "{text}");
    assert!(
        text.ends_with("after 0 bytes") && !text.contains('\n'),
        "{text}"
    );
}
