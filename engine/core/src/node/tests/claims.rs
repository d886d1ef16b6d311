//! Bitfields that peers send are kept within bounds (limit L4).

use super::*;
use crate::manifest::CHUNKS_MAX;
use crate::node::CLAIMS_PEER;

/// A node that takes part in contents of so many chunks, numbered from 1, with A and B, and keeps
/// `claims` bytes of bitfields of both together.
fn meets(contents: &[u32], claims: u64) -> Node {
    let guard = Guard {
        claims: ByteCount::new(claims),
        ..Guard::default()
    };
    let config = Config {
        guard: Some(guard),
        ..config(1, "even")
    };
    let mut node = Node::new(config, Time::ZERO);
    for (id, &chunks) in (1..).zip(contents) {
        let content = u8::try_from(id).unwrap();
        tell(
            &mut node,
            add(id, content, Bitfield::full(chunks), None),
            at(0),
        );
    }
    for peer in [A, B] {
        meet(&mut node, peer);
    }
    node
}

/// What the node answers when `peer`, which calls each content by its number, names `content`.
fn names(node: &mut Node, peer: PeerId, content: u8, chunks: u32) -> Vec<Action> {
    let join = Message::Join(Box::new(Join {
        content: ContentId([content; 32]),
        transfer: TransferId(content.into()),
        have: Bitfield::empty(chunks),
        reply: false,
    }));
    hear(node, peer, join, at(1))
}

fn leaves(said: &[Action], peer: PeerId, content: u32) -> bool {
    let transfer = TransferId(content);
    said.contains(&send(peer, Message::Leave { transfer }))
}

fn asks_again(said: &[Action], peer: PeerId, content: u32) -> bool {
    said.iter().any(|action| match action {
        Action::Send {
            peer: to,
            message: Message::Join(join),
        } => *to == peer && join.transfer == TransferId(content) && join.reply,
        _ => false,
    })
}

/// There is room for three bitfields of a word. The fourth is refused without an offence, and
/// asked for when there is room: a peer has left a content, or is gone.
///
/// Register: J10. Limit: L4.
#[test]
fn the_bitfield_for_which_there_is_no_room_waits_for_it() {
    let mut node = meets(&[64; 3], 24);
    for (peer, content) in [(A, 1), (B, 1), (B, 2)] {
        let said = names(&mut node, peer, content, 64);
        assert!(!leaves(&said, peer, content.into()));
    }
    let said = names(&mut node, A, 2, 64);
    assert!(leaves(&said, A, 2) && closed(&said).is_empty());
    assert_eq!(node.claimed(A), ByteCount::new(8));
    assert_eq!(node.claimed(B), ByteCount::new(16));
    // What is there is named again: it takes no more than before.
    assert!(!leaves(&names(&mut node, A, 1, 64), A, 1));
    let transfer = TransferId(1);
    let said = hear(&mut node, A, Message::Leave { transfer }, at(2));
    assert!(asks_again(&said, A, 2), "{said:?}");
    names(&mut node, A, 2, 64);
    assert!(leaves(&names(&mut node, A, 3, 64), A, 3));
    let said = tell(&mut node, Input::Disconnected { peer: B }, at(3));
    assert!(asks_again(&said, A, 3), "{said:?}");
    assert_eq!(node.claimed(B), ByteCount::ZERO);
}

/// Where others have taken everything a peer takes part in one content all the same.
///
/// Register: J10. Limit: L4.
#[test]
fn one_bitfield_of_each_peer_is_kept_whatever_the_others_say() {
    let mut node = meets(&[64; 2], 8);
    assert!(!leaves(&names(&mut node, A, 1, 64), A, 1));
    assert!(leaves(&names(&mut node, A, 2, 64), A, 2));
    assert!(!leaves(&names(&mut node, B, 2, 64), B, 2));
}

/// Two of the longest bitfields are all that is kept of one peer, beside one that it offers of a
/// content in which we take no part.
///
/// Register: J10. Limit: L4, L8.
#[test]
fn two_of_the_longest_bitfields_are_kept_of_a_peer() {
    let mut node = meets(&[CHUNKS_MAX, CHUNKS_MAX, 64], u64::MAX);
    for content in [1, 2] {
        assert!(!leaves(
            &names(&mut node, A, content, CHUNKS_MAX),
            A,
            content.into()
        ));
    }
    assert_eq!(node.claimed(A), CLAIMS_PEER);
    assert!(leaves(&names(&mut node, A, 3, 64), A, 3));
    for content in 4..9 {
        names(&mut node, A, content, CHUNKS_MAX);
        let half = CLAIMS_PEER.get() / 2;
        assert_eq!(node.claimed(A).get(), CLAIMS_PEER.get() + half);
    }
    let transfer = TransferId(8);
    hear(&mut node, A, Message::Leave { transfer }, at(2));
    assert_eq!(node.claimed(A), CLAIMS_PEER);
}

/// What is offered of contents in which we take no part yields to what we take part in, and takes
/// no more than there is room for however many peers offer it.
///
/// Register: J10. Limit: L4.
#[test]
fn offers_of_all_peers_have_one_bound() {
    let mut node = meets(&[64; 2], 40);
    for content in 11..21 {
        for peer in [A, B] {
            names(&mut node, peer, content, 64);
        }
        let all = node.claimed(A) + node.claimed(B);
        assert!(all.get() <= 40, "{content}: {all:?}");
    }
    for (peer, content) in [(A, 1), (A, 2), (B, 1), (B, 2)] {
        assert!(!leaves(
            &names(&mut node, peer, content, 64),
            peer,
            content.into()
        ));
    }
    names(&mut node, A, 21, 64);
    assert!(node.claimed(A) + node.claimed(B) <= ByteCount::new(2 * 40));
}
