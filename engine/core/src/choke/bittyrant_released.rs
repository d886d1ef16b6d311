//! BitTyrant as released: budgets of ten seconds that follow what each peer gave.
//!
//! Source:    the source of the released client, 2007.
//! Contract:  each peer has a budget of bytes a round, 120,000 at first and 30,000 at least. Peers
//!            that gave more than they took, and then those that give something, are offered two
//!            per cent less; those that gave more than they took in all, and then all others, ten
//!            per cent more. Within each of these, by sent over received rising while the uplink
//!            lasts; who snubs us comes last.
//! Cost:      O(peers log peers) a round.
//! Drawbacks: a peer that gives nothing is offered ten per cent more each round, up to capacity.

use std::collections::{BTreeMap, VecDeque};

use super::table::BASE;
use super::{Candidate, Choker, ChokerRow, Grant, Round};
use crate::id::PeerId;
use crate::rng::Rng;
use crate::time::{Span, Time};
use crate::units::ByteCount;

/// Bytes of a budget at first and at least, for ten seconds.
const FIRST: u64 = 120_000;
const FLOOR: u64 = 30_000;

/// The time that these are for.
const BUDGET_SPAN: Span = Span::from_secs(10);

/// What came and went is looked at over this long.
const RECENT: Span = Span::from_secs(60);

/// A peer that gives more than this is one that gives.
const GIVES: u64 = 1_500;

/// A peer that was sent less is unknown: its ratio counts 0.99.
const KNOWN: u64 = 50 * 1_024;
const UNKNOWN_PERCENT: u128 = 99;

/// Its row.
pub(super) const ROW: ChokerRow = ChokerRow {
    name: "bittyrant-released",
    about: "budgets that follow what each peer gave, as the released BitTyrant client has them",
    rule: "Each peer has a budget of bytes per 10 s: 120,000 at first, 30,000 at least; a third of \
           what it did not use is taken back. In this order, those that snub us last: a \
           peer that gave more than it took in the last 60 s has its budget times 0.98; one that \
           took more but gave over 1,500 B/s, times 0.98; one that gave more than it took in all, \
           times 1.10; everybody else, times 1.10. Within each by sent over received rising, less \
           than 50 KiB sent counting 0.99, while the uplink lasts.",
    source: "the source of the released BitTyrant client, 2007",
    departs: "no peer is known to be another BitTyrant, because no handshake names a client: the \
              pass for those is empty",
    assumed: "only a budget that is granted is changed; what is granted in all stays below the \
              uplink times the period",
    everybody: true,
    make: |_| Box::new(Released::default()),
    ..BASE
};

/// What is known of a peer.
#[derive(Clone, Debug)]
struct Account {
    /// For ten seconds.
    budget: u64,
    /// Time, bytes sent and bytes received, one entry a round, over the last minute.
    past: VecDeque<(Time, u64, u64)>,
    /// Bytes that the last grant allowed, and what had been sent before it.
    granted: Option<(u64, u64)>,
}

#[derive(Debug, Default)]
struct Released {
    accounts: BTreeMap<PeerId, Account>,
}

/// A peer and the pass in which it is looked at.
#[derive(Clone, Copy, Debug)]
struct Bid {
    /// Least first: who snubs us, which pass, sent over received, who.
    order: (bool, u8, u128, PeerId),
    /// The new budget over the old one, in hundredths.
    percent: u64,
}

impl Account {
    /// Notes what was exchanged and takes a third of what was not used back.
    fn settle(&mut self, peer: &Candidate, now: Time) {
        let (sent, received) = (peer.total_sent.get(), peer.total_received.get());
        if let Some((granted, before)) = self.granted.take() {
            let unused = granted.saturating_sub(sent.saturating_sub(before));
            self.budget = self.budget.saturating_sub(unused / 3).max(FLOOR);
        }
        let is_old = |entry: &(Time, u64, u64)| now.since(entry.0) > RECENT;
        while self.past.front().is_some_and(is_old) {
            self.past.pop_front();
        }
        self.past.push_back((now, sent, received));
    }

    /// What was sent and received in the last minute.
    fn recent(&self) -> (u64, u64) {
        let first = self.past.front().copied().unwrap_or_default();
        let last = self.past.back().copied().unwrap_or_default();
        (last.1 - first.1.min(last.1), last.2 - first.2.min(last.2))
    }

    fn bid(&self, peer: &Candidate) -> Bid {
        let (sent, received) = self.recent();
        let (all_sent, all_received) = (peer.total_sent.get(), peer.total_received.get());
        let (pass, percent) = if received > sent {
            (0, 98)
        } else if received / RECENT_SECS > GIVES {
            (1, 98)
        } else if all_received > all_sent {
            (2, 110)
        } else {
            (3, 110)
        };
        let ratio = if all_sent < KNOWN {
            (UNKNOWN_PERCENT << 32) / 100
        } else {
            (u128::from(all_sent) << 32) / u128::from(all_received.max(1))
        };
        Bid {
            order: (peer.snubbed, pass, ratio, peer.peer),
            percent,
        }
    }
}

