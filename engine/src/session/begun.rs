//! Chunks that a peer began to send: one of each transfer, until it is whole or given up. Then what
//! is there of it goes to the pool, from where the session goes on that brings the rest.
//!
//! Longer than other files: its tests, which need its private state, are a third of it.

use std::collections::BTreeMap;
use std::sync::MutexGuard;

use fairhaul_core::door::memory::Kind;
use fairhaul_core::id::{PeerId, TransferId};
use fairhaul_core::manifest::{ContentId, Manifest};
use fairhaul_core::message::Message;
use fairhaul_core::units::ByteCount;

use super::{Arrival, Heard, Held, Pool, Shared};
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
    /// Bytes of both.
    held: usize,
    /// Counts pieces that came: what has waited longest has the lowest number.
    turn: u64,
    /// The bytes in the books of the node.
    counted: Option<Held>,
}

/// The first bytes of a chunk.
#[derive(Debug)]
pub(crate) struct Partial {
    pub(super) content: ContentId,
    pub(super) chunk: u32,
    /// Who sent the last of them.
    pub(super) of: PeerId,
    whole: usize,
    pub(super) bytes: Vec<u8>,
    hasher: blake3::Hasher,
    /// Bytes that were hashed.
    hashed: usize,
    /// When the last of it came, as the session counts.
    turn: u64,
}

impl Partial {
    /// What it is the beginning of, and from whom.
    pub(super) const fn key(&self) -> (ContentId, u32, PeerId) {
        (self.content, self.chunk, self.of)
    }

    /// Forgets what is beyond the first `len` bytes: a part of a block, perhaps, of which the core
    /// has not heard.
    fn shrink(&mut self, len: usize) {
        self.bytes.truncate(len);
        if self.hashed > len {
            (self.hasher, self.hashed) = (chunk_hasher(), 0);
        }
    }

