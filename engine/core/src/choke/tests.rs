//! What every choker must keep to, whatever its rule, over random histories.

use std::collections::BTreeMap;

use super::*;

/// A peer that wants something, of which `received` bytes came in the last two rounds.
pub(super) fn candidate(peer: u32, received: u64) -> Candidate {
    Candidate {
        received: ByteCount::new(received),
        ..Candidate::new(PeerId(peer))
    }
}

/// A round of ten seconds at time zero.
pub(super) fn round(peers: &[Candidate], slots: usize) -> Round<'_> {
    Round {
        peers,
        slots,
        period: Span::from_secs(10),
        is_due: true,
        seeding: false,
        capacity: None,
        now: Time::ZERO,
    }
}

/// Whom a choker serves, in the order of its grants.
pub(super) fn chosen(
    choker: &mut dyn Choker,
    peers: &[Candidate],
    slots: usize,
    rng: &mut Rng,
) -> Vec<PeerId> {
    let grants = choker.round(&round(peers, slots), rng);
    grants.iter().map(|grant| grant.peer).collect()
}

/// The ids of those that are granted something, sorted.
pub(super) fn ids(grants: &[Grant]) -> Vec<u32> {
    let mut ids: Vec<u32> = grants.iter().map(|grant| grant.peer.0).collect();
    ids.sort_unstable();
    ids
}

/// A small world around one choker: peers that come and go, want, give and take at random.
struct History {
    peers: BTreeMap<u32, Candidate>,
    now: Time,
    rng: Rng,
    next: u32,
}

impl History {
    fn new(seed: u8) -> Self {
        Self {
            peers: BTreeMap::new(),
            now: Time::ZERO,
            rng: Rng::from_seed([seed; 32]),
            next: 0,
        }
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.rng.below(one_in) == 0
    }

    /// What happens between two rounds.
    fn pass(&mut self) {
        self.now = self.now + Span::from_secs(10);
        for _ in 0..self.rng.below(3) {
            let mut peer = candidate(self.next, 0);
            peer.since = self.now;
            peer.chunk = ByteCount::kib(64);
            peer.of = ByteCount::mib(4);
            self.peers.insert(self.next, peer);
            self.next += 1;
        }
        if self.chance(3)
            && let Some(gone) = self.peers.keys().next().copied()
        {
            self.peers.remove(&gone);
        }
        let ids: Vec<u32> = self.peers.keys().copied().collect();
        for id in ids {
            let gives = ByteCount::new(self.rng.below(200_000) as u64 * u64::from(id % 3));
            let flags: Vec<bool> = (2..7).map(|one_in| self.chance(one_in)).collect();
            let now = self.now;
            let peer = self.peers.get_mut(&id).expect("it is there");
            peer.received = peer.received_last.saturating_add(gives);
            peer.received_last = gives;
            peer.total_received = peer.total_received.saturating_add(gives);
            peer.rate_from = Rate::new(peer.received.get() / 20);
            peer.forwards_ours = Rate::new(gives.get() / 40);
            peer.forwards_all = peer.rate_from;
            peer.has = gives.min(peer.of);
            peer.interested = !flags[4];
            peer.wanted = flags[0];
            peer.snubbed = flags[3];
            if flags[1] != peer.chokes_us {
                peer.chokes_us = flags[1];
                peer.choked_us_at = flags[1].then_some(now).or(peer.choked_us_at);
            }
        }
    }

    fn candidates(&self, row: &ChokerRow) -> Vec<Candidate> {
        let all = !row.slots || row.everybody;
        let peers = self.peers.values();
        peers
            .filter(|peer| all || peer.interested)
            .copied()
            .collect()
    }

