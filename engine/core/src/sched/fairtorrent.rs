//! FairTorrent: the peer that owes least is sent the next block.
//!
//! Source:    A. Sherman, J. Nieh and C. Stein, "FairTorrent: Bringing Fairness to Peer-to-Peer
//!            Systems", CoNEXT 2009; "FairTorrent: A Deficit-Based Distributed Algorithm to Ensure
//!            Fairness in Peer-to-Peer Systems", IEEE/ACM Transactions on Networking, 2012.
//! Contract:  the deficit of a flow is what was sent to it less the verified bytes that came back.
//!            Of all backlogged flows one with the least deficit is served, so after any service
//!            its deficit is no larger than the least of the others and its block. A seed divides
//!            its bytes evenly: of two flows that stay backlogged neither is more than a block
//!            ahead.
//! Cost:      O(log N) per block for N flows; 8 bytes for every flow ever seen.
//! Drawbacks: a new peer owes nothing, so every new identity is worth a block. Ignores weights.
//! Departs:   equal deficits of a node are in an order that it draws once. The paper starts in a
//!            random order. By order of arrival, which is much the same at all nodes of a
//!            swarm, everybody serves the same peers first, and the last has given a block to each
//!            of the others before it gets one.

use crate::id::FlowId;
use crate::sched::Ticket;
use crate::sched::bitswap::hash;
use crate::sched::queues::row;
use crate::sched::ranked::Rank;
use crate::units::ByteCount;

/// Ranks by what was sent beyond what came back.
#[derive(Debug, Default)]
pub(super) struct Deficits {
    account: Vec<i64>,
    /// Of a seed, the account of the flow that was served last: who comes anew is level with it,
    /// and does not get what the others had before.
    level: Option<i64>,
    /// What draws the order of flows with equal deficits; none leaves it to arrival.
    salt: Option<u64>,
}

impl Deficits {
    pub(super) fn new(salt: Option<u64>) -> Self {
        Self {
            salt,
            ..Self::default()
        }
    }

    fn account(&mut self, flow: FlowId) -> &mut i64 {
        row(&mut self.account, flow, 0)
    }
}

fn bytes(len: ByteCount) -> i64 {
    i64::try_from(len.get()).unwrap_or(i64::MAX)
}

impl Rank for Deficits {
    type Key = (i64, u64);

    fn key(&mut self, head: &Ticket, joins: bool) -> (i64, u64) {
        let level = self.level.filter(|_| joins);
        let account = self.account(head.flow);
        *account = (*account).max(level.unwrap_or(i64::MIN));
        (*account, self.salt.map_or(0, |salt| hash(head.flow, salt)))
    }

    fn charge(&mut self, served: &Ticket, in_turn: bool) {
        let account = self.account(served.flow);
        let before = *account;
        *account = account.saturating_add(bytes(served.len));
        if let Some(level) = self.level.as_mut().filter(|_| in_turn) {
            *level = before.max(*level);
        }
    }

    fn received(&mut self, flow: FlowId, len: ByteCount) {
        let account = self.account(flow);
        *account = account.saturating_sub(bytes(len));
    }

    fn meets(&mut self, flow: FlowId, balance: i64) {
        if self.level.is_none() {
            *self.account(flow) = balance.saturating_neg();
        }
    }

    fn seeds(&mut self, seeding: bool) -> usize {
        self.account.fill(0);
        self.level = seeding.then_some(0);
        self.account.len()
    }

