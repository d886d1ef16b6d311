//! A session: one encrypted connection to a peer, carried by two tasks.
//!
//! Decides nothing about who is served. One task decodes what comes and hands it over in
//! batches, with the bytes of a chunk once they are whole; the other writes what it is given,
//! in that order, and says when the last byte of a block has left. Refuses to read on while
//! too much waits for the disk.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use fairhaul_core::id::{ChunkIndex, PeerId, TransferId};
use fairhaul_core::message::Message;
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::units::ByteCount;
use fairhaul_core::wire::{self, Decoder, Frame};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::content::ChunkHash;
use crate::content::tree::chunk_hasher;
use crate::node::Happening;
use crate::store::ReadError;
use crate::transport::{ReadError as StreamError, Reader, Writer};

/// Bytes of chunks begun on one session: one of each transfer is the most an honest peer has.
const PARTIAL_MAX: usize = 64 * 1024 * 1024;
/// Bytes of a chunk that are hashed at once: a power of two, and still in the second cache.
const HASH_STEP: usize = 128 * 1024;
/// Control messages are put together up to this many bytes before they are sent.
const BATCH: usize = 16 * 1024;
/// Bytes in front of a block: length, type, transfer, chunk, offset.
pub(crate) const HEAD: usize = 4 + 1 + 4 + 4 + 8;

pub(crate) use shared::{Backlog, Pool, Shared};

mod shared;

/// Which session of which peer: what an older one still says counts no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    pub(crate) peer: PeerId,
    pub(crate) serial: u64,
}

/// What a session tells the driver.
#[derive(Debug)]
pub(crate) enum News {
    /// The peer said these things, in this order.
    Heard(Vec<Heard>),
    /// The last byte of a block has left, and `beside` bytes that belong to no block.
    Sent {
        transfer: TransferId,
        len: ByteCount,
        beside: u64,
    },
    /// A block could not be read: its chunk is no longer what it was, or the disk fails.
    Unreadable {
        transfer: TransferId,
        chunk: ChunkIndex,
        len: ByteCount,
        why: ReadError,
    },
    /// It is over.
    Ended(End),
}

/// One thing that a peer said.
#[derive(Debug)]
pub(crate) enum Heard {
    Message(Message),
    /// The block that made a chunk whole, with the chunk.
    Chunk(Message, Arrival),
    /// An optional frame of an unknown type.
    Skipped,
}

/// A whole chunk as it came.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) bytes: Vec<u8>,
    pub(crate) hash: ChunkHash,
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
    Message(Message),
    /// A block: its place, and its bytes behind room for the head.
    Block {
        transfer: TransferId,
        chunk: ChunkIndex,
        offset: ByteCount,
        len: ByteCount,
        bytes: JoinHandle<Result<Vec<u8>, ReadError>>,
    },
    /// Say this and end.
    Close(Message),
}

