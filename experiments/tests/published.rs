//! Published experiments: each file is one, and a claim is held against what the runs show.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test may fail as the test does"
)]

use std::fs;
use std::path::Path;

use fairhaul_lab::scenario::Scenario;
use lab::{Lab, SCENARIO, tables};

mod lab;

/// The scenario of the lab with two claims: one transfer cannot be faster than its link, and fifo
/// does not take ten times as long as drr.
fn experiment() -> String {
    format!(
        "{SCENARIO}\n[published]\nid = \"E0\"\nsource = \"nobody\"\nread = \"all\"\n\
         assumed = \"nothing\"\n\
         [[claim]]\nname = \"links-hold\"\nsays = \"no link is used above its rate\"\n\
         metric = \"uplink_utilisation\"\nat-most = 1.0\n\
         [[claim]]\nname = \"ten-times\"\nsays = \"fifo takes ten times as long\"\n\
         metric = \"completion_mean_s\"\ncells = {{ \"policy.uplink\" = \"fifo\" }}\n\
         over = {{ \"policy.uplink\" = \"drr\" }}\nat-least = 10.0\n"
    )
}

fn lab() -> Lab {
    let lab = Lab::new(SCENARIO);
    let folder = lab.path("experiments/scenarios/published");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("e00-pair.toml"), experiment()).unwrap();
    lab
}

#[test]
fn an_experiment_ends_with_what_became_of_its_claims() {
    let lab = lab();
    assert!(lab.ok("reproduce").starts_with("E0   e00-pair"));
    let said = lab.ok("reproduce E0");
    assert!(
        said.contains("\nlinks-hold: no link is used above its rate\n"),
        "{said}"
    );
    let end = "E0 holds only if ten-times is left out, which fails\n\n";
    assert!(said.ends_with(end), "{said}");
    let out = lab.path("out/published/e00-pair");
    let claims = fs::read_to_string(out.join("claims.csv")).unwrap();
    assert_eq!(claims.lines().count(), 4, "{claims}");
    assert!(out.join("report.html").exists());
    let manifest = lab.manifest("out/published/e00-pair");
    assert!(manifest["files"]["claims.csv"].is_string());
    // The command of the manifest makes the same.
    let command = manifest["command"].as_str().unwrap();
    let words = command.strip_prefix("fairlab ").unwrap();
    let made = tables(&out);
    lab.ok(&format!("{words} --force"));
    assert_eq!(tables(&out), made);
    assert_eq!(lab.ok("reproduce all --resume"), said);
    let rows = lab.json("reproduce e00-pair --force --json");
    assert_eq!(rows.len(), 3);
    let line = "no experiment \"E99\"; there are: all, e00-pair";
    assert_eq!(lab.refused("reproduce E99"), (line.to_owned(), 2));
}

#[test]
fn an_experiment_may_be_made_in_parts() {
    let lab = lab();
    lab.ok("reproduce E0");
    for number in [1, 2] {
        lab.ok(&format!("reproduce E0 --out parts --shard {number}/2"));
    }
    lab.ok("merge parts/e00-pair");
    let whole = tables(&lab.path("out/published/e00-pair"));
    assert!(whole.iter().any(|(name, _)| name == "claims.csv"));
    assert_eq!(tables(&lab.path("parts/e00-pair")), whole);
}

/// What is claimed changes no run: a result goes on after its claims were mended.
#[test]
fn claims_are_no_part_of_what_decides_runs() {
    let lab = lab();
    lab.ok("reproduce E0 --replications 1");
    let file = lab.path("experiments/scenarios/published/e00-pair.toml");
    fs::write(
        file,
        experiment().replace("at-least = 10.0", "at-most = 10.0"),
    )
    .unwrap();
    assert!(lab.ok("reproduce E0 --resume").ends_with("E0 holds\n\n"));
}

#[test]
fn every_shipped_experiment_is_read_and_has_a_number_of_its_own() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/published"));
    let mut ids = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let scenario = Scenario::load(&path).unwrap();
        let experiment = scenario.experiment().unwrap();
        assert!(!experiment.claims.is_empty(), "{}", path.display());
        assert_eq!(
            path.file_stem().unwrap().to_str().unwrap(),
            scenario.plan().name
        );
        ids.push(experiment.id.clone());
    }
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
    assert!(count >= 7, "{ids:?}");
}
