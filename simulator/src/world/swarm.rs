//! Who takes part in which content, and who becomes whose neighbour.
//!
//! Stands for what a tracker does: a peer that joins is told some of those present, at random.

use std::collections::BTreeSet;

use fairhaul_core::bitfield::Bitfield;
use fairhaul_core::id::{GroupId, PeerId, TransferId};
use fairhaul_core::manifest::{ContentId, Manifest};
use fairhaul_core::node::Input;
use fairhaul_core::rng::Rng;
use fairhaul_core::time::Span;
use fairhaul_core::uplink::Target;

use super::{Event, World, build, rows};
use crate::behaviour::SwarmView;
use crate::random::Streams;
use crate::setup::Setup;

/// A peer that lost neighbours looks for new ones after this long.
const LOOK_AGAIN: Span = Span::from_secs(10);

/// A peer that ended a connection makes it again after this long.
const DIAL_AGAIN: Span = Span::from_secs(10);

/// Draws that a peer makes for each neighbour it looks for, before it takes what it has.
const DRAWS: usize = 8;

/// Members of contents.
#[derive(Debug)]
pub(super) struct Swarm {
    /// For each peer, its contents and whether it is a seed of it.
    roles: Vec<Vec<(u32, bool)>>,
    /// For each content, the peers present that take part in it.
    present: Vec<Vec<u32>>,
    /// What a peer that crashed holds on its disk.
    disks: Vec<Vec<(TransferId, Bitfield)>>,
    /// For each peer, its stream of draws.
    draws: Vec<Option<Rng>>,
}

impl Swarm {
    pub(super) fn new(setup: &Setup) -> Self {
        let mut roles = vec![Vec::new(); setup.peers.len()];
        for (row, content) in rows(&setup.contents) {
            for seed in &content.seeds {
                roles[*seed as usize].push((row, true));
            }
            for leecher in &content.leechers {
                roles[*leecher as usize].push((row, false));
            }
        }
        Self {
            roles,
            present: vec![Vec::new(); setup.contents.len()],
            disks: vec![Vec::new(); setup.peers.len()],
            draws: setup.peers.iter().map(|_| None).collect(),
        }
    }

    /// Peers present that take part in a content.
    pub(super) fn members(&self, content: u32) -> Vec<u32> {
        self.present[content as usize].clone()
    }

    /// What a peer that was away has of a transfer on its disk.
    pub(super) fn kept(&self, peer: u32, transfer: TransferId) -> Option<Bitfield> {
        let mut disk = self.disks[peer as usize].iter();
        disk.find(|(kept, _)| *kept == transfer)
            .map(|(_, have)| have.clone())
    }
}

