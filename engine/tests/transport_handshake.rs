//! Handshakes and greetings, honest and hostile.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use fairhaul::identity::{Identity, PublicKey};
use fairhaul::transport::{
    DEADLINE, Endpoint, FIRST_FLIGHT, GREETING_BYTES, GreetError, PROTOCOL, Secure, TransportError,
    greet_as_dialler,
};
use fairhaul_core::wire::handshake::{Hello, Refusal, RefusalCode, VERSION, Welcome};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex,
};
use tokio::time::Instant;

mod transport_rogue;
use transport_rogue::{Rogue, acceptor_with, certificates, dialler_with};

const SOCKET: usize = 1 << 20;

fn endpoint() -> Endpoint {
    Endpoint::new(&Identity::generate().unwrap()).unwrap()
}

fn welcome() -> Welcome {
    Welcome {
        version: VERSION,
        name: "far".into(),
    }
}

fn anybody(_: &PublicKey, _: &Hello) -> Result<Welcome, Refusal> {
    Ok(welcome())
}

/// A stream that remembers what was written to it.
struct Recorded {
    stream: DuplexStream,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Recorded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written)) = written {
            self.sent
                .lock()
                .unwrap()
                .extend_from_slice(&bytes[..written]);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The types and lengths of the records in `bytes`.
fn records(mut bytes: &[u8]) -> Vec<(u8, usize)> {
    let mut found = Vec::new();
    while let [kind, _, _, high, low, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        found.push((*kind, length));
        bytes = rest.get(length..).expect("whole records");
    }
    found
}

async fn text<S: AsyncRead + AsyncWrite>(secure: &mut Secure<S>) -> String {
    let mut bytes = Vec::new();
    let mut sink = |run: &[u8]| {
        bytes.extend_from_slice(run);
        Ok::<_, Infallible>(())
    };
    secure.reader.read(&mut sink).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

/// The other side may speak right after the greeting, and nothing of it is lost.
#[tokio::test]
async fn two_nodes_greet_each_other_and_go_on() {
    let (near, far) = (endpoint(), endpoint());
    let (dialled, accepted) = duplex(SOCKET);
    let hello = near.hello("near", Some(7440));
    let accept = async {
        let (mut secure, heard) = far.welcome(accepted, DEADLINE, anybody).await.unwrap();
        assert_eq!(heard, hello);
        assert_eq!(secure.peer, near.public());
        secure.writer.write(b"right behind").await.unwrap();
        secure
    };
    let dial = async {
        let called = near.call(dialled, far.public(), &hello, DEADLINE).await;
        let (mut secure, answer) = called.unwrap();
        assert_eq!(answer, welcome());
        assert_eq!(secure.peer, far.public());
        assert_eq!(text(&mut secure).await, "right behind");
        secure.writer.write(b"and back").await.unwrap();
        secure
    };
    let (mut accepted, _dialled) = tokio::join!(accept, dial);
    assert_eq!(text(&mut accepted).await, "and back");
}

/// Bytes that come in one piece with the Hello, and with the end of the handshake.
#[tokio::test]
async fn what_comes_with_a_hello_is_kept() {
    let (near, far) = (endpoint(), endpoint());
    let (dialled, accepted) = duplex(SOCKET);
    let mut accepted = std::pin::pin!(far.welcome(accepted, DEADLINE, anybody));
    let mut dialled = tokio::select! {
        dialled = near.dial(dialled, far.public()) => dialled.unwrap(),
        _ = &mut accepted => panic!("there was no Hello yet"),
    };
    let mut hello = Vec::new();
    let greeting = fairhaul_core::wire::handshake::Greeting::Hello(near.hello("", None));
    fairhaul_core::wire::handshake::encode(&greeting, &mut hello);
    hello.extend(b"right behind");
    dialled.writer.write(&hello).await.unwrap();
    let (mut accepted, _) = accepted.await.unwrap();
    assert_eq!(text(&mut accepted).await, "right behind");
}

/// Register: H1. The dialler sends its ClientHello, the empty record that old middle boxes want,
/// and an alert: neither a byte of ours nor our key.
#[tokio::test]
async fn another_key_than_the_dialled_one_is_sent_nothing() {
    let (near, far, expected) = (endpoint(), endpoint(), endpoint().public());
    let (dialled, accepted) = duplex(SOCKET);
    let sent = Arc::new(Mutex::new(Vec::new()));
    let dialled = Recorded {
        stream: dialled,
        sent: Arc::clone(&sent),
    };
    let hello = near.hello("near", None);
    let (called, accepted) = tokio::join!(
        near.call(dialled, expected, &hello, DEADLINE),
        far.welcome(accepted, DEADLINE, |_, _| panic!("it said nothing")),
    );
    let error = called.err().unwrap();
    let line = error.to_string();
    let GreetError::Transport(TransportError::WrongKey { expected: e, got }) = error else {
        panic!("{line}");
    };
    assert_eq!((e, got), (expected, far.public()));
    assert!(
        line.contains(&expected.to_string()) && line.contains(&got.to_string()),
        "{line}"
    );
    assert!(accepted.is_err());
    let sent = records(&sent.lock().unwrap());
    assert_eq!((sent.len(), sent[0].0), (3, 22), "{sent:?}");
    // An alert of two bytes, its type and its tag.
    assert_eq!(sent[1..], [(20, 1), (23, 2 + 1 + 16)]);
}

/// Register: H2. Byte for byte as long, and the same words.
#[tokio::test]
async fn who_is_unknown_is_told_the_same_as_who_has_no_right() {
    let mut told = Vec::new();
    for _why in ["unknown", "no right"] {
        let (near, far) = (endpoint(), endpoint());
        let (dialled, accepted) = duplex(SOCKET);
        let sent = Arc::new(Mutex::new(Vec::new()));
        let accepted = Recorded {
            stream: accepted,
            sent: Arc::clone(&sent),
        };
        let hello = near.hello("near", None);
        let judge = |_: &PublicKey, _: &Hello| Err(Refusal::new(RefusalCode::NotWelcome));
        let (called, refused) = tokio::join!(
            near.call(dialled, far.public(), &hello, DEADLINE),
            far.welcome(accepted, DEADLINE, judge),
        );
        let GreetError::Refused(refusal) = called.err().unwrap() else {
            panic!("not refused");
        };
        let error = refused.err().unwrap();
        assert!(matches!(&error, GreetError::Refuses { peer, .. } if *peer == near.public()));
        told.push((refusal, records(&sent.lock().unwrap())));
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0].0.code, RefusalCode::NotWelcome);
}

/// Register: H3, H4, H5. What rogues offer as diallers; none gets to a greeting.
#[tokio::test]
async fn a_caller_without_a_raw_ed25519_key_or_the_protocol_is_refused() {
    let mut rogues = vec![
        ("no key", Rogue::honest().nameless()),
        ("no protocol", Rogue::honest().protocols(&[])),
        ("another protocol", Rogue::honest().protocols(&[b"h2"])),
        (
            "another version",
            Rogue::honest().protocols(&[b"fairhaul/2"]),
        ),
    ];
    for (name, certificate) in certificates() {
        rogues.push((name, Rogue::honest().certificate(certificate.clone())));
        rogues.push((name, Rogue::honest().in_place_of_a_raw_key(certificate)));
    }
    assert!(rogues.len() >= 10);
    for (name, rogue) in rogues {
        let far = endpoint();
        let (dialled, accepted) = duplex(SOCKET);
        let (refused, _) = tokio::join!(
            far.welcome(accepted, DEADLINE, |_, _| panic!("{name} got in")),
            dialler_with(rogue, dialled),
        );
        let error = refused.err().unwrap();
        assert!(matches!(error, GreetError::Transport(_)), "{name}: {error}");
    }
}

/// Register: H4, H5.
#[tokio::test]
async fn an_answer_without_a_raw_ed25519_key_or_the_protocol_is_refused() {
    let mut rogues = vec![
        ("no protocol", Rogue::honest().protocols(&[])),
        ("another protocol", Rogue::honest().protocols(&[b"h2"])),
    ];
    for (name, certificate) in certificates() {
        rogues.push((name, Rogue::honest().certificate(certificate.clone())));
        rogues.push((name, Rogue::honest().in_place_of_a_raw_key(certificate)));
    }
    for (name, rogue) in rogues {
        let near = endpoint();
        let expected = rogue.public();
        let (dialled, accepted) = duplex(SOCKET);
        let hello = near.hello("near", None);
        let (called, _) = tokio::join!(
            near.call(dialled, expected, &hello, DEADLINE),
            acceptor_with(rogue, accepted),
        );
        let error = called.err().unwrap();
        assert!(matches!(error, GreetError::Transport(_)), "{name}: {error}");
    }
}

/// Register: H6.
#[tokio::test]
async fn there_is_nothing_to_resume_and_no_early_data() {
    let far = endpoint();
    let rogue = Rogue::honest();
    for _ in 0..2 {
        let (dialled, accepted) = duplex(SOCKET);
        let (accepted, dialled) =
            tokio::join!(far.accept(accepted), dialler_with(rogue.clone(), dialled));
        let (mut accepted, mut dialled) = (accepted.unwrap(), dialled.unwrap());
        // Tickets would come before the first bytes.
        accepted.writer.write(b"x").await.unwrap();
        dialled.read_exact(&mut [0]).await.unwrap();
        let (_, connection) = dialled.get_ref();
        assert_eq!(connection.tls13_tickets_received(), 0);
        assert_eq!(
            connection.handshake_kind(),
            Some(rustls::HandshakeKind::Full)
        );
        assert!(!connection.is_early_data_accepted());
    }
}

/// Register: H6. A recorded session, byte for byte.
#[tokio::test]
async fn a_session_cannot_be_played_again() {
    let (near, far) = (endpoint(), endpoint());
    let (dialled, accepted) = duplex(SOCKET);
    let sent = Arc::new(Mutex::new(Vec::new()));
    let dialled = Recorded {
        stream: dialled,
        sent: Arc::clone(&sent),
    };
    let hello = near.hello("near", None);
    let (called, welcomed) = tokio::join!(
        near.call(dialled, far.public(), &hello, DEADLINE),
        far.welcome(accepted, DEADLINE, anybody),
    );
    assert!(called.is_ok() && welcomed.is_ok());
    let recording = sent.lock().unwrap().clone();
    let (mut replayed, accepted) = duplex(SOCKET);
    replayed.write_all(&recording).await.unwrap();
    let refused = far
        .welcome(accepted, DEADLINE, |_, _| panic!("replayed"))
        .await;
    assert!(matches!(
        refused.err().unwrap(),
        GreetError::Transport(TransportError::Tls(_))
    ));
}

/// Register: H7.
#[tokio::test]
async fn a_hello_with_another_key_is_a_lie_that_nobody_judges() {
    let (near, far, other) = (endpoint(), endpoint(), endpoint());
    let (dialled, accepted) = duplex(SOCKET);
    let lie = other.hello("near", None);
    let (called, refused) = tokio::join!(
        near.call(dialled, far.public(), &lie, DEADLINE),
        far.welcome(accepted, DEADLINE, |_, _| panic!("judged")),
    );
    let GreetError::Refused(refusal) = called.err().unwrap() else {
        panic!("not refused");
    };
    assert_eq!(refusal.code, RefusalCode::WrongKey);
    let GreetError::FalseKey { proved, claimed } = refused.err().unwrap() else {
        panic!("not a lie");
    };
    assert_eq!(proved, near.public());
    assert_eq!(claimed, *other.public().as_bytes());
}

/// Register: H11. A proxy with a key of its own, between two honest nodes.
#[tokio::test]
async fn a_proxy_that_ends_the_encryption_gets_nothing() {
    let (near, far, proxy) = (endpoint(), endpoint(), endpoint());
    let (dialled, proxied) = duplex(SOCKET);
    let hello = near.hello("near", None);
    let (called, relayed) = tokio::join!(
        near.call(dialled, far.public(), &hello, DEADLINE),
        proxy.accept(proxied),
    );
    let error = called.err().unwrap();
    assert!(
        matches!(&error, GreetError::Transport(TransportError::WrongKey { got, .. })
            if *got == proxy.public()),
        "{error}"
    );
    assert!(relayed.is_err());
    // Towards the other side it has no key but its own either.
    let (relayed, accepted) = duplex(SOCKET);
    let allowed = near.public();
    let judge = |peer: &PublicKey, _: &Hello| {
        assert_eq!(*peer, proxy.public());
        let fine = *peer == allowed;
        fine.then(welcome)
            .ok_or_else(|| Refusal::new(RefusalCode::NotWelcome))
    };
    let own = proxy.hello("near", None);
    let (called, refused) = tokio::join!(
        proxy.call(relayed, far.public(), &own, DEADLINE),
        far.welcome(accepted, DEADLINE, judge),
    );
    assert!(matches!(called.err().unwrap(), GreetError::Refused(_)));
    assert!(matches!(refused.err().unwrap(), GreetError::Refuses { .. }));
}

/// A hello of TLS 1.2 with one cipher, and none of the extensions of 1.3.
fn tls12() -> Vec<u8> {
    let body = [&[3, 3][..], &[7; 32], &[0, 0, 2, 0xc0, 0x2f, 1, 0]].concat();
    let length = u8::try_from(body.len()).unwrap();
    [&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &body].concat()
}

/// Register: H5, W12. The socket is closed at once, or when the bytes end.
#[tokio::test(start_paused = true)]
async fn other_protocols_are_refused() {
    for (name, bytes) in [
        ("TLS 1.2", tls12()),
        ("HTTP", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        ("SSH", b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()),
        ("zeros", vec![0; 4_096]),
        ("ones", vec![0xff; 4_096]),
        ("plain Hello", vec![60, 0, 0, 0, 64, 1, 0, 7]),
    ] {
        let start = Instant::now();
        let (mut dialled, accepted) = duplex(SOCKET);
        dialled.write_all(&bytes).await.unwrap();
        let refused = endpoint()
            .welcome(accepted, DEADLINE, |_, _| panic!("{name}"))
            .await;
        let error = refused.err().unwrap();
        assert!(
            matches!(error, GreetError::Transport(TransportError::Tls(_))),
            "{name}: {error}"
        );
        assert_eq!(start.elapsed(), Duration::ZERO, "{name}");
        let mut answer = Vec::new();
        dialled.read_to_end(&mut answer).await.unwrap();
        // Nothing but an alert in the clear.
        assert!(
            records(&answer).iter().all(|record| *record == (21, 2)),
            "{name}: {answer:?}"
        );
    }
}

/// Register: W12, W4. After an honest handshake; the caller is told what was wrong.
#[tokio::test]
async fn garbage_instead_of_a_greeting_is_refused_in_words() {
    let other = (VERSION + 1).to_le_bytes();
    let version = [&[7, 0, 0, 0, 64][..], &other, b"zzzz"].concat();
    for (bytes, code) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], RefusalCode::BadGreeting),
        (b"SSH-2.0-OpenSSH_9.9\r\n", RefusalCode::BadGreeting),
        (&[0; 64], RefusalCode::BadGreeting),
        (&[0xff; 64], RefusalCode::BadGreeting),
        (&version, RefusalCode::Version),
    ] {
        let (near, far) = (endpoint(), endpoint());
        let (dialled, accepted) = duplex(SOCKET);
        let dial = async {
            let mut secure = near.dial(dialled, far.public()).await.unwrap();
            secure.writer.write(bytes).await.unwrap();
            greet_as_dialler(&mut secure, &near.hello("near", None)).await
        };
        let (told, refused) = tokio::join!(
            dial,
            far.welcome(accepted, DEADLINE, |_, _| panic!("judged"))
        );
        assert!(matches!(refused.err().unwrap(), GreetError::Bad(_)));
        let GreetError::Refused(refusal) = told.err().unwrap() else {
            panic!("not refused");
        };
        assert_eq!(refusal.code, code);
    }
}

