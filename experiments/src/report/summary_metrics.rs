//! The few numbers that a result is read by, chosen by what kind of scenario it is.
//!
//! Kinds, metrics, their order and units; the terminal, the figures and the page all read this
//! table. A fairness index never stands without the delay and the efficiency that it is paid
//! with.

mod metric_words;

use fairhaul_simulator::metrics::{self, Direction};

use crate::output::{CellRuns, Results};
use crate::stats::{self, Centre, Estimate};

pub use metric_words::explained;

/// Panels of headline metrics that one figure shows at most.
pub const FIGURE_MAX: usize = 9;
/// What is written where nobody started that could have a value.
pub const NONE_STARTED: &str = "none started";
/// Classes whose share of their entitlement stands in front of the other numbers.
const SHARES_FIRST: usize = 2;

/// What a scenario is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScenarioKind {
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
    /// Which centre of replications is shown.
    pub centre: Centre,
}

/// Low, middle and high percentile of one quantity: how a strip is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct PercentileSpread {
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
pub fn kind(results: &Results) -> ScenarioKind {
    if results.has("leechers_joined") {
        return ScenarioKind::Swarm;
    }
    let numeric = |at: &usize| results.axes[*at].numbers().is_some();
    if classes(results).len() < 2 || results.varying().iter().any(numeric) {
        ScenarioKind::Load
    } else {
        ScenarioKind::Transfers
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

/// Metrics with the words of their titles, in the order in which they are shown.
type Wanted = Vec<(String, [String; 2])>;

fn wanted(name: impl Into<String>, title: [&str; 2]) -> (String, [String; 2]) {
    (name.into(), title.map(str::to_owned))
}

/// The headline metrics of `results` that have a value, in the order in which they are shown:
/// what a terminal without room for all can do without comes last.
#[must_use]
pub fn headlines(results: &Results) -> Vec<Headline> {
    let list = match kind(results) {
        ScenarioKind::Transfers => of_transfers(results),
        ScenarioKind::Load => of_load(results),
        ScenarioKind::Swarm => of_swarm(results),
    };
    let found = list.into_iter().filter_map(|(name, title)| {
        headline(results, &name, [title[0].as_str(), title[1].as_str()])
    });
    found
        .filter(|headline| !is_all_finished(results, headline))
        .collect()
}

/// What each class got of its entitlement, multiple or floor, what the small ones waited, and how
/// even shares are. A class with a weight is read by its multiple, one with a floor by that.
fn of_transfers(results: &Results) -> Wanted {
    let classes = classes(results);
    let (small, others) = classes.split_first().expect("transfers have classes");
    let mut list = vec![wanted("transfers_not_finished", ["not", "finished"])];
    let floor = |class: &str| floor_of(results, class);
    let multiple = |class: &str| results.metric(&format!("rate_multiple.{class}"));
    let plain = others
        .iter()
        .filter(|class| floor(class).is_none() && multiple(class).is_none());
    let share = |class: &String| {
        let name = format!("share_over_entitlement_p50.{class}");
        wanted(name, [class.as_str(), "share"])
    };
    let mut shares: Vec<&String> = plain.collect();
    shares.sort_by(|a, b| spread_of(results, b).total_cmp(&spread_of(results, a)));
    let later = shares.split_off(shares.len().min(SHARES_FIRST));
    list.extend(shares.into_iter().map(share));
    for class in others {
        if multiple(class).is_some() {
            list.push(wanted(
                format!("rate_multiple.{class}"),
                [class, "multiple"],
            ));
        }
        if let Some(name) = floor(class) {
            list.push(wanted(name, [class, "floor"]));
        }
    }
    list.push(wanted(format!("completion_p50_s.{small}"), [small, "p50"]));
    list.push(wanted(format!("completion_p99_s.{small}"), [small, "p99"]));
    list.extend(jain(results));
    list.extend(later.into_iter().map(share));
    for class in others {
        list.push(wanted(
            format!("completion_mean_s.{class}"),
            [class, "mean"],
        ));
    }
    list.push(wanted(
        format!("slowdown_p99.{small}"),
        [small, "p99 slowdown"],
    ));
    list.push(wanted("uplink_utilisation", ["uplink", "used"]));
    list
}

fn of_load(results: &Results) -> Wanted {
    let mut list = vec![
        wanted("transfers_not_finished", ["not", "finished"]),
        wanted("completion_mean_s", ["mean", "response"]),
        wanted("completion_p99_s", ["p99", "response"]),
        wanted("slowdown_mean", ["mean", "slowdown"]),
        wanted("slowdown_p99", ["p99", "slowdown"]),
        wanted("share_over_entitlement_p50", ["median", "share"]),
    ];
    list.extend(jain(results));
    let classes = classes(results);
    for class in classes.iter().filter(|_| classes.len() > 1) {
        list.push(wanted(format!("completion_p99_s.{class}"), [class, "p99"]));
        let name = format!("share_over_entitlement_p50.{class}");
        list.push(wanted(name, [class, "share"]));
    }
    list.push(wanted("uplink_utilisation", ["uplink", "used"]));
    list
}

fn of_swarm(results: &Results) -> Wanted {
    let mut list = vec![
        wanted("leechers_not_finished", ["not", "finished"]),
        wanted("makespan_s", ["last", "completion"]),
        wanted("makespan_over_bound", ["over", "the bound"]),
        wanted("peer_completion_mean_s", ["mean", "completion"]),
        wanted("share_ratio_p5", ["p5 of", "up/down"]),
    ];
    list.extend(jain(results));
    let prefix = "peer_completion_mean_s.";
    let names = results.metrics.iter();
    let classes: Vec<&str> = names.filter_map(|name| name.strip_prefix(prefix)).collect();
    for class in classes.iter().filter(|_| classes.len() > 1) {
        list.push(wanted(format!("{prefix}{class}"), [class, "mean"]));
    }
    for class in self::classes(results) {
        list.push(wanted(format!("completion_p50_s.{class}"), [&class, "p50"]));
        list.push(wanted(format!("completion_p99_s.{class}"), [&class, "p99"]));
    }
    list.push(wanted("uplink_utilisation", ["uplink", "used"]));
    list
}

/// Jain's index over the shortest windows of at least a second, or over the longest there are.
fn jain(results: &Results) -> Option<(String, [String; 2])> {
    let mut windows: Vec<(f64, &String)> = results
        .metrics
        .iter()
        .filter(|name| results.has(name))
        .filter_map(|name| Some((window_s(name)?, name)))
        .collect();
    windows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let long = windows.iter().find(|(length, _)| *length >= 1.0);
    let (length, name) = long.or_else(|| windows.last())?;
    Some(((*name).clone(), ["Jain,".to_owned(), format!("{length} s")]))
}

/// Length of the windows that the metric `name` is Jain's index over, in seconds.
#[must_use]
pub fn window_s(name: &str) -> Option<f64> {
    let length = name.strip_prefix("jain_window_")?.strip_suffix('s')?;
    length.parse().ok()
}

/// The metric of the floor of `class`, if it has one.
fn floor_of<'a>(results: &'a Results, class: &str) -> Option<&'a str> {
    let of_class = |name: &&String| {
        let (base, own) = name.split_once('.').unwrap_or((name, ""));
        base.starts_with("floor_least_") && own == class
    };
    results.metrics.iter().find(of_class).map(String::as_str)
}

