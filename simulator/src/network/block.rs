//! The block model: every link serves one transmission at a time.
//!
//! An uplink serves in the order of [`Network::send`], which is the order that the node's
//! discipline chose; then comes the propagation delay; then each shared link and the downlink
//! serve in the order in which last bytes arrive. A service is cut-through, see `server`: on an
//! idle path a block takes the time of its slowest link, not the sum.
//!
//! Window:    a connection has at most [`BlockNetwork::window`] bytes between the start of
//!            their service and their acknowledgement, one delay after delivery, and no more than
//!            keep the narrowest link of its path busy for a round trip and `QUEUE`. What does
//!            not fit waits beside the uplink, which serves others meanwhile, and returns to its
//!            place in the order of sending.
//! Dropped:   what is in service gives the link free at once; what a link had carried of it
//!            stays carried, and is not counted in [`Carried`].
//! Refuses:   loss and reordering within a connection.

mod link_queue;
mod slots;
#[cfg(test)]
mod tests;
mod window;

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate};

use self::link_queue::LinkQueue;
use self::slots::{Place, Slot, Slots};
use super::connection::{ConnectionIndex, Connections};
use super::topology::Topology;
use super::{
    BYTES_MAX, Carried, HORIZON, Link, Network, NodeIndex, Outcome, RegionIndex, SharedIndex,
    Transmission, Violation, Waiting,
};
use crate::event_queue::EventQueue;

/// Window of a connection unless another is given: what 1 Gbit/s needs over 32 ms.
pub const WINDOW: ByteCount = ByteCount::mib(4);

/// How long a connection's queue at its narrowest link lasts at most, besides two transmissions:
/// what a managed queue keeps. A window in bytes alone would be seconds of a slow link: all that a
/// receiver has asked for would stand there, where no discipline orders it.
pub(crate) const QUEUE: Span = Span::from_millis(20);

/// Links that serve one transmission at a time. See the module.
#[derive(Debug)]
pub struct BlockNetwork {
    window: ByteCount,
    topology: Topology,
    link_queues: Vec<LinkQueue>,
    connections: Connections,
    slots: Slots,
    /// Transmissions that have neither arrived nor been dropped.
    live: usize,
    events: EventQueue<Event>,
    next_order: u64,
    carried: Vec<Carried>,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    /// A service of a link queue ends.
    Served { link_queue: u32, service: u32 },
    /// A last byte has crossed the distance.
    Arrived { slot: u32 },
    /// A connection's oldest bytes are acknowledged, and something waits for that.
    Acknowledged {
        connection: ConnectionIndex,
        epoch: u32,
    },
}

impl BlockNetwork {
    /// A network without nodes, in which a connection has at most `window` bytes in flight.
    #[must_use]
    pub fn new(window: ByteCount) -> Self {
        Self {
            window,
            topology: Topology::default(),
            link_queues: Vec::new(),
            connections: Connections::default(),
            slots: Slots::default(),
            live: 0,
            events: EventQueue::default(),
            next_order: 0,
            carried: Vec::new(),
        }
    }

    /// The most bytes of a connection between the start of their service and their
    /// acknowledgement; a single transmission may be larger.
    #[must_use]
    pub const fn window(&self) -> ByteCount {
        self.window
    }

    fn add_link_queue(&mut self, link: Link, rate: Option<Rate>) -> u32 {
        let place = u32::try_from(self.link_queues.len()).expect("memory ends before 2^32 links");
        self.link_queues.push(LinkQueue::new(link, rate));
        place
    }

    fn link_queue(&mut self, place: u32) -> &mut LinkQueue {
        &mut self.link_queues[place as usize]
    }

    fn set_rate(&mut self, place: u32, rate: Option<Rate>, now: Time) {
        let end = self.link_queue(place).set_rate(rate, now);
        self.announce(place, end);
    }

    fn announce(&mut self, place: u32, end: Option<Time>) {
        let service = self.link_queue(place).service();
        if let Some(end) = end {
            let event = Event::Served {
                link_queue: place,
                service,
            };
            self.events.push(end, event);
        }
    }

    fn is_live(&self, slot: &Slot) -> bool {
        self.connections.epoch(slot.connection) == slot.epoch
    }

    /// Lets a transmission that the window admitted queue at its uplink.
    fn admit(&mut self, slot: u32, now: Time) {
        let entry = self.slots.get_mut(slot);
        entry.at = Place::Queue;
        let (place, order) = (entry.link_queue(), entry.order);
        self.link_queue(place).enqueue(order, slot);
        self.start(place, now, None);
    }

