//! The sections and keys of a parameter file, each with its kind, default and meaning.
//!
//! This table is the only list of keys: the check for unknown ones, the defaults, the
//! commented file, the resolved file and the JSON schema are all made from it.

use super::kind::Kind;
use Otherwise::{Absent, Is, Needed};

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
    /// `[[name]]`, any number of times, each with a `name` of its own.
    Many,
    /// `[name.NAME]`, any number of times.
    Named,
}

/// One key.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) otherwise: Otherwise,
    pub(crate) about: &'static str,
}

/// What stands for a key that is not there; all values in TOML.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Otherwise {
    /// Nothing: the key must be there, as in this example.
    Needed(&'static str),
    /// Nothing: the key says something only when it is there, as in this example.
    Absent(&'static str),
    /// This value.
    Is(&'static str),
}

const fn field(name: &'static str, kind: Kind, otherwise: Otherwise, about: &'static str) -> Field {
    Field {
        name,
        kind,
        otherwise,
        about,
    }
}

/// Every section, in the order of the resolved file.
pub(crate) static SECTIONS: [Section; 6] = [
    Section {
        name: "node",
        form: Form::One,
        about: "This node.",
        fields: &NODE,
    },
    Section {
        name: "peer",
        form: Form::Many,
        about: "A node that this one knows. Repeat the section for each.",
        fields: &PEER,
    },
    Section {
        name: "group",
        form: Form::Named,
        about: "Peers that share a right or a limit. Repeat the section with other names.",
        fields: &GROUP,
    },
    Section {
        name: "policy",
        form: Form::One,
        about: "Who is served next.",
        fields: &POLICY,
    },
    Section {
        name: "limits",
        form: Form::One,
        about: "What this node may send and receive in all. Every rate has a unit.",
        fields: &LIMITS,
    },
    Section {
        name: "control",
        form: Form::One,
        about: "Where commands reach the running node.",
        fields: &CONTROL,
    },
];

static NODE: [Field; 7] = [
    field(
        "name",
        Kind::Name,
        Needed("\"vm-1\""),
        "Its name, for people and tables.",
    ),
    field(
        "listen",
        Kind::Address,
        Is("\"0.0.0.0:7440\""),
        "Where peers reach it.",
    ),
    field(
        "data",
        Kind::Path(4_095),
        Is("\"/var/lib/fairhaul\""),
        "Where contents and state are kept.",
    ),
    field(
        "key",
        Kind::Path(4_095),
        Absent("\"/var/lib/fairhaul/identity.key\""),
        "The file of its private key; without one, identity.key in the data.",
    ),
    field(
        "exchange",
        Kind::Flag,
        Is("true"),
        "Whether it tells the peers listed here of each other, and hears of addresses from them.",
    ),
    field(
        "private-addresses",
        Kind::Ranges,
        Is("[]"),
        "Private ranges in which an address that a peer tells of may be dialled; public ones \
         always may.",
    ),
    field(
        "patience",
        Kind::Burst,
        Is("\"2 min\""),
        "How long a `get` waits for chunks that no connected peer has, before it ends with what is \
         missing; the transfer itself goes on.",
    ),
];

static PEER: [Field; 9] = [
    field("name", Kind::Name, Needed("\"vm-2\""), "Its name here."),
    field(
        "address",
        Kind::Address,
        Absent("\"vm-2:7440\""),
        "Where to reach it; without one it has to call first.",
    ),
    field(
        "key",
        Kind::Key,
        Needed("\"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\""),
        "Its public key, which is its identity.",
    ),
    field(
        "weight",
        Kind::Weight,
        Is("1"),
        "Its right to a proportion.",
    ),
    field(
        "upload",
        Kind::Limit,
        Is("\"unlimited\""),
        "What is sent to it at most.",
    ),
    field(
        "floor",
        Kind::Floor,
        Is("\"0 B/s\""),
        "What is sent to it at least while it wants something.",
    ),
    field(
        "group",
        Kind::Name,
        Absent("\"lab\""),
        "The group that it is in.",
    ),
    field(
        "accept",
        Kind::Folder,
        Absent("\"inbox\""),
        "It may push to us, into this folder of the data, where the node keeps nothing of its own; \
         without one it may not.",
    ),
    field(
        "quota",
        Kind::Size,
        Is("\"10 GiB\""),
        "What it may push in all, as long as it lies in its folder.",
    ),
];

static GROUP: [Field; 3] = [
    field(
        "weight",
        Kind::Weight,
        Is("1"),
        "Its right to a proportion where shares are per group.",
    ),
    field(
        "upload",
        Kind::Limit,
        Is("\"unlimited\""),
        "What is sent to its members together at most.",
    ),
    field(
        "floor",
        Kind::Floor,
        Is("\"0 B/s\""),
        "What is sent to its members together at least while they want something.",
    ),
];

static POLICY: [Field; 10] = [
    field(
        "uplink",
        Kind::Discipline,
        Is("\"drr\""),
        "Whose turn it is.",
    ),
    field("share", Kind::Share, Is("\"peer\""), "Fair to whom."),
    field(
        "unchoke",
        Kind::Choker,
        Is("\"tit-for-tat\""),
        "Whom to serve while this node wants something itself.",
    ),
    field(
        "seed-rule",
        Kind::SeedRule,
        Is("\"give-to-get\""),
        "Whom to serve once it has everything.",
    ),
    field(
        "picker",
        Kind::Picker,
        Is("\"rarest-first\""),
        "Which chunk to ask for next.",
    ),
    field(
        "slots",
        Kind::Count(1_000),
        Is("5"),
        "Peers served at once where a rule chooses them, those at random included.",
    ),
    field(
        "rechoke",
        Kind::Burst,
        Is("\"10 s\""),
        "Time between two choices of who is served.",
    ),
    field(
        "block",
        Kind::Size,
        Absent("\"16 KiB\""),
        "What is sent in one turn at most, 1 KiB to 256 KiB; without one, what fits the rate.",
    ),
    field(
        "quantum",
        Kind::Size,
        Absent("\"16 KiB\""),
        "Credit of a round per unit of weight, where a discipline has rounds; without one, a \
         block.",
    ),
    field(
        "pipeline",
        Kind::Count(4_096),
        Absent("16"),
        "Chunks asked of one peer ahead; without one, what rate and round trip need.",
    ),
];

static LIMITS: [Field; 5] = [
    field(
        "upload",
        Kind::Uplink,
        Is("\"unlimited\""),
        "What it sends at most; \"auto\" finds what the uplink carries and stays just below, so \
         that what waits waits here, where it is ordered.",
    ),
    field(
        "download",
        Kind::Limit,
        Is("\"unlimited\""),
        "What it receives at most.",
    ),
    field(
        "burst",
        Kind::Burst,
        Absent("\"15 ms\""),
        "How long a limit may be saved up; sets how far ahead of it a moment can be. Without \
         one, 15 ms, and for all but the node's own limits a turn more while they wait for one.",
    ),
    field(
        "schedule",
        Kind::Schedule,
        Is("[]"),
        "Other limits at times of the week; the first entry that fits holds. \
         Times are local, and an entry may run past midnight.",
    ),
    field(
        "connections",
        Kind::Count(4_096),
        Is("256"),
        "Peers connected at once.",
    ),
];

/// The keys of one entry of the schedule.
pub(crate) static ENTRY: [Field; 5] = [
    field(
        "days",
        Kind::Days,
        Is("\"mon-sun\""),
        "The days on which it begins.",
    ),
    field("from", Kind::Clock, Needed("\"08:00\""), "When it begins."),
    field("to", Kind::Clock, Needed("\"18:00\""), "When it ends."),
    field(
        "upload",
        Kind::Limit,
        Absent("\"20 Mbit/s\""),
        "What the node sends at most then; without one, what it always may.",
    ),
    field(
        "download",
        Kind::Limit,
        Absent("\"20 Mbit/s\""),
        "What it receives at most then; without one, what it always may.",
    ),
];

static CONTROL: [Field; 3] = [
    field(
        "socket",
        Kind::Path(107),
        Is("\"/run/fairhaul/control.sock\""),
        "The socket of the command line.",
    ),
    field(
        "http",
        Kind::Address,
        Absent("\"127.0.0.1:7441\""),
        "Where JSON, metrics and a page are served; without one they are not.",
    ),
    field(
        "token",
        Kind::Path(4_095),
        Absent("\"/var/lib/fairhaul/token\""),
        "The file of the token that HTTP asks for, made if it is missing; without one, token in \
         the data.",
    ),
];
