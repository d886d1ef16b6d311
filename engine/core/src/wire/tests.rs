use proptest::prelude::*;

use super::*;
use crate::bitfield::Bitfield;
use crate::manifest::ContentId;
use crate::message::{CloseCode, Forwarded, Join, Known, Offer, OfferVerdict};
use crate::misbehaviour::Misbehaviour;
use crate::units::ByteCount;

/// What came out of a stream, without how it was cut.
#[derive(Debug, Default, PartialEq, Eq)]
struct Events {
    messages: Vec<Message>,
    skipped: Vec<u8>,
    payload: Vec<u8>,
    fault: Option<Misbehaviour>,
    whole: bool,
}

/// Feeds the pieces; the memory of the decoder is checked after each (W1).
fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Events {
    let mut decoder = Decoder::new();
    let mut events = Events::default();
    let mut received = 0;
    for mut piece in pieces {
        received += piece.len();
        loop {
            match decoder.next(&mut piece) {
                Ok(None) => break,
                Ok(Some(Frame::Message(message))) => events.messages.push(message),
                Ok(Some(Frame::Skipped { kind })) => events.skipped.push(kind),
                Ok(Some(Frame::Payload(bytes))) => {
                    assert!(!bytes.is_empty());
                    events.payload.extend(bytes);
                }
                Err(why) => {
                    assert_eq!(decoder.next(&mut &b"\x01"[..]), Err(why));
                    assert_eq!(decoder.allocated(), 0);
                    events.fault = Some(why);
                    return events;
                }
            }
        }
        assert!(piece.is_empty());
        assert!(decoder.allocated() <= received + 64 * 1024);
    }
    events.whole = decoder.is_between_frames();
    events
}

fn fault(bytes: &[u8]) -> Option<Misbehaviour> {
    decode([bytes]).fault
}

/// A frame of that type and body, with a true length.
fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(body.len() + 1)
        .unwrap()
        .to_le_bytes()
        .to_vec();
    bytes.push(kind);
    bytes.extend(body);
    bytes
}

fn join_of(have: Bitfield) -> Message {
    Message::Join(Box::new(Join {
        content: ContentId([7; 32]),
        transfer: TransferId(5),
        have,
        reply: true,
    }))
}

/// The frame of a message, and the bytes that follow a block.
fn stream(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(message, &mut bytes);
    if let Message::Block { len, .. } = message {
        let len = usize::try_from(len.get()).unwrap();
        bytes.extend((0_u8..251).cycle().take(len));
    }
    bytes
}

fn bitfields() -> impl Strategy<Value = Bitfield> {
    prop::collection::vec(any::<bool>(), 0..300).prop_map(|bits| {
        let mut words = vec![0_u64; bits.len().div_ceil(64)];
        for (at, _) in bits.iter().enumerate().filter(|(_, bit)| **bit) {
            words[at / 64] |= 1 << (at % 64);
        }
        Bitfield::from_words(words, u32::try_from(bits.len()).unwrap()).unwrap()
    })
}

fn messages() -> impl Strategy<Value = Message> {
    let about = || (any::<u32>().prop_map(TransferId), any::<u32>());
    let joins = (any::<[u8; 32]>(), any::<u32>(), bitfields(), any::<bool>());
    prop_oneof![
        joins.prop_map(
            |(content, transfer, have, reply)| Message::Join(Box::new(Join {
                content: ContentId(content),
                transfer: TransferId(transfer),
                have,
                reply,
            }))
        ),
        about().prop_map(|(transfer, _)| Message::Leave { transfer }),
        about().prop_map(|(transfer, chunk)| Message::Have { transfer, chunk }),
        about().prop_map(|(transfer, chunk)| Message::Lost { transfer, chunk }),
        Just(Message::Interested),
        Just(Message::NotInterested),
        Just(Message::Choke),
        Just(Message::Unchoke),
        (about(), any::<u64>()).prop_map(|((transfer, chunk), offset)| Message::Request {
            transfer,
            chunk,
            offset: ByteCount::new(offset),
        }),
        about().prop_map(|(transfer, chunk)| Message::Cancel { transfer, chunk }),
        about().prop_map(|(transfer, chunk)| Message::Reject { transfer, chunk }),
        (about(), any::<u64>(), 0_u64..2_000).prop_map(|((transfer, chunk), offset, len)| {
            Message::Block {
                transfer,
                chunk,
                offset: ByteCount::new(offset),
                len: ByteCount::new(len),
            }
        }),
        ".{0,40}".prop_map(|text| Message::Text(text.into())),
        any::<u64>().prop_map(Message::Ping),
        any::<u64>().prop_map(Message::Pong),
        errands(),
    ]
}

