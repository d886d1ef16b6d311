//! mClock: guaranteed rates first, then shares by weight, within limits.
//!
//! Source:    A. Gulati, A. Merchant and P. J. Varman, "mClock: Handling Throughput Variability
//!            for Hypervisor IO Scheduling", OSDI 2010.
//! Contract:  a backlogged flow is served at its floor, as long as the floors of all backlogged
//!            flows fit the link. No flow is served more than 2 L + cap x (t2 - t1) bytes in any
//!            interval, L the largest block, other than for its floor or out of turn. What the
//!            floors leave is shared by weight among those below their caps; without floors
//!            and caps, service per unit weight differs by at most Li/wi + Lj/wj, and blocks are
//!            done as under start-time fair queueing. On a link of rate C that the floors fit, a
//!            block of length l is done at the latest at its expected arrival time at its floor
//!            plus the sum of one largest block of every other flow, the largest of all and l,
//!            over C.
//! Cost:      O(log N) per block for N flows; three queues.
//! Drawbacks: floors that do not fit the link starve flows without one: admission must refuse
//!            them. A flow whose floor exceeds its share runs ahead in the shares, and waits
//!            for the others if the floor is then taken away.
//! Departs:   when all backlogged flows are at their caps it waits; there is no mode that
//!            exceeds a cap or refuses a block. Tags belong to flows, not to blocks, and
//!            a block pays after it is served. A flow that its cap held back rejoins the
//!            shares level with the others, as one that was idle does. Floors that were missed
//!            for over a second are not caught up with beyond that second: on a link that has
//!            become too slow for them they share it in proportion.

use crate::id::FlowId;
use crate::sched::flow_queue::FlowQueue;
use crate::sched::queues::{Queues, row};
use crate::sched::virtual_time::{Tag, cost, later};
use crate::sched::{Discipline, Params, Ticket};
use crate::time::{Span, Time};
use crate::units::{ByteCount, Rate};

/// The fraction of a nanosecond that instants are kept to, as a power of two: a block of 64
/// bytes at 100 GB/s takes less than one nanosecond.
const FRACTION_BITS: u32 = 20;

/// How much of a floor that was missed is made up for.
const CATCH_UP: Span = Span::SECOND;

/// An instant in 2^-20 nanoseconds.
type Instant = u128;

/// Reservation, limit and weight.
#[derive(Debug, Default)]
pub(super) struct Mclock {
    queues: Queues<()>,
    flows: Vec<Standing>,
    /// Backlogged flows with a floor, by the instant at which it is due.
    due: FlowQueue<(Instant, u64)>,
    /// Backlogged flows below their caps, by start tag.
    sharing: FlowQueue<(Tag, u64)>,
    /// Backlogged flows at their caps, by the instant at which they fall below.
    capped: FlowQueue<(Instant, u64)>,
    /// The least start tag among those that shared when last somebody was served.
    clock: Tag,
    /// The largest finish tag of a block that was served.
    latest: Tag,
    /// Blocks on the link.
    on_link: u32,
    /// By how much the clock of the floors is behind time: what a link that was too slow for
    /// them has lost for all of them alike.
    lost: Instant,
    largest: ByteCount,
    /// Number of the next head to be placed: of equal tags the earlier one is first.
    seq: u64,
}

/// The three tags of a flow.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    /// R: the floor is due at this instant.
    floor: Instant,
    /// L: the cap allows service from this instant.
    cap: Instant,
    /// P: the start tag among those that share.
    share: Tag,
}

/// On whose account a block is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Account {
    Floor,
    Share,
}

impl Mclock {
    /// An empty queue for blocks of at most what `params` say.
    pub(super) fn new(params: &Params) -> Self {
        Self {
            largest: params.largest,
            ..Self::default()
        }
    }

    /// Puts a backlogged flow into the queues that its tags and its head's rates say.
    fn place(&mut self, head: Ticket, now: Time) {
        let flow = head.flow;
        let seq = self.seq;
        self.seq += 1;
        let standing = &mut self.flows[flow.index()];
        if head.floor.get() > 0 {
            self.due.set(flow, (standing.floor, seq));
        } else {
            self.due.remove(flow);
        }
        if head.cap.get() > 0 && standing.cap > instant(now) {
            self.sharing.remove(flow);
            self.capped.set(flow, (standing.cap, seq));
        } else {
            if !self.sharing.contains(flow) {
                standing.share = standing.share.max(self.clock);
            }
            self.capped.remove(flow);
            self.sharing.set(flow, (standing.share, seq));
        }
    }

