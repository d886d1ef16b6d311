//! Times alone: each transfer and each peer of a swarm is run again with nobody else.
//!
//! A lone run has the two ends of the transfer (or the peer and the seeds of what it wants), the
//! same links, delays, windows, caps and faults, and the same node code. So the slowdown of a
//! transfer that was alone in its run is exactly 1. It is below 1 only where company helps: a
//! transfer that follows another of the same pair finds requests kept ahead for that peer, which a
//! lone one has to build up first, and a peer of a swarm is served by other peers besides the
//! seeds.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use fairhaul_config::policy::DisciplineName;
use fairhaul_core::time::{Span, Time};

use crate::record::Record;
use crate::setup::{
    ContentSetup, FaultKind, FaultSetup, Latency, NetworkModel, PeerSetup, PolicySetup, Setup,
    SharedLinkSetup, TransferSetup,
};
use crate::world;

/// Times alone that were measured already, for all runs of a sweep together.
///
/// A lone run is found again by all that it was given but its discipline: all of them send the one
/// flow's next block at once, because all are work-conserving, and no discipline keeps a cap. So
/// what the cells of a sweep have in common is measured once.
#[derive(Debug, Default)]
pub struct Alone(Mutex<BTreeMap<[u8; 32], Option<Span>>>);

impl Alone {
    /// Fills in the time alone of all transfers that finished and all peers that completed.
    ///
    /// A time stays `None` where the lone run does not end: a fault that others outlasted.
    pub fn measure(&self, setup: &Setup, record: &mut Record) {
        for (row, found) in (0..).zip(&mut record.transfers) {
            if found.start.is_some() && found.end.is_some() {
                found.alone = self.time(&lone_transfer(setup, row), |record| {
                    let lone = record.transfers.first()?;
                    Some(lone.end?.since(lone.start?))
                });
            }
        }
        for (row, found) in (0..).zip(&mut record.peers) {
            if found.wanted && found.joined.is_some() && found.completed.is_some() {
                found.alone = self.time(&lone_leecher(setup, row), |record| {
                    let lone = record.peers.first()?;
                    Some(lone.completed?.since(lone.joined?))
                });
            }
        }
    }

