use std::path::Path;

use super::*;

fn results(columns: &str, rows: &[&str]) -> Results {
    let mut text = format!("run,seed,replication,cell,uplink,load,trace_digest,{columns}\n");
    for (at, row) in rows.iter().enumerate() {
        text += &format!("r{at},1,0,c,{row}\n");
    }
    Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap()
}

#[test]
fn the_kind_follows_from_classes_axes_and_contents() {
    let two = "size_mean_bytes.big,size_mean_bytes.tiny,completion_p50_s.tiny";
    let transfers = results(two, &["fifo,1,ff,100,10,0.2", "drr,1,ff,100,10,0.1"]);
    assert_eq!(kind(&transfers), ScenarioKind::Transfers);
    assert_eq!(classes(&transfers), ["tiny", "big"]);
    let load = results(two, &["fifo,0.5,ff,100,10,0.2", "fifo,0.9,ff,100,10,0.1"]);
    assert_eq!(kind(&load), ScenarioKind::Load);
    let swarm = results("leechers_joined,makespan_s", &["a,1,ff,3,10", "b,1,ff,3,"]);
    assert_eq!(kind(&swarm), ScenarioKind::Swarm);
}

#[test]
fn headlines_without_values_are_left_out_and_short_times_are_in_milliseconds() {
    let columns = "size_mean_bytes.big,size_mean_bytes.tiny,completion_p50_s.tiny,\
        jain_window_1s,transfers_not_finished,uplink_utilisation";
    let found = results(
        columns,
        &["fifo,1,ff,100,10,0.2,0.9,0,", "drr,1,ff,100,10,0.1,1,0,"],
    );
    let lines = headlines(&found);
    let titles: Vec<String> = lines.iter().map(Headline::full_title).collect();
    assert_eq!(titles, ["tiny p50 (ms)", "Jain, 1 s"]);
    let mean = lines[0].estimate(&found.cells[1]).unwrap().value;
    assert!((mean - 100.0).abs() < 1e-9);
}

// The axis of a policy is what is compared, also behind one that is no number either.
#[test]
fn what_is_compared_is_the_axis_of_a_policy() {
    let rows = ["a,fifo,ff,2", "a,drr,ff,1", "b,fifo,ff,8", "b,drr,ff,9"];
    let mut text = "run,seed,replication,cell,population,policy.uplink,trace_digest,x\n".to_owned();
    for (at, row) in rows.iter().enumerate() {
        text += &format!("r{at},1,0,c,{row}\n");
    }
    let found = Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap();
    assert_eq!(policy_axis(&found), Some(1));
    assert_eq!(groups(&found), [[0, 1], [2, 3]]);
}

// Five classes: one pays, one has a floor, two are plain, the smallest waits. All reach the
// headline; what a narrow terminal can do without comes last.
#[test]
fn every_class_reaches_the_headline() {
    let columns = "size_mean_bytes.tiny,size_mean_bytes.gold,size_mean_bytes.payer,\
        size_mean_bytes.one,size_mean_bytes.two,size_mean_bytes.three,completion_p50_s.tiny,\
        completion_p99_s.tiny,completion_mean_s.gold,completion_mean_s.payer,completion_mean_s.one,\
        completion_mean_s.two,completion_mean_s.three,share_over_entitlement_p50.one,\
        share_over_entitlement_p50.two,share_over_entitlement_p50.three,rate_multiple.payer,\
        floor_least_1s.gold,jain_window_0.1s,jain_window_1s,jain_window_10s";
    let rows = [
        "fifo,1,ff,1,2,3,4,5,6,7,8,9,9,9,9,9,1,1,1,2,1,0.5,0.6,0.7",
        "drr,1,ff,1,2,3,4,5,6,7,8,9,9,9,9,9,2,1,9,3,1,0.5,0.6,0.7",
    ];
    let found = results(columns, &rows);
    let names = headlines(&found);
    let names: Vec<&str> = names
        .iter()
        .map(|line| found.metrics[line.metric].as_str())
        .collect();
    let want = [
        "share_over_entitlement_p50.three",
        "share_over_entitlement_p50.one",
        "floor_least_1s.gold",
        "rate_multiple.payer",
        "completion_p50_s.tiny",
        "completion_p99_s.tiny",
        "jain_window_1s",
        "share_over_entitlement_p50.two",
        "completion_mean_s.gold",
        "completion_mean_s.payer",
        "completion_mean_s.one",
        "completion_mean_s.two",
        "completion_mean_s.three",
    ];
    assert_eq!(names, want);
}