/// Register: L2, H15. Silence, and one byte a second of what begins well.
#[tokio::test(start_paused = true)]
async fn a_first_message_that_takes_too_long_ends_the_handshake() {
    let hello = [&[22, 3, 1, 2, 0, 1, 0, 1, 252][..], &[3; 500]].concat();
    for drip in [&[][..], &hello] {
        let start = Instant::now();
        let (mut dialled, accepted) = duplex(SOCKET);
        let drip = drip.to_vec();
        let slow = tokio::spawn(async move {
            for byte in drip {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if dialled.write_all(&[byte]).await.is_err() {
                    break;
                }
            }
            std::future::pending::<()>().await;
        });
        let refused = endpoint().welcome(accepted, DEADLINE, anybody).await;
        assert!(matches!(
            refused.err().unwrap(),
            GreetError::Transport(TransportError::Late(FIRST_FLIGHT))
        ));
        assert_eq!(start.elapsed(), FIRST_FLIGHT);
        slow.abort();
    }
    let start = Instant::now();
    let (dialled, _accepted) = duplex(SOCKET);
    let near = endpoint();
    let hello = near.hello("near", None);
    let refused = near
        .call(dialled, endpoint().public(), &hello, DEADLINE)
        .await;
    assert!(matches!(refused.err().unwrap(), GreetError::Deadline(_)));
    assert_eq!(start.elapsed(), DEADLINE);
}

