use std::path::Path;

use super::*;

const SCENARIO: &str = "[deviation]\nclass = \"x\"\n";

const HEADER: &str = "run,seed,replication,cell,policy,class.x.behaviour,trace_digest,\
    deviant_goodput_bytes_per_s,deviants_not_finished,others_goodput_bytes_per_s,\
    others_not_finished,deviant_leak_bytes,deviant_leak_of_others_bytes,deviant_leak_bound_bytes\n";

/// Two policies, three replications. Deviants under `weak` get twice their goodput in the first two
/// replications and half more in the third, under `strong` they never finish. Who complies has 100
/// B/s, and another number in each replication.
fn results() -> Results {
    let mut text = HEADER.to_owned();
    let mut put = |policy: &str, behaviour: &str, replication: u32, values: &str| {
        let cell = format!("policy={policy} behaviour={behaviour}");
        text += &format!("r,1,{replication},{cell},{policy},{behaviour},ff,{values}\n");
    };
    for replication in 0..3 {
        let comply = 100 + 10 * replication;
        put(
            "weak",
            "compliant",
            replication,
            &format!("{comply},0,200,0,-50,-50,"),
        );
        put(
            "strong",
            "compliant",
            replication,
            &format!("{comply},0,200,0,-50,-50,1000"),
        );
        let deviate = comply * if replication < 2 { 2 } else { 3 };
        let others = 150 + 10 * replication;
        put(
            "weak",
            "cheat",
            replication,
            &format!("{deviate},0,{others},0,5000,4000,"),
        );
        let leak = 900 + replication;
        put(
            "strong",
            "cheat",
            replication,
            &format!("0,1,200,0,{leak},{leak},800"),
        );
        put("broken", "compliant", replication, "0,2,0,5,0,0,");
        put("broken", "cheat", replication, "50,0,100,0,0,0,");
    }
    Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap()
}

fn row_of(policy: &str, metric: DeviationMetric) -> DeviationRow {
    let results = results();
    let found = Deviations::of(&results, SCENARIO).unwrap();
    let is_it = |cell: &CellRuns| cell.params == [policy, "cheat"];
    let cell = results.cells.iter().position(is_it).unwrap();
    found.find(cell, metric).unwrap().clone()
}

// 200 / 100, 220 / 110 and 360 / 120 are 2, 2 and 3: mean 2.333, with a half width of 4.303 times
// 0.577 / sqrt(3). Means of all runs would be 260 / 110. Others lose 50, 40 and 30 of 200.
#[test]
fn runs_are_compared_in_pairs() {
    let gain = row_of("weak", DeviationMetric::Gain);
    let found = gain.found.unwrap();
    assert!((found.value - 7.0 / 3.0).abs() < 1e-12);
    assert!((found.half_width().unwrap() - 4.302_65 / 3.0).abs() < 1e-4);
    assert_eq!(gain.standing, DeviationStanding::Undecided);
    assert_eq!(gain.verdict(), "undecided");
    let harm = row_of("weak", DeviationMetric::Harm);
    assert!((harm.found.unwrap().value - 0.2).abs() < 1e-12);
    assert_eq!(harm.standing, DeviationStanding::Above);
    assert_eq!(harm.verdict(), "harms");
}

// Who never finishes gains nothing, in all three runs alike; that nobody is harmed is exact too.
#[test]
fn a_deviant_that_never_finishes_gains_nothing() {
    let gain = row_of("strong", DeviationMetric::Gain);
    assert_eq!((gain.never, gain.runs), (3, 3));
    assert_eq!(gain.found.unwrap().value.to_bits(), 0.0_f64.to_bits());
    assert_eq!(gain.standing, DeviationStanding::NotAbove);
    let harm = row_of("strong", DeviationMetric::Harm);
    assert_eq!(harm.verdict(), "does not harm, identical runs");
}

#[test]
fn a_leak_is_held_against_what_is_promised() {
    let beyond = row_of("strong", DeviationMetric::LeakOfOthers);
    assert_eq!(beyond.bound, Some(800.0));
    assert!(beyond.is_beyond_bound());
    let open = row_of("weak", DeviationMetric::LeakOfOthers);
    assert_eq!((open.bound, open.standing), (None, DeviationStanding::Open));
    assert_eq!(open.verdict(), "identical runs");
    let all = row_of("strong", DeviationMetric::Leak);
    assert!(!all.is_beyond_bound());
}

// A promise is one about every run: it was broken in two of three, whatever the mean is.
#[test]
fn a_promise_is_held_against_every_run() {
    let kept = |leaks: [u32; 3]| {
        let mut text = HEADER.to_owned();
        for (replication, leak) in (0..).zip(leaks) {
            for behaviour in ["compliant", "cheat"] {
                let cell = format!("r,1,{replication},{behaviour},p,{behaviour},ff");
                text += &format!("{cell},100,0,100,0,{leak},{leak},800\n");
            }
        }
        let results = Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap();
        let found = Deviations::of(&results, SCENARIO).unwrap();
        let row = found.find(1, DeviationMetric::LeakOfOthers).unwrap();
        row.verdict()
    };
    assert_eq!(kept([800, 0, 799]), "within the bound");
    assert_eq!(kept([801, 0, 5000]), "beyond the bound in some runs");
    assert_eq!(kept([801, 900, 5000]), "beyond the bound");
}

#[test]
fn where_nobody_finishes_who_complies_there_is_no_gain() {
    let gain = row_of("broken", DeviationMetric::Gain);
    assert_eq!((gain.found, gain.never_complying), (None, 3));
    assert_eq!(gain.verdict(), "nobody finishes who complies");
}

#[test]
fn the_table_has_a_row_for_each_metric_of_each_cell_in_which_somebody_deviates() {
    let results = results();
    let found = Deviations::of(&results, SCENARIO).unwrap();
    let text = String::from_utf8(found.table(&results)).unwrap();
    assert_eq!(text.lines().count(), 1 + 3 * 4, "{text}");
    let head = "cell,policy,class.x.behaviour,metric,unit,n,never,value,ci_lo,ci_hi,bound,verdict";
    assert_eq!(text.lines().next(), Some(head));
    assert!(!text.contains(",compliant,"), "{text}");
    let beyond = text
        .lines()
        .find(|line| line.contains("beyond the bound"))
        .unwrap();
    assert!(
        beyond.contains(",leak-of-others,bytes,3,3,901,"),
        "{beyond}"
    );
}

#[test]
fn a_result_that_measures_no_deviation_has_none() {
    let results = results();
    assert_eq!(Deviations::of(&results, "[scenario]\nname = \"x\"\n"), None);
    assert_eq!(
        Deviations::of(&results, "[deviation]\nclass = \"y\"\n"),
        None
    );
}