/// The messages that a core only carries.
fn errands() -> impl Strategy<Value = Message> {
    let codes = prop_oneof![
        prop::sample::select(vec![
            CloseCode::Shutdown,
            CloseCode::Idle,
            CloseCode::Revoked
        ]),
        prop::sample::select(Misbehaviour::ALL.to_vec()).prop_map(CloseCode::Misbehaviour),
    ];
    let contents = || any::<[u8; 32]>().prop_map(ContentId);
    let known = (any::<[u8; 32]>(), "[a-z.]{1,30}:[1-9][0-9]{0,3}");
    let known = known.prop_map(|(key, address)| Known {
        key,
        address: address.into(),
    });
    prop_oneof![
        (codes, ".{0,30}").prop_map(|(code, text)| Message::Close {
            code,
            text: text.into()
        }),
        (contents(), any::<u64>(), any::<u64>(), ".{1,60}").prop_map(
            |(content, manifest_bytes, bytes, name)| Message::Offer(Box::new(Offer {
                content,
                manifest_bytes,
                bytes,
                name: name.into(),
            }))
        ),
        (contents(), prop::sample::select(OfferVerdict::ALL.to_vec()))
            .prop_map(|(content, verdict)| Message::Verdict { content, verdict }),
        Just(Message::WantAddresses),
        (any::<u64>(), any::<u64>()).prop_map(|(yours, others)| Message::Forwarded(Forwarded {
            of_yours: ByteCount::new(yours),
            of_others: ByteCount::new(others),
        })),
        prop::collection::btree_set(known, 0..50)
            .prop_map(|known| Message::Addresses(known.into_iter().collect())),
    ]
}

