use std::path::Path;

use super::*;
use crate::compare;
use crate::output::fixture;

fn wide(width: usize) -> Style {
    Style {
        width,
        ..Style::plain()
    }
}

fn small() -> Results {
    let text = "run,seed,replication,cell,uplink,trace_digest,size_mean_bytes.bulk,\
        size_mean_bytes.small,completion_p50_s.small,completion_p99_s.small,slowdown_p50.small,\
        slowdown_p95.small,slowdown_p99.small,jain_window_1s,share_error_worst_pp,\
        transfers_not_finished\n\
        a,1,0,c,fifo,ff,900,10,1,8,10,40,100,0.8,20,1\n\
        b,1,1,c,fifo,ff,900,10,3,12,10,40,100,0.8,20,1\n\
        c,1,0,c,drr,ff,900,10,0.1,0.4,1,2,10,0.99,5,0\n\
        d,1,1,c,drr,ff,900,10,0.1,0.4,1,2,10,0.99,5,0\n";
    Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap()
}

// Two disciplines, two replications: fifo takes 1 s and 3 s at the median, so 2 s with an
// interval of 12.7 s to either side. What is the same in both runs says so, and nothing is best.
#[test]
fn a_table_has_means_half_widths_and_what_is_identical() {
    let table = table(&small(), wide(120));
    let lines: Vec<&str> = table.lines().collect();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words(lines[0]), "uplink not small small Jain, small");
    assert_eq!(words(lines[1]), "finished p50 s p99 s 1 s p99 slowdown");
    assert_eq!(
        words(lines[2]),
        "fifo 1.00 ≡ 2.00 ±12.71 10.0 ±25.4 0.800 ≡ 100 ≡"
    );
    assert_eq!(words(lines[3]), "drr 0 ≡ 0.100 ≡ 0.400 ≡ 0.990 ≡ 10.0 ≡");
    let legend = lines[4..].join(" ");
    assert!(
        legend.contains("means of 2 replications ± half of the 95 % interval"),
        "{legend}"
    );
    assert!(legend.contains("≡ identical in 2 runs"), "{legend}");
}

#[test]
fn a_result_without_any_difference_between_runs_says_so_instead_of_intervals() {
    let text = "run,seed,replication,cell,uplink,trace_digest,leechers_joined,makespan_s\n\
        a,1,0,c,x,ff,2,1177.2\nb,1,1,c,x,ff,2,1177.2\nc,1,0,c,y,ff,2,9\nd,1,1,c,y,ff,2,9\n";
    let results = Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap();
    let shown = table(&results, wide(100));
    assert!(
        shown.contains("every number identical in 2 runs"),
        "{shown}"
    );
    assert!(!shown.contains('±'), "{shown}");
    // Nothing was compared, so nothing is said of comparisons.
    assert!(!shown.contains("Holm") && !shown.contains('*'), "{shown}");
    let comparison = compare::compare(&results, "x").unwrap();
    let shown = differences(&results, &comparison, wide(100));
    assert!(
        shown.contains("identical runs") && !shown.contains("Holm"),
        "{shown}"
    );
}

// One replication has neither intervals nor comparisons: the table stands without a legend.
#[test]
fn a_single_run_of_each_cell_has_no_legend() {
    let text = "run,seed,replication,cell,uplink,trace_digest,leechers_joined,makespan_s\n\
        a,1,0,c,x,ff,2,1177.2\nc,1,0,c,y,ff,2,9\n";
    let results = Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap();
    let shown = table(&results, wide(100));
    assert_eq!(shown.lines().count(), 4, "{shown}");
}

// A log axis from 1 to 100: ten is in its middle, and fifo starts where drr ends.
#[test]
fn a_strip_goes_from_the_median_to_the_99th_percentile_on_a_log_axis() {
    let picture = picture(&small(), wide(60));
    let lines: Vec<&str> = picture.lines().collect();
    let column = |line: &str, sign: char| line.chars().position(|c| c == sign);
    let (fifo, drr) = (lines[1], lines[2]);
    assert!(fifo.starts_with("fifo") && drr.starts_with("drr"));
    assert_eq!(column(fifo, '●'), column(drr, '┤'));
    let left = column(drr, '●').unwrap();
    let middle = column(fifo, '●').unwrap();
    let right = column(fifo, '┤').unwrap();
    assert!(middle.abs_diff(left + (right - left) / 2) <= 1, "{picture}");
    assert!(
        fifo.ends_with("████████████▉ 0.800") && drr.ends_with("████████████████ 0.990"),
        "{picture}"
    );
    assert!(lines[3].contains("╵1 ") && lines[3].contains("╵10 "));
    assert!(lines[4].contains("log scale"));
}

