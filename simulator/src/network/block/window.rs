//! Connections of the block model: transmissions that wait for the window, and what is left of a
//! connection that is dropped.

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::ByteCount;

use super::super::connection::ConnectionIndex;
use super::slots::Slot;
use super::{BlockNetwork, Event, QUEUE};

impl BlockNetwork {
    /// Asks to be woken if something waits for this connection's window.
    pub(super) fn watch(&mut self, index: ConnectionIndex) {
        let epoch = self.connections.epoch(index);
        let connection = self.connections.get_mut(index);
        if let Some(at) = connection.wake_at() {
            self.events.push(
                at,
                Event::Acknowledged {
                    connection: index,
                    epoch,
                },
            );
        }
    }

    /// The window of the connection of `entry`, as its path is now: two transmissions at least, so
    /// that one is under way while the other is acknowledged.
    pub(super) fn window_of(&self, entry: &Slot) -> ByteCount {
        let links = entry.path.links().iter();
        let rates = links.filter_map(|link| self.link_queues[*link as usize].rate());
        let Some(narrowest) = rates.min() else {
            return self.window;
        };
        let round_trip = entry.delay.as_nanos().saturating_mul(2);
        let span = Span::from_nanos(round_trip.saturating_add(QUEUE.as_nanos()));
        let two = entry.bytes.saturating_add(entry.bytes);
        self.window
            .min(narrowest.bytes_in(span).saturating_add(two))
    }

    /// Admits what the window of a connection has room for.
    pub(super) fn open(&mut self, index: ConnectionIndex, now: Time) {
        while let Some(slot) = self.connections.get(index).first_waiting() {
            let entry = self.slots.get(slot);
            let (bytes, window) = (entry.bytes, self.window_of(entry));
            let connection = self.connections.get_mut(index);
            if !connection.admit(bytes, window, now) {
                break;
            }
            connection.stop_waiting();
            self.admit(slot, now);
        }
        self.watch(index);
    }

    /// What is queued or propagates is recognised by its epoch when its turn comes; what is in
    /// service now can only be at one of the links that the connection may cross.
    pub(super) fn drop_connection(&mut self, index: ConnectionIndex, now: Time) {
        let connection = self.connections.get_mut(index);
        let (from, to) = (connection.from, connection.to);
        self.live -= connection.take_live();
        for slot in self.connections.reset(index) {
            self.slots.release(slot);
        }
        let ends = [self.topology.up(from), self.topology.down(to)];
        let places: Vec<u32> = self.topology.all_shared().chain(ends).collect();
        for place in places {
            let serving = self.link_queue(place).serving();
            if let Some(slot) = serving.filter(|slot| !self.is_live(self.slots.get(*slot))) {
                self.link_queue(place).abandon(now);
                self.slots.release(slot);
                self.start(place, now, None);
            }
        }
    }

    /// Forgets the events that changes and drops left behind, when nothing is in flight.
    pub(super) fn clear_events(&mut self) {
        let slots = &mut self.slots;
        self.events.retain(|event| {
            if let Event::Arrived { slot } = event {
                slots.release(*slot);
            }
            false
        });
    }
}
