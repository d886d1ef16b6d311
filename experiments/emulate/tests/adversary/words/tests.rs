//! A node with one content of four chunks of two blocks, and its manifest of one chunk. The node
//! calls them 7 and 3, the peer 9 and 5.

use fairhaul_simulator::behaviour::{Announces, Behaviour, Bundle, Withholds};

use super::*;

const CHUNK: u64 = 32 * 1024;
const BLOCK: u64 = 16 * 1024;
const OURS: TransferId = TransferId(7);
const THEIRS: TransferId = TransferId(9);
const PEER: PeerId = PeerId(0);

fn bundle(name: &str) -> Behaviour {
    Bundle::find(name).unwrap().behaviour()
}

fn join(transfer: TransferId, content: u8, have: Bitfield) -> Frame {
    let join = Join {
        content: ContentId([content; 32]),
        transfer,
        have,
        reply: false,
    };
    Message::Join(Box::new(join)).into()
}

fn have(transfer: TransferId, chunk: u32) -> Frame {
    Message::Have { transfer, chunk }.into()
}

fn block(chunk: u32, offset: u64) -> Frame {
    let message = Message::Block {
        transfer: OURS,
        chunk,
        offset: ByteCount::new(offset),
        len: ByteCount::new(BLOCK),
    };
    let payload = vec![0x5A; 16 * 1024];
    Frame { message, payload }
}

/// Behaves so, and has met a peer that has nothing; the node has the first two chunks.
fn met(behaviour: &Behaviour) -> (Words, Frame) {
    let mut words = Words::new(&Mask {
        name: "deviant.1".to_owned(),
        rng_seed: 1,
        replication: 0,
        serves: behaviour.serves,
        announces: behaviour.announces,
        withholds: behaviour.withholds,
        identities: behaviour.identities,
        rejoins_ns: None,
        partners: vec!["partner".into(); usize::from(behaviour.colludes.is_some())],
        look_ns: 1_000,
        rechoke_ns: 10_000,
        contents: vec![(4 * CHUNK, CHUNK)],
    });
    words.meet(PEER);
    let mut had = Bitfield::empty(4);
    for chunk in Bitfield::full(2).iter() {
        had.insert(chunk);
    }
    let said = words.says(PEER, join(OURS, 1, had));
    let nothing = join(THEIRS, 1, Bitfield::empty(4));
    assert_eq!(words.hears(PEER, nothing.clone()).0, Some(nothing));
    let [said] = said.try_into().unwrap();
    (words, said)
}

fn claimed(frame: &Frame) -> u32 {
    match &frame.message {
        Message::Join(join) => join.have.count(),
        other => panic!("{other:?} is no Join"),
    }
}

#[test]
fn a_bitthief_says_that_it_has_nothing_and_unchokes_nobody() {
    let (mut words, said) = met(&bundle("bitthief"));
    assert_eq!(claimed(&said), 0);
    assert_eq!(words.says(PEER, have(OURS, 2)), []);
    assert_eq!(words.says(PEER, Message::Unchoke.into()), []);
    let choke = Frame::from(Message::Choke);
    assert_eq!(words.says(PEER, choke.clone()), [choke]);
}

#[test]
fn a_manifest_is_claimed_as_it_is() {
    let (mut words, _) = met(&bundle("bitthief"));
    let manifest = join(TransferId(3), 2, Bitfield::full(1));
    assert_eq!(words.says(PEER, manifest.clone()), [manifest]);
    let news = have(TransferId(3), 0);
    assert_eq!(words.says(PEER, news.clone()), [news]);
    let asked = have(TransferId(5), 0);
    assert_eq!(words.hears(PEER, asked.clone()), (Some(asked), Vec::new()));
}

/// One of its two chunks, and the other when the peer has the first, under the node's own id.
#[test]
fn an_under_reporter_shows_a_chunk_when_the_last_one_has_gone() {
    let (mut words, said) = met(&bundle("under-reporter"));
    assert_eq!(claimed(&said), 0);
    let (_, first) = words.hears(PEER, have(THEIRS, 0));
    let (_, second) = words.hears(PEER, have(THEIRS, 1));
    let shown: Vec<Frame> = first.into_iter().chain(second).collect();
    // Whichever of the two was shown, the peer has both now, and hears of no other.
    assert!(shown.len() <= 1, "{shown:?}");
    let [third] = words.says(PEER, have(OURS, 2)).try_into().unwrap();
    assert_eq!(third, have(OURS, 2));
    assert_eq!(words.says(PEER, have(OURS, 3)), []);
    assert_eq!(words.hears(PEER, have(THEIRS, 2)).1, [have(OURS, 3)]);
}

