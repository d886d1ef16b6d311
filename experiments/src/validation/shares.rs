//! Shares of flows among those that are backlogged, window by window.
//!
//! A window counts if the same flows, two or more, are backlogged from end to end in both worlds. A
//! window in which a flow ended in one world and not yet in the other tells when that was, not
//! which flow got which share. Transfers of small classes are left out: they come and go within a
//! window. Flows of a swarm are its classes, because the peers of one are exchangeable.

use std::collections::{BTreeMap, BTreeSet};

use super::small::small_classes;
use super::world::{Run, Twin};
use super::{AIM_SHARE_POINTS, Found};
use crate::stats;

/// A window that counts, with the shares of its flows.
#[derive(Clone, Debug)]
struct Shared {
    length: String,
    start: String,
    replication: u32,
    flows: Vec<Share>,
}

/// Share of a flow in a window, in percent.
#[derive(Clone, Debug)]
struct Share {
    flow: String,
    class: String,
    simulated: f64,
    emulated: f64,
}

impl Share {
    fn points(&self) -> f64 {
        self.emulated - self.simulated
    }
}

/// Length and start of a window, and whether it is about peers of a swarm.
type Key<'a> = (&'a str, bool, &'a str);
/// Class and bytes of each flow that is backlogged from end to end.
type Flows<'a> = BTreeMap<&'a str, (&'a str, f64)>;

/// Shares of classes, and differences of flows at each window length.
pub(super) fn shares(twins: &[Twin<'_>]) -> Vec<Found> {
    let windows = shared(twins);
    let mut lengths: Vec<&str> = windows
        .iter()
        .map(|window| window.length.as_str())
        .collect();
    lengths.sort_by(|one, two| seconds(one).total_cmp(&seconds(two)));
    lengths.dedup();
    let of_length = |length: &str| -> Vec<&Shared> {
        let own = windows.iter().filter(|window| window.length == length);
        own.collect()
    };
    // The shortest windows cover most of the time in which a set of flows is backlogged.
    let mut found = lengths
        .first()
        .map_or_else(Vec::new, |length| classes(&of_length(length)));
    for length in lengths {
        let windows = of_length(length);
        found.extend(mean_size(length, &windows));
        found.extend(worst(length, &windows));
    }
    found
}

/// Whether the simulated runs have windows to compare, and yet none is shared.
pub(super) fn is_blind(twins: &[Twin<'_>]) -> bool {
    let small = small_classes(twins);
    let has_some = twins.iter().any(|twin| {
        let windows = windows(twin.simulated, &small);
        windows
            .iter()
            .any(|(key, flows)| by_name(key.1, flows).len() > 1)
    });
    has_some && shared(twins).is_empty()
}

fn seconds(length: &str) -> f64 {
    length.parse().unwrap_or(f64::INFINITY)
}

fn shared(twins: &[Twin<'_>]) -> Vec<Shared> {
    let small = small_classes(twins);
    let mut found = Vec::new();
    for twin in twins {
        let others = windows(twin.emulated, &small);
        for (key, own) in windows(twin.simulated, &small) {
            let Some(other) = others.get(&key) else {
                continue;
            };
            if own.keys().eq(other.keys()) {
                let flows = both(&by_name(key.1, &own), &by_name(key.1, other));
                found.extend(flows.map(|flows| Shared {
                    length: key.0.to_owned(),
                    start: key.2.to_owned(),
                    replication: twin.replication,
                    flows,
                }));
            }
        }
    }
    found
}

fn windows<'a>(run: &'a Run, small: &BTreeSet<String>) -> BTreeMap<Key<'a>, Flows<'a>> {
    let mut windows: BTreeMap<Key<'a>, Flows<'a>> = BTreeMap::new();
    let whole = run.windows.iter().filter(|row| row.whole);
    for row in whole.filter(|row| row.of_peer || !small.contains(&row.class)) {
        let key = (row.length.as_str(), row.of_peer, row.start.as_str());
        let flows = windows.entry(key).or_default();
        flows.insert(&row.flow, (&row.class, row.bytes));
    }
    windows
}

/// The flows as they are compared: peers together by class.
fn by_name<'a>(of_peers: bool, flows: &Flows<'a>) -> Flows<'a> {
    if !of_peers {
        return flows.clone();
    }
    let mut classes = Flows::new();
    for (class, bytes) in flows.values() {
        classes.entry(*class).or_insert((*class, 0.0)).1 += bytes;
    }
    classes
}

/// Shares of the same flows in both worlds; none of a single flow, or where nothing moved.
fn both(own: &Flows<'_>, other: &Flows<'_>) -> Option<Vec<Share>> {
    let [all_own, all_other] =
        [own, other].map(|flows| flows.values().map(|(_, bytes)| bytes).sum::<f64>());
    if own.len() < 2 || all_own <= 0.0 || all_other <= 0.0 {
        return None;
    }
    let flows = own.iter().map(|(flow, (class, bytes))| Share {
        flow: (*flow).to_owned(),
        class: (*class).to_owned(),
        simulated: bytes / all_own * 100.0,
        emulated: other
            .get(flow)
            .map_or(0.0, |(_, bytes)| bytes / all_other * 100.0),
    });
    Some(flows.collect())
}

/// What each class has in the mean of the windows that it is backlogged in.
fn classes(windows: &[&Shared]) -> Vec<Found> {
    // Of each class and replication, the sums over windows and how many windows there are.
    let mut sums: BTreeMap<&str, BTreeMap<u32, (f64, f64, f64)>> = BTreeMap::new();
    for window in windows {
        let mut counted = BTreeSet::new();
        for share in &window.flows {
            let replications = sums.entry(&share.class).or_default();
            let (own, other, count) = replications.entry(window.replication).or_default();
            *own += share.simulated;
            *other += share.emulated;
            if counted.insert(&share.class) {
                *count += 1.0;
            }
        }
    }
    // One class has all of it in both worlds.
    if sums.len() < 2 {
        return Vec::new();
    }
    let classes = sums.into_iter().filter_map(|(class, replications)| {
        let means = |of: fn(&(f64, f64, f64)) -> f64| -> Vec<f64> {
            replications.values().map(of).collect()
        };
        let own = stats::estimate(&means(|sum| sum.0 / sum.2))?;
        let other = stats::estimate(&means(|sum| sum.1 / sum.2))?;
        let error = stats::estimate(&means(|sum| (sum.1 - sum.0) / sum.2))?;
        Some(Found {
            class: class.to_owned(),
            simulated: Some(own.value),
            emulated: Some(other.value),
            ..row("share".to_owned(), &error)
        })
    });
    classes.collect()
}

/// The mean size of the difference of a flow in a window.
fn mean_size(length: &str, windows: &[&Shared]) -> Option<Found> {
    let mut replications: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
    for window in windows {
        let sizes = window.flows.iter().map(|share| share.points().abs());
        replications
            .entry(window.replication)
            .or_default()
            .extend(sizes);
    }
    let means: Vec<f64> = replications
        .values()
        .map(|sizes| sizes.iter().sum::<f64>() / sizes.len() as f64)
        .collect();
    let error = stats::estimate(&means)?;
    Some(row(format!("share_abs_{length}s"), &error))
}

/// The flow and window with the largest difference.
fn worst(length: &str, windows: &[&Shared]) -> Option<Found> {
    let all = windows
        .iter()
        .flat_map(|window| window.flows.iter().map(move |share| (window, share)));
    let by_size = |one: &Share, two: &Share| one.points().abs().total_cmp(&two.points().abs());
    let (window, share) = all.max_by(|(_, one), (_, two)| by_size(one, two))?;
    let replications: BTreeSet<u32> = windows.iter().map(|window| window.replication).collect();
    Some(Found {
        class: share.class.clone(),
        simulated: Some(share.simulated),
        emulated: Some(share.emulated),
        n: replications.len(),
        item: format!(
            "{} at {} s, replication {}",
            share.flow, window.start, window.replication
        ),
        ..row(
            format!("share_worst_{length}s"),
            &stats::estimate(&[share.points()])?,
        )
    })
}

fn row(quantity: String, error: &stats::Estimate) -> Found {
    Found {
        quantity,
        class: String::new(),
        unit: "%",
        simulated: None,
        emulated: None,
        error: error.value,
        error_unit: "points",
        interval: error.interval,
        aim: AIM_SHARE_POINTS,
        n: error.n,
        item: String::new(),
    }
}
