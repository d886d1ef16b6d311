//! Beginnings of chunks: what is held of them, and who goes on with whose.

use std::sync::Arc;

use fairhaul_core::wire::{Decoder, encode};

use super::super::Named;
use super::super::reader::Intake;
use super::*;

const CHUNK: u64 = 4_096;

fn named(content: ContentId, geometry: Manifest) -> Named {
    let ours = TransferId(content.0[0].into());
    Named {
        content,
        geometry,
        ours,
    }
}

/// A session with a peer that takes part in two contents of four chunks.
fn session(peer: u32, pool: &Arc<Pool>) -> (Intake, Arc<Shared>) {
    let shared = Shared::new(PeerId(peer), Arc::clone(pool), Arc::default());
    let shared = Arc::new(shared);
    let geometry = Manifest::new(ByteCount::new(4 * CHUNK), ByteCount::new(CHUNK)).unwrap();
    for theirs in [1, 2] {
        let content = ContentId([u8::try_from(theirs).unwrap(); 32]);
        shared.learn(TransferId(theirs), named(content, geometry));
    }
    (Intake::new(Arc::clone(&shared), Decoder::new()), shared)
}

/// The first `len` bytes of a chunk come.
fn begins(intake: &mut Intake, transfer: u32, chunk: u32, len: u64) {
    let mut bytes = Vec::new();
    let head = Message::Block {
        transfer: TransferId(transfer),
        chunk,
        offset: ByteCount::ZERO,
        len: ByteCount::new(len),
    };
    encode(&head, &mut bytes);
    bytes.resize(bytes.len() + usize::try_from(len).unwrap(), 7);
    intake.feed(&bytes).unwrap();
}

fn says(intake: &mut Intake, message: &Message) {
    let mut bytes = Vec::new();
    encode(message, &mut bytes);
    intake.feed(&bytes).unwrap();
}

/// Whatever a peer says of a chunk, what came of it is held until the core discards it, asks
/// for it or has it continued: nobody else judges it.
///
/// Limit: L4.
#[test]
fn what_came_is_held_until_the_core_says_what_becomes_of_it() {
    let pool = Arc::default();
    let (mut intake, shared) = session(1, &pool);
    let content = |theirs: u8| ContentId([theirs; 32]);
    let (transfer, chunk) = (TransferId(1), 0);
    for (transfer, len) in [(1, 1_000), (2, 3_000)] {
        begins(&mut intake, transfer, 0, len);
    }
    says(&mut intake, &Message::Reject { transfer, chunk });
    says(&mut intake, &Message::Leave { transfer });
    assert_eq!(shared.begun().held, 4_000);
    assert!(!shared.discard((content(1), 3, PeerId(1))), "another chunk");
    assert!(
        !shared.discard((content(1), 0, PeerId(2))),
        "another sender"
    );
    assert_eq!(shared.begun().held, 4_000);
    assert!(shared.discard((content(1), 0, PeerId(1))));
    assert_eq!(shared.begun().held, 3_000);
    shared.forget(TransferId(2));
    assert_eq!(shared.begun().held, 0, "its name is forgotten");
    assert!(
        pool.discard((content(2), 0, PeerId(1))),
        "and its bytes are not"
    );
}

/// A chunk that is whole is given once to whoever asks for it, and takes memory until then. One
/// that nobody asked for is discarded like a part of one.
///
/// Limit: L4.
#[test]
fn a_whole_chunk_is_given_once_and_a_spare_one_is_discarded() {
    let (mut intake, shared) = session(1, &Arc::default());
    let content = ContentId([1; 32]);
    for chunk in [0, 1] {
        begins(&mut intake, 1, chunk, CHUNK);
    }
    assert_eq!(shared.begun().held, 0, "no part is left");
    assert_eq!(shared.budget.books().held(), 2 * CHUNK);
    let arrival = shared.whole(content, 0).expect("it is whole");
    assert_eq!(arrival.bytes.len() as u64, CHUNK);
    assert!(shared.whole(content, 0).is_none(), "once");
    assert!(shared.discard((content, 1, PeerId(1))));
    drop(arrival);
    assert_eq!(shared.budget.books().held(), 0);
    assert_eq!(intake.received, [(Some(TransferId(1)), 2 * CHUNK)]);
}

