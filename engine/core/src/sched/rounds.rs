//! Turns in rounds: a ring of active flows, each visited once a round.
//!
//! The machinery of round robin and of deficit round robin, which differ in what a turn is worth:
//! whose turn it is. What a turn covers, the [`Book`] decides.
//!
//! A flow that a limit holds back is not idle. It keeps what is left of its turn, and the next turn
//! that it misses; when it comes back it uses them before the ring goes on. Else a flow whose limit
//! is a little below its share would wait for a whole round again and again, and of several under
//! one limit those would have it that the ring comes to first.

use std::collections::{BTreeSet, VecDeque};

use crate::id::FlowId;
use crate::sched::deficits::{Book, Price};
use crate::sched::ring::Ring;
use crate::sched::{Discipline, Ticket};
use crate::time::Time;
use crate::units::ByteCount;

/// Flows that take turns.
#[derive(Debug)]
pub(super) struct Rounds {
    book: Book,
    /// Flows in order of their turns. One that has been emptied stays until its next turn, so
    /// that leaving is cheap and who comes back at once is not visited twice in a round.
    ring: Ring,
    /// Flows at the front of the ring that have still to be visited in this round.
    left: usize,
    /// The first flow has had its credit and is being served.
    visiting: bool,
    /// Somebody was served since the round began.
    fruitful: bool,
    /// Flows that are served before those of the ring.
    ahead: VecDeque<Ahead>,
    /// Flows of the ring that are there too.
    twice: BTreeSet<FlowId>,
    /// Whether a new flow has its first turn before those of the ring.
    new_first: bool,
}

#[derive(Clone, Copy, Debug)]
struct Ahead {
    flow: FlowId,
    /// It has had its credit.
    is_credited: bool,
    is_in_ring: bool,
}

impl Rounds {
    pub(super) fn new(price: Price, largest: ByteCount, new_first: bool) -> Self {
        Self {
            book: Book::new(price, largest),
            ring: Ring::default(),
            left: 0,
            visiting: false,
            fruitful: true,
            ahead: VecDeque::new(),
            twice: BTreeSet::new(),
            new_first,
        }
    }

    /// The flow whose limit let it go uses what it has kept before others have their turns.
    fn come_back(&mut self, flow: FlowId, joins: bool) {
        let is_in_ring = self.ring.contains(flow);
        let is_first = self.visiting && self.ring.first() == Some(flow);
        let waits = is_in_ring && !is_first && self.book.is_covered(flow);
        if joins || (waits && self.twice.insert(flow)) {
            self.ahead.push_back(Ahead {
                flow,
                is_credited: true,
                is_in_ring,
            });
        }
    }

    fn dequeue_ahead(&mut self) -> Option<Ticket> {
        while let Some(first) = self.ahead.front_mut() {
            let flow = first.flow;
            if !first.is_credited && !self.book.is_empty(flow) {
                first.is_credited = true;
                self.book.grant_early(flow);
            }
            if let Some(ticket) = self.book.serve(flow) {
                return Some(ticket);
            }
            self.pass_ahead();
        }
        None
    }

    /// Ends the turn of the first flow that is served before the ring.
    fn pass_ahead(&mut self) {
        let Some(Ahead {
            flow, is_in_ring, ..
        }) = self.ahead.pop_front()
        else {
            return;
        };
        self.book.end_turn(flow);
        if is_in_ring {
            self.twice.remove(&flow);
        } else {
            self.ring.append(flow);
        }
    }

    /// Ends the turn of the first flow.
    fn pass(&mut self, flow: FlowId) {
        self.book.end_turn(flow);
        self.visiting = false;
        self.ring.turn();
    }

    /// Begins the turn of the first flow; says whether it has anything to be served.
    fn visit(&mut self, flow: FlowId) -> bool {
        if self.left == 0 {
            self.begin_round();
        }
        self.left -= 1;
        if self.book.is_empty(flow) {
            self.ring.remove_first();
            self.book.miss(flow);
            return false;
        }
        self.book.grant(flow);
        self.visiting = true;
        true
    }

    fn begin_round(&mut self) {
        self.left = self.ring.len();
        self.book.begin_round();
        if !self.fruitful {
            self.book.skip_rounds(self.ring.iter());
        }
        self.fruitful = false;
    }
}

impl Discipline for Rounds {
    fn enqueue(&mut self, ticket: Ticket, _now: Time) {
        let flow = ticket.flow;
        let was_idle = self.book.backlog() == 0;
        let joins = self.book.enqueue(ticket);
        if self.book.let_go(flow) {
            self.come_back(flow, joins);
        } else if joins && self.new_first {
            self.ahead.push_back(Ahead {
                flow,
                is_credited: false,
                is_in_ring: false,
            });
        } else if joins {
            self.ring.append(flow);
        }
        if was_idle && self.new_first {
            self.book.begin_round();
        }
    }

