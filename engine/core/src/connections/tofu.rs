//! Trust on first use: which name belongs to which key.
//!
//! A key that is not listed is called by the name that it brings, and the name stays with the first
//! key that used it (H12). Another key under the same name is refused, and the refusal names both;
//! only a person who removes the old key can change that.

use std::collections::BTreeMap;

use super::Key;

/// Names that may be held, in all.
pub const NAMES_MAX: usize = 10_000;

/// Letters of its key in the name of one that has none.
const KEY_LETTERS: usize = 8;

/// Names, and the keys that they belong to.
#[derive(Clone, Debug, Default)]
pub struct FirstUse {
    keys: BTreeMap<Box<str>, Key>,
}

/// Why a key is not trusted under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// The name belongs to another key.
    Changed {
        /// Which.
        known: Key,
    },
    /// [`NAMES_MAX`] names are held.
    Full,
}

impl FirstUse {
    /// A name is taken: by the parameter file, or by an earlier run. The first key stays.
    pub fn hold(&mut self, name: &str, key: Key) {
        self.keys.entry(name.into()).or_insert(key);
    }

    /// Whether `key` may be trusted as `name` now.
    ///
    /// # Errors
    ///
    /// If the name belongs to another key, or there are too many.
    pub fn judge(&self, key: &Key, name: &str) -> Result<(), Distrust> {
        match self.keys.get(name) {
            Some(known) if known == key => Ok(()),
            Some(&known) => Err(Distrust::Changed { known }),
            None if self.keys.len() >= NAMES_MAX => Err(Distrust::Full),
            None => Ok(()),
        }
    }

    /// From now on `name` belongs to `key`.
    ///
    /// # Errors
    ///
    /// Those of [`FirstUse::judge`]; nothing is changed then.
    pub fn trust(&mut self, key: Key, name: &str) -> Result<(), Distrust> {
        self.judge(&key, name)?;
        self.hold(name, key);
        Ok(())
    }

    /// What a key is called: as it calls itself, if that is a name, and after the letters of its
    /// own spelling if not.
    #[must_use]
    pub fn name(claimed: Option<&str>, key: &str) -> String {
        claimed.map_or_else(
            || {
                let letters: String = key.chars().take(KEY_LETTERS).collect();
                format!("guest-{letters}")
            },
            str::to_owned,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Register: H12.
    #[test]
    fn a_name_stays_with_the_key_that_used_it_first() {
        let mut names = FirstUse::default();
        names.hold("listed", [1; 32]);
        assert_eq!(names.trust([2; 32], "new"), Ok(()));
        for (name, known) in [("listed", [1; 32]), ("new", [2; 32])] {
            let changed = Err(Distrust::Changed { known });
            assert_eq!(names.trust([3; 32], name), changed);
            names.hold(name, [3; 32]);
            assert_eq!(names.judge(&[3; 32], name), changed, "never overwritten");
            assert_eq!(names.trust(known, name), Ok(()));
        }
    }

    /// Register: H12. A crowd of new names takes no more memory than the bound, and no name away.
    #[test]
    fn names_are_held_up_to_their_bound() {
        let mut names = FirstUse::default();
        for number in 0..NAMES_MAX {
            assert_eq!(names.trust([4; 32], &number.to_string()), Ok(()));
        }
        assert_eq!(names.trust([4; 32], "one more"), Err(Distrust::Full));
        assert_eq!(names.trust([4; 32], "0"), Ok(()));
    }

    #[test]
    fn who_has_no_name_is_called_after_its_key() {
        assert_eq!(FirstUse::name(Some("vm-1"), "0123456789"), "vm-1");
        assert_eq!(FirstUse::name(None, "0123456789"), "guest-01234567");
    }
}
