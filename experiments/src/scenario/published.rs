//! What a scenario says of the experiment that it repeats, with claims that lead to its sweep.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use fairhaul_config::document::{Document, Place};
use fairhaul_config::text::Prose;
use fairhaul_simulator::metrics;
use fairhaul_simulator::record::{ContentRecord, PeerRecord, Record, TransferRecord};

use super::file::{ClaimRow, File};
use super::names::unknown;
use super::sweep::Axis;
use super::{BadFile, Cell, Complete, Scenario};

/// An experiment of others.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment {
    /// Its number among the experiments of this project.
    pub id: String,
    /// Who published it, and where.
    pub source: String,
    /// What of it was read.
    pub read: String,
    /// What is assumed.
    pub assumed: String,
    /// What was claimed.
    pub claims: Vec<PublishedClaim>,
}

/// A claim about cells of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedClaim {
    /// Its name.
    pub name: String,
    /// What was claimed.
    pub says: String,
    /// The metric that shows it.
    pub metric: String,
    /// A metric of the same run that it is divided by.
    pub per: Option<String>,
    /// Values of axes that its cells have.
    pub cells: BTreeMap<String, String>,
    /// Values in which the cell differs that each is divided by; empty divides by none.
    pub over: BTreeMap<String, String>,
    /// Whether the bound is the least that holds, or the most.
    pub is_least: bool,
    /// The bound.
    pub bound: f64,
}

impl Experiment {
    /// The experiment that the resolved text of a scenario repeats; `None` if it repeats none, or
    /// the text is none of a scenario.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        let document = Document::parse("scenario", text).ok()?;
        let complete = Complete::read(&document).ok()?;
        let axes = super::sweep::axes(&document).ok()?;
        of_file(&complete.document, &complete.file, &axes).ok()?
    }
}

/// The experiment of a file, checked against its sweep.
pub(super) fn of_file(
    document: &Document,
    file: &File,
    axes: &[Axis],
) -> Result<Option<Experiment>, BadFile> {
    let Some(head) = &file.published else {
        if file.claims.is_empty() {
            return Ok(None);
        }
        return Err(document
            .place()
            .key("published")
            .missing("[published], beside claims"));
    };
    if file.claims.is_empty() {
        return Err(document
            .place()
            .key("claim")
            .missing("[[claim]], at least one"));
    }
    let rows = file.claims.iter().enumerate();
    let claims = rows.map(|(at, row)| claim(&document.place().key("claim").row(at), row, axes));
    Ok(Some(Experiment {
        id: head.id.to_string(),
        source: head.source.to_string(),
        read: head.read.to_string(),
        assumed: head.assumed.to_string(),
        claims: claims.collect::<Result<_, _>>()?,
    }))
}

fn claim(at: &Place<'_>, row: &ClaimRow, axes: &[Axis]) -> Result<PublishedClaim, BadFile> {
    let (is_least, bound) = match (row.at_least, row.at_most) {
        (Some(least), None) => (true, least.0),
        (None, Some(most)) => (false, most.0),
        (Some(_), Some(_)) => {
            let what = "stands beside at-least";
            return Err(at.key("at-most").bad(what, "one of at-least and at-most"));
        }
        (None, None) => return Err(at.key("at-least").missing("at-least or at-most")),
    };
    Ok(PublishedClaim {
        name: row.name.to_string(),
        says: row.says.to_string(),
        metric: row.metric.to_string(),
        per: row.per.as_ref().map(Prose::to_string),
        cells: labels(&at.key("cells"), &row.cells, axes)?,
        over: labels(&at.key("over"), &row.over, axes)?,
        is_least,
        bound,
    })
}

/// Refuses a claim that is about no cell, or about a metric that runs of its cells do not have: its
/// verdict would never come.
pub(super) fn check_metrics(scenario: &Scenario) -> Result<(), BadFile> {
    let claims = scenario.experiment().map(|experiment| &experiment.claims);
    let cells = scenario.cells();
    let mut known: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for (row, claim) in claims.into_iter().flatten().enumerate() {
        let at = scenario.0.full.document.place().key("claim").row(row);
        let own: Vec<&Cell> = cells.iter().filter(|cell| claim.is_about(cell)).collect();
        if own.is_empty() {
            let allowed = "values that some cells have, without those of over";
            return Err(at.key("cells").bad("leaves no cell of the sweep", allowed));
        }
        for cell in own {
            let names = match known.entry(cell.index()) {
                Entry::Occupied(names) => names.into_mut(),
                Entry::Vacant(place) => place.insert(metrics_of(cell)?),
            };
            for (key, metric) in [("metric", Some(&claim.metric)), ("per", claim.per.as_ref())] {
                let Some(metric) = metric.filter(|metric| !names.contains(metric)) else {
                    continue;
                };
                let names = names.iter().map(String::as_str);
                return Err(at
                    .key(key)
                    .refuse(unknown("metric of its runs", metric, names)));
            }
        }
    }
    Ok(())
}

/// The names of all metrics of the runs of a cell. They do not depend on what happens in a run.
fn metrics_of(cell: &Cell) -> Result<Vec<String>, BadFile> {
    let setup = cell.resolve(0)?;
    let nothing = Record {
        peers: vec![PeerRecord::default(); setup.peers.len()],
        transfers: vec![TransferRecord::default(); setup.transfers.len()],
        contents: vec![ContentRecord::default(); setup.contents.len()],
        ..Record::default()
    };
    let scalars = metrics::scalars(&setup, &nothing).into_iter();
    Ok(scalars.map(|scalar| scalar.name).collect())
}

impl PublishedClaim {
    /// Whether a cell is one that the claim is about.
    fn is_about(&self, cell: &Cell) -> bool {
        let values: BTreeMap<String, String> = cell.parameters().into_iter().collect();
        let has = |labels: &BTreeMap<String, String>| {
            let mut labels = labels.iter();
            labels.all(|(key, label)| values.get(key) == Some(label))
        };
        has(&self.cells) && (self.over.is_empty() || !has(&self.over))
    }
}

/// Values of axes, each of which is there.
fn labels(
    at: &Place<'_>,
    said: &BTreeMap<String, Prose>,
    axes: &[Axis],
) -> Result<BTreeMap<String, String>, BadFile> {
    let mut found = BTreeMap::new();
    for (key, label) in said {
        let at = at.key(key);
        let Some(axis) = axes.iter().find(|axis| axis.key == *key) else {
            let keys = axes.iter().map(|axis| axis.key.as_str());
            return Err(at.refuse(unknown("axis of the sweep", key, keys)));
        };
        let labels = axis.values.iter().map(|value| value.label.as_str());
        if !labels.clone().any(|known| known == &**label) {
            return Err(at.refuse(unknown("value of the axis", label, labels)));
        }
        found.insert(key.clone(), label.to_string());
    }
    Ok(found)
}
