//! What may be begun at the same time, over all peers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;
use crate::units::Rate;

/// Room for eight chunks.
const ROOM: u64 = 8 * CHUNK;

/// A node that fetches `chunks` chunks and has room for eight, and `peers` that have them all.
/// What it asks of whom while they unchoke, one after the other.
fn pressed(chunks: u32, peers: u32) -> (Node, Vec<(PeerId, u32)>) {
    let guard = Guard {
        held: ByteCount::new(ROOM),
        // Chunks are so short here that nobody could be slow in one.
        slow: Rate::new(0),
        ..Guard::default()
    };
    let config = Config {
        guard: Some(guard),
        ..config(1, "even")
    };
    let mut node = Node::new(config, Time::ZERO);
    let content = add(1, 9, Bitfield::empty(chunks), None);
    tell(&mut node, content, Time::ZERO);
    let mut said = Vec::new();
    for peer in (0..peers).map(PeerId) {
        meet(&mut node, peer);
        hear(&mut node, peer, join(9, Bitfield::full(chunks)), at(0));
        said.extend(hear(&mut node, peer, Message::Unchoke, at(0)));
    }
    (node, asked(&said))
}

/// A chunk of content 9 is on disk.
fn stored(node: &mut Node, from: PeerId, chunk: u32) -> Vec<Action> {
    let stored = Input::Stored {
        transfer: TransferId(1),
        chunk: ChunkIndex(chunk),
        from,
    };
    tell(node, stored, at(1))
}

/// Twenty peers with one chunk at a time each: the eighth would take all that is left. Each
/// gets its turn, and what it sends waits for the disk for a while.
///
/// Limit: L4.
#[test]
fn what_is_begun_at_many_peers_stays_within_the_limit_and_each_has_its_turn() {
    let (mut node, first) = pressed(200, 20);
    let of: BTreeSet<PeerId> = first.iter().map(|(peer, _)| *peer).collect();
    assert_eq!(of.len(), 7, "{first:?}");
    let (mut owed, mut disk) = (VecDeque::from(first), VecDeque::new());
    let mut gave: BTreeMap<PeerId, u32> = BTreeMap::new();
    while let Some((peer, chunk)) = owed.pop_front() {
        let waits = ByteCount::new(disk.len() as u64 * CHUNK);
        let begun = node.held() - waits;
        assert!(begun <= ByteCount::new(ROOM), "{begun}");
        let mut said = hear(&mut node, peer, half(chunk, 0), at(1));
        said.extend(hear(&mut node, peer, half(chunk, CHUNK / 2), at(1)));
        disk.push_back((peer, chunk));
        if disk.len() == 4 || owed.is_empty() {
            for (peer, chunk) in std::mem::take(&mut disk) {
                said.extend(stored(&mut node, peer, chunk));
                *gave.entry(peer).or_default() += 1;
            }
        }
        owed.extend(asked(&said));
    }
    assert!(node.is_seed());
    assert_eq!(node.held(), ByteCount::ZERO);
    assert!(
        gave.len() == 20 && gave.values().all(|given| (8..=12).contains(given)),
        "{gave:?}"
    );
}

/// What waits for the disk counts like what is begun: with a disk that takes nothing, asking
/// ends.
///
/// Limit: L4.
#[test]
fn a_disk_that_takes_nothing_ends_asking_within_the_limit() {
    let (mut node, first) = pressed(200, 20);
    let mut owed = VecDeque::from(first);
    let mut whole = Vec::new();
    while let Some((peer, chunk)) = owed.pop_front() {
        let mut said = hear(&mut node, peer, half(chunk, 0), at(1));
        said.extend(hear(&mut node, peer, half(chunk, CHUNK / 2), at(1)));
        whole.push((peer, chunk));
        owed.extend(asked(&said));
    }
    // The first peers were asked for two each before anybody had to wait.
    assert!(whole.len() <= 14, "{whole:?}");
    let ask = tell(&mut node, Input::Tick, at(2));
    assert_eq!(asked(&ask), []);
    let said = whole
        .into_iter()
        .flat_map(|(peer, chunk)| stored(&mut node, peer, chunk));
    assert!(!asked(&said.collect::<Vec<_>>()).is_empty(), "it goes on");
}

