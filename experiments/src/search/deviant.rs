//! The scenario of a search: one peer that may deviate, and everybody else as they are.

use fairhaul_config::BadFile;
use fairhaul_config::fault::did_you_mean;
use fairhaul_config::tree::{self, Data};
use fairhaul_core::choke::{CHOKERS, SEED_RULES};
use fairhaul_core::pick::PICKERS;
use fairhaul_core::sched::DISCIPLINES;
use fairhaul_simulator::setup::Setup;

use super::SearchError;
use crate::scenario::{COMPLIANT, Cell, Variant};

/// The class of a peer that was taken out of another class.
const DEVIANT: &str = "deviant";

/// A scenario in which one peer is the deviant.
#[derive(Clone, Debug)]
pub(super) struct DeviantBase {
    variant: Variant,
    /// The class of the deviant, which has one peer.
    pub(super) class: String,
    /// Classes of other adversaries.
    pub(super) accomplices: Vec<String>,
}

impl DeviantBase {
    /// What `cell` runs, with everybody under `policy`. The deviant is of `class`; without one of
    /// the class `deviant`, or of the first that wants a content.
    pub(super) fn new(cell: &Cell, policy: &str, class: Option<&str>) -> Result<Self, SearchError> {
        let mut variant = Variant::of(cell);
        variant.set_section("output", output());
        let key = policy_key(policy)?;
        let set = variant.set(key, Data::Text(policy.to_owned()));
        set.expect("[policy] is there or is made, and has the key");
        let class = own_class(&mut variant, class)?;
        let classes = variant.classes()?.into_iter();
        let others = classes.filter(|row| row.name != class && !row.is_compliant);
        let this = Self {
            accomplices: others.map(|row| row.name).collect(),
            class,
            variant,
        };
        // A fault of the policy with this scenario is a fault of no behaviour.
        this.with(Data::Text(COMPLIANT.to_owned())).resolve(0)?;
        Ok(this)
    }

    /// The scenario with the behaviour that its file says.
    pub(super) const fn variant(&self) -> &Variant {
        &self.variant
    }

    /// The dotted key of the deviant's behaviour.
    pub(super) fn key(&self) -> String {
        format!("class.{}.behaviour", self.class)
    }

    /// The scenario with this behaviour of the deviant.
    pub(super) fn with(&self, behaviour: Data) -> Variant {
        let mut variant = self.variant.clone();
        let set = variant.set(&self.key(), behaviour);
        set.expect("the class is there, and has the key");
        variant
    }

    /// The row of the deviant among the peers of a run.
    ///
    /// # Panics
    ///
    /// Never of a setup of this scenario: its class has one peer.
    pub(super) fn row(&self, setup: &Setup) -> usize {
        let mut peers = setup.peers.iter();
        let row = peers.position(|peer| peer.class == self.class);
        row.expect("the class of the deviant has a peer")
    }
}

/// Nothing but what a find shows is recorded.
fn output() -> Data {
    let output = tree::parse("output", "windows = []\nfiles = [\"runs\", \"peers\"]\n");
    Data::Table(output.expect("a constant that is TOML"))
}

/// The key that takes a policy of this name. Whom to serve is looked at first: `round-robin` is a
/// choker and a discipline.
fn policy_key(policy: &str) -> Result<&'static str, SearchError> {
    let levels = policy
        .split_once('/')
        .map_or([policy; 2], |(outer, inner)| [outer, inner]);
    if CHOKERS.find(policy).is_some() {
        return Ok("policy.unchoke");
    }
    if levels.iter().all(|level| DISCIPLINES.find(level).is_some()) {
        return Ok("policy.uplink");
    }
    if SEED_RULES.iter().any(|(name, _)| *name == policy) {
        return Ok("policy.seed-rule");
    }
    if PICKERS.find(policy).is_some() {
        return Ok("policy.picker");
    }
    let chokers = CHOKERS.all().into_iter().map(|row| row.name);
    let disciplines = DISCIPLINES.all().into_iter().map(|row| row.name);
    let mut names: Vec<&str> = chokers.chain(disciplines).collect();
    names.extend(SEED_RULES.iter().map(|(name, _)| *name));
    names.extend(PICKERS.all().into_iter().map(|row| row.name));
    names.sort_unstable();
    names.dedup();
    Err(SearchError::Option {
        option: "--policy",
        what: did_you_mean("is an unknown policy", policy, names.iter().copied()),
        got: policy.to_owned(),
        allowed: names.join(", "),
    })
}

/// The class of one peer that deviates; where it has more, one of them leaves it.
fn own_class(variant: &mut Variant, asked: Option<&str>) -> Result<String, SearchError> {
    let classes = variant.classes()?;
    let able = classes
        .iter()
        .filter(|row| row.wants && row.count != Some(0));
    let able: Vec<&str> = able.map(|row| &*row.name).collect();
    let refuse = |what: String, got: &str| SearchError::Option {
        option: "--class",
        what,
        got: got.to_owned(),
        allowed: match able.as_slice() {
            [] => "none: no class wants a [[content]]".to_owned(),
            names => names.join(", "),
        },
    };
    let first = || {
        able.iter()
            .find(|name| **name == DEVIANT)
            .or_else(|| able.first())
    };
    let Some(name) = asked.or_else(|| first().copied()) else {
        return Err(refuse("has nobody who could deviate".to_owned(), "nothing"));
    };
    let Some(row) = classes.iter().find(|row| row.name == name) else {
        let what = did_you_mean("is an unknown class", name, able.iter().copied());
        return Err(refuse(what, name));
    };
    if !able.contains(&name) {
        return Err(refuse("wants no content".to_owned(), name));
    }
    match row.count {
        Some(1) => Ok(name.to_owned()),
        None => Err(refuse(
            "has no count, and so no peer to take out".to_owned(),
            name,
        )),
        Some(_) if classes.iter().any(|row| row.name == DEVIANT) => {
            let what = format!("has several peers, and {DEVIANT} is the name of another class");
            Err(refuse(what, name))
        }
        Some(count) => {
            variant.split(name, count, DEVIANT);
            Ok(DEVIANT.to_owned())
        }
    }
}

impl From<BadFile> for SearchError {
    fn from(fault: BadFile) -> Self {
        Self::Bad(fault)
    }
}
