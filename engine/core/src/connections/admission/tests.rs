use std::net::{IpAddr, Ipv4Addr};

use super::*;

/// An address of a network of its own.
fn source(number: u32) -> Source {
    near(number, 1)
}

/// The address `host` of a network.
fn near(network: u32, host: u32) -> Source {
    let bits = 0x2000_0000 + network * 256 + host;
    Source::of(IpAddr::V4(Ipv4Addr::from_bits(bits)))
}

fn at(secs: u64) -> Time {
    Time::ZERO + Span::from_secs(secs)
}

const ADMITTED: AcceptDecision = AcceptDecision::Admit { instead_of: None };

/// Five hundred sockets of one source that never finish: four are borne with, and another
/// source comes in meanwhile.
///
/// Register: C1, C2. Limit: L2.
#[test]
fn one_source_takes_four_handshakes_and_leaves_room_for_the_others() {
    let mut admission = Admission::new(Limits::default());
    let admitted = (0..500).filter(|id| admission.accept(*id, source(1), at(0)) == ADMITTED);
    assert_eq!(admitted.count(), 4);
    assert!(admission.accepts());
    assert_eq!(admission.accept(500, source(2), at(0)), ADMITTED);
    assert_eq!(admission.pass(500, source(2), false, at(0)), Ok(()));
    // Their time is over.
    (0..500).for_each(|id| admission.fail(id));
    assert_eq!(admission.counts(), (0, 1));
}

/// Sixty-four addresses with four connections each, all of which dawdle. Whoever finishes its
/// handshake in a moment is in at its first try, from wherever it comes.
///
/// Register: C1, C2. Limit: L2.
#[test]
fn dawdlers_of_many_addresses_lock_nobody_out() {
    let mut admission = Admission::new(Limits::default());
    let mut id = 0;
    for round in 0..4 {
        for number in 0..64 {
            admission.accept(id, source(number), at(round));
            id += 1;
        }
    }
    assert_eq!(admission.counts().0, 48, "the others are not for strangers");
    let AcceptDecision::Admit { instead_of } = admission.accept(id, source(99), at(4)) else {
        panic!("a newcomer is refused");
    };
    assert!(instead_of.is_some());
    // Two hundred a second come, and it needs a fifth of one.
    for late in 1..=40 {
        admission.accept(id + late, source(100 + u32::try_from(late).unwrap()), at(4));
    }
    assert_eq!(admission.pass(id, source(99), true, at(4)), Ok(()));
    assert_eq!(admission.counts(), (47, 1));
}

/// A network whose addresses are free to whoever has it, and one with a single caller: the caller
/// keeps its place.
///
/// Register: C2.
#[test]
fn the_addresses_of_a_network_count_together() {
    let mut admission = Admission::new(Limits::default());
    assert_eq!(admission.accept(0, source(7), at(0)), ADMITTED);
    for host in 0..200_u32 {
        let entry = admission.accept(u64::from(host) + 1, near(8, host), at(0));
        let most = host >= 16;
        let instead_of = most.then(|| u64::from(host) - 15);
        assert_eq!(entry, AcceptDecision::Admit { instead_of });
    }
    assert_eq!(admission.counts().0, 17);
    assert_eq!(admission.pass(0, source(7), true, at(0)), Ok(()));
}

/// Whoever the parameter file names, and whoever was here with a listed key, has places that
/// strangers cannot take, and more of them than one stranger.
///
/// Register: C1.
#[test]
fn sources_of_listed_peers_have_places_of_their_own() {
    let mut admission = Admission::new(Limits::default());
    admission.set_listed([source(1)]);
    admission.join(source(2), true, at(0)).unwrap();
    let mut id = 0;
    for number in 10..100 {
        admission.accept(id, source(number), at(0));
        id += 1;
    }
    for number in [1, 2].repeat(8) {
        assert_eq!(admission.accept(id, source(number), at(0)), ADMITTED);
        id += 1;
    }
    assert!(!admission.accepts());
    // And then those of strangers.
    let next = admission.accept(id, source(1), at(0));
    assert!(
        matches!(
            next,
            AcceptDecision::Admit {
                instead_of: Some(_)
            }
        ),
        "{next:?}"
    );
}

/// A rack of two hundred listed peers behind one address starts at once: none is refused for that.
/// Of keys that are not listed, thirty-two are let in.
///
/// Register: C4. Limit: L3.
#[test]
fn listed_peers_are_not_counted_by_source_and_strangers_are() {
    let mut admission = Admission::new(Limits::default());
    for id in 0..200 {
        let secs = id / 4;
        assert_eq!(admission.accept(id, source(1), at(secs)), ADMITTED);
        assert_eq!(admission.pass(id, source(1), true, at(secs)), Ok(()));
    }
    let mut guests = 0;
    for id in 200..300 {
        admission.accept(id, source(1), at(id));
        guests += u32::from(admission.pass(id, source(1), false, at(id)).is_ok());
    }
    assert_eq!(guests, 32);
    let dialled = admission.join(source(1), false, at(300));
    assert_eq!(dialled, Err(AdmissionRefusal::SourceSessions));
    admission.leave(source(1), false);
    assert_eq!(admission.join(source(1), false, at(300)), Ok(()));
    assert_eq!(admission.join(source(1), true, at(300)), Ok(()));
    let again = admission.join(source(1), false, at(300));
    assert_eq!(
        again,
        Err(AdmissionRefusal::SourceSessions),
        "one left, one came"
    );
    // Nothing is kept of a source whose sessions are over.
    (0..32).for_each(|_| admission.leave(source(1), false));
    assert!(admission.guests.is_empty());
    assert_eq!(admission.counts(), (0, 201));
}

