//! When something is due at each link, flow or class: a heap whose entries can be moved.
//!
//! Decides nothing but the order: by time, then by number. Refuses two entries for one number.

use fairhaul_core::time::Time;

/// Children of a heap node; four share a cache line.
const ARITY: usize = 4;
/// The place of a link without an entry.
const ABSENT: u32 = u32::MAX;

/// The earliest time of each link.
#[derive(Debug, Default)]
pub(super) struct IndexedHeap {
    heap: Vec<(Time, u32)>,
    /// For each link its place in the heap.
    places: Vec<u32>,
}

impl IndexedHeap {
    /// Makes room for links below `links`.
    pub(super) fn grow(&mut self, links: usize) {
        if links > self.places.len() {
            self.places.resize(links, ABSENT);
        }
    }

    pub(super) fn first(&self) -> Option<(Time, u32)> {
        self.heap.first().copied()
    }

    /// Gives `link` the time `at`, or none.
    pub(super) fn set(&mut self, link: u32, at: Option<Time>) {
        let place = self.places[link as usize];
        match (at, place) {
            (None, ABSENT) => {}
            (Some(at), ABSENT) => {
                self.heap.push((at, link));
                self.rise(self.heap.len() - 1);
            }
            (Some(at), place) => {
                let place = place as usize;
                let before = std::mem::replace(&mut self.heap[place].0, at);
                if at < before {
                    self.rise(place)
                } else {
                    self.sink(place)
                }
            }
            (None, place) => {
                let place = place as usize;
                self.heap.swap_remove(place);
                self.places[link as usize] = ABSENT;
                if place < self.heap.len() {
                    self.rise(place);
                    self.sink(self.places[self.heap[place].1 as usize] as usize);
                }
            }
        }
    }

    fn put(&mut self, place: usize, entry: (Time, u32)) {
        self.heap[place] = entry;
        self.places[entry.1 as usize] =
            u32::try_from(place).expect("a heap of links is no longer than their table");
    }

    fn rise(&mut self, mut place: usize) {
        let entry = self.heap[place];
        while place > 0 {
            let parent = (place - 1) / ARITY;
            if self.heap[parent] <= entry {
                break;
            }
            self.put(place, self.heap[parent]);
            place = parent;
        }
        self.put(place, entry);
    }

    fn sink(&mut self, mut place: usize) {
        let entry = self.heap[place];
        loop {
            let first = place * ARITY + 1;
            let end = (first + ARITY).min(self.heap.len());
            let Some(least) = (first..end).min_by_key(|child| self.heap[*child]) else {
                break;
            };
            if entry <= self.heap[least] {
                break;
            }
            self.put(place, self.heap[least]);
            place = least;
        }
        self.put(place, entry);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_is_the_least_of_a_map(
            steps in prop::collection::vec((0u32..40, prop::option::of(0u64..50)), 1..300)
        ) {
            let mut heap = IndexedHeap::default();
            heap.grow(40);
            let mut map = BTreeMap::new();
            for (link, at) in steps {
                let at = at.map(Time::from_nanos);
                heap.set(link, at);
                match at {
                    Some(at) => map.insert(link, at),
                    None => map.remove(&link),
                };
                let least = map.iter().map(|(link, at)| (*at, *link)).min();
                prop_assert_eq!(heap.first(), least);
            }
        }
    }
}
