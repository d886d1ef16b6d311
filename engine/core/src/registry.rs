//! Tables of policies by name: those of this crate, and those that a program adds.
//!
//! `sched::DISCIPLINES`, `choke::CHOKERS` and `pick::PICKERS` are the three of them.

use std::fmt;
use std::sync::{PoisonError, RwLock};

/// A row of a table of policies: what has a name.
pub trait Named {
    /// The name in files and on the command line.
    fn name(&self) -> &'static str;
}

/// A table of policies: those of this crate in the order in which they are listed, then those
/// that were added in the order in which they came.
#[derive(Debug)]
pub struct Registry<Row: 'static> {
    built_in: &'static [Row],
    added: RwLock<Vec<&'static Row>>,
}

/// Why a policy was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRegistered {
    /// Another policy of the same table has this name.
    Taken(&'static str),
    /// The name is empty, or has a character other than `a` to `z`, digits, `+` and `-`: names
    /// stand in files, in paths and on command lines, and `/` makes a hierarchy of two.
    BadName(&'static str),
}

impl fmt::Display for NotRegistered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(name) => write!(f, "another policy is called {name}"),
            Self::BadName(name) => write!(
                f,
                "{name:?} is no name of a policy; allowed a to z, 0 to 9, + and -"
            ),
        }
    }
}

impl std::error::Error for NotRegistered {}

impl<Row: Named> Registry<Row> {
    pub(crate) const fn new(built_in: &'static [Row]) -> Self {
        Self {
            built_in,
            added: RwLock::new(Vec::new()),
        }
    }

    /// Adds a policy for all of this program, before the first file is read: that is when names
    /// are looked up.
    ///
    /// # Errors
    ///
    /// [`NotRegistered`] if the name is taken or is none.
    pub fn register(&self, row: &'static Row) -> Result<(), NotRegistered> {
        let name = row.name();
        let allowed = |letter: u8| matches!(letter, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-');
        if name.is_empty() || !name.bytes().all(allowed) {
            return Err(NotRegistered::BadName(name));
        }
        // Looking and adding are one step, so that of two threads one is refused.
        let mut added = self.added.write().unwrap_or_else(PoisonError::into_inner);
        let mut all = self.built_in.iter().chain(added.iter().copied());
        if all.any(|other| other.name() == name) {
            return Err(NotRegistered::Taken(name));
        }
        added.push(row);
        Ok(())
    }

    /// Every policy of the table.
    #[must_use]
    pub fn all(&self) -> Vec<&'static Row> {
        let added = self.added.read().unwrap_or_else(PoisonError::into_inner);
        self.built_in.iter().chain(added.iter().copied()).collect()
    }

    /// The policy called `name`.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&'static Row> {
        let added = self.added.read().unwrap_or_else(PoisonError::into_inner);
        let mut all = self.built_in.iter().chain(added.iter().copied());
        all.find(|row| row.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Row(&'static str);

    impl Named for Row {
        fn name(&self) -> &'static str {
            self.0
        }
    }

    static BUILT_IN: &[Row] = &[Row("one"), Row("two")];

    #[test]
    fn a_policy_that_was_added_is_found_and_listed_behind_the_others() {
        static THREE: Row = Row("three");
        let registry = Registry::new(BUILT_IN);
        registry.register(&THREE).unwrap();
        assert!(registry.find("three").is_some());
        let names: Vec<&str> = registry.all().into_iter().map(Row::name).collect();
        assert_eq!(names, ["one", "two", "three"]);
    }

    #[test]
    fn a_name_is_given_once_and_can_stand_in_a_file() {
        static TWO: Row = Row("two");
        static OTHER: Row = Row("other");
        static BAD: [Row; 4] = [Row(""), Row("drr/mine"), Row("My"), Row("a b")];
        let registry = Registry::new(BUILT_IN);
        assert_eq!(registry.register(&TWO), Err(NotRegistered::Taken("two")));
        registry.register(&OTHER).unwrap();
        assert_eq!(
            registry.register(&OTHER),
            Err(NotRegistered::Taken("other"))
        );
        for row in &BAD {
            assert_eq!(registry.register(row), Err(NotRegistered::BadName(row.0)));
        }
    }
}
