//! What is promised about a link that takes time: shares, delays and order, while blocks come
//! during service.

use std::collections::VecDeque;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use super::CASES;
use super::link::{Event, Flow, LINK, Run, Traffic, traffic};
use crate::id::FlowId;
use crate::sched::oracle::Spread;
use crate::sched::{
    ALL, Claim, DISCIPLINES, Delay, Discipline, DisciplineRow, Params, Setting, Ticket,
};
use crate::time::Time;
use crate::units::{ByteCount, Weight};

/// The widest that two flows get apart, in blocks or in bytes per unit weight.
fn check_shares(row: &DisciplineRow, traffic: &Traffic) -> Result<(), TestCaseError> {
    let turns = matches!(row.claim, Claim::Turns);
    let weights = traffic.flows.iter();
    let weights = weights.map(|flow| if turns { Weight::ONE } else { flow.weight });
    let mut spread = Spread::new(&weights.collect::<Vec<_>>());
    Run::new(row, traffic, false).play(&mut |event, _| {
        match event {
            Event::Came(ticket) => spread.enqueued(ticket.flow.index()),
            Event::Chosen(ticket) => {
                let cost = if turns { ByteCount::new(1) } else { ticket.len };
                spread.served(ticket.flow.index(), cost);
            }
            Event::Left(ticket) => spread.sent(ticket.flow.index()),
        }
        Ok(())
    })?;
    let flows = traffic.flows(|_| true);
    let setting = Setting {
        params: traffic.params(),
        flows: &flows,
    };
    for one in 0..flows.len() {
        for other in one + 1..flows.len() {
            let level = traffic.flows[one].band == traffic.flows[other].band;
            let allowed = match row.claim {
                Claim::Turns => 1,
                Claim::Weighted(bound) => bound(&setting, one, other),
                Claim::Banded(bound) if level => bound(&setting, one, other),
                Claim::Banded(_) | Claim::None | Claim::Exchange => continue,
            };
            let apart = spread.widest(one, other);
            prop_assert!(
                apart <= allowed,
                "{}: {one}, {other}: {apart} > {allowed}",
                row.name
            );
        }
    }
    Ok(())
}

/// What a flow is promised about delay.
struct Promise {
    /// A block of `len` bytes occupies the flow for `len * times / parts` bytes of the link.
    times: u128,
    parts: u128,
    /// It is done so many bytes of the link after it was expected.
    late: Box<dyn Fn(ByteCount) -> u64>,
}

/// What `row` promises to the flow at `flow`; none if it promises nothing.
fn promise(row: &DisciplineRow, traffic: &Traffic, flow: usize) -> Option<Promise> {
    let band = traffic.lowest_band();
    let keep = move |one: &Flow| !matches!(row.delay, Delay::Banded(_)) || one.band == band;
    if !keep(&traffic.flows[flow]) {
        return None;
    }
    let flows = traffic.flows(keep);
    let place = traffic.flows[..flow].iter().filter(|one| keep(one)).count();
    let rest = traffic.flows(|one| !keep(one));
    let rest = rest.iter().map(|&(_, len)| len.get()).max().unwrap_or(0);
    let params = traffic.params();
    let weights: u32 = flows.iter().map(|(weight, _)| weight.hundredths()).sum();
    let own = flows[place].0.hundredths();
    let round = flows.iter().map(|&(_, len)| len.get()).sum::<u64>();
    let largest = params.largest.get();
    // Of a window, all but one block are chosen before those that come meanwhile are seen.
    let ahead = (traffic.window as u64 - 1) * largest;
    // A byte for each flow, for tags that are rounded.
    let slack = ahead + rest + flows.len() as u64;
    Some(match row.delay {
        Delay::None => return None,
        Delay::Turns => Promise {
            times: 0,
            parts: 1,
            late: Box::new(move |_| round + ahead),
        },
        Delay::Weighted(bound) | Delay::Banded(bound) => Promise {
            times: u128::from(weights),
            parts: u128::from(own),
            late: Box::new(move |len| {
                let setting = Setting {
                    params,
                    flows: &flows,
                };
                bound(&setting, place, len) + slack
            }),
        },
    })
}