/// One peer sends three quarters of a chunk in blocks of a quarter and a bit of the next, and
/// refuses the rest. The session that is told to go on from there makes the chunk whole, as if
/// one peer had sent it; what a third peer began of the same chunk is not mixed in.
#[test]
fn a_session_goes_on_where_another_stopped() {
    let pool = Arc::default();
    let content = ContentId([1; 32]);
    let (one, chunk) = (TransferId(1), 0);
    let quarter = |number: u64, fill: u8, len: u64| {
        let mut bytes = Vec::new();
        let head = Message::Block {
            transfer: one,
            chunk,
            offset: ByteCount::new(number * CHUNK / 4),
            len: ByteCount::new(CHUNK / 4),
        };
        encode(&head, &mut bytes);
        bytes.resize(bytes.len() + usize::try_from(len).unwrap(), fill);
        bytes
    };
    let (mut first, shared) = session(4, &pool);
    for number in 0..3 {
        first.feed(&quarter(number, 7, CHUNK / 4)).unwrap();
    }
    first.feed(&quarter(3, 7, 100)).unwrap();
    shared.end();
    let (mut liar, shared) = session(6, &pool);
    liar.feed(&quarter(0, 66, CHUNK / 4)).unwrap();
    shared.end();
    assert_eq!(shared.begun().held, 0);

    let (mut second, shared) = session(5, &pool);
    let partial = pool
        .kept((content, chunk, PeerId(4)))
        .expect("it was begun");
    shared.resume(partial);
    second.feed(&quarter(3, 7, CHUNK / 4)).unwrap();
    let arrival = shared.whole(content, chunk).expect("the chunk is whole");
    let whole = vec![7; usize::try_from(CHUNK).unwrap()];
    assert_eq!(arrival.bytes, whole);
    assert_eq!(
        &arrival.hash,
        chunk_hasher().update(&whole).finalize().as_bytes()
    );
    assert_eq!(shared.begun().held, 0);
    assert!(pool.kept((content, chunk, PeerId(6))).is_some());
    assert!(pool.kept((content, chunk, PeerId(5))).is_none());
}

/// What is kept is bounded, and whoever fills it makes room for the others.
#[test]
fn a_peer_that_begins_a_thousand_chunks_costs_nobody_else_his() {
    let pool: Arc<Pool> = Arc::default();
    let partial = |of: u32, chunk: u32, len: usize| Partial {
        content: ContentId([1; 32]),
        chunk,
        of: PeerId(of),
        whole: len + 1,
        bytes: vec![0; len],
        hasher: chunk_hasher(),
        hashed: 0,
        turn: 0,
    };
    pool.keep(partial(1, 0, 1_000_000));
    for chunk in 0..1_000 {
        pool.keep(partial(2, chunk, 1_000_000));
    }
    let kept = |of, chunk| pool.kept((ContentId([1; 32]), chunk, PeerId(of))).is_some();
    assert!(kept(1, 0) && kept(2, 999) && !kept(2, 0));
}
/// A path stands still for long, and what was given up meanwhile comes all at once: the
/// beginnings of nine chunks of 8 MiB, of nine contents. Nobody is closed for it; what has
/// waited longest is let go, and goes on where it stopped.
///
/// Register: D8, D10. Limit: L4.
#[test]
fn more_beginnings_than_there_is_room_for_are_no_offence() {
    const LONG: u64 = 8 * 1024 * 1024;
    let pool: Arc<Pool> = Arc::default();
    let (mut intake, shared) = session(1, &pool);
    let geometry = Manifest::new(ByteCount::new(LONG), ByteCount::new(LONG)).unwrap();
    let piece = |transfer: u32, offset: u64| {
        let mut bytes = Vec::new();
        let len = LONG / 32;
        let head = Message::Block {
            transfer: TransferId(transfer),
            chunk: 0,
            offset: ByteCount::new(offset),
            len: ByteCount::new(len),
        };
        encode(&head, &mut bytes);
        bytes.resize(bytes.len() + usize::try_from(len).unwrap(), 7);
        bytes
    };
    for theirs in 11..20 {
        let content = ContentId([u8::try_from(theirs).unwrap(); 32]);
        shared.learn(TransferId(theirs), named(content, geometry));
        for step in 0..31 {
            intake.feed(&piece(theirs, step * LONG / 32)).unwrap();
            assert!(shared.begun().held <= PARTIAL_MAX);
        }
    }
    assert!(shared.begun().held > PARTIAL_MAX - usize::try_from(LONG).unwrap());
    // The first of them had to go, and is made whole all the same; so is the last.
    for theirs in [11, 19] {
        intake.feed(&piece(theirs, LONG / 32 * 31)).unwrap();
        let content = ContentId([u8::try_from(theirs).unwrap(); 32]);
        let arrival = shared.whole(content, 0).expect("the chunk is whole");
        assert_eq!(arrival.bytes.len() as u64, LONG);
    }
}
