//! SWIFT: every peer has a credit, which grows with what it sends and a little with our generosity.
//!
//! Source:    K. Tamilmani, V. Pai and A. Mohr, "SWIFT: A System with Incentives for Trading",
//!            2004; the client Transmission, 2005 to 2008.
//! Contract:  a peer is sent at most its credit. Credit begins at 64 KiB, grows by 1.33 bytes for
//!            each verified byte received, and by an equal part of a tenth of what we sent. So a
//!            free rider has 64 KiB and its part of the tenth, for ever. A seed counts nothing.
//! Cost:      O(peers log peers) a round; O(log peers) for each chunk that was verified.
//! Drawbacks: every new identity is worth 64 KiB.

use std::collections::BTreeMap;

use super::table::BASE;
use super::{Candidate, Choker, ChokerRow, Giver, Grant, LeakBound, Round};
use crate::id::PeerId;
use crate::rng::Rng;
use crate::time::{Span, Time};
use crate::units::ByteCount;

/// Credit of a new peer, in bytes.
const FIRST: i128 = 64 * 1024;

/// Credits are counted in hundredths of a byte.
const UNIT: i128 = 100;

/// What a received byte is worth, in hundredths of a byte.
const REPAYMENT: i128 = 133;

/// The part of what we sent that is given away: one in this many.
const LARGESSE: i128 = 10;

/// Time from one largesse to the next.
const EVERY: Span = Span::from_secs(5);

/// Its row.
pub(super) const ROW: ChokerRow = ChokerRow {
    name: "swift",
    about: "a peer is sent at most its credit: 64 KiB, and 1.33 of what it gave",
    rule: "A peer's credit begins at 64 KiB. A verified byte from it adds 1.33, and what it is \
           sent is taken off. Every 5 s a tenth of what we sent since is divided equally over all \
           peers. A peer is sent at most its credit; while seeding nothing is counted.",
    source: "Tamilmani, Pai and Mohr, SWIFT, 2004; the client Transmission, 2005 to 2008",
    assumed: "the largesse is given with the first round after its 5 s: rechoke = \"5 s\" keeps \
              its time",
    everybody: true,
    reviews: true,
    leak: LeakBound::Bytes(
        "a peer is sent at most 64 KiB, its part of a tenth of what the node sent, and a third of \
         what it gave, beyond what came back",
        bound,
    ),
    make: |_| Box::new(Swift::default()),
    ..BASE
};

/// The first credit, an equal part of a tenth of what was sent, and what repayment adds to the
/// bytes that it repays.
fn bound(giver: &Giver) -> ByteCount {
    let peers = i128::from(giver.peers.max(1));
    let part = i128::from(giver.sent.get()) / LARGESSE / peers;
    let beyond = i128::from(giver.returned.get()) * (REPAYMENT - UNIT) / UNIT;
    ByteCount::new(u64::try_from(FIRST + part + beyond).unwrap_or(u64::MAX))
}

/// What is known of a peer.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    /// In hundredths of a byte; it may be below zero by what was on its way.
    credit: i128,
    sent: u64,
    received: u64,
}

#[derive(Debug, Default)]
struct Swift {
    accounts: BTreeMap<PeerId, Account>,
    /// What we sent since the last largesse.
    sent: i128,
    given_at: Option<Time>,
}

impl Swift {
    /// Brings the account of a peer up to date.
    fn settle(&mut self, peer: &Candidate) -> &mut Account {
        let (sent, received) = (peer.total_sent.get(), peer.total_received.get());
        let account = self.accounts.entry(peer.peer).or_insert(Account {
            credit: FIRST * UNIT,
            sent: 0,
            received: 0,
        });
        let more = i128::from(sent.saturating_sub(account.sent));
        let came = i128::from(received.saturating_sub(account.received));
        account.credit += came * REPAYMENT - more * UNIT;
        (account.sent, account.received) = (sent, received);
        self.sent += more;
        account
    }

    /// Divides a tenth of what we sent over all peers.
    fn give(&mut self, peers: &[Candidate]) {
        let count = i128::try_from(peers.len()).unwrap_or(1).max(1);
        let each = self.sent * UNIT / LARGESSE / count;
        self.sent = 0;
        for peer in peers {
            self.settle(peer).credit += each;
        }
    }

    fn grant(&mut self, peer: &Candidate) -> Grant {
        // A credit below zero is none: it must not wrap.
        let credit = (self.settle(peer).credit / UNIT).max(0);
        let budget = ByteCount::new(u64::try_from(credit).unwrap_or(u64::MAX));
        Grant::of(peer.peer, budget)
    }
}

impl Choker for Swift {
    fn round(&mut self, round: &Round<'_>, _: &mut Rng) -> Vec<Grant> {
        round.forget_others(&mut self.accounts);
        for peer in round.peers {
            self.settle(peer);
        }
        let since = *self.given_at.get_or_insert(round.now);
        if round.now.since(since) >= EVERY {
            self.given_at = Some(round.now);
            self.give(round.peers);
        }
        if round.seeding {
            return round.slots_for(|_| true);
        }
        round.peers.iter().map(|peer| self.grant(peer)).collect()
    }

    fn review(&mut self, peer: &Candidate) -> Option<Grant> {
        Some(self.grant(peer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choke::tests::{candidate, round};

    fn peer(id: u32, sent: u64, received: u64) -> Candidate {
        Candidate {
            total_sent: ByteCount::new(sent),
            total_received: ByteCount::new(received),
            ..candidate(id, 0)
        }
    }

    fn budgets(swift: &mut Swift, peers: &[Candidate], secs: u64) -> Vec<u64> {
        let at = Round {
            now: Time::ZERO + Span::from_secs(secs),
            ..round(peers, 4)
        };
        let grants = swift.round(&at, &mut Rng::from_seed([1; 32]));
        grants
            .iter()
            .map(|grant| grant.budget.unwrap().get())
            .collect()
    }

    /// Golden vector: 64 KiB to begin with. Peer 0 is sent all of it and gives nothing; peer 1 is
    /// sent 10,000 and gives 20,000: 65,536 - 10,000 + 26,600. After 5 s a tenth of the 75,536
    /// sent, 3,776.8 each, is added.
    #[test]
    fn credit_grows_by_a_third_more_than_what_came_and_by_the_largesse() {
        let mut swift = Swift::default();
        let start = [peer(0, 0, 0), peer(1, 0, 0)];
        assert_eq!(budgets(&mut swift, &start, 0), [65_536, 65_536]);
        let later = [peer(0, 65_536, 0), peer(1, 10_000, 20_000)];
        assert_eq!(budgets(&mut swift, &later, 4), [0, 82_136]);
        assert_eq!(budgets(&mut swift, &later, 5), [3_776, 85_912]);
        assert_eq!(budgets(&mut swift, &later, 10), [3_776, 85_912]);
    }

    #[test]
    fn a_credit_below_zero_is_none() {
        let mut swift = Swift::default();
        let grant = swift.review(&peer(0, 1 << 40, 0)).unwrap();
        assert_eq!(grant.budget, Some(ByteCount::ZERO));
    }
}
