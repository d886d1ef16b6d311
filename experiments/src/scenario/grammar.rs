//! The sections and keys of a scenario file, each with its kind, default and meaning.
//!
//! This table is the only list of keys: the check for unknown keys, the defaults, the
//! resolved file and the JSON schema are all made from it.

use super::names::PolicyList;
use super::quantity::Quantity;

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

use Kind::{
    Access, Amount, Arrival, Burst, Choice, Count, Drawn, DrawnLimit, File, Files, Floor, Latency,
    Limit, Name, Names, Poisson, Policy, Prose, Real, Regions, Spans, Weight,
};
use Otherwise::{Absent, Is, Needed};

const fn field(name: &'static str, kind: Kind, otherwise: Otherwise, about: &'static str) -> Field {
    Field {
        name,
        kind,
        otherwise,
        about,
    }
}

/// The tables of results that a run may write.
pub(crate) const OUTPUT_FILES: &[&str] = &[
    "runs",
    "peers",
    "transfers",
    "windows",
    "pairs",
    "latency",
    "contents",
];

const MILLION: u64 = 1_000_000;
const BILLION: u64 = 1_000_000_000;

const SCENARIO: &[Field] = &[
    field("name", Name, Needed, "name of the scenario"),
    field("about", Prose, Is("\"\""), "what it shows, for a reader"),
    field(
        "horizon",
        Amount(Quantity::Time),
        Is("\"1 h\""),
        "the run ends here even if work is left",
    ),
    field(
        "network",
        Choice(&["block", "fluid"]),
        Is("\"block\""),
        "how bytes cross the links",
    ),
    field(
        "connection-window",
        Amount(Quantity::Size),
        Is("\"1 MiB\""),
        "bytes that one connection has in the network at most; block network",
    ),
    field(
        "latency",
        Latency,
        Absent,
        "round trip between any two peers, or a CSV file with a matrix of regions",
    ),
    field(
        "ideal",
        Choice(&["equal-service", "contribution", "fastest"]),
        Is("\"equal-service\""),
        "the ideal that results are measured against",
    ),
    field(
        "events",
        Count(1, BILLION),
        Is("1000000000"),
        "a run with more events is refused or stopped",
    ),
    field(
        "memory",
        Amount(Quantity::Size),
        Is("\"8 GiB\""),
        "a run that needs more is refused",
    ),
];

const PEER: &[Field] = &[
    field("name", Name, Needed, "name of the peer"),
    field("class", Name, Is("\"peer\""), "class it is reported under"),
    field(
        "region",
        Name,
        Absent,
        "where it is; needed if there is a latency matrix",
    ),
    field("up", Limit, Is("\"unlimited\""), "capacity of its uplink"),
    field(
        "down",
        Limit,
        Is("\"unlimited\""),
        "capacity of its downlink",
    ),
    field(
        "upload",
        Limit,
        Is("\"unlimited\""),
        "rate that the node itself keeps on its uplink",
    ),
    field(
        "download",
        Limit,
        Is("\"unlimited\""),
        "rate that the node itself keeps on its downlink",
    ),
    field(
        "burst",
        Burst,
        Absent,
        "depth of the bucket of upload, as a size or as a time at its rate",
    ),
    field(
        "join",
        Amount(Quantity::Time),
        Is("\"0 s\""),
        "when it joins",
    ),
    field(
        "leave",
        Amount(Quantity::Time),
        Absent,
        "when it leaves, finished or not",
    ),
    field(
        "linger",
        Amount(Quantity::Time),
        Absent,
        "how long it stays after it has all it wants; absent: until the end",
    ),
    field(
        "weight",
        Weight,
        Is("1"),
        "its right to a proportion at the uplinks of others",
    ),
    field("group", Name, Absent, "group it belongs to"),
    field(
        "cap",
        Limit,
        Is("\"unlimited\""),
        "rate at which any one node serves it at most",
    ),
    field(
        "floor",
        Floor,
        Is("\"0 B/s\""),
        "rate at which any one node serves it at least while it has demand",
    ),
    field(
        "neighbours",
        Count(1, 100_000),
        Is("50"),
        "other nodes that it connects to in a swarm",
    ),
    field(
        "behaviour",
        Choice(&["compliant", "free-rider"]),
        Is("\"compliant\""),
        "how it keeps to the protocol",
    ),
    field(
        "policy",
        Name,
        Is("\"default\""),
        "bundle of policies it follows",
    ),
];

