//! Panels of lines.

use kuva::render::render::{Scene, TextAnchor};

use super::axes::{widest_tick, x_axis, y_axis};
use super::marks::{colour, marker, polyline, rule};
use super::text::{LINE, Look, paragraph};
use super::{Frame, INK, Parts};
use crate::report::chart::{Line, LinePanel, Marks};
use crate::report::styles::{Marker, Stroke, Style};

/// Radius of a marker on a line.
pub(super) const RADIUS: f64 = 2.8;
/// How close points of several lines are for one to hide another.
const HIDES: f64 = 3.0;
/// Distance between points that stand side by side.
const BESIDE: f64 = 4.0;
/// Part of the way to the next point that points side by side may take.
const SPREAD: f64 = 0.4;
/// Markers along a line.
const MARKERS: f64 = 5.0;
/// Rules at the ends of a panel of lines: for half of the name of a tick.
const SIDE: f64 = 14.0;

/// Names of a panel, broken to `width`: its title, its y axis, its x axis.
fn names(panel: &LinePanel, width: f64) -> [Vec<String>; 3] {
    let plain = Look::plain(TextAnchor::Start);
    [
        Look::title().wrap(&panel.title, width - 18.0, 2),
        plain.wrap(&panel.y.label, width - 18.0, 2),
        plain.wrap(&panel.x.label, width - 18.0, 2),
    ]
}

/// Heights of what is above, inside and below the axes of a panel that is `width` wide.
pub(super) fn parts(panel: &LinePanel, width: f64, columns: usize) -> Parts {
    let [title, y, x] = names(panel, width);
    Parts {
        head: 12.0 + LINE * (title.len() + y.len()) as f64,
        body: match columns {
            1 => 230.0,
            2 | 3 => 180.0,
            _ => 110.0,
        },
        foot: 26.0 + LINE * x.len() as f64,
    }
}

/// Draws `panel` into `cell`, whose axes are `parts` from its ends.
pub(super) fn lines(scene: &mut Scene, panel: &LinePanel, cell: Frame, parts: &Parts) {
    let frame = Frame {
        left: cell.left + widest_tick(&panel.y) + 16.0,
        top: cell.top + parts.head,
        right: cell.right - SIDE,
        bottom: cell.top + parts.head + parts.body,
    };
    // What the y axis measures stands above it, where it is read first and without turning
    // one's head.
    let [title, y, x] = names(panel, cell.right - cell.left);
    let above = frame.top - 10.0 - LINE * y.len() as f64;
    let top = above - LINE * title.len() as f64;
    let look = Look::plain(TextAnchor::Start);
    paragraph(scene, (cell.left + 9.0, top + LINE), &title, &Look::title());
    paragraph(scene, (cell.left + 9.0, above + LINE), &y, &look);
    y_axis(scene, &panel.y, frame);
    x_axis(scene, &panel.x, frame, (cell.left + 2.0, cell.right - 2.0));
    let below = (f64::midpoint(cell.left, cell.right), frame.bottom + 31.0);
    paragraph(scene, below, &x, &Look::plain(TextAnchor::Middle));
    if let Some(ideal) = panel.ideal {
        let y = frame.y(&panel.y, ideal);
        rule(scene, (frame.left, y), (frame.right, y), INK, 0.8);
    }
    let places = places(panel, frame);
    for (line, points) in panel.lines.iter().zip(&places) {
        intervals(scene, panel, line, points, frame);
    }
    // Dashes last: through their gaps the lines below them show.
    for solid in [true, false] {
        for (line, points) in panel.lines.iter().zip(&places) {
            if (line.style.stroke == Stroke::Solid) == solid {
                let width = if line.marks == Marks::Cuts { 1.0 } else { 1.6 };
                polyline(scene, points, line.style, width);
            }
        }
    }
    for (at, (line, points)) in panel.lines.iter().zip(&places).enumerate() {
        let marked = match line.marks {
            Marks::Points => points.clone(),
            Marks::Along => along(points, at, panel.lines.len()),
            Marks::Cuts => cuts(panel, line, points, frame),
        };
        let cut = Style {
            marker: Marker::Triangle,
            ..line.style
        };
        let style = if line.marks == Marks::Cuts {
            cut
        } else {
            line.style
        };
        for place in marked {
            marker(scene, place, style, RADIUS);
        }
    }
}

