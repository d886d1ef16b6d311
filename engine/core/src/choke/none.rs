//! None: nobody is choked.
//!
//! Source:    no choking; the uplink's discipline alone decides who gets what.
//! Contract:  every interested peer is unchoked.
//! Cost:      O(peers) a round.
//! Drawbacks: an uplink split among very many moves each of them slowly.

use super::table::BASE;
use super::{Choker, ChokerRow, Grant, Round};
use crate::rng::Rng;

/// Its row.
pub(super) const ROW: ChokerRow = ChokerRow {
    name: "none",
    about: "serve all who ask; the discipline alone shares the uplink",
    rule: "Nobody is choked. The discipline of the uplink alone decides who gets what.",
    source: "no choking",
    fills: true,
    make: |_| Box::new(Nobody),
    ..BASE
};

#[derive(Debug)]
pub(super) struct Nobody;

impl Choker for Nobody {
    fn round(&mut self, round: &Round<'_>, _: &mut Rng) -> Vec<Grant> {
        round.slots_for(|_| true)
    }
}
