//! Connections that come too often, too slowly, too many at once, or never end.

use std::fs;
use std::time::{Duration, Instant};

use fairhaul_core::message::{CloseCode, Message, Verdict};
use fairhaul_core::misbehaviour::Misbehaviour;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::content::{CHUNK, Content, noise, shared_chunks};
use crate::evil::{Answer, Evil, Outcome, connect};
use crate::rig::{PATIENCE, Rig};

/// What a slow handshake begins with.
const SLOW: &[u8] = &[0x16, 3, 1];

/// Begins so many handshakes and does not go on with them.
async fn dawdlers(rig: &Rig, count: u32, from: u8) -> Vec<TcpStream> {
    let mut all = Vec::new();
    for _ in 0..count {
        // Once the kernel's queue is full, a connection takes a second.
        let connecting = timeout(Duration::from_millis(50), connect(rig, from));
        if let Ok(Ok(mut stream)) = connecting.await {
            let _ = stream.write_all(SLOW).await;
            all.push(stream);
        }
    }
    all
}

/// Four handshakes of one source are under way at most; whoever comes from elsewhere is in at
/// once.
///
/// Register: C1.
/// Limit: L2.
#[tokio::test]
async fn an_honest_peer_is_in_within_a_second_while_five_hundred_dawdle() {
    let honest = Evil::new();
    let rig = Rig::new().knows("honest", honest.key, "").start().await;
    let held = dawdlers(&rig, 500, 2).await;
    let since = Instant::now();
    let mut wire = honest.enter(&rig).await;
    assert!(
        since.elapsed() < Duration::from_secs(1),
        "{:?}",
        since.elapsed()
    );
    assert!(wire.is_alive().await);
    rig.refuses("no room", 400).await;
    let begun = rig.metric("fairhaul_handshakes_total").await;
    assert!(begun <= 4 + 1, "{begun}");
    drop(held);
}

/// Register: C1, H15.
/// Limit: L2.
#[tokio::test]
#[ignore = "takes 11 s; the gate runs it"]
async fn a_handshake_of_a_byte_a_second_is_over_after_ten_seconds() {
    let rig = Rig::new().start().await;
    let since = Instant::now();
    let mut stream = connect(&rig, 2).await.unwrap();
    // The head of a ClientHello of half a kibibyte, and then its first bytes.
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    let mut byte = [0];
    for next in hello.into_iter().chain(std::iter::repeat(7)) {
        let _ = stream.write_all(&[next]).await;
        match timeout(Duration::from_secs(1), stream.read(&mut byte)).await {
            Ok(Ok(1)) | Err(_) => assert!(since.elapsed() < PATIENCE + PATIENCE / 4),
            Ok(_) => break,
        }
    }
    rig.refuses("late", 1).await;
    assert!(since.elapsed() >= PATIENCE - PATIENCE / 10);
}

/// Two thousand connections come and vanish while a peer fetches under a cap: it gets what it
/// would get without them.
///
/// Register: C2.
#[tokio::test]
async fn connections_that_vanish_cost_those_that_stay_nothing() {
    let honest = Evil::new();
    let cap = "[limits]\nupload = \"4 MB/s\"\n";
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
    let span = Duration::from_secs(2);
    let flood = async {
        let until = Instant::now() + span;
        let mut count = 0;
        while Instant::now() < until && count < 2_000 {
            drop(connect(&rig, 2).await);
            count += 1;
            tokio::task::yield_now().await;
        }
        count
    };
    let one = len / u64::from(chunks);
    let (came, count) = tokio::join!(wire.leech(0..chunks, 4, one, span), flood);
    assert!(count > 200, "{count}");
    assert!(came >= 8_000_000 * 95 / 100 - 256 * 1024, "{came}");
    rig.refuses("no room", 100).await;
}

