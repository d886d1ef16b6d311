//! Policies against a baseline: paired differences with 95 % confidence intervals.
//!
//! Replications share their random numbers across cells, so run k of a policy is compared
//! with run k of the baseline, and what both have in common drops out. Decides a verdict
//! only where the interval leaves out zero; refuses one from a single pair.

use std::path::Path;

use csv::Writer;
use fairhaul_simulator::metrics::{self, Direction};

use crate::output::{CellRuns, Facts, OutputError, ResultDir, Results, number, text, write_whole};
use crate::stats::{self, Estimate};

/// Every metric of every cell against the baseline's.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The parameter that the baseline is a value of.
    pub axis: String,
    /// The value.
    pub baseline: String,
    /// Metrics of cells, in the order of the results; the baseline's own are left out.
    pub rows: Vec<Difference>,
}

/// A metric of a cell against the same metric of the baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Index of the cell in [`Results::cells`].
    pub cell: usize,
    /// Index of the metric in [`Results::metrics`].
    pub metric: usize,
    /// Mean of the baseline over the pairs.
    pub baseline_mean: f64,
    /// Mean of the cell over the pairs.
    pub mean: f64,
    /// Cell minus baseline, over the pairs.
    pub difference: Estimate,
    /// What that means.
    pub verdict: Verdict,
}

/// What a difference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The interval leaves out zero on the good side.
    Better,
    /// The interval leaves out zero on the bad side.
    Worse,
    /// The interval is above zero, and the metric has no good side.
    Higher,
    /// The interval is below zero, and the metric has no good side.
    Lower,
    /// The interval holds zero.
    NoDifference,
    /// One pair has no interval.
    OnePair,
}

impl Verdict {
    /// The word for it in tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Higher => "higher",
            Self::Lower => "lower",
            Self::NoDifference => "no difference",
            Self::OnePair => "one pair",
        }
    }

    fn of(difference: &Estimate, direction: Direction) -> Self {
        let Some((low, high)) = difference.interval else {
            return Self::OnePair;
        };
        match (low > 0.0, high < 0.0, direction) {
            (false, false, _) => Self::NoDifference,
            (true, _, Direction::Higher) | (_, true, Direction::Lower) => Self::Better,
            (true, _, Direction::Lower) | (_, true, Direction::Higher) => Self::Worse,
            (true, _, Direction::Neither) => Self::Higher,
            (_, true, Direction::Neither) => Self::Lower,
        }
    }
}

/// Why nothing could be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// No varied parameter has the value.
    #[error("--baseline {name:?}: no such value{}; there are: {}", nearest_hint(nearest.as_deref()), known.join(", "))]
    NoSuchBaseline {
        /// What was asked for.
        name: String,
        /// The value that looks most like it.
        nearest: Option<String>,
        /// Every value, as `parameter=value`.
        known: Vec<String>,
    },
    /// Several parameters have the value.
    #[error("--baseline {name:?}: several parameters have it; say {}", choices.join(" or "))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// What it could mean, as `parameter=value`.
        choices: Vec<String>,
    },
    /// There is one cell.
    #[error("nothing to compare: no parameter varies in this result")]
    NothingVaries,
    /// The result could not be read or written.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl CompareError {
    /// The exit code that the program documents for it: 2 for usage, 3 for files.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::NoSuchBaseline { .. } | Self::Ambiguous { .. } => 2,
            Self::NothingVaries | Self::Output(_) => 3,
        }
    }
}

fn nearest_hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| {
        format!(", did you mean {nearest:?}?")
    })
}

/// Compares every cell with the one that has `baseline` in its place and is otherwise the
/// same. `baseline` is a value of a varied parameter, or `parameter=value`.
///
/// # Errors
///
/// [`CompareError`], if there is no such value or several.
pub fn compare(results: &Results, baseline: &str) -> Result<Comparison, CompareError> {
    let (axis, value) = find_baseline(results, baseline)?;
    let mut rows = Vec::new();
    for (index, cell) in results.cells.iter().enumerate() {
        let Some(base) = counterpart(results, cell, axis, &value) else {
            continue;
        };
        for metric in 0..results.metrics.len() {
            rows.extend(difference(results, (index, cell), base, metric));
        }
    }
    Ok(Comparison {
        axis: results.axes[axis].name.clone(),
        baseline: value,
        rows,
    })
}

