//! When something is due at each link, flow or class: the earliest first, then the least number.

use fairhaul_core::indexed_heap::IndexedHeap;
use fairhaul_core::time::Time;

/// The times of numbered things.
#[derive(Debug, Default)]
pub(super) struct Due(IndexedHeap<(Time, u32)>);

impl Due {
    /// The earliest time, and whose it is.
    pub(super) fn first(&self) -> Option<(Time, u32)> {
        self.0.first().map(|(key, _)| key)
    }

    /// Gives `number` the time `at`, or none.
    pub(super) fn set(&mut self, number: u32, at: Option<Time>) {
        match at {
            Some(at) => self.0.set(number, (at, number)),
            None => self.0.remove(number),
        }
    }
}
