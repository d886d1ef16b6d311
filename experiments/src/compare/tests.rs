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
        (row.baseline_value, row.value, row.difference.value),
        (205.0, 200.0, -5.0)
    );
    assert!((row.difference.half_width().unwrap() - 2.484).abs() < 1e-3);
    assert_eq!(row.verdict, Verdict::Better);
    assert_eq!(found.rows[1].verdict, Verdict::NoDifference);
}

#[test]
fn a_verdict_knows_which_way_a_metric_is_better() {
    let values = [1.0, 1.1, 1.2, 1.0, 1.1, 1.2, 2.0, 2.11, 2.2, 2.0, 2.11, 2.2];
    let verdict = |metric| compare(&results(metric, values), "fifo").unwrap().rows[0].verdict;
    assert_eq!(verdict("completion_mean_s"), Verdict::Worse);
    assert_eq!(verdict("jain_window_1s"), Verdict::Better);
    assert_eq!(verdict("share_ratio_p50"), Verdict::Higher);
}

#[test]
fn a_baseline_can_be_a_value_of_any_varied_parameter() {
    let results = results("jain_window_1s", [0.5; 12]);
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
    let error = compare(&results("jain_window_1s", [0.5; 12]), "fifi").unwrap_err();
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
    let text = "run,seed,replication,cell,uplink,trace_digest,jain_window_1s\n\
        a,1,0,c,fifo,ff,0.5\nb,1,0,c,drr,ff,1\n";
    let results = Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap();
    let found = compare(&results, "fifo").unwrap();
    let row = &found.rows[0];
    let found = (row.difference.value, row.verdict);
    assert_eq!(found, (0.5, Verdict::TooFew));
}

// A run in which somebody never finished has no makespan: it drops out with its twin.
#[test]
fn a_missing_value_drops_out_with_its_twin() {
    let text = "run,seed,replication,cell,uplink,trace_digest,makespan_s\n\
        a,1,0,c,fifo,ff,10\nb,1,1,c,fifo,ff,20\nc,1,0,c,drr,ff,\nd,1,1,c,drr,ff,19\n";
    let results = Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap();
    let row = &compare(&results, "fifo").unwrap().rows[0];
    assert_eq!(
        (row.difference.n, row.baseline_value, row.value),
        (1, 20.0, 19.0)
    );
}

