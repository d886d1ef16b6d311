//! The row `alone` of a result: what each metric of time is in the lone runs.
//!
//! The times stand in every run beside the others (`alone_p50_s`), so the row needs no runs of its
//! own and is paired with every cell by replication.

use super::{CellRuns, Results, RunValues};
use crate::report::summary_metrics;

/// What the row is called, in the column of the cell and of the policy.
const ALONE: &str = "alone";

impl Results {
    /// The same results with a cell `alone` in front of each group of cells that differ in their
    /// policy only, and those beside each other; no cell more if no run has times alone. Where two
    /// parameters are of the policy, such as choker and seed rule, one cell is enough for all
    /// values of both.
    #[must_use]
    pub fn with_alone(mut self) -> Self {
        let policy = summary_metrics::policy_axis(&self);
        let mut rows: Vec<(usize, CellRuns)> = Vec::new();
        for group in summary_metrics::groups(&self) {
            let (source, first) = (self.most_finished(&group), group.iter().min());
            let (Some(source), Some(first)) = (source, first) else {
                continue;
            };
            let row = self.alone(&self.cells[source], policy);
            let is_new = |row: &CellRuns| !rows.iter().any(|(_, known)| self.is_same(known, row));
            rows.extend(row.filter(is_new).map(|row| (*first, row)));
        }
        for (first, row) in rows.into_iter().rev() {
            self.cells.insert(first, row);
        }
        let is_policy = |at: usize| self.axes[at].name.starts_with("policy");
        if !policy.is_some_and(is_policy) {
            return self;
        }
        let mut others = self.varying();
        others.retain(|at| !is_policy(*at));
        let mut known: Vec<Vec<String>> = Vec::new();
        self.cells.sort_by_cached_key(|cell| {
            let key: Vec<String> = others.iter().map(|at| cell.params[*at].clone()).collect();
            let found = known.iter().position(|one| *one == key);
            found.unwrap_or_else(|| {
                known.push(key);
                known.len() - 1
            })
        });
        self
    }

    /// Whether two rows alone differ at most in a parameter of the policy.
    fn is_same(&self, one: &CellRuns, other: &CellRuns) -> bool {
        let is_policy = |at: usize| self.axes[at].name.starts_with("policy.");
        let mut params = one.params.iter().zip(&other.params).enumerate();
        let same = params.all(|(at, (one, other))| one == other || is_policy(at));
        same && one.runs == other.runs
    }

    /// The cell of `group` in which most finished: what did not has no time alone.
    fn most_finished(&self, group: &[usize]) -> Option<usize> {
        let counts: Vec<usize> = ["transfers_not_finished", "leechers_not_finished"]
            .iter()
            .filter_map(|name| self.metric(name))
            .collect();
        let missing = |at: &usize| -> f64 {
            let values = counts
                .iter()
                .flat_map(|metric| self.cells[*at].values(*metric));
            values.sum()
        };
        let least = group
            .iter()
            .min_by(|a, b| missing(a).total_cmp(&missing(b)));
        least.copied()
    }

    fn alone(&self, cell: &CellRuns, policy: Option<usize>) -> Option<CellRuns> {
        let from: Vec<Option<Source>> = self.metrics.iter().map(|name| self.source(name)).collect();
        let runs: Vec<RunValues> = cell
            .runs
            .iter()
            .map(|run| RunValues {
                run: String::new(),
                replication: run.replication,
                values: from
                    .iter()
                    .map(|from| {
                        let from = from.as_ref()?;
                        let time = (*run.values.get(from.metric)?)?;
                        Some(if from.is_ratio { 1.0 } else { time })
                    })
                    .collect(),
            })
            .collect();
        let mut params = cell.params.clone();
        if let Some(axis) = policy {
            ALONE.clone_into(&mut params[axis]);
        }
        let has_some = runs
            .iter()
            .any(|run| run.values.iter().any(Option::is_some));
        has_some.then(|| CellRuns {
            cell: ALONE.to_owned(),
            params,
            runs,
            is_alone: true,
        })
    }

