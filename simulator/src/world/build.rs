//! From rows of a setup to links and cores.

use fairhaul_config::amount::{Bounded, SizeLimit};
use fairhaul_config::policy::Policy;
use fairhaul_core::block_size;
use fairhaul_core::choke::CHOKERS;
use fairhaul_core::node::{Asking, Config, Node};
use fairhaul_core::time::Time;
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_core::uplink::{Limit, Settings};

use super::access::Access;
use crate::network::{Network, NodeIndex, RegionIndex};
use crate::random::Streams;
use crate::setup::{Behaviour, GroupSetup, NetworkModel, PeerSetup, Setup};

/// Blocks that an uplink has in hand, so that it never waits for the core.
const BLOCKS_IN_HAND: u64 = 2;

/// Makes every node's two links and the shared ones.
pub(super) fn links(setup: &Setup, network: &mut dyn Network) {
    for peer in &setup.peers {
        let [up, down] = Access::of(peer).capacities(setup.network);
        let node = network.add_node(up, down);
        network.set_region(node, RegionIndex(peer.region));
    }
    let regions = u32::try_from(setup.latency.regions.len().max(1)).expect("checked by the lab");
    let shared: Vec<_> = setup
        .links
        .iter()
        .map(|link| network.add_shared(Some(link.capacity)))
        .collect();
    for from in 0..regions {
        for to in 0..regions {
            let route: Vec<_> = setup
                .links
                .iter()
                .zip(&shared)
                .filter(|(link, _)| link.is_crossed(from, to))
                .map(|(_, shared)| *shared)
                .collect();
            if !route.is_empty() {
                network.set_route(RegionIndex(from), RegionIndex(to), &route);
            }
        }
    }
}

/// The core of a peer.
pub(super) fn node(setup: &Setup, row: u32, now: Time) -> Node {
    let peer = &setup.peers[row as usize];
    let policy = &setup.policies[peer.policy as usize];
    let refuse = || CHOKERS.find("refuse").expect("it is in the core's table");
    let (unchoke, seed_rule) = match peer.behaviour {
        Behaviour::Compliant => (policy.unchoke.row(), policy.seed_rule.row()),
        Behaviour::FreeRider => (refuse(), refuse()),
    };
    let config = Config {
        uplink: uplink(setup, row, policy),
        unchoke,
        seed_rule,
        picker: policy.picker.row(),
        slots: policy.slots.get() as usize,
        rechoke: policy.rechoke.get(),
        pipeline: policy.pipeline.map(Bounded::get),
        download: match setup.network {
            NetworkModel::Block { .. } => peer.download_cap,
            NetworkModel::Fluid => None,
        },
        asking: Asking::default(),
        guard: policy.guard,
        rng: Streams::new(setup.rng_seed, setup.replication).stream(&peer.name, "node"),
    };
    Node::new(config, now)
}

fn uplink(setup: &Setup, row: u32, policy: &Policy) -> Settings {
    let peer = &setup.peers[row as usize];
    let largest = largest_block(policy, peer);
    let in_hand = ByteCount::new(largest.get() * BLOCKS_IN_HAND);
    // A block link is shared by the core: a peer may hold the whole window, and whose own
    // connection is full is stalled. A fluid link is shared by the network, which orders the
    // blocks of each transfer itself: it has all of them. In a swarm it has one of each
    // connection, so that a choke takes back what was asked for.
    let (window_node, window_peer) = match setup.network {
        NetworkModel::Block { .. } => (in_hand, ByteCount::MAX),
        NetworkModel::Fluid if sources(setup, row) => (ByteCount::MAX, ByteCount::MAX),
        NetworkModel::Fluid => (ByteCount::MAX, largest),
    };
    Settings {
        outer: policy.uplink.outer(),
        inner: policy.uplink.inner(),
        share: policy.share,
        largest,
        window_node,
        window_peer,
        adapt: false,
        quantum: policy.quantum.and_then(SizeLimit::get),
    }
}

/// The largest block of a peer's uplink.
pub(crate) fn largest_block(policy: &Policy, peer: &PeerSetup) -> ByteCount {
    let block = policy.block.and_then(SizeLimit::get);
    block.unwrap_or_else(|| block_size::for_rate(narrowest(peer)))
}

/// The lowest rate at which a node's uplink is configured to run.
fn narrowest(peer: &PeerSetup) -> Option<Rate> {
    [peer.up, peer.upload_cap].into_iter().flatten().min()
}

/// Whether a peer is the source of a transfer.
fn sources(setup: &Setup, peer: u32) -> bool {
    setup.transfers.iter().any(|row| row.source == peer)
}

/// A node's own cap, if the core keeps it.
pub(super) fn own_limit(setup: &Setup, peer: u32) -> Option<Limit> {
    let peer = &setup.peers[peer as usize];
    let limit = Limit {
        cap: Some(peer.upload_cap?),
        burst: peer.burst,
        ..Limit::default()
    };
    (setup.network != NetworkModel::Fluid).then_some(limit)
}

/// What a core is told of a limit: no cap in a fluid, where the network keeps it.
pub(super) const fn told(network: NetworkModel, limit: Limit) -> Limit {
    match network {
        NetworkModel::Block { .. } => limit,
        NetworkModel::Fluid => Limit { cap: None, ..limit },
    }
}

/// What others grant to a peer.
pub(super) fn peer_limit(peer: &PeerSetup) -> Limit {
    Limit {
        cap: peer.cap,
        floor: peer.floor,
        weight: peer.weight,
        band: peer.band,
        ..Limit::default()
    }
}

/// What a group gets.
pub(super) fn group_limit(group: &GroupSetup) -> Limit {
    Limit {
        cap: group.cap,
        floor: group.floor,
        weight: group.weight,
        band: group.band,
        ..Limit::default()
    }
}

/// The network's name for a peer.
pub(super) const fn place(peer: u32) -> NodeIndex {
    NodeIndex(peer)
}
