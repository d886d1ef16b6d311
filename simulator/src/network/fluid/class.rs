//! The flows that one link limits, served together.
//!
//! They all have the link's level, so one clock serves them: it counts the service that each
//! hundredth of weight has had. A flow ends when the clock reaches its tag, and a change of the
//! level touches the clock and not the flows.
//!
//! Unit:     service is counted in 2^-40 bytes × 10^-9, so that a level of one unit gives one in
//!           a nanosecond and nothing is ever rounded. What a flow has still to get when it
//!           moves to another class is exact to the unit.
//! Refuses:  a clock that could overflow: a flow is at most 2^126 units, and the clock goes
//!           back to zero, with the tags, before it reaches 2^100.

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::ByteCount;

use crate::network::HORIZON;
use crate::network::maxmin::{FRACTION_BITS, UNLIMITED};

/// The clock goes back to zero from here.
const CLOCK_MAX: u128 = 1 << 100;

/// The clock of one link's flows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Class {
    /// Service for each hundredth of weight until `since`.
    pub(super) clock: u128,
    pub(super) since: Time,
    /// The level in force since then.
    pub(super) level: u128,
    pub(super) members: u32,
    /// Whether the earliest end is to be found anew.
    pub(super) marked: bool,
}

impl Class {
    pub(super) const fn new() -> Self {
        Self {
            clock: 0,
            since: Time::ZERO,
            level: UNLIMITED,
            members: 0,
            marked: false,
        }
    }

    /// Brings the clock to `now`, which is no later than the first end by one nanosecond.
    pub(super) fn settle(&mut self, now: Time) {
        if self.members > 0 && self.level != UNLIMITED {
            let span = u128::from((now - self.since).as_nanos());
            let service = self.level.checked_mul(span);
            self.clock += service.expect("a clock stops at the end of its flows, below 2^127");
        }
        self.since = now;
    }

    /// Whether the clock should go back to zero, and by how much.
    pub(super) fn rebase(&mut self) -> Option<u128> {
        let back = self.clock;
        if self.members == 0 {
            self.clock = 0;
            return None;
        }
        (back >= CLOCK_MAX).then(|| {
            self.clock = 0;
            back
        })
    }

    /// When the clock reaches `tag`; none if that is beyond the horizon.
    pub(super) fn reaches(&self, tag: u128) -> Option<Time> {
        let left = tag.saturating_sub(self.clock);
        if left == 0 || self.level == UNLIMITED {
            return Some(self.since);
        }
        // A 64-bit division is several times faster.
        let nanos = match (u64::try_from(left), u64::try_from(self.level)) {
            (Ok(left), Ok(level)) if level > 0 => left.div_ceil(level),
            _ if self.level > 0 => u64::try_from(left.div_ceil(self.level)).ok()?,
            _ => return None,
        };
        let end = self.since.saturating_add(Span::from_nanos(nanos));
        (end <= HORIZON).then_some(end)
    }

    /// Whether a flow with this tag has ended.
    pub(super) fn has_reached(&self, tag: u128) -> bool {
        self.level == UNLIMITED || tag <= self.clock
    }
}

/// A flow's place on the clock of its class.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tag {
    /// Where the clock must be for the flow to end.
    pub(super) at: u128,
    /// What the flow would have had too much by then, less than its weight.
    over: u32,
}

impl Tag {
    /// The tag of a flow that has `left` units to get, from `clock` on.
    pub(super) fn new(left: u128, weight: u32, clock: u128) -> Self {
        let each = left.div_ceil(u128::from(weight));
        let over = each * u128::from(weight) - left;
        Self {
            at: clock + each,
            over: u32::try_from(over).expect("a remainder is below its divisor"),
        }
    }

    /// What a flow with this tag has still to get.
    pub(super) fn left(self, weight: u32, clock: u128) -> u128 {
        let each = self.at.saturating_sub(clock);
        (each * u128::from(weight)).saturating_sub(u128::from(self.over))
    }
}

/// A transmission's bytes in units of service.
pub(super) fn service(bytes: ByteCount) -> u128 {
    (u128::from(bytes.get()) * 1_000_000_000) << FRACTION_BITS
}