/// Reads a session until it ends.
pub(crate) async fn read<S: AsyncRead + AsyncWrite + Unpin + Send>(
    mut reader: Reader<S>,
    shared: Arc<Shared>,
    seat: Seat,
    news: mpsc::Sender<Happening>,
) {
    let mut intake = Intake::new(Arc::clone(&shared));
    let end = loop {
        shared.backlog.room().await;
        let mut offence = None;
        // An offence is kept apart: to the stream it would be a fault, and a stream with a fault
        // cannot carry the word that tells the peer why it ends.
        let mut sink = |bytes: &[u8]| {
            if offence.is_none() {
                offence = intake.feed(bytes).err();
            }
            Ok::<_, Infallible>(())
        };
        let more = reader.read(&mut sink).await;
        let heard = std::mem::take(&mut intake.heard);
        if !heard.is_empty()
            && news
                .send(Happening::Session(seat, News::Heard(heard)))
                .await
                .is_err()
        {
            return;
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
    let _ = news.send(Happening::Session(seat, News::Ended(end))).await;
}

/// Frames as they come, and the chunks that they make.
struct Intake {
    decoder: Decoder,
    heard: Vec<Heard>,
    shared: Arc<Shared>,
    /// Chunks begun, by the peer's id of the transfer: it sends one after another.
    partial: BTreeMap<TransferId, Partial>,
    held: usize,
    /// The block whose bytes come now, and how many are still to come.
    block: Option<(Message, u64)>,
}

struct Partial {
    chunk: u32,
    whole: usize,
    bytes: Vec<u8>,
    hasher: blake3::Hasher,
    /// Bytes that were hashed.
    hashed: usize,
}

impl Partial {
    /// Hashes what came while it is near, in whole steps: BLAKE3 is a tree, and whole subtrees
    /// are hashed several leaves at a time.
    fn hash_ahead(&mut self) {
        let ready = self.bytes.len() - self.bytes.len() % HASH_STEP;
        if ready > self.hashed {
            self.hasher.update(&self.bytes[self.hashed..ready]);
            self.hashed = ready;
        }
    }

    fn finish(mut self) -> Arrival {
        self.hasher.update(&self.bytes[self.hashed..]);
        Arrival {
            hash: *self.hasher.finalize().as_bytes(),
            bytes: self.bytes,
        }
    }
}

impl Intake {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            decoder: Decoder::new(),
            heard: Vec::new(),
            shared,
            partial: BTreeMap::new(),
            held: 0,
            block: None,
        }
    }

    fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Misbehaviour> {
        loop {
            let Some(frame) = self.decoder.next(&mut bytes)? else {
                return Ok(());
            };
            match frame {
                Frame::Message(Message::Block {
                    transfer,
                    chunk,
                    offset,
                    len,
                }) => {
                    self.begin(transfer, chunk, offset);
                    let head = Message::Block {
                        transfer,
                        chunk,
                        offset,
                        len,
                    };
                    self.block = Some((head, len.get()));
                }
                Frame::Message(message) => self.heard.push(Heard::Message(message)),
                Frame::Skipped { .. } => self.heard.push(Heard::Skipped),
                Frame::Payload(payload) => {
                    let (message, left) = self.block.take().expect("a head comes first");
                    // Borrowed from `bytes`, not from the decoder.
                    self.append(&message, payload)?;
                    let left = left - payload.len() as u64;
                    if left > 0 {
                        self.block = Some((message, left));
                    } else {
                        self.finish(message);
                    }
                }
            }
        }
    }

    /// A block starts. One that does not continue what is there is left to the core to judge.
    fn begin(&mut self, transfer: TransferId, chunk: u32, offset: ByteCount) {
        let before = self.partial.get(&transfer);
        let continues = before.is_some_and(|partial| {
            partial.chunk == chunk && partial.bytes.len() as u64 == offset.get()
        });
        if continues {
            return;
        }
        if let Some(before) = self.partial.remove(&transfer) {
            self.held -= before.bytes.len();
            self.shared.pool.put(before.bytes);
        }
        let Some(geometry) = self.shared.geometry(transfer) else {
            return;
        };
        let Some(index) = geometry.index(chunk) else {
            return;
        };
        if offset > ByteCount::ZERO {
            return;
        }
        let whole = geometry.len_of(index).get();
        let Ok(whole) = usize::try_from(whole) else {
            return;
        };
        let mut bytes = self.shared.pool.take(whole);
        bytes.clear();
        let partial = Partial {
            chunk,
            whole,
            bytes,
            hasher: chunk_hasher(),
            hashed: 0,
        };
        self.partial.insert(transfer, partial);
    }

    fn append(&mut self, head: &Message, payload: &[u8]) -> Result<(), Misbehaviour> {
        let Message::Block {
            transfer, chunk, ..
        } = head
        else {
            return Ok(());
        };
        let Some(partial) = self.partial.get_mut(transfer) else {
            return Ok(());
        };
        if partial.chunk != *chunk || partial.bytes.len() + payload.len() > partial.whole {
            return Ok(());
        }
        partial.bytes.extend_from_slice(payload);
        partial.hash_ahead();
        self.held += payload.len();
        if self.held > PARTIAL_MAX {
            return Err(Misbehaviour::Flood);
        }
        Ok(())
    }

    /// The last byte of a block came.
    fn finish(&mut self, head: Message) {
        let Message::Block {
            transfer, chunk, ..
        } = head
        else {
            return;
        };
        let is_whole = self
            .partial
            .get(&transfer)
            .is_some_and(|partial| partial.chunk == chunk && partial.bytes.len() == partial.whole);
        if !is_whole {
            return self.heard.push(Heard::Message(head));
        }
        let partial = self.partial.remove(&transfer).expect("looked up above");
        self.held -= partial.bytes.len();
        self.shared.backlog.add(partial.bytes.len() as u64);
        let arrival = partial.finish();
        self.heard.push(Heard::Chunk(head, arrival));
    }
}

