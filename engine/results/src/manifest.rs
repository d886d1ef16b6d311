//! The manifest: what a result is, and how to make it again.
//!
//! Its presence means that the result is finished. It holds what may differ between two runs of
//! the same plan (the machine, the command), so that tables can be compared byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Machine, Speed};

/// Name of the manifest.
pub const MANIFEST: &str = "manifest.json";

/// What marks a manifest as ours, with the version of the schema of the tables.
pub const FORMAT: &str = "fairlab result 1";

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

/// The manifest of a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultManifest {
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

impl ResultManifest {
    /// The seed in figures; empty if there is none.
    #[must_use]
    pub fn seed_text(&self) -> String {
        self.seed.map_or_else(String::new, |seed| seed.to_string())
    }

    /// Writes it into `dir`, whole or not at all.
    ///
    /// # Errors
    ///
    /// What the file system says.
    ///
    /// # Panics
    ///
    /// Never: its keys are strings, and it has no number that JSON lacks.
    pub fn save(&self, dir: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)
            .expect("a manifest has string keys and no numbers that JSON lacks");
        text.push('\n');
        write_whole(&dir.join(MANIFEST), text.as_bytes())
    }
}

/// The BLAKE3 of the file at `path`, in hexadecimal digits.
///
/// # Errors
///
/// What the file system says.
pub fn digest(path: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut fs::File::open(path)?, &mut hasher)?;
    Ok(hasher.finalize().to_hex().to_string())
}

/// Writes `bytes` under a temporary name beside `path` and renames it into place, so that
/// nobody ever sees half of it.
///
/// # Errors
///
/// What the file system says.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    fs::write(&part, bytes)?;
    fs::rename(&part, path)
}

/// The world of results that do not say.
fn simulated() -> String {
    "simulated".to_owned()
}
