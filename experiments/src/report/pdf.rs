//! Draws a scene as a PDF of one page, with text as the outlines of its letters.
//!
//! Outlines look alike everywhere and leave no font to embed; the text cannot be searched. The
//! page is as large as the scene, a point a unit.

#![expect(
    clippy::cast_possible_truncation,
    reason = "a page has some hundreds of points, and a PDF holds single precision"
)]

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use kuva::render::color::Color;
use kuva::render::render::{PathData, Primitive, Scene, TextAnchor};
use pdf_writer::{Content, Filter, Finish as _, Pdf, Rect, Ref};
use ttf_parser::OutlineBuilder;

use super::font::face;

/// Of a circle as four curves: how far their handles reach, over the radius.
const HANDLE: f32 = 0.552_284_8;

/// The bytes of the PDF.
///
/// # Errors
///
/// What the scene has that cannot be drawn: no primitive is left out without a word.
pub(super) fn render(scene: &Scene) -> Result<Vec<u8>, String> {
    let mut page = Page {
        content: Content::new(),
    };
    // Scenes grow downwards, pages upwards.
    page.content
        .transform([1.0, 0.0, 0.0, -1.0, 0.0, scene.height as f32]);
    for element in &scene.elements {
        page.draw(element)?;
    }
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    let packed = packed
        .write_all(&page.content.finish())
        .and_then(|()| packed.finish());
    let packed = packed.map_err(|error| error.to_string())?;
    let [catalog, pages, only, contents] = [1, 2, 3, 4].map(Ref::new);
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(pages);
    pdf.pages(pages).kids([only]).count(1);
    let mut sheet = pdf.page(only);
    let size = Rect::new(0.0, 0.0, scene.width as f32, scene.height as f32);
    sheet.media_box(size).parent(pages).contents(contents);
    sheet.resources();
    sheet.finish();
    pdf.stream(contents, &packed).filter(Filter::FlateDecode);
    Ok(pdf.finish())
}

struct Page {
    content: Content,
}

impl Page {
    fn draw(&mut self, element: &Primitive) -> Result<(), String> {
        match element {
            Primitive::Line {
                x1,
                y1,
                x2,
                y2,
                stroke,
                stroke_width,
                stroke_dasharray,
            } => {
                self.pen(stroke, *stroke_width, stroke_dasharray.as_deref())?;
                self.line(&[(*x1, *y1), (*x2, *y2)]);
            }
            Primitive::PolyLine {
                points,
                stroke,
                stroke_width,
                stroke_dasharray,
            } => {
                self.pen(stroke, *stroke_width, stroke_dasharray.as_deref())?;
                self.line(points);
            }
            Primitive::Path(path) => self.path(path)?,
            Primitive::Circle {
                cx,
                cy,
                r,
                fill,
                stroke,
                stroke_width,
                ..
            } => {
                let (centre, r) = ((*cx as f32, *cy as f32), *r as f32);
                self.ink(fill)?;
                self.circle(centre, r);
                self.content.fill_nonzero();
                if let Some(stroke) = stroke {
                    self.pen(stroke, stroke_width.unwrap_or(1.0), None)?;
                    self.circle(centre, r);
                    self.content.stroke();
                }
            }
            Primitive::Text {
                x,
                y,
                content,
                size,
                anchor,
                rotate,
                bold,
                color,
            } => {
                let black = Color::Rgb(0, 0, 0);
                self.ink(color.as_ref().unwrap_or(&black))?;
                let text = content.replace("\\$", "$");
                let at = self.turn(*rotate, (*x as f32, *y as f32));
                self.text(&text, at, *size as f32, *anchor, *bold);
                if rotate.is_some() {
                    self.content.restore_state();
                }
            }
            other => return Err(format!("a PDF has no {other:?}")),
        }
        Ok(())
    }

    /// Turns the axes around `at`, until the state is restored, if there is an angle. Gives where
    /// that place is then.
    fn turn(&mut self, degrees: Option<f64>, at: (f32, f32)) -> (f32, f32) {
        let Some(degrees) = degrees else {
            return at;
        };
        let angle = degrees.to_radians();
        let [sin, cos] = [libm::sin(angle), libm::cos(angle)].map(rounded);
        self.content.save_state();
        self.content.transform([cos, sin, -sin, cos, at.0, at.1]);
        (0.0, 0.0)
    }

    /// Fills a path, if it has a fill, and strokes it.
    fn path(&mut self, path: &PathData) -> Result<(), String> {
        let parts = subpaths(&path.d)?;
        if let Some(fill) = &path.fill {
            self.ink(fill)?;
            parts.iter().for_each(|part| self.trace(part));
            self.content.fill_nonzero();
        }
        self.pen(
            &path.stroke,
            path.stroke_width,
            path.stroke_dasharray.as_deref(),
        )?;
        parts.iter().for_each(|part| self.trace(part));
        self.content.stroke();
        Ok(())
    }

