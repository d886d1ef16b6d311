//! The rows of one run in each table.
//!
//! Decides columns: keys of the run first, then what the row is, then its numbers. A unit is
//! part of a column's name.

use std::io::Write;

use csv::Writer;
use fairhaul_core::time::{Span, Time};
use fairhaul_simulator::metrics;
use fairhaul_simulator::record::FlowName;
use fairhaul_simulator::setup::{Behaviour, PeerSetup, Setup};

use super::{RunRow, number, seconds, text};
use crate::runner::MACHINE_CPU;

/// Names of the tables that a run has rows in, and what writes them.
pub(super) type WriteRows<W> = fn(&RunRow<'_>, &mut Writer<W>) -> csv::Result<()>;

/// Name of the table of runs.
pub(super) const RUNS: &str = "runs.csv";
/// Column behind the last parameter in the table of runs.
pub(super) const AFTER_PARAMS: &str = "trace_digest";
/// Columns before the first parameter in every table.
pub(super) const KEYS: [&str; 4] = ["run", "seed", "replication", "cell"];

/// Every table of a run but latencies.
pub(super) fn all<W: Write>() -> [(&'static str, WriteRows<W>); 5] {
    [
        (RUNS, runs),
        ("peers.csv", peers),
        ("transfers.csv", transfers),
        ("windows.csv", windows),
        ("pairs.csv", pairs),
    ]
}

/// Names of the keys, then `columns`.
pub(super) fn header<'a>(row: &'a RunRow<'_>, columns: &[&'a str]) -> Vec<&'a str> {
    let params = row.params.iter().map(|(name, _)| name.as_str());
    KEYS.into_iter()
        .chain(params)
        .chain(columns.iter().copied())
        .collect()
}

/// Values of the keys; the row's own values go behind them.
pub(super) fn keys(row: &RunRow<'_>) -> Vec<String> {
    let own = [
        row.run.to_owned(),
        row.seed.to_string(),
        row.replication.to_string(),
        text(row.cell),
    ];
    let params = row.params.iter().map(|(_, value)| text(value));
    own.into_iter().chain(params).collect()
}

/// Writes one row: the keys and the row's own values.
pub(super) fn put<W: Write>(
    out: &mut Writer<W>,
    keys: &[String],
    own: impl IntoIterator<Item = String>,
) -> csv::Result<()> {
    for key in keys {
        out.write_field(key)?;
    }
    for field in own {
        out.write_field(field)?;
    }
    out.write_record(None::<&[u8]>)
}

fn runs<W: Write>(row: &RunRow<'_>, out: &mut Writer<W>) -> csv::Result<()> {
    let scalars = metrics::scalars(row.setup, row.record);
    let mut columns = vec![AFTER_PARAMS];
    columns.extend(scalars.iter().map(|scalar| scalar.name.as_str()));
    let machine = row.machine.map(|used| {
        columns.extend([MACHINE_CPU, "machine_cpu_worst_second_pct"]);
        [used.mean_pct, used.worst_second_pct]
    });
    out.write_record(header(row, &columns))?;
    let digest: String = row
        .record
        .digest
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let values = scalars.iter().map(|scalar| number(scalar.value));
    let machine = machine.into_iter().flatten().map(|pct| number(Some(pct)));
    put(
        out,
        &keys(row),
        [digest].into_iter().chain(values).chain(machine),
    )
}

const PEERS: [&str; 23] = [
    "peer",
    "class",
    "region",
    "behaviour",
    "up_bytes_per_s",
    "down_bytes_per_s",
    "weight",
    "joined_s",
    "left_s",
    "present_s",
    "wanted",
    "finished",
    "completed_s",
    "completion_s",
    "alone_s",
    "slowdown",
    "share_ratio",
    "up_as_leecher_bytes",
    "up_as_seed_bytes",
    "down_from_leechers_bytes",
    "down_from_seeds_bytes",
    "wasted_bytes",
    "service_error_worst_bytes",
];

fn peers<W: Write>(row: &RunRow<'_>, out: &mut Writer<W>) -> csv::Result<()> {
    out.write_record(header(row, &PEERS))?;
    let keys = keys(row);
    for (peer, found) in row.setup.peers.iter().zip(&row.record.peers) {
        let finished = found.wanted.then(|| flag(found.completed.is_some()));
        let own: [String; PEERS.len()] = [
            text(&peer.name),
            text(&peer.class),
            text(region(row.setup, peer)),
            behaviour(peer.behaviour).to_owned(),
            peer.up
                .map_or_else(String::new, |rate| rate.get().to_string()),
            peer.down
                .map_or_else(String::new, |rate| rate.get().to_string()),
            peer.weight.to_string(),
            at(found.joined),
            at(found.left),
            seconds(Some(found.present)),
            flag(found.wanted),
            finished.unwrap_or_default(),
            at(found.completed),
            number(metrics::peer_completion_s(found)),
            seconds(found.alone),
            number(metrics::peer_slowdown(found)),
            number(metrics::share_ratio(found)),
            found.up_as_leecher.get().to_string(),
            found.up_as_seed.get().to_string(),
            found.down_from_leechers.get().to_string(),
            found.down_from_seeds.get().to_string(),
            found.wasted.get().to_string(),
            found.worst_service_error.get().to_string(),
        ];
        put(out, &keys, own)?;
    }
    Ok(())
}

