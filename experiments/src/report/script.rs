//! A matplotlib script for those who want their own style: the same tables, standard Python.

use serde_json::json;

use super::summary_metrics::{self, Kind};
use crate::output::Results;

/// The part that does not depend on the result.
const BODY: &str = include_str!("script.py");

/// The script: what this result has as constants, then [`BODY`].
pub(super) fn script(results: &Results) -> String {
    let axes: Vec<&str> = results
        .varying()
        .iter()
        .map(|at| results.axes[*at].name.as_str())
        .collect();
    let policy = summary_metrics::policy_axis(results);
    let last = summary_metrics::groups(results).pop().unwrap_or_default();
    let common: serde_json::Map<String, serde_json::Value> = results
        .varying()
        .into_iter()
        .filter(|at| Some(*at) != policy)
        .filter_map(|at| {
            let value = &results.cells[*last.first()?].params[at];
            Some((results.axes[at].name.clone(), json!(value)))
        })
        .collect();
    let metrics: Vec<serde_json::Value> = summary_metrics::headlines(results)
        .iter()
        .take(summary_metrics::FIGURE_MAX)
        .map(|headline| {
            let name = &results.metrics[headline.metric];
            json!([name, headline.long_title(name), headline.scale])
        })
        .collect();
    let kind = summary_metrics::kind(results);
    let class = match kind {
        Kind::Transfers => summary_metrics::classes(results)
            .into_iter()
            .next()
            .unwrap_or_default(),
        Kind::Load | Kind::Swarm => String::new(),
    };
    let distribution = match kind {
        Kind::Swarm => json!([
            "peers.csv",
            "completion_s",
            "joined_s",
            "completion time (s)"
        ]),
        Kind::Load | Kind::Transfers => {
            json!([
                "transfers.csv",
                "slowdown",
                "start_s",
                "slowdown (time / time alone)"
            ])
        }
    };
    // Strings, numbers, lists and maps of them are the same in JSON and in Python.
    format!(
        "# Figures of one fairlab result with matplotlib.\n\
         AXES = {}\nCOMMON = {}\nMETRICS = {}\nCLASS = {}\nDISTRIBUTION = {}\n{BODY}",
        json!(axes),
        json!(common),
        json!(metrics),
        json!(class),
        distribution
    )
}
