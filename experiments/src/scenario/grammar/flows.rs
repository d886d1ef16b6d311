//! Keys of contents, transfers and workloads.

use super::Otherwise::{Absent, Is, Needed};
use super::{Field, Kind, field};
use crate::scenario::quantity::Quantity;

const MILLION: u64 = 1_000_000;

pub(super) const CONTENT: &[Field] = &[
    field("name", Kind::Name, Needed, "name of the content"),
    field("bytes", Kind::Amount(Quantity::Size), Needed, "its length"),
    field(
        "chunk",
        Kind::Amount(Quantity::Size),
        Is("\"256 KiB\""),
        "length of every chunk but the last",
    ),
    field(
        "seeds",
        Kind::Names,
        Needed,
        "peers and classes that hold it when they join",
    ),
    field(
        "leechers",
        Kind::Names,
        Needed,
        "peers and classes that want it when they join",
    ),
];

pub(super) const TRANSFER: &[Field] = &[
    field(
        "name",
        Kind::Name,
        Needed,
        "name; NAME.1, NAME.2 and so on if there are several",
    ),
    field(
        "class",
        Kind::Name,
        Absent,
        "class it is reported under; absent: the name",
    ),
    field(
        "source",
        Kind::Names,
        Needed,
        "peers and classes that have it: one transfer from each",
    ),
    field(
        "destination",
        Kind::Names,
        Needed,
        "peers and classes that want it: one transfer to each",
    ),
    field("bytes", Kind::Drawn(Quantity::Size), Needed, "its length"),
    field(
        "count",
        Kind::Count(1, MILLION),
        Is("1"),
        "transfers for each pair",
    ),
    field(
        "start",
        Kind::Drawn(Quantity::Time),
        Is("\"0 s\""),
        "when the destination asks for it",
    ),
    field(
        "chunk",
        Kind::Amount(Quantity::Size),
        Is("\"256 KiB\""),
        "length of every chunk but the last",
    ),
    field(
        "weight",
        Kind::Weight,
        Is("1"),
        "its right to a proportion at the source",
    ),
    field(
        "cap",
        Kind::Limit,
        Is("\"unlimited\""),
        "rate at which the source serves it at most",
    ),
    field(
        "floor",
        Kind::Floor,
        Is("\"0 B/s\""),
        "rate at which the source serves it at least while it has demand",
    ),
    field("group", Kind::Name, Absent, "group it belongs to"),
    field(
        "band",
        Kind::Count(0, 7),
        Is("0"),
        "strict priority band, 0 first",
    ),
];

pub(super) const WORKLOAD: &[Field] = &[
    field(
        "name",
        Kind::Name,
        Needed,
        "name; its transfers are NAME.1, NAME.2 and so on",
    ),
    field(
        "class",
        Kind::Name,
        Absent,
        "class its transfers are reported under; absent: the name",
    ),
    field(
        "source",
        Kind::Names,
        Needed,
        "peers and classes that serve; each has arrivals of its own",
    ),
    field(
        "destination",
        Kind::Names,
        Needed,
        "peers and classes that ask; each arrival draws one",
    ),
    field("arrivals", Kind::Poisson, Absent, "arrivals at each source"),
    field(
        "load",
        Kind::Real(0.000_001, 10.0),
        Absent,
        "arrivals at each source, as the offered part of its uplink",
    ),
    field(
        "trace",
        Kind::File,
        Absent,
        "arrivals from a CSV file: time_s, bytes and more",
    ),
    field(
        "sizes",
        Kind::Drawn(Quantity::Size),
        Absent,
        "length of each transfer; needed without a trace",
    ),
    field(
        "count",
        Kind::Count(1, u64::MAX),
        Absent,
        "arrivals at each source at most",
    ),
    field(
        "start",
        Kind::Amount(Quantity::Time),
        Is("\"0 s\""),
        "when arrivals begin; added to the times of a trace",
    ),
    field(
        "until",
        Kind::Amount(Quantity::Time),
        Absent,
        "when arrivals end; absent: with the run",
    ),
    field(
        "chunk",
        Kind::Amount(Quantity::Size),
        Is("\"256 KiB\""),
        "length of every chunk but the last",
    ),
    field(
        "weight",
        Kind::Weight,
        Is("1"),
        "right of each transfer to a proportion at its source",
    ),
    field(
        "cap",
        Kind::Limit,
        Is("\"unlimited\""),
        "rate at which a source serves each at most",
    ),
    field(
        "floor",
        Kind::Floor,
        Is("\"0 B/s\""),
        "rate at which a source serves each at least while it has demand",
    ),
    field("group", Kind::Name, Absent, "group the transfers belong to"),
    field(
        "band",
        Kind::Count(0, 7),
        Is("0"),
        "strict priority band, 0 first",
    ),
];
