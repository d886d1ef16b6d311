//! The queues of all flows, threaded through one table of tickets.
//!
//! Within a flow the order is that of arrival. A slot that is freed is the next to be used, so a
//! flow that is served and refilled in turn stays in the same memory, and a walk over the flows is
//! a walk over the table.

use crate::id::FlowId;
use crate::sched::Ticket;

/// No slot: the end of a chain.
const NONE: u32 = u32::MAX;

/// First and last slot of a flow's chain; both [`NONE`] if it is empty.
#[derive(Clone, Copy, Debug)]
struct Ends {
    head: u32,
    tail: u32,
}

const EMPTY: Ends = Ends {
    head: NONE,
    tail: NONE,
};

/// The row of `flow` in a table by flow, which grows up to it with rows like `new`.
#[inline]
pub(super) fn row<T: Clone>(table: &mut Vec<T>, flow: FlowId, new: T) -> &mut T {
    let index = flow.index();
    if index >= table.len() {
        table.resize(index + 1, new);
    }
    &mut table[index]
}

/// A first-in first-out queue for each flow; `X` is what a discipline notes beside a ticket.
#[derive(Debug)]
pub(super) struct Queues<X> {
    items: Vec<(Ticket, X)>,
    /// The slot after each slot, in its flow's chain or in the chain of free slots.
    next: Vec<u32>,
    free: u32,
    ends: Vec<Ends>,
    len: usize,
}

impl<X> Default for Queues<X> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            next: Vec::new(),
            free: NONE,
            ends: Vec::new(),
            len: 0,
        }
    }
}

impl<X: Copy> Queues<X> {
    /// Tickets of all flows together.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn is_empty(&self, flow: FlowId) -> bool {
        self.ends
            .get(flow.index())
            .is_none_or(|ends| ends.head == NONE)
    }

    /// Appends to the queue of the ticket's flow; says whether that queue was empty.
    #[inline]
    pub(super) fn push(&mut self, ticket: Ticket, note: X) -> bool {
        let slot = self.slot(ticket, note);
        let ends = row(&mut self.ends, ticket.flow, EMPTY);
        let joins = ends.head == NONE;
        if joins {
            ends.head = slot;
        } else {
            self.next[ends.tail as usize] = slot;
        }
        ends.tail = slot;
        self.len += 1;
        joins
    }

    /// The first ticket of `flow` and its note.
    #[inline]
    pub(super) fn head(&self, flow: FlowId) -> Option<&(Ticket, X)> {
        let ends = self.ends.get(flow.index())?;
        self.items.get(ends.head as usize)
    }

    /// Removes the first ticket of `flow`.
    #[inline]
    pub(super) fn pop(&mut self, flow: FlowId) -> Option<Ticket> {
        let ends = self.ends.get_mut(flow.index())?;
        if ends.head == NONE {
            return None;
        }
        let slot = ends.head as usize;
        let freed = ends.head;
        ends.head = self.next[slot];
        if ends.head == NONE {
            ends.tail = NONE;
        }
        self.next[slot] = self.free;
        self.free = freed;
        self.len -= 1;
        Some(self.items[slot].0)
    }

    /// Removes all tickets of `flow`; says whether there were any.
    pub(super) fn clear(&mut self, flow: FlowId) -> bool {
        let had = !self.is_empty(flow);
        while self.pop(flow).is_some() {}
        had
    }

    /// A slot that holds `ticket` and ends a chain: the last one freed, else a new one.
    #[inline]
    fn slot(&mut self, ticket: Ticket, note: X) -> u32 {
        let slot = self.free;
        if slot == NONE {
            let slot = u32::try_from(self.items.len()).unwrap_or(NONE);
            assert!(slot != NONE, "fewer than 2^32 - 1 blocks wait at one node");
            self.items.push((ticket, note));
            self.next.push(NONE);
            return slot;
        }
        self.free = self.next[slot as usize];
        self.items[slot as usize] = (ticket, note);
        self.next[slot as usize] = NONE;
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{ByteCount, Weight};

    fn ticket(flow: u32, len: u64) -> Ticket {
        Ticket::new(FlowId(flow), Weight::ONE, ByteCount::new(len))
    }

    #[test]
    fn each_flow_gets_its_tickets_back_in_order() {
        let mut queues = Queues::default();
        assert!(queues.push(ticket(3, 1), ()));
        assert!(queues.push(ticket(0, 2), ()));
        assert!(!queues.push(ticket(3, 3), ()));
        assert_eq!(queues.pop(FlowId(3)), Some(ticket(3, 1)));
        assert_eq!(queues.pop(FlowId(3)), Some(ticket(3, 3)));
        assert_eq!(queues.pop(FlowId(3)), None);
        assert_eq!(queues.pop(FlowId(9)), None);
        assert_eq!(queues.len(), 1);
    }

    #[test]
    fn a_freed_slot_is_used_again_before_the_table_grows() {
        let mut queues = Queues::default();
        for round in 0..100 {
            queues.push(ticket(0, round), ());
            queues.push(ticket(1, round), ());
            assert!(queues.clear(FlowId(0)));
            queues.pop(FlowId(1));
        }
        assert_eq!(queues.items.len(), 2);
        assert!(!queues.clear(FlowId(0)));
    }
}
