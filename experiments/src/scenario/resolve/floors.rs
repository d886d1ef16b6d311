//! Sums of floors that can be kept, by the core's rule, at every peer that sends.
//!
//! All that the file lists may be under way at once, and one transfer of each workload from each
//! of its sources: nobody knows how many. A peer or a group is promised its floor by everybody who
//! sends to it. In a swarm a floor holds as far as the uplink of who serves allows, and is scaled
//! in proportion beyond; each floor by itself is held against the links by `guarantees`.

use std::collections::{BTreeMap, BTreeSet};

use fairhaul_config::BadFile;
use fairhaul_config::document::Place;
use fairhaul_core::id::GroupId;
use fairhaul_core::quantity::Quantity;
use fairhaul_core::units::Rate;
use fairhaul_core::uplink::{Over, Promises, Unkept};
use fairhaul_simulator::setup::{PeerSetup, SharedLinkSetup, TransferSetup};

use super::Build;
use super::selector::Who;

/// The floor of who has none.
const NOTHING: Rate = Rate::new(0);

/// What one source promises one destination.
#[derive(Clone, Copy, Debug, Default)]
struct Promised<'a> {
    /// The floors of transfers to it that are in no other group.
    transfers: u64,
    /// The last of them.
    last: Option<&'a TransferSetup>,
}

/// Refuses the first floor that cannot be kept beside those before it. The first `listed`
/// transfers are those that the file lists.
pub(super) fn check(
    build: &Build<'_>,
    who: &Who,
    (peers, links): (&[PeerSetup], &[SharedLinkSetup]),
    (transfers, listed): (&[TransferSetup], usize),
) -> Result<(), BadFile> {
    let (first, drawn) = transfers.split_at(listed);
    let mut workloads = BTreeSet::new();
    let first_of_each = drawn.iter().filter(|transfer| {
        let workload = transfer.name.rsplit_once('.').map(|(name, _)| name);
        workloads.insert((workload, transfer.source))
    });
    let at_once: Vec<&TransferSetup> = first.iter().chain(first_of_each).collect();
    let mut by_source: BTreeMap<u32, Vec<&TransferSetup>> = BTreeMap::new();
    for transfer in &at_once {
        by_source.entry(transfer.source).or_default().push(transfer);
    }
    for (source, transfers) in &by_source {
        at_source(build, who, (peers, &peers[*source as usize]), transfers)?;
    }
    at_destinations(build, peers, &at_once)?;
    in_groups(build, peers, transfers)?;
    for link in links {
        at_link(build, who, (peers, link), &by_source)?;
    }
    Ok(())
}

fn at_source(
    build: &Build<'_>,
    who: &Who,
    (peers, source): (&[PeerSetup], &PeerSetup),
    transfers: &[&TransferSetup],
) -> Result<(), BadFile> {
    let mut promises = Promises::new(least(source.up, source.upload_cap));
    let is_apart = |transfer: &TransferSetup| is_apart(peers, transfer);
    let mut groups = BTreeSet::new();
    let mut to: BTreeMap<u32, Promised<'_>> = BTreeMap::new();
    for &transfer in transfers {
        groups.extend(
            [peers[transfer.destination as usize].group, transfer.group]
                .into_iter()
                .flatten(),
        );
        let promised = to.entry(transfer.destination).or_default();
        if let Some(floor) = transfer.floor.filter(|_| !is_apart(transfer)) {
            promised.transfers = promised.transfers.saturating_add(floor.get());
            promised.last = Some(transfer);
        }
    }
    for group in groups {
        let row = &build.groups[group as usize];
        let kept = promises.group(GroupId(group), row.floor.unwrap_or(NOTHING), row.cap);
        kept.map_err(|unkept| refused(&of_group(build, &row.name), &source.name, unkept))?;
    }
    for (peer, promised) in to {
        let setup = &peers[peer as usize];
        let own = setup.floor.unwrap_or(NOTHING);
        let floor = own.max(Rate::new(promised.transfers));
        let kept = promises.member(floor, setup.cap, setup.group.map(GroupId));
        kept.map_err(|unkept| {
            let at = match promised.last.filter(|_| floor > own) {
                Some(transfer) => of_transfer(build, transfer),
                None => of_peer(build, who, peer),
            };
            refused(&at, &source.name, unkept)
        })?;
    }
    for transfer in transfers.iter().filter(|transfer| is_apart(transfer)) {
        let (floor, group) = (
            transfer.floor.unwrap_or(NOTHING),
            transfer.group.map(GroupId),
        );
        let kept = promises.member(floor, transfer.cap, group);
        kept.map_err(|unkept| refused(&of_transfer(build, transfer), &source.name, unkept))?;
    }
    Ok(())
}

