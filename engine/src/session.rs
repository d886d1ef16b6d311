//! A session: one encrypted connection to a peer, carried by two tasks.
//!
//! One task decodes incoming frames and hands them over in batches; the bytes of blocks stay here,
//! in the order of arrival, until the core decides about them. The other task writes its queue in
//! order, and reports when the last byte of a block has left. A session is read while the memory
//! held for its peer is below its limit.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use fairhaul_core::connections::memory::HeldKind;
use fairhaul_core::id::{ChunkIndex, PeerId, TransferId};
use fairhaul_core::message::Message;
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::units::ByteCount;
use fairhaul_core::wire::Decoder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use crate::content::ChunkHash;
use crate::store::ChunkReadError;
use crate::transport::{ReadError as StreamError, Reader};

/// How long what is said last in a session may take to be heard.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);

/// Messages that the driver gets in one batch: it has other things to do in between.
const BATCH: usize = 256;

/// Bytes in front of a block: length, type, transfer, chunk, offset.
pub(crate) const HEAD: usize = 4 + 1 + 4 + 4 + 8;

use reader::Intake;
pub(crate) use shared::{Budget, Held, Named, Pool, Shared};
pub(crate) use watched::watched;
pub(crate) use writer::write;

mod begun;
mod reader;
mod shared;
mod watched;
mod writer;

/// One session of a peer. Events of a replaced session are dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionId {
    pub(crate) peer: PeerId,
    pub(crate) serial: u64,
}

/// An event of a session, for the driver.
#[derive(Debug)]
pub(crate) struct FromSession(pub(crate) SessionId, pub(crate) SessionEvent);

/// The events of a session.
#[derive(Debug)]
pub(crate) enum SessionEvent {
    /// The peer sent these messages, in this order.
    Heard {
        heard: Vec<Heard>,
        /// Bytes of blocks that came, by our transfer; `None` is a block of none of ours.
        received: Vec<(Option<TransferId>, u64)>,
        /// The memory that all of it takes.
        _held: Held,
    },
    /// The last byte of a block has left, and `beside` bytes that belong to no block.
    Sent {
        transfer: TransferId,
        len: ByteCount,
        beside: u64,
    },
    /// Its connection takes no bytes for now.
    Stalled,
    /// A block could not be read: its chunk is no longer what it was, or the disk fails.
    Unreadable {
        transfer: TransferId,
        chunk: ChunkIndex,
        len: ByteCount,
        why: ChunkReadError,
    },
    /// It is over.
    Ended(End),
}

/// One thing that a peer sent.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A message. The bytes of a block stay with the session until the core decides about them.
    Message(Message),
    /// An optional frame of an unknown type.
    Skipped,
}

/// A whole chunk as it came.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) bytes: Vec<u8>,
    pub(crate) hash: ChunkHash,
    /// Its memory, counted against the peer until it is written or dropped.
    pub(crate) held: Held,
}

/// Why a session is over.
#[derive(Debug)]
pub(crate) enum End {
    /// The other side ended it.
    Closed,
    /// The connection broke.
    Broken(io::Error),
    /// The peer broke the protocol.
    Offence(Misbehaviour),
}

/// One thing to write.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// Its memory is counted while it waits, unless this node sends it by itself.
    Message(Message, Option<Held>),
    /// A block: its place, and its bytes behind room for the head.
    Block {
        transfer: TransferId,
        chunk: ChunkIndex,
        offset: ByteCount,
        len: ByteCount,
        bytes: JoinHandle<Result<Result<Vec<u8>, ChunkReadError>, JoinError>>,
    },
    /// Send this and end.
    Close(Message),
}

/// Reads a session until it ends.
pub(crate) async fn read<S, E>(
    mut reader: Reader<S>,
    shared: Arc<Shared>,
    session: SessionId,
    news: mpsc::Sender<E>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    E: From<FromSession> + Send,
{
    let mut intake = Intake::new(Arc::clone(&shared), Decoder::new());
    let end = loop {
        shared.turn().await;
        let mut offence = None;
        // An offence is kept apart: to the stream it would be a fault, and a stream with a fault
        // cannot carry the message that tells the peer why it ends.
        let mut sink = |bytes: &[u8]| {
            if offence.is_none() {
                offence = intake.feed(bytes).err();
            }
            Ok::<_, Infallible>(())
        };
        let more = reader.read(&mut sink).await;
        let received = std::mem::take(&mut intake.received);
        for told in batches(std::mem::take(&mut intake.heard), received, &shared) {
            if news.send(FromSession(session, told).into()).await.is_err() {
                // The node has ended. What is unread would cut off what it says last.
                let mut nowhere = |_: &[u8]| Ok::<_, Infallible>(());
                while let Ok(true) = reader.read(&mut nowhere).await {}
                return;
            }
        }
        if let Some(offence) = offence {
            break End::Offence(offence);
        }
        match more {
            Ok(true) => {}
            Ok(false) => break End::Closed,
            Err(StreamError::Io(error)) => break End::Broken(error),
            Err(error) => break End::Broken(io::Error::other(error.to_string())),
        }
    };
    // The driver may be gone already.
    let _ = news
        .send(FromSession(session, SessionEvent::Ended(end)).into())
        .await;
}

/// Splits received messages into batches that do not keep the driver for long. All of their memory
/// is counted before the first batch has to wait.
fn batches(
    heard: Vec<Heard>,
    mut received: Vec<(Option<TransferId>, u64)>,
    shared: &Shared,
) -> Vec<SessionEvent> {
    let mut batches = Vec::with_capacity(heard.len().div_ceil(BATCH));
    let mut rest = heard;
    while !rest.is_empty() {
        let after = rest.split_off(rest.len().min(BATCH));
        let bytes = rest.iter().map(Heard::cost).sum();
        let held = shared.budget.hold(shared.peer, HeldKind::Passing, bytes);
        batches.push(SessionEvent::Heard {
            heard: std::mem::replace(&mut rest, after),
            received: std::mem::take(&mut received),
            _held: held,
        });
    }
    batches
}

impl Heard {
    /// Bytes that it takes while it waits; those of chunks are counted apart.
    fn cost(&self) -> u64 {
        let inside = match self {
            Self::Message(message) => weight(message),
            Self::Skipped => 0,
        };
        (size_of::<Self>() + inside) as u64
    }
}

/// Bytes that a message takes while it waits to be written.
pub(crate) fn cost(message: &Message) -> u64 {
    (size_of::<Outgoing>() + weight(message)) as u64
}

/// What a message takes beside itself.
fn weight(message: &Message) -> usize {
    match message {
        Message::Join(join) => size_of_val(&**join) + join.have.len() as usize / 8,
        Message::Text(text) | Message::Close { text, .. } => text.len(),
        Message::Offer(offer) => size_of_val(&**offer) + offer.name.len(),
        Message::Addresses(known) => {
            let texts = known.iter().map(|known| known.address.len());
            size_of_val(&**known) + texts.sum::<usize>()
        }
        _ => 0,
    }
}
