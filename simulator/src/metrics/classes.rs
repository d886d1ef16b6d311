//! What classes of transfers get of their weights and floors, window by window.

use std::collections::{BTreeMap, BTreeSet};

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{Rate, Weight};
use fairhaul_core::uplink::Share;

use super::scalars::{Scalar, Scalars};
use crate::record::{FlowName, Record, WindowRecord};
use crate::setup::{Setup, TransferSetup};

/// Windows in which a floor is looked at: the shortest that are no shorter than this, because a
/// floor is a promise for a second, and a window of a few blocks holds one more or less.
const FLOOR_WINDOW: Span = Span::SECOND;

/// Classes in the order in which the setup first names them.
pub(super) fn names(setup: &Setup) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    let mut seen = BTreeSet::new();
    for transfer in &setup.transfers {
        if seen.insert(transfer.class.as_str()) {
            found.push(&transfer.class);
        }
    }
    found
}

/// Adds `rate_multiple.CLASS` for every class with a weight other than 1, and
/// `floor_least_WINDOW.CLASS` for every class with a floor. Runs without windows have neither.
pub(super) fn add(setup: &Setup, record: &Record, out: &mut Scalars) {
    if setup.windows.is_empty() {
        return;
    }
    let ordinary = ordinary(setup);
    for class in names(setup) {
        if let Some(ordinary) = ordinary
            && of_class(setup, class).all(|(_, row)| weight(setup, row) != Weight::ONE)
        {
            let multiple = rate_multiple(setup, record, class, ordinary);
            out.push(Scalar::new(format!("rate_multiple.{class}"), multiple));
        }
        let holders = holders(setup, class);
        if !holders.is_empty() {
            let window = floor_window(setup);
            let least = holders
                .iter()
                .filter_map(|(holder, floor)| least(setup, record, window, *holder, *floor))
                .min_by(f64::total_cmp);
            let name = format!("floor_least_{}s.{class}", window.as_secs_f64());
            out.push(Scalar::new(name, least));
        }
    }
}

fn of_class<'a>(
    setup: &'a Setup,
    class: &'a str,
) -> impl Iterator<Item = (u32, &'a TransferSetup)> {
    let rows = (0_u32..).zip(&setup.transfers);
    rows.filter(move |(_, transfer)| transfer.class == class)
}

/// Whom the ideal is fair to at the source of a transfer.
fn share(setup: &Setup, transfer: &TransferSetup) -> Share {
    let source = &setup.peers[transfer.source as usize];
    let own = setup.policies.get(source.policy as usize);
    let said = setup.ideal_share;
    said.or_else(|| own.map(|policy| policy.share))
        .unwrap_or_default()
}

/// The weight with which a transfer takes part at its source, alone or in its peer's or group's
/// name.
fn weight(setup: &Setup, transfer: &TransferSetup) -> Weight {
    let peer = &setup.peers[transfer.destination as usize];
    match share(setup, transfer) {
        Share::Transfer => transfer.weight,
        Share::Group => match peer.group.or(transfer.group) {
            Some(group) => setup.groups[group as usize].weight,
            None => peer.weight,
        },
        Share::Peer => peer.weight,
    }
}

/// Who takes part at a source with a weight: whom the ideal is fair to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Party {
    Transfer(u32),
    Peer(u32),
    Group(u32),
}

/// In whose name a transfer takes part.
pub(super) fn party(setup: &Setup, row: u32) -> Party {
    let transfer = &setup.transfers[row as usize];
    let peer = transfer.destination;
    match share(setup, transfer) {
        Share::Transfer => Party::Transfer(row),
        Share::Group => match setup.peers[peer as usize].group.or(transfer.group) {
            Some(group) => Party::Group(group),
            None => Party::Peer(peer),
        },
        Share::Peer => Party::Peer(peer),
    }
}

/// The class that multiples are taken of: that with most bytes among those of weight 1 and
/// without floors.
fn ordinary(setup: &Setup) -> Option<&str> {
    let plain = |class: &&str| {
        of_class(setup, class).all(|(_, row)| weight(setup, row) == Weight::ONE)
            && holders(setup, class).is_empty()
    };
    let bytes = |class: &&str| -> u128 {
        of_class(setup, class)
            .map(|(_, row)| u128::from(row.bytes.get()))
            .sum()
    };
    let classes = names(setup);
    classes.into_iter().filter(plain).max_by_key(bytes)
}

