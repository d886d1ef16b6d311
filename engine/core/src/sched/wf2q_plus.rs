//! WF²Q+: the least finish tag among blocks that the fluid server would have begun.
//!
//! Source:    J. C. R. Bennett and H. Zhang, "Hierarchical Packet Fair Queueing Algorithms",
//!            SIGCOMM 1996.
//! Contract:  among flows that all stay backlogged, none is ever ahead of its share of what was
//!            served by more than one block. On a link of rate C, of which its weight gives a
//!            flow r, a block of length l is done at the latest at its expected arrival time
//!            plus l/r + L/C, with L the largest block of any flow. Over any interval in which
//!            two flows stay backlogged their service per unit weight differs by at most
//!            2 (Li/wi + Lj/wj), and for each what the virtual time moves during one block of
//!            others.
//! Cost:      O(log N) per block for N flows; two heaps, each flow in one of them.
//! Drawbacks: twice the work of start-time fair queueing, and a wider bound between two flows.
//! Departs:   the rates that the virtual time divides by are weights over the sum of the
//!            weights of all flows seen since the link was last idle and not purged, backlogged,
//!            held back by a limit, or neither. The virtual time stands while a block is on the
//!            link, see `admit`. Ties go to the block that was enqueued earlier.

use crate::id::FlowId;
use crate::sched::heap::FlowHeap;
use crate::sched::queues::{Queues, row};
use crate::sched::virtual_time::{Tag, advance, cost, later};
use crate::sched::{Discipline, Ticket};
use crate::time::Time;
use crate::units::ByteCount;

/// Worst-case fair weighted fair queueing with a low-cost virtual time.
#[derive(Debug, Default)]
pub(super) struct Wf2qPlus {
    queues: Queues<u32>,
    /// Backlogged flows whose head may not be served yet, by its start tag.
    waiting: FlowHeap,
    /// Backlogged flows whose head may be served, by its finish tag.
    eligible: FlowHeap,
    flows: Vec<Standing>,
    /// V: the virtual time, as of the last decision.
    clock: Tag,
    /// Bytes served since then, by which the next decision moves the clock.
    served: ByteCount,
    /// The largest finish tag of a block that was served.
    latest: Tag,
    /// Blocks on the link.
    on_link: u32,
    /// Whose block was chosen last, until it has left or the next decision is made: that flow is
    /// backlogged, though its queue be empty, and goes on from its own finish tag even if the
    /// clock has passed that.
    chosen: Option<FlowId>,
    /// Sum of the weights of the flows that count, in hundredths.
    weights: u64,
    /// Busy periods so far: at the end of one, all flows cease to count.
    period: u64,
    /// Number of the next block to be enqueued.
    seq: u32,
}

/// Where a flow stands.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    /// Start tag of the head, or if there is none finish tag of the last block.
    tag: Tag,
    /// The weight with which it counts, in hundredths, and the busy period in which it does.
    weight: u32,
    period: u64,
}

impl Wf2qPlus {
    /// Puts a flow with a new head and start tag where it belongs.
    fn place(&mut self, head: Ticket, seq: u32, start: Tag) {
        let flow = head.flow;
        self.flows[flow.index()].tag = start;
        self.count(head);
        if start <= self.clock {
            self.waiting.remove(flow);
            self.eligible
                .set(flow, later(start, cost(head.len, head.weight)), seq);
        } else {
            self.eligible.remove(flow);
            self.waiting.set(flow, start, seq);
        }
    }

    /// Counts the weight of the head's flow, once.
    fn count(&mut self, head: Ticket) {
        let standing = &mut self.flows[head.flow.index()];
        if standing.period != self.period {
            standing.period = self.period;
            standing.weight = 0;
        }
        let weight = head.weight.hundredths();
        self.weights = self.weights + u64::from(weight) - u64::from(standing.weight);
        standing.weight = weight;
    }

    /// Moves the clock by what was served since the last decision, lets those begin whose time
    /// has come, and if there is nobody else moves time to the first.
    ///
    /// The clock stands while a block is on the link: who comes meanwhile is treated as if it
    /// had come when that block was chosen, which is before its time and so breaks no bound.
    /// A clock at the end of that block would put it behind by as much.
    fn admit(&mut self) {
        if self.weights > 0 {
            self.clock = later(self.clock, advance(self.served, self.weights));
        }
        self.served = ByteCount::ZERO;
        self.chosen = None;
        if self.eligible.first().is_none()
            && let Some((start, _)) = self.waiting.first()
        {
            self.clock = self.clock.max(start);
        }
        while let Some((start, flow)) = self.waiting.first()
            && start <= self.clock
        {
            let &(head, seq) = self
                .queues
                .head(flow)
                .expect("a waiting flow is backlogged");
            self.place(head, seq, start);
        }
    }

