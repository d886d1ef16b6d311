//! `fairlab search` in a small swarm: what it finds, that a find shows its gain by itself, and what
//! it refuses.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test may fail as the test does"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};

use fairhaul_lab::scenario::Scenario;
use lab::{Lab, tables};

mod lab;

/// Twelve peers that know three others each, and one that may deviate. The seed alone would take
/// thirteen times as long as all together.
const SWARM: &str = r#"
scenario = { name = "small", network = "block", latency = "20 ms", horizon = "30 min" }
policy = { slots = 2, block = "16 KiB", seed-rule = "round-robin", timeouts = "default" }
peer = [{ name = "seed", class = "seed", up = "100 kB/s" }]
content = [{ name = "c", bytes = "3 MiB", chunk = "32 KiB", seeds = "seed", leechers = "other" }]
class = [{ name = "other", count = 13, up = { uniform = ["95 kB/s", "105 kB/s"] }, arrival = { within = "5 s" }, neighbours = 3, linger = "0 s" }]
"#;

/// Rows of a table, by column.
fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header = reader.headers().unwrap().clone();
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        let pairs = header.iter().zip(&row);
        pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    });
    rows.collect()
}

fn number(row: &BTreeMap<String, String>, key: &str) -> f64 {
    row[key].parse().unwrap()
}

const SEARCH: &str = "search s.toml --policy tit-for-tat --budget 700 --out found";

/// Nothing says where to look: the larger view comes out of all settings. The scenario of each find
/// has the same gain by itself, to the last digit.
#[test]
fn a_large_view_is_found_under_tit_for_tat_and_each_find_shows_its_gain_by_itself() {
    let lab = Lab::new(SWARM);
    let said = lab.ok(SEARCH);
    let finds = rows(&lab.path("found/finds.csv"));
    let large = finds.iter().find(|find| find["view"] == "all");
    let large = large.unwrap_or_else(|| panic!("{said}"));
    assert_eq!(large["confirmed"], "true", "{said}");
    assert!(number(large, "ci_lo") > 1.0, "{said}");
    for find in &finds {
        let file = &find["find"];
        let text = fs::read_to_string(lab.path("found").join(file)).unwrap();
        assert!(text.lines().count() <= 20, "{text}");
        assert!(said.contains(&format!("({file}")), "{said}");
        let swept = lab.ok(&format!("sweep found/{file} --out again --force"));
        assert!(
            swept.contains("gain: who deviates is done sooner"),
            "{swept}"
        );
        let claims = rows(&lab.path("again/claims.csv"));
        assert_eq!(claims.len(), 1, "{claims:?}");
        for (of_find, of_claim) in [
            ("n", "n"),
            ("gain", "value"),
            ("ci_lo", "ci_lo"),
            ("ci_hi", "ci_hi"),
        ] {
            assert_eq!(find[of_find], claims[0][of_claim], "{file}: {of_find}");
        }
        if find["confirmed"] == "true" {
            assert_eq!(claims[0]["verdict"], "holds", "{file}");
        }
    }
    // Each find is another one: none departs in all settings of an earlier one.
    let settings = [
        "view",
        "serves",
        "announces",
        "withholds",
        "identities",
        "rejoins",
        "drains",
    ];
    let honest = ["neighbours", "policy", "truth", "nothing", "1", "", ""];
    let mut departs: Vec<Vec<usize>> = Vec::new();
    for number in 1..=finds.len() {
        let file = format!("find-{number}.toml");
        let find = finds.iter().find(|find| find["find"] == file).unwrap();
        let own = (0..settings.len()).filter(|at| find[settings[*at]] != honest[*at]);
        let own: Vec<usize> = own.collect();
        assert!(!own.is_empty());
        assert!(
            !departs
                .iter()
                .any(|before| before.iter().all(|at| own.contains(at)))
        );
        departs.push(own);
    }
}

#[test]
fn a_search_is_the_same_with_any_number_of_threads_and_keeps_its_budget() {
    let lab = Lab::new(SWARM);
    let words = "search s.toml --policy swift --budget 260 --seed 3";
    lab.ok(&format!("{words} --jobs 1 --out one"));
    lab.ok(&format!("{words} --jobs 3 --out three"));
    assert_eq!(tables(&lab.path("one")), tables(&lab.path("three")));
    let manifest = lab.manifest("one");
    let runs = manifest["runs"].as_u64().unwrap();
    assert!((100..=260).contains(&runs), "{runs}");
    assert_eq!(manifest["seed"], 3);
    assert_eq!(
        manifest["command"],
        format!("fairlab {words} --jobs 1 --out one")
    );
    for file in ["tried.csv", "finds.csv"] {
        assert!(manifest["files"][file].is_string(), "{file}");
    }
    let tried = rows(&lab.path("one/tried.csv"));
    // Who complies is tried first, and gains nothing.
    assert_eq!(number(&tried[0], "gain").to_string(), "1");
    let last = tried.iter().map(|row| number(row, "runs_used"));
    assert!(last.fold(0.0, f64::max) <= 260.0);
    let made: f64 = tried.iter().map(|row| number(row, "n")).sum();
    assert!(made <= runs as f64, "{made} of {runs}");
}

