//! The bytes of chunks that a peer sends, as they come. They are not judged here: what is whole
//! waits until the core asks for it, and the rest until the core has it continued or discarded.

use std::collections::BTreeMap;
use std::sync::MutexGuard;

use fairhaul_core::connections::memory::HeldKind;
use fairhaul_core::id::{PeerId, TransferId};
use fairhaul_core::manifest::{ContentId, Manifest};
use fairhaul_core::message::Message;
use fairhaul_core::units::ByteCount;

use super::{Arrival, Held, Pool, Shared};
use crate::content::tree::chunk_hasher;

/// Bytes of chunks begun on one session. What is beyond goes to the pool, which may drop it: it
/// comes again then.
const PARTIAL_MAX: usize = 64 * 1024 * 1024;
/// Bytes of a chunk that are hashed at once: a power of two, and still in the second cache.
const HASH_STEP: usize = 128 * 1024;

/// Chunks of which the first bytes came, by the peer's id of the transfer: it sends one after
/// another.
#[derive(Debug, Default)]
pub(crate) struct Begun {
    partial: BTreeMap<TransferId, Partial>,
    /// What is to be continued, before the first block has come.
    ready: BTreeMap<(TransferId, u32), Partial>,
    /// Chunks that came whole and that the core has not asked for yet.
    whole: BTreeMap<(ContentId, u32), Arrival>,
    /// Bytes of the first two.
    held: usize,
    /// Counts pieces that came: what has waited longest has the lowest number.
    turn: u64,
    /// The bytes in the books of the node.
    counted: Option<Held>,
}

/// The key of a partial chunk: the content, the chunk, and the sender of its last bytes.
pub(crate) type Key = (ContentId, u32, PeerId);

/// The first bytes of a chunk.
#[derive(Debug)]
pub(crate) struct Partial {
    pub(super) content: ContentId,
    pub(super) chunk: u32,
    /// The sender of the last of them.
    pub(super) of: PeerId,
    whole: usize,
    pub(crate) bytes: Vec<u8>,
    hasher: blake3::Hasher,
    /// Bytes that were hashed.
    hashed: usize,
    /// When the last of it came, as the session counts.
    turn: u64,
}

impl Partial {
    /// What it is the beginning of, and from whom.
    pub(super) const fn key(&self) -> Key {
        (self.content, self.chunk, self.of)
    }

    /// Drops the bytes beyond the first `len`: perhaps a part of a block that the core does not
    /// know of yet.
    fn shrink(&mut self, len: usize) {
        self.bytes.truncate(len);
        if self.hashed > len {
            (self.hasher, self.hashed) = (chunk_hasher(), 0);
        }
    }

    fn new((content, chunk, of): Key, whole: usize, pool: &Pool) -> Self {
        let mut bytes = pool.take(whole);
        bytes.clear();
        Self {
            content,
            chunk,
            of,
            whole,
            bytes,
            hasher: chunk_hasher(),
            hashed: 0,
            turn: 0,
        }
    }

    /// Hashes what came while it is near, in whole steps: BLAKE3 is a tree, and whole subtrees
    /// are hashed several leaves at a time.
    fn hash_ahead(&mut self) {
        let ready = self.bytes.len() - self.bytes.len() % HASH_STEP;
        if ready > self.hashed {
            self.hasher.update(&self.bytes[self.hashed..ready]);
            self.hashed = ready;
        }
    }

    fn finish(mut self, held: Held) -> Arrival {
        self.hasher.update(&self.bytes[self.hashed..]);
        Arrival {
            hash: *self.hasher.finalize().as_bytes(),
            bytes: self.bytes,
            held,
        }
    }
}

