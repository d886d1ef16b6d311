//! First in, first out: the oldest request first, whoever made it.
//!
//! Source:    the order of a plain socket; the baseline of every comparison.
//! Contract:  of two backlogged flows the one whose first block came from the earlier request
//!            is served first; blocks of one request in the order in which they were enqueued.
//! Cost:      O(log N) per block for N flows: blocks of a request are enqueued a few at a
//!            time, so order by request is a priority and not a list.
//! Drawbacks: who asks most gets most; a large request delays all that came after it.
//! Departs:   nothing. There is no state beyond the queues, so a purge leaves no trace.

use crate::sched::Ticket;
use crate::sched::ranked::Rank;

/// Ranks by the number of the request.
#[derive(Debug)]
pub(super) struct Age;

impl Rank for Age {
    type Key = u64;

    fn key(&mut self, head: &Ticket, _joins: bool) -> u64 {
        head.arrival
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::FlowId;
    use crate::sched::Discipline as _;
    use crate::sched::ranked::Ranked;
    use crate::time::Time;
    use crate::units::{ByteCount, Weight};

    // Request 1 has four blocks, two of them enqueued; request 2 of another flow follows. What
    // is enqueued later of request 1 is still older than request 2.
    #[test]
    fn a_block_is_as_old_as_its_request() {
        let ticket = |flow, arrival| Ticket {
            arrival,
            ..Ticket::new(FlowId(flow), Weight::ONE, ByteCount::new(10))
        };
        let mut fifo = Ranked::new(Age);
        for (flow, arrival) in [(0, 1), (0, 1), (1, 2)] {
            fifo.enqueue(ticket(flow, arrival), Time::ZERO);
        }
        assert_eq!(fifo.dequeue(Time::ZERO), Some(ticket(0, 1)));
        fifo.enqueue(ticket(0, 1), Time::ZERO);
        fifo.enqueue(ticket(2, 1), Time::ZERO);
        let rest = std::iter::from_fn(|| fifo.dequeue(Time::ZERO));
        let order: Vec<_> = rest.map(|ticket| ticket.flow.0).collect();
        assert_eq!(order, [0, 0, 2, 1]);
    }
}
