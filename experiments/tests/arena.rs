//! The arena: policies against adversaries, each cell beside the one in which everybody complies.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test may fail as the test does"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fairhaul_config::policy::ChokerName;
use fairhaul_lab::scenario::{Scenario, SweepPart};
use fairhaul_simulator::behaviour::{BUNDLES, Behaviour};
use fairhaul_simulator::setup::Setup;
use lab::{Lab, tables};

mod lab;

/// Two populations of six and a seed, two policies, a free rider and one that keeps the last chunk
/// back from nobody.
const SMALL: &str = r#"
[scenario]
name = "small"
about = "a small arena"
horizon = "1 h"
network = "block"
connection-window = "64 KiB"

[policy]
unchoke = "none"
seed-rule = "even"
block = "16 KiB"

[[peer]]
name = "seed"
class = "seed"
up = "100 kB/s"

[[class]]
name = "other"
count = 4
up = { uniform = ["90 kB/s", "110 kB/s"] }
arrival = { within = "3 s" }
linger = "0 s"

[[class]]
name = "deviant"
count = 2
up = { uniform = ["90 kB/s", "110 kB/s"] }
arrival = { within = "3 s" }
linger = "0 s"

[[content]]
name = "content"
bytes = "512 KiB"
chunk = "32 KiB"
seeds = "seed"
leechers = ["other", "deviant"]

[deviation]
class = "deviant"

[sweep]
population = [{ name = "four" }, { name = "five", "class.other.count" = 5 }]
"policy.unchoke" = ["none", "bounded-deficit", "tit-for-tat"]
"class.deviant.behaviour" = ["compliant", "free-rider", "sybil"]

[replication]
seed = 3
count = 2

[output]
windows = []
files = ["runs"]
"#;

fn lab() -> Lab {
    let lab = Lab::new(SMALL);
    let folder = lab.path("experiments/scenarios");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("arena.toml"), SMALL).unwrap();
    lab
}

fn shipped() -> Scenario {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/arena.toml");
    Scenario::load(Path::new(file)).unwrap()
}

/// Rows of `deviation.csv` as maps would be read: the values of the columns that are asked for.
fn column<'a>(table: &'a str, name: &str) -> Vec<&'a str> {
    let mut lines = table.lines();
    let at = lines.next().unwrap().split(',').position(|own| own == name);
    let at = at.unwrap();
    lines.map(|line| line.split(',').nth(at).unwrap()).collect()
}

#[test]
fn the_shipped_arena_has_every_policy_and_every_adversary() {
    let scenario = shipped();
    let policies = scenario.values("policy");
    for name in ChokerName::names() {
        assert!(policies.contains(&name), "{name}");
    }
    let adversaries = scenario.values("class.deviant.behaviour");
    for bundle in BUNDLES {
        assert!(adversaries.contains(&bundle.name), "{}", bundle.name);
    }
    assert!(policies.len() >= 12 && adversaries.len() > 11);
    assert_eq!(scenario.values("population").len(), 3);
    assert!(scenario.plan().replications >= 10);
}

/// The setup without what the deviants do.
fn as_if_compliant(mut setup: Setup) -> Setup {
    for peer in setup.peers.iter_mut().filter(|peer| peer.deviant) {
        peer.behaviour = Behaviour::default();
    }
    setup
}

// Of each policy and population: whatever the adversary is, replication 1 has the same peers, links
// and times, and it is another one than replication 0.
#[test]
fn cells_that_are_compared_differ_in_the_behaviour_alone() {
    let part = SweepPart {
        values: vec![("policy".to_owned(), vec!["swift".to_owned()])],
        ..SweepPart::default()
    };
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/arena.toml");
    let scenario = Scenario::load_part(Path::new(file), &part).unwrap();
    for population in scenario.values("population") {
        let label = format!("population={population} ");
        let cells = scenario.cells();
        let cells: Vec<_> = cells
            .iter()
            .filter(|cell| cell.label().starts_with(&label))
            .collect();
        assert_eq!(cells.len(), 1 + BUNDLES.len());
        let complying = cells[0].resolve(1).unwrap();
        assert_eq!(
            complying.peers.iter().filter(|peer| peer.deviant).count(),
            2
        );
        assert_ne!(complying.peers, cells[0].resolve(0).unwrap().peers);
        for cell in &cells[1..] {
            let deviating = cell.resolve(1).unwrap();
            assert_ne!(deviating, complying, "{}", cell.label());
            assert_eq!(as_if_compliant(deviating), complying, "{}", cell.label());
        }
    }
}

