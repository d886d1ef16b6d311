//! The fluid model: all transmissions in flight share the links max-min fairly, by weight.
//!
//! A transmission is `Sent` in the first whole nanosecond at which it has had all its bytes,
//! and `Delivered` one propagation delay later. Its rate at any time is its weight times the
//! level of its bottleneck, see `maxmin`; what the links share changes only when a transmission
//! comes, ends or is dropped, or a capacity changes, and then only where that is felt.
//!
//! Exactness: rates are rounded down to 2^-40 B/s for each hundredth of weight; service is
//!            counted exactly at those rates. A transmission of rate r and weight w hundredths
//!            is late by a factor of at most 1 + w / (r × 2^40): less than a nanosecond in a
//!            day at 10 kB/s and weight 1.
//! Drawbacks: no order among the transmissions of a node, no queues, no window; a change is
//!            felt at once everywhere.
//! Refuses:   transmissions larger than [`BYTES_MAX`].

mod agenda;
mod class;

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate};

use self::agenda::Agenda;
use self::class::{Class, Tag, service};
use super::maxmin::Sharing;
use super::topology::Topology;
use super::{
    BYTES_MAX, Carried, HORIZON, Link, Network, NodeIndex, Outcome, RegionIndex, SharedIndex,
    Transmission, Violation, Waiting,
};
use crate::event_queue::EventQueue;

/// Links shared by all transmissions in flight. See the module.
#[derive(Debug)]
pub struct FluidNetwork {
    topology: Topology,
    sharing: Sharing,
    /// For each link its name; the first stands for none.
    names: Vec<Option<Link>>,
    /// For each link the flows that it limits.
    classes: Vec<Class>,
    /// By the number that the sharing gave them.
    flows: Vec<Flow>,
    agenda: Agenda,
    /// Sent and not yet delivered.
    propagating: EventQueue<Departed>,
    /// The time of changes that are not yet shared out.
    changed: Option<Time>,
    next_order: u64,
    carried: Vec<Carried>,
    /// Kept for their memory.
    touched: Vec<u32>,
    marked: Vec<u32>,
    ended: Vec<(u64, u32)>,
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    what: Departed,
    delay: Span,
    weight: u32,
    /// The link in whose class it is; none before its first sharing.
    bottleneck: Option<u32>,
    tag: Tag,
}

/// What remains of a transmission when it has left its sender.
#[derive(Clone, Copy, Debug)]
struct Departed {
    id: u64,
    from: NodeIndex,
    to: NodeIndex,
    bytes: ByteCount,
    /// Order of sending.
    order: u64,
}

impl FluidNetwork {
    /// A network without nodes.
    #[must_use]
    pub fn new() -> Self {
        Self {
            topology: Topology::default(),
            sharing: Sharing::new(),
            names: vec![None],
            classes: vec![Class::new()],
            flows: Vec::new(),
            agenda: Agenda::default(),
            propagating: EventQueue::new(),
            changed: None,
            next_order: 0,
            carried: Vec::new(),
            touched: Vec::new(),
            marked: Vec::new(),
            ended: Vec::new(),
        }
    }

    fn add_link(&mut self, name: Link, capacity: Option<Rate>) -> u32 {
        let link = self.sharing.add_link(capacity);
        self.names.push(Some(name));
        self.classes.push(Class::new());
        self.agenda.grow(self.classes.len());
        link
    }

    /// Announces a change at `now`: earlier ones are shared out first, at their own time.
    fn change(&mut self, now: Time) {
        if self.changed.is_some_and(|before| before < now) {
            self.share();
        }
        self.changed = Some(now);
    }

