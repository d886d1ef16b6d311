//! A start-time fair queue for the tests of the uplink, as short as it gets.

use std::collections::{BTreeMap, VecDeque};

use crate::id::FlowId;
use crate::sched::{Discipline, Ticket};
use crate::time::Time;
use crate::uplink::Row;

pub(super) static FAIR: Row = Row {
    name: "fair",
    make: |_| Box::new(Fair::default()),
};

#[derive(Debug, Default)]
struct Fair {
    flows: BTreeMap<FlowId, (u128, VecDeque<Ticket>)>,
    virtual_time: u128,
}

impl Discipline for Fair {
    fn enqueue(&mut self, ticket: Ticket, _: Time) {
        let (start, queue) = self.flows.entry(ticket.flow).or_default();
        if queue.is_empty() {
            *start = (*start).max(self.virtual_time);
        }
        queue.push_back(ticket);
    }

    fn dequeue(&mut self, now: Time) -> Option<Ticket> {
        let backlogged = self
            .flows
            .iter()
            .filter(|(_, (_, queue))| !queue.is_empty());
        let (&flow, &(start, _)) = backlogged.min_by_key(|(flow, (start, _))| (*start, **flow))?;
        self.virtual_time = start;
        self.take(flow, now)
    }

    fn take(&mut self, flow: FlowId, _: Time) -> Option<Ticket> {
        let (start, queue) = self.flows.get_mut(&flow)?;
        let ticket = queue.pop_front()?;
        *start += u128::from(ticket.len.get()) * 1_000_000 / u128::from(ticket.weight.hundredths());
        Some(ticket)
    }

    fn purge(&mut self, flow: FlowId) {
        if let Some((_, queue)) = self.flows.get_mut(&flow) {
            queue.clear();
        }
    }

    fn ready_at(&self, now: Time) -> Option<Time> {
        let mut queues = self.flows.values().map(|(_, queue)| queue);
        queues.any(|queue| !queue.is_empty()).then_some(now)
    }
}
