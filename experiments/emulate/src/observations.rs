//! Bytes that moved, as the receiving nodes count them.
//!
//! They are differences of a node's counters since it started, each with the time at which it was
//! asked. A node that comes back counts from zero.

use std::collections::BTreeMap;
use std::time::Duration;

use fairhaul_client::api::Moves;

use super::item::Unit;

/// Everything that was counted so far.
#[derive(Debug, Default)]
pub(super) struct Observations {
    /// By the identity of the content.
    pub(super) units: BTreeMap<String, Unit>,
    /// Rows of the setup's peers, by the names of nodes. Under its second identity a node is
    /// called as [`alias`](super::mask::alias) says.
    names: BTreeMap<String, u32>,
    /// Bytes come and stored, by receiver, unit and what the receiver calls the sender.
    last: BTreeMap<(u32, Unit, String), (u64, u64)>,
    /// Bytes come in vain, by receiver: in its life, and in its lives before.
    wasted: BTreeMap<u32, (u64, u64)>,
    /// When each receiver was looked at last.
    looked: BTreeMap<u32, Duration>,
    pub(super) arrivals: Vec<Arrival>,
    delivered: u64,
    /// Who has trouble with what, and why; the first of them.
    pub(super) trouble: Option<(u32, Unit, String)>,
}

/// Bytes that came between two looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    /// When it was looked before and now, since the start of the run.
    pub(super) since: Duration,
    pub(super) at: Duration,
    pub(super) receiver: u32,
    pub(super) sender: u32,
    pub(super) unit: Unit,
    /// Bytes of blocks.
    pub(super) bytes: u64,
    /// Bytes of chunks that were verified.
    pub(super) stored: u64,
}

impl Observations {
    /// One that knows the rows of the setup's peers by the names of their nodes.
    pub(super) fn new(names: BTreeMap<String, u32>) -> Self {
        Self {
            names,
            ..Self::default()
        }
    }

    /// What `receiver` has counted at `at`.
    pub(super) fn look(&mut self, receiver: u32, at: Duration, moves: &Moves) {
        let since = self.looked.insert(receiver, at).unwrap_or_default();
        for row in &moves.moved {
            let unit = self.units.get(&row.content);
            let first = || self.names.get(row.peer.rsplit_once(':')?.0);
            let sender = self.names.get(&row.peer).or_else(first);
            let (Some(unit), Some(sender)) = (unit, sender) else {
                continue;
            };
            let (unit, sender) = (*unit, *sender);
            let from = (receiver, unit, row.peer.clone());
            let last = self.last.entry(from).or_default();
            // Two answers may overtake each other.
            let bytes = row.down_bytes.saturating_sub(last.0);
            let stored = row.stored_bytes.saturating_sub(last.1);
            *last = (last.0 + bytes, last.1 + stored);
            if bytes > 0 || stored > 0 {
                self.delivered += bytes;
                self.arrivals.push(Arrival {
                    since,
                    at,
                    receiver,
                    sender,
                    unit,
                    bytes,
                    stored,
                });
            }
        }
        for row in &moves.stopped {
            if let Some(unit) = self.units.get(&row.content) {
                let trouble = (receiver, *unit, row.why.clone());
                self.trouble.get_or_insert(trouble);
            }
        }
        let wasted = self.wasted.entry(receiver).or_default();
        wasted.0 = wasted.0.max(moves.wasted_bytes);
    }

    /// The process of `receiver` ended; the next one counts from zero.
    pub(super) fn ended(&mut self, receiver: u32) {
        self.last.retain(|(of, ..), _| *of != receiver);
        if let Some((now, before)) = self.wasted.get_mut(&receiver) {
            *before += std::mem::take(now);
        }
    }

    /// Bytes that came twice or for nothing.
    pub(super) fn wasted(&self, receiver: u32) -> u64 {
        self.wasted
            .get(&receiver)
            .map_or(0, |(now, before)| now + before)
    }

    /// Bytes of blocks that arrived anywhere.
    pub(super) const fn delivered(&self) -> u64 {
        self.delivered
    }
}
