//! The reading half of a session: frames as they come, and the chunks that they make.
//!
//! Decides which bytes are kept for a chunk, and for how long: one chunk of each transfer, until
//! it is whole or given up. What is begun is bounded by what the core asks for (limit L4), so
//! nothing of a chunk that it gave up may stay. Refuses to judge blocks: the core does.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard};

use fairhaul_core::id::TransferId;
use fairhaul_core::manifest::Manifest;
use fairhaul_core::message::Message;
use fairhaul_core::misbehaviour::Misbehaviour;
use fairhaul_core::units::ByteCount;
use fairhaul_core::wire::{Decoder, Frame};

use super::{Arrival, Heard, Pool, Shared};
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
    held: usize,
}

#[derive(Debug)]
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
        self.release(&shared.pool, transfer, None);
        let geometry = shared
            .geometry(transfer)
            .filter(|_| offset == ByteCount::ZERO);
        let Some(whole) = geometry.and_then(|geometry| len_of(&geometry, chunk)) else {
            return;
        };
        let mut bytes = shared.pool.take(whole);
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
        shared.backlog.add(partial.bytes.len() as u64);
        Heard::Chunk(head, partial.finish())
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
        if !self.partial.get(&theirs).is_some_and(gone) {
            return;
        }
        let partial = self.partial.remove(&theirs).expect("looked up above");
        self.held -= partial.bytes.len();
        pool.put(partial.bytes);
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use fairhaul_core::wire::encode;

    const CHUNK: u64 = 4_096;

    /// A session with a peer that takes part in two contents of four chunks.
    fn session() -> (Intake, Arc<Shared>) {
        let shared = Arc::new(Shared::default());
        let geometry = Manifest::new(ByteCount::new(4 * CHUNK), ByteCount::new(CHUNK)).unwrap();
        for theirs in [1, 2] {
            shared.learn(TransferId(theirs), Some(geometry));
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
        let (mut intake, shared) = session();
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
        shared.learn(one, None);
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
}
