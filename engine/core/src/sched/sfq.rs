//! Start-time fair queueing: fair by weight on a link of any, even varying, rate.
//!
//! Source:    P. Goyal, H. M. Vin and H. Cheng, "Start-time Fair Queuing: A Scheduling
//!            Algorithm for Integrated Services Packet Switching Networks", SIGCOMM 1996.
//! Contract:  over any interval in which two flows stay backlogged, their service per unit
//!            weight differs by at most Li/wi + Lj/wj, whatever the rate of the link does. On
//!            a link of rate C a block of length l is done at the latest at its expected arrival
//!            time plus the sum of one largest block of every other flow and l, over C. With D
//!            blocks on the link at a time the first holds and the second is D - 1 largest
//!            blocks later (W. Jin, J. S. Chase and J. Kaur, "Interposed Proportional Sharing
//!            for a Storage Service Utility", SIGMETRICS 2004).
//! Cost:      O(log N) per block for N flows; one heap entry per flow.
//! Drawbacks: a heavy flow waits for one block of every other flow, as a light one does.
//! Departs:   tags are integers, see `tag`. Ties go to the block that has been first of its
//!            flow for longer. Service out of turn moves the flow's tags and not the clock;
//!            what it is ahead by it waits for, until nothing is queued and nothing on the link.

use crate::id::FlowId;
use crate::sched::heap::FlowHeap;
use crate::sched::queues::{Queues, row};
use crate::sched::virtual_time::{Tag, cost, later};
use crate::sched::{Discipline, Ticket};
use crate::time::Time;

/// Start-time fair queueing.
#[derive(Debug, Default)]
pub(super) struct Sfq {
    queues: Queues<()>,
    order: FlowHeap,
    /// Of a backlogged flow the start tag of its head, of another the finish tag of its last
    /// block.
    tags: Vec<Tag>,
    /// V: the start tag of the block in service.
    clock: Tag,
    /// The largest finish tag.
    latest: Tag,
    /// Blocks on the link.
    on_link: u32,
    /// Number of the next block to become first of its flow.
    seq: u32,
}

impl Sfq {
    fn serve(&mut self, flow: FlowId) -> Option<Ticket> {
        let served = self.queues.pop(flow)?;
        let finish = later(self.tags[flow.index()], cost(served.len, served.weight));
        self.tags[flow.index()] = finish;
        self.latest = self.latest.max(finish);
        self.on_link += 1;
        if self.queues.is_empty(flow) {
            self.order.remove(flow);
        } else {
            self.arrange(flow, finish);
        }
        Some(served)
    }

    fn arrange(&mut self, flow: FlowId, start: Tag) {
        self.order.set(flow, start, self.seq);
        self.seq = self.seq.wrapping_add(1);
    }

    /// Ends the busy period if nothing is queued and nothing on the link. Before that the clock
    /// must not pass the start tag of the block in service: a flow that asks again while its
    /// last block is on the link would be made level with one that has waited meanwhile.
    fn rest(&mut self) {
        if self.queues.len() == 0 && self.on_link == 0 {
            self.clock = self.latest.max(self.clock);
        }
    }
}

impl Discipline for Sfq {
    fn enqueue(&mut self, ticket: Ticket, _now: Time) {
        if !self.queues.push(ticket, ()) {
            return;
        }
        let tag = row(&mut self.tags, ticket.flow, 0);
        let start = self.clock.max(*tag);
        *tag = start;
        self.arrange(ticket.flow, start);
    }

    fn dequeue(&mut self, _now: Time) -> Option<Ticket> {
        let (start, flow) = self.order.first()?;
        self.clock = start.max(self.clock);
        self.serve(flow)
    }

    fn take(&mut self, flow: FlowId, _now: Time) -> Option<Ticket> {
        self.serve(flow)
    }

    fn sent(&mut self, _flow: FlowId) {
        self.on_link = self.on_link.saturating_sub(1);
        self.rest();
    }

    fn purge(&mut self, flow: FlowId) {
        if self.queues.clear(flow) {
            self.order.remove(flow);
            self.rest();
        }
    }

    fn retire(&mut self, flow: FlowId) {
        self.purge(flow);
        if let Some(tag) = self.tags.get_mut(flow.index()) {
            *tag = 0;
        }
    }

    fn ready_at(&self, now: Time) -> Option<Time> {
        (self.queues.len() > 0).then_some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{ByteCount, Weight};

    fn ticket(flow: u32, weight: u32) -> Ticket {
        Ticket::new(FlowId(flow), Weight::whole(weight), ByteCount::new(1_000))
    }

    // Flow 0 had the link to itself. When flow 1 comes, neither is owed anything.
    #[test]
    fn a_newcomer_is_not_paid_for_the_time_it_was_away() {
        let mut sfq = Sfq::default();
        for _ in 0..100 {
            sfq.enqueue(ticket(0, 1), Time::ZERO);
        }
        for _ in 0..96 {
            sfq.dequeue(Time::ZERO);
        }
        for _ in 0..4 {
            sfq.enqueue(ticket(1, 1), Time::ZERO);
        }
        let served = std::iter::from_fn(|| sfq.dequeue(Time::ZERO));
        let order: Vec<_> = served.map(|ticket| ticket.flow.0).collect();
        assert_eq!(order, [1, 0, 1, 0, 1, 0, 1, 0]);
    }

    // Out of turn, flow 0 has run far ahead; when all have been served that is forgiven.
    #[test]
    fn a_debt_ends_with_the_busy_period() {
        let mut sfq = Sfq::default();
        for _ in 0..50 {
            sfq.enqueue(ticket(0, 1), Time::ZERO);
        }
        while sfq.take(FlowId(0), Time::ZERO).is_some() {
            sfq.sent(FlowId(0));
        }
        for flow in [1, 0, 1, 0] {
            sfq.enqueue(ticket(flow, 1), Time::ZERO);
        }
        let served = std::iter::from_fn(|| sfq.dequeue(Time::ZERO));
        let order: Vec<_> = served.map(|ticket| ticket.flow.0).collect();
        assert_eq!(order, [1, 0, 1, 0]);
    }
}
