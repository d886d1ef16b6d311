//! Published experiments: each file is one, and a claim is held against what the runs show.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test may fail as the test does"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fairhaul_lab::scenario::{Replications, Scenario};
use fairhaul_simulator::setup::FaultKind;
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
    assert!(lab.ok("reproduce").starts_with("E0         e00-pair"));
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
    lab.ok("reproduce E0");
    let file = lab.path("experiments/scenarios/published/e00-pair.toml");
    fs::write(
        file,
        experiment().replace("at-least = 10.0", "at-most = 10.0"),
    )
    .unwrap();
    let before = runs(&lab);
    // All runs of this are there: the claims are judged again, and nothing is run.
    let said = lab.ok("reproduce E0 --resume");
    assert!(said.ends_with("E0 holds\n\n"), "{said}");
    let claims = fs::read_to_string(lab.path("out/published/e00-pair/claims.csv")).unwrap();
    assert!(!claims.contains("at-least"), "{claims}");
    assert_eq!(runs(&lab), before);
    let manifest = lab.manifest("out/published/e00-pair");
    let text = manifest["scenario"].as_str().unwrap();
    assert!(text.contains("at-most = 10.0"), "{text}");
    let more = lab.ok("reproduce E0 --replications 3 --resume");
    assert!(more.ends_with("E0 holds\n\n"), "{more}");
    assert_ne!(runs(&lab), before);
}

fn runs(lab: &Lab) -> String {
    fs::read_to_string(lab.path("out/published/e00-pair/runs.csv")).unwrap()
}

/// Twenty replications are made two for a first look, and one of one stays one.
#[test]
fn a_first_look_makes_a_tenth_of_the_replications_and_two_at_least() {
    let lab = lab();
    let file = lab.path("experiments/scenarios/published/e00-pair.toml");
    for (count, quick) in [(20, 2), (40, 4), (5, 2), (1, 1)] {
        let counted = experiment().replace("count = 2", &format!("count = {count}"));
        fs::write(&file, counted).unwrap();
        lab.ok("reproduce E0 --quick --force");
        assert_eq!(runs(&lab).lines().count(), 1 + 2 * quick, "{count}");
    }
    let both = lab.run("reproduce E0 --quick --replications 3");
    assert_eq!(both.status.code(), Some(2));
}

/// A number is that of all of its parts, and of no other experiment.
#[test]
fn an_experiment_may_have_parts_with_numbers_of_their_own() {
    let lab = lab();
    let folder = lab.path("experiments/scenarios/published");
    let part = |id: &str, name: &str| {
        let text = experiment().replace("\"E0\"", &format!("\"{id}\""));
        fs::write(folder.join(name), text).unwrap();
    };
    part("E0.part", "e00-part.toml");
    part("E01", "e01-other.toml");
    let ends = |said: &str| said.matches(" holds only if ").count();
    let said = lab.ok("reproduce E0 --quick");
    assert_eq!(ends(&said), 2, "{said}");
    let said = lab.ok("reproduce E0.part --quick --out one");
    assert_eq!(ends(&said), 1, "{said}");
}

/// They are no scenario and have no claims: they are measured behind the experiments, as a whole.
#[test]
fn the_oracles_are_measured_with_all_experiments() {
    let lab = lab();
    let oracle = r#"
[suite]
name = "exact"
about = "one"
seed = 1
[[oracle]]
id = "one"
what = "jain of equals"
kind = "index"
index = "jain"
values = [2, 2]
expected = 1
tolerance = 0.001
unit = "index"
"#;
    fs::write(lab.path("experiments/scenarios/oracles.toml"), oracle).unwrap();
    assert!(lab.ok("reproduce").contains("\noracles "));
    assert!(lab.ok("reproduce oracles").contains("1 of 1 pass"));
    let manifest = lab.manifest("out/published/oracles");
    let command = "fairlab run experiments/scenarios/oracles.toml --out out/published/oracles";
    assert_eq!(manifest["command"], command);
    let said = lab.ok("reproduce all --quick --resume");
    let oracles = said.find("1 of 1 pass").unwrap();
    assert!(said.find("E0 holds only if").unwrap() < oracles, "{said}");
    let line = "oracles are measured as a whole, without --shard and --slurm";
    let refused = lab.refused("reproduce oracles --shard 1/2");
    assert_eq!(refused, (line.to_owned(), 2));
}

