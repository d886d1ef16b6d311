//! Peers and strangers that take what belongs to all: memory, descriptors, places, disk, work.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use fairhaul::content::Tree;
use fairhaul::content::tree::{EntryKind, TreeEntry};
use fairhaul::control::api::{ControlRequest, Failure, Send, Sent};
use fairhaul_core::id::TransferId;
use fairhaul_core::message::{CloseCode, Message, OfferVerdict};
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::units::ByteCount;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::content::{CHUNK, Content, noise, shared_chunks};
use crate::evil::{Answer, Evil, Heard, Outcome, WANTED, connect};
use crate::rig::Rig;

pub(crate) const MIB: usize = 1024 * 1024;

/// The most memory that a node has had, in bytes.
pub(crate) fn most_memory(rig: &Rig) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", rig.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: usize = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kib * 1024
}

/// Sixty-four contents are offered whose manifests have 64 MiB, and one chunk is sent. One of them
/// is taken at a time, and takes as much memory as has come of it.
///
/// Register: D6, M9. Limit: L4, L8.
#[tokio::test]
async fn what_a_peer_announces_takes_no_memory_before_it_comes() {
    let evil = Evil::new();
    let rig = Rig::new()
        .knows("evil", evil.key, "accept = \"in\"\nquota = \"1 TiB\"")
        .start()
        .await;
    let mut wire = evil.enter(&rig).await;
    let mut content = Content::of_manifest(vec![0]);
    content.manifest = vec![7; 64 * MIB];
    wire.offer(&content).await;
    assert_eq!(wire.verdict().await, OfferVerdict::Accepted);
    wire.claim(&content, true).await;
    let asked = |heard: &Heard| match heard {
        Heard::Said(Message::Request { chunk, .. }) => Some(*chunk),
        _ => None,
    };
    let chunk = wire.hear_that(asked).await.max(wire.hear_that(asked).await);
    for offset in (0..MIB).step_by(MIB / 4) {
        let bytes = &content.manifest[..MIB / 4];
        wire.block(TransferId(0), chunk, offset as u64, bytes).await;
    }
    for number in 1..64 {
        content.id = Content::of_manifest(vec![number]).id;
        wire.offer(&content).await;
        assert_eq!(wire.verdict().await, OfferVerdict::Busy, "{number}");
    }
    assert!(wire.is_alive().await);
    let most = most_memory(&rig);
    assert!(most < 128 * MIB, "{most} bytes");
}

/// The same offer again and again: each is answered once, to whoever made it.
///
/// Register: W6. Limit: L6.
#[tokio::test]
async fn an_offer_is_answered_once_however_often_it_was_made() {
    let evil = Evil::new();
    let rig = Rig::new()
        .knows("evil", evil.key, "accept = \"in\"")
        .start()
        .await;
    let mut wire = evil.enter(&rig).await;
    let content = Content::file("f", CHUNK, 1);
    let offers = 300;
    for _ in 0..offers {
        wire.offer(&content).await;
    }
    for number in 0..offers {
        assert_eq!(wire.verdict().await, OfferVerdict::Accepted, "{number}");
    }
    // And what becomes of it is said once.
    let outcome = wire.serve(&content, |ask| Answer::Bytes(ask.bytes)).await;
    assert_eq!(outcome, Outcome::Verdict(OfferVerdict::Done));
    wire.say(&Message::Ping(77)).await;
    let mut more = 0;
    let counted = |heard: &Heard| match heard {
        Heard::Said(Message::Verdict { .. }) => {
            more += 1;
            None
        }
        Heard::Said(Message::Pong(77)) => Some(()),
        _ => None,
    };
    wire.hear_that(counted).await;
    assert_eq!(more, 0);
}

/// A chunk is asked for a hundred thousand times. People have their answers meanwhile, the others
/// what they ask for; the flood ends the session, or is borne with if the machine is slow.
///
/// Register: F3, W6. Limit: L6.
#[tokio::test]
async fn requests_that_say_nothing_new_are_charged() {
    let (flood, honest) = (Evil::new(), Evil::new());
    let rig = Rig::new()
        .knows("flood", flood.key, "upload = \"1 B/s\"")
        .knows("honest", honest.key, "")
        .start()
        .await;
    let len = 4 * MIB as u64;
    fs::write(rig.path("f"), noise(len as usize, 1)).unwrap();
    let content = rig.share(&rig.path("f")).await.content();
    let chunks = shared_chunks(len);
    let mut wire = flood.enter(&rig).await;
    wire.want(content, chunks).await;
    let mut other = honest.enter(&rig).await;
    other.want(content, chunks).await;
    let flooding = async {
        for _ in 0..200 {
            let mut frames = Vec::new();
            for _ in 0..1_000 {
                let request = Message::Request {
                    transfer: WANTED,
                    chunk: 0,
                    offset: ByteCount::ZERO,
                };
                fairhaul_core::wire::encode(&request, &mut frames);
            }
            if wire.raw(&frames).await.is_err() {
                break;
            }
        }
    };
    let fetching = async {
        let one = len / u64::from(chunks);
        other.leech(0..chunks, 4, one, 2 * len).await;
        rig.status().await;
    };
    tokio::join!(flooding, fetching);
    assert!(other.is_alive().await);
    // It is not read while it is over its limit: most of it waits on its own side.
    let counted = rig.refused(Misbehaviour::Flood.name()).await;
    assert!(counted <= 1);
}

