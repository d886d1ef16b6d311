//! The writing half of a session.
//!
//! Control messages and small blocks are put together into larger writes. Everything goes out in
//! the order in which it was queued, so that the discipline's order is the connection's.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use fairhaul_core::id::{ChunkIndex, TransferId};
use fairhaul_core::message::Message;
use fairhaul_core::units::ByteCount;
use fairhaul_core::wire;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::{End, FromSession, HEAD, LAST_WORDS, Outgoing, SessionEvent, SessionId, Shared};
use crate::transport::Writer;

/// What is small is put together up to this many bytes before it is sent: a peer may ask for a
/// thousand chunks of a few bytes each, and every call of the system costs as much as copying this.
const BATCH: usize = 16 * 1024;

/// A connection that takes no bytes for this long is stalled: ten times what a full window takes to
/// drain. A peer that never reads holds a part of the node's window for this long and no longer.
const STALL: Duration = Duration::from_millis(100);

/// Writes what a session is given until it is closed or breaks.
pub(crate) async fn write<S, E>(
    writer: Writer<S>,
    shared: Arc<Shared>,
    session: SessionId,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
    news: mpsc::Sender<E>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    E: From<FromSession> + Send,
{
    let mut outlet = Outlet {
        writer,
        shared,
        session,
        news,
        batch: Vec::with_capacity(BATCH),
        blocks: Vec::new(),
        reported: 0,
    };
    if let Err(error) = outlet.run(&mut outgoing).await {
        // The peer may have said why before it hung up. The reader gets the time to hear that.
        drop(outgoing);
        sleep(LAST_WORDS).await;
        let end = SessionEvent::Ended(End::Broken(error));
        let _ = outlet.news.send(FromSession(session, end).into()).await;
    }
}

struct Outlet<S, E> {
    writer: Writer<S>,
    shared: Arc<Shared>,
    session: SessionId,
    news: mpsc::Sender<E>,
    batch: Vec<u8>,
    /// Blocks in the batch.
    blocks: Vec<(TransferId, ByteCount)>,
    /// Bytes on the socket that were reported.
    reported: u64,
}

impl<S, E> Outlet<S, E>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    E: From<FromSession> + Send,
{
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
            Outgoing::Message(message, held) => {
                wire::encode(&message, &mut self.batch);
                drop(held);
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
                if !bytes.is_finished() {
                    // What is at hand waits for no disk.
                    self.flush().await?;
                }
                let read = bytes.await.flatten().map_err(io::Error::other)?;
                match read {
                    Ok(buffer) => self.block(transfer, chunk, (offset, len), buffer).await?,
                    Err(why) => {
                        let reject = Message::Reject {
                            transfer,
                            chunk: chunk.get(),
                        };
                        wire::encode(&reject, &mut self.batch);
                        let news = SessionEvent::Unreadable {
                            transfer,
                            chunk,
                            len,
                            why,
                        };
                        self.tell(news).await;
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
        if buffer.len() < BATCH {
            wire::encode(&head, &mut self.batch);
            self.batch.extend_from_slice(&buffer[HEAD..]);
            self.shared.pool.put(buffer);
            self.blocks.push((transfer, len));
            if self.batch.len() >= BATCH {
                self.flush().await?;
            }
            return Ok(());
        }
        // What waits goes first, and small: the block follows in one piece.
        self.flush().await?;
        wire::encode(&head, &mut self.batch);
        buffer[..HEAD].copy_from_slice(&self.batch);
        self.batch.clear();
        put(&mut self.writer, &buffer, self.session, &self.news).await?;
        self.shared.pool.put(buffer);
        self.report(transfer, len, ByteCount::ZERO).await;
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        if !self.batch.is_empty() {
            put(&mut self.writer, &self.batch, self.session, &self.news).await?;
            self.batch.clear();
            let mut rest: ByteCount = self.blocks.iter().map(|(_, len)| *len).sum();
            for (transfer, len) in std::mem::take(&mut self.blocks) {
                rest = rest.saturating_sub(len);
                self.report(transfer, len, rest).await;
            }
        }
        self.writer.flush().await
    }

    /// The last byte of a block has left. `others` follow it, which left with it: what belongs to
    /// no block is said with the first of them.
    async fn report(&mut self, transfer: TransferId, len: ByteCount, others: ByteCount) {
        let written = self.writer.written() - others.get();
        let beside = (written - self.reported).saturating_sub(len.get());
        self.reported = written;
        self.tell(SessionEvent::Sent {
            transfer,
            len,
            beside,
        })
        .await;
    }

    async fn tell(&self, news: SessionEvent) {
        tell(news, self.session, &self.news).await;
    }
}

/// Writes, and reports a connection that takes no bytes for long: it must not hold up the others
/// too.
async fn put<S, E>(
    writer: &mut Writer<S>,
    bytes: &[u8],
    session: SessionId,
    news: &mpsc::Sender<E>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    E: From<FromSession>,
{
    let mut writing = pin!(writer.write(bytes));
    if let Ok(written) = timeout(STALL, &mut writing).await {
        return written;
    }
    tell(SessionEvent::Stalled, session, news).await;
    writing.await
}

/// Tells the node. One that has stopped hears nothing; what it gave to say before that is said.
async fn tell<E: From<FromSession>>(
    what: SessionEvent,
    session: SessionId,
    news: &mpsc::Sender<E>,
) {
    let _ = news.send(FromSession(session, what).into()).await;
}

#[cfg(test)]
mod tests;
