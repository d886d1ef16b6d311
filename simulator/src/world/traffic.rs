//! The traffic of the links: messages that were sent, blocks that have left and have arrived. A
//! network that invents any is a fault.

use fairhaul_core::id::PeerId;
use fairhaul_core::message::Message;
use fairhaul_core::node::Input;
use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Weight};
use fairhaul_core::uplink::Block;

use super::{Event, Flight, RunError, World, index};
use crate::host::Connection;
use crate::network::{NodeIndex, Outcome, Transmission};

impl World<'_> {
    /// Gives a block to the network. False if its connection takes no more for now.
    pub(super) fn upload(&mut self, host: u32, block: Block) -> bool {
        let connection = self.hosts[host as usize].links[block.peer.index()];
        let (to, generation) = (connection.host, connection.generation);
        let flight = Flight {
            from: host,
            to,
            generation,
            block,
            sent: false,
            live: true,
            then: Vec::new(),
        };
        self.checks.handed(host, &block);
        let id = self.free.pop().unwrap_or(self.flights.len() as u64);
        match self.flights.get_mut(index(id)) {
            Some(place) => *place = flight,
            None => self.flights.push(flight),
        }
        self.hosts[host as usize].links[block.peer.index()].last = id;
        let node = self.hosts[host as usize].node.as_ref();
        let granted = node.map_or(Weight::ONE, |node| node.uplink().granted(block.peer));
        let weight = self.setup.peers[to as usize].weight.times(granted);
        let remaining = self.remaining(to, &block);
        let delay = self.delay(host, to);
        let (from, to) = (NodeIndex(host), NodeIndex(to));
        self.network.send(
            Transmission {
                id,
                from,
                to,
                flow: block.transfer.0,
                bytes: block.len,
                remaining,
                weight,
                delay,
            },
            self.now,
        )
    }

    /// One-way delay between two hosts.
    pub(super) fn delay(&self, from: u32, to: u32) -> Span {
        let region = |host: u32| self.regions[host as usize];
        self.setup.latency.between(region(from), region(to))
    }

    /// Bytes that a peer has still to be sent of what a block belongs to, the block included.
    fn remaining(&mut self, to: u32, block: &Block) -> ByteCount {
        if let Some(row) = self.counters.row_of(block.transfer.0) {
            let unsent = &mut self.unsent[row as usize];
            let remaining = *unsent;
            *unsent = unsent.saturating_sub(block.len.get());
            return ByteCount::new(remaining).max(block.len);
        }
        if self.deliveries.own(block.transfer) {
            return block.len;
        }
        let node = self.hosts[to as usize].node.as_ref();
        let had = node.and_then(|node| node.had(block.transfer));
        let manifest = self.manifest(block.transfer.0);
        let held = had.map_or(0, |had| u64::from(had.count()) * manifest.chunk().get());
        let lacking = manifest.bytes().get().saturating_sub(held);
        ByteCount::new(lacking).max(block.len)
    }

    /// Takes what the network has to say now.
    pub(super) fn network_event(&mut self) -> Result<(), RunError> {
        if self.network_at != Some(self.now) {
            return Ok(());
        }
        self.network_at = None;
        let mut outcomes = std::mem::take(&mut self.outcomes);
        self.network.advance(self.now, &mut outcomes);
        for outcome in outcomes.drain(..) {
            self.outcome(outcome)?;
        }
        self.outcomes = outcomes;
        Ok(())
    }

    fn outcome(&mut self, outcome: Outcome) -> Result<(), RunError> {
        let (Outcome::Sent(id) | Outcome::Delivered(id)) = outcome;
        let flight = &mut self.flights[index(id)];
        if !flight.live || flight.sent == matches!(outcome, Outcome::Sent(_)) {
            return Err(RunError::Invented { at: self.now, id });
        }
        flight.sent = true;
        let flight = flight.clone();
        let Block {
            peer,
            transfer,
            chunk,
            offset,
            len,
            ..
        } = flight.block;
        self.livelock.moved(len);
        let facts = [
            (u64::from(transfer.0) << 32) | u64::from(chunk.get()),
            offset.get(),
        ];
        if outcome == Outcome::Sent(id) {
            self.trace.event(self.now, 3, flight.from, flight.to, facts);
            self.checks.sent(flight.from, &flight.block);
            if let Some(row) = self.counters.row_of(transfer.0) {
                self.ideal.sent(row, len, self.now);
            }
            self.tell(flight.from, Input::Sent { peer, len });
            // What was given to it later may still wait for its window.
            let ends = [flight.from, flight.to].map(NodeIndex);
            if self.network.is_full(ends[0], ends[1]) {
                self.tell(flight.from, Input::Stalled { peer });
            }
            return Ok(());
        }
        self.checks.arrived(flight.to, &flight.block);
        let then = self.release(id);
        let connection = self.hosts[flight.from as usize].links[peer.index()];
        if !connection.up || connection.generation != flight.generation {
            return Ok(());
        }
        self.moved_at = self.now;
        self.trace.event(self.now, 4, flight.from, flight.to, facts);
        self.counters
            .delivered_block(flight.to, transfer.0, len, self.now);
        let message = Message::Block {
            transfer,
            chunk: chunk.get(),
            offset,
            len,
        };
        self.hear(flight.to, connection.back, message);
        for (at, message) in then {
            // The block may have left long before: no word is faster than the link's delay, or a
            // refusal would be heard before the choke that it follows.
            self.arrive(flight.from, connection, message, at.max(self.now));
        }
        Ok(())
    }

    /// A block is not on its way any more. Returns what was said behind it.
    pub(super) fn release(&mut self, id: u64) -> Vec<(Time, Message)> {
        let flight = &mut self.flights[index(id)];
        flight.live = false;
        self.free.push(id);
        std::mem::take(&mut flight.then)
    }

    /// Keeps one event in the queue for the next thing that the network does.
    pub(super) fn watch_network(&mut self) {
        let next = self.network.next_event();
        if next != self.network_at
            && let Some(at) = next
        {
            self.queue.push(at.max(self.now), Event::Network);
        }
        self.network_at = next.map(|at| at.max(self.now));
    }

    /// Sends a message over a connection that is up.
    pub(super) fn say(&mut self, host: u32, peer: PeerId, message: Message) {
        let connection = self.hosts[host as usize].links[peer.index()];
        if !connection.up {
            return;
        }
        // A stream keeps its order: the word that no more of a chunk comes is behind its blocks,
        // and what is said after that word behind it. Other messages are as right before a block.
        let is_ours = |flight: &Flight| {
            flight.live
                && (flight.from, flight.to) == (host, connection.host)
                && flight.generation == connection.generation
        };
        let refuses = matches!(message, Message::Reject { .. });
        let at = self.now + self.delay(host, connection.host);
        for (id, takes) in [(connection.refused, false), (connection.last, refuses)] {
            let flight = self.flights.get_mut(index(id));
            let flight = flight.filter(|flight| is_ours(flight));
            if let Some(flight) = flight.filter(|flight| takes || !flight.then.is_empty()) {
                flight.then.push((at, message));
                self.hosts[host as usize].links[peer.index()].refused = id;
                return;
            }
        }
        self.arrive(host, connection, message, at);
    }

    /// A message arrives at the other end of a connection of `from`, unless that ends before.
    pub(super) fn arrive(&mut self, from: u32, connection: Connection, message: Message, at: Time) {
        let Connection {
            host: to,
            back: peer,
            generation,
            ..
        } = connection;
        let event = Event::Message {
            from,
            to,
            peer,
            generation,
            message,
        };
        self.queue.push(at, event);
    }
}
