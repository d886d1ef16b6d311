//! What sessions share with the driver and with each other: the books of what peers make the node
//! hold, buffers that are used again, and the beginnings of chunks that nobody sends.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use fairhaul_core::connections::memory::{HeldKind, Memory};
use fairhaul_core::connections::memory_shares::MemoryShares;
use fairhaul_core::id::{PeerId, TransferId};
use fairhaul_core::manifest::{ContentId, Manifest};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::begun::{Begun, Key, Partial};

/// Buffers of chunks, used again: new pages cost more than the bytes that go into them. And the
/// first bytes of chunks, for whatever session brings the rest.
#[derive(Debug)]
pub(crate) struct Pool {
    /// Bytes of buffers that are kept for the next chunk, and as many of partial chunks without a
    /// sender. The core counts less of those (a quarter of what it may request); the rest are those
    /// that it does not know of yet.
    most: usize,
    buffers: Mutex<(Vec<Vec<u8>>, usize)>,
    begun: Mutex<Vec<Partial>>,
}

impl Default for Pool {
    fn default() -> Self {
        Self::new(MemoryShares::default().pool)
    }
}

impl Pool {
    /// An empty one that keeps so many bytes of each kind.
    pub(crate) fn new(most: u64) -> Self {
        Self {
            most: usize::try_from(most).unwrap_or(usize::MAX),
            buffers: Mutex::default(),
            begun: Mutex::default(),
        }
    }

    /// A buffer with room for `len` bytes, if one is at hand. What is in it means nothing.
    pub(crate) fn take(&self, len: usize) -> Vec<u8> {
        let mut guard = self.buffers.lock().expect("nobody panics with a buffer");
        let (buffers, held) = &mut *guard;
        let fits = buffers.iter().rposition(|buffer| buffer.capacity() >= len);
        let Some(at) = fits else {
            return Vec::new();
        };
        let buffer = buffers.swap_remove(at);
        *held -= buffer.capacity();
        buffer
    }

    /// Keeps a partial chunk. Room is made at the expense of the peer that sent most of the kept
    /// ones.
    pub(super) fn keep(&self, partial: Partial) {
        let mut begun = self.begun.lock().expect("nobody panics with a chunk");
        let known = begun.iter().position(|kept| kept.key() == partial.key());
        let more = known.is_none_or(|at| begun[at].bytes.len() < partial.bytes.len());
        if !more || partial.bytes.is_empty() {
            return self.put(partial.bytes);
        }
        if let Some(at) = known {
            self.put(begun.remove(at).bytes);
        }
        begun.push(partial);
        loop {
            let mut held: BTreeMap<PeerId, usize> = BTreeMap::new();
            for kept in begun.iter() {
                *held.entry(kept.of).or_default() += kept.bytes.capacity();
            }
            let most = held.iter().max_by_key(|(_, bytes)| **bytes);
            let Some((&most, _)) = most.filter(|_| held.values().sum::<usize>() > self.most) else {
                return;
            };
            let oldest = begun.iter().position(|kept| kept.of == most);
            self.put(begun.remove(oldest.expect("it holds most")).bytes);
        }
    }

    /// The first bytes of a chunk, if they were kept.
    pub(crate) fn kept(&self, key: Key) -> Option<Partial> {
        let mut begun = self.begun.lock().expect("nobody panics with a chunk");
        let at = begun.iter().position(|kept| kept.key() == key)?;
        Some(begun.remove(at))
    }

    /// The first bytes of a chunk are of no use. Whether they were kept.
    pub(crate) fn discard(&self, key: Key) -> bool {
        let gone = self.kept(key);
        let was_kept = gone.is_some();
        gone.into_iter().for_each(|gone| self.put(gone.bytes));
        was_kept
    }

    pub(crate) fn put(&self, buffer: Vec<u8>) {
        let mut guard = self.buffers.lock().expect("nobody panics with a buffer");
        let (buffers, held) = &mut *guard;
        if *held + buffer.capacity() <= self.most {
            *held += buffer.capacity();
            buffers.push(buffer);
        }
    }
}

/// Memory that peers make this node hold, for its sessions and its driver together.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    books: Mutex<Memory>,
    less: Notify,
}

/// Bytes that are held of a peer. They are given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    budget: Arc<Budget>,
    peer: PeerId,
    kind: HeldKind,
    bytes: u64,
}

impl Budget {
    /// An empty one of a node whose memory is divided so.
    pub(crate) fn new(shares: MemoryShares) -> Self {
        Self {
            books: Mutex::new(Memory::new(shares)),
            less: Notify::default(),
        }
    }

    /// `bytes` are held of `peer`.
    pub(crate) fn hold(self: &Arc<Self>, peer: PeerId, kind: HeldKind, bytes: u64) -> Held {
        self.books().hold(peer, kind, bytes);
        Held {
            budget: Arc::clone(self),
            peer,
            kind,
            bytes,
        }
    }

    /// Waits until more is to be read from `peer`.
    pub(super) async fn room(&self, peer: PeerId) {
        loop {
            let less = self.less.notified();
            if self.books().reads(peer) {
                return;
            }
            less.await;
        }
    }

