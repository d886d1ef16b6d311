//! What a person sees at the end of a run: a table and a picture, in plain characters.
//!
//! Decides layout, never numbers. Colour only marks what a sign marks already, and only on a
//! terminal that does not refuse it.

mod picture;
mod worlds;

use std::io::IsTerminal;

use crate::compare::{Comparison, Verdict};
use crate::output::Results;
use crate::report::digits::{self, fixed, significant};
use crate::report::headline::{self, Headline};
use crate::runner;
use crate::stats::Estimate;

pub use picture::picture;
pub use worlds::worlds;

/// Columns of a terminal that does not say how wide it is.
const DEFAULT_WIDTH: usize = 100;
/// Labels of cells are cut to this.
const LABEL_MAX: usize = 28;

/// How wide and whether in colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns, at least 40.
    pub width: usize,
    /// Whether to use colour.
    pub colour: bool,
}

impl Style {
    /// The style of standard output: colour on a terminal unless `NO_COLOR` is set.
    #[must_use]
    pub fn of_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let columns = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        Self {
            width: columns.unwrap_or(DEFAULT_WIDTH).max(40),
            colour: std::io::stdout().is_terminal() && !refused,
        }
    }

    /// 100 columns without colour: what goes into files.
    #[must_use]
    pub const fn plain() -> Self {
        Self {
            width: DEFAULT_WIDTH,
            colour: false,
        }
    }

    fn best(self, cell: &str) -> String {
        if self.colour {
            format!("\u{1b}[1;32m{cell}\u{1b}[0m")
        } else {
            cell.to_owned()
        }
    }

    fn dim(self, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[2m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Table and picture of a result, with a line that says how to read them.
#[must_use]
pub fn overview(results: &Results, style: Style) -> String {
    let distrust = runner::distrust(results).map_or_else(String::new, |line| line + "\n");
    let parts = [table(results, style), picture(results, style), distrust];
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Cells by headline metrics, means with half the width of their 95 % intervals; `*` is best.
///
/// Metrics that do not fit the width are left out and named below.
#[must_use]
pub fn table(results: &Results, style: Style) -> String {
    let labels = labels(results);
    let columns: Vec<Column> = headline::headlines(results)
        .iter()
        .map(|headline| Column::of(headline, results))
        .collect();
    let left = width_of(&labels).max(width_of(&[axis_title(results)]));
    let (shown, dropped) = fit(columns, style.width.saturating_sub(left));
    let mut out = String::new();
    for line in 0..2 {
        let title = if line == 0 {
            axis_title(results)
        } else {
            String::new()
        };
        let mut text = pad_right(&title, left);
        for column in &shown {
            text += "  ";
            text += &pad_left(&column.title[line], column.width);
        }
        out += text.trim_end();
        out.push('\n');
    }
    for (row, label) in labels.iter().enumerate() {
        let mut text = pad_right(label, left);
        for column in &shown {
            let (cell, best) = &column.cells[row];
            let cell = pad_left(cell, column.width);
            text += "  ";
            text += &if *best { style.best(&cell) } else { cell };
        }
        out += text.trim_end();
        out.push('\n');
    }
    out += &style.dim(&legend(results, &dropped));
    out.push('\n');
    out
}

fn legend(results: &Results, dropped: &[String]) -> String {
    let most = results
        .cells
        .iter()
        .map(|cell| cell.runs.len())
        .max()
        .unwrap_or(0);
    let mut text = "* best".to_owned();
    if most > 1 {
        text = format!("mean ± half of the 95 % interval over {most} replications · * best mean");
    }
    if !dropped.is_empty() {
        text += &format!("\ntoo narrow for: {}", dropped.join(", "));
    }
    text
}

/// One metric, ready to print.
struct Column {
    title: [String; 2],
    cells: Vec<(String, bool)>,
    width: usize,
}

impl Column {
    fn of(headline: &Headline, results: &Results) -> Self {
        let best = headline.best(results);
        let values = results.cells.iter().enumerate().map(|(row, cell)| {
            let found = headline.estimate(cell)?;
            let mark = if best.contains(&row) { "*" } else { " " };
            Some((found, "", mark))
        });
        Self::new(headline, values.collect(), "*")
    }

    /// Values with the same number of decimals as their half width, a sign in front and a
    /// mark behind; `good` is the mark that is coloured.
    fn new(headline: &Headline, values: Vec<Option<(Estimate, &str, &str)>>, good: &str) -> Self {
        let half = |found: &Estimate| {
            let half = fixed(found.half_width()?, digits::decimals(found.mean));
            Some(format!(" ±{half}"))
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
                let text = format!("{sign}{}{half}{mark}", significant(found.mean));
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
fn fit(columns: Vec<Column>, mut room: usize) -> (Vec<Column>, Vec<String>) {
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

/// Headline metrics of every cell against the baseline: `+` better, `-` worse, `=` the same.
#[must_use]
pub fn differences(results: &Results, comparison: &Comparison, style: Style) -> String {
    let labels = labels(results);
    let mut cells: Vec<usize> = comparison.rows.iter().map(|row| row.cell).collect();
    cells.dedup();
    let columns: Vec<Column> = headline::headlines(results)
        .iter()
        .map(|headline| difference_column(headline, comparison, &cells))
        .collect();
    let left = width_of(&labels);
    let (shown, dropped) = fit(columns, style.width.saturating_sub(left));
    let mut out = format!(
        "difference from {}={}\n",
        comparison.axis, comparison.baseline
    );
    for line in 0..2 {
        let titles = shown
            .iter()
            .map(|c| format!("  {}", pad_left(&c.title[line], c.width)));
        let text = pad_right("", left) + &titles.collect::<String>();
        out += text.trim_end();
        out.push('\n');
    }
    for (row, cell) in cells.iter().enumerate() {
        let mut text = pad_right(&labels[*cell], left);
        for column in &shown {
            let (shown, better) = &column.cells[row];
            let shown = pad_left(shown, column.width);
            text += "  ";
            text += &if *better { style.best(&shown) } else { shown };
        }
        out += text.trim_end();
        out.push('\n');
    }
    let mut legend = "paired by replication, ± half of the 95 % interval · + better, - worse, \
        = no difference, ? one pair"
        .to_owned();
    if !dropped.is_empty() {
        legend += &format!("\ntoo narrow for: {}", dropped.join(", "));
    }
    out += &style.dim(&legend);
    out.push('\n');
    out
}

fn difference_column(headline: &Headline, comparison: &Comparison, cells: &[usize]) -> Column {
    let values = cells.iter().map(|cell| {
        let mut rows = comparison.rows.iter();
        let row = rows.find(|row| row.cell == *cell && row.metric == headline.metric)?;
        let sign = if row.difference.mean > 0.0 { "+" } else { "" };
        let mark = match row.verdict {
            Verdict::Better => " +",
            Verdict::Worse => " -",
            Verdict::Higher | Verdict::Lower => " !",
            Verdict::NoDifference => " =",
            Verdict::OnePair => " ?",
        };
        Some((row.difference.scaled(headline.scale), sign, mark))
    });
    Column::new(headline, values.collect(), "+")
}

fn axis_title(results: &Results) -> String {
    let names: Vec<&str> = results
        .varying()
        .iter()
        .map(|at| results.axes[*at].name.as_str())
        .collect();
    shorten(&names.join(" "))
}

fn labels(results: &Results) -> Vec<String> {
    results
        .cells
        .iter()
        .map(|cell| shorten(&results.label(cell)))
        .collect()
}

fn shorten(label: &str) -> String {
    clip(label, LABEL_MAX)
}

fn clip(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn width_of(texts: &[String]) -> usize {
    texts
        .iter()
        .map(|text| text.chars().count())
        .max()
        .unwrap_or(0)
}

fn pad_right(text: &str, width: usize) -> String {
    format!(
        "{text}{}",
        " ".repeat(width.saturating_sub(text.chars().count()))
    )
}

fn pad_left(text: &str, width: usize) -> String {
    format!(
        "{}{text}",
        " ".repeat(width.saturating_sub(text.chars().count()))
    )
}

#[cfg(test)]
mod tests;