#[test]
fn the_arena_gives_three_matrices_with_what_is_promised() {
    let lab = lab();
    let said = lab.ok("arena");
    assert!(said.contains("bounded-deficit"), "{said}");
    let out = lab.path("out/small");
    let table = fs::read_to_string(out.join("deviation.csv")).unwrap();
    // 2 populations, 3 policies, 2 adversaries, 4 metrics.
    assert_eq!(table.lines().count(), 1 + 2 * 3 * 2 * 4, "{table}");
    assert!(column(&table, "n").iter().all(|n| *n == "2"), "{table}");
    let metrics: BTreeSet<&str> = column(&table, "metric").into_iter().collect();
    assert_eq!(metrics.len(), 4);
    let bounds = column(&table, "policy.unchoke").into_iter();
    let bounds: Vec<(&str, &str, &str)> = bounds
        .zip(column(&table, "metric"))
        .zip(column(&table, "bound"))
        .map(|((policy, metric), bound)| (policy, metric, bound))
        .collect();
    for (policy, metric, bound) in bounds {
        let has = policy == "bounded-deficit" && metric == "leak-of-others";
        assert_eq!(!bound.is_empty(), has, "{policy} {metric} {bound}");
    }
    for name in ["gain", "harm", "leak"] {
        for ending in ["svg", "png", "pdf"] {
            assert!(
                out.join(format!("figures/deviation-{name}.{ending}"))
                    .is_file()
            );
        }
        assert!(out.join(format!("tables/{name}.csv")).is_file());
    }
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("<h2>Deviation</h2>"));
    assert!(page.contains("a peer is sent at most two chunks"), "{page}");
    assert!(lab.manifest("out/small")["files"]["deviation.csv"].is_string());
}

// Nothing but what bounded deficit grants reaches a rider from other leechers: it is told to be
// within the bound by the runs, and is beyond none.
#[test]
fn a_bound_that_is_kept_is_said_to_be_kept() {
    let lab = lab();
    lab.ok("arena --policies bounded-deficit --adversaries free-rider");
    let table = fs::read_to_string(lab.path("out/small/deviation.csv")).unwrap();
    let rows = table
        .lines()
        .filter(|line| line.contains(",leak-of-others,"));
    let verdicts: Vec<&str> = rows.map(|line| line.rsplit(',').next().unwrap()).collect();
    assert_eq!(verdicts.len(), 2, "{table}");
    for verdict in verdicts {
        assert!(verdict.starts_with("within the bound"), "{table}");
    }
}

#[test]
fn an_ordinary_sweep_and_a_sweep_in_parts_give_the_same_tables() {
    let lab = lab();
    lab.ok("arena");
    let whole = tables(&lab.path("out/small"));
    lab.ok("sweep experiments/scenarios/arena.toml --out swept");
    assert_eq!(tables(&lab.path("swept")), whole);
    for number in [1, 2, 3] {
        lab.ok(&format!("arena --out parts --shard {number}/3"));
    }
    lab.ok("merge parts");
    assert_eq!(tables(&lab.path("parts")), whole);
    let script = lab.ok("arena --policies none --slurm 4");
    let command = "arena experiments/scenarios/arena.toml --out out/small --policies none";
    assert!(script.contains(command), "{script}");
}

#[test]
fn a_part_of_the_arena_has_the_numbers_of_the_whole() {
    let lab = lab();
    let whole = lab.json("arena --json");
    let part = lab.json("arena --policies tit-for-tat --adversaries sybil --out part --json");
    assert_eq!(part.len(), 2 * 4);
    let own = |row: &&serde_json::Value| {
        row["policy.unchoke"] == "tit-for-tat" && row["class.deviant.behaviour"] == "sybil"
    };
    assert_eq!(part, whole.iter().filter(own).cloned().collect::<Vec<_>>());
    assert_eq!(lab.ok("arena --resume"), lab.ok("arena --resume"));
    lab.ok("arena --quick --out quick");
    let quick = fs::read_to_string(lab.path("quick/deviation.csv")).unwrap();
    assert_eq!(quick.lines().count(), 1 + 3 * 2 * 4, "{quick}");
}

#[test]
fn what_the_arena_does_not_have_is_refused() {
    let lab = lab();
    let unknown = |words: &str| lab.refused(words);
    let policies =
        "--policies: has no such value; got \"drr\"; allowed none, bounded-deficit, tit-for-tat";
    assert_eq!(unknown("arena --policies drr"), (policies.to_owned(), 2));
    let adversaries = "--adversaries: has no such value; got \"x\"; allowed free-rider, sybil";
    assert_eq!(
        unknown("arena --adversaries x"),
        (adversaries.to_owned(), 2)
    );
    let compliant = adversaries.replace("\"x\"", "\"compliant\"");
    assert_eq!(unknown("arena --adversaries compliant"), (compliant, 2));
    fs::write(lab.path("plain.toml"), lab::SCENARIO).unwrap();
    let plain = "plain.toml: has no [deviation], so nobody deviates";
    assert_eq!(unknown("arena plain.toml"), (plain.to_owned(), 3));
    fs::remove_file(lab.path("experiments/scenarios/arena.toml")).unwrap();
    let missing = "experiments/scenarios/arena.toml:1:file: cannot be opened; got entity not \
                   found; allowed a regular file that can be read";
    assert_eq!(unknown("arena"), (missing.to_owned(), 3));
}
