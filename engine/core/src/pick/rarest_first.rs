//! Rarest first: the chunk that the fewest neighbours hold.
//!
//! Source:    B. Cohen, "Incentives Build Robustness in BitTorrent", 2003.
//! Contract:  no other chunk that was looked at has fewer holders; ties are broken uniformly.
//! Cost:      O(chunks / 64 + chunks looked at), at most `LOOK_MAX` looked at.
//! Drawbacks: knows neighbours only, so a chunk can be rare here and common elsewhere.
//! Departs:   beyond `LOOK_MAX` candidates, rarest among a run of that many from a random start.

use super::{Choices, Picker};
use crate::id::ChunkIndex;
use crate::rng::Rng;

#[derive(Debug)]
pub(super) struct RarestFirst;

impl Picker for RarestFirst {
    fn pick(&mut self, choices: Choices<'_>, rng: &mut Rng) -> Option<ChunkIndex> {
        if !choices.any() {
            return None;
        }
        let holders = |chunk: ChunkIndex| choices.holders[chunk.index()];
        let mut fewest = u16::MAX;
        let mut ties: Vec<ChunkIndex> = Vec::new();
        for chunk in choices.look(rng) {
            if holders(chunk) < fewest || ties.is_empty() {
                fewest = holders(chunk);
                ties.clear();
            }
            if holders(chunk) == fewest {
                ties.push(chunk);
            }
        }
        Some(ties[rng.below(ties.len())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitfield::Bitfield;

    #[test]
    fn the_chunk_with_one_holder_goes_before_those_with_two() {
        let all = Bitfield::full(5);
        let choices = Choices {
            wanted: &all,
            theirs: &all,
            holders: &[2, 2, 1, 2, 2],
        };
        let pick = RarestFirst.pick(choices, &mut Rng::from_seed([0; 32]));
        assert_eq!(pick, Some(ChunkIndex(2)));
    }

    #[test]
    fn ties_are_broken_at_random() {
        let all = Bitfield::full(2);
        let mut rng = Rng::from_seed([5; 32]);
        let mut seen = [0_u32; 2];
        for _ in 0..1_000 {
            let choices = Choices {
                wanted: &all,
                theirs: &all,
                holders: &[7, 7],
            };
            seen[RarestFirst.pick(choices, &mut rng).unwrap().index()] += 1;
        }
        // Standard deviation is 16; five of them.
        assert!(seen[0].abs_diff(500) < 80, "{seen:?}");
    }
}
