//! Arrivals of transfers: `time_s,bytes` and optionally `source,destination,class,weight`.
//!
//! Rows stand in the order of their times. Names are looked up where the trace is used.

use std::collections::BTreeMap;
use std::path::Path;

use fairhaul_config::text::{NAME_ALLOWED, is_name};
use fairhaul_core::quantity::{self, WeightError};
use fairhaul_simulator::distribution::to_integer;

use super::table::Table;
use crate::scenario::BadFile;

/// Hundred years, in seconds.
const SECONDS_MAX: f64 = 3_153_600_000.0;

/// The rows of a trace, names as indices.
#[derive(Debug)]
pub(crate) struct Trace {
    /// The file, for messages.
    pub(crate) path: String,
    /// Every name in a column of names, in the order of first use.
    pub(crate) names: Vec<String>,
    /// The arrivals.
    pub(crate) rows: Vec<Arrival>,
}

/// One arrival. Absent where the file has no such column or the cell is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) line: u32,
    pub(crate) at_nanos: u64,
    pub(crate) bytes: u64,
    pub(crate) source: Option<u32>,
    pub(crate) destination: Option<u32>,
    pub(crate) class: Option<u32>,
    /// Hundredths.
    pub(crate) weight: Option<u32>,
}

/// Reads the trace at `path`.
pub(crate) fn read(folder: &Path, path: &str) -> Result<Trace, BadFile> {
    let optional = ["source", "destination", "class", "weight"];
    let mut table = Table::open(folder, path, &["time_s", "bytes"], &optional)?;
    let [time, bytes] = ["time_s", "bytes"].map(|name| table.column(name).expect("needed"));
    let [source, destination, class, weight] = optional.map(|name| table.column(name));
    let mut names = Names::default();
    let mut rows: Vec<Arrival> = Vec::new();
    while table.next()? {
        let at_nanos = to_integer(table.real(time, 0.0, SECONDS_MAX)? * 1e9);
        if rows.last().is_some_and(|last| last.at_nanos > at_nanos) {
            return Err(table.bad(
                time,
                "is earlier than the row before",
                "times that never fall",
            ));
        }
        let row = Arrival {
            line: table.line(),
            at_nanos,
            bytes: whole_bytes(&table, bytes)?,
            source: names.cell(&table, source)?,
            destination: names.cell(&table, destination)?,
            class: names.cell(&table, class)?,
            weight: weight_cell(&table, weight)?,
        };
        rows.push(row);
    }
    if rows.is_empty() {
        return Err(table.bad_at("row", "is missing", "no rows", "at least one arrival"));
    }
    Ok(Trace {
        path: path.to_owned(),
        names: names.list,
        rows,
    })
}

#[derive(Default)]
struct Names {
    list: Vec<String>,
    known: BTreeMap<String, u32>,
}

impl Names {
    fn cell(&mut self, table: &Table, column: Option<usize>) -> Result<Option<u32>, BadFile> {
        let Some(column) = column else {
            return Ok(None);
        };
        let name = table.cell(column);
        if name.is_empty() {
            return Ok(None);
        }
        if let Some(found) = self.known.get(name) {
            return Ok(Some(*found));
        }
        if !is_name(name) {
            return Err(table.bad(column, "is not a name", NAME_ALLOWED));
        }
        let index = u32::try_from(self.list.len()).expect("at most four names a row");
        self.list.push(name.to_owned());
        self.known.insert(name.to_owned(), index);
        Ok(Some(index))
    }
}

fn whole_bytes(table: &Table, column: usize) -> Result<u64, BadFile> {
    const ALLOWED: &str = "a whole number from 1 to 1000000000000000";
    let text = table.cell(column);
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(bytes) if digits && (1..=1_000_000_000_000_000).contains(&bytes) => Ok(bytes),
        _ if digits => Err(table.bad(column, "is out of range", ALLOWED)),
        _ => Err(table.bad(column, "is not a whole number", ALLOWED)),
    }
}

fn weight_cell(table: &Table, column: Option<usize>) -> Result<Option<u32>, BadFile> {
    match column {
        Some(column) if !table.cell(column).is_empty() => quantity::weight(table.cell(column))
            .map(Some)
            .map_err(|error| table.bad(column, &error.to_string(), WeightError::ALLOWED)),
        _ => Ok(None),
    }
}