    /// Applies grants as a node does; whoever is served takes all of its budget, or a lot.
    fn apply(&mut self, grants: &[Grant], largest: u64) {
        let now = self.now;
        let mut amounts = Vec::new();
        for peer in self.peers.values() {
            let grant = grants.iter().find(|grant| grant.peer == peer.peer);
            let budget = grant.map(|grant| grant.budget.map_or(u64::MAX, ByteCount::get));
            let wants = if peer.interested { largest } else { 0 };
            amounts.push((peer.peer.0, budget.map(|budget| budget.min(wants)), budget));
        }
        for (id, takes, budget) in amounts {
            let peer = self.peers.get_mut(&id).expect("it is there");
            let serves = budget.is_some_and(|budget| budget > 0);
            if peer.unchoked != serves {
                peer.since = now;
                peer.sent_in_slot = ByteCount::ZERO;
            }
            peer.unchoked = serves;
            peer.waited = if serves { 0 } else { peer.waited + 1 };
            let takes = ByteCount::new(takes.unwrap_or(0));
            peer.sent = peer.sent_last.saturating_add(takes);
            peer.sent_last = takes;
            peer.total_sent = peer.total_sent.saturating_add(takes);
            peer.rate_to = Rate::new(peer.sent.get() / 20);
            peer.sent_in_slot = peer.sent_in_slot.saturating_add(takes);
        }
    }

    fn round<'a>(&self, peers: &'a [Candidate], row: &ChokerRow, seeding: bool) -> Round<'a> {
        Round {
            slots: if row.slots { 4 } else { usize::MAX },
            seeding,
            capacity: Some(Rate::new(50_000)),
            now: self.now,
            ..round(peers, 4)
        }
    }
}

fn make(row: &ChokerRow) -> Box<dyn Choker> {
    (row.make)(&ChokerParams::default())
}

#[test]
fn every_choker_grants_each_peer_at_most_once_and_no_more_than_its_slots() {
    for (row, seed) in ALL.iter().zip(0..) {
        for seeding in [false, true] {
            let mut history = History::new(seed);
            let mut choker = make(row);
            let mut rng = Rng::from_seed([2; 32]);
            for _ in 0..200 {
                history.pass();
                let peers = history.candidates(row);
                let grants = choker.round(&history.round(&peers, row, seeding), &mut rng);
                let mut distinct = ids(&grants);
                distinct.dedup();
                assert_eq!(distinct.len(), grants.len(), "{}", row.name);
                let known = |id: &u32| peers.iter().any(|peer| peer.peer.0 == *id);
                assert!(distinct.iter().all(known), "{}", row.name);
                let wants = |id: &&u32| history.peers[*id].interested;
                let interested = distinct.iter().filter(wants).count();
                assert!(!row.slots || interested <= 4, "{}: {grants:?}", row.name);
                history.apply(&grants, 300_000);
            }
        }
    }
}

/// The same history and the same draws give the same grants.
#[test]
fn every_choker_repeats_itself() {
    for row in ALL {
        let play = || {
            let mut history = History::new(9);
            let mut choker = make(row);
            let mut rng = Rng::from_seed([4; 32]);
            let mut all = Vec::new();
            for _ in 0..100 {
                history.pass();
                let peers = history.candidates(row);
                let grants = choker.round(&history.round(&peers, row, false), &mut rng);
                history.apply(&grants, 300_000);
                all.push(grants);
            }
            all
        };
        assert_eq!(play(), play(), "{}", row.name);
    }
}

/// Ten equal peers that all want something and gave a little; a choker with slots gives them all
/// away, and without slots nobody has to wait for ever.
#[test]
fn every_choker_but_the_free_rider_serves_somebody_and_uses_its_slots() {
    for row in ALL.iter().filter(|row| row.name != "refuse") {
        let mut choker = make(row);
        let peers: Vec<_> = (0..10)
            .map(|peer| Candidate {
                chunk: ByteCount::kib(64),
                received_last: ByteCount::new(1),
                ..candidate(peer, 1)
            })
            .collect();
        let grants = choker.round(&round(&peers, 4), &mut Rng::from_seed([2; 32]));
        assert!(!row.slots || grants.len() == 4, "{}: {grants:?}", row.name);
        let served = |grant: &Grant| grant.budget != Some(ByteCount::ZERO);
        assert!(grants.iter().any(served), "{}", row.name);
    }
}

