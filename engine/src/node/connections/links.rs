//! The open sessions by peer: their outgoing messages, and the bytes that they hold.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;

use fairhaul_core::connections::memory::HeldKind;
use fairhaul_core::id::{ChunkIndex, PeerId, TransferId};
use fairhaul_core::manifest::ContentId;
use fairhaul_core::message::Message;
use fairhaul_core::time::Time;
use fairhaul_core::units::ByteCount;
use fairhaul_core::uplink::Block;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::event::Arrived;
use crate::node::contents::chunk_store::ChunkStore;
use crate::node::event::NodeEvent;
use crate::session::{
    self, Arrival, Budget, End, FromSession, Held, Named, Outgoing, Pool, SessionEvent, SessionId,
    Shared, cost,
};
use crate::transport::Secure;

/// The connection to a peer.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) serial: u64,
    pub(crate) since: Time,
    pub(crate) dialled: bool,
    /// Whether the parameter file listed its key when it began.
    pub(crate) listed: bool,
    /// The address of this end, if the system says.
    pub(crate) local: Option<SocketAddr>,
    /// The address of the other end.
    pub(crate) remote: SocketAddr,
    pub(crate) outgoing: mpsc::UnboundedSender<Outgoing>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) reader: AbortHandle,
    /// Whether the peer's end is waited for, as what is unread when a socket closes makes the
    /// system drop what it has not sent yet (RFC 2525, 2.17).
    pub(super) lingers: bool,
    /// Bitfields that are kept of it, in the books of memory.
    pub(crate) claimed: Held,
}

impl Link {
    /// Queues a message. Responses to the peer and Have messages count against its memory until it
    /// reads them; announcements of our transfers do not.
    pub(crate) fn say(&self, peer: PeerId, message: Message) {
        let kind = match &message {
            Message::Join(join) if join.reply => None,
            Message::Join(_)
            | Message::Reject { .. }
            | Message::Pong(_)
            | Message::Verdict { .. }
            | Message::Addresses(_) => Some(HeldKind::Reply),
            _ => Some(HeldKind::News),
        };
        let held = kind.map(|kind| self.shared.budget.hold(peer, kind, cost(&message)));
        // If its task has ended, the news of that is on its way.
        let _ = self.outgoing.send(Outgoing::Message(message, held));
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The writer ends when its queue does, after what was still to be said.
        if !self.lingers {
            self.reader.abort();
        }
    }
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Links {
    links: BTreeMap<PeerId, Link>,
    /// How many sessions there were, which numbers them.
    serials: u64,
    pool: Arc<Pool>,
    /// What peers make this node hold.
    budget: Arc<Budget>,
    /// Each task of a session has one until it ends.
    alive: mpsc::Sender<Infallible>,
    ended: mpsc::Receiver<Infallible>,
}

impl Links {
    /// None yet.
    pub(super) fn new(pool: Arc<Pool>, budget: Arc<Budget>) -> Self {
        let (alive, ended) = mpsc::channel(1);
        Self {
            links: BTreeMap::new(),
            serials: 0,
            pool,
            budget,
            alive,
            ended,
        }
    }

    /// Resolves when all sessions of now have said their last word and are over.
    pub(super) fn all_ended(&mut self) -> impl Future<Output = ()> + use<> {
        let (alive, ended) = mpsc::channel(1);
        drop(mem::replace(&mut self.alive, alive));
        let mut ended = mem::replace(&mut self.ended, ended);
        async move {
            ended.recv().await;
        }
    }

    /// The session with a peer, if there is one.
    pub(crate) fn get(&self, peer: PeerId) -> Option<&Link> {
        self.links.get(&peer)
    }

    /// Whether there is a session with a peer.
    pub(crate) fn has(&self, peer: PeerId) -> bool {
        self.links.contains_key(&peer)
    }

    /// All of them, by peer.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PeerId, &Link)> {
        self.links.iter().map(|(peer, link)| (*peer, link))
    }

    /// Whether this session is the one that its peer has now.
    pub(crate) fn is_current(&self, session: SessionId) -> bool {
        let link = self.get(session.peer);
        link.is_some_and(|link| link.serial == session.serial)
    }

    /// A number that no session had before.
    pub(super) const fn next_serial(&mut self) -> u64 {
        self.serials += 1;
        self.serials
    }

