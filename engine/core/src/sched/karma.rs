//! Karma: whoever lends its share earns credits, and whoever borrows pays with them.
//!
//! Source:    M. Vuppalapati, G. Fikioris, R. Agarwal, A. Cidon, A. Khandelwal and E. Tardos,
//!            "Karma: Resource Allocation for Dynamic Demands", OSDI 2023; its allocator.
//! Contract:  a quantum has [`SHARE`] slices for each of n flows, half of them public. Each flow
//!            has a guaranteed part of what is not public and earns an equal part of the public
//!            slices as credits. Slices beyond the guaranteed ones go to whoever has most credits
//!            and cost one each; one that was lent by a flow which wanted less earns that flow
//!            one, those with fewest credits first. A new flow has the mean credit.
//! Cost:      O(N) per block for N flows, O(S N) per quantum of S slices.
//! Drawbacks: a new identity has the mean credit: flows are meant to be groups. Ignores weights.
//! Departs:   demand is not announced: within a quantum a flow that has not had its guaranteed
//!            slices goes first, and credits are settled at the end by what each has used. When
//!            nobody who waits has credits, the link serves whoever has used least, for nothing.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::id::FlowId;
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
    let mut lends = Vec::with_capacity(users.len());
    for user in &mut *users {
        user.credits += earns;
        user.given = user.demand.min(guaranteed);
        lends.push(guaranteed - user.given);
    }
    loop {
        let borrows = |user: &User| user.demand > user.given && user.credits >= CREDIT;
        let places = users.iter().enumerate();
        let borrower = places
            .filter(|(_, user)| user.given >= guaranteed && borrows(user))
            .min_by_key(|(place, user)| (Reverse(user.credits), *place));
        let Some((borrower, _)) = borrower else {
            return;
        };
        let donors = users
            .iter()
            .enumerate()
            .filter(|(place, _)| lends[*place] > 0);
        let donor = donors.min_by_key(|(place, user)| (user.credits, *place));
        if let Some((donor, _)) = donor {
            users[donor].credits += CREDIT;
            lends[donor] -= 1;
        } else if pool > 0 {
            pool -= 1;
        } else {
            return;
        }
        users[borrower].credits -= CREDIT;
        users[borrower].given += 1;
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

/// Flows with their blocks.
#[derive(Debug)]
pub(super) struct Karma {
    slice: u64,
    queues: Queues<u64>,
    /// Of every flow that was seen and is not gone for good.
    accounts: BTreeMap<FlowId, Account>,
    /// Bytes served in this quantum.
    served: u64,
    seq: u64,
}

impl Karma {
    pub(super) fn new(params: &Params) -> Self {
        Self {
            slice: params.largest.get().max(1),
            queues: Queues::new(),
            accounts: BTreeMap::new(),
            served: 0,
            seq: 0,
        }
    }

    fn slices(&self) -> u64 {
        SHARE.saturating_mul(self.accounts.len() as u64)
    }

    fn guaranteed(&self) -> u64 {
        (SHARE - SHARE / PUBLIC) * self.slice
    }

    fn first(&self) -> Option<FlowId> {
        let guaranteed = self.guaranteed();
        let queued = self.accounts.iter();
        let queued = queued.filter(|(flow, _)| !self.queues.is_empty(**flow));
        let key = |account: &Account| {
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
        };
        let first = queued.min_by_key(|(_, account)| key(account));
        first.map(|(flow, _)| *flow)
    }

    fn serve(&mut self, flow: FlowId) -> Option<Ticket> {
        let served = self.queues.pop(flow)?;
        let next = self.queues.head(flow).map(|(_, seq)| *seq);
        let account = self.accounts.get_mut(&flow)?;
        account.used = account.used.saturating_add(served.len.get());
        account.seq = next.unwrap_or(account.seq);
        self.served = self.served.saturating_add(served.len.get());
        if self.served >= self.slices().saturating_mul(self.slice) {
            self.settle();
        }
        Some(served)
    }

    /// A quantum is over.
    fn settle(&mut self) {
        let slices = self.slices();
        let mut users: Vec<User> = self
            .accounts
            .values()
            .map(|account| User {
                credits: account.credits,
                demand: account.used / self.slice,
                given: 0,
            })
            .collect();
        allocate(&mut users, slices, slices / PUBLIC);
        for (account, user) in self.accounts.values_mut().zip(users) {
            account.credits = user.credits;
            account.used = 0;
        }
        self.served = 0;
    }

    /// The credit of a flow that is new: the mean.
    fn mean(&self) -> i128 {
        let count = i128::try_from(self.accounts.len()).unwrap_or(1).max(1);
        self.accounts
            .values()
            .map(|account| account.credits)
            .sum::<i128>()
            / count
    }
}

impl Discipline for Karma {
    fn enqueue(&mut self, ticket: Ticket, _now: Time) {
        let flow = ticket.flow;
        let seq = self.seq;
        self.seq += 1;
        let credits = self.mean();
        let is_first = self.queues.push(ticket, seq);
        let account = self.accounts.entry(flow).or_insert(Account {
            credits,
            used: 0,
            seq,
        });
        if is_first {
            account.seq = seq;
        }
    }

    fn dequeue(&mut self, _now: Time) -> Option<Ticket> {
        let flow = self.first()?;
        self.serve(flow)
    }

    fn take(&mut self, flow: FlowId, _now: Time) -> Option<Ticket> {
        self.serve(flow)
    }

    fn purge(&mut self, flow: FlowId) {
        self.queues.clear(flow);
    }

    fn retire(&mut self, flow: FlowId) {
        self.queues.clear(flow);
        self.accounts.remove(&flow);
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
    fn whoever_lent_its_share_is_served_first_when_it_wants_more() {
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
