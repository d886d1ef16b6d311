//! Draws charts with kuva, as SVG, PNG and PDF: sizes, the places of panels, and the legend.
//!
//! No boxes, and grid lines only where a value is read off. Every text is measured in the font
//! that draws it, so that it is broken or shortened where it has no room and never cut.

mod axes;
mod dots;
mod lines;
mod marks;
mod matrix;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

use kuva::backend::raster::RasterBackend;
use kuva::backend::svg::SvgBackend;
use kuva::render::color::Color;
use kuva::render::render::{Scene, TextAnchor};

use super::chart::{Axis, Figure, Line, Marks, Panel};
use super::pdf;
use crate::output::{OutputError, write_whole};
use text::{LINE, Look, TEXT};

const INK: Color = Color::Rgb(34, 34, 34);
const SOFT: Color = Color::Rgb(100, 100, 100);
const GRID: Color = Color::Rgb(228, 228, 228);
/// Names of fonts for viewers of the SVG; PNG and PDF have their own copy of the first.
const FONTS: &str = "DejaVu Sans, Verdana, sans-serif";
/// Width of a figure of one panel: a column of a paper at the size of its text.
const COLUMN: f64 = 400.0;
/// Width of a figure of several panels: a page.
const PAGE: f64 = 820.0;
/// The part of a figure that names of rows may take.
const NAMES: f64 = 0.3;
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

/// Heights of a panel: above its axes, between them, and below.
#[derive(Clone, Copy, Default)]
struct Parts {
    head: f64,
    body: f64,
    foot: f64,
}

impl Parts {
    fn of(panel: &Panel, width: f64, columns: usize) -> Self {
        match panel {
            Panel::Lines(panel) => lines::parts(panel, width, columns),
            Panel::Dots(panel) => dots::parts(panel, width),
            Panel::Matrix(panel) => matrix::parts(panel, width),
            Panel::Blank => Self::default(),
        }
    }

    /// What both have room in.
    fn with(self, other: Self) -> Self {
        Self {
            head: self.head.max(other.head),
            body: self.body.max(other.body),
            foot: self.foot.max(other.foot),
        }
    }

    fn height(self) -> f64 {
        self.head + self.body + self.foot
    }
}

/// The figure as shapes and texts.
fn scene(figure: &Figure) -> Scene {
    let columns = figure.columns.max(1);
    let width = width(figure);
    let names = name_column(figure, width);
    let cell_width = (width - names) / columns as f64;
    let legend = Legend::of(figure, width);
    // The words for what the rows are stand above the first of them.
    let what = Look::tick(TextAnchor::Start).wrap(&figure.legend, names - 8.0, 3);
    let what = if names > 0.0 { what } else { Vec::new() };
    let rows: Vec<(&[Panel], Parts)> = figure
        .panels
        .chunks(columns)
        .enumerate()
        .map(|(at, row)| {
            let parts = row
                .iter()
                .map(|panel| Parts::of(panel, cell_width, columns));
            let first = if at == 0 { what.len() } else { 0 };
            let least = Parts {
                head: 8.0 + LINE * first as f64,
                ..Parts::default()
            };
            (row, parts.fold(least, Parts::with))
        })
        .collect();
    let height = rows.iter().map(|(_, parts)| parts.height()).sum::<f64>();
    let mut scene = Scene::new(width, legend.height + height + 4.0);
    scene.font_family = Some(FONTS.to_owned());
    legend.draw(&mut scene);
    let mut top = legend.height;
    for (number, (row, parts)) in rows.iter().enumerate() {
        if number == 0 {
            let last = top + parts.head - 6.0;
            let first = last - LINE * (what.len() as f64 - 1.0);
            text::paragraph(
                &mut scene,
                (6.0, first),
                &what,
                &Look::tick(TextAnchor::Start),
            );
        }
        for (at, panel) in row.iter().enumerate() {
            let cell = Frame {
                left: names + cell_width * at as f64,
                top,
                right: names + cell_width * (at + 1) as f64,
                bottom: top + parts.height(),
            };
            match panel {
                Panel::Lines(panel) => lines::lines(&mut scene, panel, cell, parts),
                Panel::Dots(panel) => {
                    if at == 0 {
                        dots::row_names(&mut scene, panel, cell, 4.0, parts.head);
                    }
                    dots::dots(&mut scene, panel, cell, parts);
                }
                Panel::Matrix(panel) => {
                    if at == 0 {
                        matrix::row_names(&mut scene, panel, cell, (4.0, parts.head));
                    }
                    matrix::matrix(&mut scene, panel, cell, parts);
                }
                Panel::Blank => {}
            }
        }
        top += parts.height();
    }
    scene
}

