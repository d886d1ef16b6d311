//! Pop and push on the event list, holding the number pending: the classic hold model.
//!
//! Each event popped is pushed again after a random gap: exponential with a mean of one second
//! (`exponential`), or one of four delays, as propagation and transmission times are
//! (`few_delays`). An iteration is one pop and one push. `std_heap` is the standard library's
//! binary heap with a sequence number, for comparison.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fairhaul_core::time::{Span, Time};
use fairhaul_simulator::event_queue::EventQueue;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// Gaps drawn before the measurement, so that it measures the list and not the draw.
const GAPS: usize = 1 << 16;

fn gaps(few: bool) -> Vec<Span> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut draw = || {
        if few {
            return [25_000_000, 40_000_000, 1_048_576, 2_621_440][rng.random_range(0..4)];
        }
        let uniform: f64 = rng.random_range(1e-12..1.0);
        let gap = Duration::from_secs_f64(-uniform.ln()).as_nanos();
        u64::try_from(gap).expect("at most 28 seconds")
    };
    (0..GAPS).map(|_| Span::from_nanos(draw())).collect()
}

fn hold(c: &mut Criterion) {
    let mut group = c.benchmark_group("event_queue_hold");
    group.throughput(Throughput::Elements(1));
    group.sample_size(10);
    for (name, few) in [("exponential", false), ("few_delays", true)] {
        let gaps = gaps(few);
        for pending in [1_000usize, 100_000, 1_000_000] {
            let mut at = 0;
            let mut gap = || {
                at = (at + 1) % GAPS;
                gaps[at]
            };
            let mut queue = EventQueue::default();
            let mut heap = BinaryHeap::new();
            let mut seq = 0u64;
            for number in 0..pending {
                queue.push(Time::ZERO + gap(), number as u64);
                heap.push(Reverse((Time::ZERO + gap(), seq, number as u64)));
                seq += 1;
            }
            for _ in 0..2 * pending {
                let (now, event) = queue.pop().expect("events are pending");
                queue.push(now + gap(), event);
            }
            group.bench_function(BenchmarkId::new(name, pending), |b| {
                b.iter(|| {
                    let (now, event) = queue.pop().expect("events are pending");
                    queue.push(now + gap(), black_box(event));
                });
            });
            group.bench_function(BenchmarkId::new(format!("{name}/std_heap"), pending), |b| {
                b.iter(|| {
                    let Reverse((now, _, event)) = heap.pop().expect("events are pending");
                    heap.push(Reverse((now + gap(), seq, black_box(event))));
                    seq += 1;
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, hold);
criterion_main!(benches);
