//! Transfers that the file lists: one for each pair of source and destination, `count` times.
//!
//! A transfer from a peer to itself is refused.

use fairhaul_config::BadFile;
use fairhaul_config::document::Place;
use fairhaul_core::time::Time;
use fairhaul_core::units::ByteCount;
use fairhaul_simulator::setup::{PeerSetup, TransferSetup};

use super::super::file::{Ends, FlowTerms, Transfer};
use super::selector::Who;
use super::{Build, Row, check_floor, rows, small};

/// Every transfer of `[[transfer]]`.
pub(super) fn transfers(
    build: &mut Build<'_>,
    who: &Who,
    peers: &[PeerSetup],
) -> Result<Vec<TransferSetup>, BadFile> {
    let mut transfers = Vec::new();
    for row in rows(build.document, "transfer", &build.file.transfers) {
        let pattern = pattern(build, &row.at, &row.ends, &row.terms)?;
        let bytes = row
            .own
            .bytes
            .distribution(&row.key("bytes"), build.inputs)?;
        let start = row
            .own
            .start
            .distribution(&row.key("start"), build.inputs)?;
        let count = row.own.count.get();
        let pairs = pairs(&row, who)?;
        let several = pairs.len() > 1 || count > 1;
        let mut number = 0_u32;
        for (source, destination) in pairs {
            for turn in 1..=count {
                number += 1;
                // Draws hang on the pair, so that another pair does not move them.
                let [from, to] = [source, destination].map(|peer| &peers[peer as usize].name);
                let entity = format!("{}/{from}/{to}/{turn}", pattern.name);
                let draw = |of: &fairhaul_simulator::distribution::Distribution, purpose: &str| {
                    of.sample(&mut build.streams.stream(&entity, purpose))
                };
                transfers.push(TransferSetup {
                    name: if several {
                        format!("{}.{number}", pattern.name)
                    } else {
                        pattern.name.clone()
                    },
                    source,
                    destination,
                    bytes: ByteCount::new(draw(&bytes, "bytes").max(1)),
                    start: Time::from_nanos(draw(&start, "start")),
                    ..pattern.clone()
                });
            }
        }
    }
    Ok(transfers)
}

/// What transfers of one row have in common. Ends, bytes and start are still to be set.
pub(super) fn pattern(
    build: &mut Build<'_>,
    at: &Place<'_>,
    ends: &Ends,
    terms: &FlowTerms,
) -> Result<TransferSetup, BadFile> {
    let (cap, floor) = (terms.cap.get(), terms.floor.get());
    check_floor(at, ("cap", cap), floor)?;
    Ok(TransferSetup {
        name: ends.name.to_string(),
        class: ends.class.as_ref().unwrap_or(&ends.name).to_string(),
        source: 0,
        destination: 0,
        bytes: ByteCount::ZERO,
        chunk: terms.chunk.0,
        start: Time::ZERO,
        weight: build.weight(at, terms.weight, "transfer"),
        cap,
        floor,
        group: build.group(at, terms.group.as_ref())?,
        band: small(terms.band),
    })
}

/// Every source with every destination, itself aside.
fn pairs(row: &Row<'_, Transfer>, who: &Who) -> Result<Vec<(u32, u32)>, BadFile> {
    let at = row.key("destination");
    let sources = who.all(&row.key("source"), &row.ends.source)?;
    let destinations = who.all(&at, &row.ends.destination)?;
    let pairs: Vec<(u32, u32)> = sources
        .iter()
        .flat_map(|source| {
            destinations
                .iter()
                .map(|destination| (*source, *destination))
        })
        .filter(|(source, destination)| source != destination)
        .collect();
    if pairs.is_empty() {
        return Err(at.bad(
            "leaves no transfer between two peers",
            "a peer other than the source",
        ));
    }
    Ok(pairs)
}