/// Peers of the parameter file have taken more than their own places, and strangers the rest: the
/// next stranger has another's.
///
/// Limit: L2.
#[test]
fn there_are_never_more_handshakes_than_there_may_be() {
    let mut admission = Admission::new(Limits::default());
    admission.expect(source(1));
    for id in 0..40 {
        assert_eq!(admission.accept(id, source(1), at(0)), ADMITTED);
    }
    for id in 40..64 {
        let number = u32::try_from(id).unwrap();
        assert_eq!(admission.accept(id, source(number), at(0)), ADMITTED);
    }
    let instead_of = Some(40);
    assert_eq!(
        admission.accept(64, source(99), at(0)),
        AcceptDecision::Admit { instead_of }
    );
    assert_eq!(admission.counts().0, 64);
}

/// One handshake of a network is the oldest of all, and another network has three: the oldest of
/// those goes.
///
/// Register: C2.
#[test]
fn the_network_that_has_most_makes_room() {
    let mut admission = Admission::new(Limits {
        pending: 4,
        pending_known: 0,
        ..Limits::default()
    });
    for (id, from) in [near(7, 1), near(8, 1), near(8, 2), near(8, 3)]
        .into_iter()
        .enumerate()
    {
        assert_eq!(admission.accept(id as u64, from, at(0)), ADMITTED);
    }
    let instead_of = Some(1);
    assert_eq!(
        admission.accept(4, near(9, 1), at(0)),
        AcceptDecision::Admit { instead_of }
    );
}

/// Register: C1.
#[test]
fn sources_that_are_expected_have_a_bound() {
    let mut admission = Admission::new(Limits::default());
    let many = u32::try_from(SOURCES_MAX).unwrap() + 5;
    (0..many).for_each(|number| admission.expect(source(number)));
    assert_eq!(admission.listed.len(), SOURCES_MAX);
}

/// The session of one that leaves is there for the next.
///
/// Register: C3.
#[test]
fn no_more_sessions_are_let_in_than_there_may_be() {
    let sessions = 3;
    let mut admission = Admission::new(Limits {
        sessions,
        ..Limits::default()
    });
    for number in 0..3 {
        assert_eq!(admission.join(source(number), true, at(0)), Ok(()));
    }
    admission.accept(9, source(9), at(0));
    assert_eq!(
        admission.pass(9, source(9), true, at(0)),
        Err(AdmissionRefusal::Sessions)
    );
    assert_eq!(admission.counts(), (0, 3));
    admission.leave(source(1), true);
    assert_eq!(admission.join(source(9), true, at(0)), Ok(()));
}

/// A hundred connections a second for a minute, each of which ends at once.
///
/// Register: C5.
#[test]
fn a_storm_of_one_source_costs_ten_handshakes_a_second() {
    let mut admission = Admission::new(Limits::default());
    let mut begun = 0;
    for tick in 0..6_000 {
        let now = Time::ZERO + Span::from_millis(10 * tick);
        if admission.accept(tick, source(1), now) == ADMITTED {
            begun += 1;
            admission.fail(tick);
        }
    }
    assert!((600..=664).contains(&begun), "{begun}");
    let late = admission.accept(6_000, source(1), at(3_600));
    assert_eq!(late, ADMITTED);
}

/// Ten thousand handshakes a minute from a thousand addresses, in networks of their own, none of
/// which ends by itself. A listed peer from an address that nobody named comes in between, and
/// needs a quarter of a second. However often it comes, it is in at the first try.
///
/// Register: C1, C2.
#[test]
fn a_listed_peer_comes_in_under_ten_thousand_handshakes_a_minute() {
    let mut admission = Admission::new(Limits::default());
    let mut id = 0;
    let mut honest = None;
    let mut passed = 0;
    for tick in 0..10_000_u64 {
        let now = Time::ZERO + Span::from_millis(6 * tick);
        admission.accept(id, source(u32::try_from(tick % 1_000).unwrap()), now);
        id += 1;
        if tick % 100 == 0 {
            let entry = admission.accept(id, source(5_000), now);
            assert!(
                matches!(entry, AcceptDecision::Admit { .. }),
                "{entry:?} at {now}"
            );
            honest = Some(id);
            id += 1;
        }
        if tick % 100 == 41 {
            let mine = honest.take().unwrap();
            assert!(
                admission.pending.contains_key(&mine),
                "it lost its place at {now}"
            );
            // Not as a listed one: its source would have places of its own from then on.
            admission.pass(mine, source(5_000), false, now).unwrap();
            admission.leave(source(5_000), false);
            passed += 1;
        }
    }
    assert_eq!(passed, 100);
    assert!(admission.counts().0 <= 48);
}

#[test]
fn ends_that_never_began_change_nothing() {
    let mut admission = Admission::new(Limits::default());
    admission.fail(1);
    admission.leave(source(1), false);
    assert_eq!(admission.counts(), (0, 0));
}

#[test]
fn a_refusal_says_why() {
    assert_eq!(
        AdmissionRefusal::Handshakes.to_string(),
        "too many handshakes"
    );
    let source = AdmissionRefusal::SourceSessions.to_string();
    assert!(source.contains("one source"), "{source}");
}
