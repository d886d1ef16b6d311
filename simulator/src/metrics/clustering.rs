//! Who trades with whom: the part of what a class of leechers sends that goes to its own kind.
//!
//! Source: A. Legout et al., "Clustering and Sharing Incentives in BitTorrent Systems",
//! SIGMETRICS 2007. Peers that choose whom to serve by what comes back find those of their own
//! speed; peers that choose at random do not.

use std::collections::BTreeMap;

use super::scalars::{Scalar, Scalars};
use crate::record::Record;
use crate::setup::Setup;

/// Adds, for each class of leechers if there are several, the part of its bytes to leechers that
/// its own members got, and how many times that is what they would get if all were served alike.
pub(super) fn add(setup: &Setup, record: &Record, out: &mut Scalars) {
    let mut is_leecher = vec![false; setup.peers.len()];
    for at in setup.contents.iter().flat_map(|content| &content.leechers) {
        if let Some(leecher) = is_leecher.get_mut(*at as usize) {
            *leecher = true;
        }
    }
    let class = |at: u32| {
        let peer = setup.peers.get(at as usize)?;
        is_leecher[at as usize].then_some(peer.class.as_str())
    };
    let mut members: Vec<(&str, u32)> = Vec::new();
    for name in (0_u32..).zip(&setup.peers).filter_map(|(at, _)| class(at)) {
        match members.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => members.push((name, 1)),
        }
    }
    if members.len() < 2 {
        return;
    }
    let mut sent: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for pair in &record.pairs {
        let Some((from, to)) = class(pair.sender).zip(class(pair.receiver)) else {
            continue;
        };
        let bytes = pair.bytes.get() as f64;
        let (own, all) = sent.entry(from).or_default();
        *own += if from == to { bytes } else { 0.0 };
        *all += bytes;
    }
    let leechers: u32 = members.iter().map(|(_, count)| count).sum();
    for (name, count) in members {
        let share = sent.get(name).filter(|(_, all)| *all > 0.0);
        let share = share.map(|(own, all)| own / all);
        let random = f64::from(count - 1) / f64::from(leechers - 1);
        let over = share.filter(|_| random > 0.0).map(|share| share / random);
        out.push(Scalar::new(format!("own_class_share.{name}"), share));
        out.push(Scalar::new(format!("own_class_over_random.{name}"), over));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::fixture;
    use crate::record::PairRecord;
    use crate::setup::{ContentSetup, PeerSetup};
    use fairhaul_core::units::ByteCount;

    /// Two slow and two fast leechers and a seed. A fast one gives 60 to its own kind and 40 to the
    /// others; at random it would give a third. What the seed gives does not count.
    #[test]
    fn what_goes_to_the_own_kind_is_held_against_a_random_choice() {
        let classes = ["seed", "slow", "slow", "fast", "fast"];
        let peer = |class: &str| PeerSetup {
            class: class.to_owned(),
            ..fixture::peer(class)
        };
        let mut setup = Setup {
            peers: classes.map(peer).to_vec(),
            ..fixture::two_transfers()
        };
        setup.contents = vec![ContentSetup {
            name: "film".into(),
            bytes: ByteCount::new(100),
            chunk: ByteCount::new(10),
            seeds: vec![0],
            leechers: vec![1, 2, 3, 4],
            start: Vec::new(),
        }];
        let pair = |sender, receiver, bytes| PairRecord {
            sender,
            receiver,
            bytes: ByteCount::new(bytes),
        };
        let record = Record {
            pairs: vec![
                pair(0, 3, 500),
                pair(3, 4, 60),
                pair(3, 1, 40),
                pair(1, 3, 7),
            ],
            ..Record::default()
        };
        let mut out = Scalars(Vec::new());
        add(&setup, &record, &mut out);
        let found: Vec<_> = out
            .0
            .iter()
            .map(|one| (one.name.as_str(), one.value))
            .collect();
        let near = |value: f64| (value * 1e9).round() / 1e9;
        let found: Vec<_> = found
            .iter()
            .map(|(name, value)| (*name, value.map(near)))
            .collect();
        assert_eq!(
            found,
            [
                ("own_class_share.slow", Some(0.0)),
                ("own_class_over_random.slow", Some(0.0)),
                ("own_class_share.fast", Some(0.6)),
                ("own_class_over_random.fast", Some(1.8)),
            ]
        );
    }
}
