//! Frames that no honest peer sends, over real connections.

use std::time::Duration;

use fairhaul::transport::GreetError;
use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::message::{CloseCode, Join, Message};
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::wire::handshake::{self, Greeting, RefusalCode, VERSION};
use fairhaul_core::wire::{BLOCK_MAX, CONTROL_MAX, TEXT_MAX};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::content::{CHUNK, noise, shared_chunks};
use crate::evil::{Evil, WANTED, connect};
use crate::rig::{PATIENCE, Rig, Since, pause};

/// How long a flood is borne with (limit L6).
const GRACE: Duration = Duration::from_secs(10);
const TEXT: u8 = 13;
const BLOCK: u8 = 12;
const OPTIONAL: u8 = 200;

/// A node that knows so many evil peers.
async fn facing<const N: usize>() -> (Rig, [Evil; N]) {
    let evils = [(); N].map(|()| Evil::new());
    let mut rig = Rig::new();
    for (at, evil) in evils.iter().enumerate() {
        rig.list(&format!("e{at}"), evil.key, "");
    }
    (rig.start().await, evils)
}

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = u32::try_from(body.len() + 1).unwrap();
    [&len.to_le_bytes()[..], &[kind], body].concat()
}

/// Address space of a node, in bytes.
fn space(rig: &Rig) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", rig.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let kib: u64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib * 1024
}

/// Four, two and no gigabytes are announced, of which nothing is sent.
///
/// Register: W1.
#[tokio::test]
async fn a_length_that_no_frame_has_ends_the_session_and_costs_no_memory() {
    let (rig, evils) = facing::<4>().await;
    let before = space(&rig);
    let cases = [
        (u32::MAX, Misbehaviour::FrameTooLarge),
        (1 << 31, Misbehaviour::FrameTooLarge),
        ((1 << 31) - 1, Misbehaviour::FrameTooLarge),
        (0, Misbehaviour::EmptyFrame),
    ];
    for (evil, (len, why)) in evils.iter().zip(cases) {
        let mut wire = evil.enter(&rig).await;
        wire.raw(&[&len.to_le_bytes()[..], &[TEXT]].concat())
            .await
            .unwrap();
        assert_eq!(wire.offence().await, Some(why), "{len}");
        assert!(evil.refused(&rig).await.contains("ban"), "{len}");
    }
    assert_eq!(rig.refused(Misbehaviour::FrameTooLarge.name()).await, 3);
    assert_eq!(rig.refused(Misbehaviour::EmptyFrame.name()).await, 1);
    let grown = space(&rig).saturating_sub(before);
    assert!(grown < 1 << 30, "{grown}");
}

/// A text, an optional frame and a block of the most bytes pass; one byte more does not.
///
/// Register: W2.
/// Limit: L1.
#[tokio::test]
async fn the_longest_frame_passes_and_one_byte_more_ends_the_session() {
    let (rig, evils) = facing::<3>().await;
    let head = [0; 16];
    let cases = [
        (TEXT, TEXT_MAX),
        (OPTIONAL, CONTROL_MAX - 1),
        (BLOCK, head.len() + BLOCK_MAX),
    ];
    for (evil, (kind, most)) in evils.iter().zip(cases) {
        let mut wire = evil.enter(&rig).await;
        let mut body = head.to_vec();
        body.resize(most, b'a');
        wire.raw(&frame(kind, &body)).await.unwrap();
        assert!(wire.is_alive().await, "{kind}");
        body.push(b'a');
        // The node need not read all of it.
        let _ = wire.raw(&frame(kind, &body)).await;
        let why = wire.offence().await;
        assert_eq!(why, Some(Misbehaviour::FrameTooLarge), "{kind}");
    }
    assert_eq!(rig.refused(Misbehaviour::FrameTooLarge.name()).await, 3);
}

/// Register: W3.
#[tokio::test]
async fn half_a_frame_and_then_the_end_is_no_offence() {
    let (rig, [evil]) = facing().await;
    for cut in [1, 4, 5, 30] {
        let mut wire = evil.enter(&rig).await;
        let whole = frame(TEXT, &[b'a'; 100]);
        wire.raw(&whole[..cut]).await.unwrap();
        drop(wire);
        rig.has_peers(0).await;
    }
    let mut wire = evil.enter(&rig).await;
    assert!(wire.is_alive().await);
}

