//! The tables of deviations: gain, harm and leak of every policy under every adversary.

use crate::deviation::{DeviationMetric, DeviationRow, DeviationStanding, Deviations, MB};
use crate::output::Results;
use crate::policies;
use crate::report::export::{Column, Row, Sheet, Value};
use crate::report::plan::deviations::{DeviationLine, PROMISED, lines};
use crate::stats::{Centre, Estimate};

/// A table of each metric, a row a policy in one setting of whatever else varies.
pub(super) fn sheets(results: &Results, deviations: &Deviations) -> Vec<Sheet> {
    let (lines, adversaries) = lines(results, deviations);
    let promises = promises(results, deviations);
    let tables = [
        (
            DeviationMetric::Gain,
            "gain",
            "Gain of deviation: the time of the deviants that comply over their time as they \
             deviate, each run with its twin. Above 1 it pays (coloured); one that never finishes \
             gains 0."
                .to_owned(),
        ),
        (
            DeviationMetric::Harm,
            "harm",
            "Harm: the part of their mean goodput that the others lose. Coloured where it is \
             surely above 0."
                .to_owned(),
        ),
        (
            DeviationMetric::Leak,
            "leak",
            format!(
                "Leak in MB: what a deviant gets beyond what it gave and its even share of what \
                 seeds sent. Coloured where other leechers gave more in every run than their \
                 policy promises.{promises}"
            ),
        ),
    ];
    let tables = tables.into_iter();
    tables
        .map(|(metric, name, note)| sheet(&lines, (&adversaries, deviations), metric, (name, note)))
        .collect()
}

/// What the policies promise about leaks, in words.
fn promises(results: &Results, deviations: &Deviations) -> String {
    let policies = deviations.policies(results).into_iter();
    let values = policies.flat_map(|axis| &results.axes[axis].values);
    let said = values.filter_map(|name| Some((name, policies::promise(name)?)));
    let said = said.map(|(name, promise)| {
        format!(" {name} promises, of each node that serves and each identity: {promise}.")
    });
    said.collect()
}

fn sheet(
    lines: &[DeviationLine],
    (adversaries, deviations): (&[String], &Deviations),
    metric: DeviationMetric,
    (name, note): (&'static str, String),
) -> Sheet {
    let has_settings = lines.iter().any(|line| !line.setting.is_empty());
    let mut keys = vec!["policy".to_owned()];
    keys.extend(has_settings.then(|| "setting".to_owned()));
    let column = |adversary: &String| Column {
        title: adversary.clone(),
        long: format!("{name} of {adversary}"),
    };
    let rows = lines.iter().map(|line| {
        let mut keys = vec![line.policy.clone()];
        keys.extend(has_settings.then(|| line.setting.clone()));
        let values = line.cells.iter().map(|cell| {
            let beyond = cell.and_then(|at| deviations.find(at, DeviationMetric::LeakOfOthers));
            let row = cell.and_then(|at| deviations.find(at, metric));
            row.map_or_else(Value::default, |row| value(row, beyond))
        });
        Row {
            keys,
            values: values.collect(),
        }
    });
    let mut sheet = Sheet {
        name,
        keys,
        columns: adversaries.iter().map(column).collect(),
        rows: rows.collect(),
        note,
    };
    if metric == DeviationMetric::Leak {
        sheet.columns.push(Column {
            title: PROMISED.to_owned(),
            long: format!("{PROMISED} of what other leechers give, on average"),
        });
        for (row, line) in sheet.rows.iter_mut().zip(lines) {
            row.values.push(promised(line, deviations));
        }
    }
    sheet
}

/// What is promised to the adversaries of a line, on average: no estimate of anything, so without
/// an interval.
fn promised(line: &DeviationLine, deviations: &Deviations) -> Value {
    let found = line.promised(deviations).map(|bytes| Estimate {
        n: 1,
        centre: Centre::Mean,
        value: bytes / MB,
        sd: None,
        interval: None,
    });
    Value {
        found,
        ..Value::default()
    }
}

fn value(row: &DeviationRow, of_others: Option<&DeviationRow>) -> Value {
    let is_leak = row.metric == DeviationMetric::Leak;
    let is_beyond = is_leak && of_others.is_some_and(DeviationRow::is_beyond_bound);
    let is_above = row.standing == DeviationStanding::Above || is_beyond;
    let word = match (&row.found, row.metric) {
        (None, _) => "nobody finishes who complies",
        (_, DeviationMetric::Gain) if row.never == row.runs => "never finishes",
        (_, DeviationMetric::Gain) if row.never > 0 => "not always finishes",
        (_, DeviationMetric::Leak) if is_beyond => "beyond its bound",
        _ => "",
    };
    let scale = if is_leak { 1.0 / MB } else { 1.0 };
    Value {
        found: row.found.map(|found| found.scaled(scale)),
        class: if is_above { "worse" } else { "" },
        word,
        ..Value::default()
    }
}
