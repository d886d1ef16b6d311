//! Tit-for-tat with as many slots as the square root of the uplink allows, and two optimistic ones.
//!
//! Source:    later mainline clients of BitTorrent as modelled by M. Piatek, T. Isdal, T. Anderson,
//!            A. Krishnamurthy and A. Venkataramani, "Do Incentives Build Robustness in
//!            BitTorrent?", NSDI 2007.
//! Contract:  tit-for-tat with floor(sqrt(0.6 r)) regular slots and 2 optimistic ones, for an
//!            uplink of r KB/s.
//! Cost:      O(peers log peers) a round.
//! Drawbacks: those of tit-for-tat; a fast peer splits its uplink among many.

use super::table::BASE;
use super::tit_for_tat::TitForTat;
use super::{Choker, ChokerParams, ChokerRow, Grant, Round};
use crate::rng::Rng;
use crate::units::Rate;

/// Optimistic slots.
const OPTIMISTIC: usize = 2;

/// Regular slots of an uplink of which nothing is known yet.
const UNKNOWN: u64 = 3;

/// Its row.
pub(super) const ROW: ChokerRow = ChokerRow {
    name: "tit-for-tat-sqrt",
    about: "tit-for-tat with slots by the square root of the uplink, two of them optimistic",
    rule: "The rule of tit-for-tat with floor(sqrt(0.6 r)) regular slots, r the uplink in KB/s, \
           and two optimistic ones. The key slots-per-root gives another factor k: \
           floor(k sqrt r).",
    source: "later mainline as modelled by Piatek et al., Do Incentives Build Robustness in \
             BitTorrent?, 2007",
    assumed: "1 KB is 1,000 B; three regular slots while nothing is known of the uplink",
    everybody: true,
    reacts: true,
    make: |params| {
        Box::new(TitForTatSqrt {
            inner: TitForTat::new(OPTIMISTIC),
            params: *params,
        })
    },
    ..BASE
};

#[derive(Debug)]
struct TitForTatSqrt {
    inner: TitForTat,
    params: ChokerParams,
}

/// Regular slots of an uplink: floor(sqrt(0.6 r)), or floor(k sqrt(r)) with k in thousandths.
fn regular(capacity: Option<Rate>, per_root: Option<u32>) -> u64 {
    let Some(rate) = capacity.map(|rate| u128::from(rate.get())) else {
        return UNKNOWN;
    };
    let square = match per_root {
        None => 6 * rate / 10_000,
        Some(factor) => u128::from(factor) * u128::from(factor) * rate / 1_000_000_000,
    };
    u64::try_from(square.isqrt()).unwrap_or(u64::MAX)
}

impl Choker for TitForTatSqrt {
    fn round(&mut self, round: &Round<'_>, rng: &mut Rng) -> Vec<Grant> {
        let regular = regular(round.capacity, self.params.slots_per_root);
        let slots = usize::try_from(regular).unwrap_or(usize::MAX);
        self.inner
            .unchoke(round, slots.saturating_add(OPTIMISTIC), rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden vector: sqrt(0.6 r) is 7.7 at 100 KB/s, 3.46 at 20, 5.47 at 49.9 and 13.4 at 300;
    /// with k = 1 and 0.44 it is 10 and 4.4 at 100.
    #[test]
    fn slots_grow_with_the_square_root_of_the_uplink() {
        let slots = |rate: u64| regular(Some(Rate::new(rate)), None);
        let found = [20_000, 49_900, 100_000, 300_000].map(slots);
        assert_eq!(found, [3, 5, 7, 13]);
        let by = |factor| regular(Some(Rate::new(100_000)), Some(factor));
        assert_eq!([by(1_000), by(440)], [10, 4]);
        assert_eq!(regular(None, None), 3);
    }
}
