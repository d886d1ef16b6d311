//! A link that takes time, and flows that ask while their blocks are on it.
//!
//! The link sends a byte a nanosecond and holds one to four blocks. Each flow asks for its next
//! block some time after the last request, or while its last block is on the link, or when
//! that has left: the moment at which a rule may take it for idle.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::weight;
use crate::id::FlowId;
use crate::sched::{Discipline, DisciplineRow, Params, Ticket};
use crate::time::Time;
use crate::units::{ByteCount, Rate, Weight};

/// A byte a nanosecond.
pub(super) const LINK: u64 = 1_000_000_000;

/// When a flow asks for a block.
#[derive(Clone, Copy, Debug)]
enum When {
    /// So many 256ths of its largest block's time after its last request.
    After(u64),
    /// When so many 256ths of its last block are on the way; at 256 it has just left.
    OnLink(u64),
}

#[derive(Clone, Copy, Debug)]
struct Ask {
    when: When,
    len: ByteCount,
    remaining: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) weight: Weight,
    pub(super) largest: ByteCount,
    pub(super) band: u8,
    /// Guaranteed rate in 16ths of an equal share of the link.
    pub(super) floor: u64,
    asks: Vec<Ask>,
}

#[derive(Clone, Debug)]
pub(super) struct Traffic {
    pub(super) flows: Vec<Flow>,
    quantum: Option<ByteCount>,
    /// Blocks that the link holds.
    pub(super) window: usize,
    /// Of what happens at the same time, whether a block leaves before one comes.
    leaves_first: bool,
}

fn flow() -> impl Strategy<Value = Flow> {
    let largest = prop::sample::select(vec![1_u64, 100, 1_500, 16_384, 262_144]);
    let when = prop_oneof![
        2 => (0_u64..600).prop_map(When::After),
        2 => Just(When::After(0)),
        3 => (0_u64..=256).prop_map(When::OnLink),
    ];
    let parts = prop_oneof![Just(256_u64), 1_u64..=256];
    let asks = prop::collection::vec((when, parts, 1_u64..1_000), 1..20);
    let band = prop_oneof![3 => Just(0_u8), 1 => 0_u8..3];
    (weight(), largest, band, 0_u64..=16, asks).prop_map(|(weight, largest, band, floor, asks)| {
        let ask = |(when, parts, remaining): (When, u64, u64)| Ask {
            when,
            len: ByteCount::new((largest * parts).div_ceil(256)),
            remaining,
        };
        Flow {
            weight,
            largest: ByteCount::new(largest),
            band,
            floor,
            asks: asks.into_iter().map(ask).collect(),
        }
    })
}

pub(super) fn traffic() -> impl Strategy<Value = Traffic> {
    let quantum = prop::sample::select(vec![None, None, Some(64), Some(1_500), Some(300_000)]);
    let flows = prop::collection::vec(flow(), 2..=5);
    let window = prop::sample::select(vec![1_usize, 1, 2, 4]);
    (flows, quantum, window, any::<bool>()).prop_map(|(flows, quantum, window, leaves_first)| {
        Traffic {
            flows,
            quantum: quantum.map(ByteCount::new),
            window,
            leaves_first,
        }
    })
}

impl Traffic {
    pub(super) fn params(&self) -> Params {
        let largest = self.flows.iter().map(|flow| flow.largest).max();
        Params {
            largest: largest.expect("at least two flows"),
            quantum: self.quantum,
            salt: None,
        }
    }

    /// Weights and largest blocks of those flows that `keep` says.
    pub(super) fn flows(&self, keep: impl Fn(&Flow) -> bool) -> Vec<(Weight, ByteCount)> {
        let kept = self.flows.iter().filter(|flow| keep(flow));
        kept.map(|flow| (flow.weight, flow.largest)).collect()
    }

    pub(super) fn lowest_band(&self) -> u8 {
        let bands = self.flows.iter().map(|flow| flow.band);
        bands.min().expect("at least two flows")
    }
}

/// What happens on the link, for who watches.
pub(super) enum Event {
    Came(Ticket),
    /// Chosen, and sent after what is on the link.
    Chosen(Ticket),
    Left(Ticket),
}

/// A link, the blocks on it, and the requests to come.
pub(super) struct Run<'a> {
    traffic: &'a Traffic,
    subject: Box<dyn Discipline>,
    rated: bool,
    now: u64,
    /// Blocks with the time at which each has left.
    link: VecDeque<(Ticket, u64)>,
    free: u64,
    /// For each flow the place of its next request, the time of its last one, and if it is
    /// known when the next one comes.
    next: Vec<(usize, u64, Option<u64>)>,
    /// Blocks of each flow that have been chosen.
    chosen: Vec<usize>,
    arrivals: u64,
}

