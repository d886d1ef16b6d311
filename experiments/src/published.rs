//! Claims of others against what the runs of a result show.
//!
//! Decides by intervals alone: a claim holds in a cell if its whole interval is on the right side
//! of the bound, and fails if all of it is on the other. What an interval crosses is undecided.

use std::fmt;

use csv::Writer;

use crate::output::{CellRuns, Results, number, text};
use crate::scenario::{Experiment, PublishedClaim};
use crate::stats::{Centre, Estimate};

/// The table of claims.
pub const CLAIMS: &str = "claims.csv";

/// What became of a claim in one cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Which claim of the experiment.
    pub claim: usize,
    /// What the cell is called among those that the claim is about.
    pub cell: String,
    /// The metric there; `None` if no run has it.
    pub found: Option<Estimate>,
    /// What that means.
    pub verdict: Upheld,
}

/// Whether a claim holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upheld {
    /// It does.
    Holds,
    /// It does not.
    Fails,
    /// The runs do not tell.
    Undecided,
}

/// What became of a claim, or of all of an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// It holds wherever it was looked at.
    Holds,
    /// It holds nowhere.
    Fails,
    /// It holds there and not elsewhere.
    HoldsOnlyIf(String),
    /// The runs do not tell.
    Undecided,
}

impl Upheld {
    /// The word for it in tables.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Fails => "fails",
            Self::Undecided => "undecided",
        }
    }
}

impl fmt::Display for Conclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Holds => f.write_str("holds"),
            Self::Fails => f.write_str("fails"),
            Self::HoldsOnlyIf(what) => write!(f, "holds only if {what}"),
            Self::Undecided => f.write_str("undecided"),
        }
    }
}

/// Every claim in every cell that it is about, in the order of both.
#[must_use]
pub fn judge(experiment: &Experiment, results: &Results) -> Vec<Finding> {
    let claims = experiment.claims.iter().enumerate();
    let found = claims.flat_map(|(at, claim)| {
        let cells = results.cells.iter().filter(|cell| !cell.is_alone);
        let own = cells.filter(|cell| has(results, cell, &claim.cells));
        own.filter(|cell| claim.over.is_empty() || !has(results, cell, &claim.over))
            .map(move |cell| finding((at, claim), results, cell))
    });
    found.collect()
}

/// Whether a cell has these values of axes.
fn has<'a>(
    results: &Results,
    cell: &CellRuns,
    labels: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> bool {
    labels.into_iter().all(|(key, label)| {
        let axis = results.axes.iter().position(|axis| axis.name == *key);
        axis.is_some_and(|axis| cell.params[axis] == text(label))
    })
}

fn finding((at, claim): (usize, &PublishedClaim), results: &Results, cell: &CellRuns) -> Finding {
    let found = values(claim, results, cell);
    let found = Centre::of_metric(&claim.metric).of(&found);
    Finding {
        claim: at,
        cell: label(claim, results, cell),
        verdict: found
            .as_ref()
            .map_or(Upheld::Undecided, |found| held(claim, found)),
        found,
    }
}

/// The values of the axes that the claim leaves open.
fn label(claim: &PublishedClaim, results: &Results, cell: &CellRuns) -> String {
    let open = results.varying().into_iter().filter(|axis| {
        let name = &results.axes[*axis].name;
        !claim.cells.contains_key(name)
    });
    let values: Vec<String> = open
        .map(|axis| format!("{} = {}", results.axes[axis].name, cell.params[axis]))
        .collect();
    values.join(", ")
}