/// Register: W4.
#[tokio::test]
async fn an_unknown_frame_is_skipped_if_it_may_be_and_else_ends_the_session() {
    let (rig, [evil]) = facing().await;
    let mut wire = evil.enter(&rig).await;
    wire.raw(&frame(OPTIONAL, b"what is this")).await.unwrap();
    assert!(wire.is_alive().await);
    wire.raw(&frame(100, b"what is this")).await.unwrap();
    assert_eq!(wire.offence().await, Some(Misbehaviour::UnknownFrame));
    assert_eq!(rig.refused(Misbehaviour::UnknownFrame.name()).await, 1);
    // A later version may say it in good faith: nobody is banned.
    assert!(evil.enter(&rig).await.is_alive().await);
}

/// Register: W4.
#[tokio::test]
async fn another_version_is_refused_and_told_ours() {
    let (rig, [evil]) = facing().await;
    let mut hello = evil.endpoint.hello("evil", None);
    hello.version = 9;
    let stream = connect(&rig, 1).await.unwrap();
    let called = evil.endpoint.call(stream, rig.key, &hello, PATIENCE).await;
    let Err(GreetError::Refused(refusal)) = called else {
        panic!("it was let in");
    };
    assert_eq!(
        (refusal.code, refusal.version),
        (RefusalCode::Version, VERSION)
    );
    rig.refuses("bad greeting", 1).await;
}

/// Register: W5.
#[tokio::test]
async fn frames_in_single_bytes_and_four_hundred_at_once_are_heard_alike() {
    let (rig, [evil]) = facing().await;
    let mut wire = evil.enter(&rig).await;
    for byte in frame(14, &77_u64.to_le_bytes()) {
        wire.raw(&[byte]).await.unwrap();
    }
    let pong = |heard: &crate::evil::Heard| match heard {
        crate::evil::Heard::Said(Message::Pong(number)) => Some(*number),
        _ => None,
    };
    assert_eq!(wire.hear_that(pong).await, 77);
    let many: Vec<u8> = (0..400_u64)
        .flat_map(|number| frame(14, &number.to_le_bytes()))
        .collect();
    wire.raw(&many).await.unwrap();
    for number in 0..400 {
        assert_eq!(wire.hear_that(pong).await, number);
    }
}

/// Twenty thousand frames that say nothing; whoever else is there is answered meanwhile.
///
/// Register: W6.
#[tokio::test]
async fn empty_frames_keep_nobody_else_waiting() {
    let (rig, [evil, other]) = facing().await;
    let mut other = other.enter(&rig).await;
    let mut wire = evil.enter(&rig).await;
    let since = Since::now();
    for _ in 0..20 {
        let _ = wire.raw(&frame(OPTIONAL, b"").repeat(1_000)).await;
        assert!(other.is_alive().await);
    }
    let both = rig.connected().await == 2;
    assert!(
        both || since.is_over(GRACE),
        "nobody has flooded it for long"
    );
}

/// Register: W6.
/// Limit: L6.
#[tokio::test]
#[ignore = "takes 12 s; the gate runs it"]
async fn a_flood_of_empty_frames_ends_the_session_after_ten_seconds_and_not_before() {
    let (rig, [evil]) = facing().await;
    let mut wire = evil.enter(&rig).await;
    let since = Since::now();
    // A few times as many as are allowed, on any machine; TCP holds back what is too much.
    while wire.raw(&frame(OPTIONAL, b"").repeat(1_000)).await.is_ok() {
        pause().await;
    }
    rig.refuses(Misbehaviour::Flood.name(), 1).await;
    assert!(since.is_over(GRACE));
    assert!(evil.enter(&rig).await.is_alive().await);
}

/// Register: W7.
#[tokio::test]
async fn whoever_says_the_last_message_has_left_whatever_it_says_then() {
    let (rig, [evil]) = facing().await;
    let mut wire = evil.enter(&rig).await;
    let code = CloseCode::Shutdown;
    wire.say(&Message::Close {
        code,
        text: "".into(),
    })
    .await;
    wire.say(&Message::Interested).await;
    // Whether the node has hung up by then or still hears it is a matter of time.
    let offence = wire.offence().await;
    assert!(
        matches!(offence, None | Some(Misbehaviour::BadState)),
        "{offence:?}"
    );
    rig.has_peers(0).await;
    assert!(evil.enter(&rig).await.is_alive().await);
}

