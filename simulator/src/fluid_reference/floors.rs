//! Floors in progressive filling: who is kept at one, and at what.
//!
//! Contract: a flow, peer or group whose share falls below its floor is given the floor before the
//!           others share the rest, narrow targets before wide ones, until nobody is below. What a
//!           wide target is given its members share by weight, each at its own floor at least.
//!           Floors that do not fit together are scaled in proportion, as the core's uplink does on
//!           a link that has become too slow for them. `clamped` is that, slow.
//! Departs:  where a limit of several members stops them below a floor that they have with others,
//!           those get the rest of it in proportion to what they have, not by weight.

use std::collections::{BTreeMap, BTreeSet};

use super::class::Child;
use super::sharing::{Flow, Part, Sharing};

/// Less than its floor by more than rounding.
const SHORT: f64 = 1.0 - 1e-9;

/// The flows that are kept at a floor of their own, and the limits whose members are kept at
/// one together, narrow ones first.
#[derive(Debug, Default)]
pub(super) struct Kept {
    flows: Vec<u32>,
    links: Vec<u32>,
}

/// What a member of a floor gets of it.
#[derive(Clone, Copy, Debug)]
struct Share {
    part: f64,
    /// Its own floor, which counts towards the one of all.
    least: f64,
    most: f64,
}

impl Share {
    fn at(&self, level: f64) -> f64 {
        (level * self.part).max(self.least).min(self.most)
    }
}

/// The members of one floor as the tree of their source, with nobody else in it.
struct Members<'a> {
    sharing: &'a Sharing,
    targets: &'a BTreeMap<u32, f64>,
    below: BTreeMap<u32, BTreeSet<Child>>,
}

impl<'a> Members<'a> {
    fn of(sharing: &'a Sharing, link: u32, targets: &'a BTreeMap<u32, f64>) -> Self {
        let mut below: BTreeMap<u32, BTreeSet<Child>> = BTreeMap::new();
        // Who has no limit takes part in no sharing.
        let flows = sharing.link(link).flows.iter();
        for &flow in flows.filter(|flow| sharing.flows[**flow as usize].limit.is_some()) {
            let mut child = Child::Flow(flow);
            for class in sharing.above(flow) {
                below.entry(class).or_default().insert(child);
                child = Child::Class(class);
            }
        }
        Self {
            sharing,
            targets,
            below,
        }
    }

    /// What each of them gets of `bytes`. Whom an order lets wait has a part all the same.
    fn divide(&self, bytes: f64) -> Vec<(u32, f64)> {
        let mut found = Vec::new();
        let classes = self.below.keys();
        let mut roots =
            classes.filter(|class| self.sharing.classes[**class as usize].parent.is_none());
        if let Some(&root) = roots.next() {
            self.divide_class(root, bytes, &mut found);
        }
        found
    }

    fn divide_class(&self, class: u32, bytes: f64, found: &mut Vec<(u32, f64)>) {
        let children = &self.below[&class];
        let shares: Vec<Share> = children.iter().map(|child| self.share(*child)).collect();
        let level = water_level(&shares, bytes);
        for (&child, share) in children.iter().zip(&shares) {
            match child {
                Child::Flow(flow) => {
                    let yields = self.sharing.flows[flow as usize].yields;
                    found.push((flow, share.at(level) * yields));
                }
                Child::Class(class) => self.divide_class(class, share.at(level), found),
            }
        }
    }

    fn share(&self, child: Child) -> Share {
        match child {
            Child::Flow(flow) => {
                let least = self.targets.get(&flow).copied().unwrap_or(0.0);
                let most = self.sharing.own_limit(flow);
                let flow = &self.sharing.flows[flow as usize];
                Share {
                    part: flow.weight,
                    least: least / flow.yields,
                    most: most / flow.yields,
                }
            }
            Child::Class(class) => {
                let children = self.below[&class].iter().map(|child| self.share(*child));
                let none = Share {
                    part: self.sharing.classes[class as usize].weight,
                    least: 0.0,
                    most: 0.0,
                };
                let sum = children.fold(none, |sum, child| Share {
                    least: sum.least + child.least,
                    most: sum.most + child.most,
                    ..sum
                });
                Share {
                    most: sum.most.min(self.limit_of_all(class)),
                    ..sum
                }
            }
        }
    }

    /// The narrowest limit that all members of a class have in common, but the uplink.
    fn limit_of_all(&self, class: u32) -> f64 {
        let mut flows = Vec::new();
        let mut classes = vec![class];
        while let Some(class) = classes.pop() {
            for child in &self.below[&class] {
                match child {
                    Child::Flow(flow) => flows.push(&self.sharing.flows[*flow as usize]),
                    Child::Class(class) => classes.push(*class),
                }
            }
        }
        let Some((first, others)) = flows.split_first() else {
            return f64::INFINITY;
        };
        let crossed = first.links.iter().filter(|link| **link != first.uplink());
        let common = crossed.filter(|link| others.iter().all(|flow| flow.links.contains(link)));
        let limits = common.filter_map(|link| self.sharing.link(*link).capacity);
        limits.min().map_or(f64::INFINITY, |limit| limit as f64)
    }
}

