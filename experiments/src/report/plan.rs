//! Which figures a result has, from what is in it.
//!
//! Content only: every figure is chosen by what varies and what was measured. All of them compare
//! policies; whatever else varies makes small multiples.

mod curves;
pub(super) mod deviations;
mod distributions;
mod windows;

use std::path::Path;

use super::chart::{Axis, Dot, DotPanel, Figure, Panel};
use super::grouping::{Group, Grouping, grouping};
use super::styles;
use super::summary_metrics::{self, Headline, NONE_STARTED};
use crate::deviation::Deviations;
use crate::output::{OutputError, Results};

/// Groups that one figure shows.
const GROUPS_MAX: usize = 8;
/// Metrics of which a figure of several groups shows all groups.
const METRICS_MAX: usize = 5;
/// Groups side by side.
const ABREAST: usize = 4;

/// All figures of the result in `dir`, with matrices of its deviations if there are any.
///
/// # Errors
///
/// [`OutputError`] if a table cannot be read.
pub(super) fn figures(
    dir: &Path,
    results: &Results,
    deviations: Option<&Deviations>,
) -> Result<Vec<Figure>, OutputError> {
    let all = grouping(results);
    let mut found = Vec::new();
    if let Some(deviations) = deviations {
        found.extend(deviations::deviations(results, deviations));
    }
    found.extend(headlines(results, &all));
    found.extend(distributions::distributions(dir, results, &all)?);
    found.extend(windows::windowed(results, &all));
    found.extend(windows::over_time(dir, results, &all)?);
    found.extend(curves::curves(results, &all));
    found.extend(classes(results, &all));
    Ok(found)
}

/// A scenario may leave a table out; then what is drawn from it is left out too.
fn is_there(dir: &Path, table: &str) -> bool {
    dir.join(table).is_file()
}

/// The least and the greatest of `values`.
fn ends(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let ends = |ends: Option<(f64, f64)>, value: f64| {
        let (low, high) = ends.unwrap_or((value, value));
        Some((low.min(value), high.max(value)))
    };
    values.into_iter().fold(None, ends)
}

impl Grouping {
    /// The groups that a figure shows.
    fn shown(&self) -> &[Group] {
        &self.groups[..self.groups.len().min(GROUPS_MAX)]
    }

    /// `text`, and how many groups a figure leaves out, if it does.
    fn caption(&self, text: &str) -> String {
        if self.groups.len() <= GROUPS_MAX {
            return text.to_owned();
        }
        let all = self.groups.len();
        format!("{text}. The first {GROUPS_MAX} of {all} settings are drawn; the tables have all")
    }

    /// Policies of all groups, in the order in which they first appear.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for policy in self.groups.iter().flat_map(|group| &group.cells) {
            if !names.contains(&policy.name.as_str()) {
                names.push(&policy.name);
            }
        }
        names
    }
}

fn headlines(results: &Results, all: &Grouping) -> Option<Figure> {
    let most = if all.groups.len() > 1 {
        METRICS_MAX
    } else {
        summary_metrics::FIGURE_MAX
    };
    let mut headlines = summary_metrics::headlines(results);
    headlines.truncate(most);
    dot_figure(
        results,
        all,
        &headlines,
        "headline",
        "Means over replications with 95 % confidence intervals, of a least or worst value medians; \
         an arrow where an interval goes on beyond the axis",
    )
}

/// Completion of each class of a swarm.
fn classes(results: &Results, all: &Grouping) -> Option<Figure> {
    let prefix = "peer_completion_mean_s.";
    let names = results.metrics.iter();
    let names = names.filter(|name| name.starts_with(prefix) && results.has(name));
    let found: Vec<Headline> = names
        .filter_map(|name| summary_metrics::of_metric(results, name))
        .collect();
    if found.len() < 2 {
        return None;
    }
    dot_figure(
        results,
        all,
        &found,
        "classes",
        "Mean completion of each class of peers with 95 % confidence intervals over replications",
    )
}

