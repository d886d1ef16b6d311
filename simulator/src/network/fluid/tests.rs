//! Rates worked out by hand, and whole runs against the slow oracle.

use proptest::prelude::*;

use super::*;
use crate::network::maxmin::oracle::{Demand, progressive_filling};
use fairhaul_core::units::Weight;

const MB: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;

/// A flow of one transmission.
fn transmission(id: u64, from: u32, to: u32, bytes: u64, delay: u64) -> Transmission {
    Transmission {
        id,
        from: NodeIndex(from),
        to: NodeIndex(to),
        flow: u32::try_from(id).unwrap(),
        bytes: ByteCount::new(bytes),
        remaining: ByteCount::new(bytes),
        weight: Weight::ONE,
        delay: Span::from_nanos(delay),
    }
}

fn rate(bytes: u64) -> Option<Rate> {
    Some(Rate::new(bytes))
}

fn at(nanos: u64) -> Time {
    Time::from_nanos(nanos)
}

/// Runs until `end` and appends every outcome with its time.
fn run_until(network: &mut FluidNetwork, end: Time, all: &mut Vec<(u64, Outcome)>) {
    let mut out = Vec::new();
    while let Some(now) = network.next_event().filter(|now| *now <= end) {
        network.check(now).unwrap();
        network.advance(now, &mut out);
        all.extend(out.drain(..).map(|outcome| (now.as_nanos(), outcome)));
    }
}

fn run(network: &mut FluidNetwork) -> Vec<(u64, Outcome)> {
    let mut all = Vec::new();
    run_until(network, HORIZON, &mut all);
    all
}

/// An uplink of 1 MiB/s: alone for half a second, then shared with a flow of three times the
/// weight until that has its 0.75 MiB, a second later, then alone again.
#[test]
fn shares_follow_the_weights_and_the_time() {
    let mib = 1 << 20;
    let mut network = FluidNetwork::default();
    network.add_node(rate(mib), None);
    network.add_node(None, None);
    network.add_node(None, None);
    network.send(transmission(1, 0, 1, mib, 0), Time::ZERO);
    let mut all = Vec::new();
    run_until(&mut network, at(SECOND / 2), &mut all);
    let heavy = Transmission {
        weight: Weight::whole(3),
        ..transmission(2, 0, 2, 3 * mib / 4, 7)
    };
    network.send(heavy, at(SECOND / 2));
    all.extend(run(&mut network));
    // 2^20 × 2^40 / 400 is not whole: rounding costs each flow its last nanosecond.
    assert_eq!(
        all,
        [
            (3 * SECOND / 2 + 1, Outcome::Sent(2)),
            (3 * SECOND / 2 + 8, Outcome::Delivered(2)),
            (7 * SECOND / 4 + 1, Outcome::Sent(1)),
            (7 * SECOND / 4 + 1, Outcome::Delivered(1)),
        ]
    );
}

/// Nobody limits the first flow; the second meets a downlink, the third a shared link.
#[test]
fn a_flow_is_as_fast_as_its_tightest_link() {
    let mut network = FluidNetwork::default();
    network.add_node(None, None);
    network.add_node(None, rate(MB));
    network.add_node(None, None);
    network.add_node(None, None);
    let shared = network.add_shared(rate(2 * MB));
    network.set_region(NodeIndex(2), RegionIndex(1));
    network.set_route(RegionIndex(0), RegionIndex(1), &[shared]);
    network.send(transmission(1, 0, 3, MB, 0), Time::ZERO);
    network.send(transmission(2, 0, 1, MB, 0), Time::ZERO);
    network.send(transmission(3, 0, 2, MB, 0), Time::ZERO);
    network.next_event();
    let held: Vec<_> = network
        .waiting()
        .into_iter()
        .map(|waiting| waiting.link)
        .collect();
    let expected = [
        Link::Up(NodeIndex(0)),
        Link::Down(NodeIndex(1)),
        Link::Shared(shared),
    ];
    assert_eq!(held[1..], expected.map(Some)[1..]);
    let sent: Vec<_> = run(&mut network)
        .into_iter()
        .filter(|(_, outcome)| matches!(outcome, Outcome::Sent(_)))
        .collect();
    assert_eq!(
        sent,
        [
            (0, Outcome::Sent(1)),
            (SECOND / 2, Outcome::Sent(3)),
            (SECOND, Outcome::Sent(2))
        ]
    );
    assert_eq!(network.carried(NodeIndex(0)).up, ByteCount::new(3 * MB));
    assert_eq!(network.carried(NodeIndex(1)).down, ByteCount::new(MB));
}

