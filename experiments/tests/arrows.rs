//! The arrows between the crates, drawn from `cargo metadata`: they go down only, and a comparison
//! builds what it needs and nothing else.

#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Every crate and its level. One may depend on those of lower levels, for tests too.
const LEVELS: [(&str, u32); 8] = [
    ("fairhaul-core", 0),
    ("fairhaul-config", 1),
    ("fairhaul-results", 1),
    ("fairhaul-client", 2),
    ("fairhaul-simulator", 2),
    ("fairhaul", 3),
    ("fairhaul-lab", 3),
    ("fairhaul-emulate", 4),
];

/// What a comparison does not need: encryption, HTTP, an async runtime, real nodes.
const NOT_IN_THE_LAB: [&str; 9] = [
    "aws-lc-rs",
    "axum",
    "fairhaul",
    "fairhaul-client",
    "fairhaul-emulate",
    "hyper",
    "rustls",
    "tokio",
    "tun-rs",
];

fn metadata(more: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(more)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{talk}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn arrows_between_the_crates_go_down_only() {
    let metadata = metadata(&["--no-deps"]);
    let levels = BTreeMap::from(LEVELS);
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeSet<&str> = packages
        .iter()
        .map(|package| text(&package["name"]))
        .collect();
    assert_eq!(
        names,
        levels.keys().copied().collect(),
        "each crate has its level"
    );
    for package in packages {
        let from = text(&package["name"]);
        for dependency in package["dependencies"].as_array().unwrap() {
            let to = text(&dependency["name"]);
            let Some(level) = levels.get(to) else {
                continue;
            };
            assert!(levels[from] > *level, "{from} must not depend on {to}");
        }
    }
}

/// `cargo run --release` at the root builds the lab: the crates below it in the graph, those of
/// its own tests left out.
#[test]
fn a_comparison_builds_no_encryption_no_http_and_no_async_runtime() {
    let metadata = metadata(&["--filter-platform", "x86_64-unknown-linux-gnu"]);
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeMap<&str, &str> = packages
        .iter()
        .map(|package| (text(&package["id"]), text(&package["name"])))
        .collect();
    let defaults = metadata["workspace_default_members"].as_array().unwrap();
    let defaults: Vec<&str> = defaults.iter().map(|id| names[text(id)]).collect();
    assert_eq!(defaults, ["fairhaul-lab"]);
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let below: BTreeMap<&str, Vec<&str>> = nodes
        .iter()
        .map(|node| {
            let built = node["deps"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|dependency| {
                    let kinds = dependency["dep_kinds"].as_array().unwrap();
                    kinds.iter().any(|kind| kind["kind"] != "dev")
                });
            let built = built.map(|dependency| text(&dependency["pkg"]));
            (text(&node["id"]), built.collect())
        })
        .collect();
    let lab = names
        .iter()
        .find(|(_, name)| **name == "fairhaul-lab")
        .unwrap();
    let (mut found, mut todo) = (BTreeSet::new(), vec![*lab.0]);
    while let Some(id) = todo.pop() {
        if found.insert(names[id]) {
            todo.extend(&below[id]);
        }
    }
    assert!(
        found.contains("fairhaul-core") && found.contains("kuva"),
        "{found:?}"
    );
    for name in NOT_IN_THE_LAB {
        assert!(!found.contains(name), "the lab builds {name}");
    }
}
