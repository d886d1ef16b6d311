//! Peers that keep to the protocol and want more than their share.
//!
//! Here the program serves the others while a greedy one does what it can, and to the end; who
//! gets how much meanwhile is shown in virtual time, where nothing else takes part:
//! `fairhaul_core`, `uplink/tests/attacks.rs`.

use std::fs;

use fairhaul_core::manifest::ContentId;
use fairhaul_core::message::Message;

use crate::content::{noise, shared_chunks};
use crate::evil::{Evil, WANTED, Wire};
use crate::rig::{Rig, Since};

/// Bytes of what everybody wants.
const LEN: u64 = 8 * 1024 * 1024;

/// A node with a cap that shares a file, and two that want it. The rules differ by `policy`.
async fn sharing(policy: &str) -> (Rig, ContentId, Evil, Evil) {
    let (honest, greedy) = (Evil::new(), Evil::new());
    let rig = Rig::new()
        .knows("honest", honest.key, "")
        .knows("greedy", greedy.key, "")
        .with("[limits]\nupload = \"16 MB/s\"\n")
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

/// One asks for four chunks at once, the other for sixteen and over five connections, of which
/// it keeps one.
///
/// Register: F1, F4.
#[tokio::test]
async fn a_hog_with_many_connections_stays_one_peer_beside_which_others_are_served() {
    let (rig, content, honest, greedy) = sharing("").await;
    let mut one = taking(&honest, &rig, content, chunks()).await;
    let _replaced = greedy.enter(&rig).await;
    let mut hog = greedy.enter(&rig).await;
    for _ in 0..3 {
        let _more = greedy.call(&rig).await;
    }
    rig.refuses("one session each", 3).await;
    hog.want(content, chunks()).await;
    tokio::join!(
        one.leech(0..chunks(), 4, chunk_len(), LEN),
        hog.leech(0..chunks(), 16, chunk_len(), LEN),
    );
    rig.has_peers(2).await;
}

/// A content of one byte is asked for thousands of times.
///
/// Register: F3.
/// Limit: L5.
#[tokio::test]
async fn requests_for_single_bytes_and_for_chunks_are_all_answered() {
    let (rig, content, honest, greedy) = sharing("").await;
    let small = rig.path("small");
    fs::write(&small, b"!").unwrap();
    let tiny = rig.share(&small).await.content();
    let mut one = taking(&honest, &rig, content, chunks()).await;
    let mut flood = taking(&greedy, &rig, tiny, 1).await;
    tokio::join!(
        one.leech(0..chunks(), 4, chunk_len(), LEN),
        flood.leech(0..1, 200, 1, 2_000),
    );
    assert_eq!(rig.connected().await, 2);
}

/// One asks and takes it back, hundreds of times; the other is served.
///
/// Register: F5.
#[tokio::test]
async fn who_takes_requests_back_is_borne_with_and_the_others_are_served() {
    let (rig, content, honest, greedy) = sharing("").await;
    let mut one = taking(&honest, &rig, content, chunks()).await;
    let mut fickle = taking(&greedy, &rig, content, chunks()).await;
    let churn = async {
        for round in 0..500 {
            let (transfer, chunk) = (WANTED, round % chunks());
            fickle.request(chunk).await;
            fickle.say(&Message::Cancel { transfer, chunk }).await;
            if round % 50 == 0 {
                assert!(fickle.is_alive().await);
            }
        }
    };
    tokio::join!(one.leech(0..chunks(), 4, chunk_len(), LEN), churn);
    assert!(fickle.is_alive().await);
    // Nothing of what was taken back waits any longer.
    let nothing = async || {
        let transfers = rig.status().await.transfers;
        let mut flows = transfers.iter().flat_map(|one| &one.peers);
        let waits = flows.any(|flow| flow.peer == "greedy" && flow.queued_bytes > 0);
        (!waits).then_some(())
    };
    rig.until("nothing waits for the fickle one", nothing).await;
}

/// Two contents, and the greedy one says that it lacks but one chunk, whose requests a policy of
/// the shortest first would put in front.
///
/// Register: F6.
#[tokio::test]
async fn who_says_that_it_lacks_little_keeps_nobody_from_the_rest() {
    let policy = "[policy]\nuplink = \"drr/srpt\"\n";
    let (rig, content, honest, greedy) = sharing(policy).await;
    let mut one = taking(&honest, &rig, content, chunks()).await;
    let mut liar = greedy.enter(&rig).await;
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
    tokio::join!(
        one.leech(0..chunks(), 4, chunk_len(), LEN),
        liar.leech(0..1, 1, chunk_len(), LEN / 2),
    );
}

/// It rests and comes back with all at once.
///
/// Register: F7.
#[tokio::test]
async fn who_rests_and_comes_back_and_who_stayed_are_both_served() {
    let (rig, content, honest, greedy) = sharing("").await;
    let mut one = taking(&honest, &rig, content, chunks()).await;
    let mut other = taking(&greedy, &rig, content, chunks()).await;
    one.leech(0..chunks(), 4, chunk_len(), LEN / 2).await;
    tokio::join!(
        one.leech(0..chunks(), 4, chunk_len(), LEN),
        other.leech(0..chunks(), 16, chunk_len(), LEN),
    );
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
    let since = Since::now();
    let (rounds, each) = (6, 250_000);
    for _ in 0..rounds {
        let mut wire = taking(&evil, &rig, content, chunks()).await;
        wire.leech(0..chunks(), 2, chunk_len(), each).await;
        drop(wire);
        rig.has_peers(0).await;
    }
    // A quarter of a second may be saved up, once.
    let most = since.at_most(250_000, 1_000_000);
    assert!(rounds * each <= most + 64 * 1024, "{most}");
}
