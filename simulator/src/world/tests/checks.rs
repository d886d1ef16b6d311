//! Every checker fires when what it looks for is there, and only then.

use fairhaul_core::id::TransferId;
use fairhaul_core::message::Message;
use fairhaul_core::node::{Guard, Input};
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate};

use super::bent::{Bend, Bent, Log};
use super::{peer, setup, swarm, transfer};
use crate::setup::{ContentSetup, FaultKind, FaultSetup, NewRate, Setup};
use crate::world::{RunError, World, run};

/// 1 MB of one transfer at 1 MB/s, in 62 blocks.
fn one_transfer() -> Setup {
    let mut setup = setup(vec![peer("from", 1_000_000), peer("to", 1_000_000)]);
    setup.transfers = vec![transfer("load", 1, 1_000_000)];
    setup.horizon = Time::ZERO + Span::from_secs(3_600);
    setup
}

fn run_bent(setup: &Setup, bend: Bend) -> Result<(), RunError> {
    let mut world = World::new(setup)?;
    Bent::bend(&mut world.network, bend, Log::default());
    world.go(&mut |_| ())?;
    world.finish().map(|_| ())
}

#[test]
fn a_straight_network_passes_every_check() {
    run_bent(&one_transfer(), Bend::Straight).unwrap();
}

#[test]
fn a_block_that_never_leaves_ends_the_run_with_who_waits() {
    for bend in [Bend::Holds, Bend::Loses] {
        let error = run_bent(&one_transfer(), bend).unwrap_err();
        assert!(matches!(error, RunError::Stuck { .. }), "{error}");
        assert!(error.to_string().contains("transfer load"), "{error}");
    }
}

#[test]
fn a_block_that_arrives_twice_or_without_leaving_is_invented() {
    for bend in [Bend::Repeats, Bend::Skips] {
        let error = run_bent(&one_transfer(), bend).unwrap_err();
        assert!(matches!(error, RunError::Invented { .. }), "{error}");
    }
}

/// The network loses a block just before the horizon: nobody is stuck yet, but the books of
/// the run and of the network differ.
#[test]
fn a_lost_block_is_missed_at_the_end_of_a_run() {
    let mut setup = one_transfer();
    setup.horizon = Time::ZERO + Span::from_millis(500);
    let error = run_bent(&setup, Bend::Loses).unwrap_err();
    assert!(matches!(error, RunError::Conservation { .. }), "{error}");
}

/// A core that accuses another makes a run of honest peers an error, which names both.
///
/// Register: J14.
#[test]
fn an_accusation_ends_the_run_with_who_accuses_whom_of_what() {
    let setup = swarm(1, 1 << 20);
    let mut world = World::new(&setup).unwrap();
    world.go(&mut |_| ()).unwrap();
    let (peer, transfer) = (world.hosts[1].id_of(0).unwrap(), TransferId(0));
    let chunk = 1 << 20;
    let message = Message::Have { transfer, chunk };
    world.tell(1, Input::Message { peer, message });
    let error = world.finish().unwrap_err().to_string();
    assert!(
        error.contains("peer.1 accuses peer.0 of: chunk out of range"),
        "{error}"
    );
}

/// A leecher takes nothing for two minutes. Whoever serves it ends the connection after one, which
/// accuses nobody, and makes it again; with no timeouts the connection stays.
#[test]
fn a_connection_that_stands_still_is_ended_and_made_again() {
    let mut setup = swarm(2, 24 << 20);
    let stops = |at, down| FaultSetup {
        at: Time::ZERO + Span::from_secs(at),
        kind: FaultKind::Capacity {
            peer: 1,
            up: NewRate::Keep,
            down,
        },
    };
    setup.faults = vec![
        stops(2, NewRate::At(Rate::new(0))),
        stops(122, NewRate::Unlimited),
    ];
    for guard in [None, Some(Guard::default())] {
        setup.policies[0].guard = guard;
        let mut world = World::new(&setup).unwrap();
        world.go(&mut |_| ()).unwrap();
        assert_eq!(world.hosts[1].cuts > 0, guard.is_some());
        let record = world.finish().unwrap();
        assert!(record.peers[1].completed.is_some() && record.peers[2].completed.is_some());
    }
}

