//! One link of the block model and its queue: next is the transmission with the least order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fairhaul_core::time::Time;
use fairhaul_core::units::{ByteCount, Rate};

use super::super::Link;
use super::super::server::Server;

/// A link, its queue and its present service.
#[derive(Debug)]
pub(super) struct LinkQueue {
    pub(super) link: Link,
    server: Server,
    /// By order: of sending at an uplink, of arrival elsewhere.
    queue: BinaryHeap<Reverse<(u64, u32)>>,
    serving: Option<u32>,
    /// Number of the present service; what carries an older one was overtaken by a change.
    service: u32,
}

impl LinkQueue {
    pub(super) fn new(link: Link, rate: Option<Rate>) -> Self {
        Self {
            link,
            server: Server::new(rate),
            queue: BinaryHeap::new(),
            serving: None,
            service: 0,
        }
    }

    pub(super) fn rate(&self) -> Option<Rate> {
        self.server.rate()
    }

    pub(super) fn enqueue(&mut self, order: u64, slot: u32) {
        self.queue.push(Reverse((order, slot)));
    }

    /// The next one to serve, if the link is free.
    pub(super) fn dequeue(&mut self) -> Option<u32> {
        if self.serving.is_some() {
            return None;
        }
        self.queue.pop().map(|Reverse((_, slot))| slot)
    }

    pub(super) fn serving(&self) -> Option<u32> {
        self.serving
    }

    pub(super) fn service(&self) -> u32 {
        self.service
    }

    /// Begins a service, whose first byte came at `first`. Gives its end, if it has one.
    pub(super) fn begin(
        &mut self,
        slot: u32,
        bytes: ByteCount,
        first: Time,
        now: Time,
    ) -> Option<Time> {
        self.serving = Some(slot);
        self.service = self.service.wrapping_add(1);
        self.server.begin(bytes, first, now)
    }

    /// Changes the rate, also of the present service. Gives its new end, if it has one.
    pub(super) fn set_rate(&mut self, rate: Option<Rate>, now: Time) -> Option<Time> {
        self.service = self.service.wrapping_add(1);
        self.server.set_rate(rate, self.serving.is_some(), now)
    }

    /// Takes out what is in service, whose end has come.
    pub(super) fn finish(&mut self) -> u32 {
        self.serving.take().expect("a service that ends has begun")
    }

    /// Counts what was taken out. Gives when its service began.
    pub(super) fn account(&mut self, bytes: ByteCount, now: Time) -> Time {
        self.server.finish(bytes, now);
        self.server.started()
    }

    /// Gives up the present service.
    pub(super) fn abandon(&mut self, now: Time) {
        self.service = self.service.wrapping_add(1);
        self.serving = None;
        self.server.abandon(now);
    }

    /// Whether something waits that the link could serve.
    pub(super) fn is_idle_with_work(&self) -> bool {
        self.serving.is_none() && !self.queue.is_empty()
    }

    /// When the link was first seen to carry too much.
    pub(super) fn over_capacity(&self) -> Option<Time> {
        self.server.over_capacity()
    }
}
