//! Refuse: everybody is choked.
//!
//! Source:    the free rider, who takes and never gives.
//! Contract:  nobody is unchoked.
//! Cost:      none.
//! Drawbacks: it is an adversary; its drawback is everybody else's.

use super::{Candidate, Choker};
use crate::id::PeerId;
use crate::rng::Rng;

#[derive(Debug)]
pub(super) struct Refuse;

impl Choker for Refuse {
    fn unchoke(&mut self, _: &[Candidate], _: usize, _: &mut Rng) -> Vec<PeerId> {
        Vec::new()
    }
}
