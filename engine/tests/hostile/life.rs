//! Starts, reloads, stops, kills.

use std::fs;
use std::path::Path;

use fairhaul::content::ticket::ContentTicket;
use fairhaul::control::api::{ControlRequest, Failure, Moves, Nothing, Transfer, TransferState};
use fairhaul_core::message::{CloseCode, Message, OfferVerdict};
use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::Signal;
use tokio::net::TcpStream;

use crate::content::{CHUNK, Content, noise};
use crate::evil::{Answer, Evil, Outcome};
use crate::rig::Rig;

const BYTES: usize = 24 * 1024 * 1024;
/// What of it has come when a transfer is disturbed.
const SOME: u64 = 1024 * 1024;

/// One that shares a file so slowly that nothing is whole before its limit is lifted, and one
/// that may fetch it.
async fn pair() -> (Rig, Rig, ContentTicket) {
    let seed = Rig::new();
    let taker = Rig::new().knows("seed", seed.key, &seed.address());
    let cap = "[limits]\nupload = \"1 MB/s\"\n";
    let seed = seed.knows("taker", taker.key, "").with(cap).start().await;
    fs::write(seed.path("f"), noise(BYTES, 1)).unwrap();
    let ticket = seed.share(&seed.path("f")).await;
    let taker = taker.start().await;
    taker.has_peers(1).await;
    (seed, taker, ticket)
}

/// Waits until so many bytes are there.
async fn has(rig: &Rig, least: u64) {
    let has = async || {
        let transfers = rig.status().await.transfers;
        let done = transfers.first().map_or(0, |one| one.done_bytes);
        (done >= least).then_some(())
    };
    rig.until(&format!("{least} bytes are there"), has).await;
}

/// Fetches until some of it is there. The transfer goes on in the node.
async fn fetch_some(taker: &Rig, ticket: &ContentTicket, target: &Path) {
    tokio::select! {
        got = taker.get(ticket, target) => panic!("it is not under way: {got:?}"),
        () = has(taker, SOME) => {}
    }
}

async fn is_whole(rig: &Rig) {
    let is_whole = async || {
        let transfers = rig.status().await.transfers;
        let mut states = transfers.iter().map(|one| one.state);
        states
            .any(|state| state == TransferState::Serving)
            .then_some(())
    };
    rig.until("it is whole", is_whole).await;
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
    rig.says("not read again").await;
    assert_eq!(rig.status().await.limits.up_bytes_s, Some(3_000_000));
    assert!(wire.is_alive().await);
}

/// Register: O4, P1.
#[tokio::test]
async fn a_node_that_is_told_to_stop_in_mid_transfer_stops_and_goes_on_later() {
    let (seed, mut taker, ticket) = pair().await;
    let target = taker.target();
    fetch_some(&taker, &ticket, &target).await;
    taker.signal(Signal::TERM);
    let status = taker.ended().await;
    assert_eq!(status.code(), Some(0), "{}", taker.log());
    assert!(!target.join("f").exists());
    seed.uncap().await;
    taker.start_again().await;
    is_whole(&taker).await;
    assert_eq!(fs::read(target.join("f")).unwrap(), noise(BYTES, 1));
}

/// A pipe that nobody reads lies where the node writes down what it has to know, so that its clean
/// end waits for ever, as for a disk that stands still. The second signal waits for nothing.
///
/// Register: O4.
#[tokio::test]
async fn a_node_that_is_told_twice_is_gone_at_once_and_goes_on_later() {
    let (seed, mut taker, ticket) = pair().await;
    let target = taker.target();
    fetch_some(&taker, &ticket, &target).await;
    let pipe = taker.part_of(&ticket);
    // The file that it may be writing at this moment has that name too, until it is whole.
    let own = Mode::RUSR | Mode::WUSR;
    let is_made = async || mkfifoat(CWD, &pipe, own).ok();
    taker.until("nothing is being written down", is_made).await;
    let id = taker.status().await.transfers[0].id;
    taker
        .ask::<Nothing>(ControlRequest::Pause(Transfer { id }))
        .await;
    taker.signal(Signal::TERM);
    // Not before all is over but its end: a signal that comes sooner is heard by a node that
    // forgets it.
    let is_closed = async || {
        let refused = TcpStream::connect(taker.listens()).await.is_err();
        refused.then_some(())
    };
    taker.until("it lets nobody in", is_closed).await;
    taker.signal(Signal::INT);
    assert_eq!(taker.ended().await.code(), Some(130), "{}", taker.log());
    fs::remove_file(&pipe).unwrap();
    seed.uncap().await;
    taker.start_again().await;
    is_whole(&taker).await;
    assert_eq!(fs::read(target.join("f")).unwrap(), noise(BYTES, 1));
}