/// Holds every block against the promise that its flow has; a promise of no `times` is one in
/// turns, where a block occupies its flow for as long as it may be late.
fn check_delays(
    row: &DisciplineRow,
    traffic: &Traffic,
    rated: bool,
    promises: &[Option<Promise>],
) -> Result<(), TestCaseError> {
    // For each flow when its next block is expected, and when those that wait must be done, in
    // its parts of a nanosecond.
    let mut expected = vec![0_u128; promises.len()];
    let mut due = vec![VecDeque::new(); promises.len()];
    Run::new(row, traffic, rated).play(&mut |event, now| {
        let now = u128::from(now);
        match event {
            Event::Came(ticket) => {
                let flow = ticket.flow.index();
                let Some(promise) = &promises[flow] else {
                    return Ok(());
                };
                let late = u128::from((promise.late)(ticket.len)) * promise.parts;
                let begins = expected[flow].max(now * promise.parts);
                due[flow].push_back(begins + late);
                let occupied = match promise.times {
                    0 => late,
                    times => u128::from(ticket.len.get()) * times,
                };
                expected[flow] = begins + occupied;
            }
            Event::Left(ticket) => {
                let flow = ticket.flow.index();
                if let (Some(promise), Some(due)) = (&promises[flow], due[flow].pop_front()) {
                    let over = (now * promise.parts).saturating_sub(due) / promise.parts;
                    prop_assert!(over == 0, "{}: flow {flow} is late by {over} B", row.name);
                }
            }
            Event::Chosen(_) => (),
        }
        Ok(())
    })
}

/// Holds every block against the claim of its row.
fn check_own_delays(row: &DisciplineRow, traffic: &Traffic) -> Result<(), TestCaseError> {
    let flows = 0..traffic.flows.len();
    let promises: Vec<_> = flows.map(|flow| promise(row, traffic, flow)).collect();
    check_delays(row, traffic, false, &promises)
}

