//! The incremental sharing against the oracle.

use proptest::prelude::*;

use super::oracle::{Demand, progressive_filling};
use super::*;
use crate::network::topology::Path;

/// The sharing's place of a link of the oracle's table: the first stands for none.
fn place(link: usize) -> u32 {
    u32::try_from(link).unwrap() + 1
}

/// What happens to the network between two comparisons.
#[derive(Clone, Debug)]
enum Step {
    Add(Vec<usize>, u32),
    Remove(usize),
    Capacity(usize, Option<u64>),
}

fn capacity() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![
        // Few different small numbers, so that levels are often equal or nearly.
        6 => (0u64..6).prop_map(Some),
        4 => (1u64..1_000_000_000).prop_map(Some),
        1 => (0u64..=u64::MAX).prop_map(Some),
        1 => Just(None),
    ]
}

fn step(links: usize) -> impl Strategy<Value = Step> {
    let path = prop::sample::subsequence((0..links).collect::<Vec<_>>(), 2..=PATH_MAX.min(links));
    let weight = prop_oneof![4 => Just(100u32), 2 => 1u32..=500, 1 => 1u32..=1_000_000];
    prop_oneof![
        6 => (path.prop_shuffle(), weight).prop_map(|(path, weight)| Step::Add(path, weight)),
        3 => any::<prop::sample::Index>().prop_map(|at| Step::Remove(at.index(1 << 20))),
        1 => (0..links, capacity()).prop_map(|(link, rate)| Step::Capacity(link, rate)),
    ]
}

fn scenario() -> impl Strategy<Value = (Vec<Option<u64>>, Vec<(Step, bool)>)> {
    (2usize..14).prop_flat_map(|links| {
        let compare = prop::bool::weighted(0.7);
        (
            prop::collection::vec(capacity(), links),
            prop::collection::vec((step(links), compare), 1..60),
        )
    })
}

