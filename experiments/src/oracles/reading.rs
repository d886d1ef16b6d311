//! How a number is made of runs, and held against the expected one.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Size;
use super::control::{self, Mean};
use super::server::CONTROLS;

/// A part of the size for [`Size::Quick`].
pub(super) const QUICK: u32 = 10;

/// How an expected number and a measured one must be to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// Apart by no more than the tolerance.
    #[default]
    Equal,
    /// Measured at most the expected, and below it by no more than the tolerance.
    Reaches,
    /// Measured at least the expected, and above it by no more than the tolerance.
    NeverBelow,
    /// Measured above the expected by no more than the tolerance; any amount below.
    AtMost,
    /// Measured below the expected by no more than the tolerance; any amount above.
    AtLeast,
}

/// How a number is made of what the runs gave.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reading {
    /// The only run gave it.
    All,
    /// The mean of one value of each run, less what the controls explain.
    Mean {
        runs: u32,
        metric: usize,
        controls: Range<usize>,
    },
    /// The mean of each value of the runs.
    Means { runs: u32 },
    /// The least and the greatest of the runs.
    Extremes { runs: u32 },
}

impl Reading {
    pub(super) fn runs(&self, size: Size) -> u32 {
        match (self, size) {
            (Self::All, _) => 1,
            // A server's runs are shorter already. Fewer could not tell the controls apart.
            (Self::Mean { runs, controls, .. }, Size::Quick) if controls.len() < CONTROLS => {
                runs.div_ceil(2)
            }
            (Self::Means { runs }, Size::Quick) => runs.div_ceil(2),
            (Self::Extremes { runs }, Size::Quick) => runs.div_ceil(QUICK),
            (Self::Mean { runs, .. } | Self::Means { runs } | Self::Extremes { runs }, _) => *runs,
        }
    }

    pub(super) fn read(&self, rows: Vec<Vec<f64>>) -> (Vec<f64>, Option<f64>) {
        match self {
            Self::All => (rows.concat(), None),
            Self::Mean {
                metric, controls, ..
            } => {
                let picked = |row: &Vec<f64>| {
                    let controls = row[controls.clone()].iter().copied();
                    std::iter::once(row[*metric]).chain(controls).collect()
                };
                let rows: Vec<Vec<f64>> = rows.iter().map(picked).collect();
                let Mean { value, error } = control::mean(&rows);
                (vec![value], error)
            }
            Self::Means { .. } => {
                let count = rows.len() as f64;
                let width = rows.first().map_or(0, Vec::len);
                let sum = |at: usize| rows.iter().map(|row| row[at]).sum::<f64>();
                let square = |at: usize, mean: f64| {
                    let squares = rows.iter().map(|row| (row[at] - mean) * (row[at] - mean));
                    squares.sum::<f64>()
                };
                let means: Vec<f64> = (0..width).map(|at| sum(at) / count).collect();
                // The error of the mean that is known worst stands for all.
                let errors = means
                    .iter()
                    .enumerate()
                    .map(|(at, mean)| (square(at, *mean) / (count * (count - 1.0))).sqrt());
                let worst = errors.fold(0.0, f64::max);
                (means, (rows.len() > 1).then_some(worst))
            }
            Self::Extremes { .. } => {
                let all = || rows.iter().flatten().copied();
                let least = all().fold(f64::INFINITY, f64::min);
                let greatest = all().fold(f64::NEG_INFINITY, f64::max);
                (vec![least, greatest], None)
            }
        }
    }
}

impl Relation {
    /// What files call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Reaches => "reaches",
            Self::NeverBelow => "never-below",
            Self::AtMost => "at-most",
            Self::AtLeast => "at-least",
        }
    }

    /// One expected number stands for every measured one.
    pub(super) fn holds(self, expected: &[f64], got: &[f64], tolerance: f64) -> bool {
        if got.is_empty() || (expected.len() != 1 && expected.len() != got.len()) {
            return false;
        }
        let pairs = got.iter().zip(expected.iter().cycle());
        pairs.into_iter().all(|(got, expected)| {
            let over = got - expected;
            let (low, high) = match self {
                Self::Equal => (-tolerance, tolerance),
                Self::Reaches => (-tolerance, 0.0),
                Self::NeverBelow => (0.0, tolerance),
                Self::AtMost => (f64::NEG_INFINITY, tolerance),
                Self::AtLeast => (-tolerance, f64::INFINITY),
            };
            (low..=high).contains(&over)
        })
    }
}
