//! Karma: a group that lends its share earns credits, and one that borrows pays with them.
//!
//! Source:    M. Vuppalapati, G. Fikioris, R. Agarwal, A. Cidon, A. Khandelwal and E. Tardos,
//!            "Karma: Resource Allocation for Dynamic Demands", OSDI 2023; its allocator.
//! Contract:  a quantum has [`SHARE`] slices for each of n flows, half of them public. Each flow
//!            has a guaranteed part of what is not public and earns an equal part of the public
//!            slices as credits. Slices beyond the guaranteed ones go to the flow with most credits
//!            and cost one each; one that was lent by a flow which wanted less earns that flow
//!            one, those with fewest credits first. A new flow has the mean credit.
//! Cost:      O(log N) per block for N flows, O(S log N) per quantum of S slices.
//! Drawbacks: a new identity has the mean credit, and an idle peer is one when it comes back: flows
//!            are meant to be groups, whose accounts stay. Ignores weights.
//! Departs:   demand is not announced: within a quantum a flow that has not had its guaranteed
//!            slices goes first, and credits are settled at the end by what each has used. When
//!            no waiting flow has credits, the link serves the one that used least, for nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::id::FlowId;
use crate::indexed_heap::IndexedHeap;
use crate::sched::queues::Queues;
use crate::sched::{Discipline, Params, Ticket};
use crate::time::Time;

/// Slices of each flow in a quantum, if all want as much.
const SHARE: u64 = 16;

/// The part of all slices that is public: one in so many.
const PUBLIC: u64 = 2;

/// A credit, which may be divided.
pub(super) const CREDIT: i128 = 1 << 40;

/// One user of the resource, as the allocator sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct User {
    /// In parts of [`CREDIT`].
    pub(super) credits: i128,
    /// Slices that it wants.
    pub(super) demand: u64,
    /// Slices that it gets.
    pub(super) given: u64,
}

/// Gives the slices of one quantum, of which so many are public, and settles the credits. Ties go
/// to the lower place.
pub(super) fn allocate(users: &mut [User], slices: u64, public: u64) {
    let count = users.len() as u64;
    if count == 0 {
        return;
    }
    let guaranteed = (slices - public) / count;
    // What cannot be divided equally is public too, but earns nobody a credit.
    let mut pool = slices - guaranteed * count;
    let earns = CREDIT * i128::from(public) / i128::from(count);
    let (mut borrowers, mut donors) = (BinaryHeap::new(), BinaryHeap::new());
    for (place, user) in users.iter_mut().enumerate() {
        user.credits += earns;
        user.given = user.demand.min(guaranteed);
        if user.demand > guaranteed {
            borrowers.push((user.credits, Reverse(place)));
        } else if user.given < guaranteed {
            donors.push(Reverse((user.credits, place, guaranteed - user.given)));
        }
    }
    while let Some((credits, Reverse(borrower))) = borrowers.pop() {
        if credits < CREDIT {
            return;
        }
        if let Some(Reverse((_, donor, lends))) = donors.pop() {
            users[donor].credits += CREDIT;
            if lends > 1 {
                donors.push(Reverse((users[donor].credits, donor, lends - 1)));
            }
        } else if pool > 0 {
            pool -= 1;
        } else {
            return;
        }
        let user = &mut users[borrower];
        user.credits -= CREDIT;
        user.given += 1;
        if user.demand > user.given {
            borrowers.push((user.credits, Reverse(borrower)));
        }
    }
}

/// What is known of a flow.
#[derive(Clone, Copy, Debug)]
struct Account {
    credits: i128,
    /// Bytes that it had in this quantum.
    used: u64,
    /// Number of its first block.
    seq: u64,
}

/// Who is served before whom, least first: a band, credits from most to least, bytes in this
/// quantum, number of the first block.
type Key = (u8, i128, u64, u64);

/// Flows with their blocks.
#[derive(Debug, Default)]
pub(super) struct Karma {
    slice: u64,
    queues: Queues<u64>,
    /// Of every flow that was seen and is not gone for good.
    accounts: BTreeMap<FlowId, Account>,
    /// Flows with blocks.
    waiting: IndexedHeap<Key>,
    /// Of all accounts.
    credits: i128,
    /// Bytes served in this quantum.
    served: u64,
    seq: u64,
}

impl Karma {
    pub(super) fn new(params: &Params) -> Self {
        Self {
            slice: params.largest.get().max(1),
            ..Self::default()
        }
    }

    fn slices(&self) -> u64 {
        SHARE.saturating_mul(self.accounts.len() as u64)
    }

    fn guaranteed(&self) -> u64 {
        (SHARE - SHARE / PUBLIC) * self.slice
    }

    fn key(&self, account: &Account) -> Key {
        let guaranteed = self.guaranteed();
        let slices = |bytes: u64| i128::from(bytes / self.slice);
        let borrowed = slices(account.used.saturating_sub(guaranteed));
        let earns = CREDIT * i128::from(SHARE / PUBLIC);
        let credits = account.credits + earns - borrowed * CREDIT;
        if account.used < guaranteed {
            (0, 0, account.used, account.seq)
        } else if credits >= CREDIT {
            (1, -credits, account.used, account.seq)
        } else {
            (2, 0, account.used, account.seq)
        }
    }

