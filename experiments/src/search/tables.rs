//! The tables of a search: what was tried, and what was found.

use csv::Writer;

use super::SearchFind;
use super::bench::SearchBench;
use super::space::SearchSpace;
use crate::output::{number, text};
use crate::stats::{Estimate, estimate};

/// What was tried, in order: settings, pairs of runs, gain with its interval, pairs in which the
/// deviant was never done, and runs of the search when the last of these was made.
pub(super) fn tried(bench: &SearchBench<'_>) -> Vec<u8> {
    let after = ["n", "gain", "ci_lo", "ci_hi", "unfinished", "runs_used"];
    let rows = bench.tried().map(|(point, trial)| {
        let gains = bench.gains(point, trial.times.len());
        let mut row = bench.space.columns(point);
        row.extend(columns(estimate(&gains).as_ref()));
        row.push(bench.unfinished(trial).to_string());
        row.push(trial.runs_used.to_string());
        row
    });
    table(bench.space.names().chain(after), rows)
}

/// What was found: settings, gain with its interval, and the scenario that shows it.
pub(super) fn finds(space: &SearchSpace, finds: &[SearchFind]) -> Vec<u8> {
    let before = ["find", "confirmed"];
    let after = ["n", "gain", "ci_lo", "ci_hi", "unfinished"];
    let rows = finds.iter().map(|find| {
        let mut row = vec![find.file.clone(), find.confirmed.to_string()];
        row.extend(find.columns.iter().cloned());
        row.extend(columns(find.gain.as_ref()));
        row.push(find.unfinished.to_string());
        row
    });
    table(before.into_iter().chain(space.names()).chain(after), rows)
}

/// Pairs, gain, and the ends of its interval.
fn columns(gain: Option<&Estimate>) -> [String; 4] {
    let interval = gain.and_then(|gain| gain.interval);
    [
        gain.map_or(0, |gain| gain.n).to_string(),
        number(gain.map(|gain| gain.value)),
        number(interval.map(|interval| interval.0)),
        number(interval.map(|interval| interval.1)),
    ]
}

fn table<'n>(
    header: impl Iterator<Item = &'n str>,
    rows: impl Iterator<Item = Vec<String>>,
) -> Vec<u8> {
    let mut out = Writer::from_writer(Vec::new());
    let header: Vec<String> = header.map(str::to_owned).collect();
    for row in std::iter::once(header).chain(rows) {
        let fields = row.iter().map(|field| text(field));
        out.write_record(fields)
            .expect("memory takes every row, and all have the same columns");
    }
    out.into_inner().expect("memory can always be flushed")
}
