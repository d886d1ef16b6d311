//! The fluid model: all flows in flight share the links max-min fairly.
//!
//! A flow is what one node sends another for one transfer; its transmissions leave one after the
//! other, so it has one place whatever their number and length. A transmission is `Sent` in the
//! first whole nanosecond at which it has had all its bytes, and `Delivered` one propagation
//! delay later. What the links share changes only when a flow comes or goes, its place in an
//! order changes, or a capacity does, and then only where that is felt.
//!
//! Rates:     [`FluidNetwork::default`] shares by the weights of the flows, see `levels`;
//!            [`FluidNetwork::of`] by the trees of a setup's policies, see `tree`: groups, peers
//!            and transfers with their weights, caps, floors and orders.
//! Exactness: rates are rounded down to 2^-40 B/s, service is counted exactly at those rates.
//!            A transmission of rate r and weight w hundredths is late by a factor of at most
//!            1 + w / (r × 2^40): less than a nanosecond in a day at 10 kB/s and weight 1.
//! Drawbacks: no queues, no window, no burst; a change is felt at once everywhere.
//! Refuses:   transmissions larger than [`BYTES_MAX`].

mod class;
mod due;
mod laws;
mod levels;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate, Weight};

use self::class::service;
use self::laws::Fault;
use self::levels::Levels;
use self::tree::Tree;
use super::topology::{Path, Topology};
use super::{
    BYTES_MAX, Carried, HORIZON, Link, Network, NodeIndex, Outcome, RegionIndex, SharedIndex,
    Transmission, Violation, Waiting,
};
use crate::event_queue::EventQueue;
use crate::setup::Setup;

/// Links shared by all flows in flight. See the module.
#[derive(Debug)]
pub struct FluidNetwork {
    topology: Topology,
    names: BTreeMap<u32, Link>,
    rates: Box<dyn Rates>,
    /// By the number that `rates` gave them.
    flows: Vec<Flow>,
    /// The numbers of the flows that have something to send, by their ends.
    index: BTreeMap<Key, u32>,
    /// The same ends, by receiver.
    back: BTreeSet<(NodeIndex, NodeIndex, u32)>,
    /// Flows that have had all they sent, at the time of the change that is not yet shared out.
    drained: Vec<Key>,
    /// Sent and not yet delivered.
    propagating: EventQueue<Block>,
    /// The time of changes that are not yet shared out.
    changed: Option<Time>,
    next_order: u64,
    carried: Vec<Carried>,
    /// Kept for its memory.
    ended: Vec<u32>,
}

/// Sender, receiver, flow between them.
type Key = (NodeIndex, NodeIndex, u32);

#[derive(Debug, Default)]
struct Flow {
    /// Transmissions in the order of sending; the first is in service.
    queue: VecDeque<Block>,
    weight: Weight,
}

/// A transmission on its way.
#[derive(Clone, Copy, Debug)]
struct Block {
    sent: Transmission,
    /// Order of sending.
    order: u64,
}

/// A flow that comes.
#[derive(Clone, Copy, Debug)]
struct Coming {
    key: Key,
    path: Path,
    weight: Weight,
}

/// What a flow has in service.
#[derive(Clone, Copy, Debug)]
struct Work {
    /// In units of service.
    service: u128,
    /// Bytes of its transfer, these included.
    remaining: ByteCount,
    /// Order of sending.
    arrival: u64,
}

/// How flows share links.
trait Rates: Debug + Send {
    /// Adds a link.
    fn add_link(&mut self, capacity: Option<Rate>) -> u32;
    /// Changes a link's capacity.
    fn set_capacity(&mut self, link: u32, capacity: Option<Rate>);
    /// A flow has something to send. Gives the number by which it is known until it ends.
    fn begin(&mut self, coming: &Coming, work: Work, now: Time) -> u32;
    /// A flow has something else to send.
    fn go_on(&mut self, flow: u32, work: Work, now: Time);
    /// A flow has nothing to send.
    fn end(&mut self, flow: u32, now: Time);
    /// A flow will not come back: what it was served no longer counts.
    fn forget(&mut self, key: Key);
    /// A node is gone, and all flows from and to it.
    fn forget_node(&mut self, node: NodeIndex);
    /// Finds the rates after changes, which are in force from `now` on.
    fn share(&mut self, now: Time);
    /// When something ends next; none if that is beyond the horizon.
    fn next(&self) -> Option<Time>;
    /// Appends the flows whose work ends at `now`. True if rates are to be found anew besides.
    fn advance(&mut self, now: Time, ended: &mut Vec<u32>) -> bool;
    /// Looks for a broken law.
    fn check(&self) -> Result<(), Fault>;
    /// The link that limits a flow.
    fn held_by(&self, flow: u32) -> Option<u32>;
}

impl Block {
    const fn key(&self) -> Key {
        (self.sent.from, self.sent.to, self.sent.flow)
    }

