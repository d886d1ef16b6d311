//! Schedules worked out by hand, and laws under random traffic.

use proptest::prelude::*;

use super::*;
use fairhaul_core::time::Span;
use fairhaul_core::units::Weight;

const MB: u64 = 1_000_000;

fn transmission(id: u64, from: u32, to: u32, bytes: u64, delay: u64) -> Transmission {
    Transmission {
        id,
        from: NodeIndex(from),
        to: NodeIndex(to),
        flow: 0,
        bytes: ByteCount::new(bytes),
        remaining: ByteCount::new(bytes),
        weight: Weight::ONE,
        delay: Span::from_nanos(delay),
    }
}

fn rate(bytes: u64) -> Option<Rate> {
    Some(Rate::new(bytes))
}

/// Runs to the end and gives every outcome with its time.
fn run(network: &mut BlockNetwork) -> Vec<(u64, Outcome)> {
    let mut all = Vec::new();
    let mut out = Vec::new();
    while let Some(now) = network.next_event() {
        network.advance(now, &mut out);
        network.check(now).unwrap();
        all.extend(out.drain(..).map(|outcome| (now.as_nanos(), outcome)));
    }
    all
}

/// 1 MB at 1 MB/s over 5 ns into a downlink twice as fast: the last byte leaves after a second
/// and arrives 5 ns later.
#[test]
fn an_idle_path_takes_the_time_of_its_slowest_link() {
    let mut network = BlockNetwork::default();
    network.add_node(rate(MB), None);
    network.add_node(None, rate(2 * MB));
    network.add_node(None, rate(MB / 2));
    network.send(transmission(1, 0, 1, MB, 5), Time::ZERO);
    assert_eq!(
        run(&mut network),
        [
            (1_000_000_000, Outcome::Sent(1)),
            (1_000_000_005, Outcome::Delivered(1))
        ]
    );
    // Into half the rate it takes two seconds from its first byte.
    network.send(
        transmission(2, 0, 2, MB, 5),
        Time::from_nanos(1_000_000_005),
    );
    assert_eq!(
        run(&mut network),
        [
            (2_000_000_005, Outcome::Sent(2)),
            (3_000_000_010, Outcome::Delivered(2))
        ]
    );
    assert_eq!(network.carried(NodeIndex(0)).up, ByteCount::new(2 * MB));
    assert_eq!(network.carried(NodeIndex(2)).down, ByteCount::new(MB));
}

/// Two uplinks of 1 MB/s meet at a downlink of 1 MB/s: the second waits a whole block.
#[test]
fn a_downlink_serves_in_the_order_of_arrival() {
    let mut network = BlockNetwork::default();
    for _ in 0..2 {
        network.add_node(rate(MB), None);
    }
    network.add_node(None, rate(MB));
    network.send(transmission(1, 0, 2, MB, 10), Time::ZERO);
    network.send(transmission(2, 1, 2, MB, 0), Time::ZERO);
    assert_eq!(
        run(&mut network),
        [
            (1_000_000_000, Outcome::Sent(1)),
            (1_000_000_000, Outcome::Sent(2)),
            (1_000_000_000, Outcome::Delivered(2)),
            (2_000_000_000, Outcome::Delivered(1)),
        ]
    );
}

/// The window of the first connection holds one block; the second connection's block overtakes
/// the first's second one, which starts when the first is acknowledged, at 1 s + 2 × 3 s.
#[test]
fn a_full_window_does_not_hold_the_uplink() {
    let mut network = BlockNetwork::new(ByteCount::new(MB));
    network.add_node(rate(MB), None);
    network.add_node(None, None);
    network.add_node(None, None);
    let second = 1_000_000_000;
    network.send(transmission(1, 0, 1, MB, 3 * second), Time::ZERO);
    network.send(transmission(2, 0, 1, MB, 3 * second), Time::ZERO);
    network.send(transmission(3, 0, 2, MB, 0), Time::ZERO);
    let held = network.waiting();
    assert_eq!(held[1].link, None);
    assert_eq!(held[2].link, Some(Link::Up(NodeIndex(0))));
    let sent: Vec<_> = run(&mut network)
        .into_iter()
        .filter(|(_, outcome)| matches!(outcome, Outcome::Sent(_)))
        .collect();
    assert_eq!(
        sent,
        [
            (second, Outcome::Sent(1)),
            (2 * second, Outcome::Sent(3)),
            (8 * second, Outcome::Sent(2)),
        ]
    );
}