    /// A last byte has reached the link at the transmission's present place in its path.
    fn arrive(&mut self, slot: u32, now: Time, out: &mut Vec<Outcome>) {
        let entry = self.slots.get_mut(slot);
        entry.at = Place::Queue;
        let (place, order) = (entry.link_queue(), self.next_order);
        self.next_order += 1;
        self.link_queue(place).enqueue(order, slot);
        self.start(place, now, Some(out));
    }

    /// Begins services at a free link queue until one lasts. Services that end at once, because
    /// the bytes trickled in or the link is unlimited, are finished here if there is somewhere
    /// to put their outcome, and announced for this very time if not.
    fn start(&mut self, place: u32, now: Time, mut out: Option<&mut Vec<Outcome>>) {
        while let Some(slot) = self.link_queue(place).dequeue() {
            let entry = *self.slots.get(slot);
            if !self.is_live(&entry) {
                self.slots.release(slot);
                continue;
            }
            let first = if entry.hop == 0 { now } else { entry.first };
            let end = self.link_queue(place).begin(slot, entry.bytes, first, now);
            match &mut out {
                Some(out) if end == Some(now) => self.finish(place, now, out),
                _ => self.announce(place, end),
            }
        }
    }

    /// Ends the present service of a link queue and sends the bytes on.
    fn finish(&mut self, place: u32, now: Time, out: &mut Vec<Outcome>) {
        let link_queue = &mut self.link_queues[place as usize];
        let slot = link_queue.finish();
        let entry = self.slots.get_mut(slot);
        // The first byte left as its service began: that is when the next link may begin.
        entry.first = link_queue.account(entry.bytes, now);
        let sending = entry.hop == 0;
        entry.hop += 1;
        if entry.has_arrived() {
            self.deliver(slot, now, out);
        } else if sending {
            self.depart(slot, now, out);
        } else {
            self.arrive(slot, now, out);
        }
    }

    /// A last byte has left its uplink.
    fn depart(&mut self, slot: u32, now: Time, out: &mut Vec<Outcome>) {
        let entry = self.slots.get_mut(slot);
        entry.at = Place::Propagation;
        entry.first = entry.first.saturating_add(entry.delay);
        self.carried[entry.from.index()].up += entry.bytes;
        out.push(Outcome::Sent(entry.id));
        let at = now.saturating_add(entry.delay);
        if at == now {
            self.arrive(slot, now, out);
        } else {
            self.events.push(at, Event::Arrived { slot });
        }
    }

    fn deliver(&mut self, slot: u32, now: Time, out: &mut Vec<Outcome>) {
        let entry = *self.slots.get(slot);
        out.push(Outcome::Delivered(entry.id));
        self.carried[entry.to.index()].down += entry.bytes;
        let connection = self.connections.get_mut(entry.connection);
        connection.remove_live();
        connection.acknowledge(entry.bytes, now.saturating_add(entry.delay));
        self.live -= 1;
        self.slots.release(slot);
        self.watch(entry.connection);
    }
}

impl Default for BlockNetwork {
    fn default() -> Self {
        Self::new(WINDOW)
    }
}

impl Network for BlockNetwork {
    fn add_node(&mut self, up: Option<Rate>, down: Option<Rate>) -> NodeIndex {
        let count = u32::try_from(self.carried.len()).expect("memory ends before 2^32 nodes");
        let up = self.add_link_queue(Link::Up(NodeIndex(count)), up);
        let down = self.add_link_queue(Link::Down(NodeIndex(count)), down);
        self.connections.add_node();
        self.carried.push(Carried::default());
        self.topology.add_node(up, down)
    }

    fn set_capacity(&mut self, node: NodeIndex, up: Option<Rate>, down: Option<Rate>, now: Time) {
        self.set_rate(self.topology.up(node), up, now);
        self.set_rate(self.topology.down(node), down, now);
    }

    fn add_shared(&mut self, capacity: Option<Rate>) -> SharedIndex {
        let count = u32::try_from(self.topology.all_shared().count()).expect("counted in u32");
        let place = self.add_link_queue(Link::Shared(SharedIndex(count)), capacity);
        self.topology.add_shared(place)
    }

    fn set_shared(&mut self, link: SharedIndex, capacity: Option<Rate>, now: Time) {
        self.set_rate(self.topology.shared(link), capacity, now);
    }