    fn work(&self) -> Work {
        Work {
            service: service(self.sent.bytes),
            remaining: self.sent.remaining,
            arrival: self.order,
        }
    }
}

impl FluidNetwork {
    /// A network for the peers and shared links of `setup`, which must be added in its order.
    #[must_use]
    pub fn of(setup: &Setup) -> Self {
        if setup.is_flat() {
            Self::default()
        } else {
            Self::with(Box::new(Tree::new(setup.clone())))
        }
    }

    fn with(rates: Box<dyn Rates>) -> Self {
        Self {
            topology: Topology::default(),
            names: BTreeMap::new(),
            rates,
            flows: Vec::new(),
            index: BTreeMap::new(),
            back: BTreeSet::new(),
            drained: Vec::new(),
            propagating: EventQueue::default(),
            changed: None,
            next_order: 0,
            carried: Vec::new(),
            ended: Vec::new(),
        }
    }

    fn add_link(&mut self, name: Link, capacity: Option<Rate>) -> u32 {
        let link = self.rates.add_link(capacity);
        self.names.insert(link, name);
        link
    }

    /// Announces a change at `now`: earlier ones are shared out first, at their own time.
    fn change(&mut self, now: Time) {
        if self.changed.is_some_and(|before| before < now) {
            self.share();
        }
        self.changed = Some(now);
    }

    /// Shares the links anew, if anything changed since the last time. Flows that got nothing
    /// new to send at the instant at which they ended leave the sharing here: most do get it.
    fn share(&mut self) {
        let Some(now) = self.changed.take() else {
            return;
        };
        for key in std::mem::take(&mut self.drained) {
            let flow = self.index.get(&key).copied();
            if let Some(flow) = flow.filter(|flow| self.flows[*flow as usize].queue.is_empty()) {
                self.remove(key, flow, now);
            }
        }
        self.rates.share(now);
    }

    fn remove(&mut self, key: Key, flow: u32, now: Time) {
        self.flows[flow as usize].queue.clear();
        self.rates.end(flow, now);
        self.index.remove(&key);
        self.back.remove(&(key.1, key.0, key.2));
    }

    /// Forgets flows, with what they were served and what propagates of them.
    fn drop_keys(&mut self, keys: Vec<Key>, now: Time) {
        self.change(now);
        for key in keys {
            if let Some(&flow) = self.index.get(&key) {
                self.remove(key, flow, now);
            }
        }
    }

    fn coming(&self, key: Key, weight: Weight) -> Coming {
        let path = self.topology.path(key.0, key.1);
        Coming { key, path, weight }
    }

    /// A flow has something to send again.
    fn begin(&mut self, block: &Block, now: Time) -> u32 {
        let weight = block.sent.weight;
        let coming = self.coming(block.key(), weight);
        let number = self.rates.begin(&coming, block.work(), now);
        if self.flows.len() <= number as usize {
            self.flows.resize_with(number as usize + 1, Flow::default);
        }
        self.flows[number as usize].weight = weight;
        let (from, to, flow) = block.key();
        self.index.insert((from, to, flow), number);
        self.back.insert((to, from, flow));
        number
    }

    fn deliver(&mut self, block: &Block, out: &mut Vec<Outcome>) {
        self.carried[block.sent.to.index()].down += block.sent.bytes;
        out.push(Outcome::Delivered(block.sent.id));
    }

    /// The last byte of a flow's first transmission has left.
    fn depart(&mut self, block: Block, now: Time, out: &mut Vec<Outcome>) {
        let flow = self.index[&block.key()];
        let queue = &mut self.flows[flow as usize].queue;
        queue.pop_front();
        match queue.front() {
            Some(next) => self.rates.go_on(flow, next.work(), now),
            None => self.drained.push(block.key()),
        }
        self.carried[block.sent.from.index()].up += block.sent.bytes;
        out.push(Outcome::Sent(block.sent.id));
        if block.sent.delay == Span::ZERO {
            self.deliver(&block, out);
        } else {
            let at = now.saturating_add(block.sent.delay);
            self.propagating.push(at, block);
        }
    }
}

impl Default for FluidNetwork {
    /// A network without nodes whose flows share by their weights.
    fn default() -> Self {
        Self::with(Box::new(Levels::new()))
    }
}

impl Network for FluidNetwork {
    fn add_node(&mut self, up: Option<Rate>, down: Option<Rate>) -> NodeIndex {
        let count = u32::try_from(self.carried.len()).expect("memory ends before 2^32 nodes");
        let up = self.add_link(Link::Up(NodeIndex(count)), up);
        let down = self.add_link(Link::Down(NodeIndex(count)), down);
        self.carried.push(Carried::default());
        self.topology.add_node(up, down)
    }

    fn set_capacity(&mut self, node: NodeIndex, up: Option<Rate>, down: Option<Rate>, now: Time) {
        self.change(now);
        self.rates.set_capacity(self.topology.up(node), up);
        self.rates.set_capacity(self.topology.down(node), down);
    }

