//! Transfers from one peer to another that the file lists.
//!
//! Decides one transfer for each pair of source and destination, `count` times; refuses a
//! transfer from a peer to itself.

use fairhaul_config::BadFile;
use fairhaul_core::time::Time;
use fairhaul_core::units::{ByteCount, Weight};
use fairhaul_simulator::setup::{PeerSetup, TransferSetup};

use super::super::drawn;
use super::super::quantity::Quantity;
use super::super::reader::Row;
use super::who::Who;
use super::{Build, band, cap_and_floor};

/// Every transfer of `[[transfer]]`.
pub(super) fn transfers(
    build: &mut Build<'_>,
    who: &Who,
    peers: &[PeerSetup],
) -> Result<Vec<TransferSetup>, BadFile> {
    let mut transfers = Vec::new();
    for row in build.rows("transfer") {
        let class = class(&row)?;
        let weight = build.weight(&row, "transfer")?;
        let pattern = pattern(build, &row, class, weight)?;
        let bytes = drawn::drawn(&row.need("bytes")?, Quantity::Size)?;
        let start = drawn::drawn(&row.need("start")?, Quantity::Time)?;
        let count = row.need("count")?.count(1, u64::MAX)?;
        let pairs = pairs(&row, who)?;
        let several = pairs.len() > 1 || count > 1;
        let mut number = 0_u32;
        for (source, destination) in pairs {
            for turn in 1..=count {
                number += 1;
                // Draws hang on the pair, so that another pair does not move them.
                let [from, to] = [source, destination].map(|peer| &peers[peer as usize].name);
                let entity = format!("{}/{from}/{to}/{turn}", pattern.name);
                let draw = |of: &fairhaul_simulator::dist::Distribution, purpose: &str| {
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

/// The class that transfers of a row are reported under.
pub(super) fn class<'a>(row: &Row<'a>) -> Result<&'a str, BadFile> {
    match row.get("class") {
        Some(at) => at.name(),
        None => row.need("name")?.name(),
    }
}

/// What transfers of one row have in common. Ends, bytes and start are still to be set.
pub(super) fn pattern(
    build: &Build<'_>,
    row: &Row<'_>,
    class: &str,
    weight: Weight,
) -> Result<TransferSetup, BadFile> {
    let (cap, floor) = cap_and_floor(row, "cap")?;
    Ok(TransferSetup {
        name: row.need("name")?.name()?.to_owned(),
        class: class.to_owned(),
        source: 0,
        destination: 0,
        bytes: ByteCount::ZERO,
        chunk: ByteCount::new(row.need("chunk")?.amount(Quantity::Size)?),
        start: Time::ZERO,
        weight,
        cap,
        floor,
        group: build.group(row)?,
        band: band(row)?,
    })
}

/// Every source with every destination, itself aside.
fn pairs(row: &Row<'_>, who: &Who) -> Result<Vec<(u32, u32)>, BadFile> {
    let at = row.need("destination")?;
    let (sources, destinations) = (who.all(&row.need("source")?)?, who.all(&at)?);
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