    /// Puts a flow that has blocks where its account belongs.
    fn place(&mut self, flow: FlowId) {
        if let Some(account) = self.accounts.get(&flow) {
            self.waiting.set(flow.0, self.key(account));
        }
    }

    fn serve(&mut self, flow: FlowId) -> Option<Ticket> {
        let served = self.queues.pop(flow)?;
        let next = self.queues.head(flow).map(|(_, seq)| *seq);
        let account = self.accounts.get_mut(&flow)?;
        account.used = account.used.saturating_add(served.len.get());
        if let Some(seq) = next {
            account.seq = seq;
            self.place(flow);
        } else {
            self.waiting.remove(flow.0);
        }
        self.served = self.served.saturating_add(served.len.get());
        if self.served >= self.slices().saturating_mul(self.slice) {
            self.settle();
        }
        Some(served)
    }

    /// A quantum is over.
    fn settle(&mut self) {
        let slices = self.slices();
        let user = |account: &Account| User {
            credits: account.credits,
            demand: account.used / self.slice,
            given: 0,
        };
        let mut users: Vec<User> = self.accounts.values().map(user).collect();
        allocate(&mut users, slices, slices / PUBLIC);
        self.credits = users.iter().map(|user| user.credits).sum();
        for (account, user) in self.accounts.values_mut().zip(users) {
            account.credits = user.credits;
            account.used = 0;
        }
        let waits = |flow: &FlowId| !self.queues.is_empty(*flow);
        let waiting: Vec<FlowId> = self.accounts.keys().copied().filter(waits).collect();
        for flow in waiting {
            self.place(flow);
        }
        self.served = 0;
    }

    /// The credit of a flow that is new: the mean.
    fn mean(&self) -> i128 {
        self.credits / i128::try_from(self.accounts.len().max(1)).unwrap_or(i128::MAX)
    }
}

impl Discipline for Karma {
    fn enqueue(&mut self, ticket: Ticket, _now: Time) {
        let flow = ticket.flow;
        let seq = self.seq;
        self.seq += 1;
        let credits = self.mean();
        let is_first = self.queues.push(ticket, seq);
        let account = self.accounts.entry(flow).or_insert_with(|| {
            self.credits += credits;
            Account {
                credits,
                used: 0,
                seq,
            }
        });
        if is_first {
            account.seq = seq;
            self.place(flow);
        }
    }

    fn dequeue(&mut self, _now: Time) -> Option<Ticket> {
        let (_, flow) = self.waiting.first()?;
        self.serve(FlowId(flow))
    }

    fn take(&mut self, flow: FlowId, _now: Time) -> Option<Ticket> {
        self.serve(flow)
    }

    fn purge(&mut self, flow: FlowId) {
        self.queues.clear(flow);
        self.waiting.remove(flow.0);
    }

    fn retire(&mut self, flow: FlowId) {
        self.purge(flow);
        if let Some(account) = self.accounts.remove(&flow) {
            self.credits -= account.credits;
        }
    }

    fn has_accounts(&self) -> bool {
        true
    }