    fn add_shared(&mut self, capacity: Option<Rate>) -> SharedIndex {
        let count = u32::try_from(self.topology.all_shared().count()).expect("counted in u32");
        let place = self.add_link(Link::Shared(SharedIndex(count)), capacity);
        self.topology.add_shared(place)
    }

    fn set_shared(&mut self, link: SharedIndex, capacity: Option<Rate>, now: Time) {
        self.change(now);
        self.rates
            .set_capacity(self.topology.shared(link), capacity);
    }

    fn set_region(&mut self, node: NodeIndex, region: RegionIndex) {
        self.topology.set_region(node, region);
    }

    fn set_route(&mut self, from: RegionIndex, to: RegionIndex, shared: &[SharedIndex]) {
        self.topology.set_route(from, to, shared);
    }

    fn send(&mut self, sent: Transmission, now: Time) -> bool {
        let Transmission {
            from,
            to,
            bytes,
            weight,
            ..
        } = sent;
        assert!(
            bytes <= BYTES_MAX,
            "a transmission of {bytes}, above {BYTES_MAX}"
        );
        assert!(from != to, "{from} sends to itself");
        let order = self.next_order;
        self.next_order += 1;
        let block = Block { sent, order };
        let known = self.index.get(&block.key()).copied();
        let number = match known {
            Some(number) if !self.flows[number as usize].queue.is_empty() => number,
            Some(number) => {
                self.change(now);
                // An earlier change may have ended it; whoever is granted another weight begins
                // anew.
                let is_known = self.index.contains_key(&block.key());
                if is_known && self.flows[number as usize].weight == weight {
                    self.rates.go_on(number, block.work(), now);
                    number
                } else {
                    if is_known {
                        self.remove(block.key(), number, now);
                    }
                    self.begin(&block, now)
                }
            }
            None => {
                self.change(now);
                self.begin(&block, now)
            }
        };
        self.flows[number as usize].queue.push_back(block);
        true
    }

    fn drop_node(&mut self, node: NodeIndex, now: Time) {
        let out = (node, NodeIndex(0), 0)..=(node, NodeIndex(u32::MAX), u32::MAX);
        let mut keys: Vec<Key> = self.index.range(out.clone()).map(|(key, _)| *key).collect();
        let into = self.back.range(out);
        keys.extend(into.map(|(to, from, flow)| (*from, *to, *flow)));
        self.drop_keys(keys, now);
        self.rates.forget_node(node);
        self.propagating
            .retain(|block| block.sent.from != node && block.sent.to != node);
    }

    fn drop_pair(&mut self, from: NodeIndex, to: NodeIndex, now: Time) {
        let keys = self.index.range((from, to, 0)..=(from, to, u32::MAX));
        let keys = keys.map(|(key, _)| *key).collect();
        self.drop_keys(keys, now);
        self.propagating
            .retain(|block| block.sent.from != from || block.sent.to != to);
    }

    fn drop_flow(&mut self, from: NodeIndex, to: NodeIndex, flow: u32, now: Time) {
        let key = (from, to, flow);
        self.drop_keys(vec![key], now);
        self.rates.forget(key);
        self.propagating.retain(|block| block.key() != key);
    }

    fn next_event(&mut self) -> Option<Time> {
        self.share();
        let arrives = self.propagating.peek_time();
        let next = self.rates.next().into_iter().chain(arrives).min();
        next.filter(|at| *at <= HORIZON)
    }

    fn advance(&mut self, now: Time, out: &mut Vec<Outcome>) {
        self.share();
        while let Some(at) = self.propagating.peek_time().filter(|at| *at <= now) {
            assert_eq!(at, now, "what was to happen before was passed over");
            let Some((_, block)) = self.propagating.pop() else {
                break;
            };
            self.deliver(&block, out);
        }
        let mut ended = std::mem::take(&mut self.ended);
        if self.rates.advance(now, &mut ended) {
            self.change(now);
        }
        let heads = ended.drain(..).map(|flow| {
            let head = self.flows[flow as usize].queue.front();
            *head.expect("a flow in service has something to send")
        });
        let mut heads: Vec<Block> = heads.collect();
        heads.sort_unstable_by_key(|block| block.order);
        for block in heads {
            self.change(now);
            self.depart(block, now, out);
        }
        self.ended = ended;
    }

    /// Looks at the sharing in force: after changes that [`Network::next_event`] has not yet
    /// shared out there is nothing to look at. Visits every flow.
    fn check(&self, now: Time) -> Result<(), Violation> {
        if self.changed.is_some() {
            return Ok(());
        }
        laws::check(self, now)
    }

    fn carried(&self, node: NodeIndex) -> Carried {
        self.carried[node.index()]
    }

    fn waiting(&self) -> Vec<Waiting> {
        laws::waiting(self)
    }
}
