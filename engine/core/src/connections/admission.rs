//! Admission of incoming connections: to a handshake, and then to a session (limits L2 and L3).
//!
//! Handshakes are counted by source and by network, and a source that connects too often is refused
//! before it costs a handshake. Sources of listed peers have slots of their own, which strangers
//! cannot take. When the strangers' slots are full, a newcomer replaces the oldest handshake of the
//! network with the most of them (longest queue drop: B. Suter, T. Lakshman, D. Stiliadis,
//! A. Choudhury, "Design considerations for supporting TCP with per-flow queueing", INFOCOM 1998):
//! a prompt caller is hardly ever the oldest, a slow one always is. Sessions are counted by source
//! only for keys that the parameter file does not list.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroU32;

use super::lru::Recent;
use super::source_prefix::{Neighbourhood, Source};
use crate::event_limit::EventLimit;
use crate::time::{Span, Time};

/// From accept to the acknowledgement, in all (limit L2).
pub const HANDSHAKE: Span = Span::from_secs(10);
/// From accept until the first flight of the caller has come: an honest one sends it unasked.
pub const FIRST_FLIGHT: Span = Span::from_secs(3);

/// Handshakes that one source may begin in a second, and at once. A storm of a hundred a second
/// costs a tenth of its handshakes (register C5).
const ATTEMPTS: (NonZeroU32, NonZeroU32) = (
    NonZeroU32::new(10).expect("not zero"),
    NonZeroU32::new(64).expect("not zero"),
);
/// The same for a source of listed peers: a rack behind one address starts together.
const ATTEMPTS_KNOWN: (NonZeroU32, NonZeroU32) = (
    NonZeroU32::new(100).expect("not zero"),
    NonZeroU32::new(512).expect("not zero"),
);

/// Sources whose attempts are counted, and sources from which listed peers have come.
const SOURCES_MAX: usize = 4_096;

/// How many may be there at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Handshakes in all.
    pub pending: usize,
    /// Those of them that strangers never get.
    pub pending_known: usize,
    /// Handshakes of one source of strangers.
    pub pending_source: usize,
    /// Handshakes of one network of strangers.
    pub pending_network: usize,
    /// Sessions in all.
    pub sessions: usize,
    /// Sessions of one source with keys that are not listed.
    pub source: usize,
}

impl Default for Limits {
    /// Limits L2 and L3.
    fn default() -> Self {
        Self {
            pending: 64,
            pending_known: 16,
            pending_source: 4,
            pending_network: 16,
            sessions: 256,
            source: 32,
        }
    }
}

/// The shell's name for a handshake; never used twice.
pub type HandshakeId = u64;

/// What to do with a connection that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptDecision {
    /// Begin the handshake; call [`Admission::pass`] or [`Admission::fail`] when it ends.
    Admit {
        /// Another one, which is to be ended for it and is not counted any more.
        instead_of: Option<HandshakeId>,
    },
    /// Close it.
    Refuse(AdmissionRefusal),
}

/// Why a connection is refused before its handshake, or a session after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdmissionRefusal {
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
    pending: BTreeMap<HandshakeId, Pending>,
    sessions: usize,
    /// Sessions with keys that are not listed, by source.
    guests: BTreeMap<Source, usize>,
    /// What each source has left of its handshakes, as a stranger and as a known one.
    attempts: Recent<(Source, bool), EventLimit>,
    /// Sources that the parameter file names.
    listed: BTreeSet<Source>,
    /// Sources from which a listed key had a session.
    proved: Recent<Source, ()>,
}

/// A handshake. Ids grow, so the least is the oldest.
#[derive(Clone, Copy, Debug)]
struct Pending {
    source: Source,
    known: bool,
}

