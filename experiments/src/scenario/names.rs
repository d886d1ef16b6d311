//! The names of policies that a scenario may use.
//!
//! Decides nothing about what a policy does: the core's tables do.

use super::bad::with_nearest;
use super::quantity::Fault;

/// The names that each setting of `[policy]` may take.
#[derive(Clone, Copy, Debug)]
pub struct PolicyNames {
    /// Disciplines; a pair `outer/inner` of two of them is a name too.
    pub uplink: &'static [&'static str],
    /// Fair to whom.
    pub share: &'static [&'static str],
    /// Chokers of nodes that still want something.
    pub unchoke: &'static [&'static str],
    /// Chokers of nodes that have everything.
    pub seed_rule: &'static [&'static str],
    /// Pickers.
    pub picker: &'static [&'static str],
}

/// Every policy there is.
pub const POLICY_NAMES: PolicyNames = PolicyNames {
    uplink: &[
        "fifo",
        "round-robin",
        "drr",
        "sparse-drr",
        "sfq",
        "wf2q+",
        "strict",
        "srpt",
        "las",
        "mclock",
    ],
    share: &["peer", "group", "transfer"],
    unchoke: &["none", "round-robin", "tit-for-tat"],
    seed_rule: &["even", "round-robin"],
    picker: &["sequential", "random", "rarest-first"],
};

/// Which list of [`PolicyNames`] a key takes its value from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PolicyList {
    Uplink,
    Share,
    Unchoke,
    SeedRule,
    Picker,
}

impl PolicyList {
    pub(crate) const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Uplink => POLICY_NAMES.uplink,
            Self::Share => POLICY_NAMES.share,
            Self::Unchoke => POLICY_NAMES.unchoke,
            Self::SeedRule => POLICY_NAMES.seed_rule,
            Self::Picker => POLICY_NAMES.picker,
        }
    }

    /// Checks `text` against the list; a discipline may be a pair.
    pub(crate) fn check(self, text: &str) -> Result<(), Fault> {
        let names = self.names();
        let known = |name: &str| names.contains(&name);
        let fine = match text.split_once('/') {
            Some((outer, inner)) if self == Self::Uplink => known(outer) && known(inner),
            _ => known(text),
        };
        if fine {
            return Ok(());
        }
        let wrong = text.split('/').find(|part| !known(part)).unwrap_or(text);
        let pair = if self == Self::Uplink {
            ", or two of them as outer/inner"
        } else {
            ""
        };
        Err(Fault {
            what: with_nearest("is an unknown policy", wrong, names.iter().copied()),
            allowed: format!("{}{pair}", names.join(", ")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_of_disciplines_is_a_discipline_and_a_triple_is_not() {
        assert_eq!(PolicyList::Uplink.check("drr/wf2q+"), Ok(()));
        assert!(PolicyList::Uplink.check("drr/drr/drr").is_err());
        assert!(PolicyList::Picker.check("random/random").is_err());
    }
}
