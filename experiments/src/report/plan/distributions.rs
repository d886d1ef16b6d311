//! The distribution of slowdowns or completion times: by percentile, stretched towards the
//! slowest, and as a classic cumulative distribution.

use std::path::Path;

use super::super::chart::{Axis, Figure, Line, LinePanel, Marks, Panel};
use super::super::data::{self, Sample};
use super::super::grouping::{Grouping, Policy};
use super::super::summary_metrics::{self, ScenarioKind};
use super::{ends, is_there};
use crate::output::{OutputError, Results};

/// Part of an axis that two points of a line are apart at least.
const APART: f64 = 0.002;

/// What is distributed.
struct Quantity {
    figure: &'static str,
    metric: String,
    /// One of what has a value.
    what: String,
    /// The value, in words.
    words: String,
    samples: Vec<Sample>,
}

/// The quantity of `results` whose distribution is drawn, if its table was written.
fn quantity(dir: &Path, results: &Results) -> Result<Option<Quantity>, OutputError> {
    let kind = summary_metrics::kind(results);
    if kind == ScenarioKind::Swarm {
        if !is_there(dir, "peers.csv") {
            return Ok(None);
        }
        return Ok(Some(Quantity {
            figure: "cdf_completion",
            metric: "peer_completion_p50_s".to_owned(),
            what: "peers".to_owned(),
            words: "completion time of peers (s)".to_owned(),
            samples: data::completions(dir, results)?,
        }));
    }
    if !is_there(dir, "transfers.csv") {
        return Ok(None);
    }
    let classes = summary_metrics::classes(results);
    let class = classes.first().filter(|_| kind == ScenarioKind::Transfers);
    let what = class.map_or_else(
        || "transfers".to_owned(),
        |class| format!("{class} transfers"),
    );
    Ok(Some(Quantity {
        figure: "cdf_slowdown",
        metric: class.map_or_else(
            || "slowdown_p50".to_owned(),
            |class| format!("slowdown_p50.{class}"),
        ),
        words: format!("slowdown of {what} (time / time alone)"),
        samples: data::slowdowns(dir, results, class.map(String::as_str))?,
        what,
    }))
}

/// Two panels a group: percentiles, and the cumulative distribution.
pub(super) fn distributions(
    dir: &Path,
    results: &Results,
    all: &Grouping,
) -> Result<Option<Figure>, OutputError> {
    let Some(quantity) = quantity(dir, results)? else {
        return Ok(None);
    };
    let shown = all.shown().iter().flat_map(|group| &group.cells);
    let samples = shown.map(|policy| &quantity.samples[policy.cell]);
    let values = ends(samples.flat_map(|sample| sample.sorted.iter().copied()));
    let Some((low, high)) = values else {
        return Ok(None);
    };
    let mut panels = Vec::new();
    for group in all.shown() {
        let title = |text: &str| match group.title.as_str() {
            "" => text.to_owned(),
            title => format!("{title}: {}", text.to_lowercase()),
        };
        let lines = |points: &dyn Fn(&Sample) -> Vec<(f64, f64)>| -> Vec<Line> {
            let cells = group.cells.iter();
            cells
                .map(|policy| line(policy, points(&quantity.samples[policy.cell])))
                .filter(|line| !line.points.is_empty())
                .collect()
        };
        let percentiles = lines(&|sample| percentiles(sample));
        let most = percentiles
            .iter()
            .flat_map(|line| &line.points)
            .map(|p| p.0);
        let most = most.fold(0.0, f64::max);
        let values = Axis::around(&quantity.words, low, high);
        if most > 0.0 {
            let x = format!("percentile of {}", quantity.what);
            panels.push(Panel::Lines(LinePanel {
                title: title("By percentile"),
                x: Axis::tail(&x, most),
                y: values.clone(),
                lines: percentiles,
                ideal: None,
            }));
        } else {
            panels.push(Panel::Blank);
        }
        let y = format!("part of {} at most that long", quantity.what);
        panels.push(Panel::Lines(LinePanel {
            title: title("Cumulative distribution"),
            lines: lines(&|sample| cumulative(sample, &values)),
            x: values,
            y: Axis::linear(&y, 0.0, 1.0),
            ideal: None,
        }));
    }
    let text = format!(
        "Distribution over the {} of all replications: at the left by percentile, stretched \
         towards the slowest, at the right cumulative. What did not finish counts above the \
         highest percentile that is drawn, and keeps a cumulative line below 1",
        quantity.what
    );
    Ok(Some(Figure {
        name: quantity.figure,
        legend: all.policy.clone(),
        caption: all.caption(&text),
        panels,
        columns: 2,
        metrics: vec![quantity.metric],
    }))
}

fn line(policy: &Policy, points: Vec<(f64, f64)>) -> Line {
    Line {
        label: policy.name.clone(),
        style: policy.style,
        points,
        intervals: Vec::new(),
        marks: Marks::Along,
    }
}

/// Value at each fraction, thinned to what an eye can tell apart.
fn percentiles(sample: &Sample) -> Vec<(f64, f64)> {
    let all = sample.all as f64;
    let mut points: Vec<(f64, f64)> = Vec::new();
    let axis = Axis::tail("", 1.0 - 0.5 / all.max(1.0));
    let mut last = -1.0;
    for (rank, value) in sample.sorted.iter().enumerate() {
        // The middle of its step, so that the largest of all is below 1.
        let fraction = (rank as f64 + 0.5) / all;
        let place = axis.part(fraction);
        if place - last > APART || rank + 1 == sample.sorted.len() {
            points.push((fraction, *value));
            last = place;
        }
    }
    points
}

/// Fraction at or below each value, as steps, thinned along `axis`.
fn cumulative(sample: &Sample, axis: &Axis) -> Vec<(f64, f64)> {
    let all = sample.all as f64;
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut last = f64::NEG_INFINITY;
    let mut height = 0.0;
    for (rank, value) in sample.sorted.iter().enumerate() {
        let next = (rank + 1) as f64 / all;
        let place = axis.part(*value);
        if place - last > APART || points.is_empty() {
            points.push((*value, height));
            points.push((*value, next));
            last = place;
        } else if rank + 1 == sample.sorted.len() {
            points.push((*value, next));
        } else if let Some(point) = points.last_mut() {
            point.1 = next;
        }
        height = points.last().map_or(next, |point| point.1);
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    // Four peers, one of which never finished: steps at 1, 2 and 3 of a quarter each.
    #[test]
    fn a_cumulative_line_stays_below_one_by_what_did_not_finish() {
        let sample = Sample {
            sorted: vec![1.0, 2.0, 3.0],
            all: 4,
        };
        let points = cumulative(&sample, &Axis::linear("", 0.0, 4.0));
        let want = [
            (1.0, 0.0),
            (1.0, 0.25),
            (2.0, 0.25),
            (2.0, 0.5),
            (3.0, 0.5),
            (3.0, 0.75),
        ];
        assert_eq!(points, want);
    }

    #[test]
    fn thinning_keeps_the_height_of_what_it_leaves_out() {
        let sample = Sample {
            sorted: (0..10_000).map(|at| f64::from(at) / 10_000.0).collect(),
            all: 10_000,
        };
        let points = cumulative(&sample, &Axis::linear("", 0.0, 1.0));
        assert!(points.len() < 1_100, "{}", points.len());
        let off = points.iter().map(|(x, y)| (x - y).abs());
        assert!(off.fold(0.0, f64::max) < 0.004);
        assert!((points.last().unwrap().1 - 1.0).abs() < 1e-12);
    }
}
