//! Who may begin a handshake, and who may stay.
//!
//! Decides by counting (limits L2 and L3): handshakes and sessions, in all and for each source,
//! and how often a source comes. Refuses a source that takes too much before it costs a
//! handshake; when nothing is left for anybody, it says to stop accepting, so that no descriptor
//! is spent and the others wait in the kernel's queue.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use super::recent::Recent;
use super::source::Source;
use crate::event_limit::EventLimit;
use crate::time::{Span, Time};
use crate::units::ByteCount;

/// From accept to the acknowledgement, in all (limit L2).
pub const HANDSHAKE: Span = Span::from_secs(10);
/// Bytes that may come before the acknowledgement (limit L2).
pub const HANDSHAKE_BYTES: ByteCount = ByteCount::kib(16);
/// Descriptors kept for files, the control socket and the log (limit L3).
pub const RESERVED: usize = 64;

/// Handshakes that one source may begin in a second, and at once: all its sessions, twice. A
/// storm of a hundred a second costs a tenth of its handshakes (register C5).
const KNOCKS: NonZeroU32 = NonZeroU32::new(10).expect("not zero");
const KNOCKS_BURST: NonZeroU32 = NonZeroU32::new(64).expect("not zero");

/// Sources whose knocks are counted.
const SOURCES_MAX: usize = 4_096;

/// How many may be there at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Handshakes in all.
    pub pending: usize,
    /// Handshakes of one source.
    pub pending_source: usize,
    /// Sessions in all.
    pub sessions: usize,
    /// Sessions and handshakes of one source.
    pub source: usize,
}

impl Default for Limits {
    /// Limits L2 and L3.
    fn default() -> Self {
        Self {
            pending: 64,
            pending_source: 4,
            sessions: 256,
            source: 32,
        }
    }
}

impl Limits {
    /// The same within what the process may open: `descriptors` in all, of which `files` are in
    /// use for contents. A quarter of the rest is for handshakes, so that sessions do not leave
    /// the door to whoever dawdles there; one handshake is always possible.
    #[must_use]
    pub fn within(self, descriptors: usize, files: usize) -> Self {
        let left = descriptors.saturating_sub(RESERVED.saturating_add(files));
        let pending = self.pending.min(left / 4).max(1);
        Self {
            sessions: self.sessions.min(left.saturating_sub(pending)).max(1),
            pending,
            ..self
        }
    }
}

/// What to do with a connection that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Begin the handshake; say later [`Admission::pass`] or [`Admission::fail`].
    Admit,
    /// Close it.
    Refuse(Refusal),
}

/// Why somebody is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There are as many handshakes as there may be.
    Handshakes,
    /// There are as many sessions as there may be.
    Sessions,
    /// This source has as many handshakes as it may.
    SourceHandshakes,
    /// This source has as many sessions as it may.
    SourceSessions,
    /// This source comes too often.
    TooOften,
}

/// The counts.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    pending: usize,
    sessions: usize,
    sources: BTreeMap<Source, Count>,
    knocks: Recent<Source, EventLimit>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    pending: usize,
    sessions: usize,
}

