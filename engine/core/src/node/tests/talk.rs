//! What shells say to each other through a node, and what it costs to say too much.

use super::*;
use crate::message::{CloseCode, Forwarded, Known, Offer, OfferVerdict};

fn millis(millis: u64) -> Time {
    Time::ZERO + Span::from_millis(millis)
}

fn offer() -> Message {
    Message::Offer(Box::new(Offer {
        content: ContentId([3; 32]),
        manifest_bytes: 10,
        bytes: 20,
        name: "a".into(),
    }))
}

fn close() -> Message {
    Message::Close {
        code: CloseCode::Shutdown,
        text: "bye".into(),
    }
}

/// When a peer that repeats `inputs` a thousand times a second is told to go, in
/// milliseconds; none within half a minute.
fn flood(node: &mut Node, inputs: &[Input], each: u64) -> Option<u64> {
    (0..30_000)
        .step_by(usize::try_from(each).unwrap())
        .find(|&milli| {
            inputs.iter().any(|input| {
                let said = tell(node, input.clone(), millis(milli));
                let closed = closed(&said);
                assert!(
                    closed.iter().all(|why| *why == Misbehaviour::Flood),
                    "{closed:?}"
                );
                !closed.is_empty()
            })
        })
}

fn from_a(message: Message) -> Input {
    Input::Message { peer: A, message }
}

#[test]
fn what_one_shell_says_the_other_is_told() {
    let mut node = leecher(1, &[A]);
    let content = ContentId([3; 32]);
    let verdict = OfferVerdict::Quota;
    let known: Box<[Known]> = [Known {
        key: [1; 32],
        address: "a:1".into(),
    }]
    .into();
    let Message::Offer(body) = offer() else {
        panic!("made above");
    };
    let cases = [
        (offer(), Event::Offer(A, body)),
        (
            Message::Verdict { content, verdict },
            Event::Verdict(A, content, verdict),
        ),
        (Message::WantAddresses, Event::WantAddresses(A)),
        (
            Message::Addresses(known.clone()),
            Event::Addresses(A, known),
        ),
        (Message::Text("hi".into()), Event::Text(A, "hi".into())),
        (close(), Event::Closed(A, CloseCode::Shutdown, "bye".into())),
    ];
    for (message, event) in cases {
        let say = Input::Say {
            peer: A,
            message: message.clone(),
        };
        let said = tell(&mut node, say, Time::ZERO);
        assert_eq!(said, [send(A, message.clone())]);
        let said = hear(&mut node, A, message, Time::ZERO);
        assert_eq!(said, [Action::Notify(event)]);
    }
    // What the node decides is not a shell's to say.
    let say = Input::Say {
        peer: A,
        message: Message::Unchoke,
    };
    assert_eq!(tell(&mut node, say, Time::ZERO), []);
}

/// Register: W7.
#[test]
fn nothing_counts_after_the_last_message() {
    let mut node = leecher(2, &[A]);
    hear(&mut node, A, close(), Time::ZERO);
    let said = hear(&mut node, A, Message::Unchoke, Time::ZERO);
    assert_eq!(closed(&said), [Misbehaviour::BadState]);
    assert!(!Misbehaviour::BadState.is_lie());
    for message in [Message::Unchoke, close(), half(0, 0), Message::Ping(1)] {
        assert_eq!(hear(&mut node, A, message, Time::ZERO), []);
    }
    let again = [
        Input::Disconnected { peer: A },
        Input::Skipped { peer: A },
        Input::Connected {
            peer: A,
            outbound: false,
        },
    ];
    for input in again {
        tell(&mut node, input, Time::ZERO);
    }
    hear(&mut node, A, join(9, Bitfield::full(2)), Time::ZERO);
    let said = hear(&mut node, A, Message::Unchoke, Time::ZERO);
    assert_eq!(asked(&said).len(), 2, "a new connection is a new start");
}

/// Each of these does no work. A thousand a second are borne with for about ten seconds, ninety
/// a second for ever.
///
/// Register: W6, D7, F5.
#[test]
fn whatever_does_no_work_is_a_flood_if_there_is_too_much_of_it() {
    let (transfer, far) = (TransferId(7), TransferId(8));
    let content = ContentId([3; 32]);
    let cases: [&[Message]; 17] = [
        &[Message::Forwarded(Forwarded::default())],
        &[Message::Text("x".into())],
        &[Message::Ping(1)],
        &[Message::Pong(1)],
        &[offer()],
        &[Message::Verdict {
            content,
            verdict: OfferVerdict::Done,
        }],
        &[Message::WantAddresses],
        &[Message::Addresses([].into())],
        &[Message::Have { transfer, chunk: 1 }],
        &[Message::Have {
            transfer: far,
            chunk: 1,
        }],
        &[
            Message::Lost { transfer, chunk: 1 },
            Message::Have { transfer, chunk: 1 },
        ],
        &[Message::Interested, Message::NotInterested],
        &[Message::Choke, Message::Unchoke],
        &[Message::Cancel { transfer, chunk: 1 }],
        &[join(9, Bitfield::full(4))],
        &[join(5, Bitfield::full(4))],
        &[Message::Leave { transfer: far }],
    ];
    let skipped: Vec<Input> = vec![Input::Skipped { peer: A }];
    let cases = cases.map(|case| case.iter().cloned().map(from_a).collect::<Vec<_>>());
    for case in cases.into_iter().chain([skipped]) {
        let at = flood(&mut guarded(4, &[A]), &case, 1);
        let at = at.unwrap_or_else(|| panic!("never: {case:?}"));
        assert!((10_000..15_000).contains(&at), "{at} ms: {case:?}");
        let each = 12 * case.len() as u64;
        assert_eq!(flood(&mut guarded(4, &[A]), &case, each), None, "{case:?}");
    }
}

