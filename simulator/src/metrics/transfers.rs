//! Metrics of explicit transfers: how much each got of what it was entitled to, and how long
//! it took beside being alone.

use fairhaul_core::time::Span;
use fairhaul_results::mean;

use super::scalars::{Scalar, Scalars};
use super::{Sample, classes, received, windowed};
use crate::record::{Record, TransferRecord};
use crate::setup::{Setup, TransferSetup};

/// Seconds from request to last byte; none if it did not finish.
#[must_use]
pub fn completion_s(transfer: &TransferRecord) -> Option<f64> {
    Some(took(transfer)?.as_secs_f64())
}

/// Time taken over time alone, 1 for a transfer that was alone; none if it did not finish or its
/// time alone was not measured.
#[must_use]
pub fn slowdown(transfer: &TransferRecord) -> Option<f64> {
    let alone = transfer.alone?.as_nanos();
    let took = took(transfer)?.as_nanos();
    (alone > 0).then(|| took as f64 / alone as f64)
}

/// Bytes received over bytes entitled to; none if it was entitled to nothing.
#[must_use]
pub fn over_entitlement(transfer: &TransferRecord) -> Option<f64> {
    let entitled = transfer.entitlement.get();
    (entitled > 0).then(|| transfer.received.get() as f64 / entitled as f64)
}

fn took(transfer: &TransferRecord) -> Option<Span> {
    Some(transfer.end?.since(transfer.start?))
}

/// Adds the scalars of all transfers together, then those of each class.
pub(super) fn add(setup: &Setup, record: &Record, out: &mut Scalars) {
    let rows: Vec<Row<'_>> = setup.transfers.iter().zip(&record.transfers).collect();
    if rows.is_empty() {
        return;
    }
    add_errors(&rows, out);
    let lag = windowed::worst_lag(setup, record);
    out.add("lag_worst_bytes", lag.map(|bytes| bytes as f64));
    add_delays("", &rows, out);
    received::add(setup, record, out);
    classes::add(setup, record, out);
    for class in classes::names(setup) {
        let of_class: Vec<Row<'_>> = rows
            .iter()
            .copied()
            .filter(|r| r.0.class == class)
            .collect();
        add_delays(&format!(".{class}"), &of_class, out);
    }
}

type Row<'a> = (&'a TransferSetup, &'a TransferRecord);

fn add_errors(rows: &[Row<'_>], out: &mut Scalars) {
    let errors = share_errors(rows);
    out.add("share_error_worst_pp", errors.at_per_mille(1_000));
    out.add("share_error_mean_pp", errors.mean());
}

/// `|share - entitlement|` of each transfer in percent points: its part of all bytes that
/// arrived against its part of all entitlements.
fn share_errors(rows: &[Row<'_>]) -> Sample {
    let received: f64 = rows.iter().map(|r| r.1.received.get() as f64).sum();
    let entitled: f64 = rows.iter().map(|r| r.1.entitlement.get() as f64).sum();
    if received <= 0.0 || entitled <= 0.0 {
        return Sample::default();
    }
    Sample::new(rows.iter().map(|(_, row)| {
        let share = row.received.get() as f64 / received;
        let ideal = row.entitlement.get() as f64 / entitled;
        (share - ideal).abs() * 100.0
    }))
}

fn add_delays(suffix: &str, rows: &[Row<'_>], out: &mut Scalars) {
    let started = rows.iter().filter(|r| r.1.start.is_some()).count();
    let finished = rows.iter().filter(|r| r.1.end.is_some()).count();
    let sizes: Vec<f64> = rows.iter().map(|r| r.0.bytes.get() as f64).collect();
    let mut put = |name: &str, value| out.push(Scalar::new(format!("{name}{suffix}"), value));
    put("transfers_started", Some(started as f64));
    put(
        "transfers_not_finished",
        Some((started - finished.min(started)) as f64),
    );
    put("size_mean_bytes", mean(&sizes));
    // Who waited longer than its entitlement needed has a share below 1, who was served ahead of
    // it one above.
    let shares = Sample::new(rows.iter().filter_map(|r| over_entitlement(r.1)));
    put("share_over_entitlement_min", shares.at_per_mille(0));
    put("share_over_entitlement_p50", shares.at_per_mille(500));
    put("share_over_entitlement_max", shares.at_per_mille(1_000));
    let seconds = Sample::new(rows.iter().filter_map(|r| completion_s(r.1)));
    put("completion_mean_s", seconds.mean());
    put("completion_p50_s", seconds.at_per_mille(500));
    put("completion_p95_s", seconds.at_per_mille(950));
    put("completion_p99_s", seconds.at_per_mille(990));
    let slowdowns = Sample::new(rows.iter().filter_map(|r| slowdown(r.1)));
    let alone = Sample::new(rows.iter().filter_map(|r| Some(r.1.alone?.as_secs_f64())));
    put("alone_mean_s", alone.mean());
    put("alone_p50_s", alone.at_per_mille(500));
    put("alone_p95_s", alone.at_per_mille(950));
    put("alone_p99_s", alone.at_per_mille(990));
    put("slowdown_mean", slowdowns.mean());
    put("slowdown_p50", slowdowns.at_per_mille(500));
    put("slowdown_p95", slowdowns.at_per_mille(950));
    put("slowdown_p99", slowdowns.at_per_mille(990));
}
