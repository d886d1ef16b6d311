//! Partial chunks: who sent which bytes, and which are kept while no request for the rest is open.
//!
//! A chunk is verified as a whole, so any holder can send the rest of a chunk that another peer
//! began. If a wrong chunk came from one peer alone, that peer is blamed. If it came from several,
//! the chunk is fetched again from one peer, from its first byte, and none of the senders shares a
//! chunk again: a liar among them sends all of its next chunk, and is caught.

use std::collections::{BTreeMap, BTreeSet};

use crate::bitfield::Bitfield;
use crate::id::{ChunkIndex, PeerId};
use crate::time::Time;
use crate::units::ByteCount;

/// Chunks of one transfer of which the first bytes are kept: each peer that chokes us leaves one,
/// and few have more neighbours.
const KEPT_MAX: usize = 64;

/// The first bytes of a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Begun {
    /// How many there are.
    pub(crate) received: ByteCount,
    /// Their senders with how many each sent, in order.
    pub(crate) parts: Vec<(PeerId, ByteCount)>,
}

/// One request for a chunk.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) peer: PeerId,
    pub(super) at: Time,
    /// Where in the chunk its answer begins.
    pub(super) start: ByteCount,
    pub(super) begun: Begun,
    pub(super) whole: bool,
}

impl Asked {
    /// Bytes that came in answer.
    pub(super) fn came(&self) -> ByteCount {
        self.begun.received - self.start
    }
}

/// Partial chunks without an open request, or requested again from the first byte.
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

    /// The sender of the last of them.
    pub(crate) fn last(&self) -> Option<PeerId> {
        self.parts.last().map(|(peer, _)| *peer)
    }

    /// Their senders, each once.
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
    pub(super) fn keep(&mut self, chunk: ChunkIndex, begun: Begun) -> Option<(ChunkIndex, Begun)> {
        if begun.received == ByteCount::ZERO {
            return None;
        }
        if let Some(known) = self.chunks.get_mut(&chunk) {
            let less = if known.received < begun.received {
                std::mem::replace(known, begun)
            } else {
                begun
            };
            return Some((chunk, less));
        }
        self.chunks.insert(chunk, begun);
        if self.chunks.len() <= KEPT_MAX {
            return None;
        }
        self.drop_least()
    }

    /// Forgets the one of which least is there.
    pub(super) fn drop_least(&mut self) -> Option<(ChunkIndex, Begun)> {
        let least = self
            .chunks
            .iter()
            .map(|(chunk, begun)| (begun.received, *chunk));
        let (_, chunk) = least.min()?;
        Some((chunk, self.chunks.remove(&chunk)?))
    }

    /// What is kept of `chunk`.
    pub(super) fn get(&self, chunk: ChunkIndex) -> Option<&Begun> {
        self.chunks.get(&chunk)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn begun(parts: &[(u32, u64)]) -> Begun {
        let mut begun = Begun::default();
        for &(peer, len) in parts {
            begun.grow(PeerId(peer), ByteCount::new(len));
        }
        begun
    }

    /// A hundred peers leave a chunk each. The longest are kept.
    #[test]
    fn what_is_kept_is_bounded_and_the_least_goes_first() {
        let mut kept = Kept::default();
        let mut gone = Vec::new();
        for chunk in 0..100 {
            let len = u64::from(chunk * 37 % 100) + 1;
            gone.extend(kept.keep(ChunkIndex(chunk), begun(&[(chunk, len)])));
        }
        assert_eq!(kept.iter().count(), KEPT_MAX);
        let least = kept.iter().map(|(_, begun)| begun.received).min();
        let is_less = |begun: &Begun| Some(begun.received) < least;
        assert!(gone.iter().all(|(_, begun)| is_less(begun)), "{gone:?}");
    }

    /// Ten bytes of 1, ten of 2 and ten of 1 again, cut to each length.
    #[test]
    fn what_is_cut_off_was_of_the_last_senders() {
        for len in 0..=30 {
            let mut cut = begun(&[(1, 10), (2, 10), (1, 10)]);
            cut.shrink(ByteCount::new(len));
            let sum: ByteCount = cut.parts.iter().map(|(_, bytes)| *bytes).sum();
            assert_eq!((cut.received.get(), sum.get()), (len, len));
            let senders = [0, 1, 2][usize::from(len > 0) + usize::from(len > 10)];
            assert_eq!(cut.senders().len(), senders, "{len}");
        }
    }

    /// Peer 3 sent a part of a wrong chunk: it goes on with nothing but its own, and nobody with
    /// what it began. Chunk 9 was wrong: nobody goes on with what another began of it.
    #[test]
    fn nobody_shares_a_chunk_with_one_who_may_have_lied() {
        let all = Bitfield::full(10);
        let pick = |kept: &Kept, peer: u32| {
            let mixes = |one: PeerId| one != PeerId(3);
            kept.pick(PeerId(peer), (&all, &all), mixes)
        };
        let mut kept = Kept::default();
        kept.keep(ChunkIndex(1), begun(&[(1, 5)]));
        assert_eq!(pick(&kept, 2), Some(ChunkIndex(1)));
        assert_eq!(pick(&kept, 3), None);
        kept.keep(ChunkIndex(2), begun(&[(1, 5), (3, 5)]));
        assert_eq!(pick(&kept, 2), Some(ChunkIndex(1)));
        kept.keep(ChunkIndex(4), begun(&[(3, 7)]));
        assert_eq!(pick(&kept, 3), Some(ChunkIndex(4)));
        kept.was_wrong(ChunkIndex(9));
        kept.keep(ChunkIndex(9), begun(&[(2, 9)]));
        assert_eq!(pick(&kept, 1), Some(ChunkIndex(1)));
        assert_eq!(pick(&kept, 2), Some(ChunkIndex(9)));
    }
}
