//! Text of a figure: how wide it is, where it breaks, how it looks.

use kuva::render::color::Color;
use kuva::render::render::{Primitive, Scene, TextAnchor};

use super::advances::{BOLD, EM, REGULAR};
use super::{INK, SOFT};

/// Size of names and labels, in units of the figure.
pub(super) const TEXT: u32 = 11;
/// Size of ticks.
pub(super) const SMALL: u32 = 10;
/// Degrees by which upright text is turned.
const UPRIGHT: f64 = -90.0;
/// Distance between the baselines of two lines of text.
pub(super) const LINE: f64 = 14.0;

/// How a text looks.
#[derive(Clone)]
pub(super) struct Look {
    pub(super) size: u32,
    pub(super) anchor: TextAnchor,
    pub(super) colour: Color,
    pub(super) bold: bool,
}

impl Look {
    pub(super) const fn plain(anchor: TextAnchor) -> Self {
        Self {
            size: TEXT,
            anchor,
            colour: INK,
            bold: false,
        }
    }

    pub(super) fn title() -> Self {
        Self {
            bold: true,
            ..Self::plain(TextAnchor::Start)
        }
    }

    pub(super) const fn tick(anchor: TextAnchor) -> Self {
        Self {
            size: SMALL,
            anchor,
            colour: SOFT,
            bold: false,
        }
    }

    /// Width of `text`, in units of the figure.
    pub(super) fn width(&self, text: &str) -> f64 {
        let face = if self.bold { BOLD } else { REGULAR };
        let advance = |c: char| {
            let at = u32::from(c);
            let found = face.iter().find_map(|(first, widths)| {
                let place = usize::try_from(at.checked_sub(*first)?).ok()?;
                widths.get(place).copied()
            });
            // A character without a width here takes room enough for that of any font.
            f64::from(found.unwrap_or(2048))
        };
        text.chars().map(advance).sum::<f64>() / EM * f64::from(self.size)
    }

    /// `text`, or as much of its beginning as is no wider than `room`, with an ellipsis.
    pub(super) fn fit(&self, text: &str, room: f64) -> String {
        if self.width(text) <= room {
            return text.to_owned();
        }
        let mut kept: Vec<char> = text.chars().collect();
        while kept.pop().is_some() {
            let start: String = kept.iter().collect();
            let short = format!("{}…", start.trim_end());
            if self.width(&short) <= room {
                return short;
            }
        }
        String::new()
    }

    /// `text` in at most `most` lines that are no wider than `room`; what does not fit ends with
    /// an ellipsis.
    pub(super) fn wrap(&self, text: &str, room: f64, most: usize) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let words: Vec<&str> = text.split_whitespace().collect();
        for (at, word) in words.iter().enumerate() {
            let longer = lines.last().map(|line| format!("{line} {word}"));
            match longer.filter(|longer| self.width(longer) <= room) {
                Some(longer) => *lines.last_mut().expect("a line was made longer") = longer,
                None if lines.len() == most => {
                    let last = lines.pop().unwrap_or_default();
                    let rest = words[at..].join(" ");
                    lines.push(self.fit(&format!("{last} {rest}"), room));
                    return lines;
                }
                None => lines.push(self.fit(word, room)),
            }
        }
        lines
    }
}

/// Writes `content` with its baseline at `(x, y)`.
pub(super) fn text(scene: &mut Scene, (x, y): (f64, f64), content: &str, look: &Look) {
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
        color: Some(look.colour.clone()),
    });
}

/// Writes `content` from below to above, beginning at `(x, y)`.
pub(super) fn upright(scene: &mut Scene, place: (f64, f64), content: &str, look: &Look) {
    text(scene, place, content, look);
    if let Some(Primitive::Text { rotate, .. }) = scene.elements.last_mut()
        && !content.is_empty()
    {
        *rotate = Some(UPRIGHT);
    }
}

/// Writes `lines` below each other, the first with its baseline at `(x, y)`.
pub(super) fn paragraph(scene: &mut Scene, (x, y): (f64, f64), lines: &[String], look: &Look) {
    for (at, line) in lines.iter().enumerate() {
        text(scene, (x, y + LINE * at as f64), line, look);
    }
}
