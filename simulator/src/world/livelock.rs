//! Tells an instant that never ends from one in which much happens.
//!
//! The events of an instant come in rounds: the first is what was planned before the instant
//! began, and each further round is what the events of the one before it have caused. A million
//! joins are one round, and what they lead to without time moving is a few more: a handshake, a
//! request, a refusal. Events that cause each other for ever make rounds without end. Only bytes
//! that move make long instants honest, where a link without a rate and without a delay carries
//! a whole content at once; so rounds are counted since bytes moved last, and an instant in which
//! more has moved than anybody wants is given no further credit for it.

use fairhaul_core::units::ByteCount;

use crate::setup::Setup;

/// Rounds of one instant without a byte moving before the run counts as stuck (limit L13).
/// What a message leads to at once ends after some ten rounds.
pub(super) const ROUNDS_MAX: u32 = 10_000;

/// The rounds of the present instant.
#[derive(Debug)]
pub(super) struct Livelock {
    /// Bytes that may leave and arrive in a run without any of them being of no use.
    wanted: ByteCount,
    /// What is left of them at this instant.
    credit: ByteCount,
    /// Events of this round that are still to come.
    left: usize,
    /// Rounds since a byte moved.
    rounds: u32,
}

impl Livelock {
    pub(super) fn new(setup: &Setup) -> Self {
        let contents = setup.contents.iter();
        let contents =
            contents.map(|row| row.bytes.get().saturating_mul(row.leechers.len() as u64));
        let transfers = setup.transfers.iter().map(|row| row.bytes.get());
        let bytes = contents.chain(transfers).fold(0, u64::saturating_add);
        // Each byte is told of twice: when it has left and when it has arrived.
        Self::of(ByteCount::new(bytes.saturating_mul(2)))
    }

    const fn of(wanted: ByteCount) -> Self {
        Self {
            wanted,
            credit: wanted,
            left: 0,
            rounds: 0,
        }
    }

    /// An event was taken from the queue, in which `more` wait for the same instant. False if
    /// this instant has gone on for too long.
    pub(super) fn goes_on(&mut self, is_new_instant: bool, more: usize) -> bool {
        if is_new_instant {
            *self = Self::of(self.wanted);
            self.left = more;
        } else if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
        } else {
            // Events of one instant leave in the order they came: all that wait were caused by
            // the round that is over.
            self.left = more;
            self.rounds += 1;
        }
        self.rounds <= ROUNDS_MAX
    }

    /// `len` bytes have left or arrived.
    pub(super) fn moved(&mut self, len: ByteCount) {
        if len <= self.credit {
            self.credit -= len;
            self.rounds = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Events of an instant as a queue holds them; each causes as many as it says.
    fn lasts(guard: &mut Livelock, first: u32, mut causes: impl FnMut(u32) -> bool) -> u32 {
        let (mut waiting, mut events) = (first as usize, 0_u32);
        while waiting > 0 {
            waiting -= 1;
            if !guard.goes_on(events == 0, waiting) {
                return events;
            }
            events += 1;
            waiting += usize::from(causes(events));
        }
        u32::MAX
    }

    /// Ten million events that were planned cause one more each, and those nothing.
    #[test]
    fn any_number_of_events_that_were_planned_is_no_livelock() {
        let mut guard = Livelock::of(ByteCount::ZERO);
        let planned = 10_000_000;
        let ended = lasts(&mut guard, planned, |event| event <= planned);
        assert_eq!(ended, u32::MAX);
    }

    /// Each event causes one: alone, among a thousand, and after a million that were planned.
    #[test]
    fn events_that_cause_each_other_for_ever_are_found_within_the_rounds() {
        for (planned, alive) in [(1, 1), (1_000, 1_000), (1_000_000, 3)] {
            let mut guard = Livelock::of(ByteCount::mib(1));
            let rest = planned - alive;
            let ended = lasts(&mut guard, planned, |event| event > rest);
            let most = planned + alive * (ROUNDS_MAX + 1);
            assert!(ended <= most, "{ended} of {most}");
        }
    }

    /// A hundred thousand blocks go one after the other without time moving, as many as are
    /// wanted; then they go round in circles.
    #[test]
    fn bytes_that_somebody_wants_make_an_instant_as_long_as_they_are() {
        let block = ByteCount::kib(16);
        let blocks = 100_000;
        let mut guard = Livelock::of(ByteCount::new(blocks * block.get()));
        for event in 0..blocks {
            assert!(guard.goes_on(event == 0, 0));
            guard.moved(block);
        }
        let more = (0..2 * u64::from(ROUNDS_MAX)).take_while(|_| {
            let goes_on = guard.goes_on(false, 0);
            guard.moved(block);
            goes_on
        });
        assert_eq!(more.count(), ROUNDS_MAX as usize);
    }

    #[test]
    fn the_next_instant_begins_anew() {
        let mut guard = Livelock::of(ByteCount::ZERO);
        for event in 0..100 * ROUNDS_MAX {
            assert!(guard.goes_on(event.is_multiple_of(ROUNDS_MAX), 0));
        }
    }
}
