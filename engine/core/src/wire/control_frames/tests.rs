use proptest::prelude::*;

use super::super::{Decoder, Frame, encode};
use super::*;

fn known(key: u8, address: &str) -> Known {
    Known {
        key: [key; 32],
        address: address.into(),
    }
}

fn bytes_of(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    encode(message, &mut out);
    out
}

/// What one frame with a true length says, as one piece and byte by byte.
fn read(kind: u8, body: &[u8]) -> Result<Message, Misbehaviour> {
    let mut bytes = u32::try_from(body.len() + 1)
        .unwrap()
        .to_le_bytes()
        .to_vec();
    bytes.push(kind);
    bytes.extend(body);
    let whole = decode([&bytes[..]]);
    assert_eq!(
        decode(bytes.chunks(1)),
        whole,
        "W5: cutting changes nothing"
    );
    whole
}

fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Message, Misbehaviour> {
    let mut decoder = Decoder::new();
    let mut found = None;
    for mut piece in pieces {
        while let Some(frame) = decoder.next(&mut piece)? {
            let Frame::Message(message) = frame else {
                panic!("{frame:?}");
            };
            assert!(found.replace(message).is_none());
        }
    }
    assert!(decoder.is_between_frames());
    Ok(found.expect("a whole frame was given"))
}

