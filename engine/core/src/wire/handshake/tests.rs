//! Greetings as bytes, honest and not.

use super::*;
use proptest::prelude::*;

fn hello() -> Greeting {
    Greeting::Hello(Hello {
        version: VERSION,
        key: [7; KEY],
        name: "vm-1".into(),
        listen: Some(7440),
    })
}

fn bytes(greeting: &Greeting) -> Vec<u8> {
    let mut out = Vec::new();
    encode(greeting, &mut out);
    out
}

/// A frame of type, version 1 and `body`, with its length.
fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEAD + body.len()).unwrap();
    let mut out = length.to_le_bytes().to_vec();
    out.push(kind);
    out.extend(VERSION.to_le_bytes());
    out.extend(body);
    out
}

fn hello_body(name: &[u8]) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    [&[7; KEY][..], &[length], name, &7440_u16.to_le_bytes()].concat()
}

#[test]
fn every_greeting_comes_back_as_it_was() {
    let mut greetings = vec![
        hello(),
        Greeting::Hello(Hello {
            version: VERSION,
            key: [0xff; KEY],
            name: "é".repeat(NAME_MAX / 2).into(),
            listen: None,
        }),
        Greeting::Welcome(Welcome {
            version: VERSION,
            name: "".into(),
        }),
        Greeting::Refusal(Refusal {
            version: VERSION,
            code: RefusalCode::Busy,
            text: "x".repeat(TEXT_MAX).into(),
        }),
    ];
    greetings.extend(RefusalCode::ALL.map(|code| Greeting::Refusal(Refusal::new(code))));
    for greeting in greetings {
        let mut out = bytes(&greeting);
        let len = out.len();
        assert!(len <= GREETING_MAX);
        // What follows is the session's.
        out.extend([1, 2, 3]);
        assert_eq!(decode(&out), Ok(Some((greeting, len))));
    }
}

/// Register: W5.
#[test]
fn a_part_of_a_greeting_asks_for_more() {
    let whole = bytes(&hello());
    for end in 0..whole.len() {
        assert_eq!(decode(&whole[..end]), Ok(None), "{end}");
    }
}

/// Register: W1, W2.
#[test]
fn a_length_that_no_greeting_has_is_refused_at_once() {
    for length in [u32::MAX, 1 << 31, 1021] {
        let refused = decode(&length.to_le_bytes());
        assert_eq!(refused, Err(GreetingError::TooLarge(length)));
    }
    for length in [0_u32, 1, 2] {
        assert_eq!(decode(&length.to_le_bytes()), Err(GreetingError::Length));
    }
    assert_eq!(decode(&1020_u32.to_le_bytes()), Ok(None));
}

/// Register: W4, W7, W12. A frame of a session, an optional one, HTTP and SSH.
#[test]
fn another_type_is_refused_before_its_end() {
    for kind in [0, 1, 12, 63, 67, 128, 255] {
        let begun = [10, 0, 0, 0, kind];
        assert_eq!(decode(&begun), Err(GreetingError::UnknownType(kind)));
    }
    let get = u32::from_le_bytes(*b"GET ");
    assert_eq!(
        decode(b"GET / HTTP/1.1\r\n"),
        Err(GreetingError::TooLarge(get))
    );
    let ssh = u32::from_le_bytes(*b"SSH-");
    assert_eq!(decode(b"SSH-2.0-x\r\n"), Err(GreetingError::TooLarge(ssh)));
}

/// Register: W4.
#[test]
fn another_version_is_refused_with_both_versions_whatever_follows() {
    for (version, body) in [(0_u16, &b""[..]), (1, b"anything at all"), (u16::MAX, b"x")] {
        for kind in [HELLO, WELCOME, REFUSAL] {
            let mut bytes = frame(kind, body);
            bytes[5..7].copy_from_slice(&version.to_le_bytes());
            let error = decode(&bytes).unwrap_err();
            assert_eq!(error, GreetingError::Version(version));
            let refusal = Refusal::of_error(error);
            assert_eq!(refusal.code, RefusalCode::Version);
            let text = format!("version {version}, this node speaks {VERSION}");
            assert_eq!(*refusal.text, text);
            assert_eq!(refusal.version, VERSION);
        }
    }
}