/// Bytes of a party of `class` over those of a party of `ordinary`, in the windows in which both
/// had demand from end to end. None if there is no such window.
fn rate_multiple(setup: &Setup, record: &Record, class: &str, ordinary: &str) -> Option<f64> {
    let shortest = *setup.windows.iter().min()?;
    let mut windows: BTreeMap<Time, [Parties; 2]> = BTreeMap::new();
    let rows = of_length(record, shortest);
    for (row, window) in rows.filter(|(_, window)| window.backlogged >= shortest) {
        let own = &setup.transfers[row as usize].class;
        let Some(side) = [class, ordinary].iter().position(|name| name == own) else {
            continue;
        };
        let parties = &mut windows.entry(window.start).or_default()[side];
        parties.bytes += window.bytes.get();
        parties.names.insert(party(setup, row));
    }
    let (mut got, mut theirs) = (0.0, 0.0);
    for [own, other] in windows.values() {
        if let (Some(own), Some(other)) = (own.each(), other.each()) {
            got += own;
            theirs += other;
        }
    }
    (theirs > 0.0).then(|| got / theirs)
}

/// What the parties of a class got in a window, together.
#[derive(Debug, Default)]
struct Parties {
    bytes: u64,
    names: BTreeSet<Party>,
}

impl Parties {
    /// Bytes of one of them in the mean.
    fn each(&self) -> Option<f64> {
        let count = self.names.len();
        (count > 0).then(|| self.bytes as f64 / count as f64)
    }
}

/// Rows of transfers in windows of one length.
fn of_length(record: &Record, window: Span) -> impl Iterator<Item = (u32, &WindowRecord)> {
    let rows = record
        .windows
        .iter()
        .filter(move |row| row.window == window);
    rows.filter_map(|row| match row.flow {
        FlowName::Transfer(transfer) => Some((transfer, row)),
        FlowName::Peer(_) => None,
    })
}

/// Whose floor it is, at which source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    Transfer(u32),
    Peer { source: u32, peer: u32 },
    Group { source: u32, group: u32 },
}

/// The floors that a transfer can rely on.
fn floors(setup: &Setup, row: u32) -> impl Iterator<Item = (Holder, Rate)> {
    let transfer = &setup.transfers[row as usize];
    let (source, peer) = (transfer.source, transfer.destination);
    let who = &setup.peers[peer as usize];
    let own = transfer.floor.map(|floor| (Holder::Transfer(row), floor));
    let of_peer = who
        .floor
        .map(|floor| (Holder::Peer { source, peer }, floor));
    let groups = [who.group, transfer.group].into_iter().flatten();
    let of_groups = groups.filter_map(move |group| {
        let floor = setup.groups[group as usize].floor?;
        Some((Holder::Group { source, group }, floor))
    });
    own.into_iter().chain(of_peer).chain(of_groups)
}

fn holders(setup: &Setup, class: &str) -> BTreeMap<Holder, Rate> {
    of_class(setup, class)
        .flat_map(|(row, _)| floors(setup, row))
        .collect()
}

fn floor_window(setup: &Setup) -> Span {
    let long = setup.windows.iter().filter(|span| **span >= FLOOR_WINDOW);
    let found = long.min().or_else(|| setup.windows.iter().max());
    *found.expect("a caller looked that there are windows")
}

/// The least part of its floor that a holder got in any window in which it had demand from end
/// to end, 1 or more if it always had it. None if there was no such window.
///
/// The bytes of a window are counted when they arrive, a delay after they were served: in the
/// first window of a demand some of its own are still on their way, so that one does not count.
/// Where a cap or a link gives less than the floor, what the ideal gives is what was promised.
fn least(setup: &Setup, record: &Record, window: Span, holder: Holder, floor: Rate) -> Option<f64> {
    let mut windows: BTreeMap<Time, (u64, u64)> = BTreeMap::new();
    let mut wanted: BTreeSet<Time> = BTreeSet::new();
    for (row, found) in of_length(record, window) {
        if floors(setup, row).any(|(own, _)| own == holder) {
            // Another member may have ended in a window that one wanted from end to end.
            let sums = windows.entry(found.start).or_default();
            sums.0 += found.bytes.get();
            sums.1 += found.entitlement.get();
            if found.backlogged >= window {
                wanted.insert(found.start);
            }
        }
    }
    let promised = floor.bytes_in(window).get();
    let parts = wanted.iter().filter_map(|start| {
        let before = start.as_nanos().checked_sub(window.as_nanos())?;
        let (got, entitled) = windows[start];
        let promised = promised.min(entitled);
        (wanted.contains(&Time::from_nanos(before)) && promised > 0)
            .then(|| got as f64 / promised as f64)
    });
    parts.min_by(f64::total_cmp)
}

