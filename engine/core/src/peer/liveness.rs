//! When a peer last sent a message, delivered a block, or took one.
//!
//! From these times it tells whether the peer is silent, slow or stuck.

use crate::time::{Span, Time};
use crate::units::{ByteCount, Rate};

/// The times of one connection.
#[derive(Debug)]
pub(crate) struct Pulse {
    /// Its last message, or the last byte of ours that it took.
    heard: Time,
    pinged: Time,
    /// When it last took a block, or was given one while it had none to take.
    took: Time,
    /// Bytes that it was given and has not taken.
    given: ByteCount,
    /// What came since when, while it owed us something all the time.
    since: Time,
    came: ByteCount,
}

impl Pulse {
    pub(crate) const fn new(now: Time) -> Self {
        Self {
            heard: now,
            pinged: now,
            took: now,
            given: ByteCount::ZERO,
            since: now,
            came: ByteCount::ZERO,
        }
    }

    /// Forgets all times: this node itself was suspended.
    pub(crate) const fn restart(&mut self, now: Time) {
        *self = Self {
            given: self.given,
            ..Self::new(now)
        };
    }

    /// It said something.
    pub(crate) const fn hears(&mut self, now: Time) {
        self.heard = now;
    }

    /// When it last said or took something.
    pub(crate) const fn heard(&self) -> Time {
        self.heard
    }

    /// A block is on its way to it.
    pub(crate) fn gives(&mut self, len: ByteCount, now: Time) {
        if self.given == ByteCount::ZERO {
            self.took = now;
        }
        self.given = self.given.saturating_add(len);
    }

    /// It took a block of ours, or a part of one.
    pub(crate) const fn takes(&mut self, len: ByteCount, now: Time) {
        self.given = self.given.saturating_sub(len);
        self.took = now;
        self.heard = now;
    }

    /// A block of its came.
    pub(crate) const fn receives(&mut self, len: ByteCount) {
        self.came = self.came.saturating_add(len);
    }

    /// Whether it has taken nothing of what it was given for `after`.
    pub(crate) fn is_stuck(&self, after: Span, now: Time) -> bool {
        self.given > ByteCount::ZERO && now.since(self.took) >= after
    }

    /// Whether it has said nothing for `after`.
    pub(crate) fn is_silent(&self, after: Span, now: Time) -> bool {
        now.since(self.heard) >= after
    }

    /// Whether to ask for a sign of life, once in each `every` of silence.
    pub(crate) fn wants_ping(&mut self, every: Span, now: Time) -> bool {
        let due = now.since(self.heard.max(self.pinged)) >= every;
        if due {
            self.pinged = now;
        }
        due
    }

    /// Whether it sent at less than `rate` over the last `over`, all of which it owed us
    /// something. To be asked often.
    pub(crate) fn is_slow(&mut self, owes: bool, (rate, over): (Rate, Span), now: Time) -> bool {
        let whole = now.since(self.since) >= over;
        if owes && !whole {
            return false;
        }
        let slow = owes && self.came < rate.bytes_in(over);
        self.since = now;
        self.came = ByteCount::ZERO;
        slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Time {
        Time::ZERO + Span::from_secs(secs)
    }

    const MINUTE: Span = Span::from_secs(60);
    const FEW: ByteCount = ByteCount::new(5);

    /// Register: C6, F9.
    #[test]
    fn only_who_was_given_something_can_be_stuck_and_any_byte_frees_it() {
        let mut pulse = Pulse::new(at(0));
        assert!(!pulse.is_stuck(MINUTE, at(100)));
        pulse.gives(FEW, at(100));
        pulse.gives(FEW, at(130));
        assert!(!pulse.is_stuck(MINUTE, at(159)));
        assert!(pulse.is_stuck(MINUTE, at(160)));
        pulse.takes(ByteCount::new(1), at(160));
        assert!(!pulse.is_stuck(MINUTE, at(219)));
        assert!(pulse.is_stuck(MINUTE, at(220)));
        pulse.takes(ByteCount::new(9), at(220));
        assert!(!pulse.is_stuck(MINUTE, at(999)));
    }

    /// 1 KiB/s over 30 s are 30 KiB.
    ///
    /// Register: D9.
    #[test]
    fn a_drip_is_slow_only_after_it_owed_for_the_whole_span() {
        let least = (Rate::new(1_024), Span::from_secs(30));
        let mut pulse = Pulse::new(at(0));
        // It owes nothing before 10 s.
        for secs in 0..=10 {
            assert!(!pulse.is_slow(false, least, at(secs)));
        }
        for secs in 11..40 {
            pulse.receives(ByteCount::new(1));
            assert!(!pulse.is_slow(true, least, at(secs)), "{secs}");
        }
        assert!(pulse.is_slow(true, least, at(40)));
        pulse.receives(ByteCount::kib(30));
        assert!(!pulse.is_slow(true, least, at(70)));
        assert!(pulse.is_slow(true, least, at(100)));
    }

    #[test]
    fn silence_is_pinged_once_in_each_span_and_ends_with_any_word() {
        let mut pulse = Pulse::new(at(0));
        let every = Span::from_secs(30);
        let pings = (0..120).filter(|secs| pulse.wants_ping(every, at(*secs)));
        assert_eq!(pings.collect::<Vec<_>>(), [30, 60, 90]);
        assert!(pulse.is_silent(Span::from_secs(120), at(120)));
        pulse.hears(at(120));
        assert!(!pulse.is_silent(Span::from_secs(120), at(239)));
    }
}
