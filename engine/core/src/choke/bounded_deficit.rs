//! Bounded deficit: a peer is served while it is behind by no more than a bound.
//!
//! Source:    A. R. Bharambe, C. Herley and V. N. Padmanabhan, "Analyzing and Improving a
//!            BitTorrent Network's Performance Mechanisms", INFOCOM 2006; S. Jun and M. Ahamad,
//!            "Incentives in BitTorrent Induce Free Riding", P2PECON 2005.
//! Contract:  what was sent to a peer less the verified bytes that came from it is at most the
//!            bound, at any moment. So a free rider is given at most the bound by each neighbour.
//!            A seed has no bound.
//! Cost:      O(peers) a round; O(1) for each chunk that was verified.
//! Drawbacks: needs a seed to start; two peers of which one has nothing for the other stop.

use super::table::BASE;
use super::{Candidate, Choker, ChokerParams, ChokerRow, Grant, Round};
use crate::rng::Rng;
use crate::units::ByteCount;

/// The bound in chunks, if none is told.
const CHUNKS: u64 = 2;

/// Its row.
pub(super) const ROW: ChokerRow = ChokerRow {
    name: "bounded-deficit",
    about: "serve a peer while it was sent at most two chunks beyond what came back",
    rule: "A peer is sent what keeps bytes sent less verified bytes received at two chunks or \
           less; the key deficit gives another bound. Each chunk from it that is verified lets as \
           much pass again at once. A seed serves all who ask.",
    source: "Bharambe, Herley and Padmanabhan, 2006; Jun and Ahamad, 2005",
    assumed: "only the abstracts could be read: a block of the papers is taken to be a chunk, \
              which is what can be verified",
    everybody: true,
    reviews: true,
    make: |params| Box::new(BoundedDeficit { params: *params }),
    ..BASE
};

#[derive(Debug)]
struct BoundedDeficit {
    params: ChokerParams,
}

impl BoundedDeficit {
    fn grant(&self, peer: &Candidate) -> Grant {
        let bound = self
            .params
            .deficit
            .map_or_else(|| peer.chunk.get().saturating_mul(CHUNKS), ByteCount::get);
        let left = bound.saturating_add(peer.total_received.get());
        let left = left.saturating_sub(peer.total_sent.get());
        Grant::of(peer.peer, ByteCount::new(left))
    }
}

impl Choker for BoundedDeficit {
    fn round(&mut self, round: &Round<'_>, _: &mut Rng) -> Vec<Grant> {
        if round.seeding {
            return round.slots_for(|_| true);
        }
        round.peers.iter().map(|peer| self.grant(peer)).collect()
    }

    fn review(&mut self, peer: &Candidate) -> Option<Grant> {
        Some(self.grant(peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choke::tests::{candidate, round};

    /// Golden vector with chunks of 100: the bound is 200, or the one that is told.
    #[test]
    fn a_peer_is_granted_what_keeps_it_within_the_bound() {
        let peer = |sent, received| Candidate {
            chunk: ByteCount::new(100),
            total_sent: ByteCount::new(sent),
            total_received: ByteCount::new(received),
            ..candidate(0, 0)
        };
        let grants = |params, peer| {
            let grant = BoundedDeficit { params }.review(&peer).unwrap();
            grant.budget.unwrap().get()
        };
        let usual = ChokerParams::default();
        let found = [(0, 0), (150, 0), (200, 0), (300, 0), (300, 100), (100, 900)];
        let found = found.map(|(sent, received)| grants(usual, peer(sent, received)));
        assert_eq!(found, [200, 50, 0, 0, 0, 1_000]);
        let narrow = ChokerParams {
            deficit: Some(ByteCount::new(60)),
            ..usual
        };
        assert_eq!(grants(narrow, peer(50, 0)), 10);
    }

    #[test]
    fn a_seed_has_no_bound() {
        let peers = [candidate(0, 0)];
        let seeding = Round {
            seeding: true,
            ..round(&peers, 1)
        };
        let mut rng = Rng::from_seed([1; 32]);
        let params = ChokerParams::default();
        let grants = BoundedDeficit { params }.round(&seeding, &mut rng);
        assert_eq!(grants, [Grant::slot(peers[0].peer)]);
    }
}