/// Register: W7.
#[tokio::test]
async fn a_second_greeting_is_no_frame_and_a_frame_is_no_greeting() {
    let (rig, [evil]) = facing().await;
    let stream = connect(&rig, 1).await.unwrap();
    let mut secure = evil.endpoint.dial(stream, rig.key).await.unwrap();
    secure.writer.write(&frame(BLOCK, &[0; 100])).await.unwrap();
    secure.writer.flush().await.unwrap();
    rig.refuses("bad greeting", 1).await;
    let mut wire = evil.enter(&rig).await;
    let mut again = Vec::new();
    handshake::encode(
        &Greeting::Hello(evil.endpoint.hello("evil", None)),
        &mut again,
    );
    wire.raw(&again).await.unwrap();
    assert!(wire.offence().await.is_some());
    rig.has_peers(0).await;
}

/// Of n chunks there is none with number n, no bitfield of n + 1, and no byte at the end of all
/// numbers. Each is a lie, for which a day is not long enough to come back.
///
/// Register: W8.
/// Limit: L9.
#[tokio::test]
async fn positions_beyond_the_end_are_lies() {
    let (rig, evils) = facing::<5>().await;
    let file = rig.path("shared");
    std::fs::write(&file, noise(8 * 1024 * 1024, 1)).unwrap();
    let ticket = rig.share(&file).await;
    let mut wires = Vec::new();
    for evil in &evils {
        wires.push(evil.enter(&rig).await);
    }
    let claim = |chunks| {
        Message::Join(Box::new(Join {
            content: ticket.content(),
            transfer: WANTED,
            have: Bitfield::full(chunks),
            reply: false,
        }))
    };
    let mut counted = 0;
    let chunks = shared_chunks(8 * 1024 * 1024);
    for (at, mut wire) in wires.into_iter().enumerate() {
        let transfer = WANTED;
        wire.say(&claim(chunks)).await;
        match at {
            0 => wire.request(chunks).await,
            1 => wire.say(&claim(chunks + 1)).await,
            2 => {
                wire.say(&Message::Have {
                    transfer,
                    chunk: u32::MAX,
                })
                .await
            }
            3 => wire.block(WANTED, chunks, 0, &[0; CHUNK]).await,
            _ => wire.block(WANTED, 0, u64::MAX - 10, &[0; CHUNK]).await,
        }
        let why = wire.offence().await.unwrap();
        assert!(why.is_lie(), "{at}: {why}");
        counted += rig.refused(why.name()).await.min(1);
        let again = evils[at].refused(&rig).await;
        assert!(again.contains("ban"), "{at}: {again}");
    }
    assert_eq!(counted, 5);
}

/// Register: W12.
/// Limit: L11.
#[tokio::test]
async fn other_protocols_are_turned_away_without_a_line_in_the_log() {
    let (rig, [evil]) = facing().await;
    let quiet = rig.log().lines().count();
    let tls12: &[u8] = b"\x16\x03\x01\x00\x2f\x01\x00\x00\x2b\x03\x03";
    let cases: [&[u8]; 4] = [
        b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.7\r\n",
        &[tls12, &[7; 64]].concat(),
        &noise(4_000, 3),
    ];
    for (at, bytes) in cases.into_iter().enumerate() {
        let mut stream = connect(&rig, 2).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        // A reset is as good as an end.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer))
            .await
            .unwrap();
        assert!(answer.len() < 64, "{at}");
        rig.refuses("handshake", at as u64 + 1).await;
    }
    // A valid handshake first, and then anything.
    let stream = connect(&rig, 2).await.unwrap();
    let mut secure = evil.endpoint.dial(stream, rig.key).await.unwrap();
    secure.writer.write(&noise(3_000, 4)).await.unwrap();
    secure.writer.flush().await.unwrap();
    rig.refuses("bad greeting", 1).await;
    assert_eq!(rig.log().lines().count(), quiet, "{}", rig.log());
}
