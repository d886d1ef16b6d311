//! Axes with their ticks, names and grid lines.

use kuva::render::render::{Scene, TextAnchor};

use super::marks::rule;
use super::text::{Look, text};
use super::{Frame, GRID, INK};
use crate::report::chart::Axis;

/// Least distance between the names of two ticks.
const APART: f64 = 5.0;

/// Width of the widest name of a tick.
pub(super) fn widest_tick(axis: &Axis) -> f64 {
    let look = Look::tick(TextAnchor::End);
    let widths = axis.ticks.iter().map(|(_, name)| look.width(name));
    widths.fold(0.0, f64::max)
}

/// The y axis as grid lines, with their names left of `frame`.
pub(super) fn y_axis(scene: &mut Scene, axis: &Axis, frame: Frame) {
    let look = Look::tick(TextAnchor::End);
    let mut free = f64::INFINITY;
    for (value, name) in &axis.ticks {
        let y = frame.y(axis, *value);
        rule(scene, (frame.left, y), (frame.right, y), GRID, 0.7);
        // A name that would touch the one below is left out.
        if y + 0.5 * f64::from(look.size) < free {
            text(scene, (frame.left - 6.0, y + 3.5), name, &look);
            free = y - 0.5 * f64::from(look.size) - 1.0;
        }
    }
}

/// The x axis below `frame`; names of ticks stay between `room.0` and `room.1`.
pub(super) fn x_axis(scene: &mut Scene, axis: &Axis, frame: Frame, room: (f64, f64)) {
    let (from, to) = ((frame.left, frame.bottom), (frame.right, frame.bottom));
    rule(scene, from, to, INK, 0.9);
    let look = Look::tick(TextAnchor::Middle);
    for (value, _) in &axis.ticks {
        let x = frame.x(axis, *value);
        let down = (x, frame.bottom + 4.0);
        rule(scene, (x, frame.bottom), down, INK, 0.9);
    }
    let place = |(value, name): &(f64, String)| {
        let half = look.width(name) / 2.0;
        // A name that would reach into the next panel stands a little beside its tick.
        let x = frame.x(axis, *value).max(room.0 + half);
        (x.min(room.1 - half), half, name.clone())
    };
    let names: Vec<(f64, f64, String)> = axis.ticks.iter().map(place).collect();
    // Every name, or every second, or third: as many as do not touch each other.
    let fits = |stride: &usize| {
        let shown: Vec<_> = names.iter().step_by(*stride).collect();
        let apart = |two: &[&(f64, f64, String)]| two[1].0 - two[1].1 - two[0].0 - two[0].1;
        shown.windows(2).all(|two| apart(two) >= APART)
    };
    let stride = (1..names.len().max(2))
        .find(fits)
        .unwrap_or_else(|| names.len().max(1));
    for (x, _, name) in names.iter().step_by(stride) {
        text(scene, (*x, frame.bottom + 15.0), name, &look);
    }
}

/// The x axis as grid lines over the height of `frame`.
pub(super) fn x_grid(scene: &mut Scene, axis: &Axis, frame: Frame) {
    for (value, _) in &axis.ticks {
        let x = frame.x(axis, *value);
        rule(scene, (x, frame.top), (x, frame.bottom), GRID, 0.7);
    }
}
