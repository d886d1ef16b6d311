//! Keys of peers, classes, links and faults.

use super::Otherwise::{Absent, Is, Needed};
use super::{Field, Kind, field};
use crate::scenario::quantity::Quantity;

pub(super) const PEER: &[Field] = &[
    field("name", Kind::Name, Needed, "name of the peer"),
    field(
        "class",
        Kind::Name,
        Is("\"peer\""),
        "class it is reported under",
    ),
    field(
        "region",
        Kind::Name,
        Absent,
        "where it is; needed if there is a latency matrix",
    ),
    field(
        "up",
        Kind::Limit,
        Is("\"unlimited\""),
        "capacity of its uplink",
    ),
    field(
        "down",
        Kind::Limit,
        Is("\"unlimited\""),
        "capacity of its downlink",
    ),
    field(
        "upload",
        Kind::Limit,
        Is("\"unlimited\""),
        "rate that the node itself keeps on its uplink",
    ),
    field(
        "download",
        Kind::Limit,
        Is("\"unlimited\""),
        "rate that the node itself keeps on its downlink",
    ),
    field(
        "burst",
        Kind::Burst,
        Absent,
        "depth of the bucket of upload, as a size or as a time at its rate; block network",
    ),
    field(
        "join",
        Kind::Amount(Quantity::Time),
        Is("\"0 s\""),
        "when it joins",
    ),
    field(
        "leave",
        Kind::Amount(Quantity::Time),
        Absent,
        "when it leaves, finished or not",
    ),
    field(
        "linger",
        Kind::Amount(Quantity::Time),
        Absent,
        "how long it stays after it has all it wants; absent: until the end",
    ),
    field(
        "weight",
        Kind::Weight,
        Is("1"),
        "its right to a proportion at the uplinks of others",
    ),
    field(
        "band",
        Kind::Count(0, 7),
        Is("0"),
        "strict priority band at the uplinks of others, 0 first",
    ),
    field("group", Kind::Name, Absent, "group it belongs to"),
    field(
        "cap",
        Kind::Limit,
        Is("\"unlimited\""),
        "rate at which any one node serves it at most",
    ),
    field(
        "floor",
        Kind::Floor,
        Is("\"0 B/s\""),
        "rate at which any one node serves it at least while it has demand",
    ),
    field(
        "neighbours",
        Kind::Count(1, 100_000),
        Is("50"),
        "other nodes that it connects to in a swarm",
    ),
    field(
        "behaviour",
        Kind::Choice(&["compliant", "free-rider"]),
        Is("\"compliant\""),
        "how it keeps to the protocol",
    ),
    field(
        "policy",
        Kind::Name,
        Is("\"default\""),
        "bundle of policies it follows",
    ),
];

pub(super) const CLASS: &[Field] = &[
    field(
        "name",
        Kind::Name,
        Needed,
        "name of the class; its peers are NAME.1, NAME.2 and so on",
    ),
    field(
        "count",
        Kind::Count(0, u64::MAX),
        Absent,
        "number of peers; may be absent if arrival ends by itself",
    ),
    field(
        "up",
        Kind::DrawnLimit,
        Is("\"unlimited\""),
        "capacity of the uplink of each",
    ),
    field(
        "down",
        Kind::DrawnLimit,
        Is("\"unlimited\""),
        "capacity of the downlink of each",
    ),
    field(
        "access",
        Kind::Access,
        Absent,
        "a mix of links instead of up and down: a CSV file or a list of share, up, down",
    ),
    field(
        "regions",
        Kind::Regions,
        Is("\"all\""),
        "regions dealt in turn, or shares drawn from",
    ),
    field(
        "arrival",
        Kind::Arrival,
        Is("\"together\""),
        "when its peers join",
    ),
    field(
        "start",
        Kind::Amount(Quantity::Time),
        Is("\"0 s\""),
        "when arrivals begin",
    ),
    field(
        "session",
        Kind::Drawn(Quantity::Time),
        Absent,
        "how long each stays if it does not finish; absent: until the end",
    ),
    field(
        "linger",
        Kind::Drawn(Quantity::Time),
        Absent,
        "how long each stays after it has all it wants; absent: until the end",
    ),
    field(
        "upload",
        Kind::Limit,
        Is("\"unlimited\""),
        "rate that each node itself keeps on its uplink",
    ),
    field(
        "download",
        Kind::Limit,
        Is("\"unlimited\""),
        "rate that each node itself keeps on its downlink",
    ),
    field(
        "burst",
        Kind::Burst,
        Absent,
        "depth of the bucket of upload, as a size or as a time at its rate; block network",
    ),
    field(
        "weight",
        Kind::Weight,
        Is("1"),
        "right of each to a proportion at the uplinks of others",
    ),
    field(
        "band",
        Kind::Count(0, 7),
        Is("0"),
        "strict priority band of each at the uplinks of others, 0 first",
    ),
    field("group", Kind::Name, Absent, "group they belong to"),
    field(
        "cap",
        Kind::Limit,
        Is("\"unlimited\""),
        "rate at which any one node serves each at most",
    ),
    field(
        "floor",
        Kind::Floor,
        Is("\"0 B/s\""),
        "rate at which any one node serves each at least while it has demand",
    ),
    field(
        "neighbours",
        Kind::Count(1, 100_000),
        Is("50"),
        "other nodes that each connects to in a swarm",
    ),
    field(
        "behaviour",
        Kind::Choice(&["compliant", "free-rider"]),
        Is("\"compliant\""),
        "how they keep to the protocol",
    ),
    field(
        "policy",
        Kind::Name,
        Is("\"default\""),
        "bundle of policies they follow",
    ),
];

pub(super) const LINK: &[Field] = &[
    field("name", Kind::Name, Needed, "name of the link"),
    field(
        "capacity",
        Kind::Amount(Quantity::Rate),
        Needed,
        "capacity, of one direction or of both together",
    ),
    field(
        "directions",
        Kind::Choice(&["one", "both"]),
        Is("\"one\""),
        "whether what goes back crosses it as well and shares its capacity",
    ),
    field(
        "from",
        Kind::Names,
        Absent,
        "regions on the sending side; absent: every region",
    ),
    field(
        "to",
        Kind::Names,
        Absent,
        "regions on the receiving side; absent: every region",
    ),
];

pub(super) const FAULT: &[Field] = &[
    field("at", Kind::Amount(Quantity::Time), Needed, "when"),
    field(
        "kind",
        Kind::Choice(&["crash", "restart", "capacity", "upload", "link", "abort"]),
        Needed,
        "what changes",
    ),
    field(
        "peer",
        Kind::Names,
        Absent,
        "crash, restart, capacity, upload: peers and classes it happens to",
    ),
    field(
        "up",
        Kind::Changed,
        Absent,
        "capacity: the new uplink; 0 B/s: nothing moves; absent: as before",
    ),
    field(
        "down",
        Kind::Changed,
        Absent,
        "capacity: the new downlink; 0 B/s: nothing moves; absent: as before",
    ),
    field(
        "upload",
        Kind::Limit,
        Absent,
        "upload: the new rate that the node keeps",
    ),
    field(
        "link",
        Kind::Names,
        Absent,
        "link: the [[link]] that changes, or several",
    ),
    field(
        "capacity",
        Kind::Changed,
        Absent,
        "link: its new capacity; 0 B/s: nothing moves",
    ),
    field(
        "transfer",
        Kind::Names,
        Absent,
        "abort: transfers that nobody wants any more, by name; NAME is NAME.1, NAME.2 and so on",
    ),
];
