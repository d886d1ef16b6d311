//! The policies of a node by their names in the core's tables: who is served next.

use std::fmt;

use fairhaul_core::node::{Asking, Config};
use fairhaul_core::rng::Rng;
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_core::uplink::{Settings, Share};
use fairhaul_core::{choke, pick, sched};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::amount::{CENTURY, Exact, SizeLimit, TimeBetween};
use crate::fault::{BadValue, did_you_mean};
use crate::number::Bounded;
use crate::value;
use crate::value::{Given, Value};

const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MILLISECOND;

/// Who is served next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Policy {
    /// Whose turn it is.
    pub uplink: DisciplineName,
    /// Fair to whom.
    #[schemars(schema_with = "share")]
    pub share: Share,
    /// Whom to serve while this node wants something itself.
    pub unchoke: ChokerName,
    /// Whom to serve once it has everything.
    pub seed_rule: SeedRule,
    /// Which chunk to ask for next.
    pub picker: PickerName,
    /// Peers served at once where a rule chooses them, those at random included.
    pub slots: Bounded<1, 10_000>,
    /// What BitTyrant offers a peer of which it knows nothing; without one, the mean over those
    /// that are served, or else 3 KB/s.
    #[schemars(example = &"7 KiB/s")]
    pub first_offer: Option<Exact<Rate>>,
    /// Regular slots of tit-for-tat-sqrt for each square root of the uplink in KB/s, in
    /// thousandths; without one, 775: the square root of 0.6.
    #[schemars(example = 440)]
    pub slots_per_root: Option<Bounded<1, 100_000>>,
    /// Bytes that bounded-deficit lets a peer be behind; without one, two chunks.
    #[schemars(example = &"512 KiB")]
    pub deficit: Option<Exact<ByteCount>>,
    /// Time between two choices of who is served.
    pub rechoke: TimeBetween<MILLISECOND, CENTURY>,
    /// What is sent in one turn at most; without one, what fits the rate. A node takes 1 KiB to
    /// 256 KiB; no share of a fluid depends on it.
    #[schemars(example = &"16 KiB")]
    pub block: Option<SizeLimit>,
    /// Credit of a round per unit of weight, where a discipline has rounds; without one, a
    /// block. A fluid has none.
    #[schemars(example = &"16 KiB")]
    pub quantum: Option<SizeLimit>,
    /// Chunks asked of one peer ahead; without one, what rate and round trip need.
    #[schemars(example = 16)]
    pub pipeline: Option<Bounded<1, 10_000>>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            uplink: DisciplineName::of("drr"),
            share: Share::default(),
            unchoke: ChokerName::of("wary-tit-for-tat"),
            seed_rule: SeedRule::of("forwarders-first"),
            picker: PickerName::of("rarest-first"),
            slots: Bounded::new(5),
            first_offer: None,
            slots_per_root: None,
            deficit: None,
            rechoke: TimeBetween::new(10 * SECOND),
            block: None,
            quantum: None,
            pipeline: None,
        }
    }
}

impl Policy {
    /// What a core is made with that has this policy, blocks of `largest` and draws of `rng`, and
    /// neither limits nor timeouts.
    #[must_use]
    pub fn config(&self, largest: ByteCount, rng: Rng) -> Config {
        Config {
            uplink: Settings {
                outer: self.uplink.outer(),
                inner: self.uplink.inner(),
                share: self.share,
                largest,
                window_node: ByteCount::MAX,
                window_peer: ByteCount::MAX,
                adapt: false,
                quantum: self.quantum.and_then(SizeLimit::get),
            },
            unchoke: self.unchoke.row(),
            seed_rule: self.seed_rule.row(),
            picker: self.picker.row(),
            choke: self.choker_params(),
            capacity: None,
            slots: self.slots.get() as usize,
            rechoke: self.rechoke.get(),
            pipeline: self.pipeline.map(Bounded::get),
            download: None,
            asking: Asking::default(),
            guard: None,
            rng,
        }
    }

    /// What its chokers are told when they are made.
    #[must_use]
    pub fn choker_params(&self) -> choke::ChokerParams {
        choke::ChokerParams {
            first_offer: self.first_offer.map(|rate| rate.0),
            slots_per_root: self.slots_per_root.map(Bounded::get),
            deficit: self.deficit.map(|bytes| bytes.0),
        }
    }
}

/// To whom an uplink may be fair, as [`Share`] is written.
pub const SHARES: [&str; 3] = ["peer", "group", "transfer"];

/// The schema of a [`Share`], for `schema_with`.
pub fn share(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": SHARES, "allowed": SHARES.join(", ") })
}

