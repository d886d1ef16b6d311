//! How long a flow that keeps to its share waits among flows that take all they get.
//!
//! Thirty-two flows on a link of 1 MB/s; flow 0 sends blocks at exactly the rate that its
//! weight reserves, the others always have more to send. The bounds are those of the papers
//! that the disciplines' headers name.

use std::collections::VecDeque;

use crate::id::FlowId;
use crate::rng::Rng;
use crate::sched::{Discipline, DisciplineRow, Params, Ticket};
use crate::time::{Span, Time};
use crate::units::{ByteCount, Rate, Weight};

const FLOWS: u32 = 32;
const LINK: Rate = Rate::new(1_000_000);
const BLOCK: ByteCount = ByteCount::new(16_384);
/// How long flow 0 sends in each run.
const LENGTH: Span = Span::from_secs(40);
/// Runs, each with another phase of flow 0 against the rest.
const PHASES: u64 = 6;

/// The longest that a block of flow 0 took from its arrival to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorstDelay {
    /// What was seen.
    pub max: Span,
    /// What the discipline allows at most; none if it allows anything.
    pub bound: Option<Span>,
}

/// Runs the scenario with weight `weight` for flow 0 and 1 for the others; a discipline that
/// has a quantum gets one block per unit weight.
#[must_use]
pub fn max_delay(row: &DisciplineRow, weight: u32) -> WorstDelay {
    let period = period(weight);
    let phases = Rng::from_seed([3; 32]).fork("phases");
    let run = |phase: u64| {
        let mut rng = phases.fork(&phase.to_string());
        let range = usize::try_from(period.as_nanos()).unwrap_or(usize::MAX);
        let offset = Span::from_nanos(rng.below(range) as u64);
        worst_of_run(row, weight, Time::ZERO + offset)
    };
    WorstDelay {
        max: (0..PHASES).map(run).max().unwrap_or(Span::ZERO),
        bound: bound(row.name, weight),
    }
}

/// The time between blocks of flow 0 at the rate that is reserved for it.
fn period(weight: u32) -> Span {
    let weights = u64::from(weight) + u64::from(FLOWS) - 1;
    LINK.time_for(ByteCount::new(BLOCK.get() * weights / u64::from(weight)))
}

fn worst_of_run(row: &DisciplineRow, weight: u32, first: Time) -> Span {
    let mut discipline = (row.make)(&Params {
        largest: BLOCK,
        quantum: Some(BLOCK),
        salt: None,
    });
    let mut seq = 0;
    let mut enqueue = |discipline: &mut Box<dyn Discipline>, flow: u32, now: Time| {
        let weight = Weight::whole(if flow == 0 { weight } else { 1 });
        discipline.enqueue(
            Ticket {
                arrival: seq,
                ..Ticket::new(FlowId(flow), weight, BLOCK)
            },
            now,
        );
        seq += 1;
    };
    for flow in (1..FLOWS).chain(1..FLOWS) {
        enqueue(&mut discipline, flow, Time::ZERO);
    }
    let mut waiting = VecDeque::new();
    let (mut now, mut next, mut worst) = (Time::ZERO, first, Span::ZERO);
    while now < Time::ZERO + LENGTH {
        let ticket = discipline.dequeue(now).expect("the others always wait");
        now = now + LINK.time_for(ticket.len);
        while next <= now {
            enqueue(&mut discipline, 0, next);
            waiting.push_back(next);
            next = next + period(weight);
        }
        discipline.sent(ticket.flow);
        if ticket.flow == FlowId(0) {
            let arrived = waiting.pop_front().expect("flow 0 is served what it sent");
            worst = worst.max(now - arrived);
        } else {
            enqueue(&mut discipline, ticket.flow.0, now);
        }
    }
    // What still waits has waited at least this long.
    worst.max(waiting.front().map_or(Span::ZERO, |&oldest| now - oldest))
}

/// The bound of a discipline by name.
fn bound(name: &str, weight: u32) -> Option<Span> {
    let block = LINK.time_for(BLOCK);
    let blocks = |count: u64| Span::from_nanos(block.as_nanos() * count);
    match name {
        // Own block and one of each other flow.
        "sfq" | "strict" | "mclock" => Some(blocks(u64::from(FLOWS))),
        // A round: every other flow's quantum is one block.
        "drr" | "sparse-drr" => Some(blocks(u64::from(FLOWS))),
        // Every other flow has one turn between two of flow 0, which is enough for its share
        // only if the share is the same.
        "round-robin" if weight == 1 => Some(blocks(u64::from(FLOWS))),
        // A block at the reserved rate, and one of anybody at the rate of the link.
        "wf2q+" => Some(period(weight) + block),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sched::{ALL, DISCIPLINES};

    #[test]
    fn no_delay_exceeds_the_bound_of_its_discipline() {
        for row in ALL {
            for weight in [1, 8] {
                let delay = max_delay(row, weight);
                assert!(
                    delay.bound.is_none_or(|bound| delay.max <= bound),
                    "{} at weight {weight}: {delay:?}",
                    row.name
                );
            }
        }
    }

    #[test]
    fn round_robin_leaves_a_heavy_flow_behind_for_ever() {
        let row = DISCIPLINES.find("round-robin").unwrap();
        assert!(max_delay(row, 8).max > Span::from_secs(30));
    }

    #[test]
    fn a_heavy_flow_waits_least_under_wf2q_plus() {
        let delay = |name: &str| max_delay(DISCIPLINES.find(name).unwrap(), 8).max;
        assert!(delay("wf2q+") < Span::from_millis(100));
        assert!(delay("sfq") > Span::from_millis(400));
    }
}
