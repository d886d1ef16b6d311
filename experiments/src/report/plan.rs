//! Which figures a result has, from what is in it.
//!
//! Decides content, never looks: every figure is chosen by what varies and what was measured.
//! Where several things vary beside the policy, figures that cannot show them take the last
//! value of each and say so.

mod curves;

use std::path::Path;

use super::chart::{Axis, Dot, DotPanel, Figure, Line, LinePanel, Panel};
use super::data::{self, FlowLine, Sample};
use super::summary_metrics::{self, Headline, Kind};
use crate::output::{OutputError, Results};
use crate::stats;

/// Windows that a line over time may have.
const WINDOWS_MAX: usize = 150;

/// The cells that a figure without further axes shows, and what they have in common.
struct Shown {
    cells: Vec<usize>,
    labels: Vec<String>,
    /// The row of what is alone, if there is one.
    alone: Option<usize>,
    common: String,
}

/// All figures of the result in `dir`.
///
/// # Errors
///
/// [`OutputError`] if a table cannot be read.
pub(super) fn figures(dir: &Path, results: &Results) -> Result<Vec<Figure>, OutputError> {
    let shown = shown(results);
    let mut found = Vec::new();
    found.extend(headlines(results, &shown));
    found.extend(quantiles(dir, results, &shown)?);
    found.extend(windowed(results, &shown));
    found.extend(over_time(dir, results, &shown)?);
    found.extend(curves::curves(results));
    found.extend(classes(results, &shown));
    Ok(found)
}

fn shown(results: &Results) -> Shown {
    let cells = summary_metrics::groups(results).pop().unwrap_or_default();
    let policy = summary_metrics::policy_axis(results);
    let label = |at: &usize| match policy {
        Some(axis) => results.cells[*at].params[axis].clone(),
        None => results.cells[*at].cell.clone(),
    };
    let others = results
        .varying()
        .into_iter()
        .filter(|axis| Some(*axis) != policy);
    let common: Vec<String> = others
        .filter_map(|axis| {
            let value = &results.cells[*cells.first()?].params[axis];
            Some(format!("{} = {value}", results.axes[axis].name))
        })
        .collect();
    let varying = results.varying();
    let like = |at: &usize| {
        let of_policy = |axis: &usize| Some(*axis) != policy;
        let mut others = varying.iter().filter(|axis| of_policy(axis));
        let first = cells.first().map(|first| &results.cells[*first].params);
        let own = &results.cells[*at];
        own.is_alone
            && others.all(|axis| first.is_some_and(|first| first[*axis] == own.params[*axis]))
    };
    Shown {
        alone: (0..results.cells.len()).find(like),
        labels: cells.iter().map(label).collect(),
        cells,
        common: common.join(", "),
    }
}

impl Shown {
    /// `text`, and what the cells have in common.
    fn with_common(&self, text: &str) -> String {
        if self.common.is_empty() {
            text.to_owned()
        } else {
            format!("{text} at {}", self.common)
        }
    }
}

fn headlines(results: &Results, shown: &Shown) -> Option<Figure> {
    let panels: Vec<Panel> = summary_metrics::headlines(results)
        .iter()
        .take(summary_metrics::FIGURE_MAX)
        .filter_map(|headline| dots(results, shown, headline))
        .collect();
    let columns = panels.len().min(3);
    (!panels.is_empty()).then(|| Figure {
        name: "headline",
        heading: String::new(),
        caption: shown.with_common("Means over replications with 95 % confidence intervals"),
        panels,
        columns,
    })
}

/// Values of `headline` a row; `None` if no cell has one.
fn dots(results: &Results, shown: &Shown, headline: &Headline) -> Option<Panel> {
    let dot = |(colour, (cell, label)): (usize, (&usize, &String))| {
        let cell = &results.cells[*cell];
        let found = headline.estimate(cell);
        Dot {
            label: label.clone(),
            missing: if cell.is_alone {
                "–"
            } else {
                "none finished"
            },
            colour,
            mean: found.map(|found| found.value),
            interval: found.and_then(|found| found.interval),
        }
    };
    let cells = shown.cells.iter().zip(&shown.labels).enumerate();
    // What is alone comes first, also where the metric is none that it has: the names of the rows
    // stand beside the first panel only.
    let alone = shown
        .alone
        .iter()
        .map(|cell| (cell, &results.cells[*cell].cell));
    let alone = alone.map(|row| dot((shown.cells.len(), row)));
    let rows: Vec<Dot> = alone.chain(cells.map(dot)).collect();
    let name = results.metrics[headline.metric].as_str();
    let ideal = (name.starts_with("jain")
        || name.starts_with("share_over")
        || name.ends_with("over_bound"))
    .then_some(1.0);
    let means = rows.iter().filter_map(|row| row.mean);
    let ends = rows
        .iter()
        .filter_map(|row| row.interval)
        .flat_map(|(low, high)| [low, high]);
    // An interval that reaches below zero must not turn a log axis into a linear one.
    let values: Vec<f64> = means
        .clone()
        .chain(ends.filter(|end| *end > 0.0))
        .chain(ideal)
        .collect();
    means.clone().next()?;
    let least = means.fold(f64::INFINITY, f64::min);
    let values: Vec<f64> = values
        .into_iter()
        .filter(|value| *value >= least * 0.3)
        .collect();
    Some(Panel::Dots(DotPanel {
        title: headline.long_title(name),
        x: Axis::fitting("", &values),
        rows,
        ideal,
    }))
}

