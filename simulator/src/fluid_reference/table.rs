//! From rows of a setup to what is shared: who crosses which links, under which caps, in which
//! classes.
//!
//! The classes mirror those of the core's uplink: see `fairhaul_core::uplink::classify`.

use std::collections::BTreeMap;

use fairhaul_config::policy::Policy;
use fairhaul_core::sched::{self, Claim};
use fairhaul_core::units::{ByteCount, Rate, Weight};
use fairhaul_core::uplink::{REQUEST_COST_MIN, Share};

use super::class::{Class, Order, number};
use super::sharing::{Flow, Link, Sharing};
use crate::setup::{GroupSetup, NetworkModel, PeerSetup, PolicySetup, Setup};
use crate::world::largest_block;

/// Who is capped or guaranteed something at a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bound {
    Peer(u32, u32),
    Group(u32, u32),
}

/// A class of a source's tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Root(u32),
    Group(u32, u32),
    /// A peer or a transfer of a source, in a group or in none.
    Upper(u32, Option<u32>, Upper),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Upper {
    Peer(u32),
    Transfer(u32),
}

/// What one peer asks of a source, as the setup says it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Demand {
    /// The peer that has it.
    pub(crate) source: u32,
    /// The peer that wants it.
    pub(crate) destination: u32,
    /// The cores' name for it.
    pub(crate) transfer: u32,
    /// Bytes of one of its requests; none if they are no shorter than the least that is charged.
    request: Option<ByteCount>,
    weight: Weight,
    cap: Option<Rate>,
    floor: Option<Rate>,
    group: Option<u32>,
    band: u8,
}

/// Whose orders count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disciplines {
    /// Nobody's: weights decide everywhere.
    Fair,
    /// Those of the policies.
    Policies,
}

/// Where flows of a setup have their places.
#[derive(Debug)]
pub(crate) struct Table {
    disciplines: Disciplines,
    bounds: BTreeMap<Bound, u32>,
    classes: BTreeMap<Key, u32>,
}

impl Demand {
    /// What the `row`th transfer of a setup asks for.
    pub(crate) fn of_transfer(setup: &Setup, row: u32) -> Self {
        let transfer = &setup.transfers[row as usize];
        let contents = u32::try_from(setup.contents.len()).expect("checked by the lab");
        Self {
            source: transfer.source,
            destination: transfer.destination,
            transfer: contents + row,
            request: Some(transfer.chunk.min(transfer.bytes)),
            weight: transfer.weight,
            cap: transfer.cap,
            floor: transfer.floor,
            group: transfer.group,
            band: transfer.band,
        }
    }

    /// What a peer asks of another for a content of a swarm.
    pub(crate) fn of_content(source: u32, destination: u32, content: u32) -> Self {
        Self {
            source,
            destination,
            transfer: content,
            ..Self::default()
        }
    }
}

/// The order that a discipline stands for: of one that a program has added, what it claims.
fn order(discipline: &sched::DisciplineRow) -> Order {
    match discipline.name {
        "round-robin" => Order::Turns,
        "strict" => Order::Bands,
        "srpt" => Order::Remaining,
        "las" => Order::Attained,
        "fifo" => Order::Age,
        _ => match discipline.claim {
            Claim::Turns => Order::Turns,
            Claim::Banded(_) => Order::Bands,
            _ => Order::Weights,
        },
    }
}

impl Setup {
    /// Whether every flow has one place at its source's uplink, with the weight of its peer and
    /// nothing else to be told: a swarm of one content under disciplines that share by weight.
    pub(crate) fn is_flat(&self) -> bool {
        let is_plain = |policy: &PolicySetup| {
            orders(policy) == [Order::Weights; 2] && policy.share != Share::Transfer
        };
        let limits = |peer: &PeerSetup| peer.cap.is_some() || peer.floor.is_some();
        self.transfers.is_empty()
            && self.contents.len() <= 1
            && self.groups.is_empty()
            && self.policies.iter().all(is_plain)
            && !self.peers.iter().any(limits)
    }
}

/// The orders of the root and of the classes below it.
fn orders(policy: &Policy) -> [Order; 2] {
    [policy.uplink.outer(), policy.uplink.inner()].map(order)
}

impl Table {
    /// A sharing with the links of a setup and no flows, and the table of its flows to come.
    pub(crate) fn new(setup: &Setup, disciplines: Disciplines) -> (Self, Sharing) {
        let mut sharing = Sharing::default();
        for peer in &setup.peers {
            sharing.add_peer((peer.up, peer.upload_cap), (peer.down, peer.download_cap));
        }
        for link in &setup.links {
            sharing.links.push(Link::new(Some(link.capacity), None, 0));
        }
        let table = Self {
            disciplines,
            bounds: BTreeMap::new(),
            classes: BTreeMap::new(),
        };
        (table, sharing)
    }

