//! What a queue says: who answers first, what the load costs, and what the slowest pay.

use super::ranking::Ranking;
use super::{Group, significant};
use crate::report::summary_metrics;

impl Group<'_> {
    /// Who answers soonest on average, and who latest.
    pub(super) fn responses(&self) -> Option<String> {
        let headline = summary_metrics::of_metric(self.results, "completion_mean_s")?;
        let ranking = Ranking::of(self, &headline)?;
        if ranking.is_level() {
            return None;
        }
        let alone = self.alone.filter(|cell| headline.estimate(cell).is_some());
        let alone = alone.map_or_else(String::new, |cell| {
            format!("; alone they take {}", ranking.shown(cell))
        });
        Some(format!(
            "Responses: transfers took least on average under {} ({}){}, most under {} \
             ({}){alone}.",
            ranking.best_name(),
            ranking.shown(ranking.best()),
            ranking.tied_text(),
            ranking.worst_name(),
            ranking.shown(ranking.worst())
        ))
    }

    /// What the slowest in a hundred pay for it.
    pub(super) fn tail(&self) -> Option<String> {
        let headline = summary_metrics::of_metric(self.results, "slowdown_p99")?;
        let ranking = Ranking::of(self, &headline)?;
        if ranking.is_level() {
            return None;
        }
        Some(format!(
            "Slowest: one transfer in a hundred took more than {} times its time alone under \
             {}{}, and more than {} times under {}.",
            ranking.shown(ranking.best()),
            ranking.best_name(),
            ranking.tied_text(),
            ranking.shown(ranking.worst()),
            ranking.worst_name()
        ))
    }

    /// How the mean slowdown grows from the group `from` to this one, of the policies that it
    /// grows least and most under.
    pub(super) fn growth(&self, from: &Group<'_>) -> Option<String> {
        let headline = summary_metrics::of_metric(self.results, "slowdown_mean")?;
        let mut rows: Vec<(f64, f64, f64, &str)> = Vec::new();
        for (cell, name) in &self.cells {
            let before = from.cells.iter().find(|(_, own)| own == name);
            let before = before.and_then(|(cell, _)| headline.estimate(cell));
            if let (Some(before), Some(now)) = (before, headline.estimate(cell)) {
                rows.push((now.value / before.value, before.value, now.value, name));
            }
        }
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (least, most) = (rows.first()?, rows.last()?);
        let shown = |row: &(f64, f64, f64, &str)| {
            let (before, now) = (significant(row.1), significant(row.2));
            format!("from {before} to {now} under {}", row.3)
        };
        if rows.len() < 2 {
            return None;
        }
        Some(format!(
            "Growth: between {} and {} the mean slowdown grew {}, the least, and {}, the most.",
            from.title,
            self.title,
            shown(least),
            shown(most)
        ))
    }
}
