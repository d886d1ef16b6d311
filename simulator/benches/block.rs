//! Outcomes per second of the block model.
//!
//! Network: uplinks drawn from 1 to 10 MB/s, downlinks from 10 to 100 MB/s. Each node keeps four
//! blocks of 256 KiB at its uplink, to receivers drawn from twenty, at delays from 10 to 200 ms;
//! when a block is sent the next one is given. An iteration is one outcome; a block has two.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_simulator::network::block::BlockNetwork;
use fairhaul_simulator::network::{Network, NodeIndex, Outcome, Transmission};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Blocks that a node keeps at its uplink.
const AHEAD: u32 = 4;
/// Receivers of one node.
const NEIGHBOURS: u32 = 20;

struct Load {
    network: BlockNetwork,
    rng: ChaCha8Rng,
    nodes: u32,
    out: Vec<Outcome>,
}

impl Load {
    fn new(nodes: u32) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut network = BlockNetwork::default();
        for _ in 0..nodes {
            let mut capacity = |least| Some(Rate::new(rng.random_range(least..10 * least)));
            network.add_node(capacity(1_000_000), capacity(10_000_000));
        }
        let mut load = Self {
            network,
            rng,
            nodes,
            out: Vec::new(),
        };
        for from in 0..nodes {
            for _ in 0..AHEAD {
                load.send(from, Time::ZERO);
            }
        }
        for _ in 0..20 * nodes {
            load.step();
        }
        load
    }

    /// Ids name the sender, so that `Sent` says whose turn it is.
    fn send(&mut self, from: u32, now: Time) {
        let nearest = self.rng.random_range(1..=NEIGHBOURS);
        let transmission = Transmission {
            id: u64::from(from),
            from: NodeIndex(from),
            to: NodeIndex((from + nearest * 7) % self.nodes),
            flow: 0,
            bytes: ByteCount::kib(256),
            remaining: ByteCount::kib(256),
            weight: Weight::ONE,
            delay: Span::from_millis(u64::from(nearest) * 10),
        };
        self.network.send(transmission, now);
    }

    fn step(&mut self) -> u64 {
        let now = self.network.next_event().expect("blocks are in flight");
        self.network.advance(now, &mut self.out);
        let outcomes = self.out.len() as u64;
        for at in 0..self.out.len() {
            if let Outcome::Sent(from) = self.out[at] {
                self.send(u32::try_from(from).expect("ids are nodes"), now);
            }
        }
        self.out.clear();
        outcomes
    }
}

fn outcomes(c: &mut Criterion) {
    let mut group = c.benchmark_group("block_outcomes");
    group.throughput(Throughput::Elements(1));
    group.sample_size(10);
    for nodes in [200, 1_000, 10_000] {
        let mut load = Load::new(nodes);
        group.bench_function(BenchmarkId::from_parameter(nodes), |b| {
            b.iter_custom(|count| {
                let start = std::time::Instant::now();
                let mut done = 0;
                while done < count {
                    done += black_box(load.step());
                }
                // More than asked for may come at one time; the time is for `done`.
                start.elapsed().mul_f64(count as f64 / done.max(1) as f64)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, outcomes);
criterion_main!(benches);
