//! The settings of a behaviour as a search sees them: the values of each, and steps between them.

use fairhaul_config::amount::{Exact, TimeBetween};
use fairhaul_config::text::Name;
use fairhaul_config::tree::Data;
use fairhaul_core::units::Rate;

use super::behaviour::{IdentityCount, ServesWord};

/// A type of values that a search varies.
pub(crate) trait Searched {
    /// What the setting is where a table does not have it: what the protocol says.
    const COMPLIANT: &str;

    /// Whether values have an order, of which a step goes to the next or to the one before.
    const IS_ORDERED: bool = false;

    /// The values beside [`Searched::COMPLIANT`], the one that departs least first. `accomplices`
    /// are the classes of other adversaries.
    fn tried(accomplices: &[String]) -> Vec<Data>;
}

/// A setting of a behaviour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BehaviourSetting {
    /// Its key.
    pub(crate) name: &'static str,
    /// What it is where a table does not have it; empty of a limit that nobody keeps.
    pub(crate) compliant: &'static str,
    /// As [`Searched::IS_ORDERED`].
    pub(crate) is_ordered: bool,
    /// As [`Searched::tried`].
    pub(crate) tried: fn(&[String]) -> Vec<Data>,
}

impl BehaviourSetting {
    /// The setting `name` with values of `T`.
    pub(crate) const fn of<T: Searched>(name: &'static str) -> Self {
        Self {
            name,
            compliant: T::COMPLIANT,
            is_ordered: T::IS_ORDERED,
            tried: T::tried,
        }
    }
}

fn texts<const N: usize>(values: [&str; N]) -> Vec<Data> {
    let texts = values.map(|value| Data::Text(value.to_owned()));
    texts.into()
}

impl Searched for ServesWord {
    const COMPLIANT: &str = "policy";

    fn tried(_: &[String]) -> Vec<Data> {
        texts([
            "75 %",
            "50 %",
            "25 %",
            "10 %",
            "before-rechoke",
            "nothing",
            "garbage",
        ])
    }
}

impl Searched for IdentityCount {
    const COMPLIANT: &str = "1";

    fn tried(_: &[String]) -> Vec<Data> {
        let counts = ["2", "4", "8", "16"].map(|count| Data::Number(count.to_owned()));
        let renewed = Data::Text("renewed".to_owned());
        counts.into_iter().chain([renewed]).collect()
    }
}

impl<const LEAST: u64, const MOST: u64> Searched for TimeBetween<LEAST, MOST> {
    const COMPLIANT: &str = "";
    const IS_ORDERED: bool = true;

    fn tried(_: &[String]) -> Vec<Data> {
        texts(["5 min", "1 min", "20 s", "5 s", "2 s"])
    }
}

impl Searched for Exact<Rate> {
    const COMPLIANT: &str = "";
    const IS_ORDERED: bool = true;

    fn tried(_: &[String]) -> Vec<Data> {
        texts(["1 MB/s", "100 kB/s", "10 kB/s", "1 KiB/s"])
    }
}

/// Whoever keeps to the protocol vouches for nobody.
impl Searched for Name {
    const COMPLIANT: &str = "";

    fn tried(accomplices: &[String]) -> Vec<Data> {
        accomplices.iter().cloned().map(Data::Text).collect()
    }
}
