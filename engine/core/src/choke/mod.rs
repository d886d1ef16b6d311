//! Chokers: whom to serve until the next round.
//!
//! Each choker is one file and one row of [`ALL`]. A choker sees what is known of each peer
//! that wants something, never the peer itself.

use std::fmt::Debug;

use crate::id::PeerId;
use crate::registry::{Named, Registry};
use crate::rng::Rng;
use crate::units::ByteCount;

mod give_to_get;
mod none;
mod refuse;
mod round_robin;
mod tit_for_tat;

/// What a choker may know of an interested peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Who.
    pub peer: PeerId,
    /// Whether it wants something of ours.
    pub interested: bool,
    /// Bytes received from it in the last two rounds.
    pub received: ByteCount,
    /// Bytes sent to it in the last two rounds.
    pub sent: ByteCount,
    /// Bytes sent to it since it was unchoked.
    pub sent_in_slot: ByteCount,
    /// Whether it is unchoked now.
    pub unchoked: bool,
    /// Rounds since it was last unchoked, or since it connected.
    pub waited: u32,
    /// Whether it connected within the last three rounds.
    pub new: bool,
    /// Whether it owes us what we asked for and has sent nothing for a minute.
    pub snubbed: bool,
    /// Whether we sent it something and it never sent us anything.
    pub only_takes: bool,
    /// Whether hardly anything of what we alone had and gave it has appeared at others, and no
    /// floor is promised to it.
    pub keeps: bool,
    /// Enough of what we alone had and gave it has appeared at others.
    pub passes_on: bool,
}

/// The rule that grants slots.
pub trait Choker: Debug + Send {
    /// Whom to serve until the next round: of `peers` at most `slots`. They are all interested
    /// where slots count.
    fn unchoke(&mut self, peers: &[Candidate], slots: usize, rng: &mut Rng) -> Vec<PeerId>;

    /// Whether `peer` may have a slot that becomes free between two rounds.
    fn may_fill(&self, _peer: &Candidate) -> bool {
        true
    }
}

/// A choker that can be named.
#[derive(Debug)]
pub struct ChokerRow {
    /// Its name in files and on the command line.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Where it is described.
    pub source: &'static str,
    /// Whether it limits how many are served at once.
    pub slots: bool,
    /// Whether slots that are free between rounds are given at once to whoever asks.
    pub fills: bool,
    /// Whether a chunk that was begun is sent to its end after a choke. Right where a slot is no
    /// reward: half a chunk cannot be passed on, and a rare one may have no other holder.
    pub finishes: bool,
    /// Whether it goes by who passes on what: then everybody is told who has got which chunk.
    pub watches: bool,
    /// Makes one.
    pub make: fn() -> Box<dyn Choker>,
}

/// Every choker. Those in [`SEED_RULES`] may also serve where nothing comes back.
pub static ALL: &[ChokerRow] = &[
    ChokerRow {
        name: "none",
        about: "serve all who ask; the discipline alone shares the uplink",
        source: "no choking",
        slots: false,
        fills: true,
        finishes: false,
        watches: false,
        make: || Box::new(none::Nobody),
    },
    ChokerRow {
        name: "round-robin",
        about: "slots go round among all who ask, longest wait first",
        source: "round robin over peers",
        slots: true,
        fills: true,
        finishes: true,
        watches: false,
        make: || Box::new(round_robin::RoundRobin),
    },
    ChokerRow {
        name: "tit-for-tat",
        about: "the best givers of the last rounds, and one at random",
        source: "B. Cohen, Incentives Build Robustness in BitTorrent, 2003; BEP 3",
        slots: true,
        fills: true,
        finishes: false,
        watches: false,
        make: || Box::new(tit_for_tat::TitForTat::default()),
    },
    ChokerRow {
        name: "give-to-get",
        about: "serve all who ask; those who pass nothing on only now and then, while others wait",
        source: "J. J. D. Mol et al., Give-to-Get: Free-Riding Resilient Video-on-Demand in P2P Systems, 2008",
        slots: false,
        fills: true,
        finishes: false,
        watches: true,
        make: || Box::new(give_to_get::GiveToGet::default()),
    },
    ChokerRow {
        name: "refuse",
        about: "serve nobody: the free rider",
        source: "the adversary that takes and never gives",
        slots: true,
        fills: false,
        finishes: false,
        watches: false,
        make: || Box::new(refuse::Refuse),
    },
];

