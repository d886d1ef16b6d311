//! Which cells a figure compares with each other, and what they are called there.
//!
//! A figure compares policies. Whatever else varies makes small multiples: a group is the cells
//! that differ in their policy alone. Where several settings of a policy vary, the first two
//! together are the policy.

use super::styles::{self, Style};
use super::summary_metrics;
use crate::output::{CellRuns, Results};

/// Settings that are one policy together; more would be told apart by nobody.
const PARTS_MAX: usize = 2;

/// Words for parameters that are often varied.
const WORDS: [(&str, &str); 8] = [
    ("policy", "policy"),
    ("policy.uplink", "uplink discipline"),
    ("policy.share", "share per"),
    ("policy.unchoke", "choker"),
    ("policy.seed-rule", "seed rule"),
    ("policy.picker", "chunk picker"),
    ("policy.slots", "slots"),
    ("policy.rechoke", "time between choking rounds"),
];

/// The policies of a result, and its cells by everything else.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Grouping {
    /// What is compared, in words.
    pub(super) policy: String,
    /// Parameters that together are the policy.
    pub(super) axes: Vec<usize>,
    /// Parameters whose values make the groups.
    pub(super) others: Vec<usize>,
    /// In the order of the results.
    pub(super) groups: Vec<Group>,
}

/// Cells that differ in their policy alone.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    /// What they have in common, in words; empty if nothing else varies.
    pub(super) title: String,
    /// In the order of the results.
    pub(super) cells: Vec<Policy>,
    /// The cell of what its transfers and peers take alone.
    pub(super) alone: Option<usize>,
}

/// A cell as a figure shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    /// Index in [`Results::cells`].
    pub(super) cell: usize,
    /// What it is called.
    pub(super) name: String,
    pub(super) style: Style,
}

/// The policies and groups of `results`.
pub(super) fn grouping(results: &Results) -> Grouping {
    let varying = results.varying();
    let axes = policy_axes(results);
    let is_other = |at: &usize| !axes.contains(at);
    let others: Vec<usize> = varying.into_iter().filter(is_other).collect();
    let parts = |cell: &CellRuns| -> Vec<String> {
        if axes.is_empty() {
            return vec![cell.cell.clone()];
        }
        axes.iter().map(|at| cell.params[*at].clone()).collect()
    };
    let shown = || results.cells.iter().filter(|cell| !cell.is_alone);
    let styles = styles::of_policies(&shown().map(parts).collect::<Vec<_>>());
    let mut styles = styles.into_iter();
    let mut groups: Vec<(Vec<&String>, Group)> = Vec::new();
    for (at, cell) in results.cells.iter().enumerate() {
        let key: Vec<&String> = others.iter().map(|axis| &cell.params[*axis]).collect();
        let found = groups.iter().position(|(known, _)| *known == key);
        let place = found.unwrap_or_else(|| {
            let group = Group {
                title: setting(results, &others, at),
                cells: Vec::new(),
                alone: None,
            };
            groups.push((key, group));
            groups.len() - 1
        });
        let group = &mut groups[place].1;
        if cell.is_alone {
            group.alone.get_or_insert(at);
        } else {
            group.cells.push(Policy {
                cell: at,
                name: parts(cell).join(" + "),
                style: styles.next().expect("a style was made for each cell"),
            });
        }
    }
    let words: Vec<String> = axes
        .iter()
        .map(|at| axis_words(&results.axes[*at].name))
        .collect();
    Grouping {
        policy: words.join(" + "),
        axes,
        others,
        groups: groups.into_iter().map(|(_, group)| group).collect(),
    }
}

/// The values of `axes` in a cell, in words.
pub(super) fn setting(results: &Results, axes: &[usize], cell: usize) -> String {
    let params = &results.cells[cell].params;
    let words = axes.iter().map(|axis| {
        format!(
            "{} = {}",
            axis_words(&results.axes[*axis].name),
            params[*axis]
        )
    });
    words.collect::<Vec<_>>().join(", ")
}

