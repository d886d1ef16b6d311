//! Progressive filling of one part: weighted max-min rates with classes, caps, floors, orders.
//!
//! Source:   D. Bertsekas and R. Gallager, "Data Networks", 1992, section 6.5.2; classes as in
//!           J. Bennett and H. Zhang, "Hierarchical Packet Fair Queueing Algorithms", SIGCOMM
//!           1996: what a member of a class cannot use goes to its siblings first.
//! Contract: on one link `x = clamp(θ w, floor, cap)`, with θ such that the link is full. With
//!           several links all classes right below the roots rise together, by weight, and divide
//!           what they get among their members that still rise; [`super::oracle`] is that, slow.
//! Orders:   a class in which an order decides lets only its first child rise; the next one
//!           begins, from nothing, when that one has stopped.
//! Floors:   see [`super::floors`]: who is kept at one is fixed before the others rise.
//! Cost:     O(F log F) for F flows with a few limits each, times the floors that bind.
//!
//! The exact sharing of `crate::network::maxmin` knows neither classes nor floors. These
//! numbers go into a report and order nothing, so they are floats, of `+ - * /` alone, which
//! are the same on every machine.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::class::Child;
use super::floors::Kept;
use super::sharing::{Flow, Part, Sharing};

/// A sum of rates that grows: what is left of a limit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LinkState {
    room: f64,
    speed: f64,
    level: f64,
    rising: u32,
    /// What it bounds now: its capacity, or its floor while that is filled.
    pub(super) bound: f64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FlowState {
    pub(super) ceiling: f64,
    pub(super) speed: f64,
    level: f64,
    pub(super) rising: bool,
    /// Its rate is that of a floor.
    pub(super) fixed: bool,
    /// Its turn in its class.
    turn: u32,
}

impl FlowState {
    /// Whether its rate is that of a floor.
    pub(super) const fn is_fixed(&self) -> bool {
        self.fixed
    }
}

/// What ends next as the level rises: a level as the bits of a float that is never negative,
/// which are in the order of the numbers.
pub(super) type EventHeap = BinaryHeap<Reverse<(u64, Item)>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    /// A class has made up for the floors of its members.
    Late(u32),
    /// A flow reaches its ceiling.
    Flow(u32),
    /// A limit is used up.
    Link(u32),
}

impl Sharing {
    /// Sets the rate of every flow of a part.
    pub(super) fn fill_part(&mut self, part: &Part) {
        let mut has_floors = false;
        for &flow in &part.flows {
            let entry = &mut self.flows[flow as usize];
            entry.state.fixed = false;
            has_floors |= entry.floor > 0;
        }
        has_floors |= part.links.iter().any(|link| self.link(*link).floor > 0);
        let mut kept = Kept::default();
        self.fill_shares(part);
        while has_floors && self.find_short(part, &mut kept) {
            self.reserve(part, &kept);
            self.fill_shares(part);
        }
    }

    /// Rates of those that are not fixed, in what the fixed ones leave.
    fn fill_shares(&mut self, part: &Part) {
        self.prepare(part);
        for &flow in &part.flows {
            let payer = self.flows[flow as usize].payer;
            let class = &mut self.classes[payer as usize];
            if class.state.given > 0.0 && !class.state.is_late && class.state.rising > 0 {
                class.state.is_late = true;
                let level = class.state.given / class.weight;
                self.events
                    .push(Reverse((level.to_bits(), Item::Late(payer))));
            }
        }
        for &flow in &part.flows {
            self.flows[flow as usize].state.speed = self.speed(flow);
        }
        self.rise(part, true);
    }

    /// Lets everything rise from nothing that is not fixed.
    pub(super) fn prepare(&mut self, part: &Part) {
        self.events.clear();
        for &link in &part.links {
            let entry = &mut self.links[link as usize];
            entry.state.bound = entry.capacity.map_or(f64::INFINITY, |bytes| bytes as f64);
        }
        for &flow in &part.flows {
            let mut next = Some(self.flows[flow as usize].class);
            while let Some(class) = next {
                let class = &mut self.classes[class as usize];
                class.state.clear();
                next = class.parent;
            }
        }
        for &flow in &part.flows {
            let entry = &mut self.flows[flow as usize];
            entry.state.rising = false;
            if entry.state.fixed {
                self.classes[entry.payer as usize].state.given += entry.rate / entry.yields;
                continue;
            }
            entry.rate = 0.0;
            let Some(limit) = entry.limit else { continue };
            entry.state.ceiling = limit as f64;
            entry.state.rising = true;
            entry.state.level = 0.0;
            entry.state.turn = 0;
            self.raise(flow);
        }
        for &flow in &part.flows {
            self.give_turns(flow);
        }
    }

