//! The clock: the only file that reads one.
//!
//! Time zero is when the clock was made. It never goes back, whatever happens to the time of day.

use std::time::{Duration, Instant, SystemTime};

use fairhaul_core::time::{Span, Time};

/// The time of day, in milliseconds since 1970 (UTC); for people, never to decide anything.
#[must_use]
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    u64::try_from(millis).unwrap_or(u64::MAX)
}

/// A monotonic clock that starts at zero.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that shows zero now.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "a clock is started, not defaulted"
    )]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Time {
        let nanos = self.start.elapsed().as_nanos();
        Time::ZERO + Span::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// When it will show `time`, for sleeping until then.
    #[must_use]
    pub fn instant(&self, time: Time) -> Instant {
        let after = Duration::from_nanos(time.since(Time::ZERO).as_nanos());
        self.start.checked_add(after).unwrap_or(self.start)
    }
}
