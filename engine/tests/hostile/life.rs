//! Starts, reloads, stops, kills.

use std::fs;
use std::time::{Duration, Instant};

use fairhaul::control::api::{Failure, Moves, Nothing, Request, TransferState};
use fairhaul_core::message::{CloseCode, Message, Verdict};
use rustix::process::Signal;
use tokio::time::{sleep, timeout};

use crate::content::{CHUNK, Content, noise};
use crate::evil::{Answer, Evil};
use crate::rig::{PATIENCE, Rig};

const BYTES: usize = 24 * 1024 * 1024;

/// One that shares a file at a rate that lets a transfer last for some seconds, and one that
/// may fetch it.
async fn pair() -> (Rig, Rig, fairhaul::content::ticket::Ticket) {
    let seed = Rig::new();
    let taker = Rig::new().knows("seed", seed.key, &seed.address());
    let cap = "[limits]\nupload = \"12 MB/s\"\n";
    let seed = seed.knows("taker", taker.key, "").with(cap).start().await;
    fs::write(seed.path("f"), noise(BYTES, 1)).unwrap();
    let ticket = seed.share(&seed.path("f")).await;
    let taker = taker.start().await;
    taker.has_peers(1).await;
    (seed, taker, ticket)
}

/// Waits until so many bytes are there.
async fn has(rig: &Rig, least: u64) {
    let since = Instant::now();
    let mut done = 0;
    while done < least {
        assert!(since.elapsed() < PATIENCE, "{done}\n{}", rig.log());
        sleep(Duration::from_millis(20)).await;
        done = rig
            .status()
            .await
            .transfers
            .first()
            .map_or(0, |one| one.done_bytes);
    }
}

async fn is_whole(rig: &Rig) {
    let since = Instant::now();
    loop {
        let status = rig.status().await;
        if status
            .transfers
            .iter()
            .any(|one| one.state == TransferState::Serving)
        {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "{status:?}\n{}", rig.log());
        sleep(Duration::from_millis(20)).await;
    }
}

/// Register: O3.
#[tokio::test]
async fn a_parameter_file_with_an_error_changes_nothing() {
    let evil = Evil::new();
    let rig = Rig::new()
        .knows("evil", evil.key, "")
        .with("[limits]\nupload = \"3 MB/s\"\n");
    let mut rig = rig.start().await;
    let mut wire = evil.enter(&rig).await;
    rig.forget_peers();
    rig.more = "[limits]\nupload = \"9 parsecs\"\n".to_owned();
    rig.write();
    let failure = rig.reload().await.unwrap_err();
    assert_eq!(failure.code, Failure::STORAGE);
    assert!(failure.message.contains("file.toml"), "{failure}");
    assert!(failure.message.contains("upload"), "{failure}");
    rig.signal(Signal::HUP);
    assert!(wire.is_alive().await);
    let since = Instant::now();
    while !rig.log().contains("not read again") {
        assert!(since.elapsed() < PATIENCE, "{}", rig.log());
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(rig.status().await.limits.up_bytes_s, Some(3_000_000));
    assert!(wire.is_alive().await);
}

/// Register: O4, P1.
#[tokio::test]
async fn a_node_that_is_told_to_stop_in_mid_transfer_stops_in_time_and_goes_on_later() {
    let (_seed, mut taker, ticket) = pair().await;
    let target = taker.target();
    let _ = timeout(Duration::from_millis(10), taker.get(&ticket, &target)).await;
    has(&taker, 4 * 1024 * 1024).await;
    taker.signal(Signal::TERM);
    let status = taker.ended(Duration::from_secs(5)).await;
    assert_eq!(status.code(), Some(0), "{}", taker.log());
    assert!(!target.join("f").exists());
    taker.start_again().await;
    is_whole(&taker).await;
    assert_eq!(fs::read(target.join("f")).unwrap(), noise(BYTES, 1));
}

/// The second signal ends it at once.
///
/// Register: O4.
#[tokio::test]
async fn a_node_that_is_told_twice_is_gone_at_once_and_goes_on_later() {
    let (_seed, mut taker, ticket) = pair().await;
    let target = taker.target();
    let _ = timeout(Duration::from_millis(10), taker.get(&ticket, &target)).await;
    has(&taker, 4 * 1024 * 1024).await;
    taker.signal(Signal::TERM);
    taker.signal(Signal::INT);
    taker.ended(Duration::from_secs(2)).await;
    taker.start_again().await;
    is_whole(&taker).await;
    assert_eq!(fs::read(target.join("f")).unwrap(), noise(BYTES, 1));
}

/// Register: P1.
#[tokio::test]
async fn a_node_that_is_killed_twice_goes_on_with_what_it_had() {
    let (_seed, mut taker, ticket) = pair().await;
    let target = taker.target();
    let _ = timeout(Duration::from_millis(10), taker.get(&ticket, &target)).await;
    for least in [3, 8] {
        has(&taker, least * 1024 * 1024).await;
        taker.kill();
        assert!(!target.join("f").exists());
        taker.start_again().await;
    }
    is_whole(&taker).await;
    assert_eq!(fs::read(target.join("f")).unwrap(), noise(BYTES, 1));
    assert_eq!(taker.metric("fairhaul_chunks_rejected_total").await, 0);
}

/// Register: P10.
#[tokio::test]
async fn a_second_node_on_the_same_data_names_the_first_and_a_killed_one_leaves_no_lock() {
    let mut rig = Rig::new().start().await;
    let output = rig.command().output().unwrap();
    let log = rig.log();
    assert_eq!(
        output.status.code(),
        Some(i32::from(Failure::STORAGE)),
        "{log}"
    );
    assert!(log.contains(&rig.pid().to_string()), "{log}");
    rig.status().await;
    rig.kill();
    rig.start_again().await;
    rig.status().await;
}

/// The data is a file, and the inbox is one.
///
/// Register: P7.
#[tokio::test]
async fn a_file_where_a_folder_belongs_is_said_at_once() {
    let mut rig = Rig::new();
    rig.write();
    fs::write(rig.data(), b"").unwrap();
    let output = rig.command().output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(i32::from(Failure::STORAGE)),
        "{}",
        rig.log()
    );
    assert!(rig.log().contains("data"), "{}", rig.log());
    fs::remove_file(rig.data()).unwrap();
    fs::create_dir_all(rig.data()).unwrap();
    fs::write(rig.inbox(), b"mine").unwrap();
    let evil = Evil::new();
    rig.list("evil", evil.key, "accept = \"in\"");
    rig.start_again().await;
    let mut wire = evil.enter(&rig).await;
    let content = Content::file("f", 2 * CHUNK, 1);
    wire.offer(&content).await;
    assert_eq!(wire.verdict().await, Verdict::Failed);
    assert_eq!(fs::read(rig.inbox()).unwrap(), b"mine");
    assert!(wire.is_alive().await);
}