    /// A flow rises, and so do the classes above it of which it is the first.
    fn raise(&mut self, flow: u32) {
        let Flow { rank, weight, .. } = self.flows[flow as usize];
        let (mut child, mut weight) = (Some(Child::Flow(flow)), weight);
        let mut next = Some(self.flows[flow as usize].class);
        while let Some(at) = next {
            let class = &mut self.classes[at as usize];
            class.state.note(&rank);
            if let Some(one) = child.take() {
                // The first child takes the class with it.
                child = (class.state.rising == 0).then_some(Child::Class(at));
                class.state.join(one, weight, class.order);
            }
            (weight, next) = (class.weight, class.parent);
        }
    }

    /// Gives the children of the classes above a flow their turns.
    fn give_turns(&mut self, flow: u32) {
        let mut next = Some(self.flows[flow as usize].class);
        while let Some(at) = next {
            let order = self.classes[at as usize].order;
            next = self.classes[at as usize].parent;
            let waiting = std::mem::take(&mut self.classes[at as usize].state.waiting);
            let key = |child| match child {
                Child::Flow(flow) => self.flows[flow as usize].rank.key(order),
                Child::Class(class) => self.classes[class as usize].key(order),
            };
            let mut waiting: Vec<_> = waiting
                .into_iter()
                .map(|child| (key(child), child))
                .collect();
            waiting.sort_unstable();
            for (turn, child) in order.turns(&waiting) {
                let (place, weight) = match child {
                    Child::Flow(flow) => {
                        let flow = &mut self.flows[flow as usize];
                        (&mut flow.state.turn, flow.weight)
                    }
                    Child::Class(class) => {
                        let class = &mut self.classes[class as usize];
                        (&mut class.state.turn, class.weight)
                    }
                };
                *place = turn;
                let class = &mut self.classes[at as usize];
                class.state.raise(turn, weight, order);
            }
        }
    }

    /// A flow stops, and so do the classes above it of which it was the last.
    fn lower(&mut self, flow: u32) {
        let entry = &self.flows[flow as usize];
        let (mut turn, mut weight) = (entry.state.turn, entry.weight);
        let mut next = Some(entry.class);
        while let Some(class) = next {
            let class = &mut self.classes[class as usize];
            class.state.lower(turn, weight, class.order);
            if class.state.rising > 0 {
                return;
            }
            (turn, weight, next) = (class.state.turn, class.weight, class.parent);
        }
    }

    /// Raises the level until nothing rises any more. With `moves`, what stops leaves its part
    /// to its siblings.
    pub(super) fn rise(&mut self, part: &Part, moves: bool) {
        for &link in &part.links {
            let mut state = LinkState {
                bound: self.link(link).state.bound,
                ..LinkState::default()
            };
            state.room = state.bound;
            for &flow in &self.link(link).flows {
                let entry = &self.flows[flow as usize];
                if entry.state.rising {
                    state.rising += 1;
                    state.speed += entry.state.speed;
                } else if entry.state.fixed {
                    state.room -= entry.rate;
                }
            }
            state.room = state.room.max(0.0);
            self.links[link as usize].state = state;
            self.plan_link(link, 0.0);
        }
        for &flow in &part.flows {
            self.plan_flow(flow, 0.0);
        }
        let mut stopped = Vec::new();
        while let Some(Reverse((bits, item))) = self.events.pop() {
            let level = f64::from_bits(bits);
            stopped.clear();
            match item {
                Item::Late(class) => {
                    let class = &mut self.classes[class as usize];
                    class.state.is_late = false;
                    let kin = class.kin;
                    self.quicken(kin, level);
                    continue;
                }
                Item::Flow(flow) => {
                    if !self.is_due(self.flow_end(flow), level, item) {
                        continue;
                    }
                    stopped.push(flow);
                }
                Item::Link(link) => {
                    if !self.is_due(self.link_end(link), level, item) {
                        continue;
                    }
                    let flows = self.link(link).flows.iter().copied();
                    stopped.extend(flows.filter(|flow| self.flows[*flow as usize].state.rising));
                }
            }
            self.stop(&stopped, level, moves);
        }
    }