/// Where the points of each line are: those that would hide each other side by side.
fn places(panel: &LinePanel, frame: Frame) -> Vec<Vec<(f64, f64)>> {
    let place = |(x, y): &(f64, f64)| (frame.x(&panel.x, *x), frame.y(&panel.y, *y));
    let lines = panel.lines.iter();
    let all: Vec<Vec<(f64, f64)>> = lines
        .map(|line| line.points.iter().map(place).collect())
        .collect();
    let steps = all.iter().flat_map(|points| points.windows(2));
    let step = steps
        .map(|two| two[1].0 - two[0].0)
        .fold(f64::INFINITY, f64::min);
    let moved = |line: usize, (x, y): (f64, f64)| {
        if panel.lines[line].marks != Marks::Points {
            return (x, y);
        }
        let hides = |points: &Vec<(f64, f64)>| {
            let near = |at: &(f64, f64)| (at.0 - x).abs() < 0.5 && (at.1 - y).abs() < HIDES;
            points.iter().any(near)
        };
        let near: Vec<usize> = (0..all.len()).filter(|at| hides(&all[*at])).collect();
        let own = near.iter().position(|at| *at == line).unwrap_or(0);
        let gap = BESIDE.min(step * SPREAD / near.len() as f64);
        let half = (near.len() - 1) as f64 / 2.0 * gap;
        // All of them stay inside the panel.
        let middle = x.clamp(frame.left + half, frame.right - half);
        (middle + own as f64 * gap - half, y)
    };
    let lines = all.iter().enumerate();
    lines
        .map(|(line, points)| points.iter().map(|point| moved(line, *point)).collect())
        .collect()
}

/// The interval of each point that has one.
fn intervals(
    scene: &mut Scene,
    panel: &LinePanel,
    line: &Line,
    points: &[(f64, f64)],
    frame: Frame,
) {
    for ((x, _), interval) in points.iter().zip(&line.intervals) {
        if let Some((low, high)) = interval {
            let ends = (frame.y(&panel.y, *low), frame.y(&panel.y, *high));
            rule(scene, (*x, ends.0), (*x, ends.1), colour(line.style), 1.0);
        }
    }
}

/// Places along the line number `at` of `all`, so that the markers of equal lines alternate.
fn along(points: &[(f64, f64)], at: usize, all: usize) -> Vec<(f64, f64)> {
    let length = |two: &[(f64, f64)]| libm::hypot(two[1].0 - two[0].0, two[1].1 - two[0].1);
    let total: f64 = points.windows(2).map(length).sum();
    let step = total / MARKERS;
    if step <= 0.0 {
        return points.first().copied().into_iter().collect();
    }
    let mut wanted = step * (at as f64 + 0.5) / all as f64;
    let (mut gone, mut found) = (0.0, Vec::new());
    for two in points.windows(2) {
        let own = length(two);
        while wanted <= gone + own && own > 0.0 {
            let part = (wanted - gone) / own;
            let between = |a: f64, b: f64| a + (b - a) * part;
            found.push((between(two[0].0, two[1].0), between(two[0].1, two[1].1)));
            wanted += step;
        }
        gone += own;
    }
    found
}

/// Where the line leaves the panel: the first point of each part that is outside.
fn cuts(panel: &LinePanel, line: &Line, points: &[(f64, f64)], frame: Frame) -> Vec<(f64, f64)> {
    let mut was_inside = true;
    let mut found = Vec::new();
    for ((_, value), (x, _)) in line.points.iter().zip(points) {
        let is_inside = panel.y.holds(*value);
        if was_inside && !is_inside {
            found.push((*x, frame.top + RADIUS));
        }
        was_inside = is_inside;
    }
    found
}
