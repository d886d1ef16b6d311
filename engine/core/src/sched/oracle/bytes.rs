//! How far flows of unequal weights and block sizes get apart, in bytes per unit weight.
//!
//! Eight flows that always wait, weights 1, 1, 1, 1, 2, 2, 4, 4, each with a largest block
//! drawn from 64, 300, 600 and 1,500 bytes; twenty seeds of 600 kB each.

use crate::id::FlowId;
use crate::rng::Rng;
use crate::sched::oracle::Spread;
use crate::sched::{Claim, DisciplineRow, Params, Setting, Ticket};
use crate::time::Time;
use crate::units::{ByteCount, Weight};

const WEIGHTS: [u32; 8] = [1, 1, 1, 1, 2, 2, 4, 4];
const LARGEST: [u64; 4] = [64, 300, 600, 1_500];
const SEEDS: u64 = 20;
const BYTES: u64 = 600_000;

/// The worst pair of flows over all seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fairness {
    /// The widest that any two flows were apart, in bytes per unit weight.
    pub worst: u64,
    /// The most of its bound that any two flows used, in thousandths, rounded down; zero if
    /// the discipline promises nothing in bytes.
    pub permille_of_bound: u64,
}

/// Runs the scenario with a quantum of so many bytes per unit weight, for those that have one.
#[must_use]
pub fn byte_fairness(row: &DisciplineRow, quantum: Option<ByteCount>) -> Fairness {
    let params = Params {
        largest: ByteCount::new(1_500),
        quantum,
        salt: None,
    };
    let seeds = Rng::from_seed([2; 32]).fork("seeds");
    let worse = |one: Fairness, other: Fairness| Fairness {
        worst: one.worst.max(other.worst),
        permille_of_bound: one.permille_of_bound.max(other.permille_of_bound),
    };
    (0..SEEDS)
        .map(|seed| run(row, params, seeds.fork(&seed.to_string())))
        .fold(Fairness::default(), worse)
}

fn run(row: &DisciplineRow, params: Params, mut rng: Rng) -> Fairness {
    let weights = WEIGHTS.map(Weight::whole);
    let flows = weights.map(|weight| (weight, ByteCount::new(LARGEST[rng.below(LARGEST.len())])));
    let mut block = |flow: usize| {
        // Half of the blocks are as large as they may be: a file's are, but for the last.
        let (weight, largest) = flows[flow];
        let size = rng.below(2 * usize::try_from(largest.get()).expect("at most 1,500"));
        let len = ByteCount::new((size as u64 + 1).min(largest.get()));
        let id = u32::try_from(flow).expect("one of eight");
        Ticket::new(FlowId(id), weight, len)
    };
    let mut discipline = (row.make)(&params);
    let mut spread = Spread::new(&weights);
    for flow in (0..flows.len()).chain(0..flows.len()) {
        discipline.enqueue(block(flow), Time::ZERO);
        spread.enqueued(flow);
    }
    let mut left = BYTES;
    while left > 0 {
        let ticket = discipline.dequeue(Time::ZERO).expect("all always wait");
        let flow = ticket.flow.index();
        spread.served(flow, ticket.len);
        discipline.sent(ticket.flow);
        spread.sent(flow);
        discipline.enqueue(block(flow), Time::ZERO);
        spread.enqueued(flow);
        left = left.saturating_sub(ticket.len.get());
    }
    let setting = Setting {
        params,
        flows: &flows,
    };
    summary(row, &setting, &spread)
}

fn summary(row: &DisciplineRow, setting: &Setting<'_>, spread: &Spread) -> Fairness {
    let mut fairness = Fairness::default();
    for one in 0..setting.flows.len() {
        for other in one + 1..setting.flows.len() {
            let apart = spread.widest(one, other);
            fairness.worst = fairness.worst.max(apart);
            if let Claim::Weighted(bound) | Claim::Banded(bound) = row.claim {
                let permille = apart * 1_000 / bound(setting, one, other);
                fairness.permille_of_bound = fairness.permille_of_bound.max(permille);
            }
        }
    }
    fairness
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sched::{ALL, DISCIPLINES};

    #[test]
    fn no_two_flows_get_further_apart_than_claimed() {
        for row in ALL {
            for quantum in [None, Some(375), Some(1_500)] {
                let fairness = byte_fairness(row, quantum.map(ByteCount::new));
                let name = row.name;
                assert!(fairness.permille_of_bound <= 1_000, "{name}: {fairness:?}");
            }
        }
    }

    #[test]
    fn start_time_fair_queueing_reaches_its_bound() {
        let fairness = byte_fairness(DISCIPLINES.find("sfq").unwrap(), None);
        assert_eq!(fairness.permille_of_bound, 1_000, "{fairness:?}");
    }

    #[test]
    fn turns_are_not_fair_in_bytes() {
        let turns = byte_fairness(DISCIPLINES.find("round-robin").unwrap(), None).worst;
        let fair = byte_fairness(DISCIPLINES.find("sfq").unwrap(), None).worst;
        assert!(turns > 20 * fair, "{turns} against {fair}");
    }
}
