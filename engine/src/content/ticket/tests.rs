use proptest::prelude::*;

use super::*;

fn example() -> ContentTicket {
    let peers = vec![
        ([1; 32], "vm-1:7440".to_owned()),
        ([2; 32], "[2001:db8::1]:7440".to_owned()),
    ];
    ContentTicket::new(ContentId([7; 32]), 1_000, peers).unwrap()
}

#[test]
fn a_ticket_is_letters_and_digits_and_comes_back() {
    let text = example().to_string();
    let plain = |c: char| c.is_ascii_lowercase() || ('2'..='7').contains(&c);
    assert!(text[4..].chars().all(plain), "{text}");
    assert_eq!(text.parse(), Ok(example()));
    assert_eq!(format!(" {}\n", text.to_uppercase()).parse(), Ok(example()));
}

/// Register: D1.
#[test]
fn a_short_manifest_of_this_content_and_no_other_rides_along() {
    let short = [5; INSIDE_MAX];
    let ticket = |encoding: &[u8]| {
        let peers = vec![([1; 32], "vm-1:7440".to_owned())];
        ContentTicket::new(content_id(encoding), encoding.len() as u64, peers).unwrap()
    };
    let with = ticket(&short).with_manifest(&short);
    assert_eq!(with.manifest(), Some(&short[..]));
    assert_eq!(with.to_string().parse(), Ok(with));
    assert_eq!(ticket(&short).with_manifest(&[6; 256]).manifest(), None);
    let long = [5; INSIDE_MAX + 1];
    assert_eq!(ticket(&long).with_manifest(&long).manifest(), None);
}

#[test]
fn every_mistyped_missing_and_swapped_character_is_found() {
    let text = example().to_string();
    for at in 4..text.len() {
        let mut other = text.clone().into_bytes();
        other[at] = if other[at] == b'a' { b'b' } else { b'a' };
        let other = String::from_utf8(other).unwrap();
        assert!(other.parse::<ContentTicket>().is_err(), "{other}");
        let mut short = text.clone();
        short.remove(at);
        assert!(short.parse::<ContentTicket>().is_err(), "{short}");
        let mut swapped = text.clone().into_bytes();
        swapped.swap(at - 1, at);
        let swapped = String::from_utf8(swapped).unwrap();
        assert!(
            swapped == text || swapped.parse::<ContentTicket>().is_err(),
            "{swapped}"
        );
    }
}

#[test]
fn what_is_no_ticket_is_refused_in_one_line() {
    let text = example().to_string();
    let prefix = |got: &str| BadSpelling::Prefix {
        got: got.to_owned(),
        allowed: "fh1-",
    };
    let cases = [
        ("", prefix("")),
        ("fh2-abc", prefix("fh2-")),
        ("é\u{202e}\nx", prefix("é\u{202e}\nx")),
        ("fh1-", BadSpelling::Cut),
        ("fh1-a", BadSpelling::Cut),
        ("fh1-ab1", BadSpelling::Character { c: '1', at: 7 }),
        ("fh1-ab é", BadSpelling::Character { c: ' ', at: 7 }),
        ("fh1-aaaaaaaaaaaaaaaa", BadSpelling::Checksum),
    ];
    for (text, expected) in cases {
        let why = text.parse::<ContentTicket>().unwrap_err();
        assert_eq!(why, expected.into());
        assert!(!why.to_string().contains(char::is_control), "{why}");
    }
    let long = format!("fh1-{}", "a".repeat(1 << 20));
    assert_eq!(
        long.parse::<ContentTicket>(),
        Err(BadSpelling::Long(4 + (1 << 20)).into())
    );
    let cut = text[..text.len() - 8].parse::<ContentTicket>().unwrap_err();
    let found = [BadSpelling::Cut, BadSpelling::Checksum];
    assert!(found.map(BadTicket::from).contains(&cut));
}

