//! Scenario files: what is simulated, from a TOML file to a resolved setup.
//!
//! [`Scenario::load`] reads and checks a file, [`Scenario::cells`] gives the product of its
//! sweep, [`Cell::resolve`] draws one replication. Whatever is unclear is refused with a
//! [`BadFile`]: one line with file, line and key. A scenario includes no other file; data
//! files hold data only.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use fairhaul_config::document::Document;
use fairhaul_config::tree::{self, Data, TomlTable};
use fairhaul_simulator::setup::{PolicySetup, Setup};
use serde::Serialize;

pub use fairhaul_config::BadFile;
pub use file::{reference, schema};
pub use part::{LoadError, SweepPart};
pub use plan::Plan;
pub use published::{Experiment, PublishedClaim};

mod behaviour;
mod bundles;
mod class;
mod deviants;
mod every;
mod file;
mod names;
pub mod notes;
mod part;
mod plan;
mod published;
mod random;
mod resolve;
mod settings;
mod sweep;
mod values;
mod variant;

pub(crate) use behaviour::{COMPLIANT, SETTINGS};
pub(crate) use class::AccessLink;
pub(crate) use deviants::axis_of;
pub(crate) use settings::BehaviourSetting;
pub(crate) use variant::Variant;

use crate::datasets::{self, Inputs};
use file::File;
use sweep::Axis;

/// Cells whose files are kept, so that each is read once and not for each of its replications.
const CELLS_KEPT: usize = 16;

/// A scenario file that was read and checked.
#[derive(Clone, Debug)]
pub struct Scenario(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    inputs: Inputs,
    /// The file as it is written, without its sweep.
    raw: Document,
    /// The file with its defaults.
    full: Arc<Complete>,
    axes: Vec<Axis>,
    plan: Plan,
    experiment: Option<Experiment>,
    /// The files of cells that were read last, by what the cells have of each axis.
    read: Mutex<VecDeque<(Vec<usize>, Arc<Complete>)>>,
}

/// A file with every default written out, and what it says.
#[derive(Debug)]
struct Complete {
    document: Document,
    file: File,
    /// The bundles of policies, with their names.
    policies: Vec<(String, PolicySetup)>,
}

/// What tells the replications of a cell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replications {
    /// Something in the file is drawn: times, sizes, capacities, places.
    Differ,
    /// Nothing in the file is drawn. Only nodes draw: neighbours, chunks, whom to unchoke.
    DifferInNodes,
    /// Nothing is drawn: all replications are the same run.
    Identical,
}

/// One combination of the values of a sweep.
#[derive(Clone, Debug)]
pub struct Cell {
    scenario: Scenario,
    index: u32,
    choice: Vec<usize>,
}

impl Scenario {
    /// Reads and checks the file at `path`, every value of its sweep, and its data files.
    ///
    /// # Errors
    ///
    /// The first fault, with its place. Nothing is run and nothing is written.
    pub fn load(path: &Path) -> Result<Self, BadFile> {
        Self::of_document(path, Self::document(path)?)
    }

    /// As [`Scenario::load`], of a file that has this text.
    ///
    /// # Errors
    ///
    /// As [`Scenario::load`].
    pub fn read(path: &Path, text: &str) -> Result<Self, BadFile> {
        Self::of_document(path, Self::expanded(path, text)?)
    }

    /// The file at `path`, its sweep with every value written out.
    fn document(path: &Path) -> Result<Document, BadFile> {
        Self::expanded(path, &datasets::read_text(path)?)
    }

    fn expanded(path: &Path, text: &str) -> Result<Document, BadFile> {
        every::expand(Document::parse(&path.display().to_string(), text)?)
    }

    fn of_document(path: &Path, raw: Document) -> Result<Self, BadFile> {
        let full = Complete::read(&raw)?;
        let axes = sweep::axes(&raw)?;
        let plan = Plan::of(&full, &axes)?;
        let experiment = published::of_file(&full.document, &full.file, &axes)?;
        deviants::check(&full.document, &full.file, &axes)?;
        // Every cell starts from a copy of the file; the lists of the sweep are in the axes.
        let mut root = raw.root().clone();
        let of_sweep = ["sweep", "published", "claim"];
        root.entries
            .retain(|entry| !of_sweep.contains(&entry.key.as_str()));
        let scenario = Self(Arc::new(Inner {
            inputs: Inputs::beside(path),
            raw: Document::new(raw.file(), root),
            full: Arc::new(full),
            axes,
            plan,
            experiment,
            read: Mutex::default(),
        }));
        scenario.check_each_value()?;
        scenario.check_demand()?;
        published::check_metrics(&scenario)?;
        Ok(scenario)
    }