fn quantiles(dir: &Path, results: &Results, shown: &Shown) -> Result<Option<Figure>, OutputError> {
    let kind = summary_metrics::kind(results);
    let classes = summary_metrics::classes(results);
    let class = classes.first().filter(|_| kind == Kind::Transfers);
    let (name, samples, label, what) = if kind == Kind::Swarm {
        if !is_there(dir, "peers.csv") {
            return Ok(None);
        }
        let samples = data::completions(dir, results)?;
        (
            "cdf_completion",
            samples,
            "completion time (s)".to_owned(),
            "peers".to_owned(),
        )
    } else {
        if !is_there(dir, "transfers.csv") {
            return Ok(None);
        }
        let samples = data::slowdowns(dir, results, class.map(String::as_str))?;
        let what = class.map_or_else(
            || "transfers".to_owned(),
            |class| format!("{class} transfers"),
        );
        (
            "cdf_slowdown",
            samples,
            "slowdown (time / time alone)".to_owned(),
            what,
        )
    };
    let lines: Vec<Line> = shown
        .cells
        .iter()
        .zip(&shown.labels)
        .enumerate()
        .map(|(colour, (cell, label))| quantile_line(&samples[*cell], label, colour))
        .filter(|line| !line.points.is_empty())
        .collect();
    let most = lines
        .iter()
        .flat_map(|line| &line.points)
        .map(|p| p.0)
        .fold(0.0, f64::max);
    if lines.is_empty() || most <= 0.0 {
        return Ok(None);
    }
    let values: Vec<f64> = lines
        .iter()
        .flat_map(|line| &line.points)
        .map(|p| p.1)
        .collect();
    let x = format!("percentile of {what}");
    Ok(Some(Figure {
        name,
        heading: String::new(),
        caption: shown.with_common(&format!(
            "Distribution over the {what} of all replications; what did not finish counts above \
             the highest percentile drawn"
        )),
        panels: vec![Panel::Lines(LinePanel {
            title: shown.with_common(&label),
            x: Axis::tail(&x, most),
            y: Axis::fitting("", &values),
            lines,
            ideal: None,
            named: true,
        })],
        columns: 1,
    }))
}

/// Value at each fraction, thinned to what an eye can tell apart.
/// A scenario may leave a table out; then what is drawn from it is left out too.
fn is_there(dir: &Path, table: &str) -> bool {
    dir.join(table).is_file()
}

fn quantile_line(sample: &Sample, label: &str, colour: usize) -> Line {
    let all = sample.all as f64;
    let mut points: Vec<(f64, f64)> = Vec::new();
    let axis = Axis::tail("", 1.0 - 0.5 / all.max(1.0));
    let mut last = -1.0;
    for (rank, value) in sample.sorted.iter().enumerate() {
        // The middle of its step, so that the largest of all is below 1.
        let fraction = (rank as f64 + 0.5) / all;
        let place = axis.part(fraction);
        if place - last > 0.002 || rank + 1 == sample.sorted.len() {
            points.push((fraction, *value));
            last = place;
        }
    }
    Line {
        label: label.to_owned(),
        colour,
        points,
        intervals: Vec::new(),
        marks: false,
    }
}