/// Register: W11. A byte less, a byte more, a text that is shorter than it says.
#[test]
fn there_is_one_encoding_of_a_greeting() {
    let short = hello_body(b"vm-1");
    let long = [&short[..], &[0]].concat();
    for body in [&short[..short.len() - 1], &long, &[7; KEY], b""] {
        assert_eq!(decode(&frame(HELLO, body)), Err(GreetingError::Length));
    }
    assert_eq!(
        decode(&frame(WELCOME, &[5, b'a'])),
        Err(GreetingError::Length)
    );
    assert_eq!(decode(&frame(REFUSAL, &[])), Err(GreetingError::Length));
}

#[test]
fn a_name_is_plain_text_up_to_its_limit() {
    let body = hello_body(&[b'a'; NAME_MAX]);
    assert!(decode(&frame(HELLO, &body)).is_ok());
    let body = hello_body(&[b'a'; NAME_MAX + 1]);
    assert_eq!(
        decode(&frame(HELLO, &body)),
        Err(GreetingError::TextTooLong(65))
    );
    for name in [
        &b"a\nb"[..],
        b"\x1b[31m",
        b"a\0",
        b"\xc2\x85",
        b"\xff",
        b"\xed\xa0\x80",
    ] {
        let refused = decode(&frame(HELLO, &hello_body(name)));
        assert_eq!(refused, Err(GreetingError::BadText), "{name:?}");
    }
}

#[test]
fn an_unknown_reason_is_refused() {
    for byte in [0, 11, 255] {
        let refused = decode(&frame(REFUSAL, &[byte, 0]));
        assert_eq!(refused, Err(GreetingError::UnknownCode(byte)));
    }
}

#[test]
fn every_error_fits_into_the_refusal_that_names_it() {
    for error in [
        GreetingError::TooLarge(u32::MAX),
        GreetingError::Length,
        GreetingError::UnknownType(255),
        GreetingError::Version(u16::MAX),
        GreetingError::TextTooLong(255),
        GreetingError::BadText,
        GreetingError::UnknownCode(255),
    ] {
        let refusal = Greeting::Refusal(Refusal::of_error(error));
        let bytes = bytes(&refusal);
        assert_eq!(decode(&bytes), Ok(Some((refusal, bytes.len()))));
    }
}

proptest! {
    /// Register: W11. What can be read at all reads back as the bytes that it was.
    #[test]
    fn what_is_read_encodes_to_the_same_bytes(
        kind in HELLO - 1..=REFUSAL + 1,
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        if let Ok(Some((greeting, used))) = decode(&frame(kind, &body)) {
            prop_assert_eq!(&bytes(&greeting)[..], &frame(kind, &body)[..used]);
        }
    }

    /// A changed greeting is another one, or none.
    #[test]
    fn a_changed_byte_never_reads_as_the_same(at in 0_usize..45, with in 1_u8..) {
        let honest = bytes(&hello());
        let mut changed = honest.clone();
        let at = at % honest.len();
        changed[at] ^= with;
        if let Ok(Some((greeting, used))) = decode(&changed) {
            prop_assert_ne!(&greeting, &hello());
            prop_assert_eq!(&bytes(&greeting)[..], &changed[..used]);
        }
    }

    /// Register: W1. Any bytes at all.
    #[test]
    fn no_bytes_are_a_panic(noise in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = decode(&noise);
    }
}

/// 128 bytes, and no half of a letter.
#[test]
fn a_reason_is_cut_between_two_letters() {
    let cut = |text: &str| Refusal::because(RefusalCode::Busy, text).text;
    assert_eq!(*cut(&"\u{fc}".repeat(65)), "\u{fc}".repeat(64));
    let odd = format!("x{}", "\u{fc}".repeat(64));
    assert_eq!(*cut(&odd), format!("x{}", "\u{fc}".repeat(63)));
    assert_eq!(&*cut("short"), "short");
}
