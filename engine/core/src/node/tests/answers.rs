//! Answers that come twice, and such that come to nothing.

use super::*;

/// What the shell says of a chunk that came whole from `from`.
fn stored(node: &mut Node, chunk: u32, from: PeerId, now: Time) -> Vec<Action> {
    let stored = Input::Stored {
        transfer: TransferId(1),
        chunk: ChunkIndex(chunk),
        from,
    };
    tell(node, stored, now)
}

fn comes(node: &mut Node, peer: PeerId, chunk: u32, now: Time) {
    hear(node, peer, half(chunk, 0), now);
    hear(node, peer, half(chunk, CHUNK / 2), now);
}

/// A shell may have to drop the bytes of a chunk that is whole: it is asked for again, however
/// often that happens, and whoever sent it is not blamed.
#[test]
fn a_whole_chunk_without_its_bytes_is_asked_for_again() {
    let mut node = guarded(1, &[A]);
    let lost = || Input::Lost {
        transfer: TransferId(1),
        chunk: ChunkIndex(0),
    };
    let said = hear(&mut node, A, Message::Unchoke, at(0));
    assert_eq!(asked(&said), [(A, 0)]);
    for second in 1..1_000 {
        assert_eq!(tell(&mut node, lost(), at(second)), [], "not whole yet");
        comes(&mut node, A, 0, at(second));
        let said = tell(&mut node, lost(), at(second));
        assert_eq!(asked(&said), [(A, 0)]);
        assert_eq!(closed(&said), []);
    }
    comes(&mut node, A, 0, at(1_000));
    stored(&mut node, 0, A, at(1_000));
    assert!(node.is_seed());
}

/// In the endgame two peers send the same chunk, and both are whole before the disk has taken
/// one: neither owes it any longer, and each may be asked for as much as before.
#[test]
fn a_chunk_that_two_sent_is_owed_by_neither() {
    let mut node = leecher(3, &[A, B]);
    let said = hear(&mut node, A, Message::Unchoke, at(0));
    assert_eq!(asked(&said), [(A, 0), (A, 1)]);
    comes(&mut node, A, 0, at(0));
    let said = stored(&mut node, 0, A, at(0));
    assert_eq!(asked(&said), [(A, 2)]);
    let said = hear(&mut node, B, Message::Unchoke, at(10));
    assert_eq!(asked(&said), [(B, 1), (B, 2)], "a second time");
    for chunk in [1, 2] {
        comes(&mut node, A, chunk, at(11));
        comes(&mut node, B, chunk, at(11));
        stored(&mut node, chunk, A, at(11));
        stored(&mut node, chunk, B, at(11));
    }
    assert_eq!(node.waiting().count(), 0, "somebody still owes a chunk");
    tell(&mut node, add(2, 8, Bitfield::empty(2), None), at(12));
    let have = Bitfield::full(2);
    let (content, transfer, reply) = (ContentId([8; 32]), TransferId(6), false);
    let join = Join {
        content,
        transfer,
        have,
        reply,
    };
    let said = hear(&mut node, B, Message::Join(Box::new(join)), at(12));
    assert_eq!(asked(&said), [(B, 0), (B, 1)]);
}
