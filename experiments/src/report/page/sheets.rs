//! The tables of the report: the headline metrics, the classes, the differences.

use crate::compare::{self, Comparison, Verdict};
use crate::output::{CellRuns, Results};
use crate::report::digits::significant;
use crate::report::export::{Column, Row, Sheet, Value};
use crate::report::grouping::axis_words;
use crate::report::summary_metrics::{self, Headline};

/// Metrics of a class, in the order of their columns.
const OF_CLASS: [&str; 9] = [
    "transfers_not_finished",
    "completion_p50_s",
    "completion_p99_s",
    "slowdown_p50",
    "slowdown_p99",
    "share_over_entitlement_min",
    "share_over_entitlement_p50",
    "share_over_entitlement_max",
    "transfers_started",
];

/// A table, and the metrics of its columns by name.
pub(super) type Explained = (Sheet, Vec<String>);

/// What tells cells apart, a column each; the name of the cell where nothing does.
fn keys(results: &Results) -> Vec<String> {
    let varying = results.varying();
    let axes = varying.iter().map(|at| axis_words(&results.axes[*at].name));
    let cell = varying.is_empty().then(|| "cell".to_owned());
    axes.chain(cell).collect()
}

fn key_values(results: &Results, cell: &CellRuns) -> Vec<String> {
    let varying = results.varying();
    if varying.is_empty() {
        return vec![cell.cell.clone()];
    }
    varying.iter().map(|at| cell.params[*at].clone()).collect()
}

fn columns(results: &Results, headlines: &[Headline]) -> Vec<Column> {
    let column = |headline: &Headline| Column {
        title: headline.full_title(),
        long: headline.long_title(&results.metrics[headline.metric]),
    };
    headlines.iter().map(column).collect()
}

fn names(results: &Results, headlines: &[Headline]) -> Vec<String> {
    let name = |headline: &Headline| results.metrics[headline.metric].clone();
    headlines.iter().map(name).collect()
}

/// Every cell by its headline metrics.
pub(super) fn summary(results: &Results, headlines: &[Headline]) -> Explained {
    let best = compare::best(results, headlines);
    let cells = results.cells.iter().enumerate();
    let rows = cells.map(|(row, cell)| Row {
        keys: key_values(results, cell),
        values: headlines
            .iter()
            .zip(&best.cells)
            .map(|(headline, best)| Value {
                found: headline.estimate(cell),
                class: if best.contains(&row) { "best" } else { "" },
                ..Value::default()
            })
            .collect(),
    });
    let mut note = "Mean ± half of the 95 % confidence interval over replications; of a least or \
        a worst the median and its interval between order statistics, where there are enough."
        .to_owned();
    if best.comparisons > 0 {
        note += &format!(
            " Bold: better than every other cell that differs in its policy alone, paired, by more \
             than {} %, after Holm over {} comparisons.",
            significant(results.smallest_difference * 100.0),
            best.comparisons
        );
    }
    let sheet = Sheet {
        name: "summary",
        keys: keys(results),
        columns: columns(results, headlines),
        rows: rows.collect(),
        note,
    };
    (sheet, names(results, headlines))
}

/// Every class of transfers in every cell: what it waited, and what it got of its entitlement;
/// `None` of results without classes.
pub(super) fn classes(results: &Results) -> Option<Explained> {
    let classes = summary_metrics::classes(results);
    if classes.is_empty() {
        return None;
    }
    // One unit a column, that of the metric over all classes.
    let shown: Vec<(&str, Headline)> = OF_CLASS
        .iter()
        .filter_map(|name| Some((*name, summary_metrics::of_metric(results, name)?)))
        .collect();
    let mut rows = Vec::new();
    for class in &classes {
        let found: Vec<Option<Headline>> = shown
            .iter()
            .map(|(name, whole)| {
                let own = summary_metrics::of_metric(results, &format!("{name}.{class}"))?;
                Some(Headline {
                    scale: whole.scale,
                    ..own
                })
            })
            .collect();
        for cell in &results.cells {
            let mut keys = vec![class.clone()];
            keys.extend(key_values(results, cell));
            let values = found.iter().map(|headline| Value {
                found: headline.as_ref().and_then(|found| found.estimate(cell)),
                ..Value::default()
            });
            rows.push(Row {
                keys,
                values: values.collect(),
            });
        }
    }
    let headlines: Vec<Headline> = shown.iter().map(|(_, headline)| headline.clone()).collect();
    let mut keys = keys(results);
    keys.insert(0, "class".to_owned());
    let mut columns = columns(results, &headlines);
    for column in &mut columns {
        column.title.clone_from(&column.long);
    }
    let sheet = Sheet {
        name: "classes",
        keys,
        columns,
        rows,
        note: "Mean ± half of the 95 % confidence interval over replications.".to_owned(),
    };
    Some((sheet, names(results, &headlines)))
}

/// Every cell against the baseline; but what is alone, which no policy is compared with.
pub(super) fn differences(
    results: &Results,
    comparison: &Comparison,
    headlines: &[Headline],
) -> Explained {
    let mut cells: Vec<usize> = comparison.rows.iter().map(|row| row.cell).collect();
    cells.dedup();
    cells.retain(|cell| !results.cells[*cell].is_alone);
    let value = |cell: usize, headline: &Headline| {
        let mut rows = comparison.rows.iter();
        let row = rows.find(|row| row.cell == cell && row.metric == headline.metric);
        row.map_or_else(Value::default, |row| Value {
            found: Some(row.difference.scaled(headline.scale)),
            signed: true,
            class: match row.verdict {
                Verdict::Better => "better",
                Verdict::Worse => "worse",
                _ => "same",
            },
            word: row.verdict.word(),
        })
    };
    let rows = cells.into_iter().map(|cell| Row {
        keys: key_values(results, &results.cells[cell]),
        values: headlines.iter().map(|line| value(cell, line)).collect(),
    });
    let mut note = format!(
        "Each cell minus that of {} = {}. Replications share their random numbers, so each run is \
         compared with its twin: difference ± half of its 95 % confidence interval.",
        axis_words(&comparison.axis),
        comparison.baseline
    );
    let count = comparison.headline;
    if count > 0 {
        note += &format!(
            " A verdict is given where the interval leaves out zero, the difference is above {} % \
             of the baseline, and its probability stands beside all {count} comparisons of the \
             table (Holm): without that, chance alone would make {} of them differ.",
            significant(results.smallest_difference * 100.0),
            significant(count as f64 * compare::LEVEL)
        );
    }
    let sheet = Sheet {
        name: "differences",
        keys: keys(results),
        columns: columns(results, headlines),
        rows: rows.collect(),
        note,
    };
    (sheet, names(results, headlines))
}
