//! The comparison as a table on disk. One header for every scenario, so that the tables of
//! several can stand one below the other.

use csv::Writer;

use super::{Row, Worlds};
use crate::output::{number, text};

const COLUMNS: [&str; 16] = [
    "scenario",
    "cell",
    "quantity",
    "class",
    "unit",
    "simulated",
    "emulated",
    "error",
    "error_unit",
    "ci_lo",
    "ci_hi",
    "aim",
    "verdict",
    "n",
    "item",
    "machine_cpu_pct",
];

pub(super) fn bytes(worlds: &Worlds) -> Vec<u8> {
    let mut out = Writer::from_writer(Vec::new());
    let whole = "memory takes every row, and all have the same columns";
    out.write_record(COLUMNS).expect(whole);
    for row in &worlds.rows {
        out.write_record(fields(&worlds.scenario, row))
            .expect(whole);
    }
    out.into_inner().expect("memory can always be flushed")
}

fn fields(scenario: &str, row: &Row) -> [String; COLUMNS.len()] {
    let found = &row.found;
    [
        text(scenario),
        // It was made safe when the runs were written; doing it twice changes nothing.
        row.cell.clone(),
        found.quantity.clone(),
        found.class.clone(),
        found.unit.to_owned(),
        number(found.simulated),
        number(found.emulated),
        number(Some(found.error)),
        found.error_unit.to_owned(),
        number(found.interval.map(|interval| interval.0)),
        number(found.interval.map(|interval| interval.1)),
        number(Some(found.aim)),
        found.verdict().to_owned(),
        found.n.to_string(),
        found.item.clone(),
        number(row.cpu_pct),
    ]
}
