//! None: nobody is choked.
//!
//! Source:    no choking; the uplink's discipline alone decides who gets what.
//! Contract:  every interested peer is unchoked.
//! Cost:      O(peers) a round.
//! Drawbacks: an uplink split among very many moves each of them slowly.

use super::{Candidate, Choker};
use crate::id::PeerId;
use crate::rng::Rng;

#[derive(Debug)]
pub(super) struct Nobody;

impl Choker for Nobody {
    fn unchoke(&mut self, peers: &[Candidate], _: usize, _: &mut Rng) -> Vec<PeerId> {
        peers.iter().map(|peer| peer.peer).collect()
    }
}
