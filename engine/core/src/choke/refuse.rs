//! Refuse: everybody is choked.
//!
//! Source:    the free rider, who takes and never gives.
//! Contract:  nobody is unchoked.
//! Cost:      none.
//! Drawbacks: it is an adversary; its drawback is everybody else's.

use super::table::BASE;
use super::{Choker, ChokerRow, Grant, Round};
use crate::rng::Rng;

/// Its row.
pub(super) const ROW: ChokerRow = ChokerRow {
    name: "refuse",
    about: "serve nobody: the free rider",
    rule: "Everybody is choked, always.",
    source: "the adversary that takes and never gives",
    slots: true,
    make: |_| Box::new(Refuse),
    ..BASE
};

#[derive(Debug)]
pub(super) struct Refuse;

impl Choker for Refuse {
    fn round(&mut self, _: &Round<'_>, _: &mut Rng) -> Vec<Grant> {
        Vec::new()
    }
}
