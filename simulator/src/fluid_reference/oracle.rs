//! Hierarchical progressive filling, slow and obvious: what the fluid network must agree with.
//!
//! Source:   D. Bertsekas and R. Gallager, "Data Networks", 1992, section 6.5.2; the tree of each
//!           source as in J. Bennett and H. Zhang, "Hierarchical Packet Fair Queueing Algorithms",
//!           SIGCOMM 1996.
//! Contract: raise the rates of all flows together, each at the speed that its source's tree gives
//!           it, until a link, a cap or a group's cap is reached; stop the flows concerned; go on
//!           with the others at the speeds that the tree gives them now.
//! Departs:  knows weights, caps and strict bands, and neither floors nor an order that changes
//!           with time.
//!
//! Everything is found anew in every round. No sum is kept.

use fairhaul_config::policy::{DisciplineName, Policy};
use fairhaul_core::units::{Rate, Weight};
use fairhaul_core::uplink::Share;

use crate::setup::{Setup, TransferSetup};

/// A step of the way from a source's root to a transfer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    /// Which class, among those below the same one.
    pub(super) name: (char, u32),
    pub(super) weight: f64,
    pub(super) band: u8,
}

/// Closer than this to a limit is at it.
const NEAR: f64 = 1e-9;

/// The rate in bytes per second of each transfer of `active`, rows of `setup`, when all of them
/// have demand; infinite where nothing limits one.
#[must_use]
pub fn rates(setup: &Setup, active: &[u32]) -> Vec<f64> {
    let ways: Vec<Vec<Step>> = active.iter().map(|row| way(setup, *row)).collect();
    let limits = limits(setup, active);
    let mut rates = vec![0.0; active.len()];
    let mut rising: Vec<bool> = (0..active.len())
        .map(|flow| limits.iter().any(|(flows, _)| flows.contains(&flow)))
        .collect();
    for (rate, rises) in rates.iter_mut().zip(&rising) {
        if !rises {
            *rate = f64::INFINITY;
        }
    }
    while rising.contains(&true) {
        let speeds: Vec<f64> = (0..active.len())
            .map(|flow| speed(setup, active, &ways, &rising, flow))
            .collect();
        let slack = |(flows, capacity): &(Vec<usize>, f64)| {
            let used: f64 = flows.iter().map(|flow| rates[*flow]).sum();
            (capacity - used).max(0.0)
        };
        let climbs = |flows: &[usize]| flows.iter().map(|flow| speeds[*flow]).sum::<f64>();
        let step = limits
            .iter()
            .filter(|(flows, _)| climbs(flows) > 0.0)
            .map(|limit| slack(limit) / climbs(&limit.0))
            .fold(f64::INFINITY, f64::min);
        for (rate, speed) in rates
            .iter_mut()
            .zip(&speeds)
            .filter(|(rate, _)| rate.is_finite())
        {
            *rate += speed * step;
        }
        for (flows, capacity) in &limits {
            let used: f64 = flows.iter().map(|flow| rates[*flow]).sum();
            if used >= capacity * (1.0 - NEAR) {
                flows.iter().for_each(|flow| rising[*flow] = false);
            }
        }
    }
    rates
}

/// When each transfer of `setup` has had all its bytes, in seconds, if all share the links as
/// [`rates`] says, nothing takes time to arrive and requests never fail to come.
#[must_use]
pub fn completions(setup: &Setup) -> Vec<f64> {
    let mut left: Vec<f64> = setup
        .transfers
        .iter()
        .map(|transfer| transfer.bytes.get() as f64)
        .collect();
    let start = |transfer: &TransferSetup| transfer.start.as_nanos() as f64 / 1e9;
    let mut ends = vec![f64::INFINITY; left.len()];
    let mut now = 0.0;
    loop {
        let rows = (0_u32..).zip(&setup.transfers);
        let open = rows.filter(|(row, _)| ends[*row as usize].is_infinite());
        let (active, coming): (Vec<_>, Vec<_>) =
            open.partition(|(_, transfer)| start(transfer) <= now);
        let active: Vec<u32> = active.into_iter().map(|(row, _)| row).collect();
        let rates = rates(setup, &active);
        let next_start = coming.iter().map(|(_, transfer)| start(transfer));
        let next_end = active
            .iter()
            .zip(&rates)
            .map(|(row, rate)| now + left[*row as usize] / rate);
        let next = next_start.chain(next_end).fold(f64::INFINITY, f64::min);
        if next.is_infinite() {
            return ends;
        }
        for (row, rate) in active.iter().zip(&rates) {
            let left = &mut left[*row as usize];
            let all = now + *left / rate;
            *left -= rate * (next - now);
            if all <= next * (1.0 + f64::EPSILON) {
                ends[*row as usize] = next;
            }
        }
        now = next;
    }
}

