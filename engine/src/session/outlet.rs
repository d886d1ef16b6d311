//! The writing half of a session.
//!
//! Decides how control messages are put together; blocks go out one by one, in the order in
//! which they were given, so that the discipline's order is the connection's.

use std::io;
use std::sync::Arc;

use fairhaul_core::id::{ChunkIndex, TransferId};
use fairhaul_core::message::Message;
use fairhaul_core::units::ByteCount;
use fairhaul_core::wire;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use super::{End, HEAD, News, Outgoing, Seat, Shared};
use crate::node::Happening;
use crate::transport::Writer;

/// Control messages are put together up to this many bytes before they are sent.
const BATCH: usize = 16 * 1024;

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
                let read = bytes.await.flatten().map_err(io::Error::other)?;
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
