//! The contents that a node takes part in, found by id or by index.
//!
//! `Have` messages are a hundred times as frequent as chunks, so whatever looks a transfer up often
//! keeps its index, which stays the same until the transfer is removed.

use std::collections::BTreeMap;

use crate::id::TransferId;
use crate::transfer::Transfer;

/// Where a transfer is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place(u32);

/// Transfers by id and by place.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    places: BTreeMap<TransferId, Place>,
    table: Vec<Option<Transfer>>,
    vacant: Vec<Place>,
}

impl Transfers {
    /// Adds a transfer under an id that is not in use.
    pub(super) fn insert(&mut self, id: TransferId, transfer: Transfer) -> Place {
        let place = self.vacant.pop().unwrap_or_else(|| {
            self.table.push(None);
            Place(u32::try_from(self.table.len() - 1).expect("each has an id, which is a u32"))
        });
        self.table[place.0 as usize] = Some(transfer);
        let before = self.places.insert(id, place);
        assert!(
            before.is_none(),
            "the shell gives each transfer an id of its own"
        );
        place
    }

    pub(super) fn remove(&mut self, id: TransferId) -> Option<Transfer> {
        let place = self.places.remove(&id)?;
        self.vacant.push(place);
        self.table[place.0 as usize].take()
    }

    pub(super) fn place(&self, id: TransferId) -> Option<Place> {
        self.places.get(&id).copied()
    }

    pub(super) fn get(&self, id: TransferId) -> Option<&Transfer> {
        Some(self.at(self.place(id)?))
    }

    pub(super) fn get_mut(&mut self, id: TransferId) -> Option<&mut Transfer> {
        Some(self.at_mut(self.place(id)?))
    }

    /// The transfer at a place that is in use.
    pub(super) fn at(&self, place: Place) -> &Transfer {
        let transfer = self.table[place.0 as usize].as_ref();
        transfer.expect("whoever keeps a place forgets it with the transfer")
    }

    /// The transfer at a place that is in use.
    pub(super) fn at_mut(&mut self, place: Place) -> &mut Transfer {
        let transfer = self.table[place.0 as usize].as_mut();
        transfer.expect("whoever keeps a place forgets it with the transfer")
    }

    /// All of them, in order of their ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = (TransferId, &Transfer)> {
        self.places.iter().map(|(id, place)| (*id, self.at(*place)))
    }
}
