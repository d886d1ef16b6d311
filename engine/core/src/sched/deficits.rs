//! The accounts of flows that take turns: quantum, credit and debt.
//!
//! Credit is an integer in millionths of a byte, so that the quantum of a flow can be as small as a
//! block even at the greatest weight; a negative one is a debt, made by service out of turn. A
//! million flows of 256 KiB blocks need 58 bits of it at most; beyond 63 it saturates. Whose turn
//! it is, `rounds` decides.

use std::collections::BTreeMap;

use crate::id::FlowId;
use crate::sched::Ticket;
use crate::sched::queues::{Queues, row};
use crate::units::ByteCount;

/// Units of credit in a byte.
const UNITS: u64 = 1_000_000;
/// Units of credit per hundredth of weight, for a byte per unit weight.
const UNITS_PER_HUNDREDTH: u64 = UNITS / 100;

/// What a turn is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Price {
    /// Every block costs one turn, whatever its length or weight.
    Turns,
    /// A block costs its bytes. The quantum is this many bytes per unit weight, or if it is
    /// none the largest block per mean weight.
    Bytes(Option<ByteCount>),
}

impl Price {
    /// The weight of a block's flow, in hundredths.
    const fn weight(self, ticket: &Ticket) -> u32 {
        match self {
            Self::Turns => 1,
            Self::Bytes(_) => ticket.weight.hundredths(),
        }
    }

    /// The credit that a block takes.
    fn cost(self, ticket: &Ticket) -> i64 {
        match self {
            Self::Turns => 1,
            Self::Bytes(_) => {
                i64::try_from(ticket.len.get().saturating_mul(UNITS)).unwrap_or(i64::MAX)
            }
        }
    }
}

/// One flow's account: 16 bytes, so that a million fit the caches better than their queues.
#[derive(Clone, Copy, Debug)]
struct Account {
    credit: i64,
    /// Weight while the flow is listed, in hundredths; zero if it is not.
    weight: u32,
    /// The busy period that the credit belongs to.
    period: u32,
}

const NEW: Account = Account {
    credit: 0,
    weight: 0,
    period: 0,
};

/// The number of flows listed and the sum of their weights in hundredths.
type Basis = (u64, u64);

/// The queues and accounts of all flows.
#[derive(Debug)]
pub(super) struct Book {
    queues: Queues<()>,
    accounts: Vec<Account>,
    price: Price,
    largest: u64,
    /// Flows listed, and the sum of their weights in hundredths.
    listed: u64,
    weights: u64,
    /// Units of credit per hundredth of weight in this round.
    quantum: i64,
    /// What the quantum was worked out from, so that a division is made only when it changes.
    basis: Basis,
    /// Debts end when all are served: then nobody was kept waiting by them.
    period: u32,
    /// Blocks on the link.
    on_link: u32,
    /// Flows that a limit holds back, and what the first block of each costs.
    held: BTreeMap<FlowId, i64>,
}

impl Book {
    /// Accounts for blocks of at most `largest`. A larger one is served all the same, at the
    /// cost of a walk over the flows; it does not make anybody's turns longer.
    pub(super) fn new(price: Price, largest: ByteCount) -> Self {
        Self {
            queues: Queues::default(),
            accounts: Vec::new(),
            price,
            largest: largest.get().max(1),
            listed: 0,
            weights: 0,
            quantum: 1,
            basis: (0, 0),
            period: 0,
            on_link: 0,
            held: BTreeMap::new(),
        }
    }

    /// Queues `ticket`; says whether its flow must now be put on a list.
    #[inline]
    pub(super) fn enqueue(&mut self, ticket: Ticket) -> bool {
        self.queues.push(ticket, ());
        let weight = self.price.weight(&ticket);
        let account = row(&mut self.accounts, ticket.flow, NEW);
        if account.period != self.period {
            account.credit = 0;
            account.period = self.period;
        }
        if account.weight != 0 {
            return false;
        }
        account.weight = weight;
        self.listed += 1;
        self.weights += u64::from(weight);
        true
    }

