//! What people ask of a node, and what they hear.

use fairhaul_core::library::Recipient;
use fairhaul_core::message::OfferVerdict;
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::time::{Span, Time};

use super::*;
use crate::control::api::{
    BanStatus, InForce, Moves, PeerStatus, Pong, Reached, Reply, Sent, Status, TransferDirection,
    TransferState,
};
use crate::node::tests::rig::{CONTENT, Place, Rig, end_of};

/// A node that lists two peers, of which the first is in a group, and calls neither.
fn node() -> Rig {
    let (ann, bob) = (Place::new(), Place::new());
    let ann = ann.listed("ann", "group = \"lab\"\nupload = \"5 MB/s\"\n");
    let groups = "[group.lab]\nupload = \"8 MB/s\"\nweight = 2\n";
    let peers = format!("{groups}{ann}{}", bob.listed("bob", ""));
    Place::new().node("node", &peers)
}

fn named(name: &str) -> api::LimitTarget {
    api::LimitTarget::Named(name.to_owned())
}

fn limit(
    target: api::LimitTarget,
    direction: TransferDirection,
    rate: Option<u64>,
) -> ControlRequest {
    ControlRequest::Limit(api::LimitRequest {
        target,
        direction,
        rate_bytes_s: rate,
    })
}

fn floor(target: api::LimitTarget, rate_bytes_s: u64) -> ControlRequest {
    ControlRequest::Floor(api::Floor {
        target,
        rate_bytes_s,
    })
}

fn weight(target: api::LimitTarget, weight_hundredths: u32) -> ControlRequest {
    ControlRequest::Weight(api::WeightRequest {
        target,
        weight_hundredths,
    })
}

fn in_force(target: api::LimitTarget) -> ControlRequest {
    ControlRequest::InForce(api::InForceRequest { target })
}

fn text(peer: &str, text: &str) -> ControlRequest {
    ControlRequest::Message(api::Text {
        peer: peer.to_owned(),
        text: text.to_owned(),
    })
}

fn refused(rig: &mut Rig, request: ControlRequest) -> (u8, String) {
    let failure = rig.ask::<serde_json::Value>(request).unwrap_err();
    (failure.code, failure.message)
}

fn share(rig: &Rig) -> ControlRequest {
    ControlRequest::Share(api::ShareRequest {
        path: rig.file("content"),
        ignore: Vec::new(),
        chunk_bytes: None,
    })
}

fn get(rig: &Rig, ticket: &str, dir: &str) -> ControlRequest {
    ControlRequest::Get(api::Get {
        ticket: ticket.to_owned(),
        dir: rig.file(dir),
        overwrite: false,
        force: false,
    })
}

/// A ticket of another node, of which the file of this one need not list anybody.
async fn ticket() -> String {
    let mut other = Place::new().node("other", "");
    let shared: Shared = other.ask_and_wait(share(&other)).await.unwrap();
    shared.ticket
}

// ---- limits