impl Begun {
    /// A block starts. One that does not continue what is there is left to the core to judge.
    pub(super) fn begin(
        &mut self,
        shared: &Shared,
        transfer: TransferId,
        chunk: u32,
        offset: ByteCount,
    ) {
        let before = self.partial.get(&transfer);
        let continues = before.is_some_and(|partial| {
            partial.chunk == chunk && partial.bytes.len() as u64 == offset.get()
        });
        if continues {
            return;
        }
        if let Some(left) = self.partial.remove(&transfer) {
            self.held -= left.bytes.len();
            shared.pool.keep(left);
        }
        let Some(named) = shared.geometry(transfer) else {
            return;
        };
        let content = named.content;
        let Some(whole) = len_of(&named.geometry, chunk) else {
            return;
        };
        let partial = match usize::try_from(offset.get()) {
            Ok(0) => Partial::new((content, chunk, shared.peer), whole, &shared.pool),
            Ok(offset) => {
                let Some(partial) = self.resumed(shared, (transfer, content, chunk), offset) else {
                    return;
                };
                partial
            }
            Err(_) => return,
        };
        self.held += partial.bytes.len();
        self.partial.insert(transfer, partial);
    }

    /// The first `offset` bytes of a chunk: those that the core wants continued here, or what this
    /// session itself had begun and left.
    fn resumed(
        &mut self,
        shared: &Shared,
        (transfer, content, chunk): (TransferId, ContentId, u32),
        offset: usize,
    ) -> Option<Partial> {
        let ready = self.ready.remove(&(transfer, chunk));
        let ready = ready.inspect(|ready| self.held -= ready.bytes.len());
        let mut partial = ready.or_else(|| shared.pool.kept((content, chunk, shared.peer)))?;
        if partial.bytes.len() < offset {
            shared.pool.put(partial.bytes);
            return None;
        }
        partial.shrink(offset);
        partial.of = shared.peer;
        Some(partial)
    }

    pub(super) fn append(&mut self, pool: &Pool, head: &Message, payload: &[u8]) {
        let Message::Block {
            transfer, chunk, ..
        } = head
        else {
            return;
        };
        let Some(partial) = self.partial.get_mut(transfer) else {
            return;
        };
        if partial.chunk != *chunk || partial.bytes.len() + payload.len() > partial.whole {
            return;
        }
        partial.bytes.extend_from_slice(payload);
        partial.hash_ahead();
        self.turn += 1;
        partial.turn = self.turn;
        self.held += payload.len();
        self.shrink(pool, *transfer);
    }

    /// Lets go of what has waited longest until the rest fits. An honest peer is owed no close for
    /// what it was asked for, given up and sent late: the core asks for less than this at once.
    /// The chunk of `transfer`, which comes now, stays.
    fn shrink(&mut self, pool: &Pool, transfer: TransferId) {
        while self.held > PARTIAL_MAX {
            let others = self.partial.iter().filter(|(id, _)| **id != transfer);
            let oldest = others.min_by_key(|(_, partial)| partial.turn);
            let oldest = oldest.map(|(id, _)| *id);
            let gone = match oldest {
                Some(id) => self.partial.remove(&id),
                None => self.ready.pop_first().map(|(_, ready)| ready),
            };
            let Some(gone) = gone else {
                return;
            };
            self.held -= gone.bytes.len();
            pool.keep(gone);
        }
    }

    /// The last byte of a block came: if its chunk is whole, it waits for the core.
    pub(super) fn finish(&mut self, shared: &Shared, head: &Message) {
        let Message::Block {
            transfer, chunk, ..
        } = head
        else {
            return;
        };
        let whole =
            |partial: &Partial| partial.chunk == *chunk && partial.bytes.len() == partial.whole;
        if !self.partial.get(transfer).is_some_and(whole) {
            return;
        }
        let partial = self.partial.remove(transfer).expect("looked up above");
        self.held -= partial.bytes.len();
        let len = partial.bytes.len() as u64;
        let held = shared.budget.hold(shared.peer, HeldKind::Passing, len);
        let place = (partial.content, partial.chunk);
        let before = self.whole.insert(place, partial.finish(held));
        if let Some(before) = before {
            shared.pool.put(before.bytes);
        }
    }