/// Ends a result: puts the tables of `runs` together, sums them up, compares them with
/// `baseline` if there is one, and writes the manifest.
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
    let results = Results::read(out.path())?;
    write_summary(out.path(), &results)?;
    let comparison = match baseline {
        Some(baseline) => {
            let comparison = compare(&results, baseline)?;
            write_paired(out.path(), &results, &comparison)?;
            Some(comparison)
        }
        None => None,
    };
    out.finish(facts)?;
    Ok((results, comparison))
}

fn find_baseline(results: &Results, asked: &str) -> Result<(usize, String), CompareError> {
    let varying = results.varying();
    if varying.is_empty() {
        return Err(CompareError::NothingVaries);
    }
    let named = |at: usize, value: &str| format!("{}={value}", results.axes[at].name);
    let pairs: Vec<(usize, &String)> = varying
        .iter()
        .flat_map(|at| {
            results.axes[*at]
                .values
                .iter()
                .map(move |value| (*at, value))
        })
        .collect();
    let found: Vec<(usize, &String)> = pairs
        .iter()
        .copied()
        .filter(|(at, value)| *value == asked || named(*at, value) == asked)
        .collect();
    match found.as_slice() {
        [(axis, value)] => Ok((*axis, (*value).clone())),
        [] => {
            let known: Vec<String> = pairs.iter().map(|(at, value)| named(*at, value)).collect();
            let values = pairs.iter().map(|(_, value)| value.as_str());
            Err(CompareError::NoSuchBaseline {
                name: asked.to_owned(),
                nearest: nearest(asked, values.chain(known.iter().map(String::as_str))),
                known,
            })
        }
        several => Err(CompareError::Ambiguous {
            name: asked.to_owned(),
            choices: several
                .iter()
                .map(|(at, value)| named(*at, value))
                .collect(),
        }),
    }
}

fn nearest<'a>(asked: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    known
        .map(|name| (strsim::damerau_levenshtein(asked, name), name))
        .filter(|(distance, name)| *distance <= name.len().max(3) / 2)
        .min()
        .map(|(_, name)| name.to_owned())
}

/// The cell with `value` on `axis` that is like `cell` on every other varying axis; none for
/// the baseline itself.
fn counterpart<'a>(
    results: &'a Results,
    cell: &CellRuns,
    axis: usize,
    value: &str,
) -> Option<&'a CellRuns> {
    if cell.params[axis] == value {
        return None;
    }
    let others: Vec<usize> = results
        .varying()
        .into_iter()
        .filter(|at| *at != axis)
        .collect();
    results.cells.iter().find(|base| {
        base.params[axis] == value && others.iter().all(|at| base.params[*at] == cell.params[*at])
    })
}

fn difference(
    results: &Results,
    (index, cell): (usize, &CellRuns),
    base: &CellRuns,
    metric: usize,
) -> Option<Difference> {
    let pairs: Vec<(f64, f64)> = cell
        .runs
        .iter()
        .filter_map(|run| {
            let twin = base
                .runs
                .iter()
                .find(|twin| twin.replication == run.replication)?;
            Some(((*run.values.get(metric)?)?, (*twin.values.get(metric)?)?))
        })
        .collect();
    let mean =
        |of: fn(&(f64, f64)) -> f64| metrics::mean(&pairs.iter().map(of).collect::<Vec<_>>());
    let differences: Vec<f64> = pairs.iter().map(|(own, twin)| own - twin).collect();
    let difference = stats::estimate(&differences)?;
    let direction = metrics::direction(&results.metrics[metric]);
    Some(Difference {
        cell: index,
        metric,
        baseline_mean: mean(|pair| pair.1)?,
        mean: mean(|pair| pair.0)?,
        verdict: Verdict::of(&difference, direction),
        difference,
    })
}

/// Writes `summary.csv` in `dir`: a metric of a cell a row, in the order of the results.
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
            let (Some(found), Some(median)) =
                (stats::estimate(&values), stats::percentile(&values, 500))
            else {
                continue;
            };
            let own = [
                metric.clone(),
                found.n.to_string(),
                number(Some(found.mean)),
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
        "baseline_mean",
        "mean",
        "difference",
        "sd",
        "ci_lo",
        "ci_hi",
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
            number(Some(row.baseline_mean)),
            number(Some(row.mean)),
            number(Some(row.difference.mean)),
            number(row.difference.sd),
            number(interval.map(|interval| interval.0)),
            number(interval.map(|interval| interval.1)),
            row.verdict.word().to_owned(),
        ];
        table.put(&results.cells[row.cell], own);
    }
    write_whole(&dir.join("paired.csv"), &table.bytes())
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

#[cfg(test)]
mod tests;
