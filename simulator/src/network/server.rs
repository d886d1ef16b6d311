//! One link that serves one transmission at a time.
//!
//! Contract:  services do not overlap, so the bytes whose service ends in an interval are at
//!            most capacity × interval + one transmission (+ one nanosecond's worth, because
//!            ends are told in whole nanoseconds, rounded up).
//!            Back to back, n transmissions take the time of their sum, rounded up once: what
//!            the last nanosecond of one does not need is the next one's.
//! Cut-through: a service may begin when the first byte has come and cannot end before the
//!            last has. A block that trickled in slower than the link ends as its last byte
//!            comes; one that came faster than the link takes the link's time from its first.

use fairhaul_core::time::{Span, Time};
use fairhaul_core::units::{ByteCount, Rate};

use super::HORIZON;

/// Nanoseconds in a second: work is counted in bytes × 10^9, so that a rate serves `rate` units
/// of it in a nanosecond.
const UNIT: u128 = 1_000_000_000;

/// A link's capacity, how far it is used, and an independent meter of what it carried.
#[derive(Debug)]
pub(super) struct Server {
    rate: Option<Rate>,
    /// When the last service ended, or the present one will if nothing changes.
    end: Time,
    /// Work that the link could have done before `end` and after its service's exact end.
    slack: u64,
    /// The present service: when it began, and its work.
    start: Time,
    work: u128,
    meter: Meter,
}

impl Server {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self {
            rate,
            end: Time::ZERO,
            slack: 0,
            start: Time::ZERO,
            work: 0,
            meter: Meter::default(),
        }
    }

    /// Bytes per second; none if it is unlimited.
    pub(super) fn rate(&self) -> Option<Rate> {
        self.rate
    }

    /// Begins the service of `bytes`, the first of which came at `first` and the last at or
    /// before `now`. Gives its end; none if that is beyond the horizon at this rate.
    pub(super) fn begin(&mut self, bytes: ByteCount, first: Time, now: Time) -> Option<Time> {
        let work = u128::from(bytes.get()) * UNIT;
        if self.end < first {
            self.slack = 0;
        }
        self.start = self.end.max(first);
        let saved = self.slack.min(u64::try_from(work).unwrap_or(u64::MAX));
        self.work = work - u128::from(saved);
        self.slack -= saved;
        self.schedule(now)
    }

    /// Changes the rate under the present service, if `serving`. Gives its new end.
    pub(super) fn set_rate(
        &mut self,
        rate: Option<Rate>,
        serving: bool,
        now: Time,
    ) -> Option<Time> {
        self.meter.drain(self.rate, now);
        if serving {
            let done = self
                .rate
                .map_or(self.work, |rate| work_in(rate, self.start, now));
            self.work = self.work.saturating_sub(done);
            self.start = now;
        }
        self.slack = 0;
        self.rate = rate;
        if serving {
            return self.schedule(now);
        }
        // What trickles in now counts from here: before, the link had another rate.
        self.end = self.end.max(now);
        None
    }

    /// Ends the present service, as announced.
    pub(super) fn finish(&mut self, bytes: ByteCount, now: Time) {
        debug_assert_eq!(self.end, now, "a service ends when it was announced");
        self.meter.record(bytes, self.rate, now);
    }

    /// When the present service, or the last one, began.
    pub(super) fn started(&self) -> Time {
        self.start
    }

    /// Gives up the present service; the link is free from `now` on.
    pub(super) fn abandon(&mut self, now: Time) {
        self.end = now;
        self.slack = 0;
    }

    /// Whether more than the capacity was carried, and when that was first seen.
    pub(super) fn over_capacity(&self) -> Option<Time> {
        self.meter.over
    }

    fn schedule(&mut self, now: Time) -> Option<Time> {
        let Some(rate) = self.rate else {
            self.end = self.start.max(now);
            self.slack = 0;
            return Some(self.end);
        };
        let Some((nanos, slack)) = time_of(self.work, rate) else {
            self.end = Time::MAX;
            return None;
        };
        let end = self.start.saturating_add(Span::from_nanos(nanos));
        (self.end, self.slack) = if end < now {
            (now, 0)
        } else {
            (end, self.slack + slack)
        };
        (self.end <= HORIZON).then_some(self.end)
    }
}

/// Whole nanoseconds for `work`, and what the last one could do beyond it.
fn time_of(work: u128, rate: Rate) -> Option<(u64, u64)> {
    if work == 0 {
        return Some((0, 0));
    }
    let rate = rate.get();
    if rate == 0 {
        return None;
    }
    // A 64-bit division is several times faster, and nearly all are.
    if let Ok(work) = u64::try_from(work) {
        let (whole, part) = (work / rate, work % rate);
        return Some(if part == 0 {
            (whole, 0)
        } else {
            (whole + 1, rate - part)
        });
    }
    let nanos = u64::try_from(work.div_ceil(u128::from(rate))).ok()?;
    let slack = u128::from(nanos) * u128::from(rate) - work;
    Some((nanos, u64::try_from(slack).expect("less than the rate")))
}