impl<'a> Run<'a> {
    pub(super) fn new(row: &DisciplineRow, traffic: &'a Traffic, rated: bool) -> Self {
        let mut run = Self {
            traffic,
            subject: (row.make)(&traffic.params()),
            rated,
            now: 0,
            link: VecDeque::new(),
            free: 0,
            next: vec![(0, 0, None); traffic.flows.len()],
            chosen: vec![0; traffic.flows.len()],
            arrivals: 0,
        };
        for flow in 0..traffic.flows.len() {
            run.expect(flow, Some((0, 0)));
        }
        run
    }

    /// Works out when the next request of `flow` comes. If that hangs on its last block it is
    /// known once the block has its time on the link, `sent`.
    fn expect(&mut self, flow: usize, sent: Option<(u64, u64)>) {
        let (place, last, _) = self.next[flow];
        let Flow { asks, largest, .. } = &self.traffic.flows[flow];
        let time = asks.get(place).and_then(|ask| match ask.when {
            When::After(parts) => Some(last + largest.get() * parts / 256),
            When::OnLink(parts) => {
                sent.map(|(start, end)| (start + (end - start) * parts / 256).max(self.now))
            }
        });
        self.next[flow].2 = time;
    }

    fn come(&mut self, flow: usize) -> Ticket {
        let Flow {
            weight,
            band,
            floor,
            asks,
            ..
        } = &self.traffic.flows[flow];
        let place = self.next[flow].0;
        let equal = LINK / self.traffic.flows.len() as u64;
        let floor = if self.rated { equal * floor / 16 } else { 0 };
        self.arrivals += 1;
        let id = FlowId(u32::try_from(flow).expect("at most five"));
        let ticket = Ticket {
            // Two requests in a row are of one age, as blocks of one request are.
            arrival: self.arrivals / 2,
            remaining: ByteCount::new(asks[place].remaining),
            band: *band,
            floor: Rate::new(floor),
            ..Ticket::new(id, *weight, asks[place].len)
        };
        self.subject.enqueue(ticket, Time::from_nanos(self.now));
        self.next[flow] = (place + 1, self.now, None);
        self.expect(flow, None);
        ticket
    }

    /// Everything that happens, in its order.
    pub(super) fn play(
        mut self,
        watch: &mut dyn FnMut(&Event, u64) -> Result<(), TestCaseError>,
    ) -> Result<(), TestCaseError> {
        loop {
            let leaves = self.link.front().map(|&(_, end)| end);
            let comes = (0..self.next.len()).filter_map(|flow| Some((self.next[flow].2?, flow)));
            let comes = comes.min();
            let first = match (leaves, comes) {
                (None, None) => return Ok(()),
                (Some(end), Some((time, _))) if end == time => self.traffic.leaves_first,
                (Some(end), Some((time, _))) => end < time,
                (leaves, _) => leaves.is_some(),
            };
            if first {
                let (ticket, end) = self.link.pop_front().expect("one leaves");
                self.now = end;
                self.subject.sent(ticket.flow);
                watch(&Event::Left(ticket), end)?;
            } else {
                let (time, flow) = comes.expect("one comes");
                self.now = time;
                let ticket = self.come(flow);
                watch(&Event::Came(ticket), time)?;
            }
            self.decide(watch)?;
        }
    }

    /// Puts blocks on the link, once all has happened that happens now.
    fn decide(
        &mut self,
        watch: &mut dyn FnMut(&Event, u64) -> Result<(), TestCaseError>,
    ) -> Result<(), TestCaseError> {
        let is_now = |time: Option<u64>| time.is_some_and(|time| time <= self.now);
        let leaves = self.link.front().map(|&(_, end)| end);
        if is_now(leaves) || self.next.iter().any(|&(_, _, time)| is_now(time)) {
            return Ok(());
        }
        while self.link.len() < self.traffic.window {
            let Some(ticket) = self.subject.dequeue(Time::from_nanos(self.now)) else {
                return Ok(());
            };
            let start = self.free.max(self.now);
            self.free = start + ticket.len.get();
            self.link.push_back((ticket, self.free));
            watch(&Event::Chosen(ticket), self.now)?;
            let flow = ticket.flow.index();
            self.chosen[flow] += 1;
            if self.chosen[flow] == self.next[flow].0 && self.next[flow].2.is_none() {
                self.expect(flow, Some((start, self.free)));
            }
        }
        Ok(())
    }
}
