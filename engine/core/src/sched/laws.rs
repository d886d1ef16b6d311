//! What every discipline must keep to, whatever its rule: one suite for all rows of the table.
//!
//! A row is held to no more than it claims. Traffic is generated; the model beside it is a
//! list for each flow.
//!
//! Longer than other files: all of it is tests, and the laws share their traffic and their model.

mod link;
mod service;

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use crate::id::FlowId;
use crate::sched::gps::Gps;
use crate::sched::{ALL, Claim, Discipline, DisciplineRow, Params, Setting, Ticket};
use crate::time::{Span, Time};
use crate::units::{ByteCount, Rate, Weight};

/// Cases for each property; each is run on every row.
const CASES: u32 = 10_000;

#[derive(Clone, Debug)]
enum Op {
    Enqueue(Ticket),
    Dequeue,
    Take(FlowId),
    Purge(FlowId),
    /// The block that has been on the link for longest has left.
    Sent,
    Wait(Span),
}

fn flow() -> impl Strategy<Value = FlowId> {
    (0_u32..6).prop_map(FlowId)
}

fn weight() -> impl Strategy<Value = Weight> {
    prop::sample::select(vec![1, 7, 50, 100, 100, 250, 10_000, 1_000_000])
        .prop_map(|hundredths| Weight::from_hundredths(hundredths).unwrap())
}

/// A block with facts of every kind; rates only if `rated`.
fn ticket(rated: bool) -> impl Strategy<Value = Ticket> {
    let rate = move || prop_oneof![2 => Just(0), 1 => 1_000_u64..10_000_000];
    let len = prop_oneof![1 => Just(0), 9 => 1_u64..20_000];
    (flow(), weight(), len, 0_u64..9, 0_u8..3, rate(), rate()).prop_map(
        move |(flow, weight, len, back, band, floor, cap)| Ticket {
            arrival: 9 - back,
            remaining: ByteCount::new(len * (1 + back)),
            band,
            floor: Rate::new(if rated { floor } else { 0 }),
            cap: Rate::new(if rated { cap } else { 0 }),
            ..Ticket::new(flow, weight, ByteCount::new(len))
        },
    )
}

fn script(rated: bool) -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        6 => ticket(rated).prop_map(Op::Enqueue),
        5 => Just(Op::Dequeue),
        1 => flow().prop_map(Op::Take),
        1 => flow().prop_map(Op::Purge),
        4 => Just(Op::Sent),
        1 => (0_u64..5_000_000).prop_map(|nanos| Op::Wait(Span::from_nanos(nanos))),
    ];
    prop::collection::vec(op, 1..60)
}

/// A discipline beside a model of what it holds.
struct Pair {
    subject: Box<dyn Discipline>,
    model: BTreeMap<FlowId, VecDeque<Ticket>>,
    on_link: VecDeque<FlowId>,
    now: Time,
    served: Vec<Ticket>,
}

impl Pair {
    fn new(row: &DisciplineRow) -> Self {
        Self {
            subject: (row.make)(&Params::new(ByteCount::new(20_000))),
            model: BTreeMap::new(),
            on_link: VecDeque::new(),
            now: Time::ZERO,
            served: Vec::new(),
        }
    }

    fn backlogged(&self) -> bool {
        self.model.values().any(|queue| !queue.is_empty())
    }

    fn apply(&mut self, op: &Op) -> Result<(), TestCaseError> {
        match *op {
            Op::Enqueue(ticket) => {
                self.subject.enqueue(ticket, self.now);
                self.model.entry(ticket.flow).or_default().push_back(ticket);
            }
            Op::Dequeue => {
                self.dequeue()?;
            }
            Op::Take(flow) => {
                let head = self.model.entry(flow).or_default().pop_front();
                prop_assert_eq!(self.subject.take(flow, self.now), head);
                self.on_link.extend(head.map(|_| flow));
            }
            Op::Sent => {
                if let Some(flow) = self.on_link.pop_front() {
                    self.subject.sent(flow);
                }
            }
            Op::Purge(flow) => {
                self.subject.purge(flow);
                self.model.remove(&flow);
            }
            Op::Wait(span) => self.now = self.now + span,
        }
        Ok(())
    }

