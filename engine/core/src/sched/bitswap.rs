//! Bitswap: whose want is next among the peers of a node of IPFS.
//!
//! Source:    the peer task queue of boxo, April 2026: its comparison of two peers.
//! Contract:  of two flows the first difference decides: one that was not served for more than
//!            ten seconds comes first, longest first; then the one with fewer blocks on the way;
//!            then the one with more wants, of which sixteen count; then a salted hash.
//! Cost:      O(log N) per block for N backlogged flows.
//! Drawbacks: a peer with many wants goes before one with few until that one is starved. Ignores
//!            weights and whatever comes back.
//! Departs:   a task is a block of the uplink. Of two that are starved the source names no order:
//!            here the one that waits longer is first.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::id::FlowId;
use crate::indexed_heap::IndexedHeap;
use crate::sched::queues::Queues;
use crate::sched::{Discipline, Ticket};
use crate::time::{Span, Time};

/// A flow that is not served for longer is starved.
const STARVED: Span = Span::from_secs(10);

/// Wants beyond these make no difference.
const WANTS_MAX: u32 = 16;

/// The salt of the hash that breaks ties.
const SALT: u64 = 0x9e37_79b9_7f4a_7c15;

/// What a flow is compared by.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
    /// When it was served last, or came with nothing queued.
    since: Time,
    /// Blocks on the way.
    active: u32,
}

/// The order of flows of which none is starved: by blocks on the way, then wants, then a hash.
type Rank = (u32, Reverse<u32>, u64);

/// Flows with their blocks.
#[derive(Debug, Default)]
pub(super) struct Bitswap {
    queues: Queues<()>,
    /// Of flows that have something queued or on the way.
    accounts: BTreeMap<FlowId, Account>,
    /// Flows that have something queued.
    ranked: IndexedHeap<Rank>,
    /// The same, who waits longest first.
    waiting: IndexedHeap<(Time, Rank)>,
}

impl Bitswap {
    fn serve(&mut self, flow: FlowId, now: Time) -> Option<Ticket> {
        let served = self.queues.pop(flow)?;
        let account = self.accounts.entry(flow).or_default();
        account.active += 1;
        account.since = now;
        self.place(flow);
        Some(served)
    }

    /// The flow that comes before all others: of those that are starved who waits longest.
    fn first(&self, now: Time) -> Option<FlowId> {
        let ((since, _), longest) = self.waiting.first()?;
        let first = match now.since(since) > STARVED {
            true => longest,
            false => self.ranked.first()?.1,
        };
        Some(FlowId(first))
    }

    /// Puts a flow where it belongs among those that have something queued.
    fn place(&mut self, flow: FlowId) {
        let account = self.accounts.get(&flow).copied().unwrap_or_default();
        let Some((head, ())) = self.queues.head(flow) else {
            self.ranked.remove(flow.0);
            self.waiting.remove(flow.0);
            return;
        };
        let wants = Reverse(head.waiting.min(WANTS_MAX));
        let rank = (account.active, wants, hash(flow, SALT));
        self.ranked.set(flow.0, rank);
        self.waiting.set(flow.0, (account.since, rank));
    }

    fn forget_idle(&mut self, flow: FlowId) {
        let is_idle = |account: &Account| account.active == 0;
        if self.queues.is_empty(flow) && self.accounts.get(&flow).is_none_or(is_idle) {
            self.accounts.remove(&flow);
        }
        self.place(flow);
    }
}

