//! How large a run would be, before memory is taken for it.
//!
//! Decides an estimate from counts and means alone; refuses what is above the limits of
//! `[scenario]`. The estimates are low: what they refuse would not have fitted.

use fairhaul_config::BadFile;

use super::super::drawn::{self, float};
use super::super::quantity::Quantity;
use super::super::reader::{At, Row};
use super::{Build, Value};
use crate::scenario::drawn::Arrival;

/// Most peers of a run, whatever the memory.
const PEERS_MAX: f64 = 1_000_000.0;

/// Bytes that one peer takes at least, its connections aside.
const PEER_BYTES: f64 = 8_192.0;

/// Bytes that one connection of a peer takes at least.
const CONNECTION_BYTES: f64 = 256.0;

/// Bytes that one transfer takes at least.
const TRANSFER_BYTES: f64 = 512.0;

/// Events that one block takes at least: asked, served, arrived, acknowledged.
const BLOCK_EVENTS: f64 = 4.0;

/// The largest block that a discipline orders.
const BLOCK_BYTES: f64 = 262_144.0;

/// Most transfers of a run, whatever the memory.
pub(super) const TRANSFERS_MAX: f64 = 2_000_000.0;

/// Most chunks of a content or transfer.
const CHUNKS_MAX: u64 = 1 << 24;

/// What a run would need, and the value in the file that needs most of it.
struct Estimate<'a> {
    memory: f64,
    events: f64,
    transfers: f64,
    most_memory: Option<(f64, At<'a>)>,
    most_events: Option<(f64, At<'a>)>,
}

impl<'a> Estimate<'a> {
    fn memory(&mut self, bytes: f64, at: &At<'a>) {
        self.memory += bytes;
        if self
            .most_memory
            .as_ref()
            .is_none_or(|(most, _)| bytes > *most)
        {
            self.most_memory = Some((bytes, at.clone()));
        }
    }

    fn events(&mut self, events: f64, at: &At<'a>) {
        self.events += events;
        if self
            .most_events
            .as_ref()
            .is_none_or(|(most, _)| events > *most)
        {
            self.most_events = Some((events, at.clone()));
        }
    }
}

/// Refuses a run that would be too large.
pub(super) fn check(build: &Build<'_>) -> Result<(), BadFile> {
    let scenario = super::section(build.cx, build.full, "scenario");
    let memory_max = float(scenario.need("memory")?.amount(Quantity::Size)?);
    let events_max = float(scenario.need("events")?.count(1, u64::MAX)?);
    let mut estimate = Estimate {
        memory: 0.0,
        events: 0.0,
        transfers: 0.0,
        most_memory: None,
        most_events: None,
    };
    count_peers(build, &mut estimate)?;
    for row in build.rows("content") {
        let leechers = members(build, &row.need("leechers")?)?;
        let at = row.need("bytes")?;
        let bytes = at.amount(Quantity::Size)?;
        let chunks = chunks(&row, bytes)?;
        estimate.memory(leechers * float(chunks) / 8.0, &at);
        estimate.events(leechers * float(bytes) / BLOCK_BYTES * BLOCK_EVENTS, &at);
    }
    for row in build.rows("transfer") {
        let pairs =
            members(build, &row.need("source")?)? * members(build, &row.need("destination")?)?;
        let at = row.need("bytes")?;
        let bytes = drawn::drawn(&at, Quantity::Size)?;
        chunks(
            &row,
            fairhaul_simulator::dist::to_integer(bytes.quantile(1.0 - 1e-9)),
        )?;
        let count = pairs * float(row.need("count")?.count(1, u64::MAX)?);
        let most = if count > pairs {
            row.need("count")?
        } else {
            at
        };
        transfers(&mut estimate, count, bytes.mean(), &most)?;
    }
    for row in build.rows("workload") {
        count_workload(build, &row, &mut estimate)?;
    }
    if estimate.memory > memory_max
        && let Some((_, at)) = &estimate.most_memory
    {
        let got = format!(
            "{}, in all {} MiB",
            at.value.shown(),
            (estimate.memory / 1_048_576.0).ceil()
        );
        let allowed = format!(
            "{} MiB in all (scenario.memory)",
            (memory_max / 1_048_576.0).floor()
        );
        return Err(at.bad_got("needs more memory than there may be", &got, allowed));
    }
    if estimate.events > events_max
        && let Some((_, at)) = &estimate.most_events
    {
        let got = format!(
            "{}, in all {} events",
            at.value.shown(),
            estimate.events.ceil()
        );
        let allowed = format!("{events_max} events in all (scenario.events)");
        return Err(at.bad_got("needs more events than there may be", &got, allowed));
    }
    Ok(())
}

fn transfers<'a>(
    estimate: &mut Estimate<'a>,
    count: f64,
    mean: f64,
    at: &At<'a>,
) -> Result<(), BadFile> {
    estimate.memory(count * TRANSFER_BYTES, at);
    estimate.events(count * (mean / BLOCK_BYTES).max(1.0) * BLOCK_EVENTS, at);
    estimate.transfers += count;
    check_transfers(estimate.transfers, at)
}