#[test]
fn a_dropped_node_leaves_its_share_to_the_others() {
    let mut network = FluidNetwork::default();
    network.add_node(rate(MB), None);
    for _ in 0..3 {
        network.add_node(None, None);
    }
    for to in 1..4 {
        network.send(transmission(u64::from(to), 0, to, 30 * MB, 0), Time::ZERO);
    }
    network.send(transmission(9, 2, 1, 1, 50 * SECOND), Time::ZERO);
    let mut all = Vec::new();
    run_until(&mut network, at(30 * SECOND), &mut all);
    network.drop_node(NodeIndex(2), at(30 * SECOND));
    network.drop_pair(NodeIndex(0), NodeIndex(3), at(50 * SECOND));
    network.drop_pair(NodeIndex(1), NodeIndex(0), at(50 * SECOND));
    all.extend(run(&mut network));
    // 10 MB in the first 30 s, 10 in the next 20, 10 in the last 10, and rounding.
    assert_eq!(
        all,
        [
            (0, Outcome::Sent(9)),
            (60 * SECOND + 1, Outcome::Sent(1)),
            (60 * SECOND + 1, Outcome::Delivered(1)),
        ]
    );
    assert!(network.waiting().is_empty());
}

#[test]
fn a_link_that_stands_still_waits_for_its_capacity() {
    let mut network = FluidNetwork::default();
    network.add_node(rate(0), None);
    network.add_node(None, None);
    network.send(transmission(1, 0, 1, 128, 0), Time::ZERO);
    assert_eq!(network.next_event(), None);
    assert_eq!(network.check(Time::ZERO), Ok(()));
    assert_eq!(network.waiting()[0].link, Some(Link::Up(NodeIndex(0))));
    network.set_capacity(NodeIndex(0), rate(100), None, at(SECOND));
    let all = run(&mut network);
    assert_eq!(all[0], (SECOND * 228 / 100, Outcome::Sent(1)));
}

/// A century at 1 B/s ends on the nanosecond; a byte more is never sent, and nothing wraps.
/// A terabit a second moves 2^56 bytes in 576,460.752303424 seconds, rounded up.
#[test]
fn the_extremes_are_exact_and_nothing_wraps() {
    let mut network = FluidNetwork::default();
    let slow = network.add_node(rate(1), None);
    network.add_node(rate(125_000_000_000), None);
    network.add_node(None, None);
    let heavy = |id, from, bytes| Transmission {
        weight: Weight::from_hundredths(64).unwrap(),
        ..transmission(id, from, 2, bytes, 0)
    };
    network.send(heavy(1, slow.0, HORIZON.as_nanos() / SECOND), Time::ZERO);
    network.send(heavy(2, 1, BYTES_MAX.get()), Time::ZERO);
    let all = run(&mut network);
    assert_eq!(
        all.iter().map(|(at, _)| *at).collect::<Vec<_>>(),
        [
            576_460_752_303_424,
            576_460_752_303_424,
            HORIZON.as_nanos(),
            HORIZON.as_nanos()
        ]
    );
    let mut network = FluidNetwork::default();
    network.add_node(rate(1), None);
    network.add_node(None, None);
    network.send(
        transmission(1, 0, 1, HORIZON.as_nanos() / SECOND + 1, 0),
        Time::ZERO,
    );
    network.send(transmission(2, 1, 0, 1, u64::MAX), Time::ZERO);
    assert_eq!(run(&mut network), [(0, Outcome::Sent(2))]);
    assert_eq!(network.waiting().len(), 2);
}

/// Flows of least weight on a terabit link keep its clock running for years, past the point
/// where it goes back to zero.
#[test]
fn a_clock_that_is_never_idle_does_not_overflow() {
    let mut network = FluidNetwork::default();
    network.add_node(rate(125_000_000_000), None);
    network.add_node(None, None);
    let least = |id| Transmission {
        weight: Weight::BEST_EFFORT,
        ..transmission(id, 0, 1, BYTES_MAX.get() - id, 0)
    };
    let (mut out, mut id, mut last) = (Vec::new(), 2, Time::ZERO);
    network.send(least(0), last);
    network.send(least(1), last);
    while id < 200 {
        last = network.next_event().unwrap();
        network.advance(last, &mut out);
        for _ in 0..out.drain(..).count() / 2 {
            network.send(least(id), last);
            id += 1;
        }
    }
    let bytes = u128::from(network.carried(NodeIndex(0)).up.get());
    let capacity = u128::from(last.as_nanos()) * 125;
    assert!(bytes <= capacity && capacity - bytes <= 2 * u128::from(BYTES_MAX.get()));
}

/// A whole run in the plainest way: after every event all rates are found anew and all flows
/// served for the time until the next one.
struct Slow {
    capacities: Vec<Option<Rate>>,
    flows: Vec<(u64, Demand, u128)>,
    now: u64,
}

