//! The order of service in the example that separates the fair disciplines.
//!
//! J. C. R. Bennett and H. Zhang, "WF²Q: Worst-case Fair Weighted Fair Queueing", INFOCOM 1996:
//! flow 0 has half of the link and eleven blocks, flows 1 to 10 a twentieth and one block each.

use crate::id::FlowId;
use crate::sched::{DisciplineRow, Params, Ticket};
use crate::time::Time;
use crate::units::{ByteCount, Weight};

/// Bytes in a block; any number gives the same order.
const BLOCK: ByteCount = ByteCount::new(1_000);
/// Blocks of flow 0.
const FIRST: u64 = 11;
/// Flows with one block.
const OTHERS: u32 = 10;

/// The flows in the order in which `row` serves them; deficit round robin with a quantum of
/// ten blocks for flow 0 and of one for the others.
///
/// # Panics
///
/// If the discipline serves more blocks than there are.
#[must_use]
pub fn golden_order(row: &DisciplineRow) -> Vec<u32> {
    let params = Params {
        largest: BLOCK,
        quantum: Some(ByteCount::new(20 * BLOCK.get())),
        salt: None,
    };
    let mut discipline = (row.make)(&params);
    for (arrival, (flow, hundredths, remaining)) in blocks().enumerate() {
        let weight = Weight::from_hundredths(hundredths).expect("0.5 and 0.05 are weights");
        let ticket = Ticket {
            arrival: arrival as u64,
            remaining: ByteCount::new(remaining * BLOCK.get()),
            waiting: u32::try_from(remaining).expect("there are 21 blocks"),
            ..Ticket::new(FlowId(flow), weight, BLOCK)
        };
        discipline.enqueue(ticket, Time::ZERO);
    }
    let mut order = Vec::new();
    while let Some(ticket) = discipline.dequeue(Time::ZERO) {
        order.push(ticket.flow.0);
        discipline.sent(ticket.flow);
        assert!(order.len() <= 21, "there are 21 blocks");
    }
    order
}

/// The flows in the order of the hash that breaks ties of bitswap.
const BY_HASH: [u32; 11] = [2, 4, 6, 8, 5, 10, 1, 7, 0, 9, 3];

/// Flow, weight in hundredths and blocks left of its transfer, for every block.
fn blocks() -> impl Iterator<Item = (u32, u32, u64)> {
    let first = (0..FIRST).map(|served| (0, 50, FIRST - served));
    first.chain((1..=OTHERS).map(|flow| (flow, 5, 1)))
}

/// The order that the discipline of that name must serve them in; none if it has no row.
///
/// Deficit round robin spends flow 0's quantum at once; WF²Q+ alternates; those that order by
/// the start of service give everybody one block first. The last two are not in the
/// literature: the shortest transfers first, and everybody's first block first.
#[must_use]
pub fn golden_expected(name: &str) -> Option<Vec<u32>> {
    let others = 1..=OTHERS;
    let zeros = |times| std::iter::repeat_n(0, times);
    Some(match name {
        "fifo" => zeros(11).chain(others).collect(),
        "drr" | "sparse-drr" => zeros(10).chain(others).chain(zeros(1)).collect(),
        "wf2q+" => others.flat_map(|flow| [0, flow]).chain(zeros(1)).collect(),
        "round-robin" | "sfq" | "strict" | "mclock" | "las" | "fairtorrent" | "karma" => {
            zeros(1).chain(others).chain(zeros(10)).collect()
        }
        // Whoever wants most first; those that want one in the order of their hashes.
        "bitswap" => zeros(10).chain(BY_HASH).collect(),
        "srpt" => others.chain(zeros(11)).collect(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sched::ALL;

    #[test]
    fn every_discipline_serves_the_example_in_its_published_order() {
        for row in ALL {
            let expected = golden_expected(row.name);
            assert_eq!(Some(golden_order(row)), expected, "{}", row.name);
        }
    }
}