    /// Serves if it is time to; says when it will be if it is not.
    fn dequeue(&mut self) -> Result<Option<Time>, TestCaseError> {
        let ready = self.subject.ready_at(self.now);
        prop_assert_eq!(ready.is_some(), self.backlogged());
        prop_assert!(ready.is_none_or(|ready| ready >= self.now));
        let got = self.subject.dequeue(self.now);
        prop_assert_eq!(got.is_some(), ready == Some(self.now));
        if let Some(got) = got {
            let head = self.model.entry(got.flow).or_default().pop_front();
            prop_assert_eq!(Some(got), head);
            self.served.push(got);
            self.on_link.push_back(got.flow);
        }
        Ok(ready)
    }

    fn drain(&mut self) -> Result<(), TestCaseError> {
        while self.backlogged() {
            let left = self.served.len();
            let ready = self.dequeue()?.expect("checked: there is a backlog");
            prop_assert!(self.served.len() > left || ready > self.now);
            self.now = ready;
        }
        prop_assert_eq!(self.subject.dequeue(self.now), None);
        Ok(())
    }
}

fn play(row: &DisciplineRow, script: &[Op]) -> Result<Vec<Ticket>, TestCaseError> {
    let mut pair = Pair::new(row);
    for op in script {
        pair.apply(op)?;
    }
    pair.drain()?;
    Ok(pair.served)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    // In order within a flow, nothing lost or invented, a purge forgets, a take is exact, and
    // service comes exactly when it is said to.
    #[test]
    fn every_block_is_served_once_in_order_and_on_time(script in script(true)) {
        for row in ALL {
            let first = play(row, &script)?;
            prop_assert_eq!(first, play(row, &script)?, "{} repeats itself", row.name);
        }
    }

    // Without caps nobody may wait while the link is free.
    #[test]
    fn a_link_is_never_idle_while_somebody_waits(script in script(false)) {
        for row in ALL {
            let mut pair = Pair::new(row);
            for op in &script {
                pair.apply(op)?;
                let ready = pair.subject.ready_at(pair.now);
                prop_assert_eq!(ready, pair.backlogged().then_some(pair.now), "{}", row.name);
            }
        }
    }

    // All start together, each with as much as it likes. While another is served `x` bytes per
    // unit weight more than a flow, the fluid server is ahead of it by no more than the sum of
    // what all others have had too much; so a bound between flows is one on the lag.
    #[test]
    fn no_flow_lags_the_fluid_server_by_more_than_the_claim_allows(traffic in traffic()) {
        for row in ALL {
            if let Claim::Weighted(bound) | Claim::Banded(bound) = row.claim {
                check_lag(row, bound, &traffic)?;
            }
        }
    }
}

/// Flows of fixed weight and largest block, and what happens to them.
#[derive(Clone, Debug)]
struct Traffic {
    flows: Vec<(Weight, ByteCount)>,
    /// A flow and the length of its block in 256ths of its largest; none is a service.
    steps: Vec<Option<(usize, u64)>>,
}

fn traffic() -> impl Strategy<Value = Traffic> {
    let largest = prop::sample::select(vec![1_u64, 100, 1_500, 16_384, 262_144]);
    let flow = (weight(), largest.prop_map(ByteCount::new));
    let step = prop_oneof![
        3 => (0_usize..5, prop_oneof![Just(256_u64), 1_u64..=256]).prop_map(Some),
        2 => Just(None),
    ];
    let steps = prop::collection::vec(step, 1..80);
    (prop::collection::vec(flow, 2..=5), steps).prop_map(|(flows, steps)| Traffic { flows, steps })
}

impl Traffic {
    fn setting(&self) -> Setting<'_> {
        let largest = self.flows.iter().map(|&(_, len)| len).max();
        Setting {
            params: Params::new(largest.expect("at least two flows")),
            flows: &self.flows,
        }
    }

    fn weights(&self) -> Vec<Weight> {
        self.flows.iter().map(|&(weight, _)| weight).collect()
    }

    fn block(&self, flow: usize, parts: u64) -> Ticket {
        let (weight, largest) = self.flows[flow % self.flows.len()];
        let id = u32::try_from(flow % self.flows.len()).expect("at most five");
        let len = (largest.get() * parts).div_ceil(256);
        Ticket::new(FlowId(id), weight, ByteCount::new(len))
    }
}