    fn time(&self, lone: &Setup, read: impl FnOnce(&Record) -> Option<Span>) -> Option<Span> {
        let key = *blake3::hash(format!("{lone:?}").as_bytes()).as_bytes();
        let known = |this: &Self| this.lock().get(&key).copied();
        if let Some(time) = known(self) {
            return time;
        }
        // Two threads may measure the same at once: both find the same time.
        let time = world::run(lone, &mut |_| ())
            .ok()
            .and_then(|record| read(&record));
        self.lock().insert(key, time);
        time
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<[u8; 32], Option<Span>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The run of one transfer alone.
fn lone_transfer(setup: &Setup, row: u32) -> Setup {
    let transfer = &setup.transfers[row as usize];
    let mut lone = reduced(setup, &[transfer.source, transfer.destination]);
    lone.transfers = vec![TransferSetup {
        name: String::new(),
        class: String::new(),
        source: 0,
        destination: 1,
        ..transfer.clone()
    }];
    to_the_beginning(&mut lone);
    under_any_discipline(&mut lone);
    lone
}

/// The run of one peer of a swarm with the seeds of all that it wants.
fn lone_leecher(setup: &Setup, row: u32) -> Setup {
    let wanted = || {
        let contents = setup.contents.iter();
        contents.filter(|content| content.leechers.contains(&row))
    };
    let mut kept = vec![row];
    for seed in wanted().flat_map(|content| &content.seeds) {
        if !kept.contains(seed) {
            kept.push(*seed);
        }
    }
    let place = |seed: &u32| {
        let found = kept.iter().position(|peer| peer == seed);
        at(found.expect("all seeds are kept"))
    };
    let mut lone = reduced(setup, &kept);
    let held = |content: &ContentSetup| {
        let own = content.leechers.iter().position(|peer| *peer == row);
        own.and_then(|own| content.start.get(own)).cloned()
    };
    lone.contents = wanted()
        .map(|content| ContentSetup {
            seeds: content.seeds.iter().map(place).collect(),
            leechers: vec![0],
            start: held(content).into_iter().collect(),
            ..content.clone()
        })
        .collect();
    under_any_discipline(&mut lone);
    lone
}

/// `setup` with the peers `kept` alone, in that order, without anything to do.
fn reduced(setup: &Setup, kept: &[u32]) -> Setup {
    let of_kept = |peer: u32| kept.iter().position(|own| *own == peer).map(at);
    let mut regions: Vec<u32> = Vec::new();
    let mut policies: Vec<u32> = Vec::new();
    let peers = kept.iter().map(|row| {
        let peer = &setup.peers[*row as usize];
        PeerSetup {
            class: String::new(),
            region: place_of(peer.region, &mut regions),
            policy: place_of(peer.policy, &mut policies),
            ..peer.clone()
        }
    });
    let peers = peers.collect();
    let policies = policies.iter();
    let policies = policies.map(|row| setup.policies[*row as usize]);
    let (link_rows, links): (Vec<u32>, Vec<SharedLinkSetup>) =
        links(setup, &regions).into_iter().unzip();
    let of_link = |link: u32| link_rows.iter().position(|own| *own == link).map(at);
    let faults = setup.faults.iter().filter_map(|fault| {
        let kind = of_kept_ones(&fault.kind, of_kept, of_link)?;
        Some(FaultSetup { at: fault.at, kind })
    });
    Setup {
        rng_seed: setup.rng_seed,
        replication: setup.replication,
        network: setup.network,
        policies: policies.collect(),
        latency: latency(setup, &regions),
        links,
        groups: setup.groups.clone(),
        peers,
        faults: faults.collect(),
        // What finished in time among others may be the last thing before the horizon.
        horizon: Time::MAX,
        event_budget: setup.event_budget,
        ..Setup::default()
    }
}

/// The place of `value` in `known`, to which it is added if it is new.
fn place_of(value: u32, known: &mut Vec<u32>) -> u32 {
    let found = known.iter().position(|own| *own == value);
    at(found.unwrap_or_else(|| {
        known.push(value);
        known.len() - 1
    }))
}

fn latency(setup: &Setup, regions: &[u32]) -> Latency {
    if setup.latency.regions.is_empty() {
        return Latency::default();
    }
    let pairs = regions
        .iter()
        .flat_map(|from| regions.iter().map(|to| (*from, *to)));
    Latency {
        regions: vec![String::new(); regions.len()],
        one_way: pairs
            .map(|(from, to)| setup.latency.between(from, to))
            .collect(),
    }
}

/// Shared links that a path between the kept regions may cross, with their rows.
fn links(setup: &Setup, regions: &[u32]) -> Vec<(u32, SharedLinkSetup)> {
    let side = |listed: &[u32]| -> Option<Vec<u32>> {
        let here = regions.iter().enumerate();
        let kept: Vec<u32> = here
            .filter(|(_, region)| listed.contains(region))
            .map(|(place, _)| at(place))
            .collect();
        // An empty list means every region, so a side without a kept region ends the link.
        (listed.is_empty() || !kept.is_empty()).then_some(kept)
    };
    let kept = (0..).zip(&setup.links).filter_map(|(row, link)| {
        let kept = SharedLinkSetup {
            from: side(&link.from)?,
            to: side(&link.to)?,
            ..link.clone()
        };
        Some((row, kept))
    });
    kept.collect()
}

/// The same fault among the kept peers and links; none if it happens to others. What is given up
/// is measured for its own sake only if it had ended before.
fn of_kept_ones(
    kind: &FaultKind,
    place: impl Fn(u32) -> Option<u32>,
    link_place: impl Fn(u32) -> Option<u32>,
) -> Option<FaultKind> {
    let mut kept = kind.clone();
    match &mut kept {
        FaultKind::Crash { peer }
        | FaultKind::Restart { peer }
        | FaultKind::Capacity { peer, .. }
        | FaultKind::UploadCap { peer, .. } => *peer = place(*peer)?,
        FaultKind::SharedCapacity { link, .. } => *link = link_place(*link)?,
        FaultKind::Abort { .. } => return None,
    }
    Some(kept)
}

/// Moves a lone transfer to the beginning of its run where nothing depends on the time of day,
/// so that equal transfers are found again whenever they start.
///
/// Faults and departures do depend on it, and so do chokers, whose rounds count from the join. A
/// transfer that starts before its source could announce it waits for the news; it stays where
/// it is.
fn to_the_beginning(lone: &mut Setup) {
    let ahead = lone
        .latency
        .between(lone.peers[0].region, lone.peers[1].region)
        + Span::from_micros(1);
    let joined = lone.peers.iter().map(|peer| peer.join).max();
    let announced = joined.unwrap_or(Time::ZERO) + ahead;
    let chokes =
        |policy: &PolicySetup| policy.unchoke.name() != "none" || policy.seed_rule.name() != "even";
    let timeless = lone.faults.is_empty()
        && lone.peers.iter().all(|peer| peer.leave.is_none())
        && !lone.policies.iter().any(chokes);
    if timeless && lone.transfers[0].start >= announced {
        for peer in &mut lone.peers {
            peer.join = Time::ZERO;
        }
        lone.transfers[0].start = Time::ZERO + ahead;
    }
}

/// Names one discipline for all: a flow without company has every turn.
fn under_any_discipline(lone: &mut Setup) {
    // A fluid without orders has less to do.
    let any = match lone.network {
        NetworkModel::Block { .. } => "fifo",
        NetworkModel::Fluid => "drr",
    };
    for policy in &mut lone.policies {
        policy.uplink = DisciplineName::of(any);
    }
}

fn at(place: usize) -> u32 {
    u32::try_from(place).expect("fewer peers and regions than u32")
}

#[cfg(test)]
mod tests;