/// A content of files of these lengths, of which nothing need be sent.
pub(crate) fn tree_of(lens: impl Iterator<Item = u64>) -> Content {
    let entry = |(at, bytes): (usize, u64)| TreeEntry {
        path: format!("t/{at:06}").into(),
        kind: EntryKind::File {
            bytes,
            executable: false,
        },
    };
    let entries: Vec<TreeEntry> = lens.enumerate().map(entry).collect();
    let bytes: u64 = entries
        .iter()
        .map(|entry| match entry.kind {
            EntryKind::File { bytes, .. } => bytes,
            EntryKind::EmptyDirectory => 0,
        })
        .sum();
    let noise = noise(bytes as usize, 3);
    let hashes = noise.chunks(CHUNK).map(fairhaul::content::hash_chunk);
    let tree = Tree::new(entries, ByteCount::new(CHUNK as u64), hashes.collect()).unwrap();
    let mut content = Content::of_manifest(tree.encode());
    content.bytes = noise;
    content
}

/// An offer says one byte and means five million; another has a thousand files of no bytes. What
/// is charged is what the manifest says, by the block, and nothing of either is stored.
///
/// Register: M12.
#[tokio::test]
async fn what_is_charged_is_what_the_manifest_says() {
    let evil = Evil::new();
    let rig = Rig::new()
        .knows("evil", evil.key, "accept = \"in\"\nquota = \"1 MB\"")
        .start()
        .await;
    let mut wire = evil.enter(&rig).await;
    let large = Content::file("large", 5_000_000, 1);
    for (content, name) in [(large, "large"), (tree_of((0..1_000).map(|_| 0)), "t")] {
        let mut offer = content.offer();
        offer.bytes = 1;
        wire.say(&Message::Offer(Box::new(offer))).await;
        let outcome = wire.serve(&content, |ask| Answer::Bytes(ask.bytes)).await;
        assert_eq!(outcome, Outcome::Verdict(OfferVerdict::Quota));
        assert!(!rig.inbox().join(name).exists());
        let left = rig.status().await.transfers.len();
        assert_eq!(left, 0, "it takes no place of what is left");
    }
    let fits = Content::file("fits", 900_000, 2);
    wire.offer(&fits).await;
    let outcome = wire.serve(&fits, |ask| Answer::Bytes(ask.bytes)).await;
    assert_eq!(outcome, Outcome::Verdict(OfferVerdict::Done));
    assert_eq!(fs::read(rig.inbox().join("fits")).unwrap(), fits.bytes);
    // What it has brought before counts.
    let more = Content::file("more", 200_000, 3);
    wire.offer(&more).await;
    assert_eq!(wire.verdict().await, OfferVerdict::Quota);
}

/// Four trees of three hundred files, and 256 descriptors in all: every file is served, people
/// have their answers, and peers come in.
///
/// Register: C3. Limit: L3.
#[tokio::test]
async fn many_files_and_few_descriptors_wedge_nothing() {
    let evils = [(); 5].map(|()| Evil::new());
    let mut rig = Rig::new();
    for (at, evil) in evils.iter().enumerate() {
        rig.list(&format!("e{at}"), evil.key, "");
    }
    rig.descriptors = Some(256);
    let rig = rig.start().await;
    let (files, len) = (300_u64, 1_000_usize);
    let mut tickets = Vec::new();
    for tree in 0..4_u8 {
        let folder = rig.path(&format!("tree{tree}"));
        fs::create_dir(&folder).unwrap();
        for file in 0..files {
            fs::write(folder.join(format!("{file:04}")), noise(len, tree)).unwrap();
        }
        tickets.push(rig.share(&folder).await);
    }
    let bytes = files * len as u64;
    let chunks = shared_chunks(bytes);
    let mut wires = Vec::new();
    for (evil, ticket) in evils.iter().zip(&tickets) {
        let mut wire = evil.enter(&rig).await;
        wire.want(ticket.content(), chunks).await;
        wire.leech(0..chunks, 2, bytes / u64::from(chunks), bytes / 2)
            .await;
        wires.push(wire);
        rig.status().await;
    }
    let open = fs::read_dir(format!("/proc/{}/fd", rig.pid())).unwrap();
    assert!(open.count() < 200);
    let mut last = evils[4].enter(&rig).await;
    assert!(last.is_alive().await);
    assert!(!rig.log().contains("Too many open files"), "{}", rig.log());
}