fn check_lag(
    row: &DisciplineRow,
    bound: fn(&Setting<'_>, usize, usize) -> u64,
    traffic: &Traffic,
) -> Result<(), TestCaseError> {
    let setting = traffic.setting();
    let mut subject = (row.make)(&setting.params);
    let mut gps = Gps::new(&traffic.weights());
    for &(flow, parts) in traffic.steps.iter().flatten() {
        let ticket = traffic.block(flow, parts);
        subject.enqueue(ticket, Time::ZERO);
        gps.arrive(ticket.flow.index(), ticket.len);
    }
    let mut served = vec![0; traffic.flows.len()];
    while let Some(ticket) = subject.dequeue(Time::ZERO) {
        subject.sent(ticket.flow);
        served[ticket.flow.index()] += ticket.len.get();
        gps.serve(ticket.len);
        for (flow, &had) in served.iter().enumerate() {
            let excess = |other: usize| {
                let weight = u128::from(setting.flows[other].0.hundredths());
                u128::from(bound(&setting, flow, other)) * weight / 100
            };
            let others = (0..served.len()).filter(|&other| other != flow);
            let allowed: u128 = others.map(excess).sum();
            let lag = gps.served(flow).saturating_sub(had);
            prop_assert!(
                u128::from(lag) <= allowed + 1,
                "{}: flow {flow} lags {lag}",
                row.name
            );
        }
    }
    Ok(())
}

/// Flows of these weights that always have two blocks of 1,000 bytes waiting.
struct Busy {
    subject: Box<dyn Discipline>,
    flows: Vec<(Weight, ByteCount)>,
    served: Vec<u64>,
    arrival: u64,
}

impl Busy {
    fn new(row: &DisciplineRow, weights: &[u32]) -> Self {
        let block = ByteCount::new(1_000);
        let flows: Vec<_> = weights
            .iter()
            .map(|&hundredths| (Weight::from_hundredths(hundredths).unwrap(), block))
            .collect();
        let mut busy = Self {
            subject: (row.make)(&Params::new(block)),
            served: vec![0; flows.len()],
            flows,
            arrival: 0,
        };
        for flow in (0..weights.len()).chain(0..weights.len()) {
            busy.feed(flow);
        }
        busy
    }

    fn feed(&mut self, flow: usize) {
        let (weight, len) = self.flows[flow];
        let id = FlowId(u32::try_from(flow).unwrap());
        self.arrival += 1;
        let arrival = self.arrival;
        self.subject.enqueue(
            Ticket {
                arrival,
                ..Ticket::new(id, weight, len)
            },
            Time::ZERO,
        );
    }

    /// Serves one block and feeds its flow; says which.
    fn step(&mut self) -> usize {
        let flow = self.subject.dequeue(Time::ZERO).unwrap().flow.index();
        self.sent(flow);
        flow
    }

    /// A block of the flow was served and has left, and the flow is fed.
    fn sent(&mut self, flow: usize) {
        self.served[flow] += 1_000;
        self.feed(flow);
        let id = FlowId(u32::try_from(flow).unwrap());
        self.subject.sent(id);
    }

    /// How far flow 0 may be ahead of flow 1, in bytes per unit weight; none if no claim is.
    fn allowed(&self, row: &DisciplineRow) -> Option<u64> {
        let setting = Setting {
            params: Params::new(ByteCount::new(1_000)),
            flows: &self.flows,
        };
        match row.claim {
            Claim::None | Claim::Exchange => None,
            Claim::Turns => Some(1_000),
            Claim::Weighted(bound) | Claim::Banded(bound) => Some(bound(&setting, 0, 1)),
        }
    }
}

// Weights 1, 2, 4 and 0.5 of 7.5: after 7,500 blocks, 1,000 and 2,000 and 4,000 and 500.
#[test]
fn shares_are_in_proportion_to_weights() {
    for row in ALL {
        let (Claim::Weighted(_) | Claim::Banded(_)) = row.claim else {
            continue;
        };
        let mut busy = Busy::new(row, &[100, 200, 400, 50]);
        for _ in 0..7_500 {
            busy.step();
        }
        let expected = [1_000_000, 2_000_000, 4_000_000, 500_000];
        for (got, expected) in busy.served.iter().zip(expected) {
            assert!(
                got.abs_diff(expected) <= 10_000,
                "{}: {got} of {expected}",
                row.name
            );
        }
    }
}

// A flow of weight 0.01 among four of weight 100: its first block comes after at most what the
// claim lets the others have, and its share of 1 in 40,001 in the long run.
#[test]
fn the_lightest_flow_is_not_starved() {
    for row in ALL {
        let mut busy = Busy::new(row, &[1, 10_000, 10_000, 10_000, 10_000]);
        let Some(allowed) = busy.allowed(row) else {
            continue;
        };
        let others = if matches!(row.claim, Claim::Turns) {
            4
        } else {
            400
        };
        let first = (1..).find(|_| busy.step() == 0).unwrap();
        assert!(
            first * 1_000 <= others * allowed + 1_000,
            "{}: {first}",
            row.name
        );
        for _ in 0..400_010 {
            busy.step();
        }
        assert!(busy.served[0] >= 9_000, "{}: {}", row.name, busy.served[0]);
    }
}

// Twenty blocks out of turn, then each in turn: in the end both flows have had as much.
#[test]
fn service_out_of_turn_counts_towards_the_share() {
    for row in ALL {
        let mut busy = Busy::new(row, &[100, 100, 100]);
        let Some(allowed) = busy.allowed(row) else {
            continue;
        };
        for _ in 0..20 {
            busy.subject.take(FlowId(0), Time::ZERO).unwrap();
            busy.sent(0);
        }
        for _ in 0..300 {
            busy.step();
        }
        let apart = busy.served[0].abs_diff(busy.served[1]);
        assert!(apart <= allowed, "{}: {:?}", row.name, busy.served);
    }
}

// Whenever flow 0 has been served it forgets the rest and comes back with as much.
#[test]
fn leaving_and_coming_back_gains_nothing() {
    for row in ALL {
        let mut busy = Busy::new(row, &[100, 100, 100]);
        let Some(allowed) = busy.allowed(row) else {
            continue;
        };
        for _ in 0..900 {
            if busy.step() == 0 {
                busy.subject.purge(FlowId(0));
                busy.feed(0);
                busy.feed(0);
            }
        }
        assert!(
            busy.served[0] <= busy.served[1] + allowed,
            "{}: {:?}",
            row.name,
            busy.served
        );
    }
}

// As above, but it leaves by having nothing to send for a moment.
#[test]
fn being_idle_for_a_moment_gains_nothing() {
    for row in ALL {
        let mut busy = Busy::new(row, &[100, 100, 100]);
        let Some(allowed) = busy.allowed(row) else {
            continue;
        };
        busy.subject.take(FlowId(0), Time::ZERO).unwrap();
        busy.served[0] += 1_000;
        for _ in 0..900 {
            busy.step();
        }
        assert!(
            busy.served[0] <= busy.served[1] + allowed,
            "{}: {:?}",
            row.name,
            busy.served
        );
    }
}

// Flow 0 has been served a hundred blocks, fifty of them out of turn, and goes for good. A new
// flow gets its number, beside flow 1 with two blocks waiting: whatever the rule, it is not made
// to wait for what flow 0 was served.
#[test]
fn a_number_that_comes_back_owes_nothing() {
    for row in ALL {
        let mut discipline = (row.make)(&Params::new(ByteCount::new(1_000)));
        let ticket = |flow| Ticket::new(FlowId(flow), Weight::ONE, ByteCount::new(1_000));
        for turn in 0..100 {
            discipline.enqueue(ticket(0), Time::ZERO);
            discipline.enqueue(ticket(1), Time::ZERO);
            if turn % 2 == 0 {
                discipline.take(FlowId(0), Time::ZERO);
                discipline.sent(FlowId(0));
            }
            while let Some(served) = discipline.dequeue(Time::ZERO) {
                discipline.sent(served.flow);
            }
        }
        discipline.enqueue(ticket(0), Time::ZERO);
        discipline.retire(FlowId(0));
        for flow in [1, 1, 0, 0] {
            discipline.enqueue(ticket(flow), Time::ZERO);
        }
        let order: Vec<u32> =
            std::iter::from_fn(|| discipline.dequeue(Time::ZERO).map(|served| served.flow.0))
                .collect();
        assert_eq!(order.len(), 4, "{}", row.name);
        let first = order.iter().position(|flow| *flow == 0);
        // These two go by arrival among equals.
        let patience = if ["fifo", "srpt"].contains(&row.name) {
            2
        } else {
            1
        };
        assert!(first <= Some(patience), "{}: {order:?}", row.name);
    }
}

#[test]
fn a_row_is_found_by_its_name_and_has_no_namesake() {
    for row in ALL {
        assert_eq!(
            super::DISCIPLINES.find(row.name).map(|found| found.about),
            Some(row.about)
        );
    }
    assert!(super::DISCIPLINES.find("nobody").is_none());
}
