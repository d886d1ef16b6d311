//! The relative fairness of a schedule: how far two flows get apart while both wait.
//!
//! S. J. Golestani, "A Self-clocked Fair Queueing Scheme for Broadband Applications", INFOCOM
//! 1994: the largest |Wi/wi - Wj/wj| over all intervals in which both are backlogged. Exact: a
//! difference of fractions is kept as its numerator.

use std::cmp::Ordering;

use crate::units::{ByteCount, Weight};

/// Measures a schedule as it is told of it.
#[derive(Clone, Debug)]
pub struct Spread {
    flows: Vec<Account>,
    /// For each pair with the smaller index first, row by row.
    pairs: Vec<Pair>,
}

/// One flow: its weight in hundredths, bytes served, blocks queued and on the link.
#[derive(Clone, Copy, Debug)]
struct Account {
    hundredths: u32,
    served: u64,
    queued: usize,
    on_link: usize,
    /// Whether it has been backlogged since its last interval began: at every decision it had a
    /// block queued, and since the last one it has a block queued or on the link.
    backlogged: bool,
}

/// The difference of a pair since both have been backlogged, times both weights.
#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    low: i128,
    high: i128,
    widest: i128,
}

impl Spread {
    /// Nothing served yet, and nothing queued, of flows with these weights.
    #[must_use]
    pub fn new(weights: &[Weight]) -> Self {
        let account = |weight: &Weight| Account {
            hundredths: weight.hundredths(),
            served: 0,
            queued: 0,
            on_link: 0,
            backlogged: false,
        };
        let flows: Vec<_> = weights.iter().map(account).collect();
        let pairs = vec![Pair::default(); flows.len() * flows.len()];
        Self { flows, pairs }
    }

    /// A block of `flow` was enqueued.
    pub(crate) fn enqueued(&mut self, flow: usize) {
        self.flows[flow].queued += 1;
        if std::mem::replace(&mut self.flows[flow].backlogged, true) {
            return;
        }
        for other in 0..self.flows.len() {
            let (place, now) = self.difference(flow, other);
            self.pairs[place].low = now;
            self.pairs[place].high = now;
        }
    }

    /// `len` bytes of `flow` were served: one of its blocks.
    pub fn served(&mut self, flow: usize, len: ByteCount) {
        self.flows[flow].served += len.get();
        for other in 0..self.flows.len() {
            if other == flow {
                continue;
            }
            // With one block on the link at a time, who has none queued has none there either.
            if self.flows[other].queued == 0 {
                self.flows[other].backlogged = false;
                continue;
            }
            let (place, now) = self.difference(flow, other);
            let pair = &mut self.pairs[place];
            pair.low = pair.low.min(now);
            pair.high = pair.high.max(now);
            pair.widest = pair.widest.max(pair.high - pair.low);
        }
        self.flows[flow].queued -= 1;
        self.flows[flow].on_link += 1;
    }

    /// A block of `flow` that was served has left the link.
    pub fn sent(&mut self, flow: usize) {
        let account = &mut self.flows[flow];
        account.on_link -= 1;
        account.backlogged = account.queued > 0 || (account.backlogged && account.on_link > 0);
    }

    /// Bytes served of `flow`.
    #[must_use]
    pub fn bytes(&self, flow: usize) -> ByteCount {
        ByteCount::new(self.flows[flow].served)
    }

    /// The widest that the two have been apart, in bytes per unit weight, rounded down.
    ///
    /// # Panics
    ///
    /// If there is no such flow.
    #[must_use]
    pub fn widest(&self, one: usize, other: usize) -> u64 {
        let (place, _) = self.difference(one, other);
        let weights =
            i128::from(self.flows[one].hundredths) * i128::from(self.flows[other].hundredths);
        let apart = self.pairs[place].widest / weights;
        u64::try_from(apart).expect("no wider than what was served")
    }

    /// Where the pair is kept, and how far the first of it is ahead now, as a numerator over
    /// the product of their weights in hundredths.
    fn difference(&self, one: usize, other: usize) -> (usize, i128) {
        let (first, second) = match one.cmp(&other) {
            Ordering::Greater => (other, one),
            Ordering::Less | Ordering::Equal => (one, other),
        };
        let (a, b) = (self.flows[first], self.flows[second]);
        let per_weight = |served: u64, weight: u32| i128::from(served) * 100 * i128::from(weight);
        let ahead = per_weight(a.served, b.hundredths) - per_weight(b.served, a.hundredths);
        (first * self.flows.len() + second, ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Weights 1 and 2: after 100 bytes each the first is ahead by 100 - 50. Then the second
    // goes idle, and what happens meanwhile is not held against anybody.
    #[test]
    fn only_what_happens_while_both_wait_counts() {
        let mut spread = Spread::new(&[Weight::ONE, Weight::whole(2)]);
        let block = ByteCount::new(100);
        for flow in [0, 0, 0, 1] {
            spread.enqueued(flow);
        }
        let serve = |spread: &mut Spread, flow| {
            spread.served(flow, block);
            spread.sent(flow);
        };
        serve(&mut spread, 0);
        assert_eq!(spread.widest(0, 1), 100);
        serve(&mut spread, 1);
        assert_eq!(spread.widest(1, 0), 100);
        serve(&mut spread, 0);
        spread.enqueued(1);
        serve(&mut spread, 0);
        assert_eq!(spread.widest(0, 1), 100);
        assert_eq!(spread.bytes(0), ByteCount::new(300));
    }

    // Flow 1 asks again while its last block is on the link: it has been backlogged all along,
    // so what flow 0 has had before counts with what it has after.
    #[test]
    fn a_flow_is_backlogged_until_its_last_block_has_left() {
        let mut spread = Spread::new(&[Weight::ONE, Weight::ONE]);
        let block = ByteCount::new(100);
        for flow in [0, 1] {
            spread.enqueued(flow);
        }
        let serve = |spread: &mut Spread, flow| {
            spread.served(flow, block);
            spread.enqueued(flow);
            spread.sent(flow);
        };
        serve(&mut spread, 0);
        serve(&mut spread, 0);
        spread.served(1, block);
        spread.enqueued(1);
        spread.sent(1);
        serve(&mut spread, 0);
        serve(&mut spread, 0);
        assert_eq!(spread.widest(0, 1), 300);
        spread.served(1, block);
        spread.sent(1);
        spread.enqueued(1);
        for _ in 0..3 {
            serve(&mut spread, 0);
        }
        assert_eq!(spread.widest(0, 1), 300);
    }
}
