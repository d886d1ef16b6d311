//! What a swarm is measured against: the least times that any policy could reach, equal service.
//!
//! Knows of a run only who joined and completed when, so simulated and real runs have the same
//! baseline.

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate};

use crate::bounds::{self, Access};
use crate::record::{ContentRecord, PeerRecord};
use crate::setup::{ContentSetup, Setup};

/// What no policy can beat for a content, after Kumar and Ross and after Mundinger, Weber and
/// Weiss, from the first leecher's join to the last completion.
///
/// The theorems are about leechers that join together. Who joins later makes nothing faster, so
/// they bound a staggered crowd too, if everybody stays to the end and the seeds are there first.
#[must_use]
pub fn bounds(setup: &Setup, content: &ContentSetup) -> (Option<Span>, Option<Span>) {
    let peer = |row: &u32| &setup.peers[*row as usize];
    let all = || content.seeds.iter().chain(&content.leechers).map(peer);
    let first = content.leechers.iter().map(|row| peer(row).join).min();
    let stays = all().all(|peer| peer.leave.is_none() && peer.linger.is_none());
    let seeded = content
        .seeds
        .iter()
        .all(|seed| first.is_none_or(|first| peer(seed).join <= first));
    if !stays || !seeded || !setup.faults.is_empty() || setup.contents.len() != 1 {
        return (None, None);
    }
    let up = |row: &u32| peer(row).up.map(Rate::get);
    let seeds: Option<u64> = content.seeds.iter().map(up).sum();
    let access: Vec<Access> = content
        .leechers
        .iter()
        .map(|row| Access {
            up: peer(row).up,
            down: peer(row).down,
        })
        .collect();
    let kumar_ross = bounds::kumar_ross(content.bytes, seeds.map(Rate::new), &access);
    let rate = content.seeds.first().and_then(|seed| peer(seed).up);
    let equal = content.seeds.len() == 1
        && all().all(|peer| peer.up == rate && peer.down.is_none_or(|down| Some(down) >= rate));
    let chunks = content.bytes.get().div_ceil(content.chunk.get());
    let mundinger = match (rate, u32::try_from(chunks)) {
        (Some(rate), Ok(chunks)) if equal => {
            bounds::mundinger(content.bytes, chunks, count(access.iter()), rate)
        }
        _ => None,
    };
    (kumar_ross, mundinger)
}

/// What became of a content, from what became of its peers.
#[must_use]
pub fn content(setup: &Setup, content: &ContentSetup, peers: &[PeerRecord]) -> ContentRecord {
    let leechers = || content.leechers.iter().map(|row| &peers[*row as usize]);
    let joined = leechers().filter_map(|peer| peer.joined);
    let completed = leechers().filter_map(|peer| peer.completed);
    let all = completed.clone().count() == content.leechers.len();
    let makespan = match (joined.clone().min(), completed.clone().max()) {
        (Some(first), Some(last)) if all => Some(last.since(first)),
        _ => None,
    };
    let (kumar_ross, mundinger) = bounds(setup, content);
    ContentRecord {
        makespan,
        leechers: count(joined),
        completed: count(completed),
        kumar_ross,
        mundinger,
    }
}

/// Peers that wanted a content between `start` and `now`: their rows, what equal service would
/// have given them, and for how long they wanted it.
///
/// Equal service is the content in the least time in which the last peer can have it
/// (Kumar and Ross); where no bound applies the entitlement is zero.
#[must_use]
pub fn leechers_since(
    setup: &Setup,
    peers: &[PeerRecord],
    start: Time,
    now: Time,
) -> Vec<(u32, ByteCount, Span)> {
    let ideal = setup.contents.first().and_then(|content| {
        let (least, _) = bounds(setup, content);
        least
            .filter(|span| *span > Span::ZERO)
            .map(|span| (content.bytes, span))
    });
    let wanted = (0..).zip(peers).filter(|(_, peer)| peer.wanted);
    wanted
        .filter_map(|(row, peer)| {
            let from = peer.joined?.max(start);
            let until = peer.completed.or(peer.left).unwrap_or(now).min(now);
            let backlogged = until.since(from);
            let share = ideal.map_or(0, |(bytes, least)| {
                let product = u128::from(bytes.get()) * u128::from(backlogged.as_nanos());
                product / u128::from(least.as_nanos())
            });
            let share = ByteCount::new(u64::try_from(share).unwrap_or(u64::MAX));
            (backlogged > Span::ZERO).then_some((row, share, backlogged))
        })
        .collect()
}

fn count<T>(things: impl Iterator<Item = T>) -> u32 {
    u32::try_from(things.count()).expect("fewer peers than u32")
}