/// The discipline of an uplink, `outer` or `outer/inner`.
#[derive(Clone, Copy)]
pub struct DisciplineName {
    outer: &'static sched::DisciplineRow,
    inner: Option<&'static sched::DisciplineRow>,
}

impl DisciplineName {
    /// The discipline of the root of the uplink.
    #[must_use]
    pub const fn outer(self) -> &'static sched::DisciplineRow {
        self.outer
    }

    /// The discipline of every other class; the outer one if one is named only.
    #[must_use]
    pub fn inner(self) -> &'static sched::DisciplineRow {
        self.inner.unwrap_or(self.outer)
    }

    /// The one of that name.
    ///
    /// # Panics
    ///
    /// If there is none of that name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self::read(Given::Text(name)).expect("the name is in the core's table")
    }

    /// Every discipline.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        sched::DISCIPLINES
            .all()
            .into_iter()
            .map(|row| row.name)
            .collect()
    }
}

impl Value for DisciplineName {
    fn allowed() -> String {
        format!(
            "{}, or two of them as outer/inner",
            Self::names().join(", ")
        )
    }

    fn read(given: Given<'_>) -> Result<Self, BadValue> {
        let text = given.text()?;
        let find = |name| {
            sched::DISCIPLINES.find(name).ok_or_else(|| {
                BadValue::new(did_you_mean("is an unknown policy", name, Self::names()))
            })
        };
        let (outer, inner) = match text.split_once('/') {
            Some((outer, inner)) => (outer, Some(inner)),
            None => (text, None),
        };
        Ok(Self {
            outer: find(outer)?,
            inner: inner.map(find).transpose()?,
        })
    }

    fn schema() -> serde_json::Value {
        let one = format!("({})", Self::names().join("|").replace('+', "\\+"));
        json!({ "type": "string", "pattern": format!("^{one}(/{one})?$") })
    }
}

value!([] DisciplineName);

impl fmt::Display for DisciplineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.outer.name)?;
        match self.inner {
            Some(inner) => write!(f, "/{}", inner.name),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for DisciplineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for DisciplineName {
    fn eq(&self, other: &Self) -> bool {
        let names = |of: &Self| (of.outer.name, of.inner.map(|row| row.name));
        names(self) == names(other)
    }
}

impl Eq for DisciplineName {}

/// A name out of one of the core's tables.
macro_rules! table {
    ($(#[$about:meta])* $type:ident, $row:ty, $names:expr, $find:expr) => {
        $(#[$about])*
        #[derive(Clone, Copy)]
        pub struct $type {
            name: &'static str,
            row: &'static $row,
        }

        impl $type {
            /// The name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                self.name
            }

            /// Its row in the core's table.
            #[must_use]
            pub const fn row(self) -> &'static $row {
                self.row
            }

            /// The one of that name.
            ///
            /// # Panics
            ///
            /// If there is none of that name.
            #[must_use]
            pub fn of(name: &str) -> Self {
                Self::read(Given::Text(name)).expect("the name is in the core's table")
            }

            /// Every name.
            #[must_use]
            pub fn names() -> Vec<&'static str> {
                $names.collect()
            }
        }

        impl Value for $type {
            fn allowed() -> String {
                Self::names().join(", ")
            }

            fn read(given: Given<'_>) -> Result<Self, BadValue> {
                let text = given.text()?;
                let names = Self::names();
                let found = names.iter().find(|name| **name == text);
                let found = found.and_then(|name| $find(name).map(|row| Self { name, row }));
                found.ok_or_else(|| {
                    BadValue::new(did_you_mean("is an unknown policy", text, names))
                })
            }

            fn schema() -> serde_json::Value {
                json!({ "enum": Self::names() })
            }
        }

        value!([] $type);

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name)
            }
        }

        impl PartialEq for $type {
            fn eq(&self, other: &Self) -> bool {
                self.name == other.name
            }
        }

        impl Eq for $type {}
    };
}

table! {
    /// A choker. `refuse` is left out: a node that never serves is for experiments.
    ChokerName,
    choke::ChokerRow,
    choke::CHOKERS.all().into_iter().map(|row| row.name).filter(|name| *name != "refuse"),
    |name| choke::CHOKERS.find(name)
}

table! {
    /// Whom a node serves that wants nothing itself, by the name of the rule, which is not
    /// always that of its choker.
    SeedRule,
    choke::ChokerRow,
    choke::SEED_RULES.iter().map(|(name, _)| *name),
    choke::find_seed_rule
}

table! {
    /// A picker.
    PickerName,
    pick::PickerRow,
    pick::PICKERS.all().into_iter().map(|row| row.name),
    |name| pick::PICKERS.find(name)
}
