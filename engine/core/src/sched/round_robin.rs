//! Round robin: one block of each active flow in turn.
//!
//! Source:    J. Nagle, "On Packet Switches with Infinite Storage", IEEE Transactions on
//!            Communications 1987.
//! Contract:  over any interval in which two flows stay backlogged, the numbers of their
//!            blocks served differ by at most one. A block is done at the latest a round after it
//!            came, or a round after the one before it of its flow was due, where a round is
//!            the largest block of every flow.
//! Cost:      O(1) per block.
//! Drawbacks: fair in blocks and not in bytes: who sends larger blocks gets more. Ignores
//!            weights, so a flow that is owed more than an equal share falls behind for ever.
//! Departs:   a block served out of turn costs its flow one turn.

use crate::sched::deficits::Price;
use crate::sched::rounds::Rounds;
use crate::units::ByteCount;

/// One block of each flow in turn: an empty ring.
pub(super) fn round_robin() -> Rounds {
    Rounds::new(Price::Turns, ByteCount::ZERO, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::FlowId;
    use crate::sched::{Discipline as _, Ticket};
    use crate::time::Time;
    use crate::units::Weight;

    #[test]
    fn a_block_out_of_turn_is_one_turn_less() {
        let ticket = |flow| Ticket::new(FlowId(flow), Weight::whole(9), ByteCount::new(5));
        let mut turns = round_robin();
        for flow in [0, 1, 2, 0, 1, 2, 0] {
            turns.enqueue(ticket(flow), Time::ZERO);
        }
        assert_eq!(turns.take(FlowId(0), Time::ZERO), Some(ticket(0)));
        let served = std::iter::from_fn(|| turns.dequeue(Time::ZERO));
        let order: Vec<_> = served.map(|ticket| ticket.flow.0).collect();
        assert_eq!(order, [1, 2, 0, 1, 2, 0]);
    }
}
