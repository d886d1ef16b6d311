//! Encrypted streams as their users see them.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use fairhaul::identity::Identity;
use fairhaul::transport::{Endpoint, ReadError, Reader, Secure};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::net::{TcpListener, TcpStream};

fn endpoint() -> Endpoint {
    Endpoint::new(&Identity::generate().unwrap()).unwrap()
}

async fn pair(buffer: usize) -> (Secure<DuplexStream>, Secure<DuplexStream>) {
    let (dialler, acceptor) = (endpoint(), endpoint());
    let (near, far) = duplex(buffer);
    let (dialled, accepted) =
        tokio::join!(dialler.dial(near, acceptor.public()), acceptor.accept(far));
    let (dialled, accepted) = (dialled.unwrap(), accepted.unwrap());
    assert_eq!(dialled.peer, acceptor.public());
    assert_eq!(accepted.peer, dialler.public());
    (dialled, accepted)
}

/// All that comes until the end of the stream.
async fn all<S: AsyncRead + AsyncWrite>(reader: &mut Reader<S>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut sink = |run: &[u8]| {
        bytes.extend_from_slice(run);
        Ok::<_, Infallible>(())
    };
    while reader.read(&mut sink).await.unwrap() {}
    bytes
}

fn pattern(bytes: usize, seed: usize) -> Vec<u8> {
    (0..bytes)
        .map(|at| (at * 31 + seed).to_le_bytes()[0])
        .collect()
}

/// Both directions at once, through sockets that take one byte, a few, or many at a time (H15).
#[tokio::test]
async fn bytes_arrive_whole_and_in_order_in_both_directions_at_once() {
    for (buffer, bytes) in [
        (1, 300),
        (7, 40_000),
        (4_096, 700_000),
        (1 << 20, 3_000_001),
    ] {
        let (dialled, accepted) = pair(buffer).await;
        let run = |secure: Secure<DuplexStream>, seed: usize| async move {
            let Secure {
                mut reader,
                mut writer,
                ..
            } = secure;
            let send = async {
                for part in pattern(bytes, seed).chunks(300_000) {
                    writer.write(part).await.unwrap();
                }
                writer.flush().await.unwrap();
                writer.close().await.unwrap();
                assert!(writer.written() > bytes as u64);
            };
            tokio::join!(all(&mut reader), send).0
        };
        let (near, far) = tokio::join!(run(dialled, 1), run(accepted, 2));
        assert!(near == pattern(bytes, 2), "{buffer}");
        assert!(far == pattern(bytes, 1), "{buffer}");
    }
}

/// The halves live in tasks of their own, on threads of their own, over TCP.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_halves_of_a_stream_work_at_the_same_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (dialler, acceptor) = (endpoint(), endpoint());
    let near = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (far, _) = listener.accept().await.unwrap();
    let (dialled, accepted) =
        tokio::join!(dialler.dial(near, acceptor.public()), acceptor.accept(far));
    let mut tasks = Vec::new();
    for (seed, secure) in [(1, dialled.unwrap()), (2, accepted.unwrap())] {
        let Secure {
            mut reader,
            mut writer,
            ..
        } = secure;
        let send = tokio::spawn(async move {
            for part in pattern(8_000_000, seed).chunks(256 * 1024) {
                writer.write(part).await.unwrap();
            }
            writer.close().await.unwrap();
        });
        let receive = tokio::spawn(async move {
            assert!(all(&mut reader).await == pattern(8_000_000, 3 - seed));
        });
        tasks.extend([send, receive]);
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// A stream that forgets everything written after so many bytes, and says it is done.
struct Cut {
    stream: DuplexStream,
    left: Arc<AtomicUsize>,
}

impl AsyncRead for Cut {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Cut {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let most = bytes.len().min(self.left.load(Ordering::Relaxed));
        if most == 0 {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, &bytes[..most]);
        if let Poll::Ready(Ok(written)) = written {
            self.left.fetch_sub(written, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Register: W3. A stream that is cut, between two records or within one, is not at its end.
/// Three records are sent: of 16 KiB, 16 KiB and 7,232 bytes, each with 22 more.
#[tokio::test]
async fn a_stream_that_is_cut_is_told_from_one_that_ends() {
    let record = 16 * 1024;
    for (bytes, heard) in [
        (0, 0),
        (1, 0),
        (record + 21, 0),
        (record + 22, record),
        (2 * (record + 22) + 100, 2 * record),
        (40_000 + 3 * 22, 40_000),
    ] {
        let (dialler, acceptor) = (endpoint(), endpoint());
        let (near, far) = duplex(1 << 20);
        let left = Arc::new(AtomicUsize::new(usize::MAX));
        let near = Cut {
            stream: near,
            left: Arc::clone(&left),
        };
        let (dialled, accepted) =
            tokio::join!(dialler.dial(near, acceptor.public()), acceptor.accept(far));
        let (mut dialled, mut accepted) = (dialled.unwrap(), accepted.unwrap());
        left.store(bytes, Ordering::Relaxed);
        dialled.writer.write(&pattern(40_000, 1)).await.unwrap();
        dialled.writer.close().await.unwrap();
        let mut sum = 0;
        let mut sink = |run: &[u8]| {
            sum += run.len();
            Ok::<_, Infallible>(())
        };
        let end = loop {
            match accepted.reader.read(&mut sink).await {
                Ok(more) => assert!(more, "a good end after {bytes} bytes"),
                Err(error) => break error,
            }
        };
        assert!(matches!(end, ReadError::Truncated), "{end}");
        assert_eq!(sum, heard, "{bytes}");
    }
}

/// What a sink refuses ends the stream for both halves, and is said.
#[tokio::test]
async fn a_sink_that_refuses_ends_the_stream() {
    let (mut dialled, mut accepted) = pair(1 << 20).await;
    dialled.writer.write(b"unwanted").await.unwrap();
    let refused = accepted.reader.read(&mut |_: &[u8]| Err("no")).await;
    assert!(matches!(refused, Err(ReadError::Sink("no"))));
    let again = accepted
        .reader
        .read(&mut |_: &[u8]| Err("never asked"))
        .await;
    assert!(matches!(again, Err(ReadError::Failed)));
    assert!(accepted.writer.write(b"x").await.is_err());
}
