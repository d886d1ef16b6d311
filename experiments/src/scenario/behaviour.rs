//! The words of `behaviour`: a bundle by its name, or a table of settings.

use std::fmt;

use fairhaul_config::amount::{Exact, TimeBetween};
use fairhaul_config::fault::{BadValue, did_you_mean};
use fairhaul_config::text::Name;
use fairhaul_config::value;
use fairhaul_config::value::{Given, Value};
use fairhaul_core::units::Rate;
use fairhaul_simulator::behaviour::{
    Announces, BUNDLES, Behaviour, Bundle, Identities, Serves, SwarmView, Withholds,
};
use serde::Deserialize;
use serde::de::MapAccess;
use serde::de::value::MapAccessDeserializer;
use serde_json::json;

/// The word for a node that keeps to the protocol.
const COMPLIANT: &str = "compliant";

/// Most identities that a node has at once.
const IDENTITIES_MAX: u8 = 16;

/// Seconds for which a node stays at least before it rejoins, in nanoseconds.
const REJOIN_LEAST: u64 = 2_000_000_000;

/// How a node keeps to the protocol.
#[derive(Clone, Debug, Default)]
pub(crate) enum Conduct {
    #[default]
    Compliant,
    Bundle(BundleName),
    Table(Box<BehaviourTable>),
}

/// What a node does that others do not, as a table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct BehaviourTable {
    /// The bundle whose settings hold where the table has no others.
    pub(crate) like: Option<BundleName>,
    pub(crate) view: Option<ViewWord>,
    pub(crate) serves: Option<ServesWord>,
    pub(crate) announces: Option<AnnouncesWord>,
    pub(crate) withholds: Option<WithholdsWord>,
    pub(crate) identities: Option<IdentityCount>,
    pub(crate) rejoins: Option<TimeBetween<REJOIN_LEAST, { fairhaul_config::amount::CENTURY }>>,
    pub(crate) drains: Option<Exact<Rate>>,
    pub(crate) colludes: Option<Name>,
}

/// A bundle, by its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BundleName(pub(crate) &'static Bundle);

/// What a node sends to whoever asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServesWord(pub(crate) Serves);

/// As whom others know a node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdentityCount(pub(crate) Identities);

/// Gives settings that have a word each the traits of a value.
macro_rules! words {
    ($type:ident, $of:ty, [$(($word:literal, $value:expr)),+ $(,)?]) => {
        /// One of a few words.
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct $type(pub(crate) $of);

        value!([] $type);

        impl $type {
            const ALL: &[(&str, $of)] = &[$(($word, $value)),+];
        }

        impl Value for $type {
            fn allowed() -> String {
                [$($word),+].join(", ")
            }

            fn read(given: Given<'_>) -> Result<Self, BadValue> {
                word(given, Self::ALL).map(Self)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                show(f, self.0, Self::ALL)
            }
        }
    };
}

words!(
    ViewWord,
    SwarmView,
    [
        ("neighbours", SwarmView::Neighbours),
        ("all", SwarmView::All)
    ]
);

words!(
    AnnouncesWord,
    Announces,
    [
        ("truth", Announces::Truth),
        ("nothing", Announces::Nothing),
        ("all", Announces::All),
        ("random", Announces::Random),
        ("repeated", Announces::Repeated),
        ("late", Announces::Late),
    ]
);

words!(
    WithholdsWord,
    Withholds,
    [
        ("nothing", Withholds::Nothing),
        ("last-chunk", Withholds::LastChunk),
        ("last-block", Withholds::LastBlock),
    ]
);

const SERVES: &[(&str, Serves)] = &[
    ("policy", Serves::Policy),
    ("nothing", Serves::Nothing),
    ("before-rechoke", Serves::BeforeRechoke),
    ("garbage", Serves::Garbage),
];

value!([] BundleName);
value!([] ServesWord);
value!([] IdentityCount);
value!([] Conduct);

fn word<T: Copy>(given: Given<'_>, all: &[(&str, T)]) -> Result<T, BadValue> {
    let text = given.text()?;
    let found = all.iter().find(|(word, _)| *word == text);
    let names = all.iter().map(|(word, _)| *word);
    let unknown = || BadValue::new(did_you_mean("is not a choice", text, names));
    found.map(|(_, value)| *value).ok_or_else(unknown)
}

fn show<T: Copy + PartialEq>(
    f: &mut fmt::Formatter<'_>,
    value: T,
    all: &[(&str, T)],
) -> fmt::Result {
    let found = all.iter().find(|(_, known)| *known == value);
    f.write_str(found.map_or("", |(word, _)| word))
}

