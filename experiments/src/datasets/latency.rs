//! Delays between regions, from a long table: `from,to,round_trip_ms` or
//! `from,to,one_way_ms`.
//!
//! A pair given in one direction holds for both, and half of a round trip is one way. A pair given
//! twice is refused, and one that is not given at all.

use std::collections::BTreeMap;
use std::path::Path;

use fairhaul_config::text::{NAME_ALLOWED, is_name};
use fairhaul_core::time::Span;
use fairhaul_simulator::setup::Latency;

use super::table::Table;
use crate::scenario::BadFile;

/// Regions of one matrix: more would make a square that nobody measured.
const REGIONS_MAX: usize = 1_000;

/// Longest delay, in milliseconds: an hour.
const DELAY_MS_MAX: f64 = 3_600_000.0;

/// Delays between regions, complete.
pub(crate) type Matrix = Latency;

/// Reads the matrix at `path`.
pub(crate) fn read(folder: &Path, path: &str) -> Result<Matrix, BadFile> {
    let mut table = Table::open(
        folder,
        path,
        &["from", "to"],
        &["round_trip_ms", "one_way_ms"],
    )?;
    let (column, halves) = match (table.column("round_trip_ms"), table.column("one_way_ms")) {
        (Some(column), None) => (column, 2.0),
        (None, Some(column)) => (column, 1.0),
        (found, _) => {
            let got = if found.is_some() { "both" } else { "neither" };
            let allowed = "one of round_trip_ms and one_way_ms";
            return Err(table.bad_at("header", "does not say what was measured", got, allowed));
        }
    };
    let ends = [table.column("from"), table.column("to")].map(|end| end.expect("needed"));
    let mut regions: Vec<String> = Vec::new();
    let mut delays: BTreeMap<(u32, u32), Span> = BTreeMap::new();
    while table.next()? {
        let [from, to] = [ends[0], ends[1]].map(|end| region(&table, end, &mut regions));
        let pair = (from?, to?);
        let nanos = fairhaul_simulator::distribution::to_integer(
            table.real(column, 0.0, DELAY_MS_MAX)? * 1e6 / halves,
        );
        if delays.insert(pair, Span::from_nanos(nanos)).is_some() {
            return Err(table.bad(
                ends[1],
                "is in a pair that is there twice",
                "each pair once",
            ));
        }
    }
    let mut one_way = Vec::with_capacity(regions.len() * regions.len());
    for from in 0..number(regions.len()) {
        for to in 0..number(regions.len()) {
            let found = delays.get(&(from, to)).or_else(|| delays.get(&(to, from)));
            one_way.push(*found.ok_or_else(|| {
                let got = format!("no row {},{}", regions[from as usize], regions[to as usize]);
                table.bad_at(
                    "to",
                    "leaves out a pair",
                    &got,
                    "a row for each pair of regions",
                )
            })?);
        }
    }
    if regions.is_empty() {
        return Err(table.bad_at(
            "row",
            "is missing",
            "no rows",
            "a row for each pair of regions",
        ));
    }
    Ok(Latency { regions, one_way })
}

fn number(index: usize) -> u32 {
    u32::try_from(index).expect("at most REGIONS_MAX")
}

fn region(table: &Table, column: usize, regions: &mut Vec<String>) -> Result<u32, BadFile> {
    let name = table.cell(column);
    if let Some(found) = regions.iter().position(|region| region == name) {
        return Ok(number(found));
    }
    if !is_name(name) {
        return Err(table.bad(column, "is not a name", NAME_ALLOWED));
    }
    if regions.len() == REGIONS_MAX {
        return Err(table.bad(column, "is one region too many", "1000 regions"));
    }
    regions.push(name.to_owned());
    Ok(number(regions.len() - 1))
}