/// Jain's index against the length of the windows.
fn windowed(results: &Results, shown: &Shown) -> Option<Figure> {
    let windows: Vec<(f64, usize)> = results
        .metrics
        .iter()
        .enumerate()
        .filter_map(|(at, name)| Some((summary_metrics::window_s(name)?, at)))
        .collect();
    let lines = shown.cells.iter().zip(&shown.labels).enumerate();
    let lines: Vec<Line> = lines
        .map(|(colour, (cell, label))| {
            let found = windows.iter().filter_map(|(length, metric)| {
                Some((
                    *length,
                    stats::estimate(&results.cells[*cell].values(*metric))?,
                ))
            });
            let found: Vec<_> = found.collect();
            Line {
                label: label.clone(),
                colour,
                points: found
                    .iter()
                    .map(|(length, found)| (*length, found.value))
                    .collect(),
                intervals: found.iter().map(|(_, found)| found.interval).collect(),
                marks: true,
            }
        })
        .filter(|line| line.points.len() > 1)
        .collect();
    let lengths: Vec<f64> = lines
        .iter()
        .flat_map(|line| &line.points)
        .map(|p| p.0)
        .collect();
    let (low, high) = ends(&lengths)?;
    let least = lines
        .iter()
        .flat_map(|line| &line.points)
        .map(|p| p.1)
        .fold(1.0, f64::min);
    Some(Figure {
        name: "jain_window",
        heading: String::new(),
        caption: shown.with_common(
            "Fairness over time scales: Jain's index of bytes over entitlement among flows that \
             were backlogged for the whole window; mean over windows, 95 % intervals over \
             replications. 1 is perfectly fair",
        ),
        panels: vec![Panel::Lines(LinePanel {
            title: shown.with_common("Jain's index of shares"),
            x: Axis::log("length of the windows (s)", low, high),
            y: Axis::linear("", (least - 0.04).max(0.0), 1.0),
            lines,
            ideal: None,
            named: true,
        })],
        columns: 1,
    })
}

fn ends(values: &[f64]) -> Option<(f64, f64)> {
    let low = values.iter().copied().min_by(f64::total_cmp)?;
    Some((low, values.iter().copied().max_by(f64::total_cmp)?))
}

/// Bytes over entitlement along the run, a panel a policy.
fn over_time(dir: &Path, results: &Results, shown: &Shown) -> Result<Option<Figure>, OutputError> {
    if !is_there(dir, "windows.csv") {
        return Ok(None);
    }
    let Some(window) = data::window_to_draw(dir, results, WINDOWS_MAX)? else {
        return Ok(None);
    };
    let flows = data::shares_over_time(dir, results, &window)?;
    let of_shown: Vec<&Vec<FlowLine>> = shown.cells.iter().map(|cell| &flows[*cell]).collect();
    let times: Vec<f64> = of_shown
        .iter()
        .flat_map(|lines| lines.iter().flatten())
        .map(|point| point.0)
        .collect();
    let Some((first, last)) = ends(&times).filter(|(first, last)| last > first) else {
        return Ok(None);
    };
    let panels = of_shown.iter().zip(&shown.labels).map(|(lines, label)| {
        let lines = lines.iter().map(|points| Line {
            label: String::new(),
            colour: 0,
            points: points.clone(),
            intervals: Vec::new(),
            marks: false,
        });
        Panel::Lines(LinePanel {
            title: label.clone(),
            x: Axis::linear("time (s)", first.min(0.0), last),
            y: Axis::linear("", 0.0, 4.0),
            lines: lines.collect(),
            ideal: Some(1.0),
            named: false,
        })
    });
    Ok(Some(Figure {
        name: "shares",
        heading: shown.with_common(&format!("bytes / entitlement, windows of {window} s")),
        caption: shown.with_common(&format!(
            "Shares over time in windows of {window} s, first replication: a line a flow, 1 is \
             exactly what it is entitled to, cut at 4"
        )),
        panels: panels.collect(),
        columns: shown
            .cells
            .len()
            .min(if shown.cells.len() > 6 { 5 } else { 3 }),
    }))
}

/// Completion of each class of a swarm, a panel a class.
fn classes(results: &Results, shown: &Shown) -> Option<Figure> {
    let prefix = "peer_completion_mean_s.";
    let names: Vec<&String> = results
        .metrics
        .iter()
        .filter(|name| name.starts_with(prefix) && results.has(name))
        .collect();
    if names.len() < 2 {
        return None;
    }
    let panels: Vec<Panel> = names
        .iter()
        .filter_map(|name| {
            let headline = summary_metrics::of_metric(results, name)?;
            dots(results, shown, &headline)
        })
        .collect();
    let columns = panels.len().min(3);
    (columns > 0).then(|| Figure {
        name: "classes",
        heading: String::new(),
        caption: shown.with_common(
            "Mean completion of each class of peers with 95 % confidence intervals over \
             replications",
        ),
        panels,
        columns,
    })
}
