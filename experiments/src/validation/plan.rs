//! Whether two results are of the same scenario.
//!
//! They may differ in the number of replications, the tables that were kept, the baseline of
//! another comparison, words about them, and the limits of a simulation that is refused or stopped.
//! Everything else decides what happens in a run.

use toml::{Table, Value};

use crate::output::ResultManifest;

/// Sections and keys that do not decide what happens in a run; no key is the whole section.
const MAY_DIFFER: [(&str, Option<&str>); 6] = [
    ("scenario", Some("about")),
    ("scenario", Some("events")),
    ("scenario", Some("memory")),
    ("replication", Some("count")),
    ("replication", Some("baseline")),
    ("output", None),
];

/// Name of the scenario that both results are of, or where the two differ.
pub(super) fn same(sim: &ResultManifest, emu: &ResultManifest) -> Result<String, String> {
    let [one, two] = [sim, emu].map(|manifest| manifest.scenario.parse::<Table>());
    let (Ok(mut one), Ok(mut two)) = (one, two) else {
        return Err("the scenario in a manifest is not a table".to_owned());
    };
    let name = name_of(&one);
    if name != name_of(&two) {
        return Err(format!("{name:?} and {:?}", name_of(&two)));
    }
    for table in [&mut one, &mut two] {
        for (section, key) in MAY_DIFFER {
            forget(table, section, key);
        }
    }
    if let Some(at) = differs(&one, &two) {
        return Err(format!("{name:?} with another {at}"));
    }
    // Hashes of data files are comments behind the scenario.
    if data(&sim.scenario) != data(&emu.scenario) {
        return Err(format!("{name:?} with another data file"));
    }
    if sim.seed != emu.seed {
        return Err(format!(
            "{name:?} with seed {} and with seed {}",
            sim.seed_text(),
            emu.seed_text()
        ));
    }
    Ok(name)
}

fn name_of(table: &Table) -> String {
    let section = table.get("scenario").and_then(Value::as_table);
    let name = section.and_then(|section| section.get("name"));
    name.and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn forget(table: &mut Table, section: &str, key: Option<&str>) {
    let Some(key) = key else {
        table.remove(section);
        return;
    };
    if let Some(Value::Table(inner)) = table.get_mut(section) {
        inner.remove(key);
    }
}

/// Path of the first key that only one has or that has another value.
fn differs(one: &Table, two: &Table) -> Option<String> {
    let keys = one
        .keys()
        .chain(two.keys().filter(|key| !one.contains_key(*key)));
    for key in keys {
        match (one.get(key), two.get(key)) {
            (Some(Value::Table(one)), Some(Value::Table(two))) => {
                if let Some(inner) = differs(one, two) {
                    return Some(format!("{key}.{inner}"));
                }
            }
            (one, two) if one != two => return Some(key.clone()),
            _ => {}
        }
    }
    None
}

fn data(scenario: &str) -> Vec<&str> {
    let lines = scenario.lines();
    lines.filter(|line| line.starts_with("# data ")).collect()
}
