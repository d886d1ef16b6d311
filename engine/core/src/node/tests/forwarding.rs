//! Reports of what is forwarded: what a node says of itself, and what it makes of what others say.

use super::*;
use crate::message::Forwarded;

fn forwarded(of_yours: u64, of_others: u64) -> Message {
    Message::Forwarded(Forwarded {
        of_yours: ByteCount::new(of_yours),
        of_others: ByteCount::new(of_others),
    })
}

/// A node under `rule` that has one of two chunks of A and gives it to B. C takes part too, and D
/// is connected and does not.
fn forwarder(rule: &str) -> Node {
    let config = Config {
        unchoke: choke::CHOKERS.find(rule).unwrap(),
        ..config(1, "even")
    };
    let mut node = Node::new(config, Time::ZERO);
    tell(&mut node, add(1, 9, Bitfield::empty(2), None), Time::ZERO);
    for (peer, has) in [
        (A, Bitfield::full(2)),
        (B, Bitfield::empty(2)),
        (C, Bitfield::empty(2)),
    ] {
        meet(&mut node, peer);
        hear(&mut node, peer, join(9, has), Time::ZERO);
    }
    meet(&mut node, PeerId(3));
    hear(&mut node, A, Message::Unchoke, Time::ZERO);
    for offset in [0, CHUNK / 2] {
        hear(&mut node, A, half(0, offset), at(1));
    }
    let stored = Input::Stored {
        transfer: TransferId(1),
        chunk: ChunkIndex(0),
        from: A,
    };
    tell(&mut node, stored, at(1));
    hear(&mut node, B, Message::Interested, at(1));
    tell(&mut node, Input::Tick, at(10));
    let served = hear(&mut node, B, request(0), at(11));
    let uploads = |action: &&Action| matches!(action, Action::Upload(_));
    assert_eq!(served.iter().filter(uploads).count(), 2, "{served:?}");
    node
}

fn reports(actions: Vec<Action>) -> Vec<(PeerId, Message)> {
    let reports = actions.into_iter().filter_map(|action| match action {
        Action::Send { peer, message } => Some((peer, message)),
        _ => None,
    });
    let is_one = |said: &(PeerId, Message)| matches!(said.1, Message::Forwarded(_));
    reports.filter(is_one).collect()
}

/// With the next round A hears that a chunk of its was forwarded, B and C of the same bytes as of
/// others', and D, who takes no part in that content, nothing; and all of it once.
#[test]
fn each_round_says_what_was_forwarded_and_how_much_of_it_came_from_whom() {
    let mut node = forwarder("give-to-get");
    let said = reports(tell(&mut node, Input::Tick, at(20)));
    let expected = [
        (A, forwarded(CHUNK, 0)),
        (B, forwarded(0, CHUNK)),
        (C, forwarded(0, CHUNK)),
    ];
    assert_eq!(said, expected);
    assert_eq!(reports(tell(&mut node, Input::Tick, at(30))), []);
}

/// A node with another rule sends no reports.
#[test]
fn whoever_goes_by_something_else_says_nothing() {
    let mut node = forwarder("none");
    assert_eq!(reports(tell(&mut node, Input::Tick, at(20))), []);
}

/// B was sent a chunk and may have forwarded it; C was sent nothing, so what it forwarded is not
/// ours whatever it says. Numbers beyond all measure are as much as can be counted, and after two
/// rounds nothing of them is left.
#[test]
fn what_peers_say_counts_for_two_rounds_and_as_ours_only_if_they_have_anything_of_ours() {
    let mut node = forwarder("give-to-get");
    assert_eq!(hear(&mut node, B, forwarded(20_000, 40_000), at(12)), []);
    for _ in 0..2 {
        assert_eq!(
            hear(&mut node, C, forwarded(u64::MAX, u64::MAX), at(12)),
            []
        );
    }
    let seen = |node: &Node, peer| {
        let seen = node.swarm.peer(peer).unwrap();
        let seen = seen.candidate(peer, Time::ZERO, at(20));
        (seen.forwards_ours.get(), seen.forwards_all.get())
    };
    assert_eq!(seen(&node, B), (1_000, 3_000));
    assert_eq!(seen(&node, C), (0, u64::MAX / 20));
    for round in [20, 30] {
        assert_ne!(seen(&node, B), (0, 0));
        tell(&mut node, Input::Tick, at(round));
    }
    assert_eq!(seen(&node, B), (0, 0));
}
