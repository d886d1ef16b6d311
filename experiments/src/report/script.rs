//! A matplotlib script for those who want their own style: the same tables, groups, colours,
//! markers and lines, in standard Python.

use serde_json::{Map, Value, json};

use super::grouping::{Group, Grouping, grouping};
use super::styles::{ALONE, COLOURS, Marker, Style};
use super::summary_metrics::{self, ScenarioKind};
use crate::output::Results;
use crate::stats::Centre;

/// The part that does not depend on the result.
const BODY: &str = include_str!("script.py");

/// The script: what this result has as constants, then [`BODY`].
pub(super) fn script(results: &Results) -> String {
    let all = grouping(results);
    let axes: Vec<&str> = all
        .axes
        .iter()
        .map(|at| results.axes[*at].name.as_str())
        .collect();
    let groups = all.groups.iter();
    let groups: Vec<Value> = groups.map(|found| group(results, &all, found)).collect();
    // In the order of the results, which a JSON map would not keep.
    let mut styles = vec![format!("\"alone\":{}", style(ALONE))];
    for policy in all.groups.iter().flat_map(|group| &group.cells) {
        let entry = format!("{}:{}", json!(policy.name), style(policy.style));
        if !styles.contains(&entry) {
            styles.push(entry);
        }
    }
    let metrics: Vec<Value> = summary_metrics::headlines(results)
        .iter()
        .take(summary_metrics::FIGURE_MAX)
        .map(|headline| {
            let name = &results.metrics[headline.metric];
            json!([name, headline.long_title(name), headline.scale])
        })
        .collect();
    let medians: Vec<&String> = results
        .metrics
        .iter()
        .filter(|name| Centre::of_metric(name) == Centre::Median)
        .collect();
    // Strings, numbers, lists and maps of them are the same in JSON and in Python.
    format!(
        "# Figures of one fairlab result with matplotlib.\n\
         POLICY = {}\nAXES = {}\nGROUPS = {}\nSTYLES = {{{}}}\nMETRICS = {}\nMEDIANS = {}\n{}{BODY}",
        json!(all.policy),
        json!(axes),
        json!(groups),
        styles.join(","),
        json!(metrics),
        json!(medians),
        distribution(results)
    )
}

/// What the cells of a group have in common: in words, and column by column.
fn group(results: &Results, all: &Grouping, group: &Group) -> Value {
    let cell = group.cells.first().map(|policy| policy.cell);
    let params = cell.or(group.alone).map(|cell| &results.cells[cell].params);
    let mut same = Map::new();
    for axis in &all.others {
        if let Some(params) = params {
            same.insert(results.axes[*axis].name.clone(), json!(params[*axis]));
        }
    }
    json!([group.title, same])
}

/// Colour, marker, whether the marker is hollow, and the dashes of a style.
fn style(style: Style) -> Value {
    let (red, green, blue) = COLOURS[style.colour];
    let (marker, is_hollow) = match style.marker {
        Marker::Circle => ("o", false),
        Marker::Square => ("s", false),
        Marker::Triangle => ("^", false),
        Marker::Diamond => ("D", false),
        Marker::Down => ("v", false),
        Marker::Plus => ("+", false),
        Marker::Cross => ("x", false),
        Marker::Ring => ("o", true),
        Marker::HollowSquare => ("s", true),
        Marker::HollowDiamond => ("D", true),
        Marker::HollowTriangle => ("^", true),
        Marker::HollowDown => ("v", true),
        Marker::Bar => ("|", false),
        Marker::Star => ("$*$", false),
    };
    let colour = format!("#{red:02x}{green:02x}{blue:02x}");
    json!([colour, marker, u8::from(is_hollow), style.stroke.dashes()])
}

/// Table, column, column that says that it began, words, and class of what is distributed.
fn distribution(results: &Results) -> String {
    let kind = summary_metrics::kind(results);
    let class = match kind {
        ScenarioKind::Transfers => summary_metrics::classes(results).into_iter().next(),
        ScenarioKind::Load | ScenarioKind::Swarm => None,
    };
    let of = match kind {
        ScenarioKind::Swarm => [
            "peers.csv",
            "completion_s",
            "joined_s",
            "completion time (s)",
        ],
        ScenarioKind::Load | ScenarioKind::Transfers => {
            let words = "slowdown (time / time alone)";
            ["transfers.csv", "slowdown", "start_s", words]
        }
    };
    format!(
        "CLASS = {}\nDISTRIBUTION = {}\n",
        json!(class.unwrap_or_default()),
        json!(of)
    )
}