#[tokio::test]
async fn what_a_person_sets_is_in_force_and_the_rest_stays() {
    let mut rig = node();
    let set = |rig: &mut Rig, request| rig.ask::<InForce>(request).unwrap();
    let of_file = set(&mut rig, weight(named("ann"), 300));
    assert_eq!(
        (of_file.limit_bytes_s, of_file.weight_hundredths),
        (Some(5_000_000), 300)
    );
    let capped = set(
        &mut rig,
        limit(named("ann"), TransferDirection::Up, Some(2_000_000)),
    );
    assert_eq!(
        (capped.limit_bytes_s, capped.weight_hundredths),
        (Some(2_000_000), 300)
    );
    let promised = set(&mut rig, floor(named("ann"), 1_000_000));
    assert_eq!(
        (promised.limit_bytes_s, promised.floor_bytes_s),
        (Some(2_000_000), 1_000_000)
    );
    let open = set(&mut rig, limit(named("ann"), TransferDirection::Up, None));
    assert_eq!((open.limit_bytes_s, open.floor_bytes_s), (None, 1_000_000));
    // Who only asks changes nothing.
    for _ in 0..2 {
        assert_eq!(set(&mut rig, in_force(named("ann"))), open);
    }
    let group = set(&mut rig, floor(named("lab"), 3_000_000));
    assert_eq!(
        (group.limit_bytes_s, group.weight_hundredths),
        (Some(8_000_000), 200)
    );
    let node = set(
        &mut rig,
        limit(api::LimitTarget::Node, TransferDirection::Down, Some(7)),
    );
    assert_eq!((node.limit_bytes_s, node.download_bytes_s), (None, Some(7)));
    let node = set(
        &mut rig,
        limit(
            api::LimitTarget::Node,
            TransferDirection::Up,
            Some(9_000_000),
        ),
    );
    assert_eq!(
        (node.limit_bytes_s, node.download_bytes_s),
        (Some(9_000_000), Some(7))
    );
    let status: Status = rig.ask(ControlRequest::Status(Nothing {})).unwrap();
    assert_eq!(
        (status.limits.up_bytes_s, status.limits.down_bytes_s),
        (Some(9_000_000), Some(7))
    );
    let band = api::Band {
        target: named("bob"),
        band: 3,
    };
    let bob = set(&mut rig, ControlRequest::Band(band));
    assert_eq!((bob.limit_bytes_s, bob.weight_hundredths), (None, 100));
}

/// A floor holds beside those that are promised: within its own cap, its group's and the node's.
#[tokio::test]
async fn a_limit_that_nothing_keeps_is_refused_and_changes_nothing() {
    let mut rig = node();
    let cases = [
        (
            floor(named("ann"), 6_000_000),
            "above the cap of the same target",
        ),
        (
            limit(named("ann"), TransferDirection::Down, Some(1)),
            "only the node has a limit of what it receives",
        ),
        (
            weight(api::LimitTarget::Node, 200),
            "the node has no weight",
        ),
        (weight(named("ann"), 2_000_000), "allowed are 0 to 1000000"),
        (floor(api::LimitTarget::Node, 1), "the node has no floor"),
    ];
    for (request, why) in cases {
        let (code, message) = refused(&mut rig, request);
        assert!(code == Failure::USAGE && message.contains(why), "{message}");
    }
    let _: InForce = rig
        .ask(limit(named("ann"), TransferDirection::Up, None))
        .unwrap();
    let (_, message) = refused(&mut rig, floor(named("ann"), 9_000_000));
    assert!(
        message.contains("in the group is above the cap of the group"),
        "{message}"
    );
    let _: InForce = rig
        .ask(limit(
            api::LimitTarget::Node,
            TransferDirection::Up,
            Some(4_000_000),
        ))
        .unwrap();
    let (_, message) = refused(&mut rig, floor(named("bob"), 5_000_000));
    assert!(
        message.contains("all floors is above the cap of the node"),
        "{message}"
    );
    let bob: InForce = rig.ask(weight(named("bob"), 0)).unwrap();
    // The least there is: best effort.
    assert_eq!((bob.floor_bytes_s, bob.weight_hundredths), (0, 1));
}

// ---- names

#[tokio::test]
async fn a_name_that_nobody_has_is_refused_with_the_one_that_is_near() {
    let mut rig = node();
    let target = |text: &str| {
        limit(
            text.to_owned().try_into().unwrap(),
            TransferDirection::Up,
            None,
        )
    };
    let cases = [
        (target("peer:bobb"), "did you mean \"bob\""),
        (target("group:labb"), "did you mean \"lab\""),
        (target("lap"), "did you mean \"lab\""),
        (in_force(named("lap")), "did you mean \"lab\""),
        (target("transfer:9"), "`fairhaul status` lists transfers"),
        (text("an", "hello"), "`fairhaul peers` lists them"),
        (
            ControlRequest::Ping(api::Ping {
                peer: "nobody".to_owned(),
            }),
            "peer nobody is unknown",
        ),
    ];
    for (request, why) in cases {
        let (code, message) = refused(&mut rig, request);
        assert!(code == Failure::USAGE && message.contains(why), "{message}");
    }
}

