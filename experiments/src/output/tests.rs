use std::fs;
use std::path::Path;

use fairhaul_simulator::record::Record;
use fairhaul_simulator::setup::Setup;

use super::fixture;
use super::*;

const COMMAND: &str = "fairlab run x.toml";

fn params(policy: &str, load: &str) -> Vec<(String, String)> {
    vec![
        ("uplink".to_owned(), policy.to_owned()),
        ("load".to_owned(), load.to_owned()),
    ]
}

fn row<'a>(
    run: &'a str,
    params: &'a [(String, String)],
    setup: &'a Setup,
    record: &'a Record,
) -> RunRow<'a> {
    RunRow {
        run,
        cell: "cell",
        params,
        seed: setup.rng_seed,
        replication: setup.replication,
        setup,
        record,
        machine: None,
    }
}

fn facts() -> Facts {
    Facts {
        name: "x".to_owned(),
        plan: "plan".to_owned(),
        emulated: None,
        scenario: "[scenario]\nname = \"x\"\n".to_owned(),
        seed: Some(7),
        command: COMMAND.to_owned(),
        runs: 2,
        ..Facts::default()
    }
}

/// Writes two runs, in the order given, and finishes the result.
fn write_result(dir: &Path, order: [usize; 2]) {
    let out = ResultDir::begin(dir, "plan", COMMAND, Existing::Replace).unwrap();
    let (first, second) = (params("fifo", "0.5"), params("drr", "0.5"));
    let fifo = fixture::transfers(0, 9.0, 0.4);
    let drr = fixture::transfers(0, 1.0, 0.0);
    let rows = [
        row("r0", &first, &fifo.0, &fifo.1),
        row("r1", &second, &drr.0, &drr.1),
    ];
    for at in order {
        out.write(&rows[at]).unwrap();
    }
    out.assemble(&["r0", "r1"]).unwrap();
    out.finish(&facts()).unwrap();
}

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap()
}

#[test]
fn tables_are_in_the_order_of_the_plan_whichever_run_ends_first() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    write_result(&a, [0, 1]);
    write_result(&b, [1, 0]);
    for name in [
        "runs.csv",
        "peers.csv",
        "transfers.csv",
        "windows.csv",
        "pairs.csv",
    ] {
        let text = read(&a, name);
        assert_eq!(text, read(&b, name), "{name}");
        let runs: Vec<&str> = text.lines().skip(1).map(|line| &line[..2]).collect();
        assert!(runs.is_sorted() && runs.contains(&"r1"), "{name}");
    }
    assert_eq!(
        fs::read(a.join("latency.hlog")).unwrap(),
        fs::read(b.join("latency.hlog")).unwrap()
    );
    assert_eq!(
        read_manifest(&a).unwrap().files,
        read_manifest(&b).unwrap().files
    );
    assert!(!a.join(".runs").exists());
}

#[test]
fn every_row_of_every_table_carries_the_keys_of_its_run() {
    let dir = tempfile::tempdir().unwrap();
    write_result(dir.path(), [0, 1]);
    for name in ["runs", "peers", "transfers", "windows", "pairs", "latency"] {
        let text = read(dir.path(), &format!("{name}.csv"));
        let mut lines = text.lines();
        let header = lines.next().unwrap();
        assert!(
            header.starts_with("run,seed,replication,cell,uplink,load,"),
            "{name}: {header}"
        );
        assert!(lines.all(|line| line.contains(",7,0,cell,")), "{name}");
    }
}

#[test]
fn a_result_reads_back_as_cells_of_runs() {
    let dir = tempfile::tempdir().unwrap();
    write_result(dir.path(), [0, 1]);
    let results = Results::read(dir.path()).unwrap();
    assert_eq!(results.cells.len(), 2);
    let varies: Vec<bool> = results.axes.iter().map(|axis| axis.varies).collect();
    assert_eq!(varies, [true, false]);
    assert_eq!(results.label(&results.cells[1]), "drr");
    assert!(results.has("slowdown_p99.small") && !results.has("makespan_s"));
    let share = results.metric("share_over_entitlement_p50").unwrap();
    assert_eq!(results.cells[1].values(share), [1.0]);
}

#[test]
fn a_manifest_says_what_the_result_is_and_digests_its_files() {
    let dir = tempfile::tempdir().unwrap();
    write_result(dir.path(), [0, 1]);
    let manifest = read_manifest(dir.path()).unwrap();
    assert_eq!(manifest.command, "fairlab run x.toml");
    assert_eq!(manifest.scenario, facts().scenario);
    let digest = blake3::hash(read(dir.path(), "runs.csv").as_bytes());
    assert_eq!(manifest.files["runs.csv"], digest.to_hex().to_string());
    fs::write(dir.path().join("summary.csv"), "x\n").unwrap();
    refresh_digests(dir.path()).unwrap();
    assert!(
        read_manifest(dir.path())
            .unwrap()
            .files
            .contains_key("summary.csv")
    );
}

