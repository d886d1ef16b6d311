//! Who passes on what it is given, and who keeps it.

use std::collections::VecDeque;

use super::*;
use crate::uplink::{Limit, Target};

const CHUNKS: u32 = 40;
const LARGE: ByteCount = ByteCount::kib(512);

/// A seed that watches who passes on, and `A`, `B` and `C` who all want what it has.
fn seed() -> Node {
    seed_that_sends(ByteCount::MAX)
}

/// The same with so much under way at once.
fn seed_that_sends(window: ByteCount) -> Node {
    let mut config = config(1, "forwarders-first");
    config.uplink.largest = LARGE;
    config.uplink.window_node = window;
    let mut node = Node::new(config, Time::ZERO);
    let bytes = ByteCount::new(u64::from(CHUNKS) * LARGE.get());
    let content = Input::Add {
        transfer: TransferId(1),
        content: ContentId([9; 32]),
        manifest: Manifest::new(bytes, LARGE).unwrap(),
        have: Bitfield::full(CHUNKS),
        audience: None,
    };
    tell(&mut node, content, Time::ZERO);
    for peer in [A, B, C] {
        meet(&mut node, peer);
        let nothing = join(9, Bitfield::empty(CHUNKS));
        hear(&mut node, peer, nothing, Time::ZERO);
        hear(&mut node, peer, Message::Interested, Time::ZERO);
    }
    node
}

/// Serves `peer` a chunk; false if it may not have it. Says what else that led to.
fn serve(node: &mut Node, peer: PeerId, chunk: u32) -> (bool, Vec<Action>) {
    let mut said = hear(node, peer, request(chunk), at(1));
    let uploads = |action: &Action| matches!(action, Action::Upload(_));
    let served = said.iter().any(uploads);
    let len = LARGE;
    if served {
        said.extend(tell(node, Input::Sent { peer, len }, at(1)));
    }
    said.retain(|action| !uploads(action));
    (served, said)
}

/// `from` tells that it has a chunk.
fn shows(node: &mut Node, from: PeerId, chunk: u32) -> Vec<Action> {
    let transfer = TransferId(7);
    hear(node, from, Message::Have { transfer, chunk }, at(1))
}

/// Receivers that cannot reach each other, and a node that cannot tell: all are served on.
#[test]
fn where_nobody_was_seen_to_pass_on_nobody_is_choked() {
    let mut node = seed();
    for chunk in 0..CHUNKS {
        let peer = [A, B, C][chunk as usize % 3];
        assert_eq!(serve(&mut node, peer, chunk), (true, vec![]), "{chunk}");
        shows(&mut node, peer, chunk);
    }
    for secs in [10, 20, 30, 40, 50, 60] {
        assert_eq!(tell(&mut node, Input::Tick, at(secs)), []);
    }
}

/// A passes on to C. From then on B, who was given as much, has to wait until A wants nothing, or
/// until it passes on as well.
///
/// Register: D6.
#[test]
fn whoever_keeps_waits_for_those_who_pass_on() {
    for mends in [false, true] {
        let mut node = seed();
        for chunk in 0..6 {
            let peer = if chunk % 2 == 0 { A } else { B };
            assert_eq!(serve(&mut node, peer, chunk), (true, vec![]));
            shows(&mut node, peer, chunk);
        }
        assert_eq!(shows(&mut node, C, 0), [send(B, Message::Choke)]);
        assert!(serve(&mut node, A, 8).0);
        assert!(!serve(&mut node, B, 9).0);
        let said = if mends {
            shows(&mut node, C, 1)
        } else {
            hear(&mut node, A, Message::NotInterested, at(2))
        };
        assert_eq!(said, [send(B, Message::Unchoke)]);
        assert!(serve(&mut node, B, 10).0);
    }
}

/// A and C both pass on at first. When A no longer does, it waits for C, and once C no longer does
/// either, all are served alike.
#[test]
fn whoever_ceases_to_pass_on_waits_and_the_last_one_lets_all_go_on() {
    let mut node = seed();
    for (peer, chunk) in [(A, 0), (C, 1)] {
        assert!(serve(&mut node, peer, chunk).0);
        shows(&mut node, peer, chunk);
    }
    shows(&mut node, B, 0);
    shows(&mut node, B, 1);
    // A quarter of what was given is enough; five chunks for one passed on are not.
    for chunk in 2..5 {
        assert_eq!(serve(&mut node, A, chunk), (true, vec![]), "{chunk}");
    }
    assert_eq!(
        serve(&mut node, A, 5),
        (true, vec![send(A, Message::Choke)])
    );
    for chunk in 6..9 {
        assert_eq!(serve(&mut node, C, chunk), (true, vec![]), "{chunk}");
    }
    assert_eq!(
        serve(&mut node, C, 9),
        (true, vec![send(A, Message::Unchoke)])
    );
}