/// Refuses the first transfer whose floor brings the sum of those to one peer above what that may
/// receive.
fn at_destinations(
    build: &Build<'_>,
    peers: &[PeerSetup],
    transfers: &[&TransferSetup],
) -> Result<(), BadFile> {
    let mut sums: BTreeMap<u32, u64> = BTreeMap::new();
    for transfer in transfers {
        let peer = &peers[transfer.destination as usize];
        let sum = sums.entry(transfer.destination).or_default();
        *sum = sum.saturating_add(transfer.floor.unwrap_or(NOTHING).get());
        if let Some(most) = least(peer.down, peer.download_cap)
            && *sum > most.get()
        {
            let what = format!(
                "brings the sum of floors above what {:?} may receive",
                peer.name
            );
            let at = of_transfer(build, transfer);
            return Err(bad(&at, what, Rate::new(*sum), most));
        }
    }
    Ok(())
}

/// Refuses the first floor of a group that is above what all of its members may receive together.
fn in_groups(
    build: &Build<'_>,
    peers: &[PeerSetup],
    transfers: &[TransferSetup],
) -> Result<(), BadFile> {
    let within = |peer: &PeerSetup| least(least(peer.down, peer.download_cap), peer.cap);
    for (number, group) in (0_u32..).zip(&build.groups) {
        let Some(floor) = group.floor else {
            continue;
        };
        let is_in = |own: Option<u32>| own == Some(number);
        let members = peers.iter().filter(|peer| is_in(peer.group)).map(within);
        let apart = transfers.iter().filter_map(|transfer| {
            let peer = &peers[transfer.destination as usize];
            let is_apart = is_in(transfer.group) && !is_in(peer.group);
            is_apart.then(|| least(transfer.cap, within(peer)))
        });
        let mut all = members.chain(apart).peekable();
        if all.peek().is_none() {
            continue;
        }
        let most = all.try_fold(0_u64, |sum, rate| Some(sum.saturating_add(rate?.get())));
        if let Some(most) = most.map(Rate::new).filter(|most| *most < floor) {
            let what = "is above what all in the group may receive together".to_owned();
            return Err(bad(&of_group(build, &group.name), what, floor, most));
        }
    }
    Ok(())
}