    /// Whether what ends at `end` does so at `level`; if it is later, plans it.
    fn is_due(&mut self, end: Option<f64>, level: f64, item: Item) -> bool {
        match end {
            Some(end) if end > level => {
                self.events.push(Reverse((end.to_bits(), item)));
                false
            }
            end => end.is_some(),
        }
    }

    fn stop(&mut self, flows: &[u32], level: f64, moves: bool) {
        for &flow in flows {
            let entry = &mut self.flows[flow as usize];
            entry.settle(level);
            entry.state.rising = false;
            let speed = entry.state.speed;
            for place in 0..entry.links.len() {
                let link = self.flows[flow as usize].links[place];
                let link = &mut self.links[link as usize];
                if link.is_bound {
                    link.state.settle(level);
                    link.state.speed -= speed;
                    link.state.rising -= 1;
                }
            }
            self.lower(flow);
        }
        if moves {
            let kin = flows.iter().map(|flow| self.kin(*flow));
            let mut kin: Vec<u32> = kin.collect();
            kin.sort_unstable();
            kin.dedup();
            for class in kin {
                self.quicken(class, level);
            }
        }
    }

    /// Gives the flows of a class that rise the speeds that are theirs now.
    fn quicken(&mut self, class: u32, level: f64) {
        for place in 0..self.classes[class as usize].flows.len() {
            let flow = self.classes[class as usize].flows[place];
            let speed = self.speed(flow);
            let entry = &mut self.flows[flow as usize];
            if !entry.state.rising || speed.to_bits() == entry.state.speed.to_bits() {
                continue;
            }
            entry.settle(level);
            let more = speed - entry.state.speed;
            entry.state.speed = speed;
            self.plan_flow(flow, level);
            for place in 0..self.flows[flow as usize].links.len() {
                let link = self.flows[flow as usize].links[place];
                let entry = &mut self.links[link as usize];
                if entry.is_bound {
                    entry.state.settle(level);
                    entry.state.speed += more;
                    self.plan_link(link, level);
                }
            }
        }
    }

    /// How fast a flow's rate rises with the level.
    pub(super) fn speed(&self, flow: u32) -> f64 {
        let entry = &self.flows[flow as usize];
        if !entry.state.rising {
            return 0.0;
        }
        let (mut turn, mut weight) = (entry.state.turn, entry.weight);
        let mut speed = entry.yields;
        for class in self.above(flow) {
            let class = &self.classes[class as usize];
            if class.state.is_late {
                return 0.0;
            }
            speed *= class.part(turn, weight);
            (turn, weight) = (class.state.turn, class.weight);
        }
        speed
    }

    fn kin(&self, flow: u32) -> u32 {
        self.classes[self.flows[flow as usize].class as usize].kin
    }

    fn flow_end(&self, flow: u32) -> Option<f64> {
        let entry = &self.flows[flow as usize];
        let state = &entry.state;
        let left = (state.ceiling - entry.rate).max(0.0);
        (state.rising && state.speed > 0.0).then(|| state.level + left / state.speed)
    }

    fn link_end(&self, link: u32) -> Option<f64> {
        let state = &self.link(link).state;
        let rises = state.rising > 0 && state.speed > 0.0 && state.bound.is_finite();
        rises.then(|| state.level + state.room / state.speed)
    }

    fn plan_flow(&mut self, flow: u32, level: f64) {
        if let Some(end) = self.flow_end(flow) {
            let end = end.max(level);
            self.events.push(Reverse((end.to_bits(), Item::Flow(flow))));
        }
    }

    fn plan_link(&mut self, link: u32, level: f64) {
        if let Some(end) = self.link_end(link) {
            let end = end.max(level);
            self.events.push(Reverse((end.to_bits(), Item::Link(link))));
        }
    }

    pub(super) fn link(&self, link: u32) -> &super::sharing::Link {
        &self.links[link as usize]
    }
}

impl LinkState {
    fn settle(&mut self, level: f64) {
        self.room = (self.room - self.speed * (level - self.level)).max(0.0);
        self.level = level;
    }
}

impl Flow {
    fn settle(&mut self, level: f64) {
        let state = &mut self.state;
        let risen = self.rate + state.speed * (level - state.level);
        self.rate = risen.min(state.ceiling);
        state.level = level;
    }
}
