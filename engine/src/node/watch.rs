//! What is counted and told: metrics, events, rates.
//!
//! Decides nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use fairhaul_core::id::PeerId;
use fairhaul_core::misbehaviour::Misbehaviour;
use tokio::sync::broadcast;

use super::free_space::FreeSpace;
use super::history::RateHistory;
use crate::clock::unix_ms;
use crate::control::api::{Direction, Event, Happening, Reached};
use crate::control::metrics::{Ended, Metrics};

/// Counters of a node, and who follows it.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) metrics: Arc<Metrics>,
    events: broadcast::Sender<Event>,
    pub(crate) history: RateHistory,
    pub(crate) free_space: FreeSpace,
    /// Bytes up and down by peer and content, and a second ago.
    flows: BTreeMap<(PeerId, u32), Flow>,
    /// Bytes that came twice or for nothing.
    pub(crate) wasted: u64,
    /// What went wrong with a content and was survived.
    troubles: BTreeMap<u32, String>,
}

/// One peer's part of a content.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flow {
    pub(crate) up: u64,
    pub(crate) down: u64,
    /// Verified and written.
    pub(crate) stored: u64,
    before: (u64, u64),
    rate: (u64, u64),
}

impl Watch {
    /// What a node counts whose data are in `folder`.
    pub(crate) fn new(
        metrics: Arc<Metrics>,
        events: broadcast::Sender<Event>,
        folder: PathBuf,
    ) -> Self {
        Self {
            metrics,
            events,
            history: RateHistory::default(),
            free_space: FreeSpace::new(folder),
            flows: BTreeMap::new(),
            wasted: 0,
            troubles: BTreeMap::new(),
        }
    }

    fn tell(&self, what: Happening) {
        let unix_ms = unix_ms();
        // Nobody follows: nobody minds.
        let _ = self.events.send(Event { unix_ms, what });
    }

    pub(crate) fn moved(&mut self, peer: PeerId, number: u32, up: u64, down: u64) {
        let flow = self.flows.entry((peer, number)).or_default();
        flow.up += up;
        flow.down += down;
    }

    /// A chunk from a peer was verified and written.
    pub(crate) fn stored(&mut self, peer: PeerId, number: u32, bytes: u64) {
        self.flows.entry((peer, number)).or_default().stored += bytes;
    }

    /// A second has passed.
    pub(crate) fn second(&mut self) {
        for flow in self.flows.values_mut() {
            flow.rate = (flow.up - flow.before.0, flow.down - flow.before.1);
            flow.before = (flow.up, flow.down);
        }
        self.free_space.second();
    }

    /// Bytes per second up and down over the last second.
    pub(crate) fn rates(&self, peer: PeerId, number: u32) -> (u64, u64) {
        self.flows
            .get(&(peer, number))
            .map_or((0, 0), |flow| flow.rate)
    }

    /// Bytes up and down by peer and content since the node started.
    pub(crate) fn flows(&self) -> impl Iterator<Item = (PeerId, u32, Flow)> {
        let flows = self.flows.iter();
        flows.map(|(&(peer, number), &flow)| (peer, number, flow))
    }

    /// Peers that sent something of a content.
    pub(crate) fn senders(&self, number: u32) -> Vec<PeerId> {
        let sent = self
            .flows
            .iter()
            .filter(|((_, of), flow)| *of == number && flow.down > 0);
        sent.map(|(&(peer, _), _)| peer).collect()
    }

    pub(crate) fn closed(&self, why: Misbehaviour) {
        self.metrics.refused(why.name());
    }

    pub(crate) fn text(&self, peer: String, text: String) {
        self.tell(Happening::Text { peer, text });
    }

    pub(crate) fn connected(&self, peer: String, how: Reached) {
        self.metrics.connections.inc();
        self.metrics.connected.inc();
        self.tell(Happening::Connected { peer, how });
    }

    pub(crate) fn lost(&self, peer: String, reason: String) {
        self.metrics.connected.dec();
        self.tell(Happening::Lost { peer, reason });
    }

    pub(crate) fn refused(&self, from: String, word: &'static str, reason: String) {
        self.metrics.refused(word);
        self.tell(Happening::Refused { from, reason });
    }

    pub(crate) fn started(&self, transfer: u32, name: String, direction: Direction) {
        self.tell(Happening::Started {
            transfer,
            name,
            direction,
        });
    }

    pub(crate) fn complete(
        &mut self,
        transfer: u32,
        name: String,
        direction: Direction,
        bytes: u64,
    ) {
        self.troubles.remove(&transfer);
        self.metrics.ended(Ended::Complete);
        self.tell(Happening::Complete {
            transfer,
            name,
            direction,
            bytes,
        });
    }

    pub(crate) fn failed(&mut self, transfer: u32, name: String, reason: String) {
        self.metrics.ended(Ended::Failed);
        self.tell(Happening::Failed {
            transfer,
            name,
            reason,
        });
    }

    pub(crate) fn trouble(&mut self, transfer: u32, what: String) {
        self.troubles.insert(transfer, what);
    }

    pub(crate) fn trouble_of(&self, transfer: u32) -> Option<String> {
        self.troubles.get(&transfer).cloned()
    }

    /// A content is over: its flows are forgotten.
    pub(crate) fn forget(&mut self, number: u32) {
        self.flows.retain(|(_, of), _| *of != number);
        self.troubles.remove(&number);
    }
}
