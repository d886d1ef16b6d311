//! Sparse-flow deficit round robin (DRR++): new flows before old ones.
//!
//! Source:    M. H. MacGregor and W. Shi, "Deficits for Bursty Latency-critical Flows: DRR++",
//!            ICON 2000; in the form of T. Hoeiland-Joergensen et al., "The Flow Queue CoDel
//!            Packet Scheduler and Active Queue Management Algorithm", RFC 8290.
//! Contract:  a flow that asks for less than its share waits for the new flows before it and
//!            for at most one block. Over any interval in which two flows stay backlogged, their
//!            service per unit weight differs by at most 2 Q + Li/wi + Lj/wj: one Q more than
//!            without new flows, which interrupt a turn. A block is done as under deficit round
//!            robin and at the latest one round after that.
//! Cost:      O(1) per block, as deficit round robin.
//! Drawbacks: whoever can look new again, under a new identity, is always first.
//! Departs:   the quantum is that of the round, as in this project's deficit round robin. A
//!            new flow becomes old when its quantum is used up or its queue is empty, and has
//!            to wait for one visit as an old flow before it can be new again.

use crate::sched::Params;
use crate::sched::deficits::Price;
use crate::sched::rounds::Rounds;

/// Deficit round robin in which a new flow has one turn before the old ones: empty lists, with a
/// quantum as `params` say.
pub(super) fn sparse_drr(params: &Params) -> Rounds {
    Rounds::new(Price::Bytes(params.quantum), params.largest, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::FlowId;
    use crate::sched::{Discipline as _, Ticket};
    use crate::time::Time;
    use crate::units::{ByteCount, Weight};

    fn ticket(flow: u32) -> Ticket {
        Ticket::new(FlowId(flow), Weight::ONE, ByteCount::new(1_000))
    }

    /// Ten old flows with two blocks each, fed by [`step`].
    fn busy() -> Rounds {
        let mut sparse = sparse_drr(&Params::new(ByteCount::new(1_000)));
        for flow in (0..10).chain(0..10) {
            sparse.enqueue(ticket(flow), Time::ZERO);
        }
        for _ in 0..30 {
            step(&mut sparse);
        }
        sparse
    }

    fn step(sparse: &mut Rounds) -> u32 {
        let flow = sparse.dequeue(Time::ZERO).unwrap().flow.0;
        if flow < 10 {
            sparse.enqueue(ticket(flow), Time::ZERO);
        }
        flow
    }

    #[test]
    fn a_new_flow_is_next() {
        let mut sparse = busy();
        sparse.enqueue(ticket(10), Time::ZERO);
        assert_eq!(step(&mut sparse), 10);
    }

    // Flow 10 always has one block: as if it were new each time it is empty.
    #[test]
    fn a_flow_is_not_new_twice_in_a_round() {
        let mut sparse = busy();
        let mut served = [0_u32; 11];
        sparse.enqueue(ticket(10), Time::ZERO);
        for _ in 0..1_100 {
            let flow = step(&mut sparse);
            served[flow as usize] += 1;
            if flow == 10 {
                sparse.enqueue(ticket(10), Time::ZERO);
            }
        }
        assert!(served[10] <= served[0] + 1, "{served:?}");
    }

    // The round began with weight 0.01 alone; for a flow of weight 10,000 its quantum would be
    // a million blocks. With two such flows a turn is worth one block and a half.
    #[test]
    fn a_heavy_newcomer_does_not_send_a_quantum_meant_for_light_ones() {
        let mut sparse = sparse_drr(&Params::new(ByteCount::new(1_000)));
        let weighted = |flow, weight| Ticket {
            weight,
            ..ticket(flow)
        };
        for _ in 0..3 {
            sparse.enqueue(weighted(0, Weight::BEST_EFFORT), Time::ZERO);
        }
        assert_eq!(step(&mut sparse), 0);
        assert_eq!(step(&mut sparse), 0);
        for _ in 0..100 {
            sparse.enqueue(weighted(11, Weight::MAX), Time::ZERO);
            sparse.enqueue(weighted(12, Weight::MAX), Time::ZERO);
        }
        let order: Vec<_> = (0..5).map(|_| step(&mut sparse)).collect();
        assert_eq!(order, [11, 12, 11, 11, 12]);
    }
}