#[test]
fn what_is_not_a_result_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("thesis.tex"), "years of work").unwrap();
    let error = ResultDir::begin(dir.path(), "plan", COMMAND, Existing::Replace).unwrap_err();
    assert!(matches!(error, OutputError::NotAResult { .. }), "{error}");
    let file = dir.path().join("thesis.tex");
    let error = ResultDir::begin(&file, "plan", COMMAND, Existing::Replace).unwrap_err();
    assert!(matches!(error, OutputError::NotAResult { .. }), "{error}");
    assert_eq!(read(dir.path(), "thesis.tex"), "years of work");
}

/// Register: I10.
#[test]
fn a_path_that_cannot_be_written_is_an_error_before_any_run() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let below = dir.path().join("file").join("out");
    assert!(ResultDir::begin(&below, "plan", COMMAND, Existing::Replace).is_err());
}

#[test]
fn a_new_result_over_an_old_one_is_unfinished_until_its_manifest() {
    let dir = tempfile::tempdir().unwrap();
    write_result(dir.path(), [0, 1]);
    let _out = ResultDir::begin(dir.path(), "plan", COMMAND, Existing::Replace).unwrap();
    let error = read_manifest(dir.path()).unwrap_err();
    assert!(matches!(error, OutputError::Unfinished { .. }), "{error}");
    assert!(!dir.path().join("runs.csv").exists());
}

#[test]
fn a_sweep_resumes_with_the_runs_it_has_and_only_of_the_same_plan() {
    let dir = tempfile::tempdir().unwrap();
    let out = ResultDir::begin(dir.path(), "plan", COMMAND, Existing::Replace).unwrap();
    let keys = params("fifo", "0.5");
    let (setup, record) = fixture::transfers(0, 9.0, 0.4);
    out.write(&row("r0", &keys, &setup, &record)).unwrap();
    drop(out);
    let out = ResultDir::begin(dir.path(), "plan", COMMAND, Existing::Resume).unwrap();
    assert!(out.is_done("r0") && !out.is_done("r1"));
    // A run that failed is left out of the tables; the result stays unfinished.
    out.assemble(&["r1", "r0"]).unwrap();
    assert_eq!(read(dir.path(), "runs.csv").lines().count(), 2);
    assert!(read_manifest(dir.path()).is_err());
    let error = ResultDir::begin(dir.path(), "another", COMMAND, Existing::Resume).unwrap_err();
    assert!(matches!(error, OutputError::OtherPlan { .. }), "{error}");
    let fresh = ResultDir::begin(dir.path(), "another", COMMAND, Existing::Replace).unwrap();
    assert!(!fresh.is_done("r0"));
}

#[test]
fn of_a_run_only_the_tables_that_are_wanted_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let out = ResultDir::begin(dir.path(), "plan", COMMAND, Existing::Refuse).unwrap();
    let out = out.with_files(&["transfers".to_owned()]);
    let keys = params("fifo", "0.5");
    let (setup, record) = fixture::transfers(0, 9.0, 0.4);
    out.write(&row("r0", &keys, &setup, &record)).unwrap();
    let entries = fs::read_dir(dir.path().join(".runs/r0")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["runs.csv", "transfers.csv"]);
}

#[test]
fn a_run_cannot_be_named_out_of_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let out =
        ResultDir::begin(&dir.path().join("out"), "plan", COMMAND, Existing::Replace).unwrap();
    let (setup, record) = fixture::transfers(0, 9.0, 0.4);
    for name in ["../r", "a/b", ".", "", "plan", "x.part"] {
        let error = out.write(&row(name, &[], &setup, &record)).unwrap_err();
        assert!(matches!(error, OutputError::BadRunName { .. }), "{name}");
    }
}

// Runs of a swarm and of transfers have different metrics: the table has the columns of both.
#[test]
fn runs_with_other_metrics_share_one_table_with_empty_cells() {
    let dir = tempfile::tempdir().unwrap();
    let out = ResultDir::begin(dir.path(), "plan", COMMAND, Existing::Replace).unwrap();
    let keys = params("fifo", "0.5");
    let transfers = fixture::transfers(0, 9.0, 0.4);
    let swarm = fixture::swarm(0, 1.5, 9);
    out.write(&row("r0", &keys, &transfers.0, &transfers.1))
        .unwrap();
    out.write(&row("r1", &keys, &swarm.0, &swarm.1)).unwrap();
    out.assemble(&["r0", "r1"]).unwrap();
    let results = Results::read(dir.path()).unwrap();
    let runs = &results.cells[0].runs;
    let makespan = results.metric("makespan_s").unwrap();
    assert_eq!(runs[0].values[makespan], None);
    assert_eq!(runs[1].values[makespan], Some(150.0));
    assert_eq!(
        results.cells[0]
            .values(results.metric("share_over_entitlement_p50").unwrap())
            .len(),
        1
    );
}

