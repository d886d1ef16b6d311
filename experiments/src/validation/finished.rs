//! The numbers of transfers and peers that ended.
//!
//! One that ends in one world only is an error of its own kind: it has no completion time to
//! compare, and would otherwise vanish. The aim is none.

use super::Found;
use super::world::{Run, Twin};
use crate::stats;

/// Peers that wanted something and transfers that ended, with the numbers of both worlds.
pub(super) fn finished(twins: &[Twin<'_>]) -> Vec<Found> {
    let peers = |run: &Run| {
        let ends = run.peers.iter().filter(|peer| peer.completion_s.is_some());
        (run.peers.len(), ends.count())
    };
    let transfers = |run: &Run| {
        let all = run.transfers.iter();
        let ends = all.filter(|transfer| transfer.completion_s.is_some());
        (run.transfers.len(), ends.count())
    };
    let peers = row("peers", twins, peers);
    peers
        .into_iter()
        .chain(row("transfers", twins, transfers))
        .collect()
}

/// The error is the largest of a replication, so that two of them cannot cancel out.
fn row(
    unit: &'static str,
    twins: &[Twin<'_>],
    count: impl Fn(&Run) -> (usize, usize),
) -> Option<Found> {
    let counts = twins
        .iter()
        .map(|twin| [count(twin.simulated), count(twin.emulated)]);
    let counts: Vec<[(usize, usize); 2]> = counts.collect();
    if counts.iter().flatten().all(|(all, _)| *all == 0) {
        return None;
    }
    let ended = |world: usize| -> Vec<f64> {
        let ends = counts.iter().map(|counts| counts[world].1 as f64);
        ends.collect()
    };
    let (own, other) = (ended(0), ended(1));
    let errors = own.iter().zip(&other).map(|(own, other)| other - own);
    let worst = errors.max_by(|one, two| one.abs().total_cmp(&two.abs()))?;
    Some(Found {
        quantity: "finished".to_owned(),
        class: String::new(),
        unit,
        simulated: Some(stats::estimate(&own)?.value),
        emulated: Some(stats::estimate(&other)?.value),
        error: worst,
        error_unit: "count",
        interval: None,
        aim: 0.0,
        n: counts.len(),
        item: String::new(),
    })
}
