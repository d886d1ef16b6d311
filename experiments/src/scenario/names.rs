//! The names of policies that a scenario may use.
//!
//! Decides nothing about what a policy does: the core's tables do.

use fairhaul_core::{choke, pick, sched};

use super::bad::with_nearest;
use super::quantity::Fault;

/// Which of the core's tables a key takes its value from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PolicyList {
    Uplink,
    Share,
    Unchoke,
    SeedRule,
    Picker,
}

impl PolicyList {
    /// Every name that the key may take. The free rider's choker is left out: a class is one by
    /// its `behaviour`.
    pub(crate) fn names(self) -> Vec<&'static str> {
        match self {
            Self::Uplink => sched::all().into_iter().map(|row| row.name).collect(),
            Self::Share => vec!["peer", "group", "transfer"],
            Self::Unchoke => {
                let all = choke::all().into_iter();
                let honest = all.filter(|row| row.name != "refuse");
                honest.map(|row| row.name).collect()
            }
            Self::SeedRule => choke::SEED_RULES.iter().map(|(name, _)| *name).collect(),
            Self::Picker => pick::all().into_iter().map(|row| row.name).collect(),
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
