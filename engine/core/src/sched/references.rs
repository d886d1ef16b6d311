//! Disciplines that are not on offer, for their published numbers: a scenario that gives them
//! what the papers say is a scenario to trust.
//!
//! Slow and obvious: the first block with the least finish tag is looked for among all flows.
//! They refuse service out of turn and purges, which the scenarios do without.

use std::collections::VecDeque;

use crate::id::FlowId;
use crate::sched::oracle::{byte_fairness, golden_order, max_delay};
use crate::sched::virtual_time::{Tag, advance, cost};
use crate::sched::{Claim, DISCIPLINES, Delay, Discipline, DisciplineRow, Ticket, bounds};
use crate::time::{Span, Time};
use crate::units::{ByteCount, Rate};

/// The link of the delay scenario.
const LINK: Rate = Rate::new(1_000_000);

/// Blocks with their finish tags, a queue for each flow.
#[derive(Debug, Default)]
struct Tagged {
    flows: Vec<VecDeque<(Tag, Ticket)>>,
    last: Vec<Tag>,
}

impl Tagged {
    fn enqueue(&mut self, ticket: Ticket, clock: Tag) {
        let index = ticket.flow.index();
        if index >= self.flows.len() {
            self.flows.resize(index + 1, VecDeque::new());
            self.last.resize(index + 1, 0);
        }
        self.last[index] = clock.max(self.last[index]) + cost(ticket.len, ticket.weight);
        self.flows[index].push_back((self.last[index], ticket));
    }

    fn dequeue(&mut self) -> Option<(Tag, Ticket)> {
        let heads = self.flows.iter().enumerate();
        let tags = heads.filter_map(|(flow, queue)| {
            let &(tag, ticket) = queue.front()?;
            Some((tag, ticket.arrival, flow))
        });
        let (_, _, flow) = tags.min()?;
        self.flows[flow].pop_front()
    }
}

/// Self-clocked fair queueing (S. J. Golestani, INFOCOM 1994): the clock is the finish tag of
/// the block in service.
#[derive(Debug, Default)]
struct Scfq {
    queue: Tagged,
    clock: Tag,
}

impl Discipline for Scfq {
    fn enqueue(&mut self, ticket: Ticket, _now: Time) {
        self.queue.enqueue(ticket, self.clock);
    }

    fn dequeue(&mut self, _now: Time) -> Option<Ticket> {
        let (finish, ticket) = self.queue.dequeue()?;
        self.clock = finish;
        Some(ticket)
    }

    fn take(&mut self, _flow: FlowId, _now: Time) -> Option<Ticket> {
        unreachable!("no scenario takes a block out of turn")
    }

    fn purge(&mut self, _flow: FlowId) {
        unreachable!("no scenario purges a flow")
    }

    fn retire(&mut self, flow: FlowId) {
        self.purge(flow);
    }

    fn ready_at(&self, now: Time) -> Option<Time> {
        let backlogged = self.queue.flows.iter().any(|queue| !queue.is_empty());
        backlogged.then_some(now)
    }
}

/// Weighted fair queueing (A. Demers, S. Keshav and S. Shenker, SIGCOMM 1989): the clock is the
/// fluid server's, on a link of known rate.
#[derive(Debug, Default)]
struct Wfq {
    queue: Tagged,
    /// Weight of each flow in hundredths.
    weights: Vec<u64>,
    clock: Tag,
    seen: Time,
}

impl Wfq {
    /// Moves the fluid server to `now`: its clock runs the faster the fewer flows it has.
    fn advance(&mut self, now: Time) {
        let mut bytes = LINK.bytes_in(now.since(self.seen)).get();
        self.seen = now;
        loop {
            let last = self.queue.last.iter();
            let busy = || {
                last.clone()
                    .zip(&self.weights)
                    .filter(|&(&tag, _)| tag > self.clock)
            };
            let weights: u64 = busy().map(|(_, &weight)| weight).sum();
            let Some((&first, _)) = busy().min() else {
                return;
            };
            let step = advance(ByteCount::new(bytes), weights);
            if self.clock + step <= first {
                self.clock += step;
                return;
            }
            let used = ((first - self.clock) * Tag::from(weights)) >> 30;
            bytes -= u64::try_from(used).unwrap().min(bytes);
            self.clock = first;
        }
    }
}

impl Discipline for Wfq {
    fn enqueue(&mut self, ticket: Ticket, now: Time) {
        self.advance(now);
        self.queue.enqueue(ticket, self.clock);
        self.weights.resize(self.queue.flows.len(), 0);
        self.weights[ticket.flow.index()] = u64::from(ticket.weight.hundredths());
    }

    fn dequeue(&mut self, now: Time) -> Option<Ticket> {
        self.advance(now);
        self.queue.dequeue().map(|(_, ticket)| ticket)
    }

    fn take(&mut self, _flow: FlowId, _now: Time) -> Option<Ticket> {
        unreachable!("no scenario takes a block out of turn")
    }

    fn purge(&mut self, _flow: FlowId) {
        unreachable!("no scenario purges a flow")
    }

    fn retire(&mut self, flow: FlowId) {
        self.purge(flow);
    }

    fn ready_at(&self, now: Time) -> Option<Time> {
        let backlogged = self.queue.flows.iter().any(|queue| !queue.is_empty());
        backlogged.then_some(now)
    }
}

const SCFQ: DisciplineRow = DisciplineRow {
    name: "scfq",
    about: "least finish tag by its own clock",
    source: "Golestani 1994",
    claim: Claim::Weighted(bounds::start_time),
    delay: Delay::None,
    make: |_| Box::new(Scfq::default()),
};

const WFQ: DisciplineRow = DisciplineRow {
    name: "wfq",
    about: "least finish tag by the fluid server's clock",
    source: "Demers, Keshav and Shenker 1989",
    claim: Claim::None,
    delay: Delay::None,
    make: |_| Box::new(Wfq::default()),
};

#[test]
fn those_that_order_by_finish_tags_let_the_heavy_flow_run_ahead() {
    let expected: Vec<u32> = std::iter::repeat_n(0, 10)
        .chain(1..=10)
        .chain([0])
        .collect();
    assert_eq!(golden_order(&SCFQ), expected);
    assert_eq!(golden_order(&WFQ), expected);
}

#[test]
fn self_clocked_fair_queueing_reaches_its_bound() {
    assert_eq!(byte_fairness(&SCFQ, None).permille_of_bound, 1_000);
}

// 32 flows of 16,384 B at 1 MB/s: one block takes 16.384 ms. Self-clocked: a block at the
// reserved rate, 32 or 4.875 block times, and one of each other flow. Fluid clock: a block at
// the reserved rate and one more.
#[test]
fn delays_keep_to_the_published_bounds() {
    let millis = Span::from_millis;
    assert!(max_delay(&SCFQ, 1).max <= millis(1_033));
    assert!(max_delay(&SCFQ, 8).max <= millis(588));
    assert!(max_delay(&WFQ, 1).max <= millis(541));
    assert!(max_delay(&WFQ, 8).max <= Span::from_micros(96_300));
}

// What sets the disciplines apart: the light flow waits longest when self-clocked, the heavy
// one least with a fluid clock or WF²Q+.
#[test]
fn self_clocking_delays_a_light_flow_most() {
    let start_time = max_delay(DISCIPLINES.find("sfq").unwrap(), 1).max;
    assert!(max_delay(&SCFQ, 1).max > start_time + Span::from_millis(300));
    assert!(max_delay(&WFQ, 8).max < Span::from_millis(100));
}