/// A file has all fields, a name that its number begins, and claims that lead somewhere: a claim
/// about a metric or a cell that is not there is refused when the file is read.
#[test]
fn every_shipped_experiment_is_read_and_has_a_number_of_its_own() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/published"));
    let (mut ids, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // A note beside a scenario is a part of its page.
        if path.extension().is_some_and(|kind| kind == "md") {
            assert!(path.with_extension("toml").is_file());
            continue;
        }
        let shown = path.display();
        let scenario = Scenario::load(&path).unwrap();
        let experiment = scenario.experiment().unwrap();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        assert_eq!(stem, scenario.plan().name);
        let id = &experiment.id;
        let whole = id.split_once('.').map_or(&**id, |(whole, _)| whole);
        let number: u32 = whole.strip_prefix('E').unwrap().parse().unwrap();
        assert!(stem.starts_with(&format!("e{number:02}-")), "{shown}: {id}");
        numbers.insert(number);
        assert!(ids.insert(id.clone()), "{shown}: {id} is another's");
        for field in [&experiment.source, &experiment.read, &experiment.assumed] {
            assert!(field.len() > 3 && !field.ends_with('.'), "{shown}: {field}");
        }
        let names = experiment.claims.iter().map(|claim| &claim.name);
        let names: BTreeSet<&String> = names.collect();
        assert_eq!(names.len(), experiment.claims.len(), "{shown}");
        // Fewer have no interval, and replications that cannot differ are one observation.
        assert!(scenario.plan().replications >= 6, "{shown}");
        let drawn = scenario.replications().unwrap();
        assert!(!drawn.contains(&Replications::Identical), "{shown}");
        if number == 1 && id == whole {
            assert!(scenario.plan().replications >= 30);
        }
    }
    assert_eq!(numbers, (1..=14).collect());
}

/// A megabyte a second: of ten that one asks for at 1 s two have come when its patience ends at
/// 3 s. Of the others one is short enough, and the patience of the last would end behind the run.
#[test]
fn what_has_not_come_within_its_patience_is_given_up() {
    const IMPATIENT: &str = r#"
[scenario]
name = "impatient"
horizon = "10 s"

[[peer]]
name = "server"
up = "1 MB/s"

[[class]]
name = "client"
count = 2

[[transfer]]
name = "long"
source = "server"
destination = "client.1"
bytes = "10 MB"
start = "1 s"
patience = "2 s"

[[transfer]]
name = "short"
source = "server"
destination = "client.1"
bytes = "500 kB"
start = "4 s"
patience = "2 s"

[[workload]]
name = "late"
source = "server"
destination = "client.2"
arrivals = { poisson = "100 /s" }
sizes = "1 B"
count = 1
start = "9 s"
patience = "5 s"
"#;
    let lab = Lab::new(IMPATIENT);
    let setup = Scenario::load(&lab.path("s.toml")).unwrap().cells()[0]
        .resolve(0)
        .unwrap();
    let given_up = setup.faults.iter().map(|fault| {
        let FaultKind::Abort { transfer } = fault.kind else {
            panic!("{fault:?}");
        };
        (fault.at.as_nanos() / 1_000_000_000, transfer)
    });
    assert_eq!(given_up.collect::<Vec<_>>(), [(3, 0), (6, 1)]);
    lab.ok("run s.toml --out one");
    let text = fs::read_to_string(lab.path("one/runs.csv")).unwrap();
    let mut rows = csv::Reader::from_reader(text.as_bytes());
    let names = rows.headers().unwrap().clone();
    let row = rows.records().next().unwrap().unwrap();
    let value = |name: &str| -> f64 {
        let place = names.iter().position(|column| column == name).unwrap();
        row[place].parse().unwrap()
    };
    assert!((value("received_bytes.long") - 2e6).abs() < 0.3e6);
    assert!((value("received_over_asked.short") - 1.0).abs() < 1e-9);
    assert!((value("transfers_not_finished") - 1.0).abs() < 1e-9);
}
