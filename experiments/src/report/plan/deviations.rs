//! Matrices of what deviating gains, costs and leaks: a row a policy, a column an adversary, a
//! panel for each setting of whatever else varies.

use super::Figure;
use crate::deviation::{DeviationMetric, DeviationRow, Deviations, MB};
use crate::output::Results;
use crate::report::chart::{MatrixPanel, Panel, Tile};
use crate::report::digits::{self, decimals, fixed};
use crate::report::grouping::{axis_words, setting};

/// Panels of one figure at most.
const PANELS_MAX: usize = 6;

/// Name of the column of what is promised.
pub(in crate::report) const PROMISED: &str = "promised at most";

/// A policy in one setting of whatever else varies, with its cells in the order of the adversaries.
pub(in crate::report) struct DeviationLine {
    /// The setting, in words; empty if nothing else varies.
    pub(in crate::report) setting: String,
    /// The policy.
    pub(in crate::report) policy: String,
    /// A cell for each adversary, where there is one.
    pub(in crate::report) cells: Vec<Option<usize>>,
}

impl DeviationLine {
    /// What the policy promises to each adversary, in bytes and on average; `None` if it promises
    /// no number.
    pub(in crate::report) fn promised(&self, deviations: &Deviations) -> Option<f64> {
        let cells = self.cells.iter().flatten();
        let bounds: Option<Vec<f64>> = cells
            .map(|cell| deviations.find(*cell, DeviationMetric::LeakOfOthers)?.bound)
            .collect();
        fairhaul_simulator::metrics::mean(&bounds?)
    }
}

/// The policies of all settings, the settings together, and the adversaries.
pub(in crate::report) fn lines(
    results: &Results,
    deviations: &Deviations,
) -> (Vec<DeviationLine>, Vec<String>) {
    let axis = deviations.axis;
    let policies = deviations.policies(results);
    let others = results.varying().into_iter();
    let others = others.filter(|at| *at != axis && !policies.contains(at));
    let others: Vec<usize> = others.collect();
    let mut adversaries: Vec<String> = Vec::new();
    let mut lines: Vec<(Vec<&String>, DeviationLine)> = Vec::new();
    for row in deviations
        .rows
        .iter()
        .filter(|row| row.metric == DeviationMetric::Gain)
    {
        let params = &results.cells[row.cell].params;
        let adversary = &params[axis];
        let column = adversaries.iter().position(|known| known == adversary);
        let column = column.unwrap_or_else(|| {
            adversaries.push(adversary.clone());
            adversaries.len() - 1
        });
        let key: Vec<&String> = others
            .iter()
            .chain(&policies)
            .map(|at| &params[*at])
            .collect();
        let place = lines.iter().position(|(known, _)| *known == key);
        let place = place.unwrap_or_else(|| {
            let policy: Vec<&str> = policies.iter().map(|at| params[*at].as_str()).collect();
            let line = DeviationLine {
                setting: setting(results, &others, row.cell),
                policy: policy.join(" + "),
                cells: Vec::new(),
            };
            lines.push((key, line));
            lines.len() - 1
        });
        let cells = &mut lines[place].1.cells;
        cells.resize(cells.len().max(column + 1), None);
        cells[column] = Some(row.cell);
    }
    let mut lines: Vec<DeviationLine> = lines.into_iter().map(|(_, line)| line).collect();
    let mut settings: Vec<String> = Vec::new();
    for line in &mut lines {
        line.cells.resize(adversaries.len(), None);
        if !settings.contains(&line.setting) {
            settings.push(line.setting.clone());
        }
    }
    lines.sort_by_key(|line| settings.iter().position(|known| *known == line.setting));
    (lines, adversaries)
}

