//! Panels of dots: one value with its interval a row.

use kuva::render::render::{Scene, TextAnchor};

use super::axes::{x_axis, x_grid};
use super::marks::{colour, marker, rule};
use super::text::{LINE, Look, paragraph, text};
use super::{Frame, Parts, SOFT};
use crate::report::chart::{Dot, DotPanel};

/// Height of a row.
const ROW: f64 = 16.0;
const RADIUS: f64 = 3.6;
/// From the ends of a panel to its axis.
const SIDE: f64 = 12.0;

fn names(panel: &DotPanel, width: f64) -> [Vec<String>; 2] {
    [
        Look::title().wrap(&panel.title, width - 14.0, 3),
        Look::plain(TextAnchor::Middle).wrap(&panel.x.label, width - 10.0, 3),
    ]
}

/// Heights of what is above, inside and below the axes of a panel that is `width` wide.
pub(super) fn parts(panel: &DotPanel, width: f64) -> Parts {
    let [title, label] = names(panel, width);
    Parts {
        head: 10.0 + LINE * title.len() as f64,
        body: ROW * panel.rows.len() as f64,
        foot: 30.0 + LINE * label.len() as f64,
    }
}

/// Width of the widest name of a row.
pub(super) fn widest_name(panel: &DotPanel) -> f64 {
    let look = Look::plain(TextAnchor::End);
    let widths = panel.rows.iter().map(|row| look.width(&row.label));
    widths.fold(0.0, f64::max)
}

/// Names of the rows of `panel`, right of `left` and left of `cell`.
pub(super) fn row_names(scene: &mut Scene, panel: &DotPanel, cell: Frame, left: f64, head: f64) {
    let look = Look::plain(TextAnchor::End);
    for (at, row) in panel.rows.iter().enumerate() {
        let y = cell.top + head + ROW * (at as f64 + 0.5);
        let name = look.fit(&row.label, cell.left - left - 2.0);
        text(scene, (cell.left, y + 4.0), &name, &look);
    }
}

/// Draws `panel` into `cell`, whose axes are `parts` from its ends.
pub(super) fn dots(scene: &mut Scene, panel: &DotPanel, cell: Frame, parts: &Parts) {
    let frame = Frame {
        left: cell.left + SIDE,
        top: cell.top + parts.head,
        right: cell.right - SIDE,
        bottom: cell.top + parts.head + ROW * panel.rows.len() as f64,
    };
    let [title, label] = names(panel, cell.right - cell.left);
    let above = frame.top - 4.0 - LINE * (title.len() as f64 - 1.0);
    paragraph(scene, (frame.left - 4.0, above), &title, &Look::title());
    x_grid(scene, &panel.x, frame);
    x_axis(scene, &panel.x, frame, (cell.left + 1.0, cell.right - 1.0));
    let below = (f64::midpoint(cell.left, cell.right), frame.bottom + 31.0);
    paragraph(scene, below, &label, &Look::plain(TextAnchor::Middle));
    if let Some(ideal) = panel.ideal {
        let x = frame.x(&panel.x, ideal);
        rule(scene, (x, frame.top), (x, frame.bottom), SOFT, 0.9);
    }
    for (at, row) in panel.rows.iter().enumerate() {
        let y = frame.top + ROW * (at as f64 + 0.5);
        dot(scene, panel, row, frame, y);
    }
}

fn dot(scene: &mut Scene, panel: &DotPanel, row: &Dot, frame: Frame, y: f64) {
    if let Some((low, high)) = row.interval {
        let ends = (frame.x(&panel.x, low), frame.x(&panel.x, high));
        rule(scene, (ends.0, y), (ends.1, y), colour(row.style), 1.8);
        // An end inside the panel has a cap; one that is beyond the axis an arrow to there.
        for (end, value, back) in [(ends.0, low, 4.5), (ends.1, high, -4.5)] {
            let mut line = |from, to| rule(scene, from, to, colour(row.style), 1.2);
            if panel.x.holds(value) {
                line((end, y - 2.5), (end, y + 2.5));
            } else {
                line((end, y), (end + back, y - 2.5));
                line((end, y), (end + back, y + 2.5));
            }
        }
    }
    match row.mean {
        Some(mean) => marker(scene, (frame.x(&panel.x, mean), y), row.style, RADIUS),
        None => {
            let look = Look::tick(TextAnchor::Start);
            let short = look.fit(row.missing, frame.right - frame.left - 4.0);
            text(scene, (frame.left + 4.0, y + 4.0), &short, &look);
        }
    }
}
