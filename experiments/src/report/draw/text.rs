//! Text of a figure: how wide it is, where it breaks, how it looks.

use kuva::render::color::Color;
use kuva::render::render::{Primitive, Scene, TextAnchor};

use super::{INK, SOFT};
use crate::report::font::face;

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
        let face = face(self.bold);
        let em = face.units_per_em();
        let advance = |c: char| {
            let known = is_common(c).then(|| face.glyph_index(c)).flatten();
            // Of another character whatever font has it may draw it: at most one em wide.
            let found = known.and_then(|glyph| face.glyph_hor_advance(glyph));
            f64::from(found.unwrap_or(em))
        };
        text.chars().map(advance).sum::<f64>() / f64::from(em) * f64::from(self.size)
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

/// Whether a character is Latin, Greek, Cyrillic or punctuation, which any drawing program takes
/// from the font that is named.
fn is_common(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{17f}' | '\u{2010}'..='\u{2027}')
        || matches!(c, 'Α'..='ω' | 'А'..='я')
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