#[tokio::test]
async fn a_peer_that_is_away_is_told_nothing_and_a_text_has_a_longest() {
    let mut rig = node();
    let (code, message) = refused(&mut rig, text("ann", "hello"));
    assert_eq!(
        (code, &*message),
        (Failure::UNREACHABLE, "peer ann is not connected")
    );
    let long = "a".repeat(api::TEXT_MAX + 1);
    let (code, message) = refused(&mut rig, text("ann", &long));
    assert!(
        code == Failure::USAGE && message.contains("allowed are"),
        "{message}"
    );
}

#[tokio::test]
async fn a_transfer_that_is_not_there_cannot_be_paused_resumed_or_cancelled() {
    let mut rig = node();
    let nine = api::Transfer { id: 9 };
    for request in [
        ControlRequest::Pause(nine),
        ControlRequest::Resume(nine),
        ControlRequest::Cancel(nine),
    ] {
        let failed = refused(&mut rig, request);
        let text = "transfer 9 is unknown; `fairhaul status` lists transfers";
        assert_eq!(failed, (Failure::ERROR, text.to_owned()));
    }
}

// ---- pings

/// Of three pings one is answered after 30 ms; one ends ten seconds after it began, and no sooner,
/// and one with the connection of its peer.
#[test]
fn a_ping_is_answered_once_or_ends_after_ten_seconds_or_with_its_peer() {
    let at = |ms| Time::ZERO + Span::from_millis(ms);
    let mut waiting = Waiting::default();
    let mut ping = |peer| {
        let request = ControlRequest::Ping(api::Ping {
            peer: String::new(),
        });
        let (call, replies) = Call::new(request);
        (waiting.ping(call, PeerId(peer), at(0)), replies)
    };
    let ((first, mut answered), (second, mut unanswered)) = (ping(1), ping(2));
    let (_, mut left) = ping(3);
    assert_eq!(
        waiting.ponged(PeerId(2), first, at(30)),
        None,
        "another peer's"
    );
    assert_eq!(
        waiting.ponged(PeerId(1), first, at(30)),
        Some(Span::from_millis(30))
    );
    assert_eq!(
        waiting.ponged(PeerId(1), first, at(31)),
        None,
        "answered before"
    );
    let pong: Pong = end_of(&mut answered).unwrap().unwrap();
    assert_eq!(pong.rtt_us, [30_000]);
    waiting.second(at(9_998), |_| true);
    assert!(end_of::<Pong>(&mut left).is_none());
    waiting.second(at(9_999), |peer| peer != PeerId(3));
    let failure = end_of::<Pong>(&mut left).unwrap().unwrap_err();
    assert_eq!(failure.message, "the connection ended before the answer");
    assert!(end_of::<Pong>(&mut unanswered).is_none());
    waiting.second(at(10_000), |_| true);
    let failure = end_of::<Pong>(&mut unanswered).unwrap().unwrap_err();
    assert_eq!(failure.code, Failure::UNREACHABLE);
    assert_eq!(
        waiting.ponged(PeerId(2), second, at(10_001)),
        None,
        "nobody waits any more"
    );
}

// ---- the parameter file

#[tokio::test]
async fn a_file_with_an_error_changes_nothing() {
    let mut rig = node();
    rig.place().write("node", "[limits]\nupload = \"much\"\n");
    let (code, message) = refused(&mut rig, ControlRequest::Reload(Nothing {}));
    assert!(
        code == Failure::STORAGE && message.contains("file.toml:"),
        "{message}"
    );
    let peers: Vec<PeerStatus> = rig.ask(ControlRequest::Peers(Nothing {})).unwrap();
    assert_eq!(peers.len(), 2);
}

