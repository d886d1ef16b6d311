//! The stream of events to clients, and the counters that go with it.

use std::sync::Arc;

use fairhaul_core::misbehaviour::Misbehaviour;
use tokio::sync::broadcast;

use crate::clock::unix_ms;
use crate::control::api::{EventKind, EventRecord, Reached, TransferDirection};
use crate::control::metrics::{Ended, Metrics};

/// The sender of events to all clients that follow the node. A clone sends to the same clients.
#[derive(Clone, Debug)]
pub(crate) struct Notifier {
    metrics: Arc<Metrics>,
    events: broadcast::Sender<EventRecord>,
}

impl Notifier {
    pub(crate) const fn new(metrics: Arc<Metrics>, events: broadcast::Sender<EventRecord>) -> Self {
        Self { metrics, events }
    }

    /// The counters for monitoring.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn tell(&self, what: EventKind) {
        let unix_ms = unix_ms();
        // Without followers there is nothing to do.
        let _ = self.events.send(EventRecord { unix_ms, what });
    }

    /// The node ends a session because of what the peer did.
    pub(crate) fn closed(&self, why: Misbehaviour) {
        self.metrics.refused(why.name());
    }

    /// A peer said something.
    pub(crate) fn text(&self, peer: String, text: String) {
        self.tell(EventKind::Text { peer, text });
    }

    /// A session has begun.
    pub(crate) fn connected(&self, peer: String, how: Reached) {
        self.metrics.connections.inc();
        self.metrics.connected.inc();
        self.tell(EventKind::Connected { peer, how });
    }

    /// A session is over.
    pub(crate) fn lost(&self, peer: String, reason: String) {
        self.metrics.connected.dec();
        self.tell(EventKind::Lost { peer, reason });
    }

    /// A caller was refused. `word` is the kind of reason, from a fixed list.
    pub(crate) fn refused(&self, from: String, word: &'static str, reason: String) {
        self.metrics.refused(word);
        self.tell(EventKind::Refused { from, reason });
    }

    /// A content began to move.
    pub(crate) fn started(&self, transfer: u32, name: String, direction: TransferDirection) {
        self.tell(EventKind::Started {
            transfer,
            name,
            direction,
        });
    }

    /// A content is whole.
    pub(crate) fn complete(
        &self,
        transfer: u32,
        name: String,
        direction: TransferDirection,
        bytes: u64,
    ) {
        self.metrics.ended(Ended::Complete);
        self.tell(EventKind::Complete {
            transfer,
            name,
            direction,
            bytes,
        });
    }

    /// A content cannot go on.
    pub(crate) fn failed(&self, transfer: u32, name: String, reason: String) {
        self.metrics.ended(Ended::Failed);
        self.tell(EventKind::Failed {
            transfer,
            name,
            reason,
        });
    }
}
