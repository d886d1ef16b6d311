//! Draws charts with kuva, as SVG, PNG and PDF. With `pdf` the only file that knows
//! what draws.
//!
//! Decides sizes, colours and where text goes; refuses decoration: no boxes, no legends away
//! from what they name, grid lines only where a value is read off.
//!
//! Longer than other files: what draws can be exchanged by exchanging this file.

use std::fs;
use std::path::{Path, PathBuf};

use kuva::backend::raster::RasterBackend;
use kuva::backend::svg::SvgBackend;
use kuva::render::color::Color;
use kuva::render::render::{PathData, Primitive, Scene, TextAnchor};

use super::chart::{self, Axis, DotPanel, Figure, Line, LinePanel, Panel};
use super::pdf;
use crate::output::{OutputError, write_whole};

/// A sequence that people with any colour vision can tell apart: the colours of M. Okabe and
/// K. Ito, "Color Universal Design", 2008, without the yellow that vanishes on white, then
/// three of other brightness. After these the colours come again, dashed; and every line is
/// named at its end.
const COLOURS: [(u8, u8, u8); 10] = [
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
    (0, 0, 0),
    (140, 86, 75),
    (140, 140, 140),
    (51, 34, 136),
];
const INK: Color = Color::Rgb(34, 34, 34);
const SOFT: Color = Color::Rgb(110, 110, 110);
const GRID: Color = Color::Rgb(228, 228, 228);
/// Names of fonts for viewers of the SVG; PNG and PDF have their own copy of the first.
const FONTS: &str = "DejaVu Sans, Verdana, sans-serif";
/// Width of a figure of one panel: a column of a paper at the size of its text.
const COLUMN: f64 = 400.0;
/// Width of a figure of several panels: a page.
const PAGE: f64 = 820.0;
const TEXT: u32 = 11;
const SMALL: u32 = 10;
/// Mean width of a character of the font over its size.
const CHARACTER: f64 = 0.6;
/// Pixels of the PNG per unit of the figure.
const PNG_SCALE: f32 = 3.0;

/// The files of a figure that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Drawn {
    pub(super) svg: String,
    pub(super) files: Vec<PathBuf>,
}

/// Draws `figure` into `dir` as `NAME.svg`, `NAME.png` and `NAME.pdf`.
///
/// # Errors
///
/// [`OutputError::Io`], also if a renderer fails.
pub(super) fn draw(figure: &Figure, dir: &Path) -> Result<Drawn, OutputError> {
    fs::create_dir_all(dir).map_err(OutputError::io(dir))?;
    let scene = scene(figure);
    let file = |end: &str| dir.join(format!("{}.{end}", figure.name));
    let failed = |path: &Path, what: String| OutputError::io(path)(std::io::Error::other(what));
    // With a view box a page can show the drawing at any size.
    let view = format!("<svg viewBox=\"0 0 {} {}\" ", scene.width, scene.height);
    let svg = SvgBackend::default()
        .render_scene(&scene)
        .replacen("<svg ", &view, 1);
    let (svg_file, png_file, pdf_file) = (file("svg"), file("png"), file("pdf"));
    write_whole(&svg_file, svg.as_bytes())?;
    let png = RasterBackend::new()
        .with_scale(PNG_SCALE)
        .render_scene(&scene);
    write_whole(&png_file, &png.map_err(|what| failed(&png_file, what))?)?;
    let pdf = pdf::render(&scene);
    write_whole(&pdf_file, &pdf.map_err(|what| failed(&pdf_file, what))?)?;
    Ok(Drawn {
        svg,
        files: vec![svg_file, png_file, pdf_file],
    })
}

/// A rectangle on the page.
#[derive(Clone, Copy)]
struct Frame {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Frame {
    fn x(&self, axis: &Axis, value: f64) -> f64 {
        self.left + (self.right - self.left) * axis.part(value)
    }

