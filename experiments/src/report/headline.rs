//! The few numbers that a result is read by, chosen by what kind of scenario it is.
//!
//! Decides kinds, metrics, their order, words and units; the terminal, the figures and the
//! page all read this table. Refuses to show a fairness index without the delay and the
//! efficiency that it is paid with.

use fairhaul_simulator::metrics::{self, Direction};

use super::digits::significant;
use crate::output::{CellRuns, Results};
use crate::stats::{self, Estimate};

/// Panels of headline metrics that one figure shows at most.
pub const FIGURE_MAX: usize = 6;

/// Words for metrics where there is room for them, without unit and class.
const LONG: [(&str, &str); 15] = [
    ("transfers_not_finished", "transfers not finished"),
    ("leechers_not_finished", "peers not finished"),
    ("completion_mean_s", "mean completion"),
    ("completion_p50_s", "median completion"),
    ("completion_p99_s", "99th percentile of completion"),
    ("slowdown_mean", "mean slowdown"),
    ("slowdown_p99", "99th percentile of slowdown"),
    ("jain_share", "Jain's index of shares"),
    ("jain_download_rate", "Jain's index of download rates"),
    ("jain_share_ratio", "Jain's index of up / down"),
    ("share_error_worst_pp", "worst share error"),
    ("makespan_s", "last completion"),
    ("makespan_over_bound", "last completion / least possible"),
    ("peer_completion_mean_s", "mean completion"),
    ("share_ratio_p5", "5th percentile of up / down"),
];

/// What a scenario is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Transfers of several classes that share uplinks.
    Transfers,
    /// Transfers of one class, or at several loads: a queue.
    Load,
    /// Contents that a swarm distributes.
    Swarm,
}

/// A metric that a result is read by.
#[derive(Clone, Debug, PartialEq)]
pub struct Headline {
    /// Index in [`Results::metrics`].
    pub metric: usize,
    /// Words for it in two lines, without its unit: what of, and which number of that.
    pub title: [String; 2],
    /// Its unit as shown; empty for ratios.
    pub unit: &'static str,
    /// What a value is multiplied with to be in that unit.
    pub scale: f64,
    /// Which way is better.
    pub direction: Direction,
}

/// Low, middle and high percentile of one quantity: how a strip is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread {
    /// Words for it, without its unit.
    pub title: String,
    /// Its unit as shown; empty for ratios.
    pub unit: &'static str,
    /// What a value is multiplied with to be in that unit.
    pub scale: f64,
    /// Metrics of the median, the 95th and, where there is one, the 99th percentile.
    pub metrics: Vec<usize>,
}

/// What kind of scenario made `results`.
#[must_use]
pub fn kind(results: &Results) -> Kind {
    if results.has("leechers_joined") {
        return Kind::Swarm;
    }
    let numeric = |at: &usize| results.axes[*at].numbers().is_some();
    if classes(results).len() < 2 || results.varying().iter().any(numeric) {
        Kind::Load
    } else {
        Kind::Transfers
    }
}

/// Classes of transfers, smallest mean size first.
#[must_use]
pub fn classes(results: &Results) -> Vec<String> {
    let mut found: Vec<(f64, String)> = results
        .metrics
        .iter()
        .enumerate()
        .filter_map(|(at, name)| {
            let class = name.strip_prefix("size_mean_bytes.")?;
            let sizes: Vec<f64> = results
                .cells
                .iter()
                .flat_map(|cell| cell.values(at))
                .collect();
            Some((metrics::mean(&sizes)?, class.to_owned()))
        })
        .collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.into_iter().map(|(_, class)| class).collect()
}

/// The class that asks for most bytes in all, which fairness of shares is about; empty if
/// there are no classes.
fn heaviest<'a>(results: &Results, classes: &'a [String]) -> &'a str {
    let total = |base: &str, class: &str| -> f64 {
        let metric = results.metric(&format!("{base}.{class}"));
        let cells = metric
            .into_iter()
            .flat_map(|at| results.cells.iter().map(move |c| (c, at)));
        cells.flat_map(|(cell, at)| cell.values(at)).sum()
    };
    let bytes = |class: &str| total("size_mean_bytes", class) * total("transfers_started", class);
    let heaviest = classes.iter().max_by(|a, b| bytes(a).total_cmp(&bytes(b)));
    heaviest.map_or("", String::as_str)
}