impl World<'_> {
    /// A peer joins, or comes back with what it had.
    pub(super) fn join(&mut self, peer: u32) {
        if self.hosts[peer as usize].node.is_some() {
            return;
        }
        self.trace.event(self.now, 5, peer, 0, [0; 2]);
        self.hosts[peer as usize].node = Some(Box::new(build::node(self.setup, peer, self.now)));
        self.hosts[peer as usize].timer = None;
        self.counters.joined(peer, self.now);
        self.put_on_mask(peer);
        if let Some(limit) = build::own_limit(self.setup, peer) {
            self.tell(
                peer,
                Input::Limit {
                    target: Target::Node,
                    limit,
                },
            );
        }
        for (row, group) in rows(&self.setup.groups) {
            let target = Target::Group(GroupId(row));
            self.tell(
                peer,
                Input::Limit {
                    target,
                    limit: build::told(self.setup.network, build::group_limit(group)),
                },
            );
        }
        for (content, is_seed) in self.swarm.roles[peer as usize].clone() {
            let manifest = self.manifest(content);
            let have = match self.swarm.kept(peer, TransferId(content)) {
                Some(kept) => kept,
                None if is_seed => Bitfield::full(manifest.chunks()),
                None => self.held_at_start(peer, content, manifest.chunks()),
            };
            let (transfer, content_id) = (TransferId(content), content_id(content));
            self.tell(
                peer,
                Input::Add {
                    transfer,
                    content: content_id,
                    manifest,
                    have,
                    audience: None,
                },
            );
            self.swarm.present[content as usize].push(peer);
            self.call_large_views(content, peer);
        }
        self.open_desk(peer);
        self.queue.push(self.now, Event::Meet(peer));
        for transfer in self.waiting.remove(&peer).unwrap_or_default() {
            self.queue.push(self.now, Event::Start(transfer));
        }
        for transfer in self.counters.unfinished_of(self.setup, peer) {
            self.queue.push(self.now, Event::Start(transfer));
        }
    }

    /// What a leecher holds when it first joins.
    fn held_at_start(&self, peer: u32, content: u32, chunks: u32) -> Bitfield {
        let content = &self.setup.contents[content as usize];
        let place = content.leechers.iter().position(|leecher| *leecher == peer);
        let start = place.and_then(|place| content.start.get(place));
        start.cloned().unwrap_or_else(|| Bitfield::empty(chunks))
    }

    pub(super) fn manifest(&self, content: u32) -> Manifest {
        let content = &self.setup.contents[content as usize];
        Manifest::new(content.bytes, content.chunk).expect("the lab checks geometries")
    }

    /// A peer connects to neighbours, up to its number.
    pub(super) fn meet_neighbours(&mut self, peer: u32) {
        if self.hosts[peer as usize].node.is_none() {
            return;
        }
        let wanted = self.setup.peers[peer as usize].neighbours;
        let mut rng = self.swarm.draws[peer as usize].take().unwrap_or_else(|| {
            let name = &self.setup.peers[peer as usize].name;
            Streams::new(self.setup.rng_seed, self.setup.replication).stream(name, "neighbours")
        });
        for (content, _) in self.swarm.roles[peer as usize].clone() {
            for other in self.acquaintances(peer, content, wanted, &mut rng) {
                self.connect(peer, other);
            }
        }
        self.swarm.draws[peer as usize] = Some(rng);
    }

    /// Whom a peer connects to: at random, none that has twice its own number already.
    fn acquaintances(&self, peer: u32, content: u32, wanted: u32, rng: &mut Rng) -> Vec<u32> {
        let present = &self.swarm.present[content as usize];
        if self.behaviour(peer).view == SwarmView::All {
            let mut others = present.clone();
            others
                .retain(|other| *other != peer && !self.hosts[peer as usize].is_connected(*other));
            return others;
        }
        let degree = self.hosts[peer as usize].degree;
        let room = wanted.saturating_sub(degree) as usize;
        let is_open = |other: u32| {
            let most = self.setup.peers[other as usize]
                .neighbours
                .saturating_mul(2);
            other != peer
                && self.hosts[other as usize].degree < most
                && !self.hosts[peer as usize].is_connected(other)
        };
        let mut chosen = Vec::new();
        if present.len() <= room * 2 {
            let mut open: Vec<u32> = present.iter().copied().filter(|at| is_open(*at)).collect();
            while !open.is_empty() && chosen.len() < room {
                chosen.push(open.swap_remove(rng.below(open.len())));
            }
            return chosen;
        }
        for _ in 0..room * DRAWS {
            let other = present[rng.below(present.len())];
            if chosen.len() < room && is_open(other) && !chosen.contains(&other) {
                chosen.push(other);
            }
        }
        chosen
    }

    /// Two hosts connect; `from` dials. Who has several identities does so with each.
    pub(super) fn connect(&mut self, from: u32, to: u32) {
        if self.hosts[from as usize].is_connected(to) {
            return;
        }
        let (first, count) = self.identities(from, to);
        for identity in first..first + count {
            if !self.is_banned(from, to, identity) {
                self.connect_as(from, to, identity);
            }
        }
    }

    fn connect_as(&mut self, from: u32, to: u32, identity: u32) {
        let ours = self.hosts[from as usize].meet_as(to, identity);
        let theirs = self.hosts[to as usize].meet_as(from, identity);
        for (host, peer, back) in [(from, ours, theirs), (to, theirs, ours)] {
            let host = &mut self.hosts[host as usize];
            host.degree += 1;
            let connection = &mut host.links[peer.index()];
            connection.back = back;
            connection.up = true;
            connection.generation += 1;
        }
        self.trace.event(self.now, 6, from, to, [0; 2]);
        self.mask_meets(from, ours);
        self.mask_meets(to, theirs);
        self.introduce(to, from, theirs, false);
        self.introduce(from, to, ours, true);
    }

    /// Tells a core of a new connection, and what the other end is granted.
    fn introduce(&mut self, host: u32, other: u32, peer: PeerId, outbound: bool) {
        let row = &self.setup.peers[other as usize];
        let limit = build::told(self.setup.network, build::peer_limit(row));
        let group = row.group;
        if group.is_some() {
            let (target, group) = (Target::Peer(peer), group.map(GroupId));
            self.tell(host, Input::Group { target, group });
        }
        if limit != fairhaul_core::uplink::Limit::default() {
            self.tell(
                host,
                Input::Limit {
                    target: Target::Peer(peer),
                    limit,
                },
            );
        }
        self.tell(host, Input::Connected { peer, outbound });
        self.library_links(host, peer, true);
    }

    /// All connections of two hosts end, on both sides.
    pub(super) fn disconnect(&mut self, from: u32, to: u32) {
        for (host, other) in [(from, to), (to, from)] {
            let up: Vec<PeerId> = self.hosts[host as usize].links_to(other).collect();
            for peer in up {
                let host_state = &mut self.hosts[host as usize];
                host_state.links[peer.index()].up = false;
                host_state.degree -= 1;
                host_state.cuts += 1;
                self.mask_loses(host, peer);
                self.tell(host, Input::Disconnected { peer });
                self.library_links(host, peer, false);
            }
        }
    }

    /// A core ends a connection that stands still: what was on its way is gone. The one that ended
    /// it connects again some time later, as a node calls the peers that it knows.
    pub(super) fn cut(&mut self, from: u32, peer: PeerId, generation: u32) {
        let connection = self.hosts[from as usize].links[peer.index()];
        if !connection.up || connection.generation != generation {
            return;
        }
        let to = connection.host;
        self.trace.event(self.now, 12, from, to, [0; 2]);
        let ends = [(from, to), (to, from)];
        let lost = self.lose_all(|flight| ends.contains(&(flight.from, flight.to)));
        let lost = lost.into_iter().map(|(block, ..)| block.transfer.0);
        let cut_short: BTreeSet<u32> = lost.filter_map(|id| self.counters.row_of(id)).collect();
        for row in cut_short {
            if !self.counters.is_over(row) {
                self.expect_rest(row, self.now + DIAL_AGAIN);
            }
        }
        for (from, to) in ends {
            let (from, to) = (build::place(from), build::place(to));
            self.network.drop_pair(from, to, self.now);
        }
        self.disconnect(from, to);
        self.queue
            .push(self.now + DIAL_AGAIN, Event::Dial { from, to });
    }

    /// A peer connects again to one that it lost, if both are there.
    pub(super) fn dial(&mut self, from: u32, to: u32) {
        let is_there = |host: u32| self.hosts[host as usize].node.is_some();
        if is_there(from) && is_there(to) {
            self.connect(from, to);
        }
    }

    /// A peer leaves: its connections end, and what was on its way is gone.
    pub(super) fn leave(&mut self, peer: u32) {
        let Some(node) = self.hosts[peer as usize].node.take() else {
            return;
        };
        self.trace.event(self.now, 7, peer, 0, [0; 2]);
        self.close_desk(peer);
        self.swarm.disks[peer as usize] = node.holdings();
        self.counters.left(peer, self.now);
        // Only whole chunks are on its disk.
        self.counters.wasted(peer, node.unfinished());
        self.lose_all(|flight| flight.from == peer || flight.to == peer);
        self.network.drop_node(build::place(peer), self.now);
        for (content, _) in self.swarm.roles[peer as usize].clone() {
            self.swarm.present[content as usize].retain(|member| *member != peer);
        }
        let mut others: Vec<u32> = self.hosts[peer as usize]
            .links
            .iter()
            .filter(|connection| connection.up)
            .map(|connection| connection.host)
            .collect();
        // Who has several identities has several connections.
        others.dedup();
        for other in others {
            self.disconnect(peer, other);
            let row = &self.setup.peers[other as usize];
            if self.hosts[other as usize].degree < row.neighbours.div_ceil(2) {
                self.queue.push(self.now + LOOK_AGAIN, Event::Meet(other));
            }
        }
    }
}

/// The identity of a content of the setup.
pub(super) fn content_id(content: u32) -> ContentId {
    ContentId(*blake3::hash(&content.to_le_bytes()).as_bytes())
}
