//! Connections that come too often, too slowly, too many at once, or never end.

use std::cell::Cell;
use std::fs;
use std::time::Duration;

use fairhaul_core::message::{CloseCode, Message, OfferVerdict};
use fairhaul_core::misbehaviour::Misbehaviour;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::content::{CHUNK, Content, noise, shared_chunks};
use crate::evil::{Answer, Evil, Outcome, connect};
use crate::rig::{PATIENCE, Rig, Since};

/// What a slow handshake begins with.
const SLOW: &[u8] = &[0x16, 3, 1];

/// Begins so many handshakes and does not go on with them. Those that the queue of the system has
/// no place for still try to connect; all end when they are dropped.
fn dawdlers(rig: &Rig, count: u32, from: u8) -> JoinSet<()> {
    let dawdle = |_| {
        let connecting = connect(rig, from);
        async {
            if let Ok(mut stream) = connecting.await {
                let _ = stream.write_all(SLOW).await;
                std::future::pending().await
            }
        }
    };
    (0..count).map(dawdle).collect()
}

/// Four handshakes of one source are under way at most, for three seconds each; whoever comes from
/// elsewhere is let in meanwhile.
///
/// Register: C1.
/// Limit: L2.
#[tokio::test]
async fn an_honest_peer_is_in_while_five_hundred_dawdle() {
    let honest = Evil::new();
    let rig = Rig::new().knows("honest", honest.key, "").start().await;
    let since = Since::now();
    let _held = dawdlers(&rig, 500, 2);
    rig.refuses("no room", 100).await;
    let mut wire = honest.enter(&rig).await;
    assert!(wire.is_alive().await);
    // Where these 500 took longer than three seconds, others had their turn.
    let most = since.at_most(4, 2) + 1;
    let begun = rig.metric("fairhaul_handshakes_total").await;
    assert!(begun <= most, "{begun} of {most}");
    rig.refuses("no room", 500_u64.saturating_sub(most)).await;
}

/// Register: C1, H15.
/// Limit: L2.
#[tokio::test]
async fn a_handshake_of_a_byte_a_second_is_over_after_three_seconds_and_not_before() {
    let rig = Rig::new().start().await;
    let since = Since::now();
    let mut stream = connect(&rig, 2).await.unwrap();
    // The head of a ClientHello of half a kibibyte, and then its first bytes.
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    let mut byte = [0];
    for next in hello.into_iter().chain(std::iter::repeat(7)) {
        let _ = stream.write_all(&[next]).await;
        if let Ok(Ok(0) | Err(_)) = timeout(Duration::from_secs(1), stream.read(&mut byte)).await {
            break;
        }
    }
    rig.refuses("late", 1).await;
    assert!(since.is_over(Duration::from_secs(3)));
}

/// Connections come and vanish while a peer fetches, and until three hundred have: it gets all
/// that it wants, and of their source 64 handshakes are begun at once and ten a second.
///
/// Register: C2.
#[tokio::test]
async fn connections_that_vanish_keep_nobody_from_what_it_fetches() {
    let honest = Evil::new();
    let cap = "[limits]\nupload = \"8 MB/s\"\n";
    let rig = Rig::new()
        .knows("honest", honest.key, "")
        .with(cap)
        .start()
        .await;
    let len = 4 * 1024 * 1024;
    let file = rig.path("f");
    fs::write(&file, noise(len as usize, 1)).unwrap();
    let ticket = rig.share(&file).await;
    let chunks = shared_chunks(len);
    let mut wire = honest.enter(&rig).await;
    wire.want(ticket.content(), chunks).await;
    let (since, made, served) = (Since::now(), Cell::new(0_u64), Cell::new(false));
    let flood = async {
        while !served.get() || made.get() < 300 {
            drop(connect(&rig, 2).await);
            made.set(made.get() + 1);
            tokio::task::yield_now().await;
        }
    };
    let fetch = async {
        let one = len / u64::from(chunks);
        wire.leech(0..chunks, 4, one, len).await;
        served.set(true);
    };
    tokio::join!(fetch, flood);
    let begun = rig.metric("fairhaul_handshakes_total").await;
    let most = since.at_most(64 + 1, 10);
    assert!(begun <= most, "{begun} of {most}");
    assert!(wire.is_alive().await);
    rig.refuses("no room", made.get().saturating_sub(most))
        .await;
}