/// Forty listed peers come from one address.
///
/// Register: C4. Limit: L3.
#[tokio::test]
async fn listed_peers_behind_one_address_are_all_let_in() {
    let evils: Vec<Evil> = (0..40).map(|_| Evil::new()).collect();
    let mut rig = Rig::new();
    for (at, evil) in evils.iter().enumerate() {
        rig.list(&format!("e{at}"), evil.key, "");
    }
    let rig = rig.start().await;
    let mut wires = Vec::new();
    for evil in &evils {
        wires.push(evil.enter(&rig).await);
    }
    rig.has_peers(40).await;
    for wire in &mut wires {
        assert!(wire.is_alive().await);
    }
}

/// Two connections are all that the file allows: a third peer, which is listed, hears that, and
/// so does the log.
///
/// Register: C4. Limit: L3.
#[tokio::test]
async fn who_finds_no_place_hears_so_on_both_sides() {
    let evils = [(); 3].map(|()| Evil::new());
    let mut rig = Rig::new().with("[limits]\nconnections = 2\n");
    for (at, evil) in evils.iter().enumerate() {
        rig.list(&format!("e{at}"), evil.key, "");
    }
    let rig = rig.start().await;
    let (mut first, mut second) = (evils[0].enter(&rig).await, evils[1].enter(&rig).await);
    let mut third = evils[2].enter(&rig).await;
    assert_eq!(third.end().await, Some(CloseCode::Overload));
    rig.says("as many sessions as the node may have").await;
    assert!(first.is_alive().await && second.is_alive().await);
}

/// Sixty-four addresses with four connections each, none of which says anything, and all of them
/// come again when they are cut off. A listed peer from an address that nobody named comes in.
///
/// Register: C1, C2. Limit: L2.
#[tokio::test]
async fn dawdlers_of_many_addresses_lock_no_listed_peer_out() {
    let honest = Evil::new();
    let rig = Rig::new().knows("honest", honest.key, "").start().await;
    let dawdle = |from: u8| {
        let connecting = connect(&rig, from);
        async move {
            let Ok(mut stream) = connecting.await else {
                return;
            };
            // Until it is cut off.
            let _ = stream.read(&mut [0; 16]).await;
        }
    };
    let mut held = JoinSet::new();
    for from in (2..66).cycle().take(256) {
        held.spawn(dawdle(from));
    }
    let taken = async || (rig.metric("fairhaul_handshakes_total").await >= 64).then_some(());
    rig.until("all places of strangers are taken", taken).await;
    let mut wire = honest.call_from(&rig, 200).await.ok().unwrap();
    assert!(wire.is_alive().await);
    rig.refuses("gave way", 1).await;
}

/// Two hundred connections to the page that show no token. Whoever has it reads the counters.
///
/// Register: O1.
#[tokio::test]
async fn callers_without_a_token_keep_nobody_from_the_counters() {
    let rig = Rig::new();
    let at = format!("{}:7441", rig.listens().ip());
    let rig = rig.with(&format!("http = \"{at}\"\n")).start().await;
    let token = fs::read_to_string(rig.data().join("token")).unwrap();
    let mut held = Vec::new();
    for _ in 0..200 {
        held.push(TcpStream::connect(&at).await.unwrap());
    }
    let mut stream = TcpStream::connect(&at).await.unwrap();
    let request = format!(
        "GET /metrics HTTP/1.1\r\nhost: {at}\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
        token.trim()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("fairhaul_handshakes_total"), "{answer}");
}

