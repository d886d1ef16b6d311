//! The summary of a run on a terminal: a table and a picture, in plain characters.
//!
//! Colour only marks what a sign marks already, and only where the terminal allows it.

mod columns;
mod layout;
mod picture;
mod validation;

use std::io::IsTerminal;

use crate::compare::{self, Comparison, Verdict};
use crate::output::Results;
use crate::report::digits::significant;
use crate::report::summary_metrics::{self, Headline};
use crate::report::words;
use crate::runner;
use crate::stats::{Centre, Estimate};

use columns::{Column, fit, grid};
use layout::{clip, width_of, wrap};
pub use picture::picture;
pub use validation::worlds;

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
    let headlines = summary_metrics::headlines(results);
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
    if best.comparisons > 0 {
        legend.push(format!(
            "* better than every other row, after Holm over {} comparisons",
            best.comparisons
        ));
    }
    out += &foot(&legend, &dropped, style);
    out
}

/// What stands under a table: how to read it, and what had no room.
fn foot(legend: &[String], dropped: &[String], style: Style) -> String {
    let text = legend.join(" · ") + &left_out(dropped);
    style.dim(&wrap(text.trim_start(), style.width))
}

/// How the numbers of a table are to be read.
fn reading(results: &Results, headlines: &[Headline], halves: bool) -> Vec<String> {
    let runs = results.cells.iter().map(|cell| cell.runs.len());
    let most = runs.max().unwrap_or(0);
    if most < 2 {
        return Vec::new();
    }
    let all = headlines.iter().flat_map(|headline| {
        let cells = results.cells.iter().filter(|cell| !cell.is_alone);
        cells.filter_map(|cell| headline.estimate(cell))
    });
    let (same, other): (Vec<Estimate>, Vec<Estimate>) = all.partition(Estimate::is_identical);
    if other.is_empty() {
        return vec![format!(
            "every number identical in {most} runs, which do not differ"
        )];
    }
    let intervals = if halves {
        " ± half of the 95 % interval"
    } else {
        ", intervals in summary.csv"
    };
    let mut legend = vec![format!("means of {most} replications{intervals}")];
    if other.iter().any(|found| found.centre == Centre::Median) {
        legend.push("least, worst: medians, no ±".to_owned());
    }
    if !same.is_empty() {
        legend.push(format!("{IDENTICAL} identical in {most} runs"));
    }
    legend
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

/// Headline metrics of every cell against the baseline: `+` better, `-` worse, `=` the same.
#[must_use]
pub fn differences(results: &Results, comparison: &Comparison, style: Style) -> String {
    let labels = labels(results);
    let mut cells: Vec<usize> = comparison.rows.iter().map(|row| row.cell).collect();
    cells.dedup();
    let headlines = summary_metrics::headlines(results);
    let left = width_of(&labels);
    let room = style.width.saturating_sub(left);
    let columns = |halves: bool| -> Vec<Column> {
        headlines
            .iter()
            .map(|headline| difference_column(headline, comparison, &cells, halves))
            .collect()
    };
    let (mut shown, mut dropped) = fit(columns(true), room);
    let mut intervals = "± half of the 95 % interval";
    if !dropped.is_empty() {
        (shown, dropped) = fit(columns(false), room);
        intervals = "intervals in paired.csv";
    }
    let mut out = format!(
        "difference from {}={}\n",
        comparison.axis, comparison.baseline
    );
    let rows = cells.iter().map(|cell| &labels[*cell]).enumerate();
    out += &grid("", left, &rows.collect::<Vec<_>>(), &shown, style);
    let mut legend = vec![
        format!("paired by replication, {intervals}"),
        format!(
            "+ better, - worse, ! other, ~ below {} %, = no difference, {IDENTICAL} identical \
             runs, ? too few",
            percent(results.smallest_difference)
        ),
    ];
    // What chance would do without a correction, and that there is one.
    if comparison.headline > 0 {
        legend.push(format!(
            "{} comparisons, of which chance alone would make {} differ at 5 %; verdicts are \
             after Holm",
            comparison.headline,
            significant(comparison.headline as f64 * compare::LEVEL)
        ));
    }
    out += &foot(&legend, &dropped, style);
    out
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

#[cfg(test)]
mod tests;
