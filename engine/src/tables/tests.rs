use fairhaul_core::units::{Rate, Weight};
use tempfile::TempDir;

use super::*;

fn at_ms(millis: u64) -> Time {
    Time::ZERO + Span::from_millis(millis)
}

fn keys() -> RunKeys {
    RunKeys {
        run: "vm-1.r0".into(),
        cell: "policy.uplink=drr".into(),
        seed: 7,
        params: vec![("policy.uplink".into(), "drr".into())],
        command: "fairhaul run node.toml".into(),
        parameters: "[node]\n".into(),
        ..RunKeys::default()
    }
}

fn transfer<'a>(name: &'a str, class: &'a str, start: u64, end: Option<u64>) -> TransferRow<'a> {
    TransferRow {
        transfer: name,
        class,
        source: "vm-1",
        destination: "vm-2",
        bytes: 1_000,
        cap_bytes_per_s: Some(Rate::new(5)),
        start_s: Some(at_ms(start)),
        end_s: end.map(at_ms),
        received_bytes: 10,
        ..TransferRow::default()
    }
}

fn peer(name: &str) -> PeerRow<'_> {
    PeerRow {
        peer: name,
        class: "peer",
        down_bytes_per_s: Some(Rate::new(9)),
        weight: Weight::whole(2),
        joined_s: Some(at_ms(500)),
        present_s: Some(Span::from_secs(3)),
        wanted: Some(true),
        completed_s: Some(at_ms(2_500)),
        up_as_leecher_bytes: 50,
        up_as_seed_bytes: 1,
        down_from_leechers_bytes: 60,
        down_from_seeds_bytes: 40,
        wasted_bytes: 2,
        ..PeerRow::default()
    }
}

/// Two classes: three small transfers of which one does not finish, and a bulk one.
fn written() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut tables = Tables::create(&dir.path().join("out"), &keys()).unwrap();
    for row in [
        transfer("=a", "small", 0, Some(1_500)),
        transfer("b", "small", 1_000, Some(1_500)),
        transfer("c", "small", 1_000, None),
        transfer("d", "bulk", 0, Some(4_000)),
    ] {
        if let (Some(start), Some(end)) = (row.start_s, row.end_s) {
            tables.latency(FlowKind::Transfer, row.class, end.since(start));
        }
        tables.transfer(row).unwrap();
    }
    tables.peer(peer("vm-2")).unwrap();
    for start in 0..4 {
        let row = WindowRow {
            window_s: Span::SECOND,
            start_s: at_ms(start * 1_000),
            flow_kind: FlowKind::Peer,
            flow: "vm-2",
            class: "peer",
            bytes: 100 + start,
            entitlement_bytes: None,
            backlogged_s: Span::from_millis(990),
        };
        tables.window(&row).unwrap();
    }
    tables.finish(at_ms(4_000), Some("abcd")).unwrap();
    dir
}

fn read(dir: &TempDir, name: &str) -> Vec<csv::StringRecord> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_path(dir.path().join("out").join(name))
        .unwrap();
    reader.records().map(Result::unwrap).collect()
}

/// The value of a column in a row.
fn field<'a>(rows: &'a [csv::StringRecord], row: usize, column: &str) -> &'a str {
    let at = rows[0].iter().position(|name| name == column).unwrap();
    &rows[row][at]
}

#[test]
fn every_row_carries_the_keys_and_the_parameters_of_its_run() {
    let dir = written();
    for (name, rows) in [
        ("runs.csv", 1),
        ("peers.csv", 1),
        ("transfers.csv", 4),
        ("windows.csv", 4),
        ("latency.csv", 18),
    ] {
        let found = read(&dir, name);
        assert_eq!(found.len(), rows + 1, "{name}");
        let head: Vec<&str> = found[0].iter().take(5).collect();
        assert_eq!(
            head,
            ["run", "seed", "replication", "cell", "policy.uplink"]
        );
        for row in &found[1..] {
            let keys: Vec<&str> = row.iter().take(5).collect();
            assert_eq!(keys, ["vm-1.r0", "7", "0", "policy.uplink=drr", "drr"]);
        }
    }
}

/// The committed results of the lab have the same columns behind the parameters.
#[test]
fn the_columns_are_those_of_the_lab() {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/limits");
    let dir = written();
    for (name, after) in [
        ("peers.csv", "peer"),
        ("transfers.csv", "transfer"),
        ("windows.csv", "window_s"),
        ("latency.csv", "kind"),
    ] {
        let header = |path: PathBuf| -> Vec<String> {
            let mut reader = csv::Reader::from_path(path).unwrap();
            let names = reader.headers().unwrap().iter().map(str::to_owned);
            names.skip_while(|name| name != after).collect()
        };
        let ours = header(dir.path().join("out").join(name));
        assert!(!ours.is_empty());
        assert_eq!(ours, header(results.join(name)), "{name}");
    }
}

