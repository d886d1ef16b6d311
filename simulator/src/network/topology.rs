//! The links between two nodes, by the regions of both; a route has at most [`SHARED_MAX`].

use std::collections::BTreeMap;

use super::{NodeIndex, RegionIndex, SHARED_MAX, SharedIndex};

/// Links on the longest path: an uplink, shared links, a downlink.
pub(super) const PATH_MAX: usize = SHARED_MAX + 2;

/// Places of links in a model's own table, in order from sender to receiver.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Path {
    links: [u32; PATH_MAX],
    len: u8,
}

impl Path {
    /// The links from sender to receiver.
    pub(super) fn links(&self) -> &[u32] {
        &self.links[..usize::from(self.len)]
    }

    fn push(&mut self, link: u32) {
        self.links[usize::from(self.len)] = link;
        self.len += 1;
    }
}

impl FromIterator<u32> for Path {
    /// Panics if there are more than [`PATH_MAX`].
    fn from_iter<I: IntoIterator<Item = u32>>(links: I) -> Self {
        let mut path = Self::default();
        for link in links {
            path.push(link);
        }
        path
    }
}

/// Where the links of nodes and regions are in a model's table of links.
#[derive(Debug, Default)]
pub(super) struct Topology {
    nodes: Vec<Ends>,
    shared: Vec<u32>,
    routes: BTreeMap<(RegionIndex, RegionIndex), Vec<SharedIndex>>,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    up: u32,
    down: u32,
    region: RegionIndex,
}

impl Topology {
    /// A node whose links are at these places.
    pub(super) fn add_node(&mut self, up: u32, down: u32) -> NodeIndex {
        let node = u32::try_from(self.nodes.len()).expect("memory ends before 2^32 nodes");
        self.nodes.push(Ends {
            up,
            down,
            region: RegionIndex::default(),
        });
        NodeIndex(node)
    }

    /// A shared link at this place.
    pub(super) fn add_shared(&mut self, place: u32) -> SharedIndex {
        let shared = u32::try_from(self.shared.len()).expect("memory ends before 2^32 links");
        self.shared.push(place);
        SharedIndex(shared)
    }

    pub(super) fn set_region(&mut self, node: NodeIndex, region: RegionIndex) {
        self.nodes[node.index()].region = region;
    }

    pub(super) fn set_route(&mut self, from: RegionIndex, to: RegionIndex, shared: &[SharedIndex]) {
        assert!(
            shared.len() <= SHARED_MAX,
            "a route of {} shared links; at most {SHARED_MAX}",
            shared.len()
        );
        let repeated = (1..shared.len()).any(|end| shared[..end].contains(&shared[end]));
        assert!(!repeated, "a route crosses the same shared link twice");
        self.routes.insert((from, to), shared.to_vec());
    }

    pub(super) fn up(&self, node: NodeIndex) -> u32 {
        self.nodes[node.index()].up
    }

    pub(super) fn down(&self, node: NodeIndex) -> u32 {
        self.nodes[node.index()].down
    }

    pub(super) fn shared(&self, link: SharedIndex) -> u32 {
        self.shared[link.0 as usize]
    }

    /// The places of all shared links.
    pub(super) fn all_shared(&self) -> impl Iterator<Item = u32> + '_ {
        self.shared.iter().copied()
    }

    pub(super) fn path(&self, from: NodeIndex, to: NodeIndex) -> Path {
        assert!(from != to, "{from} sends to itself");
        let (sender, receiver) = (self.nodes[from.index()], self.nodes[to.index()]);
        let route = if self.routes.is_empty() {
            None
        } else {
            self.routes.get(&(sender.region, receiver.region))
        };
        let shared = route.into_iter().flatten().map(|link| self.shared(*link));
        std::iter::once(sender.up)
            .chain(shared)
            .chain([receiver.down])
            .collect()
    }
}
