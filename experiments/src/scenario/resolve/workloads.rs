//! Transfers that arrive one after another: drawn at each source, or read from a trace.
//!
//! Each source has a stream of arrivals, of sizes and of destinations. A load on a link without a
//! capacity is refused, and rows of a trace that lead nowhere.

use fairhaul_config::BadFile;
use fairhaul_config::document::Place;
use fairhaul_config::text::CsvPath;
use fairhaul_config::value::Value as _;
use fairhaul_core::time::Time;
use fairhaul_core::units::ByteCount;
use fairhaul_simulator::distribution::Distribution;
use fairhaul_simulator::random::uniform;
use fairhaul_simulator::setup::{PeerSetup, TransferSetup};

use super::super::file::Workload as Table;
use super::super::random::{Drawn, float};
use super::super::values::{Frequency, Load};
use super::arrivals::{later, libm_ln};
use super::selector::Who;
use super::{Build, Row, Weighed, rows, size_estimate, transfers, weight};
use crate::datasets::trace::{Arrival, Trace};

/// Adds the transfers of every `[[workload]]`.
pub(super) fn workloads(
    build: &mut Build<'_>,
    who: &Who,
    peers: &[PeerSetup],
    all: &mut Vec<TransferSetup>,
) -> Result<(), BadFile> {
    for row in rows(build.document, "workload", &build.file.workloads) {
        let until = row
            .own
            .until
            .map_or(build.horizon, |until| Time::ZERO + until.0);
        let work = Workload {
            start: Time::ZERO + row.own.start.0,
            until: until.min(build.horizon),
            pattern: transfers::pattern(build, &row.at, &row.ends, &row.terms)?,
            sources: who.all(&row.key("source"), &row.ends.source)?,
            destinations: who.all(&row.key("destination"), &row.ends.destination)?,
            peers,
        };
        match (&row.own.trace, row.own.arrivals, row.own.load) {
            (Some(path), None, None) => work.replay(build, who, (&row, path), all)?,
            (None, Some(arrivals), None) => {
                let arrivals = Arrivals::Often(arrivals.poisson);
                work.draw(build, &row, (row.key("arrivals"), arrivals), all)?;
            }
            (None, None, Some(Load(load))) => {
                work.draw(build, &row, (row.key("load"), Arrivals::Load(load)), all)?;
            }
            (trace, arrivals, load) => {
                let given = [trace.is_some(), arrivals.is_some(), load.is_some()];
                let got = format!("{} of them", given.iter().filter(|given| **given).count());
                let allowed = "exactly one of trace, arrivals and load";
                return Err(row
                    .at
                    .bad_got("does not say when transfers arrive", &got, allowed));
            }
        }
    }
    Ok(())
}

/// How often transfers arrive at a source.
#[derive(Clone, Copy)]
enum Arrivals {
    Often(Frequency),
    /// This part of its uplink.
    Load(f64),
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
        row: &Row<'_, Table>,
        arrivals: (Place<'_>, Arrivals),
        all: &mut Vec<TransferSetup>,
    ) -> Result<(), BadFile> {
        let at = row.key("sizes");
        let sizes = row.own.sizes.as_ref();
        let sizes = sizes.ok_or_else(|| at.missing(Drawn::<ByteCount>::allowed()))?;
        let sizes = sizes.distribution(&at, build.inputs)?;
        let count = row.own.count.map_or(u64::MAX, |count| count.get());
        self.check_total(&arrivals, &sizes, count, all.len())?;
        let mut number = 0;
        for source in &self.sources {
            let others: Vec<u32> = self
                .destinations
                .iter()
                .copied()
                .filter(|destination| destination != source)
                .collect();
            if others.is_empty() {
                return Err(row.key("destination").bad(
                    "leaves no transfer between two peers",
                    "a peer other than the source",
                ));
            }
            let gap = self.mean_gap(&arrivals, *source, &sizes)?;
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
        arrivals: &(Place<'_>, Arrivals),
        sizes: &Distribution,
        count: u64,
        before: usize,
    ) -> Result<(), BadFile> {
        let mut expected = float(before as u64);
        let nanos = float(self.until.since(self.start).as_nanos());
        for source in &self.sources {
            expected += (nanos / self.mean_gap(arrivals, *source, sizes)?).min(float(count));
        }
        size_estimate::check_transfers(expected, &arrivals.0)
    }

    /// Mean time between two arrivals at `source`, in nanoseconds.
    fn mean_gap(
        &self,
        (at, arrivals): &(Place<'_>, Arrivals),
        source: u32,
        sizes: &Distribution,
    ) -> Result<f64, BadFile> {
        let load = match arrivals {
            Arrivals::Often(often) => return Ok(often.gap),
            Arrivals::Load(load) => load,
        };
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
        (row, path): (&Row<'_, Table>, &CsvPath),
        all: &mut Vec<TransferSetup>,
    ) -> Result<(), BadFile> {
        let beside = [
            ("sizes", row.own.sizes.is_some()),
            ("count", row.own.count.is_some()),
        ];
        if let Some((key, _)) = beside.iter().find(|(_, is_given)| *is_given) {
            return Err(row.key(key).bad(
                "stands beside a trace, which says it",
                "sizes and count only with arrivals or load",
            ));
        }
        let at = row.key("trace");
        let trace = at.opened(build.inputs.trace(path))?;
        size_estimate::check_transfers(float((all.len() + trace.rows.len()) as u64), &at)?;
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