/// The headline metrics of `results` that have a value, in the order in which they are shown.
#[must_use]
pub fn headlines(results: &Results) -> Vec<Headline> {
    let classes = classes(results);
    let small = classes.first().map_or("", String::as_str);
    let large = heaviest(results, &classes);
    let wanted: Vec<(String, [&str; 2])> = match kind(results) {
        Kind::Transfers => vec![
            ("transfers_not_finished".into(), ["not", "finished"]),
            (format!("completion_p50_s.{small}"), [small, "p50"]),
            (format!("completion_p99_s.{small}"), [small, "p99"]),
            (format!("slowdown_p99.{small}"), [small, "p99 slowdown"]),
            (format!("completion_mean_s.{large}"), [large, "mean"]),
            ("jain_share".into(), ["Jain,", "share"]),
            ("share_error_worst_pp".into(), ["worst share", "error"]),
            ("uplink_utilisation".into(), ["uplink", "used"]),
        ],
        Kind::Load => vec![
            ("transfers_not_finished".into(), ["not", "finished"]),
            ("completion_mean_s".into(), ["mean", "response"]),
            ("completion_p99_s".into(), ["p99", "response"]),
            ("slowdown_mean".into(), ["mean", "slowdown"]),
            ("slowdown_p99".into(), ["p99", "slowdown"]),
            ("jain_share".into(), ["Jain,", "share"]),
            ("uplink_utilisation".into(), ["uplink", "used"]),
        ],
        Kind::Swarm => vec![
            ("leechers_not_finished".into(), ["not", "finished"]),
            ("makespan_s".into(), ["last", "completion"]),
            ("makespan_over_bound".into(), ["over", "the bound"]),
            ("peer_completion_mean_s".into(), ["mean", "completion"]),
            ("jain_download_rate".into(), ["Jain,", "rate"]),
            ("jain_share_ratio".into(), ["Jain,", "up/down"]),
            ("share_ratio_p5".into(), ["p5 of", "up/down"]),
            ("uplink_utilisation".into(), ["uplink", "used"]),
        ],
    };
    let found = wanted
        .into_iter()
        .filter_map(|(name, title)| headline(results, &name, title));
    found
        .filter(|headline| !is_all_finished(results, headline))
        .collect()
}

/// The metric `name` as a headline under its own name; none if no run has a value.
#[must_use]
pub fn of_metric(results: &Results, name: &str) -> Option<Headline> {
    headline(results, name, [name, ""])
}

/// Counts of the unfinished are shown only where somebody was.
fn is_all_finished(results: &Results, headline: &Headline) -> bool {
    let counts_unfinished = results.metrics[headline.metric].ends_with("not_finished");
    let mut values = results
        .cells
        .iter()
        .flat_map(|cell| cell.values(headline.metric));
    counts_unfinished && values.all(|count| count <= 0.0)
}

fn headline(results: &Results, name: &str, title: [&str; 2]) -> Option<Headline> {
    let metric = results.metric(name).filter(|_| results.has(name))?;
    let (unit, scale) = unit(results, &[metric]);
    Some(Headline {
        metric,
        title: title.map(str::to_owned),
        unit,
        scale,
        direction: metrics::direction(name),
    })
}

/// How long small transfers wait, or how long peers take: what the strips show.
#[must_use]
pub fn spread(results: &Results) -> Option<Spread> {
    let classes = classes(results);
    let small = classes.first().map_or("", String::as_str);
    let (title, base, suffix) = match kind(results) {
        Kind::Transfers => (
            format!("slowdown of {small} transfers"),
            "slowdown",
            format!(".{small}"),
        ),
        Kind::Load => ("slowdown".to_owned(), "slowdown", String::new()),
        Kind::Swarm => (
            "completion of peers".to_owned(),
            "peer_completion",
            String::new(),
        ),
    };
    let end = if base == "slowdown" { "" } else { "_s" };
    let metrics: Vec<usize> = ["p50", "p95", "p99"]
        .into_iter()
        .map(|p| format!("{base}_{p}{end}{suffix}"))
        .filter(|name| results.has(name))
        .filter_map(|name| results.metric(&name))
        .collect();
    if metrics.len() < 2 {
        return None;
    }
    let (unit, scale) = unit(results, &metrics);
    Some(Spread {
        title,
        unit,
        scale,
        metrics,
    })
}

/// The distance from the ideal that bars show.
#[must_use]
pub fn distance(results: &Results) -> Option<Headline> {
    match kind(results) {
        Kind::Transfers => headline(results, "share_error_worst_pp", ["worst share", "error"]),
        Kind::Load => headline(results, "slowdown_mean", ["mean", "slowdown"]),
        Kind::Swarm => headline(
            results,
            "makespan_over_bound",
            ["last completion", "/ bound"],
        ),
    }
}