    fn pen(&mut self, colour: &Color, width: f64, dashes: Option<&str>) -> Result<(), String> {
        let [r, g, b] = rgb(colour)?;
        let dashes: Result<Vec<f32>, _> = dashes
            .unwrap_or_default()
            .split_ascii_whitespace()
            .map(str::parse)
            .collect();
        let dashes = dashes.map_err(|_| "a dash is a number".to_owned())?;
        self.content
            .set_stroke_rgb(r, g, b)
            .set_line_width(width as f32)
            .set_dash_pattern(dashes, 0.0);
        Ok(())
    }

    fn ink(&mut self, colour: &Color) -> Result<(), String> {
        let [r, g, b] = rgb(colour)?;
        self.content.set_fill_rgb(r, g, b);
        Ok(())
    }

    fn line(&mut self, points: &[(f64, f64)]) {
        self.trace(&Subpath {
            points: points.to_vec(),
            closed: false,
        });
        self.content.stroke();
    }

    fn trace(&mut self, path: &Subpath) {
        let Some(((x, y), rest)) = path.points.split_first() else {
            return;
        };
        self.content.move_to(*x as f32, *y as f32);
        for (x, y) in rest {
            self.content.line_to(*x as f32, *y as f32);
        }
        if path.closed {
            self.content.close_path();
        }
    }

    fn circle(&mut self, (x, y): (f32, f32), r: f32) {
        let h = r * HANDLE;
        self.content
            .move_to(x + r, y)
            .cubic_to(x + r, y + h, x + h, y + r, x, y + r)
            .cubic_to(x - h, y + r, x - r, y + h, x - r, y)
            .cubic_to(x - r, y - h, x - h, y - r, x, y - r)
            .cubic_to(x + h, y - r, x + r, y - h, x + r, y)
            .close_path();
    }

    fn text(&mut self, text: &str, at: (f32, f32), size: f32, anchor: TextAnchor, bold: bool) {
        let face = face(bold);
        let scale = size / f32::from(face.units_per_em());
        let glyphs = text
            .chars()
            .map(|letter| face.glyph_index(letter).unwrap_or_default());
        let glyphs: Vec<_> = glyphs
            .map(|glyph| (glyph, f32::from(face.glyph_hor_advance(glyph).unwrap_or(0))))
            .collect();
        let width: f32 = glyphs.iter().map(|(_, advance)| advance * scale).sum();
        let mut x = match anchor {
            TextAnchor::Start => at.0,
            TextAnchor::Middle => at.0 - width / 2.0,
            TextAnchor::End => at.0 - width,
        };
        for (glyph, advance) in glyphs {
            let mut pen = Pen {
                content: &mut self.content,
                origin: (x, at.1),
                scale,
                last: (0.0, 0.0),
            };
            face.outline_glyph(glyph, &mut pen);
            x += advance * scale;
        }
        self.content.fill_nonzero();
    }
}

/// A right angle has whole numbers.
fn rounded(part: f64) -> f32 {
    ((part * 1e6).round() / 1e6) as f32
}

/// Puts the outline of a letter where it belongs.
struct Pen<'a> {
    content: &'a mut Content,
    origin: (f32, f32),
    scale: f32,
    last: (f32, f32),
}

impl Pen<'_> {
    /// A point of the page; letters grow upwards.
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        let (left, base) = self.origin;
        (left + x * self.scale, base - y * self.scale)
    }
}

impl OutlineBuilder for Pen<'_> {
    fn move_to(&mut self, x: f32, y: f32) {
        self.last = self.at(x, y);
        self.content.move_to(self.last.0, self.last.1);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.last = self.at(x, y);
        self.content.line_to(self.last.0, self.last.1);
    }

    /// A curve of second degree, as one of third: its handles reach two thirds of the way.
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let (from, by, to) = (self.last, self.at(x1, y1), self.at(x, y));
        let near = |end: (f32, f32)| {
            (
                end.0 + (by.0 - end.0) * 2.0 / 3.0,
                end.1 + (by.1 - end.1) * 2.0 / 3.0,
            )
        };
        let (one, two) = (near(from), near(to));
        self.content
            .cubic_to(one.0, one.1, two.0, two.1, to.0, to.1);
        self.last = to;
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let (one, two, to) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.content
            .cubic_to(one.0, one.1, two.0, two.1, to.0, to.1);
        self.last = to;
    }

    fn close(&mut self) {
        self.content.close_path();
    }
}

fn rgb(colour: &Color) -> Result<[f32; 3], String> {
    match colour {
        Color::Rgb(r, g, b) => Ok([*r, *g, *b].map(|part| f32::from(part) / 255.0)),
        other => Err(format!("a PDF has no colour {other:?}")),
    }
}

/// A piece of a path of straight lines.
#[derive(Clone, Debug, Default, PartialEq)]
struct Subpath {
    points: Vec<(f64, f64)>,
    closed: bool,
}

