//! How often a session asks the system to send something, and when it says that it cannot.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use fairhaul_core::id::PeerId;
use fairhaul_core::manifest::Manifest;
use fairhaul_core::message::CloseCode;
use tokio::io::{DuplexStream, ReadBuf, duplex};

use super::*;
use crate::identity::Identity;
use crate::transport::{Endpoint, Secure};

/// What was asked of a stream: how often, and how many bytes it took.
#[derive(Debug, Default)]
struct Calls {
    writes: AtomicU64,
    bytes: AtomicU64,
}

/// A stream that counts the calls that would be the system's.
struct Counted(DuplexStream, Arc<Calls>);

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.0).poll_write(cx, buf);
        if let Poll::Ready(Ok(bytes)) = wrote {
            self.1.writes.fetch_add(1, Ordering::Relaxed);
            self.1.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        wrote
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

const PEER: PeerId = PeerId(1);

fn block(chunk: u32, len: usize) -> Outgoing {
    let bytes = vec![7; HEAD + len];
    let geometry = Manifest::new(ByteCount::mib(1_024), ByteCount::kib(256)).unwrap();
    Outgoing::Block {
        transfer: TransferId(1),
        chunk: geometry.index(chunk).unwrap(),
        offset: ByteCount::ZERO,
        len: ByteCount::new(len as u64),
        bytes: tokio::spawn(async { Ok(Ok(bytes)) }),
    }
}

/// Writes all of it over a stream that takes everything. How often the system was called, for how
/// many bytes, and what was reported.
async fn send(items: Vec<Outgoing>) -> (u64, u64, Vec<(u64, u64)>) {
    let (here, there) = duplex(64 * 1024 * 1024);
    let calls: Arc<Calls> = Arc::default();
    let identities = [(); 2].map(|()| Identity::generate().unwrap());
    let [caller, called] = [0, 1].map(|at| Endpoint::new(&identities[at]).unwrap());
    let counted = Counted(here, Arc::clone(&calls));
    let streams = tokio::join!(caller.dial(counted, called.public()), called.accept(there));
    let (Secure { writer, .. }, _there) = (streams.0.unwrap(), streams.1.unwrap());
    let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
    let before = (count(&calls.writes), count(&calls.bytes));
    let shared = Arc::new(Shared::new(PEER, Arc::default(), Arc::default()));
    let (outgoing, queue) = mpsc::unbounded_channel();
    for item in items {
        if let Outgoing::Block { bytes, .. } = &item {
            while !bytes.is_finished() {
                tokio::task::yield_now().await;
            }
        }
        outgoing.send(item).unwrap();
    }
    drop(outgoing);
    let session = SessionId {
        peer: PEER,
        serial: 1,
    };
    let (news, mut heard) = mpsc::channel(1 << 20);
    write(writer, shared, session, queue, news).await;
    let mut sent = Vec::new();
    while let Some(FromSession(_, news)) = heard.recv().await {
        let SessionEvent::Sent { len, beside, .. } = news else {
            panic!("{news:?}");
        };
        sent.push((len.get(), beside));
    }
    let (writes, bytes) = (count(&calls.writes), count(&calls.bytes));
    (writes - before.0, bytes - before.1, sent)
}

fn many(count: u32, len: usize) -> Vec<Outgoing> {
    (0..count).map(|chunk| block(chunk, len)).collect()
}

/// Peers make us say as little at a time as they can: ten thousand chunks of ten bytes, as many
/// messages of a few, blocks of the smallest size, and both in turns. Each call of the system takes
/// 16 KiB at least but the last one; of blocks of 256 KiB each takes one.
///
/// Register: C9, F3.
#[tokio::test]
async fn however_little_is_said_at_a_time_a_call_takes_16_kib() {
    let have = |chunk| {
        let transfer = TransferId(1);
        Outgoing::Message(Message::Have { transfer, chunk }, None)
    };
    let mixed = (0..4_000).flat_map(|chunk| [block(chunk % 4_000, 100), have(chunk)]);
    let cases = [
        ("tiny blocks", many(4_000, 10)),
        ("small blocks", many(1_000, 4 * 1024)),
        ("messages", (0..10_000).map(have).collect()),
        ("both", mixed.collect()),
        ("large blocks", many(64, 256 * 1024)),
    ];
    for (name, items) in cases {
        let (writes, bytes, sent) = send(items).await;
        assert!(
            writes <= bytes / (16 * 1024) + 1,
            "{name}: {writes} for {bytes}"
        );
        // What is reported is what went: each block once, and what was beside them, with the
        // handshake; messages behind the last block are said with the next.
        let reported: u64 = sent.iter().map(|(len, beside)| len + beside).sum();
        let handshake = 4 * 1024;
        if !sent.is_empty() {
            let went = bytes - 16 * 1024..bytes + handshake;
            assert!(went.contains(&reported), "{name}: {reported} of {bytes}");
        }
    }
}

/// A block whose bytes a disk still reads keeps nothing back that is at hand.
#[tokio::test]
async fn what_is_at_hand_waits_for_no_disk() {
    let (here, there) = duplex(1024 * 1024);
    let identities = [(); 2].map(|()| Identity::generate().unwrap());
    let [caller, called] = [0, 1].map(|at| Endpoint::new(&identities[at]).unwrap());
    let streams = tokio::join!(caller.dial(here, called.public()), called.accept(there));
    let (Secure { writer, .. }, _there) = (streams.0.unwrap(), streams.1.unwrap());
    let shared = Arc::new(Shared::new(PEER, Arc::default(), Arc::default()));
    let (outgoing, queue) = mpsc::unbounded_channel();
    outgoing.send(block(0, 100)).unwrap();
    let Outgoing::Block {
        transfer,
        chunk,
        offset,
        len,
        ..
    } = block(1, 100)
    else {
        unreachable!("it is one");
    };
    let bytes = tokio::spawn(std::future::pending());
    outgoing
        .send(Outgoing::Block {
            transfer,
            chunk,
            offset,
            len,
            bytes,
        })
        .unwrap();
    let session = SessionId {
        peer: PEER,
        serial: 1,
    };
    let (news, mut heard) = mpsc::channel(16);
    let writing = tokio::spawn(write(writer, shared, session, queue, news));
    let Some(FromSession(_, SessionEvent::Sent { len, .. })) = heard.recv().await else {
        panic!("the first block has left");
    };
    assert_eq!(len.get(), 100);
    writing.abort();
}

/// A peer closes with a word and hangs up; a write fails before the word was read. Who hears of the
/// failure first would never hear why.
#[tokio::test(start_paused = true)]
async fn a_write_that_fails_leaves_the_reader_time_for_the_peers_last_word() {
    let (here, there) = duplex(1024);
    let identities = [(); 2].map(|()| Identity::generate().unwrap());
    let [caller, called] = [0, 1].map(|at| Endpoint::new(&identities[at]).unwrap());
    let streams = tokio::join!(caller.dial(here, called.public()), called.accept(there));
    let Secure { writer, .. } = streams.0.unwrap();
    drop(streams.1);
    let shared = Arc::new(Shared::new(PEER, Arc::default(), Arc::default()));
    let (outgoing, queue) = mpsc::unbounded_channel();
    outgoing.send(block(0, 100)).unwrap();
    let session = SessionId {
        peer: PEER,
        serial: 1,
    };
    let (news, mut heard) = mpsc::channel(16);
    let writing = tokio::spawn(write(writer, shared, session, queue, news));
    let early = LAST_WORDS.checked_sub(Duration::from_millis(1)).unwrap();
    timeout(early, heard.recv()).await.unwrap_err();
    let Some(FromSession(_, SessionEvent::Ended(End::Broken(_)))) = heard.recv().await else {
        panic!("the peer has hung up");
    };
    // Messages for the peer are dropped from then on.
    assert!(outgoing.is_closed());
    writing.await.unwrap();
}

/// A node that stops drops what its sessions report. Blocks wait before its last word.
#[tokio::test]
async fn what_is_queued_is_said_though_the_node_has_stopped() {
    let (here, there) = duplex(16 * 1024 * 1024);
    let identities = [(); 2].map(|()| Identity::generate().unwrap());
    let [caller, called] = [0, 1].map(|at| Endpoint::new(&identities[at]).unwrap());
    let streams = tokio::join!(caller.dial(here, called.public()), called.accept(there));
    let (Secure { writer, .. }, mut there) = (streams.0.unwrap(), streams.1.unwrap());
    let shared = Arc::new(Shared::new(PEER, Arc::default(), Arc::default()));
    let (outgoing, queue) = mpsc::unbounded_channel();
    for item in [block(0, 100), block(1, 200_000), block(2, 100)] {
        outgoing.send(item).unwrap();
    }
    let (code, text) = (CloseCode::Shutdown, "the last word".into());
    let close = Message::Close { code, text };
    outgoing.send(Outgoing::Close(close)).unwrap();
    let session = SessionId {
        peer: PEER,
        serial: 1,
    };
    let (news, heard) = mpsc::channel::<FromSession>(16);
    drop(heard);
    write(writer, shared, session, queue, news).await;
    let mut came = Vec::new();
    let mut sink = |bytes: &[u8]| {
        came.extend_from_slice(bytes);
        Ok::<_, Infallible>(())
    };
    while there.reader.read(&mut sink).await.unwrap() {}
    assert!(came.len() > 200_200);
    assert!(came.ends_with(b"the last word"));
}