/// The target of a transfer is gone in the middle of it: that transfer says so, and the node
/// goes on.
///
/// Register: P7.
#[tokio::test]
async fn a_target_that_is_removed_costs_its_transfer_alone() {
    let evil = Evil::new();
    let rig = Rig::new()
        .knows("evil", evil.key, "accept = \"in\"")
        .start()
        .await;
    let mut wire = evil.enter(&rig).await;
    let content = Content::file("f", 8 * CHUNK, 2);
    wire.offer(&content).await;
    let inbox = rig.inbox();
    let serving = wire.serve(&content, |ask| {
        if !ask.is_manifest && ask.chunk == 0 {
            fs::remove_dir_all(&inbox).unwrap();
        }
        Answer::Bytes(ask.bytes)
    });
    // What becomes of it hangs on how far it was.
    let _ = timeout(Duration::from_secs(2), serving).await;
    assert!(!rig.log().contains("panicked"), "{}", rig.log());
    let mut again = evil.enter(&rig).await;
    assert!(again.is_alive().await);
}

/// Texts and names with escapes, from a peer, in the log.
///
/// Register: O2.
#[tokio::test]
async fn a_text_and_a_reason_of_a_peer_are_one_escaped_line_each() {
    let evil = Evil::new();
    let rig = Rig::new().knows("evil", evil.key, "").start().await;
    let mut wire = evil.enter(&rig).await;
    let text = "a\u{1b}[2J\nERROR forged \u{202e}";
    wire.say(&Message::Text(text.into())).await;
    assert!(wire.is_alive().await);
    let code = CloseCode::Shutdown;
    wire.say(&Message::Close {
        code,
        text: text.into(),
    })
    .await;
    drop(wire);
    rig.has_peers(0).await;
    let log = rig.log();
    assert!(log.contains("forged"), "{log}");
    assert!(
        !log.contains("\u{1b}[2J") && !log.contains("\nERROR"),
        "{log}"
    );
    assert!(!log.contains('\u{202e}'), "{log}");
}

/// What came from whom is counted to the byte, and the answer says when the first one came.
#[tokio::test]
async fn a_node_counts_what_came_from_whom() {
    let (seed, taker, ticket) = pair().await;
    let got = taker.get(&ticket, &taker.path("out")).await.unwrap();
    let first = got.first_byte_seconds.unwrap();
    assert!(first > 0.0 && first < got.seconds, "{got:?}");
    let moves: Moves = taker.ask(Request::Moves(Nothing {})).await;
    let [row] = moves.moved.as_slice() else {
        panic!("{moves:?}");
    };
    assert_eq!((row.peer.as_str(), &row.content), ("seed", &got.content));
    assert_eq!(row.stored_bytes, BYTES as u64);
    assert_eq!(row.down_bytes, BYTES as u64 + moves.wasted_bytes);
    assert!(moves.stopped.is_empty());
    let moves: Moves = seed.ask(Request::Moves(Nothing {})).await;
    assert!(moves.moved[0].up_bytes >= BYTES as u64, "{moves:?}");
    assert_eq!(moves.moved[0].stored_bytes, 0);
}
