//! PropShare: the uplink is divided in proportion to what each peer gave in the last round.
//!
//! Source:    D. Levin, K. LaCurts, N. Spring and B. Bhattacharjee, "BitTorrent is an Auction:
//!            Analyzing and Improving BitTorrent's Incentives", SIGCOMM 2008.
//! Contract:  of nine tenths of the uplink each peer has the part that it gave of all that came in
//!            the last round; a tenth goes to one drawn at random among those that are interested.
//!            Before anything came the drawn one has all.
//! Cost:      O(peers) a round.
//! Drawbacks: whoever gave nothing waits for the draw; shares follow what came a round ago.

use super::table::BASE;
use super::{Choker, ChokerRow, Grant, Round};
use crate::id::PeerId;
use crate::rng::Rng;
use crate::units::Weight;

/// The part of the uplink for the drawn one: one in this many.
const DRAWN: u128 = 10;

/// Its row.
pub(super) const ROW: ChokerRow = ChokerRow {
    name: "propshare",
    about: "a share of the uplink in proportion to what came in the last round",
    rule: "Each round the weight of a peer is 0.9 of what it gave of all that came in the last \
           round, and 0.1 more for one interested peer that is drawn at random. Whoever has no \
           weight is choked; before anything came the drawn one has all.",
    source: "Levin et al., BitTorrent is an Auction, 2008",
    assumed: "the text could not be read beyond its abstract: the tenth for a drawn peer and \
              rounds of 10 s are those of teaching code; a weight is rounded to a hundredth of \
              the mean",
    everybody: true,
    make: |_| Box::new(PropShare),
    ..BASE
};

#[derive(Debug)]
struct PropShare;

impl Choker for PropShare {
    fn round(&mut self, round: &Round<'_>, rng: &mut Rng) -> Vec<Grant> {
        let peers = round.peers.iter().filter(|peer| peer.interested);
        let gave: Vec<(PeerId, u128)> = peers
            .map(|peer| (peer.peer, u128::from(peer.received_last.get())))
            .collect();
        if gave.is_empty() {
            return Vec::new();
        }
        let drawn = rng.below(gave.len());
        let sum: u128 = gave.iter().map(|(_, bytes)| bytes).sum();
        let parts = gave.iter().enumerate().map(|(place, (peer, bytes))| {
            // Of `DRAWN` times the sum, or of one where nothing came.
            let lucky = if place == drawn { sum.max(1) } else { 0 };
            (*peer, bytes * (DRAWN - 1) + lucky)
        });
        let parts: Vec<_> = parts.filter(|(_, part)| *part > 0).collect();
        let count = parts.len() as u128;
        let all: u128 = parts.iter().map(|(_, part)| part).sum();
        let grants = parts.into_iter().map(|(peer, part)| {
            // The mean weight is one, so that no discipline serves long runs of blocks.
            let hundredths = part * count * u128::from(Weight::ONE.hundredths()) / all;
            let most = u128::from(Weight::MAX.hundredths());
            let hundredths = u32::try_from(hundredths.clamp(1, most));
            let weight = hundredths.ok().and_then(Weight::from_hundredths);
            Grant {
                weight: weight.expect("clamped to the range of weights"),
                ..Grant::slot(peer)
            }
        });
        grants.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choke::Candidate;
    use crate::choke::tests::{candidate, ids, round};
    use crate::units::ByteCount;

    fn gave(peer: u32, bytes: u64) -> Candidate {
        Candidate {
            received_last: ByteCount::new(bytes),
            ..candidate(peer, bytes)
        }
    }

    /// Golden vector: 600, 300 and 100 bytes came, and nothing from 3. Nine tenths go 0.54, 0.27
    /// and 0.09; a tenth goes to the drawn one.
    #[test]
    fn nine_tenths_go_in_proportion_and_a_tenth_to_the_drawn_one() {
        let peers = [gave(0, 600), gave(1, 300), gave(2, 100), gave(3, 0)];
        let mut drawn = [0; 4];
        for seed in 0..40 {
            let mut rng = Rng::from_seed([seed; 32]);
            let grants = PropShare.round(&round(&peers, 4), &mut rng);
            let count = u32::try_from(grants.len()).unwrap();
            let mut parts = [0; 4];
            for grant in &grants {
                // In thousandths of the uplink.
                let part = grant.weight.hundredths() * 10 / count;
                parts[grant.peer.index()] = part;
            }
            let even = [540, 270, 90, 0];
            let lucky = (0..4).find(|at| parts[*at] > even[*at] + 50).unwrap();
            drawn[lucky] += 1;
            for at in 0..4 {
                let expected = even[at] + if at == lucky { 100 } else { 0 };
                assert!(parts[at].abs_diff(expected) <= 10, "{parts:?}");
            }
        }
        assert!(drawn.iter().all(|times| *times > 2), "{drawn:?}");
    }

    #[test]
    fn before_anything_came_the_drawn_one_has_all() {
        let mut peers = [gave(0, 0), gave(1, 0), gave(2, 500)];
        peers[2].interested = false;
        let mut rng = Rng::from_seed([1; 32]);
        let grants = PropShare.round(&round(&peers, 4), &mut rng);
        assert_eq!(grants.len(), 1);
        assert_ne!(ids(&grants), [2]);
    }

    /// Oracle O11, the fluid: 13, 14 and 13 peers of 20, 50 and 200 kB/s on a complete graph, who
    /// all give to all equally at first. Download over upload by class goes from 4.54, 1.80 and
    /// 0.431 to 1.041, 1.032 and 0.987 after one round, and to one.
    #[test]
    fn proportional_response_gives_each_class_what_it_gives() {
        let rates: Vec<f64> = [(13, 20.0), (14, 50.0), (13, 200.0)]
            .into_iter()
            .flat_map(|(count, rate)| std::iter::repeat_n(rate, count))
            .collect();
        let count = rates.len();
        let mut gives: Vec<Vec<f64>> = (0..count)
            .map(|from| {
                let part = rates[from] / (count - 1) as f64;
                let to = (0..count).map(|to| if to == from { 0.0 } else { part });
                to.collect()
            })
            .collect();
        let ratio = |gives: &[Vec<f64>], peer: usize| {
            gives.iter().map(|row| row[peer]).sum::<f64>() / rates[peer]
        };
        let classes = |gives: &[Vec<f64>]| [0, 13, 27].map(|peer| ratio(gives, peer));
        let near = |found: [f64; 3], expected: [f64; 3], by: f64| {
            let mut pairs = found.iter().zip(expected);
            assert!(
                pairs.all(|(one, other)| (one - other).abs() < by),
                "{found:?}"
            );
        };
        near(classes(&gives), [4.54, 1.80, 0.431], 0.01);
        for expected in [[1.041, 1.032, 0.987], [1.0007, 1.0009, 0.9997]] {
            let before = gives.clone();
            for (from, row) in gives.iter_mut().enumerate() {
                let sum: f64 = before.iter().map(|other| other[from]).sum();
                for (to, part) in row.iter_mut().enumerate() {
                    *part = rates[from] * before[to][from] / sum;
                }
            }
            near(classes(&gives), expected, 0.001);
        }
    }
}
