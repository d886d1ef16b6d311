//! Fairness over time scales: the same run looked at through windows of several lengths.
//!
//! A flow counts in a window if it had demand from end to end: the share of a flow that was idle
//! for part of it means nothing.

use std::collections::BTreeMap;

use fairhaul_core::time::{Span, Time};
use fairhaul_results::mean;

use super::{classes, indices};
use crate::record::{FlowName, Record, WindowRecord};
use crate::setup::Setup;

/// Jain's index over windows of one length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowedJain {
    /// Length of the windows.
    pub window: Span,
    /// Mean of the index over the windows that count; none if no window counts.
    pub mean: Option<f64>,
    /// Windows that count: at least two flows backlogged from end to end.
    pub windows: usize,
}

/// Jain's index of `bytes / entitlement` among those that were backlogged for the whole window,
/// averaged over windows, for each length in the order of the setup.
///
/// Those are whom the ideal is fair to: transfers of one peer are one where it is fair to peers,
/// so that the order among them says nothing about fairness.
#[must_use]
pub fn windowed_jain(setup: &Setup, record: &Record) -> Vec<WindowedJain> {
    setup
        .windows
        .iter()
        .map(|window| {
            let indices = jain_per_window(setup, *window, &record.windows);
            WindowedJain {
                window: *window,
                mean: mean(&indices),
                windows: indices.len(),
            }
        })
        .collect()
}

fn jain_per_window(setup: &Setup, window: Span, rows: &[WindowRecord]) -> Vec<f64> {
    let mut sums: BTreeMap<Time, BTreeMap<_, (u64, u64)>> = BTreeMap::new();
    let whole = rows
        .iter()
        .filter(|row| row.window == window && row.backlogged >= window)
        .filter(|row| row.entitlement.get() > 0);
    for row in whole {
        let party = match row.flow {
            FlowName::Transfer(at) => {
                let source = setup.transfers[at as usize].source;
                (Some(source), classes::party(setup, at))
            }
            FlowName::Peer(peer) => (None, classes::Party::Peer(peer)),
        };
        let sum = sums.entry(row.start).or_default().entry(party).or_default();
        sum.0 += row.bytes.get();
        sum.1 += row.entitlement.get();
    }
    let shares = sums.values().filter(|parties| parties.len() > 1);
    shares
        .filter_map(|parties| {
            let shares = parties.values().map(|(got, due)| *got as f64 / *due as f64);
            indices::jain(&shares.collect::<Vec<_>>())
        })
        .collect()
}

/// The shortest window from which on every longer one has a mean index of at least 0.95: the
/// time scale at which the run is fair. None if the longest has less, or none counts.
#[must_use]
pub fn fair_from(windows: &[WindowedJain]) -> Option<Span> {
    let mut known: Vec<(Span, f64)> = windows
        .iter()
        .filter_map(|found| Some((found.window, found.mean?)))
        .collect();
    known.sort_by_key(|(window, _)| *window);
    let fair = known.iter().rev().take_while(|(_, mean)| *mean >= 0.95);
    fair.last().map(|(window, _)| *window)
}

/// The most bytes by which a flow was ever behind its entitlement, at the ends of the
/// shortest windows; none where no windows were recorded.
///
/// A transfer cannot be behind by more than what it still wants, so its entitlement stops at
/// its length.
#[must_use]
pub fn worst_lag(setup: &Setup, record: &Record) -> Option<u64> {
    let shortest = *setup.windows.iter().min()?;
    let mut behind: BTreeMap<FlowName, (u64, u64)> = BTreeMap::new();
    let mut rows: Vec<&WindowRecord> = record
        .windows
        .iter()
        .filter(|row| row.window == shortest)
        .collect();
    rows.sort_by_key(|row| (row.start, row.flow));
    let mut worst = None;
    for row in rows {
        let (entitled, got) = behind.entry(row.flow).or_default();
        *entitled = entitled.saturating_add(row.entitlement.get());
        *got = got.saturating_add(row.bytes.get());
        let wanted = match row.flow {
            FlowName::Transfer(at) => setup.transfers.get(at as usize).map(|t| t.bytes.get()),
            FlowName::Peer(_) => None,
        };
        let lag = (*entitled)
            .min(wanted.unwrap_or(u64::MAX))
            .saturating_sub(*got);
        worst = worst.max(Some(lag));
    }
    worst
}

#[cfg(test)]
mod tests {
    use fairhaul_core::units::ByteCount;
    use fairhaul_core::uplink::Share;

