//! Dashboard and alert rules ask for what a node counts, and the dashboard shows all of it.

use std::collections::BTreeSet;

use fairhaul::control::metrics::{Ended, Metrics};

const DASHBOARD: &str = include_str!("../../deploy/monitoring/grafana.json");
const ALERTS: &str = include_str!("../../deploy/monitoring/alerts.yaml");

/// The names of metrics in a text: words that begin with `fairhaul_`.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("fairhaul_")).collect()
}

/// What a node answers when each of its counters has counted something.
fn answer() -> String {
    let metrics = Metrics::default();
    metrics.peer("vm-2").sent.inc();
    metrics.refused("unknown key");
    metrics.ended(Ended::Complete);
    let text = metrics.text();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_dashboard_shows_each_metric_and_no_other() {
    assert_eq!(names(DASHBOARD), names(&answer()));
}

#[test]
fn alert_rules_ask_for_metrics_that_there_are() {
    let answer = answer();
    let (asked, there) = (names(ALERTS), names(&answer));
    assert!(asked.len() > 5, "{asked:?}");
    assert!(asked.is_subset(&there), "{asked:?}");
}

#[test]
fn the_dashboard_is_json_with_a_title_and_a_query_a_panel() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).expect("it is JSON");
    let panels = dashboard["panels"].as_array().expect("it has panels");
    for panel in panels {
        assert!(
            panel["title"]
                .as_str()
                .is_some_and(|title| !title.is_empty())
        );
        assert!(panel["targets"][0]["expr"].is_string(), "{panel}");
    }
}