/// The peer that the file no longer lists may not connect; the other one has the limit that the
/// file gives it now, and what a person set before is gone.
#[tokio::test]
async fn a_file_that_is_read_again_holds_at_once_but_for_the_node_itself() {
    let bob = Place::new();
    let mut rig = Place::new().node("node", &bob.listed("bob", "upload = \"5 MB/s\"\n"));
    let _: InForce = rig
        .ask(limit(named("bob"), TransferDirection::Up, Some(1)))
        .unwrap();
    let eve = Place::new();
    let more = format!(
        "exchange = false\n[limits]\nupload = \"9 MB/s\"\ndownload = \"3 MB/s\"\n{}",
        eve.listed("eve", "upload = \"4 MB/s\"\n")
    );
    rig.place().write("node", &more);
    let reloaded: api::Reloaded = rig.ask(ControlRequest::Reload(Nothing {})).unwrap();
    for key in ["limits.upload", "limits.download", "peer"] {
        assert!(
            reloaded.changed.iter().any(|one| one == key),
            "{reloaded:?}"
        );
    }
    assert_eq!(reloaded.at_next_start, ["node.exchange"]);
    let peers: Vec<PeerStatus> = rig.ask(ControlRequest::Peers(Nothing {})).unwrap();
    let rows: Vec<_> = peers
        .iter()
        .map(|peer| (peer.name.as_str(), peer.limit_bytes_s))
        .collect();
    assert_eq!(rows, [("eve", Some(4_000_000))]);
    let status: Status = rig.ask(ControlRequest::Status(Nothing {})).unwrap();
    let limits = (status.limits.up_bytes_s, status.limits.down_bytes_s);
    assert_eq!(limits, (Some(9_000_000), Some(3_000_000)));
    assert!(!status.limits.scheduled);
}

/// An entry of the timetable that holds on every day and at every minute.
#[tokio::test]
async fn the_timetable_says_what_the_node_may_send_and_receive() {
    let entry = "{ days = \"mon-sun\", from = \"00:00\", to = \"24:00\", upload = \"1 MB/s\", download = \"2 MB/s\" }";
    let mut rig = Place::new().node(
        "node",
        &format!("[limits]\nupload = \"9 MB/s\"\nschedule = [{entry}]\n"),
    );
    let limits = |rig: &mut Rig| {
        let status: Status = rig.ask(ControlRequest::Status(Nothing {})).unwrap();
        (
            status.limits.up_bytes_s,
            status.limits.down_bytes_s,
            status.limits.scheduled,
        )
    };
    let expected = (Some(1_000_000), Some(2_000_000), true);
    assert_eq!(limits(&mut rig), expected);
    // What a person changes holds until the timetable says something else.
    let _: InForce = rig
        .ask(limit(
            api::LimitTarget::Node,
            TransferDirection::Up,
            Some(5),
        ))
        .unwrap();
    rig.host.handle(NodeEvent::Second);
    assert_eq!(limits(&mut rig), (Some(5), Some(2_000_000), true));
    let _: api::Reloaded = rig.ask(ControlRequest::Reload(Nothing {})).unwrap();
    assert_eq!(limits(&mut rig), expected);
}

#[test]
fn a_key_that_differs_is_told_by_whether_it_holds_at_once() {
    let read = |text: &str| crate::params::ParameterFile::parse("n.toml", text).unwrap();
    let old = read("[node]\nname = \"a\"\n[limits]\nupload = \"1 MB/s\"\n[group.x]\nweight = 2\n");
    let new = read("[node]\nname = \"b\"\n[limits]\nupload = \"2 MB/s\"\n[group.x]\nweight = 3\n");
    let told = reload::changes(&old, &new);
    assert_eq!(told.changed, ["group", "limits.upload"]);
    assert_eq!(told.at_next_start, ["node.name"]);
    let same = reload::changes(&old, &old);
    assert!(same.changed.is_empty() && same.at_next_start.is_empty());
}

