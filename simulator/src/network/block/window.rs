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

    /// Whether `entry` fits the window of its connection, as its path is now; if so, counts it. The
    /// window holds two of the largest transmission under way at least, so that one crosses the
    /// narrowest link while the other is acknowledged.
    pub(super) fn fits(&mut self, entry: &Slot, now: Time) -> bool {
        let connection = self.connections.get_mut(entry.connection);
        let largest = connection.largest_with(entry.bytes, now);
        let window = self.window_of(entry, largest);
        let connection = self.connections.get_mut(entry.connection);
        connection.admit(entry.bytes, window)
    }

    fn window_of(&self, entry: &Slot, largest: ByteCount) -> ByteCount {
        let links = entry.path.links().iter();
        let rates = links.filter_map(|link| self.link_queues[*link as usize].rate());
        let Some(narrowest) = rates.min() else {
            return self.window;
        };
        let round_trip = entry.delay.as_nanos().saturating_mul(2);
        let span = Span::from_nanos(round_trip.saturating_add(QUEUE.as_nanos()));
        let two = largest.saturating_add(largest);
        self.window
            .min(narrowest.bytes_in(span).saturating_add(two))
    }

    /// Admits what the window of a connection has room for.
    pub(super) fn open(&mut self, index: ConnectionIndex, now: Time) {
        while let Some(slot) = self.connections.get(index).first_waiting() {
            let entry = *self.slots.get(slot);
            if !self.fits(&entry, now) {
                break;
            }
            self.connections.get_mut(index).stop_waiting();
            self.admit(slot, now);
        }
        self.watch(index);
    }

    /// What is queued or propagates is recognised by its epoch when its turn comes; what is in
    /// service now can only be at one of the links that the connection may cross.
    pub(super) fn drop_connection(&mut self, index: ConnectionIndex, now: Time) {
        let (from, to) = self.connections.ends(index);
        self.live -= self.connections.get_mut(index).take_live();
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