/// Refuses the first floor that brings the sum of those that cross a shared link above what it
/// carries. What a group is promised crosses it if all that its source sends to it does.
fn at_link<'a>(
    build: &Build<'a>,
    who: &Who,
    (peers, link): (&[PeerSetup], &SharedLinkSetup),
    by_source: &BTreeMap<u32, Vec<&TransferSetup>>,
) -> Result<(), BadFile> {
    let mut sum = 0_u64;
    let mut add = |more: u64, at: &dyn Fn() -> Place<'a>| {
        sum = sum.saturating_add(more);
        if sum <= link.capacity.get() {
            return Ok(());
        }
        let what = format!("brings the sum of floors above what link {:?} carries", link.name);
        Err(bad(&at(), what, Rate::new(sum), link.capacity))
    };
    for (source, transfers) in by_source {
        let region = peers[*source as usize].region;
        let crosses = |peer: u32| link.is_crossed(region, peers[peer as usize].region);
        let mut to: BTreeMap<u32, Promised<'_>> = BTreeMap::new();
        // What its members are promised, and whether all that goes to it crosses the link.
        let mut groups: BTreeMap<u32, (u64, bool)> = BTreeMap::new();
        for &transfer in transfers {
            let own = peers[transfer.destination as usize].group;
            let is_across = crosses(transfer.destination);
            for group in [own, transfer.group].into_iter().flatten() {
                groups.entry(group).or_insert((0, true)).1 &= is_across;
            }
            if !is_across {
                continue;
            }
            let floor = transfer.floor.unwrap_or(NOTHING).get();
            if is_apart(peers, transfer) {
                add(floor, &|| of_transfer(build, transfer))?;
                promise(&mut groups, transfer.group, floor);
                continue;
            }
            let promised = to.entry(transfer.destination).or_default();
            promised.transfers = promised.transfers.saturating_add(floor);
            promised.last = transfer.floor.map(|_| transfer).or(promised.last);
        }
        for (peer, promised) in to {
            let setup = &peers[peer as usize];
            let own = setup.floor.unwrap_or(NOTHING).get();
            let floor = own.max(promised.transfers);
            promise(&mut groups, setup.group, floor);
            add(floor, &|| match promised.last.filter(|_| floor > own) {
                Some(transfer) => of_transfer(build, transfer),
                None => of_peer(build, who, peer),
            })?;
        }
        for (group, (members, _)) in groups.into_iter().filter(|(_, (_, all))| *all) {
            let row = &build.groups[group as usize];
            let floor = row.floor.unwrap_or(NOTHING).get();
            add(floor.saturating_sub(members), &|| of_group(build, &row.name))?;
        }
    }
    Ok(())
}

fn promise(groups: &mut BTreeMap<u32, (u64, bool)>, group: Option<u32>, floor: u64) {
    if let Some((members, _)) = group.and_then(|group| groups.get_mut(&group)) {
        *members = members.saturating_add(floor);
    }
}

/// Whether a transfer counts in another group than its destination.
fn is_apart(peers: &[PeerSetup], transfer: &TransferSetup) -> bool {
    let own = peers[transfer.destination as usize].group;
    transfer.group.is_some_and(|group| Some(group) != own)
}

fn refused(at: &Place<'_>, source: &str, unkept: Unkept) -> BadFile {
    let what = match unkept.over {
        Over::Own => "brings the sum of floors at one peer above its cap".to_owned(),
        Over::Group(_) => {
            "brings the sum of floors in its group above the group's upload".to_owned()
        }
        Over::Node => format!("brings the sum of floors above what {source:?} may send"),
    };
    bad(at, what, unkept.sum, unkept.capacity)
}

fn bad(at: &Place<'_>, what: String, sum: Rate, most: Rate) -> BadFile {
    let text = |rate: Rate| Quantity::Rate.text(rate.get());
    at.bad_got(what, &text(sum), format!("at most {}", text(most)))
}

/// The key `floor` of the row that a transfer was made of: that of its name, or of what is before
/// a number in it.
fn of_transfer<'a>(build: &Build<'a>, transfer: &TransferSetup) -> Place<'a> {
    let before = transfer.name.rsplit_once('.').map(|(before, _)| before);
    let named = build.flows().into_iter().filter(|(_, ends, _)| {
        let name: &str = &ends.name;
        name == transfer.name || Some(name) == before
    });
    // Of t and t.1 the longer one is meant.
    let longest = named.max_by_key(|(_, ends, _)| ends.name.len());
    longest.expect("each transfer has a row").0.key("floor")
}

fn of_peer<'a>(build: &Build<'a>, who: &Who, peer: u32) -> Place<'a> {
    let mut rows = build.nodes().into_iter();
    let own = rows.find(|(_, name, _)| {
        let rows = who.find(name);
        rows.is_some_and(|rows| rows.contains(&peer))
    });
    own.expect("each peer has a row").0.key("floor")
}

fn of_group<'a>(build: &Build<'a>, name: &str) -> Place<'a> {
    build.document.place().key("group").key(name).key("floor")
}

fn least(one: Option<Rate>, other: Option<Rate>) -> Option<Rate> {
    [one, other].into_iter().flatten().min()
}