#[test]
fn tables_have_a_row_for_each_metric_of_each_cell() {
    let dir = tempfile::tempdir().unwrap();
    let values = [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 2.0, 3.5, 5.0, 2.0, 3.5, 5.0];
    let results = results("jain_window_1s", values);
    write_summary(dir.path(), &results).unwrap();
    let summary = fs::read_to_string(dir.path().join("summary.csv")).unwrap();
    assert!(summary.starts_with("cell,uplink,load,metric,n,mean,sd,ci_lo,ci_hi,median,"));
    assert_eq!(summary.lines().count(), 5);
    assert!(
        summary.contains("c,fifo,0.5,jain_window_1s,3,2,1,-0.4841"),
        "{summary}"
    );
    let comparison = compare(&results, "fifo").unwrap();
    write_paired(dir.path(), &results, &comparison).unwrap();
    let paired = fs::read_to_string(dir.path().join("paired.csv")).unwrap();
    let row = "c,drr,0.5,jain_window_1s,uplink=fifo,3,mean,2,3.5,1.5,0.5,";
    let line = paired.lines().nth(1).unwrap();
    assert!(
        line.starts_with(row) && line.ends_with(",0.035099,0.070198,no difference"),
        "{line}"
    );
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

/// A result with `n` replications of two policies; `value` gives the metric of each.
fn paired(metric: &str, n: u32, value: impl Fn(u32, bool) -> f64) -> Difference {
    let mut text = format!("run,seed,replication,cell,uplink,trace_digest,{metric}\n");
    for replication in 0..n {
        for (uplink, treated) in [("fifo", false), ("drr", true)] {
            let value = value(replication, treated);
            text += &format!("r,1,{replication},c,{uplink},ff,{value}\n");
        }
    }
    let results = Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap();
    compare(&results, "fifo").unwrap().rows.remove(0)
}

fn noise(replication: u32, size: f64) -> f64 {
    size * f64::from(replication * 7 % 5)
}

// Sure, but half a percent of the baseline: nobody should choose a policy by it.
#[test]
fn a_difference_below_the_smallest_that_matters_is_no_verdict() {
    let by = |part: f64| {
        paired("completion_mean_s", 10, |replication, treated| {
            let base = 10.0 + noise(replication, 1.0);
            let change = if treated { part * 12.0 } else { 0.0 };
            base - change * (1.0 + noise(replication, 0.01))
        })
        .verdict
    };
    assert_eq!(by(0.005), Verdict::TooSmall);
    assert_eq!(by(0.02), Verdict::Better);
    assert_eq!(by(-0.02), Verdict::Worse);
    assert_eq!(by(0.0), Verdict::NoDifference);
}

#[test]
fn replications_that_are_all_the_same_give_no_verdict_and_no_interval() {
    let row = paired(
        "makespan_s",
        5,
        |_, treated| if treated { 1177.2 } else { 1200.0 },
    );
    assert_eq!(row.verdict, Verdict::Identical);
    assert_eq!((row.difference.interval, row.p), (None, None));
    let row = paired("makespan_s", 5, |_, _| 1177.2);
    assert_eq!(row.verdict, Verdict::NoDifference);
}

#[test]
fn an_extreme_of_a_few_runs_gets_no_verdict_and_of_many_one_by_signs() {
    let by = |n| {
        paired("lag_worst_bytes", n, |replication, treated| {
            let base = 100.0 + noise(replication, 9.0);
            if treated {
                base * (2.0 + noise(replication, 0.1))
            } else {
                base
            }
        })
    };
    assert_eq!(by(5).verdict, Verdict::TooFew);
    let many = by(10);
    assert_eq!((many.verdict, many.p), (Verdict::Worse, Some(2.0 / 1024.0)));
    assert_eq!(many.difference.centre, Centre::Median);
}

/// Forty policies that all do the same but for noise of their own, in six replications.
fn noisy(seed: u64) -> Results {
    let mut draws = fairhaul_simulator::random::Streams::new(seed, 0).stream("compare", "test");
    let mut text = "run,seed,replication,cell,uplink,trace_digest,completion_mean_s\n".to_owned();
    for cell in 0..41 {
        for replication in 0..6 {
            let sum: f64 = (0..12)
                .map(|_| fairhaul_simulator::random::uniform(&mut draws))
                .sum();
            text += &format!("r,1,{replication},c,p{cell},ff,{}\n", 10.0 + sum);
        }
    }
    Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap()
}

// Each of forty comparisons alone would be wrong once in twenty times: two in every table. Of a
// hundred tables, Holm lets about five have a wrong verdict; and none has a best.
#[test]
fn noise_gives_a_verdict_in_about_one_table_of_twenty() {
    let (mut tables, mut alone, mut starred) = (0, 0, 0);
    for seed in 0..100 {
        let results = noisy(seed);
        let found = compare(&results, "p0").unwrap();
        assert_eq!(found.headline, 40);
        let is_wrong = |row: &&Difference| row.verdict != Verdict::NoDifference;
        tables += u32::from(found.rows.iter().any(|row| is_wrong(&row)));
        alone += found
            .rows
            .iter()
            .filter(|row| row.p.unwrap() < LEVEL)
            .count();
        let best = best(&results, &summary_metrics::headlines(&results));
        starred += best.cells[0].len();
    }
    assert!(tables <= 12, "{tables} of 100 tables are wrong");
    assert!(
        (100..300).contains(&alone),
        "{alone} of 4000 comparisons are wrong without"
    );
    assert_eq!(starred, 0);
}

// Three policies: two that cannot be told apart in front of a third, then one that is ahead of all.
#[test]
fn a_star_is_for_one_that_is_better_than_every_other() {
    let with = |leader: f64| {
        let mut text =
            "run,seed,replication,cell,uplink,trace_digest,completion_mean_s\n".to_owned();
        for replication in 0..10 {
            for (uplink, mean) in [("a", leader), ("b", 5.0), ("c", 9.0)] {
                let own = noise(replication + u32::from(uplink.as_bytes()[0]), 0.05);
                text += &format!("r,1,{replication},c,{uplink},ff,{}\n", mean + own);
            }
        }
        let results = Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap();
        best(&results, &summary_metrics::headlines(&results)).cells
    };
    assert!(with(5.0)[0].is_empty());
    assert_eq!(with(4.0), [[0]]);
}

#[test]
fn the_row_of_what_is_alone_has_differences_and_no_verdict() {
    let mut text = "run,seed,replication,cell,uplink,trace_digest,completion_p50_s.x,\
        alone_p50_s.x,alone_p99_s.x\n"
        .to_owned();
    for replication in 0..4 {
        for (uplink, time) in [("fifo", 9), ("drr", 5)] {
            text += &format!("r,1,{replication},c,{uplink},ff,{time}.{replication},2,2\n");
        }
    }
    let results = Results::parse(Path::new("runs.csv"), text.as_bytes())
        .unwrap()
        .with_alone();
    let found = compare(&results, "fifo").unwrap();
    let first = &found.rows[0];
    assert!(results.cells[first.cell].is_alone);
    assert_eq!(first.verdict, Verdict::Alone);
    assert!((first.difference.value + 7.15).abs() < 1e-9);
    let dir = tempfile::tempdir().unwrap();
    write_paired(dir.path(), &results, &found).unwrap();
    let table = fs::read_to_string(dir.path().join("paired.csv")).unwrap();
    assert!(
        table
            .lines()
            .nth(1)
            .unwrap()
            .starts_with("alone,alone,completion_p50_s.x,uplink=fifo,4,")
    );
}