    /// Refuses a scenario in which nobody ever wants anything: its tables would be empty.
    fn check_demand(&self) -> Result<(), BadFile> {
        let Complete { document, file, .. } = &*self.0.full;
        let transfers = file.transfers.len() + file.workloads.len();
        if transfers + file.contents.len() > 0 {
            return Ok(());
        }
        Err(document.place().key("scenario").bad_got(
            "has nothing to move",
            "no [[transfer]], [[workload]] or [[content]]",
            "at least one of them",
        ))
    }

    /// Resolves the first cell and one cell for each further value of each axis: a fault of
    /// a value is found before anything runs.
    fn check_each_value(&self) -> Result<(), BadFile> {
        let first = vec![0; self.0.axes.len()];
        self.cell(0, first.clone()).resolve(0)?;
        for (axis, found) in self.0.axes.iter().enumerate() {
            for value in 1..found.values.len() {
                let mut choice = first.clone();
                choice[axis] = value;
                self.cell(0, choice).resolve(0)?;
            }
        }
        Ok(())
    }

    fn cell(&self, index: u32, choice: Vec<usize>) -> Cell {
        Cell {
            scenario: self.clone(),
            index,
            choice,
        }
    }

    /// What the lab does with this scenario.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.0.plan
    }

    /// The experiment of others that it repeats.
    #[must_use]
    pub fn experiment(&self) -> Option<&Experiment> {
        self.0.experiment.as_ref()
    }

    /// Every combination of the sweep, the last axis fastest; one cell if there is no sweep.
    #[must_use]
    pub fn cells(&self) -> Vec<Cell> {
        let sizes: Vec<usize> = self.0.axes.iter().map(|axis| axis.values.len()).collect();
        let total: usize = sizes.iter().product();
        (0..total)
            .map(|number| {
                let mut rest = number;
                let mut choice = vec![0; sizes.len()];
                for (axis, size) in sizes.iter().enumerate().rev() {
                    choice[axis] = rest % size;
                    rest /= size;
                }
                let index = u32::try_from(number).expect("sweeps have at most 10,000 cells");
                self.cell(index, choice)
            })
            .collect()
    }

    /// Whether the replications of each cell can differ, in the order of [`Scenario::cells`].
    ///
    /// Compares the first two: what is drawn differs between any two but by chance of one in
    /// 2^53, and what is not is the same in all.
    ///
    /// # Errors
    ///
    /// A fault that only some combination of values has.
    pub fn replications(&self) -> Result<Vec<Replications>, BadFile> {
        let cells = self.cells().into_iter();
        cells
            .map(|cell| {
                let (first, mut second) = (cell.resolve(0)?, cell.resolve(1)?);
                second.replication = first.replication;
                // Of one chunk there is no choice.
                let mut transfers = first.transfers.iter();
                let may_choose = transfers.any(|transfer| transfer.bytes > transfer.chunk);
                let mut policies = first.policies.iter();
                let chooses = policies.any(|policy| policy.picker.row().name != "sequential");
                let draws = !first.contents.is_empty() || may_choose && chooses;
                Ok(match (first == second, draws) {
                    (false, _) => Replications::Differ,
                    (true, true) => Replications::DifferInNodes,
                    (true, false) => Replications::Identical,
                })
            })
            .collect()
    }

    /// The keys that the sweep varies, in the order of the file.
    #[must_use]
    pub fn axes(&self) -> Vec<&str> {
        self.0.axes.iter().map(|axis| axis.key.as_str()).collect()
    }

    /// The file with every default written out, and the hash of each data file. It is a
    /// scenario file again, in the same folder.
    #[must_use]
    pub fn resolved_toml(&self) -> String {
        let mut text = tree::write(self.0.full.document.root(), "sweep");
        self.put_data(&mut text);
        text
    }

    /// What decides a run, whichever of its replications it is: the file with every default but
    /// without `[replication]` and what is claimed of the runs, the hash of each data file, and the
    /// seed.
    #[must_use]
    pub fn plan_text(&self) -> String {
        let mut full = self.0.full.document.root().clone();
        let says_nothing_of_runs = ["replication", "published", "claim"];
        full.entries
            .retain(|entry| !says_nothing_of_runs.contains(&entry.key.as_str()));
        let mut text = tree::write(&full, "sweep");
        self.put_data(&mut text);
        text + &format!("# seed {}\n", self.0.plan.rng_seed)
    }

    fn put_data(&self, text: &mut String) {
        for (path, hash) in self.0.inputs.hashes() {
            text.push_str(&format!("# data {path} blake3 {hash}\n"));
        }
    }
}

