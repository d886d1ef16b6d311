//! What a new user of `fairlab` meets in a terminal: each trap is one line and an exit code.

#![allow(
    clippy::unwrap_used,
    reason = "the helpers of a test may fail as the test does"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use fairhaul_lab::output::ResultDir;
use lab::{Lab, SCENARIO, tables};
use serde_json::Value;

mod lab;

// What a machine is set to changes no byte of a result: language and its decimal comma, time zone,
// a home that is not there, a width and colours of a terminal, more or fewer threads, and words of
// its own in the environment.
/// Register: I9.
#[test]
fn the_environment_has_no_effect_on_a_result() {
    let all = "LANG=C LC_ALL=C TZ=UTC";
    let others = [
        "LANG=de_DE.UTF-8 LC_ALL=de_DE.UTF-8 LC_NUMERIC=fr_FR.UTF-8 LANGUAGE=ar TZ=Asia/Kathmandu",
        "LC_ALL=tr_TR.UTF-8 TZ=:America/St_Johns HOME=/nonexistent XDG_CONFIG_HOME=/nonexistent",
        "COLUMNS=20 LINES=3 TERM=dumb NO_COLOR=1 CLICOLOR_FORCE=1 RUST_LOG=trace RAYON_NUM_THREADS=1",
        "TZ=nowhere LANG= LC_ALL= PATH= TMPDIR=/nonexistent RUST_BACKTRACE=full POSIXLY_CORRECT=1",
    ];
    let made = |settings: &str| {
        let lab = Lab::new(SCENARIO);
        let mut command = lab.command("sweep s.toml");
        command.env_clear();
        command.envs(
            settings
                .split(' ')
                .map(|pair| pair.split_once('=').unwrap()),
        );
        let output = command.output().unwrap();
        let talk = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{settings}: {talk}");
        (output.stdout, tables(&lab.path("out/pair")))
    };
    let (said, first) = made(all);
    assert!(
        first.iter().any(|(name, _)| name == "runs.csv"),
        "{first:?}"
    );
    for settings in others {
        let (other, tables) = made(settings);
        assert!(tables == first, "{settings}");
        // The picture is as wide as whoever looks at it says.
        if !settings.contains("COLUMNS") {
            assert_eq!(other, said, "{settings}");
        }
    }
}

#[test]
fn json_has_numbers_and_null_in_every_command_that_prints_a_table() {
    let lab = Lab::new(SCENARIO);
    let summary = lab.json("sweep s.toml --json");
    assert!(
        summary
            .iter()
            .all(|row| row["mean"].is_number() && row["n"].is_u64())
    );
    assert!(summary.iter().all(|row| row["metric"].is_string()));
    assert!(summary.iter().any(|row| row["ci_lo"].is_number()));
    // An interval of a median needs more than two replications.
    assert!(summary.iter().all(|row| row["median_ci_lo"].is_null()));
    let paired = lab.json("compare out/pair --json");
    assert!(paired.iter().all(|row| row["difference"].is_number()));
    assert!(paired.iter().all(|row| row["verdict"].is_string()));
    let alone = lab.json("run s.toml --cell 1 --out alone --json");
    assert!(
        alone
            .iter()
            .all(|row| row["sd"].is_null() && row["mean"].is_number())
    );
    let oracle = "[suite]\nname = \"o\"\nabout = \"x\"\nseed = 1\n\
        [[oracle]]\nid = \"O\"\nwhat = \"bound\"\nunit = \"s\"\nexpected = 1\nrelation = \"at-least\"\n\
        tolerance = 0\nkind = \"golden-order\"\ndiscipline = \"fifo\"\n";
    fs::write(lab.path("o.toml"), oracle).unwrap();
    let output = lab.run("run o.toml --json");
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        rows[0]["pass"].is_boolean() && rows[0]["standard_error"].is_null(),
        "{rows:?}"
    );
    assert!(rows[0]["got"][0].is_number() && rows[0]["tolerance"].is_number());
}

#[test]
fn a_finished_result_is_replaced_only_by_force() {
    let lab = Lab::new(SCENARIO);
    lab.ok("sweep s.toml");
    let before = tables(&lab.path("out/pair"));
    let line = "out/pair: holds a finished result; --resume keeps its runs and makes those that \
                are missing, --force replaces it, and another --out leaves it alone";
    for again in [
        "sweep s.toml",
        "run s.toml",
        "run s.toml --cell 1",
        "sweep s.toml --json",
    ] {
        assert_eq!(lab.refused(again), (line.to_owned(), 2), "{again}");
    }
    assert_eq!(tables(&lab.path("out/pair")), before);
    lab.ok("run s.toml --out other");
    lab.ok("run s.toml --force");
    assert_ne!(tables(&lab.path("out/pair")), before);
    lab.ok("sweep s.toml --force");
    assert_eq!(tables(&lab.path("out/pair")), before);
    assert_eq!(lab.manifest("out/pair")["command"], "fairlab sweep s.toml");
    let both = lab.run("sweep s.toml --force --resume");
    assert_eq!(both.status.code(), Some(2));
}

