//! Pickers: which chunk to ask a peer for next.
//!
//! Each picker is one file and one row of [`ALL`]. A picker sees what could be asked and how
//! many hold it, never the peer or the transfer.

use std::fmt::Debug;

use crate::bitfield::Bitfield;
use crate::id::ChunkIndex;
use crate::registry::{Named, Registry};
use crate::rng::Rng;

mod random;
mod rarest_first;
mod sequential;

/// Most chunks that one pick looks at: the cost of a pick is bounded whatever the content.
const LOOK_MAX: usize = 4_096;

/// What a picker chooses from.
#[derive(Clone, Copy, Debug)]
pub struct Choices<'a> {
    /// Chunks that are wanted and not requested.
    pub wanted: &'a Bitfield,
    /// What the peer has.
    pub theirs: &'a Bitfield,
    /// How many connected peers hold each chunk.
    pub holders: &'a [u16],
}

/// The rule that orders chunks.
pub trait Picker: Debug + Send {
    /// A chunk that is both wanted and theirs; none only if there is none.
    fn pick(&mut self, choices: Choices<'_>, rng: &mut Rng) -> Option<ChunkIndex>;
}

/// A picker that can be named.
#[derive(Debug)]
pub struct PickerRow {
    /// Its name in files and on the command line.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Where it is described.
    pub source: &'static str,
    /// Makes one.
    pub make: fn() -> Box<dyn Picker>,
}

/// Every picker.
pub static ALL: &[PickerRow] = &[
    PickerRow {
        name: "sequential",
        about: "the first missing chunk, so that a reader can follow",
        source: "the order of the file",
        make: || Box::new(sequential::Sequential),
    },
    PickerRow {
        name: "random",
        about: "any missing chunk, each as likely as another",
        source: "uniform choice",
        make: || Box::new(random::Random),
    },
    PickerRow {
        name: "rarest-first",
        about: "the missing chunk that the fewest neighbours hold, ties at random",
        source: "B. Cohen, Incentives Build Robustness in BitTorrent, 2003",
        make: || Box::new(rarest_first::RarestFirst),
    },
];

/// Every picker by name: those of this crate, and those that a program adds.
pub static PICKERS: Registry<PickerRow> = Registry::new(ALL);

impl Named for PickerRow {
    fn name(&self) -> &'static str {
        self.name
    }
}

impl<'a> Choices<'a> {
    /// Whether anything can be picked.
    fn any(self) -> bool {
        self.wanted.count() > 0 && self.wanted.both(self.theirs).next().is_some()
    }

    /// At most [`LOOK_MAX`] chunks to choose from, starting at a random one if there are more.
    fn look(self, rng: &mut Rng) -> impl Iterator<Item = ChunkIndex> + 'a {
        let many = self.wanted.count_both(self.theirs) as usize;
        let skip = if many > LOOK_MAX { rng.below(many) } else { 0 };
        let all = self.wanted.both(self.theirs);
        all.skip(skip)
            .chain(self.wanted.both(self.theirs).take(skip))
            .take(LOOK_MAX)
    }
}

#[cfg(test)]
mod laws {
    use super::*;

    fn set(len: u32, chunks: &[u32]) -> Bitfield {
        let mut set = Bitfield::empty(len);
        for &chunk in chunks {
            set.insert(ChunkIndex(chunk));
        }
        set
    }

    #[test]
    fn every_picker_picks_what_is_wanted_and_theirs_or_nothing() {
        for row in ALL {
            let mut picker = (row.make)();
            let mut rng = Rng::from_seed([3; 32]);
            for seed in 0..200_u32 {
                let wanted = set(90, &[seed % 90, (seed * 7) % 90, (seed * 31) % 90]);
                let theirs = set(90, &[(seed * 7) % 90, (seed * 3) % 90]);
                let holders = vec![1; 90];
                let choices = Choices {
                    wanted: &wanted,
                    theirs: &theirs,
                    holders: &holders,
                };
                let pick = picker
                    .pick(choices, &mut rng)
                    .expect("one chunk is in both");
                assert!(wanted.has(pick) && theirs.has(pick), "{}", row.name);
            }
            let none = set(90, &[]);
            let choices = Choices {
                wanted: &none,
                theirs: &none,
                holders: &[0; 90],
            };
            assert_eq!(picker.pick(choices, &mut rng), None, "{}", row.name);
        }
    }

    #[test]
    fn a_pick_from_a_very_long_content_looks_at_a_bounded_number() {
        let all = Bitfield::full(100_000);
        let holders = vec![1; 100_000];
        let choices = Choices {
            wanted: &all,
            theirs: &all,
            holders: &holders,
        };
        assert_eq!(choices.look(&mut Rng::from_seed([1; 32])).count(), LOOK_MAX);
    }
}