    use super::*;
    use crate::metrics::fixture;

    fn row(flow: u32, window_ms: u64, at: u64, bytes: u64, backlogged_ms: u64) -> WindowRecord {
        WindowRecord {
            window: Span::from_millis(window_ms),
            start: Time::ZERO + Span::from_millis(at),
            flow: FlowName::Transfer(flow),
            bytes: ByteCount::new(bytes),
            entitlement: ByteCount::new(50),
            backlogged: Span::from_millis(backlogged_ms),
        }
    }

    // Two flows take turns of 10 ms on a link: in 10 ms windows one has all, in 20 ms
    // windows both have half. Equal at 20 ms, 1/2 at 10 ms.
    #[test]
    fn turns_are_unfair_in_short_windows_and_fair_in_long_ones() {
        let mut setup = fixture::two_transfers();
        setup.ideal_share = Some(Share::Transfer);
        setup.windows = vec![Span::from_millis(10), Span::from_millis(20)];
        let record = Record {
            windows: vec![
                row(0, 10, 0, 100, 10),
                row(1, 10, 0, 0, 10),
                row(0, 10, 10, 0, 10),
                row(1, 10, 10, 100, 10),
                row(0, 20, 0, 100, 20),
                row(1, 20, 0, 100, 20),
            ],
            ..Record::default()
        };
        let found = windowed_jain(&setup, &record);
        assert_eq!(found[0].mean, Some(0.5));
        assert_eq!(found[0].windows, 2);
        assert_eq!(found[1].mean, Some(1.0));
        assert_eq!(worst_lag(&setup, &record), Some(50));
    }

    // The same turns between two transfers of one peer are no unfairness to a peer.
    #[test]
    fn the_order_among_transfers_of_one_peer_is_no_unfairness_between_peers() {
        let mut setup = fixture::two_transfers();
        setup.ideal_share = Some(Share::Peer);
        setup.windows = vec![Span::from_millis(10)];
        setup.peers.push(fixture::peer("other"));
        let other = crate::setup::TransferSetup {
            destination: 2,
            ..setup.transfers[0].clone()
        };
        setup.transfers.push(other);
        let windows = vec![
            row(0, 10, 0, 100, 10),
            row(1, 10, 0, 0, 10),
            row(2, 10, 0, 50, 10),
        ];
        let record = Record {
            windows,
            ..Record::default()
        };
        assert_eq!(windowed_jain(&setup, &record)[0].mean, Some(1.0));
        setup.ideal_share = Some(Share::Transfer);
        assert!(windowed_jain(&setup, &record)[0].mean.unwrap() < 0.7);
    }

    #[test]
    fn a_flow_that_was_idle_for_part_of_a_window_does_not_count() {
        let mut setup = fixture::two_transfers();
        setup.windows = vec![Span::from_millis(10)];
        let record = Record {
            windows: vec![row(0, 10, 0, 100, 10), row(1, 10, 0, 0, 9)],
            ..Record::default()
        };
        let found = windowed_jain(&setup, &record);
        assert_eq!((found[0].mean, found[0].windows), (None, 0));
    }

    #[test]
    fn a_run_is_fair_from_the_window_after_which_none_is_unfair() {
        let row = |millis, mean| WindowedJain {
            window: Span::from_millis(millis),
            mean,
            windows: 1,
        };
        let mut rows = vec![
            row(1_000, Some(1.0)),
            row(10, Some(0.99)),
            row(100, Some(0.9)),
        ];
        assert_eq!(fair_from(&rows), Some(Span::from_secs(1)));
        rows.push(row(10_000, Some(0.5)));
        assert_eq!(fair_from(&rows), None);
        assert_eq!(fair_from(&[row(10, None)]), None);
    }

    // Entitled to 50 a window for three windows, but only 60 long: behind by 60 at most.
    #[test]
    fn a_transfer_is_never_behind_by_more_than_it_wants() {
        let mut setup = fixture::two_transfers();
        setup.windows = vec![Span::from_millis(10)];
        setup.transfers[0].bytes = ByteCount::new(60);
        let record = Record {
            windows: (0..3).map(|at| row(0, 10, at * 10, 0, 10)).collect(),
            ..Record::default()
        };
        assert_eq!(worst_lag(&setup, &record), Some(60));
        setup.windows.clear();
        assert_eq!(worst_lag(&setup, &record), None);
    }
}
