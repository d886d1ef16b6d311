//! Token bucket: how many bytes may pass, in exact integers.
//!
//! It answers *when*, never *no*: [`TokenBucket::ready_at`] has a time for any cost. Nothing is
//! rounded: the level is kept in billionths of a byte, in which a rate of bytes per second gains a
//! whole number each nanosecond, so no remainder is ever dropped.
//!
//! Source:    the leaky bucket as a meter, ITU-T I.371; state and contract as in `tc-tbf`.
//! Contract:  if every cost is spent no earlier than its `ready_at`, then over every interval
//!            `sent(t1, t2) <= max(burst, largest cost) + rate * (t2 - t1)`, in exact
//!            integers, at 1 B/s as at 10 GB/s. With no cost above the burst that is
//!            `burst + rate * (t2 - t1)`, and the level stays in `0..=burst`.
//! Cost:      one multiplication of two 64-bit numbers to advance, one division to say when.
//! Drawbacks: 64 bytes of state where the virtual scheduling form (GCRA) needs one timestamp;
//!            that form has to round its time per byte, which is what this one is for.
//! Departs:   a cost above the burst waits for a full bucket and leaves it in debt, which
//!            later costs wait out; a change of rate keeps level and debt.

use crate::time::{Span, Time};
use crate::units::{ByteCount, Rate};

/// Level units in a byte: a rate of 1 B/s gains one unit each nanosecond.
const UNITS_PER_BYTE: u64 = 1_000_000_000;

/// Bytes that may pass now, and the rate at which more become free.
///
/// ```
/// use fairhaul_core::time::{Span, Time};
/// use fairhaul_core::token_bucket::TokenBucket;
/// use fairhaul_core::units::{ByteCount, Rate};
///
/// let mut bucket = TokenBucket::full(Rate::new(1_000), ByteCount::new(500), Time::ZERO);
/// bucket.spend(ByteCount::new(500), Time::ZERO);
/// let next = bucket.ready_at(ByteCount::new(100), Time::ZERO);
/// assert_eq!(next, Time::ZERO + Span::from_millis(100));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    rate: u64,
    burst: u64,
    /// In units of 1e-9 bytes at `since`; below zero is debt.
    level: i128,
    since: Time,
}

impl TokenBucket {
    /// A bucket that starts with a whole `burst` at `now`.
    #[must_use]
    pub fn full(rate: Rate, burst: ByteCount, now: Time) -> Self {
        Self {
            level: units(burst.get()),
            ..Self::empty(rate, burst, now)
        }
    }

    /// A bucket that starts with nothing at `now`.
    #[must_use]
    pub const fn empty(rate: Rate, burst: ByteCount, now: Time) -> Self {
        Self {
            rate: rate.get(),
            burst: burst.get(),
            level: 0,
            since: now,
        }
    }

    /// Bytes per second.
    #[must_use]
    pub const fn rate(&self) -> Rate {
        Rate::new(self.rate)
    }

    /// The depth, in bytes.
    #[must_use]
    pub const fn burst(&self) -> ByteCount {
        ByteCount::new(self.burst)
    }

    /// Whole bytes that could pass at `now`; zero in debt.
    #[must_use]
    pub fn available(&self, now: Time) -> ByteCount {
        let whole = self.level_at(now) / i128::from(UNITS_PER_BYTE);
        ByteCount::new(u64::try_from(whole.max(0)).expect("at most the burst"))
    }

    /// The first time, not before `now`, at which `cost` may be spent.
    ///
    /// A cost above the burst may be spent when the bucket is full. At rate zero, what is not
    /// free at once is never free: [`Time::MAX`].
    #[must_use]
    pub fn ready_at(&self, cost: ByteCount, now: Time) -> Time {
        let missing = units(cost.get().min(self.burst)) - self.level_at(now);
        let Ok(missing) = u128::try_from(missing) else {
            return now;
        };
        if missing == 0 {
            return now;
        }
        if self.rate == 0 {
            return Time::MAX;
        }
        let nanos = missing.div_ceil(u128::from(self.rate));
        // A clock that stepped back is taken to stand still until it has caught up.
        now.max(self.since)
            .saturating_add(Span::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }

    /// Takes `cost` at `now`. The contract holds for who waited for [`Self::ready_at`]; who
    /// did not leaves a debt that the next cost waits out.
    pub fn spend(&mut self, cost: ByteCount, now: Time) {
        self.advance(now);
        self.level = self.level.saturating_sub(units(cost.get()));
    }

    /// Takes `cost` at `now`, but no more than leaves a debt of `deepest`.
    pub(crate) fn spend_down_to(&mut self, cost: ByteCount, deepest: ByteCount, now: Time) {
        self.advance(now);
        let least = self.level.min(-units(deepest.get()));
        self.level = self.level.saturating_sub(units(cost.get())).max(least);
    }

    /// Forgets what is above `level` at `now`.
    pub fn clip(&mut self, level: ByteCount, now: Time) {
        self.advance(now);
        self.level = self.level.min(units(level.get()));
    }

    /// Changes rate and burst at `now`. Level and debt are kept, except for what is above the
    /// new burst: a new quota neither starts full nor forgives.
    pub fn set_rate(&mut self, rate: Rate, burst: ByteCount, now: Time) {
        self.advance(now);
        self.rate = rate.get();
        self.burst = burst.get();
        self.level = self.level.min(units(self.burst));
    }

    fn advance(&mut self, now: Time) {
        self.level = self.level_at(now);
        self.since = self.since.max(now);
    }

    /// The level at `now`, or at the last known time if that is later. However long the gap,
    /// at most the burst.
    fn level_at(&self, now: Time) -> i128 {
        let room = u128::try_from(units(self.burst) - self.level).expect("never above the burst");
        let gain = u128::from(self.rate) * u128::from(now.since(self.since).as_nanos());
        self.level + i128::try_from(gain.min(room)).expect("room comes from an i128")
    }
}

/// `bytes` in units of the level: at most 2^94.
fn units(bytes: u64) -> i128 {
    i128::from(bytes) * i128::from(UNITS_PER_BYTE)
}

#[cfg(test)]
mod tests;