/// The order of the first blocks that wait: whose key is least goes next.
fn check_order(name: &str, traffic: &Traffic) -> Result<(), TestCaseError> {
    let row = DISCIPLINES.find(name).expect("it is in the table");
    let mut waiting = vec![VecDeque::new(); traffic.flows.len()];
    let mut served = vec![0; traffic.flows.len()];
    let mut came = 0_u64;
    Run::new(row, traffic, false).play(&mut |event, _| {
        match event {
            Event::Came(ticket) => {
                came += 1;
                waiting[ticket.flow.index()].push_back((*ticket, came));
            }
            Event::Chosen(ticket) => {
                let flow = ticket.flow.index();
                let key = |&(head, came): &(Ticket, u64)| match name {
                    "fifo" => [head.arrival, came, 0],
                    "srpt" => [head.remaining.get(), head.arrival, came],
                    "las" => [served[head.flow.index()], came, 0],
                    _ => [u64::from(head.band), 0, 0],
                };
                let heads = waiting.iter().filter_map(VecDeque::front);
                let least = heads.map(key).min();
                let own = waiting[flow].front().map(key);
                prop_assert_eq!(own, least, "{}: flow {} was next", name, flow);
                waiting[flow].pop_front();
                served[flow] += ticket.len.get();
            }
            Event::Left(_) => (),
        }
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn no_two_flows_get_further_apart_than_claimed(traffic in traffic()) {
        for row in ALL {
            check_shares(row, &traffic)?;
        }
    }

    #[test]
    fn no_block_is_later_than_claimed(traffic in traffic()) {
        for row in ALL {
            check_own_delays(row, &traffic)?;
        }
    }

    // Floors of an equal part of the link at most, so all of them fit it. The floor's blocks are
    // in the order in which they are due, as by start tags: behind one block of each other flow
    // and the one that was on the link.
    #[test]
    fn a_block_of_a_floor_is_done_when_its_floor_says(traffic in traffic()) {
        let row = DISCIPLINES.find("mclock").expect("it is in the table");
        let flows = traffic.flows.len() as u64;
        let largest = traffic.params().largest.get();
        let round: u64 = traffic.flows.iter().map(|flow| flow.largest.get()).sum();
        let ahead = traffic.window as u64 * largest;
        let promise = |flow: &Flow| {
            let floor = LINK / flows * flow.floor / 16;
            let late = round - flow.largest.get() + ahead + flows;
            (floor > 0).then(|| Promise {
                times: u128::from(LINK),
                parts: u128::from(floor),
                late: Box::new(move |len| late + len.get()),
            })
        };
        let promises: Vec<_> = traffic.flows.iter().map(promise).collect();
        check_delays(row, &traffic, true, &promises)?;
    }

    // Until one of them has nothing queued, all flows are backlogged from the start.
    #[test]
    fn nobody_is_a_block_ahead_of_its_share_under_wf2q_plus(traffic in traffic()) {
        let params = traffic.params();
        let row = DISCIPLINES.find("wf2q+").expect("it is in the table");
        let mut subject = (row.make)(&params);
        let flows = traffic.flows(|_| true);
        for _ in 0..20 {
            for ((weight, len), flow) in flows.iter().zip(0_u32..) {
                subject.enqueue(Ticket::new(FlowId(flow), *weight, *len), Time::ZERO);
            }
        }
        let hundredths = |flow: usize| u128::from(flows[flow].0.hundredths());
        let all: u128 = (0..flows.len()).map(hundredths).sum();
        let (mut blocks, mut before) = (vec![0_u128; flows.len()], 0_u128);
        while blocks.iter().all(|&blocks| blocks < 20) {
            let served = subject.dequeue(Time::ZERO).expect("all wait");
            subject.sent(served.flow);
            let flow = served.flow.index();
            let len = u128::from(served.len.get());
            // One byte for tags that are rounded.
            let share = (before + 1) * hundredths(flow);
            prop_assert!(blocks[flow] * len * all <= share, "flow {}: {:?}", flow, blocks);
            blocks[flow] += 1;
            before += len;
        }
    }

    #[test]
    fn those_that_promise_an_order_keep_it(traffic in traffic()) {
        for name in ["fifo", "srpt", "las", "strict"] {
            check_order(name, &traffic)?;
        }
    }
}

/// A discipline that hears of every block too early: when it is chosen.
#[derive(Debug)]
struct TooEarly(Box<dyn Discipline>);

impl Discipline for TooEarly {
    fn enqueue(&mut self, ticket: Ticket, now: Time) {
        self.0.enqueue(ticket, now);
    }

    fn dequeue(&mut self, now: Time) -> Option<Ticket> {
        let chosen = self.0.dequeue(now)?;
        self.0.sent(chosen.flow);
        Some(chosen)
    }

    fn take(&mut self, flow: FlowId, now: Time) -> Option<Ticket> {
        self.0.take(flow, now)
    }

    fn purge(&mut self, flow: FlowId) {
        self.0.purge(flow);
    }

    fn retire(&mut self, flow: FlowId) {
        self.0.retire(flow);
    }

    fn ready_at(&self, now: Time) -> Option<Time> {
        self.0.ready_at(now)
    }
}

/// The first of `rows` for which a law does not find the fault, if there is one.
fn unnoticed(
    rows: &[DisciplineRow],
    check: fn(&DisciplineRow, &Traffic) -> Result<(), TestCaseError>,
) -> Option<&DisciplineRow> {
    let config = ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 0,
        ..ProptestConfig::with_cases(CASES)
    };
    rows.iter().find(|row| {
        let mut runner = TestRunner::new_with_rng(
            config.clone(),
            TestRng::deterministic_rng(RngAlgorithm::ChaCha),
        );
        let found = runner.run(&traffic(), |traffic| check(row, &traffic));
        found.is_ok()
    })
}

/// The row of that name, of a discipline with a fault.
fn faulty(name: &str, make: fn(&Params) -> Box<dyn Discipline>) -> DisciplineRow {
    let &DisciplineRow {
        about,
        source,
        claim,
        delay,
        ..
    } = DISCIPLINES.find(name).expect("it is in the table");
    DisciplineRow {
        name: "faulty",
        about,
        source,
        claim,
        delay,
        make,
    }
}

// What the laws are for: a busy period that ends with the last block still on the link breaks
// the bound on shares of some and the bound on delay of others.
#[test]
fn the_laws_notice_a_busy_period_that_ends_too_early() {
    macro_rules! early {
        ($($name:literal),+) => {
            [$(faulty($name, |params| {
                let row = DISCIPLINES.find($name).expect("it is in the table");
                Box::new(TooEarly((row.make)(params)))
            })),+]
        };
    }
    let rows = early!["drr", "sparse-drr", "sfq", "wf2q+", "strict", "mclock"];
    let missed = unnoticed(&rows, |row, traffic| {
        check_shares(row, traffic)?;
        check_own_delays(row, traffic)
    });
    assert!(missed.is_none(), "{:?}", missed.map(|row| row.source));
}

// Blocks of 1,000 B at 1,000 B/s, weights 1 and 1: flow 0's block is on the link until 1 s, its
// next comes at 0.01 s and flow 1's first at 0.02 s. Flow 0 has not been idle, so flow 1 is next:
// served 0, 1, 0, and flow 1 is done at 2 s of the 2.02 s that it may take.
#[test]
fn a_flow_that_asks_while_its_last_block_is_on_the_link_does_not_go_first() {
    for row in ALL {
        if matches!(row.claim, Claim::None) {
            continue;
        }
        let mut subject = (row.make)(&Params::new(ByteCount::new(1_000)));
        let ticket = |flow| Ticket::new(FlowId(flow), Weight::ONE, ByteCount::new(1_000));
        let at = |millis: u64| Time::from_nanos(millis * 1_000_000);
        let mut order = Vec::new();
        subject.enqueue(ticket(0), at(0));
        let mut on_link = subject.dequeue(at(0));
        subject.enqueue(ticket(0), at(10));
        subject.enqueue(ticket(1), at(20));
        for second in 1..=3 {
            let left = on_link.expect("one is on the link");
            order.push(left.flow.0);
            subject.sent(left.flow);
            on_link = subject.dequeue(at(second * 1_000));
        }
        assert_eq!(order, [0, 1, 0], "{}", row.name);
    }
}