/// The level at which `shares` have `sum` together; if they cannot, any above which nobody rises.
fn water_level(shares: &[Share], sum: f64) -> f64 {
    // A share begins to rise where its part reaches its own floor, and stops at what it can use.
    let bends = shares.iter().flat_map(|share| {
        let stop = share.most.max(share.least);
        [(share.least, share.part), (stop, -share.part)].map(|(at, more)| (at / share.part, more))
    });
    let mut bends: Vec<(f64, f64)> = bends.collect();
    bends.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut left = sum - shares.iter().map(|share| share.at(0.0)).sum::<f64>();
    let (mut level, mut speed) = (0.0, 0.0);
    if left <= 0.0 {
        return level;
    }
    for (at, more) in bends {
        let risen = speed * (at - level);
        if risen >= left && speed > 0.0 {
            break;
        }
        (level, left) = (at, left - risen);
        speed += more;
    }
    if left > 0.0 && speed > 0.0 {
        level += left / speed;
    }
    level
}

impl Sharing {
    /// What a flow could have if its uplink were no limit: what does not fit there is scaled, and
    /// not cut off.
    fn own_limit(&self, flow: u32) -> f64 {
        let flow = &self.flows[flow as usize];
        let crossed = flow.links.iter().filter(|link| **link != flow.uplink());
        let limits = crossed.filter_map(|link| self.link(*link).capacity);
        let least = limits.chain(flow.cap).min();
        least.map_or(f64::INFINITY, |limit| limit as f64)
    }

    /// Adds those that are below a floor to those that are kept at one, narrow targets before
    /// wide ones. False if there are none.
    pub(super) fn find_short(&self, part: &Part, kept: &mut Kept) -> bool {
        let below = |entry: &Flow| {
            let floor = entry.floor.min(entry.limit.unwrap_or(u64::MAX)) as f64 * entry.yields;
            !entry.state.fixed && entry.limit.is_some() && entry.rate < floor * SHORT
        };
        let flows = part.flows.iter().copied();
        let short = flows.filter(|flow| below(&self.flows[*flow as usize]));
        let before = kept.flows.len();
        kept.flows.extend(short);
        if kept.flows.len() > before {
            return true;
        }
        for rank in [1, 2] {
            let links = part.links.iter().copied();
            let short: Vec<u32> = links
                .filter(|link| self.link(*link).rank == rank && self.is_below(*link))
                .filter(|link| !kept.links.contains(link))
                .collect();
            if !short.is_empty() {
                kept.links.extend(short);
                let rank_of = |link: &u32| self.link(*link).rank;
                kept.links.sort_by_key(rank_of);
                return true;
            }
        }
        false
    }

    fn is_below(&self, link: u32) -> bool {
        let entry = self.link(link);
        let sum: f64 = entry
            .flows
            .iter()
            .map(|flow| &self.flows[*flow as usize])
            .map(|flow| flow.rate / flow.yields)
            .sum();
        sum < entry.floor as f64 * SHORT
    }

    /// Fixes those that are kept at a floor at the rates that all these floors together give
    /// them: in proportion to the floors, until they are met or something stops them. One after
    /// the other would give the first its floor and leave the last what remains.
    pub(super) fn reserve(&mut self, part: &Part, kept: &Kept) {
        for &flow in &part.flows {
            self.flows[flow as usize].state.fixed = false;
        }
        self.prepare(part);
        for &flow in &part.flows {
            self.flows[flow as usize].state.rising = false;
        }
        let mut targets: BTreeMap<u32, f64> = BTreeMap::new();
        for &flow in &kept.flows {
            let most = self.own_limit(flow);
            let entry = &mut self.flows[flow as usize];
            let floor = entry.floor as f64 * entry.yields;
            entry.state.ceiling = entry.state.ceiling.min(floor);
            targets.insert(flow, floor.min(most));
        }
        for &link in &kept.links {
            let tree = Members::of(self, link, &targets);
            for (flow, target) in tree.divide(self.link(link).floor as f64) {
                let entry = &mut self.flows[flow as usize];
                entry.state.ceiling = entry.limit.map_or(target, |limit| limit as f64);
                targets.insert(flow, target);
            }
        }
        // Last, since a wide floor may lift those that a narrow one has.
        for &link in &kept.links {
            let flows = self.link(link).flows.iter();
            let sum: f64 = flows.filter_map(|flow| targets.get(flow)).sum();
            let state = &mut self.links[link as usize].state;
            state.bound = state.bound.min(sum);
        }
        for (&flow, &target) in &targets {
            let state = &mut self.flows[flow as usize].state;
            state.rising = true;
            state.speed = target;
        }
        self.rise(part, false);
        for flow in targets.into_keys() {
            self.flows[flow as usize].state.fixed = true;
        }
    }
}
