//! A set of chunks of one content, one bit each.
//!
//! A position beyond the length is a bug and panics: only a manifest makes a `ChunkIndex`.

use serde::{Deserialize, Serialize};

use crate::id::ChunkIndex;

const WORD_BITS: usize = 64;

/// A set of the chunks of one content.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Bits", into = "Bits")]
pub struct Bitfield {
    words: Box<[u64]>,
    len: u32,
    ones: u32,
}

/// A bitfield as it is written down: a reader checks it before it is one.
#[derive(Serialize, Deserialize)]
struct Bits {
    len: u32,
    words: Vec<u64>,
}

impl Bitfield {
    /// None of `len` chunks.
    #[must_use]
    pub fn empty(len: u32) -> Self {
        let words = vec![0; (len as usize).div_ceil(WORD_BITS)].into_boxed_slice();
        Self {
            words,
            len,
            ones: 0,
        }
    }

    /// All of `len` chunks.
    #[must_use]
    pub fn full(len: u32) -> Self {
        let mut field = Self::empty(len);
        for (at, word) in field.words.iter_mut().enumerate() {
            let bits = (len as usize - at * WORD_BITS).min(WORD_BITS);
            *word = u64::MAX >> (WORD_BITS - bits);
        }
        field.ones = len;
        field
    }

    /// The set that `words` spell, least significant bit first; none if bits beyond `len`
    /// are set or the number of words is not the least that holds `len` bits.
    #[must_use]
    pub fn from_words(words: Vec<u64>, len: u32) -> Option<Self> {
        if words.len() != (len as usize).div_ceil(WORD_BITS) {
            return None;
        }
        let spare = words.len() * WORD_BITS - len as usize;
        if spare > 0
            && words
                .last()
                .is_some_and(|last| last.leading_zeros() < low(spare))
        {
            return None;
        }
        let ones = words.iter().map(|word| word.count_ones()).sum();
        Some(Self {
            words: words.into_boxed_slice(),
            len,
            ones,
        })
    }

    /// The bits, least significant first.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// How many chunks the content has.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.len
    }

    /// Whether the content has no chunk at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many chunks are in the set.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.ones
    }

    /// Whether every chunk is in the set.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.ones == self.len
    }

    /// Whether `chunk` is in the set.
    #[must_use]
    pub fn has(&self, chunk: ChunkIndex) -> bool {
        self.words[chunk.index() / WORD_BITS] >> (chunk.index() % WORD_BITS) & 1 == 1
    }

    /// Adds `chunk`; false if it was there.
    pub fn insert(&mut self, chunk: ChunkIndex) -> bool {
        let word = &mut self.words[chunk.index() / WORD_BITS];
        let bit = 1 << (chunk.index() % WORD_BITS);
        let new = *word & bit == 0;
        *word |= bit;
        self.ones += u32::from(new);
        new
    }

    /// Removes `chunk`; false if it was not there.
    pub fn remove(&mut self, chunk: ChunkIndex) -> bool {
        let word = &mut self.words[chunk.index() / WORD_BITS];
        let bit = 1 << (chunk.index() % WORD_BITS);
        let old = *word & bit != 0;
        *word &= !bit;
        self.ones -= u32::from(old);
        old
    }

    /// How many chunks are in both sets.
    #[must_use]
    pub(crate) fn count_both(&self, other: &Self) -> u32 {
        self.words
            .iter()
            .zip(&other.words)
            .map(|(a, b)| (a & b).count_ones())
            .sum()
    }

    /// How many chunks are in this set and not in `other`.
    #[must_use]
    pub fn count_beyond(&self, other: &Self) -> u32 {
        self.words
            .iter()
            .zip(&other.words)
            .map(|(a, b)| (a & !b).count_ones())
            .sum()
    }

    /// The chunks of the set, in order.
    pub fn iter(&self) -> impl Iterator<Item = ChunkIndex> {
        ones(self.words.iter().copied())
    }

    /// The chunks in both sets, in order.
    pub fn both<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = ChunkIndex> + 'a {
        ones(self.words.iter().zip(&other.words).map(|(a, b)| a & b))
    }
}

impl From<Bitfield> for Bits {
    fn from(field: Bitfield) -> Self {
        Self {
            len: field.len,
            words: field.words.into_vec(),
        }
    }
}

impl TryFrom<Bits> for Bitfield {
    type Error = &'static str;

    fn try_from(bits: Bits) -> Result<Self, Self::Error> {
        Self::from_words(bits.words, bits.len).ok_or("a bitfield with bits beyond its length")
    }
}

/// Positions of the set bits of `words`, in order.
fn ones(words: impl Iterator<Item = u64>) -> impl Iterator<Item = ChunkIndex> {
    words.enumerate().flat_map(|(at, word)| {
        let mut rest = word;
        std::iter::from_fn(move || {
            if rest == 0 {
                return None;
            }
            let bit = rest.trailing_zeros();
            rest &= rest - 1;
            Some(ChunkIndex(low(at * WORD_BITS) + bit))
        })
    })
}

fn low(position: usize) -> u32 {
    u32::try_from(position).expect("positions are below a length, which is a u32")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_set_has_every_chunk_and_no_spare_bit() {
        for len in [1, 63, 64, 65, 256] {
            let full = Bitfield::full(len);
            assert_eq!(full.iter().count(), len as usize);
            assert!(full.is_full());
            assert_eq!(Bitfield::from_words(full.words().to_vec(), len), Some(full));
        }
    }

    #[test]
    fn spare_bits_and_wrong_lengths_are_refused() {
        assert_eq!(Bitfield::from_words(vec![2], 1), None);
        assert_eq!(Bitfield::from_words(vec![0, 0], 64), None);
        assert_eq!(Bitfield::from_words(vec![], 1), None);
    }

    #[test]
    fn the_count_follows_inserts_and_removes() {
        let mut set = Bitfield::empty(70);
        assert!(set.insert(ChunkIndex(69)));
        assert!(!set.insert(ChunkIndex(69)));
        assert_eq!((set.count(), set.has(ChunkIndex(69))), (1, true));
        assert_eq!(set.count_beyond(&Bitfield::empty(70)), 1);
        assert_eq!(set.both(&Bitfield::full(70)).next(), Some(ChunkIndex(69)));
        assert!(set.remove(ChunkIndex(69)));
        assert_eq!(set.count(), 0);
    }
}
