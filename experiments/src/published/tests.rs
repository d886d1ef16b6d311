use std::path::Path;

use super::*;

/// Two values of an axis, four replications: 1.1 to 1.4 at one, 0.5 to 0.8 at the other.
fn results() -> Results {
    let mut text = "run,seed,replication,cell,source,trace_digest,gain,base\n".to_owned();
    for (source, from) in [("fast", 1.1), ("slow", 0.5)] {
        for replication in 0..4 {
            let gain = from + 0.1 * f64::from(replication);
            text += &format!("r,1,{replication},source={source},{source},d,{gain},2\n");
        }
    }
    Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap()
}

fn experiment(is_least: bool, bound: f64) -> Experiment {
    Experiment {
        id: "E0".to_owned(),
        source: "nobody".to_owned(),
        read: "nothing".to_owned(),
        assumed: "nothing".to_owned(),
        claims: vec![PublishedClaim {
            name: "gain".to_owned(),
            says: "it pays".to_owned(),
            metric: "gain".to_owned(),
            per: None,
            cells: Default::default(),
            over: Default::default(),
            is_least,
            bound,
        }],
    }
}

fn concluded(experiment: &Experiment) -> Conclusion {
    let found = judge(experiment, &results());
    conclusion(experiment, &conclusions(experiment, &found))
}

#[test]
fn a_claim_holds_fails_or_holds_only_somewhere() {
    assert_eq!(concluded(&experiment(true, 0.2)), Conclusion::Holds);
    assert_eq!(concluded(&experiment(false, 2.0)), Conclusion::Holds);
    assert_eq!(concluded(&experiment(true, 2.0)), Conclusion::Fails);
    assert_eq!(concluded(&experiment(false, 0.2)), Conclusion::Fails);
    let only = |source: &str| Conclusion::HoldsOnlyIf(format!("for gain: source = {source}"));
    assert_eq!(concluded(&experiment(true, 1.0)), only("fast"));
    assert_eq!(concluded(&experiment(false, 1.0)), only("slow"));
}

/// The interval of the first cell, 1.25 +- 0.21, has the bound in it.
#[test]
fn what_an_interval_crosses_is_undecided() {
    let found = judge(&experiment(true, 1.2), &results());
    assert_eq!(found[0].verdict, Upheld::Undecided);
    assert_eq!(found[1].verdict, Upheld::Fails);
    assert_eq!(concluded(&experiment(true, 1.2)), Conclusion::Undecided);
}

#[test]
fn a_claim_may_be_of_some_cells_over_others_and_of_one_metric_over_another() {
    let mut ratio = experiment(true, 1.7);
    ratio.claims[0].over = [("source".to_owned(), "slow".to_owned())].into();
    let found = judge(&ratio, &results());
    assert_eq!(found.len(), 1);
    // 1.1 / 0.5, 1.2 / 0.6, 1.3 / 0.7 and 1.4 / 0.8.
    assert!((found[0].found.unwrap().value - 1.9518).abs() < 1e-3);
    let mut half = experiment(true, 1.0);
    half.claims[0].per = Some("base".to_owned());
    half.claims[0].cells = [("source".to_owned(), "fast".to_owned())].into();
    let found = judge(&half, &results());
    assert!((found[0].found.unwrap().value - 0.625).abs() < 1e-9);
    half.claims[0].metric = "nothing".to_owned();
    assert_eq!(judge(&half, &results())[0].verdict, Upheld::Undecided);
}

#[test]
fn the_table_and_the_page_say_what_was_claimed_and_found() {
    let experiment = experiment(true, 1.0);
    let found = judge(&experiment, &results());
    let csv = String::from_utf8(table(&experiment, &found)).unwrap();
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(csv.contains(",at-least,1,holds"), "{csv}");
    let page = page(&experiment, &found);
    assert!(page.contains("claimed: gain >= 1\n"), "{page}");
    assert!(
        page.ends_with("E0 holds only if for gain: source = fast\n"),
        "{page}"
    );
}
