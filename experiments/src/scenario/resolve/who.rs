//! Which peers a name means: one peer, or all of a class.
//!
//! Decides that `small` is a class and `small.3` its third peer; refuses names that two
//! things would have.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::bad::BadInput;
use super::super::check::unknown;
use super::super::reader::At;

/// The names of peers and classes, and their rows in the setup.
#[derive(Debug, Default)]
pub(super) struct Who {
    rows: BTreeMap<String, Range<u32>>,
}

impl Who {
    /// Gives `name` the peers of `rows`.
    pub(super) fn add(&mut self, at: &At<'_>, rows: Range<u32>) -> Result<(), BadInput> {
        let name = at.name()?;
        let member = |known: &String| {
            let index = known
                .strip_prefix(name)
                .and_then(|rest| rest.strip_prefix('.'));
            let index = index.and_then(|index| index.parse::<u32>().ok());
            index.is_some_and(|index| (1..=rows.end - rows.start).contains(&index))
        };
        let taken = self
            .rows
            .keys()
            .find(|known| *known == name || member(known));
        if let Some(taken) = taken {
            let what = format!("gives a peer the name of another, {taken:?}");
            return Err(at.bad(what, "a name of its own for each peer and class"));
        }
        self.rows.insert(name.to_owned(), rows);
        Ok(())
    }

    /// The peers that `name` means.
    pub(super) fn find(&self, name: &str) -> Option<Range<u32>> {
        if let Some(rows) = self.rows.get(name) {
            return Some(rows.clone());
        }
        let (class, index) = name.rsplit_once('.')?;
        let rows = self.rows.get(class)?;
        let index: u32 = index.parse().ok()?;
        let row = rows.start.checked_add(index.checked_sub(1)?)?;
        rows.contains(&row).then(|| row..row + 1)
    }

    /// The peers that the names under `at` mean, in their order, none twice.
    pub(super) fn all(&self, at: &At<'_>) -> Result<Vec<u32>, BadInput> {
        let mut found = Vec::new();
        for at in at.one_or_more("a name or a list of names")? {
            let name = at.name()?;
            let rows = self.find(name).ok_or_else(|| {
                let names = self.rows.keys().map(String::as_str);
                unknown(&at, "peer or class", name, names)
            })?;
            found.extend(rows);
        }
        let mut sorted = found.clone();
        sorted.sort_unstable();
        if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(at.bad("names a peer twice", "each peer once"));
        }
        Ok(found)
    }
}