/// Register: I5.
#[test]
fn what_is_known_is_written_and_what_is_not_is_empty() {
    let dir = written();
    let rows = read(&dir, "transfers.csv");
    let is = |row, column, value| assert_eq!(field(&rows, row, column), value, "{column}");
    is(1, "transfer", "'=a");
    is(1, "completion_s", "1.5");
    is(2, "start_s", "1");
    is(1, "cap_bytes_per_s", "5");
    is(1, "finished", "1");
    for column in [
        "slowdown",
        "alone_s",
        "entitlement_bytes",
        "group",
        "floor_bytes_per_s",
    ] {
        is(1, column, "");
    }
    is(3, "finished", "0");
    is(3, "end_s", "");
    is(3, "completion_s", "");

    let rows = read(&dir, "peers.csv");
    let is = |column, value| assert_eq!(field(&rows, 1, column), value, "{column}");
    is("weight", "2");
    is("joined_s", "0.5");
    is("completion_s", "2");
    is("share_ratio", "0.5");
    is("up_bytes_per_s", "");
    is("down_from_seeds_bytes", "40");

    let rows = read(&dir, "windows.csv");
    assert_eq!(field(&rows, 4, "bytes"), "103");
    assert_eq!(field(&rows, 4, "entitlement_bytes"), "");
    assert_eq!(field(&rows, 4, "backlogged_s"), "0.99");
    assert_eq!(field(&rows, 4, "flow_kind"), "peer");
}

#[test]
fn the_row_of_the_run_sums_up_its_transfers_by_class() {
    let dir = written();
    let rows = read(&dir, "runs.csv");
    let is = |column, value| assert_eq!(field(&rows, 1, column), value, "{column}");
    is("trace_digest", "abcd");
    is("transfers_started", "4");
    is("transfers_not_finished", "1");
    is("transfers_not_finished.small", "1");
    is("completion_mean_s", "2");
    is("completion_mean_s.small", "1");
    is("completion_p50_s.small", "0.5");
    is("completion_p99_s.small", "1.5");
    is("completion_p50_s.bulk", "4");
    is("size_mean_bytes", "1000");
    is("end_s", "4");
}

#[test]
fn latencies_are_percentiles_and_a_log_of_histograms() {
    let dir = written();
    let rows = read(&dir, "latency.csv");
    assert_eq!(field(&rows, 1, "class"), "bulk");
    assert_eq!(field(&rows, 9, "percentile"), "100");
    let longest: f64 = field(&rows, 9, "latency_s").parse().unwrap();
    assert!((longest - 4.0).abs() < 0.01, "{longest}");
    assert_eq!(field(&rows, 10, "count"), "2");
    let log = fs::read_to_string(dir.path().join("out/latency.hlog")).unwrap();
    assert!(log.starts_with("#[Histogram log format version 1.3]\n"));
    assert!(
        log.contains("\nTag=vm-1.r0:transfer:small,0.000,4.000,"),
        "{log}"
    );
}

#[test]
fn the_manifest_marks_a_result_of_the_lab_and_digests_every_file() {
    let dir = written();
    let out = dir.path().join("out");
    let text = fs::read_to_string(out.join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(manifest["format"], "fairlab result 1");
    assert_eq!(manifest["runs"], 1);
    assert_eq!(manifest["scenario"], "[node]\n");
    let files = manifest["files"].as_object().unwrap();
    assert_eq!(files.len(), 6);
    for (name, digest) in files {
        let bytes = fs::read(out.join(name)).unwrap();
        assert_eq!(*digest, blake3::hash(&bytes).to_hex().to_string(), "{name}");
    }
    let left: Vec<_> = fs::read_dir(&out).unwrap().collect();
    assert_eq!(left.len(), 7);
}

#[test]
fn nothing_is_overwritten_and_an_unfinished_run_has_no_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    drop(Tables::create(&out, &keys()).unwrap());
    assert!(!out.join("manifest.json").exists());
    let again = Tables::create(&out, &keys()).unwrap_err();
    assert_eq!(again.kind(), io::ErrorKind::DirectoryNotEmpty);
    for run in ["", ".hidden", "a b", "a/b", "=a", "-a"] {
        let keys = RunKeys {
            run: run.into(),
            ..keys()
        };
        let why = Tables::create(&dir.path().join("new"), &keys).unwrap_err();
        assert_eq!(why.kind(), io::ErrorKind::InvalidInput, "{run:?}");
    }
    assert!(!dir.path().join("new").exists());
}

#[test]
fn a_run_in_which_nothing_happened_is_a_result_too() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    Tables::create(&out, &keys())
        .unwrap()
        .finish(Time::ZERO, None)
        .unwrap();
    let rows = read(&dir, "runs.csv");
    assert_eq!(field(&rows, 1, "transfers_started"), "0");
    assert_eq!(field(&rows, 1, "completion_p50_s"), "");
    assert_eq!(field(&rows, 1, "trace_digest"), "");
}
