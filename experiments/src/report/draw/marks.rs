//! Lines and markers as shapes.

use std::fmt::Write;

use kuva::render::color::Color;
use kuva::render::render::{PathData, Primitive, Scene};

use crate::report::styles::{COLOURS, Marker, Style};

const WHITE: Color = Color::Rgb(255, 255, 255);
/// Width of the strokes of a marker.
const EDGE: f64 = 1.3;

/// The colour of `style`.
pub(super) fn colour(style: Style) -> Color {
    let (red, green, blue) = COLOURS[style.colour];
    Color::Rgb(red, green, blue)
}

/// A straight line.
pub(super) fn rule(
    scene: &mut Scene,
    from: (f64, f64),
    to: (f64, f64),
    stroke: Color,
    stroke_width: f64,
) {
    scene.add(Primitive::Line {
        x1: from.0,
        y1: from.1,
        x2: to.0,
        y2: to.1,
        stroke,
        stroke_width,
        stroke_dasharray: None,
    });
}

/// A line through `points` in the colour and stroke of `style`.
pub(super) fn polyline(scene: &mut Scene, points: &[(f64, f64)], style: Style, stroke_width: f64) {
    let stroke = colour(style);
    let dashes = style.stroke.dashes();
    if dashes.is_empty() {
        scene.add(Primitive::PolyLine {
            points: points.to_vec(),
            stroke,
            stroke_width,
            stroke_dasharray: None,
        });
        return;
    }
    // The renderers disagree about dashes: that of pixels begins anew at every point.
    scene.add(Primitive::Path(Box::new(PathData {
        d: dashed(points, dashes),
        fill: None,
        stroke,
        stroke_width,
        opacity: None,
        stroke_dasharray: None,
    })));
}

/// The strokes of a dashed line through `points`, as one path.
fn dashed(points: &[(f64, f64)], dashes: &[f64]) -> String {
    let mut path = String::new();
    let mut put = |step: char, (x, y): (f64, f64)| {
        write!(path, "{step} {x:.2} {y:.2} ").expect("a string takes every text");
    };
    let (mut part, mut left) = (0, dashes[0]);
    if let Some(first) = points.first() {
        put('M', *first);
    }
    for two in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (two[0], two[1]);
        let length = libm::hypot(x1 - x0, y1 - y0);
        let mut gone = 0.0;
        while length - gone > left {
            gone += left;
            let at = (
                x0 + (x1 - x0) * gone / length,
                y0 + (y1 - y0) * gone / length,
            );
            put(if part % 2 == 0 { 'L' } else { 'M' }, at);
            part = (part + 1) % dashes.len();
            left = dashes[part];
        }
        left -= length - gone;
        if part % 2 == 0 {
            put('L', (x1, y1));
        }
    }
    path
}

/// A marker of radius `r` around `(x, y)`.
pub(super) fn marker(scene: &mut Scene, (x, y): (f64, f64), style: Style, r: f64) {
    let ink = colour(style);
    let at = |dx: f64, dy: f64| (x + dx * r, y + dy * r);
    let triangle = |up: f64| vec![at(0.0, -1.2 * up), at(1.1, 0.8 * up), at(-1.1, 0.8 * up)];
    let square = || vec![at(-0.9, -0.9), at(0.9, -0.9), at(0.9, 0.9), at(-0.9, 0.9)];
    let diamond = || vec![at(0.0, -1.3), at(1.3, 0.0), at(0.0, 1.3), at(-1.3, 0.0)];
    let (corners, hollow) = match style.marker {
        Marker::Circle | Marker::Ring => {
            let hollow = style.marker == Marker::Ring;
            scene.add(Primitive::Circle {
                cx: x,
                cy: y,
                r,
                fill: if hollow { WHITE } else { ink.clone() },
                fill_opacity: None,
                stroke: hollow.then_some(ink),
                stroke_width: hollow.then_some(EDGE),
            });
            return;
        }
        Marker::Plus | Marker::Cross | Marker::Bar | Marker::Star => {
            for (from, to) in strokes(style.marker) {
                let (from, to) = (at(from.0, from.1), at(to.0, to.1));
                rule(scene, from, to, ink.clone(), EDGE + 0.3);
            }
            return;
        }
        Marker::Square => (square(), false),
        Marker::HollowSquare => (square(), true),
        Marker::Triangle => (triangle(1.0), false),
        Marker::HollowTriangle => (triangle(1.0), true),
        Marker::Down => (triangle(-1.0), false),
        Marker::HollowDown => (triangle(-1.0), true),
        Marker::Diamond => (diamond(), false),
        Marker::HollowDiamond => (diamond(), true),
    };
    let steps: Vec<String> = corners
        .iter()
        .map(|(x, y)| format!("{x:.2} {y:.2}"))
        .collect();
    scene.add(Primitive::Path(Box::new(PathData {
        d: format!("M {} Z", steps.join(" L ")),
        fill: Some(if hollow { WHITE } else { ink.clone() }),
        stroke: ink,
        stroke_width: if hollow { EDGE } else { 0.4 },
        opacity: None,
        stroke_dasharray: None,
    })));
}

/// The strokes of a marker that has no inside, from end to end, in radii.
fn strokes(marker: Marker) -> Vec<((f64, f64), (f64, f64))> {
    let plus = [((-1.2, 0.0), (1.2, 0.0)), ((0.0, -1.2), (0.0, 1.2))];
    let cross = [((-0.9, -0.9), (0.9, 0.9)), ((-0.9, 0.9), (0.9, -0.9))];
    match marker {
        Marker::Plus => plus.to_vec(),
        Marker::Cross => cross.to_vec(),
        Marker::Star => [plus, cross].concat(),
        _ => vec![((0.0, -1.3), (0.0, 1.3))],
    }
}