// ---- sharing and fetching

#[tokio::test]
async fn a_shared_file_is_served_and_its_ticket_fetches_it() {
    let mut rig = node();
    let shared: Shared = rig.ask_and_wait(share(&rig)).await.unwrap();
    assert_eq!((shared.name.as_str(), shared.bytes), ("content", CONTENT));
    let ticket: ContentTicket = shared.ticket.parse().unwrap();
    assert_eq!(
        data_encoding::HEXLOWER.encode(&ticket.content().0),
        shared.content
    );
    assert_eq!(ticket.peers()[0].0, *rig.place().key.as_bytes());
    rig.settle(|status| status.transfers[0].state == TransferState::Serving)
        .await;
    let status: Status = rig.ask(ControlRequest::Status(Nothing {})).unwrap();
    let transfer = &status.transfers[0];
    assert_eq!(
        (transfer.id, transfer.direction),
        (shared.transfer, TransferDirection::Up)
    );
    assert_eq!((transfer.bytes, transfer.done_bytes), (CONTENT, CONTENT));
    // Its own ticket asks for what is here already: another folder is filled from this one.
    let request = get(&rig, &shared.ticket, "copy");
    let got: api::Got = rig.ask_and_wait(request).await.unwrap();
    assert_eq!(
        (got.path, got.resumed_bytes),
        (rig.file("copy/content"), CONTENT)
    );
    let moves: Moves = rig.ask(ControlRequest::Moves(Nothing {})).unwrap();
    assert_eq!((moves.wasted_bytes, moves.moved.len()), (0, 0));
}

#[tokio::test]
async fn what_cannot_be_shared_is_refused_with_the_reason() {
    let mut rig = node();
    let cases = [
        ("nothing", "nothing"),
        ("data", "keeps its own state"),
        ("key", "keeps for itself"),
    ];
    for (path, why) in cases {
        let request = ControlRequest::Share(api::ShareRequest {
            path: rig.file(path),
            ignore: Vec::new(),
            chunk_bytes: None,
        });
        let failure = rig.ask_and_wait::<Shared>(request).await.unwrap_err();
        let is_it = failure.code == Failure::STORAGE && failure.message.contains(why);
        assert!(is_it || path == "nothing", "{failure}");
    }
    let status: Status = rig.ask(ControlRequest::Status(Nothing {})).unwrap();
    assert!(status.transfers.is_empty());
}

#[tokio::test]
async fn what_cannot_be_fetched_is_refused_with_the_reason() {
    let ticket = ticket().await;
    let mut rig = node();
    let request = get(&rig, "no ticket", "in");
    let (code, message) = refused(&mut rig, request);
    assert!(
        code == Failure::USAGE && message.starts_with("ticket: "),
        "{message}"
    );
    let request = get(&rig, &ticket, "in");
    let failure = rig.ask_and_wait::<api::Got>(request).await.unwrap_err();
    assert_eq!(failure.code, Failure::IDENTITY);
    assert!(
        failure.message.contains("is in the parameter file"),
        "{failure}"
    );
    assert!(!rig.file("in").exists());
    let shared: Shared = rig.ask_and_wait(share(&rig)).await.unwrap();
    let request = get(&rig, &shared.ticket, "data");
    let failure = rig.ask_and_wait::<api::Got>(request).await.unwrap_err();
    assert_eq!(failure.code, Failure::STORAGE, "{failure}");
}

#[tokio::test]
async fn a_push_to_a_peer_that_nobody_knows_is_refused_before_anything_is_read() {
    let mut rig = node();
    let request = ControlRequest::Send(api::Send {
        path: rig.file("nothing"),
        peers: vec!["ann".to_owned(), "eve".to_owned()],
        ignore: Vec::new(),
    });
    let (code, message) = refused(&mut rig, request);
    assert!(
        code == Failure::USAGE && message.contains("peer eve is unknown"),
        "{message}"
    );
}

