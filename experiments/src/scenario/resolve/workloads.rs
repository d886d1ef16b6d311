//! Transfers that arrive one after another: drawn at each source, or read from a trace.
//!
//! Decides that each source has a stream of arrivals, of sizes and of destinations;
//! refuses a load on a link without a capacity, and rows of a trace that lead nowhere.

use fairhaul_config::BadFile;
use fairhaul_core::time::Time;
use fairhaul_core::units::ByteCount;
use fairhaul_simulator::dist::Distribution;
use fairhaul_simulator::random::uniform;
use fairhaul_simulator::setup::{PeerSetup, TransferSetup};

use super::super::drawn::{self, float};
use super::super::quantity::Quantity;
use super::super::reader::{At, Row};
use super::arrivals::{later, libm_ln};
use super::who::Who;
use super::{Build, Weighed, census, transfers, weight};
use crate::inputs::trace::{Arrival, Trace};

/// Adds the transfers of every `[[workload]]`.
pub(super) fn workloads(
    build: &mut Build<'_>,
    who: &Who,
    peers: &[PeerSetup],
    all: &mut Vec<TransferSetup>,
) -> Result<(), BadFile> {
    for row in build.rows("workload") {
        let class = transfers::class(&row)?;
        let own_weight = build.weight(&row, "transfer")?;
        let pattern = transfers::pattern(build, &row, class, own_weight)?;
        let sources = who.all(&row.need("source")?)?;
        let destinations = who.all(&row.need("destination")?)?;
        let work = Workload {
            start: Time::from_nanos(row.need("start")?.amount(Quantity::Time)?),
            until: until(build, &row)?,
            pattern,
            sources,
            destinations,
            peers,
        };
        match (row.get("trace"), row.get("arrivals"), row.get("load")) {
            (Some(at), None, None) => work.replay(build, who, &row, &at, all)?,
            (None, Some(at), None) => work.draw(build, &row, &at, all)?,
            (None, None, Some(at)) => work.draw(build, &row, &at, all)?,
            (trace, arrivals, load) => {
                let found = [trace, arrivals, load].into_iter().flatten().count();
                let got = format!("{found} of them");
                let allowed = "exactly one of trace, arrivals and load";
                return Err(row.bad("does not say when transfers arrive", &got, allowed));
            }
        }
    }
    Ok(())
}

fn until(build: &Build<'_>, row: &Row<'_>) -> Result<Time, BadFile> {
    let Some(at) = row.get("until") else {
        return Ok(build.horizon);
    };
    Ok(Time::from_nanos(at.amount(Quantity::Time)?).min(build.horizon))
}

struct Workload<'p> {
    start: Time,
    until: Time,
    pattern: TransferSetup,
    sources: Vec<u32>,
    destinations: Vec<u32>,
    peers: &'p [PeerSetup],
}

