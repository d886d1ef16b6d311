//! Weighted deficit round robin: byte-fair sharing at constant cost per block.
//!
//! Source:    M. Shreedhar and G. Varghese, "Efficient Fair Queuing Using Deficit Round Robin",
//!            SIGCOMM 1995.
//! Contract:  over any interval in which two flows stay backlogged, their service per unit
//!            weight differs by at most Q + Li/wi + Lj/wj, where Q is the quantum per unit
//!            weight. On a link of rate C, of which its weight reserves a flow r, a block of
//!            length l is done at the latest at its expected arrival time plus
//!            l/r + (R + sum of the largest blocks of the other flows)/C, where R is a turn of
//!            each other flow, and with the quantum that is chosen here two rounds at most.
//! Cost:      O(1) per block with the quantum that is chosen here. With one that is given and
//!            is less than the largest block per mean weight, O(N) per block at worst.
//! Drawbacks: latency grows with the number of active flows; a flow sends its quantum in one
//!            burst.
//! Departs:   the quantum is not a constant: at the start of a round it becomes the largest
//!            block per mean weight of the active flows, so that a flow of average weight
//!            sends one block per turn. A constant that covers the largest block at the least
//!            weight, 0.01, would let the greatest send a million blocks at once. A newly
//!            active flow starts with no credit at the end of the ring, and one that was
//!            emptied keeps its turn until its last block has left or another flow is chosen,
//!            and its place until its next turn. Service out of turn leaves a debt, which later
//!            turns pay; it ends when nothing is queued and nothing on the link. Who is held back
//!            by a limit keeps its turn, and one that it misses, for when it comes back: one Q more
//!            between it and another flow.

use crate::sched::Params;
use crate::sched::deficits::Price;
use crate::sched::rounds::Rounds;

/// Deficit round robin by weight: an empty ring, with a quantum as `params` say.
pub(super) fn drr(params: &Params) -> Rounds {
    Rounds::new(Price::Bytes(params.quantum), params.largest, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::FlowId;
    use crate::sched::{Discipline as _, Ticket};
    use crate::time::Time;
    use crate::units::{ByteCount, Weight};

    const BLOCK: ByteCount = ByteCount::new(1_000);

    fn drr(quantum: Option<u64>) -> Rounds {
        super::drr(&Params {
            largest: BLOCK,
            quantum: quantum.map(ByteCount::new),
            salt: None,
        })
    }

    fn ticket(flow: u32, hundredths: u32, len: u64) -> Ticket {
        let weight = Weight::from_hundredths(hundredths).unwrap();
        Ticket::new(FlowId(flow), weight, ByteCount::new(len))
    }

    fn order(drr: &mut Rounds) -> Vec<u32> {
        let served = std::iter::from_fn(|| drr.dequeue(Time::ZERO));
        served.map(|ticket| ticket.flow.0).collect()
    }

    // Quantum 500: flow 0 sends 200 and 300; flow 1 needs two turns for 600 and has 400 left,
    // which covers its next.
    #[test]
    fn what_a_turn_leaves_is_kept_for_the_next() {
        let mut drr = drr(Some(500));
        for (flow, len) in [(0, 200), (0, 300), (0, 300), (1, 600), (1, 400), (0, 300)] {
            drr.enqueue(ticket(flow, 100, len), Time::ZERO);
        }
        assert_eq!(order(&mut drr), [0, 0, 0, 1, 1, 0]);
    }

    // All flows at weight 10,000 and all at 0.01 alike send one block per turn.
    #[test]
    fn equal_flows_alternate_block_by_block_whatever_their_weight() {
        for hundredths in [1, 100, 1_000_000] {
            let mut drr = drr(None);
            for flow in [0, 0, 0, 1, 1, 1] {
                drr.enqueue(ticket(flow, hundredths, 1_000), Time::ZERO);
            }
            assert_eq!(order(&mut drr), [0, 1, 0, 1, 0, 1]);
        }
    }

    // Without skipping rounds this would take 10^14 of them.
    #[test]
    fn a_huge_debt_does_not_keep_the_link_idle() {
        let mut drr = drr(None);
        drr.enqueue(ticket(0, 1, 1 << 60), Time::ZERO);
        drr.enqueue(ticket(0, 1, 1_000), Time::ZERO);
        assert!(drr.take(FlowId(0), Time::ZERO).is_some());
        drr.enqueue(ticket(1, 1_000_000, 1_000), Time::ZERO);
        assert_eq!(order(&mut drr), [1, 0]);
    }
}
