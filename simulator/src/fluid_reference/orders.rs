//! What orders look at: who was served how much, and when that changes whose turn it is; and what
//! must hold of the rates that were found.

use std::collections::{BTreeMap, BTreeSet};

use super::class::{Child, Order, Rank};
use super::sharing::Sharing;

/// Nearer to a capacity than this, a link is full.
const FULL: f64 = 1e-9;

/// By how much a child was served more than another, and how much faster the other is served.
type Gap = (u128, f64);

impl Sharing {
    /// A flow was served this much. Gives what its place in orders depends on.
    pub(crate) fn serve(&mut self, flow: u32, service: u128) -> &mut Rank {
        let mut next = Some(self.flows[flow as usize].class);
        while let Some(class) = next {
            let class = &mut self.classes[class as usize];
            class.rank.attained += service;
            next = class.parent;
        }
        let rank = &mut self.flows[flow as usize].rank;
        rank.attained += service;
        rank
    }

    /// A flow has something to send, perhaps for the first time.
    pub(super) fn enrol(&mut self, flow: u32) {
        let entry = &mut self.flows[flow as usize];
        let mut next = Some(entry.class).filter(|_| !entry.is_known);
        entry.is_known = true;
        while let Some(class) = next {
            let class = &mut self.classes[class as usize];
            class.members += 1;
            next = class.parent.filter(|_| class.members == 1);
        }
    }

    /// A flow will not come back: what it was served is forgotten, and what its classes were
    /// with their last member.
    pub(crate) fn forget(&mut self, flow: u32) {
        let entry = &mut self.flows[flow as usize];
        let mut next = Some(entry.class).filter(|_| entry.is_known);
        entry.is_known = false;
        entry.rank.attained = 0;
        while let Some(class) = next {
            let class = &mut self.classes[class as usize];
            class.members -= 1;
            next = class.parent.filter(|_| class.members == 0);
            if class.members == 0 {
                class.rank.attained = 0;
            }
        }
    }

    /// Whose turn it is below a class may have changed. False if there is nobody.
    pub(crate) fn reorder_below(&mut self, class: u32) -> bool {
        let kin = self.classes[class as usize].kin;
        let first = self.classes[kin as usize].flows.first().copied();
        if let Some(flow) = first {
            self.reorder(flow);
        }
        first.is_some()
    }

    /// For each class above `flows` that serves who was served least: how far those that are
    /// served are behind those that they will be level with next. `flows` hold all flows below
    /// such a class.
    pub(crate) fn gaps(&self, flows: &[u32]) -> BTreeMap<u32, Vec<Gap>> {
        let mut classes: BTreeMap<u32, BTreeMap<Child, (u128, f64)>> = BTreeMap::new();
        for &flow in flows.iter().filter(|flow| self.is_active(**flow)) {
            let entry = &self.flows[flow as usize];
            let Some(rate) = self.rate(flow) else {
                continue;
            };
            let mut child = (Child::Flow(flow), entry.rank.attained);
            for at in self.above(flow) {
                let class = &self.classes[at as usize];
                if class.order == Order::Attained {
                    let children = classes.entry(at).or_default();
                    children.entry(child.0).or_insert((child.1, 0.0)).1 += rate;
                }
                child = (Child::Class(at), class.rank.attained);
            }
        }
        let gaps = classes.into_iter().map(|(class, children)| {
            let mut all: Vec<_> = children.into_values().collect();
            all.sort_by_key(|(had, _)| *had);
            (class, gaps_between(&all))
        });
        gaps.collect()
    }

    /// A link that carries more than it can.
    pub(crate) fn overloaded(&self) -> Option<u32> {
        let loads = (0..).zip(self.links.iter().zip(self.loads()));
        let over = |capacity: u64, load: f64| load > capacity as f64 * (1.0 + FULL);
        let mut over = loads.filter(|(_, (link, load))| {
            let capacity = link.capacity;
            capacity.is_some_and(|capacity| over(capacity, *load))
        });
        over.next().map(|(link, _)| link)
    }

    /// A flow that could have more without anybody having less.
    pub(crate) fn unlimited(&self) -> Option<u32> {
        let loads = self.loads();
        let is_full = |link: &u32| {
            let capacity = self.links[*link as usize].capacity;
            capacity.is_some_and(|capacity| loads[*link as usize] >= capacity as f64 * (1.0 - FULL))
        };
        let mut active = (0..).zip(&self.flows).filter(|(_, flow)| flow.is_active);
        let free = active.find(|(_, flow)| {
            let is_below = |limit: u64| flow.rate < limit as f64 * (1.0 - FULL);
            flow.limit.is_some_and(is_below)
                && !flow.state.is_fixed()
                && !flow.links.iter().any(is_full)
        });
        free.map(|(flow, _)| flow)
    }

    /// The first full link that a flow crosses.
    pub(crate) fn bottleneck(&self, flow: u32) -> Option<u32> {
        let full = |link: &&u32| {
            let link = &self.links[**link as usize];
            let load: f64 = link
                .flows
                .iter()
                .map(|flow| self.flows[*flow as usize].rate)
                .sum();
            link.capacity
                .is_some_and(|capacity| load >= capacity as f64 * (1.0 - FULL))
        };
        self.flows[flow as usize].links.iter().find(full).copied()
    }

    fn loads(&self) -> Vec<f64> {
        let mut loads = vec![0.0; self.links.len()];
        let active = self
            .flows
            .iter()
            .filter(|flow| flow.is_active && flow.limit.is_some());
        for flow in active {
            for link in &flow.links {
                loads[*link as usize] += flow.rate;
            }
        }
        loads
    }
}

/// From children by what each was served: those of a level, each against the next level.
fn gaps_between(children: &[(u128, f64)]) -> Vec<Gap> {
    let keys: Vec<_> = (0..)
        .zip(children)
        .map(|(at, (had, _))| ((*had, 0), Child::Flow(at)))
        .collect();
    let turns: Vec<u32> = Order::Attained
        .turns(&keys)
        .iter()
        .map(|(turn, _)| *turn)
        .collect();
    let levels: BTreeSet<u32> = turns.iter().copied().collect();
    let mut gaps = Vec::new();
    for level in levels {
        let of = |turn: u32| {
            let all = turns.iter().zip(children);
            all.filter(move |(other, _)| **other == turn)
                .map(|(_, child)| *child)
        };
        let Some((next, slowest)) = of(level + 1).reduce(|one, other| (one.0, one.1.min(other.1)))
        else {
            break;
        };
        gaps.extend(of(level).map(|(had, rate)| (next - had, rate - slowest)));
    }
    gaps
}