/// Register: I7.
/// Limit L13.
#[test]
fn a_network_that_stops_the_clock_is_a_livelock() {
    let error = run_bent(&one_transfer(), Bend::Spins).unwrap_err();
    assert!(matches!(error, RunError::Livelock { .. }), "{error}");
    assert!(error.to_string().contains("Network"), "{error}");
}

/// Fifteen hundred peers join at once and each meets some four hundred, with no delay between
/// any two: more than a million messages of one instant, of which each is due to the one before.
///
/// Limit: L13.
#[test]
fn a_crowd_that_meets_in_one_instant_is_no_livelock() {
    let crowd = 1_500;
    let mut setup = setup(
        (0..=crowd)
            .map(|row| peer(&format!("peer.{row}"), 1_000_000))
            .collect(),
    );
    for peer in &mut setup.peers {
        peer.neighbours = 400;
    }
    setup.contents = vec![ContentSetup {
        name: "content".into(),
        bytes: ByteCount::kib(16),
        chunk: ByteCount::kib(16),
        seeds: vec![0],
        leechers: (1..=crowd).collect(),
        start: Vec::new(),
    }];
    setup.horizon = Time::ZERO;
    let mut world = World::new(&setup).unwrap();
    world.go(&mut |_| ()).unwrap();
    assert_eq!(world.now, Time::ZERO);
    assert!(world.events > 1_000_000, "{}", world.events);
}

#[test]
fn a_network_that_breaks_a_law_ends_the_run() {
    let error = run_bent(&one_transfer(), Bend::Confesses).unwrap_err();
    assert!(matches!(error, RunError::Network(_)), "{error}");
}

/// The setup says 1 MB/s and the network was made with 2 MB/s.
#[test]
fn a_link_that_is_faster_than_the_setup_says_is_noticed() {
    let setup = one_transfer();
    let fast = Some(Rate::new(2_000_000));
    let mut world = World::new(&setup).unwrap();
    let node = crate::world::build::place(0);
    world.network.set_capacity(node, fast, fast, Time::ZERO);
    world.go(&mut |_| ()).unwrap();
    let error = world.finish().unwrap_err();
    assert!(matches!(error, RunError::Network(_)), "{error}");
    assert!(error.to_string().contains("uplink of node 0"), "{error}");
}

/// What is in the network's hands vanishes and nobody tells the core, whose window stays full:
/// the uplink stands idle with requests waiting.
#[test]
fn an_uplink_that_is_idle_with_work_waiting_is_noticed() {
    let mut setup = one_transfer();
    setup.horizon = Time::ZERO + Span::from_millis(500);
    let mut world = World::new(&setup).unwrap();
    world.go(&mut |_| ()).unwrap();
    world.checks.touch(0);
    world.check_instant().unwrap();
    assert!(!world.lose_all(|_| true).is_empty());
    world.checks.touch(0);
    let error = world.check_instant().unwrap_err();
    assert!(matches!(error, RunError::Idle { .. }), "{error}");
    assert!(error.to_string().contains("from"), "{error}");
}

/// A peer's uplink has stood still from the start (I7): the run ends long before its horizon,
/// although windows would go on for ever.
#[test]
fn a_link_of_no_capacity_ends_the_run() {
    let mut setup = one_transfer();
    setup.peers[0].up = Some(Rate::new(0));
    setup.windows = vec![Span::SECOND, Span::from_secs(10)];
    let error = run(&setup, &mut |_| ()).unwrap_err();
    let RunError::Stuck { at, who } = error else {
        panic!("{error}");
    };
    assert!(at < Time::ZERO + Span::from_secs(120), "{at}: {who}");
    assert!(who.contains("a network that does not move"), "{who}");
}

/// Twenty hours without a byte are no standstill when the setup says who comes back.
#[test]
fn a_long_outage_that_is_planned_is_waited_for() {
    let mut setup = one_transfer();
    let fault = |seconds, kind| FaultSetup {
        at: Time::ZERO + Span::from_secs(seconds),
        kind,
    };
    let hours = 3_600;
    setup.horizon = Time::ZERO + Span::from_secs(100 * hours);
    setup.faults = vec![
        fault(0, FaultKind::Crash { peer: 0 }),
        fault(20 * hours, FaultKind::Restart { peer: 0 }),
    ];
    setup.peers[1].neighbours = 1;
    let record = run(&setup, &mut |_| ()).unwrap();
    assert!(record.transfers[0].end > Some(Time::ZERO + Span::from_secs(20 * hours)));
}