/// 256 descriptors are all it has, and two hundred dawdlers come from twenty sources.
///
/// Register: C3.
/// Limit: L3.
#[tokio::test]
async fn a_node_keeps_descriptors_for_those_that_are_in() {
    let honest = Evil::new();
    let mut rig = Rig::new().knows("honest", honest.key, "accept = \"in\"");
    rig.descriptors = Some(256);
    let rig = rig.start().await;
    let mut wire = honest.enter(&rig).await;
    let mut held = Vec::new();
    for from in 2..22 {
        held.extend(dawdlers(&rig, 10, from).await);
    }
    let open = fs::read_dir(format!("/proc/{}/fd", rig.pid()))
        .unwrap()
        .count();
    assert!(open < 256 - 32, "{open}");
    let content = Content::file("f", 16 * CHUNK, 2);
    wire.offer(&content).await;
    let outcome = wire.serve(&content, |ask| Answer::Bytes(ask.bytes)).await;
    assert_eq!(outcome, Outcome::Verdict(Verdict::Done));
    assert!(!rig.log().contains("Too many open files"), "{}", rig.log());
    drop(held);
    // It takes callers again.
    drop(wire);
    rig.has_peers(0).await;
    let since = Instant::now();
    while honest.call(&rig).await.is_err() {
        assert!(since.elapsed() < PATIENCE, "{}", rig.log());
        sleep(Duration::from_millis(100)).await;
    }
}

/// A hundred and twenty connections with one valid key, as fast as they can be made.
/// A source begins 64 handshakes at once and ten a second.
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
    let since = Instant::now();
    for _ in 0..120 {
        if let Ok(wire) = storm.call_from(&rig, 2).await {
            wires.push(wire);
        }
    }
    assert_eq!(rig.connected().await, 2);
    assert!(rig.refused("one session each").await > 30);
    let begun = rig.metric("fairhaul_handshakes_total").await;
    let most = 1 + 64 + since.elapsed().as_secs() * 10 + 10;
    assert!(begun <= most, "{begun} of {most}");
    let mut alive = 0;
    for wire in &mut wires {
        wire.say(&Message::Ping(5)).await;
        let until = Instant::now() + Duration::from_millis(20);
        let mut answered = false;
        while let Some(heard) = wire.hear_until(until).await {
            answered |= matches!(heard, crate::evil::Heard::Said(Message::Pong(5)));
        }
        alive += u32::from(answered);
    }
    assert!(alive <= 1, "{alive}");
    assert!(stays.is_alive().await);
}

/// It asks for everything and reads nothing. Others are served as if it were not there.
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
    let span = Duration::from_secs(2);
    let came = wire.leech(0..chunks, 4, one, span).await;
    assert!(came > 16 * 1024 * 1024, "{came}");
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

/// Register: C6.
/// Limit: L7.
#[tokio::test]
#[ignore = "takes 65 s; the gate runs it"]
async fn who_never_reads_is_closed_after_a_minute() {
    let deaf = Evil::new();
    let rig = Rig::new().knows("deaf", deaf.key, "").start().await;
    let len = 64 * 1024 * 1024;
    let file = rig.path("f");
    fs::write(&file, noise(len as usize, 3)).unwrap();
    let ticket = rig.share(&file).await;
    let chunks = shared_chunks(len);
    let mut wire = deaf.enter(&rig).await;
    wire.want(ticket.content(), chunks).await;
    for chunk in 0..chunks.min(200) {
        wire.request(chunk).await;
    }
    let since = Instant::now();
    while rig.refused(Misbehaviour::Stalled.name()).await == 0 {
        assert!(since.elapsed() < Duration::from_secs(90));
        sleep(Duration::from_millis(200)).await;
    }
    assert!(since.elapsed() > Duration::from_secs(50));
}

/// One of two sources stands still in mid-transfer: the other is asked for its part.
///
/// Register: C7, D9.
/// Limit: L7.
#[tokio::test]
#[ignore = "takes 25 s; the gate runs it"]
async fn the_work_of_a_source_that_stands_still_is_taken_over_by_twenty_seconds() {
    let (still, alive) = (Rig::new(), Rig::new());
    let taker = Rig::new()
        .knows("still", still.key, &still.address())
        .knows("alive", alive.key, &alive.address());
    let cap = "[limits]\nupload = \"8 MB/s\"\n";
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
        sleep(Duration::from_secs(1)).await;
        still.signal(Signal::STOP);
    };
    let since = Instant::now();
    let got = timeout(Duration::from_secs(40), taker.get(&ticket, &target));
    let (got, ()) = tokio::join!(got, stop);
    got.unwrap().unwrap();
    assert!(
        since.elapsed() < Duration::from_secs(32),
        "{:?}",
        since.elapsed()
    );
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
    assert_eq!(pusher.verdict().await, Verdict::Accepted);
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
    assert_eq!(outcome, Outcome::Verdict(Verdict::Done));
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
