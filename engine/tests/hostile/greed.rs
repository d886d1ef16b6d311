//! Peers that keep to the protocol and want more than their share.

use std::fs;
use std::time::{Duration, Instant};

use fairhaul_core::manifest::ContentId;
use fairhaul_core::message::Message;

use crate::content::{noise, shared_chunks};
use crate::evil::{Evil, Heard, WANTED, Wire};
use crate::rig::Rig;

const MIB: u64 = 1024 * 1024;
/// Bytes of what everybody wants, and how long everybody wants it.
const LEN: u64 = 8 * MIB;
const SPAN: Duration = Duration::from_secs(2);
/// What the node sends in a second.
const CAP: u64 = 8_000_000;

/// A node with a cap that shares a file, and two that want it. The rules differ by `policy`.
async fn sharing(policy: &str) -> (Rig, ContentId, Evil, Evil) {
    let (honest, greedy) = (Evil::new(), Evil::new());
    let rig = Rig::new()
        .knows("honest", honest.key, "")
        .knows("greedy", greedy.key, "")
        .with("[limits]\nupload = \"8 MB/s\"\n")
        .with(policy);
    let rig = rig.start().await;
    let file = rig.path("f");
    fs::write(&file, noise(LEN as usize, 1)).unwrap();
    let ticket = rig.share(&file).await;
    (rig, ticket.content(), honest, greedy)
}

fn chunks() -> u32 {
    shared_chunks(LEN)
}

fn chunk_len() -> u64 {
    LEN / u64::from(chunks())
}

async fn taking(evil: &Evil, rig: &Rig, content: ContentId, chunks: u32) -> Wire {
    let mut wire = evil.enter(rig).await;
    wire.want(content, chunks).await;
    wire
}

/// Half of what the cap allows in the span, less a block for the start and one for the end.
fn half() -> u64 {
    CAP * SPAN.as_millis() as u64 / 2_000
}

/// One asks for four chunks at once, the other for all, twice as often as they come; it also
/// opens another connection for each half second.
///
/// Register: F1, F4.
#[tokio::test]
async fn a_hog_with_many_connections_gets_no_more_than_half() {
    let (rig, content, honest, greedy) = sharing("").await;
    let mut one = taking(&honest, &rig, content, chunks()).await;
    let mut hog = taking(&greedy, &rig, content, chunks()).await;
    let more = async {
        let mut others = Vec::new();
        for _ in 0..3 {
            tokio::time::sleep(SPAN / 4).await;
            others.extend(greedy.call(&rig).await.ok());
        }
        others
    };
    let (honest, _, others) = tokio::join!(
        one.leech(0..chunks(), 4, chunk_len(), SPAN),
        hog.leech(0..chunks(), 16, chunk_len(), SPAN),
        more,
    );
    assert!(honest >= half() * 95 / 100 - 512 * 1024, "{honest}");
    assert!(!others.is_empty());
    assert!(rig.connected().await <= 2);
}

/// A content of one byte is asked for thousands of times: each time counts 16 KiB.
///
/// Register: F3.
/// Limit: L5.
#[tokio::test]
async fn requests_for_single_bytes_take_nothing_from_the_others() {
    let (rig, content, honest, greedy) = sharing("").await;
    let small = rig.path("small");
    fs::write(&small, b"!").unwrap();
    let tiny = rig.share(&small).await.content();
    let mut one = taking(&honest, &rig, content, chunks()).await;
    let mut flood = taking(&greedy, &rig, tiny, 1).await;
    let (honest, came) = tokio::join!(
        one.leech(0..chunks(), 4, chunk_len(), SPAN),
        flood.leech(0..1, 200, 1, SPAN),
    );
    assert!(came > 0);
    assert!(honest >= half() * 95 / 100 - 512 * 1024, "{honest}");
    // 8 MB/s are 500 of them in a second, if nobody else wanted anything.
    assert!(came <= 1_100, "{came}");
}