    fn forget(&mut self, flow: FlowId) {
        if let Some(account) = self.account.get_mut(flow.index()) {
            *account = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sched::Discipline as _;
    use crate::sched::ranked::Ranked;
    use crate::time::Time;
    use crate::units::Weight;

    const BLOCK: ByteCount = ByteCount::new(10);

    fn enqueue(subject: &mut Ranked<Deficits>, flow: u32, blocks: usize) {
        for _ in 0..blocks {
            let ticket = Ticket::new(FlowId(flow), Weight::ONE, BLOCK);
            subject.enqueue(ticket, Time::ZERO);
        }
    }

    fn serve(subject: &mut Ranked<Deficits>, blocks: usize) -> Vec<u32> {
        let served = std::iter::from_fn(|| subject.dequeue(Time::ZERO));
        served.take(blocks).map(|ticket| ticket.flow.0).collect()
    }

    /// Golden vector: three peers ask for blocks of 10 bytes. Peer 2 gives 20, peer 1 gives 10,
    /// peer 0 nothing: deficits 0, -10 and -20 before the first block.
    #[test]
    fn the_least_deficit_is_served_first_and_whoever_gives_nothing_last() {
        let mut subject = Ranked::new(Deficits::default());
        for flow in 0..3 {
            enqueue(&mut subject, flow, 4);
        }
        subject.received(FlowId(2), ByteCount::new(20));
        subject.received(FlowId(1), ByteCount::new(10));
        // 2 at -20, then -10 like 1, whose block was enqueued first; both at 0 like 0, and from
        // there by turns.
        assert_eq!(serve(&mut subject, 7), [2, 1, 2, 0, 1, 2, 0]);
        // What comes back while blocks wait counts at once.
        subject.received(FlowId(1), ByteCount::new(30));
        assert_eq!(serve(&mut subject, 3), [1, 1, 2]);
    }

    /// Sixteen peers give a block whenever they get one, in the order in which they got them; two
    /// give nothing. Beside givers a rider has one block and then waits.
    #[test]
    fn a_free_rider_has_one_block_beside_givers() {
        let mut subject = Ranked::new(Deficits::default());
        for flow in 0..18 {
            enqueue(&mut subject, flow, 2);
        }
        let mut served = vec![0; 18];
        for _ in 0..1_000 {
            let flow = serve(&mut subject, 1)[0];
            enqueue(&mut subject, flow, 1);
            served[flow as usize] += 1;
            if flow < 16 {
                subject.received(FlowId(flow), BLOCK);
            }
        }
        assert_eq!(served[16..], [1, 1], "{served:?}");
    }

    /// Forty equal peers, of whom each has something for all others, have met in the same order.
    /// Each sends one block a round and learns at once what came back. Where ties go by order of
    /// arrival, the last peer gives 39 blocks before it gets one. Where each peer draws its own
    /// order, nobody is ever more than six ahead. The oracles O12 have other numbers of peers.
    #[test]
    fn equal_peers_that_met_in_one_order_are_never_six_blocks_ahead_of_what_they_got() {
        let peers = 40;
        let worst = |salted: bool| {
            let salt = |peer: u32| salted.then(|| hash(FlowId(peer), 5));
            let new = |peer| Ranked::new(Deficits::new(salt(peer)));
            let mut nodes: Vec<_> = (0..peers).map(new).collect();
            let mut ahead = vec![0_i32; nodes.len()];
            let mut most = 0;
            for (own, node) in (0..).zip(&mut nodes) {
                for other in (0..peers).filter(|other| *other != own) {
                    enqueue(node, other, 2);
                }
            }
            for _ in 0..400 {
                let served = |node: &mut Ranked<Deficits>| serve(node, 1)[0];
                let sent: Vec<u32> = nodes.iter_mut().map(served).collect();
                for (from, to) in (0..).zip(sent) {
                    enqueue(&mut nodes[from as usize], to, 1);
                    nodes[to as usize].received(FlowId(from), BLOCK);
                    ahead[from as usize] += 1;
                    ahead[to as usize] -= 1;
                }
                most = ahead.iter().copied().fold(most, i32::max);
            }
            most
        };
        assert_eq!(worst(false), 39);
        assert!(worst(true) <= 6, "{}", worst(true));
    }

    #[test]
    fn a_seed_serves_evenly_and_a_newcomer_is_not_served_first() {
        let mut subject = Ranked::new(Deficits::default());
        enqueue(&mut subject, 0, 20);
        serve(&mut subject, 5);
        enqueue(&mut subject, 1, 20);
        subject.received(FlowId(1), ByteCount::new(1_000));
        subject.seeds(true);
        assert_eq!(serve(&mut subject, 6), [0, 1, 0, 1, 0, 1]);
        enqueue(&mut subject, 2, 20);
        assert_eq!(
            serve(&mut subject, 6)
                .iter()
                .filter(|flow| **flow == 2)
                .count(),
            2
        );
    }

    #[test]
    fn whoever_comes_back_owes_what_it_owed() {
        let mut subject = Ranked::new(Deficits::default());
        subject.meets(FlowId(0), -10);
        subject.meets(FlowId(1), 10);
        for flow in 0..3 {
            enqueue(&mut subject, flow, 3);
        }
        assert_eq!(serve(&mut subject, 4), [1, 1, 2, 0]);
    }
}