/// A salted hash of a flow's number (the finaliser of splitmix64).
pub(super) fn hash(flow: FlowId, salt: u64) -> u64 {
    let mut hash = u64::from(flow.0).wrapping_add(1).wrapping_mul(salt | 1);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

impl Discipline for Bitswap {
    fn enqueue(&mut self, ticket: Ticket, now: Time) {
        let flow = ticket.flow;
        if self.queues.push(ticket, ()) {
            // A flow that a limit holds back keeps its account: it goes on waiting.
            self.accounts.entry(flow).or_insert(Account {
                since: now,
                active: 0,
            });
            self.place(flow);
        }
    }

    fn dequeue(&mut self, now: Time) -> Option<Ticket> {
        let flow = self.first(now)?;
        self.serve(flow, now)
    }

    fn take(&mut self, flow: FlowId, now: Time) -> Option<Ticket> {
        self.serve(flow, now)
    }

    fn sent(&mut self, flow: FlowId) {
        if let Some(account) = self.accounts.get_mut(&flow) {
            account.active = account.active.saturating_sub(1);
        }
        self.forget_idle(flow);
    }

    fn purge(&mut self, flow: FlowId) {
        self.queues.clear(flow);
        self.forget_idle(flow);
    }

    fn hold(&mut self, flow: FlowId) {
        self.queues.clear(flow);
        self.place(flow);
    }

    fn retire(&mut self, flow: FlowId) {
        self.accounts.remove(&flow);
        self.hold(flow);
    }

    fn ready_at(&self, now: Time) -> Option<Time> {
        (self.queues.len() > 0).then_some(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::units::{ByteCount, Weight};

    /// The first flow as the rule says it, from a look at all of them.
    fn first_of_all(subject: &Bitswap, now: Time) -> Option<FlowId> {
        let queued = subject.accounts.iter().filter_map(|(flow, account)| {
            let (head, ()) = subject.queues.head(*flow)?;
            let waited = now.since(account.since);
            let starved = Some(waited).filter(|waited| *waited > STARVED);
            let wants = Reverse(head.waiting.min(WANTS_MAX));
            let rank = (account.active, wants, hash(*flow, SALT));
            Some((Reverse(starved), rank, *flow))
        });
        queued.min().map(|(.., flow)| flow)
    }

    proptest! {
        /// Blocks come, leave, are taken out of turn, and flows are purged, held back and retired.
        #[test]
        fn whoever_is_first_is_first_of_all(
            steps in prop::collection::vec((0_u32..8, 0_u32..8, 1_u32..20, 0_u64..5), 1..200)
        ) {
            let mut subject = Bitswap::default();
            let mut now = Time::ZERO;
            for (what, flow, wants, passes) in steps {
                now = now + Span::from_secs(passes);
                match what {
                    0 | 1 => ask(&mut subject, flow, wants, now),
                    2 => subject.sent(FlowId(flow)),
                    3 => subject.purge(FlowId(flow)),
                    4 => subject.hold(FlowId(flow)),
                    5 => subject.retire(FlowId(flow)),
                    6 => drop(subject.take(FlowId(flow), now)),
                    _ => drop(subject.dequeue(now)),
                }
                prop_assert_eq!(subject.first(now), first_of_all(&subject, now));
            }
        }
    }

    fn ask(subject: &mut Bitswap, flow: u32, wants: u32, now: Time) {
        for waiting in (1..=wants).rev() {
            let ticket = Ticket {
                waiting,
                ..Ticket::new(FlowId(flow), Weight::ONE, ByteCount::new(10))
            };
            subject.enqueue(ticket, now);
        }
    }

    fn at(secs: u64) -> Time {
        Time::ZERO + Span::from_secs(secs)
    }

    fn serve(subject: &mut Bitswap, now: Time) -> u32 {
        subject.dequeue(now).unwrap().flow.0
    }

    /// Golden vector, one difference after the other.
    #[test]
    fn the_first_difference_decides() {
        let mut subject = Bitswap::default();
        ask(&mut subject, 0, 40, at(0));
        ask(&mut subject, 1, 3, at(0));
        ask(&mut subject, 2, 20, at(0));
        // Nobody is starved and nothing is on the way: 0 and 2 want more than sixteen, and the
        // hash decides between them; then those with nothing on the way, most wants first.
        let first = serve(&mut subject, at(1));
        let second = serve(&mut subject, at(1));
        assert_eq!([first.min(second), first.max(second)], [0, 2]);
        assert_eq!(serve(&mut subject, at(1)), 1);
        // All have one on the way. One of flow 1 has left: it goes first, though it wants least.
        subject.sent(FlowId(1));
        assert_eq!(serve(&mut subject, at(2)), 1);
        // Flows 0 and 2 were served at 1 s, flow 1 at 2 s: ten seconds later those are starved.
        assert_ne!(serve(&mut subject, at(12)), 1);
    }

    /// Nineteen peers want 1,024 blocks each, one peer wants one; a block takes a second. With the
    /// most wants first alone it would come last.
    #[test]
    fn a_newcomer_beside_many_wants_is_served_when_it_is_starved() {
        let mut subject = Bitswap::default();
        for flow in 0..19 {
            ask(&mut subject, flow, 1_024, at(0));
        }
        ask(&mut subject, 19, 1, at(0));
        let waited = (0..600).find(|secs| {
            let flow = serve(&mut subject, at(*secs));
            subject.sent(FlowId(flow));
            flow == 19
        });
        assert!(waited <= Some(30), "{waited:?}");
    }
}