    /// Takes a flow off its list, which has nothing queued.
    fn unlist(&mut self, flow: FlowId) {
        let account = &mut self.accounts[flow.index()];
        self.listed -= 1;
        self.weights -= u64::from(account.weight);
        account.weight = 0;
    }

    /// Takes a flow off its list that has nothing queued, at its turn. One that a limit holds back
    /// keeps the credit of the turn that it misses, and no more of turns before than if it could
    /// not cover the first of its blocks.
    pub(super) fn miss(&mut self, flow: FlowId) {
        let account = &mut self.accounts[flow.index()];
        if let Some(cost) = self.held.get(&flow) {
            let worth = self.quantum.saturating_mul(i64::from(account.weight));
            account.credit = account.credit.min(cost - 1).saturating_add(worth);
        }
        self.end_turn(flow);
        self.unlist(flow);
    }

    /// A limit holds back a flow that has something queued: that is taken out.
    pub(super) fn hold(&mut self, flow: FlowId) {
        if let Some((head, ())) = self.queues.head(flow) {
            self.held.insert(flow, self.price.cost(head));
            self.queues.clear(flow);
        }
    }

    /// Whether a limit has held `flow` back until now.
    #[inline]
    pub(super) fn let_go(&mut self, flow: FlowId) -> bool {
        !self.held.is_empty() && self.held.remove(&flow).is_some()
    }

    pub(super) const fn backlog(&self) -> usize {
        self.queues.len()
    }

    #[inline]
    pub(super) fn is_empty(&self, flow: FlowId) -> bool {
        self.queues.is_empty(flow)
    }

    /// Fixes what a turn of the coming round is worth.
    ///
    /// One mean weight's worth of it covers the largest block, so that whatever the weights
    /// are, a round of N turns serves about N blocks and none is a needless burst.
    pub(super) fn begin_round(&mut self) {
        let basis = (self.listed, self.weights);
        if basis != self.basis {
            self.basis = basis;
            self.quantum = self.quantum_now();
        }
    }

    fn quantum_now(&self) -> i64 {
        let quantum = match self.price {
            Price::Turns => 1,
            Price::Bytes(Some(quantum)) => {
                let units = quantum.get().saturating_mul(UNITS_PER_HUNDREDTH);
                i64::try_from(units).unwrap_or(i64::MAX)
            }
            Price::Bytes(None) => {
                let round = u128::from(self.largest) * u128::from(UNITS) * u128::from(self.listed);
                let quantum = round.div_ceil(u128::from(self.weights.max(1)));
                i64::try_from(quantum).unwrap_or(i64::MAX)
            }
        };
        quantum.max(1)
    }

    /// Credits a flow that has something queued with the quantum of the round.
    #[inline]
    pub(super) fn grant(&mut self, flow: FlowId) {
        self.credit(flow, self.quantum);
    }

    /// Credits a flow that is served before its first round.
    ///
    /// The round may have begun when all others were far lighter, and its quantum would be a
    /// huge burst in the hands of a heavy flow; so it gets no more than a round that began
    /// now would give.
    pub(super) fn grant_early(&mut self, flow: FlowId) {
        self.credit(flow, self.quantum.min(self.quantum_now()));
    }

    #[inline]
    fn credit(&mut self, flow: FlowId, quantum: i64) {
        let (head, ()) = self
            .queues
            .head(flow)
            .expect("only a backlogged flow has a turn");
        let weight = self.price.weight(head);
        let account = &mut self.accounts[flow.index()];
        if weight != account.weight {
            self.weights = self.weights + u64::from(weight) - u64::from(account.weight);
            account.weight = weight;
        }
        let worth = quantum.saturating_mul(i64::from(weight));
        account.credit = account.credit.saturating_add(worth);
    }

    /// The head of `flow`, if its credit covers it.
    #[inline]
    pub(super) fn serve(&mut self, flow: FlowId) -> Option<Ticket> {
        let account = &mut self.accounts[flow.index()];
        // Most turns end here, without a look at a block that is not in the caches yet.
        if account.credit <= 0 {
            return None;
        }
        let (head, ()) = self.queues.head(flow)?;
        let cost = self.price.cost(head);
        if cost > account.credit {
            return None;
        }
        account.credit -= cost;
        self.pop(flow)
    }