/// Refuses more transfers than there may be.
pub(super) fn check_transfers(count: f64, at: &At<'_>) -> Result<(), BadFile> {
    if count <= TRANSFERS_MAX {
        return Ok(());
    }
    let mib = (count * TRANSFER_BYTES / 1_048_576.0).ceil();
    let shown = at.value.shown();
    let got = format!(
        "{shown}, about {} transfers, {mib} MiB at least",
        count.ceil()
    );
    let allowed = format!("{TRANSFERS_MAX} transfers in all");
    Err(at.bad_got("makes too many transfers", &got, allowed))
}

fn count_peers<'a>(build: &Build<'a>, estimate: &mut Estimate<'a>) -> Result<(), BadFile> {
    let mut peers = 0.0;
    for row in build.rows("peer") {
        estimate.memory(PEER_BYTES, &row.need("name")?);
        peers += 1.0;
    }
    // The class to blame is the largest, wherever in the file the sum becomes too much.
    let mut largest: Option<(f64, At<'_>, f64)> = None;
    for row in build.rows("class") {
        let count = class_count(build, &row)?;
        let at = row.get("count").map_or_else(|| row.need("arrival"), Ok)?;
        let neighbours = float(row.need("neighbours")?.count(1, u64::MAX)?).min(count);
        let bytes = count * (PEER_BYTES + neighbours * CONNECTION_BYTES);
        peers += count;
        if largest.as_ref().is_none_or(|(most, ..)| count > *most) {
            largest = Some((count, at.clone(), bytes));
        }
        estimate.memory(bytes, &at);
    }
    match largest {
        Some((_, at, bytes)) if peers > PEERS_MAX => {
            let shown = at.value.shown();
            let mib = (bytes / 1_048_576.0).ceil();
            let got = format!("{shown}, in all {} peers, {mib} MiB at least", peers.ceil());
            Err(at.bad_got("makes too many peers", &got, "1000000 peers in all"))
        }
        _ => Ok(()),
    }
}

/// Peers of a class: as written, or as many as arrive until the end.
fn class_count(build: &Build<'_>, row: &Row<'_>) -> Result<f64, BadFile> {
    let written = match row.get("count") {
        Some(at) => float(at.count(0, u64::MAX)?),
        None => f64::INFINITY,
    };
    let at = row.need("arrival")?;
    let ends = match drawn::arrival(&at)? {
        Arrival::Together | Arrival::Within(_) => f64::INFINITY,
        Arrival::Poisson(gap) => float(build.horizon.as_nanos()) / gap,
        Arrival::Decay(gap, tau) => tau / gap,
        Arrival::Times(times) => match &*times {
            crate::inputs::points::Points::Arrivals(times) => float(times.len() as u64),
            _ => unreachable!("the kind says what was read"),
        },
    };
    if written.is_infinite() && ends.is_infinite() {
        let missing = row.need("count").map(drop);
        return Err(missing.expect_err("it is infinite only where it is missing"));
    }
    Ok(written.min(ends))
}

/// About how many peers the names under `at` mean.
fn members(build: &Build<'_>, at: &At<'_>) -> Result<f64, BadFile> {
    let mut sum = 0.0;
    for at in at.one_or_more("a name or a list of names")? {
        let name = at.name()?;
        let classes = build.rows("class");
        let found = classes.iter().find(|row| {
            matches!(row.table.get("name").map(|e| &e.item.value), Some(Value::Text(own)) if own == name)
        });
        sum += match found {
            Some(row) => class_count(build, row)?,
            None => 1.0,
        };
    }
    Ok(sum)
}

/// Chunks of `bytes` in a row, of which there may not be too many.
fn chunks(row: &Row<'_>, bytes: u64) -> Result<u64, BadFile> {
    let at = row.need("chunk")?;
    let chunk = at.amount(Quantity::Size)?;
    let chunks = bytes.div_ceil(chunk);
    if chunks > CHUNKS_MAX {
        let got = format!("{}, {chunks} chunks", at.value.shown());
        let allowed = format!("at most {CHUNKS_MAX} chunks");
        return Err(at.bad_got("makes too many chunks", &got, allowed));
    }
    Ok(chunks)
}

fn count_workload<'a>(
    build: &Build<'a>,
    row: &Row<'a>,
    estimate: &mut Estimate<'a>,
) -> Result<(), BadFile> {
    let Some(sizes) = row.get("sizes") else {
        return Ok(());
    };
    let mean = drawn::drawn(&sizes, Quantity::Size)?;
    chunks(
        row,
        fairhaul_simulator::dist::to_integer(mean.quantile(1.0 - 1e-9)),
    )?;
    let until = match row.get("until") {
        Some(at) => at.amount(Quantity::Time)?,
        None => build.horizon.as_nanos(),
    };
    let (each, at) = match (row.get("arrivals"), row.get("count")) {
        (Some(at), _) => (float(until) / drawn::poisson(&at)?, at),
        (None, Some(at)) => (f64::INFINITY, at),
        (None, None) => return Ok(()),
    };
    let each = match row.get("count") {
        Some(count) => each.min(float(count.count(1, u64::MAX)?)),
        None => each,
    };
    let count = each * members(build, &row.need("source")?)?;
    transfers(estimate, count, mean.mean(), &at)
}