/// Whoever pushes hears every second who has not got all of it.
#[tokio::test]
async fn a_push_that_waits_says_for_whom() {
    let mut rig = node();
    let mut replies = rig.begin(ControlRequest::Send(api::Send {
        path: rig.file("content"),
        peers: vec!["bob".to_owned()],
        ignore: Vec::new(),
    }));
    let read = rig.events.recv().await.unwrap();
    rig.host.handle(read);
    rig.host.handle(NodeEvent::Second);
    let mut told = std::iter::from_fn(|| replies.try_recv().ok());
    let waits = told.find_map(|reply| match reply {
        Reply::Progress(progress) => progress.waiting_for,
        Reply::Done(_) | Reply::Failed(_) => None,
    });
    assert_eq!(waits.as_deref(), Some("bob"));
}

/// Files that changed within the tick of the file system's clock are verified once more.
#[test]
fn a_stamp_that_is_too_new_is_none() {
    let stamp = |mtime_s| Stamp {
        bytes: 1,
        mtime_s,
        mtime_ns: 0,
        inode: 7,
        device: 1,
    };
    let stamps = settled(vec![stamp(0), stamp(100)], 100_000);
    assert_eq!((stamps[0].inode, stamps[1].inode), (7, 0));
}

// ---- how waits end

/// A push to the first peer has ended.
fn pushed(offered: bool, verdict: Option<OfferVerdict>) -> WaitOutcome {
    WaitOutcome::Pushed {
        since: Time::ZERO,
        recipients: vec![Recipient {
            peer: PeerId(0),
            offered,
            verdict,
        }],
    }
}

fn failures() -> Vec<(WaitOutcome, u8, &'static str)> {
    vec![
        (WaitOutcome::Disk("full".into()), Failure::STORAGE, "full"),
        (
            WaitOutcome::Unusable("odd".into()),
            Failure::INTEGRITY,
            "odd",
        ),
        (
            WaitOutcome::PushEnded,
            Failure::ERROR,
            "a push of it has ended",
        ),
        (
            WaitOutcome::Unfed,
            Failure::UNREACHABLE,
            "nobody sends the rest",
        ),
        (
            WaitOutcome::Unreachable,
            Failure::UNREACHABLE,
            "no peer can be reached",
        ),
        (WaitOutcome::Identity, Failure::IDENTITY, ""),
        (WaitOutcome::Cancelled, Failure::ERROR, "was cancelled"),
        (
            pushed(true, Some(OfferVerdict::Quota)),
            Failure::PART,
            "has no quota left",
        ),
        (
            pushed(true, Some(OfferVerdict::Exists)),
            Failure::PART,
            "something else has its name",
        ),
        (
            pushed(true, Some(OfferVerdict::Storage)),
            Failure::PART,
            "its disk has no room",
        ),
        (
            pushed(true, Some(OfferVerdict::NotAccepted)),
            Failure::PART,
            "does not accept pushes",
        ),
        (
            pushed(true, Some(OfferVerdict::Failed)),
            Failure::PART,
            "could not fetch or store it",
        ),
        (
            pushed(false, Some(OfferVerdict::Failed)),
            Failure::UNREACHABLE,
            "cannot be reached",
        ),
    ]
}

