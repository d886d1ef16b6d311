//! The attack register and the tests stay in step: every entry that the engine has to withstand
//! is named above a test.
//!
//! Decides which entries those are. A test names what it shows in its comment, as in
//! `/// Register: M1, M2.` or `/// Limit: L5.`; one that is left out of an ordinary run shows
//! nothing.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Letters and numbers of the entries, first and last.
const ENTRIES: [(char, u32, u32); 15] = [
    ('L', 1, 11),
    ('W', 1, 12),
    ('H', 1, 16),
    ('C', 1, 8),
    ('D', 1, 5),
    ('D', 8, 10),
    ('F', 1, 1),
    ('F', 3, 8),
    ('M', 1, 16),
    ('P', 1, 2),
    ('P', 5, 5),
    ('P', 7, 8),
    ('P', 10, 10),
    ('O', 1, 4),
    // What peers tell of addresses is built, so its entries count.
    ('X', 1, 6),
];

fn wanted() -> BTreeSet<String> {
    let all = ENTRIES.iter().flat_map(|&(letter, first, last)| {
        (first..=last).map(move |number| format!("{letter}{number}"))
    });
    all.collect()
}

/// Adds what the comments directly above tests in the sources of `folder` name.
fn collect(folder: &Path, named: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, named);
            }
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            named.extend(ids(&fs::read_to_string(&path).unwrap()));
        }
    }
}

/// What the comments above the tests of a source name.
fn ids(text: &str) -> BTreeSet<String> {
    let (mut found, mut above) = (BTreeSet::new(), Vec::new());
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
                found.extend(above.drain(..));
            }
            above.clear();
            (naming, is_test, left_out) = (false, false, false);
        }
    }
    found
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

#[test]
fn every_entry_of_the_register_is_named_by_a_test() {
    let mut named = BTreeSet::new();
    collect(Path::new(env!("CARGO_MANIFEST_DIR")), &mut named);
    let missing: Vec<String> = wanted().difference(&named).cloned().collect();
    assert!(missing.is_empty(), "no test names {}", missing.join(", "));
}

#[test]
fn an_id_counts_only_directly_above_a_test() {
    let text = "/// Register: M1,\n/// M2. Limit: L5.\n#[tokio::test]\nfn a() {}\n\
                /// Register: M5.\n#[test]\n#[ignore = \"slow\"]\nfn c() {}\n\
                /// Register: M3.\nfn helper() {}\n// Register: M4.\n#[test]\nfn b() {}\n";
    let named: Vec<String> = ids(text).into_iter().collect();
    assert_eq!(named, ["L5", "M1", "M2"]);
}
