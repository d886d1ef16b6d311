//! Encrypted streams between identities: TLS 1.3 with known raw public keys, and nothing else.
//!
//! A dialler names the key that it expects and sends nothing to any other. An acceptor learns
//! the key of the caller, and whoever holds it has proved it; whether it is welcome is judged
//! with the caller's greeting, and said under encryption.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::{Instant, timeout_at};

use crate::identity::{Identity, PublicKey, PublicKeyError};
use stream::{Incoming, halves};
use tls::{Configs, Outgoing, RecordError, Standing, Tls};
use verify::WrongKey;

pub use greeting::{DEADLINE, FIRST_FLIGHT, GreetError, greet_as_acceptor, greet_as_dialler};
pub use stream::{ReadError, Reader, Writer};
pub use tls::PROTOCOL;

mod greeting;
mod stream;
mod tls;
mod verify;

/// Bytes that a peer may send before it is welcome (limit L2).
pub const GREETING_BYTES: usize = 16 * 1024;

/// Why there is no stream.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// Another key answered (H1).
    #[error("the peer has key {got}, expected was {expected}")]
    WrongKey {
        /// The key that was dialled.
        expected: PublicKey,
        /// The key that the answer was signed with.
        got: PublicKey,
    },
    /// The peer's key proves nothing (H10).
    #[error("handshake: {0}")]
    WeakKey(PublicKeyError),
    /// The handshake failed.
    #[error("handshake: {0}")]
    Tls(rustls::Error),
    /// The peer speaks something else, or does not say what.
    #[error("the peer does not name the protocol fairhaul/1")]
    Protocol,
    /// The socket failed.
    #[error("handshake: {0}")]
    Io(#[from] io::Error),
    /// The peer ended the stream before it was one.
    #[error("the peer hung up in the handshake")]
    HungUp,
    /// The first flight of a caller did not come in time.
    #[error("no ClientHello within {0:?}")]
    Late(Duration),
    /// The handshake is longer than any honest one.
    #[error("more than {0} bytes of handshake")]
    TooMuch(usize),
}

/// What streams are made from: one identity, and what is switched off. Cheap to clone.
#[derive(Clone)]
pub struct Endpoint {
    configs: Arc<Configs>,
    /// Bytes of a stream's buffer in each direction.
    buffer: usize,
}

/// A stream to a peer whose key is proved.
pub struct Secure<S> {
    /// The key.
    pub peer: PublicKey,
    /// What comes from it.
    pub reader: Reader<S>,
    /// What goes to it.
    pub writer: Writer<S>,
}

impl Endpoint {
    /// For the streams of `identity`.
    ///
    /// # Errors
    ///
    /// If the cryptographic library refuses the key, which it does to no key of ours.
    pub fn new(identity: &Identity) -> Result<Self, TransportError> {
        let configs = Configs::new(identity).map_err(TransportError::Tls)?;
        let configs = Arc::new(configs);
        let buffer = stream::BUFFER;
        Ok(Self { configs, buffer })
    }

    /// The same with buffers of so many bytes, in each direction of each stream, where memory is
    /// short: 32 KiB and what two records add to that at least.
    #[must_use]
    pub(crate) fn with_buffers(self, bytes: u64) -> Self {
        let bytes = usize::try_from(bytes).unwrap_or(stream::BUFFER);
        let buffer = bytes.clamp(stream::BUFFER_MIN, stream::BUFFER);
        Self { buffer, ..self }
    }

    /// The key that peers see.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.configs.own()
    }

    /// Makes a stream to the owner of `expected`. No other key is sent a byte of ours, nor our key.
    /// There is no deadline: see [`Endpoint::call`].
    ///
    /// # Errors
    ///
    /// If another key answers, or the answer is no such handshake.
    pub async fn dial<S>(&self, stream: S, expected: PublicKey) -> Result<Secure<S>, TransportError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut secure = self.meet(stream, Some(expected), None).await?;
        secure.reader.unbound();
        Ok(secure)
    }

    /// Makes a stream to a caller, with the key that it has proved. There is no deadline: see
    /// [`Endpoint::welcome`].
    ///
    /// # Errors
    ///
    /// If the caller proves no key, or speaks anything else.
    pub async fn accept<S>(&self, stream: S) -> Result<Secure<S>, TransportError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let mut secure = self.meet(stream, None, None).await?;
        secure.reader.unbound();
        Ok(secure)
    }

    /// The handshake of a dialler that expects a key, or of an acceptor, which may wait only so
    /// long for the first flight. Of what the peer sends, [`GREETING_BYTES`] are taken until the
    /// reader is told otherwise.
    async fn meet<S>(
        &self,
        stream: S,
        expected: Option<PublicKey>,
        first: Option<Duration>,
    ) -> Result<Secure<S>, TransportError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let tls = match expected {
            Some(expected) => self.configs.dial(expected),
            None => self.configs.accept(),
        };
        let tls = tls.map_err(TransportError::Tls)?;
        handshake(stream, tls, first, self.buffer).await
    }
}