    /// The memory held for each peer.
    pub(crate) fn books(&self) -> MutexGuard<'_, Memory> {
        self.books.lock().expect("nobody panics with the books")
    }
}

impl Held {
    /// Of whom it is held.
    pub(crate) const fn peer(&self) -> PeerId {
        self.peer
    }

    /// Other than before, so many bytes are held.
    pub(crate) fn resize(&mut self, bytes: u64) {
        if bytes == self.bytes {
            return;
        }
        let mut books = self.budget.books();
        if bytes > self.bytes {
            books.hold(self.peer, self.kind, bytes - self.bytes);
        } else {
            books.give_back(self.peer, self.kind, self.bytes - bytes);
        }
        self.bytes = bytes;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.resize(0);
        self.budget.less.notify_waiters();
    }
}

/// What a peer calls by one of its ids.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named {
    pub(crate) content: ContentId,
    pub(crate) geometry: Manifest,
    /// Our id of it.
    pub(crate) ours: TransferId,
}

/// What a session shares with the driver.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Whose session it is.
    pub(super) peer: PeerId,
    /// The contents that the peer takes part in with us, by its own ids.
    named: Mutex<BTreeMap<TransferId, Named>>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) budget: Arc<Budget>,
    /// Until when nothing is read of it, because it said too much.
    lull: Mutex<Option<Instant>>,
    /// Chunks that the peer began to send.
    pub(super) begun: Mutex<Begun>,
}

impl Shared {
    pub(crate) fn new(peer: PeerId, pool: Arc<Pool>, budget: Arc<Budget>) -> Self {
        Self {
            peer,
            named: Mutex::default(),
            pool,
            budget,
            lull: Mutex::default(),
            begun: Mutex::default(),
        }
    }

    /// Nothing more is to be read before `until`.
    pub(crate) fn hush(&self, until: Instant) {
        *self.lull.lock().expect("nobody panics with a time") = Some(until);
    }

    /// Waits until more is to be read.
    pub(super) async fn turn(&self) {
        let lull = self.lull.lock().expect("nobody panics with a time").take();
        if let Some(until) = lull {
            sleep_until(until).await;
        }
        self.budget.room(self.peer).await;
    }

    /// The peer calls this content `theirs`.
    pub(crate) fn learn(&self, theirs: TransferId, named: Named) {
        let mut known = self.named.lock().expect("nobody panics with the table");
        known.insert(theirs, named);
    }

    /// The peer calls nothing `theirs` any more.
    pub(crate) fn forget(&self, theirs: TransferId) {
        self.begun().release(&self.pool, theirs);
        let mut known = self.named.lock().expect("nobody panics with the table");
        known.remove(&theirs);
    }

    /// What the peer calls a content that it takes part in with us.
    pub(super) fn theirs(&self, content: ContentId) -> Option<TransferId> {
        let known = self.named.lock().expect("nobody panics with the table");
        let mut known = known.iter().filter(|(_, named)| named.content == content);
        known.next().map(|(theirs, _)| *theirs)
    }

    pub(super) fn geometry(&self, theirs: TransferId) -> Option<Named> {
        let known = self.named.lock().expect("nobody panics with the table");
        known.get(&theirs).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{interval, timeout};

    use super::*;

    fn shared(peer: u32, budget: &Arc<Budget>) -> Shared {
        Shared::new(PeerId(peer), Arc::default(), Arc::clone(budget))
    }

    async fn has_turn(shared: &Shared) -> bool {
        let moment = Duration::from_millis(1);
        timeout(moment, shared.turn()).await.is_ok()
    }

    /// A disk stands still with four chunks of a mebibyte of one peer: that one is not read before
    /// one of them is written, and the other one is.
    ///
    /// Register: P11. Limit: L4.
    #[tokio::test(start_paused = true)]
    async fn reading_stops_while_too_much_of_a_peer_waits_for_a_disk() {
        let budget: Arc<Budget> = Arc::default();
        let (slow, other) = (shared(1, &budget), shared(2, &budget));
        let chunk = || budget.hold(PeerId(1), HeldKind::Passing, 1024 * 1024);
        let mut waiting: Vec<Held> = (0..3).map(|_| chunk()).collect();
        assert!(has_turn(&slow).await);
        waiting.push(chunk());
        assert!(!has_turn(&slow).await && has_turn(&other).await);
        let turn = slow.turn();
        waiting.pop();
        turn.await;
        drop(waiting);
        assert_eq!(budget.books().held(), 0, "all is given back");
    }

    /// Limit: L6.
    #[tokio::test(start_paused = true)]
    async fn who_said_too_much_is_read_when_its_lull_is_over_and_not_before() {
        let budget: Arc<Budget> = Arc::default();
        let shared = shared(1, &budget);
        let mut ticks = interval(Duration::from_millis(250));
        ticks.tick().await;
        shared.hush(ticks.tick().await + Duration::from_millis(250));
        assert!(!has_turn(&shared).await, "it is too early");
        // The wait was given up; the next one is woken.
        shared.hush(ticks.tick().await);
        assert!(has_turn(&shared).await);
    }
}
