//! What deviants win, what that costs the others, and how much they are given for nothing.
//!
//! Numbers in, numbers out: [`gain_of_deviation`] and [`leak`] are functions of what was measured.
//! The scalars of a run are what they need, for a setup that says who deviates. A gain compares
//! two runs that differ in the behaviour of the deviants alone.

use std::collections::BTreeMap;

use fairhaul_core::choke::{CHOKERS, Giver};
use fairhaul_core::units::ByteCount;

use super::mean;
use super::scalars::Scalars;
use super::swarm::peer_completion_s;
use crate::record::{PeerRecord, Record};
use crate::setup::Setup;

/// Mean goodput of the deviants, in bytes per second.
pub const DEVIANT_GOODPUT: &str = "deviant_goodput_bytes_per_s";
/// Deviants that did not finish.
pub const DEVIANTS_NOT_FINISHED: &str = "deviants_not_finished";
/// Mean goodput of the other leechers, in bytes per second.
pub const OTHERS_GOODPUT: &str = "others_goodput_bytes_per_s";
/// Other leechers that did not finish.
pub const OTHERS_NOT_FINISHED: &str = "others_not_finished";
/// Mean leak to a deviant, in bytes.
pub const LEAK: &str = "deviant_leak_bytes";
/// The part of it that the other leechers gave: what their policy has promised something about.
pub const LEAK_OF_OTHERS: &str = "deviant_leak_of_others_bytes";
/// What that policy promises that this part is at most, in bytes.
pub const LEAK_BOUND: &str = "deviant_leak_bound_bytes";

/// Verified bytes per second of somebody who wanted `bytes` and had them after so many seconds;
/// 0 of one who never had them.
#[must_use]
pub fn goodput(bytes: f64, completion_s: Option<f64>) -> f64 {
    completion_s.map_or(0.0, |seconds| bytes / seconds)
}

/// What deviating gains, `T(comply) / T(deviate)` of the time T to get the same content: a number
/// without a unit, above 1 where it pays. It is the ratio of the goodputs, in bytes per second,
/// the other way round, so one who never has all of it gains 0; `None` where nobody would finish
/// who complies. The arena takes the mean goodputs of several deviants, `fairlab search` those of
/// one.
#[must_use]
pub fn gain_of_deviation(comply: f64, deviate: f64) -> Option<f64> {
    (comply > 0.0).then(|| deviate / comply)
}

/// Bytes that somebody got beyond what it gave and its even share of what seeds sent. Below zero
/// where it gave more.
#[must_use]
pub fn leak(obtained: ByteCount, gave: ByteCount, seed_share: ByteCount) -> f64 {
    // Counts below 2^53 are exact.
    obtained.get() as f64 - gave.get() as f64 - seed_share.get() as f64
}

/// Adds the scalars of a setup that has deviants.
pub(super) fn add(setup: &Setup, record: &Record, out: &mut Scalars) {
    if !setup.peers.iter().any(|peer| peer.deviant) {
        return;
    }
    let wanted = wanted(setup);
    // Those of a side that came and wanted something.
    let here = |deviant: bool| {
        let rows = setup.peers.iter().zip(&record.peers).zip(&wanted);
        (0_u32..)
            .zip(rows)
            .filter(move |(_, ((peer, found), wanted))| {
                peer.deviant == deviant && **wanted > 0 && found.joined.is_some()
            })
    };
    let sides = [
        (true, DEVIANT_GOODPUT, DEVIANTS_NOT_FINISHED),
        (false, OTHERS_GOODPUT, OTHERS_NOT_FINISHED),
    ];
    for (deviant, name, not_finished) in sides {
        let goodputs = here(deviant)
            .map(|(_, ((_, found), wanted))| goodput(*wanted as f64, peer_completion_s(found)));
        let found: Vec<f64> = goodputs.collect();
        let never = found.iter().filter(|goodput| **goodput <= 0.0).count();
        out.add(name, mean(&found));
        out.add(not_finished, Some(never as f64));
    }
    let exchanged = Exchanged::of(setup, record);
    let deviants = || here(true).map(|(row, _)| row);
    let leaks: Option<Vec<f64>> = deviants()
        .map(|row| all_leaked(&record.peers[row as usize]))
        .collect();
    out.add(LEAK, leaks.and_then(|leaks| mean(&leaks)));
    let of_others: Vec<f64> = deviants()
        .map(|row| exchanged.leaked_by_others(row, &record.peers[row as usize]))
        .collect();
    out.add(LEAK_OF_OTHERS, mean(&of_others));
    let bounds: Option<Vec<f64>> = deviants().map(|row| exchanged.bound(record, row)).collect();
    out.add(LEAK_BOUND, bounds.and_then(|bounds| mean(&bounds)));
}