/// Every way in which the wait for a content can end has its exit code.
#[tokio::test]
async fn each_outcome_has_the_exit_code_that_scripts_rely_on() {
    let mut rig = node();
    let end = |rig: &mut Rig, number: u32, outcome: WaitOutcome| {
        let (call, mut replies) = Call::new(ControlRequest::Status(Nothing {}));
        rig.host.control(|control, others| {
            let waiter = control.waiting.add(call);
            control.end_wait((waiter, number), outcome, others);
            assert!(control.waiting.get(waiter).is_none());
        });
        end_of::<serde_json::Value>(&mut replies)
    };
    let _: Shared = rig.ask_and_wait(share(&rig)).await.unwrap();
    for (outcome, code, why) in failures() {
        let failure = end(&mut rig, 1, outcome.clone()).unwrap().unwrap_err();
        assert_eq!(failure.code, code, "{outcome:?}: {failure}");
        assert!(failure.message.contains(why), "{failure}");
    }
    let missing = end(&mut rig, 9, WaitOutcome::Missing).unwrap().unwrap_err();
    assert_eq!(missing.code, Failure::UNREACHABLE);
    assert!(
        missing.message.contains("the manifest is missing"),
        "{missing}"
    );
    let sent = end(&mut rig, 1, pushed(true, Some(OfferVerdict::Done))).unwrap();
    let sent: Sent = serde_json::from_value(sent.unwrap()).unwrap();
    assert_eq!((sent.bytes, sent.peers.len()), (CONTENT, 1));
    assert!(
        end(&mut rig, 9, WaitOutcome::Done).is_none(),
        "nothing is said of what is gone"
    );
}

// ---- peers and bans

fn ban(others: &mut Others<'_>, peer: PeerId) {
    let (access, now) = (others.connections.access_mut(), others.now);
    access.ban(peer, Misbehaviour::WrongHash, Box::new(|_| ()), now);
}

#[tokio::test]
async fn peers_are_shown_as_the_file_lists_them() {
    let mut rig = node();
    let peers: Vec<PeerStatus> = rig.ask(ControlRequest::Peers(Nothing {})).unwrap();
    let ann = &peers[peers.iter().position(|peer| peer.name == "ann").unwrap()];
    assert_eq!(
        (ann.group.as_deref(), ann.limit_bytes_s),
        (Some("lab"), Some(5_000_000))
    );
    assert_eq!(
        (ann.how, ann.connected, &ann.ban),
        (Reached::Listed, false, &None)
    );
    let status: Status = rig.ask(ControlRequest::Status(Nothing {})).unwrap();
    assert_eq!((status.node.connected, &*status.node.name), (0, "node"));
}

#[tokio::test]
async fn a_ban_is_shown_until_it_is_lifted_and_lifted_only_where_there_is_one() {
    let mut rig = node();
    let lift = |whose: &str| {
        ControlRequest::Lift(api::Lift {
            whose: whose.to_owned(),
        })
    };
    let (code, message) = refused(&mut rig, lift("ann"));
    assert!(
        code == Failure::USAGE && message.starts_with("ann is not banned"),
        "{message}"
    );
    let key = rig.host.control(|_, others| {
        let ann = others.connections.peers().named("ann").unwrap();
        let key = others.connections.peers().at(ann).key;
        ban(others, ann);
        key
    });
    let bans: Vec<BanStatus> = rig.ask(ControlRequest::Bans(Nothing {})).unwrap();
    assert_eq!((bans.len(), bans[0].peer.as_deref()), (1, Some("ann")));
    assert!(bans[0].left_s <= 86_400 && bans[0].until_unix_ms > bans[0].since_unix_ms);
    let peers: Vec<PeerStatus> = rig.ask(ControlRequest::Peers(Nothing {})).unwrap();
    assert_eq!(peers.iter().filter(|peer| peer.ban.is_some()).count(), 1);
    for whose in [
        "ann".to_owned(),
        data_encoding::HEXLOWER.encode(key.as_bytes()),
    ] {
        if whose != "ann" {
            rig.host.control(|_, others| {
                let ann = others.connections.peers().named("ann").unwrap();
                ban(others, ann);
            });
        }
        let lifted: Lifted = rig.ask_and_wait(lift(&whose)).await.unwrap();
        assert_eq!(
            lifted.keys,
            [data_encoding::HEXLOWER.encode(key.as_bytes())]
        );
        let bans: Vec<BanStatus> = rig.ask(ControlRequest::Bans(Nothing {})).unwrap();
        assert!(bans.is_empty());
    }
    let none: Lifted = rig.ask_and_wait(lift("all")).await.unwrap();
    assert!(none.keys.is_empty());
}
