//! A network that is bent in one way, to see who notices.

use std::sync::{Arc, Mutex};

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate};

use crate::network::block::BlockNetwork;
use crate::network::{
    Carried, Network, NodeIndex, Outcome, RegionIndex, SharedIndex, Transmission, Violation,
    Waiting,
};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bend {
    /// Nothing.
    Straight,
    /// The tenth block is sent and never arrives.
    Loses,
    /// The tenth block never leaves.
    Holds,
    /// The tenth block arrives twice.
    Repeats,
    /// The tenth block arrives without having left.
    Skips,
    /// Its next event is always now.
    Spins,
    /// It says itself that it is wrong.
    Confesses,
}

/// The block that is treated differently.
const TENTH: u64 = 10;

/// What left a sender: when, and the number of bytes.
pub(super) type Log = Arc<Mutex<Vec<(Time, u64)>>>;

#[derive(Debug)]
pub(super) struct Bent {
    inner: Box<dyn Network>,
    bend: Bend,
    log: Log,
    lens: Vec<u64>,
    /// Ids by order of sending, since ids are used again.
    sent: u64,
    chosen: Option<u64>,
    now: Time,
}

impl Bent {
    /// Bends `network`; what leaves a node goes to `log`.
    pub(super) fn bend(network: &mut Box<dyn Network>, bend: Bend, log: Log) {
        let nothing = Box::new(BlockNetwork::new(ByteCount::ZERO));
        let inner = std::mem::replace(network, nothing);
        *network = Box::new(Self {
            inner,
            bend,
            log,
            lens: Vec::new(),
            sent: 0,
            chosen: None,
            now: Time::ZERO,
        });
    }

    fn keep(&mut self, outcome: Outcome, out: &mut Vec<Outcome>) {
        let (Outcome::Sent(id) | Outcome::Delivered(id)) = outcome;
        let is_chosen = self.chosen == Some(id);
        let is_sent = matches!(outcome, Outcome::Sent(_));
        if !is_sent && is_chosen {
            self.chosen = None;
        }
        let times = match self.bend {
            Bend::Loses if is_chosen => u32::from(is_sent),
            Bend::Holds if is_chosen => 0,
            Bend::Skips if is_chosen => u32::from(!is_sent),
            Bend::Repeats if is_chosen => 1 + u32::from(!is_sent),
            _ => 1,
        };
        out.extend((0..times).map(|_| outcome));
    }
}

impl Network for Bent {
    fn add_node(&mut self, up: Option<Rate>, down: Option<Rate>) -> NodeIndex {
        self.inner.add_node(up, down)
    }

    fn set_capacity(&mut self, node: NodeIndex, up: Option<Rate>, down: Option<Rate>, now: Time) {
        self.inner.set_capacity(node, up, down, now);
    }

    fn add_shared(&mut self, capacity: Option<Rate>) -> SharedIndex {
        self.inner.add_shared(capacity)
    }

    fn set_shared(&mut self, link: SharedIndex, capacity: Option<Rate>, now: Time) {
        self.inner.set_shared(link, capacity, now);
    }

    fn set_region(&mut self, node: NodeIndex, region: RegionIndex) {
        self.inner.set_region(node, region);
    }

    fn set_route(&mut self, from: RegionIndex, to: RegionIndex, shared: &[SharedIndex]) {
        self.inner.set_route(from, to, shared);
    }

    fn send(&mut self, transmission: Transmission, now: Time) -> bool {
        self.sent += 1;
        if self.sent == TENTH {
            self.chosen = Some(transmission.id);
        }
        let place = usize::try_from(transmission.id).unwrap();
        self.lens.resize(self.lens.len().max(place + 1), 0);
        self.lens[place] = transmission.bytes.get();
        self.inner.send(transmission, now)
    }

    fn drop_node(&mut self, node: NodeIndex, now: Time) {
        self.inner.drop_node(node, now);
    }

    fn is_full(&self, from: NodeIndex, to: NodeIndex) -> bool {
        self.inner.is_full(from, to)
    }

    fn drop_pair(&mut self, from: NodeIndex, to: NodeIndex, now: Time) {
        self.inner.drop_pair(from, to, now);
    }

    fn drop_flow(&mut self, from: NodeIndex, to: NodeIndex, flow: u32, now: Time) {
        self.inner.drop_flow(from, to, flow, now);
    }

    fn next_event(&mut self) -> Option<Time> {
        let next = self.inner.next_event();
        let stuck = self.bend == Bend::Spins && self.sent >= TENTH;
        if stuck { next.map(|_| self.now) } else { next }
    }

    fn advance(&mut self, now: Time, out: &mut Vec<Outcome>) {
        self.now = now;
        let mut straight = Vec::new();
        self.inner.advance(now, &mut straight);
        for outcome in straight {
            if let Outcome::Sent(id) = outcome {
                let len = self.lens[usize::try_from(id).unwrap()];
                self.log.lock().unwrap().push((now, len));
            }
            self.keep(outcome, out);
        }
    }

    fn check(&self, now: Time) -> Result<(), Violation> {
        match self.bend {
            Bend::Confesses => Err(Violation::NoBottleneck { id: 7, at: now }),
            _ => self.inner.check(now),
        }
    }

    fn carried(&self, node: NodeIndex) -> Carried {
        self.inner.carried(node)
    }

    fn waiting(&self) -> Vec<Waiting> {
        self.inner.waiting()
    }
}

/// For a second, in nanoseconds.
pub(super) const SECOND: u128 = Span::SECOND.as_nanos() as u128;
