//! Which flows share a limit, in which class, and which rates must be found anew after a change.
//!
//! A limit that its flows could not exceed even if each had every other limit to itself is loose,
//! and couples no flows. What remains falls into independent parts, and a change concerns its own
//! part only.

use fairhaul_core::units::{Rate, Weight};

use super::class::{Class, Order, Rank, number};
use super::fill::{EventHeap, FlowState, LinkState};
use crate::setup::NewRate;

/// Something that bounds the sum of the rates of its flows: a link, or a target at a source.
#[derive(Debug, Default)]
pub(crate) struct Link {
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
    pub(super) state: LinkState,
}

/// What one peer asks of one source for one transfer: a leaf of the source's tree.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    pub(super) ends: [u32; 2],
    pub(super) links: Box<[u32]>,
    /// The class that it is in.
    pub(super) class: u32,
    /// The class on its way to the root whose share pays for a floor.
    pub(super) payer: u32,
    pub(super) weight: f64,
    /// Bytes over what the source's uplink charges for them: a request shorter than the least
    /// cost is charged that, so its flow gets the less of its share.
    pub(super) yields: f64,
    pub(super) cap: Option<u64>,
    pub(super) floor: u64,
    pub(super) rank: Rank,
    pub(super) is_active: bool,
    is_found: bool,
    /// Whether its classes count it among their members.
    pub(super) is_known: bool,
    /// What it could have alone; none if nothing limits it.
    pub(super) limit: Option<u64>,
    pub(super) rate: f64,
    pub(super) state: FlowState,
}

/// Two limits of one direction of a peer: its link's capacity, and its own cap.
type Pair = (Option<Rate>, Option<Rate>);

#[derive(Debug, Default)]
pub(crate) struct Sharing {
    pub(super) links: Vec<Link>,
    pub(super) classes: Vec<Class>,
    pub(super) flows: Vec<Flow>,
    /// Uplink and downlink of every peer.
    pairs: Vec<[Pair; 2]>,
    /// Links whose flows or capacity changed since rates were found last.
    changed: Vec<u32>,
    /// Flows that came since then, and those whose siblings went.
    concerned: Vec<u32>,
    pub(super) events: EventHeap,
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
            ..Self::default()
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

impl Flow {
    /// A flow between `ends` that asks for nothing yet.
    pub(super) fn new(ends: [u32; 2], links: Box<[u32]>, class: u32, payer: u32) -> Self {
        Self {
            ends,
            links,
            class,
            payer,
            yields: 1.0,
            ..Self::default()
        }
    }
}

impl Flow {
    /// The place of its source's uplink in the table of links.
    pub(super) const fn uplink(&self) -> u32 {
        Sharing::up(self.ends[0])
    }
}

impl Sharing {
    /// The place of a peer's uplink in the table of links.
    pub(crate) const fn up(peer: u32) -> u32 {
        2 * peer
    }

    /// The place of a peer's downlink in the table of links.
    pub(crate) const fn down(peer: u32) -> u32 {
        2 * peer + 1
    }

    /// Adds the links of the next peer; only before all others.
    pub(super) fn add_peer(&mut self, up: Pair, down: Pair) {
        self.pairs.push([up, down]);
        for pair in [up, down] {
            self.links.push(Link::new(narrower(pair), None, 0));
        }
    }

    pub(crate) fn set_links(&mut self, peer: u32, up: NewRate, down: NewRate) {
        let [own_up, own_down] = &mut self.pairs[peer as usize];
        (own_up.0, own_down.0) = (up.after(own_up.0), down.after(own_down.0));
        self.update(peer);
    }

    pub(crate) fn set_upload_cap(&mut self, peer: u32, cap: Option<Rate>) {
        self.pairs[peer as usize][0].1 = cap;
        self.update(peer);
    }

    /// Changes the capacity of a shared link, the `index`th of the setup.
    pub(crate) fn set_shared(&mut self, index: u32, capacity: Option<Rate>) {
        self.set_capacity(self.shared(index), capacity);
    }

    /// The place of a shared link in the table of links: behind those of all peers.
    pub(crate) fn shared(&self, index: u32) -> u32 {
        let peers = u32::try_from(self.pairs.len()).expect("peers are counted in 32 bits");
        2 * peers + index
    }