/// The pieces of a path of straight lines: `M x y L x y`, and `Z` where a piece is closed.
fn subpaths(path: &str) -> Result<Vec<Subpath>, String> {
    let bad = || format!("a PDF has no path {path:?}");
    let mut parts: Vec<Subpath> = Vec::new();
    let mut words = path.split_ascii_whitespace();
    while let Some(word) = words.next() {
        match word {
            "M" => parts.push(Subpath::default()),
            "L" => {}
            "Z" => {
                parts.last_mut().ok_or_else(bad)?.closed = true;
                continue;
            }
            _ => return Err(bad()),
        }
        let mut number = || {
            words
                .next()
                .and_then(|word| word.parse().ok())
                .ok_or_else(bad)
        };
        let point = (number()?, number()?);
        parts.last_mut().ok_or_else(bad)?.points.push(point);
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn scene(elements: Vec<Primitive>) -> Scene {
        let mut scene = Scene::new(200.0, 100.0);
        scene.elements = elements;
        scene
    }

    fn text(content: &str, anchor: TextAnchor) -> Primitive {
        Primitive::Text {
            x: 100.0,
            y: 50.0,
            content: content.to_owned(),
            size: 10,
            anchor,
            rotate: None,
            bold: false,
            color: Some(Color::Rgb(255, 0, 0)),
        }
    }

    /// The operators of the page, unpacked.
    fn operators(pdf: &[u8]) -> String {
        let start = b"stream\n";
        let at = pdf
            .windows(start.len())
            .position(|piece| piece == start)
            .unwrap();
        let mut out = String::new();
        let packed = &pdf[at + start.len()..];
        flate2::read::ZlibDecoder::new(packed)
            .read_to_string(&mut out)
            .unwrap();
        out
    }

    /// Least and greatest x of what is drawn.
    fn reach(operators: &str) -> (f32, f32) {
        let draws = |line: &&str| [" m", " l", " c"].iter().any(|end| line.ends_with(end));
        let lines = operators.lines().filter(draws);
        let xs = lines.filter_map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let place = words.len().checked_sub(3)?;
            words[place].parse().ok()
        });
        xs.fold((f32::MAX, f32::MIN), |(least, most), x: f32| {
            (least.min(x), most.max(x))
        })
    }

    #[test]
    fn lines_dots_and_dashes_are_operators_of_the_page() {
        let line = Primitive::Line {
            x1: 1.0,
            y1: 2.0,
            x2: 3.0,
            y2: 4.0,
            stroke: Color::Rgb(0, 0, 255),
            stroke_width: 2.0,
            stroke_dasharray: Some("5 3".to_owned()),
        };
        let pdf = render(&scene(vec![line])).unwrap();
        assert!(pdf.starts_with(b"%PDF-"));
        let found = operators(&pdf);
        for part in [
            "1 0 0 -1 0 100 cm",
            "0 0 1 RG",
            "2 w",
            "[5 3] 0 d",
            "1 2 m",
            "3 4 l",
            "S",
        ] {
            assert!(found.contains(part), "{part} in {found}");
        }
    }

    // Ten letters of 10 points are some 60 points wide: at the left, in the middle, at the right.
    #[test]
    fn text_stands_where_its_anchor_says() {
        let reach = |anchor| {
            let pdf = render(&scene(vec![text("HHHHHHHHHH", anchor)])).unwrap();
            reach(&operators(&pdf))
        };
        let (start, middle, end) = (
            reach(TextAnchor::Start),
            reach(TextAnchor::Middle),
            reach(TextAnchor::End),
        );
        assert!(
            start.0 >= 100.0 && start.0 < 102.0 && start.1 > 150.0,
            "{start:?}"
        );
        assert!(end.1 <= 100.0 && end.1 > 98.0 && end.0 < 50.0, "{end:?}");
        assert!((middle.0 + middle.1 - 200.0).abs() < 1.0, "{middle:?}");
    }

    // Turned to the left it goes up from where it begins: the axes of the page are turned by as
    // much, and are as before behind it.
    #[test]
    fn text_may_be_turned() {
        let mut turned = text("H", TextAnchor::Start);
        if let Primitive::Text { rotate, .. } = &mut turned {
            *rotate = Some(-90.0);
        }
        let found = operators(&render(&scene(vec![turned])).unwrap());
        let turn = found.lines().filter(|line| line.ends_with(" cm")).nth(1);
        let numbers = turn
            .unwrap()
            .split(' ')
            .filter_map(|word| word.parse::<f32>().ok());
        let wanted = [0.0, -1.0, 1.0, 0.0, 100.0, 50.0];
        for (got, want) in numbers.zip(wanted) {
            assert!((got - want).abs() < 1e-5, "{found}");
        }
        assert!(
            found.contains("q\n") && found.trim_end().ends_with('Q'),
            "{found}"
        );
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        for path in ["M 1 2 C 3 4 5 6", "M 1", "L 1 2", "Z", "M 1 x"] {
            assert!(subpaths(path).is_err(), "{path}");
        }
        let found = subpaths("M 1 2 L 3 4 M 5 6 Z ").unwrap();
        assert_eq!(found[0].points, [(1.0, 2.0), (3.0, 4.0)]);
        assert_eq!((found[1].points.len(), found[1].closed), (1, true));
    }
}
