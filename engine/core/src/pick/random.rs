//! Random: any chunk that is wanted and theirs.
//!
//! Source:    uniform choice.
//! Contract:  each chunk that is wanted and theirs is as likely as another.
//! Cost:      O(chunks / 64).
//! Drawbacks: takes no care of chunks that are about to vanish.

use super::{Choices, Picker};
use crate::id::ChunkIndex;
use crate::rng::Rng;

#[derive(Debug)]
pub(super) struct Random;

impl Picker for Random {
    fn pick(&mut self, choices: Choices<'_>, rng: &mut Rng) -> Option<ChunkIndex> {
        let many = choices.wanted.count_both(choices.theirs) as usize;
        if many == 0 {
            return None;
        }
        choices.wanted.both(choices.theirs).nth(rng.below(many))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bitfield::Bitfield;

    #[test]
    fn four_chunks_are_each_picked_a_quarter_of_the_time() {
        let all = Bitfield::full(4);
        let mut rng = Rng::from_seed([9; 32]);
        let mut seen = [0_u32; 4];
        for _ in 0..4_000 {
            let choices = Choices {
                wanted: &all,
                theirs: &all,
                holders: &[1; 4],
            };
            seen[Random.pick(choices, &mut rng).unwrap().index()] += 1;
        }
        // Standard deviation is 27; five of them.
        assert!(
            seen.iter().all(|&count| count.abs_diff(1_000) < 137),
            "{seen:?}"
        );
    }
}