/// Width of a figure: a column, or a page where panels stand side by side or have columns.
fn width(figure: &Figure) -> f64 {
    let is_wide = |panel: &Panel| matches!(panel, Panel::Matrix(_));
    match figure.columns > 1 || figure.panels.iter().any(is_wide) {
        true => PAGE,
        false => COLUMN,
    }
}

/// Width of the names of rows, which all panels beside each other share.
fn name_column(figure: &Figure, width: f64) -> f64 {
    let widths = figure.panels.iter().map(|panel| match panel {
        Panel::Dots(panel) => dots::widest_name(panel) + 10.0,
        Panel::Matrix(panel) => matrix::widest_name(panel) + 10.0,
        Panel::Lines(_) | Panel::Blank => 0.0,
    });
    let widest = widths.fold(0.0, f64::max);
    // Room for the words above the names, broken as they may be.
    let least = if widest > 0.0 { 70.0 } else { 0.0 };
    widest.clamp(least, width * NAMES)
}

/// Names of all lines of a figure, above its panels.
struct Legend<'a> {
    /// What the lines are, and its place.
    what: (String, f64),
    /// A line of each name, what is written, and where.
    entries: Vec<(&'a Line, String, (f64, f64))>,
    height: f64,
}

/// From the start of a line in the legend to its name, and from a name to the next line.
const SAMPLE: f64 = 26.0;
const BETWEEN: f64 = 14.0;

impl<'a> Legend<'a> {
    fn of(figure: &'a Figure, width: f64) -> Self {
        let mut found: Vec<&Line> = Vec::new();
        for panel in &figure.panels {
            let Panel::Lines(panel) = panel else { continue };
            for line in panel.lines.iter().filter(|line| !line.label.is_empty()) {
                if !found.iter().any(|known| known.label == line.label) {
                    found.push(line);
                }
            }
        }
        let look = Look::plain(TextAnchor::Start);
        let what = if found.is_empty() {
            ""
        } else {
            figure.legend.as_str()
        };
        let what = look.fit(what, width - 24.0);
        let row = f64::from(TEXT) + 6.0;
        let (mut x, mut y) = (12.0, 18.0);
        let what_at = y;
        if !what.is_empty() {
            x += look.width(&what) + BETWEEN;
        }
        let mut entries = Vec::new();
        for line in found {
            let name = look.fit(&line.label, width - SAMPLE - 24.0);
            let needs = SAMPLE + look.width(&name);
            if x + needs > width - 8.0 {
                (x, y) = (12.0, y + row);
            }
            entries.push((line, name, (x, y)));
            x += needs + BETWEEN;
        }
        Self {
            what: (what, what_at),
            height: if entries.is_empty() { 0.0 } else { y + 8.0 },
            entries,
        }
    }

    fn draw(&self, scene: &mut Scene) {
        let look = Look::plain(TextAnchor::Start);
        let soft = Look::tick(TextAnchor::Start);
        text::text(scene, (12.0, self.what.1), &self.what.0, &soft);
        for (line, name, (x, y)) in &self.entries {
            let middle = y - 4.0;
            let ends = [(*x, middle), (x + SAMPLE - 5.0, middle)];
            marks::polyline(scene, &ends, line.style, 1.6);
            if line.marks != Marks::Cuts {
                let place = (x + (SAMPLE - 5.0) / 2.0, middle);
                marks::marker(scene, place, line.style, lines::RADIUS);
            }
            text::text(scene, (x + SAMPLE, *y), name, &look);
        }
    }
}

#[cfg(test)]
mod tests;
