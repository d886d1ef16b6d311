//! What a peer earns by what it gives.

use super::*;

/// A leecher with chunks 0 and 1 of four, which lets a peer be behind by one chunk. `A` has the
/// others, wants ours, was given chunk 0 and asks for chunk 1.
fn traders() -> Node {
    let mut config = config(1, "even");
    config.unchoke = choke::CHOKERS.find("bounded-deficit").unwrap();
    config.choke.deficit = Some(ByteCount::new(CHUNK));
    config.uplink.window_node = ByteCount::MAX;
    let mut node = Node::new(config, Time::ZERO);
    let ours = Bitfield::from_words(vec![0b0011], 4).unwrap();
    tell(&mut node, add(1, 9, ours, None), Time::ZERO);
    meet(&mut node, A);
    let theirs = Bitfield::from_words(vec![0b1100], 4).unwrap();
    hear(&mut node, A, join(9, theirs), Time::ZERO);
    hear(&mut node, A, Message::Interested, Time::ZERO);
    let said = hear(&mut node, A, Message::Unchoke, Time::ZERO);
    assert_eq!(asked(&said), [(A, 2), (A, 3)]);
    let said = hear(&mut node, A, request(0), Time::ZERO);
    assert_eq!(uploads(&said), CHUNK);
    let said = hear(&mut node, A, request(1), Time::ZERO);
    assert_eq!(uploads(&said), 0);
    node
}

/// The bound is two chunks. A manifest is shorter than its one chunk may be, and widens no bound.
#[test]
fn a_short_content_with_long_chunks_lets_a_peer_be_no_further_behind() {
    let mut config = config(1, "even");
    config.unchoke = choke::CHOKERS.find("bounded-deficit").unwrap();
    config.uplink.window_node = ByteCount::MAX;
    let mut node = Node::new(config, Time::ZERO);
    let ours = Bitfield::from_words(vec![0b0111], 4).unwrap();
    tell(&mut node, add(1, 9, ours, None), Time::ZERO);
    let short = Input::Add {
        transfer: TransferId(2),
        content: ContentId([8; 32]),
        manifest: Manifest::new(ByteCount::new(10), ByteCount::new(64 * CHUNK)).unwrap(),
        have: Bitfield::full(1),
        audience: None,
    };
    tell(&mut node, short, Time::ZERO);
    meet(&mut node, A);
    let theirs = Bitfield::from_words(vec![0b1000], 4).unwrap();
    hear(&mut node, A, join(9, theirs), Time::ZERO);
    let manifest = Message::Join(Box::new(Join {
        content: ContentId([8; 32]),
        transfer: TransferId(8),
        have: Bitfield::full(1),
        reply: false,
    }));
    hear(&mut node, A, manifest, Time::ZERO);
    hear(&mut node, A, Message::Interested, Time::ZERO);
    // The first round grants: before it the length of chunks is not known.
    tell(&mut node, Input::Tick, at(10));
    let ask = |chunk| uploads(&hear(&mut node, A, request(chunk), at(10)));
    assert_eq!([0, 1, 2].map(ask), [CHUNK, CHUNK, 0]);
}

/// Bytes that are issued.
fn uploads(actions: &[Action]) -> u64 {
    let blocks = actions.iter().filter_map(|action| match action {
        Action::Upload(block) => Some(block.len.get()),
        _ => None,
    });
    blocks.sum()
}

fn chunk(position: u32) -> ChunkIndex {
    manifest(4).index(position).unwrap()
}

/// Half a chunk, and a whole one that nobody has checked, earn nothing; a verified one as much as
/// it is long, at once.
#[test]
fn only_bytes_that_were_verified_earn_service() {
    let mut node = traders();
    for offset in [0, CHUNK / 2] {
        let said = hear(&mut node, A, half(2, offset), at(1));
        assert_eq!(uploads(&said), 0);
    }
    let stored = Input::Stored {
        transfer: TransferId(1),
        chunk: chunk(2),
        from: A,
    };
    assert_eq!(uploads(&tell(&mut node, stored, at(1))), CHUNK);
}

#[test]
fn a_wrong_chunk_earns_nothing() {
    let mut node = traders();
    for offset in [0, CHUNK / 2] {
        hear(&mut node, A, half(2, offset), at(1));
    }
    let rejected = Input::Rejected {
        transfer: TransferId(1),
        chunk: chunk(2),
        from: A,
    };
    let said = tell(&mut node, rejected, at(1));
    assert_eq!(
        (uploads(&said), closed(&said)),
        (0, vec![Misbehaviour::WrongHash])
    );
}

/// A peer that goes and comes back under its name is not new: what it owes outlives a connection.
#[test]
fn coming_back_does_not_clear_a_debt() {
    let mut node = traders();
    let len = ByteCount::new(CHUNK);
    tell(&mut node, Input::Sent { peer: A, len }, at(1));
    tell(&mut node, Input::Disconnected { peer: A }, at(2));
    let said = meet(&mut node, A);
    assert!(!said.contains(&send(A, Message::Unchoke)), "{said:?}");
    // A stranger has its bound.
    let said = meet(&mut node, B);
    assert!(said.contains(&send(B, Message::Unchoke)), "{said:?}");
}
