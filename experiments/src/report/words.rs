//! What a result says in sentences, made from its numbers and their intervals by rule.
//!
//! Of transfers: which policy gave a class more than its entitlement, which kept a floor, what
//! small ones waited. Of a queue: who answers first, what load costs, what the slowest pay. Of a
//! swarm: who finishes first, how far from the least possible, who is rewarded. Each is left out
//! where the result has no such numbers.

mod load;
mod ranking;
mod swarm;

use ranking::Ranking;

use super::digits::significant;
use super::grouping::{self, grouping};
use super::summary_metrics::{self, Headline, ScenarioKind};
use crate::output::{CellRuns, Results};

/// A share that is within this of its entitlement, for sure, counts as kept.
const SHARE_WITHIN: f64 = 0.1;
/// A floor counts as kept if its least second had this part of it: a block or two that end in the
/// next second are no breach.
const FLOOR_KEPT: f64 = 0.9;
/// Policies that a sentence names in each of its lists; of more it gives the number.
const NAMED_MAX: usize = 4;
/// Groups that have sentences of their own; of more only the first and the last have.
const GROUPS_MAX: usize = 3;

/// The sentences of `results`, about groups of cells that differ in their policy alone. None for
/// groups of one.
#[must_use]
pub fn sentences(results: &Results) -> Vec<String> {
    let groups = grouping(results).groups;
    let mut groups: Vec<Group<'_>> = groups
        .iter()
        .map(|group| Group::new(results, group))
        .filter(|group| group.cells.len() > 1)
        .collect();
    let kind = summary_metrics::kind(results);
    if kind == ScenarioKind::Load {
        // What varies beside the policy is how much is asked for: the last group says most.
        let first = (groups.len() > 1).then(|| groups.remove(0));
        let Some(last) = groups.pop() else {
            return Vec::new();
        };
        let growth = first.and_then(|first| last.growth(&first));
        let all = last.said([last.responses(), last.tail()]);
        return all.into_iter().chain(growth).collect();
    }
    if groups.len() > GROUPS_MAX {
        groups.drain(1..groups.len() - 1);
    }
    let mut found = Vec::new();
    for group in &groups {
        found.extend(match kind {
            ScenarioKind::Swarm => group.said([group.first(), group.rewards()]),
            _ => group.said([group.shares(), group.floor(), group.waits()]),
        });
    }
    found
}

/// Cells that are told apart by their policy.
struct Group<'a> {
    results: &'a Results,
    /// What they have in common; empty if nothing else varies.
    title: String,
    cells: Vec<(&'a CellRuns, String)>,
    alone: Option<&'a CellRuns>,
}

impl<'a> Group<'a> {
    fn new(results: &'a Results, group: &grouping::Group) -> Self {
        let cells = group.cells.iter();
        Self {
            results,
            title: group.title.clone(),
            cells: cells
                .map(|policy| (&results.cells[policy.cell], policy.name.clone()))
                .collect(),
            alone: group.alone.map(|at| &results.cells[at]),
        }
    }

    /// `sentences`, each with what the group has in common behind its first word.
    fn said<const N: usize>(&self, sentences: [Option<String>; N]) -> Vec<String> {
        let sentences = sentences.into_iter().flatten();
        let with_title = |text: String| match text.split_once(": ") {
            Some((topic, rest)) if !self.title.is_empty() => {
                format!("{topic}, {}: {rest}", self.title)
            }
            _ => text,
        };
        sentences.map(with_title).collect()
    }

    /// Metrics that begin with `base`, with their classes.
    fn metrics(&self, base: &str) -> Vec<(Headline, &'a str)> {
        let names = self.results.metrics.iter();
        let found = names.filter_map(|name| {
            let class = name.split_once('.')?.1;
            let wanted = name.starts_with(base);
            Some((
                summary_metrics::of_metric(self.results, name).filter(|_| wanted)?,
                class,
            ))
        });
        found.collect()
    }

    /// Values of a metric with the names of policies, the greatest first.
    fn values(&self, headline: &Headline) -> Vec<(f64, &str)> {
        let cells = self.cells.iter();
        let mut found: Vec<(f64, &str)> = cells
            .filter_map(|(cell, name)| Some((headline.estimate(cell)?.value, name.as_str())))
            .collect();
        found.sort_by(|a, b| b.0.total_cmp(&a.0));
        found
    }

