//! From rows of a setup to links and cores.

use fairhaul_core::block_size;
use fairhaul_core::node::{Asking, Config, Node};
use fairhaul_core::time::Time;
use fairhaul_core::units::{ByteCount, Rate};
use fairhaul_core::uplink::{Limit, Settings, Share};
use fairhaul_core::{choke, pick, sched};

use crate::network::{Network, NodeIndex, RegionIndex};
use crate::random::Streams;
use crate::setup::{Behaviour, GroupSetup, NetworkModel, PeerSetup, PolicySetup, Setup};

/// Blocks that an uplink has in hand, so that it never waits for the core.
const BLOCKS_IN_HAND: u64 = 2;

/// Makes every node's two links and the shared ones.
pub(super) fn links(setup: &Setup, network: &mut dyn Network) {
    for peer in &setup.peers {
        let node = network.add_node(peer.up, peer.down);
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
            let crosses = |side: &[u32], region| side.is_empty() || side.contains(&region);
            let route: Vec<_> = setup
                .links
                .iter()
                .zip(&shared)
                .filter(|(link, _)| crosses(&link.from, from) && crosses(&link.to, to))
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
    let unchoke = match peer.behaviour {
        Behaviour::Compliant => policy.unchoke.as_str(),
        Behaviour::FreeRider => "refuse",
    };
    let seed_rule = match peer.behaviour {
        Behaviour::Compliant => choke::find_seed_rule(&policy.seed_rule),
        Behaviour::FreeRider => choke::find("refuse"),
    };
    let config = Config {
        uplink: uplink(setup, peer, policy),
        unchoke: choke::find(unchoke).expect("the lab checks the names of policies"),
        seed_rule: seed_rule.expect("the lab checks the names of policies"),
        picker: pick::find(&policy.picker).expect("the lab checks the names of policies"),
        slots: policy.slots as usize,
        rechoke: policy.rechoke,
        pipeline: policy.pipeline,
        download: peer.download_cap,
        asking: Asking::default(),
        guard: None,
        rng: Streams::new(setup.rng_seed, setup.replication).stream(&peer.name, "node"),
    };
    Node::new(config, now)
}

fn uplink(setup: &Setup, peer: &PeerSetup, policy: &PolicySetup) -> Settings {
    let (outer, inner) = policy
        .uplink
        .split_once('/')
        .unwrap_or((&policy.uplink, &policy.uplink));
    let largest = policy
        .block
        .unwrap_or_else(|| block_size::for_rate(narrowest(peer)));
    let in_hand = ByteCount::new(largest.get() * BLOCKS_IN_HAND);
    // A block link is shared by the core: a peer may hold the whole window, and whose own
    // connection is full is stalled. A fluid link is shared by the network: one block of each
    // connection is always in it.
    let (window_node, window_peer) = match setup.network {
        NetworkModel::Block { .. } => (in_hand, ByteCount::MAX),
        NetworkModel::Fluid => (ByteCount::MAX, largest),
    };
    Settings {
        outer: sched::find(outer).expect("the lab checks the names of policies"),
        inner: sched::find(inner).expect("the lab checks the names of policies"),
        share: match policy.share.as_str() {
            "group" => Share::Group,
            "transfer" => Share::Transfer,
            _ => Share::Peer,
        },
        largest,
        window_node,
        window_peer,
        adapt: false,
        quantum: policy.quantum,
    }
}

/// The lowest rate at which a node's uplink is configured to run.
fn narrowest(peer: &PeerSetup) -> Option<Rate> {
    [peer.up, peer.upload_cap].into_iter().flatten().min()
}

/// A node's own cap.
pub(super) fn own_limit(peer: &PeerSetup) -> Option<Limit> {
    peer.upload_cap.map(|cap| Limit {
        cap: Some(cap),
        burst: peer.burst,
        ..Limit::default()
    })
}

/// What others grant to a peer.
pub(super) fn peer_limit(peer: &PeerSetup) -> Limit {
    Limit {
        cap: peer.cap,
        floor: peer.floor,
        weight: peer.weight,
        ..Limit::default()
    }
}

/// What a group gets.
pub(super) fn group_limit(group: &GroupSetup) -> Limit {
    Limit {
        cap: group.cap,
        floor: group.floor,
        weight: group.weight,
        ..Limit::default()
    }
}

/// The network's name for a peer.
pub(super) const fn place(peer: u32) -> NodeIndex {
    NodeIndex(peer)
}
