//! The two halves of an encrypted stream: bytes to records in large buffers that are reused.
//!
//! A stream that ends without a closing alert is an error. Both halves share the state of the
//! protocol behind a lock that is never held while a socket is waited for. Both are to be used from
//! one task each, at the same time or not.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

use super::tls::{Outgoing, RecordError, Standing, Tls};

/// Bytes that are received at once, and as many that are encrypted at once and then sent with as
/// few calls as the socket allows, where memory is not short. They bound the memory of a stream.
pub(super) const BUFFER: usize = 256 * 1024;
/// Bytes of the largest record (RFC 8446, section 5.2). No buffer may be smaller.
const RECORD_MAX: usize = 5 + 16 * 1024 + 256;

/// The least of such a buffer.
pub(super) const BUFFER_MIN: usize = 2 * RECORD_MAX;

const _: () = assert!(BUFFER >= BUFFER_MIN);

/// Why bytes cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError<E> {
    /// The socket failed.
    #[error("reading from the peer: {0}")]
    Io(#[from] io::Error),
    /// The peer broke the encryption or its protocol.
    #[error("encryption: {0}")]
    Tls(#[from] rustls::Error),
    /// The stream ended without a closing alert: the peer is gone, or the connection was cut.
    #[error("the stream was cut off")]
    Truncated,
    /// More bytes than are allowed before the peer is known.
    #[error("more than the {0} bytes that are allowed before the first answer")]
    TooMuch(usize),
    /// An earlier fault of the stream, or of the other half of it.
    #[error("the stream has failed before")]
    Failed,
    /// Who takes the bytes refuses them.
    #[error("{0}")]
    Sink(E),
}

/// The protocol's state, of which each half needs a part.
pub(super) struct State {
    pub(super) tls: Tls,
    /// What the reader must answer, for the writer to send before anything else.
    pub(super) answers: Outgoing,
    /// Set when the stream has no meaning from here on.
    pub(super) failed: bool,
}

type Shared = Arc<Mutex<State>>;

/// A panic under the lock leaves the state in pieces: the stream has failed then.
fn lock(state: &Shared) -> Option<MutexGuard<'_, State>> {
    state.lock().ok().filter(|state| !state.failed)
}

/// Bytes that came and were not taken yet.
pub(super) struct Incoming {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes that are received at once.
    most: usize,
    /// Bytes that may still come, and how many were allowed; none if there is no bound.
    allowance: Option<(usize, usize)>,
}

impl Incoming {
    /// A small one, for so many bytes in all until [`Incoming::unbound`].
    /// After that `most` bytes are received at once.
    pub(super) fn bounded(bytes: usize, most: usize) -> Self {
        Self {
            most,
            bytes: Vec::new(),
            start: 0,
            end: 0,
            allowance: Some((bytes, bytes)),
        }
    }

    pub(super) const fn unbound(&mut self) {
        self.allowance = None;
    }