    /// Who was given most beyond its entitlement, by whom, and who kept it in its bounds.
    fn shares(&self) -> Option<String> {
        let shares = self.metrics("share_over_entitlement_p50");
        let small = summary_metrics::classes(self.results);
        let small = small.first().map_or("", String::as_str);
        let most = |of: &(Headline, &str)| self.values(&of.0).first().map_or(0.0, |top| top.0);
        let others = shares.into_iter().filter(|(_, class)| *class != small);
        let (headline, class) = others.max_by(|a, b| most(a).total_cmp(&most(b)))?;
        let (mut above, mut kept) = (Vec::new(), Vec::new());
        for (value, name) in self.values(&headline) {
            let cell = self.cells.iter().find(|(_, own)| own == name)?.0;
            let (low, high) = headline.estimate(cell)?.interval.unwrap_or((value, value));
            if low > 1.0 + SHARE_WITHIN {
                above.push(format!("{name} ({} times)", significant(value)));
            } else if low >= 1.0 - SHARE_WITHIN && high <= 1.0 + SHARE_WITHIN {
                kept.push(name.to_owned());
            }
        }
        if above.is_empty() {
            return None;
        }
        let mut text = format!(
            "Shares: {class} got more than its entitlement under {}",
            list(&above)
        );
        if !kept.is_empty() {
            text += &format!(
                "; within {} % of it under {}",
                SHARE_WITHIN * 100.0,
                list(&kept)
            );
        }
        Some(text + ".")
    }

    /// Who kept the floor in every second of every run, and what the others left of it.
    fn floor(&self) -> Option<String> {
        let (headline, class) = self.metrics("floor_least_").into_iter().next()?;
        let (mut kept, mut broken) = (Vec::new(), Vec::new());
        for (cell, name) in &self.cells {
            let values = cell.values(headline.metric);
            let Some(least) = values.into_iter().min_by(f64::total_cmp) else {
                continue;
            };
            if least >= FLOOR_KEPT {
                kept.push((least, name.clone()));
            } else {
                broken.push((least, name));
            }
        }
        broken.sort_by(|a, b| a.0.total_cmp(&b.0));
        let broken: Vec<String> = broken
            .into_iter()
            .map(|(least, name)| format!("{name} ({} %)", significant(least * 100.0)))
            .collect();
        let kept: Vec<String> = kept.into_iter().map(|(_, name)| name).collect();
        let seconds = format!("every second of all runs to {} %", FLOOR_KEPT * 100.0);
        Some(match (kept.is_empty(), broken.is_empty()) {
            (true, true) => return None,
            // So it is by design: that all keep it says nothing about any of them.
            (false, true) => format!(
                "Floor: {class} kept it in {seconds} under all: an uplink keeps floors before it \
                 asks its discipline, so they tell no policies apart."
            ),
            (true, false) => format!(
                "Floor: nobody kept that of {class} in {seconds}; its least second was under {}.",
                list(&broken)
            ),
            (false, false) => format!(
                "Floor: {class} kept it in {seconds} under {}; not under {}, by the least second.",
                list(&kept),
                list(&broken)
            ),
        })
    }

    /// What the small ones waited, from alone to the worst.
    fn waits(&self) -> Option<String> {
        let classes = summary_metrics::classes(self.results);
        let small = classes.first()?;
        let metric = |p: &str| {
            let name = format!("completion_{p}_s.{small}");
            summary_metrics::of_metric(self.results, &name)
        };
        let (median, tail) = (metric("p50")?, metric("p99")?);
        let both = |cell: &CellRuns| {
            let shown = |headline: &Headline| {
                let value = headline.estimate(cell)?.value;
                Some(format!("{} {}", significant(value), headline.unit))
            };
            Some(format!("{} and {}", shown(&median)?, shown(&tail)?))
        };
        let ranking = Ranking::of(self, &median)?;
        let alone = self.alone.and_then(both);
        let alone = alone.map_or_else(String::new, |both| format!("; alone {both}"));
        Some(format!(
            "Waits: {small} took {} (p50 and p99) under {}{}; {} under {}{alone}.",
            both(ranking.best())?,
            ranking.best_name(),
            ranking.tied_text(),
            both(ranking.worst())?,
            ranking.worst_name()
        ))
    }
}

/// `a, b and c`; of more than are named their number.
fn list(names: &[String]) -> String {
    if names.len() > NAMED_MAX + 1 {
        let more = names.len() - NAMED_MAX;
        return format!("{} and {more} others", names[..NAMED_MAX].join(", "));
    }
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
        None => String::new(),
    }
}