    /// Lets flows share again that have fallen below their caps.
    fn admit(&mut self, now: Time) {
        while let Some(((from, _), flow)) = self.capped.first()
            && from <= instant(now)
        {
            let &(head, ()) = self.queues.head(flow).expect("a capped flow is backlogged");
            self.place(head, now);
        }
        if let Some(((least, _), _)) = self.sharing.first() {
            self.clock = self.clock.max(least);
        }
    }

    fn serve(&mut self, flow: FlowId, account: Account, now: Time) -> Option<Ticket> {
        let served = self.queues.pop(flow)?;
        let largest = self.largest.max(served.len);
        let standing = &mut self.flows[flow.index()];
        standing.share = later(standing.share, cost(served.len, served.weight));
        self.latest = self.latest.max(standing.share);
        self.on_link += 1;
        if account == Account::Floor && served.floor.get() > 0 {
            standing.floor += time_for(served.floor, served.len);
        }
        if served.cap.get() > 0 {
            // Service is never exactly on time: a block of slack keeps a cap from being a
            // little less than it says.
            let oldest = instant(now).saturating_sub(time_for(served.cap, largest));
            standing.cap = standing.cap.max(oldest) + time_for(served.cap, served.len);
        }
        if let Some(&(head, ())) = self.queues.head(flow) {
            self.place(head, now);
        } else {
            self.leave(flow);
        }
        Some(served)
    }

    /// Time as the floors have it.
    fn floor_clock(&self, now: Time) -> Instant {
        instant(now).saturating_sub(self.lost)
    }

    fn leave(&mut self, flow: FlowId) {
        self.due.remove(flow);
        self.sharing.remove(flow);
        self.capped.remove(flow);
    }

    /// Ends the busy period if nothing is queued and nothing on the link.
    fn rest(&mut self) {
        if self.queues.len() == 0 && self.on_link == 0 {
            self.clock = self.clock.max(self.latest);
        }
    }
}

impl Discipline for Mclock {
    fn enqueue(&mut self, ticket: Ticket, now: Time) {
        if !self.queues.push(ticket, ()) {
            return;
        }
        // A flow that was idle has saved nothing up.
        let now_of_floors = self.floor_clock(now);
        let standing = row(&mut self.flows, ticket.flow, Standing::default());
        standing.floor = standing.floor.max(now_of_floors);
        self.place(ticket, now);
    }

    fn dequeue(&mut self, now: Time) -> Option<Ticket> {
        self.admit(now);
        if let Some(((due, _), flow)) = self.due.first()
            && due <= self.floor_clock(now)
        {
            // Nobody is further behind than this one. To clip each flow's own lag instead would
            // make all of them level, and serve them alike instead of in proportion.
            let behind = self.floor_clock(now) - due;
            self.lost += behind.saturating_sub(span(CATCH_UP));
            return self.serve(flow, Account::Floor, now);
        }
        let (_, flow) = self.sharing.first()?;
        self.serve(flow, Account::Share, now)
    }

    fn take(&mut self, flow: FlowId, now: Time) -> Option<Ticket> {
        self.serve(flow, Account::Floor, now)
    }

    fn sent(&mut self, _flow: FlowId) {
        self.on_link = self.on_link.saturating_sub(1);
        self.rest();
    }

    fn purge(&mut self, flow: FlowId) {
        if self.queues.clear(flow) {
            self.leave(flow);
            self.rest();
        }
    }

    fn retire(&mut self, flow: FlowId) {
        self.purge(flow);
        if let Some(standing) = self.flows.get_mut(flow.index()) {
            *standing = Standing::default();
        }
    }

