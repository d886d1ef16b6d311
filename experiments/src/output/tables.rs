//! The rows of a run, from its setup and its record.

use std::io::Write;

use fairhaul_results::{
    AFTER_PARAMS, FlowKind, Latencies, PairRow, PeerRow, Table, TransferRow, WindowRow, number,
};
use fairhaul_simulator::metrics;
use fairhaul_simulator::record::FlowName;
use fairhaul_simulator::setup::{PeerSetup, Setup};

use super::RunRow;
use crate::runner::MACHINE_CPU;

/// Writes the rows of one run, with their header.
type WriteRows<W> = fn(&RunRow<'_>, W) -> csv::Result<()>;

/// Name of the table of runs.
pub(super) const RUNS: &str = "runs.csv";

/// Every table of a run.
pub(super) fn all<W: Write>() -> [(&'static str, WriteRows<W>); 6] {
    [
        (RUNS, runs),
        ("peers.csv", peers),
        ("transfers.csv", transfers),
        ("windows.csv", windows),
        ("pairs.csv", pairs),
        ("latency.csv", |row, out| {
            latencies(row).write_csv(out, &row.keys())
        }),
    ]
}

/// Histograms of a run: one for each class of transfers and of peers that finished anything.
pub(super) fn latencies(row: &RunRow<'_>) -> Latencies {
    let mut found = Latencies::default();
    for (transfer, record) in row.setup.transfers.iter().zip(&row.record.transfers) {
        if let (Some(start), Some(end)) = (record.start, record.end) {
            found.add(FlowKind::Transfer, &transfer.class, end.since(start));
        }
    }
    for (peer, record) in row.setup.peers.iter().zip(&row.record.peers) {
        if let (true, Some(joined), Some(done)) = (record.wanted, record.joined, record.completed) {
            found.add(FlowKind::Peer, &peer.class, done.since(joined));
        }
    }
    found
}

fn runs<W: Write>(row: &RunRow<'_>, out: W) -> csv::Result<()> {
    let scalars = metrics::scalars(row.setup, row.record);
    let mut columns = vec![AFTER_PARAMS];
    columns.extend(scalars.iter().map(|scalar| scalar.name.as_str()));
    let digest = row.record.digest.iter();
    let mut values = vec![digest.map(|byte| format!("{byte:02x}")).collect()];
    values.extend(scalars.iter().map(|scalar| number(scalar.value)));
    if let Some(used) = row.machine {
        columns.extend([MACHINE_CPU, "machine_cpu_worst_second_pct"]);
        values.extend([used.mean_pct, used.worst_second_pct].map(|pct| number(Some(pct))));
    }
    let mut table = Table::with_columns(out, &row.keys(), columns)?;
    table.put(&values)?;
    Ok(table.flush()?)
}

fn peers<W: Write>(row: &RunRow<'_>, out: W) -> csv::Result<()> {
    let mut table = Table::begin::<PeerRow<'_>>(out, &row.keys())?;
    for (peer, found) in row.setup.peers.iter().zip(&row.record.peers) {
        table.put(&PeerRow {
            peer: &peer.name,
            class: &peer.class,
            region: region(row.setup, peer),
            behaviour: peer.behaviour.name,
            up_bytes_per_s: peer.up,
            down_bytes_per_s: peer.down,
            weight: peer.weight,
            joined_s: found.joined,
            left_s: found.left,
            present_s: Some(found.present),
            wanted: Some(found.wanted),
            finished: found.wanted.then_some(found.completed.is_some()),
            completed_s: found.completed,
            completion_s: metrics::peer_completion_s(found),
            alone_s: found.alone,
            slowdown: metrics::peer_slowdown(found),
            share_ratio: metrics::share_ratio(found),
            up_as_leecher_bytes: found.up_as_leecher.get(),
            up_as_seed_bytes: found.up_as_seed.get(),
            down_from_leechers_bytes: found.down_from_leechers.get(),
            down_from_seeds_bytes: found.down_from_seeds.get(),
            wasted_bytes: found.wasted.get(),
            service_error_worst_bytes: Some(found.worst_service_error.get()),
        })?;
    }
    Ok(table.flush()?)
}

fn transfers<W: Write>(row: &RunRow<'_>, out: W) -> csv::Result<()> {
    let mut table = Table::begin::<TransferRow<'_>>(out, &row.keys())?;
    for (transfer, found) in row.setup.transfers.iter().zip(&row.record.transfers) {
        let group = transfer
            .group
            .and_then(|at| row.setup.groups.get(at as usize));
        table.put(&TransferRow {
            transfer: &transfer.name,
            class: &transfer.class,
            source: peer_name(row.setup, transfer.source),
            destination: peer_name(row.setup, transfer.destination),
            group: group.map_or("", |group| &group.name),
            bytes: transfer.bytes.get(),
            weight: transfer.weight,
            cap_bytes_per_s: transfer.cap,
            floor_bytes_per_s: transfer.floor,
            start_s: found.start,
            first_byte_s: found.first_byte,
            end_s: found.end,
            finished: Some(found.end.is_some()),
            completion_s: metrics::completion_s(found),
            alone_s: found.alone,
            slowdown: metrics::slowdown(found),
            received_bytes: found.received.get(),
            entitlement_bytes: Some(found.entitlement.get()),
            share_over_entitlement: metrics::over_entitlement(found),
        })?;
    }
    Ok(table.flush()?)
}

fn windows<W: Write>(row: &RunRow<'_>, out: W) -> csv::Result<()> {
    let mut table = Table::begin::<WindowRow<'_>>(out, &row.keys())?;
    for found in &row.record.windows {
        let (flow_kind, flow, class) = flow(row.setup, found.flow);
        table.put(&WindowRow {
            window_s: found.window,
            start_s: found.start,
            flow_kind,
            flow,
            class,
            bytes: found.bytes.get(),
            entitlement_bytes: Some(found.entitlement.get()),
            backlogged_s: found.backlogged,
        })?;
    }
    Ok(table.flush()?)
}

fn pairs<W: Write>(row: &RunRow<'_>, out: W) -> csv::Result<()> {
    let mut table = Table::begin::<PairRow<'_>>(out, &row.keys())?;
    for pair in &row.record.pairs {
        table.put(&PairRow {
            sender: peer_name(row.setup, pair.sender),
            receiver: peer_name(row.setup, pair.receiver),
            bytes: pair.bytes.get(),
        })?;
    }
    Ok(table.flush()?)
}

fn region<'a>(setup: &'a Setup, peer: &PeerSetup) -> &'a str {
    let name = setup.latency.regions.get(peer.region as usize);
    name.map_or("", String::as_str)
}

fn peer_name(setup: &Setup, at: u32) -> &str {
    setup.peers.get(at as usize).map_or("", |peer| &peer.name)
}

fn flow(setup: &Setup, flow: FlowName) -> (FlowKind, &str, &str) {
    match flow {
        FlowName::Transfer(at) => {
            let transfer = setup.transfers.get(at as usize);
            let (name, class) = transfer.map_or(("", ""), |found| (&found.name, &found.class));
            (FlowKind::Transfer, name, class)
        }
        FlowName::Peer(at) => {
            let peer = setup.peers.get(at as usize);
            let (name, class) = peer.map_or(("", ""), |found| (&found.name, &found.class));
            (FlowKind::Peer, name, class)
        }
    }
}