/// `bytes` in pieces of these lengths, over and over.
fn cut<'a>(mut bytes: &'a [u8], lens: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for len in lens.iter().cycle() {
        if bytes.is_empty() {
            break;
        }
        let (piece, rest) = bytes.split_at((*len).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

proptest! {
    #[test]
    fn every_message_comes_back_as_it_was(sent in prop::collection::vec(messages(), 1..8)) {
        let bytes: Vec<u8> = sent.iter().flat_map(stream).collect();
        let got = decode([&bytes[..]]);
        prop_assert_eq!(got.fault, None);
        prop_assert!(got.whole);
        prop_assert_eq!(got.messages, sent);
    }

    /// Whatever is decoded is encoded to the same bytes again, so no message has two.
    ///
    /// Register: W11.
    #[test]
    fn what_is_decoded_is_encoded_to_the_same_bytes(
        kind in prop_oneof![0_u8..22, Just(FORWARDED)],
        body in prop::collection::vec(prop_oneof![Just(0_u8), Just(1), any::<u8>()], 0..60),
    ) {
        let bytes = frame(kind, &body);
        let got = decode([&bytes[..]]);
        for message in &got.messages {
            let mut again = Vec::new();
            encode(message, &mut again);
            again.extend(&got.payload);
            prop_assert_eq!(&again, &bytes);
        }
        prop_assert_eq!(got.messages.len() + usize::from(got.fault.is_some()), 1);
    }

    /// The same events, however the stream is cut, also up to a fault and also of garbage.
    ///
    /// Register: W5.
    #[test]
    fn how_a_stream_is_cut_changes_nothing(
        sent in prop::collection::vec(messages(), 0..6),
        garbage in prop::collection::vec(any::<u8>(), 0..40),
        optional in prop::collection::vec(any::<u8>(), 0..40),
        lens in prop::collection::vec(1_usize..40, 1..6),
    ) {
        let mut bytes = frame(200, &optional);
        bytes.extend(sent.iter().flat_map(stream));
        bytes.extend(&garbage);
        let whole = decode([&bytes[..]]);
        prop_assert_eq!(&decode(cut(&bytes, &lens)), &whole);
        prop_assert_eq!(&decode(bytes.chunks(1)), &whole);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        decode([&bytes[..]]);
    }

    /// A stream that ends inside a frame gives nothing of it, and is known to be cut.
    ///
    /// Register: W1, W3.
    #[test]
    fn a_frame_that_is_cut_short_gives_no_message(message in messages()) {
        let bytes = stream(&message);
        let mut head = Vec::new();
        encode(&message, &mut head);
        for len in 1..bytes.len() {
            let got = decode([&bytes[..len]]);
            prop_assert_eq!(got.fault, None);
            prop_assert!(!got.whole);
            prop_assert_eq!(got.messages.len(), usize::from(len >= head.len()));
        }
    }
}

// The format is a promise to other programs: these bytes were worked out by hand.
#[test]
fn the_bytes_of_a_frame_are_those_of_the_table() {
    let mut out = Vec::new();
    let mut field = Bitfield::empty(9);
    field.insert(crate::id::ChunkIndex(0));
    field.insert(crate::id::ChunkIndex(8));
    encode(&join_of(field), &mut out);
    let mut expected = vec![44, 0, 0, 0, 1];
    expected.extend([7; 32]);
    expected.extend([5, 0, 0, 0, 1, 9, 0, 0, 0, 1, 1]);
    assert_eq!(out, expected);

    out.clear();
    let block = Message::Block {
        transfer: TransferId(1),
        chunk: 0x0203,
        offset: ByteCount::new(4),
        len: ByteCount::new(256 * 1024),
    };
    encode(&block, &mut out);
    let head = [
        17, 0, 4, 0, 12, 1, 0, 0, 0, 3, 2, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0,
    ];
    assert_eq!(out, head);

    out.clear();
    encode(&Message::Unchoke, &mut out);
    encode(&Message::Text("é".into()), &mut out);
    assert_eq!(out, [1, 0, 0, 0, 8, 3, 0, 0, 0, 13, 0xc3, 0xa9]);

    out.clear();
    let forwarded = Forwarded {
        of_yours: ByteCount::new(0x0102),
        of_others: ByteCount::new(3),
    };
    encode(&Message::Forwarded(forwarded), &mut out);
    let head = [17, 0, 0, 0, 128, 2, 1, 0, 0, 0, 0, 0, 0];
    assert_eq!(
        (&out[..13], &out[13..]),
        (&head[..], &[3, 0, 0, 0, 0, 0, 0, 0][..])
    );
}

/// Lengths that are no length. Nothing is kept for what is only announced.
///
/// Register: W1.
#[test]
fn w1_an_impossible_length_is_refused_from_its_four_bytes() {
    for length in [u32::MAX, 1 << 31, (1 << 31) - 1, (-5_i32).cast_unsigned()] {
        assert_eq!(
            fault(&length.to_le_bytes()),
            Some(Misbehaviour::FrameTooLarge)
        );
    }
    assert_eq!(fault(&[0; 4]), Some(Misbehaviour::EmptyFrame));
}

/// The longest Join is announced and never sent; then it comes in small pieces.
///
/// Register: W1.
#[test]
fn w1_memory_follows_what_has_come_not_what_is_announced() {
    let bytes = stream(&join_of(Bitfield::full(CHUNKS_MAX)));
    let mut decoder = Decoder::new();
    assert_eq!(decoder.next(&mut &bytes[..6]), Ok(None));
    // A step ahead of the length and the kind, so that a long one is not moved at each read.
    assert_eq!(decoder.allocated(), 5 + 64 * 1024);
    // `decode` holds every step to the same bound.
    let got = decode(bytes.chunks(1_000));
    assert_eq!(got.messages, [join_of(Bitfield::full(CHUNKS_MAX))]);
}

#[test]
fn w1_a_long_join_leaves_no_memory_behind() {
    let bytes = stream(&join_of(Bitfield::full(CHUNKS_MAX)));
    let mut decoder = Decoder::new();
    assert!(matches!(decoder.next(&mut &bytes[..]), Ok(Some(_))));
    assert_eq!(decoder.allocated(), 0);
}

/// The numbers that the documents name.
///
/// Limit: L1, L10.
#[test]
fn the_limits_of_frames_are_what_they_are_said_to_be() {
    assert_eq!((CONTROL_MAX, TEXT_MAX, BLOCK_MAX), (65_536, 4_096, 262_144));
    assert_eq!(JOIN_MAX, 2_097_194);
    assert_eq!(
        (
            control_frames::OFFER_HEAD,
            control_frames::ADDRESSES_BYTES_MAX
        ),
        (48, 14_400)
    );
}

/// Every limit, at it and one byte above.
///
/// Register: W2. Limit: L1.
#[test]
fn w2_a_frame_at_its_limit_passes_and_one_byte_more_does_not() {
    let too_large = Some(Misbehaviour::FrameTooLarge);
    let text = "x".repeat(TEXT_MAX + 1);
    assert_eq!(fault(&frame(TEXT, &text.as_bytes()[1..])), None);
    assert_eq!(fault(&frame(TEXT, text.as_bytes())), too_large);

    let optional = vec![0; CONTROL_MAX];
    assert_eq!(fault(&frame(OPTIONAL + 1, &optional[1..])), None);
    assert_eq!(fault(&frame(OPTIONAL + 1, &optional)), too_large);

    let data = vec![0; BLOCK_HEAD + BLOCK_MAX + 1];
    let got = decode([&frame(BLOCK, &data[1..])[..]]);
    assert_eq!(
        (got.fault, got.payload.len(), got.whole),
        (None, BLOCK_MAX, true)
    );
    assert_eq!(fault(&frame(BLOCK, &data)), too_large);

    let mut join = stream(&join_of(Bitfield::empty(CHUNKS_MAX)));
    assert_eq!(join.len(), LENGTH + JOIN_MAX);
    assert_eq!(fault(&join), None);
    join.push(0);
    join[..LENGTH].copy_from_slice(&u32::try_from(JOIN_MAX + 1).unwrap().to_le_bytes());
    assert_eq!(fault(&join), too_large);

    for kind in [
        LEAVE, HAVE, LOST, REQUEST, CANCEL, REJECT, PING, PONG, FORWARDED,
    ] {
        let bytes = match kind {
            LEAVE => 4,
            REQUEST | FORWARDED => 16,
            _ => 8,
        };
        assert_eq!(fault(&frame(kind, &[0; 17][..bytes])), None);
        assert_eq!(fault(&frame(kind, &[0; 17][..=bytes])), too_large);
        let short = fault(&frame(kind, &[0; 17][..bytes - 1]));
        assert_eq!(short, Some(Misbehaviour::FrameLength));
    }
    for kind in [INTERESTED, NOT_INTERESTED, CHOKE, UNCHOKE] {
        assert_eq!(fault(&frame(kind, &[])), None);
        assert_eq!(fault(&frame(kind, &[0])), too_large);
    }
}

/// The peer hangs up inside a block. What came was handed out, and the end is no offence.
///
/// Register: W3.
#[test]
fn w3_a_stream_that_ends_inside_a_block_is_known_to_be_cut() {
    let bytes = frame(BLOCK, &[0; BLOCK_HEAD + 10]);
    let got = decode([&bytes[..bytes.len() - 4]]);
    assert_eq!((got.fault, got.payload.len(), got.whole), (None, 6, false));
}

/// A type that must be understood is refused, one that need not be is counted and skipped.
///
/// Register: W4.
#[test]
fn w4_unknown_types_are_refused_and_optional_ones_skipped() {
    for kind in 0..=u8::MAX {
        if (JOIN..=ADDRESSES).contains(&kind) || kind == FORWARDED {
            continue;
        }
        let mut bytes = frame(kind, &[1, 2, 3]);
        bytes.extend(frame(CHOKE, &[]));
        let got = decode([&bytes[..]]);
        if kind < OPTIONAL {
            assert_eq!(got.fault, Some(Misbehaviour::UnknownFrame), "{kind}");
            assert!(!Misbehaviour::UnknownFrame.is_lie());
        } else {
            assert_eq!(
                (got.skipped, got.messages),
                (vec![kind], vec![Message::Choke])
            );
        }
    }
    // The type is enough: the body is not waited for.
    assert_eq!(fault(&[9, 0, 0, 0, 21]), Some(Misbehaviour::UnknownFrame));
}

/// A thousand frames in one read.
///
/// Register: W5.
#[test]
fn w5_a_thousand_frames_in_one_read_are_a_thousand_messages() {
    let sent: Vec<Message> = (0..1_000).map(Message::Ping).collect();
    let bytes: Vec<u8> = sent.iter().flat_map(stream).collect();
    assert_eq!(decode([&bytes[..]]).messages, sent);
    assert_eq!(decode(bytes.chunks(1)).messages, sent);
}

/// An optional frame without a body is an event too, so that it can be charged.
///
/// Register: W6.
#[test]
fn w6_an_empty_optional_frame_is_reported() {
    let bytes = frame(255, &[]).repeat(3);
    assert_eq!(decode([&bytes[..]]).skipped, [255; 3]);
}

/// The codec adds nothing to positions: the largest arrive as they are, for the node to
/// hold against the manifest.
///
/// Register: W8.
#[test]
fn w8_the_largest_positions_are_carried_without_arithmetic() {
    let got = decode([&frame(BLOCK, &[255; BLOCK_HEAD + 1])[..]]);
    let block = Message::Block {
        transfer: TransferId(u32::MAX),
        chunk: u32::MAX,
        offset: ByteCount::MAX,
        len: ByteCount::new(1),
    };
    assert_eq!(got.messages, [block]);
}

/// A bitfield longer than any content does not fit the frame that says so.
///
/// Register: W8.
#[test]
fn w8_a_bitfield_of_more_chunks_than_sent_is_refused() {
    let good = stream(&join_of(Bitfield::full(16)));
    let at = LENGTH + 1 + 37;
    for chunks in [0, 8, 17, 24, CHUNKS_MAX, CHUNKS_MAX + 1, u32::MAX] {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&chunks.to_le_bytes());
        assert_eq!(fault(&bytes), Some(Misbehaviour::FrameLength), "{chunks}");
    }
}

/// Fields stand at fixed places, so none can come twice or nest: a second bitfield, or a
/// frame inside a frame, is a frame of the wrong length.
///
/// Register: W9.
#[test]
fn w9_a_doubled_field_or_a_nested_frame_is_refused() {
    let mut body = stream(&join_of(Bitfield::full(16)))[LENGTH + 1..].to_vec();
    body.extend([0xff, 0xff]);
    assert_eq!(fault(&frame(JOIN, &body)), Some(Misbehaviour::FrameLength));
    let inner = frame(HAVE, &[0; 8]);
    let nested = fault(&frame(HAVE, &inner));
    assert_eq!(nested, Some(Misbehaviour::FrameTooLarge));
}

/// Nothing that comes in is larger in memory than on the wire, but for the last word of
/// a bitfield: there is nothing to unpack.
///
/// Register: W10.
#[test]
fn w10_a_decoded_bitfield_is_no_larger_than_its_frame() {
    for chunks in [1, 64, 65, CHUNKS_MAX] {
        let bytes = stream(&join_of(Bitfield::full(chunks)));
        let got = decode([&bytes[..]]);
        let Message::Join(join) = &got.messages[0] else {
            panic!("{got:?}");
        };
        assert!(join.have.words().len() * 8 <= bytes.len());
    }
}

/// The second spelling of each value that could have one.
///
/// Register: W11.
#[test]
fn w11_a_second_encoding_of_the_same_value_is_refused() {
    let good = stream(&join_of(Bitfield::full(9)));
    assert_eq!(fault(&good), None);
    // Bits beyond the last.
    let mut bytes = good.clone();
    *bytes.last_mut().unwrap() = 0b11;
    assert_eq!(fault(&bytes), Some(Misbehaviour::SpareBits));
    // A yes that is not 1.
    let mut bytes = good.clone();
    bytes[LENGTH + 1 + 36] = 2;
    assert_eq!(fault(&bytes), Some(Misbehaviour::BadFlag));
    // An overlong slash.
    assert_eq!(
        fault(&frame(TEXT, &[0xc0, 0xaf])),
        Some(Misbehaviour::BadText)
    );
    // Trailing bytes.
    let mut body = good[LENGTH + 1..].to_vec();
    body.push(0);
    assert_eq!(fault(&frame(JOIN, &body)), Some(Misbehaviour::FrameLength));
}

#[test]
#[should_panic(expected = "a text of 4097 bytes")]
fn a_text_over_its_limit_is_a_bug_of_its_sender() {
    let text = "x".repeat(TEXT_MAX + 1);
    encode(&Message::Text(text.into()), &mut Vec::new());
}
