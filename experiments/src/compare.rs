//! Policies against a baseline: paired differences with 95 % confidence intervals.
//!
//! Replications share their random numbers across cells, so run k of a policy is compared
//! with run k of the baseline, and what both have in common drops out. Decides a verdict
//! only where the interval leaves out zero; refuses one from a single pair.

mod tables;

use fairhaul_simulator::metrics::{self, Direction};

use crate::output::{CellRuns, OutputError, Results};
use crate::stats::{self, Estimate};

pub use tables::{compare_result, conclude, write_paired, write_summary};

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
    Ok(Comparison {
        axis: results.axes[axis].name.clone(),
        baseline: value,
        rows,
    })
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

#[cfg(test)]
mod tests;
