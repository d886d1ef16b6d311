//! The summary numbers of a run, in a fixed order: the columns of a table of runs.
//!
//! Names end in their unit (`_s`, `_bytes`, `_pp`); ratios and indices have none. What belongs to
//! one class carries `.class` behind that.

use std::collections::BTreeSet;

use super::{clustering, swarm, transfers, windowed};
use crate::record::Record;
use crate::setup::{FaultKind, Setup};

/// One number of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Scalar {
    /// What it is, with its unit: `completion_p99_s.small`.
    pub name: String,
    /// Its value; none where it does not exist for this run.
    pub value: Option<f64>,
}

impl Scalar {
    pub(super) const fn new(name: String, value: Option<f64>) -> Self {
        Self { name, value }
    }
}

/// Scalars in the making.
#[derive(Debug, Default)]
pub(super) struct Scalars(pub(super) Vec<Scalar>);

impl IntoIterator for Scalars {
    type Item = Scalar;
    type IntoIter = std::vec::IntoIter<Scalar>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Scalars {
    pub(super) fn add(&mut self, name: &str, value: Option<f64>) {
        self.push(Scalar::new(name.to_owned(), value));
    }

    pub(super) fn push(&mut self, scalar: Scalar) {
        self.0.push(scalar);
    }
}

/// All scalar metrics of a run. Runs of one scenario have the same names in the same order:
/// the names depend on its classes, windows, contents and transfers, never on what happened.
#[must_use]
pub fn scalars(setup: &Setup, record: &Record) -> Vec<Scalar> {
    let mut out = Scalars::default();
    transfers::add(setup, record, &mut out);
    swarm::add(setup, record, &mut out);
    clustering::add(setup, record, &mut out);
    let windows = windowed::windowed_jain(setup, record);
    for found in &windows {
        let seconds = found.window.as_secs_f64();
        out.add(&format!("jain_window_{seconds}s"), found.mean);
    }
    if !windows.is_empty() {
        let fair = windowed::fair_from(&windows).map(|window| window.as_secs_f64());
        out.add("fair_window_s", fair);
    }
    out.add("uplink_utilisation", uplink_utilisation(setup, record));
    out.add("end_s", Some(record.end.as_secs_f64()));
    let stopped = u8::from(record.stopped_at_horizon);
    out.add("stopped_at_horizon", Some(f64::from(stopped)));
    out.add("events", Some(record.events as f64));
    out.add("steps", Some(record.steps as f64));
    out.0
}

/// Bytes sent over bytes that the uplinks could have sent while their nodes were present.
///
/// Counts the nodes that had something to send: sources of transfers, seeds and leechers.
/// Nodes without a limit, or whose limit changes during the run, are left out on both sides.
fn uplink_utilisation(setup: &Setup, record: &Record) -> Option<f64> {
    let (mut sent, mut could) = (0.0, 0.0);
    for at in senders(setup) {
        let (Some(peer), Some(row)) = (setup.peers.get(at), record.peers.get(at)) else {
            continue;
        };
        let limits = [peer.up, peer.upload_cap];
        if let Some(limit) = limits.into_iter().flatten().min() {
            sent += (row.up_as_leecher.get() + row.up_as_seed.get()) as f64;
            could += limit.get() as f64 * row.present.as_secs_f64();
        }
    }
    (could > 0.0).then(|| sent / could)
}

fn senders(setup: &Setup) -> BTreeSet<usize> {
    let sources = setup.transfers.iter().map(|transfer| transfer.source);
    let members = setup
        .contents
        .iter()
        .flat_map(|c| c.seeds.iter().chain(&c.leechers));
    let mut found: BTreeSet<usize> = sources
        .chain(members.copied())
        .map(|at| at as usize)
        .collect();
    for fault in &setup.faults {
        if let FaultKind::Capacity { peer, .. } | FaultKind::UploadCap { peer, .. } = fault.kind {
            found.remove(&(peer as usize));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fairhaul_core::time::{Span, Time};
    use fairhaul_core::units::{ByteCount, Rate};

    use super::*;
    use crate::metrics::fixture;
    use crate::record::{ContentRecord, PeerRecord, TransferRecord};
    use crate::setup::{ContentSetup, FaultSetup};

    fn by_name(setup: &Setup, record: &Record) -> BTreeMap<String, Option<f64>> {
        let found = scalars(setup, record);
        let count = found.len();
        let map: BTreeMap<_, _> = found.into_iter().map(|s| (s.name, s.value)).collect();
        assert_eq!(map.len(), count, "every name is used once");
        map
    }

    fn seconds(s: u64) -> Time {
        Time::ZERO + Span::from_secs(s)
    }

    // Two transfers of one source of 100 B/s. The small one (100 bytes, 1 s alone) takes 4 s
    // and got 100 of 200; the bulk one (1,000 bytes, 10 s alone) got 600 of 500 and did not
    // finish. Shares: 1/7 against 2/7 and 6/7 against 5/7, so 14.3 points.
    fn unfair() -> (Setup, Record) {
        let setup = fixture::two_transfers();
        let record = Record {
            end: seconds(10),
            peers: vec![
                PeerRecord {
                    up_as_seed: ByteCount::new(700),
                    present: Span::from_secs(10),
                    ..PeerRecord::default()
                },
                PeerRecord::default(),
            ],
            transfers: vec![
                TransferRecord {
                    start: Some(seconds(1)),
                    end: Some(seconds(5)),
                    alone: Some(Span::from_secs(1)),
                    received: ByteCount::new(100),
                    entitlement: ByteCount::new(200),
                    ..TransferRecord::default()
                },
                TransferRecord {
                    start: Some(seconds(0)),
                    alone: Some(Span::from_secs(10)),
                    received: ByteCount::new(600),
                    entitlement: ByteCount::new(500),
                    ..TransferRecord::default()
                },
            ],
            ..Record::default()
        };
        (setup, record)
    }

    #[test]
    fn transfers_are_measured_against_their_entitlement_and_against_being_alone() {
        let (setup, record) = unfair();
        let found = by_name(&setup, &record);
        assert!(!found.keys().any(|name| name.starts_with("jain")));
        assert!((found["share_error_worst_pp"].unwrap() - 100.0 / 7.0).abs() < 1e-9);
        assert_eq!(found["share_over_entitlement_min"], Some(0.5));
        assert_eq!(found["share_over_entitlement_max"], Some(1.2));
        assert_eq!(found["share_over_entitlement_p50.bulk"], Some(1.2));
        assert_eq!(found["slowdown_p99.small"], Some(4.0));
        assert_eq!(found["completion_mean_s.small"], Some(4.0));
        assert_eq!(found["completion_mean_s.bulk"], None);
        assert_eq!(found["transfers_not_finished.bulk"], Some(1.0));
        assert_eq!(found["transfers_not_finished"], Some(1.0));
        assert_eq!(found["uplink_utilisation"], Some(0.7));
        assert!(!found.contains_key("makespan_s"));
    }

    #[test]
    fn a_node_whose_link_changes_does_not_count_in_utilisation() {
        let (mut setup, record) = unfair();
        setup.faults.push(FaultSetup {
            at: seconds(3),
            kind: FaultKind::UploadCap {
                peer: 0,
                rate: Some(Rate::new(1)),
            },
        });
        assert_eq!(by_name(&setup, &record)["uplink_utilisation"], None);
    }

    // A seed and two leechers. One finishes in 20 s, sent 50 for 100 received; the other is
    // there from second 5 and takes 25 s. The bound is 20 s, the makespan 30 s: 1.5 times.
    #[test]
    fn a_swarm_is_measured_against_its_bound_and_by_what_its_peers_gave() {
        let mut setup = fixture::two_transfers();
        setup.transfers.clear();
        setup.peers.push(fixture::peer("third"));
        setup.contents.push(ContentSetup {
            name: "film".into(),
            bytes: ByteCount::new(100),
            chunk: ByteCount::new(10),
            seeds: vec![0],
            leechers: vec![1, 2],
            start: Vec::new(),
        });
        let leecher = |joined, completed, up| PeerRecord {
            joined: Some(seconds(joined)),
            completed: Some(seconds(completed)),
            wanted: true,
            up_as_leecher: ByteCount::new(up),
            up_as_seed: ByteCount::new(1_000),
            down_from_leechers: ByteCount::new(60),
            down_from_seeds: ByteCount::new(40),
            alone: Some(Span::from_secs(10)),
            worst_service_error: ByteCount::new(up),
            ..PeerRecord::default()
        };
        let mut record = Record {
            peers: vec![
                PeerRecord::default(),
                leecher(0, 20, 50),
                leecher(5, 30, 150),
            ],
            contents: vec![ContentRecord {
                makespan: Some(Span::from_secs(30)),
                leechers: 2,
                completed: 2,
                kumar_ross: Some(Span::from_secs(20)),
                mundinger: Some(Span::from_secs(15)),
            }],
            ..Record::default()
        };
        let found = by_name(&setup, &record);
        assert_eq!(found["makespan_over_bound"], Some(1.5));
        assert_eq!(found["peer_completion_mean_s"], Some(22.5));
        assert_eq!(found["peer_slowdown_p95"], Some(2.5));
        assert_eq!(found["share_ratio_p5"], Some(0.5));
        assert_eq!(found["share_ratio_p95"], Some(1.5));
        assert!(!found.keys().any(|name| name.starts_with("jain")));
        assert_eq!(found["leechers_not_finished"], Some(0.0));
        assert_eq!(found["service_error_worst_bytes"], Some(150.0));
        // One that never finishes is counted, and there is no makespan.
        record.peers[2].completed = None;
        record.contents[0].makespan = None;
        let found = by_name(&setup, &record);
        assert_eq!(found["makespan_s"], None);
        assert_eq!(found["makespan_over_bound"], None);
        assert_eq!(found["leechers_not_finished"], Some(1.0));
        assert_eq!(found["peer_completion_mean_s"], Some(20.0));
    }

    #[test]
    fn names_depend_on_the_setup_and_not_on_what_happened() {
        let (setup, record) = unfair();
        let names = |record| -> Vec<String> {
            scalars(&setup, record)
                .into_iter()
                .map(|s| s.name)
                .collect()
        };
        let idle = Record {
            peers: vec![PeerRecord::default(); 2],
            transfers: vec![TransferRecord::default(); 2],
            ..Record::default()
        };
        assert_eq!(names(&record), names(&idle));
    }
}
