//! The tables that sum up a result and compare its cells.

use std::path::Path;

use csv::Writer;

use super::{CompareError, Comparison, baselines, compare};
use crate::output::{
    CellRuns, Facts, OVERVIEW, OutputError, ResultDir, Results, named_baseline, number,
    read_manifest, refresh_digests, text, write_whole,
};
use crate::published::{self, CLAIMS};
use crate::scenario::Experiment;
use crate::stats::{self, Centre};
use crate::terminal::{self, Style};

/// Ends a result: puts the tables of `runs` together, sums them up, compares them with
/// `baseline` if there is one and with what was claimed of it, and writes what a person sees of
/// it, and the manifest.
///
/// # Errors
///
/// [`CompareError`]. The tables of runs are there even if the baseline is not.
pub fn conclude<S: AsRef<str>>(
    out: ResultDir,
    runs: &[S],
    facts: &Facts,
    baseline: Option<&str>,
) -> Result<(Results, Option<Comparison>), CompareError> {
    out.assemble(runs)?;
    let results = Results::read_judged(out.path(), &facts.scenario)?;
    write_summary(out.path(), &results)?;
    let comparison = match baseline {
        Some(baseline) => {
            let comparison = compare(&results, baseline)?;
            write_paired(out.path(), &results, &comparison)?;
            Some(comparison)
        }
        None => None,
    };
    if let Some(experiment) = Experiment::of_text(&facts.scenario) {
        let findings = published::judge(&experiment, &results);
        out.write_file(CLAIMS, &published::table(&experiment, &findings))?;
    }
    let overview = terminal::overview(&results, Style::plain());
    out.write_file(OVERVIEW, overview.as_bytes())?;
    out.finish(facts)?;
    Ok((results, comparison))
}

/// Compares the cells of the finished result in `dir` with `baseline`, or with that of its
/// scenario if nobody says, writes `paired.csv` there and notes it in the manifest.
///
/// # Errors
///
/// [`CompareError`], before anything is written.
pub fn compare_result(
    dir: &Path,
    baseline: Option<&str>,
) -> Result<(Results, Comparison), CompareError> {
    let manifest = read_manifest(dir)?;
    let results = Results::read_judged(dir, &manifest.scenario)?;
    let known = baselines(&results);
    let baseline = baseline
        .map(str::to_owned)
        .or_else(|| named_baseline(&manifest));
    let comparison = match baseline {
        Some(baseline) => compare(&results, &baseline)?,
        None if known.is_empty() => return Err(CompareError::NothingVaries),
        None => return Err(CompareError::NoBaseline { known }),
    };
    write_paired(dir, &results, &comparison)?;
    refresh_digests(dir)?;
    Ok((results, comparison))
}

/// Writes `summary.csv` in `dir`: a metric of a cell a row, in the order of the results.
///
/// An extreme has an interval of its median only; what is the same in all runs has none.
///
/// # Errors
///
/// [`OutputError::Io`].
pub fn write_summary(dir: &Path, results: &Results) -> Result<(), OutputError> {
    let columns = [
        "metric",
        "n",
        "mean",
        "sd",
        "ci_lo",
        "ci_hi",
        "median",
        "median_ci_lo",
        "median_ci_hi",
    ];
    let path = dir.join("summary.csv");
    let mut table = Table::new(results, &columns);
    for cell in &results.cells {
        for (at, metric) in results.metrics.iter().enumerate() {
            let values = cell.values(at);
            let (Some(mut found), Some(median)) =
                (stats::estimate(&values), stats::median(&values))
            else {
                continue;
            };
            if Centre::of_metric(metric) == Centre::Median {
                found.interval = None;
            }
            let own = [
                metric.clone(),
                found.n.to_string(),
                number(Some(found.value)),
                number(found.sd),
                number(found.interval.map(|interval| interval.0)),
                number(found.interval.map(|interval| interval.1)),
                number(Some(median.value)),
                number(median.interval.map(|interval| interval.0)),
                number(median.interval.map(|interval| interval.1)),
            ];
            table.put(cell, own);
        }
    }
    write_whole(&path, &table.bytes())
}

/// Writes `paired.csv` in `dir`: a metric of a cell against the baseline a row.
///
/// # Errors
///
/// [`OutputError::Io`].
pub fn write_paired(
    dir: &Path,
    results: &Results,
    comparison: &Comparison,
) -> Result<(), OutputError> {
    let columns = [
        "metric",
        "baseline",
        "n",
        "centre",
        "baseline_value",
        "value",
        "difference",
        "sd",
        "ci_lo",
        "ci_hi",
        "p",
        "p_holm",
        "verdict",
    ];
    let mut table = Table::new(results, &columns);
    let baseline = text(&format!("{}={}", comparison.axis, comparison.baseline));
    for row in &comparison.rows {
        let interval = row.difference.interval;
        let own = [
            results.metrics[row.metric].clone(),
            baseline.clone(),
            row.difference.n.to_string(),
            row.difference.centre.word().to_owned(),
            number(Some(row.baseline_value)),
            number(Some(row.value)),
            number(Some(row.difference.value)),
            number(row.difference.sd),
            number(interval.map(|interval| interval.0)),
            number(interval.map(|interval| interval.1)),
            number(row.p.map(shown_p)),
            number(row.adjusted_p.map(shown_p)),
            row.verdict.word().to_owned(),
        ];
        table.put(&results.cells[row.cell], own);
    }
    write_whole(&dir.join("paired.csv"), &table.bytes())
}

/// A probability as tables have it: below a millionth its digits are those of rounding.
fn shown_p(p: f64) -> f64 {
    (p * 1e6).ceil() / 1e6
}

/// A table in memory whose rows start with the keys of a cell.
struct Table(Writer<Vec<u8>>);

impl Table {
    fn new(results: &Results, columns: &[&str]) -> Self {
        let axes = results.axes.iter().map(|axis| axis.name.as_str());
        let header = ["cell"]
            .into_iter()
            .chain(axes)
            .chain(columns.iter().copied());
        let mut this = Self(Writer::from_writer(Vec::new()));
        this.row(header.map(str::to_owned));
        this
    }

    fn put(&mut self, cell: &CellRuns, own: impl IntoIterator<Item = String>) {
        // Keys were made safe when the runs were written; doing it twice changes nothing.
        let keys = [cell.cell.clone()]
            .into_iter()
            .chain(cell.params.iter().cloned());
        self.row(keys.chain(own));
    }

    fn row(&mut self, fields: impl Iterator<Item = String>) {
        self.0
            .write_record(fields)
            .expect("memory takes every row, and all have the same columns");
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().expect("memory can always be flushed")
    }
}