fn all_leaked(peer: &PeerRecord) -> Option<f64> {
    let obtained = peer.down_from_leechers + peer.down_from_seeds;
    Some(leak(obtained, peer.up_as_leecher, peer.seed_share?))
}

/// Bytes that each peer wants of all contents.
fn wanted(setup: &Setup) -> Vec<u64> {
    let mut wanted = vec![0; setup.peers.len()];
    for content in &setup.contents {
        for leecher in &content.leechers {
            wanted[*leecher as usize] += content.bytes.get();
        }
    }
    wanted
}

/// Who sent how much to whom.
struct Exchanged<'a> {
    setup: &'a Setup,
    is_leecher: Vec<bool>,
    pairs: BTreeMap<(u32, u32), ByteCount>,
}

impl<'a> Exchanged<'a> {
    fn of(setup: &'a Setup, record: &Record) -> Self {
        let pairs = record.pairs.iter();
        Self {
            setup,
            is_leecher: wanted(setup).iter().map(|bytes| *bytes > 0).collect(),
            pairs: pairs
                .map(|pair| ((pair.sender, pair.receiver), pair.bytes))
                .collect(),
        }
    }

    fn sent(&self, from: u32, to: u32) -> ByteCount {
        let found = self.pairs.get(&(from, to));
        found.copied().unwrap_or(ByteCount::ZERO)
    }

    /// What the other leechers gave beyond what they got: without what deviants exchange.
    fn leaked_by_others(&self, deviant: u32, found: &PeerRecord) -> f64 {
        let all = leak(
            found.down_from_leechers,
            found.up_as_leecher,
            ByteCount::ZERO,
        );
        let fellows = (0_u32..).zip(&self.setup.peers);
        let fellows = fellows.filter(|(_, peer)| peer.deviant);
        let theirs = fellows.map(|(row, _)| {
            let (got, gave) = (self.sent(row, deviant), self.sent(deviant, row));
            leak(got, gave, ByteCount::ZERO)
        });
        all - theirs.sum::<f64>()
    }

    /// What the policies of the other leechers promise, of whom only those count that sent
    /// `deviant` anything; `None` if one of them promises no number.
    fn bound(&self, record: &Record, deviant: u32) -> Option<f64> {
        let leechers = (0_u32..).zip(&self.setup.peers);
        let others = leechers.filter(|(row, peer)| self.is_leecher[*row as usize] && !peer.deviant);
        let chunks = self.setup.contents.iter().map(|content| content.chunk);
        let chunk = chunks.max().unwrap_or(ByteCount::ZERO);
        let bounds = others.map(|(row, peer)| {
            let policy = &self.setup.policies[peer.policy as usize];
            let own = peer.behaviour.unchoke.and_then(|name| CHOKERS.find(name));
            let receivers = self.pairs.keys();
            let receivers =
                receivers.filter(|(from, to)| *from == row && self.is_leecher[*to as usize]);
            let giver = Giver {
                chunk,
                params: policy.choker_params(),
                sent: record.peers[row as usize].up_as_leecher,
                peers: u32::try_from(receivers.count()).unwrap_or(u32::MAX),
                returned: self.sent(deviant, row),
            };
            let row_of_choker = own.unwrap_or_else(|| policy.unchoke.row());
            let bytes = row_of_choker.leak.bytes(&giver)?;
            let has_given = self.sent(row, deviant) > ByteCount::ZERO;
            Some(if has_given { bytes.get() as f64 } else { 0.0 })
        });
        bounds.sum()
    }
}

#[cfg(test)]
mod tests {
    use fairhaul_config::policy::{ChokerName, Policy};
    use fairhaul_core::time::{Span, Time};

    use super::*;
    use crate::metrics::fixture;
    use crate::record::PairRecord;
    use crate::setup::{ContentSetup, PolicySetup};

    // 1,000 bytes in 20 s instead of in 10: half of the goodput, so half of what there was. Never
    // to have them is the end of that scale. 700 bytes for 300, of which 150 were its part of the
    // seed's: 250 for nothing.
    #[test]
    fn the_metrics_are_those_of_their_definition() {
        let near = |got: Option<f64>, want: f64| {
            assert!((got.unwrap() - want).abs() < 1e-12, "{got:?}, want {want}");
        };
        let (comply, deviate) = (goodput(1_000.0, Some(10.0)), goodput(1_000.0, Some(20.0)));
        near(gain_of_deviation(comply, deviate), 0.5);
        near(gain_of_deviation(comply, goodput(1_000.0, None)), 0.0);
        assert_eq!(gain_of_deviation(goodput(1_000.0, None), deviate), None);
        let bytes = ByteCount::new;
        near(Some(leak(bytes(700), bytes(300), bytes(150))), 250.0);
        near(Some(leak(bytes(700), bytes(900), bytes(150))), -350.0);
    }

