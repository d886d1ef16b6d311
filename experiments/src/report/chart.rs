//! Charts as data: axes, lines and dots, before anything is drawn.
//!
//! Scales and ticks are chosen here; what draws them is not known here.

use super::styles::Style;

/// How values become places along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// In proportion.
    Linear,
    /// In proportion to the logarithm.
    Log,
    /// Fractions below 1, stretched towards 1: 0.9 and 0.99 are as far apart as 0.99 and
    /// 0.999.
    Tail,
}

/// One axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) label: String,
    scale: Scale,
    low: f64,
    high: f64,
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// From `low` to `high`, with ticks at round numbers.
    pub(super) fn linear(label: &str, low: f64, high: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        let step = nice_step(high - low);
        let first = (low / step).ceil();
        let decimals = if step < 1.0 {
            format!("{step}").len() - 2
        } else {
            0
        };
        let ticks = (0..20)
            .map(|at| (first + f64::from(at)) * step)
            .take_while(|tick| *tick <= high + step * 1e-6)
            .map(|tick| (tick, format!("{:.decimals$}", tick + 0.0)))
            .collect();
        Self::new(label, Scale::Linear, (low, high), ticks)
    }

    /// Around `low..=high`, both above zero, with ticks at powers of ten or between.
    pub(super) fn log(label: &str, low: f64, high: f64) -> Self {
        let (low, high) = (low * 0.9, (high * 1.1).max(low * 1.5));
        let steps: &[f64] = match high / low {
            ratio if ratio > 80.0 => &[1.0],
            ratio if ratio > 8.0 => &[1.0, 2.0, 5.0],
            _ => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
        };
        let ticks = (-9_i32..15)
            .flat_map(|power| steps.iter().map(move |step| (power, *step)))
            .map(|(power, step)| step * 10_f64.powi(power))
            .filter(|tick| (low..=high).contains(tick))
            .map(|tick| (tick, short(tick)))
            .collect();
        Self::new(label, Scale::Log, (low, high), ticks)
    }

    /// Fractions from 0 to `most` < 1, named as percentiles.
    pub(super) fn tail(label: &str, most: f64) -> Self {
        let all = [
            (0.0, "0"),
            (0.5, "50"),
            (0.75, "75"),
            (0.9, "90"),
            (0.95, "95"),
            (0.99, "99"),
            (0.999, "99.9"),
            (0.9999, "99.99"),
        ];
        let ticks = all
            .into_iter()
            .filter(|(at, _)| *at <= most)
            .map(|(at, name)| (at, name.to_owned()))
            .collect();
        Self::new(label, Scale::Tail, (0.0, most), ticks)
    }

    /// Logarithmic if values above zero differ by more than a factor of eight.
    pub(super) fn fitting(label: &str, values: &[f64]) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if low > 0.0 && high > 8.0 * low {
            return Self::log(label, low, high);
        }
        // Zero is part of the picture unless everything is far from it.
        let room = (high - low).max(high.abs() * 0.02) * 0.08;
        let from = if low >= 0.0 && low < 0.6 * high {
            0.0
        } else {
            low - room
        };
        Self::linear(label, from, high + room)
    }

    /// Around values of which lines are drawn: zero is no part of it.
    pub(super) fn around(label: &str, low: f64, high: f64) -> Self {
        if low > 0.0 && high > 8.0 * low {
            return Self::log(label, low, high);
        }
        let room = (high - low).max(high.abs() * 0.02) * 0.04;
        Self::linear(label, low - room, high + room)
    }

    fn new(label: &str, scale: Scale, ends: (f64, f64), ticks: Vec<(f64, String)>) -> Self {
        Self {
            label: label.to_owned(),
            scale,
            low: ends.0,
            high: ends.1,
            ticks,
        }
    }

    /// Whether `value` lies between the ends.
    pub(super) fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Where `value` is: 0 at the low end, 1 at the high end, cut there.
    pub(super) fn part(&self, value: f64) -> f64 {
        let place = |value: f64| match self.scale {
            Scale::Linear => value,
            Scale::Log => libm::log(value.max(self.low * 1e-3)),
            Scale::Tail => -libm::log(1.0 - value.min(0.999_999)),
        };
        let (low, high) = (place(self.low), place(self.high));
        ((place(value) - low) / (high - low)).clamp(0.0, 1.0)
    }
}

/// 1, 2 or 5 times a power of ten that divides `range` into four to nine parts.
fn nice_step(range: f64) -> f64 {
    let power = 10_f64.powi(exponent(range / 4.0));
    let ratio = range / 4.0 / power;
    let step = match ratio {
        _ if ratio < 2.0 => 1.0,
        _ if ratio < 5.0 => 2.0,
        _ => 5.0,
    };
    step * power
}

