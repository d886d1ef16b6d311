//! Curves: metrics against something that varies and is a number, a line a policy.

use super::super::chart::{Axis, Figure, Line, LinePanel, Marks, Panel};
use super::super::grouping::{Group, Grouping, axis_words, setting};
use super::super::summary_metrics::{self, Headline};
use super::ends;
use crate::output::Results;

/// Panels of one figure.
const PANELS_MAX: usize = 27;

/// Groups that differ in the number alone, with what else they have in common.
struct Curve<'a> {
    title: String,
    steps: Vec<(f64, &'a Group)>,
}

/// Metrics against the first axis that is a number and is not what is compared: a panel a metric,
/// for each setting of what else varies.
pub(super) fn curves(results: &Results, all: &Grouping) -> Option<Figure> {
    let is_number = |at: &&usize| results.axes[**at].numbers().is_some_and(|n| n.len() > 1);
    let axis = *all.others.iter().find(is_number)?;
    let curves = along(results, all, axis);
    // What the classes wait and get may change with the axis, so all headlines are drawn.
    let headlines = summary_metrics::headlines(results);
    let chosen = headlines.iter().take(summary_metrics::FIGURE_MAX);
    let mut panels: Vec<Panel> = Vec::new();
    for curve in &curves {
        let drawn = chosen.clone();
        panels.extend(drawn.filter_map(|headline| panel(results, axis, curve, headline)));
    }
    let count = panels.len();
    panels.truncate(PANELS_MAX);
    let mut caption = format!(
        "Means over replications with 95 % confidence intervals against the {}. Points that would \
         hide each other stand side by side",
        axis_words(&results.axes[axis].name)
    );
    if panels.len() < count {
        caption += &format!(". The first {PANELS_MAX} of {count} panels are drawn");
    }
    let columns = panels.len().min(3);
    (columns > 0).then(|| Figure {
        name: "curves",
        legend: all.policy.clone(),
        caption,
        panels,
        columns,
        metrics: chosen
            .map(|line| results.metrics[line.metric].clone())
            .collect(),
    })
}

/// The groups of `all`, put together where they differ in `axis` alone.
fn along<'a>(results: &Results, all: &'a Grouping, axis: usize) -> Vec<Curve<'a>> {
    let rest: Vec<usize> = all
        .others
        .iter()
        .copied()
        .filter(|at| *at != axis)
        .collect();
    let numbers = results.axes[axis].numbers().unwrap_or_default();
    let mut found: Vec<Curve<'a>> = Vec::new();
    for group in &all.groups {
        let cell = group
            .cells
            .first()
            .map(|policy| policy.cell)
            .or(group.alone);
        let Some(cell) = cell else { continue };
        let title = setting(results, &rest, cell);
        let value = &results.cells[cell].params[axis];
        let values = results.axes[axis].values.iter().zip(&numbers);
        let number = values.filter(|(own, _)| *own == value).map(|(_, n)| *n);
        let step = number.map(|number| (number, group));
        match found.iter_mut().find(|curve| curve.title == title) {
            Some(curve) => curve.steps.extend(step),
            None => found.push(Curve {
                title,
                steps: step.collect(),
            }),
        }
    }
    for curve in &mut found {
        curve.steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    found
}

fn panel(results: &Results, axis: usize, curve: &Curve<'_>, headline: &Headline) -> Option<Panel> {
    let mut lines: Vec<Line> = Vec::new();
    for (number, group) in &curve.steps {
        for policy in &group.cells {
            let Some(found) = headline.estimate(&results.cells[policy.cell]) else {
                continue;
            };
            let known = lines.iter().position(|line| line.label == policy.name);
            let at = known.unwrap_or_else(|| {
                lines.push(Line {
                    label: policy.name.clone(),
                    style: policy.style,
                    points: Vec::new(),
                    intervals: Vec::new(),
                    marks: Marks::Points,
                });
                lines.len() - 1
            });
            lines[at].points.push((*number, found.value));
            lines[at].intervals.push(found.interval);
        }
    }
    let (low, high) = ends(curve.steps.iter().map(|step| step.0))?;
    let points = || lines.iter().flat_map(|line| &line.points);
    let (least, _) = ends(points().map(|point| point.1))?;
    let intervals = lines
        .iter()
        .flat_map(|line| line.intervals.iter().flatten());
    let intervals = intervals.flat_map(|(low, high)| [*low, *high]);
    let is_near = |end: &f64| least <= 0.0 || *end >= least * 0.3;
    let values: Vec<f64> = points()
        .map(|point| point.1)
        .chain(intervals.filter(is_near))
        .collect();
    let label = label(results, axis);
    Some(Panel::Lines(LinePanel {
        title: curve.title.clone(),
        x: if low > 0.0 && high > 8.0 * low {
            Axis::log(&label, low, high)
        } else {
            let room = (high - low) * 0.06;
            Axis::linear(&label, low - room, high + room)
        },
        y: Axis::fitting(
            &headline.long_title(&results.metrics[headline.metric]),
            &values,
        ),
        lines,
        ideal: None,
    }))
}

/// What varies, with its unit.
fn label(results: &Results, axis: usize) -> String {
    let along = &results.axes[axis];
    let words = axis_words(&along.name);
    match along.unit() {
        "" if along.name.ends_with("load") => format!("{words} (part of the capacity)"),
        "" => words,
        unit => format!("{words} ({unit})"),
    }
}
