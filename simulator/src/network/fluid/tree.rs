//! Rates by the trees of the policies: groups, peers and transfers at each source.
//!
//! A flow is a leaf of its source's tree. Rates come from [`crate::fluid_reference`]; this file
//! counts what each flow is served at them, and knows when that ends and when an order changes.
//!
//! Cost: the flows that a change concerns, which are all of a source if an order decides there.

use std::collections::BTreeMap;

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::Rate;
use fairhaul_core::uplink::Share;

use super::due::Due;
use super::laws::Fault;
use super::{Coming, Key, Rates, Work};
use crate::fluid_reference::class::Order;
use crate::fluid_reference::sharing::Sharing;
use crate::fluid_reference::table::{Demand, Disciplines, Table};
use crate::network::maxmin::FRACTION_BITS;
use crate::network::{HORIZON, NodeIndex};
use crate::setup::Setup;

/// A byte in units of service.
const BYTE: u128 = 1_000_000_000 << FRACTION_BITS;

/// Flows of all sources, and what each is served.
#[derive(Debug)]
pub(super) struct Tree {
    setup: Setup,
    table: Table,
    sharing: Sharing,
    links: u32,
    /// The numbers of all flows that ever were.
    numbers: BTreeMap<Key, u32>,
    flows: Vec<Flow>,
    /// When each flow has had what it has in service.
    ends: Due,
    /// For each class that serves who was served least: when the next one is level with it.
    turns: Due,
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    work: Work,
    /// Units of service still to be had.
    left: u128,
    /// In units of service a nanosecond; none if nothing limits it.
    rate: Option<u128>,
    since: Time,
}

impl Tree {
    /// The links of `setup`, and nothing to send.
    pub(super) fn new(setup: Setup) -> Self {
        let (table, sharing) = Table::new(&setup, Disciplines::Policies);
        Self {
            setup,
            table,
            sharing,
            links: 0,
            numbers: BTreeMap::new(),
            flows: Vec::new(),
            ends: Due::default(),
            turns: Due::default(),
        }
    }

    /// The number of a flow, made if it is new.
    fn number(&mut self, key: Key) -> u32 {
        if let Some(&number) = self.numbers.get(&key) {
            return number;
        }
        let (from, to, flow) = (key.0.0, key.1.0, key.2);
        let contents = u32::try_from(self.setup.contents.len()).expect("checked by the lab");
        let demand = match flow.checked_sub(contents) {
            Some(row) => Demand::of_transfer(&self.setup, row),
            None => Demand::of_content(from, to, flow),
        };
        let ends = (demand.source, demand.destination);
        assert_eq!(ends, (from, to), "a transfer goes where the setup says");
        let number = self.table.add(&self.setup, &mut self.sharing, &demand);
        self.numbers.insert(key, number);
        number
    }

    /// Counts what a flow was served until `now`.
    fn settle(&mut self, number: u32, now: Time) {
        let flow = &mut self.flows[number as usize];
        let span = u128::from((now - flow.since).as_nanos());
        let served = flow.rate.map_or(0, |rate| rate * span).min(flow.left);
        flow.left -= served;
        flow.since = now;
        let rank = self.sharing.serve(number, served);
        let begun = flow.work.service - flow.left;
        rank.arrival = flow.work.arrival;
        rank.remaining = flow.work.remaining.get() - whole_bytes(begun);
    }

    /// Finds when a flow has had what it has in service.
    fn plan(&mut self, number: u32) {
        let flow = &self.flows[number as usize];
        let end = match flow.rate {
            None => Some(flow.since),
            Some(_) if flow.left == 0 => Some(flow.since),
            Some(0) => None,
            Some(rate) => after(flow.since, flow.left.div_ceil(rate)),
        };
        self.ends.set(number, end);
    }

    /// Finds when an order by attained service changes next, above the flows given.
    fn plan_turns(&mut self, flows: &[u32], now: Time) {
        for (class, gaps) in self.sharing.gaps(flows) {
            let next = gaps
                .into_iter()
                .filter_map(|(gap, faster)| {
                    let faster = units(faster);
                    (faster > 0).then(|| after(now, gap.div_ceil(faster)))?
                })
                .min();
            self.turns.set(class, next);
        }
    }
}

