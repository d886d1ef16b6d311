//! A discipline of one's own, with all of `fairlab` around it.
//!
//! Lottery scheduling: each block goes to a flow that is drawn, with a chance by its weight.
//! Source: C. A. Waldspurger and W. E. Weihl, "Lottery Scheduling: Flexible Proportional-Share
//! Resource Management", OSDI 1994.
//!
//! ```text
//! cargo run --release --example my_discipline -- policies
//! cargo run --release --example my_discipline -- sweep experiments/examples/lottery.toml
//! cargo run --release --example my_discipline -- compare out/lottery
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::process::ExitCode;

use fairhaul_core::id::FlowId;
use fairhaul_core::rng::Rng;
use fairhaul_core::sched::{self, Claim, Delay, Discipline, DisciplineRow, Ticket};
use fairhaul_core::time::Time;

/// What scenario files call it, and what it promises: shares only on average, so no bound.
static LOTTERY: DisciplineRow = DisciplineRow {
    name: "lottery",
    about: "each block to a flow that is drawn, by weight",
    source: "Waldspurger and Weihl, Lottery Scheduling, 1994",
    claim: Claim::None,
    delay: Delay::None,
    make: |_| Box::new(Lottery::new()),
};

#[derive(Debug)]
struct Lottery {
    /// Never an empty queue. Ordered, so that a run can be repeated.
    queues: BTreeMap<FlowId, VecDeque<Ticket>>,
    rng: Rng,
}

impl Lottery {
    fn new() -> Self {
        Self {
            queues: BTreeMap::new(),
            rng: Rng::from_seed([94; 32]),
        }
    }

    /// The flow whose block goes next.
    fn draw(&mut self) -> Option<FlowId> {
        let weight = |queue: &VecDeque<Ticket>| queue[0].weight.hundredths() as usize;
        let all: usize = self.queues.values().map(weight).sum();
        let mut left = self.rng.below(all.max(1));
        for (flow, queue) in &self.queues {
            if left < weight(queue) {
                return Some(*flow);
            }
            left -= weight(queue);
        }
        None
    }
}

impl Discipline for Lottery {
    fn enqueue(&mut self, ticket: Ticket, _now: Time) {
        self.queues
            .entry(ticket.flow)
            .or_default()
            .push_back(ticket);
    }

    fn dequeue(&mut self, now: Time) -> Option<Ticket> {
        let flow = self.draw()?;
        self.take(flow, now)
    }

    fn take(&mut self, flow: FlowId, _now: Time) -> Option<Ticket> {
        let queue = self.queues.get_mut(&flow)?;
        let ticket = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(&flow);
        }
        ticket
    }

    fn purge(&mut self, flow: FlowId) {
        self.queues.remove(&flow);
    }

    fn retire(&mut self, flow: FlowId) {
        self.purge(flow);
    }

    fn ready_at(&self, now: Time) -> Option<Time> {
        (!self.queues.is_empty()).then_some(now)
    }
}

fn main() -> ExitCode {
    sched::DISCIPLINES
        .register(&LOTTERY)
        .expect("no policy of fairhaul is called so");
    fairhaul_lab::cli::main()
}

#[cfg(test)]
mod tests {
    use fairhaul_core::units::{ByteCount, Weight};

    use super::*;

    /// Two flows with weights 1 and 3 that never run dry: a quarter and three quarters of 40,000
    /// draws, within four standard deviations.
    #[test]
    fn flows_are_drawn_by_weight() {
        let mut lottery = Lottery::new();
        let ticket = |flow| {
            let weight = Weight::whole(1 + 2 * flow);
            Ticket::new(FlowId(flow), weight, ByteCount::kib(16))
        };
        for flow in [0, 1] {
            lottery.enqueue(ticket(flow), Time::ZERO);
        }
        let mut heavy = 0_i32;
        for _ in 0..40_000 {
            let served = lottery.dequeue(Time::ZERO).unwrap().flow;
            heavy += i32::from(served == FlowId(1));
            lottery.enqueue(ticket(served.0), Time::ZERO);
        }
        assert!((heavy - 30_000).abs() <= 4 * 87, "{heavy}");
    }
}