/// The metric of each run, over that of its partner if the claim has one. A run without either is
/// left out.
fn values(claim: &PublishedClaim, results: &Results, cell: &CellRuns) -> Vec<f64> {
    let Some(metric) = results.metric(&claim.metric) else {
        return Vec::new();
    };
    let per = claim.per.as_ref().map(|per| results.metric(per));
    let value = |cell: &CellRuns, replication: u32| -> Option<f64> {
        let run = cell
            .runs
            .iter()
            .find(|run| run.replication == replication)?;
        let value = run.values[metric]?;
        match per {
            None => Some(value),
            Some(per) => run.values[per?]
                .filter(|per| *per > 0.0)
                .map(|per| value / per),
        }
    };
    let partner = results.cells.iter().find(|other| {
        let mut axes = results
            .axes
            .iter()
            .zip(cell.params.iter().zip(&other.params));
        let same = axes.all(|(axis, (own, theirs))| {
            claim
                .over
                .get(&axis.name)
                .map_or(own == theirs, |label| *theirs == text(label))
        });
        same && !other.is_alone
    });
    let replications = cell.runs.iter().map(|run| run.replication);
    let found = replications.filter_map(|replication| {
        let own = value(cell, replication)?;
        if claim.over.is_empty() {
            return Some(own);
        }
        let over = value(partner?, replication).filter(|over| over.abs() > 0.0)?;
        Some(own / over)
    });
    found.collect()
}

fn held(claim: &PublishedClaim, found: &Estimate) -> Upheld {
    // Runs that are all the same are one observation, which is exact.
    let exact = found.is_identical().then_some((found.value, found.value));
    let Some((low, high)) = found.interval.or(exact) else {
        return Upheld::Undecided;
    };
    // The side that has to be right, and the side that is then right too.
    let (near, far) = match claim.is_least {
        true => (low - claim.bound, high - claim.bound),
        false => (claim.bound - high, claim.bound - low),
    };
    match (near >= 0.0, far < 0.0) {
        (true, _) => Upheld::Holds,
        (_, true) => Upheld::Fails,
        _ => Upheld::Undecided,
    }
}

/// What became of each claim, in their order.
#[must_use]
pub fn conclusions(experiment: &Experiment, findings: &[Finding]) -> Vec<Conclusion> {
    let claims = 0..experiment.claims.len();
    claims
        .map(|claim| {
            let own: Vec<&Finding> = findings.iter().filter(|one| one.claim == claim).collect();
            let count = |verdict| own.iter().filter(|one| one.verdict == verdict).count();
            let (holds, fails) = (count(Upheld::Holds), count(Upheld::Fails));
            if own.is_empty() || (holds == 0 && fails < own.len()) {
                return Conclusion::Undecided;
            }
            if fails == own.len() {
                return Conclusion::Fails;
            }
            if holds == own.len() {
                return Conclusion::Holds;
            }
            let there = own.iter().filter(|one| one.verdict == Upheld::Holds);
            let there: Vec<&str> = there.map(|one| one.cell.as_str()).collect();
            Conclusion::HoldsOnlyIf(there.join(", or "))
        })
        .collect()
}

/// What became of the experiment: it holds as far as its claims do.
#[must_use]
pub fn conclusion(experiment: &Experiment, claims: &[Conclusion]) -> Conclusion {
    let count = |wanted: &Conclusion| claims.iter().filter(|one| *one == wanted).count();
    if count(&Conclusion::Holds) == claims.len() {
        return Conclusion::Holds;
    }
    if count(&Conclusion::Fails) == claims.len() {
        return Conclusion::Fails;
    }
    if count(&Conclusion::Undecided) == claims.len() {
        return Conclusion::Undecided;
    }
    let named = experiment.claims.iter().zip(claims);
    let parts = named.filter_map(|(claim, one)| match one {
        Conclusion::Holds => None,
        Conclusion::HoldsOnlyIf(what) => Some(format!("for {}: {what}", claim.name)),
        Conclusion::Fails => Some(format!("{} is left out, which fails", claim.name)),
        Conclusion::Undecided => Some(format!("{} is left out, which is undecided", claim.name)),
    });
    Conclusion::HoldsOnlyIf(parts.collect::<Vec<_>>().join("; "))
}

