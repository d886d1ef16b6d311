//! The peers behind a name: `small` is a class, `small.3` its third peer.
//!
//! A name that two things would have is refused.

use std::collections::BTreeMap;
use std::ops::Range;

use fairhaul_config::BadFile;
use fairhaul_config::document::Place;

use super::super::file::Names;
use super::super::names::unknown;

/// The names of peers and classes, and their rows in the setup.
#[derive(Debug, Default)]
pub(super) struct Who {
    rows: BTreeMap<String, Named>,
}

#[derive(Debug)]
struct Named {
    rows: Range<u32>,
    class: bool,
}

impl Who {
    /// Gives one peer its name.
    pub(super) fn add_peer(&mut self, at: &Place<'_>, name: &str, row: u32) -> Result<(), BadFile> {
        let (rows, class) = (row..row + 1, false);
        self.add(at, name, Named { rows, class })
    }

    /// Gives a class its name, and its peers theirs.
    pub(super) fn add_class(
        &mut self,
        at: &Place<'_>,
        name: &str,
        rows: Range<u32>,
    ) -> Result<(), BadFile> {
        self.add(at, name, Named { rows, class: true })
    }

    fn add(&mut self, at: &Place<'_>, name: &str, named: Named) -> Result<(), BadFile> {
        let prefix = format!("{name}.");
        let member = self
            .rows
            .range(prefix.clone()..)
            .map(|(known, _)| known)
            .take_while(|known| known.starts_with(&prefix))
            .find(|known| named.member(&known[prefix.len()..]).is_some());
        let taken = member
            .cloned()
            .or_else(|| self.find(name).map(|_| name.to_owned()));
        if let Some(taken) = taken {
            let what = format!("gives the name {taken:?} to two");
            return Err(at.bad(what, "a name of its own for each peer and class"));
        }
        self.rows.insert(name.to_owned(), named);
        Ok(())
    }

    /// The peers that `name` means.
    pub(super) fn find(&self, name: &str) -> Option<Range<u32>> {
        if let Some(named) = self.rows.get(name) {
            return Some(named.rows.clone());
        }
        let (class, index) = name.rsplit_once('.')?;
        let row = self.rows.get(class)?.member(index)?;
        Some(row..row + 1)
    }

    /// The peers that `names`, which are at `at`, mean, in their order, none twice.
    pub(super) fn all(&self, at: &Place<'_>, names: &Names) -> Result<Vec<u32>, BadFile> {
        let mut found = Vec::new();
        for (member, name) in names.iter().enumerate() {
            let rows = self.find(name).ok_or_else(|| {
                let names = self.rows.keys().map(String::as_str);
                at.row(member).refuse(unknown("peer or class", name, names))
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

impl Named {
    /// The row of the peer that a class calls `index`, counted from 1.
    fn member(&self, index: &str) -> Option<u32> {
        let plain = self.class && !index.starts_with(['0', '+']);
        let index: u32 = index.parse().ok().filter(|_| plain)?;
        let row = self.rows.start.checked_add(index.checked_sub(1)?)?;
        self.rows.contains(&row).then_some(row)
    }
}
