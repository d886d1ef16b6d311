//! What a swarm says: who finishes first, how far from the least possible, who is rewarded.

use super::ranking::Ranking;
use super::{Group, significant};
use crate::output::CellRuns;
use crate::report::summary_metrics::{self, Headline};

/// Classes whose mean completions differ by less than this are treated alike.
const ALIKE: f64 = 0.02;

impl Group<'_> {
    /// When the last peer, or where some never finish the average one, has everything.
    pub(super) fn first(&self) -> Option<String> {
        let metric = |name: &str| summary_metrics::of_metric(self.results, name);
        let last = metric("makespan_s");
        let mean = metric("peer_completion_mean_s");
        let whole = |headline: &Headline| {
            let mut cells = self.cells.iter();
            cells.all(|(cell, _)| headline.estimate(cell).is_some())
        };
        let last = last.filter(whole);
        let who = if last.is_some() {
            "the last peer took"
        } else {
            "peers that finished took on average"
        };
        let headline = last.or(mean)?;
        let ranking = Ranking::of(self, &headline)?;
        let bound = metric("makespan_over_bound").filter(|_| who.contains("last"));
        let times = |cell: &CellRuns| {
            let found = bound.as_ref().and_then(|bound| bound.estimate(cell));
            found.map_or_else(String::new, |found| {
                format!(", {} times the least possible", significant(found.value))
            })
        };
        let (best, worst) = (ranking.best(), ranking.worst());
        let tied = ranking.tied();
        if tied.len() + 1 == self.cells.len() {
            return Some(format!(
                "First: {who} {} to {}{}; no policy is told apart from the soonest, {}.",
                ranking.shown(best),
                ranking.shown(worst),
                times(best),
                ranking.best_name()
            ));
        }
        Some(format!(
            "First: {who} least under {} ({}{}){}; most under {} ({}{}).",
            ranking.best_name(),
            ranking.shown(best),
            times(best),
            ranking.tied_text(),
            ranking.worst_name(),
            ranking.shown(worst),
            times(worst)
        ))
    }

    /// Which class waits longest against which, and under whom that differs most.
    pub(super) fn rewards(&self) -> Option<String> {
        let classes = self.metrics("peer_completion_mean_s");
        // The ratio of the slowest class to the fastest, of each policy.
        let mut rows: Vec<(f64, &str, &str, &str)> = Vec::new();
        for (cell, name) in &self.cells {
            let mut found: Vec<(f64, &str)> = classes
                .iter()
                .filter_map(|(headline, class)| Some((headline.estimate(cell)?.value, *class)))
                .collect();
            found.sort_by(|a, b| a.0.total_cmp(&b.0));
            if let [fast, .., slow] = found[..] {
                rows.push((slow.0 / fast.0, slow.1, fast.1, name));
            }
        }
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (least, most) = (rows.first()?, rows.last()?);
        if most.0 < 1.0 + ALIKE {
            return Some(format!(
                "Rewards: no class waited more than {} times as long as another under any policy.",
                significant(most.0)
            ));
        }
        let times = |row: &(f64, &str, &str, &str)| {
            format!(
                "{} peers waited {} times as long as {} ones",
                row.1,
                significant(row.0),
                row.2
            )
        };
        let mut text = format!("Rewards: under {} {}", most.3, times(most));
        if least.3 == most.3 {
            return Some(text + ".");
        }
        if least.0 < 1.0 + ALIKE {
            text += &format!("; under {} all classes waited alike", least.3);
        } else {
            text += &format!("; under {} {}, the most even", least.3, times(least));
        }
        Some(text + ".")
    }
}