/// A figure of each metric.
pub(super) fn deviations(results: &Results, deviations: &Deviations) -> Vec<Figure> {
    let (lines, adversaries) = lines(results, deviations);
    let policies = deviations.policies(results).into_iter();
    let words = policies.map(|at| axis_words(&results.axes[at].name));
    let legend = words.collect::<Vec<_>>().join(" + ");
    let metrics = [
        (
            DeviationMetric::Gain,
            "deviation-gain",
            "Gain of deviation, the time of a deviant that complies over its time as it deviates: \
             above 1 it pays, and one that never finishes gains 0; the darker, the more it gains",
        ),
        (
            DeviationMetric::Harm,
            "deviation-harm",
            "Harm to the others, the part of their mean goodput that they lose; the darker, the \
             more",
        ),
        (
            DeviationMetric::Leak,
            "deviation-leak",
            "Leak, what a deviant gets beyond what it gave and its even share of what seeds sent, \
             in MB; the darker, the more. Behind it the most that the policy promises other \
             leechers give of that, on average over the adversaries; what is beyond its own bound \
             has a frame",
        ),
    ];
    let figures = metrics.map(|(metric, name, caption)| {
        figure(
            &lines,
            (&adversaries, deviations),
            metric,
            (&legend, name, caption),
        )
    });
    figures.into_iter().collect()
}

fn figure(
    lines: &[DeviationLine],
    (adversaries, deviations): (&[String], &Deviations),
    metric: DeviationMetric,
    (legend, name, caption): (&str, &'static str, &str),
) -> Figure {
    let values = lines.iter().flat_map(|line| line.cells.iter().flatten());
    let values = values.filter_map(|cell| deviations.find(*cell, metric)?.found);
    let most = values.map(|found| found.value).fold(0.0, f64::max);
    let mut panels: Vec<MatrixPanel> = Vec::new();
    for line in lines {
        let tiles = line.cells.iter().map(|cell| {
            let row = cell.and_then(|cell| deviations.find(cell, metric));
            let beyond = cell.and_then(|cell| deviations.find(cell, DeviationMetric::LeakOfOthers));
            let beyond = beyond.is_some_and(DeviationRow::is_beyond_bound);
            row.map_or_else(Tile::default, |row| tile(row, most, beyond))
        });
        let mut tiles: Vec<Tile> = tiles.collect();
        let mut columns = adversaries.to_vec();
        if metric == DeviationMetric::Leak {
            tiles.push(promised(line, deviations));
            columns.push(PROMISED.to_owned());
        }
        let panel = panels
            .last_mut()
            .filter(|panel| panel.title == line.setting);
        let row = (line.policy.clone(), tiles);
        match panel {
            Some(panel) => panel.rows.push(row),
            None => panels.push(MatrixPanel {
                title: line.setting.clone(),
                columns,
                rows: vec![row],
            }),
        }
    }
    let mut caption = caption.to_owned();
    if panels.len() > PANELS_MAX {
        caption += &format!(
            ". The first {PANELS_MAX} of {} panels are drawn",
            panels.len()
        );
        panels.truncate(PANELS_MAX);
    }
    Figure {
        name,
        legend: legend.to_owned(),
        caption,
        columns: 1,
        metrics: Vec::new(),
        panels: panels.into_iter().map(Panel::Matrix).collect(),
    }
}

/// The value of a metric, with its interval; a word where there is none.
fn tile(row: &DeviationRow, most: f64, beyond: bool) -> Tile {
    let Some(found) = &row.found else {
        return Tile {
            value: "none".to_owned(),
            spread: "finishes".to_owned(),
            ..Tile::default()
        };
    };
    let (scale, is_marked) = match row.metric {
        DeviationMetric::Gain | DeviationMetric::Harm => (1.0, false),
        DeviationMetric::Leak | DeviationMetric::LeakOfOthers => (MB, beyond),
    };
    let (value, half) = (found.value / scale, found.half_width());
    let spread = match half {
        _ if row.metric == DeviationMetric::Gain && row.never == row.runs => "never".to_owned(),
        _ if row.metric == DeviationMetric::Gain && row.never > 0 => {
            format!("{}/{} never", row.never, row.runs)
        }
        _ if found.is_identical() => "identical".to_owned(),
        Some(half) => format!("±{}", digits::half(half / scale, value)),
        None => String::new(),
    };
    Tile {
        shade: if most > 0.0 { found.value / most } else { 0.0 },
        value: short(value),
        spread,
        is_marked,
    }
}

/// A number with two decimals at most.
fn short(value: f64) -> String {
    fixed(value, decimals(value).min(2))
}

/// What is promised to the adversaries of a line, on average; a dash where no number is.
fn promised(line: &DeviationLine, deviations: &Deviations) -> Tile {
    let mean = line.promised(deviations);
    Tile {
        value: mean.map_or_else(|| "–".to_owned(), |mean| short(mean / MB)),
        ..Tile::default()
    }
}
