//! Least attained service: the flow that has had the fewest bytes first.
//!
//! Source:    L. Kleinrock, "Queueing Systems, Volume 2: Computer Applications", 1976
//!            (foreground-background).
//! Contract:  of all backlogged flows the one that has been served least since it was first
//!            seen; ties by order of enqueueing. Sizes need not be known.
//! Cost:      O(log N) per block for N flows; 8 bytes for every flow ever seen.
//! Drawbacks: favours newcomers, and so whoever can become one again under a new identity; a
//!            long transfer waits for all that came after it to catch up. Ignores weights.
//! Departs:   serves whole blocks, so flows that are level take turns. The account outlives a
//!            purge: coming back is not being new. It ends when the flow's number is given to
//!            somebody else.

use crate::id::FlowId;
use crate::sched::ranked::{Rank, Ranked};
use crate::sched::{Discipline, Ticket};
use crate::time::Time;

/// The flow that has had least first.
#[derive(Debug)]
pub struct Las(Ranked<Attained>);

impl Las {
    /// An empty queue.
    #[must_use]
    pub fn new() -> Self {
        Self(Ranked::new(Attained::default()))
    }
}

impl Default for Las {
    fn default() -> Self {
        Self::new()
    }
}

/// Ranks by bytes served so far.
#[derive(Debug, Default)]
struct Attained(Vec<u64>);

impl Rank for Attained {
    type Key = u64;

    fn key(&mut self, head: &Ticket, _joins: bool) -> u64 {
        self.0.get(head.flow.index()).copied().unwrap_or(0)
    }

    fn charge(&mut self, served: &Ticket, _in_turn: bool) {
        let index = served.flow.index();
        if index >= self.0.len() {
            self.0.resize(index + 1, 0);
        }
        self.0[index] = self.0[index].saturating_add(served.len.get());
    }

    fn forget(&mut self, flow: FlowId) {
        if let Some(attained) = self.0.get_mut(flow.index()) {
            *attained = 0;
        }
    }
}

impl Discipline for Las {
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

    fn forget(&mut self, flow: FlowId) {
        self.0.forget(flow);
    }

    fn ready_at(&self, now: Time) -> Option<Time> {
        (!self.0.is_empty()).then_some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{ByteCount, Weight};

    fn block(flow: u32) -> Ticket {
        Ticket::new(FlowId(flow), Weight::ONE, ByteCount::new(100))
    }

    // Flow 0 has had 100 bytes. Purged and back it waits for flow 1, which has had none; the
    // next holder of its number does not.
    #[test]
    fn an_account_outlives_a_purge_but_not_its_holder() {
        for (is_gone, first) in [(false, 1), (true, 0)] {
            let mut las = Las::new();
            las.enqueue(block(0), Time::ZERO);
            las.dequeue(Time::ZERO).unwrap();
            las.enqueue(block(0), Time::ZERO);
            if is_gone {
                las.forget(FlowId(0));
            } else {
                las.purge(FlowId(0));
            }
            assert!(las.ready_at(Time::ZERO).is_none());
            las.enqueue(block(0), Time::ZERO);
            las.enqueue(block(1), Time::ZERO);
            assert_eq!(las.dequeue(Time::ZERO).unwrap().flow, FlowId(first));
        }
    }
}