impl Slow {
    fn rates(&self) -> Vec<Option<u128>> {
        let demands: Vec<_> = self.flows.iter().map(|flow| flow.1.clone()).collect();
        let levels = progressive_filling(&self.capacities, &demands).into_iter();
        let weights = demands
            .iter()
            .map(|demand| u128::from(demand.weight.hundredths()));
        levels
            .zip(weights)
            .map(|(level, weight)| Some(level? * weight))
            .collect()
    }

    fn run_until(&mut self, end: u64, all: &mut Vec<(u64, u64)>) {
        loop {
            let rates = self.rates();
            let ends = self
                .flows
                .iter()
                .zip(&rates)
                .map(|(flow, rate)| match rate {
                    None => self.now,
                    Some(0) if flow.2 > 0 => u64::MAX,
                    Some(rate) => {
                        let nanos = flow.2.checked_div(*rate).unwrap_or(0);
                        let more = nanos * rate < flow.2;
                        self.now
                            .saturating_add(u64::try_from(nanos).unwrap() + u64::from(more))
                    }
                });
            let ends: Vec<u64> = ends.collect();
            let next = ends.iter().copied().min().unwrap_or(u64::MAX).min(end);
            for (flow, rate) in self.flows.iter_mut().zip(&rates) {
                let served = rate.unwrap_or(0) * u128::from(next - self.now);
                flow.2 = flow.2.saturating_sub(served);
            }
            self.now = next;
            let mut ended = ends.iter().map(|at| *at == next);
            let before = self.flows.len();
            self.flows.retain(|flow| {
                let ends = ended.next().unwrap();
                if ends {
                    all.push((next, flow.0));
                }
                !ends
            });
            if before == self.flows.len() {
                return;
            }
        }
    }
}

/// What happens, and how long after the step before.
#[derive(Clone, Debug)]
enum Step {
    /// From, to, bytes, hundredths of weight.
    Send(u32, u32, u64, u32),
    DropPair(u32, u32),
    DropNode(u32),
    /// A place in the slow run's table of links, and its new rate.
    Capacity(usize, Option<u64>),
}

fn capacity() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![
        3 => (1u64..5).prop_map(|n| Some(n * MB)),
        3 => (1u64..1_000_000_000).prop_map(Some),
        1 => Just(None),
    ]
}

fn steps() -> impl Strategy<Value = Vec<(Step, u64)>> {
    let bytes = prop_oneof![3 => 0u64..2_000, 1 => 0u64..100_000_000];
    let weight = prop_oneof![3 => Just(100u32), 1 => 1u32..1_000_000];
    let gap = prop_oneof![1 => Just(0u64), 2 => 0u64..10_000, 1 => 0u64..100_000_000];
    let step = prop_oneof![
        12 => (0u32..6, 1u32..6, bytes, weight)
            .prop_map(|(from, by, bytes, weight)| Step::Send(from, (from + by) % 6, bytes, weight)),
        1 => (0u32..6, 1u32..6).prop_map(|(from, by)| Step::DropPair(from, (from + by) % 6)),
        1 => (0u32..6).prop_map(Step::DropNode),
        2 => (0usize..13, capacity()).prop_map(|(link, rate)| Step::Capacity(link, rate)),
    ];
    prop::collection::vec((step, gap), 1..40)
}

/// The fast and the slow run of the same network: six nodes in two regions, link 2 n the uplink
/// and 2 n + 1 the downlink of node n, link 12 shared from the first region to the second.
struct Both {
    fast: FluidNetwork,
    slow: Slow,
    next_id: u64,
}

impl Both {
    fn new(capacities: Vec<Option<u64>>) -> Self {
        let capacities: Vec<_> = capacities
            .into_iter()
            .map(|bytes| bytes.map(Rate::new))
            .collect();
        let mut fast = FluidNetwork::default();
        for node in capacities[..12].chunks(2) {
            fast.add_node(node[0], node[1]);
        }
        let shared = fast.add_shared(capacities[12]);
        for node in 3..6 {
            fast.set_region(NodeIndex(node), RegionIndex(1));
        }
        fast.set_route(RegionIndex(0), RegionIndex(1), &[shared]);
        let slow = Slow {
            capacities,
            flows: Vec::new(),
            now: 0,
        };
        Self {
            fast,
            slow,
            next_id: 0,
        }
    }