    pub(super) fn unused(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    pub(super) const fn used(&mut self, bytes: usize) {
        self.start += bytes;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Asks the socket once. None at its end, else how many bytes came. Nothing is lost if the
    /// future is dropped.
    pub(super) async fn fill<E>(
        &mut self,
        io: &mut (impl AsyncRead + Unpin),
    ) -> Result<Option<usize>, ReadError<E>> {
        let most = match self.allowance {
            Some((0, all)) => return Err(ReadError::TooMuch(all)),
            Some((left, _)) => left,
            None => self.most,
        };
        let whole = self.most;
        if self.bytes.len() < whole && self.allowance.is_none() {
            self.bytes.resize(whole, 0);
        } else if self.bytes.len() < self.end + most && self.bytes.len() < whole {
            self.bytes.resize((self.end + most).min(whole), 0);
        }
        if self.bytes.len() - self.end < RECORD_MAX && self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let room = &mut self.bytes[self.end..];
        let most = most.min(room.len());
        let got = io.read(&mut room[..most]).await?;
        self.end += got;
        if let Some((left, _)) = &mut self.allowance {
            *left -= got;
        }
        Ok((got > 0).then_some(got))
    }
}

/// The half that receives.
pub struct Reader<S> {
    io: ReadHalf<S>,
    state: Shared,
    incoming: Incoming,
    /// Decrypted bytes that were not read yet.
    left: Vec<u8>,
    closed: bool,
}

impl<S: AsyncRead + AsyncWrite> Reader<S> {
    /// Waits for bytes, then gives `sink` every decrypted run of bytes that is there, in order.
    /// A run is at most 16 KiB but for the first; `false` says that the peer has ended the
    /// stream in good order. Nothing is lost if the future is dropped while it waits.
    ///
    /// `sink` runs under the lock that the writer needs too: it should copy or hash, not wait.
    ///
    /// # Errors
    ///
    /// If the stream is cut or broken, or `sink` refuses, whose run is gone then.
    pub async fn read<E>(
        &mut self,
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<bool, ReadError<E>> {
        if !self.left.is_empty() {
            let left = std::mem::take(&mut self.left);
            sink(&left).map_err(ReadError::Sink)?;
            return Ok(true);
        }
        loop {
            if self.take(sink)? {
                return Ok(true);
            }
            if self.closed {
                return Ok(false);
            }
            if self.incoming.fill(&mut self.io).await?.is_none() {
                return Err(ReadError::Truncated);
            }
        }
    }

    /// Puts back bytes that were given to a sink but belong to the next one.
    pub(super) fn put_back(&mut self, bytes: &[u8]) {
        self.left.splice(..0, bytes.iter().copied());
    }

    /// From here on as many bytes may come as do.
    pub(super) const fn unbound(&mut self) {
        self.incoming.unbound();
    }

    /// Gives `sink` what is in the records that are there; whether that was anything.
    fn take<E>(
        &mut self,
        sink: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<bool, ReadError<E>> {
        let mut state = lock(&self.state).ok_or(ReadError::Failed)?;
        let State { tls, answers, .. } = &mut *state;
        let mut any = false;
        let mut counted = |bytes: &[u8]| {
            any |= !bytes.is_empty();
            sink(bytes)
        };
        match tls.take(self.incoming.unused(), answers, &mut counted) {
            Ok((used, standing)) => {
                self.incoming.used(used);
                // Said once only.
                self.closed |= standing == Standing::PeerClosed;
                Ok(any)
            }
            Err(error) => {
                state.failed = true;
                Err(match error {
                    RecordError::Tls(error) => ReadError::Tls(error),
                    RecordError::Sink(error) => ReadError::Sink(error),
                })
            }
        }
    }
}

/// The half that sends.
pub struct Writer<S> {
    io: WriteHalf<S>,
    state: Shared,
    out: Outgoing,
    /// Bytes that are encrypted at once.
    most: usize,
    written: u64,
}

impl<S: AsyncRead + AsyncWrite> Writer<S> {
    /// Encrypts `bytes`, as many as there are, and hands them to the socket. If the future is
    /// dropped, some of `bytes` may be sent: nothing but [`Writer::close`] makes sense then.
    ///
    /// # Errors
    ///
    /// If the socket or the other half has failed.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        for part in bytes.chunks(self.most) {
            self.send().await?;
            self.seal(part)?;
            self.send().await?;
        }
        Ok(())
    }

    /// Sees to it that everything written is on its way.
    ///
    /// # Errors
    ///
    /// If the socket has failed.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.send().await?;
        self.io.flush().await
    }

    /// Says that nothing more is sent, and ends the stream in this direction.
    ///
    /// # Errors
    ///
    /// If the socket has failed.
    pub async fn close(&mut self) -> io::Result<()> {
        self.send().await?;
        self.seal_end()?;
        self.send().await?;
        self.io.shutdown().await
    }

    /// Bytes that were put on the socket, with everything that the encryption adds.
    #[must_use]
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// Encrypts `part`, after what the reader has to answer.
    fn seal(&mut self, part: &[u8]) -> io::Result<()> {
        let mut state = lock(&self.state).ok_or_else(failed)?;
        self.out.append(&mut state.answers);
        let sealed = state.tls.seal(part, &mut self.out);
        state.failed |= sealed.is_err();
        sealed.map_err(io::Error::other)
    }

    /// The end of the stream; after a fault, the alert that was made then is all there is to say.
    fn seal_end(&mut self) -> io::Result<()> {
        let mut state = self.state.lock().map_err(|_| failed())?;
        self.out.append(&mut state.answers);
        if state.failed {
            return Ok(());
        }
        state.tls.seal_end(&mut self.out).map_err(io::Error::other)
    }

    async fn send(&mut self) -> io::Result<()> {
        while !self.out.waiting().is_empty() {
            let bytes = self.io.write(self.out.waiting()).await?;
            if bytes == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            self.out.written(bytes);
            self.written += bytes as u64;
        }
        Ok(())
    }
}

fn failed() -> io::Error {
    io::Error::other("the stream has failed before")
}

/// The halves of a stream, from those of its socket, whose handshake is done. `left` was
/// decrypted during it, `written` bytes were put on the socket.
pub(super) fn halves<S: AsyncRead + AsyncWrite>(
    (read, write): (ReadHalf<S>, WriteHalf<S>),
    tls: Tls,
    incoming: Incoming,
    left: Vec<u8>,
    closed: bool,
    written: u64,
) -> (Reader<S>, Writer<S>) {
    let most = incoming.most;
    let state = Arc::new(Mutex::new(State {
        tls,
        answers: Outgoing::default(),
        failed: false,
    }));
    let reader = Reader {
        io: read,
        state: Arc::clone(&state),
        incoming,
        left,
        closed,
    };
    let writer = Writer {
        io: write,
        state,
        out: Outgoing::default(),
        most,
        written,
    };
    (reader, writer)
}
