use super::*;
use crate::bitfield::Bitfield;
use crate::node::Place;

const TRANSFER: TransferId = TransferId(1);

/// A peer that has all of a content of which we have nothing.
fn seed(fixed_ahead: Option<u32>) -> Peer {
    let mut peer = Peer::new(fixed_ahead, Asking::default(), Time::ZERO);
    peer.set_remote(remote(TRANSFER));
    peer
}

fn remote(transfer: TransferId) -> Remote {
    Remote::new(
        (transfer, Place::default()),
        transfer,
        Bitfield::full(200),
        (200, ByteCount::new(4)),
    )
}

fn ask(peer: &mut Peer) {
    ask_at(peer, Time::ZERO);
}

fn ask_at(peer: &mut Peer, at: Time) {
    peer.ask(AskedChunk {
        transfer: TRANSFER,
        chunk: ChunkIndex(0),
        len: ByteCount::new(4),
        came: ByteCount::ZERO,
        at,
        whole: false,
    });
}

/// One request, and its answer `after` that. When that was.
fn answer(peer: &mut Peer, at: Time, after: Span) -> Time {
    ask_at(peer, at);
    peer.forget(TRANSFER, ChunkIndex(0), Some(at + after));
    at + after
}

fn is_open(peer: &mut Peer, transfer: TransferId) -> bool {
    peer.has_room() && peer.remotes.get_mut(transfer).unwrap().has_room()
}

/// How many chunks can be asked of a peer of which nothing was asked.
fn room(peer: &mut Peer) -> usize {
    while is_open(peer, TRANSFER) {
        ask(peer);
    }
    let room = peer.asked.len();
    while peer.forget(TRANSFER, ChunkIndex(0), None).is_some() {}
    room
}

#[test]
fn quick_answers_widen_the_pipeline_and_slow_ones_narrow_it() {
    let mut peer = seed(None);
    assert_eq!(room(&mut peer), 2);
    for _ in 0..100 {
        answer(&mut peer, Time::ZERO, Span::from_millis(10));
    }
    assert_eq!(room(&mut peer), 64);
    let mut now = Time::ZERO;
    for _ in 0..100 {
        now = answer(&mut peer, now, Span::from_secs(5));
    }
    assert_eq!(room(&mut peer), 2);
}

/// All that was asked at once stood in the same queue: it is one piece of news.
#[test]
fn slow_answers_to_one_volley_narrow_the_pipeline_once() {
    let mut peer = seed(None);
    for _ in 0..100 {
        answer(&mut peer, Time::ZERO, Span::from_millis(10));
    }
    let late = Time::ZERO + Span::from_secs(1);
    for _ in 0..10 {
        answer(&mut peer, late, Span::from_secs(5));
    }
    assert_eq!(room(&mut peer), 63);
}

#[test]
fn the_way_there_and_back_does_not_count_as_waiting() {
    let mut peer = seed(None);
    let (way, limit) = (Span::from_millis(200), Asking::default().most);
    ask(&mut peer);
    let first = (TRANSFER, ChunkIndex(0));
    peer.answers(first, ByteCount::new(1), Time::ZERO + way);
    peer.forget(TRANSFER, ChunkIndex(0), Some(Time::ZERO + way));
    assert_eq!(room(&mut peer), 3);
    let now = answer(&mut peer, Time::ZERO + way, limit + way);
    assert_eq!(room(&mut peer), 3, "this much waiting is not too much");
    answer(&mut peer, now, limit + way + Span::from_millis(1));
    assert_eq!(room(&mut peer), 2);
}

#[test]
fn a_fixed_pipeline_does_not_adapt() {
    let mut peer = seed(Some(5));
    answer(&mut peer, Time::ZERO, Span::from_millis(1));
    assert_eq!(room(&mut peer), 5);
}

#[test]
fn one_transfer_does_not_use_up_the_room_of_another() {
    let mut peer = seed(None);
    peer.set_remote(remote(TransferId(2)));
    ask(&mut peer);
    ask(&mut peer);
    assert!(!is_open(&mut peer, TRANSFER));
    assert!(is_open(&mut peer, TransferId(2)));
}

/// Offers of the longest bitfields: one is kept, whatever its length, and not two.
///
/// Register: J10.
#[test]
fn what_a_peer_offers_takes_no_more_memory_than_the_longest_offer() {
    let id = |content: u16| {
        let mut id = [0; 32];
        id[..2].copy_from_slice(&content.to_le_bytes());
        ContentId(id)
    };
    let offer = |content: u16, chunks: u32| Join {
        content: id(content),
        transfer: TransferId(u32::from(content)),
        have: Bitfield::full(chunks),
        reply: true,
    };
    let mut peer = Peer::new(None, Asking::default(), Time::ZERO);
    peer.keep_offer(offer(0, 64));
    for content in 1..10 {
        peer.keep_offer(offer(content, CHUNKS_MAX));
        assert_eq!(peer.offers.len(), 1);
    }
    for content in 0..2_000 {
        peer.keep_offer(offer(content, 64));
    }
    assert_eq!(peer.offers.len(), OFFERS_MAX);
    assert!(peer.take_offer(id(1_999)).is_some());
    assert!(peer.take_offer(id(9)).is_none());
}

#[test]
fn only_a_peer_that_owes_something_can_be_silent() {
    let mut peer = Peer::new(None, Asking::default(), Time::ZERO);
    let late = Time::ZERO + SNUB_AFTER;
    assert!(!peer.is_silent(late));
    peer.asked.push(AskedChunk {
        transfer: TRANSFER,
        chunk: ChunkIndex(0),
        len: ByteCount::new(4),
        came: ByteCount::ZERO,
        at: Time::ZERO,
        whole: false,
    });
    assert!(peer.is_silent(late));
    peer.count_received(ByteCount::new(1), late);
    assert!(!peer.is_silent(late));
}

#[test]
fn a_round_ages_what_was_given_and_two_forget_it() {
    let known = |peer: &Peer| peer.candidate(PeerId(0), Time::ZERO, Time::ZERO);
    let mut peer = Peer::new(None, Asking::default(), Time::ZERO);
    peer.count_received(ByteCount::new(7), Time::ZERO);
    peer.next_round();
    assert_eq!(known(&peer).received, ByteCount::new(7));
    peer.next_round();
    assert_eq!(known(&peer).received, ByteCount::ZERO);
    assert_eq!(known(&peer).waited, 2);
}