    /// Adds a flow without demand. Gives its number.
    pub(crate) fn add(&mut self, setup: &Setup, sharing: &mut Sharing, demand: &Demand) -> u32 {
        let ends = [demand.source, demand.destination];
        let mut links = vec![Sharing::up(ends[0]), Sharing::down(ends[1])];
        let region = ends.map(|peer| setup.peers[peer as usize].region);
        let crossed = (0..).zip(&setup.links);
        links.extend(
            crossed
                .filter(|(_, link)| link.is_crossed(region[0], region[1]))
                .map(|(index, _)| sharing.shared(index)),
        );
        for (bound, cap, floor, rank) in limits(setup, demand) {
            let place = *self.bounds.entry(bound).or_insert_with(|| {
                sharing.links.push(Link::new(cap, floor, rank));
                at(sharing.links.len() - 1)
            });
            links.push(place);
        }
        let (class, payer) = self.classes(setup, sharing, demand);
        let mut flow = Flow::new(ends, links.into(), class, payer);
        let by_peer = self.share(setup, demand) != Share::Transfer;
        let who = &setup.peers[ends[1] as usize];
        flow.weight = number(if by_peer { demand.weight } else { who.weight });
        flow.rank.band = if by_peer { demand.band } else { who.band };
        flow.floor = demand.floor.map_or(0, Rate::get);
        flow.cap = demand.cap.map(Rate::get);
        flow.yields = yields(setup, demand);
        sharing.flows.push(flow);
        at(sharing.flows.len() - 1)
    }

    /// Fair to whom: the ideal may have a key of its own.
    fn share(&self, setup: &Setup, demand: &Demand) -> Share {
        let own = setup.ideal_share;
        let own = own.filter(|_| self.disciplines == Disciplines::Fair);
        own.unwrap_or_else(|| policy(setup, demand).share)
    }

    /// The class of a flow, and the one whose share pays for its floor.
    fn classes(&mut self, setup: &Setup, sharing: &mut Sharing, demand: &Demand) -> (u32, u32) {
        let (source, peer) = (demand.source, demand.destination);
        let who = &setup.peers[peer as usize];
        let policy = policy(setup, demand);
        let share = self.share(setup, demand);
        let [outer, inner] = match self.disciplines {
            Disciplines::Fair => [Order::Weights; 2],
            Disciplines::Policies => orders(policy),
        };
        // Where a group is no class its members wait in its band, or in a later one of their own.
        let within = |group: Option<u32>, band: u8| {
            let group = group.filter(|_| share != Share::Group);
            group.map_or(band, |group| setup.groups[group as usize].band.max(band))
        };
        let band = within(who.group, who.band);
        let by_peer = (Upper::Peer(peer), who.weight, band);
        let band = within(demand.group, demand.band);
        let by_transfer = (Upper::Transfer(demand.transfer), demand.weight, band);
        let (group, (upper, weight, band)) = match share {
            Share::Transfer => (None, by_transfer),
            Share::Group => (who.group.or(demand.group), by_peer),
            Share::Peer => (None, by_peer),
        };
        let root = self.class(sharing, Key::Root(source), None, Weight::ONE, outer);
        let mut parent = root;
        if let Some(group) = group {
            let GroupSetup { weight, band, .. } = setup.groups[group as usize];
            let key = Key::Group(source, group);
            parent = self.class(sharing, key, Some(root), weight, inner);
            sharing.classes[parent as usize].rank.band = band;
        }
        let key = Key::Upper(source, group, upper);
        let class = self.class(sharing, key, Some(parent), weight, inner);
        sharing.classes[class as usize].rank.band = band;
        let payer = if parent == root { class } else { parent };
        (class, payer)
    }

    fn class(
        &mut self,
        sharing: &mut Sharing,
        key: Key,
        parent: Option<u32>,
        weight: Weight,
        order: Order,
    ) -> u32 {
        *self.classes.entry(key).or_insert_with(|| {
            let own = at(sharing.classes.len());
            // Where the root has an order, who is stopped concerns all below it.
            let kin = match parent {
                None => own,
                Some(parent) => {
                    let above = &sharing.classes[parent as usize];
                    let is_top = above.parent.is_none() && !above.order.has_turns();
                    if is_top { own } else { above.kin }
                }
            };
            let class = Class::new(parent, kin, weight, order);
            sharing.classes.push(class);
            own
        })
    }
}

/// Bytes of a request over what the source's uplink charges for it. A fluid link shares bytes,
/// whatever they were asked for in.
fn yields(setup: &Setup, demand: &Demand) -> f64 {
    let blocks = matches!(setup.network, NetworkModel::Block { .. });
    let Some(request) = demand.request.filter(|_| blocks) else {
        return 1.0;
    };
    let source = &setup.peers[demand.source as usize];
    let least = REQUEST_COST_MIN.min(largest_block(policy(setup, demand), source));
    let request = request.max(ByteCount::new(1)).min(least);
    request.get() as f64 / least.get() as f64
}

/// The policy of a flow's source.
fn policy<'a>(setup: &'a Setup, demand: &Demand) -> &'a Policy {
    let source = &setup.peers[demand.source as usize];
    &setup.policies[source.policy as usize]
}

/// The caps and floors of a flow that it may share with others, and the rank of each: the
/// narrower it is, the sooner its floor is kept.
fn limits(
    setup: &Setup,
    demand: &Demand,
) -> impl Iterator<Item = (Bound, Option<Rate>, Option<Rate>, u8)> {
    let (source, peer) = (demand.source, demand.destination);
    let row = &setup.peers[peer as usize];
    let own = (Bound::Peer(source, peer), row.cap, row.floor, 1);
    let of_peer = row.group;
    let of_transfer = demand.group.filter(|group| Some(*group) != of_peer);
    let groups = of_peer.into_iter().chain(of_transfer).map(move |group| {
        let row = &setup.groups[group as usize];
        (Bound::Group(source, group), row.cap, row.floor, 2)
    });
    std::iter::once(own)
        .chain(groups)
        .filter(|(_, cap, floor, _)| cap.is_some() || floor.is_some())
}

fn at(place: usize) -> u32 {
    u32::try_from(place).expect("fewer limits than rows of a setup, which are below 2^32")
}
