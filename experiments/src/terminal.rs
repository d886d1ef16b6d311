//! What a person sees at the end of a run: a table and a picture, in plain characters.
//!
//! Decides layout, never numbers. Colour only marks what a sign marks already, and only on a
//! terminal that does not refuse it.

mod picture;
mod worlds;

use std::io::IsTerminal;

use crate::compare::{self, Comparison, Verdict};
use crate::output::Results;
use crate::report::digits::{self, significant};
use crate::report::headline::{self, Headline};
use crate::report::words;
use crate::runner;
use crate::stats::{Centre, Estimate};

pub use picture::picture;
pub use worlds::worlds;

/// Columns of a terminal that does not say how wide it is.
const DEFAULT_WIDTH: usize = 80;
/// What stands in place of an interval where all replications are the same.
const IDENTICAL: char = '≡';
/// Columns that did not fit are named up to this many.
const NAMED_MAX: usize = 4;
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
        let said = || std::env::var("COLUMNS").ok()?.parse().ok();
        let columns = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        let columns = columns.or_else(said);
        Self {
            width: columns.unwrap_or(DEFAULT_WIDTH).max(40),
            colour: std::io::stdout().is_terminal() && !refused,
        }
    }

    /// 80 columns without colour: what goes into files.
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

/// Table, sentences and picture of a result, with a line that says how to read them.
#[must_use]
pub fn overview(results: &Results, style: Style) -> String {
    let distrust = runner::distrust(results).map_or_else(String::new, |line| line + "\n");
    let sentences = words::sentences(results);
    let words: String = sentences
        .iter()
        .map(|text| wrap(text, style.width))
        .collect();
    let parts = [
        table(results, style),
        words,
        picture(results, style),
        distrust,
    ];
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Cells by headline metrics, with half the width of their 95 % intervals if there is room; `*` is
/// better than every other.
///
/// Metrics that do not fit the width are left out and named below.
#[must_use]
pub fn table(results: &Results, style: Style) -> String {
    let labels = labels(results);
    let headlines = headline::headlines(results);
    let best = compare::best(results, &headlines);
    let left = width_of(&labels).max(width_of(&[axis_title(results)]));
    let room = style.width.saturating_sub(left);
    let columns = |halves: bool| -> Vec<Column> {
        let marked = headlines.iter().zip(&best.cells);
        marked
            .map(|(headline, best)| Column::of(headline, results, best, halves))
            .collect()
    };
    let (shown, dropped) = fit(columns(true), room);
    let halves = dropped.is_empty();
    let (shown, dropped) = if halves {
        (shown, dropped)
    } else {
        fit(columns(false), room)
    };
    let rows: Vec<(usize, &String)> = labels.iter().enumerate().collect();
    let mut out = grid(&axis_title(results), left, &rows, &shown, style);
    let mut legend = reading(results, &headlines, halves);
    legend += &format!(
        "* better than every other row, after Holm over {} comparisons",
        best.comparisons
    );
    legend += &left_out(&dropped);
    out += &style.dim(&wrap(&legend, style.width));
    out
}

/// Titles, then a line for each of `rows`: its place in the columns, and its label.
fn grid(
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

/// How the numbers of a table are to be read.
fn reading(results: &Results, headlines: &[Headline], halves: bool) -> String {
    let runs = results.cells.iter().map(|cell| cell.runs.len());
    let most = runs.max().unwrap_or(0);
    if most < 2 {
        return String::new();
    }
    let all = headlines.iter().flat_map(|headline| {
        let cells = results.cells.iter().filter(|cell| !cell.is_alone);
        cells.filter_map(|cell| headline.estimate(cell))
    });
    let (same, other): (Vec<Estimate>, Vec<Estimate>) = all.partition(Estimate::is_identical);
    if other.is_empty() {
        return format!("every number identical in {most} runs, which do not differ · ");
    }
    let mut text = format!("means of {most} replications");
    text += if halves {
        " ± half of the 95 % interval"
    } else {
        ", intervals in summary.csv"
    };
    if other.iter().any(|found| found.centre == Centre::Median) {
        text += " · least, worst: medians, no ±";
    }
    if !same.is_empty() {
        text += &format!(" · {IDENTICAL} identical in {most} runs");
    }
    text + " · "
}

fn left_out(dropped: &[String]) -> String {
    match dropped.len() {
        0 => String::new(),
        count if count <= NAMED_MAX => format!("\ntoo narrow for: {}", dropped.join(", ")),
        count => format!(
            "\ntoo narrow for: {} and {} more, which report.html has",
            dropped[..NAMED_MAX].join(", "),
            count - NAMED_MAX
        ),
    }
}

/// One metric, ready to print.
struct Column {
    title: [String; 2],
    cells: Vec<(String, bool)>,
    width: usize,
}

impl Column {
    fn of(headline: &Headline, results: &Results, best: &[usize], halves: bool) -> Self {
        let values = results.cells.iter().enumerate().map(|(row, cell)| {
            let found = headline.estimate(cell)?;
            let mark = if best.contains(&row) { "*" } else { " " };
            Some((found, "", mark))
        });
        Self::new(headline, values.collect(), "*", halves)
    }

    /// Values with their half width, a sign in front and a mark behind; `good` is the mark that is
    /// coloured.
    fn new(
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
    let headlines = headline::headlines(results);
    let left = width_of(&labels);
    let room = style.width.saturating_sub(left);
    let columns = |halves: bool| -> Vec<Column> {
        headlines
            .iter()
            .map(|headline| difference_column(headline, comparison, &cells, halves))
            .collect()
    };
    let (mut shown, mut dropped) = fit(columns(true), room);
    let mut legend = "paired by replication, ± half of the 95 % interval".to_owned();
    if !dropped.is_empty() {
        (shown, dropped) = fit(columns(false), room);
        legend = "paired by replication, intervals in paired.csv".to_owned();
    }
    let mut out = format!(
        "difference from {}={}\n",
        comparison.axis, comparison.baseline
    );
    let rows = cells.iter().map(|cell| &labels[*cell]).enumerate();
    out += &grid("", left, &rows.collect::<Vec<_>>(), &shown, style);
    legend += &format!(
        " · + better, - worse, ! other, ~ below {} %, = no difference, {IDENTICAL} identical runs, \
         ? too few · {}",
        percent(results.smallest_difference),
        chance(comparison.headline)
    );
    legend += &left_out(&dropped);
    out += &style.dim(&wrap(&legend, style.width));
    out
}

/// What chance would do without a correction, and that there is one.
fn chance(comparisons: usize) -> String {
    format!(
        "{comparisons} comparisons, of which chance alone would make {} differ at 5 %; verdicts \
         are after Holm",
        significant(comparisons as f64 * compare::LEVEL)
    )
}

/// A part in percent, as it was written.
fn percent(part: f64) -> String {
    let digits = format!("{:.6}", part * 100.0);
    digits
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
}

fn difference_column(
    headline: &Headline,
    comparison: &Comparison,
    cells: &[usize],
    halves: bool,
) -> Column {
    let values = cells.iter().map(|cell| {
        let mut rows = comparison.rows.iter();
        let row = rows.find(|row| row.cell == *cell && row.metric == headline.metric)?;
        let sign = if row.difference.value > 0.0 { "+" } else { "" };
        let mark = match row.verdict {
            Verdict::Better => " +",
            Verdict::Worse => " -",
            Verdict::Higher | Verdict::Lower => " !",
            Verdict::TooSmall => " ~",
            Verdict::NoDifference => " =",
            Verdict::Identical | Verdict::Alone => "  ",
            Verdict::TooFew => " ?",
        };
        Some((row.difference.scaled(headline.scale), sign, mark))
    });
    Column::new(headline, values.collect(), "+", halves)
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

/// `text` in lines of at most `width` columns, each ended.
fn wrap(text: &str, width: usize) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let mut room = width;
        for (at, word) in line.split(' ').enumerate() {
            let length = word.chars().count() + 1;
            if at > 0 && length > room {
                out.push('\n');
                room = width;
            } else if at > 0 {
                out.push(' ');
            }
            out += word;
            room = room.saturating_sub(length);
        }
        out.push('\n');
    }
    out
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