// A mark stands in the place of a table: whatever writes the tables again would replace it.
#[test]
fn resuming_a_finished_result_computes_nothing_and_touches_nothing() {
    let lab = Lab::new(SCENARIO);
    lab.ok("sweep s.toml");
    let picture = lab.ok("sweep s.toml --out same");
    let mark = lab.path("out/pair/peers.csv");
    fs::write(&mark, "not computed again").unwrap();
    assert_eq!(lab.ok("sweep s.toml --resume"), picture);
    assert_eq!(lab.ok("run s.toml --resume"), picture);
    assert_eq!(fs::read_to_string(&mark).unwrap(), "not computed again");
}

#[test]
fn resuming_adds_replications_as_if_all_had_been_made_at_once() {
    let lab = Lab::new(SCENARIO);
    lab.ok("run s.toml");
    lab.ok("sweep s.toml --resume");
    lab.ok("sweep s.toml --replications 5 --resume");
    lab.ok("sweep s.toml --replications 5 --out fresh");
    assert_eq!(tables(&lab.path("out/pair")), tables(&lab.path("fresh")));
    let command = "fairlab sweep s.toml --replications 5";
    assert_eq!(lab.manifest("out/pair")["command"], command);
    assert_eq!(lab.manifest("out/pair")["runs"], 10);
    // The number in the file counts as well, and fewer take nothing away.
    fs::write(
        lab.path("s.toml"),
        SCENARIO.replace("count = 2", "count = 6"),
    )
    .unwrap();
    lab.ok("sweep s.toml --resume");
    lab.ok("sweep s.toml --replications 3 --resume");
    assert_eq!(lab.manifest("out/pair")["runs"], 12);
}

#[test]
fn only_runs_of_the_same_plan_are_resumed() {
    let lab = Lab::new(SCENARIO);
    lab.ok("sweep s.toml");
    let before = tables(&lab.path("out/pair"));
    for (from, to) in [
        ("8 Mbit/s", "9 Mbit/s"),
        ("count = 2", "seed = 7\ncount = 2"),
    ] {
        fs::write(lab.path("s.toml"), SCENARIO.replace(from, to)).unwrap();
        let line = "out/pair: holds runs of another scenario, seed or build; --force replaces \
                    them, and another --out leaves them alone";
        assert_eq!(lab.refused("sweep s.toml --resume"), (line.to_owned(), 2));
    }
    assert_eq!(tables(&lab.path("out/pair")), before);
}

#[test]
fn a_result_whose_tables_were_changed_or_lost_is_not_added_to() {
    let lab = Lab::new(SCENARIO);
    lab.ok("sweep s.toml");
    let peers = lab.path("out/pair/peers.csv");
    let whole = fs::read(&peers).unwrap();
    let more = "sweep s.toml --replications 3 --resume";
    fs::write(&peers, "changed").unwrap();
    let line = "out/pair/peers.csv: is not what the manifest has the digest of";
    assert_eq!(lab.refused(more), (line.to_owned(), 3));
    fs::remove_file(&peers).unwrap();
    let line = "out/pair: no peers.csv; is this the directory of a finished result?";
    assert_eq!(lab.refused(more), (line.to_owned(), 3));
    fs::write(&peers, whole).unwrap();
    lab.ok(more);
}

// In a folder of its own the default comparison is this scenario. Its result is made, shown, and
// made again when the scenario is another one; one that somebody made otherwise stays.
#[test]
fn without_a_command_the_default_comparison_is_made_once_and_again_when_it_changes() {
    let lab = Lab::new(SCENARIO);
    let folder = lab.path("experiments/scenarios");
    fs::create_dir_all(&folder).unwrap();
    let default = folder.join("default.toml");
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fairlab"));
        command.current_dir(lab.0.path()).output().unwrap()
    };
    fs::write(&default, SCENARIO).unwrap();
    let first = run();
    assert!(first.status.success());
    let again = run();
    assert_eq!(again.stdout, first.stdout);
    let talk = String::from_utf8(again.stderr).unwrap();
    assert!(
        talk.starts_with("nothing to do: all 4 runs are there\n"),
        "{talk}"
    );
    fs::write(&default, SCENARIO.replace("8 Mbit/s", "9 Mbit/s")).unwrap();
    let other = run();
    assert!(other.status.success() && other.stdout != first.stdout);
    lab.ok("sweep experiments/scenarios/default.toml --replications 3 --force");
    fs::write(&default, SCENARIO).unwrap();
    assert_eq!(run().status.code(), Some(2));
}

