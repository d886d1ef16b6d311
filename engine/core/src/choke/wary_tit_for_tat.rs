//! Wary tit-for-tat: like tit-for-tat, but a peer that gave nothing is served hardly ever.
//!
//! Source:    this project, after B. Cohen, "Incentives Build Robustness in BitTorrent", 2003.
//! Contract:  all slots but one go to the peers that gave most in the last two rounds, if that is
//!            an eighth of what the best of them gave. The last is drawn at random every third
//!            round. A peer that owes us and has sent nothing for a minute can only be drawn.
//!            Slots that nobody has earned are drawn too. Only the first draw of a turn may be
//!            a peer that gave less than an eighth of what it was sent: beside others such a
//!            peer has one round in three, and no more.
//! Cost:      O(peers log peers) a round.
//! Drawbacks: a peer that gives a little more than the last chosen gets as much as the first.
//! Departs:   who is drawn and gives nothing in that round loses the slot, which the original
//!            leaves it for three: with few peers that alone carried a rider as fast as a giver.
//!            Only interested peers are candidates, so a slot is never held for a peer that
//!            wants nothing; a free slot is filled at once instead of at the next round. New
//!            peers are three times as likely to be drawn, as in the reference client.

use std::cmp::Reverse;

use super::table::BASE;
use super::{Candidate, Choker, ChokerRow, Grant, Round};
use crate::id::PeerId;
use crate::rng::Rng;
use crate::units::ByteCount;

/// Rounds for which an optimistic slot is kept: 30 s at the usual 10 s a round (BEP 3).
const OPTIMISTIC_ROUNDS: u32 = 3;

/// How much likelier a new peer is drawn.
const NEW_WEIGHT: usize = 3;

/// A peer that gives less than this part of what the best gives now, and of what it was sent
/// itself, counts as one that only takes. A token now and then does not pass for giving. An uplink
/// of an eighth of the others' does.
const TOKEN_PART: u64 = 8;

/// Its row.
pub(super) const ROW: ChokerRow = ChokerRow {
    name: "wary-tit-for-tat",
    about: "the best givers of the last rounds, and one at random that gives or loses the slot",
    rule: "All slots but one go to the peers that gave most in the last two rounds, an eighth of \
           what the best gave at least; the last is drawn at random every third round, new peers \
           three times as likely. Slots that nobody earned are drawn too, but beyond the first \
           draw not for a peer that was served and gave less than an eighth of that. A slot that \
           becomes free is given at once.",
    source: "this project, after Cohen, Incentives Build Robustness in BitTorrent, 2003",
    departs: "unlike tit-for-tat, who is drawn and gives nothing in that round loses the slot: \
              with few peers the optimistic slot alone carried a free rider as fast as a giver",
    slots: true,
    fills: true,
    make: |_| Box::new(WaryTitForTat::default()),
    ..BASE
};

#[derive(Debug, Default)]
pub(super) struct WaryTitForTat {
    round: u32,
    optimistic: Option<PeerId>,
}

impl Choker for WaryTitForTat {
    fn round(&mut self, round: &Round<'_>, rng: &mut Rng) -> Vec<Grant> {
        let (peers, slots) = (round.peers, round.slots);
        let mut givers: Vec<&Candidate> = peers.iter().filter(|peer| !peer.snubbed).collect();
        givers.sort_by_key(|peer| (Reverse(peer.received), !peer.unchoked, peer.peer));
        // Who gave a token has not earned a slot; the draw below is for them.
        let best = givers.first().map_or(0, |peer| peer.received.get());
        let earns = |peer: &Candidate| is_more_than_a_token(peer.received, best);
        let earned = givers.iter().filter(|peer| earns(peer));
        let mut chosen: Vec<PeerId> = earned
            .take(slots.saturating_sub(1))
            .map(|peer| peer.peer)
            .collect();
        let is_turn = self.round.is_multiple_of(OPTIMISTIC_ROUNDS);
        self.round = self.round.wrapping_add(1);
        let takes = |peer: &Candidate| !earns(peer) && takes(peer);
        let gives = |id: PeerId| peers.iter().any(|peer| peer.peer == id && !takes(peer));
        let kept = self.optimistic.take();
        let kept = kept.filter(|kept| !is_turn && !chosen.contains(kept) && gives(*kept));
        // Alone, even those who only take are served: there is nobody to be fair to.
        let turn = is_turn || peers.iter().all(takes);
        if let Some(kept) = kept.filter(|_| chosen.len() < slots) {
            self.optimistic = Some(kept);
            chosen.push(kept);
        }
        while chosen.len() < slots {
            let again = !turn || self.optimistic.is_some();
            let may = |peer: &Candidate| !(chosen.contains(&peer.peer) || again && takes(peer));
            let Some(drawn) = draw(peers, may, rng) else {
                break;
            };
            self.optimistic = self.optimistic.or(Some(drawn));
            chosen.push(drawn);
        }
        chosen.into_iter().map(Grant::slot).collect()
    }

