//! The manifest: what a result is, and how to make it again.
//!
//! Its presence means that the result is finished. It holds what may differ between two runs
//! of the same plan (the machine, the command), so that the tables can be compared byte for
//! byte. Results that no scenario has, such as speeds, have one too: [`write_measured`].

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::directory::FILES;
use super::{Machine, OutputError, write_whole};
use fairhaul_emulate::Speed;

/// Name of the manifest.
pub(super) const MANIFEST: &str = "manifest.json";
/// What marks a manifest as ours, with the version of the schema of the tables.
const FORMAT: &str = "fairlab result 1";

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

/// How a result was made with real nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmulatedFacts {
    /// `emulated` on this machine, or `deployed` on others; it is the manifest's own `world`.
    #[serde(skip)]
    pub world: String,
    /// Whose links they were: `shaped` by the kernel; `none`; `caps`: kept by the nodes' own
    /// caps on machines of their own, with the delays that those have.
    pub links: String,
    /// How many times as fast as the scenario says.
    pub speed: Speed,
    /// What a node may send, in percent of its link.
    pub node_share_of_link_pct: u64,
    /// Busy share of all processors of the busiest machine in the worst run, in percent.
    pub machine_cpu_pct: String,
    /// Whether the machine was never too busy.
    pub trustworthy: bool,
}

/// How a table that was measured came about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Commit that was measured; empty if unknown.
    pub commit: String,
    /// The command that measures it again.
    pub command: String,
    /// Conditions that the measurement notes, such as the load before it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// What it was measured on.
    pub machine: Machine,
}

impl Made {
    /// Here and now, by `command`, from the commit that this program was built from.
    #[must_use]
    pub fn here(command: String) -> Self {
        Self {
            commit: env!("FAIRHAUL_COMMIT").to_owned(),
            command,
            note: String::new(),
            machine: Machine::here(),
        }
    }
}

/// The manifest of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Schema of the result.
    pub format: String,
    /// Name of the scenario or of the measurement.
    #[serde(default)]
    pub name: String,
    /// `simulated`, `emulated` or `deployed`; `measured` of a result without a scenario.
    #[serde(default = "simulated")]
    pub world: String,
    /// How it was made with real nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emulated: Option<EmulatedFacts>,
    /// Version of the program.
    pub version: String,
    /// Commit that the program was built from; empty if unknown.
    pub commit: String,
    /// The command that makes the result again.
    pub command: String,
    /// The seed that the user gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Runs in the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<usize>,
    /// BLAKE3 of what decides the runs: only runs of the same plan can be added.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub plan_blake3: String,
    /// BLAKE3 of `scenario`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scenario_blake3: String,
    /// The scenario with every default filled in.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scenario: String,
    /// What it was computed on.
    pub machine: Machine,
    /// BLAKE3 of every file.
    pub files: BTreeMap<String, String>,
    /// How each file came about, of a result whose files are measured one by one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub made: BTreeMap<String, Made>,
}

impl Manifest {
    /// The seed in figures; empty if there is none.
    #[must_use]
    pub fn seed_text(&self) -> String {
        self.seed.map_or_else(String::new, |seed| seed.to_string())
    }

    /// The baseline that the scenario names; none if it names none.
    #[must_use]
    pub fn baseline(&self) -> Option<String> {
        let scenario: toml::Table = self.scenario.parse().ok()?;
        let baseline = scenario.get("replication")?.get("baseline")?;
        baseline.as_str().map(str::to_owned)
    }
}

/// The manifest of the result in `dir`.
///
/// # Errors
///
/// [`OutputError::Unfinished`] if there is none, [`OutputError::BadTable`] if it is not one.
pub fn read_manifest(dir: &Path) -> Result<Manifest, OutputError> {
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
pub(super) fn finished(dir: &Path) -> Option<Manifest> {
    let manifest = read_manifest(dir).ok()?;
    (manifest.format == FORMAT).then_some(manifest)
}

/// What stands for a plan in a manifest.
pub(super) fn plan_hash(plan: &str) -> String {
    blake3::hash(plan.as_bytes()).to_hex().to_string()
}

pub(super) fn write(dir: &Path, facts: &Facts) -> Result<(), OutputError> {
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        name: facts.name.clone(),
        world: facts
            .emulated
            .as_ref()
            .map_or_else(simulated, |facts| facts.world.clone()),
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
    let manifest = Manifest {
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

/// The world of results that do not say.
fn simulated() -> String {
    "simulated".to_owned()
}

fn save(dir: &Path, manifest: &Manifest) -> Result<(), OutputError> {
    let mut text = serde_json::to_string_pretty(manifest)
        .expect("a manifest has string keys and no numbers that JSON lacks");
    text.push('\n');
    write_whole(&dir.join(MANIFEST), text.as_bytes())
}

fn digests(
    dir: &Path,
    names: impl IntoIterator<Item = String>,
) -> Result<BTreeMap<String, String>, OutputError> {
    let mut found = BTreeMap::new();
    for name in names {
        let path = dir.join(&name);
        if path.is_file() {
            let mut hasher = blake3::Hasher::new();
            let mut file = fs::File::open(&path).map_err(OutputError::io(&path))?;
            std::io::copy(&mut file, &mut hasher).map_err(OutputError::io(&path))?;
            found.insert(name, hasher.finalize().to_hex().to_string());
        }
    }
    Ok(found)
}