impl Cell {
    /// Its place in [`Scenario::cells`].
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The scenario it belongs to.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// Key and value of each axis, in the order of the sweep: the columns of a table.
    #[must_use]
    pub fn parameters(&self) -> Vec<(String, String)> {
        self.chosen()
            .map(|(axis, value)| (axis.key.clone(), value.label.clone()))
            .collect()
    }

    /// `key=value` for each axis; `all` if there is no sweep.
    #[must_use]
    pub fn label(&self) -> String {
        let parts: Vec<String> = self
            .chosen()
            .map(|(axis, value)| format!("{}={}", axis.key, value.label))
            .collect();
        if parts.is_empty() {
            "all".to_owned()
        } else {
            parts.join(" ")
        }
    }

    fn chosen(&self) -> impl Iterator<Item = (&Axis, &sweep::Value)> {
        let axes = self.scenario.0.axes.iter();
        axes.zip(&self.choice)
            .map(|(axis, at)| (axis, &axis.values[*at]))
    }

    /// The file that runs this cell alone, with every default written out.
    ///
    /// # Errors
    ///
    /// A fault that only this combination of values has.
    pub fn resolved_toml(&self) -> Result<String, BadFile> {
        let mut full = self.complete()?.document.root().clone();
        // Claims are about the sweep.
        let of_sweep = ["sweep", "published", "claim"];
        full.entries
            .retain(|entry| !of_sweep.contains(&entry.key.as_str()));
        if let Some(Data::Table(table)) = full.get_mut("replication") {
            // It names a value of the sweep, which is gone.
            table.entries.retain(|entry| entry.key != "baseline");
        }
        Ok(tree::write(&full, "sweep"))
    }

    /// Draws one replication: everything in plain values.
    ///
    /// Equal replications of different cells draw the same numbers for the same names.
    ///
    /// # Errors
    ///
    /// A fault that only this combination of values has.
    pub fn resolve(&self, replication: u32) -> Result<Setup, BadFile> {
        let complete = self.complete()?;
        resolve::resolve(&complete, &self.scenario.0.inputs, replication)
    }

    /// The file with the values of this cell, as it is written: without defaults.
    fn raw(&self) -> TomlTable {
        let mut root = self.scenario.0.raw.root().clone();
        for setting in self.chosen().flat_map(|(_, value)| &value.settings) {
            let put = setting.put(&mut root);
            put.expect("it led to a table when the sweep was read");
        }
        root
    }

    /// The file with the values of this cell and all defaults.
    fn complete(&self) -> Result<Arc<Complete>, BadFile> {
        let inner = &*self.scenario.0;
        if inner.axes.is_empty() {
            return Ok(Arc::clone(&inner.full));
        }
        let kept = || inner.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, found)) = kept().iter().find(|(choice, _)| *choice == self.choice) {
            return Ok(Arc::clone(found));
        }
        let complete = Complete::read(&Document::new(inner.raw.file(), self.raw()))?;
        let complete = Arc::new(complete);
        let mut kept = kept();
        kept.push_back((self.choice.clone(), Arc::clone(&complete)));
        if kept.len() > CELLS_KEPT {
            kept.pop_front();
        }
        Ok(complete)
    }
}

impl Complete {
    fn read(raw: &Document) -> Result<Self, BadFile> {
        let known = file::sections().map(|section| section.path);
        raw.place().only(&known)?;
        let document = Document::new(raw.file(), file::complete(raw.root()));
        let file = document.read()?;
        names::check(&document, &file)?;
        let policies = bundles::read(&document)?;
        Ok(Self {
            document,
            file,
            policies,
        })
    }
}

/// What a file calls a choice.
fn word(choice: impl Serialize) -> String {
    let word = serde_json::to_value(choice).ok();
    let word = word.as_ref().and_then(|word| word.as_str());
    word.expect("a choice is a word").to_owned()
}
