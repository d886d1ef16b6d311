//! Who crosses what, and which rates must be found anew after a change.
//!
//! Decides which limits can bind at all: a limit that its flows could not exceed even if each
//! had every other limit to itself is loose, and binds nobody to anybody. What remains falls
//! into parts that know nothing of each other, and a change concerns its own part only.

use fairhaul_core::units::{Rate, Weight};

use crate::setup::TransferSetup;

/// Something that bounds the sum of the rates of its flows: a link, or a target at a source.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) capacity: Option<u64>,
    pub(super) floor: u64,
    /// Floors of a lower rank are kept before those of a higher one.
    pub(super) rank: u8,
    /// Active flows, in no particular order.
    pub(super) flows: Vec<u32>,
    /// Sum of what its flows could have at most.
    potential: u128,
    /// Whether its flows were found together when rates were found last.
    pub(super) is_bound: bool,
    is_changed: bool,
    is_found: bool,
    pub(super) state: super::fill::LinkState,
}

/// A class of a source: a transfer, a peer, a group, or a peer of a group.
#[derive(Debug)]
pub(super) struct Class {
    pub(super) weight: f64,
    /// Active flows, of an outer class.
    pub(super) flows: Vec<u32>,
    pub(super) state: super::fill::ClassState,
}

/// A transfer.
#[derive(Debug)]
pub(super) struct Flow {
    ends: [u32; 2],
    pub(super) links: Box<[u32]>,
    pub(super) outer: u32,
    pub(super) inner: u32,
    pub(super) weight: f64,
    cap: Option<u64>,
    pub(super) floor: u64,
    is_active: bool,
    is_found: bool,
    /// What it could have alone; none if nothing limits it.
    pub(super) limit: Option<u64>,
    pub(super) rate: f64,
    pub(super) state: super::fill::FlowState,
}

/// Two limits of one direction of a peer: its link's capacity, and its own cap.
type Pair = (Option<Rate>, Option<Rate>);

#[derive(Debug, Default)]
pub(super) struct Sharing {
    pub(super) links: Vec<Link>,
    pub(super) classes: Vec<Class>,
    pub(super) flows: Vec<Flow>,
    /// Uplink and downlink of every peer.
    pairs: Vec<[Pair; 2]>,
    /// Links whose flows or capacity changed since rates were found last.
    changed: Vec<u32>,
    /// Flows that came since then, and those whose siblings went.
    concerned: Vec<u32>,
    pub(super) agenda: super::fill::Agenda,
}

/// Flows and limits that must be looked at together.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) flows: Vec<u32>,
    pub(super) links: Vec<u32>,
}

impl Link {
    pub(super) fn new(capacity: Option<Rate>, floor: Option<Rate>, rank: u8) -> Self {
        let capacity = capacity.map(Rate::get);
        let floor = floor.map_or(0, Rate::get);
        Self {
            capacity,
            floor: floor.min(capacity.unwrap_or(u64::MAX)),
            rank,
            flows: Vec::new(),
            potential: 0,
            is_bound: false,
            is_changed: false,
            is_found: false,
            state: super::fill::LinkState::default(),
        }
    }

    /// Whether its flows depend on each other through it.
    fn binds(&self) -> bool {
        let tight = self
            .capacity
            .is_some_and(|capacity| self.potential > u128::from(capacity));
        tight && self.flows.len() > 1 || self.floor > 0 && !self.flows.is_empty()
    }
}

impl Class {
    pub(super) fn new(weight: Weight) -> Self {
        Self {
            weight: f64::from(weight.hundredths()),
            flows: Vec::new(),
            state: super::fill::ClassState::default(),
        }
    }
}

impl Flow {
    pub(super) fn new(transfer: &TransferSetup, links: Box<[u32]>, classes: [u32; 2]) -> Self {
        let cap = transfer.cap.map(Rate::get);
        let floor = transfer.floor.map_or(0, Rate::get);
        Self {
            ends: [transfer.source, transfer.destination],
            links,
            outer: classes[0],
            inner: classes[1],
            weight: f64::from(transfer.weight.hundredths()),
            cap,
            floor,
            is_active: false,
            is_found: false,
            limit: None,
            rate: 0.0,
            state: super::fill::FlowState::default(),
        }
    }
}

impl Sharing {
    /// The place of a peer's uplink in the table of links.
    pub(super) const fn up(peer: u32) -> u32 {
        2 * peer
    }

    /// The place of a peer's downlink in the table of links.
    pub(super) const fn down(peer: u32) -> u32 {
        2 * peer + 1
    }

    /// Adds the links of the next peer; only before all others.
    pub(super) fn add_peer(&mut self, up: Pair, down: Pair) {
        self.pairs.push([up, down]);
        for pair in [up, down] {
            self.links.push(Link::new(narrower(pair), None, 0));
        }
    }

    pub(super) fn set_links(&mut self, peer: u32, up: Option<Rate>, down: Option<Rate>) {
        let pairs = &mut self.pairs[peer as usize];
        (pairs[0].0, pairs[1].0) = (up, down);
        self.update(peer);
    }

    pub(super) fn set_upload_cap(&mut self, peer: u32, cap: Option<Rate>) {
        self.pairs[peer as usize][0].1 = cap;
        self.update(peer);
    }

    pub(super) fn is_active(&self, flow: u32) -> bool {
        self.flows[flow as usize].is_active
    }

    /// Source and destination of a flow.
    pub(super) fn ends(&self, flow: u32) -> [u32; 2] {
        self.flows[flow as usize].ends
    }