/// One asks and takes it back, thousands of times; the other is served.
///
/// Register: F5.
#[tokio::test]
async fn requests_that_are_taken_back_take_nothing_from_the_others() {
    let (rig, content, honest, greedy) = sharing("").await;
    let mut one = taking(&honest, &rig, content, chunks()).await;
    let mut fickle = taking(&greedy, &rig, content, chunks()).await;
    let churn = async {
        let until = Instant::now() + SPAN;
        let mut came = 0;
        let mut chunk = 0;
        while Instant::now() < until {
            fickle.request(chunk).await;
            fickle
                .say(&Message::Cancel {
                    transfer: WANTED,
                    chunk,
                })
                .await;
            chunk = (chunk + 1) % chunks();
            let soon = Instant::now() + Duration::from_millis(2);
            while let Some(heard) = fickle.hear_until(soon).await {
                if let Heard::Block(_, _, bytes) = heard {
                    came += bytes.len() as u64;
                }
            }
        }
        came
    };
    let (honest, came) = tokio::join!(one.leech(0..chunks(), 4, chunk_len(), SPAN), churn);
    assert!(honest >= half() * 95 / 100 - 512 * 1024, "{honest}");
    assert!(came <= half() + MIB, "{came}");
}

/// Two contents, and the greedy one asks for the shorter as well, whose requests a policy of
/// the shortest first would put in front: that orders its own queue and no other.
///
/// Register: F6.
#[tokio::test]
async fn what_a_peer_marks_as_short_is_in_front_of_its_own_queue_alone() {
    let policy = "[policy]\nuplink = \"drr/srpt\"\n";
    let (rig, content, honest, greedy) = sharing(policy).await;
    let mut one = taking(&honest, &rig, content, chunks()).await;
    let mut liar = greedy.enter(&rig).await;
    // It says that it lacks nothing but one chunk.
    let mut have = fairhaul_core::bitfield::Bitfield::full(chunks());
    let last = fairhaul_core::units::ByteCount::new(chunk_len());
    let whole = fairhaul_core::units::ByteCount::new(LEN);
    let geometry = fairhaul_core::manifest::Manifest::new(whole, last).unwrap();
    have.remove(geometry.index(0).unwrap());
    liar.want(content, chunks()).await;
    let join = fairhaul_core::message::Join {
        content,
        transfer: WANTED,
        have,
        reply: false,
    };
    liar.say(&Message::Join(Box::new(join))).await;
    let (honest, _) = tokio::join!(
        one.leech(0..chunks(), 4, chunk_len(), SPAN),
        liar.leech(0..1, 1, chunk_len(), SPAN),
    );
    assert!(honest >= half() * 95 / 100 - 512 * 1024, "{honest}");
}

/// It rests for a second and comes back with all at once: what it did not take is not kept
/// for it.
///
/// Register: F7.
#[tokio::test]
async fn who_rests_has_no_more_coming_afterwards() {
    let (rig, content, honest, greedy) = sharing("").await;
    let mut one = taking(&honest, &rig, content, chunks()).await;
    let mut other = taking(&greedy, &rig, content, chunks()).await;
    let alone = one.leech(0..chunks(), 4, chunk_len(), SPAN / 2).await;
    assert!(alone > half() / 2, "{alone}");
    let (honest, _) = tokio::join!(
        one.leech(0..chunks(), 4, chunk_len(), SPAN),
        other.leech(0..chunks(), 16, chunk_len(), SPAN),
    );
    assert!(honest >= half() * 95 / 100 - 512 * 1024, "{honest}");
}

/// A peer with a cap comes again and again: its bucket does not.
///
/// Register: F8.
#[tokio::test]
async fn a_cap_is_not_filled_up_again_by_coming_again() {
    let evil = Evil::new();
    let rig = Rig::new()
        .knows("evil", evil.key, "upload = \"1 MB/s\"")
        .start()
        .await;
    let file = rig.path("f");
    fs::write(&file, noise(LEN as usize, 2)).unwrap();
    let content = rig.share(&file).await.content();
    let since = Instant::now();
    let mut came = 0;
    for _ in 0..4 {
        let mut wire = taking(&evil, &rig, content, chunks()).await;
        let span = Duration::from_millis(400);
        came += wire.leech(0..chunks(), 2, chunk_len(), span).await;
        drop(wire);
        rig.has_peers(0).await;
    }
    // A quarter of a second may be saved up, once.
    let most = 1_000_000 * (since.elapsed().as_millis() as u64 + 250) / 1_000;
    assert!(came <= most + 64 * 1024, "{came} of {most}");
    assert!(came > 500_000, "{came}");
}
