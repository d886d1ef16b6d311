//! A bounded table that drops the row which was used least recently.

use std::collections::{BTreeMap, BTreeSet};

use crate::time::Time;

/// Values by key, with the time at which each was last touched.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    most: usize,
    rows: BTreeMap<K, (Time, V)>,
    order: BTreeSet<(Time, K)>,
}

impl<K: Ord + Copy, V> Recent<K, V> {
    /// An empty table of at most `most` rows.
    pub(super) const fn new(most: usize) -> Self {
        Self {
            most,
            rows: BTreeMap::new(),
            order: BTreeSet::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key).map(|(_, value)| value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.rows.iter().map(|(key, (_, value))| (key, value))
    }

    /// The row of `key`, made if it is new, and the latest from now on.
    pub(super) fn touch(&mut self, key: K, now: Time, make: impl FnOnce() -> V) -> &mut V {
        let value = self.remove(&key).unwrap_or_else(make);
        while self.rows.len() >= self.most.max(1) {
            let Some((_, oldest)) = self.order.pop_first() else {
                break;
            };
            self.rows.remove(&oldest);
        }
        self.order.insert((now, key));
        let row = self.rows.entry(key).or_insert((now, value));
        &mut row.1
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let (at, value) = self.rows.remove(key)?;
        self.order.remove(&(at, *key));
        Some(value)
    }

    /// Forgets the oldest rows as long as `gone` holds of them. Their keys.
    pub(super) fn forget_while(&mut self, gone: impl Fn(Time, &V) -> bool) -> Vec<K> {
        let mut forgotten = Vec::new();
        while let Some(&(at, key)) = self.order.first() {
            let row = self.rows.get(&key);
            if row.is_some_and(|(_, value)| !gone(at, value)) {
                break;
            }
            self.remove(&key);
            forgotten.push(key);
        }
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_table_forgets_whoever_was_named_longest_ago() {
        let mut table = Recent::new(2);
        let at = Time::from_nanos;
        table.touch(1, at(1), || 'a');
        table.touch(2, at(2), || 'b');
        table.touch(1, at(3), || 'c');
        table.touch(3, at(4), || 'd');
        let rows: Vec<(i32, char)> = table.iter().map(|(key, value)| (*key, *value)).collect();
        assert_eq!(rows, [(1, 'a'), (3, 'd')]);
        table.forget_while(|time, _| time < at(4));
        assert_eq!((table.len(), table.get(&3)), (1, Some(&'d')));
        assert_eq!(table.remove(&3), Some('d'));
        assert_eq!(table.remove(&3), None);
    }
}
