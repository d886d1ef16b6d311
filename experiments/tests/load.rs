//! Scenario files that are read, swept and resolved.

use std::fs;
use std::path::PathBuf;

use fairhaul_lab::scenario::{BadInput, Scenario};
use tempfile::TempDir;

/// A folder with a scenario and its data files.
struct Folder(TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = Self(TempDir::new().unwrap());
        for (name, text) in files {
            fs::write(folder.path(name), text).unwrap();
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self) -> Result<Scenario, BadInput> {
        Scenario::load(&self.path("s.toml"))
    }
}

fn load(text: &str) -> Scenario {
    Folder::new(&[("s.toml", text)])
        .load()
        .map_err(|bad| bad.to_string())
        .unwrap()
}

const SMALL: &str = r#"
[scenario]
name = "small"

[[peer]]
name = "server"
up = "100 Mbit/s"

[[class]]
name = "small"
count = 3
up = { uniform = ["1 Mbit/s", "2 Mbit/s"] }

[[transfer]]
name = "bulk"
source = "server"
destination = "small"
bytes = "10 MB"
"#;

// One transfer from the server to each of three peers: four peers, three transfers.
#[test]
fn a_small_scenario_becomes_a_setup() {
    let scenario = load(SMALL);
    let cells = scenario.cells();
    assert_eq!(cells.len(), 1);
    assert_eq!(cells[0].label(), "all");
    let setup = cells[0].resolve(0).unwrap();
    let names: Vec<&str> = setup.peers.iter().map(|peer| peer.name.as_str()).collect();
    assert_eq!(names, ["server", "small.1", "small.2", "small.3"]);
    assert_eq!(setup.transfers.len(), 3);
    assert_eq!(setup.transfers[2].destination, 3);
    assert_eq!(setup.transfers[2].bytes.get(), 10_000_000);
}

// Every scenario that ships loads, and its resolved file is a scenario with the same hash.
#[test]
fn every_shipped_scenario_loads_and_resolves_to_itself() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".toml"))
        .collect();
    names.sort();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        let scenario = Scenario::load(&folder.join(&name))
            .map_err(|bad| bad.to_string())
            .unwrap();
        let copy = folder.join("..").join("scenarios").join(&name);
        assert_eq!(Scenario::load(&copy).unwrap().hash(), scenario.hash());
        for cell in scenario.cells() {
            let setup = cell.resolve(1).unwrap();
            println!(
                "{name} {} {} peers {} transfers",
                cell.label(),
                setup.peers.len(),
                setup.transfers.len()
            );
        }
    }
}