#[test]
fn garbage_is_sent_but_for_the_last_block_of_a_chunk() {
    let (mut words, _) = met(&bundle("garbage"));
    let [sent] = words.says(PEER, block(1, 0)).try_into().unwrap();
    assert_eq!(sent.message, block(1, 0).message);
    assert!(sent.payload.iter().all(|byte| *byte == 0xA5));
    let refused = Message::Reject {
        transfer: OURS,
        chunk: 1,
    };
    assert_eq!(words.says(PEER, block(1, BLOCK)), [refused.into()]);
}

/// Rounds are 10 us apart here, and the window before one is open for 1 us.
#[test]
fn an_oscillator_sends_in_the_window_before_a_round_that_it_has_seen() {
    let (mut words, _) = met(&bundle("oscillator"));
    let at = |words: &mut Words, nanos| words.now = Time::from_nanos(nanos);
    assert_eq!(words.says(PEER, block(0, 0)), []);
    at(&mut words, 9_500);
    // It has seen no round yet.
    assert_eq!(words.released(PEER), []);
    at(&mut words, 10_000);
    words.hears(PEER, Message::Choke.into());
    at(&mut words, 15_000);
    assert_eq!(words.says(PEER, block(1, 0)), []);
    assert_eq!(words.released(PEER), []);
    // What the node takes back does not leave later.
    let refused = Frame::from(Message::Reject {
        transfer: OURS,
        chunk: 0,
    });
    assert_eq!(words.says(PEER, refused.clone()), [refused]);
    at(&mut words, 19_500);
    assert_eq!(words.released(PEER), [block(1, 0)]);
    assert_eq!(words.says(PEER, block(1, BLOCK)), [block(1, BLOCK)]);
    at(&mut words, 20_500);
    assert_eq!(words.says(PEER, block(1, 0)), []);
}

/// A look is a microsecond here, so it is starved after ten.
#[test]
fn a_whitewasher_is_starved_ten_looks_after_the_last_block_while_it_wants_something() {
    let (mut words, _) = met(&bundle("whitewasher"));
    words.now = Time::from_nanos(9_999);
    assert!(!words.is_starved(PEER));
    words.hears(PEER, block(2, 0));
    words.now = Time::from_nanos(19_998);
    assert!(!words.is_starved(PEER));
    words.now = Time::from_nanos(19_999);
    assert!(words.is_starved(PEER));
    words.says(PEER, have(OURS, 2));
    words.says(PEER, have(OURS, 3));
    assert!(!words.is_starved(PEER));
    let (mut rider, _) = met(&bundle("free-rider"));
    rider.now = Time::from_nanos(90_000);
    assert!(!rider.is_starved(PEER));
}

#[test]
fn a_colluder_tells_who_sent_a_chunk_and_says_of_what_others_got_that_it_has_it() {
    let (mut words, _) = met(&bundle("colluders"));
    let Frame {
        message, payload, ..
    } = block(2, 0);
    let Message::Block {
        chunk, offset, len, ..
    } = message
    else {
        unreachable!();
    };
    let message = Message::Block {
        transfer: THEIRS,
        chunk,
        offset,
        len,
    };
    words.hears(PEER, Frame { message, payload });
    let news = words.piece(PEER, &have(OURS, 2).message).unwrap();
    assert_eq!(news, (ContentId([1; 32]), 2));
    assert_eq!(words.came(news), BTreeSet::from([PEER]));
    assert_eq!(words.came(news), BTreeSet::new());
    // It has chunk 1 itself, and chunk 3 not.
    let piece = |chunk| (ContentId([1; 32]), chunk);
    assert_eq!(words.vouches(PEER, piece(1)), None);
    assert_eq!(words.vouches(PEER, piece(3)), Some(have(OURS, 3)));
    assert_eq!(words.vouches(PeerId(1), piece(3)), None);
}

#[test]
fn the_last_chunk_is_refused_before_the_node_hears_of_it() {
    let (mut words, said) = met(&Behaviour {
        announces: Announces::All,
        withholds: Withholds::LastChunk,
        ..Behaviour::default()
    });
    assert_eq!(claimed(&said), 4);
    let ask = |chunk| {
        Frame::from(Message::Request {
            transfer: THEIRS,
            chunk,
            offset: ByteCount::ZERO,
        })
    };
    assert_eq!(words.hears(PEER, ask(2)), (Some(ask(2)), Vec::new()));
    let refused = Message::Reject {
        transfer: OURS,
        chunk: 3,
    };
    assert_eq!(words.hears(PEER, ask(3)), (None, vec![refused.into()]));
}

#[test]
fn a_bitrebel_says_what_it_has_again_until_it_has_everything() {
    let (mut words, said) = met(&bundle("bitrebel"));
    assert_eq!(claimed(&said), 2);
    let again = words.again();
    assert_eq!((again.len(), again[0].0), (1, PEER));
    assert!([have(OURS, 0), have(OURS, 1)].contains(&again[0].1));
    words.says(PEER, have(OURS, 2));
    words.says(PEER, have(OURS, 3));
    assert_eq!(words.again(), []);
    words.part(PEER);
}