/// What a ticket names is still there after a kill at the moment at which the ticket is handed out.
/// Where the node cannot write that down, there is no ticket.
///
/// Register: P1.
#[tokio::test]
async fn a_ticket_outlives_the_run_that_made_it() {
    let mut rig = Rig::new().start().await;
    fs::write(rig.path("f"), noise(BYTES, 1)).unwrap();
    let ticket = rig.share(&rig.path("f")).await;
    rig.kill();
    rig.start_again().await;
    is_whole(&rig).await;
    let id = rig.status().await.transfers[0].id;
    rig.ask::<Nothing>(ControlRequest::Cancel(Transfer { id }))
        .await;
    let part = rig.part_of(&ticket);
    let forgotten = async || (!part.with_extension("json").exists()).then_some(());
    rig.until("it is forgotten", forgotten).await;
    // A folder lies where that is written; the killed run may have left a file there.
    let _ = fs::remove_file(&part);
    fs::create_dir(&part).unwrap();
    let failure = rig.try_share(&rig.path("f")).await.unwrap_err();
    assert_eq!(failure.code, Failure::STORAGE, "{failure}");
    assert!(failure.message.contains("written down"), "{failure}");
}

/// Register: P1.
#[tokio::test]
async fn a_node_that_is_killed_twice_goes_on_with_what_it_had() {
    let (seed, mut taker, ticket) = pair().await;
    let target = taker.target();
    fetch_some(&taker, &ticket, &target).await;
    for least in [SOME, 2 * SOME] {
        has(&taker, least).await;
        taker.kill();
        assert!(!target.join("f").exists());
        taker.start_again().await;
    }
    seed.uncap().await;
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
    assert_eq!(wire.verdict().await, OfferVerdict::Failed);
    assert_eq!(fs::read(rig.inbox()).unwrap(), b"mine");
    assert!(wire.is_alive().await);
}

/// The folder that a push goes to is removed in the middle of it: that push stands still or has
/// failed, by how far it was, and the node takes the next one.
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
            // The node may be at work in there, and a folder that is not empty stays.
            while inbox.exists() {
                let _ = fs::remove_dir_all(&inbox);
            }
        }
        Answer::Bytes(ask.bytes)
    });
    let stands_still = async || {
        let transfers = rig.status().await.transfers;
        transfers.iter().find_map(|one| one.trouble.clone())
    };
    tokio::select! {
        outcome = serving => assert_eq!(outcome, Outcome::Verdict(OfferVerdict::Failed)),
        _trouble = rig.until("the push is over or stands still", stands_still) => {}
    }
    assert!(!rig.inbox().join("f").exists());
    assert!(!rig.log().contains("panicked"), "{}", rig.log());
    let mut again = evil.enter(&rig).await;
    let other = Content::file("g", 8 * CHUNK, 3);
    again.offer(&other).await;
    let outcome = again.serve(&other, |ask| Answer::Bytes(ask.bytes)).await;
    assert_eq!(outcome, Outcome::Verdict(OfferVerdict::Done));
    assert_eq!(fs::read(rig.inbox().join("g")).unwrap(), other.bytes);
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
    seed.uncap().await;
    let got = taker.get(&ticket, &taker.path("out")).await.unwrap();
    let first = got.first_byte_seconds.unwrap();
    assert!(first > 0.0 && first < got.seconds, "{got:?}");
    let moves: Moves = taker.ask(ControlRequest::Moves(Nothing {})).await;
    let [row] = moves.moved.as_slice() else {
        panic!("{moves:?}");
    };
    assert_eq!((row.peer.as_str(), &row.content), ("seed", &got.content));
    assert_eq!(row.stored_bytes, BYTES as u64);
    assert_eq!(row.down_bytes, BYTES as u64 + moves.wasted_bytes);
    assert!(moves.stopped.is_empty());
    // The last block has come before its sender is told that it has left.
    let counted = async || {
        let moves: Moves = seed.ask(ControlRequest::Moves(Nothing {})).await;
        (moves.moved[0].up_bytes >= BYTES as u64).then_some(moves)
    };
    let moves = seed.until("all of it is counted", counted).await;
    assert_eq!(moves.moved[0].stored_bytes, 0);
}
