//! Turns in rounds: a ring of active flows, each visited once a round.
//!
//! The machinery of round robin and of deficit round robin, which differ in what a turn is
//! worth. Decides whose turn it is; what the turn covers is the [`Book`]'s to say.

use crate::id::FlowId;
use crate::sched::Ticket;
use crate::sched::book::{Book, Price};
use crate::sched::ring::Ring;
use crate::units::ByteCount;

/// Flows that take turns.
#[derive(Debug)]
pub(super) struct Rounds {
    pub(super) book: Book,
    /// Flows in order of their turns. One that has been emptied stays until its next turn, so
    /// that leaving is cheap and who comes back at once is not visited twice in a round.
    ring: Ring,
    /// Flows at the front of the ring that have still to be visited in this round.
    left: usize,
    /// The first flow has had its credit and is being served.
    visiting: bool,
    /// Somebody was served since the round began.
    fruitful: bool,
}

impl Rounds {
    pub(super) fn new(price: Price, largest: ByteCount) -> Self {
        Self {
            book: Book::new(price, largest),
            ring: Ring::default(),
            left: 0,
            visiting: false,
            fruitful: true,
        }
    }

    /// Puts a flow that has been listed at the end: it is visited after all who are there.
    pub(super) fn append(&mut self, flow: FlowId) {
        self.ring.append(flow);
    }

    pub(super) fn enqueue(&mut self, ticket: Ticket) {
        if self.book.enqueue(ticket) {
            self.append(ticket.flow);
        }
    }

    /// Serves the flow whose turn it is while its credit covers its head, then the next.
    pub(super) fn dequeue(&mut self) -> Option<Ticket> {
        if self.book.backlog() == 0 {
            return None;
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

    /// A block has left the link.
    pub(super) fn sent(&mut self) {
        self.book.sent();
        let visited = self.ring.first().filter(|_| self.visiting);
        if let Some(flow) = visited.filter(|&flow| self.book.has_left(flow)) {
            self.pass(flow);
        }
    }

    /// Ends the turn of the first flow.
    fn pass(&mut self, flow: FlowId) {
        self.book.forfeit(flow);
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
            self.book.unlist(flow);
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

    /// Notes that somebody was served who is not in the ring.
    pub(super) const fn note_service(&mut self) {
        self.fruitful = true;
    }
}
