//! Weighted max-min sharing of links, kept up as flows come and go.
//!
//! Source:   D. Bertsekas and R. Gallager, "Data Networks", 1992, section 6.5.2: progressive
//!           filling. `oracle` is that procedure; this file is its incremental form.
//! Contract: the levels are those that `oracle::progressive_filling` finds, to the last unit,
//!           whatever the order in which flows came.
//! Unit:     a level is a rate for each hundredth of weight, in 2^-40 B/s, rounded down. A link
//!           of total weight W hundredths loses less than W units to rounding.
//! Cost:     the flows of the links whose level changes, and of those looked at beside them;
//!           in a random network a few dozen, whatever its size.
//!
//! # Why a local rule suffices
//!
//! The *key* of a link is its level and its index, compared in this order; a link that is no
//! flow's bottleneck has an infinite level. Given the keys of all other links, filling one link
//! alone gives its key: raise the level from an equal division, count each flow as fixed
//! elsewhere as soon as another link of its path has a smaller key, and stop where nothing more
//! is fixed. Progressive filling visits links in order of their final keys, and what it does at
//! a link depends on smaller keys only. By induction in that order there is exactly one
//! assignment of keys in which every link agrees with its own filling. So a change marks the
//! links that it may concern, marked links are filled in turn, and a link whose key changes
//! marks those neighbours whose key is above the old or the new one; the others cannot see it.
//! In each round over the marked links at least the smallest key that is not final becomes so.
//!
//! There is no time, and there are no bytes and no nodes here.

#[cfg(test)]
pub(crate) mod oracle;

use std::collections::VecDeque;

use fairhaul_core::units::{Rate, Weight};

use super::topology::{PATH_MAX, Path};

/// Bits of a level behind the point.
pub const FRACTION_BITS: u32 = 40;
/// The level of a link that limits nobody.
pub const UNLIMITED: u128 = u128::MAX;
/// The link that stands for the absence of one; its level is always infinite.
const NONE: u32 = 0;

/// A rate in units of a level.
#[must_use]
pub fn scaled(rate: Rate) -> u128 {
    u128::from(rate.get()) << FRACTION_BITS
}

/// Links, flows, and the level of each link.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    links: Vec<Link>,
    /// Apart from the links because filling one reads those of its neighbours and no more.
    levels: Vec<u128>,
    flows: Vec<Flow>,
    free: Vec<u32>,
    /// Links to be filled, each once.
    marked: VecDeque<u32>,
    /// Links whose level or flows changed since the last [`Sharing::take_touched`].
    touched: Vec<u32>,
    /// Flows not fixed elsewhere, while a link is filled.
    rest: Vec<(Key, u32)>,
}

/// What links are compared by.
type Key = (u128, u32);

#[derive(Debug, Default)]
struct Link {
    capacity: Option<u128>,
    /// Sum of the weights of its flows, in hundredths.
    weight: u64,
    /// The level of an equal division; none if capacity or weight changed since.
    even: Option<u128>,
    flows: Vec<Crossing>,
    marked: bool,
    touched: bool,
}

/// A flow as one of its links sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crossing {
    pub(super) flow: u32,
    weight: u32,
    /// The other links of its path, [`NONE`] behind the last.
    others: [u32; PATH_MAX - 1],
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    path: Path,
    /// Its place in the list of each link of its path.
    places: [u32; PATH_MAX],
}

impl Sharing {
    pub(super) fn new() -> Self {
        let mut sharing = Self::default();
        assert_eq!(sharing.add_link(None), NONE);
        sharing
    }

    pub(super) fn add_link(&mut self, capacity: Option<Rate>) -> u32 {
        self.links.push(Link {
            capacity: capacity.map(scaled),
            ..Link::default()
        });
        self.levels.push(UNLIMITED);
        u32::try_from(self.links.len() - 1).expect("memory ends before 2^32 links")
    }

    pub(super) fn set_capacity(&mut self, link: u32, capacity: Option<Rate>) {
        let entry = &mut self.links[link as usize];
        entry.capacity = capacity.map(scaled);
        entry.even = None;
        self.mark(link);
    }

    /// Adds a flow; its level is known after [`Sharing::fill_marked`].
    pub(super) fn add_flow(&mut self, path: Path, weight: Weight) -> u32 {
        let flow = self.free.pop().unwrap_or_else(|| {
            self.flows.push(Flow {
                path,
                places: [0; PATH_MAX],
            });
            u32::try_from(self.flows.len() - 1).expect("memory ends before 2^32 flows")
        });
        let mut places = [0; PATH_MAX];
        for (hop, &link) in path.links().iter().enumerate() {
            let mut others = [NONE; PATH_MAX - 1];
            let except = path.links().iter().filter(|other| **other != link);
            for (slot, other) in others.iter_mut().zip(except) {
                *slot = *other;
            }
            let entry = &mut self.links[link as usize];
            places[hop] = u32::try_from(entry.flows.len()).expect("fewer than 2^32 flows");
            entry.weight += u64::from(weight.hundredths());
            entry.even = None;
            entry.flows.push(Crossing {
                flow,
                weight: weight.hundredths(),
                others,
            });
            self.mark(link);
            self.touch(link);
        }
        self.flows[flow as usize] = Flow { path, places };
        flow
    }

