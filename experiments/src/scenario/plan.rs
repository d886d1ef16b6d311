//! What the lab does with a scenario, beside running it.

use fairhaul_config::BadFile;
use fairhaul_config::document::Place;

use super::sweep::{self, Axis};
use super::{Complete, word};

/// What the lab does with a scenario, beside running it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Name of the scenario.
    pub name: String,
    /// What it shows, for a reader.
    pub about: String,
    /// The ideal that results are measured against: `equal-service`, `contribution` or
    /// `fastest`.
    pub ideal: String,
    /// Seed of all random numbers.
    pub rng_seed: u64,
    /// Replications of each cell.
    pub replications: u32,
    /// The cell that others are compared with: key and value of one axis of the sweep.
    pub baseline: Option<(String, String)>,
    /// Tables to write, without `.csv`.
    pub files: Vec<String>,
}

impl Plan {
    /// What the file says, whose sweep has these axes.
    pub(super) fn of(full: &Complete, axes: &[Axis]) -> Result<Self, BadFile> {
        let Complete { document, file, .. } = full;
        let replication = &file.replication;
        let at: Place<'_> = document.place().key("replication").key("baseline");
        let baseline = replication.baseline.as_ref();
        let baseline = baseline.map(|wanted| sweep::baseline(&at, wanted, axes));
        Ok(Self {
            name: file.scenario.name.to_string(),
            about: file.scenario.about.to_string(),
            ideal: word(file.scenario.ideal),
            rng_seed: replication.seed.get(),
            replications: replication.count.get(),
            baseline: baseline.transpose()?,
            files: file.output.files.iter().map(word).collect(),
        })
    }
}
