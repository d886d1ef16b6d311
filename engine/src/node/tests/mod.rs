//! Whole nodes without a process: two that move a content, and what ends with a node.

use std::cell::Cell;
use std::fs;
use std::future::pending;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use self::rig::{CONTENT, Place, Rig};
use super::*;
use crate::control::api::{
    ControlRequest, EventKind, EventRecord, Get, Got, Moves, Nothing, Send, Sent, ShareRequest,
    Shared, Status, TransferDirection, TransferState,
};

pub(super) mod rig;

fn share(rig: &Rig) -> ControlRequest {
    ControlRequest::Share(ShareRequest {
        path: rig.file("content"),
        ignore: Vec::new(),
        chunk_bytes: Some(64 * 1024),
    })
}

/// Two nodes of which each lists the other. The second calls the first.
fn two() -> [Rig; 2] {
    let (a, b) = (Place::new(), Place::new());
    let (of_a, of_b) = (b.listed("b", ""), a.listed("a", &a.address()));
    [a.node("a", &of_a), b.node("b", &of_b)]
}

/// A content of 200 KB in chunks of 64 KiB: all of it is counted at both ends, by peer, by content
/// and by both.
#[tokio::test]
async fn a_content_moves_from_one_node_to_another_and_both_count_it() {
    let [mut a, mut b] = two();
    let shared: Shared = a.ask_and_wait(share(&a)).await.unwrap();
    assert_eq!((shared.bytes, shared.files), (CONTENT, 1));
    let get = ControlRequest::Get(Get {
        ticket: shared.ticket.clone(),
        dir: b.file("in"),
        overwrite: false,
        force: false,
    });
    let mut got = b.begin(get);
    let answer: Got = rig::until(&mut a, &mut b, &mut got).await.unwrap();
    assert_eq!((answer.bytes, answer.resumed_bytes), (CONTENT, 0));
    assert_eq!(answer.path, b.file("in/content"));
    let read = |rig: &Rig, name: &str| fs::read(rig.file(name)).unwrap();
    assert!(read(&a, "content") == read(&b, "in/content"));

    let moves: Moves = b.ask(ControlRequest::Moves(Nothing {})).unwrap();
    let row = &moves.moved[0];
    assert_eq!(
        (row.peer.as_str(), row.content.as_str()),
        ("a", &*shared.content)
    );
    assert_eq!((row.stored_bytes, row.down_bytes), (CONTENT, CONTENT));
    let status: Status = b.ask(ControlRequest::Status(Nothing {})).unwrap();
    let transfer = &status.transfers[0];
    assert_eq!(
        (transfer.state, transfer.done_bytes),
        (TransferState::Serving, CONTENT)
    );
    assert!(status.node.down_bytes >= CONTENT && status.node.connected == 1);
    let status: Status = a.ask(ControlRequest::Status(Nothing {})).unwrap();
    let transfer = &status.transfers[0];
    assert_eq!(
        (transfer.direction, transfer.sent_bytes),
        (TransferDirection::Up, CONTENT)
    );

    let events = b.followed();
    let is_complete =
        |what: &EventKind| matches!(what, EventKind::Complete { bytes, .. } if *bytes == CONTENT);
    assert!(
        events
            .iter()
            .any(|event: &EventRecord| is_complete(&event.what)),
        "{events:?}"
    );
}

/// The receiver accepts pushes into a folder; the sender hears when all of it is there.
#[tokio::test]
async fn a_push_ends_when_the_receiver_has_all_of_it() {
    let (a, b) = (Place::new(), Place::new());
    let of_a = b.listed("b", "");
    let of_b = a.listed("a", &a.address()) + "accept = \"inbox\"\nquota = \"1 MB\"\n";
    let (mut a, mut b) = (a.node("a", &of_a), b.node("b", &of_b));
    let send = ControlRequest::Send(Send {
        path: a.file("content"),
        peers: vec!["b".to_owned()],
        ignore: Vec::new(),
    });
    let mut sent = a.begin(send);
    let answer: Sent = rig::until(&mut a, &mut b, &mut sent).await.unwrap();
    assert_eq!(
        (answer.bytes, answer.peers),
        (CONTENT, vec!["b".to_owned()])
    );
    let inbox = b.file("data/inbox/content");
    assert!(fs::read(inbox).unwrap() == fs::read(a.file("content")).unwrap());
}