/// The first start is the protocol itself; the seed draws where the next ones begin.
#[test]
fn another_seed_starts_again_elsewhere() {
    let lab = Lab::new(SWARM);
    let words = "search s.toml --policy swift --budget 420";
    lab.ok(&format!("{words} --seed 3 --out three"));
    lab.ok(&format!("{words} --seed 4 --out four"));
    assert_ne!(tables(&lab.path("three")), tables(&lab.path("four")));
}

#[test]
fn what_a_search_cannot_do_is_refused_in_one_line() {
    let lab = Lab::new(SWARM);
    for (words, code, line) in [
        (
            "--policy tit-for-tet",
            2,
            "--policy: is an unknown policy, did you mean \"tit-for-tat\"; got tit-for-tet; allowed ",
        ),
        (
            "--policy swift --class seed",
            2,
            "--class: is an unknown class; got seed; allowed other",
        ),
        (
            "--policy swift --budget 249",
            2,
            "--budget: is out of range; got 249; allowed 250 to 10000000 runs",
        ),
        (
            "--policy swift --cell 1",
            2,
            "--cell: got 1; allowed 0 to 0",
        ),
        (
            "--policy swift --jobs 0",
            2,
            "--jobs: got 0; allowed 1 to 1024, and without it one for each core",
        ),
    ] {
        let (said, found) = lab.refused(&format!("search s.toml {words}"));
        assert!(said.starts_with(line) && found == code, "{said}");
        assert!(!lab.path("out").exists(), "{words}");
    }
    fs::write(
        lab.path("s.toml"),
        SWARM.replace("block\", latency", "fluid\", latency"),
    )
    .unwrap();
    let (said, code) = lab.refused("search s.toml --policy fairtorrent");
    let line =
        ":policy.unchoke: decides block by block whose turn it is, and a fluid has no blocks";
    assert!(said.contains(line) && code == 3, "{said}");
    let (said, code) = lab.refused("search nothing.toml --policy swift");
    assert!(
        said.starts_with("nothing.toml:1:file: ") && code == 3,
        "{said}"
    );
}

/// A peer of a class with several leaves it; a class of transfers has nobody who could.
#[test]
fn a_class_has_to_want_a_content() {
    let lab = Lab::new(lab::SCENARIO);
    let (said, code) = lab.refused("search s.toml --policy swift");
    let line = "--class: has nobody who could deviate; got nothing; allowed none: no class wants \
                a [[content]]";
    assert_eq!((said.as_str(), code), (line, 2));
    let (said, _) = lab.refused("search s.toml --policy swift --class client");
    assert!(
        said.starts_with("--class: wants no content; got client; "),
        "{said}"
    );
}

/// A find lies in another folder than its scenario, and has its data beside it.
#[test]
fn a_find_carries_the_data_of_its_scenario() {
    let lab = Lab::new(&SWARM.replace("latency = \"20 ms\"", "latency = \"../data/near.csv\""));
    fs::create_dir_all(lab.path("scenarios")).unwrap();
    fs::create_dir_all(lab.path("data")).unwrap();
    fs::rename(lab.path("s.toml"), lab.path("scenarios/s.toml")).unwrap();
    fs::write(
        lab.path("data/near.csv"),
        "from,to,one_way_ms\nhere,here,10\n",
    )
    .unwrap();
    let said = lab.ok("search scenarios/s.toml --policy tit-for-tat --budget 300 --out found");
    let finds = rows(&lab.path("found/finds.csv"));
    assert!(!finds.is_empty(), "{said}");
    let scenario = lab.path("found").join(&finds[0]["find"]);
    fs::remove_dir_all(lab.path("data")).unwrap();
    Scenario::load(&scenario).unwrap();
}

// A budget that no test would wait for, so it is at work when the signal comes.
#[test]
fn a_search_that_is_interrupted_keeps_what_it_found() {
    let lab = Lab::new(SWARM);
    let words = "search s.toml --policy tit-for-tat --budget 10000000 --jobs 1 --out found";
    let mut child = lab
        .command(words)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut talk = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    talk.read_line(&mut line).unwrap();
    assert_eq!(line, "seed 1, at most 10000000 runs\n");
    while !lab.path("found/find-1.toml").exists() {
        std::thread::yield_now();
    }
    let interrupt = format!("kill -INT {}", child.id());
    let killed = Command::new("sh").args(["-c", &interrupt]).status();
    assert!(killed.unwrap().success());
    let mut rest = String::new();
    talk.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    assert!(rest.contains("what was found is in found"), "{rest}");
    let finds = rows(&lab.path("found/finds.csv"));
    assert!(finds.iter().any(|find| find["find"] == "find-1.toml"));
    assert!(rows(&lab.path("found/tried.csv")).len() > 20);
    assert!(!lab.path("found/manifest.json").exists());
    let line = "found: holds what an interrupted search has found; --force replaces it, and \
                another --out leaves it alone";
    assert_eq!(lab.refused(words), (line.to_owned(), 2));
    lab.ok("search s.toml --policy tit-for-tat --budget 250 --out found --force");
    assert_eq!(lab.manifest("found")["seed"], 1);
    let line = "found: holds a result; --force replaces it, and another --out leaves it alone";
    assert_eq!(lab.refused(words), (line.to_owned(), 2));
}

#[test]
fn finds_are_printed_as_json() {
    let lab = Lab::new(SWARM);
    let finds = lab.json(&format!("{SEARCH} --json"));
    assert!(!finds.is_empty());
    assert!(
        finds
            .iter()
            .all(|find| find["gain"].is_number() && find["confirmed"].is_boolean())
    );
}