/// The folder that a peer pushes into is a link to the node's own state.
///
/// Register: M4, M14.
#[tokio::test]
async fn nothing_is_pushed_or_fetched_into_the_state_of_the_node() {
    let evil = Evil::new();
    let mut rig = Rig::new().knows("evil", evil.key, "accept = \"in\"");
    let contents = rig.data().join("contents");
    fs::create_dir_all(&contents).unwrap();
    symlink(&contents, rig.inbox()).unwrap();
    rig.start_again().await;
    let mut wire = evil.enter(&rig).await;
    let name = format!("{}.json", "a".repeat(64));
    let content = Content::file(&name, 100, 1);
    wire.offer(&content).await;
    assert_eq!(wire.verdict().await, OfferVerdict::Failed);
    assert_eq!(fs::read_dir(&contents).unwrap().count(), 0);
    fs::write(rig.path("f"), b"mine").unwrap();
    let ticket = rig.share(&rig.path("f")).await;
    for own in [contents, rig.data()] {
        let refused = rig.get(&ticket, &own).await.unwrap_err();
        assert_eq!(refused.code, Failure::STORAGE, "{refused}");
        assert!(refused.message.contains("its own state"), "{refused}");
    }
}

/// Register: H13, O1.
#[tokio::test]
async fn what_the_node_keeps_is_for_its_user_alone() {
    let evil = Evil::new();
    let rig = Rig::new()
        .knows("evil", evil.key, "accept = \"in\"")
        .start()
        .await;
    let mut wire = evil.enter(&rig).await;
    let content = Content::file("f", CHUNK, 1);
    wire.offer(&content).await;
    let outcome = wire.serve(&content, |ask| Answer::Bytes(ask.bytes)).await;
    assert_eq!(outcome, Outcome::Verdict(OfferVerdict::Done));
    // A lie, for a file of bans.
    wire.raw(&[0, 0, 0, 0]).await.unwrap();
    rig.refuses(Misbehaviour::EmptyFrame.name(), 1).await;
    let bans = rig.bans().await;
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&rig.data()), 0o700);
    assert_eq!(mode(&bans), 0o600);
    let contents = rig.data().join("contents");
    assert_eq!(mode(&contents), 0o700);
    let kept = async || (fs::read_dir(&contents).unwrap().count() >= 2).then_some(());
    rig.until("the content is kept", kept).await;
    for entry in fs::read_dir(&contents).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

/// A peer has no room for an offer; it is made again later, and whoever waits for it goes on
/// waiting.
#[tokio::test]
#[ignore = "takes 11 s; the gate runs it"]
async fn an_offer_that_finds_no_room_is_made_again() {
    let busy = Evil::new();
    let rig = Rig::new().knows("busy", busy.key, "").start().await;
    fs::write(rig.path("f"), noise(1_000, 1)).unwrap();
    let mut wire = busy.enter(&rig).await;
    let send = ControlRequest::Send(Send {
        path: rig.path("f"),
        peers: vec!["busy".to_owned()],
        ignore: Vec::new(),
    });
    let offered = |heard: &Heard| match heard {
        Heard::Said(Message::Offer(offer)) => Some(offer.content),
        _ => None,
    };
    let answering = async {
        for verdict in [OfferVerdict::Busy, OfferVerdict::Done] {
            let content = wire.hear_that(offered).await;
            wire.say(&Message::Verdict { content, verdict }).await;
        }
    };
    let (sent, ()) = tokio::join!(rig.try_ask::<Sent>(send), answering);
    assert_eq!(sent.unwrap().peers, ["busy"]);
}

/// The least that a node can be given: it serves what it has, however often it has to close one
/// file for another.
///
/// Register: C3. Limit: L3.
#[tokio::test]
async fn sixty_four_descriptors_are_enough_for_a_peer_and_a_tree() {
    let evil = Evil::new();
    let mut rig = Rig::new().knows("evil", evil.key, "accept = \"in\"");
    rig.descriptors = Some(64);
    let rig = rig.start().await;
    let folder = rig.path("tree");
    fs::create_dir(&folder).unwrap();
    let (files, len) = (100_u64, 1_000_usize);
    for file in 0..files {
        fs::write(folder.join(format!("{file:04}")), noise(len, 1)).unwrap();
    }
    let ticket = rig.share(&folder).await;
    let bytes = files * len as u64;
    let chunks = shared_chunks(bytes);
    let mut wire = evil.enter(&rig).await;
    wire.want(ticket.content(), chunks).await;
    wire.leech(0..chunks, 2, bytes / u64::from(chunks), bytes)
        .await;
    let content = Content::file("f", 8 * CHUNK, 2);
    wire.offer(&content).await;
    let outcome = wire.serve(&content, |ask| Answer::Bytes(ask.bytes)).await;
    assert_eq!(outcome, Outcome::Verdict(OfferVerdict::Done));
    assert_eq!(fs::read(rig.inbox().join("f")).unwrap(), content.bytes);
}