const CLASS: &[Field] = &[
    field(
        "name",
        Name,
        Needed,
        "name of the class; its peers are NAME.1, NAME.2 and so on",
    ),
    field(
        "count",
        Count(0, u64::MAX),
        Absent,
        "number of peers; may be absent if arrival ends by itself",
    ),
    field(
        "up",
        DrawnLimit,
        Is("\"unlimited\""),
        "capacity of the uplink of each",
    ),
    field(
        "down",
        DrawnLimit,
        Is("\"unlimited\""),
        "capacity of the downlink of each",
    ),
    field(
        "access",
        Access,
        Absent,
        "a mix of links instead of up and down: a CSV file or a list of share, up, down",
    ),
    field(
        "regions",
        Regions,
        Is("\"all\""),
        "regions dealt in turn, or shares drawn from",
    ),
    field(
        "arrival",
        Arrival,
        Is("\"together\""),
        "when its peers join",
    ),
    field(
        "start",
        Amount(Quantity::Time),
        Is("\"0 s\""),
        "when arrivals begin",
    ),
    field(
        "session",
        Drawn(Quantity::Time),
        Absent,
        "how long each stays if it does not finish; absent: until the end",
    ),
    field(
        "linger",
        Drawn(Quantity::Time),
        Absent,
        "how long each stays after it has all it wants; absent: until the end",
    ),
    field(
        "upload",
        Limit,
        Is("\"unlimited\""),
        "rate that each node itself keeps on its uplink",
    ),
    field(
        "download",
        Limit,
        Is("\"unlimited\""),
        "rate that each node itself keeps on its downlink",
    ),
    field(
        "burst",
        Burst,
        Absent,
        "depth of the bucket of upload, as a size or as a time at its rate",
    ),
    field(
        "weight",
        Weight,
        Is("1"),
        "right of each to a proportion at the uplinks of others",
    ),
    field("group", Name, Absent, "group they belong to"),
    field(
        "cap",
        Limit,
        Is("\"unlimited\""),
        "rate at which any one node serves each at most",
    ),
    field(
        "floor",
        Floor,
        Is("\"0 B/s\""),
        "rate at which any one node serves each at least while it has demand",
    ),
    field(
        "neighbours",
        Count(1, 100_000),
        Is("50"),
        "other nodes that each connects to in a swarm",
    ),
    field(
        "behaviour",
        Choice(&["compliant", "free-rider"]),
        Is("\"compliant\""),
        "how they keep to the protocol",
    ),
    field(
        "policy",
        Name,
        Is("\"default\""),
        "bundle of policies they follow",
    ),
];

const LINK: &[Field] = &[
    field("name", Name, Needed, "name of the link"),
    field(
        "capacity",
        Amount(Quantity::Rate),
        Needed,
        "capacity, one direction",
    ),
    field(
        "from",
        Names,
        Absent,
        "regions on the sending side; absent: every region",
    ),
    field(
        "to",
        Names,
        Absent,
        "regions on the receiving side; absent: every region",
    ),
];

const CONTENT: &[Field] = &[
    field("name", Name, Needed, "name of the content"),
    field("bytes", Amount(Quantity::Size), Needed, "its length"),
    field(
        "chunk",
        Amount(Quantity::Size),
        Is("\"256 KiB\""),
        "length of every chunk but the last",
    ),
    field(
        "seeds",
        Names,
        Needed,
        "peers and classes that hold it when they join",
    ),
    field(
        "leechers",
        Names,
        Needed,
        "peers and classes that want it when they join",
    ),
];

