//! Limits on the rate of events: frames, handshakes, dials, lines of a log.
//!
//! Bytes are limited elsewhere (decision 1). The buckets are governor's (the generic cell rate
//! algorithm, ITU-T I.371), driven by our time instead of its clocks.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::ops::Add;

use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use crate::time::{Span, Time};

/// Control frames of one identity in a second (limit L6).
const CONTROL_FRAMES: NonZeroU32 = NonZeroU32::new(100).expect("not zero");
/// Control frames of one identity at once (limit L6).
const CONTROL_BURST: NonZeroU32 = NonZeroU32::new(500).expect("not zero");

/// The same where all that was said in two minutes may come at once.
const CONTROL_HELD_BACK: NonZeroU32 = NonZeroU32::new(500 + 120 * 100).expect("not zero");

/// At most a number of events per second, and a burst.
///
/// ```
/// use fairhaul_core::event_limit::EventLimit;
/// use fairhaul_core::time::{Span, Time};
/// use std::num::NonZeroU32;
///
/// let two = NonZeroU32::new(2).unwrap();
/// let mut dials = EventLimit::new(two, NonZeroU32::MIN);
/// assert_eq!(dials.check(Time::ZERO), Ok(()));
/// assert_eq!(dials.check(Time::ZERO), Err(Time::ZERO + Span::from_millis(500)));
/// ```
#[derive(Debug)]
pub struct EventLimit {
    limiter: RateLimiter<NotKeyed, InMemoryState, Told, NoOpMiddleware<Time>>,
}

/// A clock that shows what it was told last.
#[derive(Debug)]
struct Told(Cell<Time>);

impl EventLimit {
    /// A limit that has seen no event yet: the first `burst` pass at once.
    #[must_use]
    pub fn new(per_second: NonZeroU32, burst: NonZeroU32) -> Self {
        let quota = Quota::per_second(per_second).allow_burst(burst);
        let clock = Told(Cell::new(Time::ZERO));
        Self {
            limiter: RateLimiter::direct_with_clock(quota, clock),
        }
    }

    /// Transfers that one peer is told of unasked: half as many as it may be told of anything.
    pub(crate) fn announcements() -> Self {
        let half = |limit: NonZeroU32| NonZeroU32::new(limit.get() / 2).unwrap_or(limit);
        Self::new(half(CONTROL_FRAMES), half(CONTROL_BURST))
    }

    /// The control frames of one identity: 100 per second, 500 at once.
    #[must_use]
    pub fn control_frames() -> Self {
        Self::new(CONTROL_FRAMES, CONTROL_BURST)
    }

    /// The same rate, for frames that a path may have held back for up to two minutes.
    pub(crate) fn control_frames_held_back() -> Self {
        Self::new(CONTROL_FRAMES, CONTROL_HELD_BACK)
    }

    /// Counts an event at `now`.
    ///
    /// # Errors
    ///
    /// The time at which it would pass. It is not counted then.
    pub fn check(&mut self, now: Time) -> Result<(), Time> {
        self.limiter.clock().0.set(now);
        let passes = self.limiter.check();
        passes.map_err(|refusal| refusal.earliest_possible())
    }
}

impl Clock for Told {
    type Instant = Time;

    fn now(&self) -> Time {
        self.0.get()
    }
}

impl Reference for Time {
    fn duration_since(&self, earlier: Self) -> Nanos {
        Nanos::from(self.since(earlier).as_nanos())
    }

    fn saturating_sub(&self, duration: Nanos) -> Self {
        let nanos = self.as_nanos().checked_sub(duration.as_u64());
        nanos.map_or(*self, Self::from_nanos)
    }
}

impl Add<Nanos> for Time {
    type Output = Self;

    fn add(self, nanos: Nanos) -> Self {
        self.saturating_add(Span::from_nanos(nanos.as_u64()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_control_frames_passes_its_burst_and_then_a_hundred_a_second() {
        let mut limit = EventLimit::control_frames();
        let mut passed = 0;
        for milli in 0..10_000 {
            let now = Time::ZERO + Span::from_millis(milli);
            passed += (0..3).filter(|_| limit.check(now).is_ok()).count();
        }
        // 500 at once, then one each 10 ms, the last at 9.99 s.
        assert_eq!(passed, 500 + 999);
    }

    #[test]
    fn a_refusal_says_when_and_then_it_passes() {
        let mut limit = EventLimit::control_frames();
        let now = Time::ZERO + Span::from_secs(7);
        let refused = (0..).find_map(|_| limit.check(now).err());
        let when = refused.expect("a burst ends");
        assert_eq!(when, now + Span::from_millis(10));
        assert!(limit.check(Time::from_nanos(when.as_nanos() - 1)).is_err());
        assert_eq!(limit.check(when), Ok(()));
    }

    #[test]
    fn eight_hours_asleep_earn_one_burst() {
        let mut limit = EventLimit::control_frames();
        while limit.check(Time::ZERO).is_ok() {}
        let late = Time::ZERO + Span::from_secs(8 * 3_600);
        let passed = (0..1_000).filter(|_| limit.check(late).is_ok()).count();
        assert_eq!(passed, 500);
    }

    #[test]
    fn a_clock_that_steps_back_neither_panics_nor_gives_more() {
        let mut limit = EventLimit::control_frames();
        let later = Time::ZERO + Span::from_secs(5);
        while limit.check(later).is_ok() {}
        assert!(limit.check(Time::ZERO).is_err());
        assert!(limit.check(later).is_err());
    }
}