    fn may_fill(&self, peer: &Candidate) -> bool {
        !takes(peer)
    }
}

/// Whether it gave next to nothing of what it was sent.
fn takes(peer: &Candidate) -> bool {
    let sent = peer.total_sent.get();
    peer.only_takes || sent > 0 && !is_more_than_a_token(peer.total_received, sent)
}

fn is_more_than_a_token(given: ByteCount, beside: u64) -> bool {
    given > ByteCount::ZERO && given.get().saturating_mul(TOKEN_PART) >= beside
}

/// One of the peers that may be drawn, at random.
fn draw(peers: &[Candidate], may: impl Fn(&Candidate) -> bool, rng: &mut Rng) -> Option<PeerId> {
    let weight = |peer: &Candidate| if peer.new { NEW_WEIGHT } else { 1 };
    let rest = || peers.iter().filter(|peer| may(peer));
    let total: usize = rest().map(weight).sum();
    if total == 0 {
        return None;
    }
    let mut at = rng.below(total);
    for peer in rest() {
        if at < weight(peer) {
            return Some(peer.peer);
        }
        at -= weight(peer);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choke::tests::{candidate, chosen};

    #[test]
    fn the_three_best_givers_keep_their_slots_and_the_fourth_is_drawn() {
        let peers: Vec<_> = (0..20)
            .map(|peer| candidate(peer, u64::from(peer) + 1))
            .collect();
        let mut choker = WaryTitForTat::default();
        let mut rng = Rng::from_seed([4; 32]);
        let mut drawn = Vec::new();
        for _ in 0..30 {
            let chosen = chosen(&mut choker, &peers, 4, &mut rng);
            assert_eq!(chosen[..3], [PeerId(19), PeerId(18), PeerId(17)]);
            drawn.push(chosen[3]);
        }
        assert!(
            drawn
                .chunks(3)
                .all(|three| three.iter().all(|peer| *peer == three[0]))
        );
        drawn.dedup();
        assert!(
            drawn.len() >= 5,
            "ten draws among 17 gave only {}",
            drawn.len()
        );
    }

    #[test]
    fn of_those_who_only_take_one_is_drawn() {
        let mut peers: Vec<_> = (0..6).map(|peer| candidate(peer, 0)).collect();
        peers[5].received = ByteCount::new(1);
        for peer in &mut peers[..4] {
            peer.only_takes = true;
        }
        let mut choker = WaryTitForTat::default();
        let chosen = chosen(&mut choker, &peers, 6, &mut Rng::from_seed([1; 32]));
        assert_eq!(chosen[0], PeerId(5));
        let takers = chosen.iter().filter(|peer| peer.0 < 4).count();
        assert!(takers <= 1 && chosen.contains(&PeerId(4)), "{chosen:?}");
    }

    /// Beside a giver; alone they are served all the time.
    #[test]
    fn who_only_takes_has_one_round_in_three() {
        let mut peers: Vec<_> = (0..3).map(|peer| candidate(peer, 0)).collect();
        peers[0].received = ByteCount::new(1);
        for peer in &mut peers[1..] {
            peer.only_takes = true;
        }
        let mut choker = WaryTitForTat::default();
        let mut rng = Rng::from_seed([1; 32]);
        for round in 0..30 {
            let chosen = chosen(&mut choker, &peers, 3, &mut rng);
            assert_eq!(chosen.len(), if round % 3 == 0 { 2 } else { 1 }, "{round}");
        }
        for _ in 0..30 {
            assert_eq!(chosen(&mut choker, &peers[1..], 3, &mut rng).len(), 1);
        }
    }

    /// The best gave 8,000 bytes. An eighth of that is a gift, and a byte less is a token, whose
    /// giver is drawn as if it had given nothing.
    #[test]
    fn who_gives_a_token_is_served_as_if_it_gave_nothing() {
        for (gift, rounds) in [(1_000, 30), (999, 10)] {
            let mut peers = [candidate(0, 8_000), candidate(1, gift)];
            peers[1].total_sent = ByteCount::new(80_000);
            peers[1].total_received = ByteCount::new(gift);
            let mut choker = WaryTitForTat::default();
            let mut rng = Rng::from_seed([1; 32]);
            let mut served = 0;
            for _ in 0..30 {
                let chosen = chosen(&mut choker, &peers, 3, &mut rng);
                served += usize::from(chosen.contains(&PeerId(1)));
            }
            assert_eq!(served, rounds, "{gift}");
            assert!(!choker.may_fill(&peers[1]));
        }
    }

    #[test]
    fn a_peer_that_snubs_us_is_served_only_by_the_draw() {
        let mut peers: Vec<_> = (0..8).map(|peer| candidate(peer, 1_000)).collect();
        peers[0].snubbed = true;
        peers[0].received = ByteCount::new(1_000_000);
        let mut choker = WaryTitForTat::default();
        let chosen = chosen(&mut choker, &peers, 4, &mut Rng::from_seed([1; 32]));
        assert!(!chosen[..3].contains(&PeerId(0)));
    }
}