    /// Shares the links anew, if anything changed since the last time.
    fn share(&mut self) {
        let Some(now) = self.changed.take() else {
            return;
        };
        self.sharing.fill_marked();
        let mut touched = std::mem::take(&mut self.touched);
        self.sharing.take_touched(&mut touched);
        for &link in &touched {
            for at in 0..self.sharing.crossing(link).len() {
                let crossing = self.sharing.crossing(link)[at];
                let bottleneck = self.sharing.bottleneck(link, &crossing);
                if self.flows[crossing.flow as usize].bottleneck != Some(bottleneck) {
                    self.join(crossing.flow, bottleneck, now);
                }
            }
            let level = self.sharing.level(link);
            if self.classes[link as usize].level != level {
                self.settle(link, now);
                self.classes[link as usize].level = level;
                self.mark(link);
            }
        }
        self.touched = touched;
        self.schedule(now);
    }

    /// Finds the earliest end of every marked class.
    fn schedule(&mut self, now: Time) {
        let mut marked = std::mem::take(&mut self.marked);
        for link in marked.drain(..) {
            self.settle(link, now);
            let class = &mut self.classes[link as usize];
            class.marked = false;
            let end = if class.members == 0 {
                None
            } else {
                let crossing = self.sharing.crossing(link).iter();
                let flows = crossing.map(|crossing| &self.flows[crossing.flow as usize]);
                let members = flows.filter(|flow| flow.bottleneck == Some(link));
                members
                    .map(|flow| flow.tag.at)
                    .min()
                    .and_then(|tag| class.reaches(tag))
            };
            self.agenda.set(link, end);
        }
        self.marked = marked;
    }

    fn mark(&mut self, link: u32) {
        let class = &mut self.classes[link as usize];
        if !class.marked {
            class.marked = true;
            self.marked.push(link);
        }
    }

    fn settle(&mut self, link: u32, now: Time) {
        let class = &mut self.classes[link as usize];
        class.settle(now);
        if let Some(back) = class.rebase() {
            for crossing in self.sharing.crossing(link) {
                let flow = &mut self.flows[crossing.flow as usize];
                if flow.bottleneck == Some(link) {
                    flow.tag.at = flow.tag.at.saturating_sub(back);
                }
            }
        }
    }

    /// Moves a flow to another class, with what it has still to get.
    fn join(&mut self, flow: u32, link: u32, now: Time) {
        let Flow { weight, .. } = self.flows[flow as usize];
        let left = self.leave(flow, now);
        self.settle(link, now);
        self.mark(link);
        let class = &mut self.classes[link as usize];
        class.members += 1;
        let entry = &mut self.flows[flow as usize];
        entry.bottleneck = Some(link);
        entry.tag = Tag::new(left, weight, class.clock);
    }

    /// Takes a flow out of its class. Gives what it has still to get.
    fn leave(&mut self, flow: u32, now: Time) -> u128 {
        let Flow {
            what, bottleneck, ..
        } = self.flows[flow as usize];
        let Some(link) = bottleneck else {
            return service(what.bytes);
        };
        self.settle(link, now);
        self.mark(link);
        let class = &mut self.classes[link as usize];
        class.members -= 1;
        let entry = &mut self.flows[flow as usize];
        entry.bottleneck = None;
        entry.tag.left(entry.weight, class.clock)
    }

    fn remove(&mut self, flow: u32, now: Time) {
        self.leave(flow, now);
        self.sharing.remove_flow(flow);
    }

    /// Removes the flows that `gone` names among those that cross `link`.
    fn drop_crossing(&mut self, link: u32, now: Time, gone: impl Fn(&Departed) -> bool) {
        let crossing = self
            .sharing
            .crossing(link)
            .iter()
            .map(|crossing| crossing.flow);
        let flows: Vec<u32> = crossing
            .filter(|flow| gone(&self.flows[*flow as usize].what))
            .collect();
        if !flows.is_empty() {
            self.change(now);
            for flow in flows {
                self.remove(flow, now);
            }
        }
    }

    /// Takes out what ends at `now` on one link.
    fn end_on(&mut self, link: u32, now: Time, ended: &mut Vec<(u64, u32)>) {
        self.settle(link, now);
        let class = self.classes[link as usize];
        for crossing in self.sharing.crossing(link) {
            let flow = &self.flows[crossing.flow as usize];
            if flow.bottleneck == Some(link) && class.has_reached(flow.tag.at) {
                ended.push((flow.what.order, crossing.flow));
            }
        }
        self.agenda.set(link, None);
    }