    fn set_region(&mut self, node: NodeIndex, region: RegionIndex) {
        self.topology.set_region(node, region);
    }

    fn set_route(&mut self, from: RegionIndex, to: RegionIndex, shared: &[SharedIndex]) {
        self.topology.set_route(from, to, shared);
    }

    fn send(&mut self, transmission: Transmission, now: Time) -> bool {
        let Transmission {
            id,
            from,
            to,
            bytes,
            delay,
            ..
        } = transmission;
        assert!(
            bytes <= BYTES_MAX,
            "a transmission of {bytes}, above {BYTES_MAX}"
        );
        if self.live == 0 && !self.events.is_empty() {
            self.clear_events();
        }
        let path = self.topology.path(from, to);
        let index = self.connections.find_or_add(from, to);
        let epoch = self.connections.epoch(index);
        self.live += 1;
        let order = self.next_order;
        self.next_order += 1;
        let entry = Slot {
            id,
            from,
            to,
            order,
            bytes,
            delay,
            connection: index,
            epoch,
            path,
            hop: 0,
            at: Place::Window,
            first: now,
        };
        let waits = self.connections.get(index).first_waiting().is_some();
        let admitted = !waits && self.fits(&entry, now);
        self.connections.get_mut(index).add_live();
        let slot = self.slots.insert(entry);
        if admitted {
            self.admit(slot, now);
        } else {
            self.connections.get_mut(index).wait(slot);
            self.watch(index);
        }
        admitted
    }

    fn is_full(&self, from: NodeIndex, to: NodeIndex) -> bool {
        let index = self.connections.find(from, to);
        index.is_some_and(|index| self.connections.get(index).first_waiting().is_some())
    }

    fn drop_node(&mut self, node: NodeIndex, now: Time) {
        for index in self.connections.of(node) {
            self.drop_connection(index, now);
        }
    }

    fn drop_pair(&mut self, from: NodeIndex, to: NodeIndex, now: Time) {
        if let Some(index) = self.connections.find(from, to) {
            self.drop_connection(index, now);
        }
    }

    fn drop_flow(&mut self, _from: NodeIndex, _to: NodeIndex, _flow: u32, _now: Time) {}

    fn next_event(&mut self) -> Option<Time> {
        if self.live == 0 {
            return None;
        }
        self.events.peek_time().filter(|at| *at <= HORIZON)
    }

    fn advance(&mut self, now: Time, out: &mut Vec<Outcome>) {
        while self.live > 0
            && let Some(at) = self.events.peek_time().filter(|at| *at <= now)
        {
            assert_eq!(at, now, "what was to happen before was passed over");
            let Some((_, event)) = self.events.pop() else {
                return;
            };
            match event {
                Event::Served {
                    link_queue,
                    service,
                } => {
                    if self.link_queue(link_queue).service() == service {
                        self.finish(link_queue, now, out);
                        self.start(link_queue, now, Some(out));
                    }
                }
                Event::Arrived { slot } => {
                    if self.is_live(self.slots.get(slot)) {
                        self.arrive(slot, now, out);
                    } else {
                        self.slots.release(slot);
                    }
                }
                Event::Acknowledged { connection, epoch } => {
                    if self.connections.epoch(connection) == epoch {
                        self.connections.get_mut(connection).wake();
                        self.open(connection, now);
                    }
                }
            }
        }
    }

    fn check(&self, now: Time) -> Result<(), Violation> {
        for link_queue in &self.link_queues {
            let link = link_queue.link;
            if let Some(at) = link_queue.over_capacity() {
                return Err(Violation::OverCapacity { link, at });
            }
            if link_queue.is_idle_with_work() {
                return Err(Violation::Idle { link, at: now });
            }
        }
        Ok(())
    }

    fn carried(&self, node: NodeIndex) -> Carried {
        self.carried[node.index()]
    }

    fn waiting(&self) -> Vec<Waiting> {
        let live = self.slots.iter().filter(|slot| self.is_live(slot));
        let mut live: Vec<&Slot> = live.collect();
        live.sort_unstable_by_key(|slot| slot.order);
        let tell = |slot: &Slot| Waiting {
            id: slot.id,
            from: slot.from,
            to: slot.to,
            link: (slot.at == Place::Queue)
                .then(|| self.link_queues[slot.link_queue() as usize].link),
        };
        live.into_iter().map(tell).collect()
    }
}