/// The power of ten at or below `value` > 0, between -12 and 15.
fn exponent(value: f64) -> i32 {
    (-12..=15)
        .rev()
        .find(|power| 10_f64.powi(*power) <= value * 1.000_001)
        .unwrap_or(-12)
}

/// A tick of a log axis: few digits, thousands and millions as `k` and `M`.
fn short(value: f64) -> String {
    let trimmed = |value: f64| {
        let shown = format!("{value:.6}");
        shown.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match value {
        _ if value >= 999_999.5 => format!("{}M", trimmed(value / 1e6)),
        _ if value >= 9_999.5 => format!("{}k", trimmed(value / 1e3)),
        _ => trimmed(value),
    }
}

/// A named line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    /// Its name in the legend; empty for a line that the caption or another line names.
    pub(super) label: String,
    pub(super) style: Style,
    /// Places, from left to right.
    pub(super) points: Vec<(f64, f64)>,
    /// Interval of each point; empty if none has one.
    pub(super) intervals: Vec<Option<(f64, f64)>>,
    pub(super) marks: Marks,
}

/// Where the markers of a line stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marks {
    /// At every point: where there are few. Points of equal lines stand side by side.
    Points,
    /// Here and there along the line, those of one line between those of the others.
    Along,
    /// Only where the line leaves the panel.
    Cuts,
}

/// Lines over two axes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct LinePanel {
    /// What the panel shows beside others of its figure; may be empty.
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Line>,
    /// A value of y that is the ideal.
    pub(super) ideal: Option<f64>,
}

/// One value with its interval a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DotPanel {
    /// What the panel shows beside others of its figure; may be empty.
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) rows: Vec<Dot>,
    /// A value of x that is the ideal.
    pub(super) ideal: Option<f64>,
}

/// A row of a [`DotPanel`].
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Dot {
    pub(super) label: String,
    pub(super) style: Style,
    /// `None` where there is no value.
    pub(super) mean: Option<f64>,
    pub(super) interval: Option<(f64, f64)>,
    /// What is written where there is no value.
    pub(super) missing: &'static str,
}

/// A value for each pair of a row and a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MatrixPanel {
    /// What the panel shows beside others of its figure; may be empty.
    pub(super) title: String,
    pub(super) columns: Vec<String>,
    /// Names of rows, with a tile for each column.
    pub(super) rows: Vec<(String, Vec<Tile>)>,
}

/// A place of a [`MatrixPanel`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tile {
    /// How dark it is, from 0 to 1.
    pub(super) shade: f64,
    /// The value, or a word where there is none.
    pub(super) value: String,
    /// How well it is known, below the value; may be empty.
    pub(super) spread: String,
    /// Whether it has a frame.
    pub(super) is_marked: bool,
}

/// What a panel shows.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Panel {
    Lines(LinePanel),
    Dots(DotPanel),
    Matrix(MatrixPanel),
    /// Nothing, so that those below stand in their column.
    Blank,
}

/// A figure of one or several panels.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    /// Name of its files.
    pub(super) name: &'static str,
    /// What the rows of dots, or the lines of the legend, are; empty if they have no names.
    pub(super) legend: String,
    /// What it shows and how to read it.
    pub(super) caption: String,
    pub(super) panels: Vec<Panel>,
    /// Panels side by side.
    pub(super) columns: usize,
    /// Metrics that it shows, by the names of their columns.
    pub(super) metrics: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, name)| name.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!(
            names(&Axis::linear("", 0.0, 1.0)),
            ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]
        );
        assert_eq!(
            names(&Axis::linear("", 0.0, 73.0)),
            ["0", "10", "20", "30", "40", "50", "60", "70"]
        );
        assert_eq!(
            names(&Axis::log("", 0.5, 2e4)),
            ["1", "10", "100", "1000", "10k"]
        );
        assert_eq!(
            names(&Axis::log("", 1.0, 20.0)),
            ["1", "2", "5", "10", "20"]
        );
        assert_eq!(
            names(&Axis::tail("", 0.995)),
            ["0", "50", "75", "90", "95", "99"]
        );
    }

    #[test]
    fn an_axis_keeps_its_ends_and_its_proportions() {
        let tail = Axis::tail("", 0.99);
        assert!((tail.part(0.9) - 0.5).abs() < 1e-9);
        let linear = Axis::linear("", 0.0, 4.0);
        assert!((linear.part(1.0) - 0.25).abs() < 1e-12);
        assert!((linear.part(9.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn values_far_apart_get_a_log_axis_and_others_start_at_zero() {
        assert_eq!(Axis::fitting("", &[1.0, 100.0]).scale, Scale::Log);
        let near = Axis::fitting("", &[1.0, 4.0]);
        assert_eq!((near.scale, near.low.to_bits()), (Scale::Linear, 0));
        assert!(Axis::fitting("", &[0.97, 0.99]).low > 0.9);
        assert_eq!(Axis::fitting("", &[0.0, 100.0]).scale, Scale::Linear);
    }
}