    fn y(&self, axis: &Axis, value: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * axis.part(value)
    }
}

fn scene(figure: &Figure) -> Scene {
    let columns = figure.columns.max(1);
    let rows = figure.panels.len().div_ceil(columns);
    let width = if columns > 1 { PAGE } else { COLUMN };
    let cell_width = width / columns as f64;
    let cell_height = figure
        .panels
        .iter()
        .map(|panel| height(panel, columns))
        .fold(0.0, f64::max);
    let above = if figure.heading.is_empty() { 0.0 } else { 22.0 };
    let mut scene = Scene::new(width, above + cell_height * rows as f64);
    scene.font_family = Some(FONTS.to_owned());
    text(&mut scene, (12.0, 16.0), &figure.heading, Look::plain());
    for (at, panel) in figure.panels.iter().enumerate() {
        let (row, column) = (at / columns, at % columns);
        let cell = Frame {
            left: cell_width * column as f64,
            top: above + cell_height * row as f64,
            right: cell_width * (column + 1) as f64,
            bottom: above + cell_height * (row + 1) as f64,
        };
        let last = at + columns >= figure.panels.len();
        match panel {
            Panel::Lines(panel) => lines(&mut scene, panel, cell, last),
            Panel::Dots(panel) => dots(&mut scene, panel, cell, column == 0),
        }
    }
    scene
}

fn height(panel: &Panel, columns: usize) -> f64 {
    match panel {
        Panel::Dots(panel) => 56.0 + 17.0 * panel.rows.len() as f64,
        Panel::Lines(_) if columns > 3 => 150.0,
        Panel::Lines(panel) => (60.0 + 13.5 * panel.lines.len() as f64).clamp(270.0, 420.0),
    }
}

/// Lines, their axes and, at their right ends, their names. `last` says whether the panel is
/// the last of its column, and so has words below.
fn lines(scene: &mut Scene, panel: &LinePanel, cell: Frame, last: bool) {
    let named = if panel.named {
        panel
            .lines
            .iter()
            .map(|line| text_width(&line.label, TEXT))
            .fold(0.0, f64::max)
            + 26.0
    } else {
        8.0
    };
    let ticks = panel
        .y
        .ticks
        .iter()
        .map(|(_, name)| text_width(name, SMALL))
        .fold(0.0, f64::max);
    let frame = Frame {
        left: cell.left + ticks + 16.0,
        top: cell.top + 30.0,
        right: cell.right - named,
        bottom: cell.bottom - 40.0,
    };
    // What the y axis measures stands above it, where it is read first and without turning
    // one's head.
    text(
        scene,
        (cell.left + 12.0, cell.top + 17.0),
        &panel.title,
        Look::title(),
    );
    y_axis(scene, &panel.y, frame);
    x_axis(scene, &panel.x, frame, panel.named || last);
    if let Some(ideal) = panel.ideal {
        let y = frame.y(&panel.y, ideal);
        rule(scene, (frame.left, y), (frame.right, y), INK, 0.8);
    }
    for line in &panel.lines {
        draw_line(scene, panel, line, frame);
    }
    if panel.named {
        names(scene, panel, frame);
    }
}

fn draw_line(scene: &mut Scene, panel: &LinePanel, line: &Line, frame: Frame) {
    let place = |x: f64, y: f64| (frame.x(&panel.x, x), frame.y(&panel.y, y));
    let points: Vec<(f64, f64)> = line.points.iter().map(|(x, y)| place(*x, *y)).collect();
    let colour = colour(line.colour);
    for ((x, _), interval) in line.points.iter().zip(&line.intervals) {
        if let Some((low, high)) = interval {
            rule(
                scene,
                place(*x, *low),
                place(*x, *high),
                colour.clone(),
                1.0,
            );
        }
    }
    // The raster of polylines draws round joins; dashes need a path.
    if let Some(dashes) = dashes(line.colour) {
        scene.add(Primitive::Path(Box::new(PathData {
            d: kuva::render::render::build_path(&points),
            fill: None,
            stroke: colour.clone(),
            stroke_width: 1.6,
            opacity: None,
            stroke_dasharray: Some(dashes.to_owned()),
        })));
    } else {
        scene.add(Primitive::PolyLine {
            points: points.clone(),
            stroke: colour.clone(),
            stroke_width: if panel.named { 1.6 } else { 1.0 },
            stroke_dasharray: None,
        });
    }
    if line.marks {
        for (cx, cy) in points {
            scene.add(dot(cx, cy, 2.6, colour.clone()));
        }
    }
}

/// Each line's name beside its right end, moved apart where ends are close, in ink: a piece of
/// the line leads to it, because pale colours are hard to read as text.
fn names(scene: &mut Scene, panel: &LinePanel, frame: Frame) {
    let ends: Vec<(f64, f64)> = panel
        .lines
        .iter()
        .filter_map(|line| line.points.last())
        .map(|(x, y)| (frame.x(&panel.x, *x), frame.y(&panel.y, *y)))
        .collect();
    let wanted: Vec<f64> = ends.iter().map(|end| end.1).collect();
    let places = chart::spread_apart(&wanted, 13.0, frame.top, frame.bottom);
    for ((line, end), place) in panel.lines.iter().zip(ends).zip(places) {
        let (from, to) = (frame.right + 4.0, frame.right + 18.0);
        let points = vec![
            (end.0 + 2.0, end.1),
            (from.max(end.0 + 2.0), end.1),
            (to, place),
        ];
        scene.add(Primitive::PolyLine {
            points,
            stroke: colour(line.colour),
            stroke_width: 0.9,
            stroke_dasharray: dashes(line.colour).map(str::to_owned),
        });
        text(scene, (to + 3.0, place + 4.0), &line.label, Look::plain());
    }
}

fn y_axis(scene: &mut Scene, axis: &Axis, frame: Frame) {
    for (value, name) in &axis.ticks {
        let y = frame.y(axis, *value);
        rule(scene, (frame.left, y), (frame.right, y), GRID, 0.7);
        text(
            scene,
            (frame.left - 6.0, y + 3.5),
            name,
            Look::tick(TextAnchor::End),
        );
    }
}

fn x_axis(scene: &mut Scene, axis: &Axis, frame: Frame, words: bool) {
    rule(
        scene,
        (frame.left, frame.bottom),
        (frame.right, frame.bottom),
        INK,
        0.9,
    );
    let mut free = f64::NEG_INFINITY;
    for (value, name) in &axis.ticks {
        let x = frame.x(axis, *value);
        rule(scene, (x, frame.bottom), (x, frame.bottom + 4.0), INK, 0.9);
        // A name that would touch the one before it is left out.
        let half = text_width(name, SMALL) / 2.0;
        if x - half > free + 4.0 {
            text(
                scene,
                (x, frame.bottom + 15.0),
                name,
                Look::tick(TextAnchor::Middle),
            );
            free = x + half;
        }
    }
    if words {
        let at = (f64::midpoint(frame.left, frame.right), frame.bottom + 32.0);
        text(scene, at, &axis.label, Look::middle());
    }
}

/// A dot and its interval a row, with the value beside it; names only where `first`, because
/// all panels of a row have the same ones.
fn dots(scene: &mut Scene, panel: &DotPanel, cell: Frame, first: bool) {
    let names = panel
        .rows
        .iter()
        .map(|row| text_width(&row.label, TEXT))
        .fold(0.0, f64::max);
    let frame = Frame {
        left: cell.left + 14.0 + if first { names } else { 8.0 },
        top: cell.top + 30.0,
        right: cell.right - 16.0,
        bottom: cell.bottom - 26.0,
    };
    text(
        scene,
        (frame.left, cell.top + 18.0),
        &panel.title,
        Look::title(),
    );
    for (value, _) in &panel.x.ticks {
        let x = frame.x(&panel.x, *value);
        rule(scene, (x, frame.top), (x, frame.bottom), GRID, 0.7);
    }
    x_axis(scene, &panel.x, frame, false);
    if let Some(ideal) = panel.ideal {
        let x = frame.x(&panel.x, ideal);
        rule(scene, (x, frame.top), (x, frame.bottom), SOFT, 0.9);
    }
    let pitch = (frame.bottom - frame.top) / panel.rows.len().max(1) as f64;
    for (at, row) in panel.rows.iter().enumerate() {
        let y = frame.top + pitch * (at as f64 + 0.5);
        if first {
            let look = Look {
                anchor: TextAnchor::End,
                ..Look::plain()
            };
            text(scene, (frame.left - 8.0, y + 4.0), &row.label, look);
        }
        let colour = colour(row.colour);
        if let Some((low, high)) = row.interval {
            let (from, to) = (frame.x(&panel.x, low), frame.x(&panel.x, high));
            rule(scene, (from, y), (to, y), colour.clone(), 1.8);
        }
        match row.mean {
            Some(mean) => scene.add(dot(frame.x(&panel.x, mean), y, 3.6, colour)),
            None => text(
                scene,
                (frame.left + 4.0, y + 4.0),
                row.missing,
                Look::tick(TextAnchor::Start),
            ),
        }
    }
}

/// How a text looks.
struct Look {
    size: u32,
    anchor: TextAnchor,
    colour: Color,
    bold: bool,
}

impl Look {
    const fn plain() -> Self {
        Self {
            size: TEXT,
            anchor: TextAnchor::Start,
            colour: INK,
            bold: false,
        }
    }