impl Admission {
    /// Nobody is there yet.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            pending: 0,
            sessions: 0,
            sources: BTreeMap::new(),
            knocks: Recent::new(SOURCES_MAX),
        }
    }

    /// Changes the limits. Whoever is there stays.
    pub const fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Whether to accept at all; if not, ask again after [`Self::fail`] or [`Self::leave`].
    #[must_use]
    pub const fn accepts(&self) -> bool {
        self.pending < self.limits.pending && self.sessions < self.limits.sessions
    }

    /// A connection was accepted.
    pub fn knock(&mut self, source: Source, now: Time) -> Entry {
        let count = self.sources.get(&source).copied().unwrap_or_default();
        let limits = self.limits;
        let refusal = if self.pending >= limits.pending {
            Some(Refusal::Handshakes)
        } else if self.sessions >= limits.sessions {
            Some(Refusal::Sessions)
        } else if count.pending >= limits.pending_source {
            Some(Refusal::SourceHandshakes)
        } else if count.pending + count.sessions >= limits.source {
            Some(Refusal::SourceSessions)
        } else {
            let new = || EventLimit::new(KNOCKS, KNOCKS_BURST);
            let knocks = self.knocks.touch(source, now, new);
            knocks.check(now).is_err().then_some(Refusal::TooOften)
        };
        if let Some(refusal) = refusal {
            return Entry::Refuse(refusal);
        }
        self.pending += 1;
        self.sources.entry(source).or_default().pending += 1;
        Entry::Admit
    }

    /// The handshake of an admitted connection failed or took too long.
    pub fn fail(&mut self, source: Source) {
        let Some(count) = self
            .sources
            .get_mut(&source)
            .filter(|count| count.pending > 0)
        else {
            return;
        };
        count.pending -= 1;
        self.pending -= 1;
        self.tidy(source);
    }

    /// The handshake of an admitted connection is done: it is a session from now on.
    ///
    /// # Errors
    ///
    /// The others took the last place meanwhile. The connection is no longer counted.
    pub fn pass(&mut self, source: Source) -> Result<(), Refusal> {
        self.fail(source);
        self.join(source)
    }

    /// A connection that we dialled is a session from now on.
    ///
    /// # Errors
    ///
    /// There is no place for it. It is not counted.
    pub fn join(&mut self, source: Source) -> Result<(), Refusal> {
        if self.sessions >= self.limits.sessions {
            return Err(Refusal::Sessions);
        }
        let count = self.sources.entry(source).or_default();
        if count.sessions >= self.limits.source {
            return Err(Refusal::SourceSessions);
        }
        count.sessions += 1;
        self.sessions += 1;
        Ok(())
    }

    /// A session has ended.
    pub fn leave(&mut self, source: Source) {
        let Some(count) = self
            .sources
            .get_mut(&source)
            .filter(|count| count.sessions > 0)
        else {
            return;
        };
        count.sessions -= 1;
        self.sessions -= 1;
        self.tidy(source);
    }

    /// Handshakes and sessions now.
    #[must_use]
    pub const fn counts(&self) -> (usize, usize) {
        (self.pending, self.sessions)
    }

    fn tidy(&mut self, source: Source) {
        let count = self.sources.get(&source);
        if count.is_some_and(|count| count.pending + count.sessions == 0) {
            self.sources.remove(&source);
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshakes => "too many handshakes",
            Self::Sessions => "too many sessions",
            Self::SourceHandshakes => "too many handshakes of one source",
            Self::SourceSessions => "too many sessions of one source",
            Self::TooOften => "too many connections of one source in a short time",
        })
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn source(number: u32) -> Source {
        Source::of(IpAddr::V4(Ipv4Addr::from_bits(0xc000_0000 + number)))
    }

    fn at(secs: u64) -> Time {
        Time::ZERO + Span::from_secs(secs)
    }

    /// Five hundred sockets of one source that never finish: four are borne with, and another
    /// source comes in meanwhile.
    ///
    /// Register: C1, C2.
    #[test]
    fn one_source_takes_four_handshakes_and_leaves_room_for_the_others() {
        let mut door = Admission::new(Limits::default());
        let admitted = (0..500).filter(|_| door.knock(source(1), at(0)) == Entry::Admit);
        assert_eq!(admitted.count(), 4);
        assert!(door.accepts());
        assert_eq!(door.knock(source(2), at(0)), Entry::Admit);
        assert_eq!(door.pass(source(2)), Ok(()));
        // Their ten seconds are over.
        (0..4).for_each(|_| door.fail(source(1)));
        assert_eq!(door.counts(), (0, 1));
        assert!(door.sources.len() == 1);
    }

    /// Register: C2, C3.
    #[test]
    fn when_all_handshakes_are_taken_accepting_stops_and_recovers() {
        let mut door = Admission::new(Limits::default());
        for number in 0..64 {
            assert!(door.accepts());
            assert_eq!(door.knock(source(number), at(0)), Entry::Admit);
        }
        assert!(!door.accepts());
        let late = door.knock(source(99), at(0));
        assert_eq!(late, Entry::Refuse(Refusal::Handshakes));
        door.fail(source(7));
        assert!(door.accepts());
    }

    /// 256 descriptors, of which 100 are files: 92 are left, 23 of them for handshakes.
    ///
    /// Register: C3.
    #[test]
    fn the_total_stays_within_what_the_process_may_open() {
        let limits = Limits::default().within(256, 100);
        assert_eq!((limits.sessions, limits.pending), (69, 23));
        assert!(limits.sessions + limits.pending + RESERVED + 100 <= 256);
        let limits = Limits::default().within(100_000, 100);
        assert_eq!(limits, Limits::default());
        let limits = Limits::default().within(10, 100);
        assert_eq!((limits.sessions, limits.pending), (1, 1));
        let mut door = Admission::new(Limits::default().within(256, 100));
        for number in 0..69 {
            assert_eq!(door.knock(source(number), at(0)), Entry::Admit);
            assert_eq!(door.pass(source(number)), Ok(()));
        }
        assert!(!door.accepts());
        door.leave(source(3));
        assert!(door.accepts());
    }

    /// Register: C4.
    #[test]
    fn one_source_holds_no_more_sessions_than_its_part() {
        let mut door = Admission::new(Limits::default());
        let mut passed = 0;
        for secs in 0..100 {
            if door.knock(source(1), at(secs)) == Entry::Admit {
                passed += u32::from(door.pass(source(1)).is_ok());
            }
        }
        assert_eq!(passed, 32);
        let dialled = door.join(source(1));
        assert_eq!(dialled, Err(Refusal::SourceSessions));
        door.leave(source(1));
        assert_eq!(door.join(source(1)), Ok(()));
    }

    /// A hundred connections a second for a minute, each of which ends at once.
    ///
    /// Register: C5.
    #[test]
    fn a_storm_of_one_source_costs_ten_handshakes_a_second() {
        let mut door = Admission::new(Limits::default());
        let mut begun = 0;
        for tick in 0..6_000 {
            let now = Time::ZERO + Span::from_millis(10 * tick);
            if door.knock(source(1), now) == Entry::Admit {
                begun += 1;
                door.fail(source(1));
            }
        }
        assert!((600..=664).contains(&begun), "{begun}");
        let late = door.knock(source(1), at(3_600));
        assert_eq!(late, Entry::Admit);
    }

    #[test]
    fn ends_that_never_began_change_nothing() {
        let mut door = Admission::new(Limits::default());
        door.fail(source(1));
        door.leave(source(1));
        assert_eq!(door.counts(), (0, 0));
    }
}
