//! Policies of one group in the order of one metric, and which of them are told apart.

use super::{Group, list};
use crate::compare::{self, LEVEL};
use crate::output::CellRuns;
use crate::report::digits::significant;
use crate::report::summary_metrics::Headline;
use crate::stats;

/// A policy with its value.
#[derive(Clone, Debug, PartialEq)]
struct Ranked {
    cell: usize,
    name: String,
    value: f64,
}

/// The policies that have a value, the least first.
pub(super) struct Ranking<'a> {
    group: &'a Group<'a>,
    headline: &'a Headline,
    rows: Vec<Ranked>,
}

impl<'a> Ranking<'a> {
    /// `None` of fewer than two.
    pub(super) fn of(group: &'a Group<'a>, headline: &'a Headline) -> Option<Self> {
        let cells = group.cells.iter().enumerate();
        let mut rows: Vec<Ranked> = cells
            .filter_map(|(at, (cell, name))| {
                Some(Ranked {
                    cell: at,
                    name: name.clone(),
                    value: headline.estimate(cell)?.value,
                })
            })
            .collect();
        rows.sort_by(|a, b| a.value.total_cmp(&b.value));
        (rows.len() > 1).then_some(Self {
            group,
            headline,
            rows,
        })
    }

    /// The cell with the least value.
    pub(super) fn best(&self) -> &'a CellRuns {
        self.group.cells[self.rows[0].cell].0
    }

    /// The cell with the greatest value.
    pub(super) fn worst(&self) -> &'a CellRuns {
        self.group.cells[self.rows[self.rows.len() - 1].cell].0
    }

    pub(super) fn best_name(&self) -> &str {
        &self.rows[0].name
    }

    pub(super) fn worst_name(&self) -> &str {
        &self.rows[self.rows.len() - 1].name
    }

    /// A value with its unit.
    pub(super) fn shown(&self, cell: &CellRuns) -> String {
        let value = self
            .headline
            .estimate(cell)
            .map_or(0.0, |found| found.value);
        format!("{} {}", significant(value), self.headline.unit)
            .trim_end()
            .to_owned()
    }

    /// Whether all have the same value, as it is shown.
    pub(super) fn is_level(&self) -> bool {
        self.shown(self.best()) == self.shown(self.worst())
    }

    /// Those that the best is not told apart from: the paired difference is too small to matter,
    /// or may be zero, after Holm over all that it is compared with.
    pub(super) fn tied(&self) -> Vec<String> {
        let metric = self.headline.metric;
        let others = &self.rows[1..];
        let found: Vec<Option<f64>> = others
            .iter()
            .map(|other| {
                let cell = self.group.cells[other.cell].0;
                let found = compare::difference(
                    self.group.results,
                    (other.cell, cell),
                    self.best(),
                    metric,
                )?;
                let size = found.difference.value.abs();
                let least = self.group.results.smallest_difference * found.baseline_value.abs();
                // What is too small to matter is no difference. Runs that are all the same have
                // no probability: they differ by what they differ.
                Some(if size <= least {
                    1.0
                } else {
                    found.p.unwrap_or(0.0)
                })
            })
            .collect();
        let p: Vec<f64> = found.iter().copied().flatten().collect();
        let mut adjusted = stats::holm(&p).into_iter();
        let mut tied = Vec::new();
        for (other, found) in others.iter().zip(&found) {
            let p = found.and_then(|_| adjusted.next());
            if p.is_none_or(|p| p > LEVEL) {
                tied.push(other.name.clone());
            }
        }
        tied
    }

    /// `, not told apart from a and b`; empty if the best is alone.
    pub(super) fn tied_text(&self) -> String {
        let tied = self.tied();
        if tied.is_empty() {
            String::new()
        } else {
            format!(", not told apart from {}", list(&tied))
        }
    }
}
