//! What deviating gains, costs the others and leaks, in each cell of a sweep of behaviours.
//!
//! Every cell is compared with the one in which the same nodes comply and nothing else differs,
//! replication by replication: both have the same peers, links and times. What the metrics are is
//! in `fairhaul_simulator::metrics::deviation`; here are their intervals and what they are held
//! against.

use fairhaul_simulator::metrics::deviation::{
    DEVIANT_GOODPUT, DEVIANTS_NOT_FINISHED, LEAK, LEAK_BOUND, LEAK_OF_OTHERS, OTHERS_GOODPUT,
    gain_of_deviation,
};
use fairhaul_simulator::metrics::{self, harm_if_more_is_better};

use crate::compare::{self, CellTable};
use crate::output::{CellRuns, Results, RunValues, number};
use crate::scenario::{COMPLIANT, axis_of};
use crate::stats::{self, Estimate};

/// The table of deviations.
pub const DEVIATIONS: &str = "deviation.csv";

/// Bytes of the unit in which people are shown leaks.
pub const MB: f64 = 1e6;

/// What of a deviation is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviationMetric {
    /// `T(comply) / T(deviate)` of the deviants.
    Gain,
    /// The part of their goodput that the others lose.
    Harm,
    /// Bytes that a deviant gets beyond what it gave and its even share of what seeds sent.
    Leak,
    /// The part of the leak that other leechers gave, about which their policy may have promised
    /// something.
    LeakOfOthers,
}

/// A metric in one cell.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviationRow {
    /// Index of the cell in [`Results::cells`].
    pub cell: usize,
    /// What was measured.
    pub metric: DeviationMetric,
    /// Its mean over the pairs of runs; `None` if there is none.
    pub found: Option<Estimate>,
    /// Runs of the cell.
    pub runs: usize,
    /// Those in which a deviant never had all it wanted.
    pub never: usize,
    /// Those of its partner in which that is so, so that nothing can be said of the gain.
    pub never_complying: usize,
    /// What the policy promises that the metric is at most, on average over the runs.
    pub bound: Option<f64>,
    /// What that means.
    pub standing: DeviationStanding,
}

/// Where a metric is of what it is held against: 1 of a gain, 0 of a harm, the bound of a leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviationStanding {
    /// The whole interval is above; of a leak every run is above its own bound.
    Above,
    /// None of it is; of a leak no run is.
    NotAbove,
    /// Some of it is, or some runs are.
    Undecided,
    /// There is nothing that it is held against, or no value.
    Open,
}

/// The deviations of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Deviations {
    /// Index in [`Results::axes`] of the behaviour of the deviants.
    pub axis: usize,
    /// Every metric of every cell in which they deviate, in the order of the cells.
    pub rows: Vec<DeviationRow>,
}

impl DeviationMetric {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 4] = [Self::Gain, Self::Harm, Self::Leak, Self::LeakOfOthers];

    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gain => "gain",
            Self::Harm => "harm",
            Self::Leak => "leak",
            Self::LeakOfOthers => "leak-of-others",
        }
    }

    /// Its unit in tables.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Gain | Self::Harm => "ratio",
            Self::Leak | Self::LeakOfOthers => "bytes",
        }
    }

    /// What is said of a metric that stands so.
    #[must_use]
    pub const fn says(self, standing: DeviationStanding) -> &'static str {
        match (self, standing) {
            (Self::Gain, DeviationStanding::Above) => "pays",
            (Self::Gain, DeviationStanding::NotAbove) => "does not pay",
            (Self::Harm, DeviationStanding::Above) => "harms",
            (Self::Harm, DeviationStanding::NotAbove) => "does not harm",
            (_, DeviationStanding::Above) => "beyond the bound",
            (_, DeviationStanding::NotAbove) => "within the bound",
            (Self::Gain | Self::Harm, DeviationStanding::Undecided) => "undecided",
            (_, DeviationStanding::Undecided) => "beyond the bound in some runs",
            (_, DeviationStanding::Open) => "",
        }
    }

    /// The metric of a run, beside the run in which the same nodes comply.
    fn of(self, columns: &Columns, run: &RunValues, complying: &RunValues) -> Option<f64> {
        let both = |at: usize| Some((complying.values[at]?, run.values[at]?));
        match self {
            Self::Gain => {
                let (comply, deviate) = both(columns.deviants)?;
                gain_of_deviation(comply, deviate)
            }
            Self::Harm => {
                let (comply, deviate) = both(columns.others)?;
                harm_if_more_is_better(comply, deviate)
            }
            Self::Leak => run.values[columns.leak],
            Self::LeakOfOthers => run.values[columns.leak_of_others],
        }
    }
}