    /// Serves the flow whose turn it is while its credit covers its head, then the next.
    fn dequeue(&mut self, _now: Time) -> Option<Ticket> {
        if self.book.backlog() == 0 {
            return None;
        }
        if let Some(ticket) = self.dequeue_ahead() {
            self.fruitful = true;
            return Some(ticket);
        }
        loop {
            let flow = self.ring.first()?;
            if !self.visiting && !self.visit(flow) {
                continue;
            }
            if let Some(ticket) = self.book.serve(flow) {
                self.fruitful = true;
                return Some(ticket);
            }
            self.pass(flow);
        }
    }

    fn take(&mut self, flow: FlowId, _now: Time) -> Option<Ticket> {
        self.book.charge(flow)
    }

    fn sent(&mut self, _flow: FlowId) {
        self.book.sent();
        let ahead = self.ahead.front().filter(|first| first.is_credited);
        if ahead.is_some_and(|first| self.book.has_left(first.flow)) {
            self.pass_ahead();
        }
        let visited = self.ring.first().filter(|_| self.visiting);
        if let Some(flow) = visited.filter(|&flow| self.book.has_left(flow)) {
            self.pass(flow);
        }
    }

    fn hold(&mut self, flow: FlowId) {
        self.book.hold(flow);
    }

    fn purge(&mut self, flow: FlowId) {
        self.book.purge(flow);
    }

    fn retire(&mut self, flow: FlowId) {
        self.book.retire(flow);
    }

    fn ready_at(&self, now: Time) -> Option<Time> {
        (self.book.backlog() > 0).then_some(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::units::Weight;

    const BLOCK: ByteCount = ByteCount::new(1_000);

    fn ticket(flow: u32, weight: u32) -> Ticket {
        Ticket::new(FlowId(flow), Weight::whole(weight), BLOCK)
    }

    proptest! {
        // Flow 0 is held back after each of its blocks until the others have had more than one
        // each, so that it uses less than its share and misses a turn. Whenever it is let go it is
        // next, after its first turn and but for the block that is being served.
        #[test]
        fn a_flow_whose_limit_is_below_its_share_does_not_wait_for_a_round(
            others in 1_u32..7,
            weight in 1_u32..5,
            more in 1_u32..9,
            new_first in any::<bool>(),
        ) {
            let mut rounds = Rounds::new(Price::Bytes(None), BLOCK, new_first);
            for flow in (1..=others).chain(1..=others) {
                rounds.enqueue(ticket(flow, 1), Time::ZERO);
            }
            rounds.enqueue(ticket(0, weight), Time::ZERO);
            rounds.enqueue(ticket(0, weight), Time::ZERO);
            let held = others + more;
            let (mut turns, mut waited, mut since) = (0, 0, None);
            for _ in 0..2_000 {
                let served = rounds.dequeue(Time::ZERO).expect("all of them always wait");
                rounds.enqueue(served, Time::ZERO);
                rounds.sent(served.flow);
                if served.flow == FlowId(0) {
                    prop_assert!(turns == 0 || waited <= 1, "turn {turns} after {waited} blocks");
                    rounds.hold(FlowId(0));
                    (turns, waited, since) = (turns + 1, 0, Some(0));
                } else if let Some(blocks) = since {
                    since = Some(blocks + 1).filter(|blocks| *blocks < held);
                    if since.is_none() {
                        rounds.enqueue(ticket(0, weight), Time::ZERO);
                        rounds.enqueue(ticket(0, weight), Time::ZERO);
                    }
                } else {
                    waited += 1;
                }
            }
            prop_assert!(turns > 50);
        }
    }

    // Held for ever so long, flow 0 has one turn saved beside the one that is due, and not all that
    // it has missed.
    #[test]
    fn a_hold_saves_one_turn() {
        let mut rounds = Rounds::new(Price::Bytes(None), BLOCK, false);
        for flow in [0, 0, 1, 1] {
            rounds.enqueue(ticket(flow, 1), Time::ZERO);
        }
        rounds.hold(FlowId(0));
        for _ in 0..100 {
            let served = rounds.dequeue(Time::ZERO).expect("flow 1 waits");
            assert_eq!(served.flow, FlowId(1));
            rounds.enqueue(served, Time::ZERO);
        }
        for _ in 0..10 {
            rounds.enqueue(ticket(0, 1), Time::ZERO);
        }
        let mut ahead = Vec::new();
        let mut lead = 0;
        for _ in 0..20 {
            let served = rounds.dequeue(Time::ZERO).expect("both wait");
            rounds.enqueue(served, Time::ZERO);
            lead += if served.flow == FlowId(0) { 1 } else { -1 };
            ahead.push(lead);
        }
        assert_eq!(ahead.iter().max(), Some(&2), "{ahead:?}");
        assert!(
            ahead[2..].iter().all(|lead| (0..=2).contains(lead)),
            "{ahead:?}"
        );
    }
}
