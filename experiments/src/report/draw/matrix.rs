//! Panels of tiles: a value for each pair of a row and a column, the darker the more.
//!
//! One hue, so that nothing is lost in grey, and the number in every tile. Names of columns stand
//! upright: they take the room that the longest of them needs.

use kuva::render::color::Color;
use kuva::render::render::{PathData, Primitive, Scene, TextAnchor};

use super::marks::rule;
use super::text::{LINE, Look, paragraph, text, upright};
use super::{Frame, GRID, INK, Parts};
use crate::report::chart::{MatrixPanel, Tile};

/// Height of a row.
const ROW: f64 = 27.0;
/// Size of the second line of a tile.
const SPREAD: u32 = 8;
/// Longest name of a column; longer ones are shortened.
const NAME_MAX: f64 = 180.0;
/// The darkest tile: ink is still read on it, in white.
const DARKEST: (f64, f64, f64) = (23.0, 63.0, 95.0);
/// From this shade on, text is white.
const DARK: f64 = 0.5;
const WHITE: Color = Color::Rgb(255, 255, 255);

fn title(panel: &MatrixPanel, width: f64) -> Vec<String> {
    Look::title().wrap(&panel.title, width - 14.0, 3)
}

fn name_look() -> Look {
    Look::tick(TextAnchor::Start)
}

/// Height that the names of columns need.
fn names(panel: &MatrixPanel) -> f64 {
    let look = name_look();
    let widths = panel.columns.iter().map(|name| look.width(name));
    widths.fold(0.0, f64::max).min(NAME_MAX)
}

/// Heights of what is above, inside and below the tiles of a panel that is `width` wide.
pub(super) fn parts(panel: &MatrixPanel, width: f64) -> Parts {
    Parts {
        head: 18.0 + LINE * title(panel, width).len() as f64 + names(panel),
        body: ROW * panel.rows.len() as f64,
        foot: 14.0,
    }
}

/// Width of the widest name of a row.
pub(super) fn widest_name(panel: &MatrixPanel) -> f64 {
    let look = Look::plain(TextAnchor::End);
    let widths = panel.rows.iter().map(|(name, _)| look.width(name));
    widths.fold(0.0, f64::max)
}

/// Names of the rows of `panel`, right of `left` and left of `cell`.
pub(super) fn row_names(
    scene: &mut Scene,
    panel: &MatrixPanel,
    cell: Frame,
    (left, head): (f64, f64),
) {
    let look = Look::plain(TextAnchor::End);
    for (at, (name, _)) in panel.rows.iter().enumerate() {
        let y = cell.top + head + ROW * (at as f64 + 0.5);
        let name = look.fit(name, cell.left - left - 2.0);
        text(scene, (cell.left, y + 4.0), &name, &look);
    }
}

/// Draws `panel` into `cell`, whose tiles are `parts` from its ends.
pub(super) fn matrix(scene: &mut Scene, panel: &MatrixPanel, cell: Frame, parts: &Parts) {
    let frame = Frame {
        left: cell.left + 6.0,
        top: cell.top + parts.head,
        right: cell.right - 6.0,
        bottom: cell.top + parts.head + ROW * panel.rows.len() as f64,
    };
    let lines = title(panel, cell.right - cell.left);
    paragraph(scene, (frame.left, cell.top + 14.0), &lines, &Look::title());
    let width = (frame.right - frame.left) / panel.columns.len().max(1) as f64;
    let look = name_look();
    for (at, name) in panel.columns.iter().enumerate() {
        let x = frame.left + width * (at as f64 + 0.5) + 0.26 * f64::from(look.size);
        upright(
            scene,
            (x, frame.top - 5.0),
            &look.fit(name, NAME_MAX),
            &look,
        );
    }
    for (row, (_, tiles)) in panel.rows.iter().enumerate() {
        for (at, tile) in tiles.iter().enumerate() {
            let left = frame.left + width * at as f64;
            let top = frame.top + ROW * row as f64;
            let place = Frame {
                left: left + 0.5,
                top: top + 0.5,
                right: left + width - 0.5,
                bottom: top + ROW - 0.5,
            };
            draw(scene, tile, place);
        }
    }
}

fn draw(scene: &mut Scene, tile: &Tile, place: Frame) {
    let shade = tile.shade.clamp(0.0, 1.0);
    rectangle(scene, place, colour(shade));
    let middle = f64::midpoint(place.left, place.right);
    let room = place.right - place.left - 3.0;
    let is_dark = shade >= DARK;
    let mut value = Look {
        colour: if is_dark { WHITE } else { INK },
        bold: tile.is_marked,
        ..Look::tick(TextAnchor::Middle)
    };
    let spread = Look {
        size: SPREAD,
        bold: false,
        ..value.clone()
    };
    // What is too long for the tile is set smaller before it is shortened.
    if value.width(&tile.value) > room {
        value.size = SPREAD;
    }
    let base = place.top + if tile.spread.is_empty() { 16.5 } else { 11.5 };
    text(scene, (middle, base), &value.fit(&tile.value, room), &value);
    let below = spread.fit(&tile.spread, room);
    text(scene, (middle, place.top + 21.5), &below, &spread);
    if tile.is_marked {
        let ink = if is_dark { WHITE } else { INK };
        frame(scene, place, &ink);
    }
}

/// From white to the darkest, in proportion.
fn colour(shade: f64) -> Color {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it lies between 23 and 255"
    )]
    let mix = |dark: f64| (255.0 + (dark - 255.0) * shade).round() as u8;
    Color::Rgb(mix(DARKEST.0), mix(DARKEST.1), mix(DARKEST.2))
}

fn rectangle(scene: &mut Scene, place: Frame, fill: Color) {
    let Frame {
        left,
        top,
        right,
        bottom,
    } = place;
    scene.add(Primitive::Path(Box::new(PathData {
        d: format!(
            "M {left:.2} {top:.2} L {right:.2} {top:.2} L {right:.2} {bottom:.2} \
             L {left:.2} {bottom:.2} Z"
        ),
        fill: Some(fill),
        stroke: GRID,
        stroke_width: 0.5,
        opacity: None,
        stroke_dasharray: None,
    })));
}

/// A frame inside the tile.
fn frame(scene: &mut Scene, place: Frame, ink: &Color) {
    let (left, right) = (place.left + 1.5, place.right - 1.5);
    let (top, bottom) = (place.top + 1.5, place.bottom - 1.5);
    let corners = [
        (left, top),
        (right, top),
        (right, bottom),
        (left, bottom),
        (left, top),
    ];
    for two in corners.windows(2) {
        rule(scene, two[0], two[1], ink.clone(), 1.6);
    }
}