    const fn middle() -> Self {
        Self {
            size: TEXT,
            anchor: TextAnchor::Middle,
            colour: INK,
            bold: false,
        }
    }

    const fn title() -> Self {
        Self {
            size: TEXT,
            anchor: TextAnchor::Start,
            colour: INK,
            bold: true,
        }
    }

    const fn tick(anchor: TextAnchor) -> Self {
        Self {
            size: SMALL,
            anchor,
            colour: SOFT,
            bold: false,
        }
    }
}

fn text(scene: &mut Scene, (x, y): (f64, f64), content: &str, look: Look) {
    if content.is_empty() {
        return;
    }
    scene.add(Primitive::Text {
        x,
        y,
        // A dollar would start a formula.
        content: content.replace('$', "\\$"),
        size: look.size,
        anchor: look.anchor,
        rotate: None,
        bold: look.bold,
        color: Some(look.colour),
    });
}

fn rule(scene: &mut Scene, from: (f64, f64), to: (f64, f64), stroke: Color, stroke_width: f64) {
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

const fn dot(cx: f64, cy: f64, r: f64, fill: Color) -> Primitive {
    Primitive::Circle {
        cx,
        cy,
        r,
        fill,
        fill_opacity: None,
        stroke: None,
        stroke_width: None,
    }
}

fn colour(number: usize) -> Color {
    let (red, green, blue) = COLOURS[number % COLOURS.len()];
    Color::Rgb(red, green, blue)
}

fn dashes(number: usize) -> Option<&'static str> {
    match number / COLOURS.len() {
        0 => None,
        1 => Some("5 3"),
        _ => Some("2 2"),
    }
}

fn text_width(text: &str, size: u32) -> f64 {
    text.chars().count() as f64 * f64::from(size) * CHARACTER
}
