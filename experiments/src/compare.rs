//! Policies against a baseline: paired differences with 95 % confidence intervals.
//!
//! Replications share their random numbers across cells, so run k of a policy is compared
//! with run k of the baseline, and what both have in common drops out. A verdict needs an
//! interval that leaves out zero, a probability that stands up beside those of all other
//! comparisons of its table, and a difference that is large enough to matter.

mod best;
mod tables;

use fairhaul_config::fault::nearest;
use fairhaul_simulator::metrics::{self, Direction};

use crate::output::{CellRuns, OutputError, Results};
use crate::report::summary_metrics;
use crate::stats::{self, Centre, Estimate};

pub use best::{Best, best};
pub(crate) use tables::CellTable;
pub use tables::{compare_result, conclude, write_paired, write_summary};

/// Probability of any wrong verdict in a table.
pub const LEVEL: f64 = 0.05;

/// Every metric of every cell against the baseline's.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The parameter that the baseline is a value of.
    pub axis: String,
    /// The value.
    pub baseline: String,
    /// Metrics of cells, in the order of the results; the baseline's own are left out.
    pub rows: Vec<Difference>,
    /// Comparisons of headline metrics: those of one table.
    pub headline: usize,
}

/// A metric of a cell against the same metric of the baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Index of the cell in [`Results::cells`].
    pub cell: usize,
    /// Index of the metric in [`Results::metrics`].
    pub metric: usize,
    /// Centre of the baseline over the pairs.
    pub baseline_value: f64,
    /// Centre of the cell over the pairs.
    pub value: f64,
    /// Cell minus baseline, over the pairs.
    pub difference: Estimate,
    /// Probability of such a difference if there were none; none of runs that cannot tell.
    pub p: Option<f64>,
    /// `p` beside all comparisons of its table, after Holm. Headline metrics are one table; any
    /// other metric is one of its own, over the cells.
    pub adjusted_p: Option<f64>,
    /// What that means.
    pub verdict: Verdict,
    /// Whether all replications of the cell are the same, and all of the baseline.
    identical: bool,
}

/// What a difference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The difference is sure, matters and is good.
    Better,
    /// The difference is sure, matters and is bad.
    Worse,
    /// The difference is sure, matters and is above zero; the metric has no good side.
    Higher,
    /// The difference is sure, matters and is below zero; the metric has no good side.
    Lower,
    /// The difference is sure, and too small to matter.
    TooSmall,
    /// There may be no difference.
    NoDifference,
    /// The row of what is alone: nobody's policy, so no verdict.
    Alone,
    /// All replications of both are the same: how others would differ is unknown.
    Identical,
    /// Too few pairs for an interval.
    TooFew,
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
            Self::TooSmall => "too small to matter",
            Self::NoDifference => "no difference",
            Self::Alone => "alone",
            Self::Identical => "identical runs",
            Self::TooFew => "too few runs",
        }
    }
}

impl Difference {
    /// Sets the verdict, once the probability beside the others is known.
    fn judge(&mut self, results: &Results, adjusted_p: Option<f64>) {
        self.adjusted_p = adjusted_p;
        let cell = &results.cells[self.cell];
        let direction = metrics::direction(&results.metrics[self.metric]);
        let (least, change) = (results.smallest_difference, self.difference.value);
        self.verdict = match (self.difference.interval, adjusted_p) {
            _ if cell.is_alone => Verdict::Alone,
            _ if self.difference.is_identical() && change.abs() <= 0.0 => Verdict::NoDifference,
            _ if self.identical => Verdict::Identical,
            (Some((low, high)), Some(p)) => match () {
                () if p > LEVEL || (low <= 0.0 && high >= 0.0) => Verdict::NoDifference,
                () if change.abs() <= least * self.baseline_value.abs() => Verdict::TooSmall,
                () => Verdict::of(change > 0.0, direction),
            },
            _ => Verdict::TooFew,
        };
    }
}