    fn ready_at(&self, now: Time) -> Option<Time> {
        if !self.sharing.is_empty() {
            return Some(now);
        }
        let due = self.due.first().map(|((due, _), _)| due + self.lost);
        let below = self.capped.first().map(|((from, _), _)| from);
        let first = due.into_iter().chain(below).min()?;
        Some(now.max(first_nanosecond(first)))
    }
}

fn instant(time: Time) -> Instant {
    Instant::from(time.as_nanos()) << FRACTION_BITS
}

fn span(span: Span) -> Instant {
    Instant::from(span.as_nanos()) << FRACTION_BITS
}

/// The first whole nanosecond that is not before `instant`.
fn first_nanosecond(instant: Instant) -> Time {
    let nanos = instant.div_ceil(1 << FRACTION_BITS);
    Time::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// How long `len` bytes take at `rate`, rounded up; the rate is not zero.
fn time_for(rate: Rate, len: ByteCount) -> Instant {
    // 2^64 x 10^9 x 2^20 is less than 2^114.
    let scaled = (u128::from(len.get()) * 1_000_000_000) << FRACTION_BITS;
    scaled.div_ceil(u128::from(rate.get()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::units::Weight;

    const LARGEST: ByteCount = ByteCount::new(1_000);

    fn mclock() -> Mclock {
        Mclock::new(&Params::new(LARGEST))
    }

    fn ticket(flow: u32, floor: u64, cap: u64) -> Ticket {
        Ticket {
            floor: Rate::new(floor),
            cap: Rate::new(cap),
            ..Ticket::new(FlowId(flow), Weight::ONE, LARGEST)
        }
    }

    // 1,000 bytes at 1 MB/s are a millisecond; one block of slack, then one per millisecond.
    #[test]
    fn a_flow_at_its_cap_makes_the_link_wait_exactly_as_long_as_needed() {
        let mut mclock = mclock();
        let start = Time::ZERO + Span::SECOND;
        for _ in 0..4 {
            mclock.enqueue(ticket(0, 0, 1_000_000), start);
        }
        assert!(mclock.dequeue(start).is_some());
        assert_eq!(mclock.ready_at(start), Some(start));
        assert!(mclock.dequeue(start).is_some());
        let ready = start + Span::from_millis(1);
        assert_eq!(mclock.ready_at(start), Some(ready));
        assert_eq!(mclock.dequeue(start), None);
        assert!(mclock.dequeue(ready).is_some());
        assert_eq!(mclock.dequeue(ready), None);
    }

    // A purge forgets the queue and not the cap.
    #[test]
    fn leaving_does_not_refill_a_cap() {
        let mut mclock = mclock();
        for _ in 0..3 {
            mclock.enqueue(ticket(0, 0, 1_000), Time::ZERO);
        }
        while mclock.dequeue(Time::ZERO).is_some() {}
        mclock.purge(FlowId(0));
        assert_eq!(mclock.ready_at(Time::ZERO), None);
        mclock.enqueue(ticket(0, 0, 1_000), Time::ZERO);
        assert_eq!(mclock.dequeue(Time::ZERO), None);
    }

    // Fifty flows of equal weight on 1 MB/s: a fiftieth is 20 kB/s, and flow 0 has 300 kB/s.
    #[test]
    fn a_floor_holds_against_many() {
        let mut mclock = mclock();
        let rate = |flow| if flow == 0 { 300_000 } else { 0 };
        for flow in (0..50).chain(0..50) {
            mclock.enqueue(ticket(flow, rate(flow), 0), Time::ZERO);
        }
        let mut served = 0_u64;
        for millis in 0..10_000 {
            let now = Time::ZERO + Span::from_millis(millis);
            let ticket = mclock.dequeue(now).unwrap();
            served += u64::from(ticket.flow == FlowId(0));
            mclock.enqueue(ticket, now);
        }
        assert!(served.abs_diff(3_000) <= 2, "{served}");
    }

    /// Blocks of flow 0 among `blocks` that leave one a millisecond from second `from` on.
    fn served_of_first(mclock: &mut Mclock, from: u64, blocks: u64) -> u64 {
        let mut served = 0;
        for millis in 0..blocks {
            let now = Time::ZERO + Span::from_secs(from) + Span::from_millis(millis);
            let ticket = mclock.dequeue(now).unwrap();
            served += u64::from(ticket.flow == FlowId(0));
            mclock.enqueue(ticket, now);
            mclock.sent(ticket.flow);
        }
        served
    }

    /// Flow 0 with a floor of 200 kB/s on 1 MB/s, and nine others: a share would be 100 kB/s.
    fn ten_of_whom_one_has_a_floor(first: u32) -> impl Iterator<Item = Ticket> {
        (first..10).map(|flow| ticket(flow, if flow == 0 { 200_000 } else { 0 }, 0))
    }

    // For ten seconds it asks for nothing: its floor has not gathered meanwhile.
    /// Register: F7.
    #[test]
    fn a_floor_saves_nothing_up_while_its_flow_is_idle() {
        let mut mclock = mclock();
        for ticket in ten_of_whom_one_has_a_floor(1) {
            mclock.enqueue(ticket, Time::ZERO);
        }
        assert_eq!(served_of_first(&mut mclock, 0, 10_000), 0);
        let begins = Time::ZERO + Span::from_secs(10);
        mclock.enqueue(ten_of_whom_one_has_a_floor(0).next().unwrap(), begins);
        let served = served_of_first(&mut mclock, 10, 1_000);
        assert!(served.abs_diff(200) <= 2, "{served}");
    }

    // Alone it has the whole link for ten seconds, by its share. That pays for no floor: when the
    // others come, the floor is kept at once.
    #[test]
    fn what_a_flow_has_by_its_share_is_not_charged_to_its_floor() {
        let mut mclock = mclock();
        mclock.enqueue(ten_of_whom_one_has_a_floor(0).next().unwrap(), Time::ZERO);
        assert_eq!(served_of_first(&mut mclock, 0, 10_000), 10_000);
        let come = Time::ZERO + Span::from_secs(10);
        for ticket in ten_of_whom_one_has_a_floor(1) {
            mclock.enqueue(ticket, come);
        }
        let served = served_of_first(&mut mclock, 10, 1_000);
        assert!((198..=202).contains(&served), "{served}");
    }

    // Floors of 12 and 8 MB/s on a link of 10 MB/s, for a minute: 6 and 4.
    #[test]
    fn floors_that_do_not_fit_are_scaled_in_proportion() {
        let mut mclock = mclock();
        let rates = [12_000_000, 8_000_000];
        for flow in [0, 1, 0, 1] {
            mclock.enqueue(ticket(flow, rates[flow as usize], 0), Time::ZERO);
        }
        let mut served = [0_u64; 2];
        for tenths in 0..600_000 {
            let now = Time::ZERO + Span::from_micros(tenths * 100);
            let ticket = mclock.dequeue(now).unwrap();
            served[ticket.flow.index()] += 1;
            mclock.enqueue(ticket, now);
            mclock.sent(ticket.flow);
        }
        assert!(served[0].abs_diff(360_000) <= 10, "{served:?}");
    }

    proptest! {
        // However the link's rate varies, and whoever else sends.
        #[test]
        fn no_interval_exceeds_a_cap(
            waits in prop::collection::vec(0_u64..3_000_000, 10..200),
            cap in 1_000_u64..5_000_000,
            others in 0_u32..3,
        ) {
            let mut mclock = mclock();
            let mut sent: Vec<(Time, u64)> = Vec::new();
            let mut now = Time::ZERO;
            for flow in (0..=others).chain(0..=others) {
                mclock.enqueue(ticket(flow, 0, if flow == 0 { cap } else { 0 }), now);
            }
            for wait in waits {
                now = now + Span::from_nanos(wait);
                if let Some(ticket) = mclock.dequeue(now) {
                    if ticket.flow == FlowId(0) {
                        sent.push((now, ticket.len.get()));
                    }
                    mclock.enqueue(ticket, now);
                }
            }
            for (at, &(from, _)) in sent.iter().enumerate() {
                let mut bytes = 0;
                for &(to, len) in &sent[at..] {
                    bytes += len;
                    let allowed = Rate::new(cap).bytes_in(to - from).get() + 2 * LARGEST.get();
                    prop_assert!(bytes <= allowed, "{bytes} bytes, {allowed} allowed");
                }
            }
        }
    }
}