fn work_in(rate: Rate, from: Time, to: Time) -> u128 {
    u128::from(rate.get()) * u128::from(to.since(from).as_nanos())
}

/// A leaky bucket beside the server, which knows nothing of services: it fills by the bytes of
/// every transmission as it ends and drains at the rate. It never holds more than the largest
/// transmission and one nanosecond's worth exactly if no interval carried more.
#[derive(Debug, Default)]
struct Meter {
    level: u128,
    largest: ByteCount,
    fastest: Rate,
    at: Time,
    over: Option<Time>,
}

impl Meter {
    fn drain(&mut self, rate: Option<Rate>, now: Time) {
        self.level = rate.map_or(0, |rate| {
            self.fastest = self.fastest.max(rate);
            self.level.saturating_sub(work_in(rate, self.at, now))
        });
        self.at = now;
    }

    fn record(&mut self, bytes: ByteCount, rate: Option<Rate>, now: Time) {
        self.drain(rate, now);
        if rate.is_none() {
            return;
        }
        self.level += u128::from(bytes.get()) * UNIT;
        self.largest = self.largest.max(bytes);
        let bound = u128::from(self.largest.get()) * UNIT + u128::from(self.fastest.get());
        if self.over.is_none() && self.level > bound {
            self.over = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    fn serve(server: &mut Server, bytes: u64, first: Time, now: Time) -> Time {
        let end = server.begin(ByteCount::new(bytes), first, now).unwrap();
        server.finish(ByteCount::new(bytes), end);
        end
    }

    /// 3 B/s: one byte takes 333,333,333.3 ns. Three bytes back to back take a second.
    #[test]
    fn back_to_back_the_remainder_is_carried() {
        let mut server = Server::new(Some(Rate::new(3)));
        let mut now = at(0);
        let ends: Vec<u64> = (0..6)
            .map(|_| {
                now = serve(&mut server, 1, now, now);
                now.as_nanos()
            })
            .collect();
        assert_eq!(
            ends,
            [
                333_333_334,
                666_666_667,
                1_000_000_000,
                1_333_333_334,
                1_666_666_667,
                2_000_000_000
            ]
        );
    }

    /// 1 Tbit/s moves 125 bytes in a nanosecond: a million single bytes take 8,000 ns.
    #[test]
    fn many_transmissions_in_one_nanosecond_keep_the_rate() {
        let mut server = Server::new(Some(Rate::new(125_000_000_000)));
        let mut now = at(0);
        for _ in 0..1_000_000 {
            now = serve(&mut server, 1, now, now);
        }
        assert_eq!(now, at(8_000));
        assert_eq!(server.over_capacity(), None);
    }

    #[test]
    fn what_trickles_in_ends_with_its_last_byte() {
        let mut server = Server::new(Some(Rate::new(1_000_000_000)));
        assert_eq!(serve(&mut server, 100, at(0), at(500)), at(500));
        // It came in no time, so the link's own time counts from its first byte.
        assert_eq!(serve(&mut server, 100, at(550), at(560)), at(650));
        // The link is busy until 650, whenever the first byte came.
        assert_eq!(serve(&mut server, 100, at(0), at(650)), at(750));
    }

    #[test]
    fn a_service_beyond_the_horizon_has_no_end() {
        let mut server = Server::new(Some(Rate::new(1)));
        let century = ByteCount::new(3_155_760_000);
        assert_eq!(server.begin(century, at(0), at(0)), Some(HORIZON));
        let mut server = Server::new(Some(Rate::new(1)));
        assert_eq!(
            server.begin(ByteCount::new(3_155_760_001), at(0), at(0)),
            None
        );
        let mut server = Server::new(Some(Rate::new(0)));
        assert_eq!(server.begin(ByteCount::new(1), at(0), at(0)), None);
        assert_eq!(
            server.set_rate(Some(Rate::new(1_000)), true, at(7)),
            Some(at(1_000_007))
        );
    }

    /// Half of a kilobyte at 1 kB/s, the rest at a tenth of it: 0.5 s and 5 s.
    #[test]
    fn a_change_of_rate_keeps_what_was_done() {
        let mut server = Server::new(Some(Rate::new(1_000)));
        server.begin(ByteCount::new(1_000), at(0), at(0));
        let end = server.set_rate(Some(Rate::new(100)), true, at(500_000_000));
        assert_eq!(end, Some(at(5_500_000_000)));
    }

    #[test]
    fn the_meter_sees_one_byte_too_many() {
        let rate = Some(Rate::new(1_000));
        let mut meter = Meter::default();
        meter.record(ByteCount::new(10), rate, at(0));
        meter.record(ByteCount::new(10), rate, at(10_000_000));
        assert_eq!(meter.over, None);
        meter.record(ByteCount::new(11), rate, at(20_000_000));
        assert_eq!(meter.over, None, "a larger one is let through once");
        meter.record(ByteCount::new(11), rate, at(30_000_000));
        assert_eq!(meter.over, Some(at(30_000_000)));
    }
}