    /// Where the value of the metric `name` alone comes from; none of metrics that need others.
    fn source(&self, name: &str) -> Option<Source> {
        let (base, class) = match name.split_once('.') {
            Some((base, class)) => (base, format!(".{class}")),
            None => (name, String::new()),
        };
        let (peer, base) = match base.strip_prefix("peer_") {
            Some(rest) => ("peer_", rest),
            None => ("", base),
        };
        let (of, is_ratio) = match base.split_once('_')? {
            ("completion", of) => (of.to_owned(), false),
            // Whatever is alone has a slowdown of 1.
            ("slowdown", of) => (format!("{of}_s"), true),
            _ => return None,
        };
        let metric = self.metric(&format!("{peer}alone_{of}{class}"))?;
        Some(Source { metric, is_ratio })
    }
}

/// The metric behind a value of the row.
#[derive(Clone, Copy, Debug)]
struct Source {
    metric: usize,
    is_ratio: bool,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    // Two loads, two policies; at 0.9 fifo leaves one unfinished, so drr says what alone is.
    #[test]
    fn each_group_begins_with_what_its_transfers_take_alone() {
        let text = "run,seed,replication,cell,policy.uplink,load,trace_digest,\
            transfers_not_finished,completion_p50_s.x,alone_p50_s.x,slowdown_p50.x,jain_window_1s\n\
            a,1,0,c,fifo,0.5,ff,0,4,2,2,1\nb,1,0,c,fifo,0.9,ff,1,8,1,4,1\n\
            c,1,0,c,drr,0.5,ff,0,3,2,2,1\nd,1,0,c,drr,0.9,ff,0,4,2,2,1\n";
        let results = Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap();
        let found = results.clone().with_alone();
        let labels: Vec<String> = found.cells.iter().map(|cell| found.label(cell)).collect();
        let want = [
            "alone 0.5",
            "fifo 0.5",
            "drr 0.5",
            "alone 0.9",
            "fifo 0.9",
            "drr 0.9",
        ];
        assert_eq!(labels, want.map(str::to_owned));
        let values = &found.cells[3].runs[0].values;
        assert_eq!(values[..], [None, Some(2.0), None, Some(1.0), None]);
        assert_eq!(found.axes, results.axes);
    }

    #[test]
    fn one_row_is_enough_where_two_parameters_are_of_the_policy() {
        let rows = |alone_of_last: u32| {
            format!(
                "run,seed,replication,cell,policy.unchoke,policy.seed-rule,load,trace_digest,\
                completion_p50_s.x,alone_p50_s.x\n\
                a,1,0,c,none,even,0.5,ff,4,2\nb,1,0,c,swift,even,0.5,ff,4,2\n\
                c,1,0,c,none,fastest,0.5,ff,4,2\nd,1,0,c,none,even,0.9,ff,4,{alone_of_last}\n"
            )
        };
        let alone = |text: String| {
            let results = Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap();
            let found = results.with_alone();
            let cells = found.cells.iter().filter(|cell| cell.is_alone);
            cells.map(|cell| found.label(cell)).collect::<Vec<_>>()
        };
        // Another load is another situation, whether it takes as long or not.
        assert_eq!(alone(rows(2)), ["alone even 0.5", "alone even 0.9"]);
        assert_eq!(alone(rows(3)), ["alone even 0.5", "alone even 0.9"]);
    }

    #[test]
    fn results_without_times_alone_stay_as_they_are() {
        let text = "run,seed,replication,cell,uplink,trace_digest,completion_p50_s\n\
            a,1,0,c,fifo,ff,4\nb,1,0,c,drr,ff,3\n";
        let results = Results::parse(Path::new("runs.csv"), text.as_bytes()).unwrap();
        assert_eq!(results.clone().with_alone(), results);
    }
}
