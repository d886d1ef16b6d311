//! Transmissions of the block model, in a table whose rows are reused.

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::ByteCount;

use super::super::NodeIndex;
use super::super::connection::ConnectionIndex;
use super::super::topology::Path;

/// One transmission.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) id: u64,
    pub(super) from: NodeIndex,
    pub(super) to: NodeIndex,
    /// Order of sending.
    pub(super) order: u64,
    pub(super) bytes: ByteCount,
    pub(super) delay: Span,
    pub(super) connection: ConnectionIndex,
    /// The epoch of its connection when it was sent.
    pub(super) epoch: u32,
    pub(super) path: Path,
    /// Place in the path of the link that it waits for or is served by.
    pub(super) hop: u8,
    pub(super) at: Place,
    /// When the first byte came to that link.
    pub(super) first: Time,
}

/// Where a transmission is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The row is free.
    Nowhere,
    /// It waits for its connection's window.
    Window,
    /// At the link of its hop.
    Queue,
    /// Between the uplink and the next link.
    Propagation,
}

impl Slot {
    /// The link of its hop, as a place in the table of link queues.
    pub(super) fn link_queue(&self) -> u32 {
        self.path.links()[usize::from(self.hop)]
    }

    /// Whether its hop lies behind the last link.
    pub(super) fn has_arrived(&self) -> bool {
        usize::from(self.hop) == self.path.links().len()
    }
}

/// The table.
#[derive(Debug, Default)]
pub(super) struct Slots {
    rows: Vec<Slot>,
    free: Vec<u32>,
}

impl Slots {
    pub(super) fn insert(&mut self, row: Slot) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.rows[slot as usize] = row;
            return slot;
        }
        self.rows.push(row);
        u32::try_from(self.rows.len() - 1).expect("memory ends before 2^32 transmissions")
    }

    pub(super) fn release(&mut self, slot: u32) {
        self.rows[slot as usize].at = Place::Nowhere;
        self.free.push(slot);
    }

    pub(super) fn get(&self, slot: u32) -> &Slot {
        &self.rows[slot as usize]
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> &mut Slot {
        &mut self.rows[slot as usize]
    }

    /// The rows that are not free.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> + '_ {
        self.rows.iter().filter(|row| row.at != Place::Nowhere)
    }
}
