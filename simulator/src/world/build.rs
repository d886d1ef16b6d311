//! From rows of a setup to links and cores.

use fairhaul_config::amount::SizeLimit;
use fairhaul_config::policy::Policy;
use fairhaul_core::block_size;
use fairhaul_core::choke::CHOKERS;
use fairhaul_core::node::Node;
use fairhaul_core::time::Time;
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_core::uplink::Limit;

use super::access::Access;
use crate::behaviour::Serves;
use crate::network::{Network, NodeIndex, RegionIndex};
use crate::random::Streams;
use crate::setup::{GroupSetup, NetworkModel, PeerSetup, Setup};

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
    let largest = largest_block(policy, peer);
    let rng = Streams::new(setup.rng_seed, setup.replication).stream(&peer.name, "node");
    let mut config = policy.config(largest, rng);
    let in_hand = ByteCount::new(largest.get() * BLOCKS_IN_HAND);
    // A block link is shared by the core: a peer may hold the whole window, and whose own
    // connection is full is stalled. A fluid link is shared by the network, which orders the
    // blocks of each transfer itself: it has all of them. In a swarm it has one of each
    // connection, so that a choke takes back what was asked for.
    match setup.network {
        NetworkModel::Block { .. } => {
            config.uplink.window_node = in_hand;
            config.download = peer.download_cap;
        }
        NetworkModel::Fluid if sources(setup, row) => {}
        NetworkModel::Fluid => config.uplink.window_peer = largest,
    }
    if let Some(own) = peer.behaviour.unchoke.and_then(|name| CHOKERS.find(name)) {
        config.unchoke = own;
    }
    if peer.behaviour.serves == Serves::Nothing {
        let refuse = CHOKERS.find("refuse");
        config.unchoke = refuse.expect("it is in the core's table");
        config.seed_rule = config.unchoke;
    }
    // What the person who runs a node would write down of its link.
    config.capacity = narrowest(peer);
    config.guard = policy.guard;
    Node::new(config, now)
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
        cap: Some(Access::of(peer).upload_cap?),
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
