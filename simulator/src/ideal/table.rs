//! From rows of a setup to what the ideal shares: who crosses which links, under which caps,
//! in which classes.
//!
//! The classes mirror those of the core's uplink: see `fairhaul_core::uplink::classify`.

use std::collections::BTreeMap;

use fairhaul_core::units::{Rate, Weight};

use super::sharing::{Class, Flow, Link, Sharing};
use crate::setup::{Setup, TransferSetup};

/// Who is capped or guaranteed something at a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bound {
    Peer(u32, u32),
    Group(u32, u32),
}

/// Whom a source shares among.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Transfer(u32),
    Peer { source: u32, peer: u32 },
    Group { source: u32, group: u32 },
    Member { source: u32, group: u32, peer: u32 },
}

/// The state of a run in which no transfer has begun.
pub(super) fn sharing(setup: &Setup) -> Sharing {
    let mut sharing = Sharing::default();
    for peer in &setup.peers {
        sharing.add_peer((peer.up, peer.upload_cap), (peer.down, peer.download_cap));
    }
    let first_shared = sharing.links.len();
    for link in &setup.links {
        sharing.links.push(Link::new(Some(link.capacity), None, 0));
    }
    let mut bounds = BTreeMap::new();
    let mut classes = BTreeMap::new();
    for (row, transfer) in (0_u32..).zip(&setup.transfers) {
        let ends = [transfer.source, transfer.destination];
        let mut links = vec![Sharing::up(ends[0]), Sharing::down(ends[1])];
        let region = ends.map(|peer| setup.peers[peer as usize].region);
        let crosses = |side: &[u32], region| side.is_empty() || side.contains(&region);
        let crossed = setup.links.iter().zip(first_shared..);
        links.extend(
            crossed
                .filter(|(link, _)| crosses(&link.from, region[0]) && crosses(&link.to, region[1]))
                .map(|(_, place)| at(place)),
        );
        for (bound, cap, floor, rank) in limits(setup, transfer) {
            let place = *bounds.entry(bound).or_insert_with(|| {
                sharing.links.push(Link::new(cap, floor, rank));
                at(sharing.links.len() - 1)
            });
            links.push(place);
        }
        let path = classify(setup, row, transfer);
        let places = path.map(|(key, weight)| {
            *classes.entry(key).or_insert_with(|| {
                sharing.classes.push(Class::new(weight));
                at(sharing.classes.len() - 1)
            })
        });
        sharing
            .flows
            .push(Flow::new(transfer, links.into(), places));
    }
    sharing
}

/// The caps and floors of a transfer that it may share with others, and the rank of each: the
/// narrower it is, the sooner its floor is kept.
fn limits(
    setup: &Setup,
    transfer: &TransferSetup,
) -> impl Iterator<Item = (Bound, Option<Rate>, Option<Rate>, u8)> {
    let (source, peer) = (transfer.source, transfer.destination);
    let row = &setup.peers[peer as usize];
    let own = (Bound::Peer(source, peer), row.cap, row.floor, 1);
    let of_peer = row.group;
    let of_transfer = transfer.group.filter(|group| Some(*group) != of_peer);
    let groups = of_peer.into_iter().chain(of_transfer).map(move |group| {
        let row = &setup.groups[group as usize];
        (Bound::Group(source, group), row.cap, row.floor, 2)
    });
    std::iter::once(own)
        .chain(groups)
        .filter(|(_, cap, floor, _)| cap.is_some() || floor.is_some())
}

/// The outer and the inner class of a transfer at its source, with their weights; the
/// transfer's own weight counts within the inner one. A group whose members weigh for
/// themselves is no class.
fn classify(setup: &Setup, row: u32, transfer: &TransferSetup) -> [(Key, Weight); 2] {
    let (source, peer) = (transfer.source, transfer.destination);
    let who = &setup.peers[peer as usize];
    let policy = &setup.policies[setup.peers[source as usize].policy as usize];
    let single = |key, weight| [(key, weight); 2];
    match setup.ideal_share.as_ref().unwrap_or(&policy.share).as_str() {
        "transfer" => single(Key::Transfer(row), transfer.weight),
        "group" => match who.group.or(transfer.group) {
            Some(group) => [
                (
                    Key::Group { source, group },
                    setup.groups[group as usize].weight,
                ),
                (
                    Key::Member {
                        source,
                        group,
                        peer,
                    },
                    who.weight,
                ),
            ],
            None => single(Key::Peer { source, peer }, who.weight),
        },
        _ => single(Key::Peer { source, peer }, who.weight),
    }
}

fn at(place: usize) -> u32 {
    u32::try_from(place).expect("fewer limits than rows of a setup, which are below 2^32")
}