/// Parameters that together are the policy: those named so, else the one that is compared.
fn policy_axes(results: &Results) -> Vec<usize> {
    let is_policy = |at: &usize| {
        let name = &results.axes[*at].name;
        name == "policy" || name.starts_with("policy.")
    };
    let mut axes: Vec<usize> = results.varying().into_iter().filter(is_policy).collect();
    axes.truncate(PARTS_MAX);
    if axes.is_empty() {
        axes.extend(summary_metrics::policy_axis(results));
    }
    axes
}

/// A parameter in words: `workload.job.load` is "load of job".
pub(super) fn axis_words(name: &str) -> String {
    if let Some((_, words)) = WORDS.iter().find(|(known, _)| *known == name) {
        return (*words).to_owned();
    }
    let mut parts = name.split('.');
    let of = match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(_), Some(owner), Some(key), None) => Some((key, owner)),
        _ => None,
    };
    match of {
        Some((key, owner)) => format!("{} of {owner}", key.replace(['-', '_'], " ")),
        None => name.replace(['-', '_', '.'], " "),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn results(axes: &str, rows: &[&str]) -> Results {
        let mut text = format!("run,seed,replication,cell,{axes},trace_digest,x\n");
        for (at, row) in rows.iter().enumerate() {
            text += &format!("r{at},1,0,c,{row},ff,1\n");
        }
        Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap()
    }

    fn shape(results: &Results) -> Vec<(String, Vec<String>)> {
        let groups = grouping(results).groups;
        let names = |group: &Group| group.cells.iter().map(|cell| cell.name.clone()).collect();
        let groups = groups.iter();
        groups
            .map(|group| (group.title.clone(), names(group)))
            .collect()
    }

    // A population, a choker and a seed rule vary: chokers with their seed rules are compared
    // inside each population.
    #[test]
    fn policies_are_compared_whatever_else_varies() {
        let mut rows = Vec::new();
        for population in ["equal", "riders"] {
            for choker in ["none", "wary-tit-for-tat"] {
                for rule in ["even", "forwarders-first"] {
                    rows.push(format!("{population},{choker},{rule}"));
                }
            }
        }
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let found = results("population,policy.unchoke,policy.seed-rule", &rows);
        let names = [
            "none + even",
            "none + forwarders-first",
            "wary-tit-for-tat + even",
            "wary-tit-for-tat + forwarders-first",
        ];
        let names = names.map(str::to_owned).to_vec();
        let groups = ["population = equal", "population = riders"];
        assert_eq!(shape(&found), groups.map(|g| (g.to_owned(), names.clone())));
        let all = grouping(&found);
        assert_eq!(all.policy, "choker + seed rule");
        let style = |group: usize, cell: usize| all.groups[group].cells[cell].style;
        assert_eq!(style(0, 3), style(1, 3));
    }

    #[test]
    fn a_third_setting_of_the_policy_makes_groups() {
        let rows = ["a,b,c", "a,b,d", "a,e,c", "f,b,c"];
        let found = results("policy.unchoke,policy.seed-rule,policy.picker", &rows);
        let titles: Vec<String> = shape(&found).into_iter().map(|group| group.0).collect();
        assert_eq!(titles, ["chunk picker = c", "chunk picker = d"]);
    }

    #[test]
    fn where_no_policy_varies_what_varies_is_compared() {
        let found = results("load", &["0.5", "0.9"]);
        assert_eq!(
            shape(&found),
            [(String::new(), vec!["0.5".to_owned(), "0.9".to_owned()])]
        );
        let one = results("load", &["0.5"]);
        assert_eq!(shape(&one), [(String::new(), vec!["c".to_owned()])]);
    }

    #[test]
    fn a_parameter_is_said_in_words() {
        assert_eq!(axis_words("workload.job.load"), "load of job");
        assert_eq!(axis_words("class.rider.count"), "count of rider");
        assert_eq!(axis_words("connection-window"), "connection window");
    }
}
