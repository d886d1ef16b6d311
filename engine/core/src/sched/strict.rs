//! Strict priority: the lowest band that has anything, always.
//!
//! Source:    the `prio` queueing discipline of Linux; inside a band P. Goyal, H. M. Vin and
//!            H. Cheng, "Start-time Fair Queuing", SIGCOMM 1996.
//! Contract:  no block is served while the first block of another flow has a lower band. Of
//!            flows in one band the one with the least start tag is served, so a band is
//!            shared by weight like the whole link under start-time fair queueing.
//! Cost:      O(log N) per block for N flows.
//! Drawbacks: a busy band starves all above it.
//! Departs:   the band's clock stands still while the band is empty, instead of moving to the
//!            largest finish tag. A flow whose band changes starts level in the new one.

use crate::id::FlowId;
use crate::sched::ranked::{Rank, Ranked};
use crate::sched::tag::{Tag, cost, later};
use crate::sched::{Discipline, Ticket};
use crate::time::Time;

/// The lowest band first, shared by weight inside a band.
#[derive(Debug)]
pub struct Strict(Ranked<Bands>);

impl Strict {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self(Ranked::new(Bands::default()))
    }
}

impl Default for Strict {
    fn default() -> Self {
        Self::new()
    }
}

/// A clock for each band, and where each flow stands.
#[derive(Debug)]
struct Bands {
    clocks: Vec<Tag>,
    flows: Vec<Standing>,
}

/// Where a flow stands: the start tag of its head, or the finish tag of its last block.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    tag: Tag,
    band: u8,
}

impl Default for Bands {
    fn default() -> Self {
        Self {
            clocks: vec![0; 256],
            flows: Vec::new(),
        }
    }
}

impl Rank for Bands {
    type Key = (u8, Tag);

    fn key(&mut self, head: &Ticket, joins: bool) -> Self::Key {
        let index = head.flow.index();
        if index >= self.flows.len() {
            self.flows.resize(index + 1, Standing::default());
        }
        let clock = self.clocks[usize::from(head.band)];
        let standing = &mut self.flows[index];
        if standing.band != head.band {
            *standing = Standing {
                tag: clock,
                band: head.band,
            };
        } else if joins {
            standing.tag = standing.tag.max(clock);
        }
        (head.band, standing.tag)
    }

    fn charge(&mut self, served: &Ticket, in_turn: bool) {
        let standing = &mut self.flows[served.flow.index()];
        if in_turn {
            let clock = &mut self.clocks[usize::from(served.band)];
            *clock = standing.tag.max(*clock);
        }
        standing.tag = later(standing.tag, cost(served.len, served.weight));
    }
}

impl Discipline for Strict {
    fn enqueue(&mut self, ticket: Ticket, _now: Time) {
        self.0.enqueue(ticket);
    }

    fn dequeue(&mut self, _now: Time) -> Option<Ticket> {
        self.0.dequeue()
    }

    fn take(&mut self, flow: FlowId, _now: Time) -> Option<Ticket> {
        self.0.take(flow)
    }

    fn purge(&mut self, flow: FlowId) {
        self.0.purge(flow);
    }

    fn retire(&mut self, flow: FlowId) {
        self.0.purge(flow);
        if let Some(standing) = self.0.rank_mut().flows.get_mut(flow.index()) {
            *standing = Standing::default();
        }
    }

    fn ready_at(&self, now: Time) -> Option<Time> {
        (!self.0.is_empty()).then_some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{ByteCount, Weight};

    fn ticket(flow: u32, weight: u32, band: u8) -> Ticket {
        Ticket {
            band,
            ..Ticket::new(FlowId(flow), Weight::whole(weight), ByteCount::new(100))
        }
    }

    #[test]
    fn a_lower_band_is_empty_before_a_higher_one_is_served() {
        let mut strict = Strict::new();
        for (flow, band) in [(0, 7), (1, 3), (1, 3), (2, 0)] {
            strict.enqueue(ticket(flow, 1, band), Time::ZERO);
        }
        let served = std::iter::from_fn(|| strict.dequeue(Time::ZERO));
        let bands: Vec<_> = served.map(|ticket| ticket.band).collect();
        assert_eq!(bands, [0, 3, 3, 7]);
    }

    // Weights 1 and 3 of one band, 400 blocks: 100 and 300.
    #[test]
    fn a_band_is_shared_by_weight() {
        let mut strict = Strict::new();
        for flow in [0, 1, 0, 1] {
            strict.enqueue(ticket(flow, 1 + 2 * flow, 4), Time::ZERO);
        }
        let mut served = [0_u32; 2];
        for _ in 0..400 {
            let ticket = strict.dequeue(Time::ZERO).unwrap();
            served[ticket.flow.index()] += 1;
            strict.enqueue(ticket, Time::ZERO);
        }
        assert!(served[0].abs_diff(100) <= 1 && served[1].abs_diff(300) <= 1);
    }
}
