//! The names of policies that a scenario may use.

use fairhaul_config::fault::{BadValue, did_you_mean};
use fairhaul_config::policy::{ChokerName, DisciplineName, PickerName, SHARES, SeedRule};
use fairhaul_config::value::{Given, Value};

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
            Self::Uplink => DisciplineName::names(),
            Self::Share => SHARES.to_vec(),
            Self::Unchoke => ChokerName::names(),
            Self::SeedRule => SeedRule::names(),
            Self::Picker => PickerName::names(),
        }
    }

    /// Checks `text` against the list; a discipline may be a pair.
    pub(crate) fn check(self, text: &str) -> Result<(), BadValue> {
        match self {
            Self::Uplink => is::<DisciplineName>(text),
            Self::Unchoke => is::<ChokerName>(text),
            Self::SeedRule => is::<SeedRule>(text),
            Self::Picker => is::<PickerName>(text),
            Self::Share if SHARES.contains(&text) => Ok(()),
            Self::Share => {
                let what = did_you_mean("is an unknown policy", text, SHARES);
                Err(BadValue::new(what).allowing(SHARES.join(", ")))
            }
        }
    }
}

fn is<T: Value>(text: &str) -> Result<(), BadValue> {
    let read = T::read(Given::Text(text));
    read.map(drop).map_err(|fault| fault.allowing(T::allowed()))
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