/// A chunk of an eighth of the others finds room while bulk waits for it.
///
/// Limit: L4.
#[test]
fn a_transfer_of_small_chunks_finds_room_beside_bulk_ones() {
    let (mut node, _) = pressed(200, 20);
    let manifest = Manifest::new(ByteCount::new(CHUNK), ByteCount::new(CHUNK / 8)).unwrap();
    let small = Input::Add {
        transfer: TransferId(2),
        content: ContentId([5; 32]),
        manifest,
        have: Bitfield::empty(8),
        audience: None,
    };
    tell(&mut node, small, at(1));
    let join = Message::Join(Box::new(Join {
        content: ContentId([5; 32]),
        transfer: TransferId(8),
        have: Bitfield::full(8),
        reply: false,
    }));
    let said = hear(&mut node, PeerId(19), join, at(1));
    let request = Message::Request {
        transfer: TransferId(2),
        chunk: 0,
        offset: ByteCount::ZERO,
    };
    assert!(said.contains(&send(PeerId(19), request)), "{said:?}");
}

/// Seven peers drip, each a byte a second of a chunk: quicker ones that wait take their places,
/// and the drippers come last.
///
/// Limit: L4.
#[test]
fn who_drips_into_a_chunk_gives_its_place_to_one_that_waits() {
    let (mut node, first) = pressed(200, 9);
    let drippers: BTreeSet<PeerId> = first.iter().map(|(peer, _)| *peer).collect();
    assert_eq!(drippers.len(), 7);
    let begun: BTreeMap<PeerId, u32> = first.iter().rev().copied().collect();
    let mut done = Vec::new();
    for second in 0..60 {
        assert_eq!(asked(&done), [], "after {second} s");
        for (&peer, &chunk) in &begun {
            let drop = Message::Block {
                transfer: TransferId(7),
                chunk,
                offset: ByteCount::new(second),
                len: ByteCount::new(1),
            };
            done.extend(hear(&mut node, peer, drop, at(second)));
        }
        done.extend(tell(&mut node, Input::Tick, at(second)));
    }
    for second in 60..64 {
        done.extend(tell(&mut node, Input::Tick, at(second)));
    }
    let of: BTreeSet<PeerId> = asked(&done).iter().map(|(peer, _)| *peer).collect();
    assert!(
        of.is_superset(&BTreeSet::from([PeerId(7), PeerId(8)])),
        "{of:?}"
    );
    assert!(of.is_disjoint(&drippers), "{of:?}");
}

/// One chunk may be larger than the limit: it comes alone.
///
/// Limit: L4.
#[test]
fn a_chunk_of_any_length_may_come_where_nothing_else_does() {
    let guard = Guard {
        held: ByteCount::new(CHUNK / 4),
        ..Guard::default()
    };
    let config = Config {
        guard: Some(guard),
        ..config(1, "even")
    };
    let mut node = Node::new(config, Time::ZERO);
    tell(&mut node, add(1, 9, Bitfield::empty(3), None), at(0));
    let mut said = Vec::new();
    for peer in [A, B] {
        meet(&mut node, peer);
        hear(&mut node, peer, join(9, Bitfield::full(3)), at(0));
        said.extend(hear(&mut node, peer, Message::Unchoke, at(0)));
    }
    assert!(asked(&said).iter().all(|(peer, _)| *peer == A), "{said:?}");
    let mut owed = VecDeque::from(asked(&said));
    while let Some((peer, chunk)) = owed.pop_front() {
        let mut said = hear(&mut node, peer, half(chunk, 0), at(1));
        said.extend(hear(&mut node, peer, half(chunk, CHUNK / 2), at(1)));
        said.extend(stored(&mut node, peer, chunk));
        owed.extend(asked(&said));
    }
    assert!(node.is_seed());
}