/// Where in a table of runs is what the metrics need.
struct Columns {
    deviants: usize,
    never: usize,
    others: usize,
    leak: usize,
    leak_of_others: usize,
    bound: usize,
}

impl Columns {
    fn of(results: &Results) -> Option<Self> {
        Some(Self {
            deviants: results.metric(DEVIANT_GOODPUT)?,
            never: results.metric(DEVIANTS_NOT_FINISHED)?,
            others: results.metric(OTHERS_GOODPUT)?,
            leak: results.metric(LEAK)?,
            leak_of_others: results.metric(LEAK_OF_OTHERS)?,
            bound: results.metric(LEAK_BOUND)?,
        })
    }

    /// What is promised on average over the runs; `None` unless it is in all of them.
    fn bound(&self, cell: &CellRuns) -> Option<f64> {
        let bounds = cell.values(self.bound);
        let all = bounds.len() == cell.runs.len();
        all.then(|| metrics::mean(&bounds)).flatten()
    }

    /// Whether a promise is kept. It is one about every run, so no interval is asked.
    fn kept(&self, cell: &CellRuns) -> DeviationStanding {
        let both =
            |run: &RunValues| Some((run.values[self.leak_of_others]?, run.values[self.bound]?));
        let beyond: Option<Vec<bool>> = cell
            .runs
            .iter()
            .map(|run| both(run).map(|(leak, bound)| leak > bound))
            .collect();
        let Some(beyond) = beyond.filter(|runs| !runs.is_empty()) else {
            return DeviationStanding::Open;
        };
        match beyond.iter().filter(|beyond| **beyond).count() {
            0 => DeviationStanding::NotAbove,
            count if count == beyond.len() => DeviationStanding::Above,
            _ => DeviationStanding::Undecided,
        }
    }

    /// Runs in which a deviant never had everything.
    fn never(&self, cell: &CellRuns) -> usize {
        let values = cell.values(self.never);
        values.into_iter().filter(|count| *count > 0.0).count()
    }
}

impl Deviations {
    /// Those of `results`, whose scenario has the resolved text `scenario`; `None` if it measures
    /// none, or has no cell in which anybody deviates.
    #[must_use]
    pub fn of(results: &Results, scenario: &str) -> Option<Self> {
        let scenario: toml::Table = scenario.parse().ok()?;
        let class = scenario.get("deviation")?.get("class")?.as_str()?;
        let key = axis_of(class);
        let axis = results.axes.iter().position(|axis| axis.name == key)?;
        let columns = Columns::of(results)?;
        let cells = results.cells.iter().enumerate();
        let cells = cells.filter(|(_, cell)| !cell.is_alone && cell.params[axis] != COMPLIANT);
        let rows: Vec<DeviationRow> = cells
            .flat_map(|(at, cell)| {
                let partner = compare::counterpart(results, cell, axis, COMPLIANT);
                DeviationMetric::ALL.map(|metric| row(&columns, (at, cell), partner, metric))
            })
            .collect();
        (!rows.is_empty()).then_some(Self { axis, rows })
    }

