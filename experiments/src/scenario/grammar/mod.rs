//! The sections and keys of a scenario file, each with its kind, default and meaning.
//!
//! This table is the only list of keys: the check for unknown keys, the defaults, the
//! resolved file and the JSON schema are all made from it.

use super::names::PolicyList;
use super::quantity::Quantity;

mod flows;
mod nodes;
mod settings;

/// One section of the file.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    pub(crate) about: &'static str,
    pub(crate) fields: &'static [Field],
}

/// How a section is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `[name]`, once.
    One,
    /// `[[name]]`, any number of times, each with a `name` of its own if it has that key.
    Many,
    /// `[name.NAME]`.
    Named,
    /// `[name]`, and `[name.NAME]` that changes some of its keys.
    Bundles,
    /// Keys of the user's choice.
    Free,
}

/// One key.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) otherwise: Otherwise,
    pub(crate) about: &'static str,
}

/// What stands for a key that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Otherwise {
    /// Nothing: the key must be there.
    Needed,
    /// Nothing: the key says something only when it is there.
    Absent,
    /// This value, in TOML.
    Is(&'static str),
}

/// What a value may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Name,
    Prose,
    File,
    Count(u64, u64),
    Real(f64, f64),
    Amount(Quantity),
    Limit,
    Changed,
    Floor,
    Burst,
    Weight,
    Choice(&'static [&'static str]),
    Policy(PolicyList),
    Names,
    Drawn(Quantity),
    DrawnLimit,
    Access,
    Regions,
    Latency,
    Arrival,
    Poisson,
    Spans,
    Files,
}

pub(super) const fn field(
    name: &'static str,
    kind: Kind,
    otherwise: Otherwise,
    about: &'static str,
) -> Field {
    Field {
        name,
        kind,
        otherwise,
        about,
    }
}

/// The tables of results that a run may write.
pub(crate) const OUTPUT_FILES: &[&str] =
    &["runs", "peers", "transfers", "windows", "pairs", "latency"];

const fn section(
    name: &'static str,
    form: Form,
    about: &'static str,
    fields: &'static [Field],
) -> Section {
    Section {
        name,
        form,
        about,
        fields,
    }
}

/// Every section, in the order of the resolved file.
pub(crate) const SECTIONS: &[Section] = &[
    section(
        "scenario",
        Form::One,
        "what is simulated, and until when",
        settings::SCENARIO,
    ),
    section(
        "policy",
        Form::Bundles,
        "who is served next",
        settings::POLICY,
    ),
    section(
        "group",
        Form::Named,
        "peers and transfers that share a right or a limit",
        settings::GROUP,
    ),
    section(
        "link",
        Form::Many,
        "a link that all paths between two sets of regions cross",
        nodes::LINK,
    ),
    section("peer", Form::Many, "one node", nodes::PEER),
    section("class", Form::Many, "nodes of one kind", nodes::CLASS),
    section(
        "content",
        Form::Many,
        "a content that a swarm distributes",
        flows::CONTENT,
    ),
    section(
        "transfer",
        Form::Many,
        "transfers between peers",
        flows::TRANSFER,
    ),
    section(
        "workload",
        Form::Many,
        "transfers that arrive one after another",
        flows::WORKLOAD,
    ),
    section(
        "fault",
        Form::Many,
        "something that changes at a time",
        nodes::FAULT,
    ),
    section(
        "sweep",
        Form::Free,
        "keys with lists of values: the product of all is run",
        &[],
    ),
    section(
        "replication",
        Form::One,
        "how often, from which seed",
        settings::REPLICATION,
    ),
    section(
        "output",
        Form::One,
        "what is recorded and written",
        settings::OUTPUT,
    ),
];