proptest! {
    /// Whatever their lengths, the window lets one connection keep its narrowest link busy from the
    /// first byte to the last.
    #[test]
    fn a_connection_keeps_its_narrowest_link_busy(
        sizes in prop::collection::vec(prop_oneof![1u64..1_000, 1u64..300_000], 1..80),
        delay in 0u64..100_000_000,
        narrowest in 10_000u64..10_000_000,
    ) {
        let mut network = BlockNetwork::new(ByteCount::MAX);
        network.add_node(rate(100 * narrowest), None);
        network.add_node(None, rate(narrowest));
        for (id, size) in (0_u64..).zip(&sizes) {
            network.send(transmission(id, 0, 1, *size, delay), Time::ZERO);
        }
        let (last, _) = *run(&mut network).last().unwrap();
        let total = Rate::new(narrowest).time_for(ByteCount::new(sizes.iter().sum()));
        prop_assert!(last <= delay + total.as_nanos() + 2 * sizes.len() as u64, "{last} {total:?}");
    }
}

#[test]
fn a_block_above_the_window_passes_alone() {
    let mut network = BlockNetwork::new(ByteCount::new(1));
    network.add_node(None, None);
    network.add_node(None, None);
    network.send(transmission(1, 0, 1, MB, 7), Time::ZERO);
    network.send(transmission(2, 0, 1, MB, 7), Time::ZERO);
    assert_eq!(
        run(&mut network),
        [
            (0, Outcome::Sent(1)),
            (7, Outcome::Delivered(1)),
            (14, Outcome::Sent(2)),
            (21, Outcome::Delivered(2)),
        ]
    );
}

/// A shared link of 1 MB/s between regions carries both flows, one after the other.
#[test]
fn a_shared_link_is_crossed_by_its_regions_only() {
    let mut network = BlockNetwork::default();
    for _ in 0..4 {
        network.add_node(None, None);
    }
    let shared = network.add_shared(rate(MB));
    network.set_region(NodeIndex(3), RegionIndex(1));
    network.set_route(RegionIndex(0), RegionIndex(1), &[shared]);
    network.send(transmission(1, 0, 3, MB, 0), Time::ZERO);
    network.send(transmission(2, 1, 3, MB, 0), Time::ZERO);
    network.send(transmission(3, 1, 2, MB, 0), Time::ZERO);
    network.send(transmission(4, 3, 1, MB, 0), Time::ZERO);
    let delivered: Vec<_> = run(&mut network)
        .into_iter()
        .filter(|(_, outcome)| matches!(outcome, Outcome::Delivered(_)))
        .collect();
    let second = 1_000_000_000;
    assert_eq!(
        delivered,
        [
            (0, Outcome::Delivered(3)),
            (0, Outcome::Delivered(4)),
            (second, Outcome::Delivered(1)),
            (2 * second, Outcome::Delivered(2)),
        ]
    );
}

