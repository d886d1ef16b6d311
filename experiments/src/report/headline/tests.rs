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
    assert_eq!(kind(&transfers), Kind::Transfers);
    assert_eq!(classes(&transfers), ["tiny", "big"]);
    let load = results(two, &["fifo,0.5,ff,100,10,0.2", "fifo,0.9,ff,100,10,0.1"]);
    assert_eq!(kind(&load), Kind::Load);
    let swarm = results("leechers_joined,makespan_s", &["a,1,ff,3,10", "b,1,ff,3,"]);
    assert_eq!(kind(&swarm), Kind::Swarm);
}

#[test]
fn headlines_without_values_are_left_out_and_short_times_are_in_milliseconds() {
    let columns = "size_mean_bytes.big,size_mean_bytes.tiny,completion_p50_s.tiny,\
        jain_share,transfers_not_finished,uplink_utilisation";
    let found = results(
        columns,
        &["fifo,1,ff,100,10,0.2,0.9,0,", "drr,1,ff,100,10,0.1,1,0,"],
    );
    let lines = headlines(&found);
    let titles: Vec<String> = lines.iter().map(Headline::full_title).collect();
    assert_eq!(titles, ["tiny p50 (ms)", "Jain, share"]);
    let mean = lines[0].estimate(&found.cells[1]).unwrap().mean;
    assert_eq!(significant(mean), "100");
    assert_eq!(lines[0].best(&found), [1]);
}

// At load 0.5 both are slower than at 0.1, but one of them is the best there.
#[test]
fn the_best_is_found_among_cells_that_differ_in_policy_alone() {
    let rows = [
        "fifo,0.1,ff,2",
        "drr,0.1,ff,1",
        "fifo,0.5,ff,8",
        "drr,0.5,ff,9",
    ];
    let found = results("slowdown_mean", &rows);
    assert_eq!(policy_axis(&found), Some(0));
    assert_eq!(groups(&found), [[0, 1], [2, 3]]);
    assert_eq!(headlines(&found)[0].best(&found), [1, 2]);
}

// Ten bulk transfers of 100 bytes weigh more than one of 300: they are what shares are about.
#[test]
fn the_large_class_is_the_one_that_asks_for_most_in_all() {
    let columns = "size_mean_bytes.one,size_mean_bytes.bulk,size_mean_bytes.tiny,\
        transfers_started.one,transfers_started.bulk,transfers_started.tiny,\
        completion_mean_s.one,completion_mean_s.bulk";
    let rows = [
        "fifo,1,ff,300,100,1,1,10,10,7,8",
        "drr,1,ff,300,100,1,1,10,10,8,9",
    ];
    let found = results(columns, &rows);
    assert_eq!(headlines(&found)[0].full_title(), "bulk mean (s)");
}