/// What a run shared is served by the next one, under the same ticket.
#[tokio::test]
async fn a_content_that_was_shared_is_there_after_the_next_start() {
    let place = Place::new();
    let mut rig = place.node("a", "");
    let shared: Shared = rig.ask_and_wait(share(&rig)).await.unwrap();
    let place = rig.stop().await;
    let mut rig = place.node("a", "");
    rig.settle(|status| {
        status
            .transfers
            .iter()
            .all(|one| one.state == TransferState::Serving)
    })
    .await;
    let status: Status = rig.ask(ControlRequest::Status(Nothing {})).unwrap();
    assert_eq!(status.transfers[0].content, shared.content);
    let again: Shared = rig.ask_and_wait(share(&rig)).await.unwrap();
    assert_eq!(
        (again.ticket, again.transfer),
        (shared.ticket, status.transfers[0].id)
    );
}

#[tokio::test]
async fn a_node_that_is_told_to_stop_ends_its_sessions_with_a_word() {
    let [mut a, mut b] = two();
    rig::until_connected(&mut a, &mut b).await;
    let _: Nothing = a.ask(ControlRequest::Stop(Nothing {})).unwrap();
    assert!(a.host.has_stopped());
    rig::meanwhile(&mut a, &mut b, |_, b| b.connected() == 0).await;
    let events = b.followed();
    let why = events.iter().find_map(|event| match &event.what {
        EventKind::Lost { reason, .. } => Some(reason.as_str()),
        _ => None,
    });
    assert_eq!(why, Some("the peer closed: the node stops"));
}

/// A process that ends takes with it what it has not sent. Time is paused, so that a slow machine
/// changes nothing.
#[tokio::test]
async fn a_node_ends_when_its_last_word_was_heard() {
    let [mut a, mut b] = two();
    rig::until_connected(&mut a, &mut b).await;
    tokio::time::pause();
    let heard = Cell::new(false);
    let stopping = async {
        a.stop().await;
        assert!(heard.get());
    };
    let hearing = async {
        let later = timeout(Duration::from_millis(100), pending::<()>());
        later.await.unwrap_err();
        while b.connected() > 0 {
            let event = b.events.recv().await.expect("the rig can send");
            b.host.handle(event);
        }
        heard.set(true);
    };
    tokio::join!(stopping, hearing);
    let Some(EventKind::Lost { reason, .. }) = b.followed().pop().map(|last| last.what) else {
        panic!("b has lost a");
    };
    assert_eq!(reason, "the peer closed: the node stops");
}

/// The log of inputs ends with the node, and the tables say what was moved.
#[tokio::test]
async fn the_log_and_the_tables_are_whole_when_a_node_has_ended() {
    let place = Place::new();
    let mut rig = place.recorded("a", "");
    let _: Shared = rig.ask_and_wait(share(&rig)).await.unwrap();
    rig.host.handle(NodeEvent::Second);
    let place = rig.stop().await;
    let log = fs::read_to_string(place.file("log")).unwrap();
    let last = log.lines().last().unwrap();
    assert!(log.lines().count() > 2 && last.contains("digest"), "{last}");
    for table in ["peers.csv", "transfers.csv", "windows.csv", "manifest.json"] {
        assert!(place.file("tables").join(table).exists(), "{table}");
    }
}

/// People and peers have queues of their own; the second signal to stop does not wait for either.
#[tokio::test(start_paused = true)]
async fn a_second_passes_every_second_and_none_is_made_up_for() {
    let (sender, mut events) = mpsc::channel(1);
    let ticking = tokio::spawn(seconds(sender));
    for _ in 0..3 {
        assert!(matches!(events.recv().await, Some(NodeEvent::Second)));
    }
    drop(events);
    ticking.await.unwrap();
}

/// As of a process that was killed a moment ago.
#[tokio::test(start_paused = true)]
async fn a_lock_that_is_given_back_within_two_seconds_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let held = DataLock::take(folder.path()).unwrap();
    let killed = async {
        tokio::time::advance(LOCK_WAIT / 2).await;
        drop(held);
    };
    let (lock, ()) = tokio::join!(taken(folder.path()), killed);
    let _lock = lock.unwrap();
    let early = timeout(LOCK_WAIT - LOCK_LOOK, taken(folder.path()));
    early.await.unwrap_err();
    assert!(taken(folder.path()).await.is_err());
}

#[test]
fn the_folders_of_a_node_are_its_users_alone() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    own_folder(&data).unwrap();
    own_folder(&data).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&data), mode(&data.join(STATE))), (0o700, 0o700));
    let key = folder.path().join("key");
    let made = own_identity(&key).unwrap();
    assert_eq!(own_identity(&key).unwrap().public(), made.public());
    fs::write(&key, "no key").unwrap();
    assert!(own_identity(&key).is_err());
}
