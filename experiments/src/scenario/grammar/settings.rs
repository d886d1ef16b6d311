//! Keys of the sections that say how a scenario is run, and of policies and groups.

use super::Otherwise::{Absent, Is, Needed};
use super::{Field, Kind, field};
use crate::scenario::quantity::Quantity;

use crate::scenario::names::PolicyList;

const BILLION: u64 = 1_000_000_000;

pub(super) const SCENARIO: &[Field] = &[
    field("name", Kind::Name, Needed, "name of the scenario"),
    field(
        "about",
        Kind::Prose,
        Is("\"\""),
        "what it shows, for a reader",
    ),
    field(
        "horizon",
        Kind::Amount(Quantity::Time),
        Is("\"1 h\""),
        "the run ends here even if work is left",
    ),
    field(
        "network",
        Kind::Choice(&["block", "fluid"]),
        Is("\"block\""),
        "how bytes cross the links: block, an uplink serves one block at a time in the order of \
         its discipline, with windows and bursts; fluid, all share at once as the policy's tree \
         says: by weight (drr, sparse-drr, sfq, wf2q+, mclock, round-robin of equal blocks), or \
         first in turn has all it can use (strict, srpt, las, fifo of transfers)",
    ),
    field(
        "connection-window",
        Kind::Amount(Quantity::Size),
        Is("\"1 MiB\""),
        "bytes that one connection has in the network at most; block network",
    ),
    field(
        "latency",
        Kind::Latency,
        Absent,
        "round trip between any two peers, or a CSV file with a matrix of regions",
    ),
    field(
        "ideal",
        Kind::Choice(&["equal-service", "contribution", "fastest"]),
        Is("\"equal-service\""),
        "the ideal that results are measured against",
    ),
    field(
        "ideal-share",
        Kind::Choice(&["peer", "group", "transfer"]),
        Absent,
        "whom entitlements are fair to; absent: whom policy.share says",
    ),
    field(
        "events",
        Kind::Count(1, BILLION),
        Is("1000000000"),
        "a run with more events is refused or stopped",
    ),
    field(
        "memory",
        Kind::Amount(Quantity::Size),
        Is("\"8 GiB\""),
        "a run that needs more is refused",
    ),
];

pub(super) const GROUP: &[Field] = &[
    field(
        "weight",
        Kind::Weight,
        Is("1"),
        "its right to a proportion where shares are per group",
    ),
    field(
        "band",
        Kind::Count(0, 7),
        Is("0"),
        "strict priority band of its members together, 0 first",
    ),
    field(
        "upload",
        Kind::Limit,
        Is("\"unlimited\""),
        "rate that its members together never exceed at one uplink",
    ),
    field(
        "floor",
        Kind::Floor,
        Is("\"0 B/s\""),
        "rate that its members together get at one uplink while they have demand",
    ),
];

pub(super) const POLICY: &[Field] = &[
    field(
        "uplink",
        Kind::Policy(PolicyList::Uplink),
        Is("\"drr\""),
        "discipline of the uplink, or outer/inner; a fluid has the shares and the order of it",
    ),
    field(
        "share",
        Kind::Policy(PolicyList::Share),
        Is("\"peer\""),
        "fair to whom",
    ),
    field(
        "unchoke",
        Kind::Policy(PolicyList::Unchoke),
        Is("\"none\""),
        "whom a node that wants something serves",
    ),
    field(
        "seed-rule",
        Kind::Policy(PolicyList::SeedRule),
        Is("\"even\""),
        "whom a node that has everything serves",
    ),
    field(
        "picker",
        Kind::Policy(PolicyList::Picker),
        Is("\"rarest-first\""),
        "which chunk next",
    ),
    field(
        "slots",
        Kind::Count(1, 10_000),
        Is("5"),
        "unchoke slots, optimistic ones included",
    ),
    field(
        "rechoke",
        Kind::Amount(Quantity::Time),
        Is("\"10 s\""),
        "time between two rounds of the choker",
    ),
    field(
        "block",
        Kind::Amount(Quantity::Size),
        Absent,
        "largest block; absent: from the rate; no share of a fluid depends on it",
    ),
    field(
        "quantum",
        Kind::Amount(Quantity::Size),
        Absent,
        "quantum per unit weight; absent: from the block; block network",
    ),
    field(
        "pipeline",
        Kind::Count(1, 10_000),
        Absent,
        "chunks requested ahead from one peer; absent: from rate and delay",
    ),
    field(
        "timeouts",
        Kind::Choice(&["none", "default"]),
        Absent,
        "default: a peer that stops, drips or says nothing is asked last and closed, and bytes \
         received at once are bounded, as a real node does; absent: none",
    ),
];

pub(super) const REPLICATION: &[Field] = &[
    field(
        "seed",
        Kind::Count(0, u64::MAX),
        Is("1"),
        "seed of all random numbers",
    ),
    field(
        "count",
        Kind::Count(1, 100_000),
        Is("1"),
        "replications of each cell",
    ),
    field(
        "baseline",
        Kind::Prose,
        Absent,
        "a value of the sweep that the others are compared with",
    ),
    field(
        "smallest-difference",
        Kind::Real(0.0, 1.0),
        Is("0.01"),
        "differences below this part of the baseline do not matter; 0.01 is 1 %",
    ),
];

pub(super) const OUTPUT: &[Field] = &[
    field(
        "windows",
        Kind::Spans,
        Is("[\"1 s\"]"),
        "lengths of the windows in which fairness over time is recorded",
    ),
    field(
        "files",
        Kind::Files,
        Is("[\"runs\", \"peers\", \"transfers\", \"windows\", \"latency\"]"),
        "tables that each run writes; runs always is one, pairs only if it is named",
    ),
];
