//! Curves: metrics against something that varies and is a number, a line a policy.

use super::super::chart::{Axis, Figure, Line, LinePanel, Panel};
use super::super::summary_metrics::{self, Headline};
use super::{ends, shown};
use crate::output::Results;

/// Metrics against the first axis that is a number and is not what is compared.
pub(super) fn curves(results: &Results) -> Option<Figure> {
    let policy = summary_metrics::policy_axis(results);
    let axis = results.varying().into_iter().find(|at| {
        Some(*at) != policy && results.axes[*at].numbers().is_some_and(|n| n.len() > 1)
    })?;
    // What the classes wait and get may change with the axis, so all headlines are drawn.
    let headlines = summary_metrics::headlines(results);
    let chosen = headlines.iter().take(summary_metrics::FIGURE_MAX);
    let panels: Vec<Panel> = chosen
        .filter_map(|headline| curve(results, axis, policy?, headline))
        .collect();
    let columns = panels.len().min(3);
    (columns > 0).then(|| Figure {
        name: "curves",
        heading: String::new(),
        caption: format!(
            "Means over replications with 95 % confidence intervals against {}",
            results.axes[axis].name
        ),
        panels,
        columns,
    })
}

fn curve(results: &Results, axis: usize, policy: usize, headline: &Headline) -> Option<Panel> {
    let along = &results.axes[axis];
    let numbers = along.numbers()?;
    let shown = shown(results);
    let lines: Vec<Line> = results.axes[policy]
        .values
        .iter()
        .enumerate()
        .map(|(colour, value)| {
            let mut points: Vec<_> = along
                .values
                .iter()
                .zip(&numbers)
                .filter_map(|(step, number)| {
                    // Other axes, if any, stay where the shown cells have them.
                    let fixed = &results.cells[*shown.cells.first()?].params;
                    let cell = results.cells.iter().find(|cell| {
                        results.varying().iter().all(|at| match *at {
                            at if at == axis => cell.params[at] == *step,
                            at if at == policy => cell.params[at] == *value,
                            at => cell.params[at] == fixed[at],
                        })
                    })?;
                    Some((*number, headline.estimate(cell)?))
                })
                .collect();
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            Line {
                label: value.clone(),
                colour,
                points: points.iter().map(|(x, found)| (*x, found.value)).collect(),
                intervals: points.iter().map(|(_, found)| found.interval).collect(),
                marks: true,
            }
        })
        .filter(|line| !line.points.is_empty())
        .collect();
    let (low, high) = ends(&numbers)?;
    let values: Vec<f64> = lines
        .iter()
        .flat_map(|line| &line.points)
        .map(|p| p.1)
        .collect();
    let unit = along.unit();
    let label = if unit.is_empty() {
        along.name.clone()
    } else {
        format!("{} ({unit})", along.name)
    };
    Some(Panel::Lines(LinePanel {
        title: headline.long_title(&results.metrics[headline.metric]),
        x: if low > 0.0 && high > 8.0 * low {
            Axis::log(&label, low, high)
        } else {
            Axis::linear(
                &label,
                low - (high - low) * 0.03,
                high + (high - low) * 0.03,
            )
        },
        y: Axis::fitting("", &values),
        lines,
        ideal: None,
        named: true,
    }))
}