    /// The bytes of one key, that are not whole, if they are here.
    fn take(&mut self, key: Key) -> Option<Partial> {
        let is_it = |partial: &Partial| partial.key() == key;
        let theirs = self.partial.iter().find(|(_, one)| is_it(one));
        let theirs = theirs.map(|(theirs, _)| *theirs);
        let ready = self.ready.iter().find(|(_, one)| is_it(one));
        let ready = ready.map(|(place, _)| *place);
        let begun = theirs.and_then(|theirs| self.partial.remove(&theirs));
        let found = begun.or_else(|| self.ready.remove(&ready?))?;
        self.held -= found.bytes.len();
        Some(found)
    }

    /// What the peer calls `theirs` is nothing that we take part in any more.
    pub(super) fn release(&mut self, pool: &Pool, theirs: TransferId) {
        let begun = self.partial.remove(&theirs);
        let of_it = |key: &(TransferId, u32), _: &mut Partial| key.0 == theirs;
        let ready = self.ready.extract_if(.., of_it).map(|(_, ready)| ready);
        for partial in ready.chain(begun) {
            self.held -= partial.bytes.len();
            pool.keep(partial);
        }
    }

    /// Nothing more comes of anything.
    pub(super) fn release_all(&mut self, pool: &Pool) {
        let ready = std::mem::take(&mut self.ready).into_values();
        for partial in ready.chain(std::mem::take(&mut self.partial).into_values()) {
            pool.keep(partial);
        }
        self.whole.clear();
        (self.held, self.counted) = (0, None);
    }

    /// Brings the books of the node in line.
    pub(super) fn count(&mut self, shared: &Shared) {
        let held = self.held as u64;
        let counted = self.counted.get_or_insert_with(|| {
            let kind = HeldKind::Begun;
            shared.budget.hold(shared.peer, kind, 0)
        });
        counted.resize(held);
    }
}

/// The length of a chunk, if there is such a one.
fn len_of(geometry: &Manifest, chunk: u32) -> Option<usize> {
    let len = geometry.len_of(geometry.index(chunk)?);
    usize::try_from(len.get()).ok()
}

impl Shared {
    pub(super) fn begun(&self) -> MutexGuard<'_, Begun> {
        self.begun.lock().expect("nobody panics with a chunk")
    }

    /// The bytes of a chunk that came whole, once.
    pub(crate) fn whole(&self, content: ContentId, chunk: u32) -> Option<Arrival> {
        self.begun().whole.remove(&(content, chunk))
    }

    /// The first bytes of a chunk, if they are here.
    pub(crate) fn take(&self, key: Key) -> Option<Partial> {
        self.begun().take(key)
    }

    /// What came of a chunk is of no use, whole or not. Whether anything of it was here.
    pub(crate) fn discard(&self, key: Key) -> bool {
        let whole = (key.2 == self.peer)
            .then(|| self.whole(key.0, key.1))
            .flatten();
        let begun = self.take(key).map(|partial| partial.bytes);
        let gone = whole.map(|arrival| arrival.bytes).into_iter().chain(begun);
        gone.map(|bytes| self.pool.put(bytes)).count() > 0
    }

    /// The peer is asked for the rest of a chunk.
    pub(crate) fn resume(&self, partial: Partial) {
        let theirs = self.theirs(partial.content);
        let Some(theirs) = theirs else {
            return self.pool.keep(partial);
        };
        let mut begun = self.begun();
        begun.held += partial.bytes.len();
        let before = begun.ready.insert((theirs, partial.chunk), partial);
        if let Some(before) = before {
            begun.held -= before.bytes.len();
            self.pool.keep(before);
        }
    }

    /// The session is over.
    pub(crate) fn end(&self) {
        self.begun().release_all(&self.pool);
    }
}

#[cfg(test)]
mod tests;