    fn step(&mut self, step: &Step, now: Time) {
        match *step {
            Step::Send(from, to, bytes, weight) => {
                let weight = Weight::from_hundredths(weight).unwrap();
                let id = self.next_id;
                self.next_id += 1;
                let what = Transmission {
                    weight,
                    ..transmission(id, from, to, bytes, 0)
                };
                self.fast.send(what, now);
                let mut links = vec![2 * from as usize, 2 * to as usize + 1];
                if from < 3 && to >= 3 {
                    links.push(12);
                }
                let left = service(ByteCount::new(bytes));
                self.slow.flows.push((id, Demand { links, weight }, left));
            }
            Step::DropPair(from, to) => {
                self.fast.drop_pair(NodeIndex(from), NodeIndex(to), now);
                let ends = [2 * from as usize, 2 * to as usize + 1];
                self.slow.flows.retain(|flow| flow.1.links[..2] != ends);
            }
            Step::DropNode(node) => {
                self.fast.drop_node(NodeIndex(node), now);
                let ends = [2 * node as usize, 2 * node as usize + 1];
                self.slow
                    .flows
                    .retain(|flow| !ends.iter().any(|end| flow.1.links.contains(end)));
            }
            Step::Capacity(link, bytes) => {
                self.slow.capacities[link] = bytes.map(Rate::new);
                if link == 12 {
                    self.fast
                        .set_shared(SharedIndex(0), bytes.map(Rate::new), now);
                } else {
                    let up = self.slow.capacities[link / 2 * 2];
                    let down = self.slow.capacities[link / 2 * 2 + 1];
                    let node = NodeIndex(u32::try_from(link / 2).unwrap());
                    self.fast.set_capacity(node, up, down, now);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    /// Transmissions come, are dropped, and capacities change under them: every transmission is
    /// sent in exactly the nanosecond in which the slow run sends it.
    #[test]
    fn a_whole_run_takes_exactly_the_times_of_the_slow_one(
        steps in steps(), capacities in prop::collection::vec(capacity(), 13)
    ) {
        let mut both = Both::new(capacities);
        let (mut fast_all, mut slow_all, mut now) = (Vec::new(), Vec::new(), 0);
        for (step, gap) in steps {
            now += gap;
            run_until(&mut both.fast, at(now), &mut fast_all);
            both.slow.run_until(now, &mut slow_all);
            both.step(&step, at(now));
        }
        run_until(&mut both.fast, HORIZON, &mut fast_all);
        both.slow.run_until(HORIZON.as_nanos(), &mut slow_all);
        let times = |kind: fn(Outcome) -> Option<u64>| {
            let mut all: Vec<(u64, u64)> =
                fast_all.iter().filter_map(|&(at, outcome)| Some((at, kind(outcome)?))).collect();
            all.sort_unstable();
            all
        };
        slow_all.sort_unstable();
        let sent = times(|outcome| match outcome {
            Outcome::Sent(id) => Some(id),
            Outcome::Delivered(_) => None,
        });
        prop_assert_eq!(&sent, &slow_all);
        let delivered = times(|outcome| match outcome {
            Outcome::Delivered(id) => Some(id),
            Outcome::Sent(_) => None,
        });
        prop_assert_eq!(&delivered, &sent);
        prop_assert!(both.fast.waiting().is_empty());
    }
}

/// The laws are read off the sharing in force: a capacity that changes behind its back breaks
/// them, one way or the other.
#[test]
fn the_laws_notice_a_sharing_that_is_too_much_or_too_little() {
    let mut network = FluidNetwork::default();
    let node = network.add_node(rate(MB), None);
    network.add_node(None, None);
    network.send(transmission(7, 0, 1, MB, 0), Time::ZERO);
    network.next_event();
    assert_eq!(network.check(Time::ZERO), Ok(()));
    let up = network.topology.up(node);
    network.rates.set_capacity(up, rate(MB - 1));
    let link = Link::Up(node);
    assert_eq!(
        network.check(Time::ZERO),
        Err(Violation::OverCapacity {
            link,
            at: Time::ZERO
        })
    );
    network.rates.set_capacity(up, rate(MB + 1));
    assert_eq!(
        network.check(Time::ZERO),
        Err(Violation::NoBottleneck {
            id: 7,
            at: Time::ZERO
        })
    );
}

/// The order in which transmissions came and went leaves no trace in the sharing.
#[test]
fn the_same_calls_give_the_same_outcomes() {
    let run_once = || {
        let mut network = FluidNetwork::default();
        for node in 1..=20 {
            network.add_node(rate(node * 100_003), rate((21 - node) * 100_019));
        }
        let mut all = Vec::new();
        for id in 0..400 {
            let from = u32::try_from(id * 7 % 20).unwrap();
            let to = u32::try_from((id * 7 + 1 + id % 19) % 20).unwrap();
            let now = at(id * 3_000_000);
            run_until(&mut network, now, &mut all);
            network.send(
                transmission(id, from, to, 10_000 + id * 997 % 90_000, id),
                now,
            );
        }
        all.extend(run(&mut network));
        all
    };
    let all = run_once();
    assert_eq!(all.len(), 800);
    assert_eq!(all, run_once());
}
