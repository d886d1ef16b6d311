//! Invitations: how many keys derived from the secret of a `send` line are admitted.
//!
//! The shell checks whether a key derives from the secret. The first `n` such keys are admitted,
//! each as often as it connects, and no other after them. A key keeps its slot for good: a receiver
//! that restarts after a crash is the same receiver, and one that never finishes frees no slot.

use std::collections::BTreeSet;
use std::fmt;

use super::Key;

/// The keys of one line that have come in.
#[derive(Clone, Debug)]
pub struct Invitation {
    most: usize,
    come: BTreeSet<Key>,
}

/// Why a key may not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uninvited {
    /// It is no key of the line.
    Stranger,
    /// As many as the line is for have come in before.
    Spent {
        /// How many that is.
        most: usize,
    },
}

impl Invitation {
    /// One that lets `most` keys in.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self {
            most,
            come: BTreeSet::new(),
        }
    }

    /// Whether `key` may come in; `given` if it is a key of the line.
    ///
    /// # Errors
    ///
    /// If it is not, or if the line is spent.
    pub fn judge(&self, key: &Key, given: bool) -> Result<(), Uninvited> {
        let most = self.most;
        match (given, self.come.contains(key)) {
            (false, _) => Err(Uninvited::Stranger),
            (true, false) if self.come.len() >= most => Err(Uninvited::Spent { most }),
            (true, _) => Ok(()),
        }
    }

    /// Lets `key` in, which takes a place if it is new. Two handshakes may have been judged before
    /// either is over, so that this judges again.
    ///
    /// # Errors
    ///
    /// Those of [`Invitation::judge`]; nothing is changed then.
    pub fn admit(&mut self, key: Key, given: bool) -> Result<(), Uninvited> {
        self.judge(&key, given)?;
        self.come.insert(key);
        Ok(())
    }
}

impl fmt::Display for Uninvited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stranger => f.write_str("this line is not one of this sender"),
            Self::Spent { most: 1 } => f.write_str("this line is spent: its receiver has come"),
            Self::Spent { most } => {
                write!(f, "this line is spent: its {most} receivers have come")
            }
        }
    }
}

impl std::error::Error for Uninvited {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_lets_in_as_many_keys_as_it_is_for_each_as_often_as_it_comes() {
        let mut line = Invitation::new(2);
        for _ in 0..3 {
            assert_eq!(line.admit([1; 32], true), Ok(()));
            assert_eq!(line.admit([2; 32], true), Ok(()));
        }
        let spent = Err(Uninvited::Spent { most: 2 });
        assert_eq!(line.admit([3; 32], true), spent);
        assert_eq!(line.judge(&[3; 32], true), spent);
        assert_eq!(
            line.judge(&[1; 32], true),
            Ok(()),
            "who has come may come again"
        );
    }

    #[test]
    fn a_key_that_is_not_of_the_line_never_comes_in_and_takes_no_place() {
        let mut line = Invitation::new(1);
        assert_eq!(line.admit([9; 32], false), Err(Uninvited::Stranger));
        assert_eq!(line.admit([1; 32], true), Ok(()));
        assert_eq!(line.admit([9; 32], false), Err(Uninvited::Stranger));
        assert_eq!(line.admit([1; 32], false), Err(Uninvited::Stranger));
    }

    #[test]
    fn of_two_that_were_judged_at_once_only_one_takes_the_last_place() {
        let mut line = Invitation::new(1);
        let (first, second) = ([1; 32], [2; 32]);
        assert_eq!(line.judge(&first, true), Ok(()));
        assert_eq!(line.judge(&second, true), Ok(()));
        assert_eq!(line.admit(second, true), Ok(()));
        assert_eq!(line.admit(first, true), Err(Uninvited::Spent { most: 1 }));
    }

    #[test]
    fn who_is_not_let_in_is_told_why() {
        let said = |why: Uninvited| why.to_string();
        assert!(said(Uninvited::Stranger).contains("not one of this sender"));
        assert!(said(Uninvited::Spent { most: 1 }).ends_with("its receiver has come"));
        assert!(said(Uninvited::Spent { most: 3 }).ends_with("its 3 receivers have come"));
    }
}
