//! In which order a seed sends what it is asked for.

use super::*;

/// The chunks of the blocks that are to leave, and for whom.
fn uploads(actions: &[Action]) -> Vec<(PeerId, u32)> {
    let blocks = actions.iter().filter_map(|action| match action {
        Action::Upload(block) => Some((block.peer, block.chunk.get())),
        _ => None,
    });
    blocks.collect()
}

/// A seed sends first what nobody else has: what somebody else asked for too, and is being
/// given, goes behind the rest of its queue, and so does what others have when something new is
/// asked for. Nobody loses a turn, and what was begun goes on.
#[test]
fn what_nobody_else_has_goes_out_first() {
    let mut node = node(1, "even");
    tell(&mut node, add(1, 9, Bitfield::full(9), None), Time::ZERO);
    for peer in [A, B] {
        meet(&mut node, peer);
        let others = Bitfield::from_words(vec![0b1_0000_0000], 9).unwrap();
        let has = if peer == A {
            others
        } else {
            Bitfield::empty(9)
        };
        hear(&mut node, peer, join(9, has), Time::ZERO);
        hear(&mut node, peer, Message::Interested, Time::ZERO);
    }
    let mut out = Vec::new();
    for (peer, chunk) in [(A, 0), (B, 8), (B, 3), (B, 1), (A, 3), (A, 4)] {
        out.extend(uploads(&hear(&mut node, peer, request(chunk), Time::ZERO)));
    }
    // The window holds two blocks: the halves of the first chunk.
    assert_eq!(out, [(A, 0), (A, 0)]);
    for _ in 0..10 {
        let len = ByteCount::new(CHUNK / 2);
        let (peer, _) = out[out.len() - 2];
        out.extend(uploads(&tell(&mut node, Input::Sent { peer, len }, at(1))));
    }
    let of = |wanted: PeerId| -> Vec<u32> {
        let mut chunks: Vec<u32> = Vec::new();
        chunks.extend(
            out.iter()
                .filter(|(peer, _)| *peer == wanted)
                .map(|(_, chunk)| *chunk),
        );
        chunks.dedup();
        chunks
    };
    // A has had its turn when B asks, so B is next: for 8, which A has, for 3 and for 1.
    assert_eq!(of(B), [3, 1, 8], "{out:?}");
    // It was asked for 3, which B is given first, and for 4.
    assert_eq!(of(A), [0, 4, 3], "{out:?}");
}
