//! What a scenario says of the experiment that it repeats, with claims that lead to its sweep.

use std::collections::BTreeMap;

use fairhaul_config::document::{Document, Place};
use fairhaul_config::text::Prose;

use super::file::{ClaimRow, File};
use super::names::unknown;
use super::sweep::Axis;
use super::{BadFile, Complete};

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