/// A floor of nothing promises nothing.
#[test]
fn a_floor_of_zero_exempts_nobody() {
    let mut node = seed();
    let limit = Limit {
        floor: Some(crate::units::Rate::new(0)),
        ..Limit::default()
    };
    let target = Target::Peer(B);
    tell(&mut node, Input::Limit { target, limit }, at(0));
    for chunk in 0..6 {
        let peer = if chunk % 2 == 0 { A } else { B };
        assert!(serve(&mut node, peer, chunk).0);
        shows(&mut node, peer, chunk);
    }
    assert_eq!(shows(&mut node, C, 0), [send(B, Message::Choke)]);
}

/// A promised rate is a promise, to a peer or to its group, whatever the peer does.
#[test]
fn whoever_is_promised_a_floor_is_served_though_it_keeps() {
    for target in [Target::Peer(B), Target::Group(crate::id::GroupId(1))] {
        let mut node = seed();
        let limit = Limit {
            floor: Some(crate::units::Rate::new(1)),
            ..Limit::default()
        };
        tell(&mut node, Input::Limit { target, limit }, at(0));
        let joins = Input::Group {
            target: Target::Peer(B),
            group: Some(crate::id::GroupId(1)),
        };
        tell(&mut node, joins, at(0));
        for chunk in 0..6 {
            let peer = if chunk % 2 == 0 { A } else { B };
            assert!(serve(&mut node, peer, chunk).0);
            shows(&mut node, peer, chunk);
        }
        shows(&mut node, C, 0);
        assert_eq!(serve(&mut node, B, 7), (true, vec![]));
        assert_eq!(tell(&mut node, Input::Tick, at(10)), []);
        assert!(serve(&mut node, B, 9).0);
    }
}

/// A asks for chunks that nobody else has, and B for chunks that A has. Says how many of the next
/// eight went to A.
fn turns_of_one_ahead(node: &mut Node) -> usize {
    let to = |said: Vec<Action>| {
        let peer = |action| match action {
            Action::Upload(block) => Some(block.peer),
            _ => None,
        };
        said.into_iter().filter_map(peer)
    };
    let mut queue = VecDeque::new();
    for chunk in 0..8 {
        queue.extend(to(hear(node, A, request(20 + chunk), at(2))));
        queue.extend(to(hear(node, B, request(chunk), at(2))));
    }
    let mut turns = 0;
    for _ in 0..8 {
        let peer = queue.pop_front().expect("one of them is served");
        turns += usize::from(peer == A);
        queue.extend(to(tell(node, Input::Sent { peer, len: LARGE }, at(2))));
    }
    turns
}

/// A was given eight chunks that nobody else has. If nobody is known to forward anything, that is
/// how a receiver looks that came before the others, and it has its half of what is sent. While C,
/// who forwards, wants something, A has a hundredth, but not if a floor is promised to it; and once
/// C has everything, A has its half again.
#[test]
fn who_is_ahead_is_served_alike_unless_others_that_forward_wait() {
    for (forwards, floor, leaves, half) in [
        (false, false, false, true),
        (true, false, false, false),
        (true, true, false, true),
        (true, false, true, true),
    ] {
        let mut node = seed_that_sends(LARGE);
        if floor {
            let limit = Limit {
                floor: Some(crate::units::Rate::new(1)),
                ..Limit::default()
            };
            let target = Target::Peer(A);
            tell(&mut node, Input::Limit { target, limit }, at(0));
        }
        for chunk in 0..8 {
            assert!(serve(&mut node, A, chunk).0);
            shows(&mut node, A, chunk);
        }
        // Of what C was given all has appeared at B, and of what A was given a quarter.
        assert!(serve(&mut node, C, 10).0);
        shows(&mut node, C, 10);
        if forwards {
            shows(&mut node, B, 10);
            shows(&mut node, B, 0);
            shows(&mut node, B, 1);
        }
        if leaves {
            hear(&mut node, C, Message::NotInterested, at(1));
        }
        let turns = turns_of_one_ahead(&mut node);
        // A floor is kept first, whatever the shares are.
        let most = if floor { 8 } else { 5 };
        let is_half = (3..=most).contains(&turns);
        assert_eq!(is_half, half, "{forwards} {floor} {leaves}: {turns}");
    }
}
