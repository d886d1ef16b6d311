//! Columns of a table: as many as fit the width, each a metric of every cell.

use super::layout::{pad_left, pad_right, width_of};
use super::{IDENTICAL, Style};
use crate::output::Results;
use crate::report::digits::{self, significant};
use crate::report::summary_metrics::Headline;
use crate::stats::Estimate;

/// One metric, ready to print.
pub(super) struct Column {
    title: [String; 2],
    cells: Vec<(String, bool)>,
    width: usize,
}

impl Column {
    pub(super) fn of(headline: &Headline, results: &Results, best: &[usize], halves: bool) -> Self {
        let values = results.cells.iter().enumerate().map(|(row, cell)| {
            let found = headline.estimate(cell)?;
            let mark = if best.contains(&row) { "*" } else { " " };
            Some((found, "", mark))
        });
        Self::new(headline, values.collect(), "*", halves)
    }

    /// Values with their half width, a sign in front and a mark behind; `good` is the mark that is
    /// coloured.
    pub(super) fn new(
        headline: &Headline,
        values: Vec<Option<(Estimate, &str, &str)>>,
        good: &str,
        halves: bool,
    ) -> Self {
        let half = |found: &Estimate| {
            if found.is_identical() {
                return Some(format!(" {IDENTICAL}"));
            }
            let half = found.half_width().filter(|_| halves)?;
            Some(format!(" ±{}", digits::half(half, found.value)))
        };
        let halves = values
            .iter()
            .flatten()
            .filter_map(|(found, ..)| half(found));
        let half_width = halves.map(|half| half.chars().count()).max().unwrap_or(0);
        let cells: Vec<(String, bool)> = values
            .into_iter()
            .map(|value| {
                let Some((found, sign, mark)) = value else {
                    return ("- ".to_owned(), false);
                };
                let half = pad_right(&half(&found).unwrap_or_default(), half_width);
                let text = format!("{sign}{}{half}{mark}", significant(found.value));
                (text, mark.trim() == good)
            })
            .collect();
        let second = format!("{} {}", headline.title[1], headline.unit);
        // Values end in a mark or a space, so titles do too.
        let title = [
            format!("{} ", headline.title[0]),
            format!("{} ", second.trim_end()),
        ];
        let longest = cells
            .iter()
            .map(|(cell, _)| cell.chars().count())
            .max()
            .unwrap_or(0);
        let width = longest.max(width_of(&title));
        Self {
            title,
            cells,
            width,
        }
    }

    fn name(&self) -> String {
        format!("{}{}", self.title[0], self.title[1].trim_end())
    }
}

/// The columns that fit, and the titles of those that do not.
pub(super) fn fit(columns: Vec<Column>, mut room: usize) -> (Vec<Column>, Vec<String>) {
    let (mut shown, mut dropped) = (Vec::new(), Vec::new());
    for column in columns {
        if column.width + 2 <= room {
            room -= column.width + 2;
            shown.push(column);
        } else {
            dropped.push(column.name());
        }
    }
    (shown, dropped)
}

/// Titles, then a line for each of `rows`: its place in the columns, and its label.
pub(super) fn grid(
    title: &str,
    left: usize,
    rows: &[(usize, &String)],
    shown: &[Column],
    style: Style,
) -> String {
    let mut out = String::new();
    for line in 0..2 {
        let title = if line == 0 { title } else { "" };
        let mut text = pad_right(title, left);
        for column in shown {
            text += "  ";
            text += &pad_left(&column.title[line], column.width);
        }
        out += text.trim_end();
        out.push('\n');
    }
    for (row, label) in rows {
        let mut text = pad_right(label, left);
        for column in shown {
            let (cell, good) = &column.cells[*row];
            let cell = pad_left(cell, column.width);
            text += "  ";
            text += &if *good { style.best(&cell) } else { cell };
        }
        out += text.trim_end();
        out.push('\n');
    }
    out
}
