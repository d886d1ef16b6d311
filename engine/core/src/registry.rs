//! Policies that a program adds to those of this crate, by name.

use std::fmt;
use std::sync::{PoisonError, RwLock};

/// A row of a table of policies: what has a name.
pub(crate) trait Named {
    fn name(&self) -> &'static str;
}

/// The policies that were added to one table, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Registry<Row: 'static>(RwLock<Vec<&'static Row>>);

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
    pub(crate) const fn new() -> Self {
        Self(RwLock::new(Vec::new()))
    }

    /// Adds `row` to what `built_in` has.
    pub(crate) fn add(
        &self,
        built_in: &'static [Row],
        row: &'static Row,
    ) -> Result<(), NotRegistered> {
        let name = row.name();
        let allowed = |letter: u8| matches!(letter, b'a'..=b'z' | b'0'..=b'9' | b'+' | b'-');
        if name.is_empty() || !name.bytes().all(allowed) {
            return Err(NotRegistered::BadName(name));
        }
        // Looking and adding are one step, so that of two threads one is refused.
        let mut added = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut all = built_in.iter().chain(added.iter().copied());
        if all.any(|other| other.name() == name) {
            return Err(NotRegistered::Taken(name));
        }
        added.push(row);
        Ok(())
    }

    /// What `built_in` has, and then what was added.
    pub(crate) fn all(&self, built_in: &'static [Row]) -> Vec<&'static Row> {
        let added = self.0.read().unwrap_or_else(PoisonError::into_inner);
        built_in.iter().chain(added.iter().copied()).collect()
    }

    pub(crate) fn find(&self, built_in: &'static [Row], name: &str) -> Option<&'static Row> {
        let added = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut all = built_in.iter().chain(added.iter().copied());
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
        let registry = Registry::new();
        registry.add(BUILT_IN, &THREE).unwrap();
        assert!(registry.find(BUILT_IN, "three").is_some());
        let names: Vec<&str> = registry.all(BUILT_IN).into_iter().map(Row::name).collect();
        assert_eq!(names, ["one", "two", "three"]);
    }

    #[test]
    fn a_name_is_given_once_and_can_stand_in_a_file() {
        static TWO: Row = Row("two");
        static OTHER: Row = Row("other");
        static BAD: [Row; 4] = [Row(""), Row("drr/mine"), Row("My"), Row("a b")];
        let registry = Registry::new();
        assert_eq!(
            registry.add(BUILT_IN, &TWO),
            Err(NotRegistered::Taken("two"))
        );
        registry.add(BUILT_IN, &OTHER).unwrap();
        assert_eq!(
            registry.add(BUILT_IN, &OTHER),
            Err(NotRegistered::Taken("other"))
        );
        for row in &BAD {
            assert_eq!(
                registry.add(BUILT_IN, row),
                Err(NotRegistered::BadName(row.0))
            );
        }
    }
}