fn names() -> impl Iterator<Item = &'static str> + Clone {
    BUNDLES.iter().map(|bundle| bundle.name)
}

impl Value for BundleName {
    fn allowed() -> String {
        names().collect::<Vec<_>>().join(", ")
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        let text = given.text()?;
        let unknown = || BadValue::new(did_you_mean("is not a choice", text, names()));
        Bundle::find(text).map(Self).ok_or_else(unknown)
    }
}

impl fmt::Display for BundleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl Value for ServesWord {
    fn allowed() -> String {
        "policy, nothing, before-rechoke, garbage, or a part of the uplink from \"1 %\" to \"99 %\""
            .to_owned()
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        let part = match given {
            Given::Text(text) => text.strip_suffix('%').map(str::trim_end),
            _ => None,
        };
        let Some(part) = part else {
            return word(given, SERVES).map(Self);
        };
        match part.parse::<u8>() {
            Ok(part @ 1..=99) => Ok(Self(Serves::Percent(part))),
            Ok(_) => Err(BadValue::new("is out of range")),
            Err(_) => Err(BadValue::new("is not a whole number of percent")),
        }
    }
}

impl fmt::Display for ServesWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Serves::Percent(part) => write!(f, "{part} %"),
            other => show(f, other, SERVES),
        }
    }
}

impl Value for IdentityCount {
    fn allowed() -> String {
        format!("1 to {IDENTITIES_MAX}, or \"renewed\"")
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        match given {
            Given::Text("renewed") => Ok(Self(Identities::Renewed)),
            Given::Number(text) => match text.parse::<u8>() {
                Ok(count @ 1..=IDENTITIES_MAX) => Ok(Self(Identities::Many(count))),
                _ => Err(BadValue::new("is out of range")),
            },
            Given::Text(_) => Err(BadValue::new("is not a choice")),
            other => Err(other.is_no("a number")),
        }
    }

    fn schema() -> serde_json::Value {
        json!({ "type": ["integer", "string"] })
    }
}

impl fmt::Display for IdentityCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Identities::Many(count) => count.fmt(f),
            Identities::Renewed => f.write_str("renewed"),
        }
    }
}

impl Value for Conduct {
    fn allowed() -> String {
        let bundles = BundleName::allowed();
        format!("{COMPLIANT}, {bundles}, or a table of settings")
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        let text = given.text()?;
        if text == COMPLIANT {
            return Ok(Self::Compliant);
        }
        let all = names().chain([COMPLIANT]);
        let unknown = || BadValue::new(did_you_mean("is not a choice", text, all));
        let found = Bundle::find(text).map(BundleName);
        found.map(Self::Bundle).ok_or_else(unknown)
    }

    fn of_table<'de, A: MapAccess<'de>>(table: A) -> Result<Self, A::Error> {
        let settings = BehaviourTable::deserialize(MapAccessDeserializer::new(table))?;
        Ok(Self::Table(Box::new(settings)))
    }

    fn schema() -> serde_json::Value {
        json!({ "type": ["string", "object"] })
    }
}

impl fmt::Display for Conduct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compliant => f.write_str(COMPLIANT),
            Self::Bundle(bundle) => bundle.fmt(f),
            Self::Table(_) => f.write_str("settings"),
        }
    }
}

impl Conduct {
    /// What it means, before names are looked up.
    pub(crate) fn behaviour(&self) -> Behaviour {
        match self {
            Self::Compliant => Behaviour::default(),
            Self::Bundle(bundle) => bundle.0.behaviour(),
            Self::Table(settings) => settings.behaviour(),
        }
    }

    /// The keys that a table says; none of a name.
    pub(crate) const fn settings(&self) -> Option<&BehaviourTable> {
        match self {
            Self::Table(settings) => Some(settings),
            _ => None,
        }
    }
}

impl BehaviourTable {
    fn behaviour(&self) -> Behaviour {
        let like = self.like.map(|bundle| bundle.0.behaviour());
        let like = like.unwrap_or_default();
        let colludes = self.colludes.as_ref().map(Name::to_string);
        Behaviour {
            name: "custom",
            view: self.view.map_or(like.view, |own| own.0),
            serves: self.serves.map_or(like.serves, |own| own.0),
            announces: self.announces.map_or(like.announces, |own| own.0),
            withholds: self.withholds.map_or(like.withholds, |own| own.0),
            identities: self.identities.map_or(like.identities, |own| own.0),
            rejoins: self.rejoins.map(|own| own.get()).or(like.rejoins),
            drains: self.drains.map(|own| own.0).or(like.drains),
            colludes: colludes.or(like.colludes),
            unchoke: like.unchoke,
        }
    }
}