#[test]
fn limits_hold_when_a_ticket_is_made_and_when_another_program_made_it() {
    let new = |bytes, peers: usize| {
        let peers = vec![([0; 32], "a:1".to_owned()); peers];
        ContentTicket::new(ContentId([0; 32]), bytes, peers)
    };
    assert!(new(MANIFEST_MAX, 8).is_ok());
    assert_eq!(new(0, 1), Err(BadTicket::Manifest(0)));
    assert_eq!(
        new(MANIFEST_MAX + 1, 1),
        Err(BadTicket::Manifest(MANIFEST_MAX + 1))
    );
    assert_eq!(new(1, 9), Err(BadTicket::Peers(9)));

    let body = |manifest: u32, count: u8, tail: &[u8]| {
        let mut bytes = vec![0; 32];
        bytes.extend(manifest.to_le_bytes());
        bytes.push(count);
        bytes.extend(tail);
        ContentTicket::from_bytes(&bytes)
    };
    assert!(body(1, 0, &[]).is_ok());
    assert_eq!(body(0, 0, &[]), Err(BadTicket::Manifest(0)));
    assert_eq!(
        body(u32::MAX, 0, &[]),
        Err(BadTicket::Manifest(u32::MAX.into()))
    );
    assert_eq!(body(1, 255, &[]), Err(BadTicket::Peers(255)));
    assert_eq!(body(1, 1, &[0; 32]), Err(BadSpelling::Cut.into()));
    assert_eq!(body(1, 0, &[0]), Err(BadTicket::Foreign));
    assert_eq!(body(1, 0, &[0, 0]), Err(BadSpelling::Cut.into()));
    assert_eq!(body(257, 0, &[0; 257]), Err(BadSpelling::Cut.into()));
    let mut peer = vec![0; 32];
    peer.extend([3, 0xff, b':', b'1']);
    assert!(matches!(body(1, 1, &peer), Err(BadTicket::Address(_))));
}

#[test]
fn an_address_is_a_host_and_a_port() {
    for good in [
        "a:1",
        "vm-1.example:65535",
        "10.0.0.1:7440",
        "[::1]:7440",
        "a_b:07440",
    ] {
        assert!(is_address(good), "{good}");
    }
    let long = format!("{}:1", "a".repeat(254));
    for bad in [
        "", "a", ":1", "a:", "a:0", "a:65536", "a:-1", "a:+1", "a b:1", "a\n:1", "::1:1", "[a]:1",
        "[::1]", "a:1:2", "é:1", "a/b:1", "u@h:1", &long,
    ] {
        assert!(!is_address(bad), "{bad:?}");
    }
    assert!(is_address(&long[1..]));
}

proptest! {
    #[test]
    fn any_ticket_comes_back(
        id: [u8; 32], bytes in 1..=MANIFEST_MAX,
        peers in proptest::collection::vec((any::<[u8; 32]>(), "[a-z][a-z0-9.-]{0,60}:[1-9][0-9]{0,3}"), 0..=8),
    ) {
        let ticket = ContentTicket::new(ContentId(id), bytes, peers).unwrap();
        prop_assert_eq!(ticket.to_string().parse(), Ok(ticket));
    }

    #[test]
    fn any_text_is_read_or_refused_in_one_line(text in "(fh1-)?([a-z2-7]{0,90}|\\PC{0,20}|.{0,20})") {
        match text.parse::<ContentTicket>() {
            Ok(ticket) => prop_assert_eq!(ticket.to_string(), text.trim().to_ascii_lowercase()),
            Err(why) => prop_assert!(!why.to_string().contains(char::is_control)),
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..300), count in 0_u8..10,
    ) {
        let _ = ContentTicket::from_bytes(&bytes);
        if let Some(at) = bytes.get_mut(36) {
            *at = count;
        }
        if let Ok(ticket) = ContentTicket::from_bytes(&bytes) {
            prop_assert_eq!(ticket.to_bytes(), bytes);
        }
    }
}
