//! The first bytes of chunks: who sent them, and which are kept while nobody is asked for the rest.
//!
//! A chunk is verified as a whole, so whoever has it can send the rest of what another began. Who
//! is to blame for a wrong one is known only where one peer sent all of it. After a wrong chunk of
//! several senders that chunk comes from one peer, from its beginning, and none of the senders
//! takes part in such a chunk again: the one that lies sends all of its next chunk, and is caught.

use std::collections::{BTreeMap, BTreeSet};

use crate::bitfield::Bitfield;
use crate::id::{ChunkIndex, PeerId};
use crate::units::ByteCount;

/// Chunks of one transfer of which the first bytes are kept: each peer that chokes us leaves one,
/// and few have more neighbours.
const KEPT_MAX: usize = 64;

/// The first bytes of a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Begun {
    /// How many there are.
    pub(crate) received: ByteCount,
    /// Who sent them and how many, in order.
    pub(crate) parts: Vec<(PeerId, ByteCount)>,
}

/// The first bytes of chunks that nobody is asked for, or that are asked for from the beginning.
#[derive(Debug, Default)]
pub(super) struct Kept {
    chunks: BTreeMap<ChunkIndex, Begun>,
    /// Chunks that came wrong from several senders.
    alone: BTreeSet<ChunkIndex>,
}

impl Begun {
    /// Counts bytes of `peer` that continue what is there.
    pub(super) fn grow(&mut self, peer: PeerId, len: ByteCount) {
        self.received += len;
        match self.parts.last_mut() {
            Some((last, bytes)) if *last == peer => *bytes += len,
            _ => self.parts.push((peer, len)),
        }
    }

    /// Forgets what is beyond the first `len` bytes.
    pub(super) fn shrink(&mut self, len: ByteCount) {
        while let Some((_, bytes)) = self.parts.last_mut() {
            let beyond = self.received.saturating_sub(len);
            if beyond < *bytes {
                *bytes = bytes.saturating_sub(beyond);
                self.received = self.received.saturating_sub(beyond);
                return;
            }
            self.received = self.received.saturating_sub(*bytes);
            self.parts.pop();
        }
    }

    /// Who sent them, each once.
    pub(crate) fn senders(&self) -> Vec<PeerId> {
        let mut senders: Vec<PeerId> = self.parts.iter().map(|(peer, _)| *peer).collect();
        senders.sort_unstable();
        senders.dedup();
        senders
    }

    fn all_from(&self, may: impl Fn(PeerId) -> bool) -> bool {
        self.parts.iter().all(|(peer, _)| may(*peer))
    }
}

impl Kept {
    /// How many chunks.
    pub(super) fn len(&self) -> usize {
        self.chunks.len()
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (ChunkIndex, &Begun)> {
        self.chunks.iter().map(|(chunk, begun)| (*chunk, begun))
    }

    /// Keeps what there is of `chunk`. Returns what has no place: the chunk, and how much of it.
    pub(super) fn keep(
        &mut self,
        chunk: ChunkIndex,
        begun: Begun,
    ) -> Option<(ChunkIndex, ByteCount)> {
        if begun.received == ByteCount::ZERO {
            return None;
        }
        if let Some(known) = self.chunks.get_mut(&chunk) {
            let less = if known.received < begun.received {
                std::mem::replace(known, begun)
            } else {
                begun
            };
            return Some((chunk, less.received));
        }
        self.chunks.insert(chunk, begun);
        if self.chunks.len() <= KEPT_MAX {
            return None;
        }
        self.drop_least()
    }

    /// Forgets the one of which least is there.
    pub(super) fn drop_least(&mut self) -> Option<(ChunkIndex, ByteCount)> {
        let least = self
            .chunks
            .iter()
            .map(|(chunk, begun)| (begun.received, *chunk));
        let (received, chunk) = least.min()?;
        self.chunks.remove(&chunk);
        Some((chunk, received))
    }

    /// Forgets what there is of `chunk`, and returns it.
    pub(super) fn take(&mut self, chunk: ChunkIndex) -> Option<Begun> {
        self.chunks.remove(&chunk)
    }

    /// Several sent a wrong chunk.
    pub(super) fn was_wrong(&mut self, chunk: ChunkIndex) {
        self.alone.insert(chunk);
    }

    /// The chunk is had: nothing more is to be known of it.
    pub(super) fn stored(&mut self, chunk: ChunkIndex) -> Option<Begun> {
        self.alone.remove(&chunk);
        self.take(chunk)
    }

    /// Of the wanted chunks that `peer` has and may continue, the one that lacks least: each is
    /// of use only when it is whole. A peer may continue what it sent itself, and what others
    /// sent if `mixes` allows it for all of them.
    pub(super) fn pick(
        &self,
        peer: PeerId,
        (wanted, theirs): (&Bitfield, &Bitfield),
        mixes: impl Fn(PeerId) -> bool,
    ) -> Option<ChunkIndex> {
        let may = |chunk: ChunkIndex, begun: &Begun| {
            let mixed = || mixes(peer) && begun.all_from(&mixes);
            begun.all_from(|sender| sender == peer) || !self.alone.contains(&chunk) && mixed()
        };
        let open = self.chunks.iter().filter(|(chunk, begun)| {
            wanted.has(**chunk) && theirs.has(**chunk) && may(**chunk, begun)
        });
        let best = open.max_by_key(|(chunk, begun)| (begun.received, std::cmp::Reverse(**chunk)));
        best.map(|(chunk, _)| *chunk)
    }
}
