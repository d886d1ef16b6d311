//! Rates by weight alone: every flow crosses its links with one weight.
//!
//! The flows that one link limits have its level and one clock, so that a change of the level
//! touches the clock and not the flows: this is what carries swarms of thousands.

use fairhaul_core::time::Time;
use fairhaul_core::units::Rate;

use super::class::{Class, Tag};
use super::due::Due;
use super::laws::Fault;
use super::{Coming, Key, Rates, Work};
use crate::network::NodeIndex;
use crate::network::maxmin::{Sharing, UNLIMITED};

/// Levels of links, and when the flows of each end.
#[derive(Debug)]
pub(super) struct Levels {
    sharing: Sharing,
    /// For each link the flows that it limits.
    classes: Vec<Class>,
    /// By the number that the sharing gave them.
    flows: Vec<Flow>,
    heap: Due,
    /// Kept for their memory.
    touched: Vec<u32>,
    marked: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Flow {
    weight: u32,
    service: u128,
    /// The link in whose class it is; none before its first sharing.
    bottleneck: Option<u32>,
    tag: Tag,
}

impl Levels {
    /// No links, no flows.
    pub(super) fn new() -> Self {
        Self {
            sharing: Sharing::new(),
            classes: vec![Class::new()],
            flows: Vec::new(),
            heap: Due::default(),
            touched: Vec::new(),
            marked: Vec::new(),
        }
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
            self.heap.set(link, end);
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
            service,
            bottleneck,
            ..
        } = self.flows[flow as usize];
        let Some(link) = bottleneck else {
            return service;
        };
        self.settle(link, now);
        self.mark(link);
        let class = &mut self.classes[link as usize];
        class.members -= 1;
        let entry = &mut self.flows[flow as usize];
        entry.bottleneck = None;
        entry.tag.left(entry.weight, class.clock)
    }
}

impl Rates for Levels {
    fn add_link(&mut self, capacity: Option<Rate>) -> u32 {
        let link = self.sharing.add_link(capacity);
        self.classes.push(Class::new());
        link
    }

    fn set_capacity(&mut self, link: u32, capacity: Option<Rate>) {
        self.sharing.set_capacity(link, capacity);
    }

    fn begin(&mut self, coming: &Coming, work: Work, _now: Time) -> u32 {
        let number = self.sharing.add_flow(coming.path, coming.weight);
        let flow = Flow {
            weight: coming.weight.hundredths(),
            service: work.service,
            bottleneck: None,
            tag: Tag::default(),
        };
        match self.flows.get_mut(number as usize) {
            Some(place) => *place = flow,
            None => self.flows.push(flow),
        }
        number
    }

    fn go_on(&mut self, flow: u32, work: Work, now: Time) {
        let bottleneck = self.flows[flow as usize].bottleneck;
        self.leave(flow, now);
        self.flows[flow as usize].service = work.service;
        if let Some(link) = bottleneck {
            self.join(flow, link, now);
        }
    }

    fn end(&mut self, flow: u32, now: Time) {
        self.leave(flow, now);
        self.sharing.remove_flow(flow);
    }

    fn forget(&mut self, _key: Key) {}

    fn forget_node(&mut self, _node: NodeIndex) {}

    fn share(&mut self, now: Time) {
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

    fn next(&self) -> Option<Time> {
        self.heap.first().map(|(at, _)| at)
    }

    fn advance(&mut self, now: Time, ended: &mut Vec<u32>) -> bool {
        while let Some((at, link)) = self.heap.first().filter(|(at, _)| *at <= now) {
            assert_eq!(at, now, "what was to happen before was passed over");
            self.settle(link, now);
            let class = self.classes[link as usize];
            for crossing in self.sharing.crossing(link) {
                let flow = &self.flows[crossing.flow as usize];
                if flow.bottleneck == Some(link) && class.has_reached(flow.tag.at) {
                    ended.push(crossing.flow);
                }
            }
            self.heap.set(link, None);
        }
        false
    }

    /// No link is above its capacity; every flow has a bottleneck: a link on its path that is
    /// full, up to rounding, and on which no flow has a higher level.
    fn check(&self) -> Result<(), Fault> {
        for (link, class) in (0_u32..).zip(&self.classes) {
            let load = self.sharing.load(link);
            if load.is_some_and(|(capacity, load, _)| load > capacity) {
                return Err(Fault::OverCapacity { link });
            }
            // Only flows that nothing limits are counted to a link without a level.
            let full = class.level == UNLIMITED
                || load
                    .is_some_and(|(capacity, load, weight)| capacity - load < u128::from(weight));
            for crossing in self.sharing.crossing(link) {
                let bottleneck = self.flows[crossing.flow as usize].bottleneck;
                let level = bottleneck.map(|link| self.classes[link as usize].level);
                let limited = bottleneck != Some(link) || full;
                if !limited || level.is_none_or(|own| own > class.level) {
                    let flow = crossing.flow;
                    return Err(Fault::NoBottleneck { flow });
                }
            }
        }
        Ok(())
    }

    fn held_by(&self, flow: u32) -> Option<u32> {
        self.flows[flow as usize].bottleneck
    }
}