/// `headlines` of all groups: of one a panel a metric, of several a row a metric and a column a
/// group.
fn dot_figure(
    results: &Results,
    all: &Grouping,
    headlines: &[Headline],
    name: &'static str,
    caption: &str,
) -> Option<Figure> {
    let groups = all.shown();
    let rows: Vec<Vec<Panel>> = headlines
        .iter()
        .filter_map(|headline| dots(results, all, groups, headline))
        .collect();
    let metrics = headlines.iter().map(|headline| headline.metric);
    let metrics = metrics.map(|metric| results.metrics[metric].clone());
    let (panels, columns) = if groups.len() == 1 {
        let panels: Vec<Panel> = rows.into_iter().flatten().collect();
        let columns = panels.len().min(3);
        (panels, columns)
    } else {
        let blocks = groups.len().div_ceil(ABREAST);
        let columns = groups.len().div_ceil(blocks);
        let mut panels = Vec::new();
        for block in 0..blocks {
            for row in &rows {
                let own = row.iter().skip(block * columns).take(columns).cloned();
                panels.extend(own);
                panels.resize(panels.len().next_multiple_of(columns), Panel::Blank);
            }
        }
        (panels, columns)
    };
    (!panels.is_empty()).then(|| Figure {
        name,
        legend: all.policy.clone(),
        caption: all.caption(caption),
        columns,
        metrics: metrics.collect(),
        panels,
    })
}

/// Values of `headline`, a panel a group on the same axis, a row a policy; `None` if no cell has
/// one.
fn dots(
    results: &Results,
    all: &Grouping,
    groups: &[Group],
    headline: &Headline,
) -> Option<Vec<Panel>> {
    let names = all.names();
    let has_alone = groups.iter().any(|group| group.alone.is_some());
    let rows: Vec<Vec<Dot>> = groups
        .iter()
        .map(|group| {
            // What is alone comes first, also where the metric is none that it has: the names of
            // the rows stand beside the first panel only.
            let alone = has_alone.then(|| dot(results, group.alone, headline));
            let alone = alone.map(|row| Dot {
                label: "alone".to_owned(),
                style: styles::ALONE,
                ..row
            });
            let policies = names.iter().map(|name| {
                let own = group.cells.iter().find(|policy| policy.name == *name);
                let row = dot(results, own.map(|policy| policy.cell), headline);
                Dot {
                    label: (*name).to_owned(),
                    style: own.map_or(styles::ALONE, |policy| policy.style),
                    ..row
                }
            });
            said_once(alone.into_iter().chain(policies).collect())
        })
        .collect();
    let name = results.metrics[headline.metric].as_str();
    let ideal = (name.starts_with("jain")
        || name.starts_with("share_over")
        || name.ends_with("over_bound"))
    .then_some(1.0);
    let x = value_axis(&headline.long_title(name), rows.iter().flatten(), ideal)?;
    let panels = rows.into_iter().zip(groups).map(|(rows, group)| {
        Panel::Dots(DotPanel {
            title: group.title.clone(),
            x: x.clone(),
            rows,
            ideal,
        })
    });
    Some(panels.collect())
}

/// The same rows; where nobody of a class started under any policy, that is said once.
fn said_once(mut rows: Vec<Dot>) -> Vec<Dot> {
    let is_empty = |row: &Dot| row.mean.is_none() && matches!(row.missing, "–" | NONE_STARTED);
    if rows.iter().all(is_empty) {
        let mut left = rows.iter_mut().filter(|row| row.missing == NONE_STARTED);
        left.next();
        left.for_each(|row| row.missing = "");
    }
    rows
}

/// The row of `cell`, without name and style.
fn dot(results: &Results, cell: Option<usize>, headline: &Headline) -> Dot {
    let cell = cell.map(|at| &results.cells[at]);
    let found = cell.and_then(|cell| headline.estimate(cell));
    Dot {
        label: String::new(),
        style: styles::ALONE,
        missing: cell.map_or("–", |cell| {
            summary_metrics::why_missing(results, cell, headline.metric)
        }),
        mean: found.map(|found| found.value),
        interval: found.and_then(|found| found.interval),
    }
}

/// An axis that the values and intervals of `rows` lie on; `None` without values.
fn value_axis<'a>(
    label: &str,
    rows: impl Iterator<Item = &'a Dot> + Clone,
    ideal: Option<f64>,
) -> Option<Axis> {
    let means = rows.clone().filter_map(|row| row.mean);
    let least = means.clone().min_by(f64::total_cmp)?;
    let intervals = rows.filter_map(|row| row.interval);
    let ends = intervals.flat_map(|(low, high)| [low, high]);
    // An interval that reaches below zero, or far below every value, must not turn a log axis
    // into a linear one or stretch it: it is drawn to the end of the axis, without a cap.
    let is_near = |end: &f64| least <= 0.0 || *end >= least * 0.3;
    let values: Vec<f64> = means.chain(ideal).chain(ends.filter(is_near)).collect();
    Some(Axis::fitting(label, &values))
}
