//! Completions per second of the fluid model, each replaced at once by a new transmission.
//!
//! Network: one node for every four transmissions in flight, at least 8; the capacity of each
//! uplink and downlink is drawn from 1 to 100 MB/s, so that about half of all links are full
//! and flows are limited at either end. Each transmission is between two random nodes and of
//! 64 to 512 KiB; weights are equal. `star` sends all from one node instead, to as many
//! receivers as there are transmissions: the case in which every level changes at once.
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

struct Load {
    network: FluidNetwork,
    rng: ChaCha8Rng,
    nodes: u32,
    star: bool,
    next_id: u64,
    out: Vec<Outcome>,
}

impl Load {
    fn new(flows: u32, star: bool) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut network = FluidNetwork::new();
        let nodes = if star { flows + 1 } else { (flows / 4).max(8) };
        for _ in 0..nodes {
            let mut capacity = || Some(Rate::new(rng.random_range(1_000_000..100_000_000)));
            network.add_node(capacity(), capacity());
        }
        let out = Vec::new();
        let mut load = Self {
            network,
            rng,
            nodes,
            star,
            next_id: 0,
            out,
        };
        for _ in 0..flows {
            load.send(Time::ZERO);
        }
        // Past the transient of the start, in which all began at one time.
        for _ in 0..flows.min(20_000) {
            load.step();
        }
        load
    }

    fn send(&mut self, now: Time) {
        let from = if self.star {
            0
        } else {
            self.rng.random_range(0..self.nodes)
        };
        let other = self.rng.random_range(1..self.nodes);
        let transmission = Transmission {
            id: self.next_id,
            from: NodeIndex(from),
            to: NodeIndex((from + other) % self.nodes),
            bytes: ByteCount::new(self.rng.random_range(64 * 1024..512 * 1024)),
            weight: Weight::ONE,
            delay: Span::ZERO,
        };
        self.next_id += 1;
        self.network.send(transmission, now);
    }

    /// One time at which something ends; gives how many did.
    fn step(&mut self) -> u64 {
        let now = self.network.next_event().expect("flows are in flight");
        self.network.advance(now, &mut self.out);
        let ended = self.out.len() / 2;
        self.out.clear();
        for _ in 0..ended {
            self.send(now);
        }
        ended as u64
    }
}

fn completions(c: &mut Criterion) {
    let mut group = c.benchmark_group("fluid_completions");
    group.throughput(Throughput::Elements(1));
    group.sample_size(10);
    for (name, star) in [("random", false), ("star", true)] {
        for flows in [100, 1_000, 10_000, 100_000] {
            if star && flows > 10_000 {
                continue;
            }
            let mut load = Load::new(flows, star);
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