/// Writes what a session is given until it is closed or breaks.
pub(crate) async fn write<S: AsyncRead + AsyncWrite + Unpin + Send>(
    writer: Writer<S>,
    shared: Arc<Shared>,
    seat: Seat,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
    news: mpsc::Sender<Happening>,
) {
    let mut outlet = Outlet {
        writer,
        shared,
        seat,
        news,
        batch: Vec::with_capacity(BATCH),
        reported: 0,
    };
    if let Err(error) = outlet.run(&mut outgoing).await {
        let end = News::Ended(End::Broken(error));
        let _ = outlet.news.send(Happening::Session(seat, end)).await;
    }
}

struct Outlet<S> {
    writer: Writer<S>,
    shared: Arc<Shared>,
    seat: Seat,
    news: mpsc::Sender<Happening>,
    batch: Vec<u8>,
    /// Bytes on the socket that were reported.
    reported: u64,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Outlet<S> {
    async fn run(&mut self, outgoing: &mut mpsc::UnboundedReceiver<Outgoing>) -> io::Result<()> {
        while let Some(first) = outgoing.recv().await {
            let mut next = Some(first);
            while let Some(item) = next {
                if !self.carry(item).await? {
                    return Ok(());
                }
                next = outgoing.try_recv().ok();
            }
            self.flush().await?;
        }
        Ok(())
    }

    /// False after the last thing to write.
    async fn carry(&mut self, item: Outgoing) -> io::Result<bool> {
        match item {
            Outgoing::Message(message) => {
                let before = self.batch.len();
                wire::encode(&message, &mut self.batch);
                let len = self.batch.len() - before;
                self.shared
                    .queued
                    .fetch_sub(cost(&message), Ordering::Relaxed);
                debug_assert!(len > 0, "a frame has a head");
                if self.batch.len() >= BATCH {
                    self.flush().await?;
                }
            }
            Outgoing::Block {
                transfer,
                chunk,
                offset,
                len,
                bytes,
            } => {
                let read = bytes.await.map_err(io::Error::other)?;
                match read {
                    Ok(buffer) => self.block(transfer, chunk, (offset, len), buffer).await?,
                    Err(why) => {
                        let reject = Message::Reject {
                            transfer,
                            chunk: chunk.get(),
                        };
                        wire::encode(&reject, &mut self.batch);
                        let news = News::Unreadable {
                            transfer,
                            chunk,
                            len,
                            why,
                        };
                        self.tell(news).await?;
                    }
                }
            }
            Outgoing::Close(message) => {
                wire::encode(&message, &mut self.batch);
                self.flush().await?;
                self.writer.close().await?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn block(
        &mut self,
        transfer: TransferId,
        chunk: ChunkIndex,
        (offset, len): (ByteCount, ByteCount),
        mut buffer: Vec<u8>,
    ) -> io::Result<()> {
        let head = Message::Block {
            transfer,
            chunk: chunk.get(),
            offset,
            len,
        };
        // What waits goes first, and small: the block follows in one piece.
        self.flush().await?;
        wire::encode(&head, &mut self.batch);
        buffer[..HEAD].copy_from_slice(&self.batch);
        self.batch.clear();
        self.writer.write(&buffer).await?;
        self.shared.pool.put(buffer);
        let written = self.writer.written();
        let beside = (written - self.reported).saturating_sub(len.get());
        self.reported = written;
        let news = News::Sent {
            transfer,
            len,
            beside,
        };
        self.tell(news).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        if !self.batch.is_empty() {
            self.writer.write(&self.batch).await?;
            self.batch.clear();
        }
        self.writer.flush().await
    }

    async fn tell(&self, news: News) -> io::Result<()> {
        let told = self.news.send(Happening::Session(self.seat, news)).await;
        told.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "the node has stopped"))
    }
}

/// What a message counts while it waits: its frame, roughly; only a Join is large.
pub(crate) fn cost(message: &Message) -> usize {
    match message {
        Message::Join(join) => 64 + join.have.len() as usize / 8,
        Message::Text(text) => 64 + text.len(),
        _ => 64,
    }
}