/// The receiver of the block in service goes; the next one starts at once.
#[test]
fn a_dropped_node_frees_the_links_at_once() {
    let mut network = BlockNetwork::default();
    network.add_node(rate(MB), None);
    network.add_node(None, None);
    network.add_node(None, None);
    network.send(transmission(1, 0, 1, MB, 0), Time::ZERO);
    network.send(transmission(2, 0, 1, MB, 0), Time::ZERO);
    network.send(transmission(3, 0, 2, MB, 0), Time::ZERO);
    network.drop_node(NodeIndex(1), Time::from_nanos(500_000_000));
    assert_eq!(network.waiting().len(), 1);
    // It may come back at once and be sent to anew.
    network.send(transmission(4, 0, 1, MB, 0), Time::from_nanos(500_000_000));
    assert_eq!(
        run(&mut network),
        [
            (1_500_000_000, Outcome::Sent(3)),
            (1_500_000_000, Outcome::Delivered(3)),
            (2_500_000_000, Outcome::Sent(4)),
            (2_500_000_000, Outcome::Delivered(4)),
        ]
    );
    assert!(network.waiting().is_empty());
}

/// What a drop leaves behind must not come to light when the network is used again later.
#[test]
fn an_emptied_network_starts_afresh() {
    let mut network = BlockNetwork::default();
    network.add_node(rate(MB), None);
    network.add_node(None, None);
    network.send(transmission(1, 0, 1, MB, 0), Time::ZERO);
    network.send(transmission(2, 1, 0, 1, 700), Time::ZERO);
    network.advance(Time::ZERO, &mut Vec::new());
    network.drop_node(NodeIndex(1), Time::from_nanos(5));
    assert_eq!(network.next_event(), None);
    let later = Time::from_nanos(3_000_000_000);
    network.send(transmission(3, 0, 1, MB, 0), later);
    assert_eq!(
        run(&mut network),
        [
            (4_000_000_000, Outcome::Sent(3)),
            (4_000_000_000, Outcome::Delivered(3))
        ]
    );
}

#[test]
fn a_dropped_pair_leaves_the_other_direction() {
    let mut network = BlockNetwork::default();
    network.add_node(None, None);
    network.add_node(None, None);
    network.send(transmission(1, 0, 1, 1, 5), Time::ZERO);
    network.send(transmission(2, 1, 0, 1, 5), Time::ZERO);
    let mut out = Vec::new();
    network.advance(Time::ZERO, &mut out);
    network.drop_pair(NodeIndex(0), NodeIndex(1), Time::from_nanos(1));
    assert_eq!(run(&mut network), [(5, Outcome::Delivered(2))]);
}

#[test]
fn a_link_that_stands_still_waits_for_its_capacity() {
    let mut network = BlockNetwork::default();
    network.add_node(rate(0), None);
    network.add_node(None, None);
    network.send(transmission(1, 0, 1, 10, 0), Time::ZERO);
    assert_eq!(network.next_event(), None);
    assert_eq!(network.waiting()[0].link, Some(Link::Up(NodeIndex(0))));
    network.set_capacity(NodeIndex(0), rate(1), None, Time::from_nanos(1));
    assert_eq!(
        run(&mut network),
        [
            (10_000_000_001, Outcome::Sent(1)),
            (10_000_000_001, Outcome::Delivered(1))
        ]
    );
}

/// What would take longer than a century at 1 B/s waits; nothing wraps.
#[test]
fn beyond_the_horizon_nothing_happens_and_nothing_wraps() {
    let mut network = BlockNetwork::new(ByteCount::MAX);
    network.add_node(rate(1), None);
    network.add_node(None, None);
    network.send(transmission(1, 0, 1, 3_155_760_000, 0), Time::ZERO);
    network.send(transmission(2, 0, 1, BYTES_MAX.get(), u64::MAX), Time::ZERO);
    let all = run(&mut network);
    assert_eq!(all.first(), Some(&(HORIZON.as_nanos(), Outcome::Sent(1))));
    assert_eq!(all.len(), 2);
    assert_eq!(network.waiting().len(), 1);
}

/// What a random run sends: (from, to, bytes, gap before it, delay).
type Step = (u32, u32, u64, u64, u64);

