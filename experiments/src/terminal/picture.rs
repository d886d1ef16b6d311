//! Strips and bars in characters: where the values lie, for those who do not read tables.

use super::layout::{clip, pad_right, width_of};
use super::{Style, labels};
use crate::output::{CellRuns, Results};
use crate::report::digits::significant;
use crate::report::summary_metrics::{self, Headline, PercentileSpread};

/// Strips of percentiles on a log axis beside bars of the distance from the ideal.
#[must_use]
pub fn picture(results: &Results, style: Style) -> String {
    let labels = labels(results);
    let left = width_of(&labels);
    let bar = summary_metrics::distance(results);
    let bar_width = if bar.is_some() { 16 } else { 0 };
    let strip_width = style
        .width
        .saturating_sub(left + bar_width + 14)
        .clamp(20, 60);
    let strips = summary_metrics::spread(results)
        .and_then(|spread| Strips::new(spread, results, strip_width));
    if strips.is_none() && bar.is_none() {
        return String::new();
    }
    let bars = bar.map(|headline| bars(&headline, results, bar_width));
    let mut out = pad_right("", left + 2);
    if let Some(strips) = &strips {
        out += &pad_right(
            &clip(&strips.spread.full_title(), strip_width),
            strip_width + 2,
        );
    }
    if let Some((title, _)) = &bars {
        out += &clip(title, bar_width + 8);
    }
    out = format!("{}\n", out.trim_end());
    for (row, cell) in results.cells.iter().enumerate() {
        let mut text = pad_right(&labels[row], left + 2);
        if let Some(strips) = &strips {
            text += &pad_right(&strips.draw(cell), strip_width + 2);
        }
        if let Some((_, bars)) = &bars {
            text += &bars[row];
        }
        out += text.trim_end();
        out.push('\n');
    }
    if let Some(strips) = &strips {
        let axis = format!("{}{}", pad_right("", left + 2), strips.axis());
        out += &style.dim(&axis);
        out.push('\n');
    }
    out
}

/// Percentiles of every cell on one log axis.
struct Strips {
    spread: PercentileSpread,
    low: f64,
    high: f64,
    width: usize,
}

impl Strips {
    fn new(spread: PercentileSpread, results: &Results, width: usize) -> Option<Self> {
        let all: Vec<f64> = results
            .cells
            .iter()
            .filter_map(|cell| spread.values(cell))
            .flatten()
            .filter(|value| *value > 0.0)
            .collect();
        let low = all.iter().copied().min_by(f64::total_cmp)?;
        let high = all.iter().copied().max_by(f64::total_cmp)?;
        Some(Self {
            spread,
            low: low * 0.95,
            high: (high * 1.05).max(low * 1.2),
            width,
        })
    }

    fn column(&self, value: f64) -> usize {
        let part = libm::log(value / self.low) / libm::log(self.high / self.low);
        let last = (self.width - 1) as f64;
        // Between 0 and a few hundred, so the digits are those of the column.
        let column = format!("{:.0}", (part * last).clamp(0.0, last));
        column.parse().unwrap_or(0)
    }

    /// `●` at the median, `┤` at the highest percentile, `╋` between.
    fn draw(&self, cell: &CellRuns) -> String {
        let Some(values) = self.spread.values(cell) else {
            return "(nothing finished)".to_owned();
        };
        let at: Vec<usize> = values
            .iter()
            .map(|value| self.column(value.max(self.low)))
            .collect();
        let (first, last) = (at[0], at[at.len() - 1]);
        (0..=last)
            .map(|column| match column {
                _ if column < first => ' ',
                _ if column == first => '●',
                _ if column == last => '┤',
                _ if at.contains(&column) => '┿',
                _ => '─',
            })
            .collect()
    }

    /// Powers of ten, or the two ends where there is none, and what the signs mean.
    fn axis(&self) -> String {
        let steps: &[f64] = if self.high / self.low > 30.0 {
            &[1.0]
        } else {
            &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0]
        };
        let mut ticks: Vec<f64> = (-6_i32..12)
            .flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)))
            .filter(|tick| (self.low..=self.high).contains(tick))
            .collect();
        if ticks.len() < 2 {
            ticks = vec![self.low, self.high];
        }
        let mut line = String::new();
        for tick in ticks {
            let label = format!("╵{}", plain(tick));
            let column = self
                .column(tick)
                .min(self.width.saturating_sub(label.chars().count()));
            if line.is_empty() || column > line.chars().count() {
                line = pad_right(&line, column) + &label;
            }
        }
        let sign = if self.spread.metrics.len() > 2 {
            "● p50 ┿ p95 ┤ p99"
        } else {
            "● p50 ┤ p95"
        };
        format!("{line}\n{sign}, log scale")
    }
}

fn plain(value: f64) -> String {
    let shown = significant(value);
    if shown.contains('.') {
        shown.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        shown
    }
}

/// Title, and a bar with its value for each cell; the longest fills `width`.
fn bars(headline: &Headline, results: &Results, width: usize) -> (String, Vec<String>) {
    let means: Vec<Option<f64>> = results
        .cells
        .iter()
        .map(|cell| Some(headline.estimate(cell)?.value))
        .collect();
    let most = means.iter().flatten().copied().fold(0.0, f64::max);
    let rows = means.iter().map(|mean| match mean {
        Some(mean) => {
            let part = if most > 0.0 { mean / most } else { 0.0 };
            format!("{} {}", bar(part, width), significant(*mean))
        }
        None => "-".to_owned(),
    });
    (headline.full_title(), rows.collect())
}

/// A bar of `part` of `width` columns, in eighths of a column.
fn bar(part: f64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let all = format!("{:.0}", part.clamp(0.0, 1.0) * (width * 8) as f64);
    let all: usize = all.parse().unwrap_or(0);
    // Something that is not zero is not shown as nothing.
    let all = if part > 0.0 { all.max(1) } else { 0 };
    format!("{}{}", "█".repeat(all / 8), EIGHTHS[all % 8])
}