/// The body of a list with those entries, in that order and without a check.
fn list(entries: &[(u8, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (key, address) in entries {
        body.extend([*key; 32]);
        body.push(u8::try_from(address.len()).unwrap());
        body.extend(*address);
    }
    body
}

/// The format is a promise to other programs: these bytes were worked out by hand.
///
/// Register: W11.
#[test]
fn the_bytes_of_each_errand_are_those_of_the_table() {
    let close = Message::Close {
        code: CloseCode::Misbehaviour(Misbehaviour::WrongHash),
        text: "é".into(),
    };
    assert_eq!(bytes_of(&close), [4, 0, 0, 0, 16, 68, 0xc3, 0xa9]);
    let shutdown = Message::Close {
        code: CloseCode::Shutdown,
        text: "".into(),
    };
    assert_eq!(bytes_of(&shutdown), [2, 0, 0, 0, 16, 1]);

    let offer = Message::Offer(Box::new(Offer {
        content: ContentId([7; 32]),
        manifest_bytes: 0x0201,
        bytes: 0x05_0403,
        name: "a b".into(),
    }));
    let mut expected = vec![52, 0, 0, 0, 17];
    expected.extend([7; 32]);
    expected.extend([1, 2, 0, 0, 0, 0, 0, 0, 3, 4, 5, 0, 0, 0, 0, 0]);
    expected.extend(b"a b");
    assert_eq!(bytes_of(&offer), expected);

    let verdict = Message::Verdict {
        content: ContentId([9; 32]),
        verdict: OfferVerdict::Done,
    };
    let mut expected = vec![34, 0, 0, 0, 18];
    expected.extend([9; 32]);
    expected.push(4);
    assert_eq!(bytes_of(&verdict), expected);

    assert_eq!(bytes_of(&Message::WantAddresses), [1, 0, 0, 0, 19]);
    let addresses = Message::Addresses([known(1, "a:1"), known(2, "[::1]:65535")].into());
    let mut expected = vec![81, 0, 0, 0, 20];
    expected.extend([1; 32]);
    expected.extend(b"\x03a:1");
    expected.extend([2; 32]);
    expected.extend(b"\x0b[::1]:65535");
    assert_eq!(bytes_of(&addresses), expected);
}

/// At each limit and one byte above and below.
///
/// Register: W1, W2.
#[test]
fn an_errand_at_its_limit_passes_and_one_byte_more_does_not() {
    let too_large = Err(Misbehaviour::FrameTooLarge);
    let short = Err(Misbehaviour::FrameLength);
    let letters = [b'x'; 300];
    let close = [&[1_u8][..], &letters].concat();
    assert!(read(CLOSE, &close[..=CLOSE_TEXT_MAX]).is_ok());
    assert_eq!(read(CLOSE, &close[..=CLOSE_TEXT_MAX + 1]), too_large);
    assert_eq!(read(CLOSE, &[]), short);

    let offer = [&[0_u8; OFFER_HEAD][..], &letters].concat();
    assert!(read(OFFER, &offer[..OFFER_HEAD + NAME_MAX]).is_ok());
    assert_eq!(read(OFFER, &offer[..=OFFER_HEAD + NAME_MAX]), too_large);
    assert!(read(OFFER, &offer[..=OFFER_HEAD]).is_ok());
    assert_eq!(read(OFFER, &offer[..OFFER_HEAD]), short);

    assert!(read(VERDICT, &[0; 33]).is_ok());
    assert_eq!(read(VERDICT, &[0; 34]), too_large);
    assert_eq!(read(VERDICT, &[0; 32]), short);
    assert_eq!(read(super::super::WANT_ADDRESSES, &[0]), too_large);

    let longest = ["x".repeat(ADDRESS_MAX - 2), ":1".into()].concat();
    let entries: Vec<(u8, &[u8])> = (0..51).map(|key| (key, longest.as_bytes())).collect();
    let full = list(&entries[..50]);
    assert_eq!(full.len(), ADDRESSES_BYTES_MAX);
    assert!(read(ADDRESSES, &full).is_ok());
    assert_eq!(read(ADDRESSES, &list(&entries)), too_large);
    // Short enough for the frame, and one address too many.
    let entries: Vec<(u8, &[u8])> = (0..51).map(|key| (key, &b"a:1"[..])).collect();
    assert!(read(ADDRESSES, &list(&entries[..50])).is_ok());
    assert_eq!(read(ADDRESSES, &list(&entries)), too_large);
    assert_eq!(read(ADDRESSES, &[]), Ok(Message::Addresses([].into())));
}

/// Lengths inside a list that do not end with it.
///
/// Register: W8, W9.
#[test]
fn an_address_that_goes_beyond_its_list_is_refused() {
    let good = list(&[(1, b"a:1")]);
    for len in 1..good.len() {
        let cut = read(ADDRESSES, &good[..len]);
        assert_eq!(cut, Err(Misbehaviour::FrameLength), "{len}");
    }
    let mut long = good.clone();
    long[32] = 255;
    assert_eq!(read(ADDRESSES, &long), Err(Misbehaviour::FrameLength));
    let twice = list(&[(1, b"a:1"), (1, b"a:1")]);
    assert_eq!(read(ADDRESSES, &twice), Err(Misbehaviour::AddressOrder));
}

/// The second spelling of each value that could have one, and values that have no meaning.
///
/// Register: W4, W11.
#[test]
fn unknown_codes_and_second_spellings_are_refused() {
    for code in 0..=u8::MAX {
        let got = read(CLOSE, &[code]);
        let offences = 64..64 + u8::try_from(Misbehaviour::ALL.len()).unwrap();
        if (1..=5).contains(&code) || offences.contains(&code) {
            assert_eq!(bytes_of(&got.unwrap())[5], code);
        } else {
            assert_eq!(got, Err(Misbehaviour::UnknownCode), "{code}");
        }
    }
    assert!(
        !Misbehaviour::UnknownCode.is_lie(),
        "a later version may know it"
    );
    for verdict in 0..=u8::MAX {
        let got = read(VERDICT, &[&[0; 32][..], &[verdict]].concat());
        assert_eq!(got.is_ok(), verdict < 8, "{verdict}");
    }
    let order = list(&[(2, b"a:1"), (1, b"a:1")]);
    assert_eq!(read(ADDRESSES, &order), Err(Misbehaviour::AddressOrder));
    for text in [
        "",
        ":1",
        "a",
        "a:",
        "a:01",
        "a:00",
        "a:+1",
        "a:65536",
        "a b:1",
        "a\n:1",
        "::1:1",
        "[::1:1",
        "[]:1",
        "[0::1]:1",
        "[::A]:1",
        "[1.2.3.4]:1",
        "a/b:1",
        "é:1",
    ] {
        let got = read(ADDRESSES, &list(&[(1, text.as_bytes())]));
        assert_eq!(got, Err(Misbehaviour::BadAddress), "{text:?}");
    }
    let overlong = read(ADDRESSES, &list(&[(1, &[0xc0, 0xaf])]));
    assert_eq!(overlong, Err(Misbehaviour::BadText));
}

/// Fifty addresses take no more than their texts, their keys and two words each.
///
/// Register: W10.
#[test]
fn decoded_addresses_are_not_much_larger_than_their_frame() {
    let entries: Vec<(u8, &[u8])> = (0..50).map(|key| (key, &b"a:1"[..])).collect();
    let body = list(&entries);
    let Ok(Message::Addresses(got)) = read(ADDRESSES, &body) else {
        panic!("a good list");
    };
    assert!(size_of_val(&*got) <= 2 * body.len());
}

#[test]
#[should_panic(expected = "addresses out of order")]
fn a_list_out_of_order_is_a_bug_of_its_sender() {
    bytes_of(&Message::Addresses(
        [known(2, "a:1"), known(1, "a:1")].into(),
    ));
}

#[test]
fn every_offence_has_a_code_and_silence_is_called_idle() {
    for why in Misbehaviour::ALL {
        let expected = match why {
            Misbehaviour::Silent => CloseCode::Idle,
            why => CloseCode::Misbehaviour(why),
        };
        assert_eq!(CloseCode::from(why), expected);
    }
}

proptest! {
    /// Register: W5, W8.
    #[test]
    fn no_body_makes_an_errand_panic(
        kind in CLOSE..=ADDRESSES,
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        if let Ok(message) = read(kind, &body) {
            let again = bytes_of(&message);
            prop_assert_eq!(&again[5..], &body[..]);
        }
    }
}
