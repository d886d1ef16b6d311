//! What a decision costs: nanoseconds for one block served and one enqueued in its place.
//!
//! Every row of the table, with 10, 10,000 and 1,000,000 flows, all of equal weight and all
//! backlogged with two blocks, as an uplink keeps them. The block that is served goes back to
//! the end of its flow as part of the next request, with another number of bytes to go.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use fairhaul_core::id::FlowId;
use fairhaul_core::sched::{ALL, Discipline, Params, Row, Ticket};
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate, Weight};

const BLOCK: ByteCount = ByteCount::kib(16);
const LINK: Rate = Rate::new(10_000_000_000);
const FLOWS: [u32; 3] = [10, 10_000, 1_000_000];

/// A discipline with a backlog, and the means to keep it up.
struct Uplink {
    discipline: Box<dyn Discipline>,
    now: Time,
    arrival: u64,
    block_time: Span,
}

impl Uplink {
    fn new(row: &Row, flows: u32) -> Self {
        let mut uplink = Self {
            discipline: (row.make)(&Params::new(BLOCK)),
            now: Time::ZERO,
            arrival: 0,
            block_time: LINK.time_for(BLOCK),
        };
        for flow in (0..flows).chain(0..flows) {
            uplink.enqueue(Ticket::new(FlowId(flow), Weight::ONE, BLOCK));
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
            .sample_size(20)
            .warm_up_time(std::time::Duration::from_secs(1))
            .measurement_time(std::time::Duration::from_secs(2));
        for flows in FLOWS {
            let mut uplink = Uplink::new(row, flows);
            group.bench_function(BenchmarkId::from_parameter(flows), |bencher| {
                bencher.iter(|| uplink.step());
            });
        }
    }
}

criterion_group!(benches, disciplines);
criterion_main!(benches);