impl Verdict {
    const fn of(is_higher: bool, direction: Direction) -> Self {
        match (is_higher, direction) {
            (true, Direction::Higher) | (false, Direction::Lower) => Self::Better,
            (true, Direction::Lower) | (false, Direction::Higher) => Self::Worse,
            (true, Direction::Neither) => Self::Higher,
            (false, Direction::Neither) => Self::Lower,
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
    /// Nobody says what to compare with.
    #[error("--baseline: the scenario names none; there are: {}", known.join(", "))]
    NoBaseline {
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
            Self::NoSuchBaseline { .. } | Self::NoBaseline { .. } | Self::Ambiguous { .. } => 2,
            Self::NothingVaries => 3,
            Self::Output(error) => error.exit_code(),
        }
    }
}

fn nearest_hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| {
        format!(", did you mean {nearest:?}?")
    })
}

/// Every value of every varied parameter, as `parameter=value`.
#[must_use]
pub fn baselines(results: &Results) -> Vec<String> {
    let axes = results.varying().into_iter().map(|at| &results.axes[at]);
    let pairs = axes.flat_map(|axis| {
        let values = axis.values.iter();
        values.map(|value| format!("{}={value}", axis.name))
    });
    pairs.collect()
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
    let headlines = summary_metrics::headlines(results);
    let shown: Vec<usize> = headlines.iter().map(|headline| headline.metric).collect();
    let headline = judge(results, &mut rows, &shown);
    for metric in (0..results.metrics.len()).filter(|metric| !shown.contains(metric)) {
        judge(results, &mut rows, &[metric]);
    }
    Ok(Comparison {
        axis: results.axes[axis].name.clone(),
        baseline: value,
        rows,
        headline,
    })
}

/// Judges the differences of `metrics` as one table. Gives how many could be wrong by chance.
fn judge(results: &Results, rows: &mut [Difference], metrics: &[usize]) -> usize {
    let mut table: Vec<&mut Difference> = rows
        .iter_mut()
        .filter(|row| metrics.contains(&row.metric))
        .collect();
    let counted = |row: &Difference| row.p.filter(|_| !results.cells[row.cell].is_alone);
    let p: Vec<f64> = table.iter().filter_map(|row| counted(row)).collect();
    let mut adjusted = stats::holm(&p).into_iter();
    for row in &mut table {
        let own = counted(row).and_then(|_| adjusted.next());
        row.judge(results, own);
    }
    p.len()
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
            let known = baselines(results);
            let values = pairs.iter().map(|(_, value)| value.as_str());
            Err(CompareError::NoSuchBaseline {
                name: asked.to_owned(),
                nearest: nearest(asked, values.chain(known.iter().map(String::as_str)))
                    .map(str::to_owned),
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

/// The cell with `value` on `axis` that is like `cell` on every other varying axis; none for
/// the baseline itself.
pub(crate) fn counterpart<'a>(
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
        !base.is_alone
            && base.params[axis] == value
            && others.iter().all(|at| base.params[*at] == cell.params[*at])
    })
}

/// The metric of `cell`, with its index, against that of `base`, run by run; `None` without pairs.
pub(crate) fn difference(
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
    let side = |of: fn(&(f64, f64)) -> f64| -> Vec<f64> { pairs.iter().map(of).collect() };
    let (own, twins) = (side(|pair| pair.0), side(|pair| pair.1));
    let differences = side(|pair| pair.0 - pair.1);
    let centre = Centre::of_metric(&results.metrics[metric]);
    let (value, baseline) = (centre.of(&own)?, centre.of(&twins)?);
    let identical = value.is_identical() && baseline.is_identical();
    let mut difference = centre.of(&differences)?;
    let n = difference.n;
    if difference.is_identical() && !identical && n >= stats::SIGNS_MIN {
        // Runs that vary and always differ by the same.
        difference.interval = Some((difference.value, difference.value));
    }
    Some(Difference {
        cell: index,
        metric,
        baseline_value: baseline.value,
        value: value.value,
        difference,
        p: stats::p_value(&differences, centre).filter(|_| !identical),
        adjusted_p: None,
        verdict: Verdict::TooFew,
        identical,
    })
}

#[cfg(test)]
mod tests;