const TRANSFER: &[Field] = &[
    field(
        "name",
        Name,
        Needed,
        "name; NAME.1, NAME.2 and so on if there are several",
    ),
    field(
        "class",
        Name,
        Is("\"transfer\""),
        "class it is reported under",
    ),
    field(
        "source",
        Names,
        Needed,
        "peers and classes that have it: one transfer from each",
    ),
    field(
        "destination",
        Names,
        Needed,
        "peers and classes that want it: one transfer to each",
    ),
    field("bytes", Drawn(Quantity::Size), Needed, "its length"),
    field(
        "count",
        Count(1, MILLION),
        Is("1"),
        "transfers for each pair",
    ),
    field(
        "start",
        Drawn(Quantity::Time),
        Is("\"0 s\""),
        "when the destination asks for it",
    ),
    field(
        "chunk",
        Amount(Quantity::Size),
        Is("\"256 KiB\""),
        "length of every chunk but the last",
    ),
    field(
        "weight",
        Weight,
        Is("1"),
        "its right to a proportion at the source",
    ),
    field(
        "cap",
        Limit,
        Is("\"unlimited\""),
        "rate at which the source serves it at most",
    ),
    field(
        "floor",
        Floor,
        Is("\"0 B/s\""),
        "rate at which the source serves it at least while it has demand",
    ),
    field("group", Name, Absent, "group it belongs to"),
    field(
        "band",
        Count(0, 7),
        Is("0"),
        "strict priority band, 0 first",
    ),
];

const WORKLOAD: &[Field] = &[
    field(
        "name",
        Name,
        Needed,
        "name; its transfers are NAME.1, NAME.2 and so on",
    ),
    field(
        "class",
        Name,
        Absent,
        "class its transfers are reported under; absent: the name",
    ),
    field(
        "source",
        Names,
        Needed,
        "peers and classes that serve; each has arrivals of its own",
    ),
    field(
        "destination",
        Names,
        Needed,
        "peers and classes that ask; each arrival draws one",
    ),
    field("arrivals", Poisson, Absent, "arrivals at each source"),
    field(
        "load",
        Real(0.000_001, 10.0),
        Absent,
        "arrivals at each source, as the offered part of its uplink",
    ),
    field(
        "trace",
        File,
        Absent,
        "arrivals from a CSV file: time_s, bytes and more",
    ),
    field(
        "sizes",
        Drawn(Quantity::Size),
        Absent,
        "length of each transfer; needed without a trace",
    ),
    field(
        "count",
        Count(1, u64::MAX),
        Absent,
        "arrivals at each source at most",
    ),
    field(
        "start",
        Amount(Quantity::Time),
        Is("\"0 s\""),
        "when arrivals begin; added to the times of a trace",
    ),
    field(
        "until",
        Amount(Quantity::Time),
        Absent,
        "when arrivals end; absent: with the run",
    ),
    field(
        "chunk",
        Amount(Quantity::Size),
        Is("\"256 KiB\""),
        "length of every chunk but the last",
    ),
    field(
        "weight",
        Weight,
        Is("1"),
        "right of each transfer to a proportion at its source",
    ),
    field(
        "cap",
        Limit,
        Is("\"unlimited\""),
        "rate at which a source serves each at most",
    ),
    field(
        "floor",
        Floor,
        Is("\"0 B/s\""),
        "rate at which a source serves each at least while it has demand",
    ),
    field("group", Name, Absent, "group the transfers belong to"),
    field(
        "band",
        Count(0, 7),
        Is("0"),
        "strict priority band, 0 first",
    ),
];

const GROUP: &[Field] = &[
    field(
        "weight",
        Weight,
        Is("1"),
        "its right to a proportion where shares are per group",
    ),
    field(
        "upload",
        Limit,
        Is("\"unlimited\""),
        "rate that its members together never exceed at one uplink",
    ),
    field(
        "floor",
        Floor,
        Is("\"0 B/s\""),
        "rate that its members together get at one uplink while they have demand",
    ),
];