/// Names of the seed rules, with the choker that each is.
pub static SEED_RULES: &[(&str, &str)] = &[
    ("even", "none"),
    ("round-robin", "round-robin"),
    ("give-to-get", "give-to-get"),
];

/// Every choker by name: those of this crate, and those that a program adds.
pub static CHOKERS: Registry<ChokerRow> = Registry::new(ALL);

impl Named for ChokerRow {
    fn name(&self) -> &'static str {
        self.name
    }
}

/// The choker that is the seed rule of that name.
#[must_use]
pub fn find_seed_rule(name: &str) -> Option<&'static ChokerRow> {
    let (_, choker) = SEED_RULES.iter().find(|(rule, _)| *rule == name)?;
    CHOKERS.find(choker)
}

/// Who gets a slot that became free between two rounds: the longest wait, then the least id.
/// Whom the choker keeps from it has it only where nobody else is served or waits.
#[must_use]
pub fn fill(choker: &dyn Choker, peers: &[Candidate], free: usize) -> Vec<PeerId> {
    let nobody_else = || {
        let mut others = peers.iter();
        !others.any(|peer| peer.unchoked || choker.may_fill(peer))
    };
    let mut choked: Vec<&Candidate> = peers.iter().filter(|peer| !peer.unchoked).collect();
    if !nobody_else() {
        choked.retain(|peer| choker.may_fill(peer));
    }
    choked.sort_by_key(|peer| (std::cmp::Reverse(peer.waited), peer.peer));
    choked.iter().take(free).map(|peer| peer.peer).collect()
}

#[cfg(test)]
pub(crate) fn candidate(peer: u32, received: u64) -> Candidate {
    Candidate {
        peer: PeerId(peer),
        interested: true,
        received: ByteCount::new(received),
        sent: ByteCount::ZERO,
        sent_in_slot: ByteCount::ZERO,
        unchoked: false,
        waited: 0,
        new: false,
        snubbed: false,
        only_takes: false,
        keeps: false,
        passes_on: false,
    }
}

#[cfg(test)]
mod laws {
    use super::*;

    #[test]
    fn every_choker_grants_each_peer_at_most_once_and_no_more_than_its_slots() {
        for row in ALL {
            let mut choker = (row.make)();
            let mut rng = Rng::from_seed([2; 32]);
            for round in 0..60_u32 {
                let peers: Vec<_> = (0..round % 9)
                    .map(|peer| candidate(peer, u64::from(peer * round % 5)))
                    .collect();
                let chosen = choker.unchoke(&peers, 4, &mut rng);
                let mut distinct = chosen.clone();
                distinct.sort();
                distinct.dedup();
                assert_eq!(distinct.len(), chosen.len(), "{}", row.name);
                assert!(
                    chosen.len() <= if row.slots { 4 } else { peers.len() },
                    "{}",
                    row.name
                );
                assert!(
                    distinct.iter().all(|peer| peer.0 < round % 9),
                    "{}",
                    row.name
                );
            }
        }
    }

    #[test]
    fn every_choker_but_the_free_rider_uses_its_slots() {
        for row in ALL.iter().filter(|row| row.name != "refuse") {
            let mut choker = (row.make)();
            let peers: Vec<_> = (0..10).map(|peer| candidate(peer, 1)).collect();
            let chosen = choker.unchoke(&peers, 4, &mut Rng::from_seed([2; 32]));
            assert_eq!(chosen.len(), if row.slots { 4 } else { 10 }, "{}", row.name);
        }
    }

    #[test]
    fn every_seed_rule_is_a_choker() {
        assert!(
            SEED_RULES
                .iter()
                .all(|(rule, _)| find_seed_rule(rule).is_some())
        );
    }

    #[test]
    fn a_free_slot_goes_to_whoever_waited_longest() {
        let mut peers: Vec<_> = (0..4).map(|peer| candidate(peer, 0)).collect();
        peers[2].waited = 5;
        peers[3].waited = 9;
        peers[3].unchoked = true;
        assert_eq!(fill(&none::Nobody, &peers, 2), [PeerId(2), PeerId(0)]);
    }
}
