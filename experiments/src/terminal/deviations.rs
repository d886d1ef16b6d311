//! Who gains most under each policy, whom that costs most, and what leaks, for a person.

use std::cmp::Ordering;

use super::layout::{pad_left, pad_right, width_of};
use crate::deviation::{DeviationMetric, DeviationRow, DeviationStanding, Deviations, MB};
use crate::output::Results;
use crate::report::digits::{self, decimals, fixed};

/// Columns: the policy, then value and name of the worst of each metric, then counts.
const TITLES: [&str; 9] = [
    "policy", "gain", "of", "harm", "by", "leak MB", "to", "pay", "beyond",
];

/// A line a policy: the most that any adversary gains, harms and gets for nothing, in any setting
/// of whatever else varies, with half of its interval.
#[must_use]
pub fn deviations(results: &Results, found: &Deviations) -> String {
    let policies = policies(results, found);
    let lines: Vec<[String; TITLES.len()]> = policies
        .iter()
        .map(|(name, rows)| line(results, found, name, rows))
        .collect();
    let widths: Vec<usize> = (0..TITLES.len())
        .map(|at| {
            let column: Vec<String> = lines.iter().map(|line| line[at].clone()).collect();
            width_of(&column).max(TITLES[at].len())
        })
        .collect();
    let put = |line: &[String]| {
        let padded = line.iter().zip(&widths).enumerate();
        let padded = padded.map(|(at, (text, width))| match at {
            1 | 3 | 5 | 7 | 8 => pad_left(text, *width),
            _ => pad_right(text, *width),
        });
        format!("{}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
    };
    let mut out = put(&TITLES.map(str::to_owned));
    for line in &lines {
        out += &put(line);
    }
    out + &legend(results, found)
}

/// Policies in the order of the results, each with its rows.
fn policies<'a>(results: &Results, found: &'a Deviations) -> Vec<(String, Vec<&'a DeviationRow>)> {
    let axes = found.policies(results);
    let mut policies: Vec<(String, Vec<&DeviationRow>)> = Vec::new();
    for row in &found.rows {
        let params = &results.cells[row.cell].params;
        let name: Vec<&str> = axes.iter().map(|at| params[*at].as_str()).collect();
        let name = name.join(" + ");
        match policies.iter_mut().find(|(known, _)| *known == name) {
            Some((_, rows)) => rows.push(row),
            None => policies.push((name, vec![row])),
        }
    }
    policies
}

fn line(
    results: &Results,
    found: &Deviations,
    name: &str,
    rows: &[&DeviationRow],
) -> [String; TITLES.len()] {
    let worst = |metric| {
        let own = rows.iter().filter(|row| row.metric == metric);
        let value = |row: &DeviationRow| row.found.map(|found| found.value);
        let own = own.filter(|row| row.found.is_some());
        own.copied().max_by(|one, other| {
            let order = value(one).partial_cmp(&value(other));
            // Of equal ones the first.
            order.unwrap_or(Ordering::Equal).then(Ordering::Greater)
        })
    };
    let shown = |metric, scale: f64| -> [String; 2] {
        let Some((row, value)) = worst(metric).and_then(|row| Some((row, row.found?))) else {
            return ["-".to_owned(), String::new()];
        };
        let scaled = value.scaled(scale);
        let half = scaled.half_width();
        let half = half.map_or(String::new(), |half| {
            format!(" ±{}", digits::half(half, scaled.value))
        });
        let text = fixed(scaled.value, decimals(scaled.value).min(2));
        [
            text + &half,
            results.cells[row.cell].params[found.axis].clone(),
        ]
    };
    let [gain, of] = shown(DeviationMetric::Gain, 1.0);
    let [harm, by] = shown(DeviationMetric::Harm, 1.0);
    let [leak, to] = shown(DeviationMetric::Leak, 1.0 / MB);
    let count = |metric: DeviationMetric| {
        let own = rows.iter().filter(|row| row.metric == metric);
        let above = own
            .clone()
            .filter(|row| row.standing == DeviationStanding::Above);
        format!("{}/{}", above.count(), own.count())
    };
    let bounded = rows.iter().any(|row| row.bound.is_some());
    let beyond = bounded.then(|| count(DeviationMetric::LeakOfOthers));
    [
        name.to_owned(),
        gain,
        of,
        harm,
        by,
        leak,
        to,
        count(DeviationMetric::Gain),
        beyond.unwrap_or_else(|| "-".to_owned()),
    ]
}

fn legend(results: &Results, found: &Deviations) -> String {
    let gains = found
        .rows
        .iter()
        .filter(|row| row.metric == DeviationMetric::Gain);
    let never = gains
        .clone()
        .filter(|row| row.never == row.runs && row.runs > 0);
    let names = &results.axes[found.axis].values;
    let mut out = format!(
        "the most of {} adversaries in any setting; ± half of the 95 % interval over replications\n\
         gain: time of a deviant that complies over its time as it deviates · harm: part of their\n\
         goodput that others lose · leak: bytes beyond what it gave and its part of the seeds'\n\
         pay: cells in which it surely pays to deviate · beyond: cells in which other leechers\n\
         gave more in every run than their policy promises; - where it promises no number\n",
        names.len().saturating_sub(1)
    );
    if never.clone().count() > 0 {
        let all = gains.count();
        out += &format!(
            "in {} of {all} cells a deviant never finished\n",
            never.count()
        );
    }
    out
}
