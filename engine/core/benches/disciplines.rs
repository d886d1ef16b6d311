//! What a decision costs: nanoseconds for one block served and one enqueued in its place.
//!
//! Every row of the table, with 10, 10,000 and 1,000,000 flows, all backlogged with two blocks, as
//! an uplink keeps them. The block that is served goes back to the end of its flow as part of the
//! next request, with another number of bytes to go. What the flows are like:
//!
//! - `in-order`: of equal weight, and each comes to its turn in the order in which they lie in
//!   memory. No cache is ever missed: the best case.
//! - `random`: of equal weight, in an order that was drawn.
//! - `mixed`: in an order that was drawn, of weights drawn from 1 to 100.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use fairhaul_core::id::FlowId;
use fairhaul_core::sched::{ALL, Discipline, DisciplineRow, Params, Ticket};
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate, Weight};
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};

const BLOCK: ByteCount = ByteCount::kib(16);
const LINK: Rate = Rate::new(10_000_000_000);
const FLOWS: [u32; 3] = [10, 10_000, 1_000_000];

/// What the flows are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flows {
    InOrder,
    Random,
    Mixed,
}

impl Flows {
    const ALL: [(Self, &str); 3] = [
        (Self::InOrder, "in-order"),
        (Self::Random, "random"),
        (Self::Mixed, "mixed"),
    ];

    /// So many flows with their weights, in the order in which they become backlogged.
    fn draw(self, count: u32) -> Vec<(FlowId, Weight)> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut weight = || match self {
            Self::Mixed => Weight::whole(rng.random_range(1..=100)),
            Self::InOrder | Self::Random => Weight::ONE,
        };
        let mut flows: Vec<_> = (0..count).map(|flow| (FlowId(flow), weight())).collect();
        if self != Self::InOrder {
            flows.shuffle(&mut rng);
        }
        flows
    }
}

/// A discipline with a backlog, and the means to keep it up.
struct Uplink {
    discipline: Box<dyn Discipline>,
    now: Time,
    arrival: u64,
    block_time: Span,
}

impl Uplink {
    fn new(row: &DisciplineRow, flows: &[(FlowId, Weight)]) -> Self {
        let mut uplink = Self {
            discipline: (row.make)(&Params::new(BLOCK)),
            now: Time::ZERO,
            arrival: 0,
            block_time: LINK.time_for(BLOCK),
        };
        for &(flow, weight) in flows.iter().chain(flows) {
            uplink.enqueue(Ticket::new(flow, weight, BLOCK));
        }
        uplink
    }

    fn enqueue(&mut self, mut ticket: Ticket) {
        ticket.arrival = self.arrival;
        // Weyl's sequence: as good as random for the disciplines that look at what remains.
        let remaining = self.arrival.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        ticket.remaining = ByteCount::new(remaining.max(BLOCK.get()));
        self.arrival += 1;
        self.discipline.enqueue(ticket, self.now);
    }

    fn step(&mut self) {
        let ticket = self.discipline.dequeue(self.now).expect("all flows wait");
        self.now = self.now + self.block_time;
        self.discipline.sent(ticket.flow);
        self.enqueue(black_box(ticket));
    }
}

fn disciplines(criterion: &mut Criterion) {
    for row in ALL {
        let mut group = criterion.benchmark_group(row.name);
        group
            .sample_size(10)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(1));
        for (flows, name) in Flows::ALL {
            for count in FLOWS {
                let mut uplink = Uplink::new(row, &flows.draw(count));
                group.bench_function(BenchmarkId::new(name, count), |bencher| {
                    bencher.iter(|| uplink.step());
                });
            }
        }
    }
}

criterion_group!(benches, disciplines);
criterion_main!(benches);