    /// Axes whose values are the policy of a row: those named so that vary, or the first of them if
    /// none does.
    #[must_use]
    pub fn policies(&self, results: &Results) -> Vec<usize> {
        let named = |at: &usize| {
            let name = &results.axes[*at].name;
            name == "policy" || name.starts_with("policy.")
        };
        let named: Vec<usize> = (0..results.axes.len()).filter(named).collect();
        let varying = named.iter().copied();
        let varying: Vec<usize> = varying.filter(|at| results.axes[*at].varies).collect();
        match varying.is_empty() {
            true => named.into_iter().take(1).collect(),
            false => varying,
        }
    }

    /// The row of a metric in a cell.
    #[must_use]
    pub fn find(&self, cell: usize, metric: DeviationMetric) -> Option<&DeviationRow> {
        let mut rows = self.rows.iter();
        rows.find(|row| row.cell == cell && row.metric == metric)
    }

    /// The table of all of them.
    #[must_use]
    pub fn table(&self, results: &Results) -> Vec<u8> {
        let columns = [
            "metric", "unit", "n", "never", "value", "ci_lo", "ci_hi", "bound", "verdict",
        ];
        let mut table = CellTable::new(results, &columns);
        for row in &self.rows {
            let found = row.found.as_ref();
            let interval = found.and_then(|found| found.interval);
            let own = [
                row.metric.name().to_owned(),
                row.metric.unit().to_owned(),
                found.map_or(0, |found| found.n).to_string(),
                row.never.to_string(),
                number(found.map(|found| found.value)),
                number(interval.map(|interval| interval.0)),
                number(interval.map(|interval| interval.1)),
                number(row.bound),
                row.verdict(),
            ];
            table.put(&results.cells[row.cell], own);
        }
        table.bytes()
    }
}

impl DeviationRow {
    /// What became of it, in words; and that all runs are the same, where they are.
    #[must_use]
    pub fn verdict(&self) -> String {
        let Some(found) = &self.found else {
            let why = match self.never_complying {
                0 => "no runs to compare",
                _ => "nobody finishes who complies",
            };
            return why.to_owned();
        };
        let said = self.metric.says(self.standing);
        let same = if found.is_identical() {
            "identical runs"
        } else {
            ""
        };
        let words = [said, same].into_iter().filter(|words| !words.is_empty());
        words.collect::<Vec<_>>().join(", ")
    }

    /// Whether the policy promised less than this in every run.
    #[must_use]
    pub fn is_beyond_bound(&self) -> bool {
        self.metric == DeviationMetric::LeakOfOthers && self.standing == DeviationStanding::Above
    }
}

fn row(
    columns: &Columns,
    (at, cell): (usize, &CellRuns),
    partner: Option<&CellRuns>,
    metric: DeviationMetric,
) -> DeviationRow {
    let twin = |run: &RunValues| {
        let mut runs = partner.into_iter().flat_map(|partner| &partner.runs);
        runs.find(|twin| twin.replication == run.replication)
    };
    let values = cell.runs.iter();
    let values = values.filter_map(|run| metric.of(columns, run, twin(run)?));
    let found = stats::estimate(&values.collect::<Vec<f64>>());
    let promised = matches!(metric, DeviationMetric::LeakOfOthers);
    let bound = promised.then(|| columns.bound(cell)).flatten();
    let standing = match metric {
        DeviationMetric::Gain => standing(found.as_ref(), 1.0),
        DeviationMetric::Harm => standing(found.as_ref(), 0.0),
        DeviationMetric::Leak => DeviationStanding::Open,
        DeviationMetric::LeakOfOthers => columns.kept(cell),
    };
    DeviationRow {
        cell: at,
        metric,
        found,
        runs: cell.runs.len(),
        never: columns.never(cell),
        never_complying: partner.map_or(0, |partner| columns.never(partner)),
        bound,
        standing,
    }
}

fn standing(found: Option<&Estimate>, against: f64) -> DeviationStanding {
    let Some(found) = found else {
        return DeviationStanding::Open;
    };
    match found.range() {
        Some((low, _)) if low > against => DeviationStanding::Above,
        Some((_, high)) if high <= against => DeviationStanding::NotAbove,
        _ => DeviationStanding::Undecided,
    }
}

#[cfg(test)]
mod tests;