    fn ready_at(&self, now: Time) -> Option<Time> {
        (self.queues.len() > 0).then_some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{ByteCount, Weight};

    /// Golden vector of the allocator: six slices of which three are public, three users with six
    /// credits each. Demand, then what is given and the credits after it.
    #[test]
    fn slices_and_credits_are_those_of_the_published_allocator() {
        let mut users = [User {
            credits: 6 * CREDIT,
            ..User::default()
        }; 3];
        for (demand, given, credits) in [
            ([4, 1, 1], [4, 1, 1], [4, 7, 7]),
            ([3, 2, 1], [3, 2, 1], [3, 7, 8]),
            ([0, 4, 4], [0, 3, 3], [5, 6, 7]),
            ([2, 2, 2], [2, 2, 2], [5, 6, 7]),
            ([6, 0, 0], [6, 0, 0], [1, 8, 9]),
            ([0, 5, 5], [0, 3, 3], [3, 7, 8]),
        ] {
            for (user, demand) in users.iter_mut().zip(demand) {
                user.demand = demand;
            }
            allocate(&mut users, 6, 3);
            assert_eq!(users.map(|user| user.given), given);
            assert_eq!(users.map(|user| user.credits / CREDIT), credits);
        }
    }

    /// The published loop: each slice goes to the borrower with most credits, from the donor with
    /// fewest, found by looking at all.
    fn allocate_slowly(users: &mut [User], slices: u64, public: u64) {
        let count = users.len() as u64;
        let guaranteed = (slices - public) / count;
        let mut pool = slices - guaranteed * count;
        let mut lends = Vec::new();
        for user in &mut *users {
            user.credits += CREDIT * i128::from(public) / i128::from(count);
            user.given = user.demand.min(guaranteed);
            lends.push(guaranteed - user.given);
        }
        loop {
            let places = 0..users.len();
            let borrows = |place: &usize| users[*place].demand > users[*place].given;
            let borrower = places.clone().filter(borrows);
            let Some(borrower) = borrower.min_by_key(|&place| (-users[place].credits, place))
            else {
                return;
            };
            let donor = places.filter(|&place| lends[place] > 0);
            let donor = donor.min_by_key(|&place| (users[place].credits, place));
            if users[borrower].credits < CREDIT || (donor.is_none() && pool == 0) {
                return;
            }
            if let Some(donor) = donor {
                users[donor].credits += CREDIT;
                lends[donor] -= 1;
            } else {
                pool -= 1;
            }
            users[borrower].credits -= CREDIT;
            users[borrower].given += 1;
        }
    }

    #[test]
    fn heaps_give_what_looking_at_all_users_gives() {
        let mut rng = crate::rng::Rng::from_seed([7; 32]);
        for round in 0..500 {
            let mut users = vec![User::default(); 1 + round % 9];
            for user in &mut users {
                user.demand = rng.below(30) as u64;
                user.credits = CREDIT * rng.below(6) as i128;
            }
            let mut slowly = users.clone();
            let slices = rng.below(80) as u64;
            allocate(&mut users, slices, slices / 2);
            allocate_slowly(&mut slowly, slices, slices / 2);
            assert_eq!(users, slowly, "round {round}");
        }
    }

    /// The flow that is served is the least of all that have blocks, and the mean is that of all
    /// accounts, whatever comes, is taken, purged or retired.
    #[test]
    fn the_heap_has_who_waits_and_the_sum_what_all_have() {
        let mut rng = crate::rng::Rng::from_seed([8; 32]);
        let mut subject = Karma::new(&Params::new(ByteCount::new(10)));
        for _ in 0..20_000 {
            let flow = FlowId(u32::try_from(rng.below(12)).unwrap());
            match rng.below(20) {
                0 => subject.purge(flow),
                1 => subject.retire(flow),
                2 => drop(subject.take(flow, Time::ZERO)),
                3..=10 => {
                    let len = ByteCount::new(1 + rng.below(10) as u64);
                    subject.enqueue(Ticket::new(flow, Weight::ONE, len), Time::ZERO);
                }
                _ => {
                    let waits = subject.accounts.iter();
                    let waits = waits.filter(|(flow, _)| !subject.queues.is_empty(**flow));
                    let least = waits.min_by_key(|(_, account)| subject.key(account));
                    let least = least.map(|(flow, _)| *flow);
                    let served = subject.dequeue(Time::ZERO);
                    assert_eq!(served.map(|ticket| ticket.flow), least);
                }
            }
            let sum: i128 = subject
                .accounts
                .values()
                .map(|account| account.credits)
                .sum();
            assert_eq!(subject.credits, sum);
        }
    }

    /// Whatever is wanted, no slice is given twice and no credit is made but those that are earned:
    /// a quantum adds the public slices and takes what was borrowed of them.
    #[test]
    fn slices_and_credits_add_up() {
        let mut rng = crate::rng::Rng::from_seed([3; 32]);
        let mut users = vec![User::default(); 5];
        for _ in 0..500 {
            for user in &mut users {
                user.demand = rng.below(40) as u64;
            }
            let before: i128 = users.iter().map(|user| user.credits).sum();
            allocate(&mut users, 50, 25);
            let given: u64 = users.iter().map(|user| user.given).sum();
            assert!(given <= 50);
            assert!(
                users
                    .iter()
                    .all(|user| user.given <= user.demand && user.credits >= 0)
            );
            let guaranteed = 5;
            let lent: u64 = users
                .iter()
                .map(|user| user.given.saturating_sub(guaranteed))
                .sum();
            let unused = users
                .iter()
                .map(|user| guaranteed - user.given.min(guaranteed))
                .sum();
            let of_pool = lent - lent.min(unused);
            let after: i128 = users.iter().map(|user| user.credits).sum();
            assert_eq!(after - before, CREDIT * (25 - i128::from(of_pool)));
        }
    }

    /// Two groups of which one is idle for a while: when it comes back it has credits and is served
    /// before the other beyond the guaranteed slices.
    #[test]
    fn a_flow_that_lent_its_share_is_served_first_when_it_wants_more() {
        let mut subject = Karma::new(&Params::new(ByteCount::new(10)));
        let ask = |subject: &mut Karma, flow: u32, blocks: usize| {
            for _ in 0..blocks {
                let ticket = Ticket::new(FlowId(flow), Weight::ONE, ByteCount::new(10));
                subject.enqueue(ticket, Time::ZERO);
            }
        };
        ask(&mut subject, 0, 400);
        ask(&mut subject, 1, 1);
        for _ in 0..321 {
            subject.dequeue(Time::ZERO).unwrap();
        }
        ask(&mut subject, 1, 100);
        let served = std::iter::from_fn(|| subject.dequeue(Time::ZERO));
        let of_lender = served
            .take(31)
            .filter(|ticket| ticket.flow == FlowId(1))
            .count();
        assert!(of_lender >= 20, "{of_lender} of 31");
    }
}