    fn new((content, chunk, of): (ContentId, u32, PeerId), whole: usize, pool: &Pool) -> Self {
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
        let Some((content, geometry)) = shared.geometry(transfer) else {
            return;
        };
        let Some(whole) = len_of(&geometry, chunk) else {
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
        let mut partial = ready.or_else(|| shared.pool.kept(content, chunk, shared.peer))?;
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

    /// The last byte of a block came.
    pub(super) fn finish(&mut self, shared: &Shared, head: Message) -> Heard {
        let Message::Block {
            transfer, chunk, ..
        } = head
        else {
            return Heard::Message(head);
        };
        let whole =
            |partial: &Partial| partial.chunk == chunk && partial.bytes.len() == partial.whole;
        if !self.partial.get(&transfer).is_some_and(whole) {
            return Heard::Message(head);
        }
        let partial = self.partial.remove(&transfer).expect("looked up above");
        self.held -= partial.bytes.len();
        let len = partial.bytes.len() as u64;
        let held = shared.budget.hold(shared.peer, Kind::Passing, len);
        Heard::Chunk(head, partial.finish(held))
    }

    /// What the peer says may end a chunk that it began.
    pub(super) fn hear(&mut self, pool: &Pool, message: &Message) {
        match *message {
            Message::Reject { transfer, chunk } => self.release(pool, transfer, Some(chunk)),
            Message::Leave { transfer } => self.release(pool, transfer, None),
            _ => {}
        }
    }

    /// Nothing more comes of what was begun of a transfer, or of that chunk of it.
    pub(super) fn release(&mut self, pool: &Pool, theirs: TransferId, chunk: Option<u32>) {
        let gone = |partial: &Partial| chunk.is_none_or(|chunk| chunk == partial.chunk);
        let begun = self.partial.get(&theirs).is_some_and(gone);
        let begun = begun.then(|| self.partial.remove(&theirs)).flatten();
        let of_it =
            |key: &(TransferId, u32), partial: &mut Partial| key.0 == theirs && gone(partial);
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
        (self.held, self.counted) = (0, None);
    }

    /// Brings the books of the node in line.
    pub(super) fn count(&mut self, shared: &Shared) {
        let held = self.held as u64;
        let counted = self.counted.get_or_insert_with(|| {
            let kind = Kind::Begun;
            shared.budget.hold(shared.peer, kind, 0)
        });
        counted.resize(held);
    }

    /// Bytes that are held.
    #[cfg(test)]
    const fn held(&self) -> usize {
        self.held
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

    /// We no longer want that chunk of what the peer calls `theirs`, or nothing of it.
    pub(crate) fn give_up(&self, theirs: TransferId, chunk: Option<u32>) {
        self.begun().release(&self.pool, theirs, chunk);
    }

    /// The peer is asked for the rest of a chunk of what it calls `theirs`.
    pub(crate) fn resume(&self, theirs: TransferId, partial: Partial) {
        let mut begun = self.begun();
        begun.held += partial.bytes.len();
        let before = begun.ready.insert((theirs, partial.chunk), partial);
        if let Some(before) = before {
            begun.held -= before.bytes.len();
            self.pool.keep(before);
        }
    }

    /// The session is over.
    pub(crate) fn give_up_all(&self) {
        self.begun().release_all(&self.pool);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fairhaul_core::wire::{Decoder, encode};

    use super::super::intake::Intake;
    use super::*;

    const CHUNK: u64 = 4_096;

    /// A session with a peer that takes part in two contents of four chunks.
    fn session(peer: u32, pool: &Arc<Pool>) -> (Intake, Arc<Shared>) {
        let shared = Shared::new(PeerId(peer), Arc::clone(pool), Arc::default());
        let shared = Arc::new(shared);
        let geometry = Manifest::new(ByteCount::new(4 * CHUNK), ByteCount::new(CHUNK)).unwrap();
        for theirs in [1, 2] {
            let content = ContentId([u8::try_from(theirs).unwrap(); 32]);
            shared.learn(TransferId(theirs), content, geometry);
        }
        (Intake::new(Arc::clone(&shared), Decoder::new()), shared)
    }

    /// The first `len` bytes of a chunk come.
    fn begins(intake: &mut Intake, transfer: u32, chunk: u32, len: u64) {
        let mut bytes = Vec::new();
        let head = Message::Block {
            transfer: TransferId(transfer),
            chunk,
            offset: ByteCount::ZERO,
            len: ByteCount::new(len),
        };
        encode(&head, &mut bytes);
        bytes.resize(bytes.len() + usize::try_from(len).unwrap(), 7);
        intake.feed(&bytes).unwrap();
    }

    fn says(intake: &mut Intake, message: &Message) {
        let mut bytes = Vec::new();
        encode(message, &mut bytes);
        intake.feed(&bytes).unwrap();
    }

    /// A chunk is held while it may become whole, and no longer: the core gives the place of
    /// one that it gives up to another.
    ///
    /// Limit: L4.
    #[test]
    fn nothing_is_held_of_a_chunk_that_was_given_up() {
        let (mut intake, shared) = session(1, &Arc::default());
        let (one, two) = (TransferId(1), TransferId(2));
        for (transfer, len) in [(1, 1_000), (2, 3_000)] {
            begins(&mut intake, transfer, 0, len);
        }
        assert_eq!(shared.begun().held(), 4_000);
        shared.give_up(one, Some(3));
        assert_eq!(shared.begun().held(), 4_000, "another chunk was given up");
        shared.give_up(one, Some(0));
        assert_eq!(shared.begun().held(), 3_000, "we cancel");
        let (transfer, chunk) = (two, 0);
        says(&mut intake, &Message::Reject { transfer, chunk });
        assert_eq!(shared.begun().held(), 0, "the peer refuses the rest");
        begins(&mut intake, 1, 1, 2_000);
        begins(&mut intake, 2, 1, 2_000);
        says(&mut intake, &Message::Leave { transfer });
        assert_eq!(shared.begun().held(), 2_000, "the peer leaves");
        shared.forget(one);
        assert_eq!(shared.begun().held(), 0, "what it calls so is forgotten");
        begins(&mut intake, 2, 2, 1_000);
        begins(&mut intake, 2, 3, CHUNK);
        assert_eq!(
            shared.begun().held(),
            0,
            "the next one was begun, and is whole"
        );
        let whole = |heard: &Heard| matches!(heard, Heard::Chunk(..));
        assert_eq!(intake.heard.iter().filter(|heard| whole(heard)).count(), 1);
    }

    /// One peer sends three quarters of a chunk in blocks of a quarter and a bit of the next, and
    /// refuses the rest. The session that is told to go on from there makes the chunk whole, as if
    /// one peer had sent it; what a third peer began of the same chunk is not mixed in.
    #[test]
    fn a_session_goes_on_where_another_stopped() {
        let pool = Arc::default();
        let content = ContentId([1; 32]);
        let (one, chunk) = (TransferId(1), 0);
        let quarter = |number: u64, fill: u8, len: u64| {
            let mut bytes = Vec::new();
            let head = Message::Block {
                transfer: one,
                chunk,
                offset: ByteCount::new(number * CHUNK / 4),
                len: ByteCount::new(CHUNK / 4),
            };
            encode(&head, &mut bytes);
            bytes.resize(bytes.len() + usize::try_from(len).unwrap(), fill);
            bytes
        };
        let (mut first, shared) = session(4, &pool);
        for number in 0..3 {
            first.feed(&quarter(number, 7, CHUNK / 4)).unwrap();
        }
        first.feed(&quarter(3, 7, 100)).unwrap();
        shared.give_up_all();
        let (mut liar, shared) = session(6, &pool);
        liar.feed(&quarter(0, 66, CHUNK / 4)).unwrap();
        let transfer = one;
        says(&mut liar, &Message::Reject { transfer, chunk });
        assert_eq!(shared.begun().held(), 0);

        let (mut second, shared) = session(5, &pool);
        let partial = pool.kept(content, chunk, PeerId(4)).expect("it was begun");
        shared.resume(one, partial);
        second.feed(&quarter(3, 7, CHUNK / 4)).unwrap();
        let Some(Heard::Chunk(_, arrival)) = second.heard.pop() else {
            panic!("the chunk is whole");
        };
        let whole = vec![7; usize::try_from(CHUNK).unwrap()];
        assert_eq!(arrival.bytes, whole);
        assert_eq!(
            &arrival.hash,
            chunk_hasher().update(&whole).finalize().as_bytes()
        );
        assert_eq!(shared.begun().held(), 0);
        assert!(pool.kept(content, chunk, PeerId(6)).is_some());
        pool.discard(content, chunk);
        assert!(pool.kept(content, chunk, PeerId(5)).is_none());
    }

    /// What is kept is bounded, and whoever fills it makes room for the others.
    #[test]
    fn a_peer_that_begins_a_thousand_chunks_costs_nobody_else_his() {
        let pool: Arc<Pool> = Arc::default();
        let partial = |of: u32, chunk: u32, len: usize| Partial {
            content: ContentId([1; 32]),
            chunk,
            of: PeerId(of),
            whole: len + 1,
            bytes: vec![0; len],
            hasher: chunk_hasher(),
            hashed: 0,
            turn: 0,
        };
        pool.keep(partial(1, 0, 1_000_000));
        for chunk in 0..1_000 {
            pool.keep(partial(2, chunk, 1_000_000));
        }
        let kept = |of, chunk| pool.kept(ContentId([1; 32]), chunk, PeerId(of)).is_some();
        assert!(kept(1, 0) && kept(2, 999) && !kept(2, 0));
    }
    /// A path stands still for long, and what was given up meanwhile comes all at once: the
    /// beginnings of nine chunks of 8 MiB, of nine contents. Nobody is closed for it; what has
    /// waited longest is let go, and goes on where it stopped.
    ///
    /// Register: D8, D10. Limit: L4.
    #[test]
    fn more_beginnings_than_there_is_room_for_are_no_offence() {
        const LONG: u64 = 8 * 1024 * 1024;
        let pool: Arc<Pool> = Arc::default();
        let (mut intake, shared) = session(1, &pool);
        let geometry = Manifest::new(ByteCount::new(LONG), ByteCount::new(LONG)).unwrap();
        let piece = |transfer: u32, offset: u64| {
            let mut bytes = Vec::new();
            let len = LONG / 32;
            let head = Message::Block {
                transfer: TransferId(transfer),
                chunk: 0,
                offset: ByteCount::new(offset),
                len: ByteCount::new(len),
            };
            encode(&head, &mut bytes);
            bytes.resize(bytes.len() + usize::try_from(len).unwrap(), 7);
            bytes
        };
        for theirs in 11..20 {
            let content = ContentId([u8::try_from(theirs).unwrap(); 32]);
            shared.learn(TransferId(theirs), content, geometry);
            for step in 0..31 {
                intake.feed(&piece(theirs, step * LONG / 32)).unwrap();
                assert!(shared.begun().held() <= PARTIAL_MAX);
            }
        }
        assert!(shared.begun().held() > PARTIAL_MAX - usize::try_from(LONG).unwrap());
        // The first of them had to go, and is made whole all the same; so is the last.
        for theirs in [11, 19] {
            intake.feed(&piece(theirs, LONG / 32 * 31)).unwrap();
            let Some(Heard::Chunk(_, arrival)) = intake.heard.pop() else {
                panic!("the chunk of {theirs} is whole");
            };
            assert_eq!(arrival.bytes.len() as u64, LONG);
        }
    }
}