/// The findings as a table.
#[must_use]
pub fn table(experiment: &Experiment, findings: &[Finding]) -> Vec<u8> {
    let mut out = Writer::from_writer(Vec::new());
    let header = [
        "experiment",
        "claim",
        "says",
        "metric",
        "cell",
        "n",
        "centre",
        "value",
        "ci_lo",
        "ci_hi",
        "relation",
        "bound",
        "verdict",
    ];
    let rows = findings.iter().map(|finding| {
        let claim = &experiment.claims[finding.claim];
        let found = finding.found.as_ref();
        let interval = found.and_then(|found| found.interval);
        let metric = claim.per.as_ref().map_or_else(
            || claim.metric.clone(),
            |per| format!("{} / {per}", claim.metric),
        );
        [
            experiment.id.clone(),
            claim.name.clone(),
            text(&claim.says),
            metric,
            text(&finding.cell),
            found.map_or(0, |found| found.n).to_string(),
            found.map_or("", |found| found.centre.word()).to_owned(),
            number(found.map(|found| found.value)),
            number(interval.map(|interval| interval.0)),
            number(interval.map(|interval| interval.1)),
            if claim.is_least {
                "at-least"
            } else {
                "at-most"
            }
            .to_owned(),
            number(Some(claim.bound)),
            finding.verdict.word().to_owned(),
        ]
    });
    let header = header.map(str::to_owned);
    for row in std::iter::once(header).chain(rows) {
        out.write_record(&row)
            .expect("memory takes every row, and all have the same columns");
    }
    out.into_inner().expect("memory can always be flushed")
}

/// What a person reads: the experiment, what was claimed and found, and what that means.
#[must_use]
pub fn page(experiment: &Experiment, findings: &[Finding]) -> String {
    let conclusions = conclusions(experiment, findings);
    let mut lines = vec![
        format!("{}: {}", experiment.id, experiment.source),
        format!("read: {}", experiment.read),
        format!("assumed: {}", experiment.assumed),
    ];
    for (at, (claim, conclusion)) in experiment.claims.iter().zip(&conclusions).enumerate() {
        let sign = if claim.is_least { ">=" } else { "<=" };
        lines.push(String::new());
        lines.push(format!("{}: {}", claim.name, claim.says));
        let over: Vec<&str> = claim.over.values().map(String::as_str).collect();
        let over = if over.is_empty() {
            String::new()
        } else {
            format!(", over that of {}", over.join(" and "))
        };
        let per = claim
            .per
            .as_ref()
            .map_or(String::new(), |per| format!(" / {per}"));
        let wanted = format!(
            "{}{per}{over} {sign} {}",
            claim.metric,
            number(Some(claim.bound))
        );
        lines.push(format!("  claimed: {wanted}"));
        for finding in findings.iter().filter(|one| one.claim == at) {
            lines.push(format!("  found: {}", shown(finding)));
        }
        lines.push(format!("  {conclusion}"));
    }
    let all = conclusion(experiment, &conclusions);
    lines.push(String::new());
    lines.push(format!("{} {all}", experiment.id));
    lines.join("\n") + "\n"
}

fn shown(finding: &Finding) -> String {
    let Some(found) = &finding.found else {
        return format!("{} no run has the metric", finding.cell)
            .trim_start()
            .to_owned();
    };
    let interval = match found.interval {
        Some((low, high)) => format!(" [{low:.3}, {high:.3}]"),
        None if found.is_identical() => ", the same in all runs".to_owned(),
        None => ", too few runs for an interval".to_owned(),
    };
    let cell = match finding.cell.as_str() {
        "" => String::new(),
        cell => format!(" at {cell}"),
    };
    let verdict = finding.verdict.word();
    format!(
        "{:.3}{interval} of {} runs{cell}: {verdict}",
        found.value, found.n
    )
}

#[cfg(test)]
mod tests;
