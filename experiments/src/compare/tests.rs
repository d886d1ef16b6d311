use std::fs;
use std::path::Path;

use super::*;
use crate::output::{fixture, read_manifest};

/// Two disciplines at two loads, three replications; `values` is the metric, in that order.
fn results(metric: &str, values: [f64; 12]) -> Results {
    let mut text = format!("run,seed,replication,cell,uplink,load,trace_digest,{metric}\n");
    for (at, value) in values.into_iter().enumerate() {
        let uplink = ["fifo", "drr"][at / 6];
        let load = ["0.5", "0.9"][at / 3 % 2];
        text += &format!("r{at},1,{},c,{uplink},{load},ff,{value}\n", at % 3);
    }
    Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap()
}

// At load 0.5 drr is faster by 4, 5 and 6 in the three replications although the runs differ
// by 100: mean -5, interval 5 +- 4.303/sqrt(3) = 2.48, so it is better. At 0.9 the
// differences are -1, 0, 1.
#[test]
fn runs_are_compared_with_their_twins() {
    let values = [
        105.0, 205.0, 305.0, 1.0, 2.0, 3.0, 101.0, 200.0, 299.0, 0.0, 2.0, 4.0,
    ];
    let results = results("completion_mean_s", values);
    let found = compare(&results, "fifo").unwrap();
    assert_eq!(
        (found.axis.as_str(), found.baseline.as_str()),
        ("uplink", "fifo")
    );
    assert_eq!(found.rows.len(), 2);
    let row = &found.rows[0];
    assert_eq!(
        (row.baseline_mean, row.mean, row.difference.mean),
        (205.0, 200.0, -5.0)
    );
    assert!((row.difference.half_width().unwrap() - 2.484).abs() < 1e-3);
    assert_eq!(row.verdict, Verdict::Better);
    assert_eq!(found.rows[1].verdict, Verdict::NoDifference);
}

#[test]
fn a_verdict_knows_which_way_a_metric_is_better() {
    let values = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.1, 2.2, 2.0, 2.1, 2.2];
    let verdict = |metric| compare(&results(metric, values), "fifo").unwrap().rows[0].verdict;
    assert_eq!(verdict("completion_mean_s"), Verdict::Worse);
    assert_eq!(verdict("jain_share"), Verdict::Better);
    assert_eq!(verdict("share_ratio_p50"), Verdict::Higher);
}

#[test]
fn a_baseline_can_be_a_value_of_any_varied_parameter() {
    let results = results("jain_share", [0.5; 12]);
    let found = compare(&results, "load=0.5").unwrap();
    assert_eq!((found.axis.as_str(), found.rows.len()), ("load", 2));
    assert!(
        found
            .rows
            .iter()
            .all(|row| row.verdict == Verdict::NoDifference)
    );
}

#[test]
fn an_unknown_baseline_is_told_its_nearest_name() {
    let error = compare(&results("jain_share", [0.5; 12]), "fifi").unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert_eq!(
        error.to_string(),
        "--baseline \"fifi\": no such value, did you mean \"fifo\"?; there are: uplink=fifo, \
         uplink=drr, load=0.5, load=0.9"
    );
}

#[test]
fn a_result_with_one_cell_has_nothing_to_compare() {
    let text = "run,seed,replication,cell,uplink,trace_digest,x\na,1,0,c,drr,ff,1\n";
    let results = Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap();
    assert!(matches!(
        compare(&results, "drr"),
        Err(CompareError::NothingVaries)
    ));
}

#[test]
fn one_replication_has_a_difference_and_no_verdict() {
    let text = "run,seed,replication,cell,uplink,trace_digest,jain_share\n\
        a,1,0,c,fifo,ff,0.5\nb,1,0,c,drr,ff,1\n";
    let results = Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap();
    let found = compare(&results, "fifo").unwrap();
    let row = &found.rows[0];
    assert_eq!((row.difference.mean, row.verdict), (0.5, Verdict::OnePair));
}

// A run in which somebody never finished has no makespan: it drops out with its twin.
#[test]
fn a_missing_value_drops_out_with_its_twin() {
    let text = "run,seed,replication,cell,uplink,trace_digest,makespan_s\n\
        a,1,0,c,fifo,ff,10\nb,1,1,c,fifo,ff,20\nc,1,0,c,drr,ff,\nd,1,1,c,drr,ff,19\n";
    let results = Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap();
    let row = &compare(&results, "fifo").unwrap().rows[0];
    assert_eq!(
        (row.difference.n, row.baseline_mean, row.mean),
        (1, 20.0, 19.0)
    );
}

#[test]
fn tables_have_a_row_for_each_metric_of_each_cell() {
    let dir = tempfile::tempdir().unwrap();
    let values = [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 2.0, 3.0, 4.0, 2.0, 3.0, 4.0];
    let results = results("jain_share", values);
    write_summary(dir.path(), &results).unwrap();
    let summary = fs::read_to_string(dir.path().join("summary.csv")).unwrap();
    assert!(summary.starts_with("cell,uplink,load,metric,n,mean,sd,ci_lo,ci_hi,median,"));
    assert_eq!(summary.lines().count(), 5);
    assert!(
        summary.contains("c,fifo,0.5,jain_share,3,2,1,-0.4841"),
        "{summary}"
    );
    let comparison = compare(&results, "fifo").unwrap();
    write_paired(dir.path(), &results, &comparison).unwrap();
    let paired = fs::read_to_string(dir.path().join("paired.csv")).unwrap();
    let row = "c,drr,0.5,jain_share,uplink=fifo,3,2,3,1,0,1,1,better";
    assert_eq!(paired.lines().nth(1), Some(row));
}

#[test]
fn comparing_a_finished_result_keeps_its_manifest_true() {
    let dir = tempfile::tempdir().unwrap();
    fixture::write_result(dir.path(), &fixture::swarm_runs(2));
    let before = read_manifest(dir.path()).unwrap();
    assert!(compare_result(dir.path(), Some("nobody")).is_err());
    assert_eq!(read_manifest(dir.path()).unwrap(), before);
    let (_, comparison) = compare_result(dir.path(), Some("round-robin")).unwrap();
    assert_eq!(comparison.axis, "unchoke");
    let after = read_manifest(dir.path()).unwrap();
    assert_ne!(after.files["paired.csv"], before.files["paired.csv"]);
    let table = fs::read(dir.path().join("paired.csv")).unwrap();
    assert_eq!(
        after.files["paired.csv"],
        blake3::hash(&table).to_hex().to_string()
    );
}