    fn swarm(choker: &str) -> (Setup, Record) {
        let policy = Policy {
            unchoke: ChokerName::of(choker),
            ..Policy::default()
        };
        let mut setup = fixture::two_transfers();
        setup.transfers.clear();
        setup.policies = vec![PolicySetup::from(policy)];
        setup.peers = ["seed", "a", "b", "x", "y"].map(fixture::peer).to_vec();
        setup.peers[3].deviant = true;
        setup.peers[4].deviant = true;
        setup.contents.push(ContentSetup {
            name: "c".into(),
            bytes: ByteCount::new(1_000),
            chunk: ByteCount::new(50),
            seeds: vec![0],
            leechers: vec![1, 2, 3, 4],
            start: Vec::new(),
        });
        let row = |secs: Option<u64>, down: [u64; 2], up, share| PeerRecord {
            joined: Some(Time::ZERO),
            wanted: true,
            completed: secs.map(|secs| Time::ZERO + Span::from_secs(secs)),
            down_from_leechers: ByteCount::new(down[0]),
            down_from_seeds: ByteCount::new(down[1]),
            up_as_leecher: ByteCount::new(up),
            seed_share: Some(ByteCount::new(share)),
            ..PeerRecord::default()
        };
        let pair = |sender, receiver, bytes| PairRecord {
            sender,
            receiver,
            bytes: ByteCount::new(bytes),
        };
        let record = Record {
            peers: vec![
                PeerRecord::default(),
                row(Some(10), [800, 200], 900, 250),
                row(Some(20), [800, 200], 700, 250),
                row(Some(40), [600, 400], 100, 250),
                row(None, [200, 100], 60, 250),
            ],
            // The second deviant gave the first 60 bytes, which no policy promised anything about.
            pairs: vec![
                pair(1, 3, 340),
                pair(2, 3, 200),
                pair(4, 3, 60),
                pair(3, 1, 100),
            ],
            ..Record::default()
        };
        (setup, record)
    }

    fn found(setup: &Setup, record: &Record) -> BTreeMap<String, Option<f64>> {
        let mut out = Scalars::default();
        add(setup, record, &mut out);
        out.into_iter().map(|s| (s.name, s.value)).collect()
    }

    // The others have 1,000 bytes in 10 and 20 s: 100 and 50 B/s. One deviant has them in 40 s,
    // 25 B/s, the other never. Leaks are 600 + 400 - 100 - 250 and 200 + 100 - 60 - 250; of what
    // the first got from leechers 60 are its fellow's. Two neighbours gave it something, so 2 x 2
    // chunks were promised, and none to the second: its 200 bytes came from nobody in the table.
    #[test]
    fn a_run_has_the_goodputs_of_both_sides_and_what_leaks() {
        let (setup, record) = swarm("bounded-deficit");
        let got = found(&setup, &record);
        assert_eq!(got[DEVIANT_GOODPUT], Some(12.5));
        assert_eq!(got[DEVIANTS_NOT_FINISHED], Some(1.0));
        assert_eq!(got[OTHERS_GOODPUT], Some(75.0));
        assert_eq!(got[OTHERS_NOT_FINISHED], Some(0.0));
        assert_eq!(got[LEAK], Some(f64::midpoint(650.0, -10.0)));
        assert_eq!(got[LEAK_OF_OTHERS], Some(f64::midpoint(440.0, 200.0)));
        assert_eq!(got[LEAK_BOUND], Some(f64::midpoint(200.0, 0.0)));
    }

    // With real nodes the even share of a seed is not counted: then there is no leak, not a large
    // one.
    #[test]
    fn a_leak_without_the_share_of_the_seed_is_none() {
        let (setup, mut record) = swarm("bounded-deficit");
        record.peers[3].seed_share = None;
        let got = found(&setup, &record);
        assert_eq!(got[LEAK], None);
        assert_eq!(got[LEAK_BOUND], Some(f64::midpoint(200.0, 0.0)));
    }

    #[test]
    fn no_bound_is_made_up_where_none_is_promised() {
        let (setup, mut record) = swarm("tit-for-tat");
        assert_eq!(found(&setup, &record)[LEAK_BOUND], None);
        record.pairs.clear();
        assert_eq!(found(&setup, &record)[LEAK_BOUND], None);
    }

    #[test]
    fn a_setup_without_deviants_has_none_of_it() {
        let (mut setup, record) = swarm("none");
        for peer in &mut setup.peers {
            peer.deviant = false;
        }
        assert!(found(&setup, &record).is_empty());
    }
}
