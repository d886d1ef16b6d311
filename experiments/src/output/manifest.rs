//! The manifest: what a result is, and how to make it again.
//!
//! Its presence means that the result is finished. It holds what may differ between two runs
//! of the same plan (the machine, the command), so that the tables can be compared byte for
//! byte. Results that no scenario has, such as speeds, have one too: [`write_measured`].

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use fairhaul_results::{EmulatedFacts, FORMAT, MANIFEST, Machine, Made, ResultManifest, digest};

use super::OutputError;
use super::directory::FILES;

/// What the caller knows about a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Name of the scenario.
    pub name: String,
    /// What decides the runs, as [`super::ResultDir::begin`] was given it.
    pub plan: String,
    /// The scenario with every default filled in.
    pub scenario: String,
    /// The seed that the user gave; none if the scenario has several or none.
    pub seed: Option<u64>,
    /// The command that makes the result again.
    pub command: String,
    /// Runs in the result.
    pub runs: usize,
    /// How it was made with real nodes; none of a simulated result.
    pub emulated: Option<EmulatedFacts>,
}

/// What a measurement says of a table that is made here and now, by `command`, from the commit
/// that this program was built from.
#[must_use]
pub fn made_here(command: String) -> Made {
    Made {
        commit: env!("FAIRHAUL_COMMIT").to_owned(),
        command,
        note: String::new(),
        machine: Machine::here(),
    }
}

/// The baseline that the scenario of a result names; none if it names none.
#[must_use]
pub fn named_baseline(manifest: &ResultManifest) -> Option<String> {
    let scenario: toml::Table = manifest.scenario.parse().ok()?;
    let baseline = scenario.get("replication")?.get("baseline")?;
    baseline.as_str().map(str::to_owned)
}

/// The manifest of the result in `dir`.
///
/// # Errors
///
/// [`OutputError::Unfinished`] if there is none, [`OutputError::BadTable`] if it is not one.
pub fn read_manifest(dir: &Path) -> Result<ResultManifest, OutputError> {
    let path = dir.join(MANIFEST);
    let text = fs::read_to_string(&path).map_err(|_| OutputError::Unfinished {
        path: dir.to_owned(),
        file: MANIFEST,
    })?;
    serde_json::from_str(&text).map_err(|error| OutputError::BadTable {
        path,
        line: error.line() as u64,
        what: error.to_string(),
    })
}

/// The manifest of the finished result in `dir`; none if there is none of ours.
pub(super) fn finished(dir: &Path) -> Option<ResultManifest> {
    let manifest = read_manifest(dir).ok()?;
    (manifest.format == FORMAT).then_some(manifest)
}

/// What stands for a plan in a manifest.
pub(super) fn plan_hash(plan: &str) -> String {
    blake3::hash(plan.as_bytes()).to_hex().to_string()
}

pub(super) fn write(dir: &Path, facts: &Facts) -> Result<(), OutputError> {
    let manifest = ResultManifest {
        format: FORMAT.to_owned(),
        name: facts.name.clone(),
        world: facts
            .emulated
            .as_ref()
            .map_or_else(|| "simulated".to_owned(), |facts| facts.world.clone()),
        emulated: facts.emulated.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: env!("FAIRHAUL_COMMIT").to_owned(),
        command: facts.command.clone(),
        seed: facts.seed,
        runs: Some(facts.runs),
        plan_blake3: plan_hash(&facts.plan),
        scenario_blake3: blake3::hash(facts.scenario.as_bytes()).to_hex().to_string(),
        scenario: facts.scenario.clone(),
        machine: Machine::here(),
        files: digests(dir, FILES.map(str::to_owned))?,
        made: BTreeMap::new(),
    };
    save(dir, &manifest)
}

/// Writes the manifest of tables that a measurement has left in `dir`: every regular file there
/// whose name does not begin with a dot is one of them. A table that an earlier manifest is of
/// keeps what that says of it.
///
/// # Errors
///
/// [`OutputError::Io`] if the folder or a file cannot be read, or the manifest not written.
pub fn write_measured(dir: &Path, name: &str, now: &Made) -> Result<(), OutputError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(OutputError::io(dir))? {
        let name = entry.map_err(OutputError::io(dir))?.file_name();
        let name = name.to_string_lossy().into_owned();
        if name != MANIFEST && !name.starts_with('.') {
            names.push(name);
        }
    }
    let before = finished(dir);
    let files = digests(dir, names)?;
    let made = files.iter().map(|(name, digest)| {
        let before = before
            .as_ref()
            .filter(|before| before.files.get(name) == Some(digest));
        let made = before.and_then(|before| before.made.get(name));
        (name.clone(), made.unwrap_or(now).clone())
    });
    let manifest = ResultManifest {
        format: FORMAT.to_owned(),
        name: name.to_owned(),
        world: "measured".to_owned(),
        emulated: None,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: now.commit.clone(),
        command: now.command.clone(),
        seed: None,
        runs: None,
        plan_blake3: String::new(),
        scenario_blake3: String::new(),
        scenario: String::new(),
        machine: now.machine.clone(),
        made: made.collect(),
        files,
    };
    save(dir, &manifest)
}

/// Digests again what is in `dir`, after a table was added to a finished result.
///
/// # Errors
///
/// As [`read_manifest`], or [`OutputError::Io`].
pub fn refresh_digests(dir: &Path) -> Result<(), OutputError> {
    let mut manifest = read_manifest(dir)?;
    manifest.files = digests(dir, FILES.map(str::to_owned))?;
    save(dir, &manifest)
}

/// Whether the files of the result in `dir` are those that its manifest is of. A file that is
/// not there is none of them: a result may be kept without its large tables.
///
/// # Errors
///
/// As [`read_manifest`], [`OutputError::Changed`] with the first file that is another, or
/// [`OutputError::Io`].
pub fn check_digests(dir: &Path) -> Result<(), OutputError> {
    let manifest = read_manifest(dir)?;
    for (name, digest) in digests(dir, manifest.files.keys().cloned())? {
        if manifest.files[&name] != digest {
            return Err(OutputError::Changed {
                path: dir.join(name),
            });
        }
    }
    Ok(())
}

fn save(dir: &Path, manifest: &ResultManifest) -> Result<(), OutputError> {
    manifest.save(dir).map_err(OutputError::io(dir))
}

fn digests(
    dir: &Path,
    names: impl IntoIterator<Item = String>,
) -> Result<BTreeMap<String, String>, OutputError> {
    let mut found = BTreeMap::new();
    for name in names {
        let path = dir.join(&name);
        if path.is_file() {
            found.insert(name, digest(&path).map_err(OutputError::io(&path))?);
        }
    }
    Ok(found)
}