    pub(super) fn remove_flow(&mut self, flow: u32) {
        let Flow { path, places } = self.flows[flow as usize];
        for (&link, place) in path.links().iter().zip(places) {
            let entry = &mut self.links[link as usize];
            let gone = entry.flows.swap_remove(place as usize);
            entry.weight -= u64::from(gone.weight);
            entry.even = None;
            if let Some(moved) = entry.flows.get(place as usize) {
                let moved = &mut self.flows[moved.flow as usize];
                let hop = moved.path.links().iter().position(|other| *other == link);
                moved.places[hop.expect("a flow crosses the links that list it")] = place;
            }
            self.mark(link);
            self.touch(link);
        }
        self.free.push(flow);
    }

    /// Fills marked links until every link agrees with its own filling.
    pub(super) fn fill_marked(&mut self) {
        while let Some(link) = self.marked.pop_front() {
            self.links[link as usize].marked = false;
            let old = self.levels[link as usize];
            let new = self.fill(link);
            if new == old {
                continue;
            }
            self.levels[link as usize] = new;
            self.touch(link);
            let seen: Key = (old.min(new), link);
            for at in 0..self.links[link as usize].flows.len() {
                for other in self.links[link as usize].flows[at].others {
                    if other == NONE {
                        break;
                    }
                    let level = self.levels[other as usize];
                    // A link that limits nobody still limits nobody when others limit more.
                    let concerned = level != UNLIMITED || new > old;
                    if concerned && seen < (level, other) {
                        self.mark(other);
                    }
                }
            }
        }
    }

    /// The links whose level or flows changed since this was called last.
    pub(super) fn take_touched(&mut self, into: &mut Vec<u32>) {
        into.clear();
        std::mem::swap(into, &mut self.touched);
        for link in into {
            self.links[*link as usize].touched = false;
        }
    }

    /// The level of a link; [`UNLIMITED`] if it is nobody's bottleneck.
    pub(super) fn level(&self, link: u32) -> u128 {
        self.levels[link as usize]
    }

    /// The flows that cross a link, in no particular order.
    pub(super) fn crossing(&self, link: u32) -> &[Crossing] {
        &self.links[link as usize].flows
    }

    /// The link with the smallest key on the path of a flow that crosses `link`.
    pub(super) fn bottleneck(&self, link: u32, crossing: &Crossing) -> u32 {
        self.least_other(crossing).min((self.level(link), link)).1
    }

    /// A link's capacity, its load and its total weight, in units of a level and hundredths.
    pub(super) fn load(&self, link: u32) -> Option<(u128, u128, u64)> {
        let entry = &self.links[link as usize];
        let own = self.level(link);
        let rates = entry.flows.iter().map(|crossing| {
            let level = self.least_other(crossing).0.min(own);
            level.saturating_mul(u128::from(crossing.weight))
        });
        entry
            .capacity
            .map(|capacity| (capacity, rates.fold(0, u128::saturating_add), entry.weight))
    }

    fn mark(&mut self, link: u32) {
        let entry = &mut self.links[link as usize];
        if !entry.marked && entry.capacity.is_some() | (self.levels[link as usize] != UNLIMITED) {
            entry.marked = true;
            self.marked.push_back(link);
        }
    }

    fn touch(&mut self, link: u32) {
        let entry = &mut self.links[link as usize];
        if !entry.touched {
            entry.touched = true;
            self.touched.push(link);
        }
    }

    fn least_other(&self, crossing: &Crossing) -> Key {
        let [first, more @ ..] = crossing.others;
        let mut least = (self.levels[first as usize], first);
        for other in more {
            if other == NONE {
                break;
            }
            least = least.min((self.levels[other as usize], other));
        }
        least
    }

    /// The level of one link, given the keys of all others.
    fn fill(&mut self, link: u32) -> u128 {
        let entry = &mut self.links[link as usize];
        let Some(capacity) = entry.capacity.filter(|_| entry.weight > 0) else {
            return UNLIMITED;
        };
        let mut weight = entry.weight;
        let mut level = *entry.even.get_or_insert_with(|| divide(capacity, weight));
        let mut room = capacity;
        let mut rest = std::mem::take(&mut self.rest);
        rest.clear();
        for crossing in &self.links[link as usize].flows {
            let key = self.least_other(crossing);
            if key < (level, link) {
                room -= key.0 * u128::from(crossing.weight);
                weight -= u64::from(crossing.weight);
            } else {
                rest.push((key, crossing.weight));
            }
        }
        while !rest.is_empty() {
            let raised = divide(room, weight);
            if raised == level {
                break;
            }
            level = raised;
            rest.retain(|&(key, part)| {
                let fixed = key < (level, link);
                if fixed {
                    room -= key.0 * u128::from(part);
                    weight -= u64::from(part);
                }
                !fixed
            });
        }
        let limits = !rest.is_empty();
        self.rest = rest;
        if limits { level } else { UNLIMITED }
    }
}

/// A quotient rounded down; most fit the processor's own division.
fn divide(room: u128, weight: u64) -> u128 {
    match u64::try_from(room) {
        Ok(room) => u128::from(room / weight),
        Err(_) => room / u128::from(weight),
    }
}

#[cfg(test)]
mod tests;
