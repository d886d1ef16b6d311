//! Completions per second of the fluid model, each replaced at once by a new transmission.
//!
//! Network: one node for every four transmissions in flight, at least 8; the capacity of each
//! uplink and downlink is drawn from 1 to 100 MB/s. Transmissions are between random pairs of
//! nodes, 64 to 512 KiB, of equal weight. What replaces one that ended goes
//!
//! - `pairs`: between the same two nodes, so that the load stays spread over all links, about
//!   half of them full, and a change at one is felt at many (the figures that count);
//! - `redrawn`: between two new random nodes, so that the flows gather at the slowest links;
//! - `star`: from one node to the same of as many receivers: every level changes every time.
//!
//! An iteration is one completion: `advance`, as many `send`s as were `Delivered`, `next_event`.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_simulator::network::fluid::FluidNetwork;
use fairhaul_simulator::network::{Network, NodeIndex, Outcome, Transmission};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Pairs,
    Redrawn,
    Star,
}

struct Load {
    network: FluidNetwork,
    rng: ChaCha8Rng,
    nodes: u32,
    shape: Shape,
    /// The ends of each transmission; its id is the place here.
    pairs: Vec<(u32, u32)>,
    out: Vec<Outcome>,
}

impl Load {
    fn new(flows: u32, shape: Shape) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut network = FluidNetwork::default();
        let nodes = match shape {
            Shape::Star => flows + 1,
            Shape::Pairs | Shape::Redrawn => (flows / 4).max(8),
        };
        for _ in 0..nodes {
            let mut capacity = || Some(Rate::new(rng.random_range(1_000_000..100_000_000)));
            network.add_node(capacity(), capacity());
        }
        let (pairs, out) = (Vec::new(), Vec::new());
        let mut load = Self {
            network,
            rng,
            nodes,
            shape,
            pairs,
            out,
        };
        for flow in 0..flows {
            let pair = if shape == Shape::Star {
                (0, flow + 1)
            } else {
                load.draw()
            };
            load.pairs.push(pair);
            load.send(u64::from(flow), Time::ZERO);
        }
        // Past the transient of the start, in which all began at one time.
        for _ in 0..flows.min(20_000) {
            load.step();
        }
        load
    }

    fn draw(&mut self) -> (u32, u32) {
        let from = self.rng.random_range(0..self.nodes);
        (
            from,
            (from + self.rng.random_range(1..self.nodes)) % self.nodes,
        )
    }

    fn send(&mut self, id: u64, now: Time) {
        let place = usize::try_from(id).expect("ids are places");
        if self.shape == Shape::Redrawn {
            self.pairs[place] = self.draw();
        }
        let (from, to) = self.pairs[place];
        let bytes = ByteCount::new(self.rng.random_range(64 * 1024..512 * 1024));
        let transmission = Transmission {
            id,
            from: NodeIndex(from),
            to: NodeIndex(to),
            flow: u32::try_from(id).expect("ids are places"),
            bytes,
            remaining: bytes,
            weight: Weight::ONE,
            delay: Span::ZERO,
        };
        self.network.send(transmission, now);
    }

    /// One time at which something ends; gives how many did.
    fn step(&mut self) -> u64 {
        let now = self.network.next_event().expect("flows are in flight");
        self.network.advance(now, &mut self.out);
        let mut ended = 0;
        for at in 0..self.out.len() {
            if let Outcome::Delivered(id) = self.out[at] {
                self.send(id, now);
                ended += 1;
            }
        }
        self.out.clear();
        ended
    }
}

fn completions(c: &mut Criterion) {
    let mut group = c.benchmark_group("fluid_completions");
    group.throughput(Throughput::Elements(1));
    group.sample_size(10);
    let shapes = [
        ("pairs", Shape::Pairs),
        ("redrawn", Shape::Redrawn),
        ("star", Shape::Star),
    ];
    for (name, shape) in shapes {
        for flows in [100, 1_000, 10_000, 100_000] {
            if shape == Shape::Star && flows > 10_000 {
                continue;
            }
            let mut load = Load::new(flows, shape);
            group.bench_function(BenchmarkId::new(name, flows), |b| {
                b.iter_custom(|count| {
                    let start = std::time::Instant::now();
                    let mut done = 0;
                    while done < count {
                        done += black_box(load.step());
                    }
                    // More than asked for may end at one time; the time is for `done`.
                    start.elapsed().mul_f64(count as f64 / done as f64)
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, completions);
criterion_main!(benches);