    pub(crate) fn is_active(&self, flow: u32) -> bool {
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

    /// The active flows that cross a link.
    pub(crate) fn crossing(&self, link: u32) -> &[u32] {
        &self.links[link as usize].flows
    }

    /// Bytes per second of an active flow; none if nothing limits it.
    pub(crate) fn rate(&self, flow: u32) -> Option<f64> {
        let flow = &self.flows[flow as usize];
        flow.limit.map(|_| flow.rate)
    }

    /// The peer of a flow without demand has this weight at its source: the weight of its class
    /// where peers are what is shared by, else of the flow.
    pub(crate) fn set_weight(&mut self, flow: u32, weight: Weight, by_peer: bool) {
        let entry = &mut self.flows[flow as usize];
        if by_peer {
            self.classes[entry.class as usize].weight = number(weight);
        } else {
            entry.weight = number(weight);
        }
    }

    /// A flow has demand.
    pub(crate) fn add(&mut self, flow: u32) {
        self.limit(flow);
        self.enrol(flow);
        let entry = &mut self.flows[flow as usize];
        entry.is_active = true;
        entry.rate = 0.0;
        self.concerned.push(flow);
        let kin = self.classes[entry.class as usize].kin;
        self.classes[kin as usize].flows.push(flow);
        let limit = u128::from(entry.limit.unwrap_or(0));
        for place in 0..entry.links.len() {
            let link = self.flows[flow as usize].links[place];
            self.links[link as usize].flows.push(flow);
            self.links[link as usize].potential += limit;
            self.change(link);
        }
    }

    /// A flow has no demand any more.
    pub(crate) fn remove(&mut self, flow: u32) {
        let entry = &mut self.flows[flow as usize];
        entry.is_active = false;
        let limit = u128::from(entry.limit.unwrap_or(0));
        let kin = self.classes[entry.class as usize].kin;
        let class = &mut self.classes[kin as usize];
        take(&mut class.flows, flow);
        self.concerned.extend(&class.flows);
        for place in 0..entry.links.len() {
            let link = self.flows[flow as usize].links[place];
            take(&mut self.links[link as usize].flows, flow);
            self.links[link as usize].potential -= limit;
            self.change(link);
        }
    }

    /// The place of a flow in an order has changed.
    pub(crate) fn reorder(&mut self, flow: u32) {
        self.concerned.push(flow);
        self.change(self.flows[flow as usize].links[0]);
    }

    /// Whether an order of its source, and not only weights, decides about a flow.
    pub(crate) fn orders_of(&self, flow: u32) -> impl Iterator<Item = Order> + '_ {
        self.above(flow)
            .map(|class| self.classes[class as usize].order)
    }

    /// The part in which rates may differ from those found last; none if nothing changed.
    pub(crate) fn find_changed(&mut self) -> Option<Vec<u32>> {
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
            let class = self.flows[flow as usize].class;
            let kin = self.classes[class as usize].kin;
            for place in 0..self.classes[kin as usize].flows.len() {
                let other = self.classes[kin as usize].flows[place];
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
    pub(crate) fn share(&mut self, flows: &[u32]) {
        let mut part = Part {
            flows: flows.to_vec(),
            links: Vec::new(),
        };
        for &flow in flows {
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

    /// The classes of a flow, from its own up to the root of its source.
    pub(super) fn above(&self, flow: u32) -> impl Iterator<Item = u32> + '_ {
        let first = Some(self.flows[flow as usize].class);
        std::iter::successors(first, |class| self.classes[*class as usize].parent)
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
            self.set_capacity(link, narrower(pair));
        }
    }

    /// Changes the capacity of a link.
    pub(crate) fn set_capacity(&mut self, link: u32, capacity: Option<Rate>) {
        let capacity = capacity.map(Rate::get);
        if self.links[link as usize].capacity == capacity {
            return;
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

fn narrower((link, cap): Pair) -> Option<Rate> {
    [link, cap].into_iter().flatten().min()
}

fn take(flows: &mut Vec<u32>, flow: u32) {
    let place = flows.iter().position(|other| *other == flow);
    flows.swap_remove(place.expect("an active flow is in the lists of its links and class"));
}