/// How far apart the cells are in the share of `class`.
fn spread_of(results: &Results, class: &str) -> f64 {
    let Some(found) = of_metric(results, &format!("share_over_entitlement_p50.{class}")) else {
        return 0.0;
    };
    let centres = results.cells.iter().filter_map(|cell| found.estimate(cell));
    let (low, high) = centres.fold((f64::INFINITY, 0.0_f64), |(low, high), found| {
        (low.min(found.value), high.max(found.value))
    });
    high - low
}

/// The metric `name` as a headline under its own name; none if no run has a value.
#[must_use]
pub fn of_metric(results: &Results, name: &str) -> Option<Headline> {
    headline(results, name, [name, ""])
}

/// What is written where `cell` has no value of the metric at index `metric`: that nobody finished
/// only where somebody started.
#[must_use]
pub fn why_missing(results: &Results, cell: &CellRuns, metric: usize) -> &'static str {
    let name = results.metrics[metric].as_str();
    let (base, class) = match name.split_once('.') {
        Some((base, class)) => (base, format!(".{class}")),
        None => (name, String::new()),
    };
    let timed = base.trim_start_matches("peer_");
    let is_timed = timed.starts_with("completion") || timed.starts_with("slowdown");
    if cell.is_alone || !(is_timed || base.starts_with("makespan")) {
        return "–";
    }
    let counts = ["leechers_joined", "transfers_started"];
    let started = counts.iter().any(|count| {
        let at = results.metric(&format!("{count}{class}"));
        at.is_some_and(|at| cell.values(at).iter().any(|count| *count > 0.0))
    });
    match (started, is_timed) {
        (false, _) => NONE_STARTED,
        (true, true) => "none finished",
        (true, false) => "some did not finish",
    }
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
        centre: Centre::of_metric(name),
    })
}