    /// Whether the credit of `flow` covers its first block.
    pub(super) fn is_covered(&self, flow: FlowId) -> bool {
        let credit = self.accounts[flow.index()].credit;
        let head = self.queues.head(flow);
        head.is_some_and(|(head, ())| self.price.cost(head) <= credit)
    }

    /// The turn of `flow` is over: an empty queue forfeits its credit, not its debt, unless it is
    /// empty because a limit holds the flow back.
    ///
    /// Not before: a flow whose last block is on the link is backlogged until that has left, and
    /// what it asks for meanwhile is still of this turn.
    pub(super) fn end_turn(&mut self, flow: FlowId) {
        if self.queues.is_empty(flow) && !self.held.contains_key(&flow) {
            let account = &mut self.accounts[flow.index()];
            account.credit = account.credit.min(0);
        }
    }

    /// A block has left the link.
    pub(super) fn sent(&mut self) {
        self.on_link = self.on_link.saturating_sub(1);
        self.rest();
    }

    /// Whether the turn of `flow` is over because all that it had has left the link. A new
    /// decision ends it too, and comes first where several blocks are on the link at a time.
    pub(super) fn has_left(&self, flow: FlowId) -> bool {
        self.on_link == 0 && self.is_empty(flow)
    }

    /// The head of `flow`, covered or not.
    pub(super) fn charge(&mut self, flow: FlowId) -> Option<Ticket> {
        let (head, ()) = self.queues.head(flow)?;
        let cost = self.price.cost(head);
        let account = &mut self.accounts[flow.index()];
        account.credit = account.credit.saturating_sub(cost);
        self.pop(flow)
    }

    #[inline]
    fn pop(&mut self, flow: FlowId) -> Option<Ticket> {
        self.on_link += 1;
        self.queues.pop(flow)
    }

    /// Forgets what `flow` has queued, and if it was held back what it has kept.
    pub(super) fn purge(&mut self, flow: FlowId) {
        if self.held.remove(&flow).is_some() {
            self.end_turn(flow);
        }
        self.queues.clear(flow);
        self.rest();
    }

    /// Forgets `flow` for good, with what it owes.
    pub(super) fn retire(&mut self, flow: FlowId) {
        self.purge(flow);
        if let Some(account) = self.accounts.get_mut(flow.index()) {
            account.credit = 0;
        }
    }

    /// Rounds until one of `flows` is covered, beyond the next one, given to all at once.
    ///
    /// A flow in debt, or far lighter than the rest, would otherwise be passed again and
    /// again while nobody is served.
    pub(super) fn skip_rounds(&mut self, flows: impl Iterator<Item = FlowId> + Clone) {
        let rounds = flows.clone().filter_map(|flow| self.rounds_to_serve(flow));
        let Some(rounds) = rounds.min() else {
            return;
        };
        for flow in flows {
            let account = &mut self.accounts[flow.index()];
            let worth = self.quantum.saturating_mul(i64::from(account.weight));
            let skipped = worth.saturating_mul(rounds.saturating_sub(1));
            if !self.queues.is_empty(flow) {
                account.credit = account.credit.saturating_add(skipped);
            }
        }
    }

    fn rounds_to_serve(&self, flow: FlowId) -> Option<i64> {
        let (head, ()) = self.queues.head(flow)?;
        let account = self.accounts[flow.index()];
        let worth = self.quantum.saturating_mul(i64::from(account.weight));
        let lacking = self.price.cost(head).saturating_sub(account.credit);
        // Rounded up; both are positive, as a flow that lacks nothing has been served.
        Some(lacking.max(1).saturating_add(worth - 1) / worth)
    }

    /// Ends the busy period, and all debts with it, if nothing is queued, nothing on the link and
    /// nobody held back: what is due to those they have still to get.
    fn rest(&mut self) {
        if self.queues.len() == 0 && self.on_link == 0 && self.held.is_empty() {
            self.period = self.period.wrapping_add(1);
        }
    }
}
