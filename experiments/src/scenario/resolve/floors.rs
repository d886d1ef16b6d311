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

/// What one source promises: to a peer, or to a transfer that counts in another group than its
/// destination.
#[derive(Clone, Copy, Debug)]
struct Promise<'a> {
    to: u32,
    floor: Rate,
    cap: Option<Rate>,
    group: Option<u32>,
    /// The last of the transfers whose floors it is, if it is not the peer's own.
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
    let promised = by_source.into_iter();
    let promised = promised.map(|(source, all)| (&peers[source as usize], promises(peers, &all)));
    let promised: Vec<_> = promised.collect();
    for (source, all) in &promised {
        at_source(build, who, source, all)?;
    }
    at_destinations(build, peers, &at_once)?;
    in_groups(build, peers, transfers)?;
    for link in links {
        at_link(build, who, (peers, link), &promised)?;
    }
    Ok(())
}

/// What a source of `transfers` promises: to each peer, then to those transfers that stand apart.
fn promises<'a>(peers: &[PeerSetup], transfers: &[&'a TransferSetup]) -> Vec<Promise<'a>> {
    let mut to: BTreeMap<u32, Promise<'a>> = BTreeMap::new();
    let mut apart = Vec::new();
    for &transfer in transfers {
        let peer = &peers[transfer.destination as usize];
        let promise = to.entry(transfer.destination).or_insert(Promise {
            to: transfer.destination,
            floor: NOTHING,
            cap: peer.cap,
            group: peer.group,
            last: None,
        });
        if transfer
            .group
            .is_some_and(|group| Some(group) != peer.group)
        {
            apart.push(Promise {
                floor: transfer.floor.unwrap_or(NOTHING),
                cap: transfer.cap,
                group: transfer.group,
                last: Some(transfer),
                ..*promise
            });
        } else if let Some(floor) = transfer.floor {
            promise.floor = Rate::new(promise.floor.get().saturating_add(floor.get()));
            promise.last = Some(transfer);
        }
    }
    for promise in to.values_mut() {
        let own = peers[promise.to as usize].floor.unwrap_or(NOTHING);
        if promise.floor <= own {
            (promise.floor, promise.last) = (own, None);
        }
    }
    to.into_values().chain(apart).collect()
}

fn at_source(
    build: &Build<'_>,
    who: &Who,
    source: &PeerSetup,
    promised: &[Promise<'_>],
) -> Result<(), BadFile> {
    let mut promises = Promises::new(least(source.up, source.upload_cap));
    let groups: BTreeSet<u32> = promised.iter().filter_map(|one| one.group).collect();
    for group in groups {
        let row = &build.groups[group as usize];
        let kept = promises.group(GroupId(group), row.floor.unwrap_or(NOTHING), row.cap);
        kept.map_err(|unkept| refused(&of_group(build, &row.name), &source.name, unkept))?;
    }
    for one in promised {
        let kept = promises.member(one.floor, one.cap, one.group.map(GroupId));
        kept.map_err(|unkept| refused(&one.place(build, who), &source.name, unkept))?;
    }
    Ok(())
}

/// Refuses the first floor that brings the sum of those that cross a shared link above what it
/// carries. What a group is promised crosses it if all that its source sends to it does.
fn at_link(
    build: &Build<'_>,
    who: &Who,
    (peers, link): (&[PeerSetup], &SharedLinkSetup),
    promised: &[(&PeerSetup, Vec<Promise<'_>>)],
) -> Result<(), BadFile> {
    let mut sum = 0_u64;
    let mut fits = |more: u64| {
        sum = sum.saturating_add(more);
        let is_over = sum > link.capacity.get();
        if is_over { Err(Rate::new(sum)) } else { Ok(()) }
    };
    let over = |at: &Place<'_>, sum: Rate| {
        let name = &link.name;
        let what = format!("brings the sum of floors above what link {name:?} carries");
        bad(at, what, sum, link.capacity)
    };
    for (source, all) in promised {
        // What the members of a group are promised, and whether all of them are across.
        let mut groups: BTreeMap<u32, (u64, bool)> = BTreeMap::new();
        for one in all {
            let is_across = link.is_crossed(source.region, peers[one.to as usize].region);
            if let Some(group) = one.group {
                let (members, all) = groups.entry(group).or_insert((0, true));
                *members = members.saturating_add(one.floor.get());
                *all &= is_across;
            }
            if is_across {
                fits(one.floor.get()).map_err(|sum| over(&one.place(build, who), sum))?;
            }
        }
        for (group, (members, _)) in groups.into_iter().filter(|(_, (_, all))| *all) {
            let row = &build.groups[group as usize];
            let rest = row.floor.unwrap_or(NOTHING).get().saturating_sub(members);
            fits(rest).map_err(|sum| over(&of_group(build, &row.name), sum))?;
        }
    }
    Ok(())
}

impl Promise<'_> {
    /// The key that promises it.
    fn place<'a>(&self, build: &Build<'a>, who: &Who) -> Place<'a> {
        match self.last {
            Some(transfer) => of_transfer(build, transfer),
            None => of_peer(build, who, self.to),
        }
    }
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
