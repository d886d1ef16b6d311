//! Encrypted streams as their users see them.

use std::convert::Infallible;

use fairhaul::identity::Identity;
use fairhaul::transport::{Endpoint, Reader, Secure};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};

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
        .map(|at| ((at * 31 + seed) % 251) as u8)
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
