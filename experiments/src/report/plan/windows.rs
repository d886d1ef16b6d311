//! Fairness over windows: against their length, and along the run.

use std::path::Path;

use super::super::chart::{Axis, Figure, Line, LinePanel, Marks, Panel};
use super::super::data::{self, Flows};
use super::super::grouping::{Group, Grouping};
use super::super::styles;
use super::super::summary_metrics;
use super::{ends, is_there};
use crate::output::{OutputError, Results};
use crate::stats;

/// Windows that a line over time may have.
const WINDOWS_MAX: usize = 150;
/// Panels of flows over time in one figure.
const PANELS_MAX: usize = 24;
/// Shares above this are cut: they would press all others together.
const CUT: f64 = 4.0;

/// Jain's index against the length of the windows, a panel a group.
pub(super) fn windowed(results: &Results, all: &Grouping) -> Option<Figure> {
    let metrics = results.metrics.iter().enumerate();
    let windows: Vec<(f64, usize)> = metrics
        .filter_map(|(at, name)| Some((summary_metrics::window_s(name)?, at)))
        .collect();
    let panels: Vec<(&Group, Vec<Line>)> = all
        .shown()
        .iter()
        .map(|group| (group, index_lines(results, group, &windows)))
        .filter(|(_, lines)| !lines.is_empty())
        .collect();
    let points = || panels.iter().flat_map(|(_, lines)| lines);
    let (low, high) = ends(points().flat_map(|line| &line.points).map(|p| p.0))?;
    let values = points().flat_map(|line| &line.points).map(|p| p.1);
    let intervals = points().flat_map(|line| line.intervals.iter().flatten());
    let intervals = intervals.flat_map(|(low, high)| [*low, *high]);
    // A Student interval may reach above 1, the index may not.
    let (least, most) = ends(values.chain(intervals).chain([1.0]))?;
    let columns = panels.len().min(3);
    let metrics = windows.first().map(|(_, at)| results.metrics[*at].clone());
    let panels = panels.into_iter().map(|(group, lines)| {
        Panel::Lines(LinePanel {
            title: group.title.clone(),
            x: Axis::log("length of the windows (s)", low, high),
            y: Axis::linear(
                "Jain's index of bytes / entitlement (1 is fair)",
                (least - 0.04).max(0.0),
                most,
            ),
            lines,
            ideal: None,
        })
    });
    Some(Figure {
        name: "jain_window",
        legend: all.policy.clone(),
        caption: all.caption(
            "Fairness over time scales: Jain's index of bytes over entitlement among flows that \
             were backlogged for the whole window; mean over windows, 95 % intervals over \
             replications. 1 is perfectly fair. Points that would hide each other stand side by \
             side",
        ),
        panels: panels.collect(),
        columns,
        metrics: metrics.into_iter().collect(),
    })
}

/// The lines of `group` that have several points.
fn index_lines(results: &Results, group: &Group, windows: &[(f64, usize)]) -> Vec<Line> {
    let lines = group.cells.iter().map(|policy| {
        let found = windows.iter().filter_map(|(length, metric)| {
            let values = results.cells[policy.cell].values(*metric);
            Some((*length, stats::estimate(&values)?))
        });
        let found: Vec<_> = found.collect();
        Line {
            label: policy.name.clone(),
            style: policy.style,
            points: found.iter().map(|(x, found)| (*x, found.value)).collect(),
            intervals: found.iter().map(|(_, found)| found.interval).collect(),
            marks: Marks::Points,
        }
    });
    lines.filter(|line| line.points.len() > 1).collect()
}

/// Bytes over entitlement along the run, a panel a policy and group, a line a flow.
pub(super) fn over_time(
    dir: &Path,
    results: &Results,
    all: &Grouping,
) -> Result<Option<Figure>, OutputError> {
    if !is_there(dir, "windows.csv") {
        return Ok(None);
    }
    let Some(window) = data::window_to_draw(dir, results, WINDOWS_MAX)? else {
        return Ok(None);
    };
    let flows = data::shares_over_time(dir, results, &window)?;
    let several = all.groups.len() > 1;
    let cells = all.groups.iter().flat_map(|group| {
        let policies = group.cells.iter();
        policies.map(move |policy| {
            let title = if several {
                format!("{}, {}", policy.name, group.title)
            } else {
                policy.name.clone()
            };
            (title, policy.cell)
        })
    });
    let cells: Vec<(String, usize)> = cells.collect();
    let (count, drawn) = (cells.len(), cells.len().min(PANELS_MAX));
    let shown = &cells[..drawn];
    let lines = || shown.iter().flat_map(|(_, cell)| &flows[*cell].lines);
    let points = || lines().flat_map(|(_, line)| line);
    let times = ends(points().map(|point| point.0)).filter(|(first, last)| last > first);
    let (Some((first, last)), Some((_, most))) = (times, ends(points().map(|point| point.1)))
    else {
        return Ok(None);
    };
    let mut classes: Vec<&str> = lines().map(|(class, _)| class.as_str()).collect();
    classes.sort_unstable();
    classes.dedup();
    let high = most.clamp(1.5, CUT);
    let panels = shown.iter().map(|(title, cell)| {
        Panel::Lines(LinePanel {
            title: format!("{title} ({})", counted(&flows[*cell])),
            x: Axis::linear("time (s)", first.min(0.0), last),
            y: Axis::linear("bytes / entitlement", 0.0, high),
            lines: flow_lines(&flows[*cell], &classes),
            ideal: Some(1.0),
        })
    });
    let mut caption = format!(
        "Shares over time in windows of {window} s, first replication: a line a flow, coloured by \
         its class; 1 is exactly what it is entitled to"
    );
    let above = points().filter(|point| point.1 > CUT).count();
    if above > 0 {
        caption += &format!(
            ". {above} windows are above {CUT}: lines are cut there, and triangles mark where \
             they leave the panel"
        );
    }
    if drawn < count {
        caption += &format!(". The first {drawn} of {count} cells are drawn");
    }
    Ok(Some(Figure {
        name: "shares",
        legend: "class".to_owned(),
        caption,
        panels: panels.collect(),
        columns: drawn.min(if drawn > 6 { 4 } else { 3 }),
        metrics: vec!["share_over_entitlement_p50".to_owned()],
    }))
}

/// How many flows a panel shows, and of how many.
fn counted(flows: &Flows) -> String {
    match (flows.lines.len(), flows.all) {
        (1, 1) => "1 flow".to_owned(),
        (shown, all) if shown == all => format!("{all} flows"),
        (shown, all) => format!("{shown} of {all} flows"),
    }
}

fn flow_lines(flows: &Flows, classes: &[&str]) -> Vec<Line> {
    let lines = flows.lines.iter().map(|(class, points)| {
        let place = classes.iter().position(|known| known == class);
        Line {
            label: class.clone(),
            style: styles::of_class(place.unwrap_or_default()),
            points: points.clone(),
            intervals: Vec::new(),
            marks: Marks::Cuts,
        }
    });
    lines.collect()
}
