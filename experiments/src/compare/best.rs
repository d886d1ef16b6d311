//! Which cell is the best of its group, where one is.

use fairhaul_simulator::metrics::Direction;

use super::LEVEL;
use crate::output::Results;
use crate::report::summary_metrics::{self, Headline};
use crate::stats;

/// The best cells of each headline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Best {
    /// For each headline, the cells that are better than every other cell that differs from them
    /// in its policy alone.
    pub cells: Vec<Vec<usize>>,
    /// Comparisons that this took, all of which are one table after Holm.
    pub comparisons: usize,
}

/// One cell against the one with the best centre.
struct Contest {
    headline: usize,
    best: usize,
    p: Option<f64>,
    matters: bool,
}

/// Compares, for each headline and in each group of cells that differ in their policy alone, the
/// best centre with every other.
///
/// A cell is best only if it is better than each of them for sure and by more than the smallest
/// difference that matters. Where two cannot be told apart, none is.
#[must_use]
pub fn best(results: &Results, headlines: &[Headline]) -> Best {
    let groups = summary_metrics::groups(results);
    let mut contests = Vec::new();
    for (at, headline) in headlines.iter().enumerate() {
        for group in &groups {
            contests.extend(contest(results, (at, headline), group));
        }
    }
    let p: Vec<f64> = contests.iter().filter_map(|contest| contest.p).collect();
    let mut adjusted = stats::holm(&p).into_iter();
    let mut cells = vec![Vec::new(); headlines.len()];
    let mut lost = vec![Vec::new(); headlines.len()];
    for contest in contests {
        let own = contest.p.and_then(|_| adjusted.next());
        let is_won = contest.matters && own.is_some_and(|p| p <= LEVEL);
        let list = if is_won { &mut cells } else { &mut lost };
        if !list[contest.headline].contains(&contest.best) {
            list[contest.headline].push(contest.best);
        }
    }
    for (cells, lost) in cells.iter_mut().zip(&lost) {
        cells.retain(|cell| !lost.contains(cell));
    }
    Best {
        cells,
        comparisons: p.len(),
    }
}

fn contest(results: &Results, (at, headline): (usize, &Headline), group: &[usize]) -> Vec<Contest> {
    let value = |cell: usize| Some((cell, headline.estimate(&results.cells[cell])?.value));
    let values: Vec<(usize, f64)> = group.iter().filter_map(|cell| value(*cell)).collect();
    let least = |a: &&(usize, f64), b: &&(usize, f64)| a.1.total_cmp(&b.1);
    let best = match headline.direction {
        Direction::Lower => values.iter().min_by(least),
        Direction::Higher => values.iter().max_by(least),
        Direction::Neither => None,
    };
    let Some((best, _)) = best else {
        return Vec::new();
    };
    let others = values.iter().filter(|(cell, _)| cell != best);
    others
        .map(|(other, _)| {
            let (own, theirs) = (&results.cells[*best], &results.cells[*other]);
            let found = super::difference(results, (*best, own), theirs, headline.metric);
            let sure = found.as_ref().and_then(|found| found.difference.interval);
            let excludes_zero = sure.is_some_and(|(low, high)| low > 0.0 || high < 0.0);
            Contest {
                headline: at,
                best: *best,
                p: found.as_ref().and_then(|found| found.p),
                matters: excludes_zero
                    && found.is_some_and(|found| {
                        let least = results.smallest_difference * found.baseline_value.abs();
                        found.difference.value.abs() > least
                    }),
            }
        })
        .collect()
}