    /// The active flows from and to a peer.
    pub(super) fn active_at(&self, peer: u32) -> Vec<u32> {
        [Self::up(peer), Self::down(peer)]
            .into_iter()
            .flat_map(|link| self.links[link as usize].flows.iter().copied())
            .collect()
    }

    /// Bytes per second of an active flow; none if nothing limits it.
    pub(super) fn rate(&self, flow: u32) -> Option<f64> {
        let flow = &self.flows[flow as usize];
        flow.limit.map(|_| flow.rate)
    }

    pub(super) fn add(&mut self, flow: u32) {
        self.limit(flow);
        let entry = &mut self.flows[flow as usize];
        entry.is_active = true;
        entry.rate = 0.0;
        self.concerned.push(flow);
        self.classes[entry.outer as usize].flows.push(flow);
        let limit = u128::from(entry.limit.unwrap_or(0));
        for place in 0..entry.links.len() {
            let link = self.flows[flow as usize].links[place];
            self.links[link as usize].flows.push(flow);
            self.links[link as usize].potential += limit;
            self.change(link);
        }
    }

    pub(super) fn remove(&mut self, flow: u32) {
        let entry = &mut self.flows[flow as usize];
        entry.is_active = false;
        let limit = u128::from(entry.limit.unwrap_or(0));
        let class = &mut self.classes[entry.outer as usize];
        take(&mut class.flows, flow);
        self.concerned.extend(&class.flows);
        for place in 0..entry.links.len() {
            let link = self.flows[flow as usize].links[place];
            take(&mut self.links[link as usize].flows, flow);
            self.links[link as usize].potential -= limit;
            self.change(link);
        }
    }

    /// The part in which rates may differ from those found last; none if nothing changed.
    pub(super) fn find_changed(&mut self) -> Option<Vec<u32>> {
        if self.changed.is_empty() {
            return None;
        }
        // The lists of links and classes lead from flow to flow.
        let mut flows = Vec::new();
        for flow in std::mem::take(&mut self.concerned) {
            if self.is_active(flow) {
                self.note(flow, &mut flows);
            }
        }
        for link in std::mem::take(&mut self.changed) {
            let entry = &mut self.links[link as usize];
            entry.is_changed = false;
            if entry.is_bound || entry.binds() {
                self.find(link, &mut flows);
            }
        }
        let mut at = 0;
        while let Some(&flow) = flows.get(at) {
            at += 1;
            let outer = self.flows[flow as usize].outer;
            for place in 0..self.classes[outer as usize].flows.len() {
                let other = self.classes[outer as usize].flows[place];
                self.note(other, &mut flows);
            }
            for place in 0..self.flows[flow as usize].links.len() {
                let link = self.flows[flow as usize].links[place];
                let entry = &self.links[link as usize];
                if !entry.is_found && entry.binds() {
                    self.find(link, &mut flows);
                }
            }
        }
        Some(flows)
    }

    /// Finds the rates of `flows`, which [`Self::find_changed`] gave.
    pub(super) fn share(&mut self, flows: Vec<u32>) {
        let mut part = Part {
            flows,
            links: Vec::new(),
        };
        for &flow in &part.flows {
            let entry = &mut self.flows[flow as usize];
            entry.is_found = false;
            for &link in &entry.links {
                let entry = &mut self.links[link as usize];
                if std::mem::take(&mut entry.is_found) && entry.binds() {
                    entry.is_bound = true;
                    part.links.push(link);
                }
            }
        }
        self.fill_part(&part);
    }

    fn find(&mut self, link: u32, flows: &mut Vec<u32>) {
        let entry = &mut self.links[link as usize];
        // Who still crosses it takes the mark away again.
        entry.is_found = !entry.flows.is_empty();
        entry.is_bound = false;
        for place in 0..self.links[link as usize].flows.len() {
            let flow = self.links[link as usize].flows[place];
            self.note(flow, flows);
        }
    }

    fn note(&mut self, flow: u32, flows: &mut Vec<u32>) {
        let entry = &mut self.flows[flow as usize];
        if !entry.is_found {
            entry.is_found = true;
            flows.push(flow);
        }
    }

    fn change(&mut self, link: u32) {
        let entry = &mut self.links[link as usize];
        if !entry.is_changed {
            entry.is_changed = true;
            self.changed.push(link);
        }
    }

    /// Finds what a flow could have alone.
    fn limit(&mut self, flow: u32) {
        let entry = &self.flows[flow as usize];
        let capacities = entry.links.iter();
        let least = capacities
            .filter_map(|link| self.links[*link as usize].capacity)
            .chain(entry.cap)
            .min();
        self.flows[flow as usize].limit = least;
    }

    /// Takes over the present limits of a peer.
    fn update(&mut self, peer: u32) {
        let pairs = self.pairs[peer as usize];
        for (link, pair) in [Self::up(peer), Self::down(peer)].into_iter().zip(pairs) {
            let capacity = narrower(pair).map(Rate::get);
            if self.links[link as usize].capacity == capacity {
                continue;
            }
            let flows = self.links[link as usize].flows.clone();
            // What its flows could have changes on all their links.
            for flow in &flows {
                self.remove(*flow);
            }
            self.links[link as usize].capacity = capacity;
            for flow in flows {
                self.add(flow);
            }
        }
    }
}

fn narrower((link, cap): Pair) -> Option<Rate> {
    [link, cap].into_iter().flatten().min()
}

fn take(flows: &mut Vec<u32>, flow: u32) {
    let place = flows.iter().position(|other| *other == flow);
    flows.swap_remove(place.expect("an active flow is in the lists of its links and class"));
}