impl Rates for Tree {
    fn add_link(&mut self, _capacity: Option<Rate>) -> u32 {
        self.links += 1;
        self.links - 1
    }

    fn set_capacity(&mut self, link: u32, capacity: Option<Rate>) {
        self.sharing.set_capacity(link, capacity);
    }

    fn begin(&mut self, coming: &Coming, work: Work, now: Time) -> u32 {
        let number = self.number(coming.key);
        let flow = Flow {
            work,
            left: work.service,
            rate: Some(0),
            since: now,
        };
        match self.flows.get_mut(number as usize) {
            Some(place) => *place = flow,
            None => self.flows.push(flow),
        }
        let share =
            self.setup.policies[self.setup.peers[coming.key.0.index()].policy as usize].share;
        self.sharing
            .set_weight(number, coming.weight, share != Share::Transfer);
        self.sharing.add(number);
        number
    }

    fn go_on(&mut self, number: u32, work: Work, now: Time) {
        self.settle(number, now);
        let flow = &mut self.flows[number as usize];
        flow.left = work.service;
        flow.work = work;
        self.plan(number);
        // Its next request may be younger than another flow's.
        if self
            .sharing
            .orders_of(number)
            .any(|order| order == Order::Age)
        {
            self.sharing.reorder(number);
        }
    }

    fn end(&mut self, number: u32, now: Time) {
        self.settle(number, now);
        self.ends.set(number, None);
        self.sharing.remove(number);
    }

    fn forget(&mut self, key: Key) {
        if let Some(&number) = self.numbers.get(&key) {
            self.sharing.forget(number);
        }
    }

    fn forget_node(&mut self, node: NodeIndex) {
        let of_node = self.numbers.iter();
        let gone = of_node.filter(|(key, _)| key.0 == node || key.1 == node);
        for (_, &number) in gone {
            self.sharing.forget(number);
        }
    }

    fn share(&mut self, now: Time) {
        let Some(flows) = self.sharing.find_changed() else {
            return;
        };
        for &number in &flows {
            self.settle(number, now);
        }
        self.sharing.share(&flows);
        for &number in &flows {
            self.flows[number as usize].rate = self.sharing.rate(number).map(units);
            self.plan(number);
        }
        self.plan_turns(&flows, now);
    }

    fn next(&self) -> Option<Time> {
        let firsts = [self.ends.first(), self.turns.first()];
        firsts.into_iter().flatten().map(|(at, _)| at).min()
    }

    fn advance(&mut self, now: Time, ended: &mut Vec<u32>) -> bool {
        while let Some((at, number)) = self.ends.first().filter(|(at, _)| *at <= now) {
            assert_eq!(at, now, "what was to happen before was passed over");
            ended.push(number);
            self.ends.set(number, None);
        }
        let mut is_anew = false;
        while let Some((_, class)) = self.turns.first().filter(|(at, _)| *at <= now) {
            self.turns.set(class, None);
            is_anew |= self.sharing.reorder_below(class);
        }
        is_anew
    }

    fn check(&self) -> Result<(), Fault> {
        if let Some(link) = self.sharing.overloaded() {
            return Err(Fault::OverCapacity { link });
        }
        match self.sharing.unlimited() {
            Some(flow) => Err(Fault::NoBottleneck { flow }),
            None => Ok(()),
        }
    }

    fn held_by(&self, flow: u32) -> Option<u32> {
        self.sharing.bottleneck(flow)
    }
}

/// A time a number of nanoseconds later; none if that is beyond the horizon.
fn after(now: Time, nanos: u128) -> Option<Time> {
    let nanos = u64::try_from(nanos).ok()?;
    let at = now.saturating_add(Span::from_nanos(nanos));
    (at <= HORIZON).then_some(at)
}

fn whole_bytes(service: u128) -> u64 {
    u64::try_from(service / BYTE).expect("a transmission is at most 2^56 bytes")
}

/// A rate in units of service a nanosecond, rounded down.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is at least zero, and below 2^64 B/s; a cast saturates"
)]
fn units(rate: f64) -> u128 {
    (rate * (1_u64 << FRACTION_BITS) as f64) as u128
}