/// Unit and scale in which the largest mean of `metrics` has one to three digits.
fn unit(results: &Results, metrics: &[usize]) -> (&'static str, f64) {
    let name = metrics
        .first()
        .map_or("", |at| results.metrics[*at].as_str());
    let base = name.split('.').next().unwrap_or_default();
    if base.ends_with("_pp") {
        return ("pp", 1.0);
    }
    if base == "uplink_utilisation" {
        return ("%", 100.0);
    }
    if !base.ends_with("_s") {
        return ("", 1.0);
    }
    let means = metrics.iter().flat_map(|at| {
        results
            .cells
            .iter()
            .filter_map(|cell| metrics::mean(&cell.values(*at)))
    });
    if means.fold(0.0, f64::max) < 1.0 {
        ("ms", 1e3)
    } else {
        ("s", 1.0)
    }
}

impl Headline {
    /// Mean and interval of the metric in `cell`, in the unit as shown.
    #[must_use]
    pub fn estimate(&self, cell: &CellRuns) -> Option<Estimate> {
        scaled(cell, self.metric, self.scale)
    }

    /// Title and unit.
    #[must_use]
    pub fn full_title(&self) -> String {
        with_unit(&self.title.join(" "), self.unit)
    }

    /// Words for the metric called `name` where there is room for them, with class and unit.
    #[must_use]
    pub fn long_title(&self, name: &str) -> String {
        let (base, class) = name.split_once('.').unwrap_or((name, ""));
        let words = LONG.iter().find(|(known, _)| *known == base);
        let words = words.map_or_else(|| base.replace('_', " "), |(_, words)| (*words).to_owned());
        let words = with_unit(&words, self.unit);
        if class.is_empty() {
            words
        } else {
            format!("{class}: {words}")
        }
    }

    /// Indices of the cells whose mean is best, or shown with the same digits as the best,
    /// among those that differ in their policy alone. Where all are the same none is best.
    #[must_use]
    pub fn best(&self, results: &Results) -> Vec<usize> {
        let groups = groups(results);
        groups
            .iter()
            .flat_map(|group| self.best_of(results, group))
            .collect()
    }

    fn best_of(&self, results: &Results, group: &[usize]) -> Vec<usize> {
        let mean = |at: &usize| Some((*at, self.estimate(&results.cells[*at])?.mean));
        let means: Vec<(usize, f64)> = group.iter().filter_map(mean).collect();
        let known = means.iter().map(|(_, mean)| *mean);
        let best = match self.direction {
            Direction::Lower => known.min_by(f64::total_cmp),
            Direction::Higher => known.max_by(f64::total_cmp),
            Direction::Neither => None,
        };
        let Some(best) = best.map(significant) else {
            return Vec::new();
        };
        let equal = means.iter().filter(|(_, mean)| significant(*mean) == best);
        let found: Vec<usize> = equal.map(|(at, _)| *at).collect();
        if found.len() == group.len() {
            Vec::new()
        } else {
            found
        }
    }
}

/// The axis whose values are compared: the first that varies and is not a number, or the
/// first that varies.
#[must_use]
pub fn policy_axis(results: &Results) -> Option<usize> {
    let varying = results.varying();
    let named = varying
        .iter()
        .find(|at| results.axes[**at].numbers().is_none());
    named.or_else(|| varying.first()).copied()
}

/// Cells that differ in their policy alone, group by group.
#[must_use]
pub fn groups(results: &Results) -> Vec<Vec<usize>> {
    let policy = policy_axis(results);
    let others: Vec<usize> = results
        .varying()
        .into_iter()
        .filter(|at| Some(*at) != policy)
        .collect();
    let key = |cell: &CellRuns| -> Vec<String> {
        others.iter().map(|at| cell.params[*at].clone()).collect()
    };
    let mut found: Vec<(Vec<String>, Vec<usize>)> = Vec::new();
    for (at, cell) in results.cells.iter().enumerate() {
        let key = key(cell);
        if let Some((_, group)) = found.iter_mut().find(|(known, _)| *known == key) {
            group.push(at);
        } else {
            found.push((key, vec![at]));
        }
    }
    found.into_iter().map(|(_, group)| group).collect()
}

impl Spread {
    /// Mean of each percentile in `cell`, in the unit as shown.
    #[must_use]
    pub fn values(&self, cell: &CellRuns) -> Option<Vec<f64>> {
        let of = |at: &usize| Some(scaled(cell, *at, self.scale)?.mean);
        self.metrics.iter().map(of).collect()
    }

    /// Title and unit.
    #[must_use]
    pub fn full_title(&self) -> String {
        with_unit(&self.title, self.unit)
    }
}

fn with_unit(title: &str, unit: &str) -> String {
    if unit.is_empty() {
        title.to_owned()
    } else {
        format!("{title} ({unit})")
    }
}

fn scaled(cell: &CellRuns, metric: usize, scale: f64) -> Option<Estimate> {
    Some(stats::estimate(&cell.values(metric))?.scaled(scale))
}

#[cfg(test)]
mod tests;