/// 512 descriptors are all it has, and two hundred dawdlers come from twenty sources.
///
/// Register: C3.
/// Limit: L3.
#[tokio::test]
async fn a_node_keeps_descriptors_for_those_that_are_in() {
    let honest = Evil::new();
    let mut rig = Rig::new().knows("honest", honest.key, "accept = \"in\"");
    rig.descriptors = Some(512);
    let rig = rig.start().await;
    let mut wire = honest.enter(&rig).await;
    let mut held = Vec::new();
    for from in 2..22 {
        held.push(dawdlers(&rig, 10, from));
    }
    // Those of strangers: an eighth of what the node does not need for itself, less a quarter.
    let taken = async || (rig.metric("fairhaul_handshakes_total").await > 48).then_some(());
    rig.until("all places of handshakes are taken", taken).await;
    let open = fs::read_dir(format!("/proc/{}/fd", rig.pid()))
        .unwrap()
        .count();
    assert!(open < 512 - 32, "{open}");
    let content = Content::file("f", 16 * CHUNK, 2);
    wire.offer(&content).await;
    let outcome = wire.serve(&content, |ask| Answer::Bytes(ask.bytes)).await;
    assert_eq!(outcome, Outcome::Verdict(OfferVerdict::Done));
    assert!(!rig.log().contains("Too many open files"), "{}", rig.log());
    drop(held);
    // It takes callers again.
    drop(wire);
    rig.has_peers(0).await;
    let enters = async || honest.call(&rig).await.ok().map(drop);
    rig.until("it takes callers again", enters).await;
}

/// A hundred and twenty connections with one valid key, as fast as they can be made. It is listed,
/// so that its source may begin more handshakes than one of strangers; all but one of them hear
/// why they are not let in.
///
/// Register: C4, C5.
/// Limit: L3.
#[tokio::test]
async fn a_storm_of_one_key_gets_one_session_and_few_handshakes() {
    let (storm, other) = (Evil::new(), Evil::new());
    let rig = Rig::new()
        .knows("storm", storm.key, "")
        .knows("other", other.key, "");
    let rig = rig.start().await;
    let mut stays = other.enter(&rig).await;
    let mut wires = Vec::new();
    for _ in 0..120 {
        if let Ok(wire) = storm.call_from(&rig, 2).await {
            wires.push(wire);
        }
    }
    rig.refuses("one session each", 31).await;
    let (mut alive, mut told) = (0, 0);
    for wire in &mut wires {
        // What it hears before the answer to a ping is why it is none.
        wire.say(&Message::Ping(77)).await;
        match wire.last_word().await {
            None => alive += 1,
            Some(code) => told += u32::from(code == CloseCode::Overload),
        }
    }
    assert_eq!(alive, 1);
    assert!(told >= 31, "{told}");
    assert!(rig.log().contains("comes too often"), "{}", rig.log());
    rig.has_peers(2).await;
    assert!(stays.is_alive().await);
}

/// It asks for everything and reads nothing. Others are served all the same.
///
/// Register: C6.
/// Limit: L4, L5.
#[tokio::test]
async fn who_never_reads_keeps_nobody_waiting() {
    let (deaf, honest) = (Evil::new(), Evil::new());
    let rig = Rig::new()
        .knows("deaf", deaf.key, "")
        .knows("honest", honest.key, "");
    let rig = rig.start().await;
    let len = 64 * 1024 * 1024;
    let file = rig.path("f");
    fs::write(&file, noise(len as usize, 3)).unwrap();
    let ticket = rig.share(&file).await;
    let chunks = shared_chunks(len);
    let (mut deaf, mut wire) = (deaf.enter(&rig).await, honest.enter(&rig).await);
    deaf.want(ticket.content(), chunks).await;
    for chunk in 0..chunks.min(400) {
        deaf.request(chunk).await;
    }
    wire.want(ticket.content(), chunks).await;
    let one = len / u64::from(chunks);
    wire.leech(0..chunks, 4, one, 16 * 1024 * 1024).await;
    let status = rig.status().await;
    let flows = &status.transfers[0].peers;
    let queued = flows
        .iter()
        .find(|flow| flow.peer == "deaf")
        .unwrap()
        .queued_bytes;
    assert!(queued <= 17 * 1024 * 1024, "{queued}");
    assert_eq!(rig.connected().await, 2);
}

/// Forty of them have more waiting than all windows together. Others are served all the same, long
/// before the minute is over after which the forty are closed.
///
/// Register: C6.
/// Limit: L4, L5.
#[tokio::test]
async fn many_who_never_read_keep_nobody_waiting() {
    let (deaf, honest) = ([(); 40].map(|()| Evil::new()), Evil::new());
    let mut rig = Rig::new().knows("honest", honest.key, "");
    for (at, deaf) in deaf.iter().enumerate() {
        rig.list(&format!("deaf{at}"), deaf.key, "");
    }
    let rig = rig.start().await;
    let len = 16 * 1024 * 1024;
    let file = rig.path("f");
    fs::write(&file, noise(len as usize, 3)).unwrap();
    let content = rig.share(&file).await.content();
    let chunks = shared_chunks(len);
    let mut wires = Vec::new();
    for deaf in &deaf {
        let mut wire = deaf.enter(&rig).await;
        wire.want(content, chunks).await;
        for chunk in 0..chunks {
            wire.request(chunk).await;
        }
        wires.push(wire);
    }
    let mut wire = honest.enter(&rig).await;
    wire.want(content, chunks).await;
    let one = len / u64::from(chunks);
    wire.leech(0..chunks, 4, one, len / 4).await;
    assert_eq!(rig.refused(Misbehaviour::Stalled.name()).await, 0);
    assert_eq!(rig.connected().await, 41);
}