/// Register: L2. The handshake was honest and quick, and then nothing came.
#[tokio::test(start_paused = true)]
async fn a_caller_that_never_greets_ends_at_the_deadline() {
    let (near, far) = (endpoint(), endpoint());
    let (dialled, accepted) = duplex(SOCKET);
    let start = Instant::now();
    let dial = async {
        let secure = near.dial(dialled, far.public()).await.unwrap();
        tokio::time::sleep(2 * DEADLINE).await;
        drop(secure);
    };
    let accept = async {
        let refused = far.welcome(accepted, DEADLINE, anybody).await;
        assert!(matches!(refused.err().unwrap(), GreetError::Deadline(_)));
        assert_eq!(start.elapsed(), DEADLINE);
    };
    tokio::join!(dial, accept);
}

/// Register: H15, L2. A first message of 64 KiB, in one record after the other: never more of it
/// is taken than is allowed.
#[tokio::test]
async fn a_huge_first_message_is_refused_after_what_is_allowed() {
    let (dialled, accepted) = duplex(SOCKET);
    let mut huge = vec![1, 0, 0xff, 0xff, 3, 3];
    huge.resize(64 * 1024, 0x20);
    let (mut read, mut write) = tokio::io::split(dialled);
    for part in huge.chunks(4_000) {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        write
            .write_all(&[22, 3, 1, length[0], length[1]])
            .await
            .unwrap();
        write.write_all(part).await.unwrap();
    }
    let refused = endpoint().welcome(accepted, DEADLINE, anybody).await;
    let error = refused.err().unwrap();
    let TransportError::TooMuch(bytes) = (match error {
        GreetError::Transport(error) => error,
        error => panic!("{error}"),
    }) else {
        panic!("not too much");
    };
    assert_eq!(bytes, GREETING_BYTES);
    assert_eq!(read.read(&mut [0; 64]).await.unwrap(), 0);
}