const TRANSFERS: [&str; 19] = [
    "transfer",
    "class",
    "source",
    "destination",
    "group",
    "bytes",
    "weight",
    "cap_bytes_per_s",
    "floor_bytes_per_s",
    "start_s",
    "first_byte_s",
    "end_s",
    "finished",
    "completion_s",
    "alone_s",
    "slowdown",
    "received_bytes",
    "entitlement_bytes",
    "share_over_entitlement",
];

fn transfers<W: Write>(row: &RunRow<'_>, out: &mut Writer<W>) -> csv::Result<()> {
    out.write_record(header(row, &TRANSFERS))?;
    let keys = keys(row);
    for (transfer, found) in row.setup.transfers.iter().zip(&row.record.transfers) {
        let group = transfer
            .group
            .and_then(|at| row.setup.groups.get(at as usize));
        let own: [String; TRANSFERS.len()] = [
            text(&transfer.name),
            text(&transfer.class),
            text(peer_name(row.setup, transfer.source)),
            text(peer_name(row.setup, transfer.destination)),
            group.map_or_else(String::new, |group| text(&group.name)),
            transfer.bytes.get().to_string(),
            transfer.weight.to_string(),
            transfer
                .cap
                .map_or_else(String::new, |rate| rate.get().to_string()),
            transfer
                .floor
                .map_or_else(String::new, |rate| rate.get().to_string()),
            at(found.start),
            at(found.first_byte),
            at(found.end),
            flag(found.end.is_some()),
            number(metrics::completion_s(found)),
            seconds(found.alone),
            number(metrics::slowdown(found)),
            found.received.get().to_string(),
            found.entitlement.get().to_string(),
            number(metrics::over_entitlement(found)),
        ];
        put(out, &keys, own)?;
    }
    Ok(())
}

const WINDOWS: [&str; 8] = [
    "window_s",
    "start_s",
    "flow_kind",
    "flow",
    "class",
    "bytes",
    "entitlement_bytes",
    "backlogged_s",
];

fn windows<W: Write>(row: &RunRow<'_>, out: &mut Writer<W>) -> csv::Result<()> {
    out.write_record(header(row, &WINDOWS))?;
    let keys = keys(row);
    for found in &row.record.windows {
        let (kind, name, class) = flow(row.setup, found.flow);
        let own: [String; WINDOWS.len()] = [
            seconds(Some(found.window)),
            at(Some(found.start)),
            kind.to_owned(),
            text(name),
            text(class),
            found.bytes.get().to_string(),
            found.entitlement.get().to_string(),
            seconds(Some(found.backlogged)),
        ];
        put(out, &keys, own)?;
    }
    Ok(())
}

fn pairs<W: Write>(row: &RunRow<'_>, out: &mut Writer<W>) -> csv::Result<()> {
    out.write_record(header(row, &["sender", "receiver", "bytes"]))?;
    let keys = keys(row);
    for pair in &row.record.pairs {
        let own = [
            text(peer_name(row.setup, pair.sender)),
            text(peer_name(row.setup, pair.receiver)),
            pair.bytes.get().to_string(),
        ];
        put(out, &keys, own)?;
    }
    Ok(())
}

fn at(time: Option<Time>) -> String {
    seconds(time.map(|time| Span::from_nanos(time.as_nanos())))
}

fn flag(yes: bool) -> String {
    u8::from(yes).to_string()
}

const fn behaviour(behaviour: Behaviour) -> &'static str {
    match behaviour {
        Behaviour::Compliant => "compliant",
        Behaviour::FreeRider => "free-rider",
    }
}

fn region<'a>(setup: &'a Setup, peer: &PeerSetup) -> &'a str {
    let name = setup.latency.regions.get(peer.region as usize);
    name.map_or("", String::as_str)
}

fn peer_name(setup: &Setup, at: u32) -> &str {
    setup.peers.get(at as usize).map_or("", |peer| &peer.name)
}

fn flow(setup: &Setup, flow: FlowName) -> (&'static str, &str, &str) {
    match flow {
        FlowName::Transfer(at) => {
            let transfer = setup.transfers.get(at as usize);
            let (name, class) = transfer.map_or(("", ""), |found| (&found.name, &found.class));
            ("transfer", name, class)
        }
        FlowName::Peer(at) => {
            let peer = setup.peers.get(at as usize);
            let (name, class) = peer.map_or(("", ""), |found| (&found.name, &found.class));
            ("peer", name, class)
        }
    }
}