impl Admission {
    /// An admission without handshakes and sessions.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            pending: BTreeMap::new(),
            sessions: 0,
            guests: BTreeMap::new(),
            attempts: Recent::new(SOURCES_MAX),
            listed: BTreeSet::new(),
            proved: Recent::new(SOURCES_MAX),
        }
    }

    /// Listed peers are expected from these sources, and from no others that were named before.
    pub fn set_listed(&mut self, sources: impl IntoIterator<Item = Source>) {
        self.listed = sources.into_iter().collect();
    }

    /// A listed peer is expected from `source` too.
    pub fn expect(&mut self, source: Source) {
        if self.listed.len() < SOURCES_MAX {
            self.listed.insert(source);
        }
    }

    /// Whether to accept at all; if not, ask again after [`Self::fail`] or [`Self::pass`].
    #[must_use]
    pub fn accepts(&self) -> bool {
        self.pending.len() < self.limits.pending
    }

    /// A connection was accepted. `id` is larger than every one before.
    pub fn accept(&mut self, id: HandshakeId, source: Source, now: Time) -> AcceptDecision {
        let known = self.listed.contains(&source) || self.proved.get(&source).is_some();
        let instead_of = match self.place(source, known) {
            Ok(instead_of) => instead_of,
            Err(refusal) => return AcceptDecision::Refuse(refusal),
        };
        // A refused one costs its source nothing of what it may begin.
        let (rate, burst) = if known { ATTEMPTS_KNOWN } else { ATTEMPTS };
        let attempts = self
            .attempts
            .touch((source, known), now, || EventLimit::new(rate, burst));
        if attempts.check(now).is_err() {
            return AcceptDecision::Refuse(AdmissionRefusal::TooOften);
        }
        if let Some(other) = instead_of {
            self.pending.remove(&other);
        }
        self.pending.insert(id, Pending { source, known });
        AcceptDecision::Admit { instead_of }
    }

    /// Whether there is a place, and which handshake has to go for it.
    fn place(&self, source: Source, known: bool) -> Result<Option<HandshakeId>, AdmissionRefusal> {
        let limits = self.limits;
        if known {
            let room = self.pending.len() < limits.pending;
            // Strangers may have taken what is left beyond those that are kept.
            let longest = || self.longest().map(Some).ok_or(AdmissionRefusal::Handshakes);
            return if room { Ok(None) } else { longest() };
        }
        let strangers = || self.pending.iter().filter(|(_, one)| !one.known);
        let of_source = strangers().filter(|(_, one)| one.source == source);
        if of_source.count() >= limits.pending_source {
            return Err(AdmissionRefusal::SourceHandshakes);
        }
        let near = Neighbourhood::of(source);
        let mut of_network = strangers().filter(|(_, one)| Neighbourhood::of(one.source) == near);
        if of_network.clone().count() >= limits.pending_network {
            return Ok(of_network.next().map(|(id, _)| *id));
        }
        let most = limits.pending.saturating_sub(limits.pending_known).max(1);
        if strangers().count() < most && self.pending.len() < limits.pending {
            return Ok(None);
        }
        self.longest().map(Some).ok_or(AdmissionRefusal::Handshakes)
    }

    /// The oldest handshake of the network of strangers that has most; of several, of the one
    /// whose oldest is the oldest.
    fn longest(&self) -> Option<HandshakeId> {
        let mut networks: BTreeMap<Neighbourhood, (usize, HandshakeId)> = BTreeMap::new();
        for (id, one) in self.pending.iter().filter(|(_, one)| !one.known) {
            let network = networks.entry(Neighbourhood::of(one.source));
            network.or_insert((0, *id)).0 += 1;
        }
        let longest = networks
            .into_values()
            .max_by_key(|&(count, oldest)| (count, std::cmp::Reverse(oldest)));
        longest.map(|(_, oldest)| oldest)
    }

    /// The handshake of an admitted connection failed or took too long.
    pub fn fail(&mut self, id: HandshakeId) {
        self.pending.remove(&id);
    }

    /// The handshake of an admitted connection is done: it is a session from now on, with a key
    /// that the parameter file lists or does not.
    ///
    /// # Errors
    ///
    /// The others took the last place meanwhile. The connection is no longer counted.
    pub fn pass(
        &mut self,
        id: HandshakeId,
        source: Source,
        listed: bool,
        now: Time,
    ) -> Result<(), AdmissionRefusal> {
        self.pending.remove(&id);
        self.join(source, listed, now)
    }

    /// A connection that we dialled is a session from now on.
    ///
    /// # Errors
    ///
    /// There is no place for it. It is not counted.
    pub fn join(
        &mut self,
        source: Source,
        listed: bool,
        now: Time,
    ) -> Result<(), AdmissionRefusal> {
        if listed {
            self.proved.touch(source, now, || ());
        }
        if self.sessions >= self.limits.sessions {
            return Err(AdmissionRefusal::Sessions);
        }
        if !listed {
            let guests = self.guests.entry(source).or_default();
            if *guests >= self.limits.source {
                return Err(AdmissionRefusal::SourceSessions);
            }
            *guests += 1;
        }
        self.sessions += 1;
        Ok(())
    }

    /// A session has ended that was counted as `listed`.
    pub fn leave(&mut self, source: Source, listed: bool) {
        if !listed {
            let Some(guests) = self.guests.get_mut(&source) else {
                return;
            };
            *guests -= 1;
            if *guests == 0 {
                self.guests.remove(&source);
            }
        }
        self.sessions = self.sessions.saturating_sub(1);
    }

    /// Handshakes and sessions now.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.pending.len(), self.sessions)
    }
}

impl fmt::Display for AdmissionRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshakes => "too many handshakes",
            Self::Sessions => "as many sessions as the node may have",
            Self::SourceHandshakes => "too many handshakes of one source",
            Self::SourceSessions => "too many sessions of one source with keys that are not listed",
            Self::TooOften => "too many connections of one source in a short time",
        })
    }
}

impl std::error::Error for AdmissionRefusal {}

#[cfg(test)]
mod tests;