    fn serve(&mut self, flow: FlowId) -> Option<Ticket> {
        let served = self.queues.pop(flow)?;
        self.served = self.served.saturating_add(served.len);
        self.on_link += 1;
        self.chosen = Some(flow);
        let finish = later(
            self.flows[flow.index()].tag,
            cost(served.len, served.weight),
        );
        self.latest = self.latest.max(finish);
        if let Some(&(head, seq)) = self.queues.head(flow) {
            self.place(head, seq, finish);
        } else {
            self.flows[flow.index()].tag = finish;
            self.waiting.remove(flow);
            self.eligible.remove(flow);
        }
        Some(served)
    }

    /// Ends the busy period if nothing is queued and nothing on the link.
    fn rest(&mut self) {
        if self.queues.len() == 0 && self.on_link == 0 {
            self.clock = self.clock.max(self.latest);
            self.served = ByteCount::ZERO;
            self.weights = 0;
            self.period += 1;
        }
    }
}

impl Discipline for Wf2qPlus {
    fn enqueue(&mut self, ticket: Ticket, _now: Time) {
        let seq = self.seq;
        self.seq = seq.wrapping_add(1);
        if !self.queues.push(ticket, seq) {
            return;
        }
        let tag = row(&mut self.flows, ticket.flow, Standing::default()).tag;
        let start = match self.chosen {
            Some(flow) if flow == ticket.flow => tag,
            _ => tag.max(self.clock),
        };
        self.place(ticket, seq, start);
    }

    fn dequeue(&mut self, _now: Time) -> Option<Ticket> {
        self.admit();
        let (_, flow) = self.eligible.first()?;
        self.serve(flow)
    }

    fn take(&mut self, flow: FlowId, _now: Time) -> Option<Ticket> {
        self.serve(flow)
    }

    fn sent(&mut self, _flow: FlowId) {
        self.on_link = self.on_link.saturating_sub(1);
        if self.on_link == 0 {
            self.chosen = None;
        }
        self.rest();
    }

    fn hold(&mut self, flow: FlowId) {
        // Its weight goes on counting: the others are served at the rates that it leaves them, and
        // a clock that ran faster than they do would leave it behind them when it comes back.
        self.queues.clear(flow);
        self.waiting.remove(flow);
        self.eligible.remove(flow);
        self.rest();
    }

    fn purge(&mut self, flow: FlowId) {
        let Some(standing) = self.flows.get_mut(flow.index()) else {
            return;
        };
        if standing.period == self.period {
            self.weights -= u64::from(standing.weight);
            standing.weight = 0;
        }
        self.hold(flow);
    }

    fn retire(&mut self, flow: FlowId) {
        self.purge(flow);
        if let Some(standing) = self.flows.get_mut(flow.index()) {
            standing.tag = 0;
        }
        self.chosen = self.chosen.filter(|&chosen| chosen != flow);
    }

    fn ready_at(&self, now: Time) -> Option<Time> {
        (self.queues.len() > 0).then_some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Weight;

    // Weights 10, 1, 1, ... 1 of 20: however long flow 0 waits for one of the light ones, it is
    // never ahead of half of the link by more than one block.
    #[test]
    fn a_heavy_flow_is_never_ahead_of_its_share_by_more_than_a_block() {
        let mut wf2q = Wf2qPlus::default();
        let block = ByteCount::new(1_000);
        for flow in (0..11).chain(0..11) {
            let weight = Weight::whole(if flow == 0 { 10 } else { 1 });
            wf2q.enqueue(Ticket::new(FlowId(flow), weight, block), Time::ZERO);
        }
        let mut heavy = 0_u64;
        for served in 1..=10_000 {
            let ticket = wf2q.dequeue(Time::ZERO).unwrap();
            heavy += u64::from(ticket.flow == FlowId(0));
            assert!(2 * heavy <= served + 2, "{heavy} of {served}");
            wf2q.enqueue(ticket, Time::ZERO);
        }
        assert!(heavy.abs_diff(5_000) <= 1);
    }
}