impl Workload<'_> {
    /// Arrivals, sizes and destinations from the streams of each source.
    fn draw(
        &self,
        build: &Build<'_>,
        row: &Row<'_>,
        at: &At<'_>,
        all: &mut Vec<TransferSetup>,
    ) -> Result<(), BadFile> {
        let sizes = drawn::drawn(&row.need("sizes")?, Quantity::Size)?;
        let count = match row.get("count") {
            Some(at) => at.count(1, u64::MAX)?,
            None => u64::MAX,
        };
        self.check_total(at, &sizes, count, all.len())?;
        let mut number = 0;
        for source in &self.sources {
            let others: Vec<u32> = self
                .destinations
                .iter()
                .copied()
                .filter(|destination| destination != source)
                .collect();
            if others.is_empty() {
                let at = row.need("destination")?;
                return Err(at.bad(
                    "leaves no transfer between two peers",
                    "a peer other than the source",
                ));
            }
            let gap = self.mean_gap(at, *source, &sizes)?;
            let entity = format!(
                "{}/{}",
                self.pattern.name, self.peers[*source as usize].name
            );
            let [mut times, mut lengths, mut ends] = ["arrival", "bytes", "destination"]
                .map(|purpose| build.streams.stream(&entity, purpose));
            let mut offset = 0.0;
            for _ in 0..count {
                offset -= gap * libm_ln(uniform(&mut times));
                let start = later(self.start, offset);
                if start >= self.until {
                    break;
                }
                number += 1;
                all.push(TransferSetup {
                    name: format!("{}.{number}", self.pattern.name),
                    source: *source,
                    destination: others[ends.below(others.len())],
                    bytes: ByteCount::new(sizes.sample(&mut lengths).max(1)),
                    start,
                    ..self.pattern.clone()
                });
            }
        }
        Ok(())
    }

    /// Refuses a workload before its transfers take memory.
    fn check_total(
        &self,
        at: &At<'_>,
        sizes: &Distribution,
        count: u64,
        before: usize,
    ) -> Result<(), BadFile> {
        let mut expected = float(before as u64);
        let nanos = float(self.until.since(self.start).as_nanos());
        for source in &self.sources {
            expected += (nanos / self.mean_gap(at, *source, sizes)?).min(float(count));
        }
        census::check_transfers(expected, at)
    }

    /// Mean time between two arrivals at `source`, in nanoseconds.
    fn mean_gap(&self, at: &At<'_>, source: u32, sizes: &Distribution) -> Result<f64, BadFile> {
        if !at.path.ends_with(".load") {
            return drawn::poisson(at);
        }
        let load = at.real(0.000_001, 10.0)?;
        let peer = &self.peers[source as usize];
        let rate = match (peer.up, peer.upload_cap) {
            (Some(up), Some(cap)) => up.min(cap),
            (Some(rate), None) | (None, Some(rate)) => rate,
            (None, None) => {
                let allowed = format!("a source with a capacity; {} has none", peer.name);
                return Err(at.bad("is a part of an unlimited uplink", allowed));
            }
        };
        Ok(sizes.mean() / (load * float(rate.get())) * 1e9)
    }

    /// One transfer for each row of a trace.
    fn replay(
        &self,
        build: &mut Build<'_>,
        who: &Who,
        row: &Row<'_>,
        at: &At<'_>,
        all: &mut Vec<TransferSetup>,
    ) -> Result<(), BadFile> {
        if let Some(at) = row.get("sizes").or_else(|| row.get("count")) {
            return Err(at.bad(
                "stands beside a trace, which says it",
                "sizes and count only with arrivals or load",
            ));
        }
        let path = at.text("the path of a CSV file")?;
        let trace = at.opened(at.cx.inputs.trace(path))?;
        census::check_transfers(float((all.len() + trace.rows.len()) as u64), at)?;
        let mut ends = build.streams.stream(&self.pattern.name, "trace");
        for (index, arrival) in trace.rows.iter().enumerate() {
            let start = Time::from_nanos(self.start.as_nanos().saturating_add(arrival.at_nanos));
            if start >= self.until {
                break;
            }
            let mut draw = |among: &[u32]| among[ends.below(among.len())];
            let source = match end(&trace, arrival, arrival.source, "source", who)? {
                Some(peer) => peer,
                None => draw(&self.sources),
            };
            let destination = match end(&trace, arrival, arrival.destination, "destination", who)? {
                Some(peer) => peer,
                None => draw(&self.destinations),
            };
            if source == destination {
                let name = &self.peers[source as usize].name;
                let allowed = "a destination other than the source";
                return Err(fault(
                    &trace,
                    arrival,
                    "destination",
                    "is the source too",
                    name,
                    allowed,
                ));
            }
            let class = arrival.class.map(|name| trace.names[name as usize].clone());
            all.push(TransferSetup {
                name: format!("{}.{}", self.pattern.name, index + 1),
                class: class.unwrap_or_else(|| self.pattern.class.clone()),
                source,
                destination,
                bytes: ByteCount::new(arrival.bytes),
                start,
                weight: arrival.weight.map_or(self.pattern.weight, weight),
                ..self.pattern.clone()
            });
        }
        weigh(build, &trace);
        Ok(())
    }
}

/// Remembers the least and the greatest weight of a trace.
fn weigh(build: &mut Build<'_>, trace: &Trace) {
    let weighed = || {
        trace
            .rows
            .iter()
            .filter(|row| row.weight.is_some_and(|w| w > 0))
    };
    let ends = [
        weighed().min_by_key(|row| row.weight),
        weighed().max_by_key(|row| row.weight),
    ];
    for row in ends.into_iter().flatten() {
        let hundredths = row.weight.expect("only rows with a weight are left");
        let got = weight(hundredths).to_string();
        let what = "is too far from another weight";
        build.weights.push(Weighed {
            kind: "transfer",
            hundredths,
            place: fault(trace, row, "weight", what, &got, ""),
        });
    }
}

/// The one peer that a cell of a trace names; none if the cell is not there.
fn end(
    trace: &Trace,
    row: &Arrival,
    name: Option<u32>,
    column: &str,
    who: &Who,
) -> Result<Option<u32>, BadFile> {
    let Some(name) = name else {
        return Ok(None);
    };
    let name = &trace.names[name as usize];
    match who.find(name) {
        Some(rows) if rows.len() == 1 => Ok(Some(rows.start)),
        Some(_) => Err(fault(trace, row, column, "is a class", name, "one peer")),
        None => Err(fault(
            trace,
            row,
            column,
            "is an unknown peer",
            name,
            "a peer of the scenario",
        )),
    }
}

fn fault(
    trace: &Trace,
    row: &Arrival,
    column: &str,
    what: &str,
    got: &str,
    allowed: &str,
) -> BadFile {
    BadFile::new(&trace.path, row.line, column, what, got, allowed)
}
