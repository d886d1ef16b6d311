//! Least attained service: the flow that has had the fewest bytes first.
//!
//! Source:    L. Kleinrock, "Queueing Systems, Volume 2: Computer Applications", 1976
//!            (foreground-background).
//! Contract:  of all backlogged flows the one that has been served least since it was first
//!            seen, is chosen; ties by order of enqueueing. Sizes need not be known.
//! Cost:      O(log N) per block for N flows; 8 bytes for every flow ever seen.
//! Drawbacks: favours newcomers, and so a peer that becomes one again under a new identity; a
//!            long transfer waits for all that came after it to catch up. Ignores weights.
//! Departs:   serves whole blocks, so flows that are level take turns. The account outlives a
//!            purge: coming back is not being new. A flow's number that is given
//!            to another flow brings its account with it.

use crate::id::FlowId;
use crate::sched::Ticket;
use crate::sched::queues::row;
use crate::sched::ranked::Rank;

/// Ranks by bytes served so far.
#[derive(Debug, Default)]
pub(super) struct Attained(Vec<u64>);

impl Rank for Attained {
    type Key = u64;

    fn key(&mut self, head: &Ticket, _joins: bool) -> u64 {
        self.0.get(head.flow.index()).copied().unwrap_or(0)
    }

    fn charge(&mut self, served: &Ticket, _in_turn: bool) {
        let account = row(&mut self.0, served.flow, 0);
        *account = account.saturating_add(served.len.get());
    }

    fn forget(&mut self, flow: FlowId) {
        if let Some(account) = self.0.get_mut(flow.index()) {
            *account = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sched::Discipline as _;
    use crate::sched::ranked::Ranked;
    use crate::time::Time;
    use crate::units::{ByteCount, Weight};

    fn serve(las: &mut Ranked<Attained>, blocks: usize) -> Vec<u32> {
        let served = std::iter::from_fn(|| las.dequeue(Time::ZERO));
        served.take(blocks).map(|ticket| ticket.flow.0).collect()
    }

    fn enqueue(las: &mut Ranked<Attained>, flow: u32, blocks: usize) {
        for _ in 0..blocks {
            let ticket = Ticket::new(FlowId(flow), Weight::ONE, ByteCount::new(10));
            las.enqueue(ticket, Time::ZERO);
        }
    }

    #[test]
    fn a_newcomer_is_served_until_it_is_level_and_then_takes_turns() {
        let mut las = Ranked::new(Attained::default());
        enqueue(&mut las, 0, 6);
        assert_eq!(serve(&mut las, 3), [0, 0, 0]);
        enqueue(&mut las, 1, 5);
        assert_eq!(serve(&mut las, 7), [1, 1, 1, 0, 1, 0, 1]);
    }

    /// Flow 0 is served a block and goes for good; its number comes back as a new flow, which
    /// is served before one that has had a block.
    #[test]
    fn a_number_that_comes_back_starts_a_new_account() {
        let mut las = Ranked::new(Attained::default());
        let ticket = |flow| Ticket::new(FlowId(flow), Weight::ONE, ByteCount::new(10));
        for flow in [0, 1] {
            las.enqueue(ticket(flow), Time::ZERO);
            las.dequeue(Time::ZERO);
        }
        las.retire(FlowId(0));
        las.enqueue(ticket(1), Time::ZERO);
        las.enqueue(ticket(0), Time::ZERO);
        assert_eq!(
            las.dequeue(Time::ZERO).map(|served| served.flow),
            Some(FlowId(0))
        );
    }

    #[test]
    fn a_purge_does_not_make_a_flow_new() {
        let mut las = Ranked::new(Attained::default());
        enqueue(&mut las, 0, 3);
        serve(&mut las, 2);
        las.purge(FlowId(0));
        enqueue(&mut las, 1, 2);
        enqueue(&mut las, 0, 1);
        assert_eq!(serve(&mut las, 3), [1, 1, 0]);
    }
}
