//! The attack register in `docs/limits.md`, the tests and the planted faults stay in step: every
//! entry is named above a test, and `scripts/faults.toml` has a fault that makes such a test fail.
//!
//! Decides which entries may lack one, and why. A test names what it shows in its comment, as in
//! `/// Register: M1, M2.` or `/// Limit: L5.`; one that is left out of an ordinary run shows
//! nothing. That the tests do fail is what `scripts/faults.py` runs, and `results/faults` has the
//! table.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Entries that no test shows yet: none.
const NOT_SHOWN: [&str; 0] = [];

/// Entries that the gate shows, not a test: it looks at the dependencies, and clippy.toml of the
/// core and the simulator forbids what has no order.
const BY_THE_GATE: [&str; 2] = ["O5", "I12"];

/// Entries without a planted fault: those without a test.
const WITHOUT_A_FAULT: [&[&str]; 2] = [&NOT_SHOWN, &BY_THE_GATE];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The ids that `docs/limits.md` defines, and those of them that are entries of the register.
fn defined() -> (BTreeSet<String>, BTreeSet<String>) {
    let page = fs::read_to_string(root().join("docs/limits.md")).unwrap();
    let (limits, register) = page.split_once("## Attack register").unwrap();
    let ids = |text: &str| -> BTreeSet<String> {
        let rows = text.lines().filter_map(|line| line.strip_prefix("| "));
        let first = rows.filter_map(|row| row.split(" |").next());
        first.flat_map(words).collect()
    };
    let register = ids(register);
    (register.union(&ids(limits)).cloned().collect(), register)
}

/// What the tests of a source or of all sources name, by their functions.
type Named = BTreeMap<String, BTreeSet<String>>;

/// Adds what the comments directly above tests in the sources of `folder` name.
fn collect(folder: &Path, named: &mut Named) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, named);
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            for (test, ids) in tests(&fs::read_to_string(&path).unwrap()) {
                named.entry(test).or_default().extend(ids);
            }
        }
    }
}

/// What the comments above the tests of a source name.
fn tests(text: &str) -> Named {
    let (mut found, mut above) = (Named::new(), Vec::new());
    let (mut naming, mut is_test, mut left_out) = (false, false, false);
    for line in text.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix("///") {
            let starts = ["Register:", "Limit:"];
            let rest = starts
                .iter()
                .find_map(|start| Some(comment.split_once(start)?.1));
            if naming {
                above.extend(words(comment));
            } else if let Some(rest) = rest {
                above.extend(words(rest));
            }
            naming = rest.is_some() || (naming && !comment.trim().is_empty());
        } else if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if line.starts_with("#[ignore") {
            left_out = true;
        } else if !line.starts_with("#[") {
            if is_test && !left_out {
                let function = line.split_once("fn ").map_or("", |(_, rest)| rest);
                let function = function.split('(').next().unwrap();
                let ids = found.entry(function.to_owned()).or_default();
                ids.extend(above.drain(..));
            }
            above.clear();
            (naming, is_test, left_out) = (false, false, false);
        }
    }
    found
}

/// The planted faults: the name, the function that must fail, and the ids that it then shows.
fn faults() -> Vec<(String, String, Vec<String>)> {
    let text = fs::read_to_string(root().join("scripts/faults.toml")).unwrap();
    let table: toml::Table = text.parse().unwrap();
    let faults = table["fault"].as_array().unwrap().iter();
    let text = |value: &toml::Value| value.as_str().unwrap().to_owned();
    let fault = |fault: &toml::Value| {
        let test = text(&fault["test"]);
        let function = test.rsplit("::").next().unwrap().to_owned();
        let shows = fault["shows"].as_array().unwrap().iter().map(text);
        (text(&fault["name"]), function, shows.collect())
    };
    faults.map(fault).collect()
}

/// The ids in a line of a comment.
fn words(line: &str) -> Vec<String> {
    let words = line.split(|letter: char| !letter.is_ascii_alphanumeric());
    let is_id = |word: &&str| {
        let mut letters = word.chars();
        let front = letters
            .next()
            .is_some_and(|letter| letter.is_ascii_uppercase());
        let rest = letters.as_str();
        front && !rest.is_empty() && rest.chars().all(|letter| letter.is_ascii_digit())
    };
    words.filter(is_id).map(str::to_owned).collect()
}

fn named() -> Named {
    let mut named = Named::new();
    for part in ["engine", "simulator", "experiments"] {
        collect(&root().join(part), &mut named);
    }
    named
}

fn excused(lists: &[&[&str]]) -> BTreeSet<String> {
    let ids = lists.iter().copied().flatten();
    ids.map(|id| (*id).to_owned()).collect()
}

#[test]
fn every_entry_of_the_register_is_named_by_a_test() {
    let ((all, register), named) = (defined(), named());
    let named: BTreeSet<String> = named.into_values().flatten().collect();
    assert_eq!(register.len(), 118);
    let limits: Vec<&String> = all.iter().filter(|id| id.starts_with('L')).collect();
    assert_eq!(limits.len(), 13);
    let missing: BTreeSet<String> = register.difference(&named).cloned().collect();
    let excused = excused(&[&NOT_SHOWN, &BY_THE_GATE]);
    assert_eq!(missing, excused, "without a test, and excused");
    let limits: Vec<&&String> = limits.iter().filter(|id| !named.contains(**id)).collect();
    assert!(limits.is_empty(), "no test names {limits:?}");
}

/// Limits and invariants too: what nobody can break unnoticed has a fault that tries.
#[test]
fn every_entry_has_a_planted_fault_that_makes_a_test_of_it_fail() {
    let ((all, _), named) = (defined(), named());
    let mut shown = BTreeSet::new();
    for (fault, test, ids) in faults() {
        let names = named.get(&test);
        for id in ids {
            let is_named = names.is_some_and(|names| names.contains(&id));
            assert!(is_named, "{fault}: its test does not name {id}");
            shown.insert(id);
        }
    }
    let missing: BTreeSet<String> = all.difference(&shown).cloned().collect();
    let excused = excused(&WITHOUT_A_FAULT);
    assert_eq!(missing, excused, "without a planted fault, and excused");
}

#[test]
fn every_id_that_a_test_names_is_defined() {
    let (defined, _) = defined();
    let named: BTreeSet<String> = named().into_values().flatten().collect();
    let unknown: Vec<&String> = named.difference(&defined).collect();
    assert!(unknown.is_empty(), "docs/limits.md lacks {unknown:?}");
}

#[test]
fn an_id_counts_only_directly_above_a_test() {
    let text = "/// Register: M1,\n/// M2. Limit: L5.\n#[tokio::test]\nfn a() {}\n\
                /// Register: M5.\n#[test]\n#[ignore = \"slow\"]\nfn c() {}\n\
                /// Register: M3.\nfn helper() {}\n// Register: M4.\n#[test]\nfn b() {}\n";
    let named: Vec<String> = tests(text).into_values().flatten().collect();
    assert_eq!(named, ["L5", "M1", "M2"]);
}
