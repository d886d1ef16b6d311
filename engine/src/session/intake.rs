//! The reading half of a session: frames as they come, and the chunks that they make.
//!
//! Decides which bytes belong to a chunk: one chunk of each transfer is begun here, until it is
//! whole or given up; then what is there of it goes to the pool, from where the session goes on
//! that brings the rest. Refuses to judge blocks: the core does.
//!
//! Longer than other files: its tests, which need its private state, are a third of it.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard};

use fairhaul_core::door::memory::Kind;
use fairhaul_core::id::{PeerId, TransferId};
use fairhaul_core::manifest::{ContentId, Manifest};
use fairhaul_core::message::Message;
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::units::ByteCount;
use fairhaul_core::wire::{Decoder, Frame};

use super::{Arrival, Heard, Held, Pool, Shared};
use crate::content::tree::chunk_hasher;

/// Bytes of chunks begun on one session: one of each transfer is the most an honest peer has.
const PARTIAL_MAX: usize = 64 * 1024 * 1024;
/// Bytes of a chunk that are hashed at once: a power of two, and still in the second cache.
const HASH_STEP: usize = 128 * 1024;

/// Frames as they come.
pub(super) struct Intake {
    decoder: Decoder,
    pub(super) heard: Vec<Heard>,
    shared: Arc<Shared>,
    /// The block whose bytes come now, and how many are still to come.
    block: Option<(Message, u64)>,
}

impl Intake {
    pub(super) const fn new(shared: Arc<Shared>, decoder: Decoder) -> Self {
        Self {
            decoder,
            heard: Vec::new(),
            shared,
            block: None,
        }
    }

    /// Takes in what was read.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Misbehaviour> {
        let shared = Arc::clone(&self.shared);
        let mut begun = shared.begun();
        loop {
            let Some(frame) = self.decoder.next(&mut bytes)? else {
                begun.count(&shared);
                return Ok(());
            };
            match frame {
                Frame::Message(Message::Block {
                    transfer,
                    chunk,
                    offset,
                    len,
                }) => {
                    begun.begin(&shared, transfer, chunk, offset);
                    let head = Message::Block {
                        transfer,
                        chunk,
                        offset,
                        len,
                    };
                    self.block = Some((head, len.get()));
                }
                Frame::Message(message) => {
                    begun.hear(&shared.pool, &message);
                    self.heard.push(Heard::Message(message));
                }
                Frame::Skipped { .. } => self.heard.push(Heard::Skipped),
                Frame::Payload(payload) => {
                    let (message, left) = self.block.take().expect("a head comes first");
                    // Borrowed from `bytes`, not from the decoder.
                    begun.append(&message, payload)?;
                    let left = left - payload.len() as u64;
                    if left > 0 {
                        self.block = Some((message, left));
                    } else {
                        let heard = begun.finish(&shared, message);
                        self.heard.push(heard);
                    }
                }
            }
        }
    }
}

/// Chunks of which the first bytes came, by the peer's id of the transfer: it sends one after
/// another.
#[derive(Debug, Default)]
pub(crate) struct Begun {
    partial: BTreeMap<TransferId, Partial>,
    /// What is to be continued, before the first block has come.
    ready: BTreeMap<(TransferId, u32), Partial>,
    held: usize,
    /// The same in the books of the node.
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
    fn begin(&mut self, shared: &Shared, transfer: TransferId, chunk: u32, offset: ByteCount) {
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
    fn finish(&mut self, shared: &Shared, head: Message) -> Heard {
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
    fn hear(&mut self, pool: &Pool, message: &Message) {
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
    fn release_all(&mut self, pool: &Pool) {
        let ready = std::mem::take(&mut self.ready).into_values();
        for partial in ready.chain(std::mem::take(&mut self.partial).into_values()) {
            pool.keep(partial);
        }
        (self.held, self.counted) = (0, None);
    }

    /// Brings the books of the node in line.
    fn count(&mut self, shared: &Shared) {
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
    fn begun(&self) -> MutexGuard<'_, Begun> {
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
    use super::*;
    use fairhaul_core::wire::encode;

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
        };
        pool.keep(partial(1, 0, 1_000_000));
        for chunk in 0..1_000 {
            pool.keep(partial(2, chunk, 1_000_000));
        }
        let kept = |of, chunk| pool.kept(ContentId([1; 32]), chunk, PeerId(of)).is_some();
        assert!(kept(1, 0) && kept(2, 999) && !kept(2, 0));
    }
}
