//! Shortest remaining processing time: the transfer that is nearest to its end first.
//!
//! Source:    L. Schrage, "A Proof of the Optimality of the Shortest Remaining Processing Time
//!            Discipline", Operations Research 1968.
//! Contract:  of all backlogged flows the one whose first block has the fewest bytes of its
//!            transfer still to be served is chosen; ties by request, then by order of
//!            enqueueing. On one server the mean response time is the least possible.
//! Cost:      O(log N) per block for N flows.
//! Drawbacks: long transfers starve while short ones keep arriving; sizes must be known, and
//!            a peer that asks for little at a time looks short. Ignores weights.
//! Departs:   preempts between blocks only. Keeps no account, so a purge leaves no trace.

use crate::sched::Ticket;
use crate::sched::ranked::Rank;
use crate::units::ByteCount;

/// Ranks by bytes of the transfer still to be served.
#[derive(Debug)]
pub(super) struct Remaining;

impl Rank for Remaining {
    type Key = (ByteCount, u64);

    fn key(&mut self, head: &Ticket, _joins: bool) -> Self::Key {
        (head.remaining, head.arrival)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::FlowId;
    use crate::sched::Discipline as _;
    use crate::sched::ranked::Ranked;
    use crate::time::Time;
    use crate::units::Weight;

    // Flow 0 is half way through a long transfer when a short one arrives, and goes on after.
    #[test]
    fn a_short_transfer_overtakes_a_long_one_between_blocks() {
        let ticket = |flow, remaining| Ticket {
            remaining: ByteCount::new(remaining),
            ..Ticket::new(FlowId(flow), Weight::ONE, ByteCount::new(10))
        };
        let mut srpt = Ranked::new(Remaining);
        for remaining in [50, 40, 30] {
            srpt.enqueue(ticket(0, remaining), Time::ZERO);
        }
        assert_eq!(srpt.dequeue(Time::ZERO), Some(ticket(0, 50)));
        srpt.enqueue(ticket(1, 20), Time::ZERO);
        srpt.enqueue(ticket(2, 35), Time::ZERO);
        let rest = std::iter::from_fn(|| srpt.dequeue(Time::ZERO));
        let order: Vec<_> = rest.map(|ticket| ticket.flow.0).collect();
        assert_eq!(order, [1, 2, 0, 0]);
    }
}