#[cfg(test)]
mod tests {
    use fairhaul_core::units::ByteCount;

    use super::*;
    use crate::metrics::fixture;

    const SECOND: Span = Span::SECOND;

    fn row(flow: u32, at: u64, bytes: u64) -> WindowRecord {
        WindowRecord {
            window: SECOND,
            start: Time::ZERO + Span::from_secs(at),
            flow: FlowName::Transfer(flow),
            bytes: ByteCount::new(bytes),
            entitlement: ByteCount::new(60),
            backlogged: SECOND,
        }
    }

    fn found(setup: &Setup, windows: Vec<WindowRecord>) -> Vec<(String, Option<f64>)> {
        let record = Record {
            windows,
            ..Record::default()
        };
        let mut out = Scalars::default();
        add(setup, &record, &mut out);
        out.into_iter().map(|s| (s.name, s.value)).collect()
    }

    // Two peers of weight 1 get 10 each, one of weight 3 gets 30 through two transfers: 3 times.
    // In a second in which the ordinary ones wanted nothing it got 100, which says nothing.
    #[test]
    fn a_multiple_is_taken_where_both_want_something_and_counts_peers() {
        let mut setup = fixture::two_transfers();
        setup.windows = vec![SECOND];
        setup.peers.push(fixture::peer("other"));
        setup.peers.push(fixture::peer("payer"));
        setup.peers[3].weight = Weight::whole(3);
        let ordinary = setup.transfers[1].clone();
        let paid = TransferSetup {
            class: "paid".into(),
            destination: 3,
            ..ordinary.clone()
        };
        let other = TransferSetup {
            destination: 2,
            ..ordinary.clone()
        };
        setup.transfers = vec![ordinary, other, paid.clone(), paid];
        let windows = vec![
            row(0, 1, 10),
            row(1, 1, 10),
            row(2, 1, 10),
            row(3, 1, 20),
            row(2, 2, 100),
        ];
        let want = [("rate_multiple.paid".to_owned(), Some(3.0))];
        assert_eq!(found(&setup, windows), want);
    }

    // A floor of 40 B/s: the first second of demand does not count, then 50 and 20 of 40. At a
    // link that gave it 10 of 10 it was kept.
    #[test]
    fn a_floor_is_judged_by_its_least_second_after_the_first() {
        let mut setup = fixture::two_transfers();
        setup.windows = vec![Span::from_millis(100), SECOND, Span::from_secs(10)];
        setup.transfers[0].floor = Some(Rate::new(40));
        let mut windows = vec![row(0, 1, 3), row(0, 2, 50), row(0, 3, 20)];
        let name = "floor_least_1s.small".to_owned();
        assert_eq!(found(&setup, windows.clone()), [(name.clone(), Some(0.5))]);
        windows[2].entitlement = ByteCount::new(20);
        assert_eq!(found(&setup, windows.clone()), [(name.clone(), Some(1.0))]);
        windows.truncate(1);
        assert_eq!(found(&setup, windows), [(name, None)]);
    }

    // The group's floor holds for both of its members together, also in the second in which one
    // of them ends.
    #[test]
    fn a_floor_of_a_group_counts_what_its_members_get_together() {
        let mut setup = fixture::two_transfers();
        setup.windows = vec![SECOND];
        setup.groups = vec![crate::setup::GroupSetup {
            name: "gold".into(),
            floor: Some(Rate::new(40)),
            ..crate::setup::GroupSetup::default()
        }];
        for transfer in &mut setup.transfers {
            transfer.group = Some(0);
        }
        let mut last = row(1, 2, 25);
        last.backlogged = Span::from_millis(300);
        let windows = vec![row(0, 1, 0), row(0, 2, 15), last];
        let want = ["small", "bulk"].map(|class| (format!("floor_least_1s.{class}"), Some(1.0)));
        assert_eq!(found(&setup, windows), want);
    }
}