/// The classes of a transfer at its source, and itself last.
pub(super) fn way(setup: &Setup, row: u32) -> Vec<Step> {
    let transfer = &setup.transfers[row as usize];
    let who = &setup.peers[transfer.destination as usize];
    let step = |kind, row, weight: Weight, band| Step {
        name: (kind, row),
        weight: f64::from(weight.hundredths()),
        band,
    };
    let share = policy(setup, row).share;
    let within = |group: Option<u32>, band: u8| {
        group.map_or(band, |group| setup.groups[group as usize].band.max(band))
    };
    let (of_peer, of_transfer) = match share {
        Share::Transfer => (who.band, within(transfer.group, transfer.band)),
        Share::Group => (who.band, transfer.band),
        Share::Peer => (within(who.group, who.band), transfer.band),
    };
    let peer = step('p', transfer.destination, who.weight, of_peer);
    let own = step('t', row, transfer.weight, of_transfer);
    let group = |row: u32| {
        let group = &setup.groups[row as usize];
        step('g', row, group.weight, group.band)
    };
    let (group, below) = match share {
        Share::Transfer => (None, [own, peer]),
        Share::Group => (who.group.or(transfer.group).map(group), [peer, own]),
        Share::Peer => (None, [peer, own]),
    };
    group.into_iter().chain(below).collect()
}

fn policy(setup: &Setup, row: u32) -> &Policy {
    let source = setup.transfers[row as usize].source;
    &setup.policies[setup.peers[source as usize].policy as usize]
}

/// How fast a flow's rate rises while those of `rising` do: at each step of its way, its part by
/// weight among the classes that rise; right below the root, its weight.
fn speed(setup: &Setup, active: &[u32], ways: &[Vec<Step>], rising: &[bool], flow: usize) -> f64 {
    if !rising[flow] {
        return 0.0;
    }
    let source = |flow: usize| setup.transfers[active[flow] as usize].source;
    // The classes that rise right below the first `depth` steps of a way.
    let below = |depth: usize| {
        let mut steps: Vec<&Step> = Vec::new();
        for (other, way) in ways.iter().enumerate() {
            let same = source(other) == source(flow)
                && way.len() > depth
                && way[..depth] == ways[flow][..depth];
            if same && rising[other] && !steps.contains(&&way[depth]) {
                steps.push(&way[depth]);
            }
        }
        steps
    };
    let sum = |steps: &[&Step]| steps.iter().map(|step| step.weight).sum::<f64>();
    let is_strict = policy(setup, active[flow]).uplink == DisciplineName::of("strict");
    let mut speed = 1.0;
    for (depth, own) in ways[flow].iter().enumerate() {
        let mut siblings = below(depth);
        if is_strict {
            siblings.retain(|step| step.band <= own.band);
            if siblings.iter().any(|step| step.band < own.band) {
                return 0.0;
            }
        }
        speed *= if depth == 0 {
            own.weight
        } else {
            own.weight / sum(&siblings)
        };
    }
    speed
}

/// Everything that bounds a sum of rates: which flows, and at what.
fn limits(setup: &Setup, active: &[u32]) -> Vec<(Vec<usize>, f64)> {
    let mut limits = Vec::new();
    let mut add = |rate: Option<Rate>, holds: &dyn Fn(&TransferSetup) -> bool| {
        let flows = active.iter().enumerate();
        let flows = flows.filter(|(_, row)| holds(&setup.transfers[**row as usize]));
        let flows: Vec<usize> = flows.map(|(flow, _)| flow).collect();
        if let Some(rate) = rate.filter(|_| !flows.is_empty()) {
            limits.push((flows, rate.get() as f64));
        }
    };
    for (row, peer) in (0_u32..).zip(&setup.peers) {
        for rate in [peer.up, peer.upload_cap] {
            add(rate, &|transfer| transfer.source == row);
        }
        for rate in [peer.down, peer.download_cap] {
            add(rate, &|transfer| transfer.destination == row);
        }
        for (other, _) in (0_u32..).zip(&setup.peers) {
            let pair = |one: &TransferSetup| one.source == other && one.destination == row;
            add(peer.cap, &pair);
        }
        for (group, limit) in (0_u32..).zip(&setup.groups) {
            add(limit.cap, &|transfer| {
                let who = &setup.peers[transfer.destination as usize];
                let is_in = transfer.group == Some(group) || who.group == Some(group);
                transfer.source == row && is_in
            });
        }
    }
    for link in &setup.links {
        add(Some(link.capacity), &|transfer| {
            let region = |peer: u32| setup.peers[peer as usize].region;
            link.is_crossed(region(transfer.source), region(transfer.destination))
        });
    }
    for (row, transfer) in (0_u32..).zip(&setup.transfers) {
        let alone = active.iter().position(|other| *other == row);
        if let (Some(flow), Some(cap)) = (alone, transfer.cap) {
            limits.push((vec![flow], cap.get() as f64));
        }
    }
    limits
}