/// What was sent beyond what came back never exceeds the bound, whatever a peer does, and a review
/// never grants more than the bound leaves.
#[test]
fn bounded_deficit_keeps_every_peer_within_two_chunks() {
    let row = CHOKERS.find("bounded-deficit").unwrap();
    let mut history = History::new(3);
    let mut choker = make(row);
    let mut rng = Rng::from_seed([4; 32]);
    for _ in 0..300 {
        history.pass();
        let peers = history.candidates(row);
        let grants = choker.round(&history.round(&peers, row, false), &mut rng);
        history.apply(&grants, u64::MAX / 2);
        for peer in history.peers.values() {
            let owed = peer.total_sent.saturating_sub(peer.total_received);
            assert!(owed <= ByteCount::kib(128), "{peer:?}");
        }
    }
}

/// A free rider is sent 64 KiB and its part of a tenth of all that is sent.
#[test]
fn swift_gives_a_free_rider_its_first_credit_and_its_part_of_a_tenth() {
    let row = CHOKERS.find("swift").unwrap();
    let mut choker = make(row);
    let mut history = History::new(5);
    let mut rng = Rng::from_seed([4; 32]);
    for peer in 0..10 {
        history.peers.insert(peer, candidate(peer, 0));
    }
    for _ in 0..200 {
        history.now = history.now + Span::from_secs(5);
        for peer in history.peers.values_mut().skip(1) {
            peer.total_received = peer.total_received.saturating_add(ByteCount::new(50_000));
        }
        let peers = history.candidates(row);
        let grants = choker.round(&history.round(&peers, row, false), &mut rng);
        history.apply(&grants, 60_000);
    }
    let sent: u64 = history
        .peers
        .values()
        .map(|peer| peer.total_sent.get())
        .sum();
    let rider = history.peers[&0].total_sent.get();
    assert!(rider <= 65_536 + sent / 100 + 1, "{rider} of {sent}");
    assert!(rider >= 65_536, "{rider}");
}

/// The budgets of a round fit the uplink, but for the last offer.
#[test]
fn a_tyrant_offers_no_more_than_its_uplink_and_one_offer() {
    for name in ["bittyrant", "bittyrant-released"] {
        let row = CHOKERS.find(name).unwrap();
        let mut history = History::new(6);
        let mut choker = make(row);
        let mut rng = Rng::from_seed([4; 32]);
        for _ in 0..300 {
            history.pass();
            let peers = history.candidates(row);
            let grants = choker.round(&history.round(&peers, row, false), &mut rng);
            let budgets = grants.iter().map(|grant| grant.budget.unwrap().get());
            let budgets: Vec<u64> = budgets.collect();
            let (sum, last) = (budgets.iter().sum::<u64>(), budgets.last().unwrap_or(&0));
            assert!(sum - last <= 500_000, "{name}: {grants:?}");
            history.apply(&grants, 100_000);
        }
    }
}

#[test]
fn every_row_says_what_it_does_and_where_it_comes_from() {
    for row in ALL {
        for (key, text) in [
            ("about", row.about),
            ("rule", row.rule),
            ("source", row.source),
        ] {
            assert!(!text.is_empty(), "{} has no {key}", row.name);
        }
    }
}

#[test]
fn every_seed_rule_is_a_choker() {
    let known = |(rule, _): &(&str, &str)| find_seed_rule(rule).is_some();
    assert!(SEED_RULES.iter().all(known));
}

#[test]
fn a_free_slot_goes_to_whoever_waited_longest() {
    let mut peers: Vec<_> = (0..4).map(|peer| candidate(peer, 0)).collect();
    peers[2].waited = 5;
    peers[3].waited = 9;
    peers[3].unchoked = true;
    assert_eq!(fill(&none::Nobody, &peers, 2), [PeerId(2), PeerId(0)]);
}