/// The levels of all flows, as the links of their path give them.
fn levels(sharing: &Sharing, flows: &[(u32, Demand)]) -> Vec<Option<u128>> {
    flows
        .iter()
        .map(|(_, demand)| {
            let level = demand
                .links
                .iter()
                .map(|link| sharing.levels[link + 1])
                .min();
            level.filter(|level| *level != UNLIMITED)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    /// Paths of two to six links in any order, equal and odd weights, links that stand still
    /// and links without limit: after every batch of changes each flow has the oracle's level.
    #[test]
    fn it_gives_the_oracles_levels_to_the_last_unit((mut rates, steps) in scenario()) {
        let mut sharing = Sharing::new();
        for rate in &rates {
            sharing.add_link(rate.map(Rate::new));
        }
        let mut flows: Vec<(u32, Demand)> = Vec::new();
        for (step, compare) in steps {
            match step {
                Step::Add(links, weight) => {
                    let path: Path = links.iter().map(|link| place(*link)).collect();
                    let weight = Weight::from_hundredths(weight).unwrap();
                    flows.push((sharing.add_flow(path, weight), Demand { links, weight }));
                }
                Step::Remove(at) if !flows.is_empty() => {
                    let (flow, _) = flows.swap_remove(at % flows.len());
                    sharing.remove_flow(flow);
                }
                Step::Remove(_) => {}
                Step::Capacity(link, rate) => {
                    rates[link] = rate;
                    sharing.set_capacity(place(link), rate.map(Rate::new));
                }
            }
            if compare {
                sharing.fill_marked();
                let capacities: Vec<_> = rates.iter().map(|rate| rate.map(Rate::new)).collect();
                let demands: Vec<_> = flows.iter().map(|(_, demand)| demand.clone()).collect();
                prop_assert_eq!(
                    levels(&sharing, &flows),
                    progressive_filling(&capacities, &demands)
                );
            }
        }
    }
}

/// A chain in which each link is a little wider than the one before: freeing the first moves
/// every level, up and down in turn.
#[test]
fn a_change_travels_as_far_as_it_must() {
    let mut sharing = Sharing::new();
    let links: Vec<u32> = (0..50)
        .map(|n| sharing.add_link(Some(Rate::new(1_000 + 10 * n))))
        .collect();
    let mut demands = Vec::new();
    for pair in links.windows(2) {
        sharing.add_flow(pair.iter().copied().collect(), Weight::ONE);
        demands.push(Demand {
            links: pair.iter().map(|link| *link as usize - 1).collect(),
            weight: Weight::ONE,
        });
    }
    sharing.fill_marked();
    sharing.set_capacity(links[0], Some(Rate::new(1)));
    sharing.fill_marked();
    let capacities: Vec<_> = (0..50)
        .map(|n| Some(Rate::new(if n == 0 { 1 } else { 1_000 + 10 * n })))
        .collect();
    let flows: Vec<_> = demands.iter().map(|demand| (0, demand.clone())).collect();
    assert_eq!(
        levels(&sharing, &flows),
        progressive_filling(&capacities, &demands)
    );
    assert!(sharing.touched.len() > 25);
}

/// Two links of 2 B/s, each with a flow of weight 0.02 of its own, and one of weight 0.04 that
/// crosses both. All six hundredths of a link have the level 2^41 / 6, of which 2 units are lost
/// to rounding. At one level the flow that crosses both is fixed at the first link, so that what
/// is left for the second link's own flow is 2^41 - 4 level, one unit a hundredth more.
#[test]
fn of_two_links_at_one_level_the_first_fixes_what_crosses_both() {
    let hundredths = |part| Weight::from_hundredths(part).unwrap();
    for order in [[0, 1], [1, 0]] {
        let mut sharing = Sharing::new();
        let links = [0, 1].map(|_| sharing.add_link(Some(Rate::new(3))));
        sharing.add_flow(links.into_iter().collect(), hundredths(4));
        for link in links {
            sharing.add_flow([link].into_iter().collect(), hundredths(2));
        }
        sharing.fill_marked();
        // Whichever sinks last, the level of the other is then its own.
        for at in order {
            sharing.set_capacity(links[at], Some(Rate::new(2)));
            sharing.fill_marked();
        }
        let level = scaled(Rate::new(2)) / 6;
        assert_eq!(links.map(|link| sharing.level(link)), [level, level + 1]);
    }
}

/// 120 links of ten different capacities, 400 flows of two links each and a few of four, and
/// changes one at a time: with many equal levels, chains of bottlenecks run through the network.
#[test]
fn a_larger_network_agrees_with_the_oracle_after_every_few_changes() {
    let mut draw = 1u64;
    let mut random = move |below: usize| {
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(draw >> 33).unwrap() % below
    };
    let mut sharing = Sharing::new();
    let capacities: Vec<_> = (0..120)
        .map(|link| Some(Rate::new(1_000_003 * (1 + link % 10))))
        .collect();
    for capacity in &capacities {
        sharing.add_link(*capacity);
    }
    let mut flows: Vec<(u32, Demand)> = Vec::new();
    for change in 0..1_200 {
        if flows.len() >= 400 {
            let (flow, _) = flows.swap_remove(random(flows.len()));
            sharing.remove_flow(flow);
        }
        let mut links = vec![random(60), 60 + random(60)];
        if change % 9 == 0 {
            links.extend([(links[0] + 1) % 60, 60 + (links[1] - 59) % 60]);
        }
        let path = links.iter().map(|link| place(*link)).collect();
        let weight = Weight::whole(1 + u32::from(change % 5 == 0));
        flows.push((sharing.add_flow(path, weight), Demand { links, weight }));
        sharing.fill_marked();
        if change % 40 == 39 {
            let demands: Vec<_> = flows.iter().map(|(_, demand)| demand.clone()).collect();
            let expected = progressive_filling(&capacities, &demands);
            assert_eq!(levels(&sharing, &flows), expected, "after change {change}");
        }
    }
}
