//! Sequential: chunks in the order of the file.
//!
//! Source:    the order of the file.
//! Contract:  the first chunk that is wanted and theirs.
//! Cost:      O(chunks / 64).
//! Drawbacks: all peers of a swarm hold the same chunks, so they have nothing to trade.

use super::{Choices, Picker};
use crate::id::ChunkIndex;
use crate::rng::Rng;

#[derive(Debug)]
pub(super) struct Sequential;

impl Picker for Sequential {
    fn pick(&mut self, choices: Choices<'_>, _: &mut Rng) -> Option<ChunkIndex> {
        choices.wanted.both(choices.theirs).next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitfield::Bitfield;

    #[test]
    fn the_first_missing_chunk_comes_first() {
        let mut wanted = Bitfield::full(10);
        wanted.remove(ChunkIndex(0));
        let theirs = Bitfield::full(10);
        let choices = Choices {
            wanted: &wanted,
            theirs: &theirs,
            holders: &[1; 10],
        };
        let pick = Sequential.pick(choices, &mut Rng::from_seed([0; 32]));
        assert_eq!(pick, Some(ChunkIndex(1)));
    }
}