#[test]
fn where_no_clone_is_the_program_lays_out_the_scenarios_that_it_carries_once() {
    let lab = Lab::new(SCENARIO);
    let scenario = "experiments/scenarios/worlds/swarm.toml";
    lab.ok("check s.toml");
    assert!(!lab.path("experiments").exists());
    // A result of one's own may be called so.
    lab.ok("run s.toml --out experiments/mine");
    assert!(!lab.path("experiments/scenarios").exists());
    fs::remove_dir_all(lab.path("experiments")).unwrap();
    lab.ok(&format!("check {scenario}"));
    // The data file beside it is there too, and its own copy is a person's.
    lab.ok("check experiments/scenarios/default.toml");
    fs::write(lab.path(scenario), SCENARIO).unwrap();
    assert!(lab.ok(&format!("check {scenario}")).contains("\"pair\""));
    let published = lab.ok("reproduce");
    assert_eq!(published.matches("oracles").count(), 3, "{published}");
}

#[test]
fn who_names_a_scenario_and_no_command_is_told_which_one() {
    let lab = Lab::new(SCENARIO);
    let output = lab.command("s.toml").output().unwrap();
    let talk = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(talk.contains("`fairlab run s.toml`"), "{talk}");
}

#[test]
fn a_result_has_the_tables_that_its_scenario_wants_and_no_others_are_written() {
    let wanted = |files: &str| {
        let lab = Lab::new(&format!("{SCENARIO}\n[output]\n{files}"));
        lab.ok("sweep s.toml");
        let found = tables(&lab.path("out/pair"));
        found.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    let always = ["overview.txt", "paired.csv", "runs.csv", "summary.csv"];
    assert_eq!(wanted("files = [\"runs\"]"), always);
    assert_eq!(
        wanted(""),
        [
            "latency.csv",
            "latency.hlog",
            "overview.txt",
            "paired.csv",
            "peers.csv",
            "runs.csv",
            "summary.csv",
            "transfers.csv",
            "windows.csv",
        ]
    );
    assert!(wanted("files = [\"pairs\"]").contains(&"pairs.csv".to_owned()));
}

// By weight 3 : 1, by the floor of 10 of 100 Mbit/s among eleven, and last of all at the floor.
#[test]
fn the_example_of_the_documents_shows_what_is_said_of_it() {
    let page = include_str!("../../docs/scenarios.md");
    let mut blocks = page.split("```toml\n").skip(1);
    let example = blocks
        .find(|block| block.contains("name = \"two\""))
        .unwrap();
    let lab = Lab::new(example.split_once("```").unwrap().0);
    let rows = lab.json("run s.toml --json");
    let multiple = |uplink: &str| {
        let mut rows = rows.iter();
        let row = rows
            .find(|row| row["policy.uplink"] == uplink && row["metric"] == "rate_multiple.paid");
        row.unwrap()["mean"].as_f64().unwrap()
    };
    assert!((multiple("drr") - 3.0).abs() < 0.1, "{}", multiple("drr"));
    assert!(
        (0.95..1.3).contains(&multiple("fifo")),
        "{}",
        multiple("fifo")
    );
    assert!(multiple("srpt") < 0.9, "{}", multiple("srpt"));
}

#[test]
fn a_comparison_takes_the_baseline_of_the_scenario() {
    let lab = Lab::new(SCENARIO);
    lab.ok("sweep s.toml");
    let said = lab.ok("compare out/pair");
    assert_eq!(said, lab.ok("compare out/pair --baseline fifo"));
    assert_ne!(said, lab.ok("compare out/pair --baseline drr"));
    fs::write(
        lab.path("s.toml"),
        SCENARIO.replace("baseline = \"fifo\"", ""),
    )
    .unwrap();
    lab.ok("sweep s.toml --out none");
    let line = "--baseline: the scenario names none; there are: policy.uplink=fifo, \
                policy.uplink=drr";
    assert_eq!(lab.refused("compare none"), (line.to_owned(), 2));
}

#[test]
fn counts_that_make_no_sense_are_refused_in_one_line() {
    let lab = Lab::new(SCENARIO);
    let jobs = "--jobs: got 0; allowed 1 to 1024, and without it one for each core";
    let none = "--replications: got 0; allowed 1 to 100000";
    let cell = "--cell: got 2; allowed 0 to 1";
    for (words, line) in [
        ("sweep s.toml --jobs 0", jobs),
        ("sweep s.toml --replications 0", none),
        ("sweep s.toml --replications 0 --resume", none),
        ("run s.toml --cell 2", cell),
    ] {
        assert_eq!(lab.refused(words), (line.to_owned(), 2), "{words}");
        assert!(!lab.path("out").exists(), "{words}");
    }
}

// It has as many replications as there can be, so it is at work when the signal comes.
#[test]
fn a_sweep_that_is_interrupted_says_how_to_go_on_and_does() {
    let lab = Lab::new(SCENARIO);
    let mut child = lab
        .command("sweep s.toml --replications 100000 --jobs 1")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut talk = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    talk.read_line(&mut line).unwrap();
    assert_eq!(line, "seed 1, 200000 runs\n");
    while ResultDir::kept_runs(&lab.path("out/pair")) == 0 {
        std::thread::yield_now();
    }
    let interrupt = format!("kill -INT {}", child.id());
    assert!(
        Command::new("sh")
            .args(["-c", &interrupt])
            .status()
            .unwrap()
            .success()
    );
    let mut rest = String::new();
    talk.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
    let said = rest.trim().strip_prefix("fairlab: interrupted; ").unwrap();
    let (kept, how) = said
        .split_once(" finished runs are kept in out/pair; ")
        .unwrap();
    assert!(kept.parse::<u32>().unwrap() > 0);
    let again = "to go on: fairlab sweep s.toml --replications 100000 --jobs 1 --resume";
    assert_eq!(how, again);
    // Without it what is there is safe, and a smaller number goes on with what there is.
    let (line, code) = lab.refused("sweep s.toml");
    let begun = " finished runs of a command that did not end; --resume keeps them and goes on";
    assert!(line.contains(begun) && code == 2, "{line}");
    lab.ok("sweep s.toml --resume");
    let runs = lab.manifest("out/pair")["runs"].as_u64().unwrap();
    assert!(runs >= kept.parse().unwrap(), "{runs} runs of {kept}");
}

#[test]
fn oracles_have_a_manifest_and_are_not_overwritten() {
    let lab = Lab::new(SCENARIO);
    let oracle = "[suite]\nname = \"o\"\nabout = \"x\"\nseed = 1\n\
        [[oracle]]\nid = \"O\"\nwhat = \"order\"\nunit = \"flow\"\nexpected = 1\n\
        relation = \"at-least\"\ntolerance = 1000\nkind = \"golden-order\"\ndiscipline = \"fifo\"\n";
    fs::write(lab.path("o.toml"), oracle).unwrap();
    lab.ok("run o.toml");
    let manifest = lab.manifest("out/o");
    assert_eq!(manifest["name"], "o");
    assert_eq!(manifest["command"], "fairlab run o.toml");
    assert_eq!(manifest["scenario"], oracle);
    assert!(manifest["files"]["oracle.csv"].is_string());
    assert_eq!(lab.refused("run o.toml").1, 2);
    assert_eq!(lab.refused("run o.toml --resume").1, 2);
    lab.ok("run o.toml --force");
}

#[test]
fn a_measurement_gets_a_manifest_that_tells_when_a_table_has_changed() {
    let lab = Lab::new(SCENARIO);
    fs::create_dir(lab.path("bench")).unwrap();
    fs::write(lab.path("bench/speed.csv"), "case,ns\na,1\n").unwrap();
    lab.ok("manifest bench --name bench --command scripts/bench.sh");
    let manifest = lab.manifest("bench");
    assert_eq!(manifest["world"], "measured");
    assert_eq!(manifest["command"], "scripts/bench.sh");
    assert!(manifest["machine"]["cores"].is_u64() && manifest["commit"].is_string());
    lab.ok("manifest bench --check");
    fs::write(lab.path("bench/speed.csv"), "case,ns\na,2\n").unwrap();
    let line = "bench/speed.csv: is not what the manifest has the digest of";
    assert_eq!(lab.refused("manifest bench --check"), (line.to_owned(), 3));
    // Measured one by one, each table keeps what was said of it.
    fs::write(lab.path("bench/size.csv"), "case,bytes\nb,1\n").unwrap();
    lab.ok("manifest bench --name bench --command both");
    fs::write(lab.path("bench/size.csv"), "case,bytes\nb,2\n").unwrap();
    lab.ok("manifest bench --name bench --command sizes --commit abc --note idle");
    let made = &lab.manifest("bench")["made"];
    assert_eq!(made["speed.csv"]["command"], "both");
    assert_eq!(made["size.csv"]["command"], "sizes");
    assert_eq!(made["size.csv"]["commit"], "abc");
    assert_eq!(made["size.csv"]["note"], "idle");
}
