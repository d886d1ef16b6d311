//! Metrics of swarms: when the last peer finishes against the least possible, and who gave
//! how much for what it took.

use super::Sample;
use super::scalars::{Scalar, Scalars};
use crate::record::{PeerRecord, Record};
use crate::setup::{PeerSetup, Setup};

/// Seconds from joining to having everything it wanted; none if it wanted nothing or never
/// finished.
#[must_use]
pub fn peer_completion_s(peer: &PeerRecord) -> Option<f64> {
    if !peer.wanted {
        return None;
    }
    Some(peer.completed?.since(peer.joined?).as_secs_f64())
}

/// Time taken over the time with the seeds alone; none if it wanted nothing or never finished.
/// Below 1 where other peers helped more than they took.
#[must_use]
pub fn peer_slowdown(peer: &PeerRecord) -> Option<f64> {
    let alone = peer.alone.filter(|span| span.as_nanos() > 0)?;
    Some(peer_completion_s(peer)? / alone.as_secs_f64())
}

/// Bytes sent while it still wanted something over bytes received; none if it wanted or got
/// nothing. What a peer gives after it has everything is a gift, so it does not count.
#[must_use]
pub fn share_ratio(peer: &PeerRecord) -> Option<f64> {
    let down = peer.down_from_leechers.get() + peer.down_from_seeds.get();
    (peer.wanted && down > 0).then(|| peer.up_as_leecher.get() as f64 / down as f64)
}

/// Adds the scalars of all swarms together, then those of each class of leechers.
pub(super) fn add(setup: &Setup, record: &Record, out: &mut Scalars) {
    if setup.contents.is_empty() {
        return;
    }
    let rows: Vec<Row<'_>> = leechers(setup, record);
    add_makespan(record, out);
    let error = rows.iter().map(|r| r.1.worst_service_error.get()).max();
    out.add("service_error_worst_bytes", error.map(|bytes| bytes as f64));
    let wasted: u64 = record.peers.iter().map(|p| p.wasted.get()).sum();
    out.add("wasted_bytes", Some(wasted as f64));
    add_peers("", &rows, out);
    let mut classes: Vec<&str> = Vec::new();
    for (peer, _) in &rows {
        if !classes.contains(&peer.class.as_str()) {
            classes.push(&peer.class);
        }
    }
    for class in classes {
        let of_class: Vec<Row<'_>> = rows
            .iter()
            .copied()
            .filter(|r| r.0.class == class)
            .collect();
        add_peers(&format!(".{class}"), &of_class, out);
    }
}

type Row<'a> = (&'a PeerSetup, &'a PeerRecord);

/// Peers that some content names as leechers, in the order of the setup.
fn leechers<'a>(setup: &'a Setup, record: &'a Record) -> Vec<Row<'a>> {
    let mut wants = vec![false; setup.peers.len()];
    for at in setup.contents.iter().flat_map(|content| &content.leechers) {
        if let Some(want) = wants.get_mut(*at as usize) {
            *want = true;
        }
    }
    setup
        .peers
        .iter()
        .zip(&record.peers)
        .zip(wants)
        .filter_map(|(row, want)| want.then_some(row))
        .collect()
}

/// The slowest content decides: its makespan, and the worst ratio to each bound.
fn add_makespan(record: &Record, out: &mut Scalars) {
    let contents = &record.contents;
    let spans: Option<Vec<_>> = contents.iter().map(|c| c.makespan).collect();
    let makespan = spans.and_then(|spans| spans.into_iter().max());
    out.add("makespan_s", makespan.map(|span| span.as_secs_f64()));
    let kumar_ross = contents.iter().filter_map(|c| c.kumar_ross).max();
    out.add("kumar_ross_s", kumar_ross.map(|span| span.as_secs_f64()));
    let mundinger = contents.iter().filter_map(|c| c.mundinger).max();
    out.add("mundinger_s", mundinger.map(|span| span.as_secs_f64()));
    // Both bounds hold, so the larger one is the distance that counts.
    let over = contents.iter().filter_map(|content| {
        let bound = content.kumar_ross.max(content.mundinger)?.as_secs_f64();
        (bound > 0.0).then_some(content.makespan?.as_secs_f64() / bound)
    });
    out.add("makespan_over_bound", over.max_by(f64::total_cmp));
}

fn add_peers(suffix: &str, rows: &[Row<'_>], out: &mut Scalars) {
    let joined = rows.iter().filter(|r| r.1.joined.is_some()).count();
    let finished = rows.iter().filter(|r| r.1.completed.is_some()).count();
    let mut put = |name: &str, value| out.push(Scalar::new(format!("{name}{suffix}"), value));
    put("leechers_joined", Some(joined as f64));
    put(
        "leechers_not_finished",
        Some((joined - finished.min(joined)) as f64),
    );
    let seconds = Sample::new(rows.iter().filter_map(|r| peer_completion_s(r.1)));
    put("peer_completion_mean_s", seconds.mean());
    put("peer_completion_p50_s", seconds.at_per_mille(500));
    put("peer_completion_p95_s", seconds.at_per_mille(950));
    put("peer_completion_p99_s", seconds.at_per_mille(990));
    let alone = Sample::new(rows.iter().filter_map(|r| Some(r.1.alone?.as_secs_f64())));
    put("peer_alone_mean_s", alone.mean());
    put("peer_alone_p50_s", alone.at_per_mille(500));
    put("peer_alone_p95_s", alone.at_per_mille(950));
    put("peer_alone_p99_s", alone.at_per_mille(990));
    let slowdowns = Sample::new(rows.iter().filter_map(|r| peer_slowdown(r.1)));
    put("peer_slowdown_mean", slowdowns.mean());
    put("peer_slowdown_p95", slowdowns.at_per_mille(950));
    let ratios = Sample::new(rows.iter().filter_map(|r| share_ratio(r.1)));
    put("share_ratio_p5", ratios.at_per_mille(50));
    put("share_ratio_p50", ratios.at_per_mille(500));
    put("share_ratio_p95", ratios.at_per_mille(950));
}