/// A seed that grants nothing is asked again and again.
///
/// Register: F5, W6.
#[test]
fn requests_that_are_refused_or_repeated_are_charged() {
    let seed = || {
        let mut node = with_guard();
        tell(&mut node, add(1, 9, Bitfield::full(4), None), Time::ZERO);
        meet(&mut node, A);
        hear(&mut node, A, join(9, Bitfield::empty(4)), Time::ZERO);
        node
    };
    let at = flood(&mut seed(), &[from_a(request(1))], 1);
    assert!((10_000..15_000).contains(&at.unwrap()), "repeated: {at:?}");
    let mut node = seed();
    hear(&mut node, A, Message::Interested, Time::ZERO);
    let (transfer, chunk) = (TransferId(1), ChunkIndex(1));
    tell(&mut node, Input::Lost { transfer, chunk }, Time::ZERO);
    let at = flood(&mut node, &[from_a(request(1))], 1);
    assert!((10_000..15_000).contains(&at.unwrap()), "{at:?}");
    // A request and its cancel, over and over.
    let transfer = TransferId(7);
    let churn = [
        from_a(request(3)),
        from_a(Message::Cancel { transfer, chunk: 3 }),
    ];
    let mut node = seed();
    hear(&mut node, A, Message::Interested, Time::ZERO);
    hear(&mut node, A, request(0), Time::ZERO);
    assert!(flood(&mut node, &churn, 1).is_some());
}

/// An honest node names twenty thousand contents that we do not know, as fast as it is read, and
/// it is not read while it has said too much. It has named them within the grace, and is closed
/// for nothing.
///
/// Register: W6. Limit: L6.
#[test]
fn who_names_many_contents_is_read_more_slowly_and_not_closed() {
    let mut node = with_guard();
    meet(&mut node, A);
    let (mut now, mut lulls) = (Time::ZERO, 0);
    for number in 0..20_000_u32 {
        let mut content = [3; 32];
        content[..4].copy_from_slice(&number.to_le_bytes());
        let join = Join {
            content: ContentId(content),
            transfer: TransferId(number),
            have: Bitfield::empty(1),
            reply: true,
        };
        let said = hear(&mut node, A, Message::Join(Box::new(join)), now);
        assert_eq!(closed(&said), [], "{number}");
        // A reading of 256 KiB is over.
        if number % 5_000 == 4_999 {
            let until = node.lull(A).filter(|until| *until > now);
            now = until.expect("it has said too much");
            lulls += 1;
        }
    }
    assert_eq!((lulls, now), (4, millis(1_000)));
}

/// News of ten thousand chunks in one second, and interest that comes and goes with chunks that
/// we store ourselves.
///
/// Register: D7.
#[test]
fn what_a_content_bounds_is_no_flood() {
    let mut node = guarded(20_000, &[]);
    meet(&mut node, A);
    hear(&mut node, A, join(9, Bitfield::empty(20_000)), Time::ZERO);
    let transfer = TransferId(7);
    for chunk in 0..20_000 {
        let now = millis(u64::from(chunk));
        let said = hear(&mut node, A, Message::Have { transfer, chunk }, now);
        assert_eq!(closed(&said), []);
    }
    let mut node = guarded(20_000, &[]);
    meet(&mut node, A);
    hear(&mut node, A, join(9, Bitfield::empty(20_000)), Time::ZERO);
    for chunk in 0..20_000 {
        let now = millis(u64::from(chunk));
        let stored = Input::Stored {
            transfer: TransferId(1),
            chunk: ChunkIndex(chunk),
            from: B,
        };
        tell(&mut node, stored, now);
        for message in [Message::Interested, Message::NotInterested] {
            assert_eq!(closed(&hear(&mut node, A, message, now)), []);
        }
    }
}

/// Without a guard only what was always charged is: the simulator's honest peers may be many.
#[test]
fn without_a_guard_only_talk_for_people_is_charged() {
    let cases = [
        (Message::Text("x".into()), true),
        (Message::Ping(1), true),
        (Message::Interested, false),
        (join(5, Bitfield::full(4)), false),
    ];
    for (message, charged) in cases {
        let at = flood(&mut leecher(4, &[A]), &[from_a(message.clone())], 1);
        assert_eq!(at.is_some(), charged, "{message:?}");
    }
}

/// Register: F8.
#[test]
fn a_flood_is_not_forgiven_by_a_new_connection() {
    let mut node = leecher(1, &[A]);
    let text = from_a(Message::Text("x".into()));
    assert!(flood(&mut node, std::slice::from_ref(&text), 1).is_some());
    let now = millis(30_000);
    let mut passed = 0;
    for _ in 0..3 {
        tell(&mut node, Input::Disconnected { peer: A }, now);
        let outbound = false;
        tell(&mut node, Input::Connected { peer: A, outbound }, now);
        passed += (0..600)
            .filter(|_| {
                tell(&mut node, text.clone(), now);
                true
            })
            .count();
    }
    assert_eq!(passed, 1_800);
    // The grace began with the first reconnect, not anew with each.
    let at = (30_000..60_000).find(|milli| {
        let said = tell(&mut node, text.clone(), millis(*milli));
        !closed(&said).is_empty()
    });
    assert!((39_000..42_000).contains(&at.unwrap()), "{at:?}");
}