#[test]
fn no_line_of_values_is_wider_than_the_terminal() {
    let all = [
        fixture::results(&fixture::transfer_runs(3)),
        fixture::results(&fixture::load_runs(2)),
        fixture::results(&fixture::swarm_runs(3)),
    ];
    for results in &all {
        for width in [60, 80, 100, 140] {
            let shown = table(results, wide(width)) + &picture(results, wide(width));
            let widest = shown
                .lines()
                .map(|line| line.chars().count())
                .max()
                .unwrap();
            assert!(widest <= width, "{width}: {widest}\n{shown}");
        }
    }
}

#[test]
fn a_cell_in_which_nothing_finished_is_shown_as_that() {
    let text = "run,seed,replication,cell,unchoke,trace_digest,leechers_joined,makespan_s,\
        peer_completion_p50_s,peer_completion_p95_s,makespan_over_bound\n\
        a,1,0,c,none,ff,3,10,5,9,1.2\nb,1,0,c,choked,ff,3,,,,\n";
    let results = Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap();
    let shown = overview(&results, wide(100));
    assert!(shown.contains("(nothing finished)"), "{shown}");
    assert!(
        shown
            .lines()
            .any(|line| line.starts_with("choked") && line.ends_with('-'))
    );
}

#[test]
fn colour_is_only_there_when_asked_for() {
    let results = small();
    assert!(!overview(&results, wide(100)).contains('\u{1b}'));
    let coloured = Style {
        width: 100,
        colour: true,
    };
    assert!(overview(&results, coloured).contains('\u{1b}'));
}

#[test]
fn differences_say_which_way_they_go_and_whether_they_are_sure() {
    let results = small();
    let comparison = compare::compare(&results, "fifo").unwrap();
    let shown = differences(&results, &comparison, wide(140));
    let row = shown.lines().nth(3).unwrap();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(&words[..3], ["drr", "-1.00", "≡"]);
    assert!(row.contains("-1.90 ±12.71 ="), "{shown}");
    assert!(row.contains("+0.190 ≡"), "{shown}");
    assert!(
        shown.contains("2 comparisons, of which chance alone would make 0.100 differ"),
        "{shown}"
    );
}

// Six classes at 80 columns: fairness, multiple, floor, waits and Jain stay, intervals go.
#[test]
fn eighty_columns_keep_what_fairness_is_read_by() {
    let mut text = "run,seed,replication,cell,policy,trace_digest,".to_owned();
    let names = [
        "size_mean_bytes.small",
        "size_mean_bytes.greedy",
        "size_mean_bytes.ordinary",
        "size_mean_bytes.paying",
        "size_mean_bytes.lab",
        "share_over_entitlement_p50.greedy",
        "share_over_entitlement_p50.ordinary",
        "rate_multiple.paying",
        "floor_least_1s.lab",
        "completion_p50_s.small",
        "completion_p99_s.small",
        "alone_p50_s.small",
        "alone_p99_s.small",
        "jain_window_1s",
        "completion_mean_s.greedy",
        "completion_mean_s.ordinary",
        "slowdown_p99.small",
        "uplink_utilisation",
    ];
    text += &names.join(",");
    for (policy, greedy) in [("fifo", 15.3), ("drr/transfer", 10.2), ("drr", 1.01)] {
        for replication in 0..10 {
            let own = f64::from(replication * 3 % 7) * 0.01;
            text += &format!(
                "\nr,1,{replication},c,{policy},ff,1,2,3,4,5,{},{},{},{},{},{},0.18,0.75,{},9,9,9,0.98",
                greedy + own,
                1.05 + own,
                3.0 - own,
                0.97 + own,
                0.3 + own,
                1.1 + own,
                0.9 + own
            );
        }
    }
    let results = Results::parse(Path::new("runs.csv"), text.as_bytes())
        .unwrap()
        .with_alone();
    let shown = overview(&results, wide(80));
    let lines: Vec<&str> = shown.lines().collect();
    for word in ["greedy", "ordinary", "paying", "lab", "small", "Jain,"] {
        assert!(lines[0].contains(word), "{word}\n{shown}");
    }
    assert!(
        lines[2].starts_with("alone ") && lines[2].contains("180 ≡"),
        "{shown}"
    );
    assert!(shown.contains("Shares: greedy got more than its entitlement under fifo (15.3 times)"));
    let floor = "under all: an uplink keeps floors before it asks its discipline";
    assert!(shown.replace('\n', " ").contains(floor), "{shown}");
    assert!(
        lines.iter().all(|line| line.chars().count() <= 80),
        "{shown}"
    );
}