#[test]
fn names_that_a_spreadsheet_would_run_are_made_text() {
    let dir = tempfile::tempdir().unwrap();
    let out = ResultDir::begin(dir.path(), "plan", COMMAND, Existing::Replace).unwrap();
    let (mut setup, record) = fixture::transfers(0, 9.0, 0.4);
    setup.transfers[0].name = "=cmd|'/C calc'!A0".to_owned();
    let keys = params("@fifo", "-0.5");
    out.write(&row("r0", &keys, &setup, &record)).unwrap();
    out.assemble(&["r0"]).unwrap();
    assert!(read(dir.path(), "transfers.csv").contains(",'=cmd|'/C calc'!A0,"));
    assert!(read(dir.path(), "runs.csv").contains(",'@fifo,-0.5,"));
}

#[test]
fn the_histogram_log_reads_back_with_one_line_a_class() {
    use hdrhistogram::serialization::Deserializer;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    let dir = tempfile::tempdir().unwrap();
    write_result(dir.path(), [0, 1]);
    let log = fs::read(dir.path().join("latency.hlog")).unwrap();
    let legend = log.iter().position(|byte| *byte == b'"').unwrap();
    let end = legend
        + log[legend..]
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap()
        + 1;
    let (mut tags, mut worst) = (Vec::new(), Vec::new());
    for entry in IntervalLogIterator::new(&log[end..]) {
        if let Ok(LogEntry::Interval(line)) = entry {
            let packed = base64(line.encoded_histogram());
            let found: hdrhistogram::Histogram<u64> = Deserializer::new()
                .deserialize(&mut packed.as_slice())
                .unwrap();
            tags.push((line.tag().unwrap().as_str().to_owned(), found.len()));
            worst.push(found.max());
        }
    }
    let want = [
        "r0:transfer:bulk",
        "r0:transfer:small",
        "r1:transfer:bulk",
        "r1:transfer:small",
    ];
    let names: Vec<&str> = tags.iter().map(|(tag, _)| tag.as_str()).collect();
    assert_eq!(names, want);
    assert_eq!((tags[0].1, tags[1].1), (4, 40));
    // A bulk transfer of 20 s alone takes 1 + 0.3 x 9 times as long: 74 s.
    assert!(worst[0].abs_diff(74_000_000_000) < 74_000_000, "{worst:?}");
}

// 40 small transfers: the percentiles of the histogram are those of the table of transfers,
// to three digits.
#[test]
fn percentiles_of_latency_are_those_of_the_transfers() {
    let dir = tempfile::tempdir().unwrap();
    write_result(dir.path(), [0, 1]);
    let column = |name: &str, at: usize, keep: &dyn Fn(&str) -> bool| -> Vec<f64> {
        let table = read(dir.path(), name);
        let rows = table
            .lines()
            .filter(|line| line.starts_with("r0,") && keep(line));
        rows.map(|line| line.split(',').nth(at).unwrap().parse().unwrap())
            .collect()
    };
    let mut exact = column("transfers.csv", 19, &|line| line.contains(",small,"));
    exact.sort_by(f64::total_cmp);
    let shown = column("latency.csv", 9, &|line| line.contains(",small,"));
    assert_eq!((exact.len(), shown.len()), (40, 9));
    let (median, most) = (shown[2], shown[8]);
    assert!(
        (median / exact[19] - 1.0).abs() < 2e-3,
        "{median} {}",
        exact[19]
    );
    assert!(
        (most / exact[39] - 1.0).abs() < 2e-3,
        "{most} {}",
        exact[39]
    );
}

/// Decodes base64, for the one test that needs it.
fn base64(text: &str) -> Vec<u8> {
    const SET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits: Vec<usize> = text.chars().filter_map(|c| SET.find(c)).collect();
    digits
        .chunks(4)
        .flat_map(|four| {
            let bits =
                four.iter().fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - four.len()));
            (0..four.len() - 1).map(move |at| u8::try_from(bits >> (16 - 8 * at) & 255).unwrap())
        })
        .collect()
}

#[test]
fn a_table_that_is_not_one_is_refused_with_its_line() {
    let path = Path::new("out/runs.csv");
    let parse = |text: &str| {
        Results::parse(path, text.as_bytes())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        parse("a,b\n1,2\n"),
        "out/runs.csv:1: the first columns must be run, seed, replication, cell"
    );
    let head = "run,seed,replication,cell,uplink,trace_digest,jain_window_1s\n";
    let bad = format!("{head}r0,1,0,c,drr,ff,0.5\nr1,1,0,c,drr,ff,half\n");
    assert_eq!(parse(&bad), "out/runs.csv:3: \"half\" is not a number");
    assert!(parse(&format!("{head}r0,1\n")).starts_with("out/runs.csv:2: "));
}

#[test]
fn parameters_that_follow_another_do_not_tell_cells_apart() {
    let text = "run,seed,replication,cell,policy,quantum,load,trace_digest,x\n\
        a,1,0,c,drr,16,0.5,ff,1\nb,1,0,c,drr,16,0.8,ff,1\nc,1,0,c,sfq,8,0.5,ff,1\n";
    let results = Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap();
    assert_eq!(results.varying(), [0, 2]);
    assert_eq!(results.label(&results.cells[2]), "sfq 0.5");
    assert_eq!(results.axes[2].numbers(), Some(vec![0.5, 0.8]));
    assert_eq!(results.axes[0].numbers(), None);
}