/// Register: C6.
/// Limit: L7.
#[tokio::test]
#[ignore = "takes 65 s; the gate runs it"]
async fn who_never_reads_is_closed_after_a_minute_and_not_before() {
    let deaf = Evil::new();
    let rig = Rig::new().knows("deaf", deaf.key, "").start().await;
    let len = 64 * 1024 * 1024;
    let file = rig.path("f");
    fs::write(&file, noise(len as usize, 3)).unwrap();
    let ticket = rig.share(&file).await;
    let chunks = shared_chunks(len);
    let since = Since::now();
    let mut wire = deaf.enter(&rig).await;
    wire.want(ticket.content(), chunks).await;
    for chunk in 0..chunks.min(200) {
        wire.request(chunk).await;
    }
    rig.refuses(Misbehaviour::Stalled.name(), 1).await;
    assert!(since.is_over(Duration::from_secs(60)));
}

/// One of two sources stands still in mid-transfer: the other is asked for its part. That this
/// takes twenty seconds is shown in virtual time: `fairhaul_core`, `node/tests/guard.rs`.
///
/// Register: C7, D9.
/// Limit: L7.
#[tokio::test]
#[ignore = "takes 25 s; the gate runs it"]
async fn the_work_of_a_source_that_stands_still_is_taken_over() {
    let (still, alive) = (Rig::new(), Rig::new());
    let taker = Rig::new()
        .knows("still", still.key, &still.address())
        .knows("alive", alive.key, &alive.address());
    let cap = "[limits]\nupload = \"1 MB/s\"\n";
    let still = still.knows("taker", taker.key, "").with(cap).start().await;
    let alive = alive.knows("taker", taker.key, "").with(cap).start().await;
    let bytes = noise(48 * 1024 * 1024, 4);
    let mut ticket = None;
    for rig in [&still, &alive] {
        fs::write(rig.path("f"), &bytes).unwrap();
        ticket = Some(rig.share(&rig.path("f")).await);
    }
    let taker = taker.start().await;
    taker.has_peers(2).await;
    let (ticket, target) = (ticket.unwrap(), taker.target());
    let stop = async {
        let sends = async || (still.sent_bytes().await > 0).then_some(());
        still.until("it sends", sends).await;
        still.signal(Signal::STOP);
        alive.uncap().await;
    };
    let got = timeout(PATIENCE, taker.get(&ticket, &target));
    let (got, ()) = tokio::join!(got, stop);
    got.unwrap().unwrap();
    assert_eq!(fs::read(target.join("f")).unwrap(), bytes);
}

/// A session of a request and a block is cut at places all over it, by an end and by a reset.
/// What was begun is begun again, and nothing is left behind.
///
/// Register: C8.
#[tokio::test]
async fn a_session_may_end_at_any_byte() {
    let evils = [(); 12].map(|()| Evil::new());
    let honest = Evil::new();
    let mut rig = Rig::new().knows("honest", honest.key, "accept = \"in\"");
    for (at, evil) in evils.iter().enumerate() {
        rig.list(&format!("e{at}"), evil.key, "");
    }
    let rig = rig.start().await;
    let content = Content::file("f", 32 * CHUNK, 5);
    let mut pusher = honest.enter(&rig).await;
    pusher.claim(&content, false).await;
    pusher.offer(&content).await;
    assert_eq!(pusher.verdict().await, OfferVerdict::Accepted);
    for (at, evil) in evils.iter().enumerate() {
        let from = u8::try_from(at).unwrap() + 2;
        let mut wire = evil.call_from(&rig, from).await.ok().unwrap();
        let cut = at * 7;
        let ended = wire.serve(&content, |mut ask| {
            if ask.is_manifest {
                return Answer::Bytes(ask.bytes);
            }
            ask.bytes.truncate(1 + cut * CHUNK / 80);
            Answer::Last(ask.bytes)
        });
        assert_eq!(ended.await, Outcome::Over);
        if at % 2 == 0 {
            // Half a frame goes before the end.
            let _ = wire.raw(&[9, 0, 0][..1 + at % 3]).await;
        }
        drop(wire);
        rig.has_peers(1).await;
    }
    let outcome = pusher.serve(&content, |ask| Answer::Bytes(ask.bytes)).await;
    assert_eq!(outcome, Outcome::Verdict(OfferVerdict::Done));
    assert_eq!(fs::read(rig.inbox().join("f")).unwrap(), content.bytes);
    let status = rig.status().await;
    assert_eq!(status.transfers[0].done_bytes, content.bytes.len() as u64);
    let code = CloseCode::Shutdown;
    pusher
        .say(&Message::Close {
            code,
            text: "".into(),
        })
        .await;
    drop(pusher);
    rig.has_peers(0).await;
}