/// Register: L2. The same bound holds after the handshake.
#[tokio::test]
async fn a_greeting_never_takes_more_bytes_than_are_allowed() {
    let (near, far) = (endpoint(), endpoint());
    let (dialled, accepted) = duplex(SOCKET);
    // Empty records carry nothing, and are no greeting that could be refused.
    let dial = async {
        let mut secure = near.dial(dialled, far.public()).await.unwrap();
        // A length of 1,020, and then a byte less than that, one record each.
        let begun = [&[0xfc, 3, 0, 0, 64, 1, 0][..], &[0; 1_016]].concat();
        for byte in begun {
            if secure.writer.write(&[byte]).await.is_err() {
                break;
            }
        }
        let _ = secure.writer.flush().await;
        secure
    };
    let (refused, _dialled) = tokio::join!(far.welcome(accepted, DEADLINE, anybody), dial);
    let error = refused.err().unwrap();
    assert!(
        matches!(&error, GreetError::Read(read) if read.to_string().contains("16384")),
        "{error}"
    );
}

/// Register: H15. Cut at every tenth byte of the handshake, and after a close in the middle.
#[tokio::test]
async fn a_handshake_that_ends_early_is_an_error_at_every_byte() {
    let (near, far) = (endpoint(), endpoint());
    let (dialled, accepted) = duplex(SOCKET);
    let sent = Arc::new(Mutex::new(Vec::new()));
    let dialled = Recorded {
        stream: dialled,
        sent: Arc::clone(&sent),
    };
    let (dialled, accepted) = tokio::join!(near.dial(dialled, far.public()), far.accept(accepted));
    assert!(dialled.is_ok() && accepted.is_ok());
    let first = records(&sent.lock().unwrap())[0].1 + 5;
    let hello = sent.lock().unwrap()[..first].to_vec();
    let close_notify = [21, 3, 3, 0, 2, 1, 0];
    for end in (0..=first).step_by(10).chain([first]) {
        for closes in [false, true] {
            let (mut dialled, accepted) = duplex(SOCKET);
            dialled.write_all(&hello[..end]).await.unwrap();
            if closes {
                dialled.write_all(&close_notify).await.unwrap();
            }
            dialled.shutdown().await.unwrap();
            let refused = far.welcome(accepted, DEADLINE, anybody).await;
            let error = refused.err().unwrap();
            assert!(matches!(error, GreetError::Transport(_)), "{end}: {error}");
        }
    }
    assert_eq!(PROTOCOL, b"fairhaul/1");
}
