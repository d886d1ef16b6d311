//! Estimates how large a run would be, before memory is taken for it.
//!
//! The estimate is from counts and means alone, and low: a scenario above the limits of
//! `[scenario]` would not have fitted.

use fairhaul_config::BadFile;
use fairhaul_config::document::Place;
use fairhaul_config::number::LongBounded;
use fairhaul_config::value::Value as _;
use fairhaul_core::units::ByteCount;

use super::super::class::{Arrival, Decay};
use super::super::file::{Class, Names, Workload};
use super::super::random::float;
use super::{Build, Row, rows};
use crate::datasets::points::{Kind as PointsKind, Points};

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
    most_memory: Option<(f64, Place<'a>)>,
    most_events: Option<(f64, Place<'a>)>,
}

impl<'a> Estimate<'a> {
    fn memory(&mut self, bytes: f64, at: &Place<'a>) {
        self.memory += bytes;
        if self
            .most_memory
            .as_ref()
            .is_none_or(|(most, _)| bytes > *most)
        {
            self.most_memory = Some((bytes, at.clone()));
        }
    }

    fn events(&mut self, events: f64, at: &Place<'a>) {
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
    let memory_max = float(build.file.scenario.memory.0.get());
    let events_max = float(build.file.scenario.events.get());
    let mut estimate = Estimate {
        memory: 0.0,
        events: 0.0,
        transfers: 0.0,
        most_memory: None,
        most_events: None,
    };
    count_peers(build, &mut estimate)?;
    for row in rows(build.document, "content", &build.file.contents) {
        let leechers = members(build, &row.leechers)?;
        let at = row.key("bytes");
        let bytes = row.bytes.0.get();
        let chunks = chunks(&row.key("chunk"), row.chunk.0, bytes)?;
        estimate.memory(leechers * float(chunks) / 8.0, &at);
        estimate.events(leechers * float(bytes) / BLOCK_BYTES * BLOCK_EVENTS, &at);
    }
    for row in rows(build.document, "transfer", &build.file.transfers) {
        let pairs = members(build, &row.ends.source)? * members(build, &row.ends.destination)?;
        let at = row.key("bytes");
        let bytes = row.own.bytes.distribution(&at, build.inputs)?;
        let most = fairhaul_simulator::distribution::to_integer(bytes.quantile(1.0 - 1e-9));
        chunks(&row.key("chunk"), row.terms.chunk.0, most)?;
        let count = pairs * f64::from(row.own.count.get());
        let most = if count > pairs { row.key("count") } else { at };
        transfers(&mut estimate, count, bytes.mean(), &most)?;
    }
    for row in rows(build.document, "workload", &build.file.workloads) {
        count_workload(build, &row, &mut estimate)?;
    }
    if estimate.memory > memory_max
        && let Some((_, at)) = &estimate.most_memory
    {
        let got = format!(
            "{}, in all {} MiB",
            at.shown(),
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
        let got = format!("{}, in all {} events", at.shown(), estimate.events.ceil());
        let allowed = format!("{events_max} events in all (scenario.events)");
        return Err(at.bad_got("needs more events than there may be", &got, allowed));
    }
    Ok(())
}

fn transfers<'a>(
    estimate: &mut Estimate<'a>,
    count: f64,
    mean: f64,
    at: &Place<'a>,
) -> Result<(), BadFile> {
    estimate.memory(count * TRANSFER_BYTES, at);
    estimate.events(count * (mean / BLOCK_BYTES).max(1.0) * BLOCK_EVENTS, at);
    estimate.transfers += count;
    check_transfers(estimate.transfers, at)
}

/// Refuses more transfers than there may be.
pub(super) fn check_transfers(count: f64, at: &Place<'_>) -> Result<(), BadFile> {
    if count <= TRANSFERS_MAX {
        return Ok(());
    }
    let mib = (count * TRANSFER_BYTES / 1_048_576.0).ceil();
    let shown = at.shown();
    let got = format!(
        "{shown}, about {} transfers, {mib} MiB at least",
        count.ceil()
    );
    let allowed = format!("{TRANSFERS_MAX} transfers in all");
    Err(at.bad_got("makes too many transfers", &got, allowed))
}

fn count_peers<'a>(build: &Build<'a>, estimate: &mut Estimate<'a>) -> Result<(), BadFile> {
    let mut peers = 0.0;
    for row in rows(build.document, "peer", &build.file.peers) {
        estimate.memory(PEER_BYTES, &row.key("name"));
        peers += 1.0;
    }
    // The class to blame is the largest, wherever in the file the sum becomes too much.
    let mut largest: Option<(f64, Place<'_>, f64)> = None;
    for row in rows(build.document, "class", &build.file.classes) {
        let count = class_count(build, &row)?;
        let at = match row.own.count {
            Some(_) => row.key("count"),
            None => row.key("arrival"),
        };
        let neighbours = f64::from(row.terms.neighbours.get()).min(count);
        let bytes = count * (PEER_BYTES + neighbours * CONNECTION_BYTES);
        peers += count;
        if largest.as_ref().is_none_or(|(most, ..)| count > *most) {
            largest = Some((count, at.clone(), bytes));
        }
        estimate.memory(bytes, &at);
    }
    match largest {
        Some((_, at, bytes)) if peers > PEERS_MAX => {
            let shown = at.shown();
            let mib = (bytes / 1_048_576.0).ceil();
            let got = format!("{shown}, in all {} peers, {mib} MiB at least", peers.ceil());
            Err(at.bad_got("makes too many peers", &got, "1000000 peers in all"))
        }
        _ => Ok(()),
    }
}

/// Peers of a class: as written, or as many as arrive until the end.
fn class_count(build: &Build<'_>, row: &Row<'_, Class>) -> Result<f64, BadFile> {
    let written = row
        .own
        .count
        .map_or(f64::INFINITY, |count| float(count.get()));
    let ends = match &row.own.arrival {
        Arrival::Together | Arrival::Within(_) => f64::INFINITY,
        Arrival::Poisson(often) => float(build.horizon.as_nanos()) / often.gap,
        Arrival::Decay(Decay { initial, tau }) => float(tau.get().as_nanos()) / initial.gap,
        Arrival::Csv(path) => {
            let times = build.inputs.points(path, PointsKind::Arrivals);
            match &*row.key("arrival").key("csv").opened(times)? {
                Points::Arrivals(times) => float(times.len() as u64),
                _ => unreachable!("the kind says what was read"),
            }
        }
    };
    if written.is_infinite() && ends.is_infinite() {
        let allowed = LongBounded::<0, { u64::MAX }>::allowed();
        return Err(row.key("count").missing(allowed));
    }
    Ok(written.min(ends))
}

/// About how many peers `names` mean.
fn members(build: &Build<'_>, names: &Names) -> Result<f64, BadFile> {
    let mut sum = 0.0;
    for name in names.iter() {
        let mut classes = rows(build.document, "class", &build.file.classes);
        sum += match classes.find(|row| row.own.name == *name) {
            Some(row) => class_count(build, &row)?,
            None => 1.0,
        };
    }
    Ok(sum)
}

/// Chunks of `bytes`, of which there may not be too many.
fn chunks(at: &Place<'_>, chunk: ByteCount, bytes: u64) -> Result<u64, BadFile> {
    let chunks = bytes.div_ceil(chunk.get());
    if chunks > CHUNKS_MAX {
        let got = format!("{}, {chunks} chunks", at.shown());
        let allowed = format!("at most {CHUNKS_MAX} chunks");
        return Err(at.bad_got("makes too many chunks", &got, allowed));
    }
    Ok(chunks)
}

fn count_workload<'a>(
    build: &Build<'a>,
    row: &Row<'a, Workload>,
    estimate: &mut Estimate<'a>,
) -> Result<(), BadFile> {
    let Some(sizes) = &row.own.sizes else {
        return Ok(());
    };
    let sizes = sizes.distribution(&row.key("sizes"), build.inputs)?;
    let most = fairhaul_simulator::distribution::to_integer(sizes.quantile(1.0 - 1e-9));
    chunks(&row.key("chunk"), row.terms.chunk.0, most)?;
    let until = row
        .own
        .until
        .map_or(build.horizon.as_nanos(), |until| until.0.as_nanos());
    let most = row.own.count.map(|count| float(count.get()));
    let (each, at) = match (row.own.arrivals, most) {
        (Some(arrivals), _) => (float(until) / arrivals.poisson.gap, row.key("arrivals")),
        (None, Some(_)) => (f64::INFINITY, row.key("count")),
        (None, None) => return Ok(()),
    };
    let count = each.min(most.unwrap_or(f64::INFINITY)) * members(build, &row.ends.source)?;
    transfers(estimate, count, sizes.mean(), &at)
}