/// How long small transfers wait, or how long peers take: what the strips show.
#[must_use]
pub fn spread(results: &Results) -> Option<PercentileSpread> {
    let classes = classes(results);
    let small = classes.first().map_or("", String::as_str);
    let (title, base, suffix) = match kind(results) {
        ScenarioKind::Transfers => (
            format!("slowdown of {small} transfers"),
            "slowdown",
            format!(".{small}"),
        ),
        ScenarioKind::Load => ("slowdown".to_owned(), "slowdown", String::new()),
        ScenarioKind::Swarm => (
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
    Some(PercentileSpread {
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
        ScenarioKind::Transfers => match jain(results) {
            Some((name, [index, window])) => headline(results, &name, [&index, &window]),
            None => headline(results, "share_error_worst_pp", ["worst share", "error"]),
        },
        ScenarioKind::Load => headline(results, "slowdown_mean", ["mean", "slowdown"]),
        ScenarioKind::Swarm => headline(
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
    if base == "uplink_utilisation" || base.starts_with("floor_least_") {
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
    /// Centre and interval of the metric in `cell`, in the unit as shown.
    #[must_use]
    pub fn estimate(&self, cell: &CellRuns) -> Option<Estimate> {
        let values = cell.values(self.metric);
        Some(self.centre.of(&values)?.scaled(self.scale))
    }

    /// Title and unit.
    #[must_use]
    pub fn full_title(&self) -> String {
        with_unit(&self.title.join(" "), self.unit)
    }

    /// Words for the metric called `name` where there is room for them, with class and unit.
    #[must_use]
    pub fn long_title(&self, name: &str) -> String {
        // The length of a window is no class: `jain_window_0.1s`.
        let class = match (window_s(name), name.split_once('.')) {
            (None, Some((_, class))) => class,
            _ => "",
        };
        let words = metric_words::title(name);
        let words = with_unit(&words, self.unit);
        if class.is_empty() {
            words
        } else {
            format!("{class}: {words}")
        }
    }
}

/// The axis whose values are compared: the first that varies and is a policy, or is not a
/// number, or just varies.
#[must_use]
pub fn policy_axis(results: &Results) -> Option<usize> {
    let varying = results.varying();
    let policy = |at: &&usize| results.axes[**at].name.starts_with("policy");
    let named = |at: &&usize| results.axes[**at].numbers().is_none();
    let found = varying.iter().find(policy);
    let found = found.or_else(|| varying.iter().find(named));
    found.or_else(|| varying.first()).copied()
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
    let cells = results.cells.iter().enumerate();
    for (at, cell) in cells.filter(|(_, cell)| !cell.is_alone) {
        let key = key(cell);
        if let Some((_, group)) = found.iter_mut().find(|(known, _)| *known == key) {
            group.push(at);
        } else {
            found.push((key, vec![at]));
        }
    }
    found.into_iter().map(|(_, group)| group).collect()
}

impl PercentileSpread {
    /// Mean of each percentile in `cell`, in the unit as shown.
    #[must_use]
    pub fn values(&self, cell: &CellRuns) -> Option<Vec<f64>> {
        let mean = |at: &usize| Some(stats::estimate(&cell.values(*at))?.value * self.scale);
        self.metrics.iter().map(mean).collect()
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

#[cfg(test)]
mod tests;