const FAULT: &[Field] = &[
    field("at", Amount(Quantity::Time), Needed, "when"),
    field(
        "kind",
        Choice(&["crash", "restart", "capacity", "upload"]),
        Needed,
        "what changes",
    ),
    field("peer", Names, Needed, "peers and classes it happens to"),
    field("up", Limit, Absent, "capacity: the new uplink"),
    field("down", Limit, Absent, "capacity: the new downlink"),
    field(
        "upload",
        Limit,
        Absent,
        "upload: the new rate that the node keeps",
    ),
];

const POLICY: &[Field] = &[
    field(
        "uplink",
        Policy(PolicyList::Uplink),
        Is("\"drr\""),
        "discipline of the uplink, or outer/inner",
    ),
    field(
        "share",
        Policy(PolicyList::Share),
        Is("\"peer\""),
        "fair to whom",
    ),
    field(
        "unchoke",
        Policy(PolicyList::Unchoke),
        Is("\"none\""),
        "whom a node that wants something serves",
    ),
    field(
        "seed-rule",
        Policy(PolicyList::SeedRule),
        Is("\"even\""),
        "whom a node that has everything serves",
    ),
    field(
        "picker",
        Policy(PolicyList::Picker),
        Is("\"rarest-first\""),
        "which chunk next",
    ),
    field(
        "slots",
        Count(1, 10_000),
        Is("5"),
        "unchoke slots, optimistic ones included",
    ),
    field(
        "rechoke",
        Amount(Quantity::Time),
        Is("\"10 s\""),
        "time between two rounds of the choker",
    ),
    field(
        "block",
        Amount(Quantity::Size),
        Absent,
        "largest block; absent: from the rate",
    ),
    field(
        "quantum",
        Amount(Quantity::Size),
        Absent,
        "quantum per unit weight; absent: from the block",
    ),
    field(
        "pipeline",
        Count(1, 10_000),
        Absent,
        "chunks requested ahead from one peer; absent: from rate and delay",
    ),
];

const REPLICATION: &[Field] = &[
    field(
        "seed",
        Count(0, u64::MAX),
        Is("1"),
        "seed of all random numbers",
    ),
    field(
        "count",
        Count(1, 100_000),
        Is("1"),
        "replications of each cell",
    ),
    field(
        "baseline",
        Prose,
        Absent,
        "a value of the sweep that the others are compared with",
    ),
];

const OUTPUT: &[Field] = &[
    field(
        "windows",
        Spans,
        Is("[\"1 s\"]"),
        "lengths of the windows in which fairness over time is recorded",
    ),
    field(
        "files",
        Files,
        Is(
            "[\"runs\", \"peers\", \"transfers\", \"windows\", \"pairs\", \"latency\", \"contents\"]",
        ),
        "tables to write",
    ),
];

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
        SCENARIO,
    ),
    section("policy", Form::Bundles, "who is served next", POLICY),
    section(
        "group",
        Form::Named,
        "peers and transfers that share a right or a limit",
        GROUP,
    ),
    section(
        "link",
        Form::Many,
        "a link that all paths between two sets of regions cross",
        LINK,
    ),
    section("peer", Form::Many, "one node", PEER),
    section("class", Form::Many, "nodes of one kind", CLASS),
    section(
        "content",
        Form::Many,
        "a content that a swarm distributes",
        CONTENT,
    ),
    section("transfer", Form::Many, "transfers between peers", TRANSFER),
    section(
        "workload",
        Form::Many,
        "transfers that arrive one after another",
        WORKLOAD,
    ),
    section(
        "fault",
        Form::Many,
        "something that changes at a time",
        FAULT,
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
        REPLICATION,
    ),
    section("output", Form::One, "what is recorded and written", OUTPUT),
];