/// [`RECENT`] in seconds.
const RECENT_SECS: u64 = 60;

impl Choker for Released {
    fn round(&mut self, round: &Round<'_>, _: &mut Rng) -> Vec<Grant> {
        round.forget_others(&mut self.accounts);
        let mut bids = Vec::new();
        for peer in round.peers {
            let account = self.accounts.entry(peer.peer).or_insert_with(|| Account {
                budget: FIRST,
                past: VecDeque::from([(round.now, 0, 0)]),
                granted: None,
            });
            account.settle(peer, round.now);
            if peer.interested {
                bids.push(account.bid(peer));
            }
        }
        bids.sort_by_key(|bid| bid.order);
        let mut left = round
            .capacity
            .map_or(u64::MAX, |rate| rate.bytes_in(round.period).get());
        let mut grants = Vec::new();
        for bid in bids {
            let peer = bid.order.3;
            let account = self.accounts.get_mut(&peer).expect("made above");
            if left == 0 {
                break;
            }
            account.budget = (account.budget.saturating_mul(bid.percent) / 100).max(FLOOR);
            let budget = scaled(account.budget, round.period).min(left);
            left -= budget;
            let sent = account.past.back().map_or(0, |entry| entry.1);
            account.granted = Some((budget, sent));
            grants.push(Grant::of(peer, ByteCount::new(budget)));
        }
        grants
    }
}

/// A budget for ten seconds as one for a period.
fn scaled(budget: u64, period: Span) -> u64 {
    let bytes = u128::from(budget) * u128::from(period.as_nanos());
    u64::try_from(bytes / u128::from(BUDGET_SPAN.as_nanos())).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choke::tests::{candidate, round};
    use crate::units::Rate;

    fn peer(id: u32, sent: u64, received: u64) -> Candidate {
        Candidate {
            total_sent: ByteCount::new(sent),
            total_received: ByteCount::new(received),
            ..candidate(id, 0)
        }
    }

    fn budgets(
        released: &mut Released,
        peers: &[Candidate],
        secs: u64,
        up: u64,
    ) -> Vec<(u32, u64)> {
        let round = Round {
            now: Time::ZERO + Span::from_secs(secs),
            capacity: Some(Rate::new(up)),
            ..round(peers, 4)
        };
        let grants = released.round(&round, &mut Rng::from_seed([1; 32]));
        let pairs = grants
            .iter()
            .map(|grant| (grant.peer.0, grant.budget.unwrap().get()));
        pairs.collect()
    }

    /// Golden vector: all begin with 132,000, which is 120,000 and ten per cent. All of it is
    /// used. Peer 0 gave 200,000 and is offered two per cent less; peer 1 gave 100,000 in a
    /// minute, 1,666 B/s, likewise; peer 2 gave nothing and is offered ten per cent more; peer 3
    /// used nothing of it, so a third, 44,000, goes, and then ten per cent come.
    #[test]
    fn budgets_follow_what_came_back() {
        let mut released = Released::default();
        let start: Vec<_> = (0..4).map(|id| peer(id, 0, 0)).collect();
        let first = budgets(&mut released, &start, 0, 1_000_000);
        assert_eq!(
            first,
            [(0, 132_000), (1, 132_000), (2, 132_000), (3, 132_000)]
        );
        let later = [
            peer(0, 132_000, 200_000),
            peer(1, 132_000, 100_000),
            peer(2, 132_000, 0),
            peer(3, 0, 0),
        ];
        let second = budgets(&mut released, &later, 10, 1_000_000);
        // In the last pass 3 was sent less than 50 KiB, which counts 0.99: before 2.
        assert_eq!(
            second,
            [(0, 129_360), (1, 129_360), (3, 96_800), (2, 145_200)]
        );
        // An uplink of 20,000 B/s lasts for 200,000 bytes.
        let mut released = Released::default();
        let third = budgets(&mut released, &start, 0, 20_000);
        assert_eq!(third, [(0, 132_000), (1, 68_000)]);
    }

    #[test]
    fn a_budget_never_falls_below_its_floor() {
        let mut released = Released::default();
        for round in 0..40 {
            budgets(&mut released, &[peer(0, 0, 0)], round * 10, 1_000_000);
        }
        let last = budgets(&mut released, &[peer(0, 0, 0)], 400, 1_000_000);
        assert!(last[0].1 >= 30_000, "{last:?}");
    }
}