    /// A session begins.
    pub(super) fn begin(
        &mut self,
        session: SessionId,
        arrived: Arrived,
        events: &mpsc::Sender<NodeEvent>,
        now: Time,
    ) {
        let id = session.peer;
        let shared = Shared::new(id, Arc::clone(&self.pool), Arc::clone(&self.budget));
        let shared = Arc::new(shared);
        let (outgoing, queue) = mpsc::unbounded_channel();
        let Secure { reader, writer, .. } = arrived.secure;
        let reading = session::read(reader, Arc::clone(&shared), session, events.clone());
        let writing = session::write(writer, Arc::clone(&shared), session, queue, events.clone());
        let (alive, until_written) = (self.alive.clone(), self.alive.clone());
        let reading = async move {
            reading.await;
            drop(alive);
        };
        let writing = async move {
            writing.await;
            drop(until_written);
        };
        let broken =
            move |error| FromSession(session, SessionEvent::Ended(End::Broken(error))).into();
        let reader = session::watched(reading, events.clone(), broken);
        session::watched(writing, events.clone(), broken);
        let link = Link {
            serial: session.serial,
            since: now,
            dialled: arrived.dialled,
            listed: arrived.listed,
            local: arrived.local,
            remote: arrived.remote,
            outgoing,
            shared,
            reader,
            lingers: false,
            claimed: self.budget.hold(id, HeldKind::Claimed, 0),
        };
        self.links.insert(id, link);
    }

    /// From now on each session that is closed waits for the other end.
    pub(super) fn linger(&mut self) {
        self.links.values_mut().for_each(|link| link.lingers = true);
    }

    /// Removes a session that is over. Its partial chunks stay for the peer that finishes them.
    pub(super) fn take(&mut self, peer: PeerId) -> Option<Link> {
        let link = self.links.remove(&peer)?;
        link.shared.end();
        Some(link)
    }

    /// Sends a message to a peer. False if it no longer reads.
    pub(super) fn say(&self, peer: PeerId, message: Message) -> bool {
        let Some(link) = self.get(peer) else {
            return true;
        };
        link.say(peer, message);
        !self.budget.books().is_deaf(peer)
    }

    /// Reads a block and queues it; whether its peer is there. The reading starts now, so that the
    /// next block is at hand when the last one has left.
    pub(crate) fn upload(&self, block: Block, chunk_store: ChunkStore) -> bool {
        let Some(link) = self.get(block.peer) else {
            return false;
        };
        let bytes = tokio::spawn(chunk_store.read_block(block, Arc::clone(&self.pool)));
        // If its task has ended, the news of that is on its way.
        let _ = link.outgoing.send(Outgoing::Block {
            transfer: block.transfer,
            chunk: block.chunk,
            offset: block.offset,
            len: block.len,
            bytes,
        });
        true
    }

    /// The bytes of a chunk that is whole, which a session gives once.
    pub(crate) fn whole(
        &self,
        from: PeerId,
        content: ContentId,
        chunk: ChunkIndex,
    ) -> Option<Arrival> {
        self.get(from)?.shared.whole(content, chunk.get())
    }

    /// A peer is asked for the rest of a chunk that `of` began. If the begun part is gone, that
    /// shows when the rest has come, and the whole chunk is fetched again.
    pub(crate) fn resume(&self, peer: PeerId, content: ContentId, chunk: ChunkIndex, of: PeerId) {
        let Some(link) = self.get(peer) else {
            return;
        };
        let key = (content, chunk.get(), of);
        let first = self.get(of).and_then(|of| of.shared.take(key));
        let mut others = self.links.values();
        let partial = first
            .or_else(|| self.pool.kept(key))
            .or_else(|| others.find_map(|other| other.shared.take(key)));
        if let Some(partial) = partial {
            link.shared.resume(partial);
        }
    }

    /// What came of a chunk is of no use any more.
    pub(crate) fn discard(&self, content: ContentId, chunk: ChunkIndex, from: PeerId) {
        let key = (content, chunk.get(), from);
        let first = self.get(from);
        if first.is_some_and(|link| link.shared.discard(key)) | self.pool.discard(key) {
            return;
        }
        // They may wait where another was to go on with them.
        for link in self.links.values() {
            if let Some(partial) = link.shared.take(key) {
                return self.pool.put(partial.bytes);
            }
        }
    }

    /// What a peer calls `theirs` is one of our transfers from now on, or none.
    pub(crate) fn name(&self, peer: PeerId, theirs: TransferId, named: Option<Named>) {
        let Some(link) = self.get(peer) else {
            return;
        };
        match named {
            Some(named) => link.shared.learn(theirs, named),
            None => link.shared.forget(theirs),
        }
    }

    /// A peer with too many control messages is not read before `until` (limit L6).
    pub(crate) fn hush(&self, peer: PeerId, until: Instant) {
        if let Some(link) = self.get(peer) {
            link.shared.hush(until);
        }
    }

    /// Brings the books in line with the bitfields that the core keeps of a peer (limit L4).
    pub(crate) fn count_claims(&mut self, peer: PeerId, claimed: ByteCount) {
        if let Some(link) = self.links.get_mut(&peer) {
            link.claimed.resize(claimed.get());
        }
    }

    /// Bytes that are held for all peers.
    pub(crate) fn held(&self) -> u64 {
        self.budget.books().held()
    }

    /// Whether so many bytes more may be held for a peer.
    pub(crate) fn has_memory(&self, peer: PeerId, bytes: u64) -> bool {
        self.budget.books().admits(peer, bytes)
    }
}