/// Runs the handshake to its end, or to the first fault, which the peer is told.
async fn handshake<S>(
    stream: S,
    mut tls: Tls,
    first: Option<Duration>,
    buffer: usize,
) -> Result<Secure<S>, TransportError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let begun = Instant::now();
    let (mut read, mut write) = tokio::io::split(stream);
    let mut incoming = Incoming::bounded(GREETING_BYTES, buffer);
    let mut out = Outgoing::default();
    let mut left = Vec::new();
    let mut written = 0;
    let standing = loop {
        let taken = tls.take(incoming.unused(), &mut out, &mut |bytes: &[u8]| {
            // The first bytes of a caller come together with the end of its handshake.
            left.extend_from_slice(bytes);
            Ok::<_, Infallible>(())
        });
        if let Ok((used, Standing::Handshake)) = taken {
            incoming.used(used);
            let unheard = written == 0 && out.waiting().is_empty();
            let exchange = exchange(&mut read, &mut incoming, &mut write, &mut out);
            written += match first.filter(|_| unheard) {
                // An acceptor has nothing to say before it has heard all of the first flight.
                Some(first) => timeout_at(begun + first, exchange)
                    .await
                    .map_err(|_| TransportError::Late(first))??,
                None => exchange.await?,
            };
            continue;
        }
        // The last words of either side wait for no answer.
        written += send(&mut write, &mut out).await?;
        let (used, standing) = taken.map_err(because)?;
        incoming.used(used);
        if tls.common().is_handshaking() {
            return Err(TransportError::HungUp);
        }
        break standing;
    };
    let peer = judged(&tls)?;
    let closed = standing == Standing::PeerClosed;
    let (reader, writer) = halves((read, write), tls, incoming, left, closed, written);
    Ok(Secure {
        peer,
        reader,
        writer,
    })
}

/// Waits until something has come, or some of `out` has gone. Never for one of them alone: a
/// peer that is still sending may not read before it is done. Returns how many bytes went.
async fn exchange<S>(
    read: &mut ReadHalf<S>,
    incoming: &mut Incoming,
    write: &mut WriteHalf<S>,
    out: &mut Outgoing,
) -> Result<u64, TransportError>
where
    S: AsyncRead + AsyncWrite,
{
    let waiting = !out.waiting().is_empty();
    tokio::select! {
        filled = incoming.fill::<Infallible>(read) => {
            filled.map_err(cut)?.ok_or(TransportError::HungUp)?;
            Ok(0)
        }
        sent = write.write(out.waiting()), if waiting => {
            let bytes = sent?;
            if bytes == 0 {
                return Err(TransportError::HungUp);
            }
            out.written(bytes);
            write.flush().await?;
            Ok(bytes as u64)
        }
    }
}

/// Sends all of `out`; how many bytes that was.
async fn send<S>(write: &mut WriteHalf<S>, out: &mut Outgoing) -> io::Result<u64>
where
    S: AsyncRead + AsyncWrite,
{
    let bytes = out.waiting().len();
    if bytes > 0 {
        write.write_all(out.waiting()).await?;
        write.flush().await?;
        out.written(bytes);
    }
    Ok(bytes as u64)
}

/// The peer's key, if both sides named the protocol.
fn judged(tls: &Tls) -> Result<PublicKey, TransportError> {
    let common = tls.common();
    // A side that names none is not refused by the handshake itself.
    if common.alpn_protocol() != Some(PROTOCOL) {
        return Err(TransportError::Protocol);
    }
    match common.peer_certificates() {
        Some([spki]) => verify::key_in(spki).map_err(TransportError::Tls),
        _ => Err(TransportError::Tls(rustls::Error::NoCertificatesPresented)),
    }
}

fn because(error: RecordError<Infallible>) -> TransportError {
    let RecordError::Tls(error) = error;
    if let rustls::Error::InvalidCertificate(rustls::CertificateError::Other(why)) = &error {
        if let Some(WrongKey { expected, got }) = why.0.downcast_ref().copied() {
            return TransportError::WrongKey { expected, got };
        }
        if let Some(why) = why.0.downcast_ref().copied() {
            return TransportError::WeakKey(why);
        }
    }
    TransportError::Tls(error)
}

fn cut(error: ReadError<Infallible>) -> TransportError {
    match error {
        ReadError::Io(error) => TransportError::Io(error),
        ReadError::Tls(error) => TransportError::Tls(error),
        ReadError::TooMuch(bytes) => TransportError::TooMuch(bytes),
        ReadError::Truncated | ReadError::Failed => TransportError::HungUp,
        ReadError::Sink(never) => match never {},
    }
}
