//! Guaranteed rates, limits and weights at once: what is left is shared by weight.
//!
//! The fluid shares are `clamp(t wi, floor, cap)` with t such that they fill the link.

use crate::id::FlowId;
use crate::sched::{DisciplineRow, Params, Ticket};
use crate::time::{Span, Time};
use crate::units::{ByteCount, Rate, Weight};

/// What the three flows of [`mclock_shares`] must get: with 250 per unit weight, the first
/// would get 250 and has a floor, the third 750 and has a cap.
pub const MCLOCK_SHARES: [u64; 3] = [300, 500, 200];

const LINK: Rate = Rate::new(1_000_000);
const BLOCK: ByteCount = ByteCount::new(1_000);
const LENGTH: Span = Span::from_secs(20);

/// What three flows get of a link of 1,000 in thousandths of it, over 20 seconds: the first
/// with floor 300 and weight 1, the second with weight 2, the third with weight 3 and cap 200.
///
/// # Panics
///
/// If the discipline forgets a flow that waits.
#[must_use]
pub fn mclock_shares(row: &DisciplineRow) -> [u64; 3] {
    shares(row, tickets())
}

fn tickets() -> [Ticket; 3] {
    let ticket = |flow| Ticket::new(FlowId(flow), Weight::whole(flow + 1), BLOCK);
    let floor = Rate::new(300_000);
    let cap = Rate::new(200_000);
    [
        Ticket { floor, ..ticket(0) },
        ticket(1),
        Ticket { cap, ..ticket(2) },
    ]
}

fn shares(row: &DisciplineRow, tickets: [Ticket; 3]) -> [u64; 3] {
    let mut discipline = (row.make)(&Params::new(BLOCK));
    for ticket in tickets.iter().chain(&tickets) {
        discipline.enqueue(*ticket, Time::ZERO);
    }
    let mut served = [0; 3];
    let mut now = Time::ZERO;
    while now < Time::ZERO + LENGTH {
        let Some(ticket) = discipline.dequeue(now) else {
            now = discipline.ready_at(now).expect("all three always wait");
            continue;
        };
        served[ticket.flow.index()] += ticket.len.get();
        now = now + LINK.time_for(ticket.len);
        discipline.enqueue(ticket, now);
        discipline.sent(ticket.flow);
    }
    let link = LINK.bytes_in(LENGTH).get();
    served.map(|bytes| (bytes * 1_000 + link / 2) / link)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sched::DISCIPLINES;

    #[test]
    fn floors_caps_and_weights_give_the_fluid_shares() {
        assert_eq!(
            mclock_shares(DISCIPLINES.find("mclock").unwrap()),
            MCLOCK_SHARES
        );
    }

    // Capped at 200, 300 and 100 on a link of 1,000: 600 is all that may be used.
    #[test]
    fn a_link_stays_idle_when_all_are_at_their_caps() {
        let caps = [200_000, 300_000, 100_000];
        let mut capped = tickets();
        for (ticket, cap) in capped.iter_mut().zip(caps) {
            ticket.floor = Rate::new(0);
            ticket.cap = Rate::new(cap);
        }
        let row = DISCIPLINES.find("mclock").unwrap();
        assert_eq!(shares(row, capped), [200, 300, 100]);
    }

    // Floors 300 and 300 of 1,000, weights 1, 2 and 3: with 133 per unit weight the floors
    // bind, and 400 are left. With floors 100 and 300 they do not: 167 per unit weight.
    #[test]
    fn a_floor_binds_only_if_it_exceeds_the_share() {
        let mut floored = tickets();
        floored[1].floor = Rate::new(300_000);
        floored[2].cap = Rate::new(0);
        let row = DISCIPLINES.find("mclock").unwrap();
        assert_eq!(shares(row, floored), [300, 300, 400]);
        floored[0].floor = Rate::new(100_000);
        let [first, second, third] = shares(row, floored);
        assert!(first.abs_diff(167) <= 1 && second.abs_diff(333) <= 1 && third.abs_diff(500) <= 1);
    }
}