    fn deliver(&mut self, what: &Departed, out: &mut Vec<Outcome>) {
        self.carried[what.to.index()].down += what.bytes;
        out.push(Outcome::Delivered(what.id));
    }
}

impl Default for FluidNetwork {
    fn default() -> Self {
        Self::new()
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
        self.sharing.set_capacity(self.topology.up(node), up);
        self.sharing.set_capacity(self.topology.down(node), down);
    }

    fn add_shared(&mut self, capacity: Option<Rate>) -> SharedIndex {
        let count = u32::try_from(self.topology.all_shared().count()).expect("counted in u32");
        let place = self.add_link(Link::Shared(SharedIndex(count)), capacity);
        self.topology.add_shared(place)
    }

    fn set_shared(&mut self, link: SharedIndex, capacity: Option<Rate>, now: Time) {
        self.change(now);
        self.sharing
            .set_capacity(self.topology.shared(link), capacity);
    }

    fn set_region(&mut self, node: NodeIndex, region: RegionIndex) {
        self.topology.set_region(node, region);
    }

    fn set_route(&mut self, from: RegionIndex, to: RegionIndex, shared: &[SharedIndex]) {
        self.topology.set_route(from, to, shared);
    }

    fn send(&mut self, transmission: Transmission, now: Time) {
        let Transmission {
            id,
            from,
            to,
            bytes,
            weight,
            delay,
        } = transmission;
        assert!(
            bytes <= BYTES_MAX,
            "a transmission of {bytes}, above {BYTES_MAX}"
        );
        self.change(now);
        let order = self.next_order;
        self.next_order += 1;
        let number = self.sharing.add_flow(self.topology.path(from, to), weight) as usize;
        let flow = Flow {
            what: Departed {
                id,
                from,
                to,
                bytes,
                order,
            },
            delay,
            weight: weight.hundredths(),
            bottleneck: None,
            tag: Tag::default(),
        };
        if number == self.flows.len() {
            self.flows.push(flow);
        } else {
            self.flows[number] = flow;
        }
    }

    fn drop_node(&mut self, node: NodeIndex, now: Time) {
        self.drop_crossing(self.topology.up(node), now, |_| true);
        self.drop_crossing(self.topology.down(node), now, |_| true);
        self.propagating
            .retain(|what| what.from != node && what.to != node);
    }

    fn drop_pair(&mut self, from: NodeIndex, to: NodeIndex, now: Time) {
        self.drop_crossing(self.topology.up(from), now, |what| what.to == to);
        self.propagating
            .retain(|what| what.from != from || what.to != to);
    }

    fn next_event(&mut self) -> Option<Time> {
        self.share();
        let sent = self.agenda.first().map(|(at, _)| at);
        let arrives = self.propagating.peek_time();
        let next = sent.into_iter().chain(arrives).min();
        next.filter(|at| *at <= HORIZON)
    }

    fn advance(&mut self, now: Time, out: &mut Vec<Outcome>) {
        self.share();
        while let Some(at) = self.propagating.peek_time().filter(|at| *at <= now) {
            assert_eq!(at, now, "what was to happen before was passed over");
            let Some((_, what)) = self.propagating.pop() else {
                break;
            };
            self.deliver(&what, out);
        }
        let mut ended = std::mem::take(&mut self.ended);
        while let Some((at, link)) = self.agenda.first().filter(|(at, _)| *at <= now) {
            assert_eq!(at, now, "what was to happen before was passed over");
            self.end_on(link, now, &mut ended);
        }
        ended.sort_unstable();
        for (_, number) in ended.drain(..) {
            self.change(now);
            self.remove(number, now);
            let Flow { what, delay, .. } = self.flows[number as usize];
            self.carried[what.from.index()].up += what.bytes;
            out.push(Outcome::Sent(what.id));
            if delay == Span::ZERO {
                self.deliver(&what, out);
            } else {
                self.propagating.push(now.saturating_add(delay), what);
            }
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

mod laws;
#[cfg(test)]
mod tests;
