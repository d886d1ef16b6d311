//! Progressive filling, slow and obvious: what [`super`] must agree with.
//!
//! The max-min fair allocation of links to flows by its definition: every round looks at every link
//! and every flow.

use fairhaul_core::units::{Rate, Weight};

use super::scaled;

/// One flow: the links that it crosses, as places in a table of capacities, and its weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Demand {
    /// Places of the links, each at most once.
    pub(crate) links: Vec<usize>,
    /// Its right to a proportion.
    pub(crate) weight: Weight,
}

/// The max-min fair level of each demand: its rate for each hundredth of its weight, in 2^-40
/// B/s, rounded down; none if no link limits it. A capacity of none is unlimited.
///
/// While some demand has no level: divide what is left of every link equally, by weight, among
/// its demands without one; the link with the smallest share, the first of several, fixes the
/// level of its demands; take what they use from all their links.
#[must_use]
pub(crate) fn progressive_filling(
    capacities: &[Option<Rate>],
    demands: &[Demand],
) -> Vec<Option<u128>> {
    let mut levels = vec![None; demands.len()];
    loop {
        let share = |link: usize| {
            let crossing = |demand: &&(usize, &Demand)| demand.1.links.contains(&link);
            let all: Vec<_> = demands.iter().enumerate().collect();
            let used: u128 = all
                .iter()
                .filter(crossing)
                .filter_map(|(at, demand)| Some(levels[*at]? * hundredths(demand)))
                .sum();
            let weight: u128 = all
                .iter()
                .filter(crossing)
                .filter(|(at, _)| levels[*at].is_none())
                .map(|(_, demand)| hundredths(demand))
                .sum();
            let room = scaled(capacities[link]?) - used;
            (weight > 0).then(|| (room / weight, link))
        };
        let Some((level, link)) = (0..capacities.len()).filter_map(share).min() else {
            return levels;
        };
        for (at, demand) in demands.iter().enumerate() {
            if levels[at].is_none() && demand.links.contains(&link) {
                levels[at] = Some(level);
            }
        }
    }
}

fn hundredths(demand: &Demand) -> u128 {
    u128::from(demand.weight.hundredths())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(links: &[usize], weight: u32) -> Demand {
        Demand {
            links: links.to_vec(),
            weight: Weight::whole(weight),
        }
    }

    /// Links of 10, 6 and unlimited. Three flows cross the first, one of them the second with a
    /// flow of weight two: 6 divides into 2 and 4, and 10 into 2, 4 and 4.
    #[test]
    fn the_smallest_share_is_fixed_first() {
        let capacities = [Some(Rate::new(10)), Some(Rate::new(6)), None];
        let demands = [
            demand(&[0], 1),
            demand(&[0, 2], 1),
            demand(&[0, 1], 1),
            demand(&[1, 2], 2),
            demand(&[2], 7),
        ];
        let per_hundredth = |bytes: u64| Some(scaled(Rate::new(bytes)) / 100);
        assert_eq!(
            progressive_filling(&capacities, &demands),
            [
                per_hundredth(4),
                per_hundredth(4),
                per_hundredth(2),
                per_hundredth(2),
                None
            ]
        );
    }
}