fn random_run(
    steps: &[Step],
    rates: &[(u64, u64)],
    window: u64,
    drop_at: usize,
) -> Vec<(u64, Outcome)> {
    let mut network = BlockNetwork::new(ByteCount::new(window));
    for &(up, down) in rates {
        network.add_node(rate(up), rate(down));
    }
    let shared = network.add_shared(rate(rates[0].0));
    network.set_region(NodeIndex(0), RegionIndex(1));
    network.set_route(RegionIndex(1), RegionIndex(0), &[shared]);
    let nodes = u32::try_from(rates.len()).unwrap();
    let (mut all, mut out, mut now) = (Vec::new(), Vec::new(), Time::ZERO);
    let mut dropped = 0;
    for (number, &(from, to, bytes, gap, delay)) in steps.iter().enumerate() {
        let next = now + Span::from_nanos(gap);
        while let Some(at) = network.next_event().filter(|at| *at <= next) {
            network.advance(at, &mut out);
            network.check(at).unwrap();
            all.extend(out.drain(..).map(|outcome| (at.as_nanos(), outcome)));
        }
        now = next;
        if number % 7 == 3 {
            let (up, down) = rates[number % rates.len()];
            let part = 1 + number as u64 % 3;
            network.set_capacity(NodeIndex(0), rate(up / part), rate(down / part), now);
            network.set_shared(shared, rate(up / part), now);
        }
        if number == drop_at {
            let before = network.waiting().len();
            network.drop_node(NodeIndex(1), now);
            dropped = before - network.waiting().len();
        }
        let (from, to) = (from % nodes, to % nodes);
        let to = if from == to { (to + 1) % nodes } else { to };
        network.send(transmission(number as u64, from, to, bytes, delay), now);
    }
    all.extend(run(&mut network));
    assert!(network.waiting().is_empty());
    let delivered = |outcome: &&(u64, Outcome)| matches!(outcome.1, Outcome::Delivered(_));
    assert_eq!(all.iter().filter(delivered).count() + dropped, steps.len());
    let up: ByteCount = (0..nodes)
        .map(|node| network.carried(NodeIndex(node)).up)
        .sum();
    let down: ByteCount = (0..nodes)
        .map(|node| network.carried(NodeIndex(node)).down)
        .sum();
    assert!(up >= down);
    if dropped == 0 {
        let bytes: u64 = steps.iter().map(|step| step.2).sum();
        assert_eq!((up.get(), down.get()), (bytes, bytes));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    /// Nothing is lost or invented, no link exceeds its capacity (`check` at every event), no
    /// link idles with work, and the same calls give the same outcomes. The bytes sent in any
    /// interval are counted here anew, in the plainest way.
    #[test]
    fn bytes_are_conserved_and_capacities_kept(
        steps in prop::collection::vec((0u32..5, 0u32..5, 0u64..100, 0u64..100, 0u64..50), 1..60),
        rates in prop::collection::vec((1u64..20, 1u64..20), 2..5),
        window in 0u64..300,
        drop_at in 0usize..120,
    ) {
        let rates: Vec<_> = rates.iter().map(|(up, down)| (up << 28, down << 28)).collect();
        let all = random_run(&steps, &rates, window, drop_at);
        prop_assert_eq!(&all, &random_run(&steps, &rates, window, drop_at));
        let nodes = u32::try_from(rates.len()).unwrap();
        // The first node's capacities change: `check` alone looks at it.
        for (node, &(up, _)) in (0..).zip(&rates).skip(1) {
            let mine: Vec<(u64, u64)> = all
                .iter()
                .filter_map(|&(at, outcome)| match outcome {
                    Outcome::Sent(id) => Some((at, steps[usize::try_from(id).unwrap()])),
                    Outcome::Delivered(_) => None,
                })
                .filter(|(_, step)| step.0 % nodes == node)
                .map(|(at, step)| (at, step.2))
                .collect();
            for first in 0..mine.len() {
                let mut bytes = 0;
                for &(at, more) in &mine[first + 1..] {
                    bytes += more;
                    let span = u128::from(at - mine[first].0) + 1;
                    prop_assert!(u128::from(bytes) * 1_000_000_000 <= u128::from(up) * span);
                }
            }
        }
    }
}
