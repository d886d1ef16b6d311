//! A heap of numbered items by a key, with the place of each item kept, so that a key can be
//! changed and an item taken out.
//!
//! Disciplines order flows with it, the simulator's fluid its links. The order of items with equal
//! keys is unspecified: whoever wants ties broken puts what breaks them into the key. Four children
//! to a node: half the levels of a binary heap, and the children of a node lie side by side.

/// Children of a node.
const ARITY: usize = 4;
/// Not in the heap.
const ABSENT: u32 = u32::MAX;

/// Items in the order of their keys.
#[derive(Debug)]
pub struct IndexedHeap<K> {
    keys: Vec<K>,
    /// The item of each key.
    items: Vec<u32>,
    /// Where each item is in `keys`.
    place: Vec<u32>,
}

/// An item and its key, on the way to their place.
#[derive(Clone, Copy)]
struct Entry<K> {
    key: K,
    item: u32,
}

impl<K> Default for IndexedHeap<K> {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            items: Vec::new(),
            place: Vec::new(),
        }
    }
}

impl<K: Ord + Copy> IndexedHeap<K> {
    /// The item with the least key, and that key.
    #[must_use]
    pub fn first(&self) -> Option<(K, u32)> {
        Some((*self.keys.first()?, self.items[0]))
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether `item` is in it.
    #[must_use]
    pub fn contains(&self, item: u32) -> bool {
        self.place
            .get(item as usize)
            .is_some_and(|&place| place != ABSENT)
    }

    /// Puts `item` where `key` belongs, whether it was in the heap or not. Items are dense: the
    /// heap has a table as long as the greatest.
    ///
    /// # Panics
    ///
    /// Never: as many entries as items, and those count in 32 bits.
    pub fn set(&mut self, item: u32, key: K) {
        let index = item as usize;
        if index >= self.place.len() {
            self.place.resize(index + 1, ABSENT);
        }
        let new = Entry { key, item };
        let place = self.place[index];
        if place == ABSENT {
            self.keys.push(key);
            self.items.push(item);
            self.rise(self.keys.len() - 1, new);
            return;
        }
        let place = place as usize;
        if key > self.keys[place] {
            self.sink(place, new);
        } else {
            self.rise(place, new);
        }
    }

    /// Takes `item` out, if it is in.
    ///
    /// # Panics
    ///
    /// Never: there are as many items as keys.
    pub fn remove(&mut self, item: u32) {
        if !self.contains(item) {
            return;
        }
        let place = self.place[item as usize] as usize;
        self.place[item as usize] = ABSENT;
        let last = Entry {
            key: self.keys.pop().expect("an item is in the heap"),
            item: self.items.pop().expect("as many items as keys"),
        };
        if place == self.keys.len() {
            return;
        }
        if last.key > self.keys[place] {
            self.sink(place, last);
        } else {
            self.rise(place, last);
        }
    }

    fn put(&mut self, place: usize, entry: Entry<K>) {
        self.keys[place] = entry.key;
        self.items[place] = entry.item;
        self.place[entry.item as usize] =
            u32::try_from(place).expect("as many entries as items, and those count in 32 bits");
    }

    /// Moves what is at `from` to `to`, where nothing is that is still needed.
    fn shift(&mut self, from: usize, to: usize) {
        let (key, item) = (self.keys[from], self.items[from]);
        self.put(to, Entry { key, item });
    }

    fn rise(&mut self, mut place: usize, entry: Entry<K>) {
        while place > 0 {
            let parent = (place - 1) / ARITY;
            if self.keys[parent] <= entry.key {
                break;
            }
            self.shift(parent, place);
            place = parent;
        }
        self.put(place, entry);
    }

    fn sink(&mut self, mut place: usize, entry: Entry<K>) {
        while let Some((child, least)) = self.least_child(place) {
            if entry.key <= least {
                break;
            }
            self.shift(child, place);
            place = child;
        }
        self.put(place, entry);
    }

    /// The child of `place` with the least key, and that key.
    fn least_child(&self, place: usize) -> Option<(usize, K)> {
        let first = place * ARITY + 1;
        let children = self.keys.get(first..)?;
        let Some(&[a, b, c, d]) = children.first_chunk() else {
            let keys = children.iter().copied();
            return (first..).zip(keys).min_by_key(|&(_, key)| key);
        };
        // Two and two, and then the winners: which child is least is anybody's guess, and
        // selections without a jump cannot be guessed wrongly.
        let left = if b < a { (first + 1, b) } else { (first, a) };
        let right = if d < c {
            (first + 3, d)
        } else {
            (first + 2, c)
        };
        Some(if right.1 < left.1 { right } else { left })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Items come, change their keys and go; the first is always the least of a map.
        #[test]
        fn the_heap_agrees_with_a_sorted_map(
            steps in prop::collection::vec((0_u32..40, prop::option::of(0_u64..50)), 1..300)
        ) {
            let (mut heap, mut map) = (IndexedHeap::default(), BTreeMap::new());
            for (item, key) in steps {
                if let Some(key) = key {
                    heap.set(item, (key, item));
                    map.insert(item, key);
                } else {
                    heap.remove(item);
                    map.remove(&item);
                }
                let least = map.iter().map(|(item, key)| ((*key, *item), *item)).min();
                prop_assert_eq!(heap.first(), least);
                prop_assert_eq!(heap.is_empty(), map.is_empty());
                prop_assert!((0..50).all(|item| heap.contains(item) == map.contains_key(&item)));
            }
        }
    }
}
